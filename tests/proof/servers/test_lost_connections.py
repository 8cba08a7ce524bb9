"""The connection is lost in the middle of a call: nothing half done, and never done twice."""

from __future__ import annotations

import copy
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import Error, OperationalError, connections, transaction
from django.utils.module_loading import import_string

from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers import DatabaseLedger
from django_inventory.ledgers.retry import OUTCOME_UNKNOWN
from django_inventory.models import Entry
from django_inventory.operations import Acquire, Hold
from tests.contract.engines import Clock
from tests.proof.servers.books import assert_books_balance
from tests.proof.servers.children import LIMIT
from tests.proof.servers.engines import DATABASE_LEDGER, on_ledgers, on_servers
from tests.proof.servers.faults import HOUR, Victim, disturbed
from tests.proof.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proof.report import Report
    from tests.proof.servers.proxy import Moment

pytestmark = pytest.mark.crowded

PROXIED = "proxied"
NOWHERE = "nowhere"


def kill_connection(alias: str) -> None:
    """Let the server end this thread's connection, and wait until it has."""
    victim = connections[alias]
    killer = victim.copy()
    try:
        with killer.cursor() as cursor:
            if victim.vendor == "postgresql":
                pid = victim.connection.info.backend_pid
                cursor.execute("SELECT pg_terminate_backend(%s, 20000)", [pid])
                assert cursor.fetchone() == (True,)
                return
            thread_id = victim.connection.thread_id()
            cursor.execute(f"KILL CONNECTION {thread_id}")
            deadline = time.monotonic() + LIMIT
            query = "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %s"
            while cursor.execute(query, [thread_id]) and cursor.fetchone() != (0,):
                assert time.monotonic() < deadline
    finally:
        killer.close()


@contextmanager
def always_killed(alias: str) -> Iterator[None]:
    """Let no connection of this thread survive its first statement."""

    def wrapper(execute: Any, *statement: Any) -> Any:
        kill_connection(alias)
        return execute(*statement)

    with connections[alias].execute_wrapper(wrapper):
        yield


@on_ledgers
def test_lost_before_each_statement_in_turn(alias: str, ledger: str, report: Report) -> None:
    number = 0
    while True:
        victim = Victim(alias, import_string(ledger)(using=alias), f"n{number}")
        with disturbed(alias, number, lambda _: kill_connection(alias)) as statements:
            try:
                receipts = victim.post()
            except LedgerBusy as busy:
                # One statement is the whole call: nobody knows whether it was its end.
                assert ledger != DATABASE_LEDGER, busy  # noqa: PT017 - it need not come
                assert str(busy) == OUTCOME_UNKNOWN  # noqa: PT017
                receipts = victim.post()
        victim.assert_is_done_once(receipts, replayed=False)
        if not statements:
            break
        number += 1
    assert number >= (10 if ledger == DATABASE_LEDGER else 1)
    report.add(f"connections lost before a statement, {alias}", faults=number + 1)


@on_ledgers
def test_lost_whenever_it_is_tried(alias: str, ledger: str) -> None:
    victim = Victim(alias, import_string(ledger)(using=alias), "always")
    with always_killed(alias), pytest.raises(LedgerBusy) as caught:
        victim.post()
    assert isinstance(caught.value.__cause__, Error)
    victim.assert_nothing_is_done()
    victim.assert_is_done_once(victim.post(), replayed=False)


@on_ledgers
def test_lost_in_the_callers_transaction(alias: str, ledger: str, report: Report) -> None:
    number = 0
    while True:
        victim = Victim(alias, import_string(ledger)(using=alias), f"n{number}")
        with disturbed(alias, number, lambda _: kill_connection(alias)) as statements:
            try:
                with transaction.atomic(using=alias):
                    victim.ledger.acquire(f"earlier {number}", "earlier", "gold", 1)
                    victim.post()
                    transaction.set_rollback(True, using=alias)
            except LedgerBusy:
                assert statements
        victim.assert_nothing_is_done()
        if not statements:
            break
        number += 1
    victim.assert_is_done_once(victim.post(), replayed=False)
    report.add(f"connections lost before a statement, {alias}", faults=number)


@on_ledgers
def test_lost_while_nothing_was_going_on(alias: str, ledger: str) -> None:
    victim = Victim(alias, import_string(ledger)(using=alias), "idle")
    kill_connection(alias)
    try:
        receipts = victim.post()
    except LedgerBusy:
        assert ledger != DATABASE_LEDGER
        receipts = victim.post()
    victim.assert_is_done_once(receipts, replayed=False)


@on_ledgers
def test_a_read_that_lost_the_connection_does_not_spoil_the_next_call(
    alias: str, ledger: str
) -> None:
    victim = Victim(alias, import_string(ledger)(using=alias), "read")
    kill_connection(alias)
    with pytest.raises(Error):
        victim.ledger.balance("read", "gold")
    victim.assert_is_done_once(victim.post(), replayed=False)


@on_ledgers
def test_a_sweep_that_loses_the_connection(alias: str, ledger: str, report: Report) -> None:
    make = import_string(ledger)
    clock = Clock()
    number = 0
    while True:
        make(using=alias, clock=clock).post(
            [
                Acquire(f"{number} stock", f"n{number}", "gold", 9),
                Hold(f"{number} hold", f"n{number}", "gold", 9, 1),
            ]
        )
        clock.advance(seconds=1)
        sweeper = make(using=alias, clock=clock)
        with disturbed(alias, number, lambda _: kill_connection(alias)) as statements:
            try:
                sweeper.expire_holds()
            except LedgerBusy:
                sweeper.expire_holds()
        expiries = Entry.objects.using(alias).filter(kind="expire")
        assert expiries.filter(created_at=clock.now).count() == 1
        assert_books_balance(alias)
        if not statements:
            break
        number += 1
    report.add(f"connections lost before a statement, {alias}", faults=number)


@contextmanager
def through(proxy: Proxy, alias: str) -> Iterator[None]:
    """Make the database of ``alias`` known as ``PROXIED`` too, behind a proxy."""
    settings = copy.deepcopy(connections[alias].settings_dict)
    settings |= {"HOST": "127.0.0.1", "PORT": proxy.port}
    if connections[alias].vendor == "postgresql":
        settings["OPTIONS"] |= {"sslmode": "disable", "gssencmode": "disable"}
    connections.databases[PROXIED] = settings
    try:
        yield
    finally:
        connections[PROXIED].close()
        del connections[PROXIED]
        del connections.databases[PROXIED]


def target_of(alias: str) -> tuple[str, int] | str:
    settings = connections[alias].settings_dict
    port = int(settings["PORT"] or 5432)
    if settings["HOST"].startswith("/"):
        return f"{settings['HOST']}/.s.PGSQL.{port}"
    return settings["HOST"] or "127.0.0.1", port


MOMENTS: Final[tuple[Moment, ...]] = ("before", "after")


@on_ledgers
@pytest.mark.parametrize("moment", MOMENTS)
def test_cut_at_each_message_in_turn(
    alias: str, ledger: str, moment: Moment, report: Report
) -> None:
    """COMMIT is among the messages, and then nobody can tell the caller what became of it."""
    number = 0
    unknown = 0
    with Proxy(target_of(alias)) as proxy, through(proxy, alias):
        while True:
            make = import_string(ledger)
            victim = Victim(PROXIED, make(using=PROXIED), f"n{number}")
            cut = proxy.cut_at(moment, number)
            try:
                receipts = victim.post()
            except LedgerBusy as busy:
                assert str(busy) == OUTCOME_UNKNOWN  # noqa: PT017 - it need not come
                unknown += 1
                receipts = victim.post()
                # On MariaDB, what comes after COMMIT can be cut too.
                is_done = moment == "after" or b"AUTOCOMMIT" in cut.message
                victim.assert_is_done_once(receipts, replayed=is_done)
            else:
                proxy.spare()
                victim.assert_is_done_once(receipts, replayed=False)
            if not cut.is_done:
                break
            number += 1
    assert unknown == (2 if connections[alias].vendor == "mysql" else 1)
    report.add(f"connections cut {moment} a message, {alias}", faults=number, unknown=unknown)


@on_servers
def test_cut_at_commit_without_a_key(alias: str) -> None:
    with Proxy(target_of(alias)) as proxy, through(proxy, alias):
        ledger = DatabaseLedger(using=PROXIED)
        ledger.acquire("stock", "ann", "gold", 100)
        for moment in MOMENTS:
            for verb in ("commit", "release", "extend"):
                hold = ledger.hold(f"{moment} {verb}", "ann", "gold", 10, HOUR).hold
                assert hold is not None
                arguments = [hold.id, 2 * HOUR] if verb == "extend" else [hold.id]
                proxy.cut(moment, lambda message: message.rstrip(b"\0").endswith(b"COMMIT"))
                with pytest.raises(LedgerBusy, match="key"):
                    getattr(ledger, verb)(*arguments)
                receipt = getattr(ledger, verb)(*arguments)
                assert receipt.replayed == (moment == "after" and verb != "extend")
                assert_books_balance(PROXIED)
        assert ledger.balance("ann", "gold").total == 80


@on_ledgers
def test_a_server_that_does_not_answer(alias: str, ledger: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    settings = copy.deepcopy(connections[alias].settings_dict)
    connections.databases[NOWHERE] = settings | {"HOST": "127.0.0.1", "PORT": port}
    try:
        nowhere = import_string(ledger)(using=NOWHERE)
        with pytest.raises(LedgerBusy) as caught:
            nowhere.acquire("k", "ann", "gold", 1)
        assert isinstance(caught.value.__cause__, OperationalError)
        with pytest.raises(LedgerBusy):
            nowhere.expire_holds()
    finally:
        del connections[NOWHERE]
        del connections.databases[NOWHERE]
