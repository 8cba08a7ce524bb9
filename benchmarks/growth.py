"""Cost as the ledger grows: the same calls on journals of three lengths, taking turns."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

from django.db import connections
from django.utils import timezone

from benchmarks import databases
from benchmarks.contestants import DATABASE, POSTGRES, new_key
from benchmarks.plan import Bench
from benchmarks.settings import GROWTHS

ENTRIES_A_BALANCE: Final = 100
TURNS: Final = 40
"""A turn, in which a call is repeated on one journal before the next has its turn, takes so small a
part of what other measurements take."""

EXPLAINED: Final = 20
PAGE: Final = 100
EXPIRED_HOLDS: Final = 200


def run(bench: Bench) -> None:
    """Time single operations and reads on each journal."""
    for alias, entries in zip(GROWTHS, bench.plan.growth, strict=True):
        began_at = time.monotonic()
        _fill(bench, alias, entries)
        bench.say(f"growth: {entries:,} entries in {time.monotonic() - began_at:,.0f} s")
    _verify_smallest()
    for contestant in (POSTGRES, DATABASE):
        for name in _calls(contestant, GROWTHS[0], 10):
            _compare(bench, contestant, name)
    for alias, entries in zip(GROWTHS, bench.plan.growth, strict=True):
        hit, read = _blocks_of_a_page(alias, entries // ENTRIES_A_BALANCE)
        bench.say(
            f"growth: {PAGE} entries of a balance among {entries:,}: {hit:,.0f} blocks from "
            f"PostgreSQL's memory, {read:,.0f} from the system's"
        )


def _blocks_of_a_page(alias: str, balances: int) -> tuple[float, float]:
    """Return how many blocks a page of a balance's entries takes, had at once and read."""
    blocks = []
    for _ in range(EXPLAINED):
        explained = _entries_of(alias, random.randrange(balances)).explain(
            format="json", analyze=True, buffers=True
        )
        plan = json.loads(explained)[0]["Plan"]
        blocks.append((plan["Shared Hit Blocks"], plan["Shared Read Blocks"]))
    hit, read = zip(*blocks, strict=True)
    return median(hit), median(read)


def _entries_of(alias: str, number: int) -> Any:
    """Return the last entries of a balance, as the admin asks for them."""
    from django_inventory.models import Balance, Entry

    balances = Balance.objects.using(alias).values_list("pk")
    pk = balances.get(subject=f"s-{number // 10}", item=f"i-{number % 10}")[0]
    return Entry.objects.using(alias).filter(balance_id=pk).order_by("-sequence")[:PAGE]


def _fill(bench: Bench, alias: str, entries: int) -> None:
    databases.make(bench.server, alias, "django_inventory")
    balances = entries // ENTRIES_A_BALANCE
    sql = Path(__file__).with_name("growth.sql").read_text(encoding="utf-8")
    with connections[alias].cursor() as cursor:
        # What it says is checked after it, where it is small; the keys of millions of rows are not.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, {"balances": balances, "length": ENTRIES_A_BALANCE})
        cursor.execute("RESET session_replication_role")
    databases.vacuum(alias)
    with connections[alias].cursor() as cursor:
        cursor.execute("CHECKPOINT")


def _verify_smallest() -> None:
    from django_inventory.ledgers.verification import Verification

    mismatches = list(Verification(using=GROWTHS[0]).mismatches())
    if mismatches:
        msg = f"The journal that was made is none: {mismatches[0]}"
        raise RuntimeError(msg)


def _compare(bench: Bench, contestant: str, name: str) -> None:
    """Time one call on all journals in turn, and add the times and their ratios to the smallest."""
    calls = []
    for alias, entries in zip(GROWTHS, bench.plan.growth, strict=True):
        calls.append(_calls(contestant, alias, entries // ENTRIES_A_BALANCE)[name])
    turn = bench.plan.seconds / TURNS
    for call in calls:
        _times(call, turn)
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(bench.plan.growth_rounds):
        for call, own in zip(calls, times, strict=True):
            own.append(median(_times(call, turn)))
    for entries, own in zip(bench.plan.growth, times, strict=True):
        bench.figures.add(
            f"growth, {name}, {entries:,} entries", contestant, 1_000 * median(own), unit=" ms"
        )
        if entries != bench.plan.growth[0]:
            ratio = median(mine / first for mine, first in zip(own, times[0], strict=True))
            scenario = f"growth, ratio {name}, {entries:,} entries"
            bench.figures.add(scenario, contestant, ratio, unit="x")
            bench.say(f"{scenario}, {contestant}: {ratio:.2f}")


def _times(call: Callable[[], object], seconds: float) -> list[float]:
    """Return how long each call took; one that prepares itself returns its own time."""
    times: list[float] = []
    ends_at = time.perf_counter() + seconds
    while not times or time.perf_counter() < ends_at:
        began_at = time.perf_counter()
        own = call()
        times.append(own if isinstance(own, float) else time.perf_counter() - began_at)
    return times


def _calls(contestant: str, alias: str, balances: int) -> dict[str, Callable[[], object]]:
    """Return the calls by name."""
    from django_inventory import ledgers
    from django_inventory.models import Entry
    from django_inventory.operations import Hold

    backend: Any = getattr(ledgers, contestant)
    ledger = backend(using=alias)
    later = backend(using=alias, clock=lambda: timezone.now() + timedelta(hours=1))

    def place() -> tuple[str, str]:
        number = random.randrange(balances)
        return f"s-{number // 10}", f"i-{number % 10}"

    def hold_and_commit() -> None:
        ledger.commit(ledger.hold(new_key(), *place(), 1, 900).hold.id)

    def entry_page() -> list[Entry]:
        return list(Entry.objects.using(alias).order_by("-created_at", "-pk")[:PAGE])

    def balance_page() -> list[Entry]:
        return list(_entries_of(alias, random.randrange(balances)))

    def expire() -> float:
        ttl = timedelta(minutes=1)
        # Of as many balances on every journal: what differs is how many others there are.
        places = [place() for _ in range(EXPIRED_HOLDS // 20)] * 20
        ledger.post([Hold(new_key(), *place, 1, ttl) for place in places])
        began_at = time.perf_counter()
        later.expire_holds()
        return time.perf_counter() - began_at

    return {
        "acquire": lambda: ledger.acquire(new_key(), *place(), 1),
        "consume": lambda: ledger.consume(new_key(), *place(), 1),
        "hold and commit": hold_and_commit,
        "balance()": lambda: ledger.balance(*place()),
        "balances()": lambda: ledger.balances(place()[0]),
        f"last {PAGE} entries": entry_page,
        f"last {PAGE} entries of a balance": balance_page,
        f"expire_holds of {EXPIRED_HOLDS}": expire,
    }
