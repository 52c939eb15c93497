"""OpenTelemetry: an event's way is one trace whose id is the event's, for the chosen share of events."""

from __future__ import annotations

from uuid import UUID

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.servers import eventually
from vibeseater import VibeSeater, telemetry
from vibeseater.errors import InputError
from vibeseater.operations import tracing
from vibeseater.operations.tracing import instrument, span_id_of


async def test_an_events_way_is_one_trace(seater: VibeSeater) -> None:
    """From its source to its watcher; the metrics count along."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    stop = instrument(tracer_provider=provider, meter_provider=MeterProvider([reader]))
    try:
        stream = await seater.streams.create_stream(title="s")
        source = await seater.sources.create_source(stream, type="synthetic", name="x", config={"rate": 20})
        got: list[UUID] = []
        async with seater.subscribe(stream) as feed:
            await seater.streaming.start_stream(stream)
            async for event in feed:
                got.append(event.id)
                if len(got) == 3:
                    break
            await seater.streaming.stop_stream(stream)

        def ways() -> dict[int, set[str]]:
            found: dict[int, set[str]] = {}
            for span in exporter.get_finished_spans():
                assert span.context is not None
                assert span.parent is not None
                found.setdefault(span.context.trace_id, set()).add(span.name)
            return found

        wanted = {"vibeseater source", "vibeseater commit", "vibeseater publish", "vibeseater deliver"}
        first = await eventually(
            lambda: next((one for one in got if ways().get(one.int) == wanted), None), message="a whole way"
        )
        spans = [span for span in exporter.get_finished_spans() if span.context and span.context.trace_id == first.int]
        assert {span.parent.span_id for span in spans if span.parent} == {span_id_of(first)}
        (of_source,) = [span for span in spans if span.name == "vibeseater source"]
        assert of_source.attributes is not None
        assert of_source.attributes["vibeseater.source_id"] == str(source.id)
        assert all(span.start_time is not None and span.start_time <= (span.end_time or 0) for span in spans)
        data = reader.get_metrics_data()
        assert data is not None
        names = {
            metric.name for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics
        }
        assert {"vibeseater.commit.duration", "vibeseater.delivery.duration", "vibeseater.events_created"} <= names
    finally:
        stop()
    count = len(exporter.get_finished_spans())
    await seater.events.create_event(stream_id=stream.id, event_type="t", content={})
    assert len(exporter.get_finished_spans()) == count


async def test_a_source_that_is_never_read_does_not_end_the_others_spans(
    seater: VibeSeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a webhook brings waits for no reading; it must not fill what is kept for the sources that are read."""
    monkeypatch.setattr(tracing, "_MOST_OPEN", 10)
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    stop = instrument(tracer_provider=provider, meter_provider=MeterProvider())
    try:
        stream = await seater.streams.create_stream(title="s")
        hook = await seater.sources.create_source(stream, type="synthetic", name="hook", config={"rate": 1})
        feed = await seater.sources.create_source(stream, type="synthetic", name="feed", config={"rate": 1})
        item = {"stream_id": stream.id, "event_type": "t", "content": {}}
        await seater.events.create_events_batch([{**item, "source_id": hook.id}] * 25)
        events = await seater.events.create_events_batch([{**item, "source_id": feed.id}] * 3)
        telemetry.execute(
            ("vibeseater", "sources", "polled"), {"duration": 0.1, "items": 3}, {"source_id": feed.id, "type": "rss"}
        )
    finally:
        stop()
    found = {
        one.context.trace_id
        for one in exporter.get_finished_spans()
        if one.context is not None and one.name == "vibeseater source"
    }
    assert found == {event.id.int for event in events}


async def test_a_share_of_the_events_is_told(seater: VibeSeater) -> None:
    """About as many as were asked for, and none in parts."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    stop = instrument(ratio=0.25, tracer_provider=provider, meter_provider=MeterProvider())
    try:
        stream = await seater.streams.create_stream(title="s")
        item = {"stream_id": stream.id, "event_type": "t", "content": {}}
        await seater.events.create_events_batch([item] * 400)
    finally:
        stop()
    assert 50 < len(exporter.get_finished_spans()) < 150
    with pytest.raises(InputError, match="ratio"):
        instrument(ratio=2.0)


async def test_a_second_call_goes_on_instead_of_the_first(seater: VibeSeater) -> None:
    """As when a notebook's cell is run again: nothing is told twice, and the first call's end ends nothing."""
    exporters, readers, stops = [], [], []
    for _ in range(2):
        exporter, provider, reader = InMemorySpanExporter(), TracerProvider(), InMemoryMetricReader()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        stops.append(instrument(tracer_provider=provider, meter_provider=MeterProvider([reader])))
        exporters.append(exporter)
        readers.append(reader)
    try:
        stops[0]()
        stream = await seater.streams.create_stream(title="s")
        item = {"stream_id": stream.id, "event_type": "t", "content": {}}
        await seater.events.create_events_batch([item] * 3)
    finally:
        stops[1]()
    assert [len(exporter.get_finished_spans()) for exporter in exporters] == [0, 3]
    assert "events_created" not in str(readers[0].get_metrics_data())
    assert not [one for one in telemetry.handlers() if one.handler_id.startswith("vibeseater.tracing")]
