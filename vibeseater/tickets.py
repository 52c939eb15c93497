"""Tickets: what a page's session hands to its browser, so that another connection may see the same. No I/O.

A ticket names what may be seen and until when, signed (HMAC-SHA256, RFC 2104) with a secret that never leaves this
process and those that were forked from it. Another server's ticket is refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time

__all__ = ["VALID_SECONDS", "issue", "read"]

VALID_SECONDS = 60.0
"""Long enough to open a connection, and no longer."""

_SECRET = secrets.token_bytes(32)


def issue(subject: str, now: float | None = None) -> str:
    """A ticket for `subject`, in characters that any header and address takes.

    Args:
        subject: what may be seen, such as a topic.
        now: seconds since 1970; the clock's by default.
    """
    until = int((time.time() if now is None else now) + VALID_SECONDS)
    text = f"{until}.{subject}".encode()
    return base64.urlsafe_b64encode(_signed(text) + text).decode().rstrip("=")


def read(ticket: str, now: float | None = None) -> str | None:
    """What a ticket lets see; None where it was not issued here, was changed, or is too old."""
    try:
        raw = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    signature, text = raw[:32], raw[32:]
    if not hmac.compare_digest(signature, _signed(text)):
        return None
    until, _, subject = text.decode().partition(".")
    return subject if (time.time() if now is None else now) < int(until) else None


def _signed(text: bytes) -> bytes:
    return hmac.digest(_SECRET, text, "sha256")
