"""The check of histories: clean ones pass, and every kind of wrong that is planted is found under its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibeseater.faults.history import Answer, Attempt, Findings, History, Item, Row, Seen, Watch, check

S, OTHER, SOURCE = "stream-1", "stream-2", "source-1"
KINDS = ("lost", "doubled", "disordered", "gaps", "untrue")


def clean() -> History:
    """Two streams, a source that feeds both; singles, a batch, an external_id that came twice, an unknown end."""
    rows = [
        Row("id1", S, 1, SOURCE, 1, None, "t1"),
        Row("id2", S, 2, None, None, None, "t2"),
        Row("id3", OTHER, 1, SOURCE, 2, "x", "t3"),
        Row("id4", S, 3, SOURCE, 3, None, "t4"),
        Row("id5", S, 4, SOURCE, 4, None, "t5"),
    ]
    attempts = [
        Attempt([Item("t1", S, SOURCE, None)], [Answer("id1", 1, 1)]),
        Attempt([Item("t2", S, None, None)]),  # its writer was killed; stored all the same
        Attempt([Item("t3", OTHER, SOURCE, "x")], [Answer("id3", 1, 2)]),
        Attempt([Item("t6", OTHER, SOURCE, "x")], [Answer("id3", 1, 2)]),  # the same, from another writer
        Attempt([Item("t4", S, SOURCE, None), Item("t5", S, SOURCE, None)], [Answer("id4", 3, 3), Answer("id5", 4, 4)]),
        Attempt([Item("t7", S, SOURCE, None)], denied=True),
        Attempt([Item("t8", S, None, None)]),  # its writer was killed; not stored
    ]
    return History(
        attempts=attempts,
        rows=rows,
        counters={f"stream:{S}": 4, f"stream:{OTHER}": 1, f"source:{SOURCE}": 4},
        totals={(S, SOURCE): 3, (S, None): 1, (OTHER, SOURCE): 1},
        keys={(OTHER, SOURCE, "x"): "id3"},
        watches=[
            Watch("w1", f"stream:{S}", 0, [Seen(1, "id1"), Seen(2, "id2"), Seen(3, "id4"), Seen(4, "id5")]),
            Watch("w2", f"source:{SOURCE}", 2, [Seen(3, "id4"), Seen(4, "id5")]),
            Watch("w3", f"stream:{OTHER}", 1, []),
        ],
    )


def found(findings: Findings) -> set[str]:
    """The names of the kinds that are not empty."""
    return {kind for kind in KINDS if getattr(findings, kind)}


def test_a_clean_history() -> None:
    """Nothing is found, and everything is counted."""
    findings = check(clean())
    assert findings.clean
    assert found(findings) == set()
    assert (findings.events, findings.acknowledged, findings.observed) == (5, 5, 6)


def _lose_an_acknowledged_row(history: History) -> None:
    # The last one, so that positions have no gap.
    history.rows.pop()
    history.counters = {**history.counters, f"stream:{S}": 3, f"source:{SOURCE}": 3}
    history.totals = {**history.totals, (S, SOURCE): 2}
    history.watches = []


def _store_half_a_batch(history: History) -> None:
    _lose_an_acknowledged_row(history)
    history.attempts[4].answers = None


def _keep_a_key_of_nothing(history: History) -> None:
    history.keys = {**history.keys, (S, None, "y"): "id9"}


def _miss_the_last(history: History) -> None:
    history.watches[0].seen.pop()


def _miss_one_between(history: History) -> None:
    del history.watches[0].seen[1]


def _see_nothing(history: History) -> None:
    history.watches[0].seen.clear()


def _store_a_token_twice(history: History) -> None:
    history.rows.append(Row("id6", OTHER, 2, None, None, None, "t1"))
    history.counters = {**history.counters, f"stream:{OTHER}": 2}
    history.totals = {**history.totals, (OTHER, None): 1}
    history.watches = []


def _store_a_key_twice(history: History) -> None:
    history.rows.append(Row("id6", OTHER, 2, SOURCE, 5, "x", "t6"))
    history.counters = {**history.counters, f"stream:{OTHER}": 2, f"source:{SOURCE}": 5}
    history.totals = {**history.totals, (OTHER, SOURCE): 2}
    history.watches = []


def _see_one_again(history: History) -> None:
    history.watches[0].seen.append(Seen(4, "id5"))


def _see_what_was_seen_before_the_start(history: History) -> None:
    history.watches[1].seen.insert(0, Seen(2, "id3"))


def _swap_two(history: History) -> None:
    seen = history.watches[0].seen
    seen[1], seen[2] = seen[2], seen[1]


def _see_another_event(history: History) -> None:
    history.watches[0].seen[1] = Seen(2, "id9")


def _see_what_is_not_stored(history: History) -> None:
    history.watches[0].seen.append(Seen(5, "id9"))


def _leave_a_gap(history: History) -> None:
    history.rows[4] = history.rows[4]._replace(stream_seq=5)
    history.attempts[4].answers = None
    history.counters = {**history.counters, f"stream:{S}": 5}
    history.watches = history.watches[1:]


def _use_a_position_twice(history: History) -> None:
    history.rows[4] = history.rows[4]._replace(source_seq=3)
    history.attempts[4].answers = None
    history.watches = []


def _count_too_far(history: History) -> None:
    history.counters = {**history.counters, f"stream:{OTHER}": 2}
    history.watches.pop()


def _miscount_a_total(history: History) -> None:
    history.totals = {**history.totals, (S, None): 2}


def _store_what_was_denied(history: History) -> None:
    history.attempts[5].items[0] = Item("t2", S, None, None)


def _answer_with_another_position(history: History) -> None:
    assert history.attempts[0].answers is not None
    history.attempts[0].answers[0] = Answer("id1", 7, 1)


def _answer_with_another_event(history: History) -> None:
    assert history.attempts[0].answers is not None
    history.attempts[0].answers[0] = Answer("id2", 2, None)


def _answer_too_little(history: History) -> None:
    assert history.attempts[4].answers is not None
    history.attempts[4].answers.pop()


def _raise_a_foreign_error(history: History) -> None:
    history.attempts[1].broken = "KeyError: 'x'"


def _end_a_watcher(history: History) -> None:
    history.watches[0].error = "FeedError: gone"


def _point_a_key_elsewhere(history: History) -> None:
    history.keys = {(OTHER, SOURCE, "x"): "id1"}


@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        (_lose_an_acknowledged_row, {"lost"}),
        (_store_half_a_batch, {"lost"}),
        (_keep_a_key_of_nothing, {"lost"}),
        (_miss_the_last, {"lost"}),
        (_miss_one_between, {"lost"}),
        (_see_nothing, {"lost"}),
        (_store_a_token_twice, {"doubled"}),
        (_store_a_key_twice, {"doubled"}),
        (_see_one_again, {"doubled", "disordered"}),
        (_see_what_was_seen_before_the_start, {"doubled", "disordered"}),
        (_swap_two, {"disordered"}),
        (_see_another_event, {"disordered"}),
        (_see_what_is_not_stored, {"disordered"}),
        (_leave_a_gap, {"gaps"}),
        (_use_a_position_twice, {"gaps"}),
        (_count_too_far, {"gaps"}),
        (_miscount_a_total, {"gaps"}),
        (_store_what_was_denied, {"untrue"}),
        (_answer_with_another_position, {"untrue"}),
        (_answer_with_another_event, {"untrue"}),
        (_answer_too_little, {"untrue"}),
        (_raise_a_foreign_error, {"untrue"}),
        (_end_a_watcher, {"untrue"}),
        (_point_a_key_elsewhere, {"untrue"}),
    ],
    ids=lambda value: value.__name__.lstrip("_") if callable(value) else "",
)
def test_what_is_planted_is_found(plant: Callable[[History], None], kinds: set[str]) -> None:
    """Under its own name, and told in words."""
    history = clean()
    plant(history)
    findings = check(history)
    assert found(findings) == kinds, str(findings)
    assert not findings.clean
    for kind in kinds:
        assert getattr(findings, kind)[0] in str(findings)


@given(st.permutations(range(1, 9)), st.integers(0, 7), st.lists(st.integers(1, 8), max_size=3))
def test_a_watcher_is_clean_only_where_it_saw_exactly_what_follows_its_start(
    order: list[int], start: int, again: list[int]
) -> None:
    """Any order, any start, any repetition."""
    seen = [*order[: 8 - start], *again]
    history = History(
        attempts=[],
        rows=[Row(f"id{n}", S, n, None, None, None, f"t{n}") for n in range(1, 9)],
        counters={f"stream:{S}": 8},
        totals={(S, None): 8},
        keys={},
        watches=[Watch("w", f"stream:{S}", start, [Seen(n, f"id{n}") for n in seen])],
    )
    assert check(history).clean == (seen == list(range(start + 1, 9)))
