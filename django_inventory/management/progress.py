"""Show how far a command is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

from django.core.management.base import OutputWrapper

BAR_WIDTH: Final = 30
BAR_SECONDS: Final = 0.1
LINE_SECONDS: Final = 10.0


class Progress:
    """Progress of one task, written to ``stream``, which is best a command's ``stderr``.

    Call ``show`` as often as you like; it writes ten times a second at most on a terminal, and
    every ten seconds elsewhere. The end of the ``with`` block, however it is left, ends the bar's
    line too.

    Args:
        verbosity: the command's; at 0 nothing is written.
    """

    def __init__(self, stream: OutputWrapper, task: str, verbosity: int = 1) -> None:
        self._stream = stream
        self._is_silent = verbosity < 1
        self._task = task
        self._is_terminal = stream.isatty()
        self._started_at = self._written_at = time.monotonic()
        self._is_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()

    def show(self, done: int, total: int | None = None) -> None:
        """Say that ``done`` of ``total`` is done, if it is time to say so again.

        Args:
            total: None where nobody knows it; then there is no bar.
        """
        now = time.monotonic()
        if self._is_silent or now - self._written_at < (
            BAR_SECONDS if self._is_terminal else LINE_SECONDS
        ):
            return
        self._written_at = now
        rate = done / (now - self._started_at)
        if not self._is_terminal:
            of_total = "" if total is None else f" of {total:,}"
            self._write(f"{self._task}: {done:,}{of_total}, {rate:,.0f} a second\n")
        elif total is None:
            self._write(f"\r{self._task}: {done:,} {rate:,.0f}/s ")
            self._is_begun = True
        else:
            filled = BAR_WIDTH * done // total if total else BAR_WIDTH
            bar = "#" * filled + "-" * (BAR_WIDTH - filled)
            self._write(f"\r{self._task} [{bar}] {done:,}/{total:,} {rate:,.0f}/s ")
            self._is_begun = True

    def finish(self) -> None:
        """Leave the bar's line, so that what follows begins a new one."""
        if self._is_begun:
            self._write("\n")
            self._is_begun = False

    def _write(self, text: str) -> None:
        """Write the text as it is: no line end after each step of the bar, and no error's red."""
        self._stream.write(text, style_func=str, ending="")
        self._stream.flush()
