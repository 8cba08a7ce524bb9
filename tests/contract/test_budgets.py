"""How many statements a call may send, by DESIGN section 7 and issue 2: fixed, and few.

BEGIN, COMMIT and SAVEPOINT are not counted. The exact numbers are no promise: they stand here so
that a change of them is seen, and made on purpose.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connections

from django_inventory.operations import Acquire, Commit, Consume, Extend, Hold, Release, Transfer
from tests.contract.calls import hold_of
from tests.contract.engines import QueryCount, count_queries
from tests.contract.journal import only_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.engines import Clock, Engine

BUDGETS: Final = {
    "acquire first-ever": 6,
    "acquire": 6,
    "consume": 6,
    "hold": 6,
    "transfer to new": 7,
    "transfer": 7,
}
on_portable = only_on("sqlite", "postgresql", "mariadb")
# What each call takes on SQLite, PostgreSQL and MariaDB.
SINGLE_CALLS: Final = {
    "acquire first-ever": (5, 5, 6),
    "acquire": (4, 4, 5),
    "consume": (4, 4, 5),
    "hold": (5, 5, 6),
    "transfer to new": (6, 6, 6),
    "transfer": (5, 5, 5),
    "commit": (6, 6, 8),
    "commit with a key": (7, 7, 9),
    "commit a part": (6, 6, 8),
    "commit to": (8, 8, 8),
    "commit to new": (9, 9, 9),
    "release": (6, 6, 8),
    "extend": (6, 6, 8),
    "extend with a key": (7, 7, 9),
    "consume after expiry": (7, 7, 8),
}
MINUTE: Final = timedelta(minutes=1)
COLUMNS: Final = {"sqlite": 0, "postgresql": 1, "mariadb": 2}

BATCHES: Final = [
    "acquire first-ever",
    "consume",
    "hold",
    "transfer to new",
    "commit to new",
    "all",
]
MOST_STATEMENTS_OF_A_BATCH: Final = 14


@contextmanager
def counting(engine: Engine) -> Iterator[QueryCount]:
    """Count the statements; none may page by OFFSET, which reads all that it leaves out."""
    with count_queries(engine) as counted:
        yield counted
    assert not [sql for sql in counted.statements if re.search(r"\bOFFSET\b", sql)]


def single_call(ledger: Ledger, clock: Clock, name: str) -> Callable[[], Any]:
    """Return the call of that name; "a" and "b" own gold, and "a" has two holds on it."""
    ledger.post([Acquire(f"stock {subject}", subject, "gold", 100) for subject in "ab"])
    hold_id = hold_of(ledger.hold("first", "a", "gold", 4, 60))
    ledger.hold("second", "a", "gold", 4, 120)
    if name == "consume after expiry":
        clock.advance(seconds=60)
    calls: dict[str, Callable[[], Any]] = {
        "acquire first-ever": partial(ledger.acquire, "k", "new", "gold", 1),
        "acquire": partial(ledger.acquire, "k", "a", "gold", 1),
        "consume": partial(ledger.consume, "k", "a", "gold", 1),
        "hold": partial(ledger.hold, "k", "a", "gold", 1, 60),
        "transfer to new": partial(ledger.transfer, "k", "a", "new", "gold", 1),
        "transfer": partial(ledger.transfer, "k", "a", "b", "gold", 1),
        "commit": partial(ledger.commit, hold_id),
        "commit with a key": partial(ledger.commit, hold_id, key="k"),
        "commit a part": partial(ledger.commit, hold_id, quantity=1, keep_remainder=True, key="k"),
        "commit to": partial(ledger.commit, hold_id, to="b"),
        "commit to new": partial(ledger.commit, hold_id, to="new"),
        "release": partial(ledger.release, hold_id),
        "extend": partial(ledger.extend, hold_id, 600),
        "extend with a key": partial(ledger.extend, hold_id, 600, key="k"),
        "consume after expiry": partial(ledger.consume, "k", "a", "gold", 1),
    }
    return calls[name]


@on_portable
@pytest.mark.parametrize("name", SINGLE_CALLS)
def test_a_fresh_call_keeps_to_its_budget(
    name: str, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    call = single_call(ledger, clock, name)
    with counting(engine) as counted:
        call()
    assert counted.count <= BUDGETS.get(name, counted.count), counted.statements
    assert counted.count == SINGLE_CALLS[name][COLUMNS[engine.name]], counted.statements


@on_portable
@pytest.mark.parametrize("name", [name for name in SINGLE_CALLS if name != "extend"])
def test_a_replay_takes_at_most_three_statements(
    name: str, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    call = single_call(ledger, clock, name)
    call()
    with counting(engine) as counted:
        receipt = call()
    assert receipt.replayed
    assert counted.count <= 3, counted.statements


@on_portable
def test_a_read_takes_one_statement(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    ledger.post([Acquire(f"stock {item}", "a", item, 10) for item in ("gold", "iron", "wood")])
    hold_id = hold_of(ledger.hold("k", "a", "gold", 4, 60))
    for seconds in (0, 60):
        clock.advance(seconds=seconds)
        for read in (
            partial(ledger.balance, "a", "gold"),
            partial(ledger.balance, "nobody", "gold"),
            partial(ledger.balances, "a"),
            partial(ledger.get_hold, hold_id),
        ):
            with counting(engine) as counted:
                read()
            assert counted.count == 1, counted.statements


@on_portable
def test_an_empty_batch_takes_no_statement(engine: Engine, ledger: Ledger) -> None:
    with counting(engine) as counted:
        assert ledger.post([]) == []
    assert counted.count == 0, counted.statements


# Batches ------------------------------------------------------------------------------------


def batch(ledger: Ledger, name: str, size: int) -> list[Operation]:
    """Return that many operations, each on balances of its own."""
    subjects = [f"{size} {number}" for number in range(size)]
    if name == "acquire first-ever":
        return [Acquire(f"k{s}", s, "gold", 1) for s in subjects]
    ledger.post([Acquire(f"stock {s}", s, "gold", 10) for s in subjects])
    if name == "consume":
        return [Consume(f"k{s}", s, "gold", 1) for s in subjects]
    if name == "hold":
        return [Hold(f"k{s}", s, "gold", 1, MINUTE) for s in subjects]
    if name == "transfer to new":
        return [Transfer(f"k{s}", s, f"new {s}", "gold", 1) for s in subjects]
    receipts = ledger.post([Hold(f"hold {s}", s, "gold", 1, MINUTE) for s in subjects])
    holds = dict(zip(subjects, map(hold_of, receipts), strict=True))
    if name == "commit to new":
        return [Commit(holds[s], to=f"new {s}", key=f"k{s}") for s in subjects]
    verbs: list[Callable[[str], Operation]] = [
        lambda s: Acquire(f"k{s}", s, "gold", 1),
        lambda s: Consume(f"k{s}", s, "gold", 1),
        lambda s: Transfer(f"k{s}", s, f"new {s}", "gold", 1),
        lambda s: Hold(f"k{s}", s, "gold", 1, MINUTE),
        lambda s: Commit(holds[s]),
        lambda s: Commit(holds[s], to=f"new {s}", key=f"k{s}"),
        lambda s: Release(holds[s]),
        lambda s: Extend(holds[s], MINUTE),
    ]
    return [verbs[number % len(verbs)](s) for number, s in enumerate(subjects)]


def shape_of(sql: str) -> str:
    """Return the statement without what depends on the number of its values."""
    row = r"\((?:[^()]|\([^()]*\))*?%s(?:[^()]|\([^()]*\))*\)"
    sql = re.sub(rf"VALUES {row}(, {row})*", "VALUES ...", sql)
    sql = re.sub(r"IN \(%s(, %s)*\)", "IN (...)", sql)
    return re.sub(r"( WHEN \([^()]+\) THEN %s)+", " WHEN ...", sql)


def parameter_limit(engine: Engine) -> float:
    """Return how many parameters Django puts into a bulk statement."""
    return connections[str(engine.alias)].features.max_query_params or inf


@only_on("postgresql", "mariadb")
@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_of_1000_takes_as_many_statements_as_one_of_100(
    name: str, engine: Engine, ledger: Ledger
) -> None:
    counts = []
    for size in (100, 1_000):
        operations = batch(ledger, name, size)
        with counting(engine) as counted:
            ledger.post(operations)
        assert counted.count <= MOST_STATEMENTS_OF_A_BATCH, counted.statements
        counts.append([shape_of(sql) for sql in counted.statements])
    assert counts[0] == counts[1]


@only_on("sqlite")
@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_split_by_the_limit_of_parameters_alone(
    name: str, engine: Engine, ledger: Ledger
) -> None:
    most = parameter_limit(engine)
    small, large = QueryCount(), QueryCount()
    for size, counted in ((20, small), (1_000, large)):
        operations = batch(ledger, name, size)
        with counting(engine) as statements:
            ledger.post(operations)
        counted.statements = statements.statements
    assert small.count <= MOST_STATEMENTS_OF_A_BATCH, small.statements
    assert set(map(shape_of, small.statements)) == set(map(shape_of, large.statements))
    # What is split off is at least half full. SQLite also wants no more than 500 terms at once.
    parameters = sum(sql.count("%s") for sql in large.statements)
    assert large.count <= 2 * small.count + parameters / (most / 2)


@on_portable
def test_a_replayed_batch_takes_as_many_statements_as_one_replay(
    engine: Engine, ledger: Ledger
) -> None:
    operations = batch(ledger, "acquire first-ever", 100)
    ledger.post(operations)
    with counting(engine) as counted:
        receipts = ledger.post(operations)
    assert {receipt.replayed for receipt in receipts} == {True}
    assert counted.count == (2 if engine.name == "mariadb" else 3), counted.statements


# The sweep ----------------------------------------------------------------------------------


@on_portable
@pytest.mark.parametrize(("number", "expected"), [(1, 7), (20, 7), (210, 13)])
def test_the_sweep_takes_six_statements_for_200_balances_and_one_to_see_the_end(
    number: int, expected: int, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    ledger.post([Acquire(f"stock {n}", f"s{n}", "gold", 10) for n in range(number)])
    ledger.post(
        [Hold(f"k{n} {m}", f"s{n}", "gold", 1, MINUTE) for n in range(number) for m in (1, 2)]
    )
    clock.advance(seconds=60)
    with counting(engine) as counted:
        assert ledger.expire_holds() == 2 * number
    parameters = sum(sql.count("%s") for sql in counted.statements)
    split = parameters / (parameter_limit(engine) / 2) if number > 20 else 0
    assert expected <= counted.count <= expected + split, counted.statements


@on_portable
def test_a_sweep_without_work_takes_one_statement(engine: Engine, ledger: Ledger) -> None:
    ledger.acquire("stock", "a", "gold", 10)
    ledger.hold("k", "a", "gold", 1, 60)
    with counting(engine) as counted:
        assert ledger.expire_holds() == 0
    assert counted.count == 1, counted.statements


# Indexes ------------------------------------------------------------------------------------


@only_on("sqlite", "postgresql")
@pytest.mark.parametrize("name", [*SINGLE_CALLS, "sweep", "balance", "balances", "get_hold"])
def test_every_statement_finds_its_rows_by_an_index(
    name: str, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    """PostgreSQL is told to avoid scans, and SQLite does so by itself, wherever an index serves."""
    if name in SINGLE_CALLS:
        call = single_call(ledger, clock, name)
    else:
        hold_id = single_call(ledger, clock, "hold")().hold.id
        calls: dict[str, Callable[[], Any]] = {
            "sweep": ledger.expire_holds,
            "balance": partial(ledger.balance, "a", "gold"),
            "balances": partial(ledger.balances, "a"),
            "get_hold": partial(ledger.get_hold, hold_id),
        }
        call = calls[name]
        clock.advance(seconds=60)
    connection = connections[str(engine.alias)]
    plans: dict[str, str] = {}

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        if re.match("SELECT|UPDATE|DELETE", sql):
            with connection.connection.cursor() if is_postgresql else connection.cursor() as cursor:
                prefix = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
                cursor.execute(f"{prefix} {sql}", params)
                plans[sql] = "\n".join(str(row[-1]) for row in cursor.fetchall())
        return execute(sql, params, many, context)

    is_postgresql = engine.name == "postgresql"
    if is_postgresql:
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
    try:
        with connection.execute_wrapper(explain):
            call()
    finally:
        if is_postgresql:
            with connection.cursor() as cursor:
                cursor.execute("RESET enable_seqscan")
    assert plans
    scans = {
        sql: plan for sql, plan in plans.items() if re.search(r"Seq Scan|^SCAN", plan, re.MULTILINE)
    }
    assert scans == {}
