"""What goes wrong, as data: every error has a stable ``code`` and structured attributes.

The text of an error is for people and may change; programs read ``code`` and the attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from django_inventory.values import Shortage

__all__ = [
    "EntryImmutable",
    "HoldExpired",
    "HoldResolved",
    "HoldUnknown",
    "IdempotencyConflict",
    "InsufficientQuantity",
    "InvalidIdentifier",
    "InvalidOperation",
    "InvalidQuantity",
    "InvalidTTL",
    "InventoryError",
    "LedgerBusy",
    "QuantityOverflow",
]


class InventoryError(Exception):
    """Base of all errors of the ledger. Nothing was changed by the call that raised it.

    Attributes:
        code: the stable name of the kind of error.
        index: the position, from 0, of the refused operation in its batch; None where the error
            belongs to the call as a whole.
    """

    code: ClassVar[str] = "inventory_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.index: int | None = None


class InvalidOperation(InventoryError, ValueError):
    """An argument, or the combination of arguments, can never be right.

    Attributes:
        field: the name of the argument.
    """

    code = "invalid_operation"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class InvalidQuantity(InvalidOperation):
    """A quantity is no whole number from 1 to 2**63 - 1, or above what the hold still holds."""

    code = "invalid_quantity"


class InvalidIdentifier(InvalidOperation):
    """A subject, item, key, hold id or actor has a form that the ledger refuses."""

    code = "invalid_identifier"


class InvalidTTL(InvalidOperation):
    """A time to live is no duration above zero, or too long."""

    code = "invalid_ttl"


class InsufficientQuantity(InventoryError):
    """Too little is free.

    Attributes:
        shortages: every balance of the call that was short, once each.
    """

    code = "insufficient_quantity"

    def __init__(self, shortages: Iterable[Shortage]) -> None:
        self.shortages = tuple(shortages)
        named = "; ".join(
            f"{s.subject!r} has {s.available} of {s.item!r} free, {s.requested} requested"
            for s in self.shortages
        )
        super().__init__(f"Not enough: {named}.")


class QuantityOverflow(InventoryError):
    """A credit would lift a balance's total above 2**63 - 1.

    Attributes:
        subject, item: the balance.
        requested: the quantity of the credit.
        available: the room that is left below the limit.
    """

    code = "quantity_overflow"

    def __init__(self, subject: str, item: str, requested: int, available: int) -> None:
        self.subject = subject
        self.item = item
        self.requested = requested
        self.available = available
        super().__init__(
            f"{subject!r} has room for {available} more of {item!r}, {requested} requested."
        )


class HoldUnknown(InventoryError):
    """No hold has this id.

    Attributes:
        hold_id: the id that was asked for.
    """

    code = "hold_unknown"

    def __init__(self, hold_id: UUID) -> None:
        self.hold_id = hold_id
        super().__init__(f"No hold {hold_id}.")


class HoldExpired(InventoryError):
    """The hold's time to live is over, whether or not a sweep has recorded that already.

    Attributes:
        hold_id: the hold.
        expires_at: the instant from which its quantity was free again.
    """

    code = "hold_expired"

    def __init__(self, hold_id: UUID, expires_at: datetime) -> None:
        self.hold_id = hold_id
        self.expires_at = expires_at
        super().__init__(f"Hold {hold_id} expired at {expires_at.isoformat()}.")


class HoldResolved(InventoryError):
    """The hold was committed or released before, in another way than is asked now.

    Attributes:
        hold_id: the hold.
        status: how it was resolved, ``committed`` or ``released``.
    """

    code = "hold_resolved"

    def __init__(self, hold_id: UUID, status: str) -> None:
        self.hold_id = hold_id
        self.status = status
        super().__init__(f"Hold {hold_id} is {status} already.")


class IdempotencyConflict(InventoryError):
    """The key was used before with other arguments.

    Attributes:
        key: the idempotency key.
        fields: the names of the arguments that differ; ``("kind",)`` where even the verb does.
    """

    code = "idempotency_conflict"

    def __init__(self, key: str, fields: Iterable[str]) -> None:
        self.key = key
        self.fields = tuple(fields)
        super().__init__(f"Key {key!r} was used before with another {', '.join(self.fields)}.")


class LedgerBusy(InventoryError):
    """The database could not serve the call now: deadlock, serialization failure, lock timeout.

    Nothing was done; the same call with the same key is safe to try again. Raised inside a
    transaction of the caller's, that whole transaction is what should be tried again.
    """

    code = "ledger_busy"


class EntryImmutable(InventoryError):
    """Code tried to change or delete an entry of the journal, which nothing ever does."""

    code = "entry_immutable"

    def __init__(self) -> None:
        super().__init__("Entries of the journal are never changed or deleted.")
