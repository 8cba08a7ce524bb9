"""From a body's JSON to operations.

Owns which members a body has: those of the operations' dataclasses, under the same names. Whether
their values are right is decided by the dataclasses. Must not know requests or callers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, Final, cast, get_args

from django_inventory.exceptions import InvalidOperation, InvalidTTL, InventoryError
from django_inventory.operations import Operation

MAX_BATCH_OPERATIONS: Final = 1_000
SHOWN_NAME_LENGTH: Final = 64

OPERATIONS: Final[dict[str, type[Operation]]] = {
    operation.kind: operation for operation in get_args(Operation)
}
"""The dataclass of each verb, by its kind."""


def make_operation(
    kind: str, body: object, actor: str, *, fixed: Mapping[str, object] | None = None
) -> Operation:
    """Return the operation that a body asks for.

    Args:
        kind: one of ``OPERATIONS``.
        fixed: arguments that come from elsewhere, so that the body must not have them.

    Raises:
        InvalidOperation: the body is no object, lacks an argument or has one that is unknown, or
            the operation refuses one.
    """
    fixed = fixed or {}
    arguments = _members("body", body)
    required, known = argument_names(kind)
    for name in arguments:
        if name not in known or name in fixed:
            raise InvalidOperation(_shown(name), "is not known here.")
    for name in required:
        if name not in arguments and name not in fixed:
            raise InvalidOperation(name, "is required.")
    if isinstance(arguments.get("ttl"), float):
        raise InvalidTTL("ttl", "must be a whole number of seconds.")
    make = cast("Any", OPERATIONS[kind])
    return cast("Operation", make(**arguments, **fixed, actor=actor))


def read_batch(body: object) -> tuple[bool, list[object]]:
    """Return what a batch says: whether it is atomic, and its operations, not yet looked at.

    Raises:
        InvalidOperation: the body is no batch, or one of too many operations or of none.
    """
    batch = _members("body", body)
    for name in batch:
        if name not in {"atomic", "operations"}:
            raise InvalidOperation(_shown(name), "is not known here.")
    atomic = batch.get("atomic", True)
    if not isinstance(atomic, bool):
        raise InvalidOperation("atomic", "must be true or false.")
    operations = batch.get("operations")
    if not isinstance(operations, list):
        raise InvalidOperation("operations", "must be an array.")
    if not 1 <= len(operations) <= MAX_BATCH_OPERATIONS:
        raise InvalidOperation("operations", f"must have 1 to {MAX_BATCH_OPERATIONS:,} operations.")
    return atomic, operations


def make_each(bodies: list[object], actor: str) -> Iterator[Operation | InventoryError]:
    """Yield the operation that each body asks for, or what is wrong with it."""
    for index, body in enumerate(bodies):
        try:
            yield _make_tagged(body, actor)
        except InvalidOperation as error:
            error.index = index
            yield error


def _make_tagged(body: object, actor: str) -> Operation:
    arguments = dict(_members("operations", body))
    kind = arguments.pop("kind", None)
    if not (isinstance(kind, str) and kind in OPERATIONS):
        raise InvalidOperation("kind", f"must be one of {', '.join(OPERATIONS)}.")
    return make_operation(kind, arguments, actor)


def kinds_in(body: object) -> set[str]:
    """Return the verbs that a batch asks for, of which the body itself may be malformed."""
    operations = body.get("operations") if isinstance(body, Mapping) else None
    bodies = operations if isinstance(operations, list) else []
    kinds = [member.get("kind") for member in bodies if isinstance(member, Mapping)]
    return {kind for kind in kinds if isinstance(kind, str) and kind in OPERATIONS}


@cache
def argument_names(kind: str) -> tuple[list[str], frozenset[str]]:
    """Return the arguments that a verb needs, and all that it takes from a body.

    Not the actor, which is the caller and never what a body claims.
    """
    arguments = [field for field in fields(OPERATIONS[kind]) if field.name != "actor"]
    required = [field.name for field in arguments if field.default is MISSING]
    return required, frozenset(field.name for field in arguments)


def _members(field: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidOperation(field, "must be a JSON object.")
    return value


def _shown(name: str) -> str:
    """Return a name that came from outside as an error may show it: short, and valid Unicode."""
    return name[:SHOWN_NAME_LENGTH].encode("utf-8", "replace").decode()
