"""The drawer of a stream's sources in a real browser: add by address, see health, edit, pause, remove."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.browser.conftest import serving
from tests.servers import eventually
from tests.sources.serving import LocalServer, entry, rss
from vibeseater import VibeSeater

Open = Callable[..., Any]
HOSTILE = "<img src=x onerror='window.hacked = 1'>"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[LocalServer]:
    """A local server that sources may ask."""
    async with LocalServer.running() as running:
        yield running


@pytest.fixture(scope="module")
async def served(module_database_url: str, module_redis_url: str) -> AsyncIterator[str]:
    """The pages, whose sources may ask this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBESEATER_ALLOW_PRIVATE_URLS", "1")
        async with serving(module_database_url, module_redis_url, "--plugins", "vibeseater.plugins") as address:
            yield address


async def _shot(view: Any, name: str) -> None:
    """For the eye, where somebody asks for it."""
    folder = os.environ.get("VIBESEATER_TEST_SHOTS")
    if folder:
        await view.page.screenshot(path=f"{folder}/{name}.png")


async def _texts(locator: Any) -> list[str]:
    return [text.strip() for text in await locator.all_inner_texts()]


@pytest.mark.parametrize(
    "look", ["light", pytest.param("dark", marks=pytest.mark.slow), pytest.param("phone", marks=pytest.mark.slow)]
)
async def test_a_page_s_feed_is_found_added_paused_and_removed(
    served: str, beside: VibeSeater, open_page: Open, server: LocalServer, look: str
) -> None:
    stream = await beside.streams.create_stream(f"Newsroom {look}")
    feed = server.reply(
        f"/{look}/feed", rss(*(entry(n) for n in range(1, 8)), entry(8, title=f"<![CDATA[{HOSTILE}]]>x"))
    )
    other = server.reply(f"/{look}/other", rss(entry(9), channel="<title>Others</title>"))
    links = "".join(f"<link rel='alternate' type='application/rss+xml' href='{url}'>" for url in (feed, other))
    page = server.reply(f"/{look}/page", f"<html>{links}</html>", headers={"Content-Type": "text/html"})
    options: dict[str, Any] = {"color_scheme": "dark" if look == "dark" else "light"}
    if look == "phone":
        options |= {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    view = await open_page(f"{served}/stream?id={stream.id}", **options)
    await view.ready()
    if look == "dark":
        await view.page.get_by_role("button", name="theme").click()
    await _shot(view, f"page-{look}")
    await view.page.get_by_role("button", name="Sources").click()
    drawer = view.page.get_by_role("dialog")
    await drawer.get_by_text("No sources yet").wait_for()
    await drawer.get_by_role("textbox").first.fill(page)
    await drawer.get_by_role("button", name="Look").click()
    preview = drawer.get_by_role("region", name="What was found")
    await preview.wait_for()
    assert await _texts(preview.locator(".kind")) == ["Feed"]
    assert await preview.locator("li .title").count() == 5
    assert other in await preview.inner_text()
    assert await preview.get_by_role("textbox", name="Name").input_value() == "News"
    await _shot(view, f"preview-{look}")
    await preview.get_by_role("textbox", name="Name").fill("The news")
    await preview.get_by_role("button", name="Add source").click()
    row = drawer.locator("[data-source-id]")
    await row.wait_for()
    assert not await preview.is_visible()
    (source,) = await beside.sources.list_sources(stream)
    assert (source.name, source.type, source.config) == ("The news", "rss", {"url": feed})
    assert await row.locator(".state").inner_text() == "Not started"
    await beside.streaming.start_stream(stream)
    await eventually(lambda: _is(row.locator(".state").inner_text(), "OK"))
    await eventually(lambda: _starts(row.locator(".line").inner_text(), "8 events · last event "))
    await _shot(view, f"list-{look}")
    assert await view.page.evaluate("document.documentElement.scrollWidth") <= (390 if look == "phone" else 1440)
    await row.get_by_role("button", name="Pause").click()
    await eventually(lambda: _is(row.locator(".state").inner_text(), "Paused"))
    assert (await beside.streaming.status(stream)).sources[0].paused
    await row.get_by_role("button", name="Resume").click()
    await eventually(lambda: _is(row.locator(".state").inner_text(), "OK"))
    await row.get_by_role("button", name="Remove").click()
    assert len(await beside.sources.list_sources(stream)) == 1  # it asks first
    await row.get_by_role("button", name="Really remove?").click()
    await drawer.get_by_text("No sources yet").wait_for()
    assert await beside.sources.list_sources(stream) == []
    await view.page.keyboard.press("Escape")
    await drawer.wait_for(state="hidden")
    assert await view.page.evaluate("window.hacked") is None
    await beside.streaming.stop_stream(stream)


async def _is(awaitable: Any, expected: str) -> bool:
    return bool((await awaitable).strip() == expected)


async def _starts(awaitable: Any, expected: str) -> bool:
    return bool((await awaitable).startswith(expected))


@pytest.mark.slow
async def test_a_failing_source_says_why_and_is_mended(
    served: str, beside: VibeSeater, open_page: Open, server: LocalServer
) -> None:
    stream = await beside.streams.create_stream("Failing")
    config = {"url": server.url("/nothing-here"), "interval": 1}
    source = await beside.sources.create_source(stream, type="rss", name=HOSTILE, config=config)
    await beside.streaming.start_stream(stream)
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await view.page.get_by_role("button", name="Sources").click()
    row = view.page.get_by_role("dialog").locator(f"[data-source-id='{source.id}']")
    await eventually(lambda: _is(row.locator(".state").inner_text(), "Failing"))
    assert "404" in await row.locator(".fault").inner_text()
    assert await row.locator("strong").inner_text() == HOSTILE
    await row.get_by_role("button", name="Edit").click()
    editor = row.locator(".editor")
    area = editor.get_by_role("textbox", name="Configuration")
    for wrong, reason in (('{"url": ', "JSON"), ('{"url": "nonsense"}', "http and https"), ("[]", "not a dict")):
        await area.fill(wrong)
        await editor.get_by_role("button", name="Save").click()
        await editor.get_by_role("alert").get_by_text(reason).first.wait_for()
    await _shot(view, "edit")
    there = server.reply("/there", rss(entry(1)))
    await area.fill(f'{{"url": "{there}", "interval": 1}}')
    await editor.get_by_role("textbox", name="Name").fill("Mended")
    await editor.get_by_role("button", name="Save").click()
    await editor.wait_for(state="detached")
    await eventually(lambda: _is(row.locator("strong").inner_text(), "Mended"))
    await eventually(lambda: _is(row.locator(".state").inner_text(), "OK"))
    assert not await row.locator(".fault").is_visible()
    await beside.streaming.stop_stream(stream)


@pytest.mark.slow
async def test_a_webhook_is_made_and_takes_what_is_sent(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Doorbell")
    await beside.streaming.start_stream(stream)
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await view.page.get_by_role("button", name="Sources").click()
    drawer = view.page.get_by_role("dialog")
    await drawer.get_by_role("button", name="make a webhook").click()
    made = drawer.get_by_role("region", name="The new webhook")
    await made.wait_for()
    await _shot(view, "webhook")
    address, token, trial = await _texts(made.locator("code"))
    (source,) = await beside.sources.list_sources(stream)
    assert address == f"{served}/ingest/{source.id}"
    assert token in trial
    assert token not in str(source.config)
    row = drawer.locator(f"[data-source-id='{source.id}']")
    assert await row.locator(".sendto").inner_text() == f"POST {address}"
    answer = await view.page.request.post(
        address, headers={"Authorization": f"Bearer {token}"}, data={"title": "Somebody rang"}
    )
    assert answer.status == 201, await answer.text()
    await eventually(lambda: _starts(row.locator(".line").inner_text(), "1 event · "))
    refused = await view.page.request.post(address, headers={"Authorization": "Bearer wrong"}, data={"title": "No"})
    assert refused.status == 401
    await beside.streaming.stop_stream(stream)


@pytest.mark.slow
async def test_an_address_that_is_read_already_is_not_added_again(
    served: str, beside: VibeSeater, open_page: Open, server: LocalServer
) -> None:
    feed = server.reply("/again/feed", rss(entry(1)))
    stream = await beside.streams.create_stream("Once")
    await beside.sources.create_source(stream, type="rss", name="The first", config={"url": feed})
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await view.page.get_by_role("button", name="Sources").click()
    drawer = view.page.get_by_role("dialog")
    await drawer.get_by_role("textbox").first.fill(feed)
    await drawer.get_by_role("button", name="Look").click()
    await drawer.get_by_role("button", name="Add source").click()
    await drawer.get_by_role("alert").get_by_text("“The first” reads it already").wait_for()
    assert len(await beside.sources.list_sources(stream)) == 1


@pytest.mark.slow
async def test_an_address_that_leads_nowhere_says_so(
    served: str, beside: VibeSeater, open_page: Open, server: LocalServer
) -> None:
    stream = await beside.streams.create_stream("Nowhere")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await view.page.get_by_role("button", name="Sources").click()
    drawer = view.page.get_by_role("dialog")
    plain = server.reply("/plain", "<html>nothing</html>", headers={"Content-Type": "text/html"})
    for address, reason in (
        (server.url("/404"), "404"),
        (plain, "names no feed"),
        ("ftp://x.example", "http and https"),
    ):
        await drawer.get_by_role("textbox").first.fill(address)
        await drawer.get_by_role("button", name="Look").click()
        await drawer.get_by_role("alert").get_by_text(reason).first.wait_for()
    assert await beside.sources.list_sources(stream) == []


@pytest.mark.slow
async def test_a_new_stream_reads_what_stands_at_its_address(
    served: str, beside: VibeSeater, open_page: Open, server: LocalServer
) -> None:
    feed = server.reply("/new/feed", rss(entry(1)))
    link = f"<link rel='alternate' type='application/rss+xml' href='{feed}'>"
    page = server.reply("/new/page", f"<html>{link}</html>", headers={"Content-Type": "text/html"})
    view = await open_page(f"{served}/streams")
    await view.page.get_by_role("button", name="New stream").click()
    await view.page.get_by_label("Title").fill("Made of a page")
    await view.page.get_by_label("Feed to read").fill(page)
    await view.page.get_by_role("button", name="Create").click()
    await view.ready()
    await view.page.locator("[data-event-id]").wait_for()
    stream = await beside.streams.get_stream("made-of-a-page")
    (source,) = await beside.sources.list_sources(stream)
    assert (source.type, source.name, source.config) == ("rss", "News", {"url": feed})
    await beside.streaming.stop_stream(stream)
