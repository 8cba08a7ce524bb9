"""What every refusal has in common: its code, its data, and that nothing has changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from django_inventory import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django_inventory.exceptions import InventoryError
    from tests.contract.engines import Engine

E = TypeVar("E", bound="InventoryError")

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
    engine: Engine, error: type[E], **attributes: object
) -> Iterator[pytest.ExceptionInfo[E]]:
    """Expect the block to raise exactly this error, with these attributes, and to change nothing.

    The whole content of the engine is compared, not only the number of rows.
    """
    before = engine.dump()
    with pytest.raises(error) as caught:
        yield caught
    assert_is(caught.value, error, **attributes)
    assert engine.dump() == before


def assert_all_refused(
    engine: Engine,
    error: type[InventoryError],
    calls: Iterable[tuple[str, Callable[[], object]]],
) -> None:
    """Expect each call to raise exactly this error for the field beside it, and no change at all.

    The content is compared once for all of them, to keep long tables of wrong values fast.
    """
    before = engine.dump()
    for field, call in calls:
        with pytest.raises(error) as caught:
            call()
        assert_is(caught.value, error, field=field)
    assert engine.dump() == before


def assert_is(found: object, error: type[InventoryError], **attributes: Any) -> None:
    """Expect ``found`` to be exactly this error, with its code and these attributes."""
    assert type(found) is error
    assert found.code == CODES[error]
    assert {name: getattr(found, name) for name in attributes} == attributes
