"""Random histories of real processes are linearizable, and the books balance after each.

What is checked of which call:

- Every call that changed something, every replay, every refusal and every read (``balance``,
  ``balances``, ``get_hold``): strict linearizability against MemoryLedger, in an order that is the
  journal's at every balance and that leaves MemoryLedger with the same journal, entry by entry.
- The sweep: the same, but it may leave out balances that others have locked; where it records, it
  records all that is overdue there.
- ``LedgerBusy``: it has written nothing.
"""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from tests.proof.profiles import amount
from tests.proof.servers.books import assert_books_balance, empty, read_journal
from tests.proof.servers.checker import Verdict, check
from tests.proof.servers.children import Job
from tests.proof.servers.engines import on_ledgers
from tests.proof.servers.random_calls import run

if TYPE_CHECKING:
    from tests.proof.report import Report
    from tests.proof.servers.children import Crew

pytestmark = pytest.mark.crowded

CALLS = 60
"""By each process, in one history."""


@on_ledgers
def test_random_histories_are_linearizable(
    crew: Crew, alias: str, ledger: str, report: Report
) -> None:
    total = Verdict()
    histories = amount(ci=10, long=400)
    for _ in range(histories):
        empty(alias)
        seed = random.getrandbits(32)
        jobs = [Job(run, (ledger, worker, seed, CALLS)) for worker in range(crew.size)]
        calls = [call for calls in crew.run(jobs) for call in calls]
        total += check(calls, read_journal(alias))
        assert_books_balance(alias)
    assert total.calls >= histories * crew.size * CALLS
    assert total.changes > total.calls / 6
    name = report.name(alias, ledger)
    report.add(f"random histories, {name}", histories=histories, **asdict(total))
