"""In a notebook it feels native: everything shows itself, a wrong loop names the cure, an interrupted cell lets go; and
the notebooks that come with VibeSeater are kept as they should be."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from tests.engine import item
from tests.servers import PATIENCE
from vibeseater import VibeSeater, magic
from vibeseater.errors import InputError, WrongLoopError

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


async def test_everything_shows_itself(seater: VibeSeater, tmp_path: Path) -> None:
    """As HTML, in which whatever events say is text."""
    hostile = "<script>alert(1)</script>"
    stream = await seater.streams.create_stream(title=hostile)
    source = await seater.sources.create_source(stream, name=hostile)
    batch = await seater.events.create_events_batch(
        [item(stream, content={"x": hostile}, source_id=source, event_type=hostile)]
    )
    done = await seater.archive.write(stream, tmp_path)
    async with (
        seater.subscribe(stream, since=0) as live,
        seater.replay(stream) as replay,
        seater.follow(stream) as frame,
    ):
        shown: list[Any] = [
            seater, stream, source, batch, batch[0], live, live.stats, replay, frame, done,
            await seater.events.get_realtime_statistics(stream),
            await seater.pin(stream),
            await seater.archive.purge(stream, keep=0),
            await seater.archive.retention.set(stream, keep=5, archive_to=tmp_path),
            *await seater.archive.files(stream),
        ]  # fmt: skip
        for one in shown:
            made = one._repr_html_()
            assert "<table" in made, type(one)
            assert "<script" not in made, type(one)


async def test_another_loop_or_thread_is_told_the_cure(seater: VibeSeater) -> None:
    """Whatever is called; and nothing is harmed by it."""
    stream = await seater.streams.create_stream(title="A")

    async def entered(feed: Any) -> None:
        async with feed:
            pass

    calls: list[Callable[[], Any]] = [
        lambda: seater.events.create_event(**item(stream)),
        lambda: seater.events.create_events_batch([item(stream)]),
        lambda: seater.events.to_dataframe(stream),
        lambda: seater.streams.list_streams(),
        lambda: entered(seater.subscribe(stream)),
        lambda: entered(seater.replay(stream)),
        lambda: entered(seater.follow(stream)),
        lambda: seater.pin(stream),
        lambda: seater.close(),
    ]
    for call in calls:

        async def there(call: Callable[[], Any] = call) -> None:
            await call()

        with pytest.raises(WrongLoopError, match=r"connect\(\)|run_coroutine_threadsafe"):
            await asyncio.to_thread(lambda there=there: asyncio.run(there()))
    event = await seater.events.create_event(**item(stream))
    assert event.stream_seq == 1


@pytest.fixture
async def kernel(database_url: str, redis_url: str, home: Path) -> AsyncIterator[tuple[AsyncKernelManager, Any]]:
    """A Jupyter kernel, and a function that runs a cell in it and gives what it printed, or its error."""
    manager = AsyncKernelManager()
    environment = {**os.environ, "VIBESEATER_DATABASE_URL": database_url, "VIBESEATER_REDIS_URL": redis_url}
    await manager.start_kernel(env=environment)
    client: AsyncKernelClient = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=2 * PATIENCE)

        async def run(code: str, when_printed: Callable[[], Any] | None = None) -> str:
            said = client.execute(code)
            printed = ""
            async with asyncio.timeout(2 * PATIENCE):
                while True:
                    try:
                        message = await client.get_iopub_msg(timeout=1)
                    except queue.Empty:
                        continue
                    if message["parent_header"].get("msg_id") != said:
                        continue
                    kind, content = message["msg_type"], message["content"]
                    if kind == "stream":
                        printed += content["text"]
                        if when_printed is not None:
                            await when_printed()
                            when_printed = None
                    elif kind == "error":
                        printed += content["ename"]
                    elif kind == "execute_result":
                        printed += content["data"]["text/plain"]
                    elif kind == "status" and content["execution_state"] == "idle":
                        return printed

        yield manager, run
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def test_an_interrupted_cell_lets_go_of_its_feed(kernel: tuple[AsyncKernelManager, Any]) -> None:
    """Ctrl-C, or the stop button: the cell ends, its feed is closed, and the next cell goes on from its position."""
    manager, run = kernel
    made = await run(
        "import vibeseater\n"
        "seater = await vibeseater.connect()\n"
        "stream = await seater.streams.create_stream(title='A')\n"
        "event = await seater.events.create_event(stream_id=stream.id, event_type='x', content={})\n"
    )
    assert made == ""
    said = await run(
        "async with seater.subscribe(stream, since=0) as feed:\n"
        "    async for event in feed:\n"
        "        print('heard', event.stream_seq, flush=True)\n",
        manager.interrupt_kernel,
    )
    assert said.startswith("heard 1")
    assert said.endswith(("KeyboardInterrupt", "CancelledError"))
    assert await run("print(feed.state, seater.hub.watching, feed.position)") == "closed {} 1\n"
    again = await run(
        "event = await seater.events.create_event(stream_id=stream.id, event_type='x', content={})\n"
        "async with seater.subscribe(stream, since=feed.position) as feed:\n"
        "    print((await anext(feed)).stream_seq)\n"
    )
    assert again == "2\n"
    assert "A" in await run("%load_ext vibeseater\n%vibeseater status")


async def test_the_magic_shows_the_streams(
    seater: VibeSeater, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a connection of its own, whatever the notebook is doing."""
    await seater.streams.create_stream(title="<b>A</b>")
    monkeypatch.setenv("VIBESEATER_DATABASE_URL", database_url)
    monkeypatch.setenv("VIBESEATER_REDIS_URL", redis_url)
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "vibeseater")
    shown = shell.run_line_magic("vibeseater", "status")
    assert isinstance(shown, magic.Overview)
    assert "&lt;b&gt;A" in shown._repr_html_()
    assert "b-a-b" in repr(shown)
    with pytest.raises(InputError, match="%vibeseater status"):
        magic._magic("dance")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_as_it_should_be_kept(path: Path) -> None:
    """Stored outputs only where they are checked; no tricks with the loop, no sleeping, no path of one machine."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        assert not re.search(r"nest_asyncio|asyncio\.run\(|sleep\(|['\"]/(home|Users|tmp|work|root)\b", source), source
        if cell["cell_type"] == "code":
            assert bool(cell["outputs"]) == ("NBVAL_CHECK_OUTPUT" in source), source
            assert {output["output_type"] for output in cell["outputs"]} <= {"stream"}, source


def test_no_notebook_finds_what_another_the_readme_or_a_guide_has_made() -> None:
    """They share one's servers, in whichever order one runs them: `exist_ok` would go on with what is not theirs."""
    making = re.compile(r"create_stream\((?:title=)?\\?[\"']([^\"'\\]+)")
    root = NOTEBOOKS.parent
    read = [root / "README.md", *(root / "docs").rglob("*.md")]
    theirs = {title for path in read for title in making.findall(path.read_text(encoding="utf-8"))}
    ours = [title for path in NOTEBOOKS.glob("*.ipynb") for title in making.findall(path.read_text(encoding="utf-8"))]
    assert "Debate night" in theirs
    assert len(ours) >= 6
    assert len(ours) == len(set(ours))
    assert theirs & set(ours) == set()


def test_each_notebook_is_named_where_one_looks_for_it() -> None:
    """In the README."""
    told = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in NOTEBOOKS.glob("*.ipynb") if path.name not in told] == []
