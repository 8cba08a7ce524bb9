"""Committing a hold: whole, in part, in parts one after the other, to somebody, and once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.values import Receipt
from tests.contract.calls import stock

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({}, {"quantity": 4}),
        ({"quantity": 4}, {}),
        ({"quantity": 3}, {"quantity": 3}),
        ({"to": "bob"}, {"to": "bob", "quantity": 4}),
        ({"actor": "clerk"}, {"actor": "boss"}),
        ({"metadata": {"a": 1, "b": 2}}, {"metadata": {"b": 2, "a": 1}}),
        ({"key": "k1"}, {}),
        ({"key": "k1"}, {"key": "k2"}),
    ],
)
def test_a_commit_in_the_same_way_replays(
    engine: Engine, ledger: Ledger, first: dict[str, Any], second: dict[str, Any]
) -> None:
    hold_id = stock(ledger, quantity=10, held=4)
    receipt = ledger.commit(hold_id, **first)
    entries = engine.counts()["entries"]
    replay = ledger.commit(hold_id, **second)
    assert replay == Receipt(
        receipt.operation_id,
        "commit",
        first.get("key"),
        receipt.balances,
        receipt.hold,
        replayed=True,
    )
    assert engine.counts()["entries"] == entries
