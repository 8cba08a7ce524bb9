"""The portable database ledger: one atomic block a call, in SQL that every database speaks.

The only module that locks or writes. Its one lock order, which every call and the sweep keep:
keys in code point order, then missing balances in code point order, then existing balances by
primary key; on MariaDB and MySQL all balances in code point order. A balance's lock covers its
holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Min, Model, Q, QuerySet, Subquery
from django.utils import timezone

from django_inventory import rules
from django_inventory.exceptions import HoldUnknown, InventoryError, LedgerBusy
from django_inventory.ids import uuid7
from django_inventory.ledgers import batch, compiled
from django_inventory.ledgers.base import Clock, Ledger
from django_inventory.ledgers.batch import Outcome, Record, Request, Result
from django_inventory.ledgers.books import Books
from django_inventory.ledgers.lookups import (
    SOME_ID,
    are,
    find_balances,
    find_entries,
    find_holds,
    in_place_of_some_id,
    in_place_of_two_subjects,
    is_pair,
    of_two_subjects,
)
from django_inventory.ledgers.retry import in_transaction, read
from django_inventory.ledgers.rows import (
    BALANCE_COLUMNS,
    HOLD_CHANGING_FIELDS,
    HOLD_COLUMNS,
    OWN_HOLD_COLUMNS,
    RECORD_COLUMNS,
    LockedBalance,
    balance_from_row,
    changing_fields,
    entry_to_row,
    hold_from_row,
    known_hold_row,
    new_hold_rows,
)
from django_inventory.ledgers.statements import (
    chunks,
    delete_rows,
    insert_missing,
    through_index,
    update_rows,
)
from django_inventory.models import Balance, Hold, IdempotencyRecord
from django_inventory.operations import Commit, Extend, Operation, Release
from django_inventory.querysets import BalanceQuerySet
from django_inventory.rules import BalanceState, HoldState, Place
from django_inventory.values import BalanceSnapshot, HoldSnapshot, HoldStatus

BALANCE_NAME_INDEX: Final = "inventory_balance_subject_item_unique"
HOLD_EXPIRY_INDEX: Final = "inventory_hold_by_expiry"

SWEEP_BALANCES: Final = 200
SWEEP_HOLDS: Final = 1_000
"""How many balances and holds the sweep takes in one transaction, at most."""

SOME_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""In whose place a statement that is made once is given an instant."""


class DatabaseLedger(Ledger):
    """Keep everything in the tables of this app. See ``Ledger`` for the calls.

    Every call is one atomic block: it joins a transaction of the caller's as a savepoint, or
    else begins and commits its own.

    Args:
        using: the alias of the database.
    """

    def __init__(
        self, *, using: str = "default", clock: Clock = timezone.now, scope: str = ""
    ) -> None:
        super().__init__(clock=clock, scope=scope)
        self._using = using

    # The calls ------------------------------------------------------------------------------

    @property
    def using(self) -> str:
        """The alias of the database that it uses."""
        return self._using

    def _post(self, requests: Sequence[Request], now: datetime, *, atomic: bool) -> list[Result]:
        results = in_transaction(
            partial(self._post_in_block, requests, now, atomic=atomic), self._using
        )
        if isinstance(results, InventoryError):
            raise results
        return results

    def _post_in_block(
        self, requests: Sequence[Request], now: datetime, *, atomic: bool
    ) -> list[Result] | InventoryError:
        """Do the batch; return the refusal of all of it only where that is better than raising.

        Locks: the keys, then the balances, in the order that the module's docstring gives.
        """
        books = Books()
        claims = self._claim_keys(requests, books, now)
        fresh = [request for request in requests if request.operation.key not in books.records]
        self._lock(fresh, books, now, atomic=atomic)
        try:
            outcome = batch.run(requests, books, now, uuid7, atomic=atomic)
        except InventoryError as refusal:
            if connections[self._using].vendor != "mysql":
                raise
            # Rolling back an insert that two others wait for, to insert the same, leaves each of
            # them with a lock on the gap and waiting for the other's: a deadlock. A row that is
            # deleted stays long enough for one to wait for the other.
            self._delete_claims(claims.values())
            self._delete_unused(books, used=())
            return refusal
        self._settle_claims(claims, outcome)
        self._write(outcome, books, now)
        return outcome.results

    def _expire_holds(self, now: datetime, limit: int | None) -> int:
        expired = 0
        after_pk = 0
        while limit is None or expired < limit:
            most = SWEEP_HOLDS if limit is None else min(SWEEP_HOLDS, limit - expired)
            pks = read(partial(self._overdue_balances, now, after_pk), self._using)
            if not pks:
                break
            step = in_transaction(partial(self._sweep_in_block, pks, now, most), self._using)
            expired += step
            if step < most:
                # All that these had, but for those that somebody else has locked.
                after_pk = pks[-1]
        return expired

    def _overdue_balances(self, now: datetime, after_pk: int) -> list[int]:
        rows = Balance.objects.using(self._using).filter(next_expiry_at__lte=now, pk__gt=after_pk)
        return list(rows.order_by("pk").values_list("pk", flat=True)[:SWEEP_BALANCES])

    def _sweep_in_block(self, pks: Sequence[int], now: datetime, limit: int) -> int:
        """Record overdue holds of these balances; return how many.

        Locks: the balances, by primary key, leaving out those that others have locked where the
        database can; whoever changes them records the expiries itself.
        """
        features = connections[self._using].features
        books = Books()
        rows = Balance.objects.using(self._using).filter(pk__in=pks).order_by("pk")
        self._lock_rows(rows, books, skip_locked=features.has_select_for_update_skip_locked)
        self._load_overdue(books, now, limit=limit)
        outcome = batch.sweep(books.overdue, books, now, uuid7, limit=limit)
        self._write(outcome, books, now)
        return len(outcome.draft.entries)

    def _balance(self, subject: str, item: str, now: datetime) -> BalanceSnapshot:
        rows = self._read_balances(
            "what is owned of an item",
            lambda: Balance.objects.filter(subject="subject", item="item"),
            {"subject": subject, "item": item},
            now,
        )
        return rows[0] if rows else BalanceSnapshot(subject, item, 0, 0)

    def _balances(self, subject: str, now: datetime) -> list[BalanceSnapshot]:
        return self._read_balances(
            "what is owned",
            lambda: Balance.objects.filter(subject="subject").non_zero(),
            {"subject": subject},
            now,
        )

    def _read_balances(
        self,
        name: str,
        build: Callable[[], BalanceQuerySet],
        values: Mapping[str, str],
        now: datetime,
    ) -> list[BalanceSnapshot]:
        # An instant of the same kind, naive or aware, whatever time zone the clock has.
        instant = SOME_TIME.replace(tzinfo=None) if timezone.is_naive(now) else SOME_TIME
        to_database = partial(
            Balance._meta.get_field("next_expiry_at").get_db_prep_value,
            connection=connections[self._using],
        )
        rows = compiled.select(
            f"{name}, {instant.tzinfo}",
            lambda: build().using(self._using).snapshot_rows_at(instant),
            {
                **values,
                to_database(instant): to_database(now),
                HoldStatus.ACTIVE.value: HoldStatus.ACTIVE.value,
                0: 0,
            },
            using=self._using,
        )
        return [BalanceSnapshot(*row) for row in rows]

    def _get_hold(self, hold_id: UUID, now: datetime) -> HoldSnapshot:
        rows = Hold.objects.using(self._using).filter(pk=hold_id).values_list(*HOLD_COLUMNS)
        for row in rows:
            return hold_from_row(row).snapshot_at(now)
        raise HoldUnknown(hold_id)

    # Keys -----------------------------------------------------------------------------------

    def _claim_keys(
        self, requests: Sequence[Request], books: Books, now: datetime
    ) -> dict[str, IdempotencyRecord]:
        """Claim the batch's keys, read what the others stand for, and return our claims.

        Locks: each key, until the end of the transaction. A call that meets a key which another
        transaction is just using waits for its end.
        """
        claims: dict[str, IdempotencyRecord] = {}
        for request in requests:
            key = request.operation.key
            if key is not None and key not in claims:
                claims[key] = IdempotencyRecord(
                    scope=self._scope,
                    key=key,
                    kind=request.operation.kind,
                    fingerprint=request.fingerprint,
                    operation_id=request.operation_id,
                    created_at=now,
                )
        if not claims:
            return claims
        rows = insert_missing(
            [claims[key] for key in sorted(claims)],
            using=self._using,
            unique=("scope", "key"),
            returning=RECORD_COLUMNS,
        )
        records = IdempotencyRecord.objects.using(self._using).filter(scope=self._scope)
        for keys in chunks(sorted(claims.keys() - {key for _, key, *_ in rows})):
            rows.extend(records.filter(key__in=keys).values_list(*RECORD_COLUMNS))
        found = {
            key: (pk, Record(kind, fingerprint, UUID(str(operation_id))))
            for pk, key, kind, fingerprint, operation_id in rows
        }
        for key, claim in list(claims.items()):
            if key not in found:
                # Taken, but by a transaction that this one's snapshot does not see.
                msg = f"Key {key!r} is being used by another transaction; try again."
                raise LedgerBusy(msg)
            claim.pk, record = found[key]
            if record.operation_id != claim.operation_id:
                books.records[key] = record
                del claims[key]
        if books.records:
            operations = [record.operation_id for record in books.records.values()]
            books.replays = find_entries(Q(operation_id__in=operations), using=self._using)
        return claims

    def _settle_claims(self, claims: Mapping[str, IdempotencyRecord], outcome: Outcome) -> None:
        """Give up the claims of what was refused, and mend those that came to mean another thing.

        Both are rare: a refused operation among others that stand alone, and a call that was
        answered with an earlier operation's receipt.
        """
        mended = []
        dropped = []
        for key, claim in claims.items():
            record = outcome.records.get(key)
            if record == Record(claim.kind, claim.fingerprint, claim.operation_id):
                continue
            dropped.append(claim)
            if record is not None:
                claim.kind = record.kind
                claim.fingerprint = record.fingerprint
                claim.operation_id = record.operation_id
                mended.append(claim)
        self._delete_claims(dropped)
        IdempotencyRecord.objects.using(self._using).bulk_create(mended)

    def _delete_claims(self, claims: Iterable[IdempotencyRecord]) -> None:
        delete_rows(IdempotencyRecord, [claim.pk for claim in claims], using=self._using)

    # Locks and what is read under them ------------------------------------------------------

    def _lock(
        self, requests: Sequence[Request], books: Books, now: datetime, *, atomic: bool
    ) -> None:
        """Lock the balances that the operations touch, and read all that the rules may ask.

        Locks: the balances, in the order that the module's docstring gives.
        """
        named = [
            request.operation.hold_id
            for request in requests
            if isinstance(request.operation, Commit | Release | Extend)
        ]
        if len(named) == len(requests) == 1 and self._lock_by_hold(requests[0].operation, books):
            self._load_overdue(books, now)
            self._load_resolutions(books)
            return
        # Which balance a hold is on never changes, so that can be read before the lock.
        books.holds = find_holds(named, using=self._using)
        credited: set[Place] = set()
        touched: set[Place] = set()
        for request in requests:
            hold = None
            if isinstance(request.operation, Commit | Release | Extend):
                hold = books.holds.get(request.operation.hold_id)
                if hold is None or hold.status is not HoldStatus.ACTIVE:
                    # Unknown, or resolved for good: nothing about it can change any more.
                    continue
            credited.update(rules.credited_places(request.operation, hold))
            touched.update(rules.debited_places(request.operation, hold))
        if not atomic and len(requests) > 1:
            # That one of them owns nothing has to stay true until what the others do is seen.
            credited |= touched
        self._lock_balances(touched | credited, credited, books, now)
        active = [h.id for h in books.holds.values() if h.status is HoldStatus.ACTIVE]
        books.holds.update(self._locked_holds(active, books))
        self._load_overdue(books, now)
        self._load_resolutions(books)

    def _lock_by_hold(self, operation: Operation, books: Books) -> bool:
        """Lock the balance of the one hold that the operation names, where that is all it touches.

        Returns:
            Whether it is locked, and the hold read. If not, it may be that it could not.
        """
        if not isinstance(operation, Commit | Release | Extend) or (
            isinstance(operation, Commit) and operation.to is not None
        ):
            return False
        if connections[self._using].vendor == "mysql":
            return False  # which would lock the hold too, before the balance
        active = HoldStatus.ACTIVE.value
        rows = compiled.select(
            "balance by hold, locked",
            lambda: self._locking(
                Balance.objects.using(self._using).filter(
                    # Django 6.1 wants to see that it is one.
                    pk=Subquery(
                        Hold.objects.filter(pk=SOME_ID, status=active).values("balance_id")[:1]
                    )
                )
            ),
            {**in_place_of_some_id(operation.hold_id, using=self._using), active: active},
            using=self._using,
        )
        self._enter(rows, books)
        if books.balances:
            books.holds = self._locked_holds([operation.hold_id], books)
        return bool(books.balances)

    def _load_resolutions(self, books: Books) -> None:
        resolved = [h.id for h in books.holds.values() if h.status is not HoldStatus.ACTIVE]
        if resolved:
            # What resolved a hold is what left nothing on it.
            entries = find_entries(Q(hold_id__in=resolved, hold_remaining=0), using=self._using)
            books.resolutions = {
                group[0].hold.id: group for group in entries.values() if group[0].hold
            }

    def _lock_balances(
        self, places: set[Place], credited: set[Place], books: Books, now: datetime
    ) -> None:
        """Lock the balances, having made those that are missing and credited.

        Raises:
            LedgerBusy: one was missing when it was looked for, and is there now that the others
                are locked. Whoever made it may have filled it from those, so it is not empty.
        """
        if not places:
            return
        self._lock_what_is_there(places, credited, books, now)
        missing = places - books.balances.keys()
        if len(places) > 1 and missing and find_balances(missing, using=self._using):
            msg = "A balance was made while this call waited for another one; start it over."
            raise LedgerBusy(msg)

    def _lock_what_is_there(
        self, places: set[Place], credited: set[Place], books: Books, now: datetime
    ) -> None:
        rows = Balance.objects.using(self._using)
        if connections[self._using].vendor == "mysql":
            found = find_balances(places, using=self._using).keys()
            if credited - found:
                # All at once, since somebody else may have made some of them in the meantime: to
                # lock those first and then one that comes before them could meet a call that has
                # the latter. What was not found and is not credited stays unknown to this call.
                places = credited | found
                self._make_balances(places, now)
            for names in chunks(sorted(places)):
                by_name = rows.filter(are(names)).order_by("subject", "item")
                self._lock_rows(through_index(by_name, BALANCE_NAME_INDEX), books)
            return
        if len(places) == 1:
            [place] = places
            self._lock_balance(place, books)
            if credited and not books.balances:
                self._lock_made_balance(place, books, now)
            return
        pks = find_balances(places, using=self._using)
        if missing := credited - pks.keys():
            pks.update(self._make_balances(missing, now))
            pks.update(find_balances(missing - pks.keys(), using=self._using))
        if len(pks) == len(places) and is_pair(places):
            self._lock_pair(places, books)
            return
        for some in chunks(sorted(pks.values())):
            self._lock_rows(rows.filter(pk__in=some).order_by("pk"), books)

    def _lock_balance(self, place: Place, books: Books) -> None:
        """Lock one balance, if it is there, and put it in the books."""
        rows = compiled.select(
            "balance by name, locked",
            lambda: self._locking(
                Balance.objects.using(self._using).filter(subject="subject", item="item")
            ),
            {"subject": place[0], "item": place[1]},
            using=self._using,
        )
        self._enter(rows, books)

    def _lock_pair(self, places: Collection[Place], books: Books) -> None:
        """Lock the balances of two subjects, of one item, by primary key."""
        rows = compiled.select(
            "balances of two subjects, locked",
            lambda: self._locking(of_two_subjects(self._using).order_by("pk")),
            in_place_of_two_subjects(places),
            using=self._using,
        )
        self._enter(rows, books)

    def _lock_made_balance(self, place: Place, books: Books, now: datetime) -> None:
        """Make one balance and put it in the books; lock it if somebody else was faster."""
        made = self._make_balances([place], now)
        if place in made:
            books.balances[place] = LockedBalance(made[place], BalanceState(*place))
        else:
            self._lock_balance(place, books)

    def _make_balances(self, places: Iterable[Place], now: datetime) -> dict[Place, int]:
        """Insert the balances that are missing, at zero; a lock can only be had on what is there.

        Returns:
            The primary keys of those that were inserted; on MariaDB of all.

        Locks: on MariaDB and MySQL also those that exist by now, see ``insert_missing``.
        """
        rows = [
            Balance(subject=subject, item=item, created_at=now, updated_at=now)
            for subject, item in sorted(places)
        ]
        made = insert_missing(
            rows,
            using=self._using,
            unique=("subject", "item"),
            returning=("subject", "item", "id"),
        )
        return {(subject, item): pk for subject, item, pk in made}

    def _lock_rows(
        self, rows: QuerySet[Balance], books: Books, *, skip_locked: bool = False
    ) -> None:
        """Lock balances in the order of the queryset and put them in the books.

        Locks: the rows, against other writers but not against new journal entries that refer to
        them (``FOR NO KEY UPDATE``) where the database makes the difference.
        """
        self._enter(self._locking(rows, skip_locked=skip_locked), books)

    def _locking(
        self, rows: QuerySet[Balance], *, skip_locked: bool = False
    ) -> QuerySet[Balance, tuple[Any, ...]]:
        features = connections[self._using].features
        return rows.select_for_update(
            no_key=features.has_select_for_no_key_update, skip_locked=skip_locked
        ).values_list(*BALANCE_COLUMNS)

    def _enter(self, rows: Iterable[tuple[Any, ...]], books: Books) -> None:
        for row in rows:
            locked = balance_from_row(row)
            books.balances[locked.state.place] = locked

    def _locked_holds(self, hold_ids: Collection[UUID], books: Books) -> dict[UUID, HoldState]:
        """Read again holds whose balances are locked."""
        rows = Hold.objects.using(self._using)
        places = books.places()
        if len(hold_ids) == 1:
            [hold_id] = hold_ids
            found = compiled.select(
                "hold by id, present",
                lambda: self._present_rows(rows.filter(pk=SOME_ID), "PRIMARY"),
                in_place_of_some_id(hold_id, using=self._using),
                using=self._using,
            )
            return {row[0]: self._held(row, places) for row in found}
        holds: dict[UUID, HoldState] = {}
        for some in chunks(sorted(hold_ids)):
            by_pk = rows.filter(pk__in=some).order_by("pk")
            found = list(self._present_rows(by_pk, "PRIMARY"))
            holds.update((row[0], self._held(row, places)) for row in found)
        return holds

    def _present_rows(self, rows: QuerySet[Hold], index: str) -> QuerySet[Hold, tuple[Any, ...]]:
        """Return the query for holds of locked balances as they stand now, ``OWN_HOLD_COLUMNS``.

        Locks: on MariaDB and MySQL, the holds. Their balances' locks would do, but only a locking
        read shows the present under REPEATABLE READ. It names no other table, whose rows it would
        lock too.
        """
        if connections[self._using].vendor == "mysql":
            rows = through_index(rows, index).select_for_update()
        return rows.values_list(*OWN_HOLD_COLUMNS)

    @staticmethod
    def _held(row: tuple[Any, ...], places: Mapping[int, Place]) -> HoldState:
        """Make the state of a hold of a locked balance, of ``OWN_HOLD_COLUMNS``."""
        pk, balance_id, *columns = row
        return hold_from_row((pk, *places[balance_id], *columns))

    def _load_overdue(self, books: Books, now: datetime, *, limit: int | None = None) -> None:
        """Read the overdue holds of the locked balances whose next expiry has passed."""
        pks = [
            pk
            for pk, balance in books.balances.values()
            if balance.next_expiry_at is not None and balance.next_expiry_at <= now
        ]
        places = books.places()
        for some in chunks(pks):
            rows = Hold.objects.using(self._using).filter(balance_id__in=some).overdue_at(now)
            overdue = rows.order_by("expires_at", "pk")
            for row in self._present_rows(overdue, HOLD_EXPIRY_INDEX)[:limit]:
                hold = self._held(row, places)
                books.overdue.setdefault(hold.place, []).append(hold)

    # Writes ---------------------------------------------------------------------------------

    def _write(self, outcome: Outcome, books: Books, now: datetime) -> None:
        """Write what the batch did, and see to it that it is announced once it is committed."""
        draft = outcome.draft
        pks = {place: locked.pk for place, locked in books.balances.items()}
        self._write_holds(draft, pks)
        draft.balances.update(self._settled(draft, pks))
        self._write_balances(draft.balances, pks, now)
        self._insert(
            [entry_to_row(entry, pks[entry.subject, entry.item]) for entry in draft.entries]
        )
        self._delete_unused(books, used=draft.balances)
        if draft.entries:
            announce = partial(self._announce, outcome.expired_holds(), outcome.receipts())
            transaction.on_commit(announce, using=self._using, robust=True)

    def _delete_unused(self, books: Books, used: Collection[Place]) -> None:
        """Delete balances that were made for a credit that was refused or had been done before."""
        unused = [
            pk
            for place, (pk, balance) in books.balances.items()
            if balance.version == 0 and place not in used
        ]
        delete_rows(Balance, unused, using=self._using)

    def _write_holds(self, draft: rules.Draft, pks: Mapping[Place, int]) -> None:
        made = new_hold_rows(draft.entries, draft.holds, pks)
        self._insert(made)
        made_ids = {row.pk for row in made}
        changed = [hold for hold in draft.holds.values() if hold.id not in made_ids]
        if len(changed) == 1:
            [hold] = changed
            compiled.update(Hold, hold.id, changing_fields(hold), using=self._using)
            return
        rows = [known_hold_row(hold, pks[hold.place]) for hold in changed]
        update_rows(rows, HOLD_CHANGING_FIELDS, using=self._using)

    def _insert(self, rows: Sequence[Model]) -> None:
        if len(rows) > compiled.FEW:
            type(rows[0])._base_manager.using(self._using).bulk_create(rows)
        elif rows:
            compiled.insert(rows, using=self._using)

    def _settled(
        self, draft: rules.Draft, pks: Mapping[Place, int]
    ) -> Iterator[tuple[Place, BalanceState]]:
        """Look up the earliest expiry where the hold that determined it is gone.

        Only after the holds are written.
        """
        places = {pks[place]: place for place in draft.unsettled}
        for some in chunks(sorted(places)):
            rows = (
                Hold.objects.using(self._using)
                .filter(balance_id__in=some, status=HoldStatus.ACTIVE.value)
                .values("balance_id")
                .annotate(earliest=Min("expires_at"))
                .values_list("balance_id", "earliest")
            )
            for pk, earliest in rows:
                old = draft.balances[places[pk]]
                yield (
                    old.place,
                    BalanceState(*old.place, old.quantity, old.on_hold, earliest, old.version),
                )

    def _write_balances(
        self, balances: Mapping[Place, BalanceState], pks: Mapping[Place, int], now: datetime
    ) -> None:
        if len(balances) == 1:
            for place, balance in balances.items():
                values = {
                    "quantity": balance.quantity,
                    "on_hold": balance.on_hold,
                    "next_expiry_at": balance.next_expiry_at,
                    "version": balance.version,
                    "updated_at": now,
                }
                compiled.update(Balance, pks[place], values, using=self._using)
            return
        update_rows(
            [
                Balance(
                    id=pks[place],
                    subject=balance.subject,
                    item=balance.item,
                    quantity=balance.quantity,
                    on_hold=balance.on_hold,
                    next_expiry_at=balance.next_expiry_at,
                    version=balance.version,
                    created_at=now,
                    updated_at=now,
                )
                for place, balance in balances.items()
            ],
            ["quantity", "on_hold", "next_expiry_at", "version", "updated_at"],
            using=self._using,
        )
