"""A ledger that keeps everything in the memory of one process, behind one mutex.

For users' own unit tests, and as the reference that the other ledgers are held against. Not
durable, and not shared between processes.
"""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from django_inventory.exceptions import HoldUnknown
from django_inventory.ids import uuid7
from django_inventory.ledgers import batch
from django_inventory.ledgers.base import Clock, Ledger
from django_inventory.ledgers.batch import Outcome, Record, Request, Result
from django_inventory.rules import BalanceState, EntryState, HoldState, Place
from django_inventory.values import BalanceSnapshot, HoldSnapshot, HoldStatus


@dataclass(slots=True)
class _Store:
    """All that a memory ledger knows; shared by the ledgers of other scopes."""

    mutex: threading.Lock = field(default_factory=threading.Lock)
    balances: dict[Place, BalanceState] = field(default_factory=dict)
    holds: dict[UUID, HoldState] = field(default_factory=dict)
    active: dict[Place, set[UUID]] = field(default_factory=dict)
    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    entries: list[EntryState] = field(default_factory=list)
    operations: dict[UUID, list[EntryState]] = field(default_factory=dict)
    resolutions: dict[UUID, UUID] = field(default_factory=dict)

    def active_holds(self, place: Place) -> list[HoldState]:
        holds = [self.holds[hold_id] for hold_id in self.active.get(place, ())]
        return sorted(holds, key=lambda hold: (hold.expires_at, hold.id))

    def keep(self, outcome: Outcome, scope: str) -> None:
        """Take over what a batch has done."""
        draft = outcome.draft
        for hold in draft.holds.values():
            self.holds[hold.id] = hold
            active = self.active.setdefault(hold.place, set())
            if hold.status is HoldStatus.ACTIVE:
                active.add(hold.id)
            else:
                active.discard(hold.id)
        for place, balance in draft.balances.items():
            self.balances[place] = balance
        for place in draft.unsettled:
            balance = self.balances[place]
            earliest = self.active_holds(place)[0].expires_at
            self.balances[place] = BalanceState(
                *place, balance.quantity, balance.on_hold, earliest, balance.version
            )
        # A copy of what the caller can still change.
        entries = [replace(e, metadata=copy.deepcopy(e.metadata)) for e in draft.entries]
        self.entries.extend(entries)
        for entry in entries:
            self.operations.setdefault(entry.operation_id, []).append(entry)
        for hold_id, entries in draft.resolutions.items():
            self.resolutions[hold_id] = entries[0].operation_id
        for key, record in outcome.records.items():
            self.records[scope, key] = record


@dataclass(frozen=True, slots=True)
class _Books:
    """The store as the rules read it, at one moment and in one scope."""

    store: _Store
    now: datetime
    scope: str

    def balance(self, place: Place) -> BalanceState | None:
        return self.store.balances.get(place)

    def hold(self, hold_id: UUID) -> HoldState | None:
        return self.store.holds.get(hold_id)

    def overdue_holds(self, place: Place) -> list[HoldState]:
        balance = self.store.balances.get(place)
        if balance is None or balance.next_expiry_at is None or balance.next_expiry_at > self.now:
            return []
        return [hold for hold in self.store.active_holds(place) if hold.is_overdue(self.now)]

    def resolution(self, hold_id: UUID) -> list[EntryState]:
        return self.store.operations[self.store.resolutions[hold_id]]

    def record(self, key: str) -> Record | None:
        return self.store.records.get((self.scope, key))

    def entries(self, operation_id: UUID) -> list[EntryState]:
        return self.store.operations[operation_id]


class MemoryLedger(Ledger):
    """Keep everything in this process. See ``Ledger`` for the calls.

    ``entries`` holds the journal, oldest first. A ``transaction.atomic()`` around a call means
    nothing to it: what it has answered stays.
    """

    def __init__(self, *, clock: Clock = timezone.now, scope: str = "") -> None:
        super().__init__(clock=clock, scope=scope)
        self._store = _Store()

    @property
    def entries(self) -> list[EntryState]:
        """The journal, oldest first; a copy."""
        return copy.deepcopy(self._store.entries)

    def _books(self, now: datetime) -> _Books:
        return _Books(self._store, now, self._scope)

    def _post(self, requests: Sequence[Request], now: datetime, *, atomic: bool) -> list[Result]:
        with self._store.mutex:
            outcome = batch.run(requests, self._books(now), now, uuid7, atomic=atomic)
            self._store.keep(outcome, self._scope)
        self._announce(outcome.expired_holds(), outcome.receipts())
        return outcome.results

    def _expire_holds(self, now: datetime, limit: int | None) -> int:
        with self._store.mutex:
            outcome = batch.sweep(
                list(self._store.balances),
                self._books(now),
                now,
                uuid7,
                limit=sys.maxsize if limit is None else limit,
            )
            self._store.keep(outcome, self._scope)
        self._announce(outcome.expired_holds(), outcome.receipts())
        return len(outcome.draft.entries)

    def _balance(self, subject: str, item: str, now: datetime) -> BalanceSnapshot:
        with self._store.mutex:
            return self._snapshot((subject, item), now)

    def _balances(self, subject: str, now: datetime) -> list[BalanceSnapshot]:
        with self._store.mutex:
            places = sorted(place for place in self._store.balances if place[0] == subject)
            snapshots = [self._snapshot(place, now) for place in places]
        return [snapshot for snapshot in snapshots if snapshot.total]

    def _snapshot(self, place: Place, now: datetime) -> BalanceSnapshot:
        balance = self._store.balances.get(place) or BalanceState(*place)
        overdue = sum(hold.remaining for hold in self._books(now).overdue_holds(place))
        return BalanceSnapshot(*place, balance.quantity + overdue, balance.on_hold - overdue)

    def _get_hold(self, hold_id: UUID, now: datetime) -> HoldSnapshot:
        with self._store.mutex:
            hold = self._store.holds.get(hold_id)
        if hold is None:
            raise HoldUnknown(hold_id)
        return hold.snapshot_at(now)
