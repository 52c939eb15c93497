"""Words and fields, beside a plain count; two windows, beside statsmodels."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.rates import test_poisson_2indep as poisson_test

from tests.analytics.frames import MONDAY, frame_of, quake_frame, quakes
from vibeseater import analytics
from vibeseater.analytics.terms import STOP_WORDS
from vibeseater.errors import InputError


def test_words_by_hand() -> None:
    frame = frame_of(
        [MONDAY] * 4,
        contents=[
            {"title": "The COUNCIL votes, the council-house: stands!", "link": "https://x.example/council"},
            {"title": "Council votes; it's 2024", "score": 3},
            {"title": "Élan über alles: élan (see https://y.example/votes)"},
            {"other": ["council"], "title": None},
        ],
    )
    table = analytics.top_terms(frame, ["title"]).set_index("term")["count"]
    assert table.to_dict() == {
        "council": 2,
        "votes": 2,
        "élan": 2,
        "alles": 1,
        "council-house": 1,
        "it's": 1,
        "see": 1,
        "stands": 1,
        "über": 1,
    }


def test_words_of_the_recording_are_those_of_a_plain_count() -> None:
    """Title after title, word after word."""
    table = analytics.top_terms(quake_frame(), ["title"], limit=100)
    counted: Counter[str] = Counter()
    for item in quakes():
        for word in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", item["title"].lower()):
            if len(word) > 1 and word not in STOP_WORDS:
                counted[word] += 1
    expected = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:100]
    assert list(zip(table["term"], table["count"], strict=True)) == expected
    assert table["share"].iloc[0] == expected[0][1] / sum(counted.values())


def test_fields_of_the_recording() -> None:
    table = analytics.top_fields(quake_frame()).set_index("field")
    magnitudes = [item["mag"] for item in quakes() if "mag" in item and item["mag"] is not None]
    assert table.loc["mag", "kind"] == "number"
    assert table.loc["mag", "mean"] == pytest.approx(np.mean(magnitudes))
    assert table.loc["net", "distinct"] == len({item["net"] for item in quakes()})
    assert table.loc["net", "values"] == Counter(item["net"] for item in quakes()).most_common(3)
    assert table.loc["title", "share"] == 1.0


def test_fields_of_any_kind_are_told() -> None:
    frame = frame_of([MONDAY] * 3, contents=[{"x": True, "y": [1]}, {"x": 1, "y": {"z": 1}}, {"x": 1, "w": None}])
    table = analytics.top_fields(frame).set_index("field")
    assert table.loc["x", "distinct"] == 2  # True is not 1
    assert table.loc["y", "distinct"] == 0
    assert table.loc["w", "kind"] == "null"
    assert len(analytics.top_fields(frame_of([]))) == 0
    assert len(analytics.top_terms(frame_of([]))) == 0


def test_two_windows_of_the_recording_are_told_apart_as_statsmodels_does() -> None:
    """The first three days and the last day, network by network."""
    first, second = ("2018-01-31T02:00Z", "2018-02-03T02:00Z"), ("2018-02-06T00:00Z", "2018-02-07T00:00Z")
    table = analytics.compare(quake_frame(), first, second, by="source_id")
    hours = (72 * 3600.0, 24 * 3600.0)
    for group, row in table.iterrows():
        if row["first"] == 0 or row["second"] == 0:  # statsmodels would divide by it
            assert group not in ("all", "ci", "nc", "ak")
            continue
        independent = poisson_test(row["second"], hours[1], row["first"], hours[0], method="score")
        assert row["z"] == pytest.approx(independent.statistic), group
        assert row["p_value"] == pytest.approx(independent.pvalue, abs=1e-15), group
    parts = table.drop("all")
    np.testing.assert_allclose(parts["q_value"], multipletests(parts["p_value"], method="fdr_bh")[1], atol=1e-12)
    assert table.index[0] == "all"
    assert table["first"].iloc[0] == parts["first"].sum()
    assert parts["z"].abs().is_monotonic_decreasing


def test_a_ratio_by_hand() -> None:
    """Ten in a hundred seconds, then twenty in fifty: four times as fast."""
    seconds = [MONDAY + 10 * n for n in range(10)] + [MONDAY + 100 + 2.5 * n for n in range(20)]
    table = analytics.compare(
        frame_of(seconds),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:01:40Z"),
        ("2024-01-01T00:01:40Z", "2024-01-01T00:02:30Z"),
        by=None,
    )
    row = table.loc["all"]
    assert (row["first"], row["second"], row["ratio"]) == (10, 20, 4.0)
    assert row["ratio_low"] == pytest.approx(4 / math.exp(1.959964 * math.sqrt(0.15)), rel=1e-6)
    assert row["z"] == pytest.approx((20 - 5) / math.sqrt(30 * 0.5))


def test_what_was_not_there_before_is_infinitely_more() -> None:
    frame = frame_of([MONDAY + 1, MONDAY + 61], types=["old", "new"])
    table = analytics.compare(
        frame, ("2024-01-01T00:00Z", "2024-01-01T00:01Z"), ("2024-01-01T00:01Z", "2024-01-01T00:02Z")
    )
    assert table.loc["new", "ratio"] == math.inf
    assert table.loc["old", "ratio"] == 0.0
    assert math.isnan(table.loc["new", "ratio_low"])


def test_bad_input_names_its_field() -> None:
    frame = frame_of([MONDAY])
    good = ("2024-01-01T00:00Z", "2024-01-01T00:01Z")
    for arguments, named in (((good, good[::-1]), "second"), (("now", good), "first"), ((5, good), "first")):
        with pytest.raises(InputError) as caught:
            analytics.compare(frame, *arguments)
        assert caught.value.field == named or caught.value.field in ("first", "second")
    with pytest.raises(InputError, match="fields='title'"):
        analytics.top_terms(frame, "title")
