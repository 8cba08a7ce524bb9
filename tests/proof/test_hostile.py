"""Whatever is passed, only documented errors come out and nothing half done.

What is accepted is stored, read back exactly and replayed; what is refused leaves nothing.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest
from asgiref.sync import async_to_sync
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_inventory.exceptions import InventoryError
from django_inventory.ledgers import DatabaseLedger, MemoryLedger
from django_inventory.models import Entry
from django_inventory.operations import Acquire
from django_inventory.values import Receipt
from tests.contract.calls import HOLD_VERBS, OPERATIONS, RIGHT_ARGUMENTS, VERBS, hold_of
from tests.proof.conftest import DATABASE_LEDGERS
from tests.proof.hostile_values import ANYTHING, METADATA, PLAIN_VALUES
from tests.proof.profiles import amount, profile_in_use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine

ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    **{
        verb: (*RIGHT_ARGUMENTS[verb], "reference", "metadata", "actor")
        for verb in VERBS
        if verb not in HOLD_VERBS
    },
    "commit": (
        "hold_id",
        "quantity",
        "keep_remainder",
        "to",
        "key",
        "reference",
        "metadata",
        "actor",
    ),
    "release": ("hold_id", "key", "reference", "metadata", "actor"),
    "extend": ("hold_id", "ttl", "key", "reference", "metadata", "actor"),
}
COUNTS: Final = """
    SELECT (SELECT COUNT(*) FROM django_inventory_balance),
        (SELECT SUM(version) FROM django_inventory_balance),
        (SELECT COUNT(*) FROM django_inventory_hold),
        (SELECT COUNT(*) FROM django_inventory_entry),
        (SELECT COUNT(*) FROM django_inventory_idempotencyrecord)
"""

keys = map("key-{}".format, count())


def fuzz_settings() -> settings:
    return settings(
        profile_in_use(),
        max_examples=amount(ci=250, long=5_000),
        suppress_health_check=list(HealthCheck),
    )


def counts(engine: Engine) -> tuple[Any, ...]:
    """Return numbers of which any call that acts changes one."""
    if engine.alias is None:
        # Whatever acts writes an entry; the whole content would be copied to be counted.
        return (len(memory_of(engine).entries),)
    with connections[engine.alias].cursor() as cursor:
        cursor.execute(COUNTS)
        return tuple(cursor.fetchone())


def memory_of(engine: Engine) -> MemoryLedger:
    ledger = engine.make_ledger()
    assert isinstance(ledger, MemoryLedger)
    return ledger


def right(ledger: Ledger, verb: str) -> dict[str, Any]:
    """Return arguments that are right, on books that allow them."""
    arguments = {**RIGHT_ARGUMENTS[verb], "key": next(keys)}
    if verb != "acquire":
        ledger.acquire(next(keys), "alice", "gold", 9)
    if verb in HOLD_VERBS:
        arguments["hold_id"] = hold_of(ledger.hold(next(keys), "alice", "gold", 5, 60))
    return arguments


def answer_of(call: Callable[[], object], what: str) -> object:
    """Return what a call answers, or the error that the ledger refuses it with.

    Fails on any other error; without its text, since many of these values cannot be printed.
    """
    try:
        return call()
    except InventoryError as error:
        assert error.code  # noqa: PT017 - what raised it is not the point
        assert str(error)  # noqa: PT017
        return error
    except Exception as error:  # noqa: BLE001 - which is what must not come out
        pytest.fail(f"{what}: {type(error).__module__}.{type(error).__qualname__}", pytrace=False)


def check_stored(engine: Engine, receipt: Receipt, arguments: Mapping[str, object]) -> None:
    """Assert that what was passed is what was stored, in plain types, and is what is read."""
    ledger = engine.make_ledger()
    for balance in receipt.balances:
        assert type(balance.subject) is type(balance.item) is str
        assert type(balance.quantity) is type(balance.on_hold) is int
        assert ledger.balance(balance.subject, balance.item) == balance
        assert balance in [*ledger.balances(balance.subject), balance]
    if receipt.hold is not None:
        assert ledger.get_hold(receipt.hold.id) == receipt.hold
    for key, reference, actor, metadata in notes_of(engine, receipt):
        for name, stored in (("key", key), ("reference", reference), ("actor", actor)):
            passed = arguments.get(name)
            if isinstance(passed, str) and type(passed).__str__ is str.__str__:
                assert stored == passed, name
        passed = arguments.get("metadata")
        assert metadata == (None if passed is None else json.loads(json.dumps(passed)))


def notes_of(engine: Engine, receipt: Receipt) -> list[tuple[Any, ...]]:
    """Return key, reference, actor and metadata of each entry of an operation."""
    names = ("key", "reference", "actor", "metadata")
    if engine.alias is not None:
        rows = Entry.objects.using(engine.alias).filter(operation_id=receipt.operation_id)
        return list(rows.values_list(*names))
    return [
        (entry.key or "", entry.reference, entry.actor, entry.metadata)
        for entry in memory_of(engine).entries
        if entry.operation_id == receipt.operation_id
    ]


# One value at a time ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", ANYTHING)
def test_every_value_as_every_argument(value: str) -> None:
    """On the memory ledger, since what checks arguments comes before any other ledger, too."""
    for verb, names in ARGUMENTS.items():
        for name in names:
            ledger = MemoryLedger()
            arguments = {**right(ledger, verb), name: ANYTHING[value]()}
            entries = len(ledger.entries)
            what = f"{verb}({name}=...)"
            answer = answer_of(partial(getattr(ledger, verb), **arguments), what)
            assert isinstance(answer, Receipt) or len(ledger.entries) == entries, what
            # An operation refuses what is malformed by itself.
            answer_of(partial(OPERATIONS[verb], **arguments), f"operation {what}")


@pytest.mark.parametrize("value", ANYTHING)
def test_every_value_as_an_argument_of_the_other_calls(value: str) -> None:
    ledger: Any = MemoryLedger()
    ledger.acquire("stock", "alice", "gold", 9)
    make = ANYTHING[value]
    calls: dict[str, Callable[[], object]] = {
        "balance(subject)": lambda: ledger.balance(make(), "gold"),
        "balance(item)": lambda: ledger.balance("alice", make()),
        "balances": lambda: ledger.balances(make()),
        "get_hold": lambda: ledger.get_hold(make()),
        "expire_holds": lambda: ledger.expire_holds(limit=make()),
        "scoped": lambda: ledger.scoped(make()),
        "MemoryLedger(scope)": lambda: MemoryLedger(scope=make()),  # type: ignore[arg-type]
        "DatabaseLedger(scope)": lambda: DatabaseLedger(scope=make()),  # type: ignore[arg-type]
        "post": lambda: ledger.post(make()),
        "post of one": lambda: ledger.post([make()]),
        "post(atomic)": lambda: ledger.post([Acquire(next(keys), "bob", "gold", 1)], atomic=make()),
    }
    for what, call in calls.items():
        answer_of(call, what)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("any_engine", DATABASE_LEDGERS, indirect=True)
def test_every_value_that_is_well_formed_is_kept_by_every_database(
    any_engine: Engine, verb: str
) -> None:
    ledger = any_engine.make_ledger()
    kept = 0
    for name in ARGUMENTS[verb]:
        for value, make in (METADATA if name == "metadata" else PLAIN_VALUES).items():
            arguments = {**right(ledger, verb), name: make()}
            what = f"{verb}({name}={value})"
            if isinstance(answer_of(partial(OPERATIONS[verb], **arguments), what), InventoryError):
                continue
            before = counts(any_engine)
            receipt = answer_of(partial(getattr(ledger, verb), **arguments), what)
            if isinstance(receipt, Receipt) and not receipt.replayed:
                check_stored(any_engine, receipt, arguments)
                kept += 1
            else:
                # Refused, or a key that is the same text as one before.
                assert counts(any_engine) == before, what
    assert kept > 50


# Many at a time ----------------------------------------------------------------------------------


@given(
    verb=st.sampled_from(VERBS),
    wrong=st.dictionaries(
        st.sampled_from(sorted({name for names in ARGUMENTS.values() for name in names})),
        st.sampled_from(sorted(ANYTHING)),
        min_size=1,
        max_size=4,
    ),
    how=st.sampled_from(("verb", "post", "alone", "async")),
)
@fuzz_settings()
def test_wrong_values_together(
    any_engine: Engine, verb: str, wrong: dict[str, str], how: str
) -> None:
    ledger = any_engine.make_ledger()
    hostile = {name: ANYTHING[value]() for name, value in wrong.items() if name in ARGUMENTS[verb]}
    arguments = {**right(ledger, verb), **hostile}
    what = f"{verb} by {how} with {wrong}"

    def call() -> Any:
        if how == "verb":
            return getattr(ledger, verb)(**arguments)
        if how == "async":
            return async_to_sync(getattr(ledger, f"a{verb}"))(**arguments)
        [answer] = ledger.post([OPERATIONS[verb](**arguments)], atomic=how == "post")
        return answer

    before = counts(any_engine)
    receipt = answer_of(call, what)
    if not isinstance(receipt, Receipt):
        assert counts(any_engine) == before, what
        return
    check_stored(any_engine, receipt, arguments)
    again = answer_of(call, f"{what} again")
    assert isinstance(again, Receipt), what
    assert again.replayed or arguments.get("key") is None
