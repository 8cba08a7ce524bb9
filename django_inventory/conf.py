"""The settings of the app: the only reader of ``django.conf.settings``.

Everything stands in one dictionary, ``INVENTORY``, and is read when it is needed, so that
``override_settings`` works in tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.module_loading import import_string

DEFAULT_BACKEND: Final = "django_inventory.ledgers.DatabaseLedger"
DEFAULT_BACKENDS: Final = {"postgresql": "django_inventory.ledgers.PostgresLedger"}
"""By vendor of the database, where there is a better one."""
KNOWN_SETTINGS: Final = frozenset({"API_SUBJECT_SCOPE", "BACKEND", "OPTIONS"})


def _inventory() -> dict[str, Any]:
    inventory = getattr(settings, "INVENTORY", {})
    if not isinstance(inventory, dict):
        msg = "INVENTORY must be a dictionary."
        raise ImproperlyConfigured(msg)
    return inventory


def unknown_settings() -> list[str]:
    """Return the names in ``INVENTORY`` that mean nothing, in alphabetical order."""
    return sorted(str(name) for name in _inventory().keys() - KNOWN_SETTINGS)


def with_ledger(path: str, keywords: dict[str, Any]) -> dict[str, Any]:
    """Return ``INVENTORY`` with another ``BACKEND`` and ``OPTIONS`` in it; nothing is set."""
    return {**_inventory(), "BACKEND": path, "OPTIONS": keywords}


def backend(using: str | None = None) -> str:
    """``BACKEND``: the dotted path of the ledger's class.

    Default: ``"django_inventory.ledgers.PostgresLedger"`` where the ledger's database is
    PostgreSQL, else ``"django_inventory.ledgers.DatabaseLedger"``.

    Args:
        using: the alias of the database, if it is another than ``OPTIONS`` name.
    """
    if "BACKEND" not in _inventory():
        alias = using or options().get("using", DEFAULT_DB_ALIAS)
        vendor = connections[alias].vendor if alias in list(connections) else ""
        return DEFAULT_BACKENDS.get(vendor, DEFAULT_BACKEND)
    path = _inventory()["BACKEND"]
    if not isinstance(path, str):
        msg = "INVENTORY['BACKEND'] must be a dotted path to a class."
        raise ImproperlyConfigured(msg)
    return path


def options() -> dict[str, Any]:
    """``OPTIONS``: the keyword arguments that the ledger's class is called with.

    Default: ``{}``. Every ledger takes ``scope`` and ``clock``; one that keeps its data in a
    database also ``using``, the alias of that database.
    """
    keywords = _inventory().get("OPTIONS", {})
    if not isinstance(keywords, dict):
        msg = "INVENTORY['OPTIONS'] must be a dictionary of keyword arguments."
        raise ImproperlyConfigured(msg)
    return keywords


def api_subject_scope() -> Callable[[Any], Any] | None:
    """``API_SUBJECT_SCOPE``: what narrows a caller of the HTTP API to its own subjects.

    A dotted path to a callable that takes the request and returns a collection of subjects, or
    None for a caller that is not narrowed. Default: ``None``, which narrows nobody.
    """
    path = _inventory().get("API_SUBJECT_SCOPE")
    if path is None:
        return None
    if not isinstance(path, str):
        msg = "INVENTORY['API_SUBJECT_SCOPE'] must be a dotted path to a callable."
        raise ImproperlyConfigured(msg)
    try:
        function = import_string(path)
    except ImportError as error:
        msg = f"INVENTORY['API_SUBJECT_SCOPE'] cannot be imported: {path}"
        raise ImproperlyConfigured(msg) from error
    if not callable(function):
        msg = f"INVENTORY['API_SUBJECT_SCOPE'] is no callable: {path}"
        raise ImproperlyConfigured(msg)
    return cast("Callable[[Any], Any]", function)
