"""Examples for the API's description: one small story of a shop, so that they fit together.

Owns values alone. The problems are made of real errors, so that they cannot differ from those.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from rest_framework import exceptions as drf

from django_inventory.api.errors import RequestRefused, handle_exception
from django_inventory.api.keys import HEADER
from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientQuantity,
    InvalidIdentifier,
    InvalidOperation,
    InvalidQuantity,
    InvalidTTL,
    LedgerBusy,
    QuantityOverflow,
)
from django_inventory.values import MAX_QUANTITY, Shortage

Body = dict[str, Any]

HOLD_ID: Final = "0199a3b0-5c1e-7d52-8f0a-3f6f6a2f4b11"
OPERATION_ID: Final = "0199a3b0-5c1e-7a07-9b3c-6d1f0e8a9c20"
PLACED_AT: Final = "2026-03-01T12:30:15.123456Z"
EXPIRES_AT: Final = "2026-03-01T12:45:15.123456Z"

SHOP: Final[Body] = {"subject": "shop", "item": "sku-42"}
CUSTOMER: Final[Body] = {"subject": "customer-7", "item": "sku-42"}
HOLD: Final[Body] = {
    "id": HOLD_ID,
    **SHOP,
    "quantity": 3,
    "remaining": 3,
    "status": "active",
    "expires_at": EXPIRES_AT,
}


def receipt(
    kind: str, balances: list[Body], hold: Body | None = None, key: str | None = None
) -> Body:
    """Return a receipt."""
    return {
        "operation_id": OPERATION_ID,
        "kind": kind,
        "key": key,
        "balances": balances,
        "hold": hold,
    }


ACQUIRE: Final[Body] = {**SHOP, "quantity": 10, "reference": "delivery note 17"}
ACQUIRED: Final = receipt("acquire", [{**SHOP, "quantity": 10, "on_hold": 0}], key="delivery-17")
CONSUME: Final[Body] = {**SHOP, "quantity": 2, "metadata": {"reason": "broken"}}
CONSUMED: Final = receipt("consume", [{**SHOP, "quantity": 8, "on_hold": 0}], key="broken-3")
TRANSFER: Final[Body] = {
    "source": "shop",
    "destination": "customer-7",
    "item": "sku-42",
    "quantity": 1,
}
TRANSFERRED: Final = receipt(
    "transfer",
    [{**SHOP, "quantity": 7, "on_hold": 0}, {**CUSTOMER, "quantity": 1, "on_hold": 0}],
    key="gift-1",
)
PLACE: Final[Body] = {**SHOP, "quantity": 3, "ttl": 900}
PLACED: Final = receipt("hold", [{**SHOP, "quantity": 7, "on_hold": 3}], HOLD, "basket-1")
COMMIT: Final[Body] = {"to": "customer-7", "reference": "order 1"}
COMMITTED: Final = receipt(
    "commit",
    [{**SHOP, "quantity": 7, "on_hold": 0}, {**CUSTOMER, "quantity": 3, "on_hold": 0}],
    {**HOLD, "remaining": 0, "status": "committed"},
)
RELEASE: Final[Body] = {"reference": "basket emptied"}
RELEASED: Final = receipt(
    "release",
    [{**SHOP, "quantity": 10, "on_hold": 0}],
    {**HOLD, "remaining": 0, "status": "released"},
)
EXTEND: Final[Body] = {"ttl": 1800}
EXTENDED: Final = receipt(
    "extend",
    [{**SHOP, "quantity": 7, "on_hold": 3}],
    {**HOLD, "expires_at": "2026-03-01T13:05:15.123456Z"},
)
BATCH: Final[Body] = {
    "atomic": True,
    "operations": [
        {"kind": "acquire", "key": "delivery-17", **ACQUIRE},
        {"kind": "hold", "key": "basket-1", **PLACE},
    ],
}
BATCH_DONE: Final[Body] = {"receipts": [ACQUIRED, PLACED]}

BALANCE: Final[Body] = {
    "id": 1,
    **SHOP,
    "quantity": 7,
    "on_hold": 3,
    "version": 2,
    "created_at": "2026-03-01T12:00:00Z",
    "updated_at": PLACED_AT,
}
STORED_HOLD: Final[Body] = {
    **HOLD,
    "resolved_at": None,
    "key": "basket-1",
    "reference": "",
    "metadata": None,
    "created_at": PLACED_AT,
}
ENTRY: Final[Body] = {
    "id": 2,
    "operation_id": OPERATION_ID,
    "kind": "hold",
    "balance": 1,
    **SHOP,
    "sequence": 2,
    "key": "basket-1",
    "hold": HOLD_ID,
    "hold_remaining": 3,
    "hold_expires_at": EXPIRES_AT,
    "quantity_delta": -3,
    "on_hold_delta": 3,
    "quantity_after": 7,
    "on_hold_after": 3,
    "actor": "auth.user:1",
    "reference": "",
    "metadata": None,
    "effective_at": PLACED_AT,
    "created_at": PLACED_AT,
}


def _problem(error: Exception) -> Body:
    response = handle_exception(error, {})
    if response is None:
        raise error
    body: Body = response.data
    return body


_SHORT: Final = InsufficientQuantity([Shortage("shop", "sku-42", requested=8, available=7)])
_EXPIRED: Final = HoldExpired(UUID(HOLD_ID), datetime(2026, 3, 1, 12, 45, 15, 123456, tzinfo=UTC))

PROBLEMS: Final[dict[str, Body]] = {
    problem["code"]: problem
    for problem in map(
        _problem,
        [
            InvalidOperation("destination", "must differ from the source."),
            InvalidQuantity("quantity", f"must be from 1 to {MAX_QUANTITY}."),
            InvalidIdentifier("subject", "must not be empty."),
            InvalidTTL("ttl", "must be a whole number of seconds."),
            HoldUnknown(UUID(HOLD_ID)),
            _SHORT,
            QuantityOverflow("shop", "sku-42", requested=8, available=7),
            _EXPIRED,
            HoldResolved(UUID(HOLD_ID), "released"),
            IdempotencyConflict("basket-1", ["quantity"]),
            LedgerBusy("The database is busy; try again."),
            RequestRefused(
                "invalid_parameter", "See errors.", errors={"subjct": ["is not known here."]}
            ),
            RequestRefused("idempotency_key_missing", f"This needs the header {HEADER}."),
            RequestRefused("idempotency_key_malformed", f"{HEADER} must be a string in quotes."),
            RequestRefused(
                "subject_forbidden",
                "subject: is not one of the caller's subjects.",
                field="subject",
            ),
            RequestRefused("bad_request", "This site does not read such a request."),
            RequestRefused("length_required", "A body in chunks is not read here."),
            RequestRefused("request_too_large", "The body is larger than this site takes."),
            drf.ParseError("The body is no JSON in UTF-8."),
            drf.NotAuthenticated("Authentication credentials were not provided."),
            drf.AuthenticationFailed("Invalid token."),
            drf.PermissionDenied("A permission for this is missing."),
            drf.NotFound("Not found."),
            drf.MethodNotAllowed("PUT", 'Method "PUT" not allowed.'),
            drf.NotAcceptable("Could not satisfy the request Accept header."),
            drf.UnsupportedMediaType("text/csv", 'Unsupported media type "text/csv" in request.'),
            drf.Throttled(30, "Request was throttled."),
        ],
    )
}
"""An example of every problem, by its code."""
