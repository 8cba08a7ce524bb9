"""What the commands tell on the way: a bar on a terminal, lines elsewhere, nothing where silent."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from django_inventory.exceptions import LedgerBusy
from django_inventory.management import progress
from tests.commands.conftest import configured
from tests.contract.journal import only_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_inventory.ledgers import Ledger
    from tests.commands.conftest import Said
    from tests.contract.engines import Clock, Engine

    Run = Callable[..., Said]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BAR_SECONDS", 0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)


@pytest.fixture
def commands(ledger: Ledger, clock: Clock, tmp_path: Path) -> list[tuple[str, ...]]:
    """Every command with a task, and something for it to do."""
    ledger.acquire("stock", "shop", "gold", 5)
    for number in range(3):
        ledger.hold(f"hold {number}", "shop", "gold", 1, 60)
    clock.advance(seconds=2 * 86_400)
    file = tmp_path / "balances.csv"
    file.write_text("subject,item,quantity\nalice,gold,5\nbob,gold,5\n")
    return [
        ("expire_holds", "--batch-size=1"),
        ("prune_idempotency_records", "--older-than=1d", "--batch-size=2"),
        ("import_balances", str(file), "--batch-size=1"),
        ("export_entries", f"--output={tmp_path / 'entries.csv'}"),
    ]


@only_on("sqlite")
def test_elsewhere_there_are_lines(
    engine: Engine, commands: list[tuple[str, ...]], run: Run
) -> None:
    told = [run(*command).err for command in commands]

    assert told[0].splitlines()[0].startswith("Expiring holds: 1 of 3, ")
    assert [line.split(",")[0] for line in told[0].splitlines()[:3]] == [
        f"Expiring holds: {number} of 3" for number in (1, 2, 3)
    ]
    assert told[1].splitlines()[0].startswith("Pruning records: 2 of 4, ")
    assert "Checking rows: 2, " in told[2]
    assert "Importing rows: 2 of 2, " in told[2]
    assert "Exporting entries: 9, " in told[3]
    assert "\r" not in "".join(told)


@only_on("sqlite")
def test_on_a_terminal_there_is_a_bar(
    engine: Engine, clock: Clock, commands: list[tuple[str, ...]]
) -> None:
    terminal = Terminal()
    with configured(engine, clock):
        call_command(*commands[0], stdout=io.StringIO(), stderr=terminal, no_color=True)

    steps = terminal.getvalue().split("\r")
    assert steps[1].startswith("Expiring holds [##########--------------------] 1/3 ")
    assert steps[3].startswith("Expiring holds [##############################] 3/3 ")
    # What follows begins a line of its own.
    assert terminal.getvalue().endswith("\n")
    assert terminal.getvalue().count("\n") == 1


@only_on("sqlite")
def test_a_failure_is_told_below_the_bar(
    engine: Engine,
    ledger: Ledger,
    clock: Clock,
    commands: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each breaks off after its first step, with the bar still standing."""

    def break_off(self: progress.Progress, done: int, total: int | None = None) -> None:
        show(self, done, total)
        raise LedgerBusy(message)

    message = "The database is busy; try again."
    show = progress.Progress.show
    monkeypatch.setattr(progress.Progress, "show", break_off)
    for command in [*commands, ("verify_inventory",)]:
        terminal = Terminal()
        with configured(engine, clock), pytest.raises((CommandError, LedgerBusy)):
            call_command(*command, stdout=io.StringIO(), stderr=terminal, no_color=True)
        assert "\r" in terminal.getvalue(), command
        assert terminal.getvalue().endswith("\n"), command


@only_on("sqlite")
def test_at_verbosity_0_nothing_is_told(
    engine: Engine, commands: list[tuple[str, ...]], run: Run
) -> None:
    for command in commands:
        said = run(*command, "--verbosity=0")
        assert (said.out, said.err, said.failure) == ("", "", "")
