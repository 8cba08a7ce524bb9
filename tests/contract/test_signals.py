"""What the ledger tells the rest of the project: after commit, once, and whatever receivers do."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, OperationalError, connections, transaction

from django_inventory.exceptions import HoldExpired, InsufficientQuantity
from django_inventory.ledgers import DatabaseLedger, MemoryLedger, retry
from django_inventory.operations import Acquire, Consume, Hold, Transfer
from django_inventory.signals import hold_expired, operation_posted
from django_inventory.values import HoldSnapshot, HoldStatus, Receipt
from tests.contract.calls import VERBS, call, gold, hold_of, stock
from tests.contract.engines import MemoryEngine
from tests.contract.journal import on_databases, only_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_inventory.ledgers import Ledger
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Clock, Engine


@dataclass
class Ear:
    """Hears what is sent, in order."""

    heard: list[Receipt | HoldSnapshot] = field(default_factory=list)
    senders: set[object] = field(default_factory=set)

    def hear_operation(self, sender: object, receipt: Receipt, **_: Any) -> None:
        self.heard.append(receipt)
        self.senders.add(sender)

    def hear_expiry(self, sender: object, hold: HoldSnapshot, **_: Any) -> None:
        self.heard.append(hold)
        self.senders.add(sender)

    def keys(self) -> list[str | None]:
        return [heard.key for heard in self.heard if isinstance(heard, Receipt)]


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    operation_posted.connect(ear.hear_operation)
    hold_expired.connect(ear.hear_expiry)
    yield ear
    operation_posted.disconnect(ear.hear_operation)
    hold_expired.disconnect(ear.hear_expiry)


HOLD = Hold("k2", "alice", "gold", 2, timedelta(seconds=60))


class CrashError(Exception):
    """A receiver or the caller dies here."""


# What is sent -------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_an_operation_is_told_by_its_receipt(verb: str, ledger: Ledger, ear: Ear) -> None:
    hold_id = stock(ledger)
    ear.heard.clear()
    receipt = call(ledger, verb, hold_id)
    assert ear.heard == [receipt]
    assert ear.senders == {type(ledger)}


def test_operations_are_told_in_their_order(ledger: Ledger, ear: Ear) -> None:
    receipts = ledger.post(
        [
            Acquire("k1", "alice", "gold", 5),
            Transfer("k2", "alice", "bob", "gold", 2),
            Consume("k3", "bob", "gold", 1),
        ]
    )
    assert ear.heard == receipts


@pytest.mark.parametrize("verb", VERBS)
def test_a_replay_is_not_told(verb: str, ledger: Ledger, ear: Ear) -> None:
    hold_id = stock(ledger)
    call(ledger, verb, hold_id)
    ear.heard.clear()
    assert call(ledger, verb, hold_id).replayed
    assert ear.heard == []


def test_a_replay_within_a_batch_is_not_told(ledger: Ledger, ear: Ear) -> None:
    acquire = Acquire("k1", "alice", "gold", 5)
    first, again, other = ledger.post([acquire, acquire, Acquire("k2", "alice", "gold", 1)])
    assert (first.replayed, again.replayed, other.replayed) == (False, True, False)
    assert ear.heard == [first, other]


def test_a_release_that_its_hold_answers_is_not_told(ledger: Ledger, ear: Ear) -> None:
    hold_id = stock(ledger)
    ledger.release(hold_id)
    ear.heard.clear()
    assert ledger.release(hold_id, key="another").replayed
    assert ear.heard == []


def test_a_refused_call_is_not_told(ledger: Ledger, clock: Clock, ear: Ear) -> None:
    hold_id = stock(ledger)
    clock.advance(seconds=60)
    ear.heard.clear()
    with pytest.raises(InsufficientQuantity):
        ledger.post([Acquire("k1", "bob", "gold", 1), Consume("k2", "alice", "gold", 99)])
    with pytest.raises(HoldExpired):
        ledger.commit(hold_id)
    assert ear.heard == []


def test_of_a_batch_in_which_each_stands_alone_what_acted_is_told(ledger: Ledger, ear: Ear) -> None:
    results = ledger.post(
        [
            Acquire("k1", "alice", "gold", 5),
            Consume("k2", "alice", "gold", 9),
            Consume("k3", "alice", "gold", 1),
        ],
        atomic=False,
    )
    assert ear.heard == [results[0], results[2]]


def test_a_read_is_not_told(ledger: Ledger, clock: Clock, ear: Ear) -> None:
    hold_id = stock(ledger)
    clock.advance(seconds=60)
    ear.heard.clear()
    ledger.balance("alice", "gold")
    ledger.balances("alice")
    ledger.get_hold(hold_id)
    assert ear.heard == []


# Expiries -----------------------------------------------------------------------------------


def place_three(ledger: Ledger, clock: Clock) -> list[HoldSnapshot]:
    """Place holds that are overdue when this returns, the first of them for the longest time."""
    ledger.acquire("stock", "alice", "gold", 9)
    receipts = [ledger.hold(f"hold {n}", "alice", "gold", n, 10 * n) for n in (1, 2, 3)]
    clock.advance(seconds=30)
    return [ledger.get_hold(hold_of(receipt)) for receipt in receipts]


def test_a_sweep_tells_each_expiry_once(ledger: Ledger, clock: Clock, ear: Ear) -> None:
    holds = place_three(ledger, clock)
    ear.heard.clear()
    assert ledger.expire_holds(limit=2) == 2
    assert ear.heard == holds[:2]
    assert ledger.expire_holds() == 1
    assert ledger.expire_holds() == 0
    assert ear.heard == holds
    assert {(hold.status, hold.remaining) for hold in holds} == {(HoldStatus.EXPIRED, 0)}
    assert ear.senders == {type(ledger)}


def test_a_mutation_tells_the_expiries_that_it_records_and_then_itself(
    ledger: Ledger, clock: Clock, ear: Ear
) -> None:
    holds = place_three(ledger, clock)
    ear.heard.clear()
    receipt = ledger.consume("k", "alice", "gold", 9)
    assert ear.heard == [*holds, receipt]
    assert ledger.expire_holds() == 0
    assert ear.heard == [*holds, receipt]


def test_a_release_of_what_is_overdue_tells_the_expiry_alone(
    ledger: Ledger, clock: Clock, ear: Ear
) -> None:
    holds = place_three(ledger, clock)
    ear.heard.clear()
    assert ledger.release(holds[1].id, key="k").kind == "expire"
    assert ear.heard == holds
    ledger.release(holds[0].id)
    assert ear.heard == holds


# After commit -------------------------------------------------------------------------------


def test_what_is_told_is_done_by_then(ledger: Ledger, run_threads: RunThreads) -> None:
    """A receiver may use the ledger, and others see what it is told."""
    seen: list[object] = []

    def hear(sender: object, receipt: Receipt, **_: Any) -> None:
        if receipt.key == "k":
            seen.extend(run_threads([lambda: ledger.balance("alice", "gold")]))
            seen.append(ledger.consume("from the receiver", "alice", "gold", 2).balances)

    operation_posted.connect(hear)
    try:
        ledger.acquire("k", "alice", "gold", 5)
    finally:
        operation_posted.disconnect(hear)
    assert seen == [gold("alice", 5), (gold("alice", 3),)]


@on_databases
def test_in_the_callers_transaction_nothing_is_told_before_its_end(
    engine: Engine, ledger: Ledger, clock: Clock, ear: Ear
) -> None:
    hold_id = stock(ledger, ttl=60)
    expired = ledger.get_hold(hold_id)
    ear.heard.clear()
    with transaction.atomic(using=engine.alias):
        first = ledger.acquire("k1", "alice", "gold", 1)
        with transaction.atomic(using=engine.alias):
            second = ledger.consume("k2", "alice", "gold", 1)
        with suppress(InsufficientQuantity):
            ledger.consume("k3", "alice", "gold", 99)
        clock.advance(seconds=60)
        assert ledger.expire_holds() == 1
        expired = ledger.get_hold(hold_id)
        assert ear.heard == []
    assert ear.heard == [first, second, expired]


@on_databases
def test_what_is_rolled_back_is_not_told(engine: Engine, ledger: Ledger, ear: Ear) -> None:
    with transaction.atomic(using=engine.alias):
        ledger.acquire("k1", "alice", "gold", 1)
        with suppress(CrashError), transaction.atomic(using=engine.alias):
            ledger.acquire("k2", "alice", "gold", 1)
            raise CrashError
        ledger.acquire("k3", "alice", "gold", 1)
    assert ear.keys() == ["k1", "k3"]
    with suppress(CrashError), transaction.atomic(using=engine.alias):
        ledger.acquire("k4", "alice", "gold", 1)
        raise CrashError
    assert ear.keys() == ["k1", "k3"]


@only_on("sqlite", "postgresql", "mariadb")
def test_what_was_tried_again_is_told_once(
    engine: Engine, ledger: Ledger, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connections[str(engine.alias)]
    commit = connection._commit  # type: ignore[attr-defined]  # noqa: SLF001 - Django's own
    fails = [True, True, False]

    def fail() -> None:
        if fails.pop(0):
            msg = "database is locked"
            raise OperationalError(msg)
        commit()

    def is_transient(error: DatabaseError) -> bool:
        return str(error) == "database is locked"

    with monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", fail)
        patch.setattr(retry, "is_transient", is_transient)
        receipt = ledger.acquire("k", "alice", "gold", 1)
    assert ear.heard == [receipt]
    assert engine.counts()["entries"] == 1


def test_memory_knows_no_transactions_and_tells_at_once(clock: Clock, ear: Ear) -> None:
    ledger = MemoryEngine(clock).make_ledger()
    receipt = ledger.acquire("k", "alice", "gold", 1)
    assert ear.heard == [receipt]
    assert ear.senders == {MemoryLedger}


# Receivers that fail ------------------------------------------------------------------------


def test_a_receiver_that_fails_disturbs_nobody(
    engine: Engine, ledger: Ledger, clock: Clock, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: Any) -> None:
        msg = "the receiver is broken"
        raise CrashError(msg)

    later = Ear()
    for signal in (operation_posted, hold_expired):
        signal.connect(fail)
    operation_posted.connect(later.hear_operation)
    hold_expired.connect(later.hear_expiry)
    try:
        with caplog.at_level(logging.ERROR):
            receipt = ledger.post([Acquire("k1", "alice", "gold", 5), HOLD])[0]
            clock.advance(seconds=60)
            assert ledger.expire_holds() == 1
    finally:
        for signal in (operation_posted, hold_expired):
            signal.disconnect(fail)
        operation_posted.disconnect(later.hear_operation)
        hold_expired.disconnect(later.hear_expiry)
    assert ear.heard == later.heard
    assert [type(heard) for heard in ear.heard] == [Receipt, Receipt, HoldSnapshot]
    assert ear.heard[0] == receipt
    assert ledger.balance("alice", "gold") == gold("alice", 5)
    assert engine.counts()["entries"] == 3
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 3
    for record in errors:
        assert record.name == "django.dispatch"
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], CrashError)


@only_on("postgresql")
def test_the_sender_is_the_class_that_is_configured(engine: Engine, clock: Clock, ear: Ear) -> None:
    class OwnLedger(DatabaseLedger):
        """A project's own."""

    OwnLedger(using=str(engine.alias), clock=clock).acquire("k", "alice", "gold", 1)
    assert ear.senders == {OwnLedger}
