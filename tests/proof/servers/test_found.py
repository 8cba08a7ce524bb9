"""What the random histories have found, each made to happen."""

from __future__ import annotations

from django.utils.module_loading import import_string

from django_inventory.operations import Commit, Extend, Release
from tests.proof.servers.books import assert_books_balance
from tests.proof.servers.engines import on_ledgers


@on_ledgers
def test_a_hold_that_is_extended_and_resolved_in_one_batch_keeps_the_new_expiry(
    alias: str, ledger: str
) -> None:
    books = import_string(ledger)(using=alias)
    books.acquire("stock", "ann", "gold", 5)
    for number, resolve in enumerate((Release, Commit)):
        hold = books.hold(f"hold-{number}", "ann", "gold", 1, 3_600).hold
        assert hold is not None
        extended, resolved = books.post([Extend(hold.id, 60), resolve(hold.id)])
        assert extended.hold is not None
        assert books.get_hold(hold.id) == resolved.hold
        assert books.get_hold(hold.id).expires_at == extended.hold.expires_at
    assert_books_balance(alias)
