"""Docstrings as the code writes them, made fit for Sphinx. It knows their manner, and nothing of what they say.

They are Google's style with backticks for code. A word in backticks that names something documented becomes a link.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes

if TYPE_CHECKING:
    from docutils.parsers.rst.states import Inliner
    from sphinx.application import Sphinx

_NAME = re.compile(r"[A-Za-z_][\w.]*(\(\))?")
_BARS = re.compile(r"\|(\w+)\|")
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
        indent, names = found[1], found[2].split(", ")
        made += [f"{indent}{name}: with `{names[-1]}`, below." for name in names[:-1]]
        made.append(f"{indent}{names[-1]}:{line[found.end() :]}")
    return made


def _before(_app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    # |r| is an absolute value, and no substitution of Sphinx's.
    lines[:] = [_BARS.sub(r"\\|\1\\|", line) for line in split_names(lines)]
    _written[:] = lines


def _after(_app: Sphinx, what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    if what in ("attribute", "data", "property"):  # napoleon takes what stands before the first colon for a type
        lines[:] = _written


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls it."""
    app.add_role("mention", mention)
    app.connect("autodoc-process-docstring", _before, priority=100)
    app.connect("autodoc-process-docstring", _after, priority=900)
    return {"parallel_read_safe": True}
