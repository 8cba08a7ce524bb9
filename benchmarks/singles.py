"""Single operations, over many balances and on one, and batches beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks import contestants, floor
from benchmarks.contestants import DATABASE, FLOOR, ITEM, POSTGRES, TEXTBOOK, new_key, place
from benchmarks.measuring import WARM_UP, Measurement, Step, measure
from benchmarks.plan import Bench
from benchmarks.settings import DEFAULT

BALANCES: Final = 1_000
CLIENTS: Final = (1, 8)
HOT_CLIENTS: Final = (8, 32)
BATCHES: Final = (10, 100, 1_000, 8_000)


def run(bench: Bench) -> None:
    """Measure each verb, over 1,000 balances, with 1 and 8 clients."""
    for number in range(bench.plan.rounds):
        for verb in contestants.VERBS:
            for clients in CLIENTS:
                _round(bench, number, f"single {verb}", verb, BALANCES, clients)


def run_hot(bench: Bench) -> None:
    """Measure acquire with all clients on one balance."""
    for number in range(bench.plan.rounds):
        for clients in HOT_CLIENTS:
            _round(bench, number, "hot balance", "acquire", 1, clients)


def _round(  # noqa: PLR0917 - a scenario, spelled out
    bench: Bench, number: int, scenario: str, verb: str, balances: int, clients: int
) -> None:
    """Let each contestant have its turn; who begins is another one in each round."""
    seconds = bench.plan.seconds
    turns: dict[str, Callable[[], Measurement]] = {
        name: partial(measure, make_step, clients=clients, seconds=seconds)
        for name, make_step in contestants.make_steps(verb, balances).items()
    }
    if bench.pgbench is not None:
        turns[FLOOR] = partial(
            floor.measure,
            bench.pgbench,
            bench.server.conninfo(DEFAULT),
            verb,
            balances=balances,
            clients=clients,
            seconds=seconds,
        )
    names = list(turns)
    first = number % len(names)
    for name in names[first:] + names[:first]:
        measurement = turns[name]()
        rate = measurement.per_second
        bench.figures.add(scenario, name, rate, clients=clients, measurement=measurement)
        bench.say(f"{scenario}, {clients} clients, {name}: {rate:,.0f}/s")


def run_batches(bench: Bench) -> None:
    """Measure posts of 10 to 8,000 acquires, beside single ones of the textbook service."""
    for _ in range(bench.plan.rounds):
        for size in BATCHES:
            scenario = f"post of {size:,}"
            for name in (POSTGRES, DATABASE):
                measurement = measure(
                    partial(_batch_step, name, size),
                    clients=1,
                    seconds=bench.plan.seconds,
                    warm_up=max(1, WARM_UP // size),
                )
                rate = measurement.per_second * size
                bench.figures.add(scenario, name, rate, measurement=measurement, operations=size)
                bench.say(f"{scenario}, {name}: {rate:,.0f} operations/s")
            measurement = measure(
                lambda _: contestants.textbook_step("acquire", BALANCES),
                clients=1,
                seconds=bench.plan.seconds,
            )
            bench.figures.add(scenario, TEXTBOOK, measurement.per_second, measurement=measurement)


def _batch_step(class_name: str, size: int, _number: int) -> Step:
    from django_inventory import ledgers
    from django_inventory.operations import Acquire

    ledger = getattr(ledgers, class_name)()
    return lambda: ledger.post([Acquire(new_key(), place(BALANCES), ITEM, 1) for _ in range(size)])
