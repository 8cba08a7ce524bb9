"""A key that comes back with anything different: the conflict names what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from django_inventory.exceptions import IdempotencyConflict
from django_inventory.testing.contract.calls import arguments, call, stock
from django_inventory.testing.contract.refusals import refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from django_inventory.testing.contract.calls import (
    HOLD_VERBS,
    VERBS,
    gold,
    hold_of,
    make,
)
from django_inventory.testing.contract.refusals import assert_is

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from django_inventory.testing.contract.base import Contract

NOTES: Final[dict[str, list[Any]]] = {
    "reference": ["", "order 8", "Order 7"],
    "metadata": [None, {}, {"a": 2}, {"a": 1.0}, {"a": True}, {"a": "1"}, {"A": 1}, {"a": [1]}],
}

MOVEMENT: Final[dict[str, list[Any]]] = {
    "subject": ["Alice", "bob"],
    "item": ["Gold", "silver"],
    "quantity": [1, 3, 2**63 - 1],
}

TTL: Final[list[Any]] = [61, timedelta(seconds=60, microseconds=1), 59.999999]

OTHERS: Final[dict[str, dict[str, list[Any]]]] = {
    "acquire": {**MOVEMENT, **NOTES},
    "consume": {**MOVEMENT, **NOTES},
    "transfer": {
        "source": ["Alice", "dave"],
        "destination": ["Bob", "carol"],
        "item": ["Gold", "silver"],
        "quantity": [1, 3, 2**63 - 1],
        **NOTES,
    },
    "hold": {**MOVEMENT, "ttl": TTL, **NOTES},
    "commit": {
        "hold_id": [UUID(int=7)],
        "quantity": [None, 1, 3, 2**63 - 1],
        "keep_remainder": [False],
        "to": [None, "Bob", "alice"],
        **NOTES,
    },
    "release": {"hold_id": [UUID(int=7)], **NOTES},
    "extend": {"hold_id": [UUID(int=7)], "ttl": TTL, **NOTES},
}

each_verb = pytest.mark.parametrize("verb", VERBS)


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


class Conflicts(Contract):
    def test_the_table_has_every_argument_of_every_verb(self) -> None:
        for verb in VERBS:
            names = [field.name for field in fields(make(verb, uuid4()))]
            assert list(OTHERS[verb]) == [name for name in names if name not in {"key", "actor"}]

    @each_verb
    def test_another_verb_is_named_as_the_kind_alone(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        call(ledger, verb, hold_id)
        for other in set(VERBS) - {verb}:
            with refuses(self, IdempotencyConflict, key="k", fields=("kind",), index=0):
                call(ledger, other, hold_id)
        assert call(ledger, verb, hold_id).replayed

    @pytest.mark.parametrize(
        ("verb", "field", "one", "other"),
        [
            ("hold", "ttl", 60, timedelta(minutes=1)),
            ("hold", "ttl", 60, 60.0),
            ("extend", "ttl", 0.25, timedelta(milliseconds=250)),
            ("acquire", "metadata", {"a": 1, "b": [2]}, {"b": [2], "a": 1}),
            ("acquire", "metadata", {"a": (1, 2)}, {"a": [1, 2]}),
        ],
    )
    def test_the_same_in_other_words_is_no_difference(
        self, ledger: Ledger, verb: str, field: str, one: object, other: object
    ) -> None:
        hold_id = stock(ledger)
        assert not call(ledger, verb, hold_id, **{field: one}).replayed
        assert call(ledger, verb, hold_id, **{field: other}).replayed

    @pytest.mark.parametrize("write", [str, lambda hold_id: str(hold_id).upper()])
    @pytest.mark.parametrize("verb", HOLD_VERBS)
    def test_a_hold_id_in_other_words_is_no_difference(
        self, ledger: Ledger, verb: str, write: Any
    ) -> None:
        hold_id = stock(ledger)
        assert not call(ledger, verb, hold_id).replayed
        assert call(ledger, verb, write(hold_id)).replayed

    @pytest.mark.parametrize("verb", HOLD_VERBS)
    def test_another_hold_is_named(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        other = hold_of(ledger.hold("other", "alice", "gold", 4, 60))
        call(ledger, verb, hold_id)
        with refuses(self, IdempotencyConflict, key="k", fields=("hold_id",), index=0):
            call(ledger, verb, other)

    @pytest.mark.parametrize(
        ("verb", "changes"),
        [
            ("acquire", {"quantity": 2**63 - 1}),
            ("consume", {"quantity": 1_000}),
            ("transfer", {"quantity": 1_000}),
            ("hold", {"quantity": 1_000}),
            ("commit", {"quantity": 1_000}),
            ("commit", {"to": "alice"}),
            ("commit", {"hold_id": UUID(int=7)}),
            ("release", {"hold_id": UUID(int=7)}),
            ("extend", {"hold_id": UUID(int=7)}),
        ],
    )
    def test_the_key_is_looked_at_before_anything_else(
        self, ledger: Ledger, verb: str, changes: dict[str, Any]
    ) -> None:
        hold_id = stock(ledger)
        call(ledger, verb, hold_id)
        with refuses(self, IdempotencyConflict, key="k", fields=tuple(changes)):
            call(ledger, verb, **{"hold_id": hold_id, **changes})

    @pytest.mark.parametrize("verb", ["commit", "extend"])
    def test_the_key_is_looked_at_before_the_expiry(
        self, ledger: Ledger, clock: MovableClock, verb: str
    ) -> None:
        hold_id = stock(ledger, ttl=60)
        first = call(ledger, verb, hold_id)
        clock.advance(seconds=600)
        with refuses(self, IdempotencyConflict, key="k", fields=("reference",)):
            call(ledger, verb, hold_id, reference="other")
        assert call(ledger, verb, hold_id).operation_id == first.operation_id

    def test_an_error_of_a_batch_tells_which_key(self, ledger: Ledger) -> None:
        ledger.acquire("k", "alice", "gold", 5)
        with refuses(self, IdempotencyConflict, key="k", fields=("quantity",), index=1):
            ledger.post([make("acquire", key="k1"), make("acquire", quantity=6)])
        results = ledger.post(
            [make("acquire", key="k1"), make("acquire", quantity=6)], atomic=False
        )
        assert_is(results[1], IdempotencyConflict, key="k", fields=("quantity",), index=1)
        assert ledger.balance("alice", "gold") == gold("alice", 6)

    @pytest.mark.parametrize(
        ("verb", "field"), [(verb, field) for verb, others in OTHERS.items() for field in others]
    )
    def test_a_different_argument_is_named(self, ledger: Ledger, verb: str, field: str) -> None:
        given = do_first(ledger, verb)
        for value in OTHERS[verb][field]:
            with refuses(self, IdempotencyConflict, key="k", fields=(field,), index=0):
                call(ledger, verb, **{**given, field: value})
        assert call(ledger, verb, **given).replayed

    @each_verb
    def test_all_different_arguments_are_named_in_order(self, ledger: Ledger, verb: str) -> None:
        given = do_first(ledger, verb)
        others = {
            field: values[1 if len(values) > 1 else 0] for field, values in OTHERS[verb].items()
        }
        with refuses(self, IdempotencyConflict, key="k", fields=tuple(OTHERS[verb]), index=0):
            call(ledger, verb, **{**given, **others})

    @each_verb
    def test_another_actor_is_no_difference(self, ledger: Ledger, verb: str) -> None:
        given = do_first(ledger, verb)
        before = self.dump()
        assert call(ledger, verb, **{**given, "actor": "boss"}).replayed
        assert call(ledger, verb, **{**given, "actor": ""}).replayed
        assert self.dump() == before
