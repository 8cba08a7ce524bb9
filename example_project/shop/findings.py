"""What there is of a run, read afresh: from the tables, or over HTTP.

Owns the reading alone. What should be there is ``comparison``'s to say.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Sum

from django_inventory.models import Balance, Entry, Hold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_inventory.ledgers import Ledger
    from django_inventory.querysets import EntryQuerySet
    from django_inventory.values import BalanceSnapshot
    from shop.http_ledger import HttpLedger
    from shop.replay import Run

Place = tuple[str, str]
"""A subject and an item."""


@dataclass(frozen=True)
class Findings:
    """What there is of one run, of every subject of it, be it in the file or not.

    ``quantity_sums`` and ``on_hold_sums`` are the journal's deltas, added up place by place.
    """

    balances: Mapping[Place, BalanceSnapshot]
    quantity_sums: Mapping[Place, int]
    on_hold_sums: Mapping[Place, int]
    acquired: int
    entries_by_kind: Mapping[str, int]
    holds_by_status: Mapping[str, int]


def read_tables(run: Run, ledger: Ledger) -> Findings:
    entries = Entry.objects.filter(balance__subject__startswith=run.prefix).order_by()
    holds = Hold.objects.filter(balance__subject__startswith=run.prefix).order_by()
    acquired = entries.filter(kind="acquire").aggregate(total=Sum("quantity_delta"))["total"]
    return Findings(
        balances=_balances(run, ledger),
        quantity_sums=_sums(entries, "quantity_delta"),
        on_hold_sums=_sums(entries, "on_hold_delta"),
        acquired=acquired or 0,
        entries_by_kind=dict(entries.values_list("kind").annotate(Count("pk"))),
        holds_by_status=dict(holds.values_list("status").annotate(Count("pk"))),
    )


def _balances(run: Run, ledger: Ledger) -> dict[Place, BalanceSnapshot]:
    rows = Balance.objects.filter(subject__startswith=run.prefix).order_by()
    subjects = rows.values_list("subject", flat=True).distinct()
    return {
        (balance.subject, balance.item): balance
        for subject in subjects
        for balance in ledger.balances(subject)
    }


def _sums(entries: EntryQuerySet, delta: str) -> dict[Place, int]:
    rows = entries.values_list("balance__subject", "balance__item").annotate(Sum(delta))
    return {(subject, name): total for subject, name, total in rows}


def read_over_http(run: Run, ledger: HttpLedger) -> Findings:
    quantity_sums: Counter[Place] = Counter()
    on_hold_sums: Counter[Place] = Counter()
    acquired = 0
    kinds: Counter[str] = Counter()
    for entry in ledger.rows("entries", subject__startswith=run.prefix):
        place = entry["subject"], entry["item"]
        quantity_sums[place] += entry["quantity_delta"]
        on_hold_sums[place] += entry["on_hold_delta"]
        kinds[entry["kind"]] += 1
        if entry["kind"] == "acquire":
            acquired += entry["quantity_delta"]
    balances = ledger.balances_of(subject__startswith=run.prefix)
    holds = ledger.rows("holds", subject__startswith=run.prefix)
    return Findings(
        balances={(balance.subject, balance.item): balance for balance in balances},
        quantity_sums=quantity_sums,
        on_hold_sums=on_hold_sums,
        acquired=acquired,
        entries_by_kind=kinds,
        holds_by_status=Counter(hold["status"] for hold in holds),
    )
