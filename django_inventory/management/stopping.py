"""Let a command end where it chooses to when the system or a person asks it to stop."""

from __future__ import annotations

import select
import signal
import socket
import threading
import time
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any, Final, Self

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Inside the ``with`` block, SIGTERM and SIGINT only note that a stop was asked for.

    The command looks at ``is_made`` between two batches. The second signal acts as it always did,
    so that a batch that hangs can be interrupted. In any but the main thread, where signals cannot
    be caught, nothing is changed.
    """

    def __init__(self) -> None:
        self.is_made = False
        self._stack = ExitStack()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._receiver, self._sender = socket.socketpair()
        self._stack.callback(self._receiver.close)
        self._stack.callback(self._sender.close)
        if threading.current_thread() is threading.main_thread():
            # Written to when a signal comes, and not only once Python gets to calling the handler:
            # it does not while it waits for the socket, if the signal came an instant before.
            self._receiver.setblocking(False)  # noqa: FBT003 - the socket's own signature
            self._sender.setblocking(False)  # noqa: FBT003
            before = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
            self._stack.callback(signal.set_wakeup_fd, before)
            for number in STOP_SIGNALS:
                self._before[number] = signal.signal(number, self._note) or signal.SIG_DFL
        self._stack.callback(self._restore)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a stop is asked for; tell whether it is."""
        ends_at = time.monotonic() + seconds
        while not self.is_made and (left := ends_at - time.monotonic()) > 0:
            if select.select([self._receiver], [], [], left)[0]:
                self._receiver.recv(4096)
        return self.is_made

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.is_made = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
