"""What is refused over HTTP: the one table from codes to statuses, and problem+json made of it.

Owns the form of every error of these views. Must not decide that something is an error.

Source: RFC 9457, "Problem Details for HTTP APIs".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from http.client import responses
from math import ceil
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientQuantity,
    InvalidOperation,
    InventoryError,
    LedgerBusy,
    QuantityOverflow,
)

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:problem-type:django-inventory:"
BUSY_RETRY_AFTER_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class ProblemType:
    """What is the same about all problems of one code."""

    status: int
    title: str


PROBLEM_TYPES: Final[dict[str, ProblemType]] = {
    # The ledger's.
    "invalid_operation": ProblemType(400, "An argument can never be right"),
    "invalid_quantity": ProblemType(400, "Not a quantity, or more than is held"),
    "invalid_identifier": ProblemType(400, "Not an identifier"),
    "invalid_ttl": ProblemType(400, "Not a time to live"),
    "hold_unknown": ProblemType(404, "There is no such hold"),
    "insufficient_quantity": ProblemType(409, "Too little is free"),
    "quantity_overflow": ProblemType(409, "More than a balance can hold"),
    "hold_expired": ProblemType(409, "The hold has expired"),
    "hold_resolved": ProblemType(409, "The hold was committed or released"),
    "idempotency_conflict": ProblemType(422, "The key was used with other arguments"),
    "ledger_busy": ProblemType(503, "The database is busy; try again"),
    # The API's own.
    "invalid_parameter": ProblemType(400, "A query parameter is wrong"),
    "idempotency_key_missing": ProblemType(400, "The Idempotency-Key header is missing"),
    "idempotency_key_malformed": ProblemType(400, "The Idempotency-Key header is malformed"),
    "subject_forbidden": ProblemType(403, "The subject is not the caller's"),
    "bad_request": ProblemType(400, "The request is malformed, or has too many parameters"),
    "length_required": ProblemType(411, "A body needs a Content-Length"),
    "request_too_large": ProblemType(413, "The body is too large"),
    # Django REST framework's, under its names.
    "parse_error": ProblemType(400, "The body is no JSON"),
    "not_authenticated": ProblemType(401, "Credentials are missing"),
    "authentication_failed": ProblemType(401, "The credentials are wrong"),
    "permission_denied": ProblemType(403, "A permission is missing"),
    "not_found": ProblemType(404, "There is no such thing"),
    "method_not_allowed": ProblemType(405, "The method is not allowed here"),
    "not_acceptable": ProblemType(406, "Only JSON is spoken here"),
    "unsupported_media_type": ProblemType(415, "The body must be application/json"),
    "throttled": ProblemType(429, "Too many requests"),
}
"""Every code that these views answer with. The list in the documentation is made from it."""

MEMBERS: Final[dict[type[InventoryError], dict[str, str]]] = {
    InvalidOperation: {"field": "field"},
    InsufficientQuantity: {"shortages": "shortages"},
    QuantityOverflow: {
        "subject": "subject",
        "item": "item",
        "requested": "requested",
        "available": "available",
    },
    HoldUnknown: {"hold_id": "hold_id"},
    HoldExpired: {"hold_id": "hold_id", "expires_at": "expires_at"},
    # A problem's ``status`` is that of the answer.
    HoldResolved: {"hold_id": "hold_id", "hold_status": "status"},
    IdempotencyConflict: {"key": "key", "fields": "fields"},
}
"""By error, which of its attributes the problem carries, and under which name."""


class RequestRefused(drf.APIException):
    """The API itself refuses a request, before the ledger is asked.

    Args:
        code: one of ``PROBLEM_TYPES``.
        detail: for people.
        members: more members of the problem.
    """

    def __init__(self, code: str, detail: str, **members: object) -> None:
        self.status_code = PROBLEM_TYPES[code].status
        self.code = code
        self.members = members
        super().__init__(detail, code)


class ProblemRenderer(JSONRenderer):
    """JSON under the media type of problems."""

    media_type = PROBLEM_MEDIA_TYPE


class ProblemResponse(Response):
    """A problem, which is sent as JSON whatever the client accepts."""

    def __init__(self, problem: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(problem, problem["status"], headers=headers)


def problem_of(error: InventoryError) -> dict[str, Any]:
    """Return what the ledger refused as a problem; in a batch it names the position."""
    members: dict[str, object] = {}
    for error_class, attributes in MEMBERS.items():
        if isinstance(error, error_class):
            members = {name: getattr(error, attribute) for name, attribute in attributes.items()}
    if error.index is not None:
        members["index"] = error.index
    return _problem(error.code, PROBLEM_TYPES[error.code].status, str(error), members)


def handle_exception(error: Exception, _context: dict[str, Any]) -> Response | None:
    """Return the answer to whatever a view has raised; None for what is a bug, not a refusal."""
    if isinstance(error, Http404):
        error = drf.NotFound()
    elif isinstance(error, PermissionDenied):
        error = drf.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = RequestRefused("request_too_large", "The body is larger than this site takes.")
    elif isinstance(error, BadRequest | SuspiciousOperation):
        # Django's own words for it are about its settings.
        error = RequestRefused("bad_request", "This site does not read such a request.")
    if isinstance(error, InventoryError):
        headers = {}
        if isinstance(error, LedgerBusy):
            headers["Retry-After"] = str(BUSY_RETRY_AFTER_SECONDS)
        return ProblemResponse(problem_of(error), headers)
    if isinstance(error, drf.APIException):
        return _answer_to_drf(error)
    return None


def _answer_to_drf(error: drf.APIException) -> ProblemResponse:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(ceil(wait))
    members = error.members if isinstance(error, RequestRefused) else {}
    if isinstance(error, drf.ValidationError):
        # Of the filters: by the name of each parameter, what is wrong with it.
        code, detail, members = "invalid_parameter", "See errors.", {"errors": error.detail}
    elif isinstance(error.detail, list | dict):
        # What an authentication of the project's own may raise, such as for a stale token.
        code, detail, members = error.default_code, "See errors.", {"errors": error.detail}
    else:
        code, detail = error.detail.code or error.default_code, str(error.detail)
    return ProblemResponse(_problem(code, error.status_code, detail, members), headers)


def _problem(
    code: str, status: int, detail: str, members: dict[str, object] | dict[str, Any]
) -> dict[str, Any]:
    known = PROBLEM_TYPES.get(code)
    return {
        # The project's own errors, such as a permission class's, have no type of ours.
        "type": f"{TYPE_PREFIX}{code}" if known else "about:blank",
        "title": known.title if known else responses.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        **{name: _plain(value) for name, value in members.items()},
    }


def _plain(value: Any) -> Any:
    """Return an attribute of an error as JSON has it."""
    if isinstance(value, tuple | list):
        return [_plain(member) for member in value]
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    return value
