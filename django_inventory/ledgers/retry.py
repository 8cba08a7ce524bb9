"""Run work in a transaction, and again where that is right.

Owns what a driver's error means for a call: try again now, try again later, or a mistake that no
trying mends. Knows nothing of what the work is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import Error, InterfaceError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_inventory.exceptions import LedgerBusy

T = TypeVar("T")

MAX_ATTEMPTS: Final = 10
MAX_SECONDS: Final = 30.0
"""No attempt begins later than this after the first: each may have waited for a lock."""
FIRST_PAUSE_SECONDS: Final = 0.005
LONGEST_PAUSE_SECONDS: Final = 0.25

# Source: PostgreSQL documentation, appendix A "Error Codes".
TRANSIENT_SQLSTATES: Final = (
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available
)
LOST_SQLSTATES: Final = (
    "08",  # the class of connection exceptions; also what PgBouncer says
    "25P03",  # idle_in_transaction_session_timeout
    "25P04",  # transaction_timeout
    "40003",  # statement_completion_unknown; CockroachDB's word for an ambiguous result
    "57P01",  # admin_shutdown, pg_terminate_backend()
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "57P05",  # idle_session_timeout
)
OVERTAXED_SQLSTATES: Final = (
    "53",  # the class of insufficient resources: disk, memory, connections
    "57014",  # query_canceled, by a statement_timeout or an operator
)

# Source: MariaDB documentation, "MariaDB Error Code Reference"; MySQL 8.4 reference manual,
# "Client Error Message Reference" for 2000 and above.
TRANSIENT_ERROR_NUMBERS: Final = frozenset(
    {
        1020,  # ER_CHECKREAD: record has changed since last read
        1205,  # ER_LOCK_WAIT_TIMEOUT
        1213,  # ER_LOCK_DEADLOCK
    }
)
LOST_ERROR_NUMBERS: Final = frozenset(
    {
        0,  # InterfaceError(0, ""): the driver has given the connection up before
        1053,  # ER_SERVER_SHUTDOWN
        1927,  # ER_CONNECTION_KILLED
        2002,  # CR_CONNECTION_ERROR, through a socket
        2003,  # CR_CONN_HOST_ERROR
        2006,  # CR_SERVER_GONE_ERROR
        2013,  # CR_SERVER_LOST
        2055,  # CR_SERVER_LOST_EXTENDED
        4031,  # ER_CLIENT_INTERACTION_TIMEOUT, of MySQL
    }
)
OVERTAXED_ERROR_NUMBERS: Final = frozenset(
    {
        1021,  # ER_DISK_FULL
        1037,  # ER_OUTOFMEMORY
        1040,  # ER_CON_COUNT_ERROR: too many connections
        1041,  # ER_OUT_OF_RESOURCES
        1114,  # ER_RECORD_FILE_FULL: what InnoDB says of a full disk
        1203,  # ER_TOO_MANY_USER_CONNECTIONS
        1317,  # ER_QUERY_INTERRUPTED, by an operator
        1969,  # ER_STATEMENT_TIMEOUT, of MariaDB
        3024,  # ER_QUERY_TIMEOUT, of MySQL
    }
)

# Source: SQLite documentation, "Result and Error Codes": SQLITE_BUSY, SQLITE_LOCKED; SQLITE_FULL,
# SQLITE_IOERR. Python 3.11's driver gives the numbers but Django's wrapper only the texts.
TRANSIENT_SQLITE_TEXTS: Final = ("database is locked", "database table is locked")
OVERTAXED_SQLITE_TEXTS: Final = ("database or disk is full", "disk I/O error")

BUSY: Final = "The database could not serve the call; try again."
OUTCOME_UNKNOWN: Final = (
    "The connection was lost before the database told whether the call was done; "
    "try again, with the same key if it has one."
)


def in_transaction(work: Callable[[], T], using: str) -> T:
    """Return what ``work`` returns, having run it in an atomic block, see ``retried``.

    Inside a transaction of the caller's the block is a savepoint, and undone on any error.
    """
    is_worked = False

    def block() -> T:
        nonlocal is_worked
        is_worked = False
        with transaction.atomic(using=using):
            result = work()
            is_worked = True
            return result

    # Until COMMIT is sent, a database that loses its client undoes what that has done.
    return _retried(block, using, may_be_done=lambda: is_worked)


def retried(work: Callable[[], T], using: str) -> T:
    """Return what ``work`` returns, which is one transaction on the database ``using``.

    Where no other transaction is around it, it is tried again after a deadlock, a serialization
    failure or a lock timeout, with growing pauses of random length so that rivals do not meet
    again, and on a new connection after the old one was lost. Inside a transaction of the caller's
    it is not: what the caller read before may be untrue by then, so only the caller can start over.

    A connection that is lost after COMMIT was sent leaves the outcome unknown. Then nothing is
    tried again here: doing it twice is harmless for a keyed operation alone, but would journal an
    extend without a key twice, and could refuse the second of two operations on one hold although
    both were done. Whoever holds the key or the hold's id tries again and is told.

    A database that has no room or no connection left, or that somebody has told to stop, is not
    asked again at once either.

    Raises:
        LedgerBusy: the database could not serve the call, its own error being the cause.
    """
    return _retried(work, using, may_be_done=lambda: True)


def read(work: Callable[[], T], using: str) -> T:
    """Return what ``work`` returns, which only reads; tried again as in ``retried``.

    A connection that is lost is no question here: reading twice does nothing twice.
    """
    return _retried(work, using, may_be_done=lambda: False)


def _retried(work: Callable[[], T], using: str, *, may_be_done: Callable[[], bool]) -> T:
    connection = connections[using]
    began_at = time.monotonic()
    attempt = 0
    while True:
        attempt += 1
        is_own = False
        try:
            is_own = _owns_transaction(connection)
            return work()
        except LedgerBusy as error:
            reason: Exception = error
        except Error as error:
            if is_connection_lost(error) and not connection.in_atomic_block:
                _drop_if_broken(connection)
                if is_own and may_be_done():
                    raise LedgerBusy(OUTCOME_UNKNOWN) from error
            elif is_overtaxed(error):
                raise LedgerBusy(BUSY) from error
            elif not (is_transient(error) or is_connection_lost(error)):
                raise
            reason = error
        # Where no connection can be had it is not the call's own: then waiting is the caller's.
        if not is_own or _is_over(attempt, began_at):
            raise LedgerBusy(BUSY) from reason
        longest = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
        time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, no secret


def _is_over(attempt: int, began_at: float) -> bool:
    return attempt == MAX_ATTEMPTS or time.monotonic() > began_at + MAX_SECONDS


def _owns_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether what is begun now is the outermost transaction, on a connection that works."""
    if connection.in_atomic_block or not connection.get_autocommit():
        return False
    _drop_if_broken(connection)
    return True


def _drop_if_broken(connection: BaseDatabaseWrapper) -> None:
    """Let the next use connect afresh where this connection has failed and not worked since.

    Django itself looks between two requests only, and a worker has none.
    """
    if connection.errors_occurred:
        connection.close_if_unusable_or_obsolete()


def is_transient(error: Error) -> bool:
    """Tell whether the same work may well succeed when it is tried again at once."""
    return _is_one_of(error, TRANSIENT_SQLSTATES, TRANSIENT_ERROR_NUMBERS, TRANSIENT_SQLITE_TEXTS)


def is_connection_lost(error: Error) -> bool:
    """Tell whether the connection is gone, or could not be had.

    psycopg gives no SQLSTATE where the error is its own and not the server's, which is where there
    is no server to talk to.
    """
    if isinstance(error, OperationalError | InterfaceError) and _code_of(error) == "":
        return True
    return _is_one_of(error, LOST_SQLSTATES, LOST_ERROR_NUMBERS, ())


def is_overtaxed(error: Error) -> bool:
    """Tell whether the database lacks something, or was told to stop; later it may be well."""
    return _is_one_of(error, OVERTAXED_SQLSTATES, OVERTAXED_ERROR_NUMBERS, OVERTAXED_SQLITE_TEXTS)


def _is_one_of(
    error: Error, sqlstates: tuple[str, ...], numbers: frozenset[int], texts: tuple[str, ...]
) -> bool:
    code = _code_of(error)
    if isinstance(code, int):
        return code in numbers
    if code is not None:
        return code.startswith(sqlstates)
    return bool(texts) and str(error).startswith(texts)


def _code_of(error: Error) -> int | str | None:
    """Return the number that MariaDB or MySQL gave, or PostgreSQL's SQLSTATE; None for SQLite.

    "" where PostgreSQL has said nothing, but its driver alone.
    """
    # First, since PyMySQL gives an SQLSTATE too, which tells less.
    if error.args and isinstance(error.args[0], int):
        return error.args[0]
    for name in ("sqlstate", "pgcode"):  # psycopg's name and psycopg2's
        if hasattr(error.__cause__, name):
            return getattr(error.__cause__, name) or ""
    return None
