"""The example project with its demo users and two days of trade, served as ``run.py`` serves it.

Owns the child process. Used by the browser tests and by the command that makes the screenshots.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "example_project"
CLERK: Final = "clerk"
AUDITOR: Final = "auditor"
BOSS: Final = "boss"
PASSWORD: Final = "demo"  # noqa: S105 - the demo's
START_SECONDS: Final = 30


def run_in_example(program: str, database: Path) -> None:
    """Run a program in the example project, on that database.

    Raises:
        AssertionError: it failed.
    """
    finished = subprocess.run(
        [sys.executable, "-c", f"import django\ndjango.setup()\n{program}"],
        cwd=EXAMPLE,
        env=_environment(database),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def make_shop(database: Path) -> None:
    """Make tables, demo users and two days of trade, one overdue hold among it; and verify it."""
    run_in_example(
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "call_command('demo_users')\n"
        "call_command('demo_trade')\n"
        "call_command('verify_inventory')\n",
        database,
    )


def replay_shopping(database: Path) -> None:
    """Add what ``run.py`` adds last: four weeks of a store's shopping."""
    run_in_example(
        "from django.core.management import call_command\ncall_command('demo')\n", database
    )


@contextmanager
def served(database: Path) -> Iterator[str]:
    """Serve the example for as long as the block lasts, and give its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
        cwd=EXAMPLE,
        env=_environment(database),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/admin/login/", process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _environment(database: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{database}",
        "DJANGO_SETTINGS_MODULE": "example.settings",
    }


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url):  # noqa: S310 - the address that was just made
                return
        except (URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise
