"""``manage.py verify_inventory`` as people and machines meet it.

What it finds is tested in ``test_corruption``; here is how it tells that, what it does while others
are at work, and what it costs.
"""

from __future__ import annotations

import io
import json
import logging
import random
import re
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import override_settings

from django_inventory.exceptions import InventoryError
from django_inventory.ledgers import verification
from django_inventory.ledgers.verification import RESULT_CACHE_KEY, Verification
from django_inventory.management import progress
from django_inventory.models import Balance, Hold
from tests.contract.calls import hold_of
from tests.contract.races import LIMIT, Rivals
from tests.proof.verification.bulk import write_history
from tests.proof.verification.story import tell_story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock, Engine

logger = logging.getLogger(__name__)

on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
SHAPES = {"a thousand balances": 1_000, "a balance for four entries": 250_000, "two balances": 2}


class Said(NamedTuple):
    """What the command has said, and the status that it ended with."""

    out: str
    err: str
    status: int


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def verify(engine: Engine, *options: str, err: io.StringIO | None = None) -> Said:
    """Run the command on the engine."""
    out, err = io.StringIO(), err or io.StringIO()
    status = 0
    with override_settings(INVENTORY={"OPTIONS": {"using": engine.alias}}):
        try:
            call_command("verify_inventory", *options, stdout=out, stderr=err)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Said(out.getvalue(), err.getvalue(), status)


def spoil(engine: Engine) -> None:
    """Make alice's balance too high and her active hold too big, as constraints allow it."""
    Balance.objects.using(engine.alias).filter(subject="alice").update(quantity=9)
    Hold.objects.using(engine.alias).filter(status="active").update(remaining=4)


# What it says ------------------------------------------------------------------------------------


def test_sound_books(engine: Engine) -> None:
    tell_story(str(engine.alias))
    assert verify(engine) == Said("", "14 entries verified, 0 mismatches.\n", 0)
    assert verify(engine, "--repair", "--json").out == ""


def test_no_books_at_all(engine: Engine) -> None:
    assert verify(engine) == Said("", "0 entries verified, 0 mismatches.\n", 0)


def test_each_mismatch_is_a_line(engine: Engine) -> None:
    story = tell_story(str(engine.alias))
    spoil(engine)
    said = verify(engine)
    assert said.out.splitlines() == [
        "balance alice / gold: quantity is 9, not 8",
        f"hold {story.names['first']}: remaining is 4, not 3",
    ]
    assert said.err == "14 entries verified, 2 mismatches.\n"
    assert said.status == 1


def test_each_mismatch_is_a_json_object(engine: Engine) -> None:
    story = tell_story(str(engine.alias))
    spoil(engine)
    said = verify(engine, "--json")
    flags = {"is_repairable": True, "is_repaired": False}
    assert [json.loads(line) for line in said.out.splitlines()] == [
        {
            "code": "balance",
            "name": "alice / gold",
            "field": "quantity",
            "expected": "8",
            "found": "9",
            **flags,
        },
        {
            "code": "hold",
            "name": story.names["first"],
            "field": "remaining",
            "expected": "3",
            "found": "4",
            **flags,
        },
    ]
    assert said.status == 1


def test_repairing_says_what_it_did_and_leaves_sound_books(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    story = tell_story(str(engine.alias))
    entries = engine.dump()["entries"]
    spoil(engine)
    said = verify(engine, "--repair")
    lines = [
        "balance alice / gold: quantity is 9, not 8 (repaired)",
        f"hold {story.names['first']}: remaining is 4, not 3 (repaired)",
    ]
    assert said.out.splitlines() == lines
    assert said.err == "14 entries verified, 2 mismatches, 2 repaired.\n"
    assert said.status == 1
    assert [record.getMessage() for record in caplog.records] == lines
    assert engine.dump()["entries"] == entries
    assert verify(engine).status == 0


def test_the_ledger_goes_on_from_repaired_books(engine: Engine, clock: Clock) -> None:
    story = tell_story(str(engine.alias))
    spoil(engine)
    Balance.objects.using(engine.alias).update(version=0, next_expiry_at=None, on_hold=0)
    verify(engine, "--repair")
    ledger = engine.make_ledger()
    clock.set(story.names["in_3h"])
    # The repaired hold has expired just now, so alice has 8 and 3.
    assert ledger.consume("spend", "alice", "gold", 11).balances[0].total == 0
    assert ledger.get_hold(story.names["first"]).status == "expired"
    ledger.transfer("move", "carol", "alice", "gold", 11)
    ledger.commit(hold_of(ledger.hold("last", "alice", "gold", 5, 60)), to="bob")
    assert verify(engine).status == 0


def test_the_result_is_left_in_the_cache(engine: Engine) -> None:
    tell_story(str(engine.alias))
    spoil(engine)
    cache.delete(RESULT_CACHE_KEY)
    verify(engine, "--repair")
    left = cache.get(RESULT_CACHE_KEY)
    assert (left["entries"], left["mismatches"], left["repaired"]) == (14, 2, 2)
    cache.delete(RESULT_CACHE_KEY)


def test_another_database_can_be_named(engine: Engine) -> None:
    tell_story(str(engine.alias))
    spoil(engine)
    cache.delete(RESULT_CACHE_KEY)
    others = [alias for alias in connections if alias != engine.alias]
    with override_settings(INVENTORY={"OPTIONS": {"using": others[0]}}):
        call_command("verify_inventory", stdout=io.StringIO(), stderr=io.StringIO())
        cache.delete(RESULT_CACHE_KEY)
        with pytest.raises(SystemExit):
            call_command(
                "verify_inventory",
                f"--database={engine.alias}",
                stdout=io.StringIO(),
                stderr=io.StringIO(),
            )
    # The dashboard tells of the configured one.
    assert cache.get(RESULT_CACHE_KEY) is None


def test_a_database_that_is_not_there(databases: None) -> None:
    with pytest.raises(CommandError, match="no database 'elsewhere'"):
        call_command("verify_inventory", "--database=elsewhere")


def test_progress_is_lines_where_nobody_watches(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_story(str(engine.alias))
    monkeypatch.setattr(verification, "PAGE", 8)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    *lines, _ = verify(engine).err.splitlines()
    assert [re.sub(r"[\d,]+ a second", "...", line) for line in lines] == [
        "Verifying entries: 8 of 14, ...",
        "Verifying entries: 10 of 14, ...",
        "Verifying entries: 14 of 14, ...",
    ]


def test_progress_is_one_bar_on_a_terminal(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_story(str(engine.alias))
    spoil(engine)
    monkeypatch.setattr(verification, "PAGE", 8)
    monkeypatch.setattr(progress, "BAR_SECONDS", 0)
    shown = verify(engine, err=Terminal()).err
    bar, summary, end = shown.split("\n")
    steps = [re.sub(r"[\d,]+/s", "...", step) for step in bar.split("\r")]
    assert steps == [
        "",
        "Verifying entries [#################-------------] 8/14 ... ",
        "Verifying entries [#####################---------] 10/14 ... ",
        "Verifying entries [##############################] 14/14 ... ",
    ]
    assert "14 entries verified, 2 mismatches." in summary
    assert end == ""


# While others are at work -------------------------------------------------------------------------


def make_busy(ledger: Ledger) -> Iterator[None]:
    """Change balances and holds in every way, a little at each step."""
    held = []
    for number in range(12):
        ledger.acquire(f"busy-a{number}", "alice", "gold", 3)
        held.append(hold_of(ledger.hold(f"busy-h{number}", "alice", "gold", 2, 600 + number)))
        yield
        ledger.transfer(f"busy-t{number}", "alice", "carol", "gold", 1)
        match number % 4:
            case 0:
                ledger.commit(held[number], to="bob")
            case 1:
                ledger.release(held[number])
            case 2:
                ledger.extend(held[number], 60)
        yield
        ledger.acquire(f"busy-n{number}", f"newcomer-{number}", "gold", 1)


@pytest.mark.parametrize("page", [1, 2, 5, 5_000])
def test_what_is_posted_between_two_pages_is_no_mismatch(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    tell_story(str(engine.alias))
    work = make_busy(engine.make_ledger())
    monkeypatch.setattr(verification, "PAGE", page)
    progress_made = Verification(
        using=str(engine.alias), repair=True, on_progress=lambda *_: next(work, None)
    )
    assert list(progress_made.mismatches()) == []
    for _ in work:
        pass
    assert list(Verification(using=str(engine.alias)).mismatches()) == []


def test_without_the_second_look_there_are_false_alarms(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: it would find a verification that does not look again."""
    tell_story(str(engine.alias))
    work = make_busy(engine.make_ledger())
    held_now = Hold.objects.using(engine.alias).filter(status="active").get()
    monkeypatch.setattr(Verification, "_entries_of", lambda *_: iter(()))

    def post(*_: int) -> None:
        next(work, None)
        engine.make_ledger().release(held_now.pk)

    found = list(Verification(using=str(engine.alias), on_progress=post).mismatches())
    assert {mismatch.field for mismatch in found} >= {"version", "remaining", "status"}


@on_postgresql
def test_no_false_alarm_while_threads_post(engine: Engine, clock: Clock) -> None:
    tell_story(str(engine.alias))

    def post(seed: int) -> int:
        chance = random.Random(seed)  # noqa: S311 - no secret
        ledger = engine.make_ledger()
        names = ["alice", "bob", "carol", f"own-{seed}"]
        held = []
        acted = 0
        try:
            for number in range(120):
                key = f"{seed}-{number}"
                giver, taker = chance.sample(names, 2)
                try:
                    match chance.randrange(5):
                        case 0:
                            ledger.acquire(key, giver, "gold", 5)
                        case 1:
                            ledger.transfer(key, giver, taker, "gold", 1)
                        case 2:
                            held.append(hold_of(ledger.hold(key, giver, "gold", 1, 900)))
                        case 3 if held:
                            ledger.commit(held.pop(), to=taker)
                        case _ if held:
                            ledger.release(held.pop())
                    acted += 1
                except InventoryError:
                    continue
        finally:
            connections.close_all()
        return acted

    passes = 0
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(post, seed) for seed in (1, 2)]
        while not all(one.done() for one in running):
            assert list(Verification(using=str(engine.alias), repair=True).mismatches()) == []
            passes += 1
        assert sum(one.result() for one in running) > 100
    assert list(Verification(using=str(engine.alias)).mismatches()) == []
    logger.info("verified %d times meanwhile", passes)


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"], indirect=True)
def test_repairing_waits_for_who_has_the_lock(engine: Engine) -> None:
    """What was posted meanwhile is not overwritten by what the journal said before."""
    story = tell_story(str(engine.alias))
    ledger = engine.make_ledger()
    has_consumed, may_commit = threading.Event(), threading.Event()
    rivals = Rivals(engine, has_consumed)
    Hold.objects.using(engine.alias).filter(pk=story.names["second"]).update(quantity=99)

    def consume() -> None:
        with transaction.atomic(using=engine.alias):
            ledger.consume("meanwhile", "alice", "gold", 5)
            has_consumed.set()
            assert may_commit.wait(LIMIT)
        connections.close_all()

    def repair() -> list[str]:
        try:
            found = Verification(using=str(engine.alias), repair=True).mismatches()
            return [str(mismatch) for mismatch in found]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        consumed = pool.submit(consume)
        repaired = pool.submit(rivals.call, repair)
        rivals.wait_until_stuck(1)
        may_commit.set()
        consumed.result(LIMIT)
        assert repaired.result(LIMIT) == [
            f"hold {story.names['second']}: quantity is 99, not 3 (repaired)"
        ]
    assert ledger.balance("alice", "gold").quantity == 3
    assert verify(engine).status == 0


# What it costs ------------------------------------------------------------------------------------


@on_postgresql
def test_memory_does_not_grow_with_the_journal(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand entries and eighty thousand, in pages so small that both have many."""
    monkeypatch.setattr(verification, "PAGE", 500)
    peaks = []
    for cycles in (25, 200):
        entries = write_history(str(engine.alias), balances=100, cycles=cycles)
        tracemalloc.start()
        assert list(Verification(using=str(engine.alias)).mismatches()) == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        logger.info("%d entries: %d bytes at most", entries, peaks[-1])
        engine.empty()
    assert peaks[1] < 2 * peaks[0]


@pytest.mark.long
@on_postgresql
@pytest.mark.parametrize("balances", SHAPES.values(), ids=SHAPES)
def test_a_million_entries_in_a_minute(engine: Engine, balances: int) -> None:
    entries = write_history(str(engine.alias), balances=balances, cycles=250_000 // balances)
    assert entries >= 1_000_000
    began_at = time.monotonic()
    assert verify(engine).status == 0
    seconds = time.monotonic() - began_at
    logger.warning("%d entries of %d balances: %.1f seconds", entries, balances, seconds)
    assert seconds < 60
