"""What came out, as a table, as JSON, and held against the figures that were aimed at."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import django
import psycopg

from benchmarks.contestants import DATABASE, FLOOR, POSTGRES, POSTGRES_PREPARED, TEXTBOOK
from benchmarks.measuring import Figures, Series
from benchmarks.plan import Plan
from benchmarks.server import Server


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that was aimed at, and what was reached."""

    name: str
    goal: str
    reached: float | None
    is_met: bool | None


def targets(figures: Figures) -> list[Target]:
    """Return each figure aimed at; one that was not measured has reached None."""
    return list(_targets(figures))


def _targets(figures: Figures) -> Iterator[Target]:
    def at_least(name: str, goal: float, reached: float | None, unit: str = "x") -> Target:
        return Target(
            name, f">= {goal:,g}{unit}", reached, None if reached is None else reached >= goal
        )

    def at_most(name: str, goal: float, reached: float | None, unit: str) -> Target:
        return Target(
            name, f"<= {goal:,g}{unit}", reached, None if reached is None else reached <= goal
        )

    for verb in ("acquire", "consume", "transfer", "hold+commit"):
        scenario = f"single {verb}"
        for name in (POSTGRES, POSTGRES_PREPARED):
            yield at_least(
                f"{name}, {verb}, 8 clients, to textbook",
                5,
                figures.ratio(scenario, name, TEXTBOOK, clients=8),
            )
            yield at_least(
                f"{name}, {verb}, 8 clients, to the floor",
                0.7,
                figures.ratio(scenario, name, FLOOR, clients=8),
            )
        yield at_least(
            f"{DATABASE}, {verb}, 8 clients, to textbook",
            1.3,
            figures.ratio(scenario, DATABASE, TEXTBOOK, clients=8),
        )
    yield at_least(
        "hot balance, 8 clients, to textbook",
        5,
        figures.ratio("hot balance", POSTGRES, TEXTBOOK, clients=8),
    )
    thousand = figures.get("post of 1,000", POSTGRES)
    yield at_least(
        "post of 1,000, operations a second", 10_000, thousand.value if thousand else None, "/s"
    )
    yield at_least(
        "post of 1,000, to textbook's singles",
        25,
        figures.ratio("post of 1,000", POSTGRES, TEXTBOOK),
    )
    journey = figures.get("The Complete Journey, time", POSTGRES, 8)
    yield at_most("The Complete Journey", 300, journey.value if journey else None, " s")
    memory = figures.get("The Complete Journey, memory's growth", POSTGRES, 8)
    yield at_most(
        "The Complete Journey, a client's memory, from a quarter to the end",
        1.05,
        memory.value if memory else None,
        "x",
    )
    for (scenario, contestant, _), series in figures.series.items():
        if scenario.startswith("growth, ratio"):
            yield at_most(
                f"{scenario.removeprefix('growth, ratio ')}, {contestant}", 1.3, series.value, "x"
            )


def machine(server: Server) -> dict[str, str]:
    """Return what the figures were taken on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "CPU": model,
        "cores": str(os.cpu_count()),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Django": django.__version__,
        "psycopg": psycopg.__version__,
        "PostgreSQL": server.version,
    }


def table(figures: Figures) -> str:
    """Return all series but growth as a Markdown table, beside textbook and floor of the same."""
    lines = [
        (
            "| scenario | clients | who | value | to textbook | to floor | p50 ms | p99 ms "
            "| CPU µs, client | server |"
        ),
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (scenario, contestant, clients), series in figures.series.items():
        if scenario.startswith("growth"):
            continue
        cells = [
            scenario,
            str(clients),
            contestant,
            f"{series.value:,.{0 if series.value >= 100 else 2}f}{series.unit}",
            _ratio(figures.ratio(scenario, contestant, TEXTBOOK, clients=clients)),
            _ratio(figures.ratio(scenario, contestant, FLOOR, clients=clients)),
            _latency(series.p50_ms),
            _latency(series.p99_ms),
            _cpu(series.client_cpu_us),
            _cpu(series.server_cpu_us),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def growth_table(figures: Figures) -> str:
    """Return the times on each journal as a Markdown table, the last one also as a ratio."""
    rows: dict[tuple[str, str], dict[str, Series]] = {}
    lengths: list[str] = []
    for (scenario, contestant, _), series in figures.series.items():
        if scenario.startswith("growth, "):
            call, _, length = scenario.removeprefix("growth, ").rpartition(", ")
            rows.setdefault((call, contestant), {})[length] = series
            if length not in lengths:
                lengths.append(length)
    lines = [
        f"| call | who | {' | '.join(lengths)} | last to first |",
        f"|---|---|{'---:|' * (len(lengths) + 1)}",
    ]
    for (call, contestant), times in rows.items():
        if not call.startswith("ratio "):
            ratio = rows[f"ratio {call}", contestant][lengths[-1]]
            cells = [f"{times[length].value:,.2f} ms" for length in lengths]
            lines.append(f"| {call} | {contestant} | {' | '.join(cells)} | {ratio.value:.2f}x |")
    return "\n".join(lines) if rows else ""


def targets_table(figures: Figures) -> str:
    """Return the figures aimed at as a Markdown table."""
    lines = ["| aim | goal | reached | |", "|---|---:|---:|---|"]
    for target in targets(figures):
        if target.reached is not None:
            verdict = "met" if target.is_met else "**not met**"
            lines.append(f"| {target.name} | {target.goal} | {target.reached:,.2f} | {verdict} |")
    return "\n".join(lines)


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


def _latency(values: list[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.2f}" if values else ""


def read_json(path: Path) -> tuple[Figures, list[dict[str, Any]]]:
    """Read what ``write_json`` has written: the figures and the parts."""
    document = json.loads(path.read_text(encoding="utf-8"))
    series = [Series(**one) for one in document["series"]]
    figures = Figures({(one.scenario, one.contestant, one.clients): one for one in series})
    return figures, document["parts"]


def _cpu(values: list[float]) -> str:
    return f"{median(values):,.0f}" if values else ""


def new_part(scenarios: Iterable[str], plan: Plan, facts: dict[str, str]) -> dict[str, Any]:
    """Return how these scenarios were measured: when, for how long and on what."""
    return {
        "scenarios": list(scenarios),
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": asdict(plan),
        "machine": facts,
    }


def write_json(path: Path, figures: Figures, parts: list[dict[str, Any]]) -> None:
    """Write everything that was measured, in however many parts."""
    document = {
        "parts": parts,
        "series": [asdict(series) for series in figures.series.values()],
        "targets": [asdict(target) for target in targets(figures)],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
