"""Subject, item, key and scope: what is refused, and that all else is compared exactly."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.exceptions import InvalidIdentifier
from django_inventory.operations import Acquire, Consume
from django_inventory.testing.contract.identifiers import SIMILAR, WRONG, similar
from tests.contract.calls import VERBS, arguments, call, gold, make, stock
from tests.contract.journal import journal
from tests.contract.refusals import assert_all_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine

FIELDS = {
    "acquire": ("key", "subject", "item"),
    "consume": ("key", "subject", "item"),
    "transfer": ("key", "source", "destination", "item"),
    "hold": ("key", "subject", "item"),
    "commit": ("key", "to"),
    "release": ("key",),
    "extend": ("key",),
}


@similar
def test_similar_keys_are_two_keys(engine: Engine, ledger: Ledger, one: str, other: str) -> None:
    assert ledger.acquire(one, "alice", "gold", 1).key == one
    assert ledger.acquire(other, "alice", "gold", 1).key == other
    assert ledger.balance("alice", "gold") == gold("alice", 2)
    assert engine.counts()["keys"] == 2
    assert ledger.acquire(one, "alice", "gold", 1).replayed
    assert ledger.acquire(other, "alice", "gold", 1).replayed
    assert [line.key for line in journal(engine)] == [one, other]


def test_similar_keys_of_one_batch_are_as_many_keys(engine: Engine, ledger: Ledger) -> None:
    keys = list(dict.fromkeys(key for pair in SIMILAR.values() for key in pair))
    receipts = ledger.post([Acquire(key, "alice", "gold", 1) for key in [*keys, *keys]])
    assert [receipt.key for receipt in receipts] == [*keys, *keys]
    assert [receipt.replayed for receipt in receipts] == [False] * len(keys) + [True] * len(keys)
    assert engine.counts()["keys"] == len(keys)
    assert ledger.balance("alice", "gold") == gold("alice", len(keys))


def test_similar_names_of_one_batch_are_as_many_balances(engine: Engine, ledger: Ledger) -> None:
    names = list(dict.fromkeys(name for pair in SIMILAR.values() for name in pair))
    ledger.post([Acquire(name, name, "gold", 7) for name in names])
    ledger.post([Acquire(f"owner {number}", "owner", name, 7) for number, name in enumerate(names)])
    assert engine.counts()["balances"] == 2 * len(names)
    assert [balance.item for balance in ledger.balances("owner")] == sorted(names)
    moved = ledger.post([Consume(f"less {n}", name, "gold", 7) for n, name in enumerate(names)])
    assert [receipt.balances for receipt in moved] == [(gold(name, 0),) for name in names]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("how", ["call", "operation"])
def test_a_wrong_identifier_is_refused(engine: Engine, ledger: Ledger, verb: str, how: str) -> None:
    hold_id = stock(ledger)

    def attempts() -> Iterator[tuple[str, Callable[[], object]]]:
        for field in FIELDS[verb]:
            for value in _wrong_values(verb, field):
                changes = {field: value}
                if how == "call":
                    yield field, partial(call, ledger, verb, hold_id, **changes)
                else:
                    yield field, partial(make, verb, hold_id, **changes)

    assert_all_refused(engine, InvalidIdentifier, attempts())


def _wrong_values(verb: str, field: str) -> list[Any]:
    """Return all that is wrong for the field; None is, unless it means "not given"."""
    given = arguments(verb, None).get(field)
    is_optional = verb in {"commit", "release", "extend"}
    assert is_optional or given is not None
    return [*WRONG.values(), *([] if is_optional else [None])]


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
