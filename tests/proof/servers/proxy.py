"""A network that fails: a proxy before a database server, which cuts a connection when told to."""

from __future__ import annotations

import select
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Moment = Literal["before", "after"]


@dataclass(slots=True)
class Cut:
    """Where to cut: ``before`` the server gets a message, or ``after`` it has answered it.

    Attributes:
        is_it: tells whether a message of the client's is the one.
        message: where it has happened.
    """

    moment: Moment
    is_it: Callable[[bytes], bool]
    message: bytes = b""

    @property
    def is_done(self) -> bool:
        return bool(self.message)


class Proxy:
    """Passes on what comes to ``port`` on the loopback, until the next cut.

    Args:
        target: a host and a port, or the path of a socket.
    """

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._cut: Cut | None = None
        # Written to when it is time to end, so that everybody who waits wakes up.
        self._waker, self._woken = socket.socketpair()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waker.close()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()
        self._woken.close()

    def cut(self, moment: Moment, is_it: Callable[[bytes], bool]) -> Cut:
        """Cut the connection once, the next time that this message comes."""
        self._cut = Cut(moment, is_it)
        return self._cut

    def cut_at(self, moment: Moment, number: int) -> Cut:
        """Cut the connection once, at the message of that number from now on, from 0."""
        left = [number]

        def is_it(_: bytes) -> bool:
            left[0] -= 1
            return left[0] < 0

        return self.cut(moment, is_it)

    def spare(self) -> None:
        """Cut nothing more."""
        self._cut = None

    def _accept(self) -> None:
        while self._listener in _readable(self._listener, self._woken):
            client, _ = self._listener.accept()
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        family = socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET
        with client, socket.socket(family) as server:
            server.connect(self._target)
            while True:
                ready = _readable(client, server, self._woken)
                if self._woken in ready:
                    return
                for source, sink in ((client, server), (server, client)):
                    if source in ready and not self._pass_on(source, sink, source is client):
                        return

    def _pass_on(self, source: Any, sink: Any, is_clients: bool) -> bool:  # noqa: FBT001 - private
        """Pass on what is there; return whether the connection goes on."""
        cut = self._cut
        try:
            message = source.recv(1 << 20)
            if not (is_clients and message and cut and not cut.is_done and cut.is_it(message)):
                # Whoever it is for may have gone, as the server does when it is told to.
                sink.sendall(message)
                return bool(message)
        except ConnectionError:
            return False
        cut.message = message
        if cut.moment == "after":
            sink.sendall(message)
            # The server answers when it is done. Nobody is told.
            sink.recv(1 << 20)
        return False


def _readable(*sockets: socket.socket) -> list[socket.socket]:
    return select.select(sockets, [], [])[0]
