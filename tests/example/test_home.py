"""The page of the example."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.example.conftest import Example

GET = """
from django.test import Client

response = Client(SERVER_NAME="localhost").get("/")
print(response.status_code, response.content.decode())
"""


def test_an_empty_ledger_has_a_page(example: Example) -> None:
    finished = example.run(GET)

    assert finished.stdout.startswith("200 "), finished.stderr
    assert "python manage.py demo" in finished.stdout
    assert "The journal is empty." in finished.stdout


def test_the_page_shows_stock_and_journal(example: Example) -> None:
    assert example.manage("demo").returncode == 0

    finished = example.run(GET)

    assert finished.stdout.startswith("200 "), finished.stderr
    assert "run-1/store:367" in finished.stdout
    assert "product:" in finished.stdout
    assert 'href="/admin/"' in finished.stdout
