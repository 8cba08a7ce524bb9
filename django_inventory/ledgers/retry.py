"""Run work in a transaction, and again where the database asks for that.

Owns which of a driver's errors mean "try again". Knows nothing of what the work is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import DatabaseError, connections, transaction

from django_inventory.exceptions import LedgerBusy

T = TypeVar("T")

MAX_ATTEMPTS: Final = 10
FIRST_PAUSE_SECONDS: Final = 0.005
LONGEST_PAUSE_SECONDS: Final = 0.25

# Source: PostgreSQL documentation, appendix A "Error Codes".
SERIALIZATION_FAILURE: Final = "40001"
DEADLOCK_DETECTED: Final = "40P01"
LOCK_NOT_AVAILABLE: Final = "55P03"
TRANSIENT_SQLSTATES: Final = frozenset(
    {SERIALIZATION_FAILURE, DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE}
)

# Source: MariaDB documentation, "MariaDB Error Code Reference".
RECORD_CHANGED_SINCE_LAST_READ: Final = 1020
LOCK_WAIT_TIMEOUT: Final = 1205
LOCK_DEADLOCK: Final = 1213
TRANSIENT_ERROR_NUMBERS: Final = frozenset(
    {RECORD_CHANGED_SINCE_LAST_READ, LOCK_WAIT_TIMEOUT, LOCK_DEADLOCK}
)

# Source: SQLite documentation, "Result and Error Codes": SQLITE_BUSY and SQLITE_LOCKED, of which
# Python 3.11's driver gives the number but Django's wrapper only the text.
TRANSIENT_SQLITE_TEXTS: Final = ("database is locked", "database table is locked")


def in_transaction(work: Callable[[], T], using: str) -> T:
    """Return what ``work`` returns, having run it in an atomic block on the database ``using``.

    Where that block is the outermost one, a deadlock, serialization failure or lock timeout is
    tried again, with growing pauses of random length so that rivals do not meet again. Inside a
    transaction of the caller's it is not: what the caller read before may be untrue by then, so
    only the caller can start over. The block is a savepoint then, and undone on any error.

    Raises:
        LedgerBusy: the database gave up each time.
    """
    connection = connections[using]
    owns_transaction = connection.get_autocommit() and not connection.in_atomic_block
    attempts = MAX_ATTEMPTS if owns_transaction else 1
    for attempt in range(attempts):
        if attempt:
            longest = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
            time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, no secret
        try:
            with transaction.atomic(using=using):
                return work()
        except LedgerBusy as error:
            last_error: Exception = error
        except DatabaseError as error:
            if not is_transient(error):
                raise
            last_error = error
    msg = "The database is busy; try again."
    raise LedgerBusy(msg) from last_error


def is_transient(error: DatabaseError) -> bool:
    """Tell whether the same work may well succeed when it is tried again."""
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate in TRANSIENT_SQLSTATES
    first = error.args[0] if error.args else None
    if isinstance(first, int):
        return first in TRANSIENT_ERROR_NUMBERS
    return str(error).startswith(TRANSIENT_SQLITE_TEXTS)
