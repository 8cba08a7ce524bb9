"""Balances and holds for tests, made by factory-boy through the ledger.

A row that no operation explains would make the books wrong, so nothing here writes a table: a
factory calls the configured ledger, whichever that is, and returns its snapshot. Needs factory-boy.
"""

# factory-boy says that it is typed, but most of it is not.
# mypy: disable-error-code="attr-defined,no-untyped-call"

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from factory.base import Factory
from factory.declarations import Sequence

from django_inventory import ledger
from django_inventory.values import BalanceSnapshot, HoldSnapshot

__all__ = ["BalanceFactory", "HoldFactory"]


class BalanceFactory(Factory[BalanceSnapshot]):
    """Credit ``quantity`` and ``on_hold`` to a subject; the latter on hold for ``ttl``."""

    class Meta:
        model = BalanceSnapshot

    subject = Sequence("subject-{}".format)
    item = Sequence("item-{}".format)
    quantity = 10
    on_hold = 0
    ttl = timedelta(days=1)

    @classmethod
    def _create(cls, model_class: object, *_: Any, **kwargs: Any) -> BalanceSnapshot:  # noqa: ARG003
        subject, item, on_hold = kwargs["subject"], kwargs["item"], kwargs["on_hold"]
        if total := kwargs["quantity"] + on_hold:
            ledger.acquire(_key(), subject, item, total)
        if on_hold:
            ledger.hold(_key(), subject, item, on_hold, kwargs["ttl"])
        return ledger.balance(subject, item)


class HoldFactory(Factory[HoldSnapshot]):
    """Credit ``quantity`` to a subject and hold it for ``ttl``."""

    class Meta:
        model = HoldSnapshot

    subject = Sequence("subject-{}".format)
    item = Sequence("item-{}".format)
    quantity = 2
    ttl = timedelta(days=1)

    @classmethod
    def _create(cls, model_class: object, *_: Any, **kwargs: Any) -> HoldSnapshot:  # noqa: ARG003
        subject, item, quantity = kwargs["subject"], kwargs["item"], kwargs["quantity"]
        ledger.acquire(_key(), subject, item, quantity)
        placed = ledger.hold(_key(), subject, item, quantity, kwargs["ttl"])
        assert placed.hold is not None  # noqa: S101 - for the type
        return placed.hold


def _key() -> str:
    return f"factory:{uuid4()}"
