"""Follow the tutorial literally, in an empty directory: ``python -m tests.docs.tutorial [python]``.

Needs nothing but Python, so that it can be followed with an interpreter that has the package and
nothing of the tests. Must not skip a step: whatever is not marked ``not run`` is done.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import urlopen

from tests.docs.pages import ROOT, TUTORIAL, Block, read_page, same_output

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_SECONDS: Final = 120


class StumbledError(Exception):
    """A step did not do what the page says."""


def steps(blocks: list[Block]) -> Iterator[tuple[Block, str | None]]:
    """Yield each block to be done, with the output that the page shows for it.

    Raises:
        StumbledError: there is a block that nobody knows what to do with.
    """
    is_shown = False
    for number, block in enumerate(blocks):
        after = blocks[number + 1] if number + 1 < len(blocks) else None
        if is_shown or block.verb == "not run":
            is_shown = False
            continue
        if block.verb not in {"file", "append", "serve"} and block.language != "sh":
            msg = f"{block}: what is to be done?"
            raise StumbledError(msg)
        is_shown = after is not None and after.language == "text"
        yield block, after.body if after is not None and is_shown else None


def follow(blocks: list[Block], folder: Path, python: str) -> int:
    """Do every step in ``folder``, and return how many there were.

    Args:
        python: the path of the interpreter that has the package installed.

    Raises:
        StumbledError: a step failed, or printed something else than the page says.
    """
    environment = {
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        # What goes to both streams comes in the order that a terminal shows.
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
    }
    todo = list(steps(blocks))
    for block, expected in todo:
        if block.verb in {"file", "append"}:
            with (folder / block.text).open("a" if block.verb == "append" else "w") as file:
                file.write(block.body)
        elif block.verb == "serve":
            serve(block, folder, environment)
        else:
            finished = subprocess.run(
                ["bash", "-euc", block.body],  # noqa: S607 - the one on the PATH, as the reader's
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=MOST_SECONDS,
                check=False,
            )
            if finished.returncode or not same_output(expected or "...", finished.stdout):
                msg = f"{block}: exit status {finished.returncode}\n{finished.stdout}"
                raise StumbledError(msg)
    return len(todo)


def serve(block: Block, folder: Path, environment: dict[str, str]) -> None:
    """Start the server that a step starts, on a free port, and ask for the page that it is for.

    Raises:
        StumbledError: it does not answer.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = f"exec {block.body.strip()} --noreload {port}"
    with subprocess.Popen(
        ["bash", "-euc", command],  # noqa: S607 - the one on the PATH, as the reader's
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            wait_for(block.text.replace(":8000", f":{port}"), server)
        finally:
            server.terminate()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the address answers.

    Raises:
        StumbledError: it does not, or the server has ended.
    """
    give_up_at = time.monotonic() + MOST_SECONDS
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
                if answer.status == 200:
                    return
        except URLError:
            time.sleep(0.1)
    msg = f"{url} does not answer"
    raise StumbledError(msg)


if __name__ == "__main__":
    tutorial = read_page(ROOT / TUTORIAL).blocks
    with tempfile.TemporaryDirectory() as name:
        done = follow(tutorial, Path(name), *(sys.argv[1:] or [sys.executable]))
    print(done, "steps done")  # noqa: T201 - a program
