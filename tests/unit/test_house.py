"""The house's own rules: imports point down, the public names are what they are said to be, and importing is quick."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vibeseater

PACKAGE = Path(vibeseater.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each layer may import its own and those before it; a module of a package counts as its package.
LAYERS: list[set[str]] = [
    {"errors", "_version"},
    {"settings", "models", "topics", "telemetry", "html", "inputs", "wire", "rates", "portal"},
    {"store", "broadcast", "embedded"},
    {"feeds", "sources"},
    {"streaming"},
    {"seater"},
    {"", "views"},
    {"server", "cli", "demo", "doctor", "bench", "faults", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def part_of(module: str) -> str:
    """The part of the package that a dotted name belongs to: `vibeseater.store.pool` is of `store`."""
    return module.split(".")[1] if "." in module else ""


def imports_of(path: Path) -> Iterator[str]:
    """The package's own modules that a file imports, whether at its head or within a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "vibeseater")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vibeseater":
            for alias in node.names:
                is_module = node.module == "vibeseater" and alias.name in RANK
                yield f"vibeseater.{alias.name}" if is_module else node.module


def test_every_part_has_its_place() -> None:
    """A new part of the package is given a layer before anything else."""
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}
    assert parts <= set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """No module imports from a layer above its own."""
    if path.name == "__init__.py" and path.parent == PACKAGE:
        return  # the package's face: it shows what lies above too
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    above = {name for name in imports_of(path) if RANK[part_of(name)] > RANK[own]}
    assert not above


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    """Each file begins with a docstring, and each of its public functions and classes has one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body:
        assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize(
    "name", sorted(name for _, name, _ in pkgutil.walk_packages(vibeseater.__path__, "vibeseater."))
)
def test_what_a_module_offers_is_there(name: str) -> None:
    """Each name of an `__all__` exists, and each list is sorted."""
    if name.endswith("__main__"):
        return
    offered = getattr(importlib.import_module(name), "__all__", [])
    assert sorted(offered) == list(offered) or sorted(offered, key=_as_ruff) == list(offered)
    for item in offered:
        assert getattr(importlib.import_module(name), item) is not None


def _as_ruff(name: str) -> tuple[int, str]:
    """Constants first, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name.lstrip("_")[0].isupper() else 2, name)


def test_the_public_names_are_listed_and_sorted() -> None:
    """`vibeseater.__all__` is all that `dir` shows, in order, and each name is there."""
    assert dir(vibeseater) == sorted(vibeseater.__all__)
    assert [name for name in vibeseater.__all__ if getattr(vibeseater, name, None) is None] == []
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        vibeseater.nothing  # noqa: B018 - it raises


def test_importing_is_light() -> None:
    """`import vibeseater` brings neither Panel nor Bokeh nor pandas, so that scripts start at once."""
    heavy = "{'panel', 'bokeh', 'pandas', 'numpy', 'param', 'feedparser'}"
    code = f"import sys, vibeseater; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_takes_under_a_third_of_a_second() -> None:
    """A script's start is not felt: `import vibeseater` takes less than 0.3 s of processor time."""
    code = "import time; began = time.process_time(); import vibeseater; print(time.process_time() - began)"
    times = [float(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(3)]
    assert min(times) < 0.3, times
