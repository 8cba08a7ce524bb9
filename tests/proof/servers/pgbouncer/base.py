"""The backend itself, in the module in which Django looks for it."""

from __future__ import annotations

from django.db.backends.postgresql import base, creation


class DatabaseCreation(creation.DatabaseCreation):
    """Makes and drops test databases."""

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        # PgBouncer keeps its connections to the database, which then cannot be dropped.
        with self._nodb_cursor() as cursor:  # type: ignore[attr-defined] # not in the stubs
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                [test_database_name],
            )
        super()._destroy_test_db(test_database_name, verbosity)  # type: ignore[misc]


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with another creation."""

    creation_class = DatabaseCreation
