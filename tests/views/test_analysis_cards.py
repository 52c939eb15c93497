"""An analysis of the recorded earthquakes: what the state tells, what each card shows of it, and its files."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from tests.analytics.frames import MONDAY, frame_of, quake_frame
from vibeseater import analytics
from vibeseater.views.analysis.bursts_card import BurstsCard
from vibeseater.views.analysis.card import CardHead
from vibeseater.views.analysis.comparison_card import ComparisonCard, WindowsComponent
from vibeseater.views.analysis.correlation_card import CorrelationCard
from vibeseater.views.analysis.export import encoded, file_name, table_of
from vibeseater.views.analysis.fields_card import FieldsCard
from vibeseater.views.analysis.gaps_card import GapsCard
from vibeseater.views.analysis.measures import MEASURES
from vibeseater.views.analysis.question import Interval
from vibeseater.views.analysis.rate_card import RateCard
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.analysis.table import FactsTable
from vibeseater.views.analysis.terms_card import TermsCard
from vibeseater.views.analysis.week_card import WeekCard

CARDS = (RateCard, WeekCard, GapsCard, BurstsCard, CorrelationCard, TermsCard, FieldsCard, ComparisonCard)


@pytest.fixture(scope="module")
def state() -> AnalysisState:
    return AnalysisState.of(quake_frame(), {"ci": "California", "ak": "Alaska <b>"}, title="Quakes / 2018")


def _parts(card: Any, kind: type) -> Any:
    (one,) = card.__panel__().select(kind)
    return one


def test_everything_about_a_frame_is_told(state: AnalysisState) -> None:
    assert state.reasons == {}
    assert [name for name in MEASURES if getattr(state, name) is None] == []
    assert state.events == len(quake_frame())
    assert int((state.rate.sum(axis=1) * 3600).round().sum()) == pytest.approx(state.events, rel=0.01)
    assert state.name_of("ak") == "Alaska <b>"
    assert state.name_of("none") == "No source"


@pytest.mark.parametrize("kind", CARDS)
def test_each_card_works_alone_and_follows(kind: Any) -> None:
    told = AnalysisState()
    card = kind(told)
    shown = card.__panel__()
    (head,) = shown.select(CardHead)
    assert (head.busy, head.formats) == (True, [])
    whole = AnalysisState.of(quake_frame())
    told.begin(whole.events, whole.window)
    for name in MEASURES:
        told.tell(name, getattr(whole, name))
    if kind is BurstsCard:  # the recording has none
        assert "No bursts" in head.reason
        return
    assert (head.busy, head.reason) == (False, "")
    assert head.text
    assert {"csv", "parquet"} <= set(head.formats)
    assert ("png" in head.formats) == kind.has_figure == bool(head.plot)
    told.tell(kind.measures[0], None, "Too few.")
    assert (head.busy, head.reason, head.formats) == (False, "Too few.", [])


@pytest.mark.parametrize("kind", CARDS)
@pytest.mark.parametrize("seconds", [[MONDAY], [MONDAY] * 5, [MONDAY, MONDAY + 1], [-6e10, 2e11]])
def test_few_events_and_odd_times_harm_no_card(kind: Any, seconds: list[float]) -> None:
    told = AnalysisState.of(frame_of(seconds))
    (head,) = kind(told).__panel__().select(CardHead)
    assert not head.busy, "told, or said why not"


def test_the_rate_card_draws_each_bin_and_the_bursts() -> None:
    calm = [MONDAY + 600 * n for n in range(200)]
    burst = [MONDAY + 60_000 + n for n in range(50)]
    told = AnalysisState.of(frame_of(calm + burst, types=["a"] * 200 + ["b"] * 50), by="type")
    card = RateCard(told)
    card.__panel__()
    ((_, models, _),) = card._shown.values()
    columns = models.bins.data
    step = (columns["x"][1] - columns["x"][0]) / 1000
    in_all = sum(sum(columns[f"c{index}"]) for index in range(9)) * step / 60  # told a minute
    assert in_all == pytest.approx(250, rel=0.02), "the last bin is cut by the range"
    assert len(models.bursts.data["left"]) == 1
    assert [one["name"] for one in card.legend()] == ["a", "b"]


def test_a_pair_is_chosen_by_a_press_and_only_one_that_there_is(state: AnalysisState) -> None:
    told = AnalysisState.of(quake_frame())
    table = _parts(CorrelationCard(told), FactsTable)
    assert table.chosen == table.rows[0]["id"]
    for odd in ("", "[]", '["x", "y"]', "{}", "1"):
        table._handle_msg({"press": odd})
    table._handle_msg({"press": 5})
    assert told.pair is None
    table._handle_msg({"press": table.rows[3]["id"]})
    assert list(told.pair) == json.loads(table.rows[3]["id"])


def test_windows_are_chosen_in_the_comparison() -> None:
    told = AnalysisState.of(quake_frame())
    windows = _parts(ComparisonCard(told), WindowsComponent)
    assert windows.halves
    start, middle, end = (datetime(2018, 2, day, tzinfo=UTC) for day in (1, 3, 6))
    first, second = ([one.timestamp() * 1000 for one in pair] for pair in ((start, middle), (middle, end)))
    windows._handle_msg({"op": "windows", "first": first, "second": [None, 1]})
    assert "Fill in both moments" in windows.problem
    windows._handle_msg({"op": "windows", "first": first, "second": second[::-1]})
    assert "end" in windows.problem
    windows._handle_msg({"op": "windows", "first": first, "second": second})
    assert (told.first, told.second, windows.problem) == (Interval(start, middle), Interval(middle, end), "")
    windows._handle_msg({"op": "halves"})
    assert told.first is None


def test_files_hold_the_tables(state: AnalysisState) -> None:
    for name in MEASURES:
        table = table_of(state, name)
        assert table is not None
        read = pd.read_parquet(io.BytesIO(encoded(table, "parquet")))
        assert list(read.columns) == list(map(str, table.columns))
        assert len(read) == len(table)
        lines = encoded(table, "csv").decode().splitlines()
        assert len(lines) == len(table) + 1
    rates = pd.read_csv(io.BytesIO(encoded(table_of(state, "rate"), "csv")))  # type: ignore[arg-type]
    assert "Alaska <b>" in rates.columns
    wanted = analytics.counts_over_time(quake_frame(), by="source_id", top=8)["ci"].max()
    assert rates["California"].max() * 3600 == pytest.approx(wanted)


def test_a_spreadsheet_takes_no_text_for_a_formula() -> None:
    told = AnalysisState.of(frame_of([MONDAY, MONDAY + 1], types=["=1+1", "@x"]), by="type")
    lines = encoded(table_of(told, "compared"), "csv").decode()  # type: ignore[arg-type]
    assert "'=1+1" in lines
    assert "\n=1+1" not in lines


def test_a_file_has_a_name_that_every_system_takes() -> None:
    assert file_name("../Ärger: <b>/x", "rate", "csv") == "rger-b-x-rate.csv"
    assert file_name("…", "rate", "png") == "stream-rate.png"
