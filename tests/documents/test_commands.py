"""The commands that the documents give are those that there are: names, options and arguments."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt

from tests.documents.reading import DOCUMENTS, ROOT, commands, name_of
from vibeseater.cli import app

# Variables that are no settings: of the scripts, of the tests, of the settings' own file, and of examples.
OTHER_VARIABLES = {"VIBESEATER_CONFIG", "VIBESEATER_CHROMIUM", "VIBESEATER_PYTHON"}

# What begins like a command and is none: the names of spans.
NO_COMMANDS = {"vibeseater source"}


def parse(words: list[str]) -> None:
    """Hold a line against the command line as it is; nothing is run.

    Raises:
        click.UsageError: there is no such command, option or choice, or an argument is missing.
    """
    command: click.Command = app.app
    context = click.Context(command, info_name=words[0])
    rest = words[1:]
    while True:
        given, left, _ = command.make_parser(context).parse_args(list(rest))
        if given.get("help") or given.get("version"):
            return
        _check_values(command, context, given)
        if not isinstance(command, click.Group):
            if left:
                raise click.UsageError(f"{context.command_path} takes no {left}", context)
            return
        if not left:
            if command.invoke_without_command or command.name == "vibeseater":
                return
            raise click.UsageError(f"{context.command_path} needs a command", context)
        name, found, rest = command.resolve_command(context, left)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)


def _check_values(command: click.Command, context: click.Context, given: dict[str, object]) -> None:
    for parameter in command.params:
        value = given.get(parameter.name or "")
        if isinstance(value, str | tuple | list) and isinstance(parameter.type, click.Choice):
            for one in [value] if isinstance(value, str) else value:
                parameter.type.convert(one, parameter, context)
        absent = not isinstance(value, str | tuple | list | bool | int) or value == ()
        if parameter.required and absent and not (isinstance(command, click.Group) and not parameter.nargs):
            raise click.MissingParameter(ctx=context, param=parameter)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_the_commands_of_blocks_are_commands_that_there_are(document: Path) -> None:
    for said in commands(document):
        first = said.words[0].rsplit("/", 1)
        if said.words[0].startswith("scripts/"):
            assert (ROOT / said.words[0]).is_file(), f"{name_of(document)}:{said.line}: no {said.words[0]}"
        if first[-1] != "vibeseater":
            continue
        try:
            parse(said.words)
        except click.UsageError as error:
            pytest.fail(f"{name_of(document)}:{said.line}: {' '.join(said.words)}: {error.format_message()}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_the_commands_of_sentences_are_commands_that_there_are(document: Path) -> None:
    """`vibeseater streams limit STREAM` in a sentence may leave out what is needed, but names nothing that is not."""
    for token in MarkdownIt().enable("table").parse(document.read_text(encoding="utf-8")):
        for code in [one for one in token.children or [] if one.type == "code_inline"]:
            words = code.content.split()
            if words[:1] != ["vibeseater"] or "…" in code.content or code.content in NO_COMMANDS:
                continue
            try:
                parse(words)
            except click.MissingParameter:
                pass
            except click.UsageError as error:
                if "needs a command" not in error.message:
                    pytest.fail(f"{name_of(document)}: `{code.content}`: {error.format_message()}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_the_variables_are_variables_that_there_are(document: Path) -> None:
    from vibeseater.settings import Settings

    known = {f"VIBESEATER_{name.upper()}" for name in Settings.__struct_fields__} | OTHER_VARIABLES
    named = set(re.findall(r"\bVIBESEATER_[A-Z][A-Z_]*[A-Z]\b", document.read_text(encoding="utf-8")))
    assert {one for one in named if not one.startswith("VIBESEATER_TEST_")} <= known


@pytest.mark.parametrize(
    "line",
    [
        "vibeseater strems",
        "vibeseater streams lst",
        "vibeseater serve --prot 8080",
        "vibeseater create match --type goal --content",
        "vibeseater streams create",
        "vibeseater streams add-source match --type x --name",
        "vibeseater tail match too much",
    ],
)
def test_what_is_wrong_would_be_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(line.split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_who_opens_a_page_in_the_middle_is_told_what_seater_is(document: Path) -> None:
    """Whoever a search has led there copies an example; without `connect` it ends in a NameError."""
    text = re.sub(r"<!--.*?-->", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert "vibeseater.connect(" in text or not any(re.search(r"\bseater\.", block) for block in blocks)
