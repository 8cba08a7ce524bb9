"""The engines themselves: that no test leaves anything to the next one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from django_inventory.operations import Acquire
from tests.contract.journal import only_on
from tests.contract.races import impatient, receipts_of

if TYPE_CHECKING:
    import pytest

    from django_inventory.ledgers import Ledger
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Engine


@only_on("mariadb")
def test_keys_that_an_earlier_test_has_used_do_not_wait_for_one_another(
    engine: Engine, ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    ledger.post([Acquire(f"k{number}", f"s{number}", "gold", 1) for number in range(3)])
    engine.empty()
    run_threads: RunThreads = request.getfixturevalue("run_threads")
    with impatient(engine), transaction.atomic(using=engine.alias):
        ledger.acquire("k1", "s1", "gold", 1)
        outcomes = run_threads([partial(ledger.acquire, "k2", "s0", "gold", 1)])
    assert len(receipts_of(outcomes)) == 1, outcomes
