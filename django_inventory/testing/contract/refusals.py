"""What every refusal has in common: its code, its data, and that nothing has changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import pytest

from django_inventory import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django_inventory.exceptions import InventoryError

E = TypeVar("E", bound="InventoryError")


class HasContent(Protocol):
    """Whatever can tell all that must not change when a call is refused."""

    def dump(self) -> object:
        """Return the content, to be compared with another dump."""


CODES: Final[dict[type[InventoryError], str]] = {
    exceptions.InvalidOperation: "invalid_operation",
    exceptions.InvalidQuantity: "invalid_quantity",
    exceptions.InvalidIdentifier: "invalid_identifier",
    exceptions.InvalidTTL: "invalid_ttl",
    exceptions.InsufficientQuantity: "insufficient_quantity",
    exceptions.QuantityOverflow: "quantity_overflow",
    exceptions.HoldUnknown: "hold_unknown",
    exceptions.HoldExpired: "hold_expired",
    exceptions.HoldResolved: "hold_resolved",
    exceptions.IdempotencyConflict: "idempotency_conflict",
    exceptions.EntryImmutable: "entry_immutable",
}


@contextmanager
def refuses(
    books: HasContent, error: type[E], **attributes: object
) -> Iterator[pytest.ExceptionInfo[E]]:
    """Expect the block to raise exactly this error, with these attributes, and to change nothing.

    The whole content that is told is compared, not only the number of rows.
    """
    before = books.dump()
    with pytest.raises(error) as caught:
        yield caught
    assert_is(caught.value, error, **attributes)
    assert books.dump() == before


def assert_all_refused(
    books: HasContent,
    error: type[InventoryError],
    calls: Iterable[tuple[str, Callable[[], object]]],
) -> None:
    """Expect each call to raise exactly this error for the field beside it, and no change at all.

    The content is compared once for all of them, to keep long tables of wrong values fast.
    """
    before = books.dump()
    for field, call in calls:
        with pytest.raises(error) as caught:
            call()
        assert_is(caught.value, error, field=field)
    assert books.dump() == before


def assert_is(found: object, error: type[InventoryError], **attributes: Any) -> None:
    """Expect ``found`` to be exactly this error, with its code and these attributes."""
    assert type(found) is error
    assert found.code == CODES[error]
    assert {name: getattr(found, name) for name in attributes} == attributes
