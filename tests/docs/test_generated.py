"""The reference pages that are made from the code are up to date, and the others know all of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from django_inventory import conf, exceptions, operations, testing
from django_inventory.ledgers import Ledger
from docs import generate
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCE = ROOT / "docs/reference"


@pytest.mark.parametrize("name", generate.PAGES)
def test_the_committed_page_is_the_generated_one(name: str) -> None:
    make: Callable[[], str] = generate.PAGES[name]
    # python docs/generate.py
    assert (ROOT / "docs" / name).read_text() == make()


def test_every_error_has_its_row() -> None:
    page = (REFERENCE / "errors.md").read_text()
    assert [name for name in exceptions.__all__ if f"| `{name}` | `" not in page] == []


def test_every_public_call_is_in_the_reference() -> None:
    page = (REFERENCE / "ledger.md").read_text()
    calls = [name for name in vars(Ledger) if not name.startswith("_")]
    twins = [name for name in calls if name[0] == "a" and name[1:] in calls]
    assert len(twins) == 12
    shown = re.findall(r"Ledger\.(\w+)", page)
    assert sorted(set(calls) - set(twins)) == sorted(shown)


def test_all_for_tests_is_in_the_reference() -> None:
    page = (REFERENCE / "testing.md").read_text()
    assert [name for name in testing.__all__ if f":: {name}\n" not in page] == []


def test_every_operation_is_in_the_reference() -> None:
    page = (REFERENCE / "operations.md").read_text()
    names = [name for name in operations.__all__ if name != "Operation"]
    table = page.split("| operation |")[1].split("\n\n")[0]
    assert [name for name in names if f"`{name}`" not in table] == []


def test_every_setting_is_in_the_reference() -> None:
    page = (REFERENCE / "settings.md").read_text()
    assert [name for name in conf.KNOWN_SETTINGS if f"| `{name}` |" not in page] == []


def test_every_route_is_in_the_reference() -> None:
    page = (REFERENCE / "http-api.md").read_text()
    shown = set(re.findall(r"`(GET|POST) ([a-z_/{}]+)`", page))
    description: Any = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    routes = {
        (method.upper(), path.removeprefix("/inventory/"))
        for path, methods in description["paths"].items()
        for method in methods
        if method in {"get", "post", "put", "patch", "delete"}
    }
    assert len(routes) > 10
    assert routes == shown
