"""The example project with its demo users and a day of trade, served as ``run.py`` serves it.

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

# A day of trade that ends now: deliveries, sales, baskets that are filled, paid and abandoned. One
# abandoned basket is overdue, and nobody has swept.
TRADE = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from django_inventory.ledgers import DatabaseLedger

class Clock:
    now = timezone.now()
    def __call__(self):
        return self.now

clock = Clock()
ledger = DatabaseLedger(clock=clock)
now = clock.now
clerk = get_user_model().objects.get(username="clerk")

def at(hours):
    clock.now = now - timedelta(hours=hours)

at(50)
for item, quantity in [("sku:lamp", 120), ("sku:chair", 40), ("sku:desk", 12)]:
    key = f"delivery-1 {item}"
    ledger.acquire(key, "shop", item, quantity, reference="delivery 1", actor=clerk)
for hour in range(48, 0, -1):
    at(hour)
    ledger.acquire(f"till {hour}", "till", "eur", 100 + 7 * hour % 90, reference=f"hour {hour}")
    if hour % 3 == 0:
        basket = ledger.hold(
            f"basket {hour}", "shop", "sku:lamp", 3 + hour % 4, timedelta(hours=1),
            reference=f"basket {hour}", actor="till",
        )
        at(hour - 0.4)
        if hour % 9:
            ledger.commit(
                basket.hold.id, to=f"customer:{hour % 7}", reference=f"basket {hour}", actor="till"
            )
    if hour == 20:
        ledger.acquire("delivery-2", "shop", "sku:lamp", 30, reference="delivery 2", actor=clerk)
    if hour == 3:
        desks = ("shop", "sku:desk", 4)
        ledger.hold("abandoned", *desks, timedelta(hours=1), reference="basket 101", actor="till")
    if hour % 4 == 0:
        at(hour - 0.7)
        ledger.consume(
            f"sale {hour}", "shop", "sku:lamp", 1 + hour % 2, reference=f"sale {hour}", actor=clerk
        )
at(0.5)
ledger.hold("window", "shop", "sku:lamp", 5, timedelta(hours=4), reference="for alice", actor=clerk)
ledger.hold("chairs", "shop", "sku:chair", 2, timedelta(days=2), reference="for bob", actor=clerk)
"""


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
    """Make tables, demo users and a day of trade."""
    run_in_example(
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "call_command('demo_users')\n" + TRADE,
        database,
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
