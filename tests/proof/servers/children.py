"""Child processes that have Django and connections of their own, and do what they are told.

Owns how children start, are told, answer and end. Must not know what they do.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess
    from multiprocessing.synchronize import Barrier
    from types import TracebackType

    DatabaseSettings = dict[str, Any]

PRELOAD: Final = "tests.proof.servers.preload"
# Forked from a process that has imported everything and is connected to nothing: so a child is
# there at once, and shares no state with the tests or with another child.
CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([PRELOAD])

LIMIT: Final = 120
"""Seconds after which whoever waits for another process gives up."""


class ChildError(Exception):
    """A child has failed; its traceback is the message."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a child is told to do: a function of a module that it can import, and its arguments."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


def prepare(database: DatabaseSettings) -> None:
    """Set Django up in a child, with ``database`` as the default one."""
    import_module(PRELOAD)
    # The object may be there already, made by django.setup() for the settings' own database.
    connections["default"].close()
    del connections["default"]
    connections.databases.update(connections.configure_settings({"default": database}))


class Crew:
    """Child processes that do jobs, one each, at the same time.

    Jobs get a barrier as their first argument, at which the whole crew can meet.
    """

    def __init__(self, size: int, database: DatabaseSettings) -> None:
        self.size = size
        self._barrier = CONTEXT.Barrier(size, timeout=LIMIT)
        self._pipes: list[Connection[Any, Any]] = []
        self._processes: list[ForkServerProcess] = []
        for number in range(size):
            pipe, theirs = CONTEXT.Pipe()
            process = CONTEXT.Process(
                target=_serve,
                args=(theirs, database, self._barrier),
                name=f"crew {number}",
                daemon=True,
            )
            process.start()
            theirs.close()
            self._pipes.append(pipe)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(0 if error else 5)
            if process.is_alive():
                process.kill()
                process.join()

    def run(self, jobs: Sequence[Job]) -> list[Any]:
        """Give each child its job, and return what they answer, in order.

        Raises:
            ChildError: one of them failed, or has not answered in time.
        """
        for pipe, job in zip(self._pipes, jobs, strict=True):
            pipe.send(job)
        deadline = time.monotonic() + LIMIT
        answers: list[Any] = []
        failures: list[str] = []
        for number, pipe in enumerate(self._pipes):
            if not pipe.poll(max(0, deadline - time.monotonic())):
                failures.append(f"Child {number} has not answered in {LIMIT} seconds.")
                continue
            answer, failure = pipe.recv()
            answers.append(answer)
            if failure:
                failures.append(f"Child {number}:\n{failure}")
        if failures:
            raise ChildError("\n".join(failures))
        return answers


def _serve(pipe: Connection[Any, Any], database: DatabaseSettings, barrier: Barrier) -> None:
    prepare(database)
    # The end of the pipe is the end of the tests, however they ended.
    with suppress(EOFError, BrokenPipeError):
        while True:
            job: Job = pipe.recv()
            try:
                pipe.send((job.function(barrier, *job.arguments), ""))
            except Exception:  # noqa: BLE001 - told to the test, which raises it
                barrier.abort()
                pipe.send((None, traceback.format_exc()))
    connections.close_all()
