"""A call that does a bit of everything, and what has to be true when a fault has met it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections

from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from django_inventory.operations import (
    Acquire,
    Commit,
    Consume,
    Extend,
    Release,
    Transfer,
)
from django_inventory.operations import (
    Hold as HoldOperation,
)
from tests.proof.servers.books import assert_books_balance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from django_inventory.values import Receipt

HOUR = 3_600


@dataclass(slots=True)
class Victim:
    """A batch of all verbs, on balances of its own, and what was there before it."""

    alias: str
    ledger: Ledger
    name: str
    operations: list[Operation] = field(init=False)
    _before: Any = field(init=False)

    def __post_init__(self) -> None:
        name = self.name
        self.ledger.acquire(f"{name} stock", name, "gold", 100)
        commit, release, extend = [
            self._hold_id(self.ledger.hold(f"{name} hold {n}", name, "gold", 10, HOUR))
            for n in range(3)
        ]
        self.operations = [
            Acquire(f"{name} 1", f"{name} new", "gold", 5),
            Consume(f"{name} 2", name, "gold", 5),
            Transfer(f"{name} 3", name, f"{name} other", "gold", 5),
            HoldOperation(f"{name} 4", name, "gold", 5, HOUR),
            Commit(commit, quantity=4, keep_remainder=True, to=f"{name} third", key=f"{name} 5"),
            Release(release, key=f"{name} 6"),
            Extend(extend, 2 * HOUR, key=f"{name} 7"),
        ]
        self._before = content(self.alias)

    @staticmethod
    def _hold_id(receipt: Receipt) -> UUID:
        assert receipt.hold is not None
        return receipt.hold.id

    def post(self) -> list[Receipt]:
        return self.ledger.post(self.operations)

    def assert_nothing_is_done(self) -> None:
        assert content(self.alias) == self._before

    def assert_is_done_once(self, receipts: list[Receipt], *, replayed: bool | None) -> None:
        """Assert that all was done once, and that these are its receipts.

        Args:
            replayed: what they must say; None for whatever.
        """
        flags = {receipt.replayed for receipt in receipts}
        assert len(flags) == 1
        assert replayed is None or flags == {replayed}
        operation_ids = [receipt.operation_id for receipt in receipts]
        entries = Entry.objects.using(self.alias).filter(operation_id__in=operation_ids)
        assert entries.count() == 9
        assert Entry.objects.using(self.alias).count() == self._before["entries"] + 9
        keys = IdempotencyRecord.objects.using(self.alias)
        assert keys.filter(operation_id__in=operation_ids).count() == 7
        again = self.post()
        assert [receipt.operation_id for receipt in again] == operation_ids
        assert all(receipt.replayed for receipt in again)
        balance = self.ledger.balance(self.name, "gold")
        assert (balance.quantity, balance.on_hold) == (65, 21)
        assert_books_balance(self.alias)


def content(alias: str) -> dict[str, Any]:
    """Return what a call that is not done must leave as it was."""
    return {
        "balances": list(Balance.objects.using(alias).order_by("pk").values()),
        "holds": list(Hold.objects.using(alias).order_by("pk").values()),
        "entries": Entry.objects.using(alias).count(),
        "keys": IdempotencyRecord.objects.using(alias).count(),
    }


@contextmanager
def disturbed(alias: str, number: int, disturb: Callable[[Any], None]) -> Iterator[list[str]]:
    """Call ``disturb`` before the statement of that number, once; yield what was disturbed.

    ``disturb`` gets what sends a statement in the place of the one that was to come.
    """
    disturbed_statements: list[str] = []
    left = [number]

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        left[0] -= 1
        if left[0] == -1:
            disturbed_statements.append(sql)
            disturb(lambda other: execute(other, None, False, context))  # noqa: FBT003
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(wrapper):
        yield disturbed_statements
