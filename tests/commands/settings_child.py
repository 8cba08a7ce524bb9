"""The settings of child processes: on the databases that this test run has made."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - the same, but for what follows
from tests.settings import DATABASES

for _database in DATABASES.values():
    _database["NAME"] = str(_database["TEST"]["NAME"])
