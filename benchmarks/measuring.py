"""Let client processes do the same thing again and again, and count.

Owns what a measurement is: so many processes with a connection each, warmed up, for so many
seconds. Processes, not threads: Python's threads would share one core.
"""

from __future__ import annotations

import gc
import multiprocessing
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from statistics import median
from typing import Any, Final

from django.db import connections

WARM_UP: Final = 30
"""By then PostgreSQL has compiled and planned what it compiles and plans once a session."""

Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came of it: ``count`` steps in ``seconds``, and how long each took."""

    count: int
    seconds: float
    latencies: array[float]

    @property
    def per_second(self) -> float:
        """Steps a second, of all clients together."""
        return self.count / self.seconds

    def percentile(self, percent: int) -> float:
        """Return how many milliseconds that share of the steps took at most."""
        ordered = sorted(self.latencies)
        return 1_000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def measure(
    make_step: Callable[[int], Step], *, clients: int, seconds: float, warm_up: int = WARM_UP
) -> Measurement:
    """Let ``clients`` processes do their steps for ``seconds``.

    Args:
        make_step: is called in each process with its number, and returns what it is to do.
        warm_up: how many steps each does before it counts.
    """
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(clients)
    with forked(context, clients, _run_client, make_step, barrier, seconds, warm_up) as pipes:
        outcomes = [_received(pipe) for pipe in pipes]
    latencies: array[float] = array("d")
    for _, client_latencies in outcomes:
        latencies.frombytes(client_latencies)
    return Measurement(len(latencies), max(took for took, _ in outcomes), latencies)


@contextmanager
def forked(
    context: Any, clients: int, target: Callable[..., None], *arguments: object
) -> Iterator[list[Connection]]:
    """Run ``target(pipe, number, *arguments)`` in processes of their own; give the pipes' ends."""
    connections.close_all()  # of which the processes must not inherit one
    processes: list[BaseProcess] = []
    pipes: list[Connection] = []
    for number in range(clients):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(theirs, number, *arguments))
        process.start()
        theirs.close()
        processes.append(process)
        pipes.append(ours)
    try:
        yield pipes
        for process in processes:
            process.join()
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()


def _received(pipe: Connection) -> tuple[float, bytes]:
    took, latencies, error = pipe.recv()
    if error:
        raise RuntimeError(error)
    return took, latencies


def _run_client(  # noqa: PLR0917 - a process is given its arguments by position
    pipe: Connection,
    number: int,
    make_step: Callable[[int], Step],
    barrier: Any,
    seconds: float,
    warm_up: int,
) -> None:
    try:
        step = make_step(number)
        for _ in range(warm_up):
            step()
        gc.collect()
        barrier.wait()
        latencies: array[float] = array("d")
        began_at = now = time.perf_counter()
        end_at = began_at + seconds
        while now < end_at:
            step()
            before, now = now, time.perf_counter()
            latencies.append(now - before)
        pipe.send((now - began_at, latencies.tobytes(), ""))
    except Exception as error:
        barrier.abort()
        pipe.send((0.0, b"", f"{type(error).__name__}: {error}"))
        raise


@dataclass(frozen=True, slots=True)
class Series:
    """One contestant's figures in one scenario, a value a round.

    Attributes:
        unit: what ``values`` count: more is better for "/s", less for "ms", "s" and "MB".
    """

    scenario: str
    contestant: str
    clients: int
    unit: str
    values: list[float]
    p50_ms: list[float]
    p99_ms: list[float]

    @property
    def value(self) -> float:
        """The middle one of the rounds."""
        return median(self.values)

    def ratio_to(self, other: Series) -> float:
        """Return the middle one of the ratios, each taken within a round."""
        return median(own / theirs for own, theirs in zip(self.values, other.values, strict=True))


@dataclass(slots=True)
class Figures:
    """All series of a run, by (scenario, contestant, clients)."""

    series: dict[tuple[str, str, int], Series]

    def add(
        self,
        scenario: str,
        contestant: str,
        value: float,
        *,
        clients: int = 1,
        unit: str = "/s",
        measurement: Measurement | None = None,
    ) -> None:
        """Add the value of one round."""
        key = (scenario, contestant, clients)
        series = self.series.setdefault(
            key, Series(scenario, contestant, clients, unit, [], [], [])
        )
        series.values.append(value)
        if measurement is not None:
            series.p50_ms.append(measurement.percentile(50))
            series.p99_ms.append(measurement.percentile(99))

    def get(self, scenario: str, contestant: str, clients: int = 1) -> Series | None:
        """Return a series, or None where it was not measured."""
        return self.series.get((scenario, contestant, clients))

    def ratio(self, scenario: str, contestant: str, to: str, *, clients: int = 1) -> float | None:
        """Return how many times the figure of ``to`` a contestant reached in the same scenario."""
        own, theirs = self.get(scenario, contestant, clients), self.get(scenario, to, clients)
        return own.ratio_to(theirs) if own and theirs else None
