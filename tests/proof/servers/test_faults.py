"""The database has no room, or was told to stop: ``LedgerBusy``, nothing done, and later once.

Deadlocks with foreign code and lock timeouts are in ``tests/contract``: ``test_deadlocks`` and
``test_busy``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import pytest
from django.db import DatabaseError, Error, OperationalError, connections, transaction
from django.utils.module_loading import import_string

from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers import DatabaseLedger
from tests.proof.servers.books import assert_books_balance
from tests.proof.servers.engines import DATABASE_LEDGER, POSTGRES_LEDGER, on_all_ledgers
from tests.proof.servers.faults import Victim, content, disturbed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proof.report import Report

pytestmark = pytest.mark.crowded

FULL: Final = "database or disk is full"
# Each said by the server itself; by SQLite there is nobody who would say it when asked.
OVERTAXED: Final[dict[str, tuple[Any, ...]]] = {
    # disk_full, out_of_memory, too_many_connections, query_canceled
    "postgresql": ("53100", "53200", "53300", "57014"),
    # ER_DISK_FULL, ER_OUTOFMEMORY, ER_RECORD_FILE_FULL, ER_QUERY_INTERRUPTED, ER_STATEMENT_TIMEOUT
    "mariadb": (1021, 1037, 1114, 1317, 1969),
    "default": (FULL, "disk I/O error"),
}
# undefined_table, ER_NO_SUCH_TABLE
HOPELESS: Final[dict[str, Any]] = {
    "postgresql": "42P01",
    "mariadb": 1146,
    "default": "no such table: django_inventory_balance",
}


def failing_with(alias: str, code: Any) -> Callable[[Any], None]:
    """Return what lets the database answer with an error, in the middle of a transaction."""

    def disturb(execute: Any) -> None:
        match connections[alias].vendor:
            case "postgresql":
                raising = f"RAISE EXCEPTION 'as asked' USING ERRCODE = '{code}'"
                execute(f"DO $$ BEGIN {raising}; END $$")
            case "mysql":
                execute(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'asked'")
            case _:
                raise OperationalError(code)

    return disturb


def post_with_fault(victim: Victim, number: int, code: Any) -> LedgerBusy | None:
    """Post, with an error in the place of the statement of that number; None: there was none."""
    with disturbed(victim.alias, number, failing_with(victim.alias, code)) as statements:
        try:
            receipts = victim.post()
        except LedgerBusy as busy:
            assert statements
            return busy
    assert not statements
    victim.assert_is_done_once(receipts, replayed=False)
    return None


@on_all_ledgers
def test_no_room_at_each_statement_in_turn(alias: str, ledger: str, report: Report) -> None:
    codes = OVERTAXED[alias]
    number = 0
    while True:
        victim = Victim(alias, import_string(ledger)(using=alias), f"n{number}")
        busy = post_with_fault(victim, number, codes[number % len(codes)])
        if busy is None:
            break
        assert isinstance(busy.__cause__, OperationalError)
        victim.assert_nothing_is_done()
        victim.assert_is_done_once(victim.post(), replayed=False)
        number += 1
    report.add(f"errors before a statement, {alias}", faults=number)


@on_all_ledgers
def test_every_kind_of_no_room(alias: str, ledger: str, report: Report) -> None:
    for number, code in enumerate(OVERTAXED[alias]):
        victim = Victim(alias, import_string(ledger)(using=alias), f"n{number}")
        assert post_with_fault(victim, 0, code) is not None, code
        victim.assert_nothing_is_done()
        victim.assert_is_done_once(victim.post(), replayed=False)
    report.add(f"errors before a statement, {alias}", faults=len(OVERTAXED[alias]))


@on_all_ledgers
def test_no_room_in_the_callers_transaction_leaves_it_usable(
    alias: str, ledger: str, report: Report
) -> None:
    number = 0
    earlier = 0
    while True:
        victim = Victim(alias, import_string(ledger)(using=alias), f"n{number}")
        with transaction.atomic(using=alias):
            victim.ledger.acquire(f"earlier {number}", "earlier", "gold", 1)
            before = content(alias)
            statement = post_with_fault_in_block(victim, number, OVERTAXED[alias][0])
            # Without a savepoint to go back to, PostgreSQL gives the whole transaction up.
            is_hopeless = alias == "postgresql" and (
                statement.startswith("SAVEPOINT") or (bool(statement) and ledger == POSTGRES_LEDGER)
            )
            if is_hopeless:
                transaction.set_rollback(True, using=alias)
            elif statement:
                assert content(alias) == before
                victim.post()
        earlier += not is_hopeless
        assert victim.ledger.balance("earlier", "gold").quantity == earlier
        assert_books_balance(alias)
        if not statement:
            break
        number += 1
    assert earlier >= (number if ledger == DATABASE_LEDGER else 1)
    report.add(f"errors before a statement, {alias}", faults=number)


def post_with_fault_in_block(victim: Victim, number: int, code: Any) -> str:
    """Post, and return the statement that an error came in the place of; "" for none."""
    with disturbed(victim.alias, number, failing_with(victim.alias, code)) as statements:
        try:
            victim.post()
        except LedgerBusy:
            [statement] = statements
            return statement
    assert not statements
    return ""


@on_all_ledgers
def test_a_mistake_is_told_as_it_is_and_nothing_is_done(alias: str, ledger: str) -> None:
    number = 0
    while True:
        victim = Victim(alias, import_string(ledger)(using=alias), f"n{number}")
        with disturbed(alias, number, failing_with(alias, HOPELESS[alias])) as statements:
            try:
                receipts = victim.post()
            except Error as error:
                assert isinstance(error, DatabaseError)  # noqa: PT017 - the last time there is none
                victim.assert_nothing_is_done()
                receipts = victim.post()
        victim.assert_is_done_once(receipts, replayed=False)
        if not statements:
            break
        number += 1


@on_all_ledgers
def test_an_error_in_the_place_of_commit(alias: str, ledger: str) -> None:
    if ledger != DATABASE_LEDGER:
        # Its call is one statement, and so its own commit.
        return
    victim = Victim(alias, DatabaseLedger(using=alias), "commit")
    connection = connections[alias]

    def refuse() -> None:
        with connection.wrap_database_errors, connection.cursor() as cursor:
            failing_with(alias, OVERTAXED[alias][0])(cursor.execute)

    with patch.object(connection, "_commit", refuse), pytest.raises(LedgerBusy):
        victim.post()
    victim.assert_nothing_is_done()
    victim.assert_is_done_once(victim.post(), replayed=False)


@pytest.mark.parametrize("alias", ["sqlite"], indirect=True)
def test_a_file_that_must_not_grow(alias: str, report: Report) -> None:
    """SQLite's own: not as if, but really full."""
    ledger = DatabaseLedger(using=alias)
    ledger.acquire("stock", "ann", "gold", 100)
    with connections[alias].cursor() as cursor:
        cursor.execute("VACUUM")
        [pages] = cursor.execute("PRAGMA page_count").fetchone()
        done = busy = 0
        for room in range(40):
            before = content(alias)
            cursor.execute(f"PRAGMA max_page_count = {pages + room // 2}")
            try:
                ledger.consume(f"key {done}", "ann", "gold", 1, metadata={"long": "x" * 3_000})
            except LedgerBusy as error:
                busy += 1
                assert str(error.__cause__) == FULL  # noqa: PT017 - it need not come
                assert content(alias) == before
            else:
                done += 1
        cursor.execute("PRAGMA max_page_count = 1073741823")
    assert busy > 5
    assert done > 5
    assert not ledger.consume(f"key {done}", "ann", "gold", 1).replayed
    assert ledger.balance("ann", "gold").quantity == 100 - done - 1
    assert_books_balance(alias)
    report.add(f"errors before a statement, {alias}", faults=busy)
