"""Write the reference pages that are made from the code: ``python docs/generate.py``.

Owns nothing but their form. A test holds the committed pages against what this would write.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import django
from django.conf import settings

DOCS = Path(__file__).parent


def setup() -> None:
    """Give Django what the models need; nothing is connected to."""
    if not settings.configured:
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        settings.configure(
            INSTALLED_APPS=["django_inventory"], DATABASES={"default": database}, USE_TZ=True
        )
        django.setup()


def code(text: str) -> str:
    """Return text as code in a table's cell."""
    return f"`{text}`".replace("|", "\\|")


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def prose(text: str) -> str:
    """Return the text of a docstring as Markdown in one line."""
    return re.sub(r"``(.*?)``", r"`\1`", " ".join(text.split()))


def errors() -> str:
    """Return the page of the errors, made from the exceptions and the API's table."""
    from django_inventory import exceptions
    from django_inventory.api.errors import PROBLEM_TYPES

    rows = []
    for name in exceptions.__all__:
        error: Any = getattr(exceptions, name)
        text, _, attributes = (inspect.getdoc(error) or "").partition("Attributes:\n")
        problem = PROBLEM_TYPES.get(error.code)
        rows.append(
            [
                code(name),
                code(error.code),
                str(problem.status) if problem else "-",
                prose(text),
                ", ".join(map(code, _attributes(attributes))),
            ]
        )
    rows.sort(key=lambda row: (row[0] != "`InventoryError`", row[2], row[0]))
    return f"""# Errors

<!-- made by docs/generate.py -->

In `django_inventory.exceptions`. All are `InventoryError`s; `InvalidOperation` and those below it
are `ValueError`s as well. Whatever was raised, the call has changed nothing and its key is not used
up.

Programs read `code` and the attributes: the text is for people and may change. It is English and
not translated. `index` tells which operation of a batch was refused, from 0; it is `None` where the
error belongs to the call as a whole.

{table(["error", "code", "HTTP", "when", "attributes"], rows)}
`InvalidQuantity`, `InvalidIdentifier` and `InvalidTTL` are `InvalidOperation`s, with its `field`.
The HTTP API has [more codes](http-api.md) of its own.

In a batch `InsufficientQuantity` names every balance that is short: `requested` is all that the
batch had asked of it up to there, `available` all that was there for it, earlier credits included.
"""


def _attributes(text: str) -> list[str]:
    """Return the names that a docstring's section of attributes explains."""
    names = re.findall(r"^    (\w[\w, ]*):", text, re.MULTILINE)
    return [name for joined in names for name in joined.split(", ")]


def schema() -> str:
    """Return the page of the tables, made from the models."""
    from django.apps import apps

    models = apps.get_app_config("django_inventory").get_models()
    return "\n".join([_SCHEMA_HEAD, *map(_model, models), _SCHEMA_TAIL])


def _model(model: Any) -> str:
    from django.db import connection
    from django.db.models import CharField

    editor = connection.schema_editor()
    fields = [
        [
            code(field.column),
            field.get_internal_type().removesuffix("Field")
            + (f"({field.max_length})" if isinstance(field, CharField) else "")
            + (f" to {field.related_model.__name__}" if field.is_relation else ""),
            "yes" if field.null else "",
            prose(str(field.help_text)),
        ]
        for field in model._meta.local_fields
    ]
    constraints = [
        [code(constraint.name), code(_condition(str(constraint.constraint_sql(model, editor))))]
        for constraint in model._meta.constraints
    ]
    indexes = [
        [code(index.name), ", ".join(map(code, index.fields))] for index in model._meta.indexes
    ]
    return "\n".join(
        [
            f"## {model.__name__}\n",
            f"Table `{model._meta.db_table}`. {prose(inspect.getdoc(model) or '')}\n",
            table(["column", "type", "null", "meaning"], fields),
            table(["constraint", "the database refuses what is not"], constraints),
            table(["index", "columns"], indexes),
        ]
    )


def _condition(sql: str) -> str:
    """Return what a constraint demands, without what names and quotes it."""
    kind, _, condition = sql.partition(" CHECK ")
    if not condition:
        return kind.partition(" ")[2].partition(" ")[2].replace('"', "")
    while _is_in_one_pair(condition):
        condition = condition[1:-1]
    return condition.replace('"', "")


def _is_in_one_pair(text: str) -> bool:
    """Tell whether the parenthesis that opens the text is closed by its last character alone."""
    depth = 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if not depth:
            return position > 0 and position == len(text) - 1
    return False


_SCHEMA_HEAD = """# Database schema

<!-- made by docs/generate.py -->

Four tables. Read them as you like, through the models or in SQL; write them through the ledger
only. `Balance.objects.at(now)` annotates `free_quantity` and `held_quantity`, in which a hold whose
time is over counts as free; the columns `quantity` and `on_hold` are what has been recorded.

Every constraint below is in the database, under this name, on every database.
"""
_SCHEMA_TAIL = """\
## What else is there

- Columns of identifiers have an exact collation: `C` on PostgreSQL, `utf8mb4_bin` on MariaDB and
  MySQL.
- On PostgreSQL the triggers `inventory_entry_append_only` and `inventory_entry_no_truncate` refuse
  UPDATE, DELETE and TRUNCATE of entries; TRUNCATE passes in databases whose name begins with
  `test_`.
- On PostgreSQL there are the functions of `PostgresLedger`, from `django_inventory/sql`.
"""

PAGES = {"reference/errors.md": errors, "reference/schema.md": schema}

if __name__ == "__main__":
    setup()
    for name, make in PAGES.items():
        DOCS.joinpath(name).write_text(make())
