"""Who acts on a page is whoever is signed in there, whatever user the server runs as."""

from __future__ import annotations

import pytest

from vibeseater.access.rules import NOBODY, Access, Person
from vibeseater.guarded import guarded
from vibeseater.views.runtime import close_shared_seater, shared_seater
from vibeseater.views.tasks import detached


@pytest.mark.parametrize(("person", "who"), [(Person("ada"), "ada"), (NOBODY, "not signed in")])
async def test_a_page_s_action_is_the_person_s(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, person: Person, who: str
) -> None:
    """Also in a task that remembers nothing of the page; `VIBESEATER_ACTOR` names nobody there."""
    monkeypatch.setenv("VIBESEATER_DATABASE_URL", database_url)
    monkeypatch.setenv("VIBESEATER_REDIS_URL", redis_url)
    monkeypatch.setenv("VIBESEATER_ACTOR", "the server's user")
    try:
        seater = await shared_seater()
        page = guarded(seater, person, Access(None))
        stream = await detached(page.streams.create_stream("A"))
        await page.streaming.stop_stream(stream)
        told = [(one.who, one.way, one.action) for one in await seater.audit()]
    finally:
        await close_shared_seater()
    assert told == [(who, "page", "streaming.stop_stream"), (who, "page", "streams.create_stream")]
