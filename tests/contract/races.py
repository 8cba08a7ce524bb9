"""Calls that meet: in many threads, at a stop before a statement, or at each other's locks.

Owns how a race is staged and how its outcomes are judged. The rules of the ledger are in the tests.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest
from django.db import connections
from psycopg import IsolationLevel

from django_inventory.exceptions import InventoryError
from django_inventory.ledgers import retry
from django_inventory.values import Receipt
from tests.contract.engines import TRANSACTION_CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db import DatabaseError
    from django.db.backends.base.base import BaseDatabaseWrapper

    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Engine

R = TypeVar("R")

LIMIT: Final = 20
"""Seconds after which whoever waits for another thread gives up, well before ``run_threads``."""


def watch_conflicts(monkeypatch: pytest.MonkeyPatch) -> list[DatabaseError]:
    """Return the list of all deadlocks and the like that ledgers meet from now on."""
    met: list[DatabaseError] = []
    tell = retry.is_transient

    def is_transient(error: DatabaseError) -> bool:
        if is_one := tell(error):
            met.append(error)
        return is_one

    monkeypatch.setattr(retry, "is_transient", is_transient)
    return met


def in_rounds(
    run_threads: RunThreads, rounds: int, *callers: Callable[[int], R]
) -> list[tuple[R | InventoryError, ...]]:
    """Let the callers meet many times, each in a thread of its own; return each round's outcomes.

    The callers get the round's number. A new round begins when all have ended the last one.
    """
    meeting = threading.Barrier(len(callers))

    def repeat(caller: Callable[[int], R]) -> list[R | InventoryError]:
        outcomes: list[R | InventoryError] = []
        try:
            for number in range(rounds):
                meeting.wait(LIMIT)
                try:
                    outcomes.append(caller(number))
                except InventoryError as error:
                    outcomes.append(error)
        except BaseException:
            meeting.abort()
            raise
        return outcomes

    columns = run_threads([partial(repeat, caller) for caller in callers])
    failures = [column for column in columns if isinstance(column, BaseException)]
    for failure in sorted(failures, key=lambda e: isinstance(e, threading.BrokenBarrierError)):
        raise failure
    return list(zip(*[c for c in columns if not isinstance(c, BaseException)], strict=True))


def receipts_of(outcomes: Sequence[object]) -> list[Receipt]:
    """Return the receipts; errors that are no refusals are raised."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, InventoryError):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Receipt)]


def refusals_of(outcomes: Sequence[object]) -> list[InventoryError]:
    return [outcome for outcome in outcomes if isinstance(outcome, InventoryError)]


def assert_acted_once(outcomes: Sequence[object]) -> Receipt:
    """Assert that one call acted and all others were given its receipt; return it."""
    receipts = receipts_of(outcomes)
    assert len(receipts) == len(outcomes), refusals_of(outcomes)
    [acted] = [receipt for receipt in receipts if not receipt.replayed]
    assert [replace(receipt, replayed=False) for receipt in receipts] == [acted] * len(receipts)
    return acted


def assert_sound(engine: Engine) -> None:
    """Assert that each balance is the sum of its entries, numbered 1, 2, 3, and of its holds."""
    content = engine.dump()
    if engine.is_database:
        places = {row["id"]: (row["subject"], row["item"]) for row in content["balances"]}
        balances = {places[row["id"]]: row for row in content["balances"]}
        holds = [(places[row["balance_id"]], row) for row in content["holds"]]
        entries = [(places[row["balance_id"]], row) for row in content["entries"]]
    else:
        balances = {place: _fields(state) for place, state in content["balances"]}
        holds = [(state.place, _fields(state)) for _, state in content["holds"]]
        entries = [((entry.subject, entry.item), _fields(entry)) for entry in content["entries"]]
    assert {place for place, _ in entries} == balances.keys()
    for place, balance in balances.items():
        own = sorted([e for at, e in entries if at == place], key=lambda e: e["sequence"])
        assert [entry["sequence"] for entry in own] == list(range(1, balance["version"] + 1))
        quantity = on_hold = 0
        for entry in own:
            quantity += entry["quantity_delta"]
            on_hold += entry["on_hold_delta"]
            assert (quantity, on_hold) == (entry["quantity_after"], entry["on_hold_after"])
        assert (quantity, on_hold) == (balance["quantity"], balance["on_hold"])
        active = [h for at, h in holds if at == place and h["status"] == "active"]
        assert on_hold == sum(hold["remaining"] for hold in active)
        assert balance["next_expiry_at"] == min([h["expires_at"] for h in active], default=None)


def _fields(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in type(state).__slots__}


CLAIMS_KEYS: Final = "^INSERT INTO .django_inventory_idempotencyrecord"
MAKES_BALANCES: Final = "^INSERT INTO .django_inventory_balance"
ANYTHING: Final = ""
WAITING_SESSION: Final = re.compile(r"^LOCK WAIT .*\n.* thread id (\d+),", re.MULTILINE)


class Stop:
    """A place in a call, just before a statement, where it waits until it may go on."""

    def __init__(self, before: str = ANYTHING, *, may_go_on: bool = False) -> None:
        self.pattern = re.compile(before)
        self.is_reached = threading.Event()
        self.may_go_on = threading.Event()
        if may_go_on:
            self.may_go_on.set()


def call_with_stops(engine: Engine, stops: Sequence[Stop], call: Callable[[], R]) -> R:
    """Make the call, with the stops one after the other."""
    ahead = list(stops)

    def wait(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        if ahead and ahead[0].pattern.search(sql) and not TRANSACTION_CONTROL.match(sql):
            stop = ahead.pop(0)
            stop.is_reached.set()
            assert stop.may_go_on.wait(LIMIT), f"never told to go on before {sql}"
        return execute(sql, params, many, context)

    with connections[str(engine.alias)].execute_wrapper(wait):
        return call()


class Rivals:
    """Calls that begin at an event; tells when each of them has ended or waits for a lock."""

    def __init__(self, engine: Engine, begin: threading.Event) -> None:
        self._engine = engine
        self._begin = begin
        self._sessions: list[int] = []
        self._ended: list[int] = []
        self._has_ended = threading.Event()

    def call(self, call: Callable[[], R]) -> R:
        """Make the call at the event."""
        assert self._begin.wait(LIMIT)
        return self.call_now(call)

    def call_now(self, call: Callable[[], R]) -> R:
        """Make the call without waiting for the event."""
        with connections[str(self._engine.alias)].cursor() as cursor:
            is_postgresql = self._engine.name == "postgresql"
            cursor.execute(f"SELECT {'pg_backend_pid' if is_postgresql else 'CONNECTION_ID'}()")
            (session,) = cursor.fetchone()
        self._sessions.append(session)
        try:
            return call()
        finally:
            self._ended.append(session)
            self._has_ended.set()

    def wait_until_stuck(self, number: int) -> None:
        """Return once so many calls have begun and none of them can get on by itself."""
        give_up_at = time.monotonic() + LIMIT
        while time.monotonic() < give_up_at:
            self._has_ended.wait(0.01)
            if len(self._ended) == number:
                return
            self._has_ended.clear()
            running = set(self._sessions) - set(self._ended)
            if len(self._sessions) == number and running <= self._waiting():
                return
        pytest.fail(
            f"Of {self._sessions} only {self._ended} have ended, and the others do not wait."
        )

    def _waiting(self) -> set[int]:
        """Return the sessions that wait for another one's lock."""
        with connections[str(self._engine.alias)].cursor() as cursor:
            if self._engine.name == "postgresql":
                cursor.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                return {session for (session,) in cursor.fetchall()}
            # Not information_schema.innodb_trx, which is a tenth of a second old or older.
            cursor.execute("SHOW ENGINE INNODB STATUS")
            _, _, status = cursor.fetchone()
        _, _, transactions = status.partition("\nTRANSACTIONS\n")
        return {int(session) for session in WAITING_SESSION.findall(transactions)}


@contextmanager
def another_connection(engine: Engine) -> Iterator[BaseDatabaseWrapper]:
    """Yield a second connection of this thread's to the engine's database."""
    connection = connections[str(engine.alias)].copy()
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def connecting_with(engine: Engine, **options: object) -> Iterator[None]:
    """Let all connections that are made in the block, this thread's among them, have options.

    Not by statements of a session, which a call that reconnects would lose.
    """
    connection = connections[str(engine.alias)]
    before = connection.settings_dict["OPTIONS"]
    connection.close()
    connection.settings_dict["OPTIONS"] = {**before, **options}
    try:
        yield
    finally:
        connection.settings_dict["OPTIONS"] = before
        connection.close()


@contextmanager
def isolated(engine: Engine, level: str) -> Iterator[None]:
    """Let all connections that are made in the block work at that level of isolation."""
    levels = {level.name.replace("_", " "): level for level in IsolationLevel}
    is_postgresql = engine.name == "postgresql"
    with connecting_with(engine, isolation_level=levels[level] if is_postgresql else level.lower()):
        yield


@contextmanager
def impatient(engine: Engine) -> Iterator[None]:
    """Let all connections that are made in the block give up a lock almost at once."""
    before = connections[str(engine.alias)].settings_dict["OPTIONS"]
    options: dict[str, dict[str, object]] = {
        "sqlite": {"timeout": 0.01},
        "postgresql": {"options": f"{before.get('options', '')} -c lock_timeout=20ms"},
        "mariadb": {"init_command": f"{before.get('init_command')}, innodb_lock_wait_timeout = 1"},
    }
    with connecting_with(engine, **options[engine.name]):
        yield
