"""Real deadlocks and serialization failures, with code that is none of the ledger's.

A deadlock among calls of the ledger's own cannot happen, see test_lock_order.
"""

from __future__ import annotations

import re
import threading
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.db.transaction import TransactionManagementError

from django_inventory.exceptions import LedgerBusy
from django_inventory.models import IdempotencyRecord
from django_inventory.values import Receipt
from tests.contract.calls import gold, stock
from tests.contract.journal import only_on
from tests.contract.races import (
    CLAIMS_KEYS,
    LIMIT,
    Rivals,
    Stop,
    assert_sound,
    call_with_stops,
    isolated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db import DatabaseError

    from django_inventory.ledgers import Ledger
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Engine

R = TypeVar("R")

LOCK_ALICE: Final = (
    "SELECT 1 FROM django_inventory_balance WHERE subject = 'alice' AND item = 'gold' FOR UPDATE"
)


# Deadlocks with code that is none of the ledger's -------------------------------------------


class ForeignCode:
    """A transaction that locks alice's gold and then wants the key "k", which it takes back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection = partial(connections.__getitem__, str(engine.alias))
        self._has_locked = threading.Event()
        self._claim, self._after_claim = Stop(CLAIMS_KEYS), Stop()
        self._rivals = Rivals(engine, begin=self._after_claim.is_reached)

    def meet(self, run_threads: RunThreads, act: Callable[[], R]) -> R:
        """Run ``act`` beside the foreign code; return what it returns, or raise what it raises."""
        calls: list[Callable[[], Any]] = [act, self._act, self._direct]
        result, *others = run_threads(calls)
        for failure in (*others, result):
            if isinstance(failure, BaseException):
                raise failure
        return cast("R", result)

    def deadlock(self, call: Callable[[], R]) -> R:
        """Make a call of the ledger, under the key "k" and for alice's gold, that deadlocks."""
        assert self._has_locked.wait(LIMIT)
        if self._engine.name == "postgresql":
            with self._connection().cursor() as cursor:
                cursor.execute("SET deadlock_timeout = '10ms'")
        return call_with_stops(self._engine, [self._claim, self._after_claim], call)

    def _act(self) -> None:
        records = IdempotencyRecord.objects.using(self._engine.alias)
        record = partial(
            IdempotencyRecord,
            kind="acquire",
            operation_id=UUID(int=1),
            created_at=datetime(2026, 3, 1, tzinfo=UTC),
        )
        with transaction.atomic(using=self._engine.alias):
            with self._connection().cursor() as cursor:
                if self._engine.name == "postgresql":
                    # The one that has waited so long gives up: the other one.
                    cursor.execute("SET LOCAL deadlock_timeout = '60s'")
                cursor.execute(LOCK_ALICE)
            # MariaDB and MySQL give up the transaction that has changed less.
            records.bulk_create([record(key=f"foreign {number}") for number in range(50)])
            self._has_locked.set()
            self._rivals.call(lambda: records.bulk_create([record(key="k")]))
            transaction.set_rollback(True, using=self._engine.alias)

    def _direct(self) -> None:
        assert self._claim.is_reached.wait(LIMIT)
        self._claim.may_go_on.set()
        assert self._after_claim.is_reached.wait(LIMIT)
        self._rivals.wait_until_stuck(1)
        self._after_claim.may_go_on.set()


@only_on("postgresql", "mariadb")
def test_a_deadlock_with_foreign_code_is_tried_again(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    stock(ledger)
    before = engine.counts()
    foreign = ForeignCode(engine)
    consume = partial(ledger.consume, "k", "alice", "gold", 1)
    receipt = foreign.meet(run_threads, partial(foreign.deadlock, consume))
    assert not receipt.replayed
    [conflict] = conflicts
    assert re.search("deadlock", str(conflict), re.IGNORECASE)
    after = engine.counts()
    assert (after["keys"], after["entries"]) == (before["keys"] + 1, before["entries"] + 1)
    assert_sound(engine)


@only_on("postgresql", "mariadb")
def test_a_deadlock_in_the_callers_transaction_is_the_callers_to_try_again(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    """PostgreSQL undoes the call alone, MariaDB all, after which nothing can be committed."""
    stock(ledger)
    before = engine.dump()
    foreign = ForeignCode(engine)

    def act() -> None:
        with transaction.atomic(using=engine.alias):
            ledger.acquire("earlier", "bob", "iron", 1)
            with pytest.raises(LedgerBusy):
                foreign.deadlock(partial(ledger.consume, "k", "alice", "gold", 1))
            assert len(conflicts) == 1
            is_over = connections[str(engine.alias)].needs_rollback
            assert is_over is (engine.name == "mariadb")
            with pytest.raises(TransactionManagementError) if is_over else nullcontext():
                ledger.acquire("later", "bob", "iron", 1)

    foreign.meet(run_threads, act)
    if engine.name == "mariadb":
        assert engine.dump() == before
    else:
        assert ledger.balance("bob", "iron").quantity == 2
    assert not ledger.consume("k", "alice", "gold", 1).replayed
    assert_sound(engine)


# Serialization failures ---------------------------------------------------------------------


@only_on("postgresql")
def test_a_serialization_failure_in_the_callers_transaction_is_the_callers_to_try_again(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    stock(ledger)
    with isolated(engine, "REPEATABLE READ"):
        with transaction.atomic(using=engine.alias):
            assert ledger.balance("alice", "gold") == gold("alice", 6, 4)
            [other] = run_threads([partial(ledger.consume, "other", "alice", "gold", 1)])
            assert isinstance(other, Receipt)
            with pytest.raises(LedgerBusy):
                ledger.consume("k", "alice", "gold", 1)
            assert len(conflicts) == 1
            assert ledger.balance("alice", "gold") == gold("alice", 6, 4)
            ledger.acquire("unrelated", "bob", "gold", 1)
        # A new transaction sees what is true now, and a call of its own does, too.
        assert not ledger.consume("k", "alice", "gold", 1).replayed
    assert ledger.balance("alice", "gold") == gold("alice", 4, 4)
    assert ledger.balance("bob", "gold") == gold("bob", 1)
    assert_sound(engine)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@only_on("postgresql")
def test_a_serialization_failure_is_tried_again(
    level: str,
    engine: Engine,
    ledger: Ledger,
    run_threads: RunThreads,
    conflicts: list[DatabaseError],
) -> None:
    stock(ledger)
    claim, after_claim = Stop(CLAIMS_KEYS, may_go_on=True), Stop()
    consume = partial(ledger.consume, "k", "alice", "gold", 1)

    def act() -> Receipt:
        return call_with_stops(engine, [claim, after_claim], consume)

    def interfere() -> Receipt:
        assert after_claim.is_reached.wait(LIMIT)
        try:
            return ledger.consume("other", "alice", "gold", 1)
        finally:
            after_claim.may_go_on.set()

    with isolated(engine, level):
        outcomes = run_threads([act, interfere])
    assert [getattr(outcome, "replayed", outcome) for outcome in outcomes] == [False, False]
    assert len(conflicts) == 1
    assert ledger.balance("alice", "gold") == gold("alice", 4, 4)
    assert_sound(engine)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@only_on("postgresql", "postgresql-functions")
def test_many_threads_get_through_at_every_level(
    level: str, engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "alice", "gold", 4)
    takers = [partial(ledger.transfer, f"k{n}", "alice", "bob", "gold", 1) for n in range(6)]
    with isolated(engine, level):
        outcomes = run_threads(takers)
    kinds = sorted(type(outcome).__name__ for outcome in outcomes)
    assert kinds == ["InsufficientQuantity"] * 2 + ["Receipt"] * 4
    assert ledger.balance("bob", "gold") == gold("bob", 4)
    assert_sound(engine)
