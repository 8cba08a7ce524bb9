"""Who is measured: the ledgers and the textbook service. The floor is in ``floor``.

Owns what one step of each verb is, on a random one of so many balances.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from benchmarks.measuring import Step
from benchmarks.settings import DEFAULT, PREPARED

ITEM: Final = "gold"
STOCK: Final = 10**12
FLOOR: Final = "floor (pgbench)"
FLOOR_IN_DJANGO: Final = "floor, from Django"
POSTGRES: Final = "PostgresLedger"
POSTGRES_PREPARED: Final = "PostgresLedger, prepared"
DATABASE: Final = "DatabaseLedger"
TEXTBOOK: Final = "textbook"
VERBS: Final = ("acquire", "consume", "transfer", "hold+commit")

_counter = itertools.count()


def new_key() -> str:
    """Return a key that no other process and no other call has."""
    return f"{os.getpid()}-{random.getrandbits(32):08x}-{next(_counter)}"


def place(balances: int) -> str:
    """Return a random subject."""
    return f"s-{random.randint(1, balances)}"


def two_places(balances: int) -> tuple[str, str]:
    """Return two neighbours, in either order."""
    first = random.randint(1, balances - 1)
    places = (f"s-{first}", f"s-{first + 1}")
    return places if random.random() < 0.5 else places[::-1]


def ledger_step(class_name: str, alias: str, verb: str, balances: int) -> Step:
    """Return a verb of a ledger as a step."""
    from django_inventory import ledgers

    ledger = getattr(ledgers, class_name)(using=alias)

    def hold_and_commit() -> None:
        receipt = ledger.hold(new_key(), place(balances), ITEM, 1, 900)
        ledger.commit(receipt.hold.id)

    steps: dict[str, Step] = {
        "acquire": lambda: ledger.acquire(new_key(), place(balances), ITEM, 1),
        "consume": lambda: ledger.consume(new_key(), place(balances), ITEM, 1),
        "transfer": lambda: ledger.transfer(new_key(), *two_places(balances), ITEM, 1),
        "hold+commit": hold_and_commit,
    }
    return steps[verb]


def textbook_step(verb: str, balances: int) -> Step:
    """Return a verb of the textbook service as a step."""
    from benchmarks.textbook import service

    def hold_and_commit() -> None:
        reservation = service.hold(new_key(), place(balances), ITEM, 1, 900)
        if reservation is not None:
            service.commit(reservation.pk)

    steps: dict[str, Step] = {
        "acquire": lambda: service.acquire(new_key(), place(balances), ITEM, 1),
        "consume": lambda: service.consume(new_key(), place(balances), ITEM, 1),
        "transfer": lambda: service.transfer(new_key(), *two_places(balances), ITEM, 1),
        "hold+commit": hold_and_commit,
    }
    return steps[verb]


def floor_step(verb: str, balances: int) -> Step:
    """Return the floor's function of a verb as a step, called with what Django has for that.

    It is as far as a ledger in Python could come that did nothing in Python.
    """
    from django.db import connection

    from benchmarks.floor import FINGERPRINT

    def call(function: str, *arguments: str | int | UUID) -> Any:
        marks = ", ".join(["%s"] * len(arguments))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}({marks})", arguments)
            return cursor.fetchone()[0]

    def hold_and_commit() -> None:
        key, seconds = new_key(), 900
        call(
            "floor_commit", call("floor_hold", key, FINGERPRINT, place(balances), ITEM, 1, seconds)
        )

    steps: dict[str, Step] = {
        "acquire": lambda: call(
            "floor_move", "acquire", new_key(), FINGERPRINT, place(balances), ITEM, 1
        ),
        "consume": lambda: call(
            "floor_move", "consume", new_key(), FINGERPRINT, place(balances), ITEM, -1
        ),
        "transfer": lambda: call(
            "floor_transfer", new_key(), FINGERPRINT, *two_places(balances), ITEM, 1
        ),
        "hold+commit": hold_and_commit,
    }
    return steps[verb]


def make_steps(verb: str, balances: int) -> dict[str, Callable[[int], Step]]:
    """Return, by contestant, what makes the step of a client."""
    return {
        POSTGRES: lambda _: ledger_step(POSTGRES, DEFAULT, verb, balances),
        POSTGRES_PREPARED: lambda _: ledger_step(POSTGRES, PREPARED, verb, balances),
        DATABASE: lambda _: ledger_step(DATABASE, DEFAULT, verb, balances),
        TEXTBOOK: lambda _: textbook_step(verb, balances),
        FLOOR_IN_DJANGO: lambda _: floor_step(verb, balances),
    }


def stock(balances: int, *, item: str = ITEM) -> None:
    """Give every balance, of the ledger and of the textbook service, more than a run can use up."""
    from benchmarks.textbook.models import Stock
    from django_inventory.ledgers import DatabaseLedger
    from django_inventory.operations import Acquire

    subjects = [f"s-{number}" for number in range(1, balances + 1)]
    DatabaseLedger().post([Acquire(new_key(), subject, item, STOCK) for subject in subjects])
    Stock.objects.bulk_create(
        Stock(subject=subject, item=item, quantity=STOCK) for subject in subjects
    )
