"""The functional core: what each verb does to balances and holds, and when it is refused.

Owns every rule of the ledger, once. A rule reads the state that a ledger has locked, and leaves
new states and journal entries in a ``Draft``; a ledger then keeps the draft or throws it away.
Must not do I/O, read a clock or know Django.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from django_inventory.arguments import canonical_json
from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    InvalidOperation,
    InvalidQuantity,
    QuantityOverflow,
)
from django_inventory.operations import (
    Acquire,
    Commit,
    Consume,
    Extend,
    Hold,
    Operation,
    Release,
    Transfer,
)
from django_inventory.values import (
    MAX_QUANTITY,
    BalanceSnapshot,
    HoldSnapshot,
    HoldStatus,
    Receipt,
    Shortage,
)

EXPIRE: Final = "expire"
"""The kind of the operation that the ledger does by itself."""

Place = tuple[str, str]
"""What names a balance: (subject, item)."""


@dataclass(frozen=True, slots=True)
class BalanceState:
    """A balance as it is kept; ``version`` is the sequence of its last entry."""

    subject: str
    item: str
    quantity: int = 0
    on_hold: int = 0
    next_expiry_at: datetime | None = None
    version: int = 0

    @property
    def place(self) -> Place:
        """What names the balance."""
        return (self.subject, self.item)

    def snapshot(self) -> BalanceSnapshot:
        """Return what the outside may see of it."""
        return BalanceSnapshot(self.subject, self.item, self.quantity, self.on_hold)


@dataclass(frozen=True, slots=True)
class HoldState:
    """A hold as it is kept. An overdue one is ``active`` until its expiry is recorded."""

    id: UUID
    subject: str
    item: str
    quantity: int
    remaining: int
    status: HoldStatus
    expires_at: datetime
    resolved_at: datetime | None = None

    @property
    def place(self) -> Place:
        """The balance that the hold reserves from."""
        return (self.subject, self.item)

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether its time is over although nothing has recorded that yet."""
        return self.status is HoldStatus.ACTIVE and self.expires_at <= now

    def snapshot(self) -> HoldSnapshot:
        """Return what the outside may see of it."""
        return HoldSnapshot(
            self.id,
            self.subject,
            self.item,
            self.quantity,
            self.remaining,
            self.status,
            self.expires_at,
        )

    def snapshot_at(self, now: datetime) -> HoldSnapshot:
        """Return what the outside may see of it at ``now``: expiry needs no record to be true."""
        if self.is_overdue(now):
            return replace(self, remaining=0, status=HoldStatus.EXPIRED).snapshot()
        return self.snapshot()


@dataclass(frozen=True, slots=True)
class EntryState:
    """One line of the journal: one operation's effect on one balance.

    ``hold`` is the hold that it concerns as it stood right after, also where the balance is not
    the holder's but the receiver's.
    """

    subject: str
    item: str
    sequence: int
    operation_id: UUID
    kind: str
    key: str | None
    quantity_delta: int
    on_hold_delta: int
    quantity_after: int
    on_hold_after: int
    hold: HoldSnapshot | None
    actor: str
    reference: str
    metadata: dict[str, Any] | None
    effective_at: datetime
    created_at: datetime

    def balance(self) -> BalanceSnapshot:
        """Return the balance as it stood right after the entry."""
        return BalanceSnapshot(self.subject, self.item, self.quantity_after, self.on_hold_after)


class Books(Protocol):
    """Where the rules read: everything that the operations at hand can touch, as locked."""

    def balance(self, place: Place) -> BalanceState | None:
        """Return the balance, or None where nothing was ever owned."""

    def hold(self, hold_id: UUID) -> HoldState | None:
        """Return the hold, or None where there is none of that id."""

    def overdue_holds(self, place: Place) -> list[HoldState]:
        """Return the balance's overdue holds in the order of (expires_at, id)."""

    def resolution(self, hold_id: UUID) -> list[EntryState]:
        """Return the entries of the operation that resolved the hold."""


def status_after(kind: str, remaining: int) -> HoldStatus:
    """Return the status of a hold after an operation of ``kind`` left ``remaining`` on it."""
    if kind == Commit.kind and not remaining:
        return HoldStatus.COMMITTED
    return {Release.kind: HoldStatus.RELEASED, EXPIRE: HoldStatus.EXPIRED}.get(
        kind, HoldStatus.ACTIVE
    )


def receipt_of(entries: list[EntryState], *, replayed: bool) -> Receipt:
    """Return the receipt of the operation whose entries these are, in any order.

    The journal is all that a receipt is made from, at first and ever after: so a replay is equal.
    """
    # Who gives comes before who gets.
    in_order = sorted(entries, key=lambda entry: entry.quantity_delta + entry.on_hold_delta)
    first = in_order[0]
    return Receipt(
        operation_id=first.operation_id,
        kind=first.kind,
        key=first.key,
        balances=tuple([entry.balance() for entry in in_order]),
        hold=first.hold,
        replayed=replayed,
    )


class Draft:
    """Work in progress on top of some books: new states, new entries, nothing kept yet.

    A draft can itself serve as the books of another draft: where each operation stands alone, its
    draft is merged into the batch's when it succeeds, and forgotten when it is refused.

    Attributes:
        shortages: the balances that were asked for more than they had free, by place. While one
            is short its quantity is carried on below zero, so that all shortages of a batch come
            to light; a draft with shortages is never kept.
        demand: what was asked so far of each balance's free quantity, by place.
        unsettled: the balances whose earliest expiry the books at hand cannot tell, because the
            hold that determined it is gone. Whoever keeps the draft looks it up.
    """

    def __init__(self, books: Books, now: datetime, new_id: Callable[[], UUID]) -> None:
        self.books = books
        self.now = now
        self.new_id = new_id
        self.balances: dict[Place, BalanceState] = {}
        self.holds: dict[UUID, HoldState] = {}
        self.entries: list[EntryState] = []
        self.resolutions: dict[UUID, list[EntryState]] = {}
        self.expired: set[Place] = set()
        self.shortages: dict[Place, Shortage] = {}
        self.demand: dict[Place, int] = {}
        self.unsettled: set[Place] = set()

    def balance(self, place: Place) -> BalanceState | None:
        """Return the balance as the draft leaves it."""
        return self.balances.get(place) or self.books.balance(place)

    def hold(self, hold_id: UUID) -> HoldState | None:
        """Return the hold as the draft leaves it."""
        return self.holds.get(hold_id) or self.books.hold(hold_id)

    def overdue_holds(self, place: Place) -> list[HoldState]:
        """Return the overdue holds that the draft has not recorded."""
        return [] if place in self.expired else self.books.overdue_holds(place)

    def resolution(self, hold_id: UUID) -> list[EntryState]:
        """Return the entries that resolved the hold, in the draft or before it."""
        return self.resolutions.get(hold_id) or self.books.resolution(hold_id)

    def merge(self, other: Draft) -> None:
        """Take over what a draft on top of this one has done."""
        self.balances.update(other.balances)
        self.holds.update(other.holds)
        self.entries.extend(other.entries)
        self.resolutions.update(other.resolutions)
        self.expired.update(other.expired)
        self.unsettled.update(other.unsettled)
        self.unsettled.difference_update(
            place for place, balance in other.balances.items() if not balance.on_hold
        )


@dataclass(frozen=True, slots=True)
class _Cause:
    """What the entries of one operation have in common."""

    operation_id: UUID
    kind: str
    key: str | None
    actor: str
    reference: str
    metadata: dict[str, Any] | None


def apply(draft: Draft, operation: Operation, operation_id: UUID) -> Receipt:
    """Do ``operation`` in ``draft`` and return its receipt.

    A call that an earlier operation has answered already - a hold that was committed the same
    way, a release of what expired - adds nothing and returns that operation's receipt, with
    ``replayed`` set.

    Raises:
        InvalidOperation, InvalidQuantity, QuantityOverflow, HoldUnknown, HoldExpired,
        HoldResolved: as the verb's row in the design says. What is left in the draft then is of
            no use. A shortage does not raise: it is noted in ``draft.shortages``.
    """
    cause = _Cause(
        operation_id,
        operation.kind,
        operation.key,
        operation.actor,
        operation.reference,
        operation.metadata,
    )
    match operation:
        case Acquire():
            entries = [_post(draft, cause, (operation.subject, operation.item), operation.quantity)]
        case Consume():
            entries = [
                _debit(draft, cause, (operation.subject, operation.item), operation.quantity)
            ]
        case Transfer():
            entries = [
                _debit(draft, cause, (operation.source, operation.item), operation.quantity),
                _post(draft, cause, (operation.destination, operation.item), operation.quantity),
            ]
        case Hold():
            entries = [_place_hold(draft, cause, operation)]
        case Commit():
            return _commit(draft, cause, operation)
        case Release():
            return _release(draft, cause, operation)
        case Extend():
            entries = [_extend(draft, cause, operation)]
    return receipt_of(entries, replayed=False)


def credited_places(operation: Operation, hold: HoldState | None) -> list[Place]:
    """Return the balances that the operation may bring into being.

    Args:
        hold: the hold that it names, if there is one.
    """
    match operation:
        case Acquire():
            return [(operation.subject, operation.item)]
        case Transfer():
            return [(operation.destination, operation.item)]
        case Commit() if hold is not None and operation.to is not None:
            return [(operation.to, hold.item)]
        case _:
            return []


def debited_places(operation: Operation, hold: HoldState | None) -> list[Place]:
    """Return the other balances that the operation touches; those must exist for it to succeed.

    Args:
        hold: the hold that it names, if there is one.
    """
    match operation:
        case Consume() | Hold():
            return [(operation.subject, operation.item)]
        case Transfer():
            return [(operation.source, operation.item)]
        case Commit() | Release() | Extend() if hold is not None:
            return [hold.place]
        case _:
            return []


def record_expiries(draft: Draft, place: Place, *, limit: int | None = None) -> int:
    """Record the overdue holds of a balance, each as an operation of its own; return how many.

    Args:
        limit: record at most so many, the longest overdue first.
    """
    overdue = draft.overdue_holds(place)[:limit]
    draft.expired.add(place)
    for hold in overdue:
        after = replace(hold, remaining=0, status=HoldStatus.EXPIRED, resolved_at=draft.now)
        cause = _Cause(draft.new_id(), EXPIRE, None, "", "", None)
        _post(draft, cause, place, hold.remaining, -hold.remaining, before=hold, after=after)
    return len(overdue)


def _post(
    draft: Draft,
    cause: _Cause,
    place: Place,
    quantity_delta: int,
    on_hold_delta: int = 0,
    *,
    before: HoldState | None = None,
    after: HoldState | None = None,
) -> EntryState:
    """Change a balance and journal that. The only place where a quantity moves.

    Args:
        before: the hold that changes, on the holder's balance; None where it is new.
        after: the hold as it stands from now on, where the operation concerns one.

    Raises:
        QuantityOverflow: the total would pass the limit.
    """
    if place not in draft.expired:
        record_expiries(draft, place)
    old = draft.balance(place) or BalanceState(*place)
    quantity = old.quantity + quantity_delta
    on_hold = old.on_hold + on_hold_delta
    if quantity + on_hold > MAX_QUANTITY:
        room = MAX_QUANTITY - old.quantity - old.on_hold
        raise QuantityOverflow(*place, requested=quantity_delta, available=room)
    entry = EntryState(
        *place,
        sequence=old.version + 1,
        operation_id=cause.operation_id,
        kind=cause.kind,
        key=cause.key,
        quantity_delta=quantity_delta,
        on_hold_delta=on_hold_delta,
        quantity_after=quantity,
        on_hold_after=on_hold,
        hold=after.snapshot() if after else None,
        actor=cause.actor,
        reference=cause.reference,
        metadata=cause.metadata,
        effective_at=after.expires_at if after and cause.kind == EXPIRE else draft.now,
        created_at=draft.now,
    )
    draft.entries.append(entry)
    next_expiry_at = old.next_expiry_at
    if after and after.place == place:
        draft.holds[after.id] = after
        if after.status is not HoldStatus.ACTIVE:
            draft.resolutions[after.id] = [entry]
        next_expiry_at = _next_expiry_at(draft, old, before, after)
    if not on_hold:
        next_expiry_at = None
        draft.unsettled.discard(place)
    draft.balances[place] = BalanceState(*place, quantity, on_hold, next_expiry_at, entry.sequence)
    return entry


def _next_expiry_at(
    draft: Draft, balance: BalanceState, before: HoldState | None, after: HoldState
) -> datetime | None:
    """Return the balance's earliest expiry, or note that the draft cannot tell."""
    earliest = balance.next_expiry_at
    if after.status is HoldStatus.ACTIVE and (earliest is None or after.expires_at <= earliest):
        return after.expires_at
    if before is not None and before.expires_at == earliest:
        draft.unsettled.add(balance.place)
    return earliest


def _debit(
    draft: Draft,
    cause: _Cause,
    place: Place,
    quantity: int,
    on_hold_delta: int = 0,
    *,
    after: HoldState | None = None,
) -> EntryState:
    """Take from the free quantity, and note it where that is too little."""
    entry = _post(draft, cause, place, -quantity, on_hold_delta, after=after)
    asked = draft.demand.get(place, 0)
    draft.demand[place] = asked + quantity
    if entry.quantity_after < 0:
        draft.shortages[place] = Shortage(
            *place,
            requested=asked + quantity,
            available=entry.quantity_after + quantity + asked,
        )
    return entry


def _place_hold(draft: Draft, cause: _Cause, operation: Hold) -> EntryState:
    hold = HoldState(
        id=draft.new_id(),
        subject=operation.subject,
        item=operation.item,
        quantity=operation.quantity,
        remaining=operation.quantity,
        status=HoldStatus.ACTIVE,
        expires_at=draft.now + operation.ttl,
    )
    return _debit(draft, cause, hold.place, hold.quantity, hold.quantity, after=hold)


def _find_hold(draft: Draft, hold_id: UUID) -> HoldState:
    hold = draft.hold(hold_id)
    if hold is None:
        raise HoldUnknown(hold_id)
    return hold


def _check_active(draft: Draft, hold: HoldState) -> None:
    """Refuse what only an active hold can do."""
    if hold.status is HoldStatus.EXPIRED or hold.is_overdue(draft.now):
        raise HoldExpired(hold.id, hold.expires_at)
    if hold.status is not HoldStatus.ACTIVE:
        raise HoldResolved(hold.id, hold.status)


def _commit(draft: Draft, cause: _Cause, operation: Commit) -> Receipt:
    hold = _find_hold(draft, operation.hold_id)
    if hold.status is HoldStatus.COMMITTED:
        entries = draft.resolution(hold.id)
        if _is_same_commit(operation, entries):
            return receipt_of(entries, replayed=True)
    _check_active(draft, hold)
    committed = hold.remaining if operation.quantity is None else operation.quantity
    if committed > hold.remaining:
        raise InvalidQuantity("quantity", f"must be at most the {hold.remaining} still held.")
    if operation.to == hold.subject:
        raise InvalidOperation("to", "must differ from the hold's subject.")
    rest = hold.remaining - committed
    kept = rest if operation.keep_remainder else 0
    after = replace(
        hold,
        remaining=kept,
        status=HoldStatus.ACTIVE if kept else HoldStatus.COMMITTED,
        resolved_at=None if kept else draft.now,
    )
    entries = [
        _post(
            draft, cause, hold.place, rest - kept, kept - hold.remaining, before=hold, after=after
        )
    ]
    if operation.to is not None:
        entries.append(_post(draft, cause, (operation.to, hold.item), committed, after=after))
    if not kept:
        draft.resolutions[hold.id] = entries
    return receipt_of(entries, replayed=False)


def _is_same_commit(operation: Commit, entries: list[EntryState]) -> bool:
    """Tell whether the hold was committed by the same arguments, read from the journal."""
    from_holder = next(entry for entry in entries if entry.on_hold_delta)
    received = [entry.subject for entry in entries if entry is not from_holder]
    committed = -(from_holder.quantity_delta + from_holder.on_hold_delta)
    is_whole = from_holder.quantity_delta == 0
    # A commit that would keep a remainder is never the same: two equal ones are both meant.
    return (
        not operation.keep_remainder
        and (is_whole if operation.quantity is None else operation.quantity == committed)
        and received == ([] if operation.to is None else [operation.to])
        and from_holder.reference == operation.reference
        and canonical_json(from_holder.metadata) == canonical_json(operation.metadata)
    )


def _release(draft: Draft, cause: _Cause, operation: Release) -> Receipt:
    hold = _find_hold(draft, operation.hold_id)
    if hold.is_overdue(draft.now):
        record_expiries(draft, hold.place)
        return receipt_of(draft.resolution(hold.id), replayed=True)
    if hold.status in {HoldStatus.RELEASED, HoldStatus.EXPIRED}:
        return receipt_of(draft.resolution(hold.id), replayed=True)
    _check_active(draft, hold)
    after = replace(hold, remaining=0, status=HoldStatus.RELEASED, resolved_at=draft.now)
    entry = _post(
        draft, cause, hold.place, hold.remaining, -hold.remaining, before=hold, after=after
    )
    return receipt_of([entry], replayed=False)


def _extend(draft: Draft, cause: _Cause, operation: Extend) -> EntryState:
    hold = _find_hold(draft, operation.hold_id)
    _check_active(draft, hold)
    after = replace(hold, expires_at=draft.now + operation.ttl)
    return _post(draft, cause, hold.place, 0, before=hold, after=after)
