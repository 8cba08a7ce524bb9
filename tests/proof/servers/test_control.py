"""The negative control: without the lock, the checker finds the violation.

And behind the lock stands a second line, the database's own constraint, which has to be taken away
too for anything to be lost.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest
from django.db import connections, models

from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Entry
from django_inventory.operations import Acquire, Consume
from tests.proof.servers.books import assert_books_balance, empty, read_journal
from tests.proof.servers.checker import ViolationError, check
from tests.proof.servers.children import Job
from tests.proof.servers.engines import DATABASE_LEDGER, on_servers
from tests.proof.servers.history import Broken, Post, Recorder, WorkerClock
from tests.proof.servers.races import follow
from tests.proof.servers.random_calls import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proof.servers.children import Crew
    from tests.proof.servers.history import Call

pytestmark = [pytest.mark.crowded, on_servers]

UNLOCKED: Final = "tests.proof.servers.unlocked.UnlockedLedger"
MAX_HISTORIES: Final = 20
ROUNDS: Final = 10
CALLS: Final = 15
CONSTRAINT: Final = "inventory_entry_balance_sequence_unique"


@pytest.fixture
def without_constraint(alias: str) -> Iterator[None]:
    """Take away what would refuse two entries of one sequence."""
    [constraint] = [each for each in Entry._meta.constraints if each.name == CONSTRAINT]
    # In its place, for MariaDB's foreign key to have one.
    index = models.Index(fields=["balance"], name="control_balance")
    with connections[alias].schema_editor() as editor:
        editor.add_index(Entry, index)
        editor.remove_constraint(Entry, constraint)
    yield
    empty(alias)
    with connections[alias].schema_editor() as editor:
        editor.add_constraint(Entry, constraint)
        editor.remove_index(Entry, index)


def consume_at_once(crew: Crew, alias: str, ledger: str) -> list[Call]:
    """Let all processes consume from one balance, at once in each round; return all calls."""
    empty(alias)
    clock = WorkerClock(crew.size)
    stock = Recorder(DatabaseLedger(using=alias, clock=clock), clock, crew.size)
    stock(Post((Acquire("stock", "shop", "gold", 1_000),)))
    jobs = [
        Job(
            follow,
            (
                ledger,
                worker,
                [
                    (Post((Consume(f"{worker}-{n}", "shop", "gold", 1),)), None)
                    for n in range(ROUNDS)
                ],
            ),
        )
        for worker in range(crew.size)
    ]
    return [*stock.calls, *(call for calls in crew.run(jobs) for call in calls)]


def test_without_lock_and_constraint_the_checker_finds_it_in_the_answers(
    crew: Crew, alias: str, without_constraint: None
) -> None:
    for _ in range(MAX_HISTORIES):
        calls = consume_at_once(crew, alias, UNLOCKED)
        try:
            check(calls, read_journal(alias), by_journal=False)
        except ViolationError:
            return
    pytest.fail(f"{MAX_HISTORIES} histories without a lock, and nothing found")


def test_without_lock_and_constraint_the_checker_finds_it_in_random_calls(
    crew: Crew, alias: str, without_constraint: None
) -> None:
    for _ in range(MAX_HISTORIES):
        empty(alias)
        seed = random.getrandbits(32)
        jobs = [Job(run, (UNLOCKED, worker, seed, CALLS)) for worker in range(crew.size)]
        calls = [call for calls in crew.run(jobs) for call in calls]
        try:
            check(calls, read_journal(alias))
        except ViolationError:
            return
    pytest.fail(f"{MAX_HISTORIES} histories without a lock, and nothing found")


def test_with_the_lock_the_answers_alone_are_in_order(
    crew: Crew, alias: str, without_constraint: None
) -> None:
    calls = consume_at_once(crew, alias, DATABASE_LEDGER)
    verdict = check(calls, read_journal(alias), by_journal=False)
    assert (verdict.calls, verdict.changes) == (len(calls), len(calls))


def test_without_lock_the_constraint_refuses_and_the_books_balance(crew: Crew, alias: str) -> None:
    for _ in range(MAX_HISTORIES):
        calls = consume_at_once(crew, alias, UNLOCKED)
        assert_books_balance(alias)
        broken = [call.answer.text for call in calls if isinstance(call.answer, Broken)]
        if broken:
            assert all(text.startswith("IntegrityError") for text in broken), broken
            return
    pytest.fail(f"{MAX_HISTORIES} histories without a lock, and nothing refused")
