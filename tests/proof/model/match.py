"""One match: the same actions for every player, and all that has to be equal after each.

Owns what is compared: every answer with the oracle's and with the memory ledger's, the signals, the
tables with one another, and the invariants of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django_inventory.ledgers.verification import Verification
from django_inventory.signals import hold_expired, operation_posted
from tests.contract.engines import Clock
from tests.proof.model.actions import Action, Block, Place, Post, Refusal, Sweep
from tests.proof.model.books import Books, View
from tests.proof.model.oracle import Oracle
from tests.proof.model.players import DatabasePlayer, MemoryPlayer, Player

if TYPE_CHECKING:
    from django_inventory.values import HoldSnapshot, Receipt


class Match:
    """Drive the oracle, the memory ledger and the database ledgers side by side.

    Args:
        make_players: makes a player each, by the clock of the match.
    """

    def __init__(self, make_players: Sequence[Callable[[Clock], DatabasePlayer]]) -> None:
        self.clock = Clock()
        self.oracle = Oracle(self.clock)
        self._database_players = [make(self.clock) for make in make_players]
        self._memory = MemoryPlayer(self.clock)
        self._players: list[Player] = [self._memory, *self._database_players]
        self._books = [Books(player) for player in self._players]
        self._active: Player = self._memory
        operation_posted.connect(self._note_receipt)
        hold_expired.connect(self._note_hold)

    def close(self) -> None:
        operation_posted.disconnect(self._note_receipt)
        hold_expired.disconnect(self._note_hold)
        for player in self._database_players:
            player.empty()

    def play(self, action: Action) -> None:
        """Let every player do the action, and compare all that can be compared."""
        foretold = _perform(self.oracle, action)
        heard = self._ask(lambda player: _perform(player, action))
        assert _agrees(foretold, heard), f"foretold {foretold}, heard {heard}"
        self._compare_tables()

    def compare_reads(self, subjects: Sequence[str], places: Sequence[Place], holds: int) -> None:
        """Let every player read these balances and its newest holds, and ask the oracle, too."""

        def read(player: Player | Oracle) -> Any:
            return (
                [player.balances(subject) for subject in subjects],
                [player.balance(place) for place in places],
                [player.hold(number) for number in numbers],
            )

        numbers = self.oracle.newest_holds(holds)
        assert self._ask(read) == read(self.oracle)

    def finish(self, subjects: Sequence[str]) -> None:
        """Compare everything once more, and let ``Verification`` look at the tables."""
        for hold in self.oracle.active_holds()[:1]:
            self.clock.set(hold.expires_at)
        self.compare_reads(subjects, [], holds=2)
        self._ask(lambda player: player.sweep(None))
        for number, row in self._compare_tables().holds.items():
            told = self.oracle.hold(number)
            assert (row.remaining, row.status) == (told.remaining, told.status)
        for player, books in zip(self._players, self._books, strict=True):
            books.assert_journal_unchanged()
            assert books.lines == self._books[0].lines, player.name
        for database in self._database_players:
            assert list(Verification(using=database.alias).mismatches()) == [], database.name

    def _ask(self, call: Callable[[Player], Any]) -> Any:
        """Return what the memory ledger answers, having seen that all answer and announce that."""
        answers = []
        signals = []
        for player in self._players:
            self._active = player
            answers.append(call(player))
            signals.append(player.heard_signals())
        for player, answer, announced in zip(self._players, answers, signals, strict=True):
            assert answer == answers[0], f"{player.name}: {answer}, memory: {answers[0]}"
            assert announced == signals[0], f"{player.name}: {announced}, memory: {signals[0]}"
        return answers[0]

    def _compare_tables(self) -> View:
        """Assert every invariant of all books, and that they are equal; return what they say."""
        first, *others = [books.read() for books in self._books]
        for database, books, view in zip(
            self._database_players, self._books[1:], others, strict=True
        ):
            assert view == first, f"{database.name}: {view}, memory: {first}"
            assert books.new_lines == self._books[0].new_lines, database.name
        return first

    def _note_receipt(self, receipt: Receipt, **_: Any) -> None:
        self._active.signals.append(receipt)

    def _note_hold(self, hold: HoldSnapshot, **_: Any) -> None:
        self._active.signals.append(hold)


def _perform(player: Player | Oracle, action: Action) -> Any:
    match action:
        case Post():
            return player.post(action)
        case Sweep(limit=limit):
            return player.sweep(limit)
        case Block(actions=actions, rolls_back=rolls_back):
            with player.block(rolls_back=rolls_back):
                return [_perform(player, inner) for inner in actions]


def _agrees(foretold: Any, heard: Any) -> bool:
    """Tell whether the oracle, as far as it says anything, says what was heard."""
    if foretold is None:
        return True
    if isinstance(foretold, Refusal):
        return foretold.agrees_with(heard)
    if isinstance(foretold, list):
        return (
            isinstance(heard, list)
            and len(foretold) == len(heard)
            and all(_agrees(one, other) for one, other in zip(foretold, heard, strict=True))
        )
    return bool(foretold == heard)
