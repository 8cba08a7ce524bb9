"""On PostgreSQL, install the functions that ``PostgresLedger`` and a constraint call."""

from __future__ import annotations

from pathlib import Path

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SQL = Path(__file__).parents[1] / "sql"
INSTALL = ("common.sql", "operation.sql", "batch.sql", "sweep.sql", "check.sql")
CONSTRAINT = "inventory_entry_deltas_match_kind"


def execute(schema_editor: BaseDatabaseSchemaEditor, file_name: str) -> None:
    """Run a file of SQL, with the schema of the tables put in where it says ``@schema@``."""
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = connection.ops.quote_name(cursor.fetchone()[0])
    sql = SQL.joinpath(file_name).read_text(encoding="utf-8").replace("@schema@", schema)
    schema_editor.execute(sql, params=None)


def install(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for file_name in INSTALL:
        execute(schema_editor, file_name)


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    execute(schema_editor, "remove.sql")
    if schema_editor.connection.vendor == "postgresql":
        entry = apps.get_model("django_inventory", "Entry")
        rules = {rule.name: rule for rule in entry._meta.constraints}
        schema_editor.add_constraint(entry, rules[CONSTRAINT])


class Migration(migrations.Migration):
    dependencies = [("django_inventory", "0002_entries_append_only")]

    operations = [migrations.RunPython(install, remove)]
