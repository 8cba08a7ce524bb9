"""The CPU time that processes have spent, as Linux counts it.

What else a machine does changes how long a call takes far more than how much CPU time it costs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")

_postmaster: int | None = None


def use_server(backend_pid: int) -> None:
    """Measure the server that this backend is of, if it runs here and Linux tells."""
    global _postmaster  # noqa: PLW0603 - one server a run
    fields = _stat(backend_pid)
    name = PROC / str(backend_pid) / "comm"
    if fields is not None and name.read_text(encoding="utf-8").startswith("postgres"):
        _postmaster = int(fields[1])


class ServerMeter:
    """Count the CPU time of the server's processes from now on."""

    def __init__(self) -> None:
        self._before = _server_ticks()

    def seconds(self) -> float | None:
        """Return what they spent since, or None where it is not to be had."""
        if self._before is None:
            return None
        return ((_server_ticks() or 0) - self._before) / os.sysconf("SC_CLK_TCK")


def _server_ticks() -> int | None:
    """Return the clock ticks of the postmaster, its children and those that have ended."""
    if _postmaster is None:
        return None
    own = _stat(_postmaster)
    while own is not None:
        ticks = sum(map(int, own[11:15])) + _living_children_ticks(_postmaster)
        before, own = own, _stat(_postmaster)
        # Else one has ended in between, and may have been counted twice or not at all.
        if own is not None and own[13:15] == before[13:15]:
            return ticks
    return None


def _living_children_ticks(parent: int) -> int:
    stats = [_stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit()]
    return sum(
        int(fields[11]) + int(fields[12])
        for fields in stats
        if fields is not None and int(fields[1]) == parent
    )


def _stat(pid: int) -> list[str] | None:
    """Return the fields of a process from the third on, see proc(5)."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
