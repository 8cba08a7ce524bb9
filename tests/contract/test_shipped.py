"""The contract that the package ships, on every engine, with all of their content looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_inventory.testing.contract import LedgerContract
from tests.contract.journal import Line, journal

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing import MovableClock
    from tests.contract.engines import Engine


class TestEveryEngine(LedgerContract):
    engine: Engine

    @pytest.fixture(autouse=True)
    def _on(self, engine: Engine) -> None:
        self.engine = engine

    def make_ledger(self, clock: MovableClock) -> Ledger:
        return self.engine.make_ledger(clock)

    def dump(self) -> object:
        return self.engine.dump()

    def journal(self) -> list[Line]:
        return journal(self.engine)

    def assert_counts(self, **expected: int) -> None:
        counts = self.engine.counts()
        assert {table: counts[table] for table in expected} == expected
