"""All that comes with VibeSeater may be used as freely as VibeSeater itself: every dependency's licence is known."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement

FREE = re.compile(r"0BSD|Apache|BSD|CC0|HPND|ISC|MIT|MPL|Mozilla Public|PSF|Python Software Foundation|Unlicense|Zlib")
# Weak copyleft (MPL) asks nothing of those who only use it; these ask more.
BINDING = re.compile(r"[AL]?GPL|General Public|SSPL|Server Side Public|BUSL|Commons Clause|Proprietary", re.IGNORECASE)


def _installed(name: str) -> dict[str, metadata.Distribution]:
    """A distribution and all that it brings along here, without extras."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [name]
    while waiting:
        one = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if one in found:
            continue
        found[one] = metadata.distribution(one)
        for line in found[one].requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def _licence(distribution: metadata.Distribution) -> str:
    """What it says of its licence: of a licence that stands there whole, its heading."""
    told = distribution.metadata
    kinds = [line.rsplit(" :: ", 1)[-1] for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    named = told.get("License-Expression") or ""
    heading = (told.get("License") or "").strip().split("\n", 1)[0]
    return ", ".join(filter(None, [named, heading, *kinds]))


def test_every_licence_is_free_and_known() -> None:
    licences = {name: _licence(distribution) for name, distribution in _installed("vibeseater").items()}
    assert len(licences) > 20
    assert {name: told for name, told in licences.items() if not FREE.search(told) or BINDING.search(told)} == {}


@pytest.mark.parametrize(
    "told", ["GPL-3.0-only", "GNU Affero General Public License v3", "MIT AND LGPL-2.1", "", "SSPL"]
)
def test_others_would_be_found(told: str) -> None:
    assert not FREE.search(told) or BINDING.search(told)
