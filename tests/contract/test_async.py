"""Every call of the ledger has an async twin that does the same."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync

from django_inventory.exceptions import (
    HoldUnknown,
    InsufficientQuantity,
    InvalidIdentifier,
    InvalidOperation,
    InvalidQuantity,
    InvalidTTL,
)
from django_inventory.ledgers import Ledger
from django_inventory.operations import Acquire, Consume
from django_inventory.values import Receipt
from tests.contract.calls import VERBS, arguments, gold, stock

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.operations import Operation
    from tests.contract.engines import Clock, Engine

NO_CALLS: Final = {"scope", "scoped"}
"""What is public and touches no data, so that there is nothing to wait for."""

NOTES: Final = {"reference": "order 7", "metadata": {"a": [1]}, "actor": "bob"}


def public_methods() -> dict[str, Callable[..., Any]]:
    return {
        name: method
        for name, method in inspect.getmembers(Ledger, inspect.isfunction)
        if not name.startswith("_") and name not in NO_CALLS
    }


def run(ledger: Ledger, name: str, *args: Any, **kwargs: Any) -> Any:
    """Call an async twin from here.

    Not by ``asyncio.run``, under which the twin would work in another thread, with a connection
    that nobody closes.
    """
    return async_to_sync(getattr(ledger, name))(*args, **kwargs)


def test_every_call_has_a_twin_of_the_same_signature() -> None:
    methods = public_methods()
    twins = {name for name, method in methods.items() if inspect.iscoroutinefunction(method)}
    calls = methods.keys() - twins
    assert calls == {
        *VERBS, "post", "balance", "balances", "get_hold", "expire_holds"
    }  # fmt: skip
    assert twins == {f"a{name}" for name in calls}
    for name in calls:
        twin = methods[f"a{name}"]
        assert twin.__name__ == f"a{name}"
        assert twin.__doc__
        assert name in twin.__doc__
        # Without what it returns, which is in the eye of the annotations.
        signature = inspect.signature(methods[name]).replace(return_annotation=None)
        assert inspect.signature(twin).replace(return_annotation=None) == signature


@pytest.mark.parametrize("verb", VERBS)
def test_a_mutation_does_the_same(verb: str, engine: Engine, ledger: Ledger) -> None:
    """What the twin did is what the call replays, so that all arguments were the same."""
    hold_id = stock(ledger)
    before = engine.counts()
    keywords = {**arguments(verb, hold_id), **NOTES}
    receipt = run(ledger, f"a{verb}", **keywords)
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.replayed) == (verb, False)
    assert engine.counts()["entries"] == before["entries"] + len(receipt.balances)
    assert getattr(ledger, verb)(**keywords) == replace(receipt, replayed=True)
    assert run(ledger, f"a{verb}", **keywords) == replace(receipt, replayed=True)


def test_arguments_may_be_given_by_position(ledger: Ledger) -> None:
    acquired = run(ledger, "aacquire", "k1", "alice", "gold", 5)
    assert acquired.balances == (gold("alice", 5),)
    moved = run(ledger, "atransfer", "k2", "alice", "bob", "gold", 2)
    assert moved.balances == (gold("alice", 3), gold("bob", 2))
    held = run(ledger, "ahold", "k3", "alice", "gold", 1, 60)
    assert held.balances == (gold("alice", 2, 1),)


@pytest.mark.parametrize("is_atomic", [True, False])
def test_a_batch_does_the_same(is_atomic: bool, engine: Engine, ledger: Ledger) -> None:  # noqa: FBT001 - a parameter of the test
    operations: list[Operation] = [
        Acquire("k1", "alice", "gold", 5),
        Consume("k2", "alice", "gold", 2),
    ]
    receipts = run(ledger, "apost", operations, atomic=is_atomic)
    assert [receipt.replayed for receipt in receipts] == [False, False]
    again = [replace(receipt, replayed=True) for receipt in receipts]
    assert ledger.post(operations, atomic=is_atomic) == again
    assert engine.counts()["entries"] == 2


def test_a_batch_is_all_or_none_unless_told_otherwise(engine: Engine, ledger: Ledger) -> None:
    operations = [Acquire("k1", "alice", "gold", 5), Consume("k2", "alice", "gold", 9)]
    with pytest.raises(InsufficientQuantity) as caught:
        run(ledger, "apost", iter(operations))
    assert caught.value.index == 1
    assert engine.counts()["entries"] == 0
    done, refused = run(ledger, "apost", iter(operations), atomic=False)
    assert isinstance(done, Receipt)
    assert isinstance(refused, InsufficientQuantity)
    assert engine.counts()["entries"] == 1


def test_a_read_does_the_same(ledger: Ledger, clock: Clock) -> None:
    hold_id = stock(ledger)
    for seconds in (0, 60):
        clock.advance(seconds=seconds)
        assert run(ledger, "abalance", "alice", "gold") == ledger.balance("alice", "gold")
        assert run(ledger, "abalances", "alice") == ledger.balances("alice")
        assert run(ledger, "aget_hold", hold_id) == ledger.get_hold(hold_id)
        assert run(ledger, "aget_hold", str(hold_id)) == ledger.get_hold(hold_id)


def test_a_sweep_does_the_same(ledger: Ledger, clock: Clock) -> None:
    ledger.acquire("stock", "alice", "gold", 5)
    for number in range(3):
        ledger.hold(f"k{number}", "alice", "gold", 1, 60)
    clock.advance(seconds=60)
    assert run(ledger, "aexpire_holds", limit=2) == 2
    assert run(ledger, "aexpire_holds") == 1
    assert ledger.expire_holds() == 0


ERRORS: Final[dict[str, tuple[type[Exception], tuple[Any, ...], dict[str, Any]]]] = {
    "aacquire": (InvalidQuantity, ("k", "alice", "gold", 0), {}),
    "aconsume": (InsufficientQuantity, ("k", "alice", "gold", 1), {}),
    "atransfer": (InvalidOperation, ("k", "alice", "alice", "gold", 1), {}),
    "ahold": (InvalidTTL, ("k", "alice", "gold", 1, 0), {}),
    "acommit": (HoldUnknown, (UUID(int=7),), {}),
    "arelease": (HoldUnknown, (UUID(int=7),), {"key": "k"}),
    "aextend": (InvalidIdentifier, ("seven", 60), {}),
    "apost": (InvalidOperation, (["acquire"],), {}),
    "abalance": (InvalidIdentifier, ("", "gold"), {}),
    "abalances": (InvalidIdentifier, ("",), {}),
    "aget_hold": (HoldUnknown, (UUID(int=7),), {}),
    "aexpire_holds": (InvalidOperation, (), {"limit": 0}),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_passes_through(name: str, engine: Engine, ledger: Ledger) -> None:
    error, args, kwargs = ERRORS[name]
    with pytest.raises(error):
        run(ledger, name, *args, **kwargs)
    assert engine.counts() == {"balances": 0, "holds": 0, "entries": 0, "keys": 0}


def test_every_twin_has_an_error_here() -> None:
    assert {f"a{name}" for name in public_methods() if f"a{name}" in public_methods()} == set(
        ERRORS
    )


def test_a_twin_calls_what_a_class_has_overridden(ledger: Ledger) -> None:
    class Counted(type(ledger)):  # type: ignore[misc]  # whatever ledger the engine has
        calls = 0

        def acquire(self, *args: Any, **kwargs: Any) -> Receipt:
            Counted.calls += 1
            receipt: Receipt = super().acquire(*args, **kwargs)
            return receipt

    counted = object.__new__(Counted)
    counted.__dict__.update(ledger.__dict__)
    run(counted, "aacquire", "k", "alice", "gold", 1)
    assert Counted.calls == 1


def test_calls_that_are_awaited_together_all_count(ledger: Ledger) -> None:
    async def acquire_all() -> list[Receipt]:
        return await asyncio.gather(
            *[ledger.aacquire(f"k{number}", "alice", "gold", 1) for number in range(8)]
        )

    receipts = async_to_sync(acquire_all)()
    assert sorted(receipt.balances[0].quantity for receipt in receipts) == list(range(1, 9))
    assert ledger.balance("alice", "gold") == gold("alice", 8)
