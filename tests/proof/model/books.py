"""The invariants of the design's section 3, asserted on what a ledger keeps.

Reads the journal once as it grows, so that a check after every step is cheap; what was read before
is held against the whole journal when an example ends. Shares no code with the ledgers.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.proof.model.tables import BalanceRow, EntryRow, HoldRow, Rows

if TYPE_CHECKING:
    from uuid import UUID

    from tests.proof.model.actions import Place
    from tests.proof.model.players import Player

LIMIT: Final = 9_223_372_036_854_775_807
STATUS_AFTER: Final = {"commit": "committed", "release": "released", "expire": "expired"}


class View(NamedTuple):
    """What is kept, with numbers for ids, so that two ledgers' can be compared."""

    balances: dict[Place, BalanceRow]
    holds: dict[int, HoldRow]
    keys: dict[tuple[str, str], tuple[str, int | str]]


class Books:
    """One ledger's books, read on and on.

    Attributes:
        lines: the journal, by balance and sequence, with numbers for ids.
        new_lines: those of them that the last ``read`` has added.
    """

    def __init__(self, player: Player) -> None:
        self._player = player
        self._journal: list[EntryRow] = []
        self._operations: dict[UUID, list[EntryRow]] = defaultdict(list)
        self._last_of_balance: dict[Place, EntryRow] = {}
        self._last_of_hold: dict[UUID, EntryRow] = {}
        self._last_entry = 0
        self.lines: dict[tuple[Place, int], tuple[Any, ...]] = {}
        self.new_lines: dict[tuple[Place, int], tuple[Any, ...]] = {}

    def read(self) -> View:
        """Read what was added, assert every invariant, and return what is kept now."""
        rows = self._player.rows(self._last_entry)
        self._last_entry = rows.last_entry
        self.new_lines.clear()
        for entry in rows.entries:
            self._read_entry(entry)
        for operation_id in {entry.operation_id for entry in rows.entries}:
            _assert_nothing_made_or_lost(self._operations[operation_id])
        self._assert_balances(rows)
        self._assert_holds(rows)
        self._assert_keys(rows)
        return self._view(rows)

    def assert_journal_unchanged(self) -> None:
        """Assert that every entry still stands as it was when it was added (invariant 4)."""
        assert self._player.rows(0).entries == self._journal

    def _read_entry(self, entry: EntryRow) -> None:
        before = self._last_of_balance.get(entry.place)
        version, quantity, on_hold = (
            (before.sequence, before.quantity_after, before.on_hold_after) if before else (0, 0, 0)
        )
        assert entry.sequence == version + 1
        assert entry.quantity_after == quantity + entry.quantity_delta
        assert entry.on_hold_after == on_hold + entry.on_hold_delta
        self._last_of_balance[entry.place] = entry
        self._journal.append(entry)
        self._operations[entry.operation_id].append(entry)
        hold_number = None
        if entry.hold_id is not None:
            hold_number = self._player.hold_number(entry.hold_id)
            if entry.on_hold_delta or entry.kind == "extend":
                self._last_of_hold[entry.hold_id] = entry
            if entry.kind == "expire":
                self._player.name_expiry(entry.operation_id, entry.hold_id)
                assert entry.effective_at == entry.hold_expires_at
        line = self._numbered(entry, hold_number)
        self.lines[entry.place, entry.sequence] = line
        self.new_lines[entry.place, entry.sequence] = line

    def _numbered(self, entry: EntryRow, hold_number: int | None) -> tuple[Any, ...]:
        """Return the entry with numbers for ids."""
        number = self._player.operation_number(entry.operation_id)
        return (*entry[:2], number, *entry[3:9], hold_number, *entry[10:])

    def _assert_balances(self, rows: Rows) -> None:
        # No balance without entries, no entries without a balance.
        assert rows.balances.keys() == self._last_of_balance.keys()
        for place, balance in rows.balances.items():
            last = self._last_of_balance[place]
            active = [
                hold
                for hold in rows.holds.values()
                if hold.place == place and hold.status == "active"
            ]
            assert balance.quantity >= 0
            assert balance.on_hold >= 0
            assert balance.quantity + balance.on_hold <= LIMIT
            assert balance == BalanceRow(
                quantity=last.quantity_after,
                on_hold=sum(hold.remaining for hold in active),
                next_expiry_at=min((hold.expires_at for hold in active), default=None),
                version=last.sequence,
            )
            assert balance.on_hold == last.on_hold_after

    def _assert_holds(self, rows: Rows) -> None:
        assert rows.holds.keys() == self._last_of_hold.keys()
        for hold_id, hold in rows.holds.items():
            last = self._last_of_hold[hold_id]
            is_active = hold.remaining > 0
            status = "active" if is_active else STATUS_AFTER[last.kind]
            assert hold.place == last.place
            assert (hold.remaining, hold.expires_at) == (last.hold_remaining, last.hold_expires_at)
            assert hold.status == status
            assert hold.resolved_at == (None if is_active else last.created_at)

    def _assert_keys(self, rows: Rows) -> None:
        used = set()
        for (_, key), record in rows.keys.items():
            assert record.operation_id in self._operations
            used.add((key, record.operation_id))
        for entry in self._journal:
            assert entry.key is None or (entry.key, entry.operation_id) in used

    def _view(self, rows: Rows) -> View:
        numbers = {hold_id: number for number, hold_id in enumerate(self._player.hold_ids)}
        holds = {numbers[hold_id]: hold for hold_id, hold in rows.holds.items()}
        keys = {
            scoped: (record.kind, self._player.operation_number(record.operation_id))
            for scoped, record in rows.keys.items()
        }
        return View(rows.balances, holds, keys)


def _assert_nothing_made_or_lost(entries: list[EntryRow]) -> None:
    """Assert of one operation's entries that they are whole (invariant 7)."""
    (kind,) = {entry.kind for entry in entries}
    total = sum(entry.quantity_delta + entry.on_hold_delta for entry in entries)
    if kind == "acquire":
        assert len(entries) == 1
        assert total > 0
    elif kind == "consume" or (kind == "commit" and len(entries) == 1):
        assert len(entries) == 1
        assert total < 0
    else:
        assert len(entries) == (2 if kind in {"transfer", "commit"} else 1)
        assert total == 0
