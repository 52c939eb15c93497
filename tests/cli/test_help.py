"""`vibeseater --help` is quick, and every command explains itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from vibeseater.cli.app import COMMANDS, app


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "vibeseater", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_help_takes_less_than_half_a_second() -> None:
    """The best of five counts: a busy machine slows any one."""
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        assert _run("--help").returncode == 0
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.5


def test_help_lists_every_command_and_loads_none() -> None:
    """The list is a table, so that no command's own imports are paid for."""
    code = "\n".join(
        (
            "import json, sys",
            "from vibeseater.cli.app import app",
            "app(['--help'], standalone_mode=False)",
            "print(json.dumps(sorted(sys.modules)))",
        )
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *text, modules = answer.stdout.splitlines()
    assert [line.split()[0] for line in text[text.index("Commands:") + 1 :]] == list(COMMANDS)
    slow = {
        "aiohttp",
        "asyncpg",
        "bokeh",
        "feedparser",
        "numpy",
        "pandas",
        "panel",
        "pyarrow",
        "redis",
        "rich",
        "tornado",
    }
    assert slow & set(json.loads(modules)) == set()


def test_loading_leaves_the_collector_on_and_what_was_loaded_out_of_it() -> None:
    code = "\n".join(
        (
            "import gc",
            "from vibeseater.cli.loading import loading",
            "with loading():",
            "    import decimal",
            "    within = gc.isenabled()",
            "print(within, gc.isenabled(), gc.get_freeze_count() > 1000)",
        )
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "True", "True"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    """With what it does and with the servers' options, which may stand behind the command too."""
    answer = _run(command, "--help")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(f"Usage: python -m vibeseater {command}") or f" {command} " in answer.stdout
    assert "--database-url" in answer.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_explained(command: str) -> None:
    """An option without a word is a riddle."""
    with app.make_context("vibeseater", ["--help"], resilient_parsing=True) as context:
        loaded = app.get_command(context, command)
    assert loaded is not None
    assert loaded.name == command
    for one in [loaded, *getattr(loaded, "commands", {}).values()]:
        silent = [option.name for option in one.params if option.param_type_name == "option" and not option.help]
        assert not silent, f"{command} {one.name}: {silent}"


def test_the_version_is_told() -> None:
    """`vibeseater --version` names the package and its version."""
    from vibeseater._version import __version__

    assert _run("--version").stdout == f"vibeseater {__version__}\n"


def test_an_unknown_command_is_a_usage_error() -> None:
    """Exit code 1 and one line on stderr, as everywhere."""
    answer = _run("dance")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "No such command 'dance'" in answer.stderr


def test_an_option_before_the_command_is_the_environment_within_it() -> None:
    """`--database-url` before the command reaches it: a wrong one is told as the command's error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIBESEATER_")}
    answer = subprocess.run(
        [sys.executable, "-m", "vibeseater", "--database-url", "mysql://x", "streams", "list"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("Error: ")
    assert "mysql://x" in answer.stderr
    assert answer.stderr.count("\n") == 1
