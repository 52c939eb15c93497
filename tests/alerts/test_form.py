"""What the page's form holds of a rule says the same rule again."""

from __future__ import annotations

from typing import Any

import pytest

from vibeseater.alerts.rules import EVALUATED, make_rule
from vibeseater.inputs import uuid7
from vibeseater.views.alert_panel import _arguments, _told_rule

NOTHING: dict[str, Any] = {
    **dict.fromkeys(("event_type", "source", "search", "threshold", "window", "group_by")),
    "for_": 0,
    "cooldown": 0,
    "targets": (),
}


@pytest.mark.parametrize(
    "given",
    [
        {"when": "event", "search": "<b> -x", "cooldown": "15m"},
        {"when": "above", "threshold": 3, "window": "90m", "for_": "30s", "event_type": "goal"},
        {"when": "below", "threshold": 7, "window": 0.25, "for_": 1234567.5, "group_by": "source"},
        {"when": "silence", "window": "14d", "for_": 86401, "group_by": "type", "cooldown": 3600},
    ],
)
def test_a_rule_put_into_the_form_comes_out_as_it_was(given: dict[str, Any]) -> None:
    rule = make_rule(uuid7(), "Name", **(NOTHING | given))
    told = _told_rule(rule)
    name, arguments = _arguments({"name": told["name"], **told["fields"]})
    again = make_rule(rule.stream_id, name, **(NOTHING | arguments))
    assert [getattr(again, field) for field in EVALUATED] == [getattr(rule, field) for field in EVALUATED]
    assert again.cooldown_seconds == rule.cooldown_seconds
