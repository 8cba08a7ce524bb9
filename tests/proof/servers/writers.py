"""Writers that may be killed at any moment: what each wants to do, step by step, under known keys.

Owns the intents, and that an intent may be begun again as often as one likes: under the same keys
it comes to the same. Runs in the children, and in memory for what should come out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import connections
from django.utils.module_loading import import_string

from django_inventory.exceptions import LedgerBusy
from django_inventory.operations import Acquire, Consume
from tests.proof.servers.children import prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from typing import Any
    from uuid import UUID

    from django_inventory.ledgers import Ledger
    from django_inventory.values import Receipt

BEGIN: Final = datetime(2026, 3, 1, tzinfo=UTC)
STOCK: Final = 1_000_000
"""So much that no order of the writers' steps runs short."""
KINDS: Final = 8
"""How many kinds of intents there are; they come in turn."""
SECOND: Final = timedelta(seconds=1)
BUSY_PAUSE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Done:
    """What a writer tells: intent ``number`` is over; ``replayed`` of its calls had been done."""

    number: int
    replayed: int
    busy: int


READY: Final = Done(-1, 0, 0)


class Writer:
    """Does its intents by a ledger, with a clock that stands at the same time for the same step."""

    def __init__(self, make_ledger: Callable[[Callable[[], datetime]], Ledger], name: str) -> None:
        self.name = name
        self.busy = 0
        self._now = BEGIN
        self._ledger = make_ledger(lambda: self._now)
        self._replayed = 0

    def do(self, number: int) -> Done:
        """Do intent ``number``, waiting for the database as long as it takes."""
        self._replayed = self.busy = 0
        me, key = self.name, f"{self.name}-{number}"
        self._now = BEGIN + number * SECOND
        ledger = self._ledger
        match number % KINDS:
            case 0:
                self._call(lambda: ledger.acquire(key, me, "gold", STOCK if number == 0 else 7))
            case 1:
                self._call(lambda: ledger.transfer(key, me, "pool", "gold", 3))
            case 2:
                hold_id = self._hold(key, 5)
                self._call(lambda: ledger.commit(hold_id, to="pool"))
            case 3:
                hold_id = self._hold(key, 4)
                self._call(lambda: ledger.release(hold_id))
            case 4:
                self._call(lambda: ledger.post(
                    [Consume(key, me, "gold", 2), Acquire(f"{key}-b", "pool", "silver", 2)]
                )[0])  # fmt: skip
            case 5:
                hold_id = self._hold(key, 6)
                self._call(
                    lambda: ledger.commit(
                        hold_id, quantity=2, keep_remainder=True, key=f"{key}-part"
                    )
                )
                self._call(lambda: ledger.commit(hold_id, quantity=1))
            case 6:
                hold_id = self._hold(key, 1)
                self._call(lambda: ledger.extend(hold_id, 5, key=f"{key}-extend"))
            case 7:
                # Left to expire; the next call of this writer finds it overdue.
                self._hold(key, 2)
        return Done(number, self._replayed, self.busy)

    def _hold(self, key: str, quantity: int) -> UUID:
        receipt = self._call(lambda: self._ledger.hold(key, self.name, "gold", quantity, 0.5))
        assert receipt.hold is not None
        return receipt.hold.id

    def _call(self, call: Callable[[], Receipt]) -> Receipt:
        while True:
            try:
                receipt = call()
            except LedgerBusy:
                self.busy += 1
                time.sleep(BUSY_PAUSE_SECONDS)
            else:
                self._replayed += receipt.replayed
                return receipt


def keys_of(name: str, numbers: range) -> list[str]:
    """Return the keys under which these intents act."""
    more = {4: "-b", 5: "-part", 6: "-extend"}
    keys = [f"{name}-{number}" for number in numbers]
    return keys + [f"{name}-{n}{more[n % KINDS]}" for n in numbers if n % KINDS in more]


def write(
    pipe: Connection[Any, Any],
    database: dict[str, Any],
    ledger: str,
    name: str,
    numbers: tuple[int, int],
) -> None:
    """Do intents from the first number to before the second, telling of each; in a child.

    The first thing told is that it is connected and about to begin.
    """
    prepare(database)
    writer = Writer(lambda clock: import_string(ledger)(clock=clock), name)
    connections["default"].ensure_connection()
    pipe.send(READY)
    for number in range(*numbers):
        pipe.send(writer.do(number))
