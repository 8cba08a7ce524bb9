"""The package as its users first meet it: its version, its imports, its migrations."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from django.core.management import call_command

import django_inventory


def test_version_is_the_one_that_was_installed() -> None:
    assert version("django-inventory-ledger") == django_inventory.__version__


def test_the_package_offers_the_ledger_by_name() -> None:
    assert set(django_inventory.__all__) == {"__version__", "ledger"}
    assert all(hasattr(django_inventory, name) for name in django_inventory.__all__)


def test_importing_the_ledger_needs_neither_settings_nor_models() -> None:
    program = (
        "import sys\n"
        "from django_inventory import ledger\n"
        "repr(ledger)\n"
        "print([name for name in sys.modules if name.startswith(('django.', 'django_inventory.'))])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"


@pytest.mark.django_db(databases="__all__")
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
