"""Every route once, with what it takes to be answered well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django_inventory.models import Entry
from tests.api.conftest import place_hold

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.api.conftest import Caller

GOLD: Final = {"subject": "alice", "item": "gold", "quantity": 1}


@dataclass(frozen=True)
class Route:
    """A request about alice's gold.

    ``{balance}``, ``{hold}`` and ``{entry}`` in the path stand for rows that are hers.

    Attributes:
        permission: the one that it needs.
        status: of the answer when all is well.
        foreign: the status and code for a caller to whom alice is a stranger; None where lists are
            just empty.
    """

    path: str
    permission: str
    status: int
    foreign: tuple[int, str] | None = None
    method: str = "post"
    key: str | None = None
    body: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def send(self, caller: Caller, rows: dict[str, Any]) -> Any:
        path = self.path.format(**rows)
        if self.method == "get":
            return caller.get(path)
        return caller.post(path, self.body, self.key)


FORBIDDEN: Final = (403, "subject_forbidden")
NO_HOLD: Final = (404, "hold_unknown")
NOTHING: Final = (404, "not_found")
TRANSFER: Final = {"source": "alice", "destination": "bob", "item": "gold", "quantity": 1}

ROUTES: Final = [
    Route("balances/", "view_balance", 200, None, "get"),
    Route("balances/{balance}/", "view_balance", 200, NOTHING, "get"),
    Route("balances/acquire/", "acquire_balance", 201, FORBIDDEN, key="k", body=GOLD),
    Route("balances/consume/", "consume_balance", 201, FORBIDDEN, key="k", body=GOLD),
    Route("balances/transfer/", "transfer_balance", 201, FORBIDDEN, key="k", body=TRANSFER),
    Route("holds/", "view_hold", 200, None, "get"),
    Route("holds/{hold}/", "view_hold", 200, NO_HOLD, "get"),
    Route("holds/", "place_hold", 201, FORBIDDEN, key="k", body={**GOLD, "ttl": 60}),
    Route("holds/{hold}/commit/", "commit_hold", 200, NO_HOLD),
    Route("holds/{hold}/release/", "release_hold", 200, NO_HOLD),
    Route("holds/{hold}/extend/", "extend_hold", 200, NO_HOLD, body={"ttl": 60}),
    Route("entries/", "view_entry", 200, None, "get"),
    Route("entries/{entry}/", "view_entry", 200, NOTHING, "get"),
]
VERBS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "acquire": ("acquire_balance", {"key": "k", **GOLD}),
    "consume": ("consume_balance", {"key": "k", **GOLD}),
    "transfer": ("transfer_balance", {"key": "k", **TRANSFER}),
    "hold": ("place_hold", {"key": "k", **GOLD, "ttl": 60}),
    "commit": ("commit_hold", {}),
    "release": ("release_hold", {}),
    "extend": ("extend_hold", {"ttl": 60}),
}
"""By verb, the permission that it needs, and what it takes beside the hold."""


def operation(kind: str, hold_id: str) -> dict[str, Any]:
    """Return an operation of a batch."""
    _, body = VERBS[kind]
    return {"kind": kind, **({} if "key" in body else {"hold_id": hold_id}), **body}


def stock(ledger: Ledger) -> dict[str, Any]:
    """Give alice gold, hold a part of it, and return what the paths' names stand for."""
    ledger.acquire("stock", "alice", "gold", 10)
    hold = place_hold(ledger, "alice", "gold", 4)
    entry = Entry.objects.earliest("pk")
    return {"hold": hold, "balance": entry.balance_id, "entry": entry.pk}
