"""System checks: what is wrong with the settings, said before it hurts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.apps import apps
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from django_inventory import conf
from django_inventory.fields import EXACT_COLLATIONS, ExactCharField
from django_inventory.ledgers import get_ledger
from django_inventory.ledgers.choice import configured_alias
from django_inventory.ledgers.postgres import PostgresLedger


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
    else:
        if not callable(conf.options().get("clock", timezone.now)):
            messages.append(
                checks.Error(
                    "INVENTORY['OPTIONS']['clock'] cannot be called.",
                    hint="Give the callable itself, not its dotted path.",
                    id="inventory.E002",
                )
            )
    return messages


@checks.register
def check_api_subject_scope(**_: Any) -> list[checks.CheckMessage]:
    """Check that what narrows the callers of the HTTP API can be called: inventory.E007."""
    try:
        conf.unknown_settings()
    except ImproperlyConfigured:
        return []  # check_settings tells
    try:
        conf.api_subject_scope()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="inventory.E007")]
    return []


def _ledger_connection() -> BaseDatabaseWrapper | None:
    """Return the database of the configured ledger; None if it has none, or is itself wrong."""
    try:
        alias = configured_alias()
    except Exception:  # noqa: BLE001 - check_settings tells
        return None
    if alias is None or alias not in connections:
        return None
    return connections[alias]


@checks.register
def check_database_exists(**_: Any) -> list[checks.CheckMessage]:
    """Check that ``OPTIONS`` name a database that is there: inventory.E003."""
    try:
        alias = configured_alias()
    except Exception:  # noqa: BLE001 - check_settings tells
        return []
    if alias is None or alias in connections:
        return []
    return [
        checks.Error(
            f"INVENTORY['OPTIONS'] names the database {alias!r}, which is not in DATABASES.",
            hint=f"There are {', '.join(sorted(connections))}.",
            id="inventory.E003",
        )
    ]


@checks.register
def check_postgres_ledger(**_: Any) -> list[checks.CheckMessage]:
    """Check that ``PostgresLedger`` is on PostgreSQL: inventory.E004."""
    connection = _ledger_connection()
    if connection is None or connection.vendor == "postgresql":
        return []
    if not isinstance(get_ledger(), PostgresLedger):
        return []
    return [
        checks.Error(
            f"PostgresLedger is configured, but the database {connection.alias!r} is "
            f"{connection.display_name}.",
            hint="DatabaseLedger runs on every database.",
            id="inventory.E004",
        )
    ]


@checks.register
def check_sqlite_transactions(**_: Any) -> list[checks.CheckMessage]:
    """Check that SQLite's transactions begin as writers: inventory.W002."""
    connection = _ledger_connection()
    if connection is None or connection.vendor != "sqlite":
        return []
    mode = str(connection.settings_dict["OPTIONS"].get("transaction_mode") or "DEFERRED").upper()
    # A database in memory is one connection's own: it has no rivals.
    if mode != "DEFERRED" or connection.is_in_memory_db():  # type: ignore[attr-defined]  # SQLite's own
        return []
    return [
        checks.Warning(
            f"The database {connection.alias!r} is SQLite without transaction_mode IMMEDIATE.",
            hint="A transaction that began with a read cannot always become a writer; it then "
            "fails at once instead of waiting. Set "
            "DATABASES[...]['OPTIONS']['transaction_mode'] = 'IMMEDIATE'.",
            id="inventory.W002",
        )
    ]


@checks.register
def check_atomic_requests(**_: Any) -> list[checks.CheckMessage]:
    """Check that a request does not keep the ledger's locks to its end: inventory.W003."""
    connection = _ledger_connection()
    if connection is None or not connection.settings_dict.get("ATOMIC_REQUESTS"):
        return []
    return [
        checks.Warning(
            f"The database {connection.alias!r} has ATOMIC_REQUESTS.",
            hint="The locks that a call of the ledger takes on its balances then last until the "
            "response is made - all other calls for those balances wait for your slowest view - "
            "and a deadlock or serialization failure cannot be retried. Put transaction.atomic() "
            "around what belongs together instead, or transaction.non_atomic_requests on the "
            "views that call the ledger; then silence this with SILENCED_SYSTEM_CHECKS.",
            id="inventory.W003",
        )
    ]


@checks.register
def check_time_zones(**_: Any) -> list[checks.CheckMessage]:
    """Check that an instant is one instant: inventory.W004."""
    if _ledger_connection() is None or timezone.is_aware(timezone.now()):
        return []
    if timezone.get_default_timezone_name() == "UTC":
        return []
    return [
        checks.Warning(
            "USE_TZ is False: times are local ones.",
            hint="When daylight saving time ends, an hour comes twice, and a hold that expires in "
            "it may expire an hour early or late. Set USE_TZ = True, or TIME_ZONE = 'UTC'.",
            id="inventory.W004",
        )
    ]


@checks.register(checks.Tags.database)
def check_mysql(*, databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Check isolation and collations of MariaDB and MySQL: inventory.E005 and E006.

    Asks the database, so only where Django says that databases may be asked.
    """
    connection = _ledger_connection()
    if connection is None or connection.vendor != "mysql":
        return []
    if connection.alias not in (databases or ()):
        return []
    messages = _check_isolation(connection)
    if not _is_migration_due(connection):
        # Else one of those that are due may be what sets it right, and an error stops migrate.
        messages += _check_collations(connection)
    return messages


def _is_migration_due(connection: BaseDatabaseWrapper) -> bool:
    loader = MigrationLoader(connection, ignore_no_migrations=True)
    ours = {key for key in loader.disk_migrations if key[0] == "django_inventory"}
    return not ours <= loader.applied_migrations.keys()


SAFE_MYSQL_ISOLATION: Final = "READ-COMMITTED"


def _check_isolation(connection: BaseDatabaseWrapper) -> list[checks.CheckMessage]:
    with connection.cursor() as cursor:
        # By one name or the other, as the version has it.
        cursor.execute(
            "SHOW VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')"
        )
        level = cursor.fetchone()[1]
    if level == SAFE_MYSQL_ISOLATION:
        return []
    return [
        checks.Error(
            f"The database {connection.alias!r} runs transactions at {level}.",
            hint="There a transaction goes on reading what it saw first, even of rows that it has "
            "locked since, or takes locks by reading. The ledger needs READ COMMITTED, which is "
            "Django's default: remove 'isolation_level' from DATABASES[...]['OPTIONS'], or set it "
            "to 'read committed'.",
            id="inventory.E005",
        )
    ]


def _check_collations(connection: BaseDatabaseWrapper) -> list[checks.CheckMessage]:
    exact = [
        (model._meta.db_table, field.column)
        for model in apps.get_app_config("django_inventory").get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, ExactCharField)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, collation_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name LIKE 'django\\_inventory\\_%%'",
            [],
        )
        found = {(table, column): collation for table, column, collation in cursor.fetchall()}
    return [
        checks.Error(
            f"{table}.{column} has the collation {collation}, which takes different identifiers "
            "for equal.",
            hint="A migration made it utf8mb4_bin, and something has changed it since: "
            "ALTER TABLE ... MODIFY it back.",
            id="inventory.E006",
        )
        for table, column in exact
        if (collation := found.get((table, column))) and collation != EXACT_COLLATIONS["mysql"]
    ]
