"""OpenTelemetry: spans of an event's way, source → commit → publish → deliver, in one trace; and figures as metrics.

Nothing is carried along with an event: its id, 128 bits that nobody else has, is the trace's id. So every process tells
its part of the same trace, and which events are told is decided by the id alone, alike in all of them. It needs the
extra `otel`, and an OpenTelemetry that is set up by whoever uses it (an exporter, say).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from vibeseater import telemetry
from vibeseater.errors import InputError, VibeSeaterError
from vibeseater.operations.figures import COUNTERS, figures
from vibeseater.wire import decode_frame

__all__ = ["instrument", "span_id_of"]

_NAMES = (
    ("writer", "committed"),
    ("events", "created"),
    ("events", "batch_created"),
    ("sources", "polled"),
    ("broadcast", "published"),
    ("hub", "received"),
)
_stop: Callable[[], None] | None = None  # ends what `instrument` began last
_CHANCE = 1 << 32  # the last bits of a UUIDv7 are chance; those before them are a counter, in some makers
_MOST_OPEN = 10_000  # events of readings that are still under way


def instrument(*, ratio: float = 1.0, tracer_provider: Any = None, meter_provider: Any = None) -> Callable[[], None]:
    """Tell OpenTelemetry of what this process does, until the function that is returned is called, or this one again:
    then things go on as the later call says, so that a notebook's cell may be run twice.

    Args:
        ratio: the share of events that are traced, 0 to 1; the same events in all processes.
        tracer_provider, meter_provider: OpenTelemetry's; its global ones where they are left out.

    Raises:
        InputError: `ratio` does not fit.
        VibeSeaterError: OpenTelemetry is not installed.
    """
    if not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
        raise InputError("ratio", ratio, "not a share", "Give a number from 0 to 1")
    try:
        from opentelemetry import metrics, trace
    except ImportError:
        raise VibeSeaterError("Tracing needs OpenTelemetry: python -m pip install 'vibeseater[otel]'") from None
    meter = metrics.get_meter("vibeseater", meter_provider=meter_provider)
    global _stop
    if _stop is not None:
        _stop()
    tracing = _Tracing(trace.get_tracer("vibeseater", tracer_provider=tracer_provider), meter, ratio)
    figures.begin()
    for name in _NAMES:
        telemetry.attach(_id(name), ("vibeseater", *name), tracing.on_event, name)

    def stop() -> None:
        global _stop
        if not tracing.active:
            return
        tracing.active, _stop = False, None
        for name in _NAMES:
            telemetry.detach(_id(name))
        figures.end()

    _stop = stop
    return stop


def span_id_of(event_id: UUID) -> int:
    """The span that all spans of an event are children of; it is nobody's own."""
    return event_id.int & ((1 << 64) - 1)


def _id(name: tuple[str, str]) -> str:
    return f"vibeseater.tracing:{'.'.join(name)}"


class _Tracing:
    """Turns telemetry into spans, which have happened already when they are told."""

    def __init__(self, tracer: Any, meter: Any, ratio: float) -> None:
        self.active = True
        self._tracer = tracer
        self._bound = round(ratio * _CHANCE)
        self._commit = 0.0  # seconds of the last commit: its events are told right after it
        self._open: dict[UUID, list[UUID]] = {}  # events by the source whose reading brought them
        self._opened = 0
        self._commits = meter.create_histogram("vibeseater.commit.duration", unit="s")
        self._deliveries = meter.create_histogram("vibeseater.delivery.duration", unit="s")
        for counter in COUNTERS:
            meter.create_observable_counter(f"vibeseater.{counter}", callbacks=[self._observed(counter)])

    def _observed(self, counter: str) -> Callable[[Any], Iterable[Any]]:
        def observe(_options: Any) -> Iterable[Any]:
            from opentelemetry.metrics import Observation

            # A meter calls what it once was given for ever.
            return [Observation(figures.counters[counter])] if self.active else []

        return observe

    def on_event(
        self,
        _name: tuple[str, ...],
        measurements: Mapping[str, Any],
        metadata: Mapping[str, Any],
        name: tuple[str, str],
    ) -> None:
        if name == ("writer", "committed"):
            self._commit = measurements["duration"]
            self._commits.record(self._commit)
        elif name == ("events", "created"):
            self._span("commit", metadata["event_id"], self._commit, _about(metadata))
        elif name == ("events", "batch_created"):
            self._batch(measurements, metadata)
        elif name == ("sources", "polled"):
            self._polled(measurements, metadata)
        elif name == ("broadcast", "published"):
            for topic, message in metadata.get("batch", ()):
                self._published(topic, message, measurements["duration"])
        elif name == ("hub", "received"):
            self._deliveries.record(measurements["duration"])
            for event in metadata["events"]:
                took = max(0.0, time.time() - event.inserted_at.timestamp())
                self._span("deliver", event.id, took, {"vibeseater.topic": str(metadata["topic"])})

    def _batch(self, measurements: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        self._commits.record(measurements["duration"])
        for _, event in metadata.get("created", ()):
            if not self._is_told(event.id):
                continue
            self._span("commit", event.id, measurements["duration"], _about(metadata, event))
            if event.source_id is not None:
                if self._opened >= _MOST_OPEN:  # of a source, perhaps, that is never read: a webhook
                    self._opened -= len(self._open.pop(next(iter(self._open))))
                self._open.setdefault(event.source_id, []).append(event.id)
                self._opened += 1

    def _polled(self, measurements: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        brought = self._open.pop(metadata["source_id"], [])
        self._opened -= len(brought)
        for event_id in brought:
            about = {"vibeseater.source_id": str(metadata["source_id"]), "vibeseater.source_type": metadata["type"]}
            self._span("source", event_id, measurements["duration"], about)

    def _published(self, topic: str, message: bytes, duration: float) -> None:
        if not topic.startswith(("stream:", "source:")):
            return
        try:
            events = decode_frame(message).events
        except msgspec.DecodeError:
            return
        for event in events:
            self._span("publish", event.id, duration, {"vibeseater.topic": topic})

    def _is_told(self, event_id: UUID) -> bool:
        return event_id.int % _CHANCE < self._bound

    def _span(self, name: str, event_id: UUID, seconds: float, attributes: Mapping[str, str]) -> None:
        if not self._is_told(event_id):
            return
        from opentelemetry import trace

        parent = trace.SpanContext(
            event_id.int, span_id_of(event_id), is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
        )
        end = time.time_ns()
        span = self._tracer.start_span(
            f"vibeseater {name}",
            context=trace.set_span_in_context(trace.NonRecordingSpan(parent)),
            start_time=end - round(seconds * 1e9),
            attributes={"vibeseater.event_id": str(event_id), **attributes},
        )
        span.end(end)


def _about(metadata: Mapping[str, Any], event: Any = None) -> dict[str, str]:
    names = ("stream_id", "source_id", "event_type")
    found = {name: metadata.get(name) if event is None else getattr(event, name) for name in names}
    return {f"vibeseater.{name}": str(value) for name, value in found.items() if value is not None}
