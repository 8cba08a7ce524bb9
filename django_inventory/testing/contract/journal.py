"""The journal in one shape, whatever a ledger keeps it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django_inventory.rules import EntryState


class Line(NamedTuple):
    """One entry of the journal."""

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
    hold_id: UUID | None
    hold_remaining: int | None
    hold_expires_at: datetime | None
    actor: str
    reference: str
    metadata: dict[str, Any] | None
    effective_at: datetime
    created_at: datetime


class Move(NamedTuple):
    """What an entry says of the quantities alone."""

    kind: str
    subject: str
    sequence: int
    quantity_delta: int
    on_hold_delta: int
    quantity_after: int
    on_hold_after: int


class HasJournal(Protocol):
    """Whatever can show all entries."""

    def journal(self) -> list[Line]:
        """Return all entries, in the order in which they were written."""


def journal(books: HasJournal) -> list[Line]:
    """Return all entries, in the order in which they were written."""
    return books.journal()


def moves(books: HasJournal) -> list[Move]:
    """Return what the journal says of the quantities, in the order in which it was written."""
    return [Move(*(getattr(line, name) for name in Move._fields)) for line in books.journal()]


def line_of(entry: EntryState) -> Line:
    """Return an entry, as the rules write it, as a line."""
    hold = entry.hold
    shared = {name: getattr(entry, name) for name in Line._fields if hasattr(entry, name)}
    return Line(
        **shared,
        hold_id=hold.id if hold else None,
        hold_remaining=hold.remaining if hold else None,
        hold_expires_at=hold.expires_at if hold else None,
    )
