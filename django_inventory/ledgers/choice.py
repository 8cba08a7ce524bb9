"""Which database the configured ledger uses, for those who need more of it than its verbs.

Owns how ``OPTIONS`` name a database and a clock. Must not read or write rows.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from django_inventory import conf
from django_inventory.ledgers import get_ledger, ledger_class
from django_inventory.ledgers.database import DatabaseLedger


def configured_alias() -> str | None:
    """Return the alias of the database that the configured ledger uses; None where it uses none.

    Raises:
        ImproperlyConfigured: the backend cannot be imported or is no ``Ledger``.
    """
    if not isinstance(get_ledger(), DatabaseLedger):
        return None
    alias: str = conf.options().get("using", DEFAULT_DB_ALIAS)
    return alias


def configured_now() -> datetime:
    """Return the time by the configured ledger's clock."""
    now: datetime = conf.options().get("clock", timezone.now)()
    return now


def database_ledger(alias: str | None = None) -> tuple[DatabaseLedger, str]:
    """Return the configured ledger and its database, or one for another database.

    Args:
        alias: of the other database; None for the configured one.

    Raises:
        ImproperlyConfigured: the configured ledger keeps nothing in a database, or there is no
            such database.
    """
    ledger = get_ledger()
    own = configured_alias()
    if not isinstance(ledger, DatabaseLedger) or own is None:
        msg = f"The configured ledger, {type(ledger).__name__}, keeps nothing in a database."
        raise ImproperlyConfigured(msg)
    alias = alias or own
    if alias not in connections:
        msg = f"There is no database {alias!r} in DATABASES."
        raise ImproperlyConfigured(msg)
    if alias != own:
        # Of the chosen class, or of the one that is best for that database.
        backend = cast("type[DatabaseLedger]", ledger_class(alias))
        ledger = backend(**{**conf.options(), "using": alias})
    return ledger, alias
