"""What the ledger does when the database gives up: DESIGN section 3, number 9, and section 7.

In a transaction of its own it tries again, in one of the caller's it says so at once. Deadlocks,
serialization failures and lock timeouts are real ones here, met or raised in the database.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connections, transaction

from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers import retry
from django_inventory.values import Receipt
from tests.contract.calls import VERBS, call, gold, hold_of, stock
from tests.contract.journal import only_on
from tests.contract.races import (
    another_connection,
    assert_sound,
    connecting_with,
    impatient,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from django_inventory.ledgers import Ledger
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Clock, Engine

JOURNALS: Final = re.compile("^INSERT INTO .django_inventory_entry|django_inventory_(post|sweep)")
FAILURES: Final[dict[str, dict[str, Any]]] = {
    # What PostgreSQL and MariaDB say to it; SQLite knows but one thing.
    "deadlock": {"postgresql": "40P01", "mariadb": 1213},
    "serialization failure": {"postgresql": "40001", "mariadb": 1020},
    "lock timeout": {"postgresql": "55P03", "mariadb": 1205},
}
DUPLICATE: Final[dict[str, Any]] = {"postgresql": "23505", "mariadb": 1062}
LOCK_ALICE: Final = (
    "SELECT 1 FROM django_inventory_balance WHERE subject = 'alice' AND item = 'gold' FOR UPDATE"
)
R = TypeVar("R")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger try again at once."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0)


def raising(engine: Engine, code: str | int) -> str:
    """Return a statement to which the server answers with that error."""
    if engine.name == "postgresql":
        return f"DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{code}'; END $$"
    sqlstate = "40001" if code == 1213 else "HY000"
    return f"SIGNAL SQLSTATE '{sqlstate}' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'as asked'"


@contextmanager
def failing(engine: Engine, *failures: str) -> Iterator[list[str]]:
    """Let each attempt to write the journal fail in turn; yield the failures that are left."""
    ahead = list(failures)

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        if not (ahead and JOURNALS.search(sql)):
            return execute(sql, params, many, context)
        failure = ahead.pop(0)
        if engine.name == "sqlite":
            msg = "database is locked"
            raise OperationalError(msg)
        return execute(
            raising(engine, FAILURES.get(failure, DUPLICATE)[engine.name]), None, many, context
        )

    with connections[str(engine.alias)].execute_wrapper(fail):
        yield ahead


# Trying again -------------------------------------------------------------------------------


@only_on("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("verb", VERBS)
def test_a_call_of_its_own_is_tried_again_until_it_succeeds(
    verb: str, failure: str, engine: Engine, ledger: Ledger, no_pause: None
) -> None:
    hold_id = stock(ledger)
    before = engine.counts()
    with failing(engine, *[failure] * 3) as ahead:
        receipt = call(ledger, verb, hold_id)
    assert ahead == []
    assert not receipt.replayed
    after = engine.counts()
    assert after["entries"] == before["entries"] + len(receipt.balances)
    assert after["keys"] == before["keys"] + 1
    assert_sound(engine)


@only_on("sqlite", "postgresql", "mariadb")
def test_a_sweep_is_tried_again_until_it_succeeds(
    engine: Engine, ledger: Ledger, clock: Clock, no_pause: None
) -> None:
    stock(ledger)
    clock.advance(seconds=60)
    with failing(engine, "deadlock", "serialization failure") as ahead:
        assert ledger.expire_holds() == 1
    assert ahead == []
    assert ledger.balance("alice", "gold") == gold("alice", 10)
    assert_sound(engine)


@only_on("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize("failure", FAILURES)
def test_after_the_last_attempt_the_ledger_is_busy_and_nothing_is_done(
    failure: str, engine: Engine, ledger: Ledger, no_pause: None
) -> None:
    stock(ledger)
    before = engine.dump()
    with failing(engine, *[failure] * 50) as ahead, pytest.raises(LedgerBusy) as caught:
        ledger.consume("k", "alice", "gold", 1)
    assert len(ahead) == 50 - retry.MAX_ATTEMPTS
    assert caught.value.code == "ledger_busy"
    assert isinstance(caught.value.__cause__, DatabaseError)
    assert engine.dump() == before
    assert not ledger.consume("k", "alice", "gold", 1).replayed


@only_on("sqlite", "postgresql", "mariadb")
def test_the_attempts_are_many_and_the_pauses_grow_at_random(
    engine: Engine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0
        longest.append(high)
        return 0

    stock(ledger)
    with monkeypatch.context() as patch, failing(engine, *["deadlock"] * 50):
        patch.setattr("random.uniform", uniform)
        with pytest.raises(LedgerBusy):
            ledger.consume("k", "alice", "gold", 1)
    assert len(longest) >= 9
    assert longest == sorted(longest)
    assert longest[0] < 0.05
    assert longest[-1] <= 0.5


@only_on("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize("failure", FAILURES)
def test_in_the_callers_transaction_nothing_is_tried_again(
    failure: str, engine: Engine, ledger: Ledger
) -> None:
    stock(ledger)
    with transaction.atomic(using=engine.alias):
        ledger.consume("earlier", "alice", "gold", 1)
        before = engine.dump()
        with failing(engine, *[failure] * 5) as ahead, pytest.raises(LedgerBusy):
            ledger.consume("k", "alice", "gold", 1)
        assert len(ahead) == 4
        assert engine.dump() == before
        assert not ledger.consume("k", "alice", "gold", 1).replayed
    assert ledger.balance("alice", "gold") == gold("alice", 4, 4)
    assert_sound(engine)


@only_on("postgresql", "mariadb")
def test_another_error_of_the_database_is_raised_as_it_is(engine: Engine, ledger: Ledger) -> None:
    stock(ledger)
    before = engine.dump()
    with failing(engine, "duplicate", "duplicate") as ahead, pytest.raises(IntegrityError):
        ledger.consume("k", "alice", "gold", 1)
    assert ahead == ["duplicate"]
    assert engine.dump() == before


# Lock timeouts ------------------------------------------------------------------------------


@contextmanager
def balance_locked_by_another(engine: Engine) -> Iterator[None]:
    """Keep alice's gold locked by code that is none of the ledger's."""
    with another_connection(engine) as other, other.cursor() as cursor:
        if engine.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute("BEGIN")
            cursor.execute(LOCK_ALICE)
        yield
        cursor.execute("ROLLBACK")


@only_on("sqlite", "postgresql", "mariadb")
def test_a_lock_that_does_not_come_free_leaves_the_ledger_busy(
    engine: Engine,
    ledger: Ledger,
    no_pause: None,
    conflicts: list[DatabaseError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "MAX_ATTEMPTS", 3)
    stock(ledger)
    before = engine.dump()
    with impatient(engine):
        with balance_locked_by_another(engine), pytest.raises(LedgerBusy) as caught:
            ledger.consume("k", "alice", "gold", 1)
        assert len(conflicts) == 3
        assert caught.value.__cause__ is conflicts[-1]
        assert engine.dump() == before
        assert not ledger.consume("k", "alice", "gold", 1).replayed


@only_on("postgresql", "mariadb")
def test_a_lock_timeout_leaves_the_callers_transaction_usable(
    engine: Engine, ledger: Ledger, conflicts: list[DatabaseError]
) -> None:
    stock(ledger)
    with impatient(engine), transaction.atomic(using=engine.alias):
        ledger.acquire("earlier", "bob", "gold", 1)
        with balance_locked_by_another(engine), pytest.raises(LedgerBusy):
            ledger.consume("k", "alice", "gold", 1)
        assert len(conflicts) == 1
        ledger.consume("k", "alice", "gold", 1)
        ledger.acquire("later", "bob", "gold", 1)
    assert ledger.balance("bob", "gold") == gold("bob", 2)
    assert ledger.balance("alice", "gold") == gold("alice", 5, 4)
    assert_sound(engine)


def as_django_sets_it_up(engine: Engine) -> AbstractContextManager[None]:
    """Without transaction_mode IMMEDIATE a transaction of SQLite's begins as a reader."""
    return connecting_with(engine, transaction_mode=None)


@only_on("sqlite")
def test_a_lock_timeout_leaves_the_callers_transaction_usable_on_sqlite_as_django_sets_it_up(
    engine: Engine, ledger: Ledger, conflicts: list[DatabaseError]
) -> None:
    stock(ledger)
    with impatient(engine), as_django_sets_it_up(engine), transaction.atomic(using=engine.alias):
        assert ledger.balance("alice", "gold") == gold("alice", 6, 4)
        with balance_locked_by_another(engine), pytest.raises(LedgerBusy):
            ledger.consume("k", "alice", "gold", 1)
        assert len(conflicts) == 1
        assert not ledger.consume("k", "alice", "gold", 1).replayed
    assert ledger.balance("alice", "gold") == gold("alice", 5, 4)


@only_on("sqlite")
def test_many_threads_get_through_on_sqlite_as_django_sets_it_up(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "alice", "gold", 8)
    holds = [hold_of(ledger.hold(f"hold {n}", "alice", "gold", 1, 60)) for n in range(8)]

    # Without a key the first statement is a read.
    commits = [partial(ledger.commit, hold_id, to="bob") for hold_id in holds]
    with as_django_sets_it_up(engine):
        outcomes = run_threads(commits)
    assert [type(outcome) for outcome in outcomes] == [Receipt] * 8
    assert ledger.balance("bob", "gold") == gold("bob", 8)
    assert_sound(engine)


# Which errors those are ---------------------------------------------------------------------

SAID_BY_POSTGRESQL: Final = {
    "40001": True,  # serialization_failure
    "40P01": True,  # deadlock_detected
    "55P03": True,  # lock_not_available
    "22003": False,  # numeric_value_out_of_range
    "22P02": False,  # invalid_text_representation
    "23001": False,  # restrict_violation, the journal's
    "23503": False,  # foreign_key_violation
    "23505": False,  # unique_violation
    "23514": False,  # check_violation
    "25006": False,  # read_only_sql_transaction
    "42P01": False,  # undefined_table
    "57014": False,  # query_canceled, by statement_timeout
}
SAID_BY_MARIADB: Final = {
    1020: True,  # ER_CHECKREAD
    1205: True,  # ER_LOCK_WAIT_TIMEOUT
    1213: True,  # ER_LOCK_DEADLOCK
    1048: False,  # ER_BAD_NULL_ERROR
    1062: False,  # ER_DUP_ENTRY
    1146: False,  # ER_NO_SUCH_TABLE
    1264: False,  # ER_WARN_DATA_OUT_OF_RANGE
    1290: False,  # ER_OPTION_PREVENTS_STATEMENT, of a read-only server
    1452: False,  # ER_NO_REFERENCED_ROW_2
    1969: False,  # ER_STATEMENT_TIMEOUT
    4025: False,  # ER_CONSTRAINT_FAILED
}


def is_transient(engine: Engine, sql: str) -> bool:
    """Tell whether the error that the statement ends in is one to try again after."""
    with connections[str(engine.alias)].cursor() as cursor, pytest.raises(DatabaseError) as caught:
        cursor.execute(sql)
    return retry.is_transient(caught.value)


@only_on("postgresql", "mariadb")
def test_only_what_may_pass_at_once_is_tried_again(engine: Engine) -> None:
    said: dict[Any, bool] = SAID_BY_POSTGRESQL if engine.name == "postgresql" else SAID_BY_MARIADB
    assert {code: is_transient(engine, raising(engine, code)) for code in said} == said


@only_on("sqlite")
def test_only_what_may_pass_at_once_is_tried_again_on_sqlite(engine: Engine) -> None:
    with impatient(engine), balance_locked_by_another(engine):
        assert is_transient(engine, "BEGIN IMMEDIATE")
        assert is_transient(engine, "DELETE FROM django_inventory_hold")
        assert not is_transient(engine, "SELECT * FROM nothing")
    assert retry.is_transient(OperationalError("database table is locked: balance"))
    assert not retry.is_transient(IntegrityError("UNIQUE constraint failed"))
    assert not retry.is_transient(OperationalError())
