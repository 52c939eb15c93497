"""Telemetry: handlers are called where a step happens, and none can harm another, or the step."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from vibeseater import telemetry
from vibeseater.errors import InputError

NAME = ("vibeseater", "tests", "happened")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """No handler outlives its test."""
    before = {item.handler_id for item in telemetry.handlers()}
    yield
    for item in telemetry.handlers():
        if item.handler_id not in before:
            telemetry.detach(item.handler_id)


def test_a_handler_gets_name_measurements_metadata_and_config() -> None:
    """A handler is called with the four arguments of the contract, at each event of its name only."""
    calls: list[tuple[Any, ...]] = []
    telemetry.attach("mine", NAME, lambda *arguments: calls.append(arguments), {"my": "config"})
    telemetry.execute(NAME, {"count": 1}, {"stream_id": "x"})
    telemetry.execute((*NAME, "too"), {"count": 1})
    telemetry.execute(NAME, {"count": 2})
    assert calls == [
        (NAME, {"count": 1}, {"stream_id": "x"}, {"my": "config"}),
        (NAME, {"count": 2}, {}, {"my": "config"}),
    ]


def test_a_raising_handler_is_reported_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    """An exception harms no other handler and no caller; it is logged and told, and the handler is called again."""
    calls: list[str] = []
    failures: list[Any] = []

    def broken(*_: object) -> None:
        calls.append("broken")
        raise ZeroDivisionError("mine")

    telemetry.attach("broken", NAME, broken)
    telemetry.attach("sound", NAME, lambda *_: calls.append("sound"))
    telemetry.attach("failures", telemetry.HANDLER_FAILED, lambda *arguments: failures.append(arguments[2]))
    with caplog.at_level(logging.ERROR, "vibeseater.telemetry"):
        telemetry.execute(NAME, {})
        telemetry.execute(NAME, {})
    assert calls == ["broken", "sound", "broken", "sound"]
    assert [failure["handler_id"] for failure in failures] == ["broken", "broken"]
    assert isinstance(failures[0]["error"], ZeroDivisionError)
    assert "'broken' failed" in caplog.text


def test_a_failing_reporter_of_failures_does_not_go_round(caplog: pytest.LogCaptureFixture) -> None:
    """A handler of failures that fails itself is logged once, not for ever."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    telemetry.attach("broken", NAME, broken)
    telemetry.attach("broken too", telemetry.HANDLER_FAILED, broken)
    with caplog.at_level(logging.ERROR, "vibeseater.telemetry"):
        telemetry.execute(NAME, {})
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["broken", "broken too"]


def test_a_handler_may_detach_itself() -> None:
    """Attaching and detaching while handlers run changes the next event, not this one."""
    calls: list[str] = []

    def once(*_: object) -> None:
        calls.append("once")
        telemetry.detach("once")

    telemetry.attach("once", NAME, once)
    telemetry.attach("always", NAME, lambda *_: calls.append("always"))
    telemetry.execute(NAME, {})
    telemetry.execute(NAME, {})
    assert calls == ["once", "always", "always"]


def test_detaching_tells_whether_there_was_one() -> None:
    """`detach` returns True once; afterwards nobody listens."""
    telemetry.attach("mine", NAME, lambda *_: None)
    assert telemetry.attached(NAME)
    assert [item.handler_id for item in telemetry.handlers() if item.event_name == NAME] == ["mine"]
    assert telemetry.detach("mine") is True
    assert telemetry.detach("mine") is False
    assert not telemetry.attached(NAME)


async def _coroutine(*_: object) -> None:
    """A handler that nobody would await."""


@pytest.mark.parametrize(
    ("event_name", "handler", "field"),
    [
        ("vibeseater.events.created", print, "event_name"),
        (5, print, "event_name"),
        (None, print, "event_name"),
        (("a", 5), print, "event_name"),
        (NAME, None, "handler"),
        (NAME, "print", "handler"),
        (NAME, _coroutine, "handler"),
    ],
)
def test_what_can_be_no_handler_is_refused(event_name: Any, handler: Any, field: str) -> None:
    """A name that is no tuple of text, or a handler that could not be called, is refused with the cure."""
    with pytest.raises(InputError) as caught:
        telemetry.attach("mine", event_name, handler)
    assert caught.value.field == field
    assert not any(item.handler_id == "mine" for item in telemetry.handlers())


def test_an_id_is_attached_once() -> None:
    """A second handler of the same id is refused, whatever its event, and the first stays."""
    telemetry.attach("mine", NAME, lambda *_: None)
    with pytest.raises(InputError, match="already attached"):
        telemetry.attach("mine", (*NAME, "too"), lambda *_: None)
    assert [item.event_name for item in telemetry.handlers() if item.handler_id == "mine"] == [NAME]
