"""What the model-based tests do to every ledger, and what they hear back, in a common shape.

A hold has another id in each ledger, so here it has the number under which it was made, from 0; an
operation has the number under which it acted. Nothing here knows a ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django_inventory.operations import (
    Acquire,
    Commit,
    Consume,
    Extend,
    Hold,
    Operation,
    Release,
    Transfer,
)

Place = tuple[str, str]

OPERATIONS: Final[dict[str, type[Operation]]] = {
    "acquire": Acquire,
    "consume": Consume,
    "transfer": Transfer,
    "hold": Hold,
    "commit": Commit,
    "release": Release,
    "extend": Extend,
}
UNKNOWN_HOLD: Final = UUID("01900000-0000-7000-8000-000000000000")
"""An id that no ledger has given to a hold."""


@dataclass(frozen=True)
class Call:
    """One operation, by the names of its arguments.

    ``hold_id`` is a hold's number. Below zero it counts back from the newest hold, -1, at the time
    of the call; None is a hold that never was.
    """

    verb: str
    arguments: Mapping[str, Any]

    def named(self, holds: int) -> Call:
        """Return the call with the hold's own number, where ``holds`` have been made so far."""
        number = self.arguments.get("hold_id")
        if number is None or number >= 0:
            return self
        return self.changed(hold_id=holds + number if holds + number >= 0 else None)

    def changed(self, **arguments: object) -> Call:
        """Return the call with other arguments."""
        return Call(self.verb, {**self.arguments, **arguments})

    def keywords(self, hold_ids: Sequence[UUID]) -> dict[str, Any]:
        """Return the arguments for a ledger whose holds have these ids."""
        keywords = dict(self.named(len(hold_ids)).arguments)
        if "hold_id" in keywords:
            number = keywords["hold_id"]
            keywords["hold_id"] = UNKNOWN_HOLD if number is None else hold_ids[number]
        return keywords

    def operation(self, hold_ids: Sequence[UUID]) -> Operation:
        """Return the operation for a ledger whose holds have these ids."""
        return OPERATIONS[self.verb](**self.keywords(hold_ids))


@dataclass(frozen=True)
class Post:
    """One call of ``post``, or with ``is_single`` of the verb itself."""

    calls: list[Call]
    scope: str = ""
    is_atomic: bool = True
    is_single: bool = False


@dataclass(frozen=True)
class Sweep:
    """One call of ``expire_holds``."""

    limit: int | None


@dataclass(frozen=True)
class Block:
    """A transaction of the caller's, or a savepoint in one, with calls of the ledger inside."""

    actions: list[Post | Sweep | Block]
    rolls_back: bool


Action = Post | Sweep | Block


class BalanceView(NamedTuple):
    subject: str
    item: str
    quantity: int
    on_hold: int


class HoldView(NamedTuple):
    number: int
    quantity: int
    remaining: int
    status: str
    expires_at: datetime


class Answer(NamedTuple):
    """A receipt. ``operation`` is a number, or for an expiry "expire" and the hold's number."""

    operation: int | str
    kind: str
    key: str | None
    balances: tuple[BalanceView, ...]
    hold: HoldView | None
    replayed: bool


@dataclass(frozen=True)
class Refusal:
    """An error. ``attributes`` None stands for those that the oracle does not foretell."""

    code: str
    index: int | None
    attributes: dict[str, Any] | None = None

    def agrees_with(self, other: object) -> bool:
        """Tell whether both say the same, as far as both say it."""
        if not isinstance(other, Refusal):
            return False
        is_silent = self.attributes is None or other.attributes is None
        return (self.code, self.index) == (other.code, other.index) and (
            is_silent or self.attributes == other.attributes
        )


Result = Answer | Refusal
