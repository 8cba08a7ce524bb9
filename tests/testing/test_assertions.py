"""``assert_balances`` and ``assert_books_balance``: they pass, and they fail, when they should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User

from django_inventory import ledger
from django_inventory.exceptions import InvalidIdentifier
from django_inventory.ledgers import Ledger, MemoryLedger
from django_inventory.models import Balance, Hold
from django_inventory.testing import assert_balances, assert_books_balance
from django_inventory.values import BalanceSnapshot

if TYPE_CHECKING:
    from django_inventory.testing import MovableClock


def trade(on: Ledger) -> None:
    on.acquire("k1", "shop", "axe", 10)
    on.acquire("k2", "shop", "bow", 1)
    hold = on.hold("k3", "shop", "axe", 3, 60).hold
    assert hold is not None
    on.commit(hold.id, quantity=1, keep_remainder=True, to="alice", key="k4")


def test_balances_that_are_as_told_pass(memory_ledger: MemoryLedger) -> None:
    trade(memory_ledger)
    assert_balances(
        {"shop": {"axe": (7, 2), "bow": 1}, "alice": {"axe": 1, "bow": 0}, "nobody": {}}
    )


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"alice": {"axe": 2}}, ["alice / axe: 1, not 2"]),
        ({"shop": {"axe": 7, "bow": 1}}, ["shop / axe: 7 and 2 on hold, not 7"]),
        ({"shop": {"axe": (7, 2)}}, ["shop / bow: 1, not 0"]),
        ({"nobody": {"axe": (1, 1)}}, ["nobody / axe: 0, not 1 and 1 on hold"]),
        (
            {"shop": {"axe": (9, 0), "cap": 1, "bow": 1}, "alice": {}},
            ["shop / axe: 7 and 2 on hold, not 9", "shop / cap: 0, not 1", "alice / axe: 1, not 0"],
        ),
    ],
)
def test_every_balance_that_differs_is_named(
    memory_ledger: MemoryLedger, expected: Any, told: list[str]
) -> None:
    trade(memory_ledger)
    with pytest.raises(AssertionError) as caught:
        assert_balances(expected)
    assert str(caught.value) == "\n  ".join(["Balances differ:", *told])


@pytest.mark.django_db
def test_a_subject_may_be_an_instance() -> None:
    user = User.objects.create(username="alice")
    ledger.acquire("k", user, "axe", 2)
    assert_balances({user: {"axe": 2}})
    with pytest.raises(AssertionError, match=f"auth.user:{user.pk} / axe: 2, not 3"):
        assert_balances({user: {"axe": 3}})


def test_a_malformed_subject_is_an_error_of_its_own(memory_ledger: MemoryLedger) -> None:
    with pytest.raises(InvalidIdentifier):
        assert_balances({"": {}})


def test_another_ledger_can_be_asked(memory_ledger: MemoryLedger) -> None:
    another = MemoryLedger()
    another.acquire("k", "alice", "axe", 2)
    assert_balances({"alice": {"axe": 2}}, ledger=another)
    assert_balances({"alice": {}})


def test_books_in_memory_balance(
    memory_ledger: MemoryLedger, inventory_clock: MovableClock
) -> None:
    trade(memory_ledger)
    assert_books_balance()
    inventory_clock.advance(seconds=60)
    assert_books_balance()
    memory_ledger.expire_holds()
    assert_books_balance()


class Generous(MemoryLedger):
    def _balance(self, *args: Any) -> BalanceSnapshot:
        found = super()._balance(*args)
        return BalanceSnapshot(found.subject, found.item, found.quantity + 1, found.on_hold)


def test_books_in_memory_that_do_not_balance_are_told() -> None:
    generous = Generous()
    trade(generous)
    with pytest.raises(AssertionError) as caught:
        assert_books_balance(ledger=generous)
    assert "balance shop / axe: total is 10, not 9" in str(caught.value)


def test_a_journal_in_memory_that_contradicts_itself_is_told() -> None:
    broken = MemoryLedger()
    trade(broken)
    del broken._store.entries[0]  # noqa: SLF001 - no public call can break it
    with pytest.raises(AssertionError, match="sequence of entry 2 is 2, not 1"):
        assert_books_balance(ledger=broken)


@pytest.mark.django_db
def test_books_in_a_database_are_verified() -> None:
    trade(ledger)
    assert_books_balance()
    Balance.objects.filter(subject="alice").update(quantity=5)
    Hold.objects.update(quantity=99)
    with pytest.raises(AssertionError) as caught:
        assert_books_balance()
    assert "alice / axe: quantity is 5, not 1" in str(caught.value)
    assert "quantity is 99, not 3" in str(caught.value)


def test_books_of_an_unknown_kind_are_no_success() -> None:
    class Foreign(Ledger):
        _post = _expire_holds = _balance = _balances = _get_hold = None  # type: ignore[assignment]

    with pytest.raises(TypeError, match="books of a Foreign"):
        assert_books_balance(ledger=Foreign())
