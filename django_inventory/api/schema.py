"""What the API's description (OpenAPI) says of each route beside what the code shows by itself.

Owns words, statuses and examples. Must not be needed to serve a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from drf_spectacular.extensions import (
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from django_inventory.api import examples, serializers
from django_inventory.api.errors import PROBLEM_MEDIA_TYPE, PROBLEM_TYPES
from django_inventory.api.keys import HEADER, REPLAYED_HEADER
from django_inventory.api.patterns import HEADER_SCHEMA, PRIMARY_KEY_SCHEMA, UUID_SCHEMA

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
        request=serializers.AcquireSerializer,
        request_example=examples.ACQUIRE,
        key="delivery-17",
        is_key_required=True,
    ),
    "consume": RouteDoc(
        "inventory_consume",
        "Debit a quantity from what a subject has free",
        _receipt(201, examples.CONSUMED),
        problems=(*IN_WRITES, *OF_IDENTIFIERS, "idempotency_key_missing", "insufficient_quantity"),
        request=serializers.ConsumeSerializer,
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
        request=serializers.TransferSerializer,
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
        request=serializers.PlaceHoldSerializer,
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
        request=serializers.CommitSerializer,
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
        request=serializers.ReleaseSerializer,
        request_example=examples.RELEASE,
        key="emptied-1",
        path_schema=UUID_SCHEMA,
    ),
    "extend": RouteDoc(
        "inventory_extend",
        "Let a hold expire later, or sooner",
        _receipt(200, examples.EXTENDED),
        problems=(*IN_WRITES, *OF_HOLDS, "invalid_ttl", "hold_expired"),
        request=serializers.ExtendSerializer,
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
        request=serializers.BatchSerializer,
        request_example=examples.BATCH,
    ),
}


class InventorySchema(AutoSchema):
    """Describe a view by the ``RouteDoc`` of its action, in the view's ``documentation``."""

    @property
    def _route(self) -> RouteDoc | None:
        """Return what is said of the route; nothing of an action that a project has added."""
        view: Any = self.view
        route: RouteDoc | None = view.documentation.get(view.action)
        return route

    def get_operation_id(self) -> str:
        """Return a name that does not depend on where the routes are mounted."""
        return self._route.operation_id if self._route else super().get_operation_id()

    def get_summary(self) -> str | None:
        """Return what the route does, in one line."""
        return self._route.summary if self._route else super().get_summary()

    def get_description(self) -> str:  # type: ignore[override]  # as the parent does
        """Return what a reader could get wrong."""
        return self._route.description if self._route else super().get_description()

    def get_tags(self) -> list[str]:
        """Return one tag for all routes."""
        return ["inventory"]

    def get_request_serializer(self) -> Any:
        """Return the shape of the body."""
        return self._route.request if self._route else super().get_request_serializer()

    def get_response_serializers(self) -> Any:
        """Return the shapes of all answers, by status and media type."""
        route = self._route
        if route is None:
            return super().get_response_serializers()
        answers: dict[tuple[int, str], OpenApiResponse] = {
            (status, "application/json"): OpenApiResponse(
                success.serializer,
                success.description,
                [OpenApiExample("done", success.example)],
            )
            for status, success in route.successes.items()
        }
        codes = sorted(dict.fromkeys((*EVERYWHERE, *route.problems)), key=_status)
        for status, group in groupby(codes, key=_status):
            some = list(group)
            answers[status, PROBLEM_MEDIA_TYPE] = OpenApiResponse(
                serializers.ProblemSerializer,
                ". ".join(PROBLEM_TYPES[code].title for code in some) + ".",
                [OpenApiExample(code, examples.PROBLEMS[code]) for code in some],
            )
        return answers

    def get_examples(self) -> list[OpenApiExample]:
        """Return an example of the body."""
        route = self._route
        if route is None or route.request is None:
            return []
        return [OpenApiExample("request", route.request_example, request_only=True)]

    def get_override_parameters(self) -> list[Any]:
        """Return the headers of request and answers, and the id in the path."""
        route = self._route
        if route is None:
            return []
        parameters = [
            _answer_header("WWW-Authenticate", [401], "How to authenticate."),
            _answer_header("Retry-After", [429, 503], "In how many seconds to try again."),
        ]
        if route.path_schema is not None:
            parameters.append(OpenApiParameter("id", route.path_schema, OpenApiParameter.PATH))
        if route.key is not None:
            parameters.append(_key_header(route.key, is_required=route.is_key_required))
        if route.request is not None:
            parameters.append(
                _answer_header(
                    REPLAYED_HEADER,
                    list(route.successes),
                    "true where all of this had been done before; absent otherwise.",
                )
            )
        for name, description in route.headers.items():
            parameters.append(_answer_header(name, list(route.successes), description))
        return parameters


def _status(code: str) -> int:
    return PROBLEM_TYPES[code].status


def _key_header(key: str, *, is_required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        HEADER,
        HEADER_SCHEMA,
        OpenApiParameter.HEADER,
        required=is_required,
        description=(
            "The idempotency key, a string in quotes: the same on every retry, another for what is "
            "new. Unique among the caller's keys."
        ),
        examples=[OpenApiExample("key", f'"{key}"', parameter_only=(HEADER, "header"))],
    )


def _answer_header(name: str, statuses: list[int], description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, response=statuses, description=description
    )


class RequestExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Say of every body that comes in that it has no other members."""

    target_class = "django_inventory.api.serializers.RequestSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema of the serializer at hand."""
        # The way that drf-spectacular's documentation tells extensions to go.
        describe: Any = auto_schema._map_serializer  # noqa: SLF001
        schema: dict[str, Any] = describe(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False}


class WordsExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # as above
    """Describe a choice of words as a component of its own."""

    target_class = "django_inventory.api.serializers.WordsField"
    match_subclasses = True

    def get_name(self) -> str:
        """Return the name of the component."""
        name: str = self.target.component_name
        return name

    def map_serializer_field(self, _auto_schema: AutoSchema, _direction: Any) -> dict[str, Any]:
        """Return the schema of the component."""
        return {"type": "string", "enum": list(self.target.words)}
