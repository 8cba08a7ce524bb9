"""Hold the books against the journal, and rebuild what differs from it.

Owns what it means that the books balance. Reads the journal once, in pages, so that memory does not
grow with it; what looks wrong is looked at again under the balance's lock, so that a ledger at work
raises no false alarm. Writes only to repair, and never to an entry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import connections
from django.db.models import Case, Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Sum, When
from django.db.models.expressions import Combinable
from django.db.models.lookups import Exact, IsNull

from django_inventory.ledgers.accounts import ENTRY_COLUMNS, Account, HoldFacts, Mismatch
from django_inventory.ledgers.retry import in_transaction
from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from django_inventory.operations import Commit, Release
from django_inventory.rules import EXPIRE

__all__ = ["RESULT_CACHE_KEY", "Mismatch", "Verification"]

logger = logging.getLogger("django_inventory.verification")

RESULT_CACHE_KEY: Final = "django_inventory.verification"
"""Where in Django's default cache the command leaves what it has found, for the admin to show."""

PAGE: Final = 5_000
"""How many rows are read, and how many holds wait to be compared, at once."""

_BALANCE_COLUMNS: Final = (
    "pk", "subject", "item", "version", "quantity", "on_hold", "next_expiry_at",
)  # fmt: skip
_HOLD_COLUMNS: Final = (
    "pk", "balance_id", "quantity", "remaining", "status", "expires_at", "resolved_at",
)  # fmt: skip
_NOTES: Final = ("key", "reference", "metadata", "created_at")
"""What a hold's row and the entry that made it both say."""

_SIDES: Final = (
    "kind", "key", "hold_id", "hold_remaining", "hold_expires_at", "actor", "reference", "metadata",
    "effective_at", "created_at",
)  # fmt: skip
"""What both entries of one operation say."""

SPLIT: Final = 2**32

Mapped = Mapping[UUID, HoldFacts]
Row = TypeVar("Row")


class _StopAskedError(Exception):
    """The pass is to end before its end."""


class Verification:
    """One pass over all books of a database.

    Args:
        using: the alias of the database.
        repair: write what the journal says where a balance or hold differs from it. Balances
            whose journal contradicts itself are left alone, and so are their holds.
        on_progress: called with the number of entries read and the number there were at the
            start, after each page.
        should_stop: asked before each page, each balance that is looked at again, and each check
            of the whole. Once it says so the pass ends there, between two transactions.

    Attributes:
        entries_read: how many entries the pass has read so far.
        is_complete: whether the pass has come to its end, without being stopped.
    """

    def __init__(
        self,
        *,
        using: str = "default",
        repair: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self._using = using
        self._repair = repair
        self._on_progress = on_progress
        self._should_stop = should_stop
        self.entries_read = 0
        self.is_complete = False
        self._total = 0
        self._contradictory: set[int] = set()

    def mismatches(self) -> Iterator[Mismatch]:
        """Yield all that is wrong, in the order in which it is found.

        Locks: with something wrong or just changing, that one balance, for as long as it takes to
        read what has been added to it since.
        """
        self.entries_read = 0
        self.is_complete = False
        self._contradictory.clear()
        self._total = Entry.objects.using(self._using).count()
        try:
            yield from self._check_all_balances()
            for check in (
                self._check_entries_without_balance,
                self._check_holds_without_entries,
                self._check_notes,
                self._check_times,
                self._check_operations,
                self._check_sides,
                self._check_keys,
            ):
                self._heed_stop()
                yield from check()
        except _StopAskedError:
            return
        self.is_complete = True

    def _heed_stop(self) -> None:
        """Leave the pass if that is asked for: nothing is half done where this is called."""
        if self._should_stop and self._should_stop():
            raise _StopAskedError

    # Balances and their holds ---------------------------------------------------------------

    def _check_all_balances(self) -> Iterator[Mismatch]:
        after_pk = 0
        while page := self._balances(after_pk):
            after_pk = page[-1][0]
            yield from self._check_balances(page)

    def _check_balances(self, page: list[tuple[Any, ...]]) -> Iterator[Mismatch]:
        suspects: list[Account] = []
        uncompared: list[Account] = []
        holds = 0
        for account, found in self._accounts(page):
            if account.flaws() or list(account.facts().values()) != found:
                suspects.append(account)
                continue
            uncompared.append(account)
            holds += len(account.resolved) + len(account.active)
            if holds >= PAGE:
                suspects += self._with_wrong_holds(uncompared)
                uncompared.clear()
                holds = 0
        suspects += self._with_wrong_holds(uncompared)
        for account in suspects:
            self._heed_stop()
            yield from in_transaction(partial(self._settle, account), self._using)

    def _accounts(self, page: list[tuple[Any, ...]]) -> Iterator[tuple[Account, list[Any]]]:
        """Yield each balance of the page as its entries tell it, and what its row says."""
        journal = groupby(self._entries(page[0][0], page[-1][0]), key=itemgetter(0))
        balance_id, entries = next(journal, (None, iter(())))
        for pk, subject, item, *found in page:
            account = Account(pk, f"{subject} / {item}")
            while balance_id is not None and balance_id < pk:
                # Of a balance that is missing.
                balance_id, entries = next(journal, (None, iter(())))
            if balance_id == pk:
                for entry in entries:
                    account.read(entry)
                    if len(account.resolved) >= PAGE:
                        self._compare_resolved([account])
                balance_id, entries = next(journal, (None, iter(())))
            yield account, found

    def _with_wrong_holds(self, accounts: list[Account]) -> list[Account]:
        """Return those of whose holds a row differs from the journal."""
        self._compare_resolved(accounts)
        active = {hold_id: facts for a in accounts for hold_id, facts in a.active.items()}
        wrong = {facts.balance_id for _, facts, _ in self._differing(active)}
        return [account for account in accounts if account.wrong or account.pk in wrong]

    def _compare_resolved(self, accounts: Iterable[Account]) -> None:
        """Compare the holds that the journal is done with, and forget the right ones."""
        by_pk = {account.pk: account for account in accounts}
        resolved = {hold_id: facts for a in by_pk.values() for hold_id, facts in a.resolved.items()}
        for hold_id, facts, _ in self._differing(resolved):
            by_pk[facts.balance_id].wrong[hold_id] = facts
        for account in by_pk.values():
            account.resolved.clear()

    def _settle(self, account: Account) -> list[Mismatch]:
        """Compare an account with its rows under the balance's lock, and repair them if asked.

        Locks: the balance.
        """
        balances = Balance.objects.using(self._using).filter(pk=account.pk)
        row = balances.select_for_update().values(*_BALANCE_COLUMNS).first()
        if row is None:
            # Its entries will be told as those of a missing balance.
            return []
        for entry in self._entries_of(account.pk, account.version):
            account.read(entry)
        mismatches = [
            Mismatch("balance", account.name, name, str(expected), str(row[name]))
            for name, expected in account.facts().items()
            if row[name] != expected
        ]
        holds = {**account.wrong, **account.resolved, **account.active}
        wrong = list(self._differing(holds))
        for hold_id, facts, found in wrong:
            mismatches.extend(_hold_mismatches(hold_id, facts, found))
        if flaws := account.flaws():
            self._contradictory.add(account.pk)
            return flaws + [replace(mismatch, is_repairable=False) for mismatch in mismatches]
        if not self._repair:
            return mismatches
        for hold_id, facts, found in wrong:
            self._write_hold(hold_id, facts, is_missing=found is None)
        balances.update(**account.facts())
        return [_repaired(mismatch) for mismatch in mismatches]

    def _write_hold(self, hold_id: UUID, facts: HoldFacts, *, is_missing: bool) -> None:
        holds = Hold.objects.using(self._using)
        if is_missing:
            made_by = Entry.objects.using(self._using).filter(hold_id=hold_id, kind="hold")
            notes = made_by.values(*_NOTES).get()
            holds.create(id=hold_id, **asdict(facts), **notes)
        else:
            holds.filter(pk=hold_id).update(**asdict(facts))

    # What is beside the balances --------------------------------------------------------------

    def _check_entries_without_balance(self) -> Iterator[Mismatch]:
        balances = Balance.objects.using(self._using).filter(pk=OuterRef("balance_id"))
        entries = Entry.objects.using(self._using).filter(~Exists(balances))
        counts = entries.order_by("balance_id").values_list("balance_id").annotate(Count("pk"))
        for pk, count in self._rows(counts):
            found = f"missing, with {count} entries"
            yield _beyond_repair("journal", f"balance {pk}", "row", "there", found)

    def _check_holds_without_entries(self) -> Iterator[Mismatch]:
        entries = Entry.objects.using(self._using).filter(hold=OuterRef("pk"), kind="hold")
        holds = Hold.objects.using(self._using).filter(~Exists(entries)).order_by("pk")
        for pk in self._rows(holds.values_list("pk", flat=True)):
            yield _beyond_repair("hold", str(pk), "entry", "there", "missing")

    def _check_notes(self) -> Iterator[Mismatch]:
        """Compare what a hold's row repeats of the entry that made it."""
        same = Q(key=F("hold__key"), reference=F("hold__reference")) & (
            Q(created_at=F("hold__created_at"))
            & (
                Q(metadata=F("hold__metadata"))
                | Q(metadata__isnull=True, hold__metadata__isnull=True)
            )
        )
        entries = Entry.objects.using(self._using).filter(
            ~same, kind="hold", hold__pk__isnull=False
        )
        for pk in self._rows(entries.order_by("pk").values_list("pk", flat=True)):
            yield from in_transaction(partial(self._settle_notes, pk), self._using)

    def _settle_notes(self, entry_pk: int) -> list[Mismatch]:
        """Compare a hold's row with the entry that made it, and repair it if asked.

        Locks: the hold's balance.
        """
        entry = Entry.objects.using(self._using).values("balance_id", "hold_id", *_NOTES)
        expected = entry.get(pk=entry_pk)
        balance_pk, hold_id = expected.pop("balance_id"), expected.pop("hold_id")
        balances = Balance.objects.using(self._using).filter(pk=balance_pk)
        list(balances.select_for_update().values_list("pk"))
        holds = Hold.objects.using(self._using).filter(pk=hold_id)
        found = holds.values(*_NOTES).get()
        is_told = balance_pk not in self._contradictory
        mismatches = [
            Mismatch("hold", str(hold_id), name, str(expected[name]), str(found[name]), is_told)
            for name in _NOTES
            if found[name] != expected[name]
        ]
        if not (self._repair and is_told):
            return mismatches
        holds.update(**expected)
        return [_repaired(mismatch) for mismatch in mismatches]

    def _check_times(self) -> Iterator[Mismatch]:
        """Check when entries took effect."""
        # Not with the rest of an entry: what costs most there is to read times.
        due_at = Case(When(kind=EXPIRE, then="hold_expires_at"), default="created_at")
        entries = Entry.objects.using(self._using).exclude(effective_at=due_at)
        columns = ("balance__subject", "balance__item", "sequence", due_at, "effective_at")
        for subject, item, sequence, *times in self._rows(entries.values_list(*columns)):
            name = f"{subject} / {item}"
            yield _beyond_repair("journal", name, f"effective_at of entry {sequence}", *times)

    def _check_operations(self) -> Iterator[Mismatch]:
        """Check what an operation's entries have to be together: nothing made, nothing lost."""
        operations = (
            Entry.objects.using(self._using)
            .order_by()
            .values("operation_id")
            .annotate(
                count=Count("pk"),
                total=self._sum("quantity_delta") + self._sum("on_hold_delta"),
                first_kind=Min("kind"),
                last_kind=Max("kind"),
            )
        )
        one_kind = Q(first_kind=F("last_kind"))
        moves = one_kind & Q(first_kind__in=["transfer", "commit"], count=2, total=0)
        leaves = one_kind & Q(first_kind="commit", count=1, total__lt=0)
        others = one_kind & ~Q(first_kind__in=["transfer", "commit"]) & Q(count=1)
        for row in self._rows(operations.exclude(moves | leaves | others)):
            yield _beyond_repair(
                "operation",
                str(row["operation_id"]),
                f"entries of {row['first_kind']}",
                "one, or two that cancel out",
                f"{row['count']} with a sum of {row['total']}",
            )

    def _check_sides(self) -> Iterator[Mismatch]:
        """Check that both entries of a transfer, or of a commit to somebody, say the same."""
        same = Q()
        for name in _SIDES:
            both_null = Q(IsNull(F(name), rhs=True), IsNull(OuterRef(name), rhs=True))
            same &= Q(**{name: OuterRef(name)}) | both_null
        entries = Entry.objects.using(self._using)
        others = entries.filter(operation_id=OuterRef("operation_id"), pk__gt=OuterRef("pk"))
        differing = entries.filter(Exists(others), ~Exists(others.filter(same)))
        for operation_id in self._rows(differing.values_list("operation_id", flat=True)):
            sides = entries.filter(operation_id=operation_id).order_by("pk").values(*_SIDES)
            first, second = list(sides)[:2]
            for name in _SIDES:
                if first[name] != second[name]:
                    yield _beyond_repair("operation", operation_id, name, first[name], second[name])

    def _check_keys(self) -> Iterator[Mismatch]:
        """Check that each key stands for an operation that is there, and that it can stand for."""
        entries = Entry.objects.using(self._using)
        same_kind = Q(kind=OuterRef("kind"))
        # A commit or release that was answered with an earlier one, or with an expiry, has a key
        # that is not its entry's.
        fits = (
            (same_kind & Q(key=OuterRef("key")))
            | (same_kind & Q(kind__in=[Commit.kind, Release.kind]))
            | Q(Exact(OuterRef("kind"), Release.kind), kind=EXPIRE)
        )
        fitting = entries.filter(fits, operation_id=OuterRef("operation_id"))
        records = IdempotencyRecord.objects.using(self._using).filter(~Exists(fitting))
        columns = records.order_by("pk").values_list("scope", "key", "kind", "operation_id")
        for scope, key, kind, operation_id in self._rows(columns):
            name = f"{scope} / {key}"
            entry = entries.filter(operation_id=operation_id).first()
            if entry is None:
                yield _beyond_repair("key", name, "operation", "there", "missing")
            elif entry.kind == kind:
                yield _beyond_repair("key", name, "key", entry.key, key)
            else:
                yield _beyond_repair("key", name, "kind", entry.kind, kind)

    def _sum(self, name: str) -> Combinable:
        """Return the sum of a column, whatever stands there: SQLite refuses to sum beyond 64 bits.

        A quotient and a remainder do not overflow, and what they make up does so into a float.
        """
        if connections[self._using].vendor != "sqlite":
            return Sum(name)
        return Sum(F(name) / SPLIT) * SPLIT + Sum(F(name) % SPLIT)

    # Pages and rows, each with a look at whether to stop -----------------------------------

    def _rows(self, queryset: QuerySet[Any, Row]) -> Iterator[Row]:
        for row in queryset.iterator(PAGE):
            self._heed_stop()
            yield row

    def _balances(self, after_pk: int) -> list[tuple[Any, ...]]:
        rows = Balance.objects.using(self._using).filter(pk__gt=after_pk).order_by("pk")
        return list(rows.values_list(*_BALANCE_COLUMNS)[:PAGE])

    def _entries(self, first_pk: int, last_pk: int) -> Iterator[tuple[Any, ...]]:
        """Yield the entries of these balances, by balance and sequence."""
        entries = Entry.objects.using(self._using).filter(balance_id__lte=last_pk)
        rows = entries.order_by("balance_id", "sequence").values_list(*ENTRY_COLUMNS)
        after_pk = first_pk - 1
        page = list(rows.filter(balance_id__gt=after_pk)[:PAGE])
        while page:
            yield from self._counted(page)
            if len(page) < PAGE:
                return
            after_pk, sequence = page[-1][:2]
            yield from self._entries_of(after_pk, sequence)
            page = list(rows.filter(balance_id__gt=after_pk)[:PAGE])

    def _entries_of(self, pk: int, after_sequence: int) -> Iterator[tuple[Any, ...]]:
        entries = Entry.objects.using(self._using).filter(balance_id=pk)
        rows = entries.order_by("sequence").values_list(*ENTRY_COLUMNS)
        while page := list(rows.filter(sequence__gt=after_sequence)[:PAGE]):
            yield from self._counted(page)
            after_sequence = page[-1][1]

    def _counted(self, page: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        self._heed_stop()
        self.entries_read += len(page)
        if self._on_progress:
            self._on_progress(self.entries_read, max(self.entries_read, self._total))
        return page

    def _differing(self, holds: Mapped) -> Iterator[tuple[UUID, HoldFacts, HoldFacts | None]]:
        """Yield each hold whose row differs, with what the journal and what the row says."""
        hold_ids = list(holds)
        for start in range(0, len(hold_ids), PAGE):
            some = hold_ids[start : start + PAGE]
            rows = Hold.objects.using(self._using).filter(pk__in=some).values_list(*_HOLD_COLUMNS)
            found = {pk: HoldFacts(*facts) for pk, *facts in rows}
            for hold_id in some:
                if found.get(hold_id) != holds[hold_id]:
                    yield hold_id, holds[hold_id], found.get(hold_id)


def _hold_mismatches(
    hold_id: UUID, facts: HoldFacts, found: HoldFacts | None
) -> Iterator[Mismatch]:
    if found is None:
        yield Mismatch("hold", str(hold_id), "row", "there", "missing")
        return
    there = asdict(found)
    for name, expected in asdict(facts).items():
        if there[name] != expected:
            yield Mismatch("hold", str(hold_id), name, str(expected), str(there[name]))


def _beyond_repair(
    code: str, name: object, field: str, expected: object, found: object
) -> Mismatch:
    return Mismatch(code, str(name), field, str(expected), str(found), is_repairable=False)


def _repaired(mismatch: Mismatch) -> Mismatch:
    """Return the mismatch as repaired, and log that."""
    repaired = replace(mismatch, is_repaired=True)
    logger.warning("%s", repaired)
    return repaired
