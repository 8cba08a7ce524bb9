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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from statistics import median
from threading import BrokenBarrierError
from typing import Any, Final

from django.db import connections

from benchmarks.processor import ServerMeter

WARM_UP: Final = 30
"""By then PostgreSQL has compiled and planned what it compiles and plans once a session."""

Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came of it: ``count`` steps in ``seconds``, and how long each took.

    Attributes:
        client_cpu: the CPU time of all clients together, in seconds.
        server_cpu: that of the server; None where it is not to be had.
    """

    count: int
    seconds: float
    latencies: array[float]
    client_cpu: float
    server_cpu: float | None

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
    barrier = context.Barrier(clients + 1)
    with forked(context, clients, _run_client, make_step, barrier, seconds, warm_up) as pipes:
        with suppress(BrokenBarrierError):  # a client tells what broke it
            barrier.wait()
        meter = ServerMeter()
        outcomes = [_received(pipe) for pipe in pipes]
        server_cpu = meter.seconds()
    latencies: array[float] = array("d")
    for _, _, client_latencies in outcomes:
        latencies.frombytes(client_latencies)
    return Measurement(
        len(latencies),
        max(took for took, _, _ in outcomes),
        latencies,
        sum(cpu for _, cpu, _ in outcomes),
        server_cpu,
    )


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


def _received(pipe: Connection) -> tuple[float, float, bytes]:
    took, cpu, latencies, error = pipe.recv()
    if error:
        raise RuntimeError(error)
    return took, cpu, latencies


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
        cpu = time.process_time()
        began_at = now = time.perf_counter()
        end_at = began_at + seconds
        while now < end_at:
            step()
            before, now = now, time.perf_counter()
            latencies.append(now - before)
        pipe.send((now - began_at, time.process_time() - cpu, latencies.tobytes(), ""))
    except Exception as error:
        barrier.abort()
        pipe.send((0.0, 0.0, b"", f"{type(error).__name__}: {error}"))
        raise


@dataclass(frozen=True, slots=True)
class Series:
    """One contestant's figures in one scenario, a value a round.

    Attributes:
        unit: what ``values`` count: more is better for "/s", less for "ms", "s" and "MB".
        client_cpu_us: CPU time of an operation at the client, in microseconds.
        server_cpu_us: the same at the server.
    """

    scenario: str
    contestant: str
    clients: int
    unit: str
    values: list[float]
    p50_ms: list[float]
    p99_ms: list[float]
    client_cpu_us: list[float]
    server_cpu_us: list[float]

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

    def updated(self, newer: Figures) -> Figures:
        """Return these and the newer ones, which count where a scenario is in both."""
        scenarios = {scenario for scenario, _, _ in newer.series}
        kept = {key: series for key, series in self.series.items() if key[0] not in scenarios}
        return Figures(kept | newer.series)

    def add(
        self,
        scenario: str,
        contestant: str,
        value: float,
        *,
        clients: int = 1,
        unit: str = "/s",
        measurement: Measurement | None = None,
        operations: int = 1,
    ) -> None:
        """Add the value of one round, and what it cost a step of so many ``operations``."""
        key = (scenario, contestant, clients)
        series = self.series.setdefault(
            key, Series(scenario, contestant, clients, unit, [], [], [], [], [])
        )
        series.values.append(value)
        if measurement is not None:
            series.p50_ms.append(measurement.percentile(50))
            series.p99_ms.append(measurement.percentile(99))
            done = measurement.count * operations
            series.client_cpu_us.append(1e6 * measurement.client_cpu / done)
            if measurement.server_cpu is not None:
                series.server_cpu_us.append(1e6 * measurement.server_cpu / done)

    def get(self, scenario: str, contestant: str, clients: int = 1) -> Series | None:
        """Return a series, or None where it was not measured."""
        return self.series.get((scenario, contestant, clients))

    def ratio(self, scenario: str, contestant: str, to: str, *, clients: int = 1) -> float | None:
        """Return how many times the figure of ``to`` a contestant reached in the same scenario."""
        own, theirs = self.get(scenario, contestant, clients), self.get(scenario, to, clients)
        return own.ratio_to(theirs) if own and theirs else None
