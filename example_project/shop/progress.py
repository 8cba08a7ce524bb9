"""A progress bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

WIDTH = 40
LINES = 5


def show_progress(steps: Sequence[T], stream: TextIO) -> Iterator[T]:
    """Yield the steps and tell ``stream`` how many of them are done."""
    is_terminal = stream.isatty()
    parts = WIDTH if is_terminal else LINES
    shown = 0
    for done, step in enumerate(steps, start=1):
        yield step
        part = done * parts // len(steps)
        if part == shown:
            continue
        shown = part
        percent = f"{done * 100 // len(steps):3d} %"
        if is_terminal:
            end = "\n" if done == len(steps) else ""
            stream.write(f"\r[{'#' * part}{'.' * (parts - part)}] {percent}{end}")
        else:
            stream.write(f"{percent} of {len(steps):,} messages\n")
        stream.flush()
