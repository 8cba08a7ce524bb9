"""The Django settings of a run: made, not read, since the databases are made by the run."""

from __future__ import annotations

from typing import Any, Final

import django
from django.conf import settings

from benchmarks.server import Server

DEFAULT: Final = "default"
PREPARED: Final = "prepared"
"""The same database through prepared statements, which Django leaves off for poolers' sake."""

GROWTHS: Final = ("growth_small", "growth_medium", "growth_large")
JOURNEY: Final = "journey"


def configure(server: Server, peers: list[str]) -> None:
    """Set Django up for the databases of ``server``, which need not exist yet."""
    databases: dict[str, Any] = {
        name: server.django_settings(name) for name in (DEFAULT, JOURNEY, *GROWTHS)
    }
    prepared = server.django_settings(DEFAULT)
    prepared["OPTIONS"].update(server_side_binding=True, prepare_threshold=0)
    databases[PREPARED] = prepared
    settings.configure(
        SECRET_KEY="not a secret: nothing is served",  # noqa: S106 - protects nothing
        DATABASES=databases,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django_inventory",
            "benchmarks.textbook",
            *peers,
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()
