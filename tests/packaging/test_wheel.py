"""The wheel works outside the checkout, with all that pages need; the sdist makes the same; both say what they are."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from vibeseater import __version__

ROOT = Path(__file__).parents[2]


def _built(kind: str, source: Path, folder: Path) -> Path:
    """A distribution, built by the backend itself: `python -m build` would first download it into an environment."""
    done = subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(folder), str(source)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(path for path in folder.iterdir() if path.suffix in {".whl", ".gz"})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout."""
    return _built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in an environment of its own in which the wheel is installed, and which sees this one's packages."""
    folder = tmp_path_factory.mktemp("installed") / "an environment"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:  # a wheel is installed by being unpacked
        archive.extractall(site)
    # All but what makes the checkout importable: editable installs work through .pth files, which are not read there.
    (site / "others.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path))
    return folder / "bin" / "python"


def _run(python: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, *arguments], cwd=python.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_of_the_package_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    files = [
        path
        for path in (ROOT / "vibeseater").rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    ]
    missing = {path.relative_to(ROOT).as_posix() for path in files} - inside
    assert missing == set()
    for page in (ROOT / "dashboards").glob("*.py"):
        assert f"vibeseater/dashboards/{page.name}" in inside


def test_it_runs_outside_the_checkout(python: Path) -> None:
    where = _run(python, "-c", "import vibeseater; print(vibeseater.__file__)")
    assert Path(where.strip()).is_relative_to(python.parents[1])
    script = "from vibeseater.store.migrate import known_migrations as k; print(len(k()))"
    assert int(_run(python, "-c", script)) == len(list((ROOT / "vibeseater/store/migrations").glob("*.sql")))


def test_its_command_line_works(python: Path) -> None:
    assert "Usage:" in _run(python, "-m", "vibeseater", "--help")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the sdist holds."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(_built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))) as archive:
        # Python 3.11.3 and older know no filter; 3.12 and 3.13 ask for one.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return next(folder.iterdir())


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_sdist_makes_the_same_wheel(wheel: Path, unpacked: Path, tmp_path: Path) -> None:
    assert _contents(_built("wheel", unpacked, tmp_path)) == _contents(wheel)


def test_the_sdist_holds_what_is_tested_and_read(unpacked: Path) -> None:
    for name in ("LICENSE", "CHANGELOG.md", "README.md", "environment.yml", "docs", "dashboards", "notebooks", "tests"):
        assert (unpacked / name).exists(), name


def test_version_licence_types_and_extras_come_along(wheel: Path) -> None:
    """The version stands in one place, `_version.py`."""
    inside = _contents(wheel)
    about = f"vibeseater-{__version__}.dist-info"
    told = message_from_bytes(inside[f"{about}/METADATA"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told["Version"] == __version__
    assert "version" not in project
    assert told["License-Expression"] == "MIT"
    assert inside[f"{about}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert "vibeseater/py.typed" in inside
    assert set(told.get_all("Provides-Extra") or []) == set(project["optional-dependencies"])


@pytest.mark.slow
def test_a_users_program_is_checked_against_its_types(python: Path, tmp_path: Path) -> None:
    """mypy sees the types of the installed package: what is right passes, and what is wrong is found."""
    program = tmp_path / "program.py"
    program.write_text(
        "import vibeseater\n\n\n"
        "async def main() -> int:\n"
        "    async with vibeseater.connect() as seater:\n"
        '        stream = await seater.streams.create_stream(title="Debate night")\n'
        '        event = await seater.events.create_event(stream_id=stream.id, event_type="goal", content={})\n'
        "        return event.stream_seq\n\n\n"
        'wrong: int = vibeseater.topics.stream_topic("x").nothing\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), program.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    faults = [line for line in done.stdout.splitlines() if line.startswith(program.name)]
    assert faults, done.stdout + done.stderr
    assert all(line.startswith(f"{program.name}:11: error:") for line in faults), done.stdout
    assert any("nothing" in line for line in faults), done.stdout
