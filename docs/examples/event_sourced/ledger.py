"""A ledger whose only truth is a list of events, and whose only lock is the next event's number."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from django_inventory.exceptions import HoldUnknown, LedgerBusy
from django_inventory.ids import uuid7
from django_inventory.ledgers import Ledger, batch
from django_inventory.ledgers.batch import Outcome, Request, Result
from django_inventory.rules import BalanceState, EntryState, Place
from django_inventory.values import BalanceSnapshot, HoldSnapshot
from docs.examples.event_sourced.events import Fact, KeyUsed, State, entry_from, key_from, to_text
from docs.examples.event_sourced.models import Event

MOST_ATTEMPTS = 10


class EventLedger(Ledger):
    """Add events, and fold all of them at every call. See ``Ledger`` for the calls."""

    def __init__(
        self,
        *,
        using: str = "default",
        clock: Callable[[], datetime] = timezone.now,
        scope: str = "",
    ) -> None:
        super().__init__(clock=clock, scope=scope)
        self._using = using

    def entries(self) -> list[EntryState]:
        """Return the journal, oldest first."""
        events = Event.objects.using(self._using).filter(kind="entry").order_by("number")
        return [entry_from(data) for data in events.values_list("data", flat=True)]

    # What a ledger supplies -----------------------------------------------------------------

    def _post(self, requests: Sequence[Request], now: datetime, *, atomic: bool) -> list[Result]:
        outcome = self._add(
            now, lambda state: batch.run(requests, state, now, uuid7, atomic=atomic)
        )
        return outcome.results

    def _expire_holds(self, now: datetime, limit: int | None) -> int:
        most = sys.maxsize if limit is None else limit
        outcome = self._add(
            now, lambda state: batch.sweep(list(state.balances), state, now, uuid7, limit=most)
        )
        return len(outcome.draft.entries)

    def _balance(self, subject: str, item: str, now: datetime) -> BalanceSnapshot:
        return self._snapshot(self._state(now), (subject, item))

    def _balances(self, subject: str, now: datetime) -> list[BalanceSnapshot]:
        state = self._state(now)
        places = sorted(place for place in state.balances if place[0] == subject)
        return [found for place in places if (found := self._snapshot(state, place)).total]

    def _get_hold(self, hold_id: UUID, now: datetime) -> HoldSnapshot:
        hold = self._state(now).hold(hold_id)
        if hold is None:
            raise HoldUnknown(hold_id)
        return hold.snapshot_at(now)

    # Events ---------------------------------------------------------------------------------

    def _state(self, now: datetime) -> State:
        state = State(now, self._scope)
        events = Event.objects.using(self._using).order_by("number")
        for number, kind, data in events.values_list("number", "kind", "data"):
            state.apply(entry_from(data) if kind == "entry" else key_from(data))
            state.number = number
        return state

    def _add(self, now: datetime, decide: Callable[[State], Outcome]) -> Outcome:
        """Decide on what stands now, and add what follows; once more if somebody was quicker."""
        for _ in range(MOST_ATTEMPTS):
            state = self._state(now)
            outcome = decide(state)
            facts: list[Fact] = [*outcome.draft.entries]
            facts += [KeyUsed(self._scope, key, used) for key, used in outcome.records.items()]
            events = [
                Event(
                    number=number,
                    kind="key" if isinstance(fact, KeyUsed) else "entry",
                    data=to_text(fact),
                )
                for number, fact in enumerate(facts, start=state.number + 1)
            ]
            try:
                with transaction.atomic(using=self._using):
                    Event.objects.using(self._using).bulk_create(events)
            except IntegrityError:
                continue
            tell = partial(self._announce, outcome.expired_holds(), outcome.receipts())
            transaction.on_commit(tell, using=self._using)
            return outcome
        msg = "Others were quicker each time."
        raise LedgerBusy(msg)

    def _snapshot(self, state: State, place: Place) -> BalanceSnapshot:
        balance = state.balances.get(place) or BalanceState(*place)
        overdue = sum(hold.remaining for hold in state.overdue_holds(place))
        return BalanceSnapshot(*place, balance.quantity + overdue, balance.on_hold - overdue)
