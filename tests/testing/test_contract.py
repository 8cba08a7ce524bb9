"""The contract in somebody else's hands: it passes what is right, and finds what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from django_inventory.testing.contract import LedgerContract

CONFTEST: Final = """
import django
import pytest
from django.conf import settings

settings.configure(INSTALLED_APPS=["django_inventory"], USE_TZ=True)
django.setup()

found_out = set()


def pytest_runtest_setup(item):
    if item.cls in found_out:
        pytest.skip("One failure is enough.")


def pytest_runtest_makereport(item, call):
    if call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception):
        found_out.add(item.cls)
"""
TESTS: Final = '''
from dataclasses import replace

from django_inventory.exceptions import InventoryError
from django_inventory.ledgers import MemoryLedger
from django_inventory.testing.contract import LedgerContract


class Forgetful(MemoryLedger):
    """Does an operation again when it is asked again."""

    def _post(self, requests, now, *, atomic):
        results = super()._post(requests, now, atomic=atomic)
        self._store.records.clear()
        return results


class Clamping(MemoryLedger):
    """Takes what there is where there is too little."""

    def consume(self, key, subject, item, quantity, **notes):
        free = self.balance(subject, item).quantity
        return super().consume(key, subject, item, min(quantity, free or 1), **notes)


class Late(MemoryLedger):
    """Shows an expired hold's quantity as held until the sweep."""

    def _snapshot(self, place, now):
        balance = self._store.balances.get(place)
        return balance.snapshot() if balance else super()._snapshot(place, now)


class Halfway(MemoryLedger):
    """Keeps the first operations of a batch whose last one is refused."""

    def _post(self, requests, now, *, atomic):
        return [super(Halfway, self)._post([one], now, atomic=True)[0] for one in requests]


class Unscoped(MemoryLedger):
    """Lets a key of one scope meet another's."""

    def _post(self, requests, now, *, atomic):
        scope, self._scope = self._scope, ""
        try:
            return super()._post(requests, now, atomic=atomic)
        finally:
            self._scope = scope


class Unmarked(MemoryLedger):
    """Does not tell a replay."""

    def _post(self, requests, now, *, atomic):
        results = super()._post(requests, now, atomic=atomic)
        return [r if isinstance(r, InventoryError) else replace(r, replayed=False) for r in results]


class TestRight(LedgerContract):
    def make_ledger(self, clock):
        return MemoryLedger(clock=clock)


def contract_of(ledger_class):
    class Contract(LedgerContract):
        def make_ledger(self, clock):
            return ledger_class(clock=clock)

    return Contract


TestForgetful = contract_of(Forgetful)
TestClamping = contract_of(Clamping)
TestLate = contract_of(Late)
TestHalfway = contract_of(Halfway)
TestUnscoped = contract_of(Unscoped)
TestUnmarked = contract_of(Unmarked)


class TestUnmade(LedgerContract):
    pass
'''
WRONG: Final = ("Forgetful", "Clamping", "Late", "Halfway", "Unscoped", "Unmarked", "Unmade")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    """The names of the tests of each class by what came of them, run as a stranger would."""
    folder: Path = tmp_path_factory.mktemp("host")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_ledgers.py").write_text(TESTS)
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:randomly"),
            *("-p", "no:cacheprovider", "--junitxml=report.xml", f"--rootdir={folder}", folder),
        ],
        cwd=folder,
        env={name: v for name, v in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        check=False,
    )
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for case in ET.parse(folder / "report.xml").iter("testcase"):  # noqa: S314 - our own report
        class_name = case.attrib["classname"].rpartition(".Test")[2]
        outcome = next((child.tag for child in case if child.tag != "properties"), "passed")
        found[class_name][outcome].append(case.attrib["name"].partition("[")[0])
    return found


def test_a_right_ledger_passes(outcomes: dict[str, dict[str, list[str]]]) -> None:
    right = outcomes["Right"]
    assert set(right) == {"passed", "skipped"}
    assert len(right["passed"]) > 500
    # What a journal must say, which no call of a ledger shows.
    assert 0 < len(right["skipped"]) < len(right["passed"]) / 2


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_ledger_is_found_out(outcomes: dict[str, dict[str, list[str]]], name: str) -> None:
    failed = outcomes[name]["failure"] + outcomes[name]["error"]
    assert failed


def test_no_test_of_the_contract_hides_another() -> None:
    own = [
        name for part in LedgerContract.__mro__ for name in vars(part) if name.startswith("test_")
    ]
    assert len(own) == len(set(own)) > 150
