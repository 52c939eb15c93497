"""The drill that users run: it finds nothing where nothing is wrong, cleans up, and says plainly when something is."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.servers import processes_under
from vibeseater.cli import doctor as command
from vibeseater.faults import drill as module
from vibeseater.faults.drill import DrillReport, drill
from vibeseater.faults.history import Findings


async def test_nothing_is_found_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short one: each thing that is done is told, and folder and processes are gone."""
    folders: list[str] = []
    make = tempfile.mkdtemp

    def noted(prefix: str) -> str:
        folders.append(make(prefix=prefix))
        return folders[-1]

    monkeypatch.setattr(module.tempfile, "mkdtemp", noted)
    told: list[str] = []
    report = await drill(seconds=4.0, seed=7, tell=told.append)
    assert report.findings.clean, str(report.findings)
    assert report.findings.acknowledged > 0
    assert report.findings.observed >= report.findings.events > 0
    assert report.seed == 7
    assert len(report.faults) >= 2
    assert [line.split(" s  ", 1)[1] for line in told[:-1]] == report.faults
    assert report.kept is None
    assert len(folders) == 1
    assert not Path(folders[0]).exists()
    assert processes_under(Path(folders[0])) == []


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_found_is_told_and_the_exit_code_is_1(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """People get counts and sentences, programs get JSON."""

    async def found(**_: object) -> DrillReport:
        findings = Findings(lost=["an event that is missed"], events=3, observed=2)
        return DrillReport(seed=5, seconds=1.0, faults=["a", "b"], findings=findings, kept="/kept")

    monkeypatch.setattr(module, "drill", found)
    result = CliRunner().invoke(command.doctor, ["--faults", *(["--json"] if as_json else [])])
    assert result.exit_code == 1
    assert "/kept" in result.stderr
    if as_json:
        assert json.loads(result.stdout)["findings"]["lost"] == ["an event that is missed"]
    else:
        assert "3 events stored, 2 shown to watchers, 2 faults" in result.stdout
        counts = {line.split()[0]: line.split()[-1] for line in result.stdout.splitlines()[1:] if line[0] != " "}
        assert counts == {"lost": "1", "doubled": "0", "disordered": "0", "gaps": "0", "untrue": "0"}
        assert "an event that is missed" in result.stdout


@pytest.mark.slow
def test_on_the_command_line() -> None:
    """The whole of it, as users run it, within about a minute."""
    done = subprocess.run(
        [sys.executable, "-m", "vibeseater", "doctor", "--faults", "--json"],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["findings"]["acknowledged"] > 100
    assert len(set(report["faults"])) == 9, "every fault came at least once"
    assert report["seconds"] < 90
