"""verify_inventory finds what differs from the journal, and puts it right."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection

from django_inventory.admin.verification import last_verification
from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Entry

if TYPE_CHECKING:
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
