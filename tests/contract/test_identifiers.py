"""Subject, item, key and scope: what is refused, and that all else is compared exactly."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django_inventory.exceptions import InvalidIdentifier
from django_inventory.testing.contract.identifiers import WRONG
from tests.contract.refusals import assert_all_refused

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine


def test_a_wrong_scope_is_refused(engine: Engine, ledger: Ledger) -> None:
    values = [value for value in [*WRONG.values(), None] if value != ""]
    assert_all_refused(
        engine,
        InvalidIdentifier,
        (("scope", partial(ledger.scoped, value)) for value in values),
    )
    assert_all_refused(
        engine,
        InvalidIdentifier,
        (("scope", partial(engine.make_ledger, scope=value)) for value in values),
    )
