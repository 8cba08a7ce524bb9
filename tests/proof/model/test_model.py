"""All ledgers answer alike and keep every invariant, whatever happens."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test

from tests.proof.model.broken_rules import BROKEN
from tests.proof.model.machine import LedgerMachine
from tests.proof.model.players import PLAYERS
from tests.proof.profiles import amount, profile_in_use
from tests.proof.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proof.model.broken_rules import Breaking

STEPS = 50


def play(make_machine: Callable[[], LedgerMachine], **changes: Any) -> None:
    """Play the machine's examples, of which the first that fails raises."""
    chosen = settings(
        profile_in_use(),
        max_examples=amount(ci=200, long=5_000),
        stateful_step_count=STEPS,
        # An example takes half a second, and much of what is drawn is refused: as it should be.
        suppress_health_check=list(HealthCheck),
        **changes,
    )
    # Called, and nothing else: a class is declared, and a function as good.
    run_state_machine_as_test(make_machine, settings=chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PLAYERS)
def test_all_ledgers_agree_with_the_oracle_and_keep_the_invariants(
    databases: None, name: str, report: Report
) -> None:
    figures: Counter[str] = Counter()
    play(partial(LedgerMachine, PLAYERS[name], figures))
    report.add(f"model, {name}", **figures)


@pytest.mark.parametrize("break_it", BROKEN, ids=lambda break_it: break_it.__name__)
def test_the_machine_finds_a_broken_rule(
    databases: None, monkeypatch: pytest.MonkeyPatch, break_it: Breaking
) -> None:
    """The same examples as above, of which the first that fails ends the search."""
    on_sqlite = PLAYERS["DatabaseLedger"][:1]
    break_it(monkeypatch)
    with pytest.raises(Exception) as found:  # noqa: PT011 - an answer, an invariant or the database
        play(partial(LedgerMachine, on_sqlite, Counter()), phases=[Phase.generate])
    assert found.type is not Unsatisfiable
