"""Hold the books against the journal, and rebuild what differs from it.

Owns what it means that the books balance. Reads the journal once, in pages, so that memory does not
grow with it; what looks wrong is looked at again under the balance's lock, so that a ledger at work
raises no false alarm. Writes only to repair, and never to an entry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, Sum

from django_inventory.ledgers.retry import in_transaction
from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from django_inventory.rules import status_after

logger = logging.getLogger("django_inventory.verification")

PAGE: Final = 5_000
"""How many rows are read, and how many resolved holds are remembered, at once."""

_BALANCE_COLUMNS: Final = (
    "pk", "subject", "item", "version", "quantity", "on_hold", "next_expiry_at",
)  # fmt: skip
_ENTRY_COLUMNS: Final = (
    "balance_id", "sequence", "kind", "quantity_delta", "on_hold_delta", "quantity_after",
    "on_hold_after", "hold_id", "hold_remaining", "hold_expires_at", "created_at",
)  # fmt: skip
_HOLD_COLUMNS: Final = (
    "pk", "balance_id", "quantity", "remaining", "status", "expires_at", "resolved_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that is not as the journal says, or in which the journal contradicts itself.

    Attributes:
        code: what kind of thing: ``balance``, ``hold``, ``journal``, ``operation`` or ``key``.
        name: which one: "subject / item", a hold's id, an operation's id or "scope / key".
        field: what of it.
        expected, found: the two values, as text.
        is_repairable: whether the journal tells what should stand there.
        is_repaired: whether it stands there now.
    """

    code: str
    name: str
    field: str
    expected: str
    found: str
    is_repairable: bool = True
    is_repaired: bool = False

    def __str__(self) -> str:
        repaired = " (repaired)" if self.is_repaired else ""
        return (
            f"{self.code} {self.name}: {self.field} is {self.found}, not {self.expected}{repaired}"
        )


@dataclass(frozen=True, slots=True)
class _HoldFacts:
    """What a hold's row says, or should say."""

    balance_id: int
    quantity: int
    remaining: int
    status: str
    expires_at: datetime
    resolved_at: datetime | None


@dataclass(slots=True)
class _Account:
    """One balance as its entries tell it, as far as they have been read.

    ``resolved`` are holds that the journal is done with; they can be compared and forgotten.
    """

    pk: int
    name: str
    version: int = 0
    quantity: int = 0
    on_hold: int = 0
    active: dict[UUID, _HoldFacts] = field(default_factory=dict)
    resolved: dict[UUID, _HoldFacts] = field(default_factory=dict)
    flaws: list[Mismatch] = field(default_factory=list)
    wrong_holds: dict[UUID, _HoldFacts] = field(default_factory=dict)

    def read(self, row: tuple[Any, ...]) -> None:
        """Take in the next entry, ``_ENTRY_COLUMNS``."""
        _, sequence, kind, quantity_delta, on_hold_delta, quantity, on_hold, *hold = row
        self._expect("sequence", sequence, self.version + 1, sequence)
        self._expect("quantity_after", sequence, self.quantity + quantity_delta, quantity)
        self._expect("on_hold_after", sequence, self.on_hold + on_hold_delta, on_hold)
        # Go on from what the entry says, so that one flaw is told once.
        self.version, self.quantity, self.on_hold = sequence, quantity, on_hold
        hold_id, remaining, expires_at, created_at = hold
        if hold_id is None or (not on_hold_delta and kind != "extend"):
            # Without a hold, or the receiver's side of a commit.
            return
        known = self.active.pop(hold_id, None)
        if kind == "hold":
            held = 0
            quantity_held = on_hold_delta
        elif known is None:
            self._flaw(f"hold of entry {sequence}", "one that is active", str(hold_id))
            return
        else:
            held = known.remaining
            quantity_held = known.quantity
        self._expect("hold_remaining", sequence, held + on_hold_delta, remaining)
        facts = _HoldFacts(
            balance_id=self.pk,
            quantity=quantity_held,
            remaining=remaining,
            status=status_after(kind, remaining).value,
            expires_at=expires_at,
            resolved_at=None if remaining else created_at,
        )
        (self.active if remaining else self.resolved)[hold_id] = facts

    def _expect(self, name: str, sequence: int, expected: int, found: int) -> None:
        if expected != found:
            self._flaw(f"{name} of entry {sequence}", str(expected), str(found))

    def _flaw(self, name: str, expected: str, found: str) -> None:
        self.flaws.append(
            Mismatch("journal", self.name, name, expected, found, is_repairable=False)
        )

    def facts(self) -> dict[str, Any]:
        """Return what the balance's row should say."""
        expiries = [hold.expires_at for hold in self.active.values()]
        return {
            "version": self.version,
            "quantity": self.quantity,
            "on_hold": self.on_hold,
            "next_expiry_at": min(expiries, default=None),
        }


class Verification:
    """One pass over all books of a database.

    Args:
        using: the alias of the database.
        repair: write what the journal says where a balance or hold differs from it. Balances
            whose journal contradicts itself are left alone.
        on_progress: called with the number of entries read and the number there were at the
            start, after each page.

    Attributes:
        entries_read: how many entries the pass has read so far.
    """

    def __init__(
        self,
        *,
        using: str = "default",
        repair: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._using = using
        self._repair = repair
        self._on_progress = on_progress
        self.entries_read = 0
        self._total = 0

    def mismatches(self) -> Iterator[Mismatch]:
        """Yield all that is wrong, in the order in which it is found.

        Locks: with something wrong or just changing, that one balance, for as long as it takes to
        read what has been added to it since.
        """
        self.entries_read = 0
        self._total = Entry.objects.using(self._using).count()
        after_pk = 0
        while page := self._balances(after_pk):
            after_pk = page[-1][0]
            yield from self._check_balances(page)
        yield from self._check_holds_without_entries()
        yield from self._check_operations()
        yield from self._check_keys()

    # Balances and their holds ---------------------------------------------------------------

    def _check_balances(self, page: list[tuple[Any, ...]]) -> Iterator[Mismatch]:
        journal = groupby(self._entries(page[0][0], page[-1][0]), key=itemgetter(0))
        balance_id, entries = next(journal, (None, iter(())))
        for row in page:
            pk, subject, item, *found = row
            account = _Account(pk, f"{subject} / {item}")
            if balance_id == pk:
                for entry in entries:
                    account.read(entry)
                    if len(account.resolved) >= PAGE:
                        self._compare_resolved(account)
                balance_id, entries = next(journal, (None, iter(())))
            self._compare_resolved(account)
            if account.flaws or account.wrong_holds or self._differs(account, found):
                yield from in_transaction(partial(self._settle, account), self._using)

    def _differs(self, account: _Account, found: list[Any]) -> bool:
        return list(account.facts().values()) != found or any(
            facts != row for _, facts, row in self._with_rows(account.active)
        )

    def _compare_resolved(self, account: _Account) -> None:
        """Compare the holds that the journal is done with, and forget the right ones."""
        for hold_id, facts, found in self._with_rows(account.resolved):
            if facts != found:
                account.wrong_holds[hold_id] = facts
        account.resolved.clear()

    def _settle(self, account: _Account) -> list[Mismatch]:
        """Compare an account with its rows under the balance's lock, and repair them if asked.

        Locks: the balance.
        """
        locked = Balance.objects.using(self._using).select_for_update().filter(pk=account.pk)
        row = locked.values(*_BALANCE_COLUMNS).get()
        for entry in self._entries_of(account.pk, account.version):
            account.read(entry)
        self._compare_resolved(account)
        mismatches = list(account.flaws)
        for name, expected in account.facts().items():
            if row[name] != expected:
                mismatches.append(
                    Mismatch("balance", account.name, name, str(expected), str(row[name]))
                )
        for hold_id, facts, found in self._with_rows({**account.active, **account.wrong_holds}):
            mismatches.extend(_hold_mismatches(hold_id, facts, found))
        if account.flaws or not self._repair:
            return mismatches
        return self._repaired(account, mismatches)

    def _repaired(self, account: _Account, mismatches: list[Mismatch]) -> list[Mismatch]:
        """Write what the journal says, and return the mismatches as repaired."""
        for hold_id, facts, found in self._with_rows({**account.active, **account.wrong_holds}):
            if found is not None and facts != found:
                Hold.objects.using(self._using).filter(pk=hold_id).update(**asdict(facts))
        Balance.objects.using(self._using).filter(pk=account.pk).update(**account.facts())
        repaired = [
            replace(mismatch, is_repaired=mismatch.is_repairable) for mismatch in mismatches
        ]
        for mismatch in repaired:
            logger.warning("%s", mismatch)
        return repaired

    # What has no balance to be checked with ---------------------------------------------------

    def _check_holds_without_entries(self) -> Iterator[Mismatch]:
        entries = Entry.objects.using(self._using).filter(hold=OuterRef("pk"), kind="hold")
        holds = Hold.objects.using(self._using).filter(~Exists(entries)).order_by("pk")
        for pk in holds.values_list("pk", flat=True).iterator(PAGE):
            yield Mismatch("hold", str(pk), "entry", "there", "missing", is_repairable=False)

    def _check_operations(self) -> Iterator[Mismatch]:
        """Check what an operation's entries have to be together: nothing made, nothing lost."""
        operations = (
            Entry.objects.using(self._using)
            .order_by()
            .values("operation_id")
            .annotate(
                count=Count("pk"),
                total=Sum(F("quantity_delta") + F("on_hold_delta")),
                first_kind=Min("kind"),
                last_kind=Max("kind"),
            )
        )
        one_kind = Q(first_kind=F("last_kind"))
        moves = one_kind & Q(first_kind__in=["transfer", "commit"], count=2, total=0)
        leaves = one_kind & Q(first_kind="commit", count=1, total__lt=0)
        others = one_kind & ~Q(first_kind__in=["transfer", "commit"]) & Q(count=1)
        for row in operations.exclude(moves | leaves | others).iterator(PAGE):
            yield Mismatch(
                "operation",
                str(row["operation_id"]),
                f"entries of {row['first_kind']}",
                "one, or two that cancel out",
                f"{row['count']} with a sum of {row['total']}",
                is_repairable=False,
            )

    def _check_keys(self) -> Iterator[Mismatch]:
        entries = Entry.objects.using(self._using).filter(operation_id=OuterRef("operation_id"))
        records = IdempotencyRecord.objects.using(self._using).filter(~Exists(entries))
        for scope, key in records.order_by("pk").values_list("scope", "key").iterator(PAGE):
            yield Mismatch(
                "key", f"{scope} / {key}", "operation", "there", "missing", is_repairable=False
            )

    # Pages ----------------------------------------------------------------------------------

    def _balances(self, after_pk: int) -> list[tuple[Any, ...]]:
        rows = Balance.objects.using(self._using).filter(pk__gt=after_pk).order_by("pk")
        return list(rows.values_list(*_BALANCE_COLUMNS)[:PAGE])

    def _entries(self, first_pk: int, last_pk: int) -> Iterator[tuple[Any, ...]]:
        """Yield the entries of these balances, by balance and sequence."""
        entries = Entry.objects.using(self._using).filter(balance_id__lte=last_pk)
        rows = entries.order_by("balance_id", "sequence").values_list(*_ENTRY_COLUMNS)
        after_pk = first_pk - 1
        while page := list(rows.filter(balance_id__gt=after_pk)[:PAGE]):
            yield from self._counted(page)
            after_pk, sequence = page[-1][:2]
            yield from self._entries_of(after_pk, sequence)

    def _entries_of(self, pk: int, after_sequence: int) -> Iterator[tuple[Any, ...]]:
        entries = Entry.objects.using(self._using).filter(balance_id=pk)
        rows = entries.order_by("sequence").values_list(*_ENTRY_COLUMNS)
        while page := list(rows.filter(sequence__gt=after_sequence)[:PAGE]):
            yield from self._counted(page)
            after_sequence = page[-1][1]

    def _counted(self, page: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        self.entries_read += len(page)
        if self._on_progress:
            self._on_progress(self.entries_read, max(self.entries_read, self._total))
        return page

    def _with_rows(
        self, holds: Mapping[UUID, _HoldFacts]
    ) -> Iterator[tuple[UUID, _HoldFacts, _HoldFacts | None]]:
        """Yield each hold with what the journal and what its row says."""
        hold_ids = list(holds)
        for start in range(0, len(hold_ids), PAGE):
            some = hold_ids[start : start + PAGE]
            rows = Hold.objects.using(self._using).filter(pk__in=some).values_list(*_HOLD_COLUMNS)
            found = {pk: _HoldFacts(*facts) for pk, *facts in rows}
            for hold_id in some:
                yield hold_id, holds[hold_id], found.get(hold_id)


def _hold_mismatches(
    hold_id: UUID, facts: _HoldFacts, found: _HoldFacts | None
) -> Iterator[Mismatch]:
    if found is None:
        yield Mismatch("hold", str(hold_id), "row", "there", "missing", is_repairable=False)
        return
    there = asdict(found)
    for name, expected in asdict(facts).items():
        if there[name] != expected:
            yield Mismatch("hold", str(hold_id), name, str(expected), str(there[name]))
