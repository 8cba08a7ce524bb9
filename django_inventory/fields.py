"""The one field type of our own: text that every database compares character by character."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

EXACT_COLLATIONS: Final = {"mysql": "utf8mb4_bin", "postgresql": "C"}
"""By vendor, the collation that compares and orders by code point.

MariaDB's and MySQL's default takes "Sword" and "sword" for equal, and "é" and "e". PostgreSQL's
default compares exactly but orders by language; with "C" all databases order alike, and an index
serves ``startswith``. SQLite's default (BINARY) is exact already.
"""


if TYPE_CHECKING:
    # Generic in its stubs only.
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


class ExactCharField(_CharField):
    """A ``CharField`` in which case, accents and all else count, on every database."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Name the exact collation of the database at hand."""
        parameters = super().db_parameters(connection)
        return {**parameters, "collation": EXACT_COLLATIONS.get(connection.vendor)}
