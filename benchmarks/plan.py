"""How much a run does: all of it, or a minute's worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.measuring import Figures
from benchmarks.server import Server


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often things are measured, and how large they are.

    Attributes:
        seconds: how long one measurement takes.
        rounds: how often each is taken; all contestants take their turn in each round.
        growth: the journal's lengths at which cost is compared, in entries.
        growth_rounds: how often that is done.
        journey_lines: how many purchase lines are replayed; None for all.
    """

    seconds: float
    rounds: int
    growth: tuple[int, int, int]
    growth_rounds: int
    journey_lines: int | None


FULL: Final = Plan(
    seconds=4,
    rounds=3,
    growth=(10_000, 1_000_000, 10_000_000),
    growth_rounds=30,
    journey_lines=None,
)
QUICK: Final = Plan(
    seconds=1,
    rounds=1,
    growth=(1_000, 10_000, 50_000),
    growth_rounds=3,
    journey_lines=20_000,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a scenario is given: the server, the plan, and where its figures go."""

    server: Server
    pgbench: str | None
    plan: Plan
    figures: Figures
    say: Callable[[str], None]
