"""Ends writers at random moments, begins them again, and looks at what they left."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django_inventory.ledgers import DatabaseLedger, MemoryLedger
from django_inventory.models import Balance, Hold
from tests.proof.servers.books import assert_books_balance, assert_each_key_acted_once, read_journal
from tests.proof.servers.children import CONTEXT, LIMIT
from tests.proof.servers.model import Names
from tests.proof.servers.writers import BEGIN, KINDS, READY, Done, Writer, keys_of, write

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

    from django_inventory.rules import EntryState

FOREVER: Final = 1_000_000
LONGEST_LIFE: Final = 6
"""How many intents a writer may do at most, about, before it is killed."""


@dataclass(slots=True)
class WriterProcess:
    """A writer, as often as it has to be begun again."""

    database: dict[str, Any]
    ledger: str
    name: str
    done: int = -1
    replayed: int = 0
    busy: int = 0
    _process: ForkServerProcess | None = None
    _pipe: Connection[Any, Any] | None = None

    def start(self, end: int = FOREVER) -> None:
        """Begin again with the intent that was over last: it will be told the same once more."""
        self._pipe, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(
            target=write,
            args=(theirs, self.database, self.ledger, self.name, (max(0, self.done), end)),
            daemon=True,
        )
        self._process.start()
        theirs.close()
        assert self._pipe.poll(LIMIT), f"{self.name} does not begin"
        assert self._pipe.recv() == READY

    def listen(self, seconds: float) -> bool:
        """Take in what the writer tells until the time is over; return whether it has ended."""
        assert self._pipe is not None
        deadline = time.monotonic() + seconds
        with suppress(EOFError, ConnectionError):
            while self._pipe.poll(max(0, deadline - time.monotonic())):
                self._hear(self._pipe.recv())
            return False
        return True

    def _hear(self, done: Done) -> None:
        if done.number > self.done:
            self.replayed += done.replayed
        self.done = max(self.done, done.number)
        self.busy += done.busy

    def kill(self) -> None:
        """End it by SIGKILL, and take in what it still told."""
        assert self._process is not None
        self._process.kill()
        self._process.join()
        self.listen(0)
        assert self._pipe is not None
        self._pipe.close()

    def finish(self) -> None:
        """Wait until it has done all that it was told to.

        Raises:
            AssertionError: it takes too long, or has failed.
        """
        assert self._process is not None
        assert self.listen(LIMIT), f"{self.name} is stuck after {self.done}"
        self._process.join()
        assert self._process.exitcode == 0, f"{self.name} has failed after {self.done}"


def kill_again_and_again(writer: WriterProcess, kills: int, chance: random.Random) -> None:
    """Kill a writer at random moments of its life, then let it finish what it was at."""
    began_at = time.monotonic()
    finish([writer])
    longest_life = (time.monotonic() - began_at) / KINDS * LONGEST_LIFE
    for _ in range(kills):
        writer.start()
        assert not writer.listen(chance.uniform(0, longest_life)), "it has failed by itself"
        writer.kill()
    finish([writer])


def crash_again_and_again(
    writers: Sequence[WriterProcess], crash: Callable[[], None], crashes: int, load: int
) -> None:
    """Crash the database while it is written to, each time after ``load`` more intents."""
    for writer in writers:
        writer.start()
    for _ in range(crashes):
        wanted = sum(writer.done for writer in writers) + load
        deadline = time.monotonic() + LIMIT
        while sum(writer.done for writer in writers) < wanted:
            assert time.monotonic() < deadline, "the writers are stuck"
            for writer in writers:
                assert not writer.listen(0.01), f"{writer.name} has failed after {writer.done}"
        crash()
    for writer in writers:
        writer.kill()
    finish(writers)


def finish(writers: Sequence[WriterProcess]) -> None:
    """Let the writers do all kinds of intents once more, undisturbed."""
    for writer in writers:
        writer.start(writer.done + KINDS + 1)
    for writer in writers:
        writer.finish()


def figures_of(writers: Sequence[WriterProcess]) -> dict[str, int]:
    """Return what the writers came to.

    ``unheard`` are calls that had been done although nobody lived to hear the answer.
    """
    return {
        "intents": sum(writer.done + 1 for writer in writers),
        "unheard": sum(writer.replayed for writer in writers),
        "busy": sum(writer.busy for writer in writers),
    }


def assert_all_is_as_if_nothing_had_happened(alias: str, writers: Sequence[WriterProcess]) -> None:
    """Hold the tables against a MemoryLedger to which the intents happened once, undisturbed."""
    assert_books_balance(alias)
    memory = MemoryLedger()
    for writer in writers:
        undisturbed = Writer(lambda clock: _with_clock(memory, clock), writer.name)
        for number in range(writer.done + 1):
            undisturbed.do(number)
        assert_each_key_acted_once(alias, keys_of(writer.name, range(writer.done + 1)))
    real = sorted(read_journal(alias).entries, key=_place_and_sequence)
    wanted = sorted(memory.entries, key=_place_and_sequence)
    if len(writers) == 1:
        names = Names()
        for one, other in zip(real, wanted, strict=True):
            assert names.are_equal(one, other), (one, other)
    assert Counter(map(_effect, real)) == Counter(map(_effect, wanted))


def assert_life_goes_on(alias: str, writers: Sequence[WriterProcess]) -> None:
    """No hold is stuck, and every balance can be worked with."""
    later = BEGIN + timedelta(days=365)
    ledger = DatabaseLedger(using=alias, clock=lambda: later)
    ledger.expire_holds()
    assert not Hold.objects.using(alias).filter(status="active").exists()
    assert not Balance.objects.using(alias).exclude(on_hold=0, next_expiry_at=None).exists()
    for writer in writers:
        free = ledger.balance(writer.name, "gold").quantity
        hold = ledger.hold(f"after-{writer.name}", writer.name, "gold", free, 60).hold
        assert hold is not None
        ledger.commit(hold.id, to="pool")
        assert ledger.balance(writer.name, "gold").total == 0
    assert_books_balance(alias)


def _with_clock(memory: MemoryLedger, clock: Any) -> MemoryLedger:
    ledger = memory.scoped("")
    ledger._clock = clock  # noqa: SLF001 - no public call gives another clock
    return ledger


def _place_and_sequence(entry: EntryState) -> tuple[str, str, int]:
    return (entry.subject, entry.item, entry.sequence)


def _effect(entry: EntryState) -> tuple[Any, ...]:
    """Return what an entry did, whatever came before it."""
    return (
        entry.subject, entry.item, entry.kind, entry.key, entry.quantity_delta, entry.on_hold_delta,
        entry.effective_at, entry.created_at,
    )  # fmt: skip
