"""The pages under the theme django-unfold: its templates in the place of Django's.

In a child process, since a theme takes its place when Django starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json
from datetime import timedelta

import django

django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from django_inventory import ledger
from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from tests.admin.pages import APP, action_data, movement_data

call_command("migrate", verbosity=0)
call_command("check")
ledger.acquire("delivery", "shop", "gold", 10, reference="delivery 1")
hold = ledger.hold("basket", "shop", "gold", 4, timedelta(hours=1), reference="basket 1").hold
client = Client()
client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
pages = {
    "app": f"{APP}/",
    "balances": f"{APP}/balance/?q=sh&item=gold",
    "balance": f"{APP}/balance/{Balance.objects.get().pk}/change/",
    "holds": f"{APP}/hold/?state=active",
    "hold": f"{APP}/hold/{hold.id}/change/",
    "entries": f"{APP}/entry/?kind__exact=hold",
    "entry": f"{APP}/entry/{Entry.objects.earliest('pk').pk}/change/",
    "records": f"{APP}/idempotencyrecord/",
    "record": f"{APP}/idempotencyrecord/{IdempotencyRecord.objects.earliest('pk').pk}/change/",
    "dashboard": f"{APP}/balance/dashboard/",
    "acquire": f"{APP}/balance/acquire/",
    "commit": f"{APP}/hold/commit/?hold={hold.id}",
}
answers = {}
for name, url in pages.items():
    response = client.get(url)
    answers[name] = (response.status_code, response.content.decode())
chosen = {"action": "release_holds", "_selected_action": [str(hold.id)]}
response = client.post(f"{APP}/hold/", chosen)
answers["action"] = (response.status_code, response.content.decode())
response = client.post(f"{APP}/balance/acquire/", movement_data("acquire"), follow=True)
answers["acquired"] = (response.status_code, response.content.decode())
response = client.post(f"{APP}/hold/release/", action_data("release", hold.id))
answers["released"] = (response.status_code, response.content.decode())
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[int, str]]:
    import json

    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.admin.settings_unfold",
            "UNFOLD_DATABASE": str(tmp_path_factory.mktemp("unfold") / "unfold.sqlite3"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    answers: Mapping[str, tuple[int, str]] = json.loads(finished.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("app", "balance/dashboard/"),
        ("balances", "inventory-tool inventory-primary"),
        ("balances", 'name="subject"'),
        ("balances", "gold"),
        ("balance", "inventory-area-free"),
        ("balance", "delivery 1"),
        ("holds", "basket 1"),
        ("holds", "release_holds"),
        ("hold", "4 of 4"),
        ("entries", "Export as CSV"),
        ("entry", "delivery 1"),
        ("records", "basket"),
        ("record", "fingerprint"),
        ("dashboard", "inventory-bar"),
        # The theme itself shows no title.
        ("dashboard", '<h1 class="inventory-title">Inventory dashboard</h1>'),
        ("acquire", 'name="reference"'),
        ("commit", 'name="to"'),
        ("action", 'name="hold"'),
        ("acquired", "Acquired 3 of gold for shop."),
        ("released", "Released: the quantity is free again."),
    ],
)
def test_a_page_is_whole_under_the_theme(
    page: str, shown: str, answers: Mapping[str, tuple[int, str]]
) -> None:
    status, content = answers[page]

    assert status == 200
    assert "unfold/css/styles" in content
    assert "django_inventory/admin.css" in content or page in {"entry", "record"}
    assert shown.lower() in content.lower()
