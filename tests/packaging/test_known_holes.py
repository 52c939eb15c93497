"""What comes along with VibeSeater has no hole that is known, by those who collect them, where they can be asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.test_licences import _installed

SERVICES = ("pypi", "osv")

# Old, and with holes that have been known for years: a service that does not name them knows none, and proves nothing.
KNOWN_TO_BE_BAD = "urllib3==1.26.4"

# What was looked at and does no harm here: the hole's name, and why. Empty is what it should be.
HARMLESS: dict[str, str] = {}


def _ask(service: str, pinned: Iterable[str], folder: Path) -> tuple[dict[str, list[str]], list[str], str]:
    """The names of holes by package, what the service does not know, and what it said where it did not answer."""
    wanted = folder / "pinned.txt"
    wanted.write_text("\n".join(pinned), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(wanted), "--no-deps", "--disable-pip"),
            *("--vulnerability-service", service, "--format", "json", "--progress-spinner", "off", "--timeout", "15"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    try:
        told: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return {}, [], (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    holes = {one["name"]: [hole["id"] for hole in one["vulns"]] for one in told if one.get("vulns")}
    return holes, [one["name"] for one in told if "skip_reason" in one], ""


@pytest.mark.slow
def test_no_dependency_has_a_known_hole(tmp_path: Path) -> None:
    pytest.importorskip("pip_audit")
    reasons = []
    for service in SERVICES:
        holes, unknown, said = _ask(service, [KNOWN_TO_BE_BAD], tmp_path)
        if not holes:
            reasons.append(f"{service}: {said[-120:] or f'does not name those of {KNOWN_TO_BE_BAD}'}")
            continue
        pinned = [f"{name}=={one.version}" for name, one in _installed("vibeseater").items() if name != "vibeseater"]
        assert len(pinned) > 20
        holes, unknown, said = _ask(service, pinned, tmp_path)
        assert said == ""
        assert unknown == []
        assert {name: found for name, found in holes.items() if set(found) - set(HARMLESS)} == {}
        return
    pytest.skip(f"nobody here knows of holes ({'; '.join(reasons)})")
