"""The one page of the example: what is in the ledger."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from django_inventory import ledger
from django_inventory.models import Balance, Entry, Hold

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

SHOWN_ITEMS = 10
SHOWN_ENTRIES = 15


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the ledger's totals, what the newest store has in stock, and the journal's end."""
    owned = Balance.objects.non_zero()
    store = _newest_store()
    stock = [] if store is None else ledger.balances(store)
    context = {
        "totals": [
            ("Subjects", owned.values("subject").distinct().count()),
            ("Items", owned.values("item").distinct().count()),
            ("Balances", owned.count()),
            ("Active holds", Hold.objects.active_at(timezone.now()).count()),
            ("Journal entries", Entry.objects.count()),
        ],
        "store": store,
        "stock_count": len(stock),
        "stock": sorted(stock, key=attrgetter("total"), reverse=True)[:SHOWN_ITEMS],
        "entries": Entry.objects.select_related("balance").order_by("-pk")[:SHOWN_ENTRIES],
    }
    return render(request, "shop/home.html", context)


def _newest_store() -> str | None:
    """Return the subject that is the store of the last replay."""
    stores = Balance.objects.filter(subject__contains="/store:").order_by("-pk")
    return stores.values_list("subject", flat=True).first()
