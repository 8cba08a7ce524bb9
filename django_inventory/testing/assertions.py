"""What can be asserted of a ledger in one line, with all that is wrong in the message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from django_inventory.arguments import check_subject
from django_inventory.ledgers import Ledger, MemoryLedger, get_ledger
from django_inventory.ledgers.accounts import Account
from django_inventory.ledgers.base import Subject
from django_inventory.rules import Place

# For a dict whose keys are strings alone: a mapping of one type of keys is none of another.
S = TypeVar("S", bound=Subject)
Owned = int | tuple[int, int]
"""A free quantity, with nothing on hold; or (free quantity, quantity on hold)."""


def assert_balances(
    expected: Mapping[S, Mapping[str, Owned]], *, ledger: Ledger | None = None
) -> None:
    """Assert all that these subjects own: items that are not named must not be owned either.

    Args:
        expected: by subject, then by item: the free quantity, or a pair of the free quantity and
            that on hold. A subject that owns nothing has ``{}``.
        ledger: the one that is asked; None for the configured one.

    Raises:
        AssertionError: naming each balance that differs.
    """
    ledger = ledger or get_ledger()
    differences = []
    for subject, items in expected.items():
        name = check_subject("subject", subject)
        found = {balance.item: balance for balance in ledger.balances(subject)}
        for item in sorted(items.keys() | found.keys()):
            owned = items.get(item, 0)
            wanted = owned if isinstance(owned, tuple) else (owned, 0)
            balance = found.get(item)
            there = (balance.quantity, balance.on_hold) if balance else (0, 0)
            if there != wanted:
                differences.append(f"{name} / {item}: {_told(there)}, not {_told(wanted)}")
    _fail_with("Balances differ", differences)


def assert_books_balance(*, ledger: Ledger | None = None) -> None:
    """Assert that every balance is the sum of its entries, and all that hangs on that.

    In a database that is what ``verify_inventory`` checks, all tables of it.

    Args:
        ledger: a ``DatabaseLedger`` or one of its kind, or a ``MemoryLedger``; None for the
            configured one.

    Raises:
        AssertionError: naming each thing that is wrong.
        TypeError: the books of such a ledger cannot be looked at.
    """
    ledger = ledger or get_ledger()
    if isinstance(ledger, MemoryLedger):
        _fail_with("The books do not balance", _flaws_in_memory(ledger))
        return
    from django_inventory.ledgers.database import DatabaseLedger
    from django_inventory.ledgers.verification import Verification

    if not isinstance(ledger, DatabaseLedger):
        msg = f"The books of a {type(ledger).__name__} cannot be looked at."
        raise TypeError(msg)
    _fail_with("The books do not balance", map(str, Verification(using=ledger.using).mismatches()))


def _flaws_in_memory(ledger: MemoryLedger) -> Iterator[str]:
    accounts: dict[Place, Account] = {}
    for entry in ledger.entries:
        place, hold = (entry.subject, entry.item), entry.hold
        account = accounts.setdefault(place, Account(len(accounts), " / ".join(place)))
        account.read(
            (
                account.pk,
                entry.sequence,
                entry.kind,
                entry.quantity_delta,
                entry.on_hold_delta,
                entry.quantity_after,
                entry.on_hold_after,
                hold.id if hold else None,
                hold.remaining if hold else None,
                hold.expires_at if hold else None,
                entry.created_at,
            )
        )
    for place, account in accounts.items():
        yield from map(str, account.flaws())
        # The total, which no expiry changes: so it does not matter when the clock is read.
        total, found = account.quantity + account.on_hold, ledger.balance(*place).total
        if total != found:
            yield f"balance {account.name}: total is {found}, not {total}"


def _fail_with(headline: str, flaws: Iterator[str] | list[str]) -> None:
    if told := "\n  ".join(flaws):
        msg = f"{headline}:\n  {told}"
        raise AssertionError(msg)


def _told(owned: tuple[int, int]) -> str:
    quantity, on_hold = owned
    return f"{quantity} and {on_hold} on hold" if on_hold else f"{quantity}"
