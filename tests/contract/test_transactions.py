"""The ledger in a transaction of the caller's: DESIGN section 3, numbers 5, 6 and 9."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest
from django.db import IntegrityError, OperationalError, connections, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from django_inventory import signals
from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientQuantity,
    InvalidIdentifier,
    InvalidOperation,
    InvalidQuantity,
    InvalidTTL,
    InventoryError,
    LedgerBusy,
    QuantityOverflow,
)
from django_inventory.ledgers import DatabaseLedger
from django_inventory.operations import Acquire, Consume, Transfer
from django_inventory.values import MAX_QUANTITY, Receipt
from tests.contract.calls import VERBS, call, gold, hold_of, stock
from tests.contract.engines import TRANSACTION_CONTROL
from tests.contract.journal import on_databases, only_on
from tests.contract.races import another_connection, assert_acted_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from pytest_django import Settings

    from django_inventory.ledgers import Ledger
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Clock, Engine

UNKNOWN: Final = UUID(int=7)


class CrashError(Exception):
    """The process dies here: no error of a database or of the ledger."""


def rolled_back(engine: Engine, act: Callable[[], object]) -> None:
    """Act in a transaction that a crash then rolls back."""
    with suppress(CrashError), transaction.atomic(using=engine.alias):
        act()
        raise CrashError


# Commit and rollback ------------------------------------------------------------------------


@on_databases
def test_calls_are_committed_with_the_callers_transaction(engine: Engine, ledger: Ledger) -> None:
    with transaction.atomic(using=engine.alias), another_connection(engine) as outsider:
        first = ledger.acquire("k1", "alice", "gold", 5)
        ledger.transfer("k2", "alice", "bob", "gold", 2)
        assert ledger.balance("alice", "gold") == gold("alice", 3)
        with outsider.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM django_inventory_entry")
            assert cursor.fetchone() == (0,)
    assert engine.counts() == {"balances": 2, "holds": 0, "entries": 3, "keys": 2}
    assert ledger.balance("bob", "gold") == gold("bob", 2)
    assert_acted_once([first, ledger.acquire("k1", "alice", "gold", 5)])


@on_databases
@pytest.mark.parametrize("verb", VERBS)
def test_calls_are_rolled_back_with_the_callers_transaction(
    verb: str, engine: Engine, ledger: Ledger
) -> None:
    hold_id = stock(ledger)
    before = engine.dump()
    rolled_back(engine, partial(call, ledger, verb, hold_id))
    assert engine.dump() == before
    assert not call(ledger, verb, hold_id).replayed


@on_databases
def test_recorded_expiries_are_rolled_back_with_the_callers_transaction(
    engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    hold_id = stock(ledger)
    clock.advance(seconds=60)
    before = engine.dump()
    for act in (ledger.expire_holds, partial(ledger.release, hold_id)):
        rolled_back(engine, act)
        assert engine.dump() == before
    assert ledger.expire_holds() == 1


@on_databases
def test_a_durable_block_of_the_callers_is_the_outermost_one(
    engine: Engine, ledger: Ledger
) -> None:
    with transaction.atomic(using=engine.alias, durable=True):
        ledger.acquire("k", "alice", "gold", 5)
    assert ledger.balance("alice", "gold") == gold("alice", 5)


@on_databases
def test_blocks_within_blocks_keep_what_is_theirs(engine: Engine, ledger: Ledger) -> None:
    """Levels 1, 3 and 5 are kept; 2 and 4 are rolled back, with all that is inside of them."""

    def level(number: int) -> None:
        with transaction.atomic(using=engine.alias):
            ledger.acquire(f"before {number}", f"level {number}", "gold", 1)
            with pytest.raises(InsufficientQuantity):
                ledger.consume(f"refused {number}", f"level {number}", "gold", 9)
            if number < 5:
                with suppress(CrashError):
                    level(number + 1)
            ledger.acquire(f"after {number}", f"level {number}", "gold", 1)
            if number in {2, 4}:
                raise CrashError

    with transaction.atomic(using=engine.alias):
        with transaction.atomic(using=engine.alias, savepoint=False):
            level(1)
        level(3)
        with suppress(CrashError):
            level(2)
    owned = [ledger.balance(f"level {number}", "gold").quantity for number in range(1, 6)]
    assert owned == [2, 0, 2, 0, 0]
    assert engine.counts() == {"balances": 2, "holds": 0, "entries": 4, "keys": 4}


def view(request: HttpRequest, alias: str, ending: str) -> HttpResponse:
    ledger = DatabaseLedger(using=alias)
    ledger.acquire("acquire", "alice", "gold", 5)
    with suppress(InsufficientQuantity):
        ledger.consume("too much", "alice", "gold", 9)
    ledger.consume("consume", "alice", "gold", 1)
    if ending == "crash":
        raise CrashError
    return HttpResponse(str(ledger.balance("alice", "gold").quantity))


urlpatterns = [path("<alias>/<ending>/", view)]


@on_databases
def test_a_request_in_a_transaction_is_all_or_nothing(
    engine: Engine, ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ROOT_URLCONF = __name__
    of_database = connections.settings[str(engine.alias)]
    monkeypatch.setitem(of_database, "ATOMIC_REQUESTS", value=True)
    client = Client(raise_request_exception=False)
    assert client.get(f"/{engine.alias}/crash/").status_code == 500
    assert engine.counts() == {"balances": 0, "holds": 0, "entries": 0, "keys": 0}
    for _ in range(2):
        response = client.get(f"/{engine.alias}/end/")
        assert (response.status_code, response.content) == (200, b"4")
    assert engine.counts() == {"balances": 1, "holds": 0, "entries": 2, "keys": 2}


@only_on("postgresql", "mariadb")
def test_without_autocommit_the_caller_commits(
    engine: Engine, ledger: Ledger, clock: Clock, run_threads: RunThreads
) -> None:
    """Django keeps what is to be told after the commit until autocommit is on again.

    Not on SQLite, where Django cannot use savepoints without an atomic block around them.
    """
    connection = connections[str(engine.alias)]
    heard: list[Any] = []

    def hear(receipt: Receipt, **_: Any) -> None:
        heard.append(receipt.key)

    signals.operation_posted.connect(hear)
    connection.set_autocommit(False)
    try:
        ledger.acquire("k1", "alice", "gold", 5)
        connection.rollback()
        assert ledger.balance("alice", "gold") == gold("alice", 0)
        ledger.acquire("k1", "alice", "gold", 5)
        with pytest.raises(InsufficientQuantity):
            ledger.consume("k2", "alice", "gold", 6)
        ledger.consume("k3", "alice", "gold", 1)
        [seen] = run_threads([partial(ledger.balance, "alice", "gold")])
        assert seen == gold("alice", 0)
        connection.commit()
        [seen] = run_threads([partial(ledger.balance, "alice", "gold")])
        assert seen == gold("alice", 4)
        assert heard == []
        connection.set_autocommit(True)
    finally:
        if not connection.get_autocommit():
            connection.rollback()
            connection.set_autocommit(True)
        signals.operation_posted.disconnect(hear)
    assert heard == ["k1", "k3"]
    assert engine.counts() == {"balances": 1, "holds": 0, "entries": 2, "keys": 2}


# Errors that are caught in the caller's transaction -----------------------------------------

REFUSALS: Final[
    dict[str, tuple[type[InventoryError], Callable[[Ledger, dict[str, UUID]], Any]]]
] = {
    "shortage": (InsufficientQuantity, lambda at, _: at.consume("k", "alice", "gold", 99)),
    "shortage of a hold": (InsufficientQuantity, lambda at, _: at.hold("k", "bob", "gold", 1, 9)),
    "shortage in a batch": (
        InsufficientQuantity,
        lambda at, _: at.post(
            [
                Acquire("k", "new", "gold", 1),
                Transfer("k2", "alice", "newer", "gold", 1),
                Consume("k3", "alice", "gold", 99),
            ]
        ),
    ),
    "overflow": (QuantityOverflow, lambda at, _: at.acquire("k", "alice", "gold", MAX_QUANTITY)),
    "unknown hold": (HoldUnknown, lambda at, _: at.commit(UNKNOWN, key="k")),
    "expired hold": (HoldExpired, lambda at, holds: at.commit(holds["overdue"], to="new")),
    "resolved hold": (HoldResolved, lambda at, holds: at.release(holds["done"], key="k")),
    "conflict": (IdempotencyConflict, lambda at, _: at.acquire("stock", "alice", "gold", 11)),
    "commit to the holder": (
        InvalidOperation,
        lambda at, holds: at.commit(holds["active"], to="alice", key="k"),
    ),
    "commit of more than is held": (
        InvalidQuantity,
        lambda at, holds: at.commit(holds["active"], quantity=5, key="k"),
    ),
    "same subject": (InvalidOperation, lambda at, _: at.transfer("k", "bob", "bob", "gold", 1)),
    "no quantity": (InvalidQuantity, lambda at, _: at.acquire("k", "alice", "gold", 0)),
    "no key": (InvalidIdentifier, lambda at, _: at.acquire("", "alice", "gold", 1)),
    "no time to live": (InvalidTTL, lambda at, _: at.hold("k", "alice", "gold", 1, 0)),
    "no hold id": (InvalidIdentifier, lambda at, _: at.get_hold("1")),
    "get_hold": (HoldUnknown, lambda at, _: at.get_hold(UNKNOWN)),
}


@on_databases
@pytest.mark.parametrize("refusal", REFUSALS)
def test_an_error_that_is_caught_leaves_the_callers_transaction_usable(
    refusal: str, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    error, refused = REFUSALS[refusal]
    holds = {"active": stock(ledger)}
    for name in ("done", "overdue"):
        holds[name] = hold_of(ledger.hold(name, "alice", "gold", 1, 5))
    ledger.commit(holds["done"])
    clock.advance(seconds=5)
    expected = engine.dump()
    with transaction.atomic(using=engine.alias):
        ledger.acquire("earlier", "carol", "gold", 1)
        between = engine.dump()
        with pytest.raises(error) as caught:
            refused(ledger, holds)
        assert type(caught.value) is error
        assert not connections[str(engine.alias)].needs_rollback
        assert engine.dump() == between
        ledger.acquire("later", "carol", "gold", 1)
    assert ledger.balance("carol", "gold") == gold("carol", 2)
    content = engine.dump()
    assert [len(content[table]) - len(expected[table]) for table in content] == [1, 0, 2, 2]
    for table, rows in expected.items():
        assert content[table][: len(rows)] == rows


@on_databases
def test_a_batch_in_which_each_stands_alone_keeps_what_succeeded(
    engine: Engine, ledger: Ledger
) -> None:
    with transaction.atomic(using=engine.alias):
        results = ledger.post(
            [
                Acquire("k1", "alice", "gold", 5),
                Consume("k2", "alice", "gold", 9),
                Acquire("k3", "bob", "gold", MAX_QUANTITY),
                Acquire("k4", "bob", "gold", 1),
                Consume("k5", "alice", "gold", 2),
            ],
            atomic=False,
        )
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["Receipt", "InsufficientQuantity", "Receipt", "QuantityOverflow", "Receipt"]
    assert ledger.balance("alice", "gold") == gold("alice", 3)
    assert engine.counts() == {"balances": 2, "holds": 0, "entries": 3, "keys": 3}


# Locks --------------------------------------------------------------------------------------


@on_databases
def test_a_refused_call_keeps_no_lock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    stock(ledger)
    with pytest.raises(InsufficientQuantity):
        ledger.consume("k", "alice", "gold", 99)
    [receipt] = run_threads([partial(ledger.consume, "k", "alice", "gold", 1)], timeout=5)
    assert isinstance(receipt, Receipt)


@only_on("postgresql")
def test_a_refused_call_keeps_no_lock_in_the_callers_transaction_either(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    """PostgreSQL gives back at the savepoint what was locked since; the others at the end."""
    stock(ledger)
    ledger.acquire("stock of bob", "bob", "gold", 1)
    with transaction.atomic(using=engine.alias), another_connection(engine) as outsider:
        ledger.consume("kept", "bob", "gold", 1)
        with pytest.raises(InsufficientQuantity):
            ledger.post([Acquire("new", "new", "gold", 1), Consume("k", "alice", "gold", 99)])
        with outsider.cursor() as cursor:
            lock = "SELECT 1 FROM django_inventory_balance WHERE subject = %s FOR UPDATE NOWAIT"
            with pytest.raises(OperationalError, match="could not obtain lock"):
                cursor.execute(lock, ["bob"])
            cursor.execute(lock, ["alice"])
        again = [
            partial(ledger.consume, "k", "alice", "gold", 1),
            partial(ledger.acquire, "new", "new", "gold", 1),
        ]
        receipts = run_threads(again, timeout=5)
        assert [type(receipt) for receipt in receipts] == [Receipt, Receipt]
    assert ledger.balance("alice", "gold") == gold("alice", 5, 4)


# A crash ------------------------------------------------------------------------------------


def crash_before(engine: Engine, number: int, act: Callable[[], object]) -> bool:
    """Crash before that statement of the call; tell whether the call has so many."""
    ahead = number

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        nonlocal ahead
        if not TRANSACTION_CONTROL.match(sql):
            if not ahead:
                raise CrashError
            ahead -= 1
        return execute(sql, params, many, context)

    with connections[str(engine.alias)].execute_wrapper(count):
        try:
            act()
        except CrashError:
            return True
    return False


@on_databases
@pytest.mark.parametrize("verb", VERBS)
def test_a_crash_before_any_statement_leaves_nothing(
    verb: str, engine: Engine, ledger: Ledger
) -> None:
    hold_id = stock(ledger)
    before = engine.dump()
    number = 0
    while crash_before(engine, number, partial(call, ledger, verb, hold_id)):
        assert engine.dump() == before
        number += 1
    assert number
    # The last call has met no crash, and its key was free.
    assert call(ledger, verb, hold_id).replayed
    assert engine.counts()["keys"] == len(before["keys"]) + 1


@only_on("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize("verb", VERBS)
def test_a_crash_between_the_claim_of_the_key_and_the_effect_leaves_neither(
    verb: str, engine: Engine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_id = stock(ledger)
    before = engine.dump()

    def crash(*_: object) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(DatabaseLedger, "_write", crash)
        with pytest.raises(CrashError):
            call(ledger, verb, hold_id)
    assert engine.dump() == before
    assert not call(ledger, verb, hold_id).replayed


@only_on("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize("is_lost", [False, True], ids=["commit fails", "answer is lost"])
def test_after_a_commit_of_unknown_result_the_same_call_is_safe(
    is_lost: bool,  # noqa: FBT001 - a parameter of the test
    engine: Engine,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = connections[str(engine.alias)]
    stock(ledger)
    before = engine.dump()
    commit = connection._commit  # type: ignore[attr-defined]  # noqa: SLF001 - Django's own

    def fail() -> None:
        if is_lost:
            commit()
            msg = "the connection is lost"
            raise OperationalError(msg)
        msg = "a deferred constraint fails"
        raise IntegrityError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", fail)
        with pytest.raises((IntegrityError, OperationalError, LedgerBusy)):
            ledger.consume("k", "alice", "gold", 1)
    assert (engine.dump() == before) is not is_lost
    assert ledger.consume("k", "alice", "gold", 1).replayed is is_lost
    assert ledger.balance("alice", "gold") == gold("alice", 5, 4)
