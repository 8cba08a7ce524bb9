"""The reference: MemoryLedger, asked what a history asked, and compared with what it answered.

Owns what it means that two answers are equal: in everything but the ids that each ledger makes for
itself, and in those one to one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django_inventory.ids import uuid7
from django_inventory.ledgers import MemoryLedger, batch
from django_inventory.operations import Commit, Extend, Release
from tests.proof.servers.history import EPOCH, Post, ReadHold, Sweep, answer_to

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import datetime

    from django_inventory.operations import Operation
    from django_inventory.rules import EntryState, Place
    from tests.proof.servers.history import Ask, Call


class Names:
    """Which id of the recorded ledger is which of the model's; one to one."""

    def __init__(self) -> None:
        self._to_model: dict[UUID, UUID] = {}
        self._to_real: dict[UUID, UUID] = {}

    def copy(self) -> Names:
        other = Names()
        other._to_model = dict(self._to_model)
        other._to_real = dict(self._to_real)
        return other

    def model_id(self, real: UUID) -> UUID:
        return self._to_model.get(real, real)

    def real_id(self, model: UUID) -> UUID:
        return self._to_real.get(model, model)

    def are_equal(self, real: Any, model: Any) -> bool:
        """Compare two values; ids that neither side has met before become each other's names."""
        if isinstance(real, UUID) and isinstance(model, UUID):
            if real not in self._to_model and model not in self._to_real:
                self._to_model[real] = model
                self._to_real[model] = real
            return self._to_model.get(real) == model
        if type(real) is not type(model):
            return False
        if isinstance(real, tuple):
            return len(real) == len(model) and all(map(self.are_equal, real, model))
        if is_dataclass(real):
            return all(
                self.are_equal(getattr(real, f.name), getattr(model, f.name)) for f in fields(real)
            )
        return bool(real == model)


class _Ledger(MemoryLedger):
    """A memory ledger that can be copied, whose time is told, and whose sweep can be narrowed."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: self.now)
        self.now: datetime = EPOCH

    def copy(self) -> _Ledger:
        other = _Ledger()
        store = self._store
        other._store = replace(
            store,
            mutex=other._store.mutex,
            balances=dict(store.balances),
            holds=dict(store.holds),
            active={place: set(ids) for place, ids in store.active.items()},
            records=dict(store.records),
            entries=list(store.entries),
            # Its lists are never added to once their operation is over.
            operations=dict(store.operations),
            resolutions=dict(store.resolutions),
        )
        return other

    def sweep(self, places: tuple[Place, ...]) -> int:
        outcome = batch.sweep(places, self._books(self.now), self.now, uuid7, limit=2**31)
        self._store.keep(outcome, self.scope)
        return len(outcome.draft.entries)

    @property
    def store(self) -> Any:
        return self._store


@dataclass(slots=True)
class Model:
    """One possible state of the world, after some of a history's calls."""

    ledger: _Ledger = field(default_factory=_Ledger)
    names: Names = field(default_factory=Names)

    def copy(self) -> Model:
        return Model(self.ledger.copy(), self.names.copy())

    def answers_alike(self, call: Call) -> bool:
        """Do what the call asked, at its time; tell whether the answer is the recorded one."""
        return self.names.are_equal(call.answer, self.answer(call))

    def answer(self, call: Call) -> Any:
        """Do what the call asked, at its time, and return the rules' answer."""
        self.ledger.now = call.now
        if isinstance(call.ask, Sweep):
            return self.ledger.sweep(call.ask.places)
        return answer_to(self.ledger, self._translated(call.ask))

    def _translated(self, ask: Ask) -> Ask:
        """Name the holds as the model does."""
        match ask:
            case Post():
                return replace(ask, operations=tuple(map(self._named, ask.operations)))
            case ReadHold():
                return ReadHold(self.names.model_id(ask.hold_id))
            case _:
                return ask

    def _named(self, operation: Operation) -> Operation:
        if isinstance(operation, Commit | Release | Extend):
            return replace(operation, hold_id=self.names.model_id(operation.hold_id))
        return operation

    def entries(self) -> list[EntryState]:
        """Return the journal, by balance and sequence."""
        return sorted(self.ledger.entries, key=lambda e: (e.subject, e.item, e.sequence))

    def version(self, place: Place) -> int:
        """Return the sequence of the balance's last entry."""
        balance = self.ledger.store.balances.get(place)
        return balance.version if balance else 0

    def is_longer_than(self, other: Model) -> bool:
        """Tell whether its journal is."""
        return len(self.ledger.store.entries) > len(other.ledger.store.entries)

    def has_same_state_as(self, other: Model) -> bool:
        """Tell whether a call on a copy of ``other`` has left no trace, not even a used key."""
        return not self.is_longer_than(other) and (
            self.ledger.store.records == other.ledger.store.records
        )

    def fingerprint(self) -> Hashable:
        """Return what tells this state from others that the same calls could have led to."""
        store = self.ledger.store
        holds = [
            (self.names.real_id(hold_id), hold.remaining, hold.status, hold.expires_at)
            for hold_id, hold in store.holds.items()
        ]
        return (frozenset(store.balances.items()), frozenset(holds))
