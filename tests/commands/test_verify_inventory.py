"""verify_inventory finds what differs from the journal, and puts it right."""

from __future__ import annotations

import json
import signal
from io import StringIO
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection

from django_inventory.admin.verification import last_verification
from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers import DatabaseLedger, verification
from django_inventory.management import progress
from django_inventory.models import Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

pytestmark = pytest.mark.django_db


@pytest.fixture
def hold_id() -> UUID:
    """A hold of 3 of the shop's 10, on books that balance."""
    ledger = DatabaseLedger()
    ledger.acquire("stock", "shop", "sku", 10)
    ledger.transfer("gift", "shop", "alice", "sku", 1)
    hold = ledger.hold("basket", "shop", "sku", 3, ttl=900).hold
    assert hold is not None
    return hold.id


def verify(*options: str) -> tuple[int, str]:
    """Return the exit status and what was printed."""
    printed = StringIO()
    try:
        call_command("verify_inventory", *options, stdout=printed, stderr=StringIO())
    except SystemExit as ended:
        return int(ended.code or 0), printed.getvalue()
    return 0, printed.getvalue()


def corrupt(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(statement, parameters)
        cursor.execute("PRAGMA ignore_check_constraints = OFF")


@pytest.mark.usefixtures("hold_id")
def test_books_that_balance_are_told_in_no_line() -> None:
    assert verify() == (0, "")


CORRUPTIONS = {
    "quantity": "UPDATE django_inventory_balance SET quantity = quantity + 5"
    " WHERE subject = 'shop'",
    "on_hold": "UPDATE django_inventory_balance SET on_hold = on_hold + 1 WHERE subject = 'shop'",
    "version": "UPDATE django_inventory_balance SET version = version + 1 WHERE subject = 'alice'",
    "next_expiry_at": "UPDATE django_inventory_balance SET next_expiry_at = '2020-01-01'"
    " WHERE subject = 'shop'",
    "remaining": "UPDATE django_inventory_hold SET remaining = 2",
    "expires_at": "UPDATE django_inventory_hold SET expires_at = '2020-01-01'",
    "status": "UPDATE django_inventory_hold SET status = 'released', remaining = 0",
}


@pytest.mark.usefixtures("hold_id")
@pytest.mark.parametrize("field", CORRUPTIONS)
def test_what_differs_is_found_and_repaired(field: str) -> None:
    corrupt(CORRUPTIONS[field])
    entries = list(Entry.objects.order_by("pk").values())
    status, printed = verify("--json")
    assert status == 1
    assert field in {json.loads(line)["field"] for line in printed.splitlines()}
    status, printed = verify("--repair")
    assert status == 1
    assert "(repaired)" in printed
    assert verify() == (0, "")
    assert list(Entry.objects.order_by("pk").values()) == entries


@pytest.mark.usefixtures("hold_id")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE django_inventory_entry SET quantity_after = 99 WHERE kind = 'acquire'",
        "UPDATE django_inventory_entry SET sequence = 7 WHERE kind = 'hold'",
        "DELETE FROM django_inventory_entry WHERE kind = 'acquire'",
    ],
)
def test_a_journal_that_contradicts_itself_is_told_and_left_alone(statement: str) -> None:
    corrupt(statement)
    status, printed = verify("--repair")
    assert status == 1
    assert "journal shop / sku" in printed
    assert verify("--repair")[0] == 1


@pytest.mark.usefixtures("hold_id")
def test_a_transfer_with_one_side_and_a_key_without_operation_are_told() -> None:
    corrupt("DELETE FROM django_inventory_entry WHERE kind = 'transfer' AND quantity_delta > 0")
    corrupt("UPDATE django_inventory_idempotencyrecord SET operation_id = %s", "0" * 32)
    status, printed = verify()
    assert status == 1
    assert {"operation", "key"} <= {line.split()[0] for line in printed.splitlines()}


@pytest.mark.usefixtures("hold_id")
def test_the_dashboard_is_told_what_was_found() -> None:
    corrupt(CORRUPTIONS["version"])
    verify("--repair")
    told = last_verification()
    assert told is not None
    assert (told.entries, told.mismatches, told.repaired) == (4, 1, 1)


# What it has in common with the other commands ------------------------------------------------


def whole_output(*options: str) -> str:
    """Return all that was printed, to standard output and to standard error."""
    printed = StringIO()
    call_command("verify_inventory", *options, stdout=printed, stderr=printed, no_color=True)
    return printed.getvalue()


@pytest.mark.usefixtures("hold_id")
def test_at_verbosity_0_only_what_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    assert "Verifying entries: 4 of 4, " in whole_output()
    assert whole_output("--verbosity=0") == ""
    corrupt(CORRUPTIONS["version"])
    err = StringIO()
    with pytest.raises(SystemExit, match=r"^1$"):
        call_command("verify_inventory", "--verbosity=0", stdout=StringIO(), stderr=err)
    assert err.getvalue() == ""
    assert verify("--verbosity=0") == (1, "balance alice / sku: version is 2, not 1\n")


def stop_at(name: str, monkeypatch: pytest.MonkeyPatch, number: int = signal.SIGTERM) -> None:
    """Send a signal to this process when the verification first comes to that step."""
    step: Callable[..., Any] = getattr(verification.Verification, name)
    signals = [number]

    def interrupted(*arguments: Any) -> Any:
        if signals:
            signal.raise_signal(signals.pop())
        return step(*arguments)

    monkeypatch.setattr(verification.Verification, name, interrupted)


@pytest.mark.usefixtures("hold_id")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_page_in_hand(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = signal.getsignal(number)
    monkeypatch.setattr(verification, "PAGE", 1)
    cache.delete(verification.RESULT_CACHE_KEY)
    stop_at("_with_wrong_holds", monkeypatch, number)
    with pytest.raises(CommandError, match=r"^Stopped as asked after 3 entries; 0 mismatches"):
        whole_output()
    # Neither good news nor bad: what was there stays.
    assert last_verification() is None
    assert signal.getsignal(number) == handler


@pytest.mark.usefixtures("hold_id")
@pytest.mark.parametrize(
    "name",
    [
        "_check_entries_without_balance",
        "_check_holds_without_entries",
        "_check_notes",
        "_check_times",
        "_check_operations",
        "_check_sides",
    ],
)
def test_a_signal_is_heeded_between_the_checks_of_the_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> NoReturn:
        pytest.fail("It goes on.")

    monkeypatch.setattr(verification.Verification, "_check_keys", fail)
    stop_at(name, monkeypatch)
    with pytest.raises(CommandError, match=r"^Stopped as asked after 4 entries"):
        whole_output()


@pytest.mark.usefixtures("hold_id")
def test_what_was_repaired_before_the_signal_is_told_and_the_rest_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corrupt("UPDATE django_inventory_balance SET version = version + 1")
    stop_at("_settle", monkeypatch)
    printed = StringIO()
    with pytest.raises(CommandError, match=r"; 1 mismatches, 1 repaired until then\.$"):
        call_command("verify_inventory", "--repair", stdout=printed, stderr=StringIO())
    assert printed.getvalue() == "balance shop / sku: version is 4, not 3 (repaired)\n"
    monkeypatch.undo()
    assert verify() == (1, "balance alice / sku: version is 2, not 1\n")


@pytest.mark.usefixtures("hold_id")
def test_a_busy_database_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> list[Any]:
        msg = "The database is busy; try again."
        raise LedgerBusy(msg)

    corrupt(CORRUPTIONS["version"])
    monkeypatch.setattr(verification, "in_transaction", refuse)
    cache.delete(verification.RESULT_CACHE_KEY)
    with pytest.raises(CommandError, match=r"^The database is busy; try again\. Not all"):
        whole_output("--repair")
    assert last_verification() is None
