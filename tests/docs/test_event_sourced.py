"""The ledger of write-your-own-ledger.md is held against the contract, and raced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from django_inventory.exceptions import InsufficientQuantity, LedgerBusy
from django_inventory.testing import MovableClock
from django_inventory.testing.contract import LedgerContract
from django_inventory.testing.contract.journal import Line, line_of
from docs.examples.event_sourced.ledger import EventLedger
from docs.examples.event_sourced.models import Event

if TYPE_CHECKING:
    from datetime import datetime

    from django_inventory.ledgers import Ledger
    from docs.examples.event_sourced.events import State


@pytest.mark.django_db
class TestEventLedger(LedgerContract):
    def make_ledger(self, clock: MovableClock) -> Ledger:
        return EventLedger(clock=clock)

    def dump(self) -> object:
        return list(Event.objects.values_list())

    def journal(self) -> list[Line]:
        return [line_of(entry) for entry in EventLedger().entries()]


class Raced(EventLedger):
    """Somebody else adds an event after each look at what stands, for some times."""

    others = 0

    def _state(self, now: datetime) -> State:
        state = super()._state(now)
        if self.others:
            self.others -= 1
            EventLedger().consume(f"other {self.others}", "alice", "gold", 3)
        return state


@pytest.mark.django_db
def test_who_comes_second_decides_again_on_what_stands_then() -> None:
    ledger = Raced()
    ledger.acquire("k", "alice", "gold", 10)
    ledger.others = 2
    assert ledger.consume("k1", "alice", "gold", 4).balances[0].quantity == 0
    numbers = list(Event.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, 9))


@pytest.mark.django_db
def test_who_comes_second_may_find_too_little() -> None:
    ledger = Raced()
    ledger.acquire("k", "alice", "gold", 10)
    ledger.others = 1
    with pytest.raises(InsufficientQuantity) as caught:
        ledger.consume("k1", "alice", "gold", 8)
    assert caught.value.shortages[0].available == 7


@pytest.mark.django_db
def test_who_is_always_second_is_told_so() -> None:
    ledger = Raced()
    ledger.acquire("k", "alice", "gold", 100)
    ledger.others = 10
    with transaction.atomic(), pytest.raises(LedgerBusy):
        ledger.consume("k1", "alice", "gold", 4)
    assert ledger.balance("alice", "gold").quantity == 70
