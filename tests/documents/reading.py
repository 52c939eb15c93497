"""The documents as the tests read them: which there are, their blocks of code, and the commands in these."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])

# What may stand before a command: variables, and words that start another one.
_BEFORE = re.compile(r"[A-Za-z_]\w*=.*|sudo|exec|nohup|time|then|do|!")
_ENDS = {"|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "(", ")"}


class Said(NamedTuple):
    """A command that a document gives, and where it stands there."""

    line: int
    words: list[str]


def name_of(path: Path) -> str:
    """A document's name in a test's id."""
    return str(path.relative_to(ROOT))


def commands(path: Path) -> Iterator[Said]:
    """Every command of a document's blocks: behind the prompt in `console`, all lines in `sh`."""
    for token in MarkdownIt().parse(path.read_text(encoding="utf-8")):
        language = token.info.split(" ", 1)[0]
        if token.type != "fence" or language not in ("console", "sh") or token.map is None:
            continue
        whole, begin = "", 0
        for number, line in enumerate(token.content.splitlines(), token.map[0] + 2):
            if not whole:
                if language == "console" and not line.startswith("$ "):
                    continue  # what the command before it prints
                begin = number
            whole += line.removeprefix("$ ")
            if whole.endswith("\\"):
                whole = whole[:-1]
                continue
            yield from _split(begin, whole)
            whole = ""


def _split(line: int, text: str) -> Iterator[Said]:
    """The commands of one line of a shell."""
    # A command whose output another one takes is a command too.
    for inner in re.findall(r"\$\(([^()]*)\)", text):
        yield from _split(line, inner)
    lexer = shlex.shlex(re.sub(r"\w+=\$\([^()]*\)", "", text), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _ENDS:
            words.append(word)
            continue
        while words and _BEFORE.fullmatch(words[0]):
            words.pop(0)
        if words:
            yield Said(line, words)
        words = []
