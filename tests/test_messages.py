"""A translator can begin as CONTRIBUTING.md says: the texts are found, a translation is shown."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE: Final = ROOT / "django_inventory"
SHOW: Final = """
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["django_inventory"], USE_I18N=True)
django.setup()

from django.utils.translation import override
import django_inventory
from django_inventory.models import Balance, Entry

with override("de"):
    print(django_inventory.__file__)
    print(Balance._meta.verbose_name, Entry._meta.get_field("sequence").help_text, sep="|")
"""

needs_gettext = pytest.mark.skipif(
    shutil.which("xgettext") is None, reason="GNU gettext is not installed"
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, with a folder for translations."""
    copied = shutil.copytree(PACKAGE, tmp_path / "django_inventory")
    (copied / "locale").mkdir(exist_ok=True)
    return copied


def run(folder: Path, *arguments: str) -> str:
    # A translator has no settings; those of the tests cannot be imported from that folder.
    variables = {
        name: text for name, text in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
    }
    finished = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@needs_gettext
def test_the_texts_are_found_and_a_translation_is_shown(copy: Path) -> None:
    run(copy, "-m", "django", "makemessages", "--locale=de", "--no-obsolete")
    catalogue = copy / "locale/de/LC_MESSAGES/django.po"
    text = catalogue.read_text()
    sources = set(re.findall(r"^#: ([^:\n]+):", text, re.MULTILINE))
    assert {"models.py", "admin/balances.py"} <= sources
    assert any(source.startswith("templates/") for source in sources)
    assert text.count("\nmsgid ") > 150

    # Each text of one line that has no plural.
    untranslated = re.compile(r'^msgid "(.+)"\nmsgstr ""$', re.MULTILINE)
    translated = untranslated.sub(r'msgid "\1"\nmsgstr "<\1>"', text)
    catalogue.write_text(translated)
    run(copy, "-m", "django", "compilemessages", "--locale=de")
    shown = run(copy.parent, "-c", SHOW).splitlines()

    assert shown == [
        str(copy / "__init__.py"),
        "<balance>|<1, 2, 3, ... for each balance, without gaps.>",
    ]
