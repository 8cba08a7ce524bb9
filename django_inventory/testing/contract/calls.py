"""Every verb with arguments that are right, so that a test names only what it is about."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django_inventory.operations import (
    Acquire,
    Commit,
    Consume,
    Extend,
    Hold,
    Release,
    Transfer,
)
from django_inventory.values import BalanceSnapshot, Receipt

if TYPE_CHECKING:
    from uuid import UUID

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation

KEYED_VERBS: Final = ("acquire", "consume", "transfer", "hold")
HOLD_VERBS: Final = ("commit", "release", "extend")
VERBS: Final = (*KEYED_VERBS, *HOLD_VERBS)

OPERATIONS: Final[dict[str, type[Operation]]] = {
    "acquire": Acquire,
    "consume": Consume,
    "transfer": Transfer,
    "hold": Hold,
    "commit": Commit,
    "release": Release,
    "extend": Extend,
}
RIGHT_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "acquire": {"key": "k", "subject": "alice", "item": "gold", "quantity": 1},
    "consume": {"key": "k", "subject": "alice", "item": "gold", "quantity": 1},
    "transfer": {
        "key": "k",
        "source": "alice",
        "destination": "bob",
        "item": "gold",
        "quantity": 1,
    },
    "hold": {"key": "k", "subject": "alice", "item": "gold", "quantity": 1, "ttl": 60},
    "commit": {"key": "k"},
    "release": {"key": "k"},
    "extend": {"key": "k", "ttl": 60},
}


def stock(ledger: Ledger, *, quantity: int = 10, held: int = 4, ttl: float = 60) -> UUID:
    """Give alice gold and hold a part of it; return the hold's id."""
    receipts = ledger.post(
        [
            Acquire("stock", "alice", "gold", quantity),
            Hold("reserve", "alice", "gold", held, timedelta(seconds=ttl)),
        ]
    )
    return hold_of(receipts[1])


def hold_of(receipt: Receipt) -> UUID:
    """Return the id of the hold that a receipt tells of."""
    assert receipt.hold is not None
    return receipt.hold.id


def arguments(verb: str, hold_id: object, **changes: Any) -> dict[str, Any]:
    """Return right arguments for a verb, but for those that are given.

    Args:
        hold_id: what commit, release and extend name; ignored by the others.
    """
    named = {"hold_id": hold_id} if verb in HOLD_VERBS else {}
    return {**named, **RIGHT_ARGUMENTS[verb], **changes}


def call(ledger: Ledger, verb: str, hold_id: object = None, **changes: Any) -> Receipt:
    """Call a verb with right arguments, but for those that are given."""
    receipt: Receipt = getattr(ledger, verb)(**arguments(verb, hold_id, **changes))
    return receipt


def make(verb: str, hold_id: object = None, **changes: Any) -> Operation:
    """Make an operation with right arguments, but for those that are given."""
    return OPERATIONS[verb](**arguments(verb, hold_id, **changes))


def gold(subject: str, quantity: int, on_hold: int = 0) -> BalanceSnapshot:
    """Return a balance of gold."""
    return BalanceSnapshot(subject, "gold", quantity, on_hold)
