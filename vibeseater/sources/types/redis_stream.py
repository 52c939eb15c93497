"""`redis`: reads a Redis Stream as a consumer of a group; an entry is acknowledged once its event is committed.

It owns the group and what an entry becomes. What a consumer that died had taken and not acknowledged is claimed; an
entry that was stored and not acknowledged comes again, and its id keeps it from doubling.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from vibeseater.errors import InputError, SourceError
from vibeseater.settings import without_secrets
from vibeseater.sources.addresses import refuse_private
from vibeseater.sources.base import Batch, Item, ReadConfig, StreamingSource
from vibeseater.sources.credentials import Secret, reveal
from vibeseater.sources.mapping import BadItemError, to_item
from vibeseater.sources.pointers import check_pointer
from vibeseater.sources.text import clean_text
from vibeseater.sources.times import TimeUnit, parse_time

__all__ = ["RedisConfig", "RedisSource"]

_CONSUMER = "vibeseater"  # one name for all processes: only one runs the source, and it takes up what a former one left
_BLOCK = 2.0  # seconds that a read waits for entries
_TIMEOUT = 10.0  # seconds that Redis may take to answer


class RedisConfig(ReadConfig, frozen=True, kw_only=True):
    """What `redis` asks for.

    Attributes:
        url: `redis://host:6379/0`, `rediss://…` for TLS, or `unix:///path`. A password in it would stand
            in the database: see `password`.
        stream: the key of the Redis Stream.
        group: the consumer group; made where it is missing.
        start: where a group that is made begins: `$` with what comes from then on, `0` with all there is.
        username: the name to log in with.
        password: the password to log in with, by reference: `env:NAME`.
        data: the entry's field that holds JSON; without it, the entry's fields are the content.
        id, time, title, link: JSON pointers into the content. Without `id` the entry's own id is used, without `time`
            the time in it.
        time_unit: `iso`, `s`, `ms` or `us` (since 1970).
        event_type: the type of its events.
        count: entries in one read, at most.
        claim_after: seconds after which what another consumer of the group took and did not acknowledge is claimed.
    """

    url: str
    stream: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    group: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "vibeseater"
    start: Annotated[str, msgspec.Meta(pattern=r"^(\$|0|\d{1,20}(-\d{1,20})?)$")] = "$"
    username: str | None = None
    password: Secret | None = None
    data: str | None = None
    id: str | None = None
    time: str | None = None
    time_unit: TimeUnit = "iso"
    title: str | None = None
    link: str | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "redis_entry"
    count: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 500
    claim_after: Annotated[float, msgspec.Meta(ge=1, le=86_400 * 7)] = 60.0

    def check(self) -> None:
        """The URL must be one of Redis, the pointers pointers."""
        try:
            parts = urlsplit(self.url)
            fine = bool(parts.path) if parts.scheme == "unix" else parts.scheme in ("redis", "rediss")
            fine = fine and (parts.scheme == "unix" or bool(parts.hostname)) and parts.port != 0
        except ValueError:
            fine = False
        if not fine:
            raise InputError("config.url", without_secrets(self.url), "malformed URL", "Give redis://host:6379/0")
        for field in ("id", "time", "title", "link"):
            check_pointer(f"config.{field}", getattr(self, field))

    def check_reach(self) -> None:
        """The server's address; a socket is this machine's."""
        host = "127.0.0.1" if self.url.startswith("unix:") else urlsplit(self.url).hostname or ""
        refuse_private(host, "config.url", without_secrets(self.url))


class RedisSource(StreamingSource):
    """Reads one Redis Stream."""

    type = "redis"
    Config = RedisConfig
    rereads = False

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """Read what was taken and not acknowledged, then what comes. Where it goes on, Redis knows."""
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        config: RedisConfig = self.config
        shown = without_secrets(config.url)
        await self._check_address()
        login: dict[str, Any] = {"username": config.username} if config.username else {}
        if config.password:
            login["password"] = reveal(config.password)
        client: Redis = Redis.from_url(
            config.url,
            **login,
            socket_connect_timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT + _BLOCK,
            client_name="vibeseater-source",
        )
        try:
            await self._make_group(client)
            yield Batch(items=[], cursor=cursor)
            async for entries in self._entries(client):
                batch = _read(entries, config)
                yield batch
                # The worker asks for more once what it got is committed: only now may Redis forget it.
                await client.xack(config.stream, config.group, *[entry_id for entry_id, _ in entries])
        except (RedisError, OSError) as error:
            raise SourceError(f"{shown}: {clean_text(error, 300) or type(error).__name__}") from error
        finally:
            await client.aclose()

    async def _check_address(self) -> None:
        from vibeseater.sources.peers import check_host

        parts = urlsplit(self.config.url)
        allowed = self.tools.http.allow_private
        if parts.scheme == "unix":
            if not allowed:
                raise SourceError("refused: a socket of this machine. If you trust it: VIBESEATER_ALLOW_PRIVATE_URLS=1")
            return
        await check_host(parts.hostname or "", parts.port or 6379, allow_private=allowed)

    async def _make_group(self, client: Any) -> None:
        from redis.exceptions import ResponseError

        config: RedisConfig = self.config
        try:
            await client.xgroup_create(config.stream, config.group, id=config.start, mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _entries(self, client: Any) -> AsyncIterator[list[tuple[bytes, Mapping[bytes, bytes]]]]:
        """Entries: first those that this consumer took before, then new ones, and now and then what others left."""
        config: RedisConfig = self.config
        after: str | bytes = "0"
        while found := await self._group_read(client, after):
            after = found[-1][0]
            if kept := [(entry_id, fields) for entry_id, fields in found if fields]:
                yield kept
            # What was taken and is trimmed away by now has no fields: there is nothing to store or to wait for.
            if gone := [entry_id for entry_id, fields in found if not fields]:
                await client.xack(config.stream, config.group, *gone)
        loop = asyncio.get_running_loop()
        claim_at = loop.time()
        while True:
            if loop.time() >= claim_at:
                async for entries in self._claimed(client):
                    yield entries
                claim_at = loop.time() + config.claim_after / 2
            if found := await self._group_read(client, ">"):
                yield found

    async def _group_read(self, client: Any, after: str | bytes) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        config: RedisConfig = self.config
        answer = await client.xreadgroup(
            config.group,
            _CONSUMER,
            {config.stream: after},
            count=config.count,
            block=int(_BLOCK * 1000) if after == ">" else None,
        )
        pairs = answer.items() if isinstance(answer, dict) else answer or []
        found: list[tuple[bytes, Mapping[bytes, bytes]]] = []
        for _, entries in pairs:
            # RESP3 wraps each stream's entries in one more list
            flat = entries[0] if entries and isinstance(entries[0], list) else entries
            found += [(entry_id, fields or {}) for entry_id, fields in flat]
        return found

    async def _claimed(self, client: Any) -> AsyncIterator[list[tuple[bytes, Mapping[bytes, bytes]]]]:
        config: RedisConfig = self.config
        begin: str | bytes = "0-0"
        while True:
            answer = await client.xautoclaim(
                config.stream,
                config.group,
                _CONSUMER,
                min_idle_time=int(config.claim_after * 1000),
                start_id=begin,
                count=config.count,
            )
            begin, entries = answer[0], [(entry_id, fields) for entry_id, fields in answer[1] if fields]
            if entries:
                yield entries
            if begin in (b"0-0", "0-0"):
                return


def _read(entries: list[tuple[bytes, Mapping[bytes, bytes]]], config: RedisConfig) -> Batch:
    items: list[Item] = []
    flaws: list[str] = []
    for entry_id, fields in entries:
        try:
            items.append(_item(entry_id.decode(), fields, config))
        except BadItemError as flaw:
            flaws.append(f"entry {entry_id.decode()}: {flaw}")
    return Batch(
        items=items,
        cursor={"last": entries[-1][0].decode()},
        rejected=len(flaws),
        problem=f"passed over: {flaws[0]}" if flaws else None,
    )


def _item(entry_id: str, fields: Mapping[bytes, bytes], config: RedisConfig) -> Item:
    if config.data is None:
        value: Any = {_decoded(name): _decoded(text) for name, text in fields.items()}
    else:
        text = fields.get(config.data.encode())
        if text is None:
            raise BadItemError(f"it has no field {config.data!r}")
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            raise BadItemError(f"{config.data!r} holds no JSON: {clean_text(_decoded(text[:60]), 60)!r}") from None
    item = to_item(value, config, entry_id)
    if item.occurred_at is not None:
        return item
    return msgspec.structs.replace(item, occurred_at=_time_in(entry_id))


def _time_in(entry_id: str) -> Any:
    try:
        return parse_time(int(entry_id.partition("-")[0]), "ms")
    except ValueError:
        return None  # ids may be made by hand


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "")  # PostgreSQL can not store it
