"""The table of a hold's life: what each state answers to commit, release and extend."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from django_inventory.exceptions import HoldExpired, HoldResolved, HoldUnknown
from django_inventory.ids import uuid7
from django_inventory.testing.contract.calls import HOLD_VERBS, gold, stock
from django_inventory.testing.contract.journal import journal
from django_inventory.testing.contract.refusals import refuses
from django_inventory.values import HoldSnapshot, HoldStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.exceptions import InventoryError
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock
    from django_inventory.values import Receipt


from django_inventory.testing.contract.base import Contract

TTL: Final = 60


def active(ledger: Ledger, clock: MovableClock) -> UUID:
    return stock(ledger, quantity=10, held=4, ttl=TTL)


def active_at_the_last_microsecond(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = active(ledger, clock)
    clock.advance(timedelta(seconds=TTL, microseconds=-1))
    return hold_id


def overdue(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = active(ledger, clock)
    clock.advance(seconds=TTL)
    return hold_id


def expired_by_the_sweep(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = overdue(ledger, clock)
    assert ledger.expire_holds() == 1
    return hold_id


def expired_by_a_mutation(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = overdue(ledger, clock)
    ledger.acquire("another", "alice", "gold", 1)
    ledger.consume("and back", "alice", "gold", 1)
    return hold_id


def committed(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = active(ledger, clock)
    ledger.commit(hold_id, to="bob", reference="first")
    return hold_id


def committed_in_parts(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = active(ledger, clock)
    ledger.commit(hold_id, quantity=1, keep_remainder=True, key="part")
    ledger.commit(hold_id, to="bob", reference="first")
    return hold_id


def committed_and_past_its_time(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = committed(ledger, clock)
    clock.advance(seconds=TTL)
    return hold_id


def released(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = active(ledger, clock)
    ledger.release(hold_id)
    return hold_id


def released_and_past_its_time(ledger: Ledger, clock: MovableClock) -> UUID:
    hold_id = released(ledger, clock)
    clock.advance(seconds=TTL)
    return hold_id


def never_seen(ledger: Ledger, clock: MovableClock) -> UUID:
    active(ledger, clock)
    return uuid7()


def never_seen_and_random(ledger: Ledger, clock: MovableClock) -> UUID:
    active(ledger, clock)
    return uuid4()


ACTS: Final = "acts"

REPLAYS: Final = "replays"

REPLAYS_THE_EXPIRY: Final = "replays the expiry"

ACTIVE: Final = {"commit": ACTS, "release": ACTS, "extend": ACTS}

EXPIRED: Final = {"commit": HoldExpired, "release": REPLAYS_THE_EXPIRY, "extend": HoldExpired}

COMMITTED: Final = {"commit": REPLAYS, "release": HoldResolved, "extend": HoldResolved}

RELEASED: Final = {"commit": HoldResolved, "release": REPLAYS, "extend": HoldResolved}

UNKNOWN: Final = dict.fromkeys(HOLD_VERBS, HoldUnknown)

TABLE: Final[dict[Callable[[Ledger, MovableClock], UUID], Any]] = {
    active: ACTIVE,
    active_at_the_last_microsecond: ACTIVE,
    overdue: EXPIRED,
    expired_by_the_sweep: EXPIRED,
    expired_by_a_mutation: EXPIRED,
    committed: COMMITTED,
    committed_in_parts: COMMITTED,
    committed_and_past_its_time: COMMITTED,
    released: RELEASED,
    released_and_past_its_time: RELEASED,
    never_seen: UNKNOWN,
    never_seen_and_random: UNKNOWN,
}

STATUSES: Final = {
    id(ACTIVE): HoldStatus.ACTIVE,
    id(EXPIRED): HoldStatus.EXPIRED,
    id(COMMITTED): HoldStatus.COMMITTED,
    id(RELEASED): HoldStatus.RELEASED,
}

ROWS: Final = [
    (state, verb, outcome) for state, row in TABLE.items() for verb, outcome in row.items()
]

KEYS: Final = [None, "key"]


def do(ledger: Ledger, verb: str, hold_id: UUID, key: str | None) -> Receipt:
    if verb == "commit":
        return ledger.commit(hold_id, to="bob", reference="first", key=key)
    if verb == "release":
        return ledger.release(hold_id, key=key)
    return ledger.extend(hold_id, 2 * TTL, key=key)


def select(*outcomes: object) -> pytest.MarkDecorator:
    """Run a test with the rows of the table that have one of these outcomes."""
    return pytest.mark.parametrize(
        ("state", "verb", "outcome"),
        [
            pytest.param(*row, id=f"{row[0].__name__}-{row[1]}")
            for row in ROWS
            if row[2] in outcomes
        ],
    )


class HoldTable(Contract):
    def test_the_table_is_complete(self) -> None:
        assert len(ROWS) == len(TABLE) * len(HOLD_VERBS) == 36

    @pytest.mark.parametrize("key", KEYS)
    @select(ACTS)
    def test_it_acts(
        self,
        ledger: Ledger,
        clock: MovableClock,
        state: Callable[[Ledger, MovableClock], UUID],
        verb: str,
        outcome: str,
        key: str | None,
    ) -> None:
        hold_id = state(ledger, clock)
        receipt = do(ledger, verb, hold_id, key)
        assert (receipt.kind, receipt.key, receipt.replayed) == (verb, key, False)
        after = {
            "commit": ((gold("alice", 6), gold("bob", 4)), "committed", 0),
            "release": ((gold("alice", 10),), "released", 0),
            "extend": ((gold("alice", 6, 4),), "active", 4),
        }
        assert receipt.hold is not None
        assert (receipt.balances, receipt.hold.status, receipt.hold.remaining) == after[verb]
        assert ledger.get_hold(hold_id) == receipt.hold
        assert {line.kind for line in journal(self)[2:]} == {verb}

    @pytest.mark.parametrize("key", KEYS)
    @select(REPLAYS)
    def test_it_replays(
        self,
        ledger: Ledger,
        clock: MovableClock,
        state: Callable[[Ledger, MovableClock], UUID],
        verb: str,
        outcome: str,
        key: str | None,
    ) -> None:
        hold_id = state(ledger, clock)
        lines = journal(self)
        for _ in range(2):
            receipt = do(ledger, verb, hold_id, key)
            assert (receipt.kind, receipt.key, receipt.replayed) == (verb, None, True)
            assert receipt.operation_id == lines[-1].operation_id
            assert receipt.hold == ledger.get_hold(hold_id)
        assert journal(self) == lines

    @pytest.mark.parametrize("key", KEYS)
    @select(REPLAYS_THE_EXPIRY)
    def test_it_has_no_effect_beyond_the_expiry(
        self,
        ledger: Ledger,
        clock: MovableClock,
        state: Callable[[Ledger, MovableClock], UUID],
        verb: str,
        outcome: str,
        key: str | None,
    ) -> None:
        hold_id = state(ledger, clock)
        receipts = [do(ledger, verb, hold_id, key) for _ in range(3)]
        (expiry,) = [line for line in journal(self) if line.kind == "expire"]
        for receipt in receipts:
            assert (receipt.operation_id, receipt.kind) == (expiry.operation_id, "expire")
            assert (receipt.key, receipt.replayed) == (None, True)
            assert receipt.balances == (gold("alice", 10),)
            assert receipt.hold == ledger.get_hold(hold_id)
            assert receipt.hold.status == "expired"
        assert "release" not in [line.kind for line in journal(self)]
        assert ledger.balance("alice", "gold") == gold("alice", 10)

    @pytest.mark.parametrize("key", KEYS)
    @select(HoldExpired, HoldResolved, HoldUnknown)
    def test_it_is_refused(
        self,
        ledger: Ledger,
        clock: MovableClock,
        state: Callable[[Ledger, MovableClock], UUID],
        verb: str,
        outcome: type[InventoryError],
        key: str | None,
    ) -> None:
        placed_at = clock.now
        hold_id = state(ledger, clock)
        details: dict[str, object] = {}
        if outcome is HoldExpired:
            details["expires_at"] = placed_at + timedelta(seconds=TTL)
        if outcome is HoldResolved:
            details["status"] = (
                "committed" if state.__name__.startswith("committed") else "released"
            )
        with refuses(self, outcome, hold_id=hold_id, index=0, **details):
            do(ledger, verb, hold_id, key)
        if key is not None:
            # It was not used up.
            assert not ledger.acquire(key, "alice", "gold", 1).replayed

    @pytest.mark.parametrize("state", TABLE, ids=lambda state: state.__name__)
    def test_a_read_tells_the_state(
        self, ledger: Ledger, clock: MovableClock, state: Callable[[Ledger, MovableClock], UUID]
    ) -> None:
        expires_at = clock.now + timedelta(seconds=TTL)
        hold_id = state(ledger, clock)
        if TABLE[state] is UNKNOWN:
            with refuses(self, HoldUnknown, hold_id=hold_id, index=None):
                ledger.get_hold(hold_id)
            return
        status = STATUSES[id(TABLE[state])]
        before = self.dump()
        assert ledger.get_hold(hold_id) == HoldSnapshot(
            id=hold_id,
            subject="alice",
            item="gold",
            quantity=4,
            remaining=4 if status == "active" else 0,
            status=status,
            expires_at=expires_at,
        )
        assert self.dump() == before
