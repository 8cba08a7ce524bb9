"""The invariants of the design, recomputed from the tables after lively histories."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from django_inventory.exceptions import InventoryError
from django_inventory.ledgers import MemoryLedger
from django_inventory.models import Balance, Hold, IdempotencyRecord
from django_inventory.operations import Acquire, Commit, Consume, Transfer
from django_inventory.operations import Hold as PlaceHold
from django_inventory.values import MAX_QUANTITY, BalanceSnapshot, Receipt
from tests.contract.calls import hold_of
from tests.contract.histories import ITEMS, SUBJECTS, Dice, Witness, play
from tests.contract.journal import Line, journal, line_of, on_databases, only_on

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock, Engine

NO_ID = UUID(int=0)
RESOLVED_BY = {"commit": "committed", "release": "released", "expire": "expired"}


def live_a_day(ledger: Ledger, clock: Clock) -> None:
    """A shop's day: every verb, refusals, replays, expiries recorded by all who can."""
    ledger.post([Acquire(f"in {item}", "shop", item, 100) for item in ("axe", "bow", "cap")])
    for number in range(8):
        customer = f"customer {number % 3}"
        ttl = timedelta(seconds=30 + 10 * (number % 4))
        placed = ledger.post(
            [
                PlaceHold(f"basket {number} {item}", "shop", item, 3 + number, ttl)
                for item in ("axe", "bow")
            ]
        )
        axes, bows = (hold_of(receipt) for receipt in placed)
        clock.advance(seconds=20)
        match number % 4:
            case 0:
                ledger.post([Commit(axes, to=customer), Commit(bows, to=customer)])
                ledger.post([Commit(axes, to=customer), Commit(bows, to=customer)])
            case 1:
                ledger.commit(axes, quantity=1, keep_remainder=True, to=customer, key=f"p{number}")
                ledger.commit(axes, quantity=1)
                ledger.release(bows)
            case 2:
                ledger.extend(axes, 300)
                clock.advance(seconds=40)
                ledger.release(bows)
            case _:
                clock.advance(seconds=40)
    for refused in (
        Consume("too many", "shop", "cap", 101),
        Acquire("too large", "shop", "cap", MAX_QUANTITY),
        Acquire("in axe", "shop", "axe", 99),
    ):
        with pytest.raises(InventoryError):
            ledger.post([refused])
    ledger.transfer("gift", "customer 0", "customer 9", "axe", 1)
    ledger.post(
        [
            Consume("broken", "customer 0", "axe", 1),
            Consume("none", "nobody", "axe", 1),
            Transfer("back", "customer 0", "shop", "bow", 2),
        ],
        atomic=False,
    )
    clock.advance(seconds=25)
    ledger.expire_holds(limit=2)
    clock.advance(seconds=5)


def by_place(lines: list[Line]) -> dict[tuple[str, str], list[Line]]:
    places = defaultdict(list)
    for line in lines:
        places[line.subject, line.item].append(line)
    return places


def check_the_journal_adds_up(engine: Engine, ledger: Ledger) -> None:
    for lines in by_place(journal(engine)).values():
        assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))
        quantity = on_hold = 0
        for line in lines:
            quantity += line.quantity_delta
            on_hold += line.on_hold_delta
            assert (line.quantity_after, line.on_hold_after) == (quantity, on_hold)
            assert quantity >= 0
            assert on_hold >= 0
            assert quantity + on_hold <= MAX_QUANTITY


def check_a_balance_is_the_sum_of_its_entries(engine: Engine, ledger: Ledger) -> None:
    before = {place: ledger.balance(*place) for place in by_place(journal(engine))}
    # With every expiry on record, what the journal says last is what there is now.
    ledger.expire_holds()
    for (subject, item), lines in by_place(journal(engine)).items():
        quantity = sum(line.quantity_delta for line in lines)
        on_hold = sum(line.on_hold_delta for line in lines)
        assert ledger.balance(subject, item) == BalanceSnapshot(subject, item, quantity, on_hold)
        assert ledger.balance(subject, item) == before[subject, item]


def check_nothing_is_created_or_lost(engine: Engine, ledger: Ledger) -> None:
    operations = defaultdict(list)
    for line in journal(engine):
        operations[line.operation_id].append(line)
    for lines in operations.values():
        (kind,) = {line.kind for line in lines}
        assert len({(line.item, line.key) for line in lines}) == 1
        change = sum(line.quantity_delta + line.on_hold_delta for line in lines)
        match kind:
            case "acquire":
                assert change > 0
            case "consume":
                assert change < 0
            case "commit" if len(lines) == 1:
                assert change < 0
            case _:
                assert change == 0
        assert len({line.subject for line in lines}) == len(lines)
        assert len(lines) in {"transfer": {2}, "commit": {1, 2}}.get(kind, {1})


def check_a_hold_is_what_its_entries_say(engine: Engine, ledger: Ledger) -> None:
    lines = journal(engine)
    of_holds = defaultdict(list)
    for line in lines:
        if line.hold_id is not None:
            of_holds[line.hold_id].append(line)
    on_hold: Counter[tuple[str, str]] = Counter()
    for hold_id, own in of_holds.items():
        hold = ledger.get_hold(hold_id)
        assert hold.expires_at == own[-1].hold_expires_at
        assert own[0].on_hold_delta == hold.quantity
        remaining = sum(line.on_hold_delta for line in own)
        assert remaining == own[-1].hold_remaining
        is_over = hold.expires_at <= engine.clock.now
        assert hold.remaining == (0 if is_over else remaining)
        resolution = RESOLVED_BY.get(own[-1].kind, "active") if not remaining else "active"
        assert hold.status == ("expired" if remaining and is_over else resolution)
        on_hold[hold.subject, hold.item] += hold.remaining
    for subject, item in by_place(lines):
        assert ledger.balance(subject, item).on_hold == on_hold[subject, item]


def check_the_rows_are_what_the_journal_says(engine: Engine, ledger: Ledger) -> None:
    lines = journal(engine)
    places = by_place(lines)
    balances = list(Balance.objects.using(engine.alias))
    assert {(row.subject, row.item) for row in balances} == set(places)
    for row in balances:
        last = places[row.subject, row.item][-1]
        assert (row.quantity, row.on_hold) == (last.quantity_after, last.on_hold_after)
        assert row.version == last.sequence
        active = Hold.objects.using(engine.alias).filter(balance=row, status="active")
        assert row.on_hold == sum(hold.remaining for hold in active)
        assert row.next_expiry_at == min((hold.expires_at for hold in active), default=None)
    entries = {line.hold_id: line for line in lines if line.hold_id is not None}
    for hold in Hold.objects.using(engine.alias).select_related("balance"):
        line = entries[hold.pk]
        assert (hold.remaining, hold.expires_at) == (line.hold_remaining, line.hold_expires_at)
        assert hold.status == ("active" if line.hold_remaining else RESOLVED_BY[line.kind])
        assert hold.resolved_at == (None if line.hold_remaining else line.created_at)


def check_every_key_stands_for_an_operation(engine: Engine, ledger: Ledger) -> None:
    lines = journal(engine)
    kinds = {line.operation_id: line.kind for line in lines}
    records = {row.key: row for row in IdempotencyRecord.objects.using(engine.alias)}
    for record in records.values():
        assert record.scope == ""
        assert kinds[record.operation_id] == record.kind or (
            (record.kind, kinds[record.operation_id]) == ("release", "expire")
        )
    for line in lines:
        if line.key is not None:
            assert records[line.key].operation_id == line.operation_id
            assert records[line.key].kind == line.kind


CHECKS = [
    check_the_journal_adds_up,
    check_a_balance_is_the_sum_of_its_entries,
    check_nothing_is_created_or_lost,
    check_a_hold_is_what_its_entries_say,
]
CHECKS_OF_ROWS = [
    check_the_rows_are_what_the_journal_says,
    check_every_key_stands_for_an_operation,
]
Check = Callable[["Engine", "Ledger"], None]


@pytest.mark.parametrize("check", CHECKS)
def test_an_invariant_holds(engine: Engine, ledger: Ledger, clock: Clock, check: Check) -> None:
    live_a_day(ledger, clock)
    check(engine, ledger)


@on_databases
@pytest.mark.parametrize("check", CHECKS_OF_ROWS)
def test_an_invariant_holds_in_the_rows(
    engine: Engine, ledger: Ledger, clock: Clock, check: Check
) -> None:
    live_a_day(ledger, clock)
    check(engine, ledger)


def test_every_engine_does_as_memory_does(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    """The same 300 random calls on the engine and on a MemoryLedger: equal answers and journals."""
    reference = MemoryLedger(clock=clock)
    one, other = Witness(reference), Witness(ledger)
    play(Dice(10), clock, one, other, steps=300)
    assert len(one.holds) > 20
    for subject in SUBJECTS:
        assert ledger.balances(subject) == reference.balances(subject)
        for item in ITEMS:
            assert ledger.balance(subject, item) == reference.balance(subject, item)
    for one_id, other_id in zip(one.holds, other.holds, strict=True):
        assert replace(ledger.get_hold(other_id), id=one_id) == reference.get_hold(one_id)
    found = [without_ids(line) for line in journal(engine)]
    expected = [without_ids(line_of(entry)) for entry in reference.entries]
    # Each balance has an order of its own.
    assert by_place(found) == by_place(expected)
    for check in [*CHECKS, *(CHECKS_OF_ROWS if engine.is_database else [])]:
        check(engine, ledger)


def without_ids(line: Line) -> Line:
    return line._replace(operation_id=NO_ID, hold_id=None if line.hold_id is None else NO_ID)


@only_on("memory")
def test_the_histories_are_lively(ledger: Ledger, clock: Clock) -> None:
    """Of every kind of answer there are some: else the comparisons above would say little."""
    witness = Witness(ledger)
    dice = Dice(10)
    seen: Counter[str] = Counter()
    for _ in range(600):
        clock.advance(seconds=dice.seconds_until_next())
        answer = witness.do(dice.step(len(witness.holds)))
        for one in answer if isinstance(answer, list) else [answer]:
            if isinstance(one, Receipt):
                seen[f"replayed {one.kind}" if one.replayed else one.kind] += 1
            elif isinstance(one, tuple):
                seen[one[0].code] += 1
    assert set(seen) >= {
        *("acquire", "consume", "transfer", "hold", "commit", "release", "extend"),
        *("replayed commit", "replayed release", "replayed expire", "replayed hold"),
        *("insufficient_quantity", "hold_expired", "hold_resolved", "hold_unknown"),
        *("idempotency_conflict", "invalid_quantity", "invalid_operation"),
    }
