"""What a call of a database ledger has read, as the rules want it.

Owns nothing but the answers: what is read, when and under which lock, is ``database``'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers.batch import Record
from django_inventory.ledgers.rows import LockedBalance
from django_inventory.rules import BalanceState, EntryState, HoldState, Place


@dataclass(slots=True)
class Books:
    """The balances that the call has locked, and what belongs to them.

    Attributes:
        balances: the locked ones, by subject and item.
        holds: those that the operations name, as they stand under the lock.
        overdue: the locked balances' active holds whose time is up.
        resolutions: by hold, the entries of the operation that resolved it.
        records: what the keys stand for that had been used before.
        replays: the entries of those records' operations.
    """

    balances: dict[Place, LockedBalance] = field(default_factory=dict)
    holds: dict[UUID, HoldState] = field(default_factory=dict)
    overdue: dict[Place, list[HoldState]] = field(default_factory=dict)
    resolutions: dict[UUID, list[EntryState]] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    replays: dict[UUID, list[EntryState]] = field(default_factory=dict)

    def balance(self, place: Place) -> BalanceState | None:
        """Return the balance if it exists."""
        locked = self.balances.get(place)
        return locked.state if locked else None

    def hold(self, hold_id: UUID) -> HoldState | None:
        """Return the hold if it exists."""
        return self.holds.get(hold_id)

    def overdue_holds(self, place: Place) -> list[HoldState]:
        """Return the balance's overdue holds, the earliest expiry first."""
        return self.overdue.get(place, [])

    def resolution(self, hold_id: UUID) -> list[EntryState]:
        """Return the entries of the operation that resolved the hold.

        Raises:
            LedgerBusy: they are not visible to this transaction.
        """
        return _visible(self.resolutions.get(hold_id))

    def places(self) -> dict[int, Place]:
        """Return the locked balances' names by primary key."""
        return {locked.pk: place for place, locked in self.balances.items()}

    def record(self, key: str) -> Record | None:
        """Return what the key stands for, if it had been used before."""
        return self.records.get(key)

    def entries(self, operation_id: UUID) -> list[EntryState]:
        """Return the entries of an operation whose key had been used before.

        Raises:
            LedgerBusy: they are not visible to this transaction.
        """
        return _visible(self.replays.get(operation_id))


def _visible(entries: list[EntryState] | None) -> list[EntryState]:
    if entries is None:
        # Under REPEATABLE READ a lock shows the present and a plain read the past.
        msg = "The journal has moved on since this transaction began; start it over."
        raise LedgerBusy(msg)
    return entries
