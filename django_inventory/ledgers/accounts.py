"""One balance as its journal tells it, entry by entry, and what does not fit in that.

Owns what an entry says about its balance and its hold, and which entries contradict one another.
Must not do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django_inventory.operations import Extend, Hold, Release
from django_inventory.rules import EXPIRE, status_after

FINAL_KINDS: Final = frozenset({Release.kind, EXPIRE})

ENTRY_COLUMNS: Final = (
    "balance_id", "sequence", "kind", "quantity_delta", "on_hold_delta", "quantity_after",
    "on_hold_after", "hold_id", "hold_remaining", "hold_expires_at", "created_at",
)  # fmt: skip
"""What is read of each entry. No texts, so that a page of entries stays small."""


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
        _, sequence, kind, quantity_delta, on_hold_delta, quantity, on_hold, hold_id, *_ = row
        if sequence != self.version + 1:
            self._flaw(f"sequence of entry {sequence}", self.version + 1, sequence)
        if quantity != self.quantity + quantity_delta:
            expected = self.quantity + quantity_delta
            self._flaw(f"quantity_after of entry {sequence}", expected, quantity)
        if on_hold != self.on_hold + on_hold_delta:
            expected = self.on_hold + on_hold_delta
            self._flaw(f"on_hold_after of entry {sequence}", expected, on_hold)
        # Go on from what the entry says, so that one flaw is told once.
        self.version, self.quantity, self.on_hold = sequence, quantity, on_hold
        if not _fits(kind, quantity_delta, on_hold_delta, has_hold=hold_id is not None):
            on_what = "no hold" if hold_id is None else "a hold"
            changes = f"one for {quantity_delta:+d} and {on_hold_delta:+d} with {on_what}"
            self._flaw(f"kind of entry {sequence}", changes, kind)
        if hold_id is not None and (on_hold_delta or kind in {Hold.kind, Extend.kind}):
            self._read_hold(row)

    def _read_hold(self, row: tuple[Any, ...]) -> None:
        """Take in what an entry of its holder's says about a hold."""
        _, sequence, kind, _, delta, _, _, hold_id, remaining, expires_at, created_at = row
        known = self.active.pop(hold_id, None)
        if (known is None) != (kind == Hold.kind):
            expected = "a new one" if known else "one that is active"
            self._flaw(f"hold of entry {sequence}", expected, hold_id)
            return
        expected_remaining = delta + (known.remaining if known else 0)
        if remaining != expected_remaining or (remaining and kind in FINAL_KINDS):
            self._flaw(f"hold_remaining of entry {sequence}", expected_remaining, remaining)
        if expires_at is None or (known and kind != Extend.kind and expires_at != known.expires_at):
            expected_expiry = known.expires_at if known else "a time"
            self._flaw(f"hold_expires_at of entry {sequence}", expected_expiry, expires_at)
        if remaining is None or expires_at is None:
            return
        facts = HoldFacts(
            balance_id=self.pk,
            quantity=known.quantity if known else delta,
            remaining=remaining,
            status=status_after(kind, remaining).value,
            expires_at=expires_at,
            resolved_at=None if remaining else created_at,
        )
        (self.active if remaining else self.resolved)[hold_id] = facts

    def facts(self) -> dict[str, Any]:
        """Return what the balance's row should say."""
        expiries = [hold.expires_at for hold in self.active.values()]
        return {
            "version": self.version,
            "quantity": self.quantity,
            "on_hold": self.on_hold,
            "next_expiry_at": min(expiries, default=None),
        }

    def flaws(self) -> list[Mismatch]:
        """Return in what the entries contradict one another."""
        held = sum(hold.remaining for hold in self.active.values())
        if self._flaws or held == self.on_hold:
            return list(self._flaws)
        return [self._mismatch("on_hold of the active holds", self.on_hold, held)]

    def _flaw(self, name: str, expected: object, found: object) -> None:
        self._flaws.append(self._mismatch(name, expected, found))

    def _mismatch(self, name: str, expected: object, found: object) -> Mismatch:
        return Mismatch("journal", self.name, name, str(expected), str(found), is_repairable=False)


def _fits(kind: str, quantity_delta: int, on_hold_delta: int, *, has_hold: bool) -> bool:
    """Tell whether an operation of that kind can change a balance in that way."""
    match kind:
        case "acquire":
            fits = not has_hold and quantity_delta > 0 and on_hold_delta == 0
        case "consume":
            fits = not has_hold and quantity_delta < 0 and on_hold_delta == 0
        case "transfer":
            fits = not has_hold and quantity_delta != 0 and on_hold_delta == 0
        case "hold":
            fits = has_hold and on_hold_delta > 0 and quantity_delta == -on_hold_delta
        case "commit":
            # The holder's side, where a rest may be released, or the receiver's.
            is_holders = on_hold_delta < 0 and 0 <= quantity_delta < -on_hold_delta
            fits = has_hold and (is_holders or (on_hold_delta == 0 and quantity_delta > 0))
        case "release" | "expire":
            fits = has_hold and on_hold_delta < 0 and quantity_delta == -on_hold_delta
        case "extend":
            fits = has_hold and quantity_delta == 0 and on_hold_delta == 0
        case _:
            fits = False
    return fits
