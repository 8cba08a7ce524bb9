"""The example project as a child process: its own settings, and a SQLite file of its own."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "example_project"
BASKETS = 24


@dataclass(frozen=True)
class Example:
    """The project on one database, with ``shopping_csv`` for its shopping."""

    database: Path
    shopping_csv: Path

    def manage(self, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` with ``arguments``, and the statements ``before`` ahead of it."""
        return self.run(
            f"{before}\n"
            "from django.core.management import execute_from_command_line\n"
            f"execute_from_command_line({['manage.py', *arguments]!r})\n"
        )

    def run(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program after ``django.setup()``."""
        prelude = (
            "from pathlib import Path\n"
            "import django\n"
            "from django.conf import settings\n"
            "django.setup()\n"
            f"settings.SHOPPING_CSV = Path({str(self.shopping_csv)!r})\n"
        )
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", prelude + program],
            cwd=EXAMPLE,
            env={
                **os.environ,
                "DATABASE_URL": f"sqlite:///{self.database}",
                "DJANGO_SETTINGS_MODULE": "example.settings",
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables and nothing in them, to be copied."""
    database = tmp_path_factory.mktemp("example") / "migrated.sqlite3"
    finished = Example(database, EXAMPLE / "data" / "shopping.csv").manage("migrate")
    assert finished.returncode == 0, finished.stderr
    return database


@pytest.fixture
def example(migrated_database: Path, tmp_path: Path) -> Example:
    """The project with the first baskets of the shopping, two of them abandoned."""
    database = tmp_path / "example.sqlite3"
    shutil.copy(migrated_database, database)
    with (EXAMPLE / "data" / "shopping.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    first_baskets = list(dict.fromkeys(row[1] for row in rows))[:BASKETS]
    shopping_csv = tmp_path / "shopping.csv"
    with shopping_csv.open("w", newline="") as file:
        csv.writer(file).writerows([header, *(row for row in rows if row[1] in first_baskets)])
    return Example(database, shopping_csv)
