"""The floor: pgbench calling the least that has the same durable effects, see ``floor.sql``."""

from __future__ import annotations

import resource
import subprocess
import tempfile
from array import array
from pathlib import Path
from typing import Final

from django.db import connection

from benchmarks.measuring import Measurement
from benchmarks.processor import ServerMeter

# As long as the ledger's digests of an operation's arguments.
FINGERPRINT: Final = "0123456789abcdef" * 5
MAX_SECONDS: Final = 600

_KEY: Final = "\\set key random(1, 1000000000000000)\n"
_ONE: Final = _KEY + "\\set n random(1, {balances})\n"
_TWO: Final = (
    _KEY + "\\set a random(1, {balances} - 1)\n\\set b :a + 1\n\\set turn random(0, 1)\n"
    "\\if :turn\n\\set a :a + 1\n\\set b :a - 1\n\\endif\n"
)
SCRIPTS: Final = {
    "acquire": _ONE
    + "SELECT floor_move('acquire', 'floor-' || :key, '{fingerprint}', 's-' || :n, 'gold', 1);\n",
    "consume": _ONE
    + "SELECT floor_move('consume', 'floor-' || :key, '{fingerprint}', 's-' || :n, 'gold', -1);\n",
    "transfer": _TWO + "SELECT floor_transfer("
    "'floor-' || :key, '{fingerprint}', 's-' || :a, 's-' || :b, 'gold', 1);\n",
    "hold+commit": _ONE + "SELECT floor_hold("
    "'floor-' || :key, '{fingerprint}', 's-' || :n, 'gold', 1, 900) AS hold \\gset\n"
    + "SELECT floor_commit(:hold);\n",
}


def install() -> None:
    """Make the functions."""
    sql = Path(__file__).with_name("floor.sql").read_text(encoding="utf-8")
    with connection.cursor() as cursor:
        cursor.execute(sql)


def call_once(pgbench: str, conninfo: str, verb: str, *, balances: int) -> None:
    """Let pgbench call the floor's function of a verb once."""
    _run(pgbench, conninfo, verb, balances, "--client=1", "--transactions=1")


def measure(
    pgbench: str, conninfo: str, verb: str, *, balances: int, clients: int, seconds: float
) -> Measurement:
    """Let pgbench call the floor's function of a verb, by prepared statements."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        meter = ServerMeter()
        output = _run(
            pgbench, conninfo, verb, balances,
            f"--client={clients}", f"--time={max(1, round(seconds))}",
            "--log", f"--log-prefix={folder}/log",
        )  # fmt: skip
        server_cpu = meter.seconds()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        latencies: array[float] = array("d")
        for log in Path(folder).glob("log.*"):
            with log.open(encoding="ascii") as lines:
                latencies.extend(int(line.split()[2]) / 1e6 for line in lines)
    (rate,) = [float(line.split()[2]) for line in output.splitlines() if line.startswith("tps =")]
    client_cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measurement(len(latencies), len(latencies) / rate, latencies, client_cpu, server_cpu)


def _run(pgbench: str, conninfo: str, verb: str, balances: int, *options: str) -> str:
    """Let pgbench run a verb's script, by prepared statements, and return what it prints."""
    script = SCRIPTS[verb].format(balances=balances, fingerprint=FINGERPRINT)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.sql")
        path.write_text(script, encoding="utf-8")
        return subprocess.run(  # noqa: S603 - a program that was found, with arguments of ours
            [
                pgbench, "--no-vacuum", "--protocol=prepared", "--jobs=1", f"--file={path}",
                *options, conninfo,
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
        ).stdout  # fmt: skip
