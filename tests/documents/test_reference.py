"""The reference is whole: what the code has, it describes. What is added without a description fails here."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import click
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import vibeseater
from tests.documents.reading import ROOT
from tests.parsing import parsed
from vibeseater import telemetry
from vibeseater.cli import app
from vibeseater.operations import exposition, monitor_of
from vibeseater.settings import Settings
from vibeseater.sources import registry

INFO = {"version", "kind", "host"}
PACKAGE = Path(vibeseater.__file__).parent
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def reference() -> Iterator[ModuleType]:
    """The code that writes the reference."""
    pytest.importorskip("sphinx")
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    yield importlib.import_module("reference")
    sys.path.remove(str(ROOT / "docs" / "_ext"))


def test_each_part_stands_in_a_page(reference: ModuleType) -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md"))
    for part in ("settings", "telemetry", "metrics", "source-types", "pages", "addresses"):
        assert callable(getattr(reference, part.replace("-", "_")))
        assert f"```{{{part}}}\n```" in pages
    assert ".. click:: vibeseater.cli.app:app" in pages


def test_every_setting_is_described(reference: ModuleType) -> None:
    told = reference.attributes(Settings)
    assert [name for name in Settings.__struct_fields__ if len(told.get(name, "")) < 8] == []
    assert set(told) == set(Settings.__struct_fields__), "what is described and is no setting"
    text = reference.settings()
    for name in Settings.__struct_fields__:
        assert f"## `{name}`\n" in text
        assert f"VIBESEATER_{name.upper()}`" in text


def _commands(command: click.Command, path: str = "vibeseater") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, f"{path} {name}"
            yield from _commands(found, f"{path} {name}")


def test_every_command_and_option_is_described() -> None:
    commands = dict(_commands(app.app))
    assert {"vibeseater streams add-source", "vibeseater serve"} <= set(commands)
    assert [path for path, command in commands.items() if not (command.help or "").strip()] == []
    silent = [
        f"{path} {parameter.opts[0]}"
        for path, command in commands.items()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden and not (parameter.help or "").strip()
    ]
    assert silent == []


def _told() -> Iterator[tuple[str, telemetry.EventName, set[str] | None, set[str] | None]]:
    """Where the code tells telemetry of what, with the keys of measurements and metadata that are written out there."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "telemetry.execute" not in path.read_text(encoding="utf-8"):
            continue
        tree = parsed(path)
        names = {
            target.id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Tuple)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "telemetry.execute":
                continue
            first: ast.expr = node.args[0]
            if isinstance(first, ast.Name):
                first = names[first.id]
            keys = [_keys(one) for one in node.args[1:]]
            keys += [set()] * (2 - len(keys))
            yield f"{path.name}:{node.lineno}", ast.literal_eval(first), keys[0], keys[1]


def _keys(of: ast.expr) -> set[str] | None:
    if not isinstance(of, ast.Dict):
        return None
    return {key.value for key in of.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def test_every_event_of_telemetry_is_described(reference: ModuleType) -> None:
    told = list(_told())
    assert len(told) > 10
    for where, name, measurements, metadata in told:
        assert name in telemetry.EVENTS, f"{where}: describe {name} in telemetry.EVENTS"
        kind = telemetry.EVENTS[name]
        assert measurements is None or measurements == set(kind.measurements), where
        assert metadata is None or metadata <= set(kind.metadata), where
    told_names = {name for _, name, _, _ in told}
    assert set(telemetry.EVENTS) == {*told_names, telemetry.HANDLER_FAILED}, "what is described and never told"
    text = reference.telemetry()
    for name, kind in telemetry.EVENTS.items():
        assert f"## `{'.'.join(name)}`\n\n{kind.when}" in text
        assert kind.when
        assert all(kind.measurements.values())
        assert all(kind.metadata.values())


def test_every_metric_is_described(reference: ModuleType) -> None:
    metrics = reference.described_metrics()
    assert len(metrics) > 40
    assert [name for name, _, _, text in metrics if len(text) < 6] == []
    text = reference.metrics()
    assert [name for name, *_ in metrics if f"`{name}`\n: " not in text] == []


async def test_no_scrape_tells_of_a_metric_that_is_not_described(
    reference: ModuleType, seater: vibeseater.VibeSeater
) -> None:
    stream = await seater.streams.create_stream(title="Scraped")
    await seater.events.create_event(stream_id=stream.id, event_type="note", content={})
    monitor = monitor_of(seater)
    await monitor.next()
    families = list(text_string_to_metric_families(exposition(monitor).decode()))
    described = {
        re.sub("_(total|info)$", "", name): set(labels) for name, _, labels, _ in reference.described_metrics()
    }
    assert len(families) > 40
    for family in families:
        labels = described.get(family.name.removesuffix("_info"))
        assert labels is not None, f"{family.name} is not described"
        added = INFO if family.name.endswith("_info") else {"le"} if family.type == "histogram" else set()
        assert all(set(sample.labels) - added <= labels for sample in family.samples), family.name


def test_every_source_type_and_each_of_its_fields_is_described(reference: ModuleType) -> None:
    text = reference.source_types()
    for name in registry.known_types():
        kind = registry.get_type(name)
        if not kind.__module__.startswith("vibeseater."):
            continue
        assert f"## `{name}`\n\n{reference.first_paragraph(kind)}" in text
        assert reference.first_paragraph(kind)
        told = reference.attributes(kind.Config)
        fields = kind.Config.__struct_fields__
        assert [field for field in fields if not told.get(field)] == [], name
        assert set(told) <= set(fields), f"{name}: what is described and is no field"


def test_every_page_and_address_is_described(reference: ModuleType) -> None:
    from vibeseater.server import find_pages
    from vibeseater.views import navigation

    text = reference.pages()
    for address in find_pages():
        assert re.search(rf"^\| `{address}` \| [A-Z].{{10,}}\|$", text, re.MULTILINE), address
    assert {f"/{page}" for page, *_ in navigation.PAGES} <= set(find_pages())
    described = dict(reference.described_addresses())
    assert {"/healthz", "/readyz", "/metrics", "/ingest/<source_id>", "/rows"} <= set(described)
    assert all(described.values())
    # What a server's routes are made of; a new one is to be added to `described_addresses`.
    for name in ("server", "plugins"):
        source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        assert set(re.findall(r"\*(?:self\._)?(\w+)(?:\.routes|_routes)\(", source)) <= {"probe", "ingest", "rows"}


def _documented() -> Iterator[tuple[str, str]]:
    """What the pages of the Python reference take from the code: the directive and the name."""
    for path in sorted((REFERENCE / "api").glob("*.md")):
        yield from re.findall(r"^\.\. auto(\w+):: (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(module), name)


def test_the_whole_of_the_package_s_face_is_documented() -> None:
    things = [(kind, _named(path)) for kind, path in _documented()]
    shown = [thing for _, thing in things]
    for kind, thing in things:
        if kind == "module":
            shown += [getattr(thing, name) for name in thing.__all__]
    for name in vibeseater.__all__:
        if name != "__version__":
            assert getattr(vibeseater, name) in shown, f"vibeseater.{name} stands in no page of docs/reference/api"


def test_all_that_hangs_on_a_vibeseater_is_documented() -> None:
    inside = {"hub", "publisher", "pool", "redis", "changes"}  # named by its docstring, and nobody's tools
    things = [(kind, _named(path)) for kind, path in _documented()]
    shown = [thing for kind, thing in things if kind == "class"]
    shown += [getattr(thing, name) for kind, thing in things if kind == "module" for name in thing.__all__]
    from vibeseater.archive.archives import Archives

    hints = get_type_hints(vibeseater.VibeSeater, localns={"Archives": Archives})
    assert [name for name, kind in hints.items() if name not in inside and kind not in shown] == []
    pages = "".join(path.read_text(encoding="utf-8") for path in (REFERENCE / "api").glob("*.md"))
    for kind in (kind for kind in hints.values() if kind in shown):
        own = f"{kind.__module__}.{kind.__qualname__}"
        if any(base.__module__.startswith("vibeseater.") for base in kind.__mro__[1:]):
            assert re.search(rf"autoclass:: {re.escape(own)}\n(   .*\n)*   :inherited-members:", pages), own


def test_what_is_documented_says_something() -> None:
    silent = []
    for kind, path in _documented():
        thing = _named(path)
        if kind == "module":
            assert thing.__all__, f"{path} has no __all__: all of it would be shown"
            things = [(f"{path}.{name}", getattr(thing, name)) for name in thing.__all__]
        else:
            things = [(path, thing)]
        for name, one in things:
            if not (inspect.isclass(one) or inspect.isfunction(one)):
                continue
            if not (vars(one).get("__doc__") if inspect.isclass(one) else one.__doc__):
                silent.append(name)
            if inspect.isclass(one) and one.__module__.startswith("vibeseater."):
                silent += [
                    f"{name}.{member}"
                    for member, value in vars(one).items()
                    if inspect.isfunction(value)
                    and not member.startswith("_")
                    and not inspect.getdoc(getattr(one, member))
                ]
    assert silent == []


def test_a_setting_without_a_description_would_be_found(reference: ModuleType) -> None:
    class Fewer(msgspec.Struct):
        """Something.

        Attributes:
            one: the first,
                on two lines.
            two, three: both.
        """

        one: int = 1
        two: int = 2
        three: int = 3
        four: int = 4

    assert reference.attributes(Fewer) == {"one": "the first, on two lines.", "two": "both.", "three": "both."}
