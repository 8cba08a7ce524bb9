"""One lock order: no call can deadlock with another, DESIGN section 3, number 8.

A deadlock that was retried would not be seen in the outcomes. So the errors that a retry answers
are counted, and must be none; a ledger without the order shows that they are seen.
"""

from __future__ import annotations

import random
import re
import threading
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    InsufficientQuantity,
    InvalidOperation,
)
from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Balance
from django_inventory.operations import Acquire, Commit, Consume, Extend, Hold, Release, Transfer
from django_inventory.values import Receipt
from tests.contract.calls import VERBS, call, stock
from tests.contract.engines import Clock
from tests.contract.journal import only_on
from tests.contract.races import (
    CLAIMS_KEYS,
    LIMIT,
    MAKES_BALANCES,
    Rivals,
    Stop,
    another_connection,
    assert_acted_once,
    assert_sound,
    call_with_stops,
    impatient,
    in_rounds,
    receipts_of,
    refusals_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db import DatabaseError
    from django.db.models import QuerySet

    from django_inventory.exceptions import InventoryError
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Engine

SECOND = timedelta(seconds=1)
REFUSALS = (HoldExpired, HoldResolved, InsufficientQuantity, InvalidOperation)


def test_first_ever_credits_in_opposite_order_never_deadlock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    rounds = 40
    ledger.acquire("stock", "old", "gold", 1_000)

    def operations(who: str, number: int) -> list[Operation]:
        return [
            Acquire(f"{who} {number} c", f"c{number}", "gold", 1),
            Transfer(f"{who} {number} t", "old", f"a{number}", "gold", 1),
            Acquire(f"{who} {number} b", f"b{number}", "gold", 1),
        ]

    in_rounds(
        run_threads,
        rounds,
        lambda number: ledger.post(operations("forth", number)),
        lambda number: ledger.post(operations("back", number)[::-1]),
        lambda number: ledger.acquire(f"single {number}", f"b{number}", "gold", 1),
    )
    for number in range(rounds):
        owned = [ledger.balance(f"{name}{number}", "gold").quantity for name in "abc"]
        assert owned == [2, 3, 2]
    assert_sound(engine)
    assert conflicts == []


@only_on("postgresql", "mariadb")
def test_batches_that_make_the_same_balances_in_any_order_never_deadlock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    """Six calls a round credit some of eight new balances and of one that all have met before."""
    rounds = 60
    ledger.acquire("stock", "old", "gold", 100_000)
    credited: dict[str, int] = {}

    def operations(caller: int, number: int) -> list[Operation]:
        # The same numbers every time, no secret.
        dice = random.Random(caller * 1_000 + number)  # noqa: S311
        names = dice.sample([f"{letter}{number}" for letter in "abcdefgh"], dice.randint(1, 4))
        made: list[Operation] = []
        for name in names:
            key = f"{caller} {number} {name}"
            is_new = dice.random() < 0.5
            made.append(
                Acquire(key, name, "gold", 1) if is_new else Transfer(key, "old", name, "gold", 1)
            )
            credited[name] = credited.get(name, 0) + 1
        return made

    def call_of(caller: int) -> Callable[[int], list[Receipt]]:
        return lambda number: ledger.post(operations(caller, number))

    outcomes = in_rounds(run_threads, rounds, *[call_of(caller) for caller in range(6)])
    assert not refusals_of([one for outcome in outcomes for one in outcome])
    owned = {name: ledger.balance(name, "gold").quantity for name in credited}
    assert owned == credited
    assert_sound(engine)
    assert conflicts == []


def test_transfers_in_a_circle_never_deadlock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    rounds = 60
    ledger.post([Acquire(f"stock {name}", name, "gold", 100) for name in "abc"])

    def give(source: str, destination: str, number: int) -> Receipt:
        return ledger.transfer(f"{source} {number}", source, destination, "gold", 1)

    outcomes = in_rounds(
        run_threads,
        rounds,
        partial(give, "a", "b"),
        partial(give, "b", "c"),
        partial(give, "c", "a"),
    )
    assert len(receipts_of([one for outcome in outcomes for one in outcome])) == 3 * rounds
    assert {ledger.balance(name, "gold").quantity for name in "abc"} == {100}
    assert_sound(engine)
    assert conflicts == []


def test_batches_in_opposite_order_never_deadlock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    rounds = 200
    names = ["c", "a", "e", "b", "d"]
    ledger.post([Acquire(f"stock {name}", name, "gold", 1_000) for name in names])

    def operations(who: str, number: int) -> list[Operation]:
        return [
            Transfer(f"{who} {number} {source}", source, destination, "gold", 1)
            for source, destination in pairwise(names)
        ]

    outcomes = in_rounds(
        run_threads,
        rounds,
        lambda number: ledger.post(operations("forth", number)),
        lambda number: ledger.post(operations("back", number)[::-1]),
    )
    assert not refusals_of([one for outcome in outcomes for one in outcome])
    owned = {name: ledger.balance(name, "gold").quantity for name in names}
    assert owned == {"c": 600, "a": 1_000, "e": 1_000, "b": 1_000, "d": 1_400}
    assert_sound(engine)
    assert conflicts == []


def test_equal_keys_in_opposite_order_never_deadlock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    rounds = 60

    def operations(number: int) -> list[Operation]:
        return [Acquire(f"{number} {name}", name, "gold", 1) for name in ("c", "a", "b")]

    outcomes = in_rounds(
        run_threads,
        rounds,
        lambda number: ledger.post(operations(number)),
        lambda number: ledger.post(operations(number)[::-1])[::-1],
    )
    for forth, back in outcomes:
        assert isinstance(forth, list)
        assert isinstance(back, list)
        for same_key in zip(forth, back, strict=True):
            assert_acted_once(same_key)
    assert {ledger.balance(name, "gold").quantity for name in "abc"} == {rounds}
    assert conflicts == []


class RequestOrderLedger(DatabaseLedger):
    """A ledger that locks balances one by one in any ``order`` of the names.

    When it does so for the first time, it waits for its rival after the first name.
    """

    barrier: threading.Barrier
    order: tuple[str, str]
    has_met = False

    def _lock_pair(self, _: object, books: Any) -> None:
        self._lock_rows(Balance.objects.using(self.using), books)

    def _lock_rows(self, rows: QuerySet[Balance], books: Any, **options: bool) -> None:
        for name in self.order:
            one = Balance.objects.using(rows.db).filter(subject=name, item="gold")
            super()._lock_rows(one, books, **options)
            if not self.has_met:
                self.has_met = True
                self.barrier.wait(LIMIT)


@only_on("postgresql", "mariadb")
def test_without_one_lock_order_the_deadlock_is_seen(
    engine: Engine,
    ledger: Ledger,
    clock: Clock,
    run_threads: RunThreads,
    conflicts: list[DatabaseError],
) -> None:
    assert engine.alias is not None
    ledger.post([Acquire(f"stock {name}", name, "gold", 10) for name in "ab"])
    barrier = threading.Barrier(2)
    calls = []
    for order in (("a", "b"), ("b", "a")):
        disorderly = RequestOrderLedger(using=engine.alias, clock=clock)
        disorderly.barrier = barrier
        disorderly.order = order
        calls.append(partial(disorderly.transfer, f"from {order[0]}", *order, "gold", 1))
    assert len(receipts_of(run_threads(calls))) == 2
    # One, or more where the loser is back before its rival has gone on.
    assert conflicts
    for conflict in conflicts:
        assert re.search("deadlock", str(conflict), re.IGNORECASE)


@only_on("postgresql", "mariadb")
def test_a_balance_that_is_made_while_it_is_looked_for_causes_no_deadlock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    """One call has found "new" missing, another makes it, a third locks it as existing."""
    ledger.acquire("stock", "old", "gold", 10)
    before_making, after_making = Stop(MAKES_BALANCES), Stop()
    rivals = Rivals(engine, begin=after_making.is_reached)

    def direct() -> None:
        assert before_making.is_reached.wait(LIMIT)
        ledger.acquire("second", "new", "gold", 1)
        before_making.may_go_on.set()
        assert after_making.is_reached.wait(LIMIT)
        rivals.wait_until_stuck(1)
        after_making.may_go_on.set()

    first = partial(ledger.transfer, "first", "old", "new", "gold", 1)
    third = partial(ledger.transfer, "third", "old", "new", "gold", 1)
    calls: list[Callable[[], Receipt | None]] = [
        partial(call_with_stops, engine, [before_making, after_making], first),
        partial(rivals.call, third),
        direct,
    ]
    outcomes = run_threads(calls)
    assert len(receipts_of(outcomes[:2])) == 2
    assert outcomes[2] is None
    assert ledger.balance("new", "gold").quantity == 3
    assert conflicts == []


@only_on("postgresql", "mariadb")
def test_balances_that_are_made_in_another_order_than_their_names_cause_no_deadlock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    """Two calls lock "a" and "b", which others have made the other way round.

    To the first they are new, to the second they exist. A third transaction has "a" until both
    wait for it, the first one first: if the second has "b" by then, each waits for the other.
    """
    ledger.acquire("stock", "old", "gold", 10)
    before_making = Stop(MAKES_BALANCES)
    both_exist = threading.Event()
    rivals = Rivals(engine, begin=both_exist)

    def first() -> list[Receipt]:
        return ledger.post([Acquire("k1", "a", "gold", 1), Acquire("k2", "b", "gold", 1)])

    def stopped() -> list[Receipt]:
        return call_with_stops(engine, [before_making], first)

    def direct() -> None:
        assert before_making.is_reached.wait(LIMIT)
        ledger.acquire("make b", "b", "gold", 5)
        ledger.acquire("make a", "a", "gold", 5)
        with another_connection(engine) as other, other.cursor() as cursor:
            # By its primary key, which is the last that every call locks of a balance.
            cursor.execute("SELECT id FROM django_inventory_balance WHERE subject = 'a'")
            [pk] = cursor.fetchone()
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM django_inventory_balance WHERE id = %s FOR UPDATE", [pk])
            before_making.may_go_on.set()
            rivals.wait_until_stuck(1)
            both_exist.set()
            rivals.wait_until_stuck(2)
            cursor.execute("ROLLBACK")

    second = partial(ledger.transfer, "k3", "b", "a", "gold", 1)
    calls: list[Callable[[], object]] = [
        partial(rivals.call_now, stopped),
        partial(rivals.call, second),
        direct,
    ]
    outcomes = run_threads(calls)
    assert outcomes[2] is None
    assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert ledger.balance("a", "gold").quantity == 7
    assert ledger.balance("b", "gold").quantity == 5
    assert_sound(engine)
    assert conflicts == []


@only_on("postgresql", "mariadb")
@pytest.mark.parametrize("wanted", ["key", "balance"])
def test_calls_that_wait_for_one_that_is_refused_cause_no_deadlock(
    wanted: str,
    engine: Engine,
    ledger: Ledger,
    run_threads: RunThreads,
    conflicts: list[DatabaseError],
) -> None:
    """One call has inserted what two others want to insert too, and takes it back."""
    ledger.acquire("stock", "a", "gold", 2)
    too_much = Consume("refused", "a", "gold", 3)
    before_insert = Stop(CLAIMS_KEYS if wanted == "key" else MAKES_BALANCES, may_go_on=True)
    after_insert = Stop()
    rivals = Rivals(engine, begin=after_insert.is_reached)

    def refused() -> Receipt:
        return ledger.post([Acquire("k1", "new", "gold", 1), too_much])[0]

    def direct() -> None:
        assert after_insert.is_reached.wait(LIMIT)
        rivals.wait_until_stuck(2)
        after_insert.may_go_on.set()

    keys = ["k1", "k1"] if wanted == "key" else ["k2", "k3"]
    others = [partial(ledger.acquire, key, "new", "gold", 1) for key in keys]
    calls: list[Callable[[], Receipt | None]] = [
        partial(call_with_stops, engine, [before_insert, after_insert], refused),
        *[partial(rivals.call, other) for other in others],
        direct,
    ]
    outcomes = run_threads(calls)
    assert isinstance(outcomes[0], InsufficientQuantity)
    receipts = receipts_of(outcomes[1:3])
    assert sorted(r.replayed for r in receipts) == [False, wanted == "key"]
    assert outcomes[3] is None
    assert ledger.balance("new", "gold").quantity == (1 if wanted == "key" else 2)
    assert conflicts == []


@only_on("postgresql", "mariadb")
@pytest.mark.parametrize("verb", [*VERBS, "consume after expiry", "batch", "sweep"])
def test_a_call_waits_for_no_balance_but_its_own(
    verb: str, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    """Another transaction has all other balances and holds; a database that scans would wait."""
    hold_id = stock(ledger)
    others = [f"other {number}" for number in range(40)]
    ledger.post([Acquire(f"stock {other}", other, "gold", 5) for other in others])
    ledger.post([Hold(f"hold {other}", other, "gold", 1, 60 * SECOND) for other in others])
    if verb in {"consume after expiry", "sweep"}:
        clock.advance(60 * SECOND)
    calls: dict[str, Callable[[], object]] = {
        "consume after expiry": partial(call, ledger, "consume"),
        "batch": partial(
            ledger.post,
            [Acquire("k1", "new", "gold", 1), Consume("k2", "alice", "gold", 1), Commit(hold_id)],
        ),
        "sweep": ledger.expire_holds,
    }
    act = calls.get(verb) or partial(call, ledger, verb, hold_id)
    lock = "SELECT 1 FROM django_inventory_{} WHERE id = %s FOR UPDATE"
    with impatient(engine), another_connection(engine) as other, other.cursor() as cursor:
        cursor.execute("SELECT balance_id, id FROM django_inventory_hold")
        theirs = [row for row in cursor.fetchall() if UUID(str(row[1])) != hold_id]
        assert len(theirs) == len(others)
        cursor.execute("BEGIN")
        # One by one, so that none is locked but for these.
        for other_balance, other_hold in theirs:
            cursor.execute(lock.format("balance"), [other_balance])
            cursor.execute(lock.format("hold"), [other_hold])
        assert act()
        cursor.execute("ROLLBACK")
    assert_sound(engine)


@only_on("postgresql", "mariadb")
@pytest.mark.parametrize("mode", ["all or none", "each alone"])
def test_a_refused_call_waits_for_no_key_but_its_own(
    mode: str, engine: Engine, ledger: Ledger
) -> None:
    """Most of the records are its own: a database that scans to delete them meets the others."""
    ledger.acquire("stock", "alice", "gold", 1)
    refused = [Consume(f"k{number}", "alice", "gold", 2) for number in range(9)]
    record = (
        "INSERT INTO django_inventory_idempotencyrecord"
        " (scope, {key}, kind, fingerprint, operation_id, created_at) VALUES"
        " ('', 'theirs', 'acquire', 'x', '00000000-0000-7000-8000-000000000000', {now})"
    )
    now = "'2026-01-01 00:00:00'"
    with impatient(engine), another_connection(engine) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(record.format(key=other.ops.quote_name("key"), now=now))
        outcomes: list[object] = []
        try:
            outcomes.extend(ledger.post(refused, atomic=mode == "all or none"))
        except InsufficientQuantity as error:
            outcomes.append(error)
        cursor.execute("ROLLBACK")
    assert [type(outcome) for outcome in outcomes] == [InsufficientQuantity] * len(outcomes)
    assert engine.counts()["keys"] == 1


@only_on("postgresql", "mariadb")
@pytest.mark.parametrize("verb", ["commit", "release", "extend", "expiry", "sweep"])
def test_a_batch_waits_for_no_hold_but_its_own(
    verb: str, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    """Of few holds most are the batch's: a database that scans to change them meets the others."""
    ledger.post([Acquire(f"stock {name}", name, "gold", 50) for name in ("alice", "bob")])
    theirs = ledger.hold("bob's", "bob", "gold", 1, 3 * SECOND).hold
    own = ledger.post([Hold(f"k{n}", "alice", "gold", 1, 2 * SECOND) for n in range(9)])
    later = ledger.hold("bob's other", "bob", "gold", 1, 3 * SECOND).hold
    assert theirs
    assert later
    hold_ids = [receipt.hold.id for receipt in own if receipt.hold]
    acts: dict[str, Callable[[], object]] = {
        "commit": lambda: ledger.post([Commit(hold_id) for hold_id in hold_ids]),
        "release": lambda: ledger.post([Release(hold_id) for hold_id in hold_ids]),
        "extend": lambda: ledger.post([Extend(hold_id, 5 * SECOND) for hold_id in hold_ids]),
        "expiry": lambda: ledger.acquire("after", "alice", "gold", 1),
        "sweep": ledger.expire_holds,
    }
    if verb in {"expiry", "sweep"}:
        clock.advance(2 * SECOND)
    lock = "SELECT 1 FROM django_inventory_{} WHERE id = %s FOR UPDATE"
    with impatient(engine), another_connection(engine) as other, other.cursor() as cursor:
        cursor.execute("SELECT balance_id, id FROM django_inventory_hold")
        others = [row for row in cursor.fetchall() if UUID(str(row[1])) in {theirs.id, later.id}]
        assert len(others) == 2
        cursor.execute("BEGIN")
        for other_balance, other_hold in others:
            cursor.execute(lock.format("balance"), [other_balance])
            cursor.execute(lock.format("hold"), [other_hold])
        assert acts[verb]()
        cursor.execute("ROLLBACK")
    assert_sound(engine)


@only_on("postgresql", "mariadb")
def test_a_sweep_leaves_out_what_others_have_and_waits_for_nobody(
    engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    names = [f"s{number}" for number in range(250)]
    ledger.post([Acquire(f"stock {name}", name, "gold", 5) for name in names])
    for number in (1, 2):
        ledger.post([Hold(f"{number} {name}", name, "gold", 1, SECOND) for name in names])
    clock.advance(SECOND)
    with impatient(engine), another_connection(engine) as other, other.cursor() as cursor:
        cursor.execute("SELECT id FROM django_inventory_balance ORDER BY id")
        theirs = [pk for number, (pk,) in enumerate(cursor.fetchall()) if number % 5]
        assert len(theirs) == 200
        cursor.execute("BEGIN")
        for pk in theirs:
            cursor.execute("SELECT 1 FROM django_inventory_balance WHERE id = %s FOR UPDATE", [pk])
        assert ledger.expire_holds() == 100
        cursor.execute("ROLLBACK")
        assert ledger.expire_holds() == 400
    assert_sound(engine)


def test_everything_at_once_keeps_the_books(
    engine: Engine,
    ledger: Ledger,
    clock: Clock,
    run_threads: RunThreads,
    conflicts: list[DatabaseError],
) -> None:
    """Six threads do whatever comes, some of it from the future, on few balances."""
    names = [f"s{number}" for number in range(4)]
    # On MariaDB all, since it can have a deadlock where a refused call takes back a new balance.
    stocked = names if engine.name == "mariadb" else names[:2]
    ledger.post([Acquire(f"stock {n} {i}", n, i, 20) for n in stocked for i in ("gold", "iron")])
    hold_ids: list[UUID] = []

    def operation(dice: random.Random, key: str) -> Operation:
        source, destination = dice.sample(names, 2)
        item = dice.choice(["gold", "iron"])
        quantity = dice.randint(1, 6)
        choices: list[Callable[[], Operation]] = [
            lambda: Acquire(key, source, item, quantity),
            lambda: Consume(key, source, item, quantity),
            lambda: Transfer(key, source, destination, item, quantity),
            lambda: Hold(key, source, item, quantity, dice.randint(1, 4) * SECOND),
        ]
        if hold_ids:
            hold_id = dice.choice(hold_ids)
            choices += [
                lambda: Commit(hold_id),
                lambda: Commit(hold_id, to=destination, key=key),
                lambda: Commit(hold_id, quantity=1, keep_remainder=True, key=key),
                lambda: Release(hold_id),
            ]
        return dice.choice(choices)()

    def work(thread: int) -> None:
        dice = random.Random(thread)  # noqa: S311 - the same numbers every time, no secret
        for number in range(40):
            own_clock = Clock()
            own_clock.set(clock.now + number / 8 * SECOND)
            own = engine.make_ledger(clock=own_clock)
            if number % 8 == thread:
                own.expire_holds()
                continue
            operations = [operation(dice, f"{thread} {number} {part}") for part in range(4)]
            results: Sequence[Receipt | InventoryError] = []
            with suppress(*REFUSALS):
                results = own.post(operations, atomic=dice.random() < 0.5)
            hold_ids.extend(r.hold.id for r in results if isinstance(r, Receipt) and r.hold)

    outcomes = run_threads([partial(work, thread) for thread in range(6)])
    assert outcomes == [None] * 6
    assert_sound(engine)
    assert conflicts == []
