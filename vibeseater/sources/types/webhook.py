"""`webhook`: others send events to `POST /ingest/<source_id>`. No worker runs it.

It owns who may send (a signature or a token) and what a body becomes. It must not know HTTP servers, nor the store.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from vibeseater.errors import InputError
from vibeseater.sources.base import Item, SourceConfig, SourceType, clip_id, stable_id
from vibeseater.sources.credentials import Secret
from vibeseater.sources.mapping import BadItemError, to_item
from vibeseater.sources.pointers import MISSING, check_pointer, follow
from vibeseater.sources.secrets import check_reference, resolve
from vibeseater.sources.text import clean_text
from vibeseater.sources.times import TimeUnit

__all__ = ["LARGEST_BODY", "MOST_EVENTS", "WebhookConfig", "WebhookSource", "hash_token", "is_authentic", "read_body"]

LARGEST_BODY = 20 * 1024 * 1024
"""Bytes that `max_bytes` may ask for."""

MOST_EVENTS = 1000
"""Events in one delivery."""

_HASHED = re.compile(r"sha256:[0-9a-f]{64}")
_HEADER = re.compile(r"header:[A-Za-z0-9-]{1,64}")
_SIGNATURE_HEADERS = ("x-signature-256", "x-hub-signature-256")
_KEY_HEADERS = ("idempotency-key", "x-github-delivery")


class WebhookConfig(SourceConfig, frozen=True, kw_only=True):
    """What `webhook` asks for.

    Attributes:
        secret: `env:NAME`, the environment variable of the server that holds the secret. A bearer token may stand here
            as `sha256:<hex>` instead, its hash: enough to know it again, too little to send it.
        auth: how a sender proves itself. `signature`: `X-Signature-256` (or GitHub's `X-Hub-Signature-256`) holds
            `sha256=` and the hex HMAC-SHA256 of the body. `bearer`: `Authorization: Bearer <token>`.
        items: pointer to the list of events in a body; without it, a list, an object `{"events": [...]}`, or the body
            itself.
        id: pointer in an event to its id, by which it is stored once; without it, the request's Idempotency-Key.
        time: pointer in an event to when it happened; without it, the time of storing.
        time_unit: `iso`, `s` or `ms` (since 1970).
        title: pointer in an event to its title.
        link: pointer in an event to its page.
        type: where the event's type stands: a pointer in it, or `header:NAME` (GitHub's is `header:X-GitHub-Event`).
        event_type: the type where `type` is left out or leads nowhere.
        max_bytes: the largest body that is taken.
        rate: events per second that are taken in the long run, in each server process; ten seconds' worth at once.
    """

    secret: Secret
    auth: Literal["signature", "bearer"] = "signature"
    items: str | None = None
    id: str | None = None
    time: str | None = None
    time_unit: TimeUnit = "iso"
    title: str | None = None
    link: str | None = None
    type: str | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "webhook"
    max_bytes: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_BODY)] = 1024 * 1024
    rate: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 100.0

    def check(self) -> None:
        """The secret must be a reference (or a token's hash), the pointers pointers."""
        if not (self.auth == "bearer" and _HASHED.fullmatch(self.secret)):
            if self.auth == "signature" and _HASHED.fullmatch(self.secret):
                raise InputError(
                    "config.secret", "sha256:…", "a signature can't be checked by a hash", "Give env:MY_SECRET"
                )
            check_reference("config.secret", self.secret)
        for field in ("items", "id", "time", "title", "link"):
            check_pointer(f"config.{field}", getattr(self, field))
        if self.type is not None and not _HEADER.fullmatch(self.type):
            check_pointer("config.type", self.type)


class WebhookSource(SourceType):
    """Neither polled nor streaming: the server's endpoint takes what is sent."""

    type = "webhook"
    Config = WebhookConfig


def hash_token(token: str) -> str:
    """A bearer token as it may be kept: `sha256:<hex>`. Tokens are long and random, so a plain hash will do."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def is_authentic(config: WebhookConfig, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the sender knows the secret. It takes the same time wherever a wrong proof differs from the right one.

    Args:
        headers: names are looked up whatever their case, as HTTP servers' mappings do.

    Raises:
        SettingsError: the secret's variable is not set here.
    """
    if config.auth == "bearer":
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = hash_token(token.strip()) if scheme.lower() == "bearer" else ""
        wanted = config.secret if _HASHED.fullmatch(config.secret) else hash_token(resolve(config.secret))
        return hmac.compare_digest(given.encode(), wanted.encode())
    digest = hmac.new(resolve(config.secret).encode(), body, hashlib.sha256).hexdigest()
    signature = next((headers[name] for name in _SIGNATURE_HEADERS if name in headers), "")
    return hmac.compare_digest(signature.strip().encode("utf-8", "replace"), f"sha256={digest}".encode())


def has_proof(config: WebhookConfig, headers: Mapping[str, str]) -> bool:
    """Whether the request brings anything to prove itself with: without it, its body need not be read."""
    wanted = ("authorization",) if config.auth == "bearer" else _SIGNATURE_HEADERS
    return any(name in headers for name in wanted)


def read_body(config: WebhookConfig, headers: Mapping[str, str], body: bytes) -> list[Item]:
    """The events of a delivery, in their order.

    Raises:
        ValueError: the body is no JSON.
        BadItemError: it is JSON, and something in it does not fit; the message names which event.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ValueError(clean_text(error, 200)) from None
    values = _events(document, config)
    if len(values) > MOST_EVENTS:
        raise BadItemError(f"{len(values):,} events in one delivery; send at most {MOST_EVENTS:,}")
    key = next((headers[name].strip() for name in _KEY_HEADERS if headers.get(name, "").strip()), None)
    single = values is not document and len(values) == 1 and values[0] is document
    items = []
    for index, value in enumerate(values):
        where = "the event" if single else f"events[{index}]"
        if not isinstance(value, dict):
            raise BadItemError(f"{where} is no JSON object")
        # In a batch, each event's place is part of its id; a hash, so that no key of another request can equal it.
        own = None if key is None else clip_id(key) if single else stable_id(key, str(index))
        try:
            item = to_item(value, config, own)
        except BadItemError as flaw:
            raise BadItemError(f"{where}: {flaw}") from None
        items.append(msgspec.structs.replace(item, event_type=_type(value, config, headers)))
    return items


def _events(document: Any, config: WebhookConfig) -> list[Any]:
    if config.items is not None:
        found = follow(document, config.items)
        if found is MISSING:
            raise BadItemError(f"nothing stands at {config.items!r}")
        return found if isinstance(found, list) else [found]
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and document.keys() == {"events"}:
        inner = document["events"]
        if isinstance(inner, list) and all(isinstance(value, dict) for value in inner):
            return inner
    return [document]


def _type(value: dict[str, Any], config: WebhookConfig, headers: Mapping[str, str]) -> str:
    if config.type is None:
        return config.event_type
    if _HEADER.fullmatch(config.type):
        found: Any = headers.get(config.type.removeprefix("header:"), "")
    else:
        found = follow(value, config.type)
    return (clean_text(found, 100) if isinstance(found, str) else "") or config.event_type
