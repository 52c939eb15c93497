"""A notebook in JupyterLab, in a real browser: a cell shows the live view, and a restarted kernel goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.browser.plotting import counts, place, seen
from tests.servers import eventually
from vibeseater import VibeSeater

CODE = """import vibeseater
seater = await vibeseater.connect()
stream = await seater.streams.get_stream({stream!r})
view = vibeseater.StreamView(seater, stream)
view"""


GOES_ON = """from pathlib import Path
kept = Path("position.txt")
now = await seater.streams.get_stream(stream)
async with seater.subscribe(stream, since=int(kept.read_text()) if kept.exists() else 0) as feed:
    while feed.position < now.stream_seq:
        event = await anext(feed)
        print("heard", event.content["title"])
kept.write_text(str(feed.position))
print("up to", feed.position)"""


def _notebook(*cells: str) -> str:
    made = [
        {"cell_type": "code", "id": f"c{at}", "metadata": {}, "execution_count": None, "outputs": [], "source": cell}
        for at, cell in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@pytest.fixture
async def lab(tmp_path: Path, module_database_url: str, module_redis_url: str) -> AsyncIterator[tuple[str, Path]]:
    """A JupyterLab, and the folder that it shows."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    port = _free_port()
    environment = {
        **os.environ,
        "VIBESEATER_DATABASE_URL": module_database_url,
        "VIBESEATER_REDIS_URL": module_redis_url,
        **{f"JUPYTER_{name}": str(tmp_path / name) for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")},
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
        "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", f"--ServerApp.root_dir={folder}",
        env=environment, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        assert process.returncode is None, "JupyterLab ended"
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(f"{address}/api") as answer:
                return answer.status == 200
        return False

    try:
        await eventually(answers, 60, interval=0.2)
        yield address, folder
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@pytest.mark.slow
async def test_a_cell_shows_the_live_view(
    lab: tuple[str, Path], beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    address, folder = lab
    stream = await beside.streams.create_stream("In a notebook")
    source = await beside.sources.create_source(stream, name="BBC")
    before = await beside.events.create_event(
        stream_id=stream.id, source_id=source.id, event_type="n", content={"title": "before"}
    )
    (folder / "watch.ipynb").write_text(_notebook(CODE.format(stream=str(stream.id)), "await view.aclose()"))
    opened = await open_page(f"{address}/lab/tree/watch.ipynb?reset", viewport={"width": 1280, "height": 1000})
    page = opened.page
    await page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
    await page.get_by_text("| Idle").wait_for(timeout=60_000)  # the status bar: what is run before is lost
    await page.locator(".jp-Cell").first.locator(".cm-content").click()
    await page.keyboard.press("Shift+Enter")
    await page.locator(f"[data-event-id='{before.id}']").wait_for(timeout=60_000)
    await page.locator(".badge[data-state=IDLE]").wait_for()
    event = await beside.events.create_event(
        stream_id=stream.id, source_id=source.id, event_type="n", content={"title": "after <b>all</b>"}
    )
    row = page.locator(f"[data-event-id='{event.id}']")
    await row.wait_for()
    assert await opened.ids() == [str(event.id), str(before.id)]
    assert "after <b>all</b>" in await row.inner_text()
    await eventually(lambda: _total(opened, "2"))
    # The plot is there, in the browser's own models, and moves; what a hand does in it is heard.
    await page.locator(".bk-Figure").wait_for()
    await eventually(lambda: _plotted(page, 2))
    first = await seen(page)
    await eventually(lambda: _moved(page, first))
    await page.locator(".bk-Figure").scroll_into_view_if_needed()
    await page.mouse.click(*await place(page, (await seen(page))[0] + 5))
    await page.get_by_role("button", name="Back to now").click()
    await row.wait_for()
    await page.get_by_role("radio", name="5 min", exact=True).click()
    await eventually(lambda: _plotted(page, 2))
    await row.locator(".expand").click()
    await page.locator(".detail", has_text="stream_seq").wait_for()
    if folder_of_shots := os.environ.get("VIBESEATER_TEST_SHOTS"):
        await page.screenshot(path=f"{folder_of_shots}/jupyterlab.png")
    await page.locator(".jp-Cell").nth(1).locator(".cm-content").click()
    await page.keyboard.press("Shift+Enter")
    await page.locator(".badge[data-state=STALE]").wait_for()
    opened.errors.clear()  # JupyterLab's own, about addresses that this machine can't reach


@pytest.mark.slow
async def test_a_restarted_kernel_goes_on_from_its_position(
    lab: tuple[str, Path], beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    """Run again from above: the view shows everything and is live, the subscription brings only what is new."""
    address, folder = lab
    stream = await beside.streams.create_stream("Over a restart")

    async def happen(title: str) -> str:
        event = await beside.events.create_event(stream_id=stream.id, event_type="n", content={"title": title})
        return str(event.id)

    ids = [await happen("one"), await happen("two")]
    (folder / "again.ipynb").write_text(_notebook(CODE.format(stream=str(stream.id)), GOES_ON))
    opened = await open_page(f"{address}/lab/tree/again.ipynb?reset", viewport={"width": 1280, "height": 1000})
    page = opened.page
    await page.get_by_text("| Idle").wait_for(timeout=60_000)

    async def restart_and_run_all() -> None:
        await page.locator("[data-command='notebook:restart-run-all']").first.click()
        await page.locator(".jp-Dialog .jp-mod-accept").click()

    async def said(*lines: str) -> bool:
        outputs = page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea-output")
        return "\n".join(await outputs.all_inner_texts()).split("\n")[: len(lines)] == list(lines)

    async def shown() -> bool:
        return bool(await opened.ids() == ids[::-1])

    await restart_and_run_all()
    await eventually(lambda: said("heard one", "heard two", "up to 2"), 60)
    await eventually(shown, 60)
    ids.append(await happen("three"))
    await eventually(shown)
    await restart_and_run_all()
    await eventually(lambda: said("heard three", "up to 3"), 60)
    await eventually(shown, 60)
    ids.append(await happen("four"))
    await eventually(shown)
    opened.errors.clear()  # JupyterLab's own, about addresses that this machine can't reach


async def _plotted(page: Any, number: int) -> bool:
    return sum(await counts(page)) == number


async def _moved(page: Any, before: tuple[float, float]) -> bool:
    return (await seen(page))[1] > before[1]


async def _total(opened: Any, text: str) -> bool:
    return bool(await opened.figure("total") == text)
