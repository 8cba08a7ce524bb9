"""What the API's description says of each route beside what the code shows by itself.

Owns words, statuses and examples. Must not be needed to serve a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django_inventory.api import bodies, examples, serializers
from django_inventory.api.patterns import PRIMARY_KEY_SCHEMA, UUID_SCHEMA

EVERYWHERE: Final = (
    "bad_request",
    "not_authenticated",
    "authentication_failed",
    "permission_denied",
    "not_acceptable",
    "throttled",
)
IN_LISTS: Final = ("invalid_parameter", "not_found")
IN_WRITES: Final = (
    "parse_error",
    "invalid_operation",
    "idempotency_key_malformed",
    "subject_forbidden",
    "length_required",
    "request_too_large",
    "unsupported_media_type",
    "idempotency_conflict",
    "ledger_busy",
)
OF_IDENTIFIERS: Final = ("invalid_identifier", "invalid_quantity")
OF_HOLDS: Final = ("not_found", "hold_unknown", "hold_resolved")


@dataclass(frozen=True, slots=True)
class Success:
    """An answer that is no refusal."""

    serializer: Any
    description: str
    example: Any


@dataclass(frozen=True, slots=True)
class RouteDoc:
    """What is said of one route.

    Attributes:
        operation_id: its name in clients that are generated.
        summary: what it does, in one line.
        description: what a reader could get wrong.
        successes: the answers that are no refusals, by status.
        problems: the codes that it may answer with, beside those of every route.
        request: the serializer of its body.
        request_example: a body.
        key: an idempotency key that fits; None where the header means nothing.
        is_key_required: whether the header must be there.
        path_schema: what the id in its path is; None where there is none.
    """

    operation_id: str
    summary: str
    successes: Mapping[int, Success]
    description: str = ""
    problems: Sequence[str] = ()
    request: Any = None
    request_example: Any = None
    key: str | None = None
    is_key_required: bool = False
    path_schema: dict[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def _list(name: str, what: str, serializer: Any, example: Any) -> RouteDoc:
    return RouteDoc(
        f"inventory_{name}_list",
        f"List {what}",
        {200: Success(serializer, "A page of them.", example)},
        problems=IN_LISTS,
    )


def _retrieve(
    name: str, what: str, serializer: Any, example: Any, path_schema: dict[str, Any]
) -> RouteDoc:
    return RouteDoc(
        f"inventory_{name}_retrieve",
        f"Show {what}",
        {200: Success(serializer, "It, as it stands now.", example)},
        problems=("not_found", *(["hold_unknown"] if name == "holds" else [])),
        path_schema=path_schema,
    )


def _receipt(status: int, example: Any) -> dict[int, Success]:
    description = "It is done, now or before, and this is its receipt."
    return {status: Success(serializers.ReceiptSerializer, description, example)}


BALANCES: Final = {
    "list": _list("balances", "balances", serializers.BalanceSerializer, examples.BALANCE),
    "retrieve": _retrieve(
        "balances",
        "one balance",
        serializers.BalanceSerializer,
        examples.BALANCE,
        PRIMARY_KEY_SCHEMA,
    ),
    "acquire": RouteDoc(
        "inventory_acquire",
        "Credit a quantity to a subject",
        _receipt(201, examples.ACQUIRED),
        problems=(*IN_WRITES, *OF_IDENTIFIERS, "idempotency_key_missing", "quantity_overflow"),
        request=bodies.AcquireSerializer,
        request_example=examples.ACQUIRE,
        key="delivery-17",
        is_key_required=True,
    ),
    "consume": RouteDoc(
        "inventory_consume",
        "Debit a quantity from what a subject has free",
        _receipt(201, examples.CONSUMED),
        problems=(*IN_WRITES, *OF_IDENTIFIERS, "idempotency_key_missing", "insufficient_quantity"),
        request=bodies.ConsumeSerializer,
        request_example=examples.CONSUME,
        key="broken-3",
        is_key_required=True,
    ),
    "transfer": RouteDoc(
        "inventory_transfer",
        "Move a quantity from one subject to another",
        _receipt(201, examples.TRANSFERRED),
        problems=(
            *IN_WRITES,
            *OF_IDENTIFIERS,
            "idempotency_key_missing",
            "insufficient_quantity",
            "quantity_overflow",
        ),
        request=bodies.TransferSerializer,
        request_example=examples.TRANSFER,
        key="gift-1",
        is_key_required=True,
    ),
}

HOLDS: Final = {
    "list": _list("holds", "holds", serializers.HoldSerializer, examples.STORED_HOLD),
    "retrieve": _retrieve(
        "holds", "one hold", serializers.HoldSerializer, examples.STORED_HOLD, UUID_SCHEMA
    ),
    "create": RouteDoc(
        "inventory_hold",
        "Reserve a quantity of what a subject has free, for a time",
        _receipt(201, examples.PLACED),
        description="When the time is over the quantity is free again, to the instant.",
        problems=(
            *IN_WRITES,
            *OF_IDENTIFIERS,
            "invalid_ttl",
            "idempotency_key_missing",
            "insufficient_quantity",
        ),
        request=bodies.PlaceHoldSerializer,
        request_example=examples.PLACE,
        key="basket-1",
        is_key_required=True,
        headers={"Location": "Where the hold is."},
    ),
    "commit": RouteDoc(
        "inventory_commit",
        "Let what is held leave for good: consumed, or credited to somebody",
        _receipt(200, examples.COMMITTED),
        description=(
            "Safe to retry without a key: a hold that was committed the same way answers with the "
            "first receipt. keep_remainder needs a key, since two equal parts are both meant."
        ),
        problems=(
            *IN_WRITES,
            *OF_IDENTIFIERS,
            *OF_HOLDS,
            "idempotency_key_missing",
            "hold_expired",
            "quantity_overflow",
        ),
        request=bodies.CommitSerializer,
        request_example=examples.COMMIT,
        key="payment-1",
        path_schema=UUID_SCHEMA,
    ),
    "release": RouteDoc(
        "inventory_release",
        "Give back what is left on hold",
        _receipt(200, examples.RELEASED),
        description=(
            "Safe to retry without a key. A hold that has expired needs no release: the receipt is "
            "then that of its expiry."
        ),
        problems=(*IN_WRITES, *OF_HOLDS),
        request=bodies.ReleaseSerializer,
        request_example=examples.RELEASE,
        key="emptied-1",
        path_schema=UUID_SCHEMA,
    ),
    "extend": RouteDoc(
        "inventory_extend",
        "Let a hold expire later, or sooner",
        _receipt(200, examples.EXTENDED),
        problems=(*IN_WRITES, *OF_HOLDS, "invalid_ttl", "hold_expired"),
        request=bodies.ExtendSerializer,
        request_example=examples.EXTEND,
        key="longer-1",
        path_schema=UUID_SCHEMA,
    ),
}

ENTRIES: Final = {
    "list": _list("entries", "entries of the journal", serializers.EntrySerializer, examples.ENTRY),
    "retrieve": _retrieve(
        "entries",
        "one entry of the journal",
        serializers.EntrySerializer,
        examples.ENTRY,
        PRIMARY_KEY_SCHEMA,
    ),
}

OPERATIONS: Final = {
    "create": RouteDoc(
        "inventory_post",
        "Do many operations in one transaction",
        {
            201: Success(
                serializers.ReceiptsSerializer,
                "atomic: all are done, and these are their receipts.",
                examples.BATCH_DONE,
            ),
            200: Success(
                serializers.ResultsSerializer,
                "Not atomic: what each came to, which may be a refusal.",
                {
                    "results": [
                        {"status": 201, "receipt": examples.ACQUIRED},
                        {"status": 409, "problem": examples.PROBLEMS["insufficient_quantity"]},
                    ]
                },
            ),
        },
        description=(
            "In order, each seeing the effects of those before it. atomic (the default): all or "
            "none; the refusal has the position of the operation as index. Otherwise each stands "
            "alone. Each operation has its own key."
        ),
        problems=(
            *(code for code in IN_WRITES if code != "idempotency_key_malformed"),
            *OF_IDENTIFIERS,
            "invalid_ttl",
            "hold_unknown",
            "hold_resolved",
            "hold_expired",
            "insufficient_quantity",
            "quantity_overflow",
        ),
        request=bodies.BatchSerializer,
        request_example=examples.BATCH,
    ),
}
