"""The Python examples of the documents run, in order and with one namespace a document, on real servers.

A document finds `vibeseater`, `seater`, and `stream`, `source`, `event` of a stream `match` that has some events. What
else it needs it makes in a comment, `<!-- invisible-code-block: python`; what can't run here is passed over, with its
reason, by `<!-- skip: next "…" -->`. `/srv` is a folder of the test's.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser, SkipParser

import vibeseater
from tests.documents.reading import DOCUMENTS, name_of
from vibeseater.views import runtime

PATIENCE = 30.0


def _evaluate(example: Example) -> None:
    """Run the example, or leave what is to be awaited in the namespace: Sybil itself awaits nothing."""
    text = str(example.parsed).replace("/srv/", f"{example.namespace['tmp_path']}/srv/")
    source = "\n" * (example.line + example.parsed.line_offset - 1) + text
    code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    example.namespace["_awaited"] = eval(code, example.namespace)


@pytest.fixture
async def namespace(
    seater: vibeseater.VibeSeater, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[dict[str, Any]]:
    """What each document finds."""
    monkeypatch.setenv("VIBESEATER_DATABASE_URL", seater.settings.database_url or "")
    monkeypatch.setenv("VIBESEATER_REDIS_URL", seater.settings.redis_url or "")
    monkeypatch.chdir(tmp_path)
    stream = await seater.streams.create_stream(title="The match", slug="match")
    source = await seater.sources.create_source(stream, type="manual", name="Reporter")
    begin = datetime.now(UTC) - timedelta(minutes=10)
    for minute in range(6):
        event = await seater.events.create_event(
            stream_id=stream.id,
            source_id=source.id,
            event_type="goal" if minute % 3 == 0 else "card",
            content={"title": f"Minute {minute}", "mag": minute},
            occurred_at=begin + timedelta(minutes=minute),
        )
    yield {
        "vibeseater": vibeseater,
        "seater": seater,
        "stream": stream,
        "source": source,
        "event": event,
        "tmp_path": tmp_path,
    }
    await runtime.close_shared_seater()


WITH_PYTHON = [path for path in DOCUMENTS if "```python" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("document", WITH_PYTHON, ids=name_of)
async def test_the_examples_run(document: Path, namespace: dict[str, Any]) -> None:
    parsed = Document.parse(str(document), CodeBlockParser("python", _evaluate), SkipParser())
    parsed.namespace.update(namespace)
    try:
        for example in parsed.examples():
            await _run(example)
    finally:
        if stop := parsed.namespace.get("stop"):
            stop()  # what it began would be this process's for all tests to come
        mine = parsed.namespace["seater"]  # its own, where it connected by itself
        if mine is not namespace["seater"]:
            await mine.close()


async def _run(example: Example) -> None:
    try:
        example.evaluate()
        awaited = example.namespace.pop("_awaited", None)
        if inspect.isawaitable(awaited):
            async with asyncio.timeout(PATIENCE):
                await awaited
    except SkipTest:
        pass
    except Exception as error:
        error.add_note(f"in the example at {example.path}:{example.line}")
        raise
