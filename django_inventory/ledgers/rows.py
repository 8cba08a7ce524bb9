"""Between rows of the tables and the states of the rules, both ways, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from django_inventory.models import Entry, Hold
from django_inventory.rules import BalanceState, EntryState, HoldState, Place, status_after
from django_inventory.values import HoldSnapshot, HoldStatus

BALANCE_COLUMNS: Final = (
    "id",
    "subject",
    "item",
    "quantity",
    "on_hold",
    "next_expiry_at",
    "version",
)
HOLD_COLUMNS: Final = (
    "id",
    "balance__subject",
    "balance__item",
    "quantity",
    "remaining",
    "status",
    "expires_at",
    "resolved_at",
)
OWN_HOLD_COLUMNS: Final = ("id", "balance_id", *HOLD_COLUMNS[3:])
"""The same without another table: in the place of subject and item, which balance it is."""

HOLD_CHANGING_FIELDS: Final = ("remaining", "status", "expires_at", "resolved_at")
RECORD_COLUMNS: Final = ("id", "key", "kind", "fingerprint", "operation_id")
ENTRY_COLUMNS: Final = (
    "balance__subject",
    "balance__item",
    "sequence",
    "operation_id",
    "kind",
    "key",
    "quantity_delta",
    "on_hold_delta",
    "quantity_after",
    "on_hold_after",
    "hold_id",
    "hold__balance__subject",
    "hold__balance__item",
    "hold__quantity",
    "hold_remaining",
    "hold_expires_at",
    "actor",
    "reference",
    "metadata",
    "effective_at",
    "created_at",
)


class LockedBalance(NamedTuple):
    """A balance whose row is locked, with the row's primary key."""

    pk: int
    state: BalanceState


def balance_from_row(row: tuple[Any, ...]) -> LockedBalance:
    """Make a state of ``BALANCE_COLUMNS``."""
    pk, *columns = row
    return LockedBalance(pk, BalanceState(*columns))


def hold_from_row(row: tuple[Any, ...]) -> HoldState:
    """Make a state of ``HOLD_COLUMNS``."""
    pk, subject, item, quantity, remaining, status, expires_at, resolved_at = row
    return HoldState(
        pk, subject, item, quantity, remaining, HoldStatus(status), expires_at, resolved_at
    )


def entry_from_row(row: tuple[Any, ...]) -> EntryState:
    """Make a state of ``ENTRY_COLUMNS``."""
    (
        subject, item, sequence, operation_id, kind, key,
        quantity_delta, on_hold_delta, quantity_after, on_hold_after,
        hold_id, holder, held_item, held_quantity, remaining, expires_at,
        actor, reference, metadata, effective_at, created_at,
    ) = row  # fmt: skip
    hold = None
    if hold_id is not None:
        status = status_after(kind, remaining)
        hold = HoldSnapshot(
            hold_id, holder, held_item, held_quantity, remaining, status, expires_at
        )
    return EntryState(
        subject=subject,
        item=item,
        sequence=sequence,
        operation_id=operation_id,
        kind=kind,
        key=key or None,
        quantity_delta=quantity_delta,
        on_hold_delta=on_hold_delta,
        quantity_after=quantity_after,
        on_hold_after=on_hold_after,
        hold=hold,
        actor=actor,
        reference=reference,
        metadata=metadata,
        effective_at=effective_at,
        created_at=created_at,
    )


def entry_to_row(entry: EntryState, balance_id: int) -> Entry:
    """Make an unsaved row of an entry."""
    hold = entry.hold
    return Entry(
        balance_id=balance_id,
        sequence=entry.sequence,
        operation_id=entry.operation_id,
        kind=entry.kind,
        key=entry.key or "",
        hold_id=hold.id if hold else None,
        hold_remaining=hold.remaining if hold else None,
        hold_expires_at=hold.expires_at if hold else None,
        quantity_delta=entry.quantity_delta,
        on_hold_delta=entry.on_hold_delta,
        quantity_after=entry.quantity_after,
        on_hold_after=entry.on_hold_after,
        actor=entry.actor,
        reference=entry.reference,
        metadata=entry.metadata,
        effective_at=entry.effective_at,
        created_at=entry.created_at,
    )


def new_hold_rows(
    entries: Iterable[EntryState],
    holds: Mapping[UUID, HoldState],
    balance_ids: Mapping[Place, int],
) -> list[Hold]:
    """Make unsaved rows of the holds that these entries made, as the holds stand now."""
    rows = []
    for entry in entries:
        if entry.kind != "hold" or entry.hold is None:
            continue
        hold = holds[entry.hold.id]
        rows.append(
            Hold(
                id=hold.id,
                balance_id=balance_ids[hold.place],
                quantity=hold.quantity,
                remaining=hold.remaining,
                status=hold.status.value,
                expires_at=hold.expires_at,
                resolved_at=hold.resolved_at,
                key=entry.key or "",
                reference=entry.reference,
                metadata=entry.metadata,
                created_at=entry.created_at,
            )
        )
    return rows


def changing_fields(hold: HoldState) -> dict[str, Any]:
    """Return what can change of a hold's row, ``HOLD_CHANGING_FIELDS``."""
    return {
        "remaining": hold.remaining,
        "status": hold.status.value,
        "expires_at": hold.expires_at,
        "resolved_at": hold.resolved_at,
    }


def known_hold_row(hold: HoldState, balance_id: int) -> Hold:
    """Make a row of a hold that exists, to set its changing fields by; the rest is not meant."""
    return Hold(
        id=hold.id,
        balance_id=balance_id,
        quantity=hold.quantity,
        created_at=hold.expires_at,
        **changing_fields(hold),
    )
