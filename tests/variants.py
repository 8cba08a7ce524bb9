"""PostgreSQL in other ways than Django's default: isolation levels, a pooler, a pool.

Owns what ``INVENTORY_POSTGRES_VARIANT`` means, and the PgBouncer that one of its values needs:

``repeatable-read``, ``serializable``
    The isolation level of every transaction.
``pgbouncer``
    Through a PgBouncer in transaction mode, which is started for the run.
``pool``
    Django's own pool of psycopg connections.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import IsolationLevel

VARIABLE: Final = "INVENTORY_POSTGRES_VARIANT"
VARIANTS: Final = ("repeatable-read", "serializable", "pgbouncer", "pool")
START_SECONDS: Final = 20

DatabaseSettings = dict[str, Any]


def find_pgbouncer() -> str | None:
    """Return the path of PgBouncer's program, if it is installed; Debian has it in /usr/sbin."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def vary(settings: DatabaseSettings, folder: Path) -> str:
    """Change a PostgreSQL database's settings as ``INVENTORY_POSTGRES_VARIANT`` says.

    Returns:
        What was done, in words; "" for nothing.

    Raises:
        pytest.UsageError: the variable makes no sense, or PgBouncer is missing.
    """
    variant = os.environ.get(VARIABLE, "")
    match variant:
        case "":
            return ""
        case "repeatable-read":
            settings["OPTIONS"]["isolation_level"] = IsolationLevel.REPEATABLE_READ
        case "serializable":
            settings["OPTIONS"]["isolation_level"] = IsolationLevel.SERIALIZABLE
        case "pool":
            # More than the most threads that a test has at once.
            settings["OPTIONS"]["pool"] = {"min_size": 2, "max_size": 40, "timeout": 20}
            # Django sets the level of a pooled connection only where it is given one, so that a
            # test that wants another would leave it to whoever has the connection next.
            settings["OPTIONS"]["isolation_level"] = IsolationLevel.READ_COMMITTED
        case "pgbouncer":
            _lead_through_pgbouncer(settings, folder)
        case _:
            msg = f"{VARIABLE} is {variant!r}; there are {', '.join(VARIANTS)}."
            raise pytest.UsageError(msg)
    return variant


def _lead_through_pgbouncer(settings: DatabaseSettings, folder: Path) -> None:
    port = _start_pgbouncer(settings, folder)
    settings.update(
        # Django's, but that it can drop a database to which PgBouncer keeps connections.
        ENGINE="tests.proof.servers.pgbouncer",
        HOST="127.0.0.1",
        PORT=port,
        # Both as Django's documentation tells for transaction pooling.
        DISABLE_SERVER_SIDE_CURSORS=True,
        CONN_MAX_AGE=0,
    )


def _start_pgbouncer(settings: DatabaseSettings, folder: Path) -> int:
    """Start a PgBouncer that ends with this process, and return its port on the loopback."""
    program = find_pgbouncer()
    if program is None:
        msg = f"{VARIABLE} asks for PgBouncer, which is not installed."
        raise pytest.UsageError(msg)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    target = {
        "host": settings["HOST"],
        "port": settings["PORT"],
        "user": settings["USER"],
        "password": settings["PASSWORD"],
    }
    server = " ".join(f"{name}={value}" for name, value in target.items() if value)
    lines = [
        "[databases]",
        f"* = {server}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        # Whoever reaches the port is let in, as the user named above.
        "auth_type = any",
        "pool_mode = transaction",
        # Few, so that transactions of several clients really share them.
        "default_pool_size = 12",
        "max_client_conn = 200",
        "ignore_startup_parameters = extra_float_digits,options",
        "log_connections = 0",
        "log_disconnections = 0",
    ]
    configuration = folder / "pgbouncer.ini"
    configuration.write_text("\n".join(lines) + "\n")
    configuration.chmod(0o644)
    # For whoever PgBouncer runs as to pass through.
    folder.chmod(0o711)
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            user=_user(settings["HOST"]) if os.geteuid() == 0 else None,
        )
    atexit.register(_stop, process, os.getpid())
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, dbname=settings["NAME"], user=settings["USER"]
            ).close()
        except psycopg.OperationalError as error:
            if process.poll() is None and time.monotonic() < deadline:
                # Nothing tells when it listens.
                time.sleep(0.02)
                continue
            log_text = (folder / "pgbouncer.log").read_text()
            msg = f"PgBouncer does not start: {error}\n{log_text}"
            raise pytest.UsageError(msg) from error
        return port


def _user(host: str) -> str | int:
    """Return who may be PgBouncer, which refuses to run as root, and can reach the server."""
    is_socket = host.startswith("/")
    return Path(host).stat().st_uid or "nobody" if is_socket else "nobody"


def _stop(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() == owner:
        process.kill()
        process.wait()
