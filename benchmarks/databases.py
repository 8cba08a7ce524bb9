"""Databases of a run, with the tables of all apps."""

from __future__ import annotations

from django.core.management import call_command
from django.db import connections

from benchmarks.server import Server


def make(server: Server, alias: str, *apps: str) -> None:
    """Make a database with the tables of these apps in it; of all, if none is named."""
    server.make_database(alias)
    if not apps:
        call_command("migrate", database=alias, verbosity=0, run_syncdb=True)
    for app in apps:
        call_command("migrate", app, database=alias, verbosity=0)


def vacuum(alias: str) -> None:
    """Let PostgreSQL see what is in the tables now, as autovacuum does sooner or later."""
    with connections[alias].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
