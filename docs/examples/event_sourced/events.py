"""What has happened, as data: to a row's text and back, and folded into what stands now."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from uuid import UUID

from django_inventory.ledgers.batch import Record
from django_inventory.rules import BalanceState, EntryState, HoldState, Place
from django_inventory.values import HoldSnapshot, HoldStatus


@dataclass(frozen=True)
class KeyUsed:
    """An idempotency key was used: for what, and with what result."""

    scope: str
    key: str
    record: Record


Fact = EntryState | KeyUsed


def to_text(fact: Fact) -> str:
    """Return a fact as JSON; ids and times as their text."""
    return json.dumps(asdict(fact), default=str)


def entry_from(text: str) -> EntryState:
    """Return the entry that ``to_text`` has written."""
    data = json.loads(text)
    if hold := data["hold"]:
        hold["id"], hold["status"] = UUID(hold["id"]), HoldStatus(hold["status"])
        hold["expires_at"] = datetime.fromisoformat(hold["expires_at"])
        data["hold"] = HoldSnapshot(**hold)
    for name in ("effective_at", "created_at"):
        data[name] = datetime.fromisoformat(data[name])
    return EntryState(**{**data, "operation_id": UUID(data["operation_id"])})


def key_from(text: str) -> KeyUsed:
    """Return the use of a key that ``to_text`` has written."""
    data = json.loads(text)
    record = data.pop("record")
    record["operation_id"] = UUID(record["operation_id"])
    return KeyUsed(**data, record=Record(**record))


@dataclass
class State:
    """What stands after some events, as the rules want to read it.

    Attributes:
        now, scope: of the call that reads it.
        number: that of the last event.
    """

    now: datetime
    scope: str
    number: int = 0
    entries_by_operation: dict[UUID, list[EntryState]] = field(default_factory=dict)
    balances: dict[Place, BalanceState] = field(default_factory=dict)
    holds: dict[UUID, HoldState] = field(default_factory=dict)
    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    resolved_by: dict[UUID, UUID] = field(default_factory=dict)

    def apply(self, fact: Fact) -> None:
        """Take in the next event."""
        if isinstance(fact, KeyUsed):
            self.records[fact.scope, fact.key] = fact.record
            return
        place, hold = (fact.subject, fact.item), fact.hold
        self.entries_by_operation.setdefault(fact.operation_id, []).append(fact)
        # A commit to somebody has an entry of the receiver's too, which changes no hold.
        if hold is not None and hold.subject == fact.subject:
            is_active = hold.status is HoldStatus.ACTIVE
            resolved_at = None if is_active else fact.created_at
            self.holds[hold.id] = HoldState(**asdict(hold), resolved_at=resolved_at)
            if not is_active:
                self.resolved_by[hold.id] = fact.operation_id
        self.balances[place] = BalanceState(
            *place, fact.quantity_after, fact.on_hold_after, version=fact.sequence
        )

    def active_holds(self, place: Place) -> list[HoldState]:
        """Return the holds on a balance whose end is not recorded, by (expires_at, id)."""
        holds = [
            hold
            for hold in self.holds.values()
            if hold.place == place and hold.status is HoldStatus.ACTIVE
        ]
        return sorted(holds, key=lambda hold: (hold.expires_at, hold.id))

    # What the rules ask for -----------------------------------------------------------------

    def balance(self, place: Place) -> BalanceState | None:
        """Return the balance, or None where nothing was ever owned."""
        if (balance := self.balances.get(place)) is None:
            return None
        expiries = [hold.expires_at for hold in self.active_holds(place)]
        return replace(balance, next_expiry_at=min(expiries, default=None))

    def hold(self, hold_id: UUID) -> HoldState | None:
        """Return the hold, or None where there is none of that id."""
        return self.holds.get(hold_id)

    def overdue_holds(self, place: Place) -> list[HoldState]:
        """Return the balance's overdue holds in the order of (expires_at, id)."""
        return [hold for hold in self.active_holds(place) if hold.is_overdue(self.now)]

    def resolution(self, hold_id: UUID) -> list[EntryState]:
        """Return the entries of the operation that resolved the hold."""
        return self.entries(self.resolved_by[hold_id])

    def record(self, key: str) -> Record | None:
        """Return what the key was used for before this call, or None."""
        return self.records.get((self.scope, key))

    def entries(self, operation_id: UUID) -> list[EntryState]:
        """Return the entries of the operation of a used key."""
        return self.entries_by_operation[operation_id]
