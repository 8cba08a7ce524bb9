"""What may stand in an operation: the checks of single arguments, and the limits they hold to.

Owns what a subject, an item, a quantity and the rest of them look like. Each check returns the
value in the form that is stored, so that nothing behind it checks again. Must not know operations,
balances, databases or time.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, Final, TypeGuard, TypeVar
from uuid import UUID

from django_inventory.exceptions import (
    InvalidIdentifier,
    InvalidOperation,
    InvalidQuantity,
    InvalidTTL,
)
from django_inventory.values import MAX_QUANTITY

T = TypeVar("T")

MAX_IDENTIFIER_LENGTH: Final = 255
MAX_TTL: Final = timedelta(days=36_525)
MAX_METADATA_BYTES: Final = 65_536
MAX_METADATA_DEPTH: Final = 20

_TOO_LONG: Final = f"must have at most {MAX_METADATA_BYTES} bytes as JSON."

# Control characters (Unicode Cc) and surrogates, which UTF-8 cannot carry.
_UNSTORABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSTORABLE_IN_JSON: Final = re.compile("[\x00\ud800-\udfff]")


def _is_plain(value: str) -> bool:
    """Tell, fast, of most identifiers that they are fine.

    What is printable has no control characters, no surrogates and no white space but the space.
    """
    return (
        0 < len(value) <= MAX_IDENTIFIER_LENGTH
        and value.isprintable()
        and value[0] != " " != value[-1]
    )


def _is_really(value: object, kind: type[T]) -> TypeGuard[T]:
    """Tell whether ``value`` is one by its type; mocks and lazy objects only say that they are."""
    return issubclass(type(value), kind)


def check_identifier(field: str, value: object) -> str:
    """Return ``value`` as an identifier: 1-255 characters, compared exactly.

    Raises:
        InvalidIdentifier: no string, empty, too long, with control characters or surrogates, or
            with white space at either end.
    """
    if type(value) is str and _is_plain(value):
        return value
    if not _is_really(value, str):
        raise InvalidIdentifier(field, f"must be a string, not {type(value).__name__}.")
    # Not str(value), which for a member of an Enum that mixes in str gives its name.
    text = str.__str__(value)
    if not text:
        raise InvalidIdentifier(field, "must not be empty.")
    if len(text) > MAX_IDENTIFIER_LENGTH:
        raise InvalidIdentifier(field, f"must have at most {MAX_IDENTIFIER_LENGTH} characters.")
    if _UNSTORABLE.search(text):
        raise InvalidIdentifier(field, "must not contain control characters or surrogates.")
    if text != text.strip():
        raise InvalidIdentifier(field, "must not begin or end with white space.")
    return text


def check_subject(field: str, value: object) -> str:
    """Return ``value`` as a subject; a saved model instance becomes ``"app_label.model:pk"``.

    A proxy model counts as the model that it stands for, so that one row is one subject.

    Raises:
        InvalidIdentifier: as ``check_identifier``, and for an instance that is not saved.
    """
    if _is_really(value, str):
        return check_identifier(field, value)
    meta = getattr(value, "_meta", None)
    state = getattr(value, "_state", None)
    if meta is None or state is None or isinstance(value, type):
        raise InvalidIdentifier(
            field, f"must be a string or a saved model instance, not {type(value).__name__}."
        )
    pk = getattr(value, "pk", None)
    if pk is None or state.adding:
        raise InvalidIdentifier(field, "is a model instance that is not saved yet.")
    return check_identifier(field, f"{meta.concrete_model._meta.label_lower}:{pk}")


def check_scope(value: object) -> str:
    """Return ``value`` as a scope of keys: like an identifier, but it may be empty.

    Raises:
        InvalidIdentifier: as ``check_identifier``.
    """
    return "" if value == "" else check_identifier("scope", value)


def check_hold_id(value: object) -> UUID:
    """Return ``value``, a UUID or its text, as a UUID.

    Raises:
        InvalidIdentifier: it is neither.
    """
    if _is_really(value, UUID):
        return value
    if _is_really(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise InvalidIdentifier("hold_id", "must be a UUID.")


def check_quantity(value: object, field: str = "quantity") -> int:
    """Return ``value`` as a quantity: a whole number of the item's smallest unit.

    Raises:
        InvalidQuantity: no ``int`` (a ``bool`` is none either), below 1 or above 2**63 - 1.
    """
    if not _is_really(value, int) or isinstance(value, bool):
        raise InvalidQuantity(field, f"must be an int, not {type(value).__name__}.")
    # Checked as what is stored: a subclass can compare as another number than it becomes.
    quantity = int(value)
    if not 1 <= quantity <= MAX_QUANTITY:
        raise InvalidQuantity(field, f"must be from 1 to {MAX_QUANTITY}.")
    return quantity


def check_ttl(value: object) -> timedelta:
    """Return ``value``, a timedelta or a number of seconds, as a timedelta.

    Raises:
        InvalidTTL: neither of them, not above zero (at the resolution of one microsecond), or
            above 36,525 days.
    """
    if _is_really(value, timedelta):
        ttl = value
    elif (_is_really(value, int) or _is_really(value, float)) and not isinstance(value, bool):
        # Compared before it becomes a timedelta, which answers NaN, infinities and huge numbers
        # with errors of three other kinds.
        if not 0 < value <= MAX_TTL.total_seconds():
            raise InvalidTTL("ttl", f"must be above zero and at most {MAX_TTL.days} days.")
        ttl = timedelta(seconds=value)
    else:
        raise InvalidTTL(
            "ttl", f"must be a timedelta or a number of seconds, not {type(value).__name__}."
        )
    if not timedelta(0) < ttl <= MAX_TTL:
        raise InvalidTTL("ttl", f"must be above zero and at most {MAX_TTL.days} days.")
    return ttl


def check_reference(value: object) -> str:
    """Return ``value`` as a reference: free text of at most 255 characters, possibly empty.

    Raises:
        InvalidOperation: no string, too long, or with control characters or surrogates.
    """
    if value == "":
        return ""
    if not _is_really(value, str):
        raise InvalidOperation("reference", f"must be a string, not {type(value).__name__}.")
    if len(value) > MAX_IDENTIFIER_LENGTH:
        raise InvalidOperation(
            "reference", f"must have at most {MAX_IDENTIFIER_LENGTH} characters."
        )
    if _UNSTORABLE.search(value):
        raise InvalidOperation("reference", "must not contain control characters or surrogates.")
    return str.__str__(value)


def _check_json(value: object) -> None:
    """Refuse what no database of ours would give back as it went in, and what is too much.

    Stops as soon as it has seen more than can fit: a few lists that hold one another many times
    over are little in memory and without end as JSON.
    """
    room = MAX_METADATA_BYTES
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        member, depth = pending.pop()
        room -= 1
        if _is_really(member, str):
            room -= len(member)
            if _UNSTORABLE_IN_JSON.search(member):
                raise InvalidOperation("metadata", "must not contain NUL or surrogates.")
        elif _is_really(member, int):
            # More than a digit for every four bits.
            room -= member.bit_length() // 4
        elif _is_really(member, dict) or _is_really(member, list) or _is_really(member, tuple):
            room -= len(member)
            if room >= 0:
                pending.extend((inner, depth + 1) for inner in _members_of(member, depth))
        if room < 0:
            raise InvalidOperation("metadata", _TOO_LONG)


def _members_of(container: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
    """Return all names and values in a container that stands ``depth`` levels deep."""
    if depth > MAX_METADATA_DEPTH:
        raise InvalidOperation("metadata", f"must nest at most {MAX_METADATA_DEPTH} levels.")
    if not isinstance(container, dict):
        return list(container)
    if not all(isinstance(name, str) for name in container):
        raise InvalidOperation("metadata", "must have strings for names.")
    return [*container, *container.values()]


def _exact_float(text: str) -> float | int:
    """Return a float as every database gives it back.

    PostgreSQL keeps 1e23 as a one and 23 zeros, which is another number than the float 1e23. A
    whole number with all the digits of the float is the same everywhere.
    """
    value = float(text)
    return int(value) if "e" in text and value.is_integer() else value


# Made once: json.dumps() makes one a call where it is given options.
_ENCODER: Final = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":"))


def canonical_json(value: object) -> str:
    """Return ``value`` as JSON, the same text for the same JSON; True is not 1 there."""
    return _ENCODER.encode(value)


def check_metadata(value: object) -> dict[str, Any] | None:
    """Return ``value`` as metadata: None, or a copy of the JSON object that it is.

    Raises:
        InvalidOperation: no dict with string names, not JSON (NaN and infinities included),
            nested deeper than 20 levels, above 65,536 bytes, or with NUL or surrogates in it.
    """
    if value is None:
        return None
    if not _is_really(value, dict):
        raise InvalidOperation("metadata", f"must be a dict, not {type(value).__name__}.")
    _check_json(value)
    try:
        text = canonical_json(value)
    except (TypeError, ValueError) as error:
        raise InvalidOperation("metadata", "must be a JSON object.") from error
    if len(text) > MAX_METADATA_BYTES:
        raise InvalidOperation("metadata", _TOO_LONG)
    copy: dict[str, Any] = json.loads(text, parse_float=_exact_float)
    return copy
