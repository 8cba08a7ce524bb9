"""What the contract that the package ships says of refusals, for the tests that go beyond it."""

from __future__ import annotations

from django_inventory.testing.contract.refusals import (
    CODES,
    assert_all_refused,
    assert_is,
    refuses,
)

__all__ = ["CODES", "assert_all_refused", "assert_is", "refuses"]
