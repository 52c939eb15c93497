"""Every public method of a VibeSeater is classified, and nothing is classified that is not there."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from vibeseater.access.actions import ACTIONS, HANDED_OUT, RIGHTS, ROLES, Role, may
from vibeseater.alerts import Alerts
from vibeseater.archive.archives import Archives
from vibeseater.archive.retention import Retention
from vibeseater.bookmarks import Bookmarks, Highlights
from vibeseater.changes import Watch
from vibeseater.feeds.follow import Following
from vibeseater.feeds.live import LiveFeed
from vibeseater.feeds.rebroadcast import BroadcastFeed
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.seater import VibeSeater
from vibeseater.sources.catalog import Sources
from vibeseater.sources.running import Running
from vibeseater.store.audit_log import AuditLog
from vibeseater.store.event_log import EventLog
from vibeseater.store.streams import StreamStore
from vibeseater.streaming import Streaming

PARTS: dict[str, type] = {
    "streams": StreamStore,
    "sources": Sources,
    "events": EventLog,
    "streaming": Streaming,
    "archive": Archives,
    "archive.retention": Retention,
    "bookmarks": Bookmarks,
    "highlights": Highlights,
    "alerts": Alerts,
    "audit": AuditLog,
}
NO_PARTS = {"settings", "pool", "redis", "hub", "publisher", "changes", "pins", "archive.reader"}
BESIDE = {"operations.overview", "operations.log"}  # asked for by the page alone


def _public(one: type) -> set[str]:
    return {
        name
        for name, value in inspect.getmembers(one)
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }


def test_every_public_method_is_classified() -> None:
    found = _public(VibeSeater) | NO_PARTS | BESIDE
    for part, one in PARTS.items():
        found |= {f"{part}.{name}" for name in _public(one)}
    assert found == set(RIGHTS)


def test_every_part_is_looked_at() -> None:
    """A part that VibeSeater is given is either walked here, or named as inside."""
    assert set(VibeSeater.__annotations__) == {one for one in set(PARTS) | NO_PARTS if "." not in one}


@pytest.mark.parametrize("one", [LiveFeed, BroadcastFeed, ReplayFeed, Following, Watch, Running])
def test_what_is_handed_out_is_classified(one: Any) -> None:
    assert _public(one) == set(HANDED_OUT[one.__name__])


def test_actions_ask_for_more_than_reading() -> None:
    assert {name for name in ACTIONS if may("viewer", name)} == set()
    assert all(RIGHTS[name].kind != "inside" for name in ACTIONS)


@pytest.mark.parametrize("name", sorted(RIGHTS))
def test_who_may_more_may_all_that_who_may_less(name: str) -> None:
    allowed = [may(role, name) for role in ROLES]
    assert allowed == sorted(allowed)
    assert allowed[-1] == (RIGHTS[name].kind != "inside")


@pytest.mark.parametrize("role", ROLES)
def test_what_is_not_in_the_table_is_for_nobody(role: Role) -> None:
    assert not may(role, "streams.drop_everything")
    assert not may(role, "pool")
