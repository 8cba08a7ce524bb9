"""The command: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from benchmarks import report, settings
from benchmarks.measuring import Figures
from benchmarks.plan import FULL, QUICK, Bench
from benchmarks.server import find_pgbench, find_server

SCENARIOS: Final = {
    "singles": "benchmarks.singles:run",
    "hot": "benchmarks.singles:run_hot",
    "batches": "benchmarks.singles:run_batches",
    "peers": "benchmarks.peers:run",
    "journey": "benchmarks.journey:run",
    "growth": "benchmarks.growth:run",
}


def main() -> int:
    """Run what was asked for; write the table, the JSON and the chart."""
    arguments = _arguments()
    began_at = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began_at:6.0f} s] {text}", flush=True)

    server = find_server()
    from benchmarks import peers

    settings.configure(server, peers.installed_apps())
    plan = QUICK if arguments.quick else FULL
    if arguments.seconds is not None:
        plan = replace(plan, seconds=arguments.seconds)
    if arguments.rounds is not None:
        plan = replace(plan, rounds=arguments.rounds)
    if arguments.lines is not None:
        plan = replace(plan, journey_lines=arguments.lines)
    bench = Bench(server, find_pgbench(), plan, Figures({}), say)
    facts = report.machine(server)
    say(", ".join(f"{name} {value}" for name, value in facts.items()))
    try:
        _prepare(bench)
        for name in arguments.only or SCENARIOS:
            _scenario(name)(bench)
    finally:
        part = report.new_part(arguments.only or SCENARIOS, plan, facts)
        _finish(bench, part, Path(arguments.output), keep=arguments.keep)
        server.drop_databases()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes instead of an hour")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="these scenarios alone")
    parser.add_argument("--seconds", type=float, help="how long one measurement takes")
    parser.add_argument("--rounds", type=int, help="how often each is taken")
    parser.add_argument("--lines", type=int, help="only so many of the journey's purchase lines")
    parser.add_argument(
        "--keep", action="store_true", help="what the folder has of other scenarios stays in it"
    )
    parser.add_argument("--output", default="benchmarks/results", help="folder for JSON and chart")
    return parser.parse_args()


def _scenario(name: str) -> Callable[[Bench], None]:
    module, _, function = SCENARIOS[name].partition(":")
    scenario: Callable[[Bench], None] = getattr(import_module(module), function)
    return scenario


def _prepare(bench: Bench) -> None:
    from benchmarks import contestants, databases, effects, floor, singles

    databases.make(bench.server, settings.DEFAULT)
    contestants.stock(singles.BALANCES)
    floor.install()
    effects.check(bench)
    databases.vacuum(settings.DEFAULT)


def _finish(bench: Bench, part: dict[str, Any], output: Path, *, keep: bool) -> None:
    from benchmarks import chart

    output.mkdir(parents=True, exist_ok=True)
    path = output / "figures.json"
    figures, parts = bench.figures, [part]
    if keep and path.exists():
        older, parts = report.read_json(path)
        figures = older.updated(figures)
        parts.append(part)
    report.write_json(path, figures, parts)
    (output / "figures.svg").write_text(chart.draw(figures, part["machine"]), encoding="utf-8")
    tables = (report.targets_table(figures), report.table(figures), report.growth_table(figures))
    text = "\n\n".join(filter(None, tables)) + "\n"
    (output / "figures.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nWritten to {output}/figures.json, .svg and .md.")


if __name__ == "__main__":
    sys.exit(main())
