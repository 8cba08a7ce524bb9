"""What the ledgers keep, read past them: by raw SQL, or from a memory ledger's store.

Owns the one shape of both, with ids as they are. Judges nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from django_inventory.ledgers.memory import _Store
    from tests.proof.model.actions import Place


class BalanceRow(NamedTuple):
    quantity: int
    on_hold: int
    next_expiry_at: datetime | None
    version: int


class HoldRow(NamedTuple):
    place: Place
    quantity: int
    remaining: int
    status: str
    expires_at: datetime
    resolved_at: datetime | None


class EntryRow(NamedTuple):
    """One line of the journal. What is not told of a keyless or holdless one is None."""

    place: Place
    sequence: int
    operation_id: UUID
    kind: str
    key: str | None
    quantity_delta: int
    on_hold_delta: int
    quantity_after: int
    on_hold_after: int
    hold_id: UUID | None
    hold_remaining: int | None
    hold_expires_at: datetime | None
    actor: str
    reference: str
    effective_at: datetime
    created_at: datetime


class KeyRow(NamedTuple):
    kind: str
    operation_id: UUID


class Rows(NamedTuple):
    """All balances, holds and keys, and the entries after a certain one with its number."""

    balances: dict[Place, BalanceRow]
    holds: dict[UUID, HoldRow]
    keys: dict[tuple[str, str], KeyRow]
    entries: list[EntryRow]
    last_entry: int


BALANCES: Final = """
    SELECT subject, item, quantity, on_hold, next_expiry_at, version FROM django_inventory_balance
"""
HOLDS: Final = """
    SELECT h.id, b.subject, b.item, h.quantity, h.remaining, h.status, h.expires_at, h.resolved_at
    FROM django_inventory_hold h LEFT JOIN django_inventory_balance b ON b.id = h.balance_id
"""
KEYS: Final = """
    SELECT scope, key_, kind, operation_id FROM django_inventory_idempotencyrecord
"""
ENTRIES: Final = """
    SELECT e.id, b.subject, b.item, e.sequence, e.operation_id, e.kind, e.key_, e.quantity_delta,
        e.on_hold_delta, e.quantity_after, e.on_hold_after, e.hold_id, e.hold_remaining,
        e.hold_expires_at, e.actor, e.reference, e.effective_at, e.created_at
    FROM django_inventory_entry e LEFT JOIN django_inventory_balance b ON b.id = e.balance_id
    WHERE e.id > %d ORDER BY e.id
"""


def read_tables(connection: BaseDatabaseWrapper, after_entry: int) -> Rows:
    """Read a database, of the journal only what follows the entry of that primary key."""
    key = connection.ops.quote_name("key")
    statements = [BALANCES, HOLDS, KEYS.replace("key_", key), ENTRIES.replace("key_", key)]
    statements[-1] %= after_entry
    if connection.vendor == "postgresql":
        # All in one go: this is done after every step.
        statements = [";".join(statements)]
    found: list[list[Any]] = []
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            found.append(cursor.fetchall())
        while len(found) < 4 and cursor.nextset():
            found.append(cursor.fetchall())
    balances, holds, keys, entries = found
    return Rows(
        {
            (subject, item): BalanceRow(quantity, on_hold, _time(next_expiry_at), version)
            for subject, item, quantity, on_hold, next_expiry_at, version in balances
        },
        {
            _uuid(pk): HoldRow(
                (subject, item), quantity, remaining, status, _instant(expires), _time(resolved)
            )
            for pk, subject, item, quantity, remaining, status, expires, resolved in holds
        },
        {
            (scope, used): KeyRow(kind, _uuid(operation_id))
            for scope, used, kind, operation_id in keys
        },
        [_entry(row) for row in entries],
        entries[-1][0] if entries else after_entry,
    )


def _entry(row: tuple[Any, ...]) -> EntryRow:
    subject, item, sequence, operation_id, kind, key = row[1:7]
    quantity_delta, on_hold_delta, quantity_after, on_hold_after = row[7:11]
    hold_id, hold_remaining, hold_expires_at, actor, reference, effective_at, created_at = row[11:]
    return EntryRow(
        (subject, item),
        sequence,
        _uuid(operation_id),
        kind,
        key or None,
        quantity_delta,
        on_hold_delta,
        quantity_after,
        on_hold_after,
        hold_id and _uuid(hold_id),
        hold_remaining,
        _time(hold_expires_at),
        actor,
        reference,
        _instant(effective_at),
        _instant(created_at),
    )


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _instant(value: datetime | str) -> datetime:
    """Return what a driver gives for a time; without a zone it is UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _time(value: datetime | str | None) -> datetime | None:
    return None if value is None else _instant(value)


def read_memory(store: _Store, after_entry: int) -> Rows:
    """Read a memory ledger, of the journal only what follows its first ``after_entry`` lines."""
    return Rows(
        balances={
            place: BalanceRow(state.quantity, state.on_hold, state.next_expiry_at, state.version)
            for place, state in store.balances.items()
        },
        holds={
            hold_id: HoldRow(
                hold.place,
                hold.quantity,
                hold.remaining,
                hold.status.value,
                hold.expires_at,
                hold.resolved_at,
            )
            for hold_id, hold in store.holds.items()
        },
        keys={
            scoped: KeyRow(record.kind, record.operation_id)
            for scoped, record in store.records.items()
        },
        entries=[
            EntryRow(
                (entry.subject, entry.item),
                entry.sequence,
                entry.operation_id,
                entry.kind,
                entry.key,
                entry.quantity_delta,
                entry.on_hold_delta,
                entry.quantity_after,
                entry.on_hold_after,
                entry.hold.id if entry.hold else None,
                entry.hold.remaining if entry.hold else None,
                entry.hold.expires_at if entry.hold else None,
                entry.actor,
                entry.reference,
                entry.effective_at,
                entry.created_at,
            )
            for entry in store.entries[after_entry:]
        ],
        last_entry=len(store.entries),
    )
