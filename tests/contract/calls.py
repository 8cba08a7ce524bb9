"""The calls of the contract that the package ships, for the tests that go beyond it."""

from __future__ import annotations

from django_inventory.testing.contract.calls import (
    HOLD_VERBS,
    KEYED_VERBS,
    OPERATIONS,
    RIGHT_ARGUMENTS,
    VERBS,
    arguments,
    call,
    gold,
    hold_of,
    make,
    stock,
)

__all__ = [
    "HOLD_VERBS",
    "KEYED_VERBS",
    "OPERATIONS",
    "RIGHT_ARGUMENTS",
    "VERBS",
    "arguments",
    "call",
    "gold",
    "hold_of",
    "make",
    "stock",
]
