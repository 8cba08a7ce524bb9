"""Run a batch of operations through the rules: keys, order, all or none.

Owns what is true of many operations together - which key replays which operation, whether one
refusal refuses all - for every ledger alike. Must not do I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django_inventory import rules
from django_inventory.exceptions import (
    IdempotencyConflict,
    InsufficientQuantity,
    InventoryError,
)
from django_inventory.operations import Operation
from django_inventory.rules import Books, Draft, EntryState, Place
from django_inventory.values import HoldSnapshot, Receipt

Result = Receipt | InventoryError
"""What stands in an operation's place after a batch in which each stood alone."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a key stands for: the operation that it was used for, by digest and by id."""

    kind: str
    fingerprint: str
    operation_id: UUID


@dataclass(frozen=True, slots=True)
class Request:
    """An operation as a ledger is asked for it: with the id that it will have if it acts."""

    operation: Operation
    operation_id: UUID
    fingerprint: str


class KeyedBooks(Books, Protocol):
    """Books that also know which keys were used, in the scope of the call."""

    def record(self, key: str) -> Record | None:
        """Return what the key was used for before this call, or None."""

    def entries(self, operation_id: UUID) -> list[EntryState]:
        """Return the entries of the operation of a used key."""


@dataclass(slots=True)
class Outcome:
    """What a batch came to, for the ledger to keep.

    Attributes:
        draft: the new states and entries.
        results: a receipt or an error for each operation, in order.
        records: what each newly used key stands for.
        answers: the receipt that each newly used key was answered with.
    """

    draft: Draft
    results: list[Result] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    answers: dict[str, Receipt] = field(default_factory=dict)

    def receipts(self) -> list[Receipt]:
        """Return the receipts of what was done now, replays left out."""
        return [
            result for result in self.results if isinstance(result, Receipt) and not result.replayed
        ]

    def expired_holds(self) -> list[HoldSnapshot]:
        """Return the holds whose expiry was recorded now."""
        return [
            entry.hold
            for entry in self.draft.entries
            if entry.kind == rules.EXPIRE and entry.hold is not None
        ]


def run(
    requests: Sequence[Request],
    books: KeyedBooks,
    now: datetime,
    new_id: Callable[[], UUID],
    *,
    atomic: bool,
) -> Outcome:
    """Do the operations in order, each seeing the effects of those before it.

    Raises:
        InventoryError: with ``atomic``, the first refusal; where that is a shortage, it names
            every balance of the batch that is short.
    """
    outcome = Outcome(Draft(books, now, new_id))
    if atomic:
        _run_all_or_none(requests, books, outcome)
    else:
        _run_each_alone(requests, books, outcome)
    return outcome


def _run_all_or_none(requests: Sequence[Request], books: KeyedBooks, outcome: Outcome) -> None:
    draft = outcome.draft
    first_short: int | None = None
    for index, request in enumerate(requests):
        try:
            outcome.results.append(_answer(request, books, draft, outcome))
        except InventoryError as error:
            if not draft.shortages:
                error.index = index
                raise
            # The batch is refused already; go on only to name all that is short.
        if draft.shortages and first_short is None:
            first_short = index
    if first_short is not None:
        shortage = InsufficientQuantity(draft.shortages.values())
        shortage.index = first_short
        raise shortage


def _run_each_alone(requests: Sequence[Request], books: KeyedBooks, outcome: Outcome) -> None:
    for index, request in enumerate(requests):
        draft = Draft(outcome.draft, outcome.draft.now, outcome.draft.new_id)
        try:
            result: Result = _answer(request, books, draft, outcome)
            outcome.draft.merge(draft)
        except InventoryError as error:
            # What is debited comes first, so a shortage does, whatever else is wrong.
            shortages = draft.shortages.values()
            result = InsufficientQuantity(shortages) if shortages else error
            result.index = index
        outcome.results.append(result)


def _answer(request: Request, books: KeyedBooks, draft: Draft, outcome: Outcome) -> Receipt:
    """Replay the operation's key, or do the operation and note what its key now stands for."""
    key = request.operation.key
    record = None if key is None else outcome.records.get(key) or books.record(key)
    if key is None or record is None:
        receipt = rules.apply(draft, request.operation, request.operation_id)
        if draft.shortages and draft is not outcome.draft:
            # It stands alone. In a batch that is all or none its key counts as used from here on,
            # so that an operation which comes twice is not asked for twice.
            raise InsufficientQuantity(draft.shortages.values())
        if key is not None:
            kind, fingerprint = request.operation.kind, request.fingerprint
            outcome.records[key] = Record(kind, fingerprint, receipt.operation_id)
            outcome.answers[key] = receipt
        return receipt
    if record.kind != request.operation.kind:
        raise IdempotencyConflict(key, ("kind",))
    if record.fingerprint != request.fingerprint:
        raise IdempotencyConflict(key, request.operation.differing_fields(record.fingerprint))
    if key in outcome.answers:
        return replace(outcome.answers[key], replayed=True)
    return rules.receipt_of(books.entries(record.operation_id), replayed=True)


def sweep(
    places: Iterable[Place],
    books: Books,
    now: datetime,
    new_id: Callable[[], UUID],
    *,
    limit: int,
) -> Outcome:
    """Record at most ``limit`` overdue holds of these balances, the longest overdue first."""
    outcome = Outcome(Draft(books, now, new_id))
    overdue = [hold for place in places for hold in books.overdue_holds(place)]
    overdue.sort(key=lambda hold: (hold.expires_at, hold.id))
    for place, count in Counter(hold.place for hold in overdue[:limit]).items():
        rules.record_expiries(outcome.draft, place, limit=count)
    return outcome
