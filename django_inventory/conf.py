"""The settings of the app: the only reader of ``django.conf.settings``.

Everything stands in one dictionary, ``INVENTORY``, and is read when it is needed, so that
``override_settings`` works in tests.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

DEFAULT_BACKEND: Final = "django_inventory.ledgers.DatabaseLedger"
KNOWN_SETTINGS: Final = frozenset({"BACKEND", "OPTIONS"})


def _inventory() -> dict[str, Any]:
    inventory = getattr(settings, "INVENTORY", {})
    if not isinstance(inventory, dict):
        msg = "INVENTORY must be a dictionary."
        raise ImproperlyConfigured(msg)
    return inventory


def unknown_settings() -> list[str]:
    """Return the names in ``INVENTORY`` that mean nothing, in alphabetical order."""
    return sorted(str(name) for name in _inventory().keys() - KNOWN_SETTINGS)


def backend() -> str:
    """``BACKEND``: the dotted path of the ledger's class.

    Default: ``"django_inventory.ledgers.DatabaseLedger"``.
    """
    path = _inventory().get("BACKEND", DEFAULT_BACKEND)
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
