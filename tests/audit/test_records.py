"""The record itself: a part of what it tells of, without secrets, never changed, found again by what is asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

import vibeseater
from vibeseater import VibeSeater
from vibeseater.access.actor import acting_as
from vibeseater.errors import InputError, NotFoundError, ServerError
from vibeseater.store.audit import audited, by_way, lone, record, who
from vibeseater.store.audit_log import AuditRecord


async def _only(seater: VibeSeater, action: str) -> AuditRecord:
    found = await seater.audit(action=action)
    assert len(found) == 1
    return found[0]


async def test_who_is_the_user_of_this_machine(seater: VibeSeater) -> None:
    """Where nobody else is named; by the Python API, at PostgreSQL's time."""
    stream = await seater.streams.create_stream("A")
    record = await _only(seater, "streams.create_stream")
    assert record.who == who(seater.pool)
    assert "@" in record.who
    assert record.way == "api"
    assert (record.kind, record.object_id, record.stream_ids) == ("stream", stream.id, (stream.id,))
    assert abs(record.at - stream.created_at) < timedelta(seconds=30)


async def test_settings_may_say_who(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's name, say."""
    monkeypatch.setenv("VIBESEATER_ACTOR", "nightly job")
    async with vibeseater.connect(database_url, redis_url) as seater:
        await seater.streams.create_stream("A")
        assert (await _only(seater, "streams.create_stream")).who == "nightly job"


async def test_no_action_without_its_record(seater: VibeSeater, database_url: str) -> None:
    """What can't be recorded is not done: here the right to insert is missing."""
    stream = await seater.streams.create_stream("A")
    rule = await seater.alerts.create_rule(stream, "R", when="event", search="x")
    other = await asyncpg.connect(database_url)
    await other.execute("ALTER TABLE audit ADD CONSTRAINT nothing CHECK (id < 0) NOT VALID")
    await other.close()
    for act in (
        lambda: seater.streams.create_stream("B"),
        lambda: seater.streams.update_stream(stream, title="C"),
        lambda: seater.streams.delete_stream(stream),
        lambda: seater.sources.create_source(stream, name="s"),
        lambda: seater.streaming.start_stream(stream),
        lambda: seater.streaming.limit_stream(stream, 5),
        lambda: seater.archive.retention.set(stream, keep=5, without_archive=True),
        lambda: seater.alerts.delete_rule(rule),
        lambda: seater.bookmarks.create_bookmark(stream, start="2026-01-01T00:00:00Z", end="2026-01-02T00:00:00Z"),
    ):
        with pytest.raises((ServerError, asyncpg.CheckViolationError)):
            await act()
    assert await seater.streams.list_streams() == [stream]
    assert await seater.sources.list_sources() == []
    assert await seater.alerts.list_rules(stream) == [rule]
    assert await seater.bookmarks.list_bookmarks(stream) == []
    assert await seater.archive.retention.list() == []
    assert (await seater.streaming.status(stream)).limit is None


async def test_what_failed_is_recorded_and_why(seater: VibeSeater) -> None:
    """Also where there is no such thing, and whatever was typed."""
    with pytest.raises(NotFoundError):
        await seater.streams.delete_stream("nothing\x00here")
    record = await _only(seater, "streams.delete_stream")
    assert (record.outcome, record.kind, record.object_name) == ("failed", "stream", "nothing?here")
    assert "no such stream" in (record.reason or "")
    stream = await seater.streams.create_stream("A")
    with pytest.raises(InputError):
        await seater.streaming.pause_stream(stream)
    record = await _only(seater, "streaming.pause_stream")
    assert (record.outcome, record.object_id, record.stream_ids) == ("failed", stream.id, (stream.id,))


class _Part:
    """Something with an action that fails after its record was written, or starts what goes on after it."""

    def __init__(self, seater: VibeSeater) -> None:
        self._pool = seater.pool

    @audited("part.fail")
    async def fail(self, *, after_commit: bool) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await record(connection, "part", None, "p")
            if not after_commit:
                raise InputError("part", 1, "broken before", "Mend it")
        raise InputError("part", 1, "broken after", "Mend it")

    @audited("part.begin")
    async def begin(self) -> None:
        over = asyncio.Event()

        async def later() -> None:
            await over.wait()
            async with self._pool.acquire() as connection:
                await record(connection, "part", None, "later")

        self.task, self.over = asyncio.create_task(later()), over


async def test_what_was_rolled_back_has_failed_and_what_was_committed_is_done(seater: VibeSeater) -> None:
    """Whatever came after the record: a later statement of its transaction, or a later step."""
    part = _Part(seater)
    for after_commit, outcome in ((False, "failed"), (True, "done")):
        with pytest.raises(InputError):
            await part.fail(after_commit=after_commit)
        assert [one.outcome for one in await seater.audit(limit=1)] == [outcome]
    assert len(await seater.audit(action="part.fail")) == 2


async def test_what_goes_on_after_an_action_is_not_that_action(seater: VibeSeater) -> None:
    """A worker that it started, say."""
    part = _Part(seater)
    await part.begin()
    part.over.set()
    await part.task
    assert [one.action for one in await seater.audit()] == ["part.begin"]


async def test_what_only_tells_is_not_recorded(seater: VibeSeater) -> None:
    """A dry run, and what finds all as it is to be; nor are events."""
    stream = await seater.streams.create_stream("A")
    source = await seater.sources.create_source(stream, name="s")
    before = await seater.audit()
    await seater.archive.purge(stream, keep=1)
    await seater.archive.apply_rules()
    assert await seater.streams.create_stream("A", exist_ok=True) == stream
    assert await seater.sources.create_source(stream, name="s", exist_ok=True) == source
    await seater.events.create_event(stream_id=stream.id, source_id=source.id, event_type="t", content={})
    await seater.events.create_events_batch([{"stream_id": stream.id, "event_type": "t", "content": {}}])
    assert await seater.audit() == before


async def test_no_secret_is_recorded(seater: VibeSeater) -> None:
    """Neither of a source, of a rule's targets nor in a reason; that one was changed is seen."""
    stream = await seater.streams.create_stream("A")
    config = {"url": "https://example.org/feed", "headers": {"Authorization": "Bearer s3cret"}}
    source = await seater.sources.create_source(stream, type="rss", name="s", config=config)
    config["headers"] = {"Authorization": "Bearer s3cret2"}
    await seater.sources.update_source(source, config=config)
    record = await _only(seater, "sources.update_source")
    assert record.changes == {"config.headers": [{"Authorization": "***"}, "(changed)"]}
    with pytest.raises(InputError):
        await seater.sources.update_source(source, config={"url": "https://ann:s3cret@example.org:x/"})
    rule = await seater.alerts.create_rule(stream, "R", when="event", search="x", targets=["json://ann:s3cret@host"])
    await seater.alerts.update_rule(rule, targets=["json://ann:s3cret2@host"])
    assert (await _only(seater, "alerts.update_rule")).changes == {"targets": [["json://***"], "(changed)"]}
    assert not [one for one in await seater.audit() if "s3cret" in repr(one)]


async def test_a_source_concerns_the_streams_that_it_feeds(seater: VibeSeater) -> None:
    """All of them, at that moment."""
    one, two, none = [await seater.streams.create_stream(title) for title in "ABC"]
    source = await seater.sources.create_source(one, name="s")
    await seater.sources.attach(two, source)
    await seater.sources.update_source(source, name="t")
    await seater.sources.delete_source(source)
    for action in ("sources.update_source", "sources.delete_source"):
        assert set((await _only(seater, action)).stream_ids) == {one.id, two.id}
    assert [record.action for record in await seater.audit(stream=none)] == ["streams.create_stream"]


async def test_it_is_found_by_what_is_asked(seater: VibeSeater) -> None:
    """By whom, which action, about which stream, when, and what became of it; page by page."""
    with acting_as("ada"), by_way("page"):
        one = await seater.streams.create_stream("A")
    with acting_as("bob"), by_way("cli"):
        two = await seater.streams.create_stream("B")
        await seater.sources.create_source(two, name="s")
        with pytest.raises(NotFoundError):
            await seater.streams.delete_stream("c")
    await seater.streams.delete_stream(one)

    async def told(**filters: object) -> list[str]:
        return [record.action.split(".")[1] for record in await seater.audit(**filters)]  # type: ignore[arg-type]

    everything = ["delete_stream", "delete_stream", "create_source", "create_stream", "create_stream"]
    assert await told() == everything
    assert await told(who="ada") == ["create_stream"]
    assert await told(who="bob", outcome="done") == ["create_source", "create_stream"]
    assert await told(action="sources") == await told(action="sources.create_source") == ["create_source"]
    assert await told(stream="b") == await told(stream=two) == ["create_source", "create_stream"]
    assert await told(stream=one.id) == await told(stream=str(one.id)) == ["delete_stream", "create_stream"]
    records = await seater.audit()
    assert await told(start=records[2].at) == everything[:3]
    assert await told(end=records[2].at) == everything[3:]
    assert await told(before=records[2], limit=1) == everything[3:4]
    assert await told(after=records[2]) == everything[:2]
    assert await seater.audit.list_records() == records
    with pytest.raises(InputError, match="outcome"):
        await seater.audit(outcome="perhaps")
    with pytest.raises(NotFoundError):
        await seater.audit(stream="nothing")


async def test_it_only_grows(seater: VibeSeater, database_url: str) -> None:
    """Nobody changes or deletes records by mistake; pruning does, and is recorded itself."""
    with acting_as("ada"), by_way("api"):
        await seater.streams.create_stream("A")
    connection = await asyncpg.connect(database_url)
    try:
        for statement in ("UPDATE audit SET who = 'bob'", "DELETE FROM audit", "TRUNCATE audit"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only grows"):
                await connection.execute(statement)
    finally:
        await connection.close()
    assert (await _only(seater, "streams.create_stream")).who == "ada"
    moment = datetime.now(UTC) + timedelta(seconds=1)
    with acting_as("bob"), by_way("cli"):
        assert await seater.audit.prune(moment - timedelta(days=1)) == 0
        assert await seater.audit.prune(moment) == 2
    record = await _only(seater, "audit")
    assert (record.who, record.changes["records"]) == ("bob", [None, 2])
    assert await seater.audit() == [record]


async def test_a_role_that_may_only_insert_acts_and_reads_nothing(
    seater: VibeSeater, database_url: str, redis_url: str
) -> None:
    """The serving role's least grants: it leaves records, and can neither see, change nor take them off."""
    role = f"serving_{uuid4().hex}"
    await seater.pool.execute(f"CREATE ROLE {role} LOGIN")
    try:
        for grant in (
            "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO",
            "USAGE ON SCHEMA public TO",
        ):
            await seater.pool.execute(f"GRANT {grant} {role}")
        await seater.pool.execute(f"REVOKE ALL ON audit FROM {role}")
        await seater.pool.execute(f"GRANT INSERT ON audit TO {role}")
        url = urlsplit(database_url)
        _, _, host = url.netloc.rpartition("@")
        async with vibeseater.connect(url._replace(netloc=f"{role}@{host}").geturl(), redis_url) as serving:
            assert await serving.pool.fetchval("SELECT current_user") == role
            stream = await serving.streams.create_stream("A")
            source = await serving.sources.create_source(stream, name="s")
            await serving.sources.delete_source(source)
            with pytest.raises(ServerError, match="permission denied"):
                await serving.audit()
            with pytest.raises(ServerError, match="permission denied"):
                await serving.audit.prune("2026-01-01T00:00:00Z")
            for statement in ("UPDATE audit SET who = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
                with pytest.raises(ServerError, match="permission denied"):
                    await serving.pool.execute(statement)
        assert [one.action for one in await seater.audit()] == [
            "audit.prune",
            "sources.delete_source",
            "sources.create_source",
            "streams.create_stream",
        ]
    finally:
        await seater.pool.execute(f"DROP OWNED BY {role}")
        await seater.pool.execute(f"DROP ROLE {role}")


async def test_what_somebody_typed_is_kept_as_text(seater: VibeSeater) -> None:
    """Hostile names are data; long ones are cut."""
    await lone(seater.pool, "sign_in", "refused", name="x'; DROP TABLE audit; --\x00\ud800" + "y" * 1000)
    record = await _only(seater, "sign_in")
    assert (record.object_name or "").startswith("x'; DROP TABLE audit; --??")
    assert len(record.object_name or "") == 500


async def test_actions_at_the_same_time_keep_apart(seater: VibeSeater) -> None:
    """Each has its own record, by whoever did it."""

    async def make(number: int) -> UUID:
        with acting_as(f"user{number}"), by_way("page"):
            return (await seater.streams.create_stream(f"S{number}")).id

    made = await asyncio.gather(*map(make, range(20)))
    found = {record.who: record.object_id for record in await seater.audit()}
    assert found == {f"user{number}": made[number] for number in range(20)}
