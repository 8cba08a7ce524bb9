"""Holds: placing, committing whole and in parts, releasing, extending, reading."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django_inventory.testing.contract.calls import gold, hold_of
from django_inventory.testing.contract.journal import Line, journal
from django_inventory.values import HoldSnapshot, HoldStatus, Receipt

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from django_inventory.exceptions import (
    HoldUnknown,
    InsufficientQuantity,
    InvalidIdentifier,
    InvalidTTL,
)
from django_inventory.testing.contract.calls import HOLD_VERBS, call, make, stock
from django_inventory.testing.contract.journal import moves
from django_inventory.testing.contract.refusals import assert_all_refused, refuses
from django_inventory.values import Shortage

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from django_inventory.testing.contract.base import Contract

LONGEST: Final = timedelta(days=36_525)

TTLS: Final[dict[str, tuple[Any, timedelta]]] = {
    "timedelta": (timedelta(minutes=5), timedelta(seconds=300)),
    "one microsecond": (timedelta(microseconds=1), timedelta(microseconds=1)),
    "int": (300, timedelta(seconds=300)),
    "one second": (1, timedelta(seconds=1)),
    "float": (0.25, timedelta(milliseconds=250)),
    "a float of one microsecond": (1e-6, timedelta(microseconds=1)),
    "a float that is rounded": (0.1 + 0.2, timedelta(milliseconds=300)),
    "100 years": (LONGEST, LONGEST),
    "100 years in seconds": (36_525 * 86_400, LONGEST),
}

NO_TTLS: Final[dict[str, Any]] = {
    "zero": 0,
    "no time": timedelta(0),
    "negative": -1,
    "negative timedelta": timedelta(microseconds=-1),
    "negative float": -0.5,
    "less than a microsecond": 1e-7,
    "above 100 years": LONGEST + timedelta(microseconds=1),
    "above 100 years in seconds": 36_525 * 86_400 + 1,
    "huge int": 10**400,
    "huge float": 1e308,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "None": None,
    "true": True,
    "false": False,
    "str": "60",
    "Decimal": Decimal(60),
    "list": [60],
}

MALFORMED_IDS: Final[dict[str, Any]] = {
    "empty": "",
    "text": "a hold",
    "too short": "0190a5b4-0000-7000-8000-00000000000",
    "too long": "0190a5b4-0000-7000-8000-0000000000000",
    "no hexadecimal": "0190a5b4-0000-7000-8000-00000000000g",
    "NUL": "0190a5b4-0000-7000-8000-00000000000\x00",
    "None": None,
    "int": 7,
    "bytes": UUID(int=7).bytes,
    "true": True,
    "list": [UUID(int=7)],
}


class Holds(Contract):
    def test_all_that_is_free_can_be_held(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 10)
        assert ledger.hold("k2", "alice", "gold", 10, 60).balances == (gold("alice", 0, 10),)
        assert ledger.balances("alice") == [gold("alice", 0, 10)]

    def test_more_than_is_free_cannot_be_held(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 10)
        shortages = (Shortage("alice", "gold", 11, 10),)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=0):
            ledger.hold("k2", "alice", "gold", 11, 60)
        with refuses(self, InsufficientQuantity, shortages=(Shortage("bob", "gold", 1, 0),)):
            ledger.hold("k2", "bob", "gold", 1, 60)

    def test_several_holds_share_a_balance(self, ledger: Ledger) -> None:
        ledger.acquire("k", "alice", "gold", 10)
        holds = [hold_of(ledger.hold(f"k{n}", "alice", "gold", n, 60)) for n in (1, 2, 3)]
        assert len(set(holds)) == 3
        assert ledger.balance("alice", "gold") == gold("alice", 4, 6)
        ledger.release(holds[1])
        assert ledger.balance("alice", "gold") == gold("alice", 6, 4)
        assert [ledger.get_hold(hold).remaining for hold in holds] == [1, 0, 3]

    def test_a_hold_does_not_block_its_owners_renewal(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=4, held=4)
        ledger.extend(hold_id, 90)
        ledger.release(hold_id)
        assert ledger.hold("again", "alice", "gold", 4, 60).balances == (gold("alice", 0, 4),)

    @pytest.mark.parametrize(("ttl", "lasts"), TTLS.values(), ids=TTLS.keys())
    def test_a_ttl_is_a_timedelta_or_seconds(
        self, ledger: Ledger, clock: MovableClock, ttl: Any, lasts: timedelta
    ) -> None:
        ledger.acquire("k1", "alice", "gold", 10)
        receipt = ledger.hold("k2", "alice", "gold", 4, ttl)
        assert receipt.hold is not None
        assert receipt.hold.expires_at == clock.now + lasts
        assert ledger.get_hold(receipt.hold.id) == receipt.hold
        extended = ledger.extend(receipt.hold.id, ttl).hold
        assert extended == receipt.hold
        assert ledger.hold("k2", "alice", "gold", 4, lasts).replayed

    @pytest.mark.parametrize("ttl", NO_TTLS.values(), ids=NO_TTLS.keys())
    def test_what_is_no_ttl_is_refused(self, ledger: Ledger, ttl: Any) -> None:
        hold_id = stock(ledger)
        calls: list[Callable[[], object]] = [
            *[partial(call, ledger, verb, hold_id, ttl=ttl) for verb in ("hold", "extend")],
            *[partial(make, verb, hold_id, ttl=ttl) for verb in ("hold", "extend")],
        ]
        assert_all_refused(self, InvalidTTL, [("ttl", one) for one in calls])

    def test_release_gives_back(self, ledger: Ledger, clock: MovableClock) -> None:
        hold_id = stock(ledger, quantity=10, held=4, ttl=60)
        expires_at = clock.now + timedelta(seconds=60)
        clock.advance(seconds=5)
        receipt = ledger.release(hold_id)
        assert receipt == Receipt(
            receipt.operation_id,
            "release",
            None,
            (gold("alice", 10),),
            HoldSnapshot(hold_id, "alice", "gold", 4, 0, HoldStatus.RELEASED, expires_at),
            replayed=False,
        )
        assert moves(self)[2:] == [("release", "alice", 3, 4, -4, 10, 0)]
        assert ledger.get_hold(hold_id) == receipt.hold

    def test_a_second_release_replays_whatever_its_notes(self, ledger: Ledger) -> None:
        hold_id = stock(ledger)
        receipt = ledger.release(hold_id, reference="cart emptied")
        before = self.dump()
        replay = ledger.release(hold_id, reference="cart closed", metadata={"a": 1}, actor="clerk")
        assert replay.replayed
        assert replay.operation_id == receipt.operation_id
        assert self.dump() == before

    @pytest.mark.parametrize("ttl", [1, 59, 61, 3_600])
    def test_extend_counts_from_now_be_it_shorter_or_longer(
        self, ledger: Ledger, clock: MovableClock, ttl: int
    ) -> None:
        hold_id = stock(ledger, quantity=10, held=4, ttl=60)
        clock.advance(seconds=30)
        receipt = ledger.extend(hold_id, ttl)
        expires_at = clock.now + timedelta(seconds=ttl)
        assert receipt == Receipt(
            receipt.operation_id,
            "extend",
            None,
            (gold("alice", 6, 4),),
            HoldSnapshot(hold_id, "alice", "gold", 4, 4, HoldStatus.ACTIVE, expires_at),
            replayed=False,
        )
        assert moves(self)[2:] == [("extend", "alice", 3, 0, 0, 6, 4)]
        assert journal(self)[-1].hold_expires_at == expires_at
        clock.advance(timedelta(seconds=ttl, microseconds=-1))
        assert ledger.get_hold(hold_id).status == "active"
        clock.advance(timedelta(microseconds=1))
        assert ledger.get_hold(hold_id).status == "expired"
        assert ledger.balance("alice", "gold") == gold("alice", 10)

    def test_extends_without_a_key_each_count_from_their_now(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        hold_id = stock(ledger, ttl=60)
        for _ in range(5):
            clock.advance(seconds=50)
            assert not ledger.extend(hold_id, 60).replayed
        assert ledger.get_hold(hold_id).expires_at == clock.now + timedelta(seconds=60)

    @pytest.mark.parametrize(
        "write",
        [
            str,
            lambda hold_id: str(hold_id).upper(),
            lambda hold_id: hold_id.hex,
            lambda hold_id: hold_id,
        ],
        ids=["str", "upper case", "hex", "UUID"],
    )
    @pytest.mark.parametrize("verb", HOLD_VERBS)
    def test_a_hold_is_named_by_its_uuid_or_the_text_of_it(
        self, ledger: Ledger, write: Callable[[UUID], Any], verb: str
    ) -> None:
        hold_id = stock(ledger)
        name = write(hold_id)
        assert ledger.get_hold(name) == ledger.get_hold(hold_id)
        receipt = call(ledger, verb, name)
        assert receipt.hold == ledger.get_hold(hold_id)
        assert make(verb, name) == make(verb, hold_id)
        assert call(ledger, verb, hold_id).replayed

    @pytest.mark.parametrize("name", MALFORMED_IDS.values(), ids=MALFORMED_IDS.keys())
    def test_a_malformed_hold_id_is_refused(self, ledger: Ledger, name: Any) -> None:
        stock(ledger)
        calls: list[Callable[[], object]] = [
            *[partial(call, ledger, verb, name) for verb in HOLD_VERBS],
            *[partial(make, verb, name) for verb in HOLD_VERBS],
            partial(ledger.get_hold, name),
        ]
        assert_all_refused(self, InvalidIdentifier, [("hold_id", one) for one in calls])

    def test_reading_a_hold_that_is_none_is_refused(self, ledger: Ledger) -> None:
        stock(ledger)
        unknown = uuid4()
        with refuses(self, HoldUnknown, hold_id=unknown, index=None):
            ledger.get_hold(unknown)
        with refuses(self, HoldUnknown, hold_id=unknown):
            ledger.get_hold(str(unknown))

    def test_statuses_are_strings(self) -> None:
        assert [str(status) for status in HoldStatus] == [
            "active",
            "committed",
            "released",
            "expired",
        ]
        assert isinstance(HoldStatus.ACTIVE, str)

    def test_hold_reserves(self, ledger: Ledger, clock: MovableClock) -> None:
        ledger.acquire("k1", "alice", "gold", 10)
        clock.advance(seconds=5)
        receipt = ledger.hold("k2", "alice", "gold", 4, 60)
        hold_id = hold_of(receipt)
        expires_at = clock.now + timedelta(seconds=60)
        assert receipt == Receipt(
            receipt.operation_id,
            "hold",
            "k2",
            (gold("alice", 6, 4),),
            HoldSnapshot(hold_id, "alice", "gold", 4, 4, HoldStatus.ACTIVE, expires_at),
            replayed=False,
        )
        assert ledger.get_hold(hold_id) == receipt.hold
        assert ledger.balance("alice", "gold") == gold("alice", 6, 4)
        assert journal(self)[-1] == Line(
            subject="alice",
            item="gold",
            sequence=2,
            operation_id=receipt.operation_id,
            kind="hold",
            key="k2",
            quantity_delta=-4,
            on_hold_delta=4,
            quantity_after=6,
            on_hold_after=4,
            hold_id=hold_id,
            hold_remaining=4,
            hold_expires_at=expires_at,
            actor="",
            reference="",
            metadata=None,
            effective_at=clock.now,
            created_at=clock.now,
        )
        self.assert_counts(balances=1, holds=1, entries=2, keys=2)
        assert hold_id.version == 7
