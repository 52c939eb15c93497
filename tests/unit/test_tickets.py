"""Tickets: only what was issued here, unchanged and in time, lets anybody see anything."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from vibeseater import tickets


def test_a_ticket_names_what_it_lets_see() -> None:
    """Whatever the subject is, it comes back as it was; the ticket fits into headers and addresses."""
    for subject in ("rows:1", "a.b.c", "größer ☃", ""):
        ticket = tickets.issue(subject)
        assert tickets.read(ticket) == subject
        assert set(ticket) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_ticket_ends() -> None:
    """It is good for its minute, and for not one second more."""
    ticket = tickets.issue("rows:1", now=1000.0)
    assert tickets.read(ticket, now=1000.0 + tickets.VALID_SECONDS - 0.5) == "rows:1"
    assert tickets.read(ticket, now=1000.0 + tickets.VALID_SECONDS) is None


@pytest.mark.parametrize("at", range(0, 60, 7))
def test_a_changed_ticket_is_none(at: int) -> None:
    """Whichever bit is changed: signature, end or subject."""
    raw = bytearray(base64.urlsafe_b64decode(tickets.issue("rows:0123456789") + "=="))
    raw[at % len(raw)] ^= 1
    assert tickets.read(base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")) is None


@pytest.mark.parametrize("text", ["", "x", "☃", "vibeseater-rows", "A" * 10_000, "AAAA" * 8 + "=", "a b"])
def test_what_is_no_ticket_is_none(text: str) -> None:
    """Whatever somebody sends is refused, and raises nothing."""
    assert tickets.read(text) is None


def test_another_process_s_ticket_is_none() -> None:
    """The secret is this process's."""
    other = subprocess.run(
        [sys.executable, "-c", "from vibeseater import tickets; print(tickets.issue('rows:1'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert tickets.read(other.stdout.strip()) is None
