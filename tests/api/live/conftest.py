"""The example project, served as it is: by gunicorn, with its own settings and users."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from socket import create_server
from typing import TYPE_CHECKING, Final

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[3]
EXAMPLE: Final = ROOT / "example_project"
SECONDS_TO_STOP: Final = 10
FIGURES: Final = pytest.StashKey[list[str]]()
"""What was measured, a line each, to be told at the end of the run."""


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)


@dataclass(frozen=True)
class Site:
    """The example on a database of its own, and where it is served."""

    database_url: str
    url: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "DJANGO_DEBUG": "0",
            "DJANGO_SETTINGS_MODULE": "example.settings",
            **self.variables,
        }

    def manage(self, *arguments: str) -> str:
        """Run ``manage.py``, and return what it says."""
        finished = subprocess.run(
            [sys.executable, "-W", "error", "manage.py", *arguments],
            cwd=EXAMPLE,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def token(self, name: str) -> str:
        """Return the token of one of the demo's users."""
        return _token(f"{self.url}/token/", name)

    def client(self, name: str) -> httpx.Client:
        """Return a client of the API for one of the demo's users."""
        return httpx.Client(
            base_url=f"{self.url}/inventory/",
            headers={"Authorization": f"Token {self.token(name)}"},
            timeout=60,
        )


@cache
def _token(url: str, name: str) -> str:
    """Ask for a token once: checking a password takes long, as it should."""
    body = {"username": name, "password": "demo"}
    token: str = httpx.post(url, data=body, timeout=60).raise_for_status().json()["token"]
    return token


@contextmanager
def serve(
    site: Site, log: Path, *options: str, application: str = "example.wsgi"
) -> Iterator[Site]:
    """Serve ``site`` by gunicorn while the block runs.

    The socket is open before gunicorn is there, so that nothing has to be waited for.
    """
    with ExitStack() as stack:
        socket = stack.enter_context(create_server(("127.0.0.1", 0), backlog=512))
        file = stack.enter_context(log.open("w"))
        process = stack.enter_context(
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", application),
                    # The control socket would stand in the home folder, for all servers there.
                    *("--bind", f"fd://{socket.fileno()}", "--no-control-socket", *options),
                ],
                cwd=EXAMPLE,
                env=site.environment,
                pass_fds=[socket.fileno()],
                stdout=file,
                stderr=file,
            )
        )
        stack.callback(process.wait, SECONDS_TO_STOP)
        stack.callback(process.terminate)
        yield Site(site.database_url, f"http://127.0.0.1:{socket.getsockname()[1]}", site.variables)
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with tables and the demo's users, to be copied."""
    database = tmp_path_factory.mktemp("live") / "prepared.sqlite3"
    site = Site(f"sqlite:///{database}")
    site.manage("migrate", "--verbosity=0")
    site.manage("demo_users")
    return database


@contextmanager
def serve_copy(prepared: Path, folder: Path) -> Iterator[Site]:
    """Serve the example on a copy of a database."""
    database = shutil.copy(prepared, folder / "db.sqlite3")
    with serve(
        Site(f"sqlite:///{database}"),
        folder / "log",
        "--workers=2",
        "--threads=2",
        "--keep-alive=5",
        # The description bounds a list of names by their number; gunicorn would do so by bytes.
        "--limit-request-line=0",
    ) as site:
        yield site


@pytest.fixture(scope="session")
def site(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The example with its users, for all tests that do not mind one another."""
    with serve_copy(prepared, tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def fresh_site(prepared: Path, tmp_path: Path) -> Iterator[Site]:
    """The example with its users and nothing else."""
    with serve_copy(prepared, tmp_path) as site:
        yield site
