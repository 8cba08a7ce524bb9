"""``manage.py expire_holds``."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import override_settings
from django.utils import timezone

from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers import DatabaseLedger
from django_inventory.management.stopping import StopRequest
from django_inventory.models import Balance, Hold
from django_inventory.operations import Acquire
from django_inventory.operations import Hold as HoldOperation
from django_inventory.signals import hold_expired
from tests.contract.journal import journal, on_databases, only_on

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from django_inventory.ledgers import Ledger
    from tests.commands.conftest import Said
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Clock, Engine

    Run = Callable[..., Said]


def place_holds(ledger: Ledger, balances: int, holds: int, *, ttl: float = 60) -> None:
    """Let each of so many subjects own 10 gold, with so many holds of 1."""
    ledger.post([Acquire(f"stock {n}", f"s{n}", "gold", 10) for n in range(balances)])
    ledger.post(
        [
            HoldOperation(f"hold {n} {m}", f"s{n}", "gold", 1, ttl)
            for n in range(balances)
            for m in range(holds)
        ]
    )


def statuses(engine: Engine) -> list[str]:
    return sorted(Hold.objects.using(engine.alias).values_list("status", flat=True))


@on_databases
def test_it_records_all_overdue_holds(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    place_holds(ledger, 3, 2)
    place_holds(engine.make_ledger(scope="later"), 1, 1, ttl=600)
    clock.advance(seconds=60)
    said = run("expire_holds", "--json")
    (answer,) = said.json_lines
    assert answer == {"expired": 6, "seconds": answer["seconds"], "stopped": False}
    assert said.err == ""
    assert statuses(engine) == ["active"] + ["expired"] * 6
    assert [line.kind for line in journal(engine)].count("expire") == 6
    assert run("expire_holds").out == "0 holds expired in 0.0 s.\n"


@on_databases
@pytest.mark.parametrize(
    ("options", "expired"),
    [
        (["--limit=4"], 4),
        (["--limit=4", "--batch-size=3"], 4),
        (["--limit=4", "--batch-size=4"], 4),
        (["--limit=4", "--batch-size=2"], 4),
        (["--batch-size=1"], 6),
        (["--limit=7", "--batch-size=5"], 6),
    ],
)
def test_it_keeps_to_the_limit(
    options: list[str], expired: int, *, engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    place_holds(ledger, 3, 2)
    clock.advance(seconds=60)
    assert run("expire_holds", "--json", *options).json_lines[0]["expired"] == expired
    assert statuses(engine).count("expired") == expired


@on_databases
def test_a_dry_run_counts_and_changes_nothing(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    place_holds(ledger, 3, 2)
    clock.advance(seconds=75)
    before = engine.dump()
    assert run("expire_holds", "--dry-run").out == (
        "6 holds are overdue, the oldest for 0:00:15.\n"
    )
    assert run("expire_holds", "--dry-run", "--json").json_lines == [
        {"overdue": 6, "oldest_age_seconds": 15.0, "dry_run": True}
    ]
    assert engine.dump() == before


@only_on("postgresql", "mariadb")
def test_it_leaves_locked_balances_alone(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run, run_threads: RunThreads
) -> None:
    place_holds(ledger, 3, 2)
    clock.advance(seconds=60)
    with transaction.atomic(using=engine.alias):
        Balance.objects.using(engine.alias).select_for_update().get(subject="s0")
        (said,) = run_threads([lambda: run("expire_holds", "--json")])
    assert not isinstance(said, BaseException)
    assert said.json_lines[0]["expired"] == 4
    assert run("expire_holds", "--json").json_lines[0]["expired"] == 2


@on_databases
def test_two_at_once_record_each_expiry_once(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run, run_threads: RunThreads
) -> None:
    place_holds(ledger, 40, 3)
    clock.advance(seconds=60)
    outcomes = run_threads([lambda: run("expire_holds", "--json", "--batch-size=7")] * 3)
    assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    # Each may have left to the others what they had locked, and they ended before it looked again.
    run("expire_holds")
    assert statuses(engine) == ["expired"] * 120
    assert [line.kind for line in journal(engine)].count("expire") == 120


@only_on("sqlite")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_batch_in_hand(
    number: signal.Signals, engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    place_holds(ledger, 3, 2)
    clock.advance(seconds=60)
    handler = signal.getsignal(number)

    def interrupt(**_: Any) -> None:
        if signal.getsignal(number) != handler:
            signal.raise_signal(number)

    hold_expired.connect(interrupt)
    try:
        said = run("expire_holds", "--json", "--loop", "--interval=1h", "--batch-size=2")
    finally:
        hold_expired.disconnect(interrupt)
    (answer,) = said.json_lines
    assert (answer["expired"], answer["stopped"]) == (2, True)
    assert statuses(engine) == ["active"] * 4 + ["expired"] * 2
    assert signal.getsignal(number) == handler


@only_on("sqlite")
def test_a_second_signal_acts_as_ever(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    place_holds(ledger, 3, 2)
    clock.advance(seconds=60)

    def interrupt(**_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    # As Python begins, but for a run in the background: its shell has it ignore this signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    hold_expired.connect(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            run("expire_holds", "--batch-size=2")
    finally:
        hold_expired.disconnect(interrupt)
        signal.signal(signal.SIGINT, before)
    # The signal came after the commit.
    assert statuses(engine) == ["active"] * 4 + ["expired"] * 2


@on_databases
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_loop_ends_with_status_0_when_it_is_told_to(
    number: signal.Signals,
    engine: Engine,
    clock: Clock,
    child: Callable[..., subprocess.Popen[str]],
) -> None:
    # The child has a clock of its own.
    clock.set(timezone.now())
    clock.advance(seconds=-120)
    place_holds(engine.make_ledger(clock=clock), 1, 2)
    process = child("expire_holds", "--loop", "--interval=1h", "--json")
    assert process.stdout
    # Now it waits for its second round, or is about to.
    assert '"expired": 2' in process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    assert statuses(engine) == ["expired"] * 2


def test_a_wait_ends_although_the_handler_is_not_called_yet() -> None:
    """As if the signal had come when all was looked at and the wait had not begun."""

    def interrupt() -> None:
        time.sleep(0.2)
        # A signal that another thread takes does not interrupt what the main thread waits in.
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        began_at = time.monotonic()
        threading.Thread(target=interrupt).start()
        assert stop.wait(20)
        assert time.monotonic() - began_at < 10
    assert signal.getsignal(signal.SIGTERM) is handler
    assert signal.set_wakeup_fd(-1) == -1


def test_other_signals_do_not_end_a_wait() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        with StopRequest() as stop:
            began_at = time.monotonic()
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert not stop.wait(0.5)
            assert time.monotonic() - began_at >= 0.5
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]


@only_on("sqlite")
def test_a_failure_ends_the_process_with_status_1(
    child: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = child("expire_holds", "--limit=0")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "'0' is no whole number from 1." in err
    process = child("import_balances", str(tmp_path / "missing.csv"))
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.startswith("CommandError: ")


@only_on("sqlite")
def test_a_busy_database_is_a_failure(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        msg = "The database is busy; try again."
        raise LedgerBusy(msg)

    monkeypatch.setattr(DatabaseLedger, "expire_holds", refuse)
    failure = run("expire_holds").failure
    assert failure.startswith("The database is busy; try again.")
    assert failure.endswith("run it again.")


@only_on("sqlite")
def test_what_makes_no_sense_is_refused(engine: Engine, run: Run) -> None:
    assert "exclude each other" in run("expire_holds", "--dry-run", "--loop").failure
    assert "no database 'nowhere'" in run("expire_holds", "--database=nowhere").failure


def test_a_ledger_without_a_database_is_refused() -> None:
    memory = {"BACKEND": "django_inventory.ledgers.MemoryLedger"}
    with (
        override_settings(INVENTORY=memory),
        pytest.raises(CommandError, match="MemoryLedger, keeps nothing in a database"),
    ):
        call_command("expire_holds")


@on_databases
def test_the_number_of_statements_grows_with_the_batches_alone(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    place_holds(ledger, 10, 3)
    clock.advance(seconds=60)
    statements: list[str] = []

    def note(execute: Any, sql: str, *arguments: Any) -> Any:
        statements.append(sql)
        return execute(sql, *arguments)

    with connections[str(engine.alias)].execute_wrapper(note):
        run("expire_holds")
    data = [sql for sql in statements if "SAVEPOINT" not in sql and "BEGIN" not in sql]
    # Two to know how much there is, six for the only batch, one to see the end.
    assert len(data) <= 9, data
