"""What goes in: one frozen dataclass per verb, valid from the moment it exists.

Owns what each verb takes and what of it makes up the intent: an operation that was made is well
formed, so nothing behind it checks again. Must not know balances, databases or time.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from datetime import timedelta
from functools import cache, lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from django_inventory.arguments import (
    MAX_IDENTIFIER_LENGTH,
    canonical_json,
    check_hold_id,
    check_identifier,
    check_metadata,
    check_quantity,
    check_reference,
    check_subject,
    check_ttl,
)
from django_inventory.exceptions import InvalidOperation

if TYPE_CHECKING:
    # The fields say what an operation has, these say what it can be made from.
    from django.db.models import Model

    Subject = str | Model
    Metadata = dict[str, Any] | None

__all__ = [
    "Acquire",
    "Commit",
    "Consume",
    "Extend",
    "Hold",
    "Operation",
    "Release",
    "Transfer",
]

MICROSECOND: Final = timedelta(microseconds=1)
DIGEST_HEX_LENGTH: Final = 16


def _digest(value: object) -> str:
    if isinstance(value, timedelta):
        value = value // MICROSECOND
    elif isinstance(value, UUID):
        value = str(value)
    text = canonical_json(value)
    return _known_digest(text) if len(text) <= MAX_IDENTIFIER_LENGTH else _new_digest(text)


def _new_digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=DIGEST_HEX_LENGTH // 2).hexdigest()


# Subjects, items and above all what was left at its default come again and again.
_known_digest = lru_cache(maxsize=1_024)(_new_digest)


@dataclass(frozen=True, slots=True)
class _Operation:
    """What all operations share. Not to be used by itself."""

    kind: ClassVar[str]

    def _set(self, **values: object) -> None:
        """Put normalised values in place; only while the instance is being made."""
        for name, value in values.items():
            if getattr(self, name) is not value:
                object.__setattr__(self, name, value)

    def fingerprint(self) -> str:
        """Return a digest of each argument that makes up the intent, side by side.

        16 hexadecimal digits (64 bits of BLAKE2b) for each of ``fingerprint_fields()``, so that a
        conflict can name the arguments that differ without keeping their values.
        """
        return "".join([_digest(getattr(self, name)) for name in self.fingerprint_fields()])

    @classmethod
    @cache
    def fingerprint_fields(cls) -> tuple[str, ...]:
        """Return the arguments that make up the intent: all but the key and the actor."""
        return tuple(field.name for field in fields(cls) if field.name not in {"key", "actor"})

    def differing_fields(self, fingerprint: str) -> tuple[str, ...]:
        """Return the names of the arguments whose digests differ from those in ``fingerprint``."""
        own = self.fingerprint()
        return tuple(
            name
            for number, name in enumerate(self.fingerprint_fields())
            if own[number * DIGEST_HEX_LENGTH :][:DIGEST_HEX_LENGTH]
            != fingerprint[number * DIGEST_HEX_LENGTH :][:DIGEST_HEX_LENGTH]
        )


@dataclass(frozen=True, slots=True)
class _Movement(_Operation):
    """What acquire and consume share: a quantity in or out of one balance."""

    key: str
    subject: str
    item: str
    quantity: int
    _: KW_ONLY
    reference: str = ""
    metadata: dict[str, Any] | None = None
    actor: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            key: str,
            subject: Subject,
            item: str,
            quantity: int,
            *,
            reference: str = "",
            metadata: Metadata = None,
            actor: Subject = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(
            key=check_identifier("key", self.key),
            subject=check_subject("subject", self.subject),
            item=check_identifier("item", self.item),
            quantity=check_quantity(self.quantity),
            **_check_notes(self),
        )


@dataclass(frozen=True, slots=True, init=False)
class Acquire(_Movement):
    """Credit ``quantity`` of ``item`` to ``subject``."""

    kind = "acquire"


@dataclass(frozen=True, slots=True, init=False)
class Consume(_Movement):
    """Debit ``quantity`` of ``item`` from what ``subject`` has free."""

    kind = "consume"


@dataclass(frozen=True, slots=True)
class Transfer(_Operation):
    """Move ``quantity`` of ``item`` from what ``source`` has free to ``destination``."""

    kind = "transfer"

    key: str
    source: str
    destination: str
    item: str
    quantity: int
    _: KW_ONLY
    reference: str = ""
    metadata: dict[str, Any] | None = None
    actor: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            key: str,
            source: Subject,
            destination: Subject,
            item: str,
            quantity: int,
            *,
            reference: str = "",
            metadata: Metadata = None,
            actor: Subject = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(
            key=check_identifier("key", self.key),
            source=check_subject("source", self.source),
            destination=check_subject("destination", self.destination),
            item=check_identifier("item", self.item),
            quantity=check_quantity(self.quantity),
            **_check_notes(self),
        )
        if self.source == self.destination:
            raise InvalidOperation("destination", "must differ from the source.")


@dataclass(frozen=True, slots=True)
class Hold(_Operation):
    """Reserve ``quantity`` of ``item`` that ``subject`` has free, for ``ttl`` from now."""

    kind = "hold"

    key: str
    subject: str
    item: str
    quantity: int
    ttl: timedelta
    _: KW_ONLY
    reference: str = ""
    metadata: dict[str, Any] | None = None
    actor: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            key: str,
            subject: Subject,
            item: str,
            quantity: int,
            ttl: timedelta | float,
            *,
            reference: str = "",
            metadata: Metadata = None,
            actor: Subject = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(
            key=check_identifier("key", self.key),
            subject=check_subject("subject", self.subject),
            item=check_identifier("item", self.item),
            quantity=check_quantity(self.quantity),
            ttl=check_ttl(self.ttl),
            **_check_notes(self),
        )


@dataclass(frozen=True, slots=True)
class Commit(_Operation):
    """Let what is held leave for good: consumed, or credited to ``to``.

    ``quantity`` None means all that is still held. Below that, the rest is released, or stays on
    hold with ``keep_remainder``, which needs a key: two equal part-commits are both meant.
    """

    kind = "commit"

    hold_id: UUID
    _: KW_ONLY
    quantity: int | None = None
    keep_remainder: bool = False
    to: str | None = None
    key: str | None = None
    reference: str = ""
    metadata: dict[str, Any] | None = None
    actor: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            hold_id: UUID | str,
            *,
            quantity: int | None = None,
            keep_remainder: bool = False,
            to: Subject | None = None,
            key: str | None = None,
            reference: str = "",
            metadata: Metadata = None,
            actor: Subject = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.keep_remainder, bool):
            raise InvalidOperation("keep_remainder", "must be a bool.")
        self._set(
            hold_id=check_hold_id(self.hold_id),
            quantity=None if self.quantity is None else check_quantity(self.quantity),
            to=None if self.to is None else check_subject("to", self.to),
            key=None if self.key is None else check_identifier("key", self.key),
            **_check_notes(self),
        )
        if self.keep_remainder and self.key is None:
            raise InvalidOperation("key", "is required with keep_remainder.")


@dataclass(frozen=True, slots=True)
class Release(_Operation):
    """Give back to the free quantity what is left on hold."""

    kind = "release"

    hold_id: UUID
    _: KW_ONLY
    key: str | None = None
    reference: str = ""
    metadata: dict[str, Any] | None = None
    actor: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            hold_id: UUID | str,
            *,
            key: str | None = None,
            reference: str = "",
            metadata: Metadata = None,
            actor: Subject = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(
            hold_id=check_hold_id(self.hold_id),
            key=None if self.key is None else check_identifier("key", self.key),
            **_check_notes(self),
        )


@dataclass(frozen=True, slots=True)
class Extend(_Operation):
    """Let the hold expire ``ttl`` from now, be that later or sooner than before."""

    kind = "extend"

    hold_id: UUID
    ttl: timedelta
    _: KW_ONLY
    key: str | None = None
    reference: str = ""
    metadata: dict[str, Any] | None = None
    actor: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            hold_id: UUID | str,
            ttl: timedelta | float,
            *,
            key: str | None = None,
            reference: str = "",
            metadata: Metadata = None,
            actor: Subject = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(
            hold_id=check_hold_id(self.hold_id),
            ttl=check_ttl(self.ttl),
            key=None if self.key is None else check_identifier("key", self.key),
            **_check_notes(self),
        )


Operation = Acquire | Consume | Transfer | Hold | Commit | Release | Extend


def _check_notes(operation: Operation | _Movement) -> dict[str, Any]:
    """Check what every operation takes beside its own arguments: reference, metadata, actor."""
    return {
        "reference": check_reference(operation.reference),
        "metadata": check_metadata(operation.metadata),
        "actor": "" if operation.actor == "" else check_subject("actor", operation.actor),
    }
