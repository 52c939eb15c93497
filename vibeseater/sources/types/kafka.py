"""`kafka`: reads the messages of a Kafka topic. It needs the extra `vibeseater[kafka]`.

It owns what a message becomes. Where to go on stands in the cursor, an offset for each partition, committed with the
events: no group of consumers is made, and nothing is committed to Kafka.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any, Literal

import msgspec

from vibeseater.errors import InputError, SourceError
from vibeseater.sources.addresses import refuse_private
from vibeseater.sources.base import Batch, GoneError, Item, ReadConfig, StreamingSource
from vibeseater.sources.credentials import Secret, reveal
from vibeseater.sources.mapping import BadItemError, to_item
from vibeseater.sources.pointers import check_pointer
from vibeseater.sources.text import clean_text
from vibeseater.sources.times import TimeUnit, parse_time

__all__ = ["KafkaConfig", "KafkaSource"]

_WAIT = 1.0  # seconds that a read waits for messages
_TIMEOUT = 15.0  # seconds that a broker may take to answer
_LOOK_AGAIN = 60.0  # seconds after which new partitions are looked for
_SILENCE = 5.0  # seconds of silence after which they are looked for too, for brokers that are gone say nothing either


class KafkaConfig(ReadConfig, frozen=True, kw_only=True):
    """What `kafka` asks for.

    Attributes:
        servers: brokers to begin with: `host:9092`, several with commas.
        topic: what is read, all its partitions.
        start: where it begins in a partition that it does not know: `latest` with what comes, `earliest` with all.
        protocol: `plain`, or `tls`.
        mechanism: how to log in: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`; no login when not given.
        username: the name to log in with.
        password: the password to log in with, by reference: `env:NAME`.
        id, time, title, link: JSON pointers into a message. Without `id` its partition and offset are used, without
            `time` the message's own timestamp.
        time_unit: `iso`, `s`, `ms` or `us` (since 1970).
        event_type: the type of its events.
        count: messages in one read, at most.
    """

    servers: str
    topic: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,249}$")]
    start: Literal["latest", "earliest"] = "latest"
    protocol: Literal["plain", "tls"] = "plain"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: Secret | None = None
    id: str | None = None
    time: str | None = None
    time_unit: TimeUnit = "iso"
    title: str | None = None
    link: str | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "kafka_message"
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 500

    def check(self) -> None:
        """The brokers must be addresses, the pointers pointers, a login whole."""
        if not self.brokers() or not all(
            host and port.isascii() and port.isdigit() and 0 < int(port) < 65536 for host, port in self.brokers()
        ):
            raise InputError("config.servers", self.servers, "not brokers' addresses", "Give host:9092, or several")
        for field in ("id", "time", "title", "link"):
            check_pointer(f"config.{field}", getattr(self, field))
        if self.mechanism is not None and not (self.username and self.password):
            raise InputError("config.mechanism", self.mechanism, "half of a login", "Give username and password too")

    def check_reach(self) -> None:
        """The brokers' addresses."""
        for host, _ in self.brokers():
            refuse_private(host, "config.servers", self.servers)

    def brokers(self) -> list[tuple[str, str]]:
        """Hosts and ports."""
        parts = [one.strip().rpartition(":") for one in self.servers.split(",") if one.strip()]
        return [(host.strip("[]"), port) for host, _, port in parts]


class KafkaSource(StreamingSource):
    """Reads one topic."""

    type = "kafka"
    Config = KafkaConfig

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """Read on from the cursor's offsets."""
        try:
            from aiokafka import AIOKafkaConsumer, TopicPartition
            from aiokafka.errors import KafkaError
        except ImportError:
            raise GoneError(
                "sources of type 'kafka' need the package aiokafka: pip install 'vibeseater[kafka]'"
            ) from None
        config: KafkaConfig = self.config
        offsets = _offsets(cursor)
        await self._check_addresses()
        consumer = AIOKafkaConsumer(**self._options())
        try:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await consumer.start()
                loop = asyncio.get_running_loop()
                look_at = heard_at = loop.time()
                assigned: set[int] = set()
                while True:
                    if loop.time() >= look_at:
                        look_at = loop.time() + _LOOK_AGAIN
                        # A partition that appears later is read from its start: it was empty when this one began.
                        found = await self._partitions(consumer)
                        new = found - assigned
                        if new:
                            consumer.assign([TopicPartition(config.topic, number) for number in sorted(found)])
                        for number in sorted(found) if new else ():
                            place = TopicPartition(config.topic, number)
                            if number in offsets:
                                consumer.seek(place, offsets[number])
                            elif config.start == "earliest" or assigned:
                                await consumer.seek_to_beginning(place)
                            else:
                                await consumer.seek_to_end(place)
                            if number in new and number not in offsets:
                                offsets[number] = await consumer.position(place)
                        if new:
                            assigned = found
                            yield Batch(items=[], cursor=_cursor(offsets))
                    got = await consumer.getmany(timeout_ms=int(_WAIT * 1000), max_records=config.count)
                    records = [record for listed in got.values() for record in listed]
                    if records:
                        for record in records:
                            offsets[record.partition] = record.offset + 1
                        yield read_records(records, config, _cursor(offsets))
                        heard_at = loop.time()
                    elif loop.time() - heard_at >= _SILENCE:
                        look_at = heard_at = loop.time()
            finally:
                await consumer.stop()
        except TimeoutError:
            raise SourceError(f"Kafka at {config.servers}: no answer in time") from None
        except (KafkaError, OSError) as error:
            raise SourceError(f"Kafka at {config.servers}: {clean_text(error, 300) or type(error).__name__}") from error

    def _options(self) -> dict[str, Any]:
        config: KafkaConfig = self.config
        login = "SASL_" if config.mechanism is not None else ""
        options: dict[str, Any] = {
            "bootstrap_servers": [f"{host}:{port}" for host, port in config.brokers()],
            "client_id": "vibeseater",
            "group_id": None,
            "enable_auto_commit": False,
            # Where an offset is gone (retention), it goes on with the oldest that is there.
            "auto_offset_reset": "earliest",
            "request_timeout_ms": int(_TIMEOUT * 1000),
            "security_protocol": login + ("SSL" if config.protocol == "tls" else "PLAINTEXT"),
        }
        if config.protocol == "tls":
            options["ssl_context"] = ssl.create_default_context()
        if config.mechanism is not None:
            options |= {
                "sasl_mechanism": config.mechanism,
                "sasl_plain_username": config.username,
                "sasl_plain_password": reveal(str(config.password)),
            }
        return options

    async def _check_addresses(self) -> None:
        from vibeseater.sources.peers import check_host

        for host, port in self.config.brokers():
            await check_host(host, int(port), allow_private=self.tools.http.allow_private)

    async def _partitions(self, consumer: Any) -> set[int]:
        async with asyncio.timeout(_TIMEOUT):
            await consumer.topics()  # asks the brokers anew
        found = consumer.partitions_for_topic(self.config.topic)
        if not found:
            raise SourceError(f"Kafka at {self.config.servers}: there is no topic {self.config.topic!r}")
        return set(found)


def _offsets(cursor: Any) -> dict[int, int]:
    found = cursor.get("offsets") if isinstance(cursor, dict) else None
    try:
        return {int(number): int(offset) for number, offset in found.items()} if isinstance(found, dict) else {}
    except (TypeError, ValueError):
        return {}


def _cursor(offsets: dict[int, int]) -> dict[str, Any]:
    return {"offsets": {str(number): offset for number, offset in sorted(offsets.items())}}


def read_records(records: Iterable[Any], config: KafkaConfig, cursor: Any) -> Batch:
    """Messages as items. One without a body (a tombstone) is passed over; one that does not fit is counted."""
    items: list[Item] = []
    flaws: list[str] = []
    for record in records:
        if record.value is None:
            continue
        try:
            items.append(_item(record, config))
        except BadItemError as flaw:
            flaws.append(f"message {record.partition}:{record.offset}: {flaw}")
    return Batch(
        items=items,
        cursor=cursor,
        rejected=len(flaws),
        problem=f"passed over: {flaws[0]}" if flaws else None,
    )


def _item(record: Any, config: KafkaConfig) -> Item:
    try:
        value = msgspec.json.decode(record.value)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise BadItemError(f"not JSON: {clean_text(record.value[:60].decode('utf-8', 'replace'), 60)!r}") from None
    item = to_item(value, config, f"{record.partition}:{record.offset}")
    metadata = {"partition": record.partition, "offset": record.offset}
    if record.key is not None:
        metadata["key"] = clean_text(record.key.decode("utf-8", "replace"), 500)
    when = item.occurred_at or _time(record.timestamp)
    return msgspec.structs.replace(item, occurred_at=when, metadata=metadata)


def _time(timestamp: Any) -> Any:
    try:
        return parse_time(timestamp, "ms") if isinstance(timestamp, int) and timestamp > 0 else None
    except ValueError:
        return None
