"""The contract suite passes in every other way to use PostgreSQL that ``tests.variants`` knows.

Each in a run of its own, as the settings are read once; on the server of this run, in a database of
its own. ``variant_run`` tells what of the suite is about Django's default and left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.proof.profiles import amount
from tests.variants import VARIABLE, VARIANTS, find_pgbouncer

if TYPE_CHECKING:
    from tests.proof.report import Report

pytestmark = pytest.mark.crowded

SUITE: Final = Path(__file__).parents[2] / "contract"
RACES: Final = ("absent_balances", "concurrency", "deadlocks", "transactions")
"""What of the suite a short run takes: where a level of isolation or a pooler matters most."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_contract_suite_passes(variant: str, report: Report) -> None:
    if variant == "pgbouncer" and not find_pgbouncer():
        assert "INVENTORY_REQUIRE_ENGINES" not in os.environ, "PgBouncer is not installed"
        pytest.skip("PgBouncer is not installed")
    paths = amount(ci=[SUITE / f"test_{name}.py" for name in RACES], long=[SUITE])
    options = ["-q", "--tb=short", "-k", "postgresql", "-p", "tests.proof.servers.variant_run"]
    environment = {**os.environ, VARIABLE: variant}
    # It names the database of this run.
    del environment["INVENTORY_TEST_FOLDER"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, paths)],
        cwd=SUITE.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout[-20_000:]}\n{run.stderr[-5_000:]}"
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    report.add(f"contract suite, {variant}", passed=int(passed[1]))
