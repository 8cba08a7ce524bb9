"""What every child process needs, imported once by the server that they are forked from.

Imported there and in the children alone: it sets Django up without looking for any database.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django_inventory"],
    USE_TZ=True,
)
if find_spec("MySQLdb") is None:
    with suppress(ImportError):
        import_module("pymysql").install_as_MySQLdb()
django.setup()
for name in ("psycopg", "MySQLdb"):
    with suppress(ImportError):
        import_module(name)
for name in ("races", "random_calls", "writers"):
    import_module(f"tests.proof.servers.{name}")
