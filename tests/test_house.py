"""The house's own rules: imports point down, importing is cheap, every public name and module is where it says."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vibeseater
from tests.parsing import parsed
from vibeseater import errors

PACKAGE = Path(vibeseater.__file__).parent

# What stands on what: a module may import from its own storey and from those below it, never from one above. The parts
# of one storey don't know each other either, but for those named in NEIGHBOURS.
STOREYS = (
    {"_version", "errors"},
    {"draining", "encryption", "html", "masking", "portal", "recurring", "settings", "throttle", "tickets", "topics"},
    {"models", "telemetry"},
    {"access", "inputs", "rates", "waking", "wire"},
    {"filters"},
    {"analytics", "embedded", "store", "broadcast"},
    {"archive", "changes"},
    {"feeds", "pins", "sources"},
    {"alerts", "bookmarks", "streaming"},
    {"seater"},
    {"guarded", "login", "operations", "sign_ins"},
    {"doctor", "gate", "ingest", "magic", "probes", "views"},
    {"bench", "demo", "faults", "plugins", "server"},
    {"cli"},
)
NEIGHBOURS = {("models", "telemetry"), ("telemetry", "models"), ("server", "demo"), ("demo", "server")}
# The package's face shows everything; what lies inside does not look at it, but for those that use VibeSeater as its
# users do.
FACE_SEERS = {"bench", "cli", "demo", "doctor", "faults", "server", "views"}

# Exceptions that are raised and caught within one part, and never reach a user.
INSIDE = {"AnswerLostError", "BadItemError", "DecodeError", "PrivateAddressError", "TooFastError", "TooLargeError"}


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "dashboards" not in path.relative_to(PACKAGE).parts)


def _name(path: Path) -> str:
    return ".".join(["vibeseater", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def _part(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def _storey(part: str) -> int:
    for number, storey in enumerate(STOREYS):
        if part in storey:
            return number
    raise AssertionError(f"vibeseater.{part} has no storey: say in STOREYS what it stands on")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """The parts of this package that a file imports, wherever in the file, with the line."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "vibeseater":
                known = len(parts) > 1 and ((PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").exists())
                yield node.lineno, parts[1] if known else "__init__"


def test_imports_point_down() -> None:
    wrong = []
    for path in _modules():
        part = _part(path)
        if part in {"__init__", "__main__"}:
            continue
        for line, other in _imports(path):
            if other == part or (part, other) in NEIGHBOURS:
                continue
            if (other == "__init__" and part not in FACE_SEERS) or (
                other != "__init__" and _storey(other) >= _storey(part)
            ):
                wrong.append(f"{path.relative_to(PACKAGE.parent)}:{line} imports {other}")
    assert wrong == []


def test_source_types_stand_alone() -> None:
    """Each in one file of its own in `sources/types`, which imports no other type; the machinery lies beside them."""
    types = PACKAGE / "sources" / "types"
    wrong = []
    for path in (PACKAGE / "sources").rglob("*.py"):
        tree = parsed(path)
        named = [
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef)
            for line in node.body
            if isinstance(line, ast.Assign) and ast.unparse(line).startswith("type = ")
        ]
        if (path.parent == types and path.name != "__init__.py") != (len(named) == 1):
            wrong.append(f"{path.name} defines {named or 'no type'}")
        if path.parent == types:
            imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
            wrong += [f"{path.name} imports {name}" for name in imported if name.startswith("vibeseater.sources.types")]
    assert wrong == []


def test_no_cancellation_is_lost() -> None:
    """Before Python 3.12, `asyncio.wait_for` forgets a cancellation that comes in the moment of success."""
    users = [
        str(path.relative_to(PACKAGE)) for path in _modules() if re.search(r"\basyncio\.wait_for\(", path.read_text())
    ]
    assert users == []


def test_importing_is_cheap() -> None:
    """Under 0.3 s at best, interpreter included: of processor time, which other processes don't lengthen."""
    taken = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import vibeseater"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(taken) < 0.3, taken


def test_importing_brings_none_of_what_is_slow_to_import() -> None:
    slow = {"aiohttp", "asyncpg", "bokeh", "click", "numpy", "pandas", "panel", "pyarrow", "redis", "rich", "tornado"}
    script = "import sys, vibeseater; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert slow & set(done.stdout.split()) == set()


def test_every_module_says_what_it_is() -> None:
    silent = [str(path.relative_to(PACKAGE.parent)) for path in _modules() if not ast.get_docstring(parsed(path))]
    assert silent == []


def test_public_names_are_sorted_and_there() -> None:
    assert vibeseater.__all__ == sorted(vibeseater.__all__)
    assert all(hasattr(vibeseater, name) for name in vibeseater.__all__)
    assert len(set(vibeseater.__all__)) == len(vibeseater.__all__)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_exports_of_every_module_exist(path: Path) -> None:
    tree = parsed(path)
    named = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(target, "id", None) == "__all__" for target in node.targets)
    ]
    if not named or path.name == "__main__.py":
        return
    exported = list(named[0])
    module = importlib.import_module(_name(path))
    assert [one for one in exported if not hasattr(module, one)] == []


def test_all_errors_are_in_the_tree() -> None:
    """Every public exception stands in errors.py and in its drawing; others are for inside, or are VibeSeaterErrors."""
    outside = set()
    for path in _modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and path.name != "errors.py":
                one = getattr(importlib.import_module(_name(path)), node.name, Exception)
                if issubclass(one, Exception) and not issubclass(one, errors.VibeSeaterError):
                    outside.add(node.name)
    assert outside <= INSIDE
    defined = {
        name: one
        for name, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, BaseException) and one.__module__ == errors.__name__
    }
    assert set(defined) == set(errors.__all__)
    for name, one in defined.items():
        assert issubclass(one, errors.VibeSeaterError)
        assert name in (errors.__doc__ or "")
        assert one.__doc__
