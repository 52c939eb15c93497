"""Rules, their state and what they told, in PostgreSQL. It must not know how a rule is evaluated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.alerts.records import Alert, AlertRule
from vibeseater.changes import Board, Changes
from vibeseater.store import audit
from vibeseater.store.pool import Pool

__all__ = ["ALERTS", "RULES", "AlertStore", "Claim", "Over"]

RULES, ALERTS = "alert_rules", "alerts"
"""The kinds of their boards."""

MOST_RULES = 200

_RULE = (
    "id, stream_id, name, condition, event_type, source_id, search, threshold, window_seconds, for_seconds, "
    "cooldown_seconds, group_by, targets, enabled, silenced_until, version, created_at, updated_at"
)
_ALERT = (
    "id, rule_id, rule_name, stream_id, group_key, message, fired_at, resolved_at, event_id, position, held_back, "
    "delivery, last_error, created_at"
)

_INSERT_RULE = f"""
INSERT INTO alert_rules (id, stream_id, name, condition, event_type, source_id, search, threshold, window_seconds,
                         for_seconds, cooldown_seconds, group_by, targets, enabled)
SELECT $1, s.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM streams s WHERE s.id = $2
  AND (SELECT count(*) FROM alert_rules WHERE stream_id = $2) < {MOST_RULES}
RETURNING {_RULE}
"""

_UPDATE_RULE = f"""
UPDATE alert_rules SET name = $2, condition = $3, event_type = $4, source_id = $5, search = $6, threshold = $7,
    window_seconds = $8, for_seconds = $9, cooldown_seconds = $10, group_by = $11, targets = $12, enabled = $13,
    silenced_until = $14, version = version + $15, updated_at = clock_timestamp()
WHERE id = $1 RETURNING {_RULE}
"""

# begin: a rule that is new, was changed or is switched on is evaluated from what comes now.
_BEGIN = """
INSERT INTO alert_state (rule_id, version, position)
SELECT r.id, r.version, s.stream_seq FROM alert_rules r JOIN streams s ON s.id = r.stream_id WHERE r.id = $1
ON CONFLICT (rule_id) DO UPDATE SET version = excluded.version, position = excluded.position, state = NULL,
    run = alert_state.run + 1, last_error = NULL
"""
_FORGET_OPEN = "UPDATE alerts SET resolved_at = clock_timestamp() WHERE rule_id = $1 AND resolved_at IS NULL"

# claim: take the lease of each rule where nobody has it, it ran out, or it is one's own. By PostgreSQL's clock.
_CLAIM = """
WITH free AS (
    SELECT rule_id FROM alert_state
    WHERE rule_id = ANY($1::uuid[]) AND (holder IS NULL OR holder = $2 OR leased_until < clock_timestamp())
    ORDER BY rule_id FOR UPDATE SKIP LOCKED
)
UPDATE alert_state a SET holder = $2, leased_until = clock_timestamp() + make_interval(secs => $3)
FROM free WHERE a.rule_id = free.rule_id RETURNING a.rule_id
"""

# load: raising the run's number lets a former run commit nothing afterwards.
_LOAD = """
UPDATE alert_state SET run = run + 1 WHERE rule_id = $1 AND holder = $2 AND version = $3
RETURNING run, position, state, clock_timestamp() AS now
"""
_SAVE = """
UPDATE alert_state SET position = $4, state = $5, last_error = NULL WHERE rule_id = $1 AND holder = $2 AND run = $3
RETURNING rule_id
"""
_RELEASE = "UPDATE alert_state SET holder = NULL, leased_until = NULL WHERE holder = $2 AND rule_id = ANY($1::uuid[])"

_INSERT_ALERT = """
INSERT INTO alerts (id, rule_id, rule_name, stream_id, group_key, message, fired_at, resolved_at, event_id, position,
                    held_back, delivery, targets)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, targets FROM alert_rules WHERE id = $2
"""
_RESOLVE = "UPDATE alerts SET resolved_at = $3 WHERE rule_id = $1 AND group_key = $2 AND resolved_at IS NULL"

_LIST = f"""
SELECT {_ALERT} FROM alerts
WHERE stream_id = $1 AND ($2::uuid IS NULL OR rule_id = $2) AND ($3::timestamptz IS NULL OR fired_at >= $3)
  AND ($4::timestamptz IS NULL OR fired_at < $4)
ORDER BY fired_at DESC, id DESC LIMIT $5
"""

# pending: what waits to be sent, of rules that this process holds; after a failure the longer, the more there were.
_PENDING = f"""
SELECT {", ".join("a." + name.strip() for name in _ALERT.split(","))}, a.targets, a.tries, s.slug, s.title
FROM alerts a JOIN streams s ON s.id = a.stream_id
LEFT JOIN alert_state t ON t.rule_id = a.rule_id
WHERE a.delivery = 'pending' AND (t.holder = $1 OR t.rule_id IS NULL)
  AND (a.tries = 0 OR a.created_at + make_interval(secs => 2 ^ a.tries) <= clock_timestamp())
ORDER BY a.created_at LIMIT 20
"""
_DELIVERED = """
UPDATE alerts SET tries = tries + 1, last_error = $2, targets = $4,
    delivery = CASE WHEN $2::text IS NULL THEN 'delivered' WHEN tries + 1 >= $3 THEN 'failed' ELSE 'pending' END
WHERE id = $1 RETURNING stream_id
"""

_RECORDED = [
    field
    for field in AlertRule.__struct_fields__
    if field not in ("id", "stream_id", "version", "created_at", "updated_at")
]


class Claim(NamedTuple):
    """What the holder of a rule goes on from. `now`: PostgreSQL's clock."""

    run: int
    position: int
    state: bytes | None
    now: datetime


class Over(NamedTuple):
    """What was told of a group is over."""

    group_key: str
    at: datetime


class Pending(NamedTuple):
    """An alert that waits to be sent, and where to."""

    alert: Alert
    targets: tuple[str, ...]
    tries: int
    slug: str
    title: str


class AlertStore:
    """Reads and writes `alert_rules`, `alert_state` and `alerts`."""

    def __init__(self, pool: Pool, changes: Changes, holder: str) -> None:
        self._pool, self._changes, self.holder = pool, changes, holder

    async def insert_rule(self, rule: AlertRule) -> AlertRule | None:
        """Store a rule; None where its stream is gone, or has too many."""
        values = [rule.id, rule.stream_id, *_evaluated(rule), list(rule.targets), rule.enabled]
        return await self._write_rule(rule, _INSERT_RULE, values, None, begin=True)

    async def update_rule(self, rule: AlertRule, before: AlertRule, *, begin: bool) -> AlertRule | None:
        """Write a rule as it is now; with `begin` it is evaluated anew, from what comes now. None where it is gone."""
        values = [
            rule.id,
            *_evaluated(rule),
            list(rule.targets),
            rule.enabled,
            rule.silenced_until,
            int(begin),
        ]
        return await self._write_rule(rule, _UPDATE_RULE, values, before, begin=begin)

    async def delete_rule(self, rule: AlertRule) -> AlertRule | None:
        """Delete a rule; what it told stays."""
        statement = f"DELETE FROM alert_rules WHERE id = $1 RETURNING {_RULE}"
        return await self._write_rule(rule, statement, [rule.id], rule, begin=False)

    async def _write_rule(
        self, rule: AlertRule, statement: str, values: Sequence[Any], before: AlertRule | None, *, begin: bool
    ) -> AlertRule | None:
        boards = [Board(RULES, rule.stream_id), Board(ALERTS, rule.stream_id)]
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(statement, *values)
            if row is None:
                return None
            if begin:
                await connection.execute(_BEGIN, rule.id)
            is_gone = statement.startswith("DELETE")
            if begin or is_gone:
                await connection.execute(_FORGET_OPEN, rule.id)
            await audit.record(
                connection,
                "rule",
                rule.id,
                rule.name,
                streams=[rule.stream_id],
                before=audit.picked(before, _RECORDED),
                after=None if is_gone else audit.picked(_rule(row), _RECORDED),
            )
            numbers = [await self._changes.count(connection, board) for board in boards]
        for board, number in zip(boards, numbers, strict=True):
            self._changes.tell(board, number)
        return _rule(row)

    async def get_rule(self, rule_id: UUID) -> AlertRule | None:
        """A rule, or None."""
        row = await self._pool.fetchrow(f"SELECT {_RULE} FROM alert_rules WHERE id = $1", rule_id)
        return None if row is None else _rule(row)

    async def list_rules(self, stream_id: UUID) -> list[AlertRule]:
        """A stream's rules, oldest first."""
        query = f"SELECT {_RULE} FROM alert_rules WHERE stream_id = $1 ORDER BY created_at, id"
        return [_rule(row) for row in await self._pool.fetch(query, stream_id)]

    async def enabled_rules(self) -> list[AlertRule]:
        """All rules that are to be evaluated."""
        query = f"SELECT {_RULE} FROM alert_rules WHERE enabled ORDER BY id"
        return [_rule(row) for row in await self._pool.fetch(query, timeout=self._pool.settings.connect_timeout)]

    async def claim(self, rules: Collection[UUID], seconds: float) -> set[UUID]:
        """Take or renew the leases of these rules; returns those that are one's own now."""
        if not rules:
            return set()
        return {UUID(int=row[0].int) for row in await self._pool.fetch(_CLAIM, list(rules), self.holder, seconds)}

    async def release(self, rules: Collection[UUID]) -> None:
        """Give leases back at once."""
        if rules:
            await self._pool.execute(_RELEASE, list(rules), self.holder)

    async def load(self, rule: AlertRule) -> Claim | None:
        """Begin a run; None where the lease is another's, or the rule has changed."""
        row = await self._pool.fetchrow(_LOAD, rule.id, self.holder, rule.version)
        return None if row is None else Claim(**dict(row))

    async def save(self, rule: AlertRule, run: int, position: int, state: bytes, told: Iterable[Alert | Over]) -> bool:
        """Write how far a rule was evaluated and what it told, both or neither; False where the lease was lost."""
        board = Board(ALERTS, rule.stream_id)
        number = None
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(_SAVE, rule.id, self.holder, run, position, state) is None:
                return False
            for one in told:
                if isinstance(one, Over):
                    await connection.execute(_RESOLVE, rule.id, one.group_key, one.at)
                else:
                    fields = [getattr(one, name.strip()) for name in _ALERT.split(",")][:12]
                    await connection.execute(_INSERT_ALERT, *fields)
                number = 0
            if number is not None:
                number = await self._changes.count(connection, board)
        if number is not None:
            self._changes.tell(board, number)
        return True

    async def note_error(self, rule: AlertRule, error: str) -> None:
        """Note why a rule can't be evaluated just now."""
        await self._pool.execute(
            "UPDATE alert_state SET last_error = $3 WHERE rule_id = $1 AND holder = $2", rule.id, self.holder, error
        )

    async def list_alerts(
        self, stream_id: UUID, rule_id: UUID | None, start: datetime | None, end: datetime | None, limit: int
    ) -> list[Alert]:
        """What was told, the latest first."""
        return [Alert(**dict(row)) for row in await self._pool.fetch(_LIST, stream_id, rule_id, start, end, limit)]

    async def pending(self) -> list[Pending]:
        """What this process is to send now."""
        return [_pending(row) for row in await self._pool.fetch(_PENDING, self.holder)]

    async def sent(self, alert_id: UUID, error: str | None, left: Sequence[str], most_tries: int) -> None:
        """Note that an alert was sent, or why it could not be, and to whom it is still to be sent."""
        async with self._pool.acquire() as connection, connection.transaction():
            stream_id = await connection.fetchval(_DELIVERED, alert_id, error, most_tries, list(left))
            if stream_id is None:
                return
            board = Board(ALERTS, stream_id)
            number = await self._changes.count(connection, board)
        self._changes.tell(board, number)

    async def source_names(self, ids: Collection[UUID]) -> dict[str, str]:
        """Names of sources by their ids as text."""
        rows = await self._pool.fetch("SELECT id, name FROM sources WHERE id = ANY($1::uuid[])", list(ids))
        return {str(row[0]): row[1] for row in rows}


def _evaluated(rule: AlertRule) -> list[Any]:
    return [
        rule.name,
        rule.condition,
        rule.event_type,
        rule.source_id,
        rule.search,
        rule.threshold,
        rule.window_seconds,
        rule.for_seconds,
        rule.cooldown_seconds,
        rule.group_by,
    ]


def _rule(row: asyncpg.Record) -> AlertRule:
    values = dict(row)
    return msgspec.structs.replace(AlertRule(**values), targets=tuple(values["targets"]))


def _pending(row: asyncpg.Record) -> Pending:
    alert = Alert(**{name: row[name] for name in Alert.__struct_fields__})
    return Pending(alert, tuple(row["targets"]), row["tries"], row["slug"], row["title"])
