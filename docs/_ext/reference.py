"""What the reference tells of settings, telemetry, metrics, source types and pages, asked of the code that has them.

Each function gives Markdown; in a page a directive of its name stands for it. No figure, name or default is kept here.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import msgspec
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

_ENTRY = re.compile(r"^(\w+(?:, \w+)*): (.*)$")


def attributes(of: type) -> dict[str, str]:
    """Each attribute that a class's docstring (or a base's) describes, in one line of Markdown."""
    found: dict[str, str] = {}
    for one in reversed(of.__mro__):
        text = inspect.cleandoc(vars(one).get("__doc__") or "")
        _, _, section = text.partition("\nAttributes:\n")
        names: list[str] = []
        for line in inspect.cleandoc(section).splitlines():
            if not line:
                break
            if entry := _ENTRY.match(line):
                names = entry[1].split(", ")
                found.update(dict.fromkeys(names, entry[2]))
            else:
                found.update({name: f"{found[name]} {line.strip()}" for name in names})
    return found


def settings() -> str:
    """Every setting: its key in the file, its variable, its default and its meaning."""
    from vibeseater.settings import PREFIX, Settings

    told = attributes(Settings)
    parts = []
    for field in msgspec.structs.fields(Settings):
        default = "a folder of this user's" if field.name == "home" else _default(field) or "none"
        parts.append(
            f"## `{field.name}`\n\n{sentence(told.get(field.name, ''))}\n\n"
            f"Variable `{PREFIX}{field.name.upper()}`; {_type(field.type)}; default: {default}"
        )
    return "\n\n".join(parts)


def telemetry() -> str:
    """Every name of telemetry, when it is told, and what comes with it."""
    from vibeseater.telemetry import EVENTS

    parts = []
    for name, kind in EVENTS.items():
        lines = [f"## `{'.'.join(name)}`", "", kind.when]
        for head, things in (("Measurements", kind.measurements), ("Metadata", kind.metadata)):
            if things:
                lines += ["", f"{head}:", "", *(f"- `{key}`: {text}" for key, text in things.items())]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def metrics() -> str:
    """Every metric of `/metrics`, as one scrape of a server that nobody uses would describe it."""
    return "\n\n".join(
        f"`{name}`\n: {text}\n\n  {kind}{''.join(f', `{label}`' for label in labels)}"
        for name, kind, labels, text in described_metrics()
    )


def described_metrics() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of each metric, by name."""
    from vibeseater.operations import metrics
    from vibeseater.operations.database import DatabaseState
    from vibeseater.operations.overview import Overview
    from vibeseater.operations.redis_state import RedisState

    empty = Overview(
        at=0.0, own="", processes=[], gone=[], database=DatabaseState(), redis=RedisState(), redis_error="", problems=[]
    )
    ends = {"counter": "_total", "info": "_info"}
    return sorted(
        (f"{one.name}{ends.get(one.type, '')}", one.type, tuple(getattr(one, "_labelnames", ())), one.documentation)
        for one in metrics.families([], empty)
    )


def source_types() -> str:
    """Every type of source that comes with VibeSeater, and its configuration."""
    from vibeseater.sources.base import ReadConfig
    from vibeseater.sources.registry import get_type, known_types

    shared = {field.name for field in msgspec.structs.fields(ReadConfig)}
    parts = []
    for name in known_types():
        kind = get_type(name)
        if not kind.__module__.startswith("vibeseater."):
            continue
        parts.append(f"## `{name}`\n\n{first_paragraph(kind)}")
        reads = issubclass(kind.Config, ReadConfig)
        parts.append(_fields(kind.Config, leaving_out=shared if reads else ()))
        if reads:
            parts.append("And [what every type that is read takes](#every-type-that-is-read).")
    return "\n\n".join([*parts, "## Every type that is read", first_paragraph(ReadConfig), _fields(ReadConfig)])


def pages() -> str:
    """Every page: its address, and what it shows by which parameters."""
    from vibeseater.server import find_pages
    from vibeseater.views import pages as made

    rows = (
        (f"`{address}`", first_paragraph(getattr(made, f"{path.stem}_page"))) for address, path in find_pages().items()
    )
    return table(("address", "shows"), rows)


def addresses() -> str:
    """What a server answers beside its pages."""
    return table(("address", "what"), ((f"`{address}`", text) for address, text in described_addresses()))


def described_addresses() -> list[tuple[str, str]]:
    """Each address beside the pages, and what its handler's docstring says of it."""
    from vibeseater.ingest import ingest_routes
    from vibeseater.probes import probe_routes
    from vibeseater.views.rows_socket import RowsSocket

    async def nothing() -> Any:
        raise NotImplementedError  # nobody is served here

    routes = [*probe_routes(nothing), *ingest_routes(nothing), ("/rows", RowsSocket, {})]
    return [
        (re.sub(r"\(.*\)", "<source_id>", route[0]).replace("\\", ""), _without_its_address(first_paragraph(route[1])))
        for route in routes
    ]


def _without_its_address(text: str) -> str:
    text = re.sub(r"^`/\w+`: ", "", text)
    return f"{text[:1].upper()}{text[1:]}"


def first_paragraph(of: Any) -> str:
    """Of a class's or function's own docstring, in one line."""
    return " ".join(inspect.cleandoc(vars(of).get("__doc__") or of.__doc__ or "").split("\n\n")[0].split())


def _fields(config: type, leaving_out: Collection[str] = ()) -> str:
    told = attributes(config)
    fields = [field for field in msgspec.structs.fields(config) if field.name not in leaving_out]
    parts = []
    for one in fields:
        default = _default(one)
        kind = f"{_type(one.type)}{default and ', ' if one.required else default and '; default: '}{default}"
        parts.append(f"`{one.name}`\n: {sentence(told.get(one.name, ''))}\n\n  {kind}")
    return "\n\n".join(parts)


def sentence(text: str) -> str:
    """A docstring's half sentence as a whole one."""
    text = text.rstrip(".…")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "**needed**"
    if field.default_factory is not msgspec.NODEFAULT:
        return ""
    value = field.default
    if value is None or value in ("", ()):
        return ""
    return f"`{value}`" if isinstance(value, str) else f"`{msgspec.json.encode(value).decode()}`"


def _type(of: Any) -> str:
    """A field's type in words."""
    if get_origin(of) is Annotated:
        return _type(get_args(of)[0])
    if get_origin(of) is Literal:
        return f"one of {', '.join(f'`{value}`' for value in get_args(of))}"
    if get_origin(of) in (list, tuple):
        return f"list of {_type(get_args(of)[0])}"
    if get_origin(of) is dict:
        return "mapping"
    if parts := [one for one in get_args(of) if one is not type(None)]:
        return " or ".join(dict.fromkeys(map(_type, parts)))
    words = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}
    return words.get(of, getattr(of, "__name__", str(of)))


class _Told(SphinxDirective):
    """A directive that stands for the Markdown of the function of its name."""

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(__name__)
        return self.parse_text_to_nodes(getattr(module, self.name.replace("-", "_"))(), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls it."""
    for function in (settings, telemetry, metrics, source_types, pages, addresses):
        app.add_directive(function.__name__.replace("_", "-"), _Told)
    return {"parallel_read_safe": True}
