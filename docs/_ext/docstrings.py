"""Docstrings as the code writes them, made fit for Sphinx. It knows their manner, and nothing of what they say.

They are Google's style with backticks for code. A word in backticks that names something documented becomes a link.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from docutils import nodes
from sphinx import addnodes
from sphinx.domains.python import PyObject

if TYPE_CHECKING:
    import click
    from docutils.parsers.rst.states import Inliner
    from sphinx.application import Sphinx

_NAME = re.compile(r"[A-Za-z_][\w.]*(\(\))?")
_BARS = re.compile(r"\|(\w+)\|")
_ENTRY = re.compile(r"^    (\w+(?:, \w+)*):")
_ANOTHER = re.compile(r"[;.] (\w+):")
_SEVERAL = re.compile(r"^(\s+)(\w+(?:, \w+)+):(?=\s)")

_written: list[str] = []  # the docstring that is being read, as napoleon got it


def mention(
    _name: str,
    _raw: str,
    text: str,
    _line: int,
    inliner: Inliner,
    _options: Any = None,
    _content: Any = None,
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """The role of a plain `word`: code, and a link where it names something that is documented."""
    code = nodes.literal(text, text, classes=["code", "py"])
    if not _NAME.fullmatch(text):
        return [code], []
    env = inliner.document.settings.env
    reference = addnodes.pending_xref(
        text,
        code,
        refdomain="py",
        reftype="obj",
        refexplicit=False,
        refwarn=False,
        reftarget=text.removesuffix("()"),
        refdoc=env.docname,
    )
    reference["py:module"] = env.ref_context.get("py:module")
    reference["py:class"] = env.ref_context.get("py:class")
    return [reference], []


def split_names(lines: list[str]) -> list[str]:
    """`start, end: the window` as two entries, which is how napoleon and its readers take them: one name each."""
    made: list[str] = []
    for line in lines:
        found = _SEVERAL.match(line)
        if found is None:
            made.append(line)
            continue
        indent, names, text = found[1], found[2].split(", "), line[found.end() :]
        # An error says why by itself; a parameter's text may go on in the next line, and speaks of all of them.
        said = text if names[-1].endswith("Error") else f" see `{names[-1]}`."
        made += [f"{indent}{name}:{said}" for name in names[:-1]]
        made.append(f"{indent}{names[-1]}:{text}")
    return made


def without_section(lines: list[str], head: str) -> tuple[list[str], list[str]]:
    """The docstring without a section of it, and the section's lines."""
    if head not in lines:
        return lines, []
    begin = lines.index(head)
    end = begin + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
        end += 1
    return [*lines[:begin], *lines[end:]], [line.strip() for line in lines[begin + 1 : end] if line.strip()]


def with_all_fields(of: type[msgspec.Struct], lines: list[str]) -> list[str]:
    """A struct's docstring that lists its fields all, those too whose names say everything."""
    head = "Attributes:"
    if head not in lines:
        lines = [*lines, "", head]
    fields = of.__struct_fields__
    begin = lines.index(head) + 1
    entries: dict[str, list[str]] = {}
    end = begin
    while end < len(lines) and lines[end].strip():
        # `counters: since the beginning; rates: the same by second` tells of two.
        line = _ANOTHER.sub(lambda two: f".\n    {two[1]}:" if two[1] in fields else two[0], lines[end])
        for part in line.split("\n"):
            if found := _ENTRY.match(part):
                name = found[1]
                entries[name] = []
            entries[name].append(part)
        end += 1
    told = {one: name for name in entries for one in name.split(", ")}
    ordered: dict[str, list[str]] = {}
    for one in fields:
        ordered.setdefault(told.get(one, one), entries.get(told.get(one, one), [f"    {one}: "]))
    return [*lines[:begin], *(line for entry in {**ordered, **entries}.values() for line in entry), *lines[end:]]


def without_connection_options(_app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """What stands once, at the top, is not said again of each command."""
    if context.parent is None:
        return
    kept: list[str] = []
    passing = False
    for line in lines:
        if line.startswith(".. option::"):
            passing = "--database-url" in line or "--redis-url" in line
        if not passing:
            kept.append(line)
    lines[:] = kept


def _is_made_by_users(of: type) -> bool:
    """Only views are; all else is given to them, and what it is made of is nobody's concern."""
    return of.__module__.startswith("vibeseater.views.")


def _before(_app: Sphinx, what: str, _name: str, of: Any, _options: Any, lines: list[str]) -> None:
    if what == "class" and issubclass(of, msgspec.Struct):
        lines[:] = with_all_fields(of, lines)
    if what == "class" and not _is_made_by_users(of):
        lines[:], _ = without_section(lines, "Args:")
    # Napoleon would take what stands before a colon for the type.
    lines[:], returned = without_section(lines, "Returns:")
    if returned:
        lines += ["", f":returns: {' '.join(returned)}"]
    # |r| is an absolute value, and no substitution of Sphinx's.
    lines[:] = [_BARS.sub(r"\\|\1\\|", line) for line in split_names(lines)]
    _written[:] = lines


def _after(_app: Sphinx, what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    if what in ("attribute", "data", "property"):  # napoleon takes what stands before the first colon for a type
        lines[:] = _written


def _signature(
    _app: Sphinx, what: str, _name: str, of: Any, _options: Any, signature: str | None, result: str | None
) -> tuple[str | None, str | None]:
    if what == "class" and not _is_made_by_users(of):
        return "", None
    return signature, result


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls it."""
    app.add_role("mention", mention)
    app.connect("sphinx-click-process-options", without_connection_options)
    app.connect("autodoc-process-signature", _signature)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("autodoc-process-docstring", _before, priority=100)
    app.connect("autodoc-process-docstring", _after, priority=900)
    return {"parallel_read_safe": True}
