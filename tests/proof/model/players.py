"""The ledgers that are held against one another, each with its own ids, behind one shape.

Owns what is different between them: how a transaction of the caller's is begun and undone, how the
tables are read, and the numbers that its ids stand for. ``PLAYERS`` is where a ledger is added.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from django.db import connections, transaction

from django_inventory.exceptions import InventoryError
from django_inventory.ledgers import DatabaseLedger, MemoryLedger, PostgresLedger
from django_inventory.values import Receipt
from tests.contract.engines import Clock, DatabaseEngine
from tests.proof.model.actions import (
    UNKNOWN_HOLD,
    Answer,
    BalanceView,
    HoldView,
    Place,
    Post,
    Refusal,
    Result,
)
from tests.proof.model.tables import Rows, read_memory, read_tables
from tests.servers import ALIASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from django_inventory.ledgers import Ledger
    from django_inventory.values import BalanceSnapshot, HoldSnapshot


class _RollBackError(Exception):
    """Undoes a transaction, as an error of the caller's would."""


class Player(ABC):
    """A ledger, and the numbers that its ids stand for.

    Attributes:
        name: what tells it from the others.
        hold_ids: the ids of its holds, by number.
        signals: what it has announced since the list was last emptied.
    """

    def __init__(self, name: str, ledger: Ledger) -> None:
        self.name = name
        self.ledger = ledger
        self.hold_ids: list[UUID] = []
        self.signals: list[Receipt | HoldSnapshot] = []
        self._operations: dict[UUID, int | str] = {}

    # The calls ------------------------------------------------------------------------------

    def post(self, post: Post) -> list[Result] | Refusal:
        ledger = self.ledger.scoped(post.scope)
        try:
            if post.is_single:
                (call,) = post.calls
                return [self._heard(getattr(ledger, call.verb)(**call.keywords(self.hold_ids)))]
            operations = [call.operation(self.hold_ids) for call in post.calls]
            results = ledger.post(operations, atomic=post.is_atomic)
        except InventoryError as error:
            return self._refusal(error)
        return [self._heard(result) for result in results]

    def sweep(self, limit: int | None) -> int:
        return self.ledger.expire_holds(limit=limit)

    def balances(self, subject: str) -> list[BalanceView]:
        return [_balance_view(balance) for balance in self.ledger.balances(subject)]

    def balance(self, place: Place) -> BalanceView:
        return _balance_view(self.ledger.balance(*place))

    def hold(self, number: int) -> HoldView:
        return self._hold_view(self.ledger.get_hold(self.hold_ids[number]))

    # Ids ------------------------------------------------------------------------------------

    def hold_number(self, hold_id: UUID) -> int | None:
        """Return the number of a hold; None for the one that never was."""
        return None if hold_id == UNKNOWN_HOLD else self.hold_ids.index(hold_id)

    def operation_number(self, operation_id: UUID) -> int | str:
        return self._operations[operation_id]

    def name_expiry(self, operation_id: UUID, hold_id: UUID) -> None:
        """Note which operation is the expiry of a hold."""
        name = f"expire {self.hold_number(hold_id)}"
        assert self._operations.setdefault(operation_id, name) == name

    def heard_signals(self) -> list[tuple[Any, ...]]:
        """Return what was announced since the last time, in an order that is no ledger's own."""
        heard: list[tuple[Any, ...]] = []
        for signal in self.signals:
            if isinstance(signal, Receipt):
                heard.append(("posted", *self._answer(signal)))
            else:
                heard.append(("expired", *self._hold_view(signal)))
        self.signals.clear()
        return sorted(heard, key=repr)

    def _heard(self, result: Receipt | InventoryError) -> Result:
        """Translate a result, and number what it has made."""
        if isinstance(result, InventoryError):
            return self._refusal(result)
        if not result.replayed:
            assert result.operation_id not in self._operations
            acted = sum(1 for number in self._operations.values() if isinstance(number, int))
            self._operations[result.operation_id] = acted + 1
            if result.kind == "hold" and result.hold:
                self.hold_ids.append(result.hold.id)
        if result.kind == "expire" and result.hold:
            self.name_expiry(result.operation_id, result.hold.id)
        return self._answer(result)

    def _answer(self, receipt: Receipt) -> Answer:
        return Answer(
            self._operations[receipt.operation_id],
            receipt.kind,
            receipt.key,
            tuple(_balance_view(balance) for balance in receipt.balances),
            self._hold_view(receipt.hold) if receipt.hold else None,
            receipt.replayed,
        )

    def _hold_view(self, hold: HoldSnapshot) -> HoldView:
        number = self.hold_ids.index(hold.id)
        return HoldView(number, hold.quantity, hold.remaining, hold.status.value, hold.expires_at)

    def _refusal(self, error: InventoryError) -> Refusal:
        attributes = {name: value for name, value in vars(error).items() if name != "index"}
        if "hold_id" in attributes:
            attributes["hold_id"] = self.hold_number(attributes["hold_id"])
        if "fields" in attributes:
            attributes["fields"] = set(attributes["fields"])
        if "shortages" in attributes:
            attributes["shortages"] = [
                (short.subject, short.item, short.requested, short.available)
                for short in attributes["shortages"]
            ]
        return Refusal(error.code, error.index, attributes)

    # What a ledger's home supplies ----------------------------------------------------------

    @abstractmethod
    @contextmanager
    def block(self, *, rolls_back: bool) -> Iterator[None]:
        """Run what is inside in a transaction of the caller's, or in a savepoint of one."""
        yield

    @abstractmethod
    def rows(self, after_entry: int) -> Rows:
        """Return what is kept, of the journal only what was added after that entry."""

    @abstractmethod
    def empty(self) -> None:
        """Make all content go."""


class MemoryPlayer(Player):
    def __init__(self, clock: Clock) -> None:
        self._ledger = MemoryLedger(clock=clock)
        super().__init__("memory", self._ledger)

    @contextmanager
    def block(self, *, rolls_back: bool) -> Iterator[None]:
        """Run what is inside, and put back what was there before.

        A transaction means nothing to this ledger; here it has to do what the databases do.
        """
        store = self._ledger._store  # noqa: SLF001 - there is no other way to undo
        names = [field.name for field in fields(store) if field.name != "mutex"]
        before = {name: deepcopy(getattr(store, name)) for name in names} if rolls_back else {}
        announced = len(self.signals)
        yield
        for name, content in before.items():
            setattr(store, name, content)
        if rolls_back:
            del self.signals[announced:]

    def rows(self, after_entry: int) -> Rows:
        store = self._ledger._store  # noqa: SLF001 - the keys and versions are shown by no call
        return read_memory(store, after_entry)

    def empty(self) -> None:
        """Nothing outlives this player."""


class DatabasePlayer(Player):
    def __init__(self, name: str, ledger: Ledger, alias: str, clock: Clock) -> None:
        super().__init__(name, ledger)
        self.alias = alias
        self._engine = DatabaseEngine(name, alias, clock)

    @contextmanager
    def block(self, *, rolls_back: bool) -> Iterator[None]:
        try:
            with transaction.atomic(using=self.alias):
                yield
                if rolls_back:
                    raise _RollBackError  # noqa: TRY301 - how a caller's error would undo it
        except _RollBackError:
            pass

    def rows(self, after_entry: int) -> Rows:
        return read_tables(connections[self.alias], after_entry)

    def empty(self) -> None:
        self._engine.empty()


def _balance_view(balance: BalanceSnapshot) -> BalanceView:
    return BalanceView(balance.subject, balance.item, balance.quantity, balance.on_hold)


def _on(alias_of: str, make: Callable[..., Ledger]) -> Callable[[Clock], DatabasePlayer]:
    alias = ALIASES[alias_of]
    return lambda clock: DatabasePlayer(alias_of, make(using=alias, clock=clock), alias, clock)


PLAYERS: Final[dict[str, tuple[Callable[[Clock], DatabasePlayer], ...]]] = {
    "DatabaseLedger": (_on("sqlite", DatabaseLedger), _on("postgresql", DatabaseLedger)),
    "PostgresLedger": (_on("postgresql", PostgresLedger),),
}
"""By name, the ledgers that one run of the machine drives beside the memory ledger.

Those of one run need a database each; two ledgers for one database go into two runs.
"""
