"""`POST /ingest/<source_id>` on real servers: who may send, what is stored and how often, what is refused and how."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.ingest.serving import SECRET, TOKEN, Endpoint, a_webhook, sign
from tests.servers import ThrowawayPostgres, eventually
from vibeseater import Event, Source, Stream, VibeSeater, connect, telemetry
from vibeseater.sources.types.webhook import MOST_EVENTS, hash_token
from vibeseater.streaming import SourceStatus

JSON = {"Content-Type": "application/json"}


async def stored(seater: VibeSeater, stream: Stream) -> list[Event]:
    return await seater.events.list_events(stream, order="oldest", limit=10_000)


async def status(seater: VibeSeater, stream: Stream) -> SourceStatus:
    return (await seater.streaming.status(stream)).sources[0]


async def test_a_signed_event_is_stored_and_seen(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    async with seater.subscribe(stream) as feed:
        answer = await endpoint.send(webhook, {"title": "Door open", "room": 3})
        event = await anext(aiter(feed))
    assert (answer.status, answer.body["created"]) == (201, 1)
    assert answer.body["events"] == [{"id": str(event.id), "stream_id": str(stream.id), "stream_seq": 1}]
    assert (event.event_type, event.content, event.source_id) == (
        "webhook",
        {"title": "Door open", "room": 3},
        webhook.id,
    )
    assert [one.id for one in await stored(seater, stream)] == [event.id]


@pytest.mark.parametrize("header", ["X-Signature-256", "x-hub-signature-256"])
async def test_both_names_of_the_signature_count(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source, header: str
) -> None:
    answer = await endpoint.post(webhook, b'{"n":1}', {**JSON, header: sign(b'{"n":1}')})
    assert answer.status == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Signature-256": ""},
        {"X-Signature-256": sign(b"{}", "another secret")},
        {"X-Signature-256": sign(b'{"other": "body"}')},
        {"X-Signature-256": sign(b"{}").removeprefix("sha256=")},
        {"X-Signature-256": sign(b"{}").upper()},
        {"X-Signature-256": "sha256=é"},
        {"X-Signature-256": "sha256="},
        {"X-Signature-256": "sha1=" + "0" * 40, "X-Hub-Signature-256": sign(b"{}")},
        {"Authorization": f"Bearer {SECRET.encode().decode('latin-1')}"},
    ],
)
async def test_without_the_right_signature_nothing_is_stored(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source, headers: dict[str, str]
) -> None:
    answer = await endpoint.post(webhook, b"{}", {**JSON, **headers})
    assert answer.status == 401
    assert "HMAC-SHA256" in answer.headers["WWW-Authenticate"]
    assert await stored(seater, stream) == []


@pytest.mark.parametrize("secret", ["env:TEST_TOKEN", hash_token(TOKEN)])
async def test_a_bearer_token_is_enough_where_it_is_asked_for(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    source = await a_webhook(seater, stream, auth="bearer", secret=secret)
    assert (await endpoint.post(source, b"{}", {**JSON, "Authorization": f"Bearer {TOKEN}"})).status == 201
    assert (await endpoint.post(source, b"{}", {**JSON, "Authorization": f"bearer  {TOKEN} "})).status == 201
    for wrong in (f"Bearer {TOKEN}x", TOKEN, "Bearer", f"Basic {TOKEN}", "Bearer ", f"Bearer {secret}"):
        answer = await endpoint.post(source, b"{}", {**JSON, "Authorization": wrong})
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="VibeSeater"')
    assert (await endpoint.send(source, {})).status == 401
    assert len(await stored(seater, stream)) == 2


async def test_a_delivery_that_comes_again_is_stored_once(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    first = await endpoint.send(webhook, {"n": 1}, Idempotency_Key="d-1")
    again = [await endpoint.send(webhook, {"n": 1}, Idempotency_Key="d-1") for _ in range(3)]
    other = await endpoint.send(webhook, {"n": 1}, Idempotency_Key="d-2")
    assert [first.status, *(one.status for one in again), other.status] == [201, 200, 200, 200, 201]
    assert all(one.body == {**first.body, "created": 0} for one in again)
    assert [one.external_id for one in await stored(seater, stream)] == ["d-1", "d-2"]
    # Without a key nothing says that two deliveries are one.
    assert [(await endpoint.send(webhook, {"n": 1})).status for _ in range(2)] == [201, 201]


async def test_twenty_at_once_with_one_key_are_stored_once(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    same = await asyncio.gather(*(endpoint.send(webhook, {"n": 1}, Idempotency_Key="k") for _ in range(20)))
    assert sorted(one.status for one in same) == [200] * 19 + [201]
    assert len({one.body["events"][0]["id"] for one in same}) == 1
    differing = await asyncio.gather(*(endpoint.send(webhook, {"n": n}) for n in range(20)))
    assert [one.status for one in differing] == [201] * 20
    events = await stored(seater, stream)
    assert [one.stream_seq for one in events] == list(range(1, 22))
    assert sorted(one.content["n"] for one in events[1:]) == list(range(20))


@pytest.mark.parametrize("shape", ["list", "events", "pointer"])
async def test_a_batch_is_stored_in_order_and_once(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, shape: str
) -> None:
    source = await a_webhook(seater, stream, **({"items": "/data/rows"} if shape == "pointer" else {}))
    rows = [{"n": n} for n in range(50)]
    body = {"list": rows, "events": {"events": rows}, "pointer": {"data": {"rows": rows}}}[shape]
    first = await endpoint.send(source, body, Idempotency_Key="batch")
    again = await endpoint.send(source, body, Idempotency_Key="batch")
    assert (first.status, first.body["created"], again.status, again.body["created"]) == (201, 50, 200, 0)
    assert [one["stream_seq"] for one in first.body["events"]] == list(range(1, 51))
    assert again.body["events"] == first.body["events"]
    assert [one.content["n"] for one in await stored(seater, stream)] == list(range(50))


async def test_an_object_that_has_more_than_events_is_one_event(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    for body in ({"events": [{"n": 1}], "hook": 1}, {"events": [1, 2]}, {"events": "push"}):
        assert (await endpoint.send(webhook, body)).body["created"] == 1
    assert [one.content["events"] for one in await stored(seater, stream)] == [[{"n": 1}], [1, 2], "push"]


async def test_pointers_tell_id_time_title_and_type(endpoint: Endpoint, seater: VibeSeater, stream: Stream) -> None:
    source = await a_webhook(
        seater, stream, id="/alarm/id", time="/at", time_unit="s", title="/alarm/text", type="/kind", event_type="alarm"
    )
    body = {"kind": "fire", "at": 1_790_000_000, "alarm": {"id": 7, "text": "<b>Fire!</b>"}}
    assert (await endpoint.send(source, body, Idempotency_Key="one")).status == 201
    assert (await endpoint.send(source, body, Idempotency_Key="two")).status == 200  # the event's own id goes first
    assert (await endpoint.send(source, {**body, "kind": None, "alarm": {"id": 8, "text": "x"}})).status == 201
    fire, other = await stored(seater, stream)
    assert (fire.external_id, fire.event_type, fire.content["title"]) == ("7", "fire", "Fire!")
    assert fire.occurred_at.timestamp() == 1_790_000_000
    assert other.event_type == "alarm"


async def test_github_is_understood(endpoint: Endpoint, seater: VibeSeater, stream: Stream) -> None:
    source = await a_webhook(seater, stream, type="header:X-GitHub-Event")
    body = b'{"action":"opened","issue":{"title":"It hurts"}}'
    headers = {**JSON, "X-GitHub-Event": "issues", "X-GitHub-Delivery": "72d3162e", "X-Hub-Signature-256": sign(body)}
    assert [(await endpoint.post(source, body, headers)).status for _ in range(2)] == [201, 200]
    (event,) = await stored(seater, stream)
    assert (event.event_type, event.external_id, event.content["action"]) == ("issues", "72d3162e", "opened")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 400),
        (b"garbage \x00\xff", 400),
        (b'{"cut": "off', 400),
        (b'{"n": NaN}', 400),
        (b"\xff\xfe{}", 400),
        (b"[" * 200_000, 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b'{"a":' * 120 + b"1" + b"}" * 120, 422),
        (b"null", 422),
        (b"7", 422),
        (b'"text"', 422),
        (b"[1]", 422),
        (b'[{"n": 1}, null]', 422),
        (b'[{"n": 1}, {"nul": "\\u0000"}]', 422),
        (b'{"lone": "\\ud800"}', 400),
        (b'[{"n": 1}, {"long": "' + b"x" * 300_000 + b'"}]', 422),
        (b"[" + b"{}," * MOST_EVENTS + b"{}]", 422),
        (b'{"big": ' + b"9" * 5_000 + b"}", 400),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else str(value),
)
async def test_what_can_not_be_stored_is_refused_as_a_whole(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source, body: bytes, code: int
) -> None:
    answer = await endpoint.send(webhook, body)
    assert answer.status == code, answer.body
    assert answer.body["detail"]
    assert await stored(seater, stream) == []
    assert (await endpoint.send(webhook, {"n": 1})).status == 201


async def test_a_refusal_names_the_event_at_fault(endpoint: Endpoint, seater: VibeSeater, stream: Stream) -> None:
    source = await a_webhook(seater, stream, id="/id", time="/at")
    good = {"id": 1, "at": "2026-11-24T06:00:00Z"}
    answer = await endpoint.send(source, [good, {"id": 2, "at": "yesterday"}, good])
    assert answer.status == 422
    assert "events[1]" in answer.body["detail"]
    assert "yesterday" in answer.body["detail"]
    assert (await endpoint.send(source, [good, {"at": "2026-11-24T06:00:00Z"}])).status == 422
    assert await stored(seater, stream) == []


async def test_an_empty_list_is_well(endpoint: Endpoint, webhook: Source) -> None:
    answer = await endpoint.send(webhook, [])
    assert (answer.status, answer.body) == (200, {"created": 0, "events": []})


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused_and_not_kept(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source, declared: bool
) -> None:
    size = 60 * 1024 * 1024
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < size:
            sent += 1 << 16
            yield b" " * (1 << 16)

    data: Any = io.BytesIO(b" " * size) if declared else pieces()
    answer = await endpoint.post(webhook, data, {**JSON, "X-Signature-256": sign(b"")})
    assert (answer.status, "1,048,576" in answer.body["detail"]) == (413, True)
    assert (await endpoint.send(webhook, {"n": 1})).status == 201
    assert len(await stored(seater, stream)) == 1


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
async def test_a_body_that_is_not_declared_as_json_is_refused(endpoint: Endpoint, webhook: Source, media: str) -> None:
    assert (await endpoint.send(webhook, {}, Content_Type=media)).status == 415


@pytest.mark.parametrize(
    "media", ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"]
)
async def test_kinds_of_json_are_taken(endpoint: Endpoint, webhook: Source, media: str) -> None:
    assert (await endpoint.send(webhook, {}, Content_Type=media)).status == 201


async def test_a_compressed_body_is_refused(endpoint: Endpoint, webhook: Source) -> None:
    answer = await endpoint.send(webhook, b"{}", Content_Encoding="gzip")
    assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "identity")


async def test_what_is_no_webhook_is_not_there(endpoint: Endpoint, seater: VibeSeater, stream: Stream) -> None:
    other = await seater.sources.create_source(stream, type="manual", name="By hand")
    details = set()
    for source in (other, str(uuid4()), "nonsense", "%00", "..%2F..", "a" * 5000):
        answer = await endpoint.send(source, {})
        assert answer.status == 404
        details.add(answer.body["detail"])
    assert len(details) == 1  # nobody learns which sources there are


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO"])
async def test_only_post_is_known(endpoint: Endpoint, webhook: Source, method: str) -> None:
    async with endpoint.session.request(method, endpoint.address(webhook)) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_stream_that_rests_takes_nothing_and_says_when_to_try_again(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    await seater.streaming.pause_stream(stream)
    paused = await endpoint.send(webhook, {"n": 1}, Idempotency_Key="kept")
    assert (paused.status, paused.headers["Retry-After"]) == (409, "60")
    await seater.streaming.resume_stream(stream)
    assert (await endpoint.send(webhook, {"n": 1}, Idempotency_Key="kept")).status == 201
    await seater.streaming.pause_source(webhook)
    assert "webhook is paused" in (await endpoint.send(webhook, {})).body["detail"]
    await seater.streaming.resume_source(webhook)
    assert (await endpoint.send(webhook, {})).status == 201
    await seater.streaming.stop_stream(stream)
    stopped = await endpoint.send(webhook, {})
    assert (stopped.status, "Retry-After" in stopped.headers) == (409, False)
    assert len(await stored(seater, stream)) == 2
    # Who does not know the secret does not learn what the stream does.
    assert (await endpoint.post(webhook, b"{}", {**JSON, "X-Signature-256": "sha256=0"})).status == 401


async def test_all_live_streams_of_a_webhook_get_it(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    other, idle = await seater.streams.create_stream("Other"), await seater.streams.create_stream("Idle")
    for one in (other, idle):
        await seater.sources.attach(one, webhook)
    await seater.streaming.start_stream(other)
    answer = await endpoint.send(webhook, [{"n": 1}, {"n": 2}], Idempotency_Key="k")
    assert answer.body["created"] == 4
    assert [one["stream_id"] for one in answer.body["events"]] == [str(stream.id)] * 2 + [str(other.id)] * 2
    assert [len(await stored(seater, one)) for one in (stream, other, idle)] == [2, 2, 0]


async def test_too_much_is_told_to_wait(endpoint: Endpoint, seater: VibeSeater, stream: Stream) -> None:
    source = await a_webhook(seater, stream, rate=0.5)  # five at once
    assert (await endpoint.send(source, [{"n": n} for n in range(9)])).status == 201  # more than five: on credit
    refused = await endpoint.send(source, {})
    assert refused.status == 429
    assert 8 <= int(refused.headers["Retry-After"]) <= 10
    await seater.sources.update_source(source, config={**source.config, "rate": 1000})
    assert (await endpoint.send(source, {})).status == 201


async def limit_of(seater: VibeSeater, stream: Stream) -> tuple[int, float]:
    """How many events the stream's limit left out, and how many tokens there are."""
    row = await seater.pool.fetchrow("SELECT events_dropped, tokens FROM stream_limits WHERE stream_id = $1", stream.id)
    assert row is not None
    return row["events_dropped"], row["tokens"]


async def test_a_stream_that_waits_makes_senders_wait(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    """A delivery comes as a whole, now or later; what is known is answered all the same."""
    await seater.streaming.limit_stream(stream, 0.1, burst=5, at_limit="wait")
    assert (await endpoint.send(webhook, [{"n": n} for n in range(4)], Idempotency_Key="a")).status == 201
    refused = await endpoint.send(webhook, [{"n": n} for n in range(3)], Idempotency_Key="b")
    assert refused.status == 429
    assert 18 <= int(refused.headers["Retry-After"]) <= 20  # one token is there, three are wanted
    assert len(await stored(seater, stream)) == 4
    assert (await endpoint.send(webhook, [{"n": n} for n in range(4)], Idempotency_Key="a")).status == 200
    assert (await endpoint.send(webhook, {"n": 9}, Idempotency_Key="c")).status == 201  # the one token that is there
    assert (await endpoint.send(webhook, {"n": 9})).status == 429
    assert len(await stored(seater, stream)) == 5
    await endpoint.ingest.tallies.flush()
    assert "refused with 429" in str((await status(seater, stream)).last_error)


async def test_more_than_a_full_bucket_holds_comes_once(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    """Else it could never come; the next one waits for what is owed."""
    await seater.streaming.limit_stream(stream, 1, burst=2, at_limit="wait")
    assert (await endpoint.send(webhook, [{"n": n} for n in range(20)])).status == 201
    refused = await endpoint.send(webhook, {})
    assert (refused.status, 18 <= int(refused.headers["Retry-After"]) <= 19) == (429, True)


@pytest.mark.parametrize(("choice", "kept"), [("drop", [0, 1, 2, 3]), ("sample", [0, 2, 5, 7])])
async def test_what_a_streams_limit_leaves_out_is_counted(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source, choice: Any, kept: list[int]
) -> None:
    """In the answer, in the source's figures and in the stream's; sent again, what is stored takes no token."""
    await seater.streaming.limit_stream(stream, 0.0001, burst=4, at_limit=choice)
    body = [{"n": n} for n in range(10)]
    answer = await endpoint.send(webhook, body, Idempotency_Key="a")
    assert (answer.status, answer.body["created"], answer.body["dropped"]) == (201, 4, 6)
    assert [event.content["n"] for event in await stored(seater, stream)] == kept
    again = await endpoint.send(webhook, body, Idempotency_Key="a")
    assert (again.status, again.body["created"], again.body["dropped"]) == (200, 0, 6)
    none = await endpoint.send(webhook, {"n": 11})
    assert (none.status, none.body) == (200, {"created": 0, "dropped": 1, "events": []})
    await endpoint.ingest.tallies.flush()
    assert (await limit_of(seater, stream))[0] == 13
    found = await status(seater, stream)
    assert (found.items_seen, found.items_dropped, found.items_rejected, found.failures) == (21, 13, 0, 0)


async def test_limits_of_several_streams_are_drawn_from_together(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    """Where one stream must wait nothing is drawn from the others, and nothing is stored in any."""
    other = await seater.streaming.start_stream(await seater.streams.create_stream("Other"))
    free = await seater.streaming.start_stream(await seater.streams.create_stream("Free"))
    for one in (other, free):
        await seater.sources.attach(one, webhook)
    await seater.streaming.limit_stream(stream, 0.0001, burst=3, at_limit="drop")
    await seater.streaming.limit_stream(other, 0.0001, burst=1, at_limit="wait")
    assert (await endpoint.send(webhook, {"n": 1})).status == 201
    assert (await endpoint.send(webhook, [{"n": 2}, {"n": 3}])).status == 429
    assert [len(await stored(seater, one)) for one in (stream, other, free)] == [1, 1, 1]
    dropped, tokens = await limit_of(seater, stream)
    assert (dropped, round(tokens)) == (0, 2)


async def test_a_refused_delivery_gives_its_tokens_back(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    """One event that does not fit refuses them all; what they drew is there again."""
    await seater.streaming.limit_stream(stream, 0.0001, burst=3, at_limit="drop")
    bad = [{"n": 1}, {"n": "x" * 300_000}, {"n": 2}, {"n": 3}, {"n": 4}]
    assert (await endpoint.send(webhook, bad)).status == 422
    dropped, tokens = await limit_of(seater, stream)
    assert (dropped, round(tokens)) == (0, 3)


async def test_a_secret_that_is_not_there_is_our_fault(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch, webhook: Source
) -> None:
    monkeypatch.delenv("TEST_WEBHOOK_SECRET")
    assert (await endpoint.send(webhook, {})).status == 503
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", SECRET)
    assert (await endpoint.send(webhook, {})).status == 201


async def test_the_status_tells_how_deliveries_went(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    await endpoint.send(webhook, [{"n": 1}, {"n": 2}])
    await endpoint.post(webhook, b"{}", {**JSON, "X-Signature-256": "sha256=0"})
    await endpoint.send(webhook, b"[1, 2, 3]")
    await endpoint.ingest.tallies.flush()
    fare = await status(seater, stream)
    assert (fare.state, fare.polls, fare.items_seen, fare.events_stored, fare.items_rejected) == ("waiting", 3, 3, 2, 1)
    assert (fare.failures, fare.last_error is not None and "422" in fare.last_error) == (2, True)
    await endpoint.send(webhook, {})
    await eventually(lambda: _well(seater, stream))  # without being told to write


async def _well(seater: VibeSeater, stream: Stream) -> bool:
    fare = await status(seater, stream)
    return fare.last_error is None and fare.failures == 0 and fare.polls == 4


async def test_no_secret_reaches_a_log(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = await a_webhook(seater, stream, auth="bearer", secret=hash_token(TOKEN))
    for given in (f"Bearer {TOKEN}", f"Bearer {TOKEN}wrong", f"Basic {TOKEN}"):
        await endpoint.post(source, b"{", {**JSON, "Authorization": given})
    await endpoint.send(webhook, b"[1]")
    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text
    assert TOKEN not in repr(await seater.sources.list_sources(stream))
    assert TOKEN not in repr(await seater.streaming.status(stream))


async def test_a_sender_that_hangs_up_leaves_nothing(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    parts = urlsplit(endpoint.url)
    head = f"POST /ingest/{webhook.id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for rest in (f"X-Signature-256: {sign(b'{}')}\r\nContent-Length: 900\r\n\r\n{{", "Content-Le", "\r\n\r\n"):
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall((head + rest).encode())
    assert (await endpoint.send(webhook, {})).status == 201
    assert len(await stored(seater, stream)) == 1


async def test_what_was_purged_is_not_stored_again(
    endpoint: Endpoint, seater: VibeSeater, stream: Stream, webhook: Source
) -> None:
    await endpoint.send(webhook, {"n": 1}, Idempotency_Key="one")
    await endpoint.send(webhook, [{"n": 1}, {"n": 2}], Idempotency_Key="two")
    await seater.pool.execute("DELETE FROM events WHERE stream_seq < 3")
    one = await endpoint.send(webhook, {"n": 1}, Idempotency_Key="one")
    two = await endpoint.send(webhook, [{"n": 1}, {"n": 2}, {"n": 3}], Idempotency_Key="two")
    assert (one.status, one.body) == (200, {"created": 0, "events": []})
    assert (two.status, two.body["created"]) == (201, 1)
    assert [event["stream_seq"] for event in two.body["events"]] == [3, 4]


async def test_nothing_waits_for_a_sender_that_has_gone(
    endpoint: Endpoint, seater: VibeSeater, webhook: Source
) -> None:
    parts = urlsplit(endpoint.url)
    head = f"POST /ingest/{webhook.id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    before = len(asyncio.all_tasks())
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"{head}X-Signature-256: sha256=0\r\nContent-Length: 900\r\n\r\n{{".encode())
    await writer.drain()
    await eventually(lambda: len(asyncio.all_tasks()) > before)
    writer.close()
    await eventually(lambda: len(asyncio.all_tasks()) <= before, timeout=10)


async def test_a_body_that_never_ends_is_given_up(
    endpoint: Endpoint, webhook: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibeseater.ingest.endpoint._SLOWEST", 0.2)
    parts = urlsplit(endpoint.url)
    head = f"POST /ingest/{webhook.id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"{head}X-Signature-256: sha256=0\r\nContent-Length: 900\r\n\r\n{{".encode())
    answer = await asyncio.wait_for(reader.read(), 10)  # to its end: the connection is closed
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_telemetry_is_told_of_each_answer(endpoint: Endpoint, webhook: Source) -> None:
    told: list[tuple[int, int, int]] = []

    def note(_name: Any, measured: Any, about: Any, _config: Any) -> None:
        assert about["source_id"] == webhook.id
        told.append((about["status"], measured["items"], measured["created"]))

    telemetry.attach("test-ingest", ("vibeseater", "ingest", "answered"), note)
    try:
        await endpoint.send(webhook, [{"n": 1}, {"n": 2}], Idempotency_Key="k")
        await endpoint.send(webhook, [{"n": 1}, {"n": 2}], Idempotency_Key="k")
        await endpoint.send(webhook, b"{")
    finally:
        telemetry.detach("test-ingest")
    assert told == [(201, 2, 2), (200, 2, 0), (400, 0, 0)]


async def test_a_body_of_absurd_length_is_refused_at_once(endpoint: Endpoint, webhook: Source) -> None:
    parts = urlsplit(endpoint.url)
    head = f"POST /ingest/{webhook.id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"{head}X-Signature-256: sha256=0\r\nContent-Length: 9{'0' * 12}\r\n\r\n{{".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    writer.close()


async def test_while_postgresql_is_away_senders_are_told_to_come_again(
    throwaway_postgres: ThrowawayPostgres, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.ingest.serving import endpoint_of

    monkeypatch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "0.5")
    async with connect(database_url=throwaway_postgres.url, redis_url=redis_url) as seater:
        stream = await seater.streaming.start_stream(await seater.streams.create_stream("Away"))
        source = await a_webhook(seater, stream)
        async with endpoint_of(seater) as endpoint:
            assert (await endpoint.send(source, {}, Idempotency_Key="1")).status == 201
            await throwaway_postgres.kill()
            answer = await endpoint.send(source, {}, Idempotency_Key="2")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            await throwaway_postgres.start()

            async def back() -> bool:
                return (await endpoint.send(source, {}, Idempotency_Key="2")).status == 201

            await eventually(back)
            assert [one.external_id for one in await stored(seater, stream)] == ["1", "2"]
