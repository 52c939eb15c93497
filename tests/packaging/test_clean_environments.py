"""The wheel and the sdist run where nothing is installed but them, and what they ask the index for."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.cli.processes import Commands
from tests.packaging.test_wheel import ROOT, _built
from tests.servers import eventually, processes_under, short_folder
from vibeseater import __version__

PYTHONS = ("3.11", "3.12", "3.13")


def _candidates(version: str) -> Iterator[str]:
    """Where an interpreter of that version may be: this one, by its name, or kept by pyenv."""
    yield sys.executable
    if named := shutil.which(f"python{version}"):
        yield named
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from (str(path) for path in sorted(kept.glob(f"{version}*/bin/python{version}")))


def _answer(*command: str | Path) -> str:
    """What a command says, or nothing where it fails: pyenv puts names in PATH that only say how to choose."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _interpreter(version: str) -> str:
    """The interpreter itself, not that of an environment, which would hand its packages on."""
    ask = (
        "import ensurepip, os, sys, venv\n"
        "print('{}.{}'.format(*sys.version_info), os.path.realpath(getattr(sys, '_base_executable', sys.executable)))"
    )
    for candidate in _candidates(version):
        found, _, where = _answer(candidate, "-c", ask).partition(" ")
        if found == version:
            return where
    pytest.skip(f"no Python {version} that makes environments is here")


def _environment() -> dict[str, str]:
    """The process's environment without what would lead to other packages."""
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }


def _pip(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", *arguments],
        cwd=python.parent,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The checkout's wheel and sdist."""
    folder = tmp_path_factory.mktemp("distributions")
    return {kind: _built(kind, ROOT, folder / kind) for kind in ("wheel", "sdist")}


@pytest.fixture(scope="module", params=[(version, "wheel") for version in PYTHONS] + [("3.11", "sdist")], ids="-".join)
def python(
    request: pytest.FixtureRequest, distributions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A Python in an environment of its own, into which pip installed a distribution and what it asks for."""
    version, kind = request.param
    interpreter = _interpreter(version)
    folder = tmp_path_factory.mktemp(f"clean-{version}-{kind}") / "an environment"
    subprocess.run([interpreter, "-m", "venv", str(folder)], env=_environment(), check=True)
    python = folder / "bin" / "python"
    reached = _pip(python, "download", "--quiet", "--no-deps", "--dest", str(folder / "tried"), "click")
    if reached.returncode != 0:
        pytest.skip(f"no package index is reached: {reached.stderr.strip().splitlines()[-1]}")
    installed = _pip(python, "install", "--quiet", "--no-compile", str(distributions[kind]))
    assert installed.returncode == 0, installed.stderr
    return python


@pytest.fixture
async def installed(python: Path) -> AsyncIterator[Commands]:
    """The command as it was installed, with a home of its own, in a folder where nothing is imported from."""
    with short_folder() as home:
        home = home.resolve()
        yield Commands(
            {"VIBESEATER_HOME": str(home)}, command=[str(python.parent / "vibeseater")], folder=python.parents[1]
        )
        await eventually(lambda: not processes_under(home))


@pytest.mark.slow
async def test_it_says_its_version_finds_its_servers_and_shows_the_demo(python: Path, installed: Commands) -> None:
    """On what the index has today, and nothing else."""
    packages = _pip(python, "list", "--format", "freeze").stdout
    assert not re.search(r"^(pytest|mypy|playwright)==", packages, re.MULTILINE), packages
    where = _answer(python, "-P", "-c", "import vibeseater; print(vibeseater.__file__)")
    assert Path(where).is_relative_to(python.parents[1])

    told = await installed.run("--version")
    assert (told.code, told.err) == (0, "")
    assert __version__ in told.out

    looked = await installed.run("doctor", "--json")
    assert looked.code == 0, looked
    assert [one for one in json.loads(looked.out)["problems"] if one["severity"] == "error"] == []

    async with installed.start("demo", "--no-browser", "--offline", "--port", "0") as demo:
        assert "a recording" in await demo.line()
        url = await demo.line()
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200, await answer.text()
            assert "<title>" in await answer.text()
        while "Events are arriving" not in await demo.error_line():
            pass
        done = await demo.done(send=signal.SIGTERM)
    assert (done.code, "Traceback" in done.err, "Warning" in done.err) == (0, False, False), done.err
