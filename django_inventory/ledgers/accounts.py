"""One balance as its journal tells it, entry by entry, and what does not fit in that.

Owns what an entry says about its balance and its hold, and which entries contradict one another.
Must not do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django_inventory.rules import status_after

ENTRY_COLUMNS: Final = (
    "balance_id", "sequence", "kind", "quantity_delta", "on_hold_delta", "quantity_after",
    "on_hold_after", "hold_id", "hold_remaining", "hold_expires_at", "effective_at", "created_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that is not as the journal says, or in which the journal contradicts itself.

    Attributes:
        code: what kind of thing: ``balance``, ``hold``, ``journal``, ``operation`` or ``key``.
        name: which one: "subject / item", a hold's id, an operation's id or "scope / key".
        field: what of it.
        expected, found: the two values, as text.
        is_repairable: whether the journal tells what should stand there.
        is_repaired: whether it stands there now.
    """

    code: str
    name: str
    field: str
    expected: str
    found: str
    is_repairable: bool = True
    is_repaired: bool = False

    def __str__(self) -> str:
        repaired = " (repaired)" if self.is_repaired else ""
        return (
            f"{self.code} {self.name}: {self.field} is {self.found}, not {self.expected}{repaired}"
        )


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """What a hold's row says, or should say. The fields are the columns'."""

    balance_id: int
    quantity: int
    remaining: int
    status: str
    expires_at: datetime
    resolved_at: datetime | None


@dataclass(slots=True)
class Account:
    """One balance as its entries tell it, as far as they have been read.

    Attributes:
        pk, name: which balance.
        version, quantity, on_hold: as the last entry says.
        active: the holds that reserve something after the last entry.
        resolved: the holds that the journal is done with; once they are compared with their rows
            they can be forgotten.
        wrong: those of ``resolved`` whose rows were found to differ.
    """

    pk: int
    name: str
    version: int = 0
    quantity: int = 0
    on_hold: int = 0
    active: dict[UUID, HoldFacts] = field(default_factory=dict)
    resolved: dict[UUID, HoldFacts] = field(default_factory=dict)
    wrong: dict[UUID, HoldFacts] = field(default_factory=dict)
    _flaws: list[Mismatch] = field(default_factory=list)

    def read(self, row: tuple[Any, ...]) -> None:
        """Take in the next entry, ``ENTRY_COLUMNS``."""
        _, sequence, kind, quantity_delta, on_hold_delta, quantity, on_hold, *hold, _, _ = row
        effective_at, created_at = row[-2:]
        hold_id, remaining, expires_at = hold
        self._expect(sequence, "sequence", self.version + 1, sequence)
        self._expect(sequence, "quantity_after", self.quantity + quantity_delta, quantity)
        self._expect(sequence, "on_hold_after", self.on_hold + on_hold_delta, on_hold)
        # Go on from what the entry says, so that one flaw is told once.
        self.version, self.quantity, self.on_hold = sequence, quantity, on_hold
        due_at = expires_at if kind == "expire" else created_at
        self._expect(sequence, "effective_at", due_at, effective_at)
        if not _fits(kind, quantity_delta, on_hold_delta, has_hold=hold_id is not None):
            deltas = f"{quantity_delta:+d} and {on_hold_delta:+d}"
            on_what = "no hold" if hold_id is None else f"hold {hold_id}"
            self._flaw(f"kind of entry {sequence}", f"one for {deltas}, {on_what}", kind)
        elif hold_id is not None and (on_hold_delta or kind == "extend"):
            # Not the receiver's side of a commit.
            self._read_hold(sequence, kind, on_hold_delta, hold_id, remaining, expires_at)
            if not remaining and hold_id in self.resolved:
                pass

    def facts(self) -> dict[str, Any]:
        """Return what the balance's row should say."""
        expiries = [hold.expires_at for hold in self.active.values()]
        return {
            "version": self.version,
            "quantity": self.quantity,
            "on_hold": self.on_hold,
            "next_expiry_at": min(expiries, default=None),
        }
