"""What comes out of the ledger: frozen values, free of any database.

Owns the shape of every answer. Nothing here computes or decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

MAX_QUANTITY: Final = 2**63 - 1
"""The largest quantity of an operation, and the largest total of a balance (BIGINT's limit)."""


class HoldStatus(StrEnum):
    """Where a hold stands in its life; all but ``ACTIVE`` are final."""

    ACTIVE = "active"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class BalanceSnapshot:
    """What one subject owns of one item at one moment.

    ``quantity`` is the free part, ``on_hold`` the part that active holds reserve, both in the
    item's smallest unit.
    """

    subject: str
    item: str
    quantity: int
    on_hold: int

    @property
    def total(self) -> int:
        """All that is owned: the free part and the part on hold."""
        return self.quantity + self.on_hold


@dataclass(frozen=True, slots=True)
class HoldSnapshot:
    """A hold at one moment.

    ``quantity`` is what was reserved at first, ``remaining`` what is reserved now (0 once the
    hold is resolved). ``expires_at`` is the first instant at which the hold no longer counts.
    """

    id: UUID
    subject: str
    item: str
    quantity: int
    remaining: int
    status: HoldStatus
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a mutation did.

    ``balances`` are the balances that it touched as they stood right after it: the owner's; for a
    transfer the source's and the destination's; for a commit to somebody the holder's and the
    receiver's. A replayed receipt equals the first one in everything but ``replayed``, however
    far the balances have moved since.
    """

    operation_id: UUID
    kind: str
    key: str | None
    balances: tuple[BalanceSnapshot, ...]
    hold: HoldSnapshot | None
    replayed: bool


@dataclass(frozen=True, slots=True)
class Shortage:
    """One balance that had too little free.

    In a batch ``requested`` is all that the batch had asked of the balance up to there, and
    ``available`` all that was there for it, credits earlier in the batch included.
    """

    subject: str
    item: str
    requested: int
    available: int
