"""System checks: what is wrong with the settings, said before it hurts."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from django_inventory import conf
from django_inventory.ledgers import get_ledger


@checks.register
def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """Check ``settings.INVENTORY``: inventory.E001 to E002 and W001."""
    try:
        unknown = conf.unknown_settings()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="inventory.E001")]
    messages: list[checks.CheckMessage] = [
        checks.Warning(
            f"INVENTORY[{name!r}] means nothing.",
            hint=f"Known are {', '.join(sorted(conf.KNOWN_SETTINGS))}.",
            id="inventory.W001",
        )
        for name in unknown
    ]
    try:
        get_ledger()
    except ImproperlyConfigured as error:
        messages.append(checks.Error(str(error), id="inventory.E001"))
    except Exception as error:  # noqa: BLE001 - whatever a ledger's constructor raises is told
        messages.append(
            checks.Error(
                f"The ledger cannot be made from INVENTORY['OPTIONS']: {error}",
                id="inventory.E002",
            )
        )
    return messages
