"""The wheel works outside the checkout: migrations, dashboards and what pages need are in it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the backend itself: `python -m build` would first download it into an environment."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


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
