"""The contract of every ledger as a class of tests, for somebody else's ledger to prove itself.

Owns what a ledger's calls answer and change, one test a sentence. It looks at a ledger through its
public calls alone, from one thread; what calls at the same time do to one another it does not see.
Needs pytest.
"""

from __future__ import annotations

from django_inventory.testing.contract.commits import Commits
from django_inventory.testing.contract.conflicts import Conflicts
from django_inventory.testing.contract.expiry import Expiry
from django_inventory.testing.contract.expiry_window import ExpiryWindow
from django_inventory.testing.contract.hold_table import HoldTable
from django_inventory.testing.contract.holds import Holds
from django_inventory.testing.contract.idempotency import Idempotency
from django_inventory.testing.contract.identifiers import Identifiers
from django_inventory.testing.contract.notes import Notes
from django_inventory.testing.contract.post import Post
from django_inventory.testing.contract.post_alone import PostAlone
from django_inventory.testing.contract.quantities import Quantities
from django_inventory.testing.contract.verbs import Verbs

__all__ = ["LedgerContract"]


class LedgerContract(
    Verbs,
    Holds,
    HoldTable,
    Commits,
    Expiry,
    ExpiryWindow,
    Idempotency,
    Conflicts,
    Identifiers,
    Notes,
    Quantities,
    Post,
    PostAlone,
):
    """All of the contract.

    Subclass it in a test module, and say how your ledger is made::

        class TestMyLedger(LedgerContract):
            def make_ledger(self, clock):
                return MyLedger(clock=clock)
    """
