"""Who is there, who vanished and who took whose place, judged by arrival: without servers, in made-up time."""

from __future__ import annotations

import math
import time

import msgspec
import pytest

from vibeseater.operations import Overview, ProcessSnapshot
from vibeseater.operations.database import DatabaseState
from vibeseater.operations.problems import problems_of
from vibeseater.operations.redis_state import RedisState
from vibeseater.operations.roster import REMEMBERED, Gone, Roster


class Round:
    """Tells a roster of seconds that pass. Its own process is of another kind, unless told otherwise."""

    def __init__(self) -> None:
        self.roster = Roster(6.0)
        self.now = 100.0
        self.own = process(99, kind="python")

    def turn(self, *there: ProcessSnapshot, seconds: int = 1, redis_since: float = 0.0, siblings: bool = False) -> None:
        """In each second all of these say something new, by their own clocks."""
        for _ in range(seconds):
            self.now += 1
            words = [msgspec.structs.replace(one, at=one.at + self.now) for one in there]
            self.roster.hear(self.own, self.now, 1e9 + self.now, words, redis_since=redis_since, siblings=siblings)

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.roster.present]


def process(pid: int, host: str = "a", server: str = "a:1", at: float = 0.0, kind: str = "serve") -> ProcessSnapshot:
    return ProcessSnapshot(
        id=f"{host}:{pid}:x", host=host, pid=pid, server=server, kind=kind, version="1", started_at=at, at=at,
        counters={}, rates={}, distributions={}, topics={}, topic_rates={}, cpu=0, cpu_seconds=0, memory=0, loop_lag=0,
        loop_worst=0, tasks=0, writer_queue=0, publish_queue=0, redis=True, postgres=True, redis_error="",
        feed_count=0, session_count=0, pages={}, feeds=[], sessions=[], told=[], logs=[],
    )  # fmt: skip


@pytest.fixture
def turns() -> Round:
    return Round()


@pytest.mark.parametrize("wrong_by", [-86_400.0, -30.0, 30.0, 86_400.0])
def test_a_host_whose_clock_is_wrong_is_there_all_the_while(turns: Round, wrong_by: float) -> None:
    for _ in range(30):
        turns.turn(process(1, "far", at=wrong_by))
        assert turns.names == ["far:1"]
        assert turns.roster.gone == []


def test_one_word_that_is_read_again_and_again_is_one_word(turns: Round) -> None:
    """Redis keeps what a process said last for seconds after it was killed."""
    word = process(1)
    turns.turn(word)
    for _ in range(20):
        turns.now += 1
        last = msgspec.structs.replace(word, at=101.0)
        turns.roster.hear(turns.own, turns.now, 1e9 + turns.now, [last], redis_since=0.0, siblings=False)
    assert turns.names == []
    (gone,) = turns.roster.gone
    assert (gone.last.name, gone.silent_since, gone.successor) == ("a:1", 1e9 + 101, "")
    turns.turn(word)  # it was frozen
    assert (turns.names, turns.roster.gone) == (["a:1"], [])


def test_one_that_vanished_is_told_of_until_another_takes_its_place(turns: Round) -> None:
    """At once, also where the other was there before the silence was long enough; one newcomer takes one place."""
    turns.turn(process(1), process(2), process(3))
    turns.turn(process(3), seconds=2)
    turns.turn(process(3), process(4), seconds=6)
    assert sorted((one.last.name, one.successor) for one in turns.roster.gone) == [("a:1", "a:4"), ("a:2", "")]
    turns.turn(process(3), process(4), process(5, "b"), process(6, kind="ingest"))
    assert [one.last.name for one in turns.roster.gone if not one.successor] == ["a:2"]  # another's place
    turns.turn(process(3), process(4), process(7, server="a:9"))  # as started anew by hand
    assert {one.successor for one in turns.roster.gone} == {"a:4", "a:7"}
    turns.turn(process(3), process(4), process(7), seconds=int(REMEMBERED) + 1)
    assert turns.roster.gone == []


@pytest.mark.parametrize("both", [False, True])
def test_who_took_a_place_knows_it_by_itself(turns: Round, both: bool) -> None:
    """A successor finds its predecessor's last word in Redis, and with it that of its sibling's predecessor. It must
    not tell of them as missing, when all other processes say that they were replaced."""
    last = [msgspec.structs.replace(process(pid), at=50.0) for pid in ((1, 2) if both else (1,))]
    # It began after that word, but is said to have begun before.
    turns.own, sibling = process(3, at=49.1), process(4, at=49.2 if both else 10.0)
    for _ in range(20):
        turns.now += 1
        spoken = msgspec.structs.replace(sibling, at=turns.now)
        turns.roster.hear(turns.own, turns.now, turns.now, [*last, spoken], redis_since=0.0, siblings=True)
    assert {one.last.name for one in turns.roster.gone} == ({"a:1", "a:2"} if both else {"a:1"})
    assert {one.successor for one in turns.roster.gone} == ({"a:3", "a:4"} if both else {"a:3"})
    assert turns.names == ["a:4"]


def test_who_was_there_before_took_no_place(turns: Round) -> None:
    turns.own = process(3, at=10.0)
    turns.turn(process(1, at=50.0))
    turns.turn(seconds=20)
    assert [(one.last.name, one.successor) for one in turns.roster.gone] == [("a:1", "")]


def test_who_says_farewell_has_not_vanished(turns: Round) -> None:
    turns.turn(process(1))
    turns.turn(msgspec.structs.replace(process(1), ended=True))
    turns.turn(seconds=20)
    assert (turns.names, turns.roster.gone) == ([], [])


def test_silence_means_nothing_while_redis_is_away_but_among_siblings(turns: Round) -> None:
    turns.own = process(99, server="own", kind="python")
    turns.turn(process(1, "far", server="far:1"), process(2, server="own"))
    turns.turn(seconds=20, redis_since=math.inf, siblings=True)
    assert turns.names == []
    assert [one.last.name for one in turns.roster.gone] == ["a:2"]
    back = turns.now
    turns.turn(seconds=5, redis_since=back, siblings=True)
    assert len(turns.roster.gone) == 1
    turns.turn(seconds=2, redis_since=back, siblings=True)
    assert [one.last.name for one in turns.roster.gone] == ["a:2", "far:1"]  # far's last word came as early


def overview(*gone: Gone, redis: RedisState | None = None, clock_offset: float = 0.0) -> Overview:
    now = time.time()
    own = msgspec.structs.replace(process(9), clock_offset=clock_offset)
    return Overview(
        at=now, own=own.id, processes=[own], gone=list(gone), database=DatabaseState(at=now),
        redis=redis or RedisState(at=now), redis_error="",
    )  # fmt: skip


def test_what_was_replaced_is_a_notice_and_what_dies_again_and_again_is_not() -> None:
    lost = Gone(last=process(1), silent_since=0.0)
    replaced = msgspec.structs.replace(lost, successor="a:2")
    (error,) = problems_of(overview(lost))
    assert (error.severity, error.message[:44]) == ("error", "a:1 (serve) has said nothing since 00:00:00 ")
    (notice,) = problems_of(overview(replaced))
    assert (notice.severity, notice.message) == ("notice", "a:1 (serve) vanished at 00:00:00 UTC; a:2 took its place.")
    (warning,) = problems_of(overview(replaced, replaced, replaced))
    assert (warning.severity, "again and again, 3 within" in warning.message) == ("warning", True)
    assert [one.severity for one in problems_of(overview(replaced, lost))] == ["error", "notice"]


def test_a_clock_that_is_wrong_and_clients_that_redis_cut_are_told() -> None:
    (clock,) = problems_of(overview(clock_offset=90.0))
    assert clock.message.startswith("The clock of a is 90 s behind PostgreSQL's")
    assert "is 3 s ahead of" in problems_of(overview(clock_offset=-3.0))[0].message
    (cut,) = problems_of(overview(redis=RedisState(cut=5, cut_lately=2, cut_at=time.monotonic() - 3)))
    assert cut.message.startswith("Redis cut 2 clients within the last minute")
    assert problems_of(overview(redis=RedisState(cut=5, cut_lately=2, cut_at=time.monotonic() - 100))) == []
