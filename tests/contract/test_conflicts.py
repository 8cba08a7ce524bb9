"""A key that comes back with anything different: the conflict names what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from django_inventory.exceptions import IdempotencyConflict
from django_inventory.testing.contract.conflicts import OTHERS, each_verb
from tests.contract.calls import arguments, call, stock
from tests.contract.refusals import refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine

# What each verb is called with first, and another value for each of its arguments.
FIRST: Final[dict[str, dict[str, Any]]] = {
    "acquire": {"quantity": 2},
    "consume": {"quantity": 2},
    "transfer": {"quantity": 2},
    "hold": {"quantity": 2, "ttl": 60},
    "commit": {"quantity": 2, "keep_remainder": True, "to": "bob"},
    "release": {},
    "extend": {"ttl": 60},
}

FIRST_NOTES: Final = {"reference": "order 7", "metadata": {"a": 1}, "actor": "clerk"}


def do_first(ledger: Ledger, verb: str) -> dict[str, Any]:
    """Call a verb with the key "k"; return its arguments."""
    given = arguments(verb, stock(ledger), **FIRST[verb], **FIRST_NOTES)
    assert not call(ledger, verb, **given).replayed
    return given


@pytest.mark.parametrize(
    ("verb", "field"), [(verb, field) for verb, others in OTHERS.items() for field in others]
)
def test_a_different_argument_is_named(
    engine: Engine, ledger: Ledger, verb: str, field: str
) -> None:
    given = do_first(ledger, verb)
    for value in OTHERS[verb][field]:
        with refuses(engine, IdempotencyConflict, key="k", fields=(field,), index=0):
            call(ledger, verb, **{**given, field: value})
    assert call(ledger, verb, **given).replayed


@each_verb
def test_all_different_arguments_are_named_in_order(
    engine: Engine, ledger: Ledger, verb: str
) -> None:
    given = do_first(ledger, verb)
    others = {field: values[1 if len(values) > 1 else 0] for field, values in OTHERS[verb].items()}
    with refuses(engine, IdempotencyConflict, key="k", fields=tuple(OTHERS[verb]), index=0):
        call(ledger, verb, **{**given, **others})


@each_verb
def test_another_actor_is_no_difference(engine: Engine, ledger: Ledger, verb: str) -> None:
    given = do_first(ledger, verb)
    before = engine.dump()
    assert call(ledger, verb, **{**given, "actor": "boss"}).replayed
    assert call(ledger, verb, **{**given, "actor": ""}).replayed
    assert engine.dump() == before
