"""The service layer: every ledger, and which of them the project has chosen."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_inventory import conf
from django_inventory.ledgers.base import Ledger
from django_inventory.ledgers.memory import MemoryLedger

if TYPE_CHECKING:
    from django_inventory.ledgers.database import DatabaseLedger
    from django_inventory.ledgers.postgres import PostgresLedger

__all__ = ["DatabaseLedger", "Ledger", "MemoryLedger", "PostgresLedger", "get_ledger"]

_making = Lock()


def get_ledger() -> Ledger:
    """Return the ledger that ``settings.INVENTORY`` chooses: one and the same for the process.

    Raises:
        ImproperlyConfigured: the backend cannot be imported or is no ``Ledger``.
    """
    # Threads that are first at once must not each make one: in memory, each would own its own.
    with _making:
        return _configured()


@lru_cache(maxsize=1)
def _configured() -> Ledger:
    return ledger_class()(**conf.options())


def ledger_class(using: str | None = None) -> type[Ledger]:
    """Return the class that ``settings.INVENTORY`` chooses.

    Args:
        using: the alias of the database, if it is another than the configured ledger's.

    Raises:
        ImproperlyConfigured: the backend cannot be imported or is no ``Ledger``.
    """
    path = conf.backend(using)
    try:
        backend = import_string(path)
    except ImportError as error:
        msg = f"INVENTORY['BACKEND'] cannot be imported: {path}"
        raise ImproperlyConfigured(msg) from error
    if not (isinstance(backend, type) and issubclass(backend, Ledger)):
        msg = f"INVENTORY['BACKEND'] is no subclass of Ledger: {path}"
        raise ImproperlyConfigured(msg)
    return backend


def _forget_configured(*, setting: str, **_: Any) -> None:
    if setting == "INVENTORY":
        _configured.cache_clear()


setting_changed.connect(_forget_configured)


def __getattr__(name: str) -> Any:
    # Late, since the models can be imported only once Django has loaded the apps, while the rest
    # of this package can be imported anywhere.
    if name == "DatabaseLedger":
        from django_inventory.ledgers.database import DatabaseLedger

        return DatabaseLedger
    if name == "PostgresLedger":
        from django_inventory.ledgers.postgres import PostgresLedger

        return PostgresLedger
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
