"""The endpoint: proof, size, form, pace, store, and an answer that says what became of it. All errors are problem JSON.

It owns what is answered when (see `openapi.py`, which tells it). It must not know pages, nor what a body means.

The answer comes after the commit: what was answered with 200 or 201 is on disk. A delivery is stored as a whole, in all
live streams of its source, or not at all.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from tornado.web import RequestHandler, stream_request_body

from vibeseater import telemetry
from vibeseater.errors import InputError, NotFoundError, ServerError, SettingsError, VibeSeaterError
from vibeseater.ingest.allowance import Allowances, TooFastError
from vibeseater.ingest.bucket import Bucket
from vibeseater.ingest.openapi import description
from vibeseater.ingest.tally import Tallies
from vibeseater.inputs import draft_event
from vibeseater.models import EventBatch
from vibeseater.sources.base import Item
from vibeseater.sources.mapping import BadItemError
from vibeseater.sources.registry import parse_config
from vibeseater.sources.types.webhook import WebhookConfig, has_proof, is_authentic, read_body
from vibeseater.store.inlets import Inlet, find_inlet

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["Ingest", "ingest_routes"]

_log = logging.getLogger(__name__)

_GONE = re.compile(r"(?:items\[(\d+)\]\.)?external_id")

_SLOWEST = 30.0  # seconds that a body may take to arrive
_DRAINED = 64 << 20  # bytes of a refused body that are read and dropped: who is cut off while sending reads no answer
_PATIENCE = 5  # seconds after which a sender is asked to try again while PostgreSQL is away
_PAUSED_PATIENCE = 60  # the same while the stream rests


Routes = list[tuple[str, type[RequestHandler], dict[str, Any]]]


def ingest_routes(found: Callable[[], Awaitable[Ingest]]) -> Routes:
    """Tornado's routes to an endpoint that is found when a request comes; what that raises is answered with 503."""
    return [
        (r"/ingest/openapi\.json", _Description, {}),
        (r"/ingest/([^/]+)", _Delivery, {"found": found}),
    ]


class Ingest:
    """What the endpoint shares over its requests: one a server process.

    Args:
        seater: a connected VibeSeater, of the loop that serves.
    """

    def __init__(self, seater: VibeSeater) -> None:
        self.seater = seater
        self.tallies = Tallies(seater.pool)
        self._allowances = Allowances(seater.pool)
        self._buckets: dict[UUID, Bucket] = {}

    def routes(self) -> Routes:
        """Tornado's routes."""

        async def found() -> Ingest:
            return self

        return ingest_routes(found)

    def bucket(self, source_id: UUID, rate: float) -> Bucket:
        """The source's bucket; a new one when its rate was changed."""
        found = self._buckets.get(source_id)
        if found is None or found.rate != rate:
            found = self._buckets[source_id] = Bucket(rate)
        return found

    async def take(self, inlet: Inlet, items: list[Item]) -> tuple[EventBatch, int]:
        """Store what the streams' limits let through, and tell how many items they left out of all streams.

        Raises:
            TooFastError: a stream that waits at its limit has no room now; nothing was stored.
            InputError, NotFoundError, ServerError: as in `store`; nothing was drawn from the limits.
        """
        allowed = await self._allowances.of(inlet.id, inlet.live, inlet.limited, items)
        try:
            return await self.store(inlet.id, allowed.pairs), allowed.dropped
        except (InputError, NotFoundError):
            await self._allowances.give_back(allowed)
            raise

    async def store(self, source_id: UUID, pairs: Sequence[tuple[UUID, Item]]) -> EventBatch:
        """Store each item in its stream, in one transaction. What was stored before and purged since is left out.

        Raises:
            InputError: an item does not fit; nothing was stored.
            NotFoundError: a stream or the source was deleted; nothing was stored.
            ServerError: PostgreSQL is away.
        """
        events = [
            {
                "stream_id": stream_id,
                "source_id": source_id,
                "event_type": item.event_type,
                "content": item.content,
                "occurred_at": item.occurred_at,
                "external_id": item.external_id,
                "metadata": item.metadata or None,
            }
            for stream_id, item in pairs
        ]
        while True:
            try:
                if len(events) == 1:  # many senders' single events share a commit
                    draft = draft_event(events[0], max_bytes=self.seater.settings.max_content_bytes)
                    event, is_new = await self.seater.events.store_draft(draft)
                    return EventBatch([event], int(is_new))
                return await self.seater.events.create_events_batch(events, broadcast=True)
            except NotFoundError as error:
                gone = _GONE.fullmatch(error.field)
                if gone is None:
                    raise
                del events[int(gone[1] or 0)]

    async def aclose(self) -> None:
        """Write what is known of the deliveries."""
        await self.tallies.aclose()


class _Json(RequestHandler):
    """Answers in JSON, its errors as problem details (RFC 9457)."""

    allowed = "GET"

    def check_xsrf_cookie(self) -> None:
        """No cookie proves anything here, so none can be misused."""

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        """What tornado itself refuses, or what failed."""
        if status_code == 405:
            self.set_header("Allow", self.allowed)
        detail = f"Use {self.allowed}." if status_code == 405 else "The server's log tells why." * (status_code >= 500)
        self.problem(status_code, detail or "The request can't be understood.")

    def problem(self, status: int, detail: str, **headers: str) -> None:
        """Answer with a problem."""
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name.replace("_", "-"), value)
        self.answer(
            {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail},
            "application/problem+json",
        )

    def answer(self, value: Any, content_type: str = "application/json") -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", content_type)
        self.finish(msgspec.json.encode(value))


class _Description(_Json):
    """What the endpoint takes and answers, as OpenAPI describes it."""

    def get(self) -> None:
        self.answer(description())


class _RefusedError(Exception):
    """The answer is a problem. `counted`: how many events it concerns, where it is the sender's fault; else None."""

    def __init__(self, status: int, detail: str, *, counted: int | None = 0, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.detail, self.counted, self.headers = status, detail, counted, headers


@stream_request_body
class _Delivery(_Json):
    """POST: events that others send, as their webhook is set up. GET is refused.

    What is refused by its head is answered when its body has passed by, and nothing of it is kept.
    """

    allowed = "POST"

    def initialize(self, found: Callable[[], Awaitable[Ingest]]) -> None:
        self._found = found
        self._ingest: Ingest | None = None
        self._body = bytearray()
        self._inlet: Inlet | None = None
        self._refusal: _RefusedError | None = None
        self._most = self._passed = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _endpoint(self) -> Ingest:
        assert self._ingest is not None
        return self._ingest

    async def prepare(self) -> None:
        if self.request.method != "POST":
            return  # tornado says 405
        try:
            self._ingest = await self._found()
            self._inlet = await self._find(self.path_args[0])
            config = _config(self._inlet)
            self._most = config.max_bytes
            self._check_head(config)
        except _RefusedError as refusal:
            self._refusal = refusal
        except VibeSeaterError as error:  # PostgreSQL is away, or nothing could be connected to
            self._refusal = _unavailable(error)
        length = self.request.headers.get("Content-Length", "")
        if self._refusal is not None and length.isdigit() and int(length) > _DRAINED:
            self._refuse(self._refusal)
        else:
            self._timer = asyncio.get_running_loop().call_later(_SLOWEST, self._too_slow)

    async def _find(self, text: str) -> Inlet:
        missing = _RefusedError(404, "There is no such webhook.", counted=None)
        try:
            source_id = UUID(text)
        except ValueError:
            raise missing from None
        inlet = await find_inlet(self._endpoint.seater.pool, source_id)
        if inlet is None or inlet.type != "webhook":
            raise missing
        return inlet

    def _check_head(self, config: WebhookConfig) -> None:
        headers = self.request.headers
        if not has_proof(config, headers):
            raise _unproved(config)
        media = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
            raise _RefusedError(415, "Send JSON, with the header Content-Type: application/json.")
        if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise _RefusedError(415, "Send the body as it is, without Content-Encoding.", Accept_Encoding="identity")
        length = headers.get("Content-Length", "")
        if length.isdigit() and int(length) > self._most:
            raise _too_large(self._most)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self._finished:
            return None
        self._passed += len(chunk)
        if self._refusal is None and self._passed > self._most:
            self._body.clear()
            self._refusal = _too_large(self._most)
        if self._refusal is None:
            self._body += chunk
        elif self._passed > _DRAINED:
            self._refuse(self._refusal)  # tornado closes the connection, as the body was not read
        return None

    async def post(self, _source_id: str) -> None:
        self._stop_timer()
        if self._finished:
            return
        inlet = self._inlet
        try:
            if self._refusal is not None:
                raise self._refusal
            assert inlet is not None
            events, items, dropped = await self._take(inlet)
        except _RefusedError as refusal:
            self._refuse(refusal)
            return
        self._endpoint.tallies.taken(inlet.id, items, dropped)
        self.set_status(201 if events.created else 200)
        self._tell(items, events.created)
        self.answer(
            {
                "created": events.created,
                **({"dropped": dropped} if dropped else {}),
                "events": [
                    {"id": event.id, "stream_id": event.stream_id, "stream_seq": event.stream_seq} for event in events
                ],
            }
        )

    async def _take(self, inlet: Inlet) -> tuple[EventBatch, int, int]:
        """Check and store; the events, how many were sent, and how many of them limits left out."""
        config, headers, body = _config(inlet), self.request.headers, bytes(self._body)
        self._body.clear()
        try:
            if not is_authentic(config, headers, body):
                raise _unproved(config)
        except SettingsError as error:
            _log.error("webhook %s: %s", inlet.id, error)
            raise _RefusedError(503, "This webhook's secret is not set on this server.") from None
        _check_open(inlet)
        bucket = self._endpoint.bucket(inlet.id, config.rate)
        wait = bucket.wait()
        if wait > 0:
            raise _RefusedError(
                429, f"More than {config.rate:g} events per second.", Retry_After=str(max(1, math.ceil(wait)))
            )
        try:
            items = read_body(config, headers, body)
        except BadItemError as flaw:
            raise _RefusedError(422, f"Nothing was stored: {flaw}.", counted=1) from None
        except ValueError as flaw:
            raise _RefusedError(400, f"The body can't be read as JSON: {flaw}.") from None
        bucket.take(max(1, len(items)))  # before anything is awaited: what comes meanwhile finds it taken
        try:
            events, dropped = await self._endpoint.take(inlet, items)
        except TooFastError as limit:
            bucket.take(-max(1, len(items)))
            raise _RefusedError(
                429, "The stream takes no more just now.", Retry_After=str(max(1, math.ceil(limit.wait)))
            ) from None
        except NotFoundError:
            raise _RefusedError(409, "The stream or the webhook was deleted just now.", counted=None) from None
        except InputError as error:
            raise _RefusedError(422, f"Nothing was stored: {error}", counted=len(items)) from None
        except ServerError as error:
            raise _unavailable(error) from None
        return events, len(items), dropped

    def _refuse(self, refusal: _RefusedError) -> None:
        self._stop_timer()
        if self._inlet is not None and refusal.counted is not None:
            reason = f"refused with {refusal.status}: {refusal.detail}"[:500]
            self._endpoint.tallies.refused(self._inlet.id, reason, refusal.counted)
        self.problem(refusal.status, refusal.detail, **refusal.headers)
        self._tell(0, 0)

    def _tell(self, items: int, created: int) -> None:
        """Tell telemetry of the answer."""
        telemetry.execute(
            ("vibeseater", "ingest", "answered"),
            {"count": 1, "duration": self.request.request_time(), "items": items, "created": created},
            {"source_id": None if self._inlet is None else self._inlet.id, "status": self.get_status()},
        )

    def _too_slow(self) -> None:
        if not self._finished:
            self._refuse(_RefusedError(408, f"The body took more than {_SLOWEST:g} s."))

    def on_connection_close(self) -> None:
        super().on_connection_close()  # it wakes who waits for the body
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _config(inlet: Inlet) -> WebhookConfig:
    try:
        config = parse_config(inlet.type, inlet.config)
    except InputError as error:  # written by another version, say
        _log.error("webhook %s: %s", inlet.id, error)
        raise _RefusedError(503, "This webhook's configuration does not fit.") from None
    assert isinstance(config, WebhookConfig)
    return config


def _check_open(inlet: Inlet) -> None:
    """A stream that is not live takes nothing, and says so, so that whoever sends keeps it and tries again."""
    if inlet.paused:
        raise _RefusedError(409, "This webhook is paused.", counted=None, Retry_After=str(_PAUSED_PATIENCE))
    if inlet.live:
        return
    if "paused" in inlet.statuses:
        raise _RefusedError(409, "The stream is paused.", counted=None, Retry_After=str(_PAUSED_PATIENCE))
    what = "The stream is not live: start it first." if inlet.statuses else "This webhook belongs to no stream."
    raise _RefusedError(409, what, counted=None)


def _unproved(config: WebhookConfig) -> _RefusedError:
    if config.auth == "bearer":
        return _RefusedError(
            401,
            "Send this webhook's token in the header Authorization: Bearer <token>.",
            WWW_Authenticate='Bearer realm="VibeSeater"',
        )
    return _RefusedError(
        401,
        "Sign the body: X-Signature-256: sha256=<hex HMAC-SHA256 of the body, with this webhook's secret>.",
        WWW_Authenticate='HMAC-SHA256 realm="VibeSeater"',
    )


def _too_large(most: int) -> _RefusedError:
    return _RefusedError(413, f"The body is larger than {most:,} bytes. Send it in pieces.")


def _unavailable(error: VibeSeaterError) -> _RefusedError:
    _log.warning("a webhook was refused: %s", error)
    return _RefusedError(503, "Not stored: the database is away. Try again.", counted=None, Retry_After=str(_PATIENCE))
