"""The state machine that drives all players with the same random actions.

Owns which steps there are. What can be drawn stands in ``draws``, what must be true after each
step in ``match``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.proof.model.actions import Action, Block, Call, Post, Sweep
from tests.proof.model.draws import (
    ACTIVE,
    DURATIONS,
    ITEMS,
    STOCKED,
    SUBJECTS,
    around_expiry,
    batches,
    blocks,
    calls,
    changes,
    durations,
    items,
    scopes,
    subjects,
    sweeps,
)
from tests.proof.model.match import Match

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from tests.contract.engines import Clock
    from tests.proof.model.players import DatabasePlayer


class LedgerMachine(RuleBasedStateMachine):
    """Play one match of random actions.

    Args:
        figures: where examples and operations are counted.
    """

    def __init__(
        self,
        make_players: Sequence[Callable[[Clock], DatabasePlayer]],
        figures: Counter[str],
    ) -> None:
        super().__init__()
        self._figures = figures
        self._match = Match(make_players)
        self._used_keys: list[str] = []
        self._is_sound = True

    @initialize()
    def stock(self) -> None:
        gold = {"key": 0, "item": ITEMS[0]}
        calls = [
            *(Call("acquire", {**gold, "subject": name, "quantity": 20}) for name in STOCKED),
            *(
                Call("hold", {**gold, "subject": SUBJECTS[number % 2], "quantity": 4, "ttl": ttl})
                for number, ttl in enumerate(DURATIONS[-3:])
            ),
        ]
        self._play(Post(calls))

    @rule(call=calls("acquire"), scope=scopes)
    def acquire(self, call: Call, scope: str) -> None:
        self._play(Post([call], scope, is_single=True))

    @rule(call=calls("consume"), scope=scopes)
    def consume(self, call: Call, scope: str) -> None:
        self._play(Post([call], scope, is_single=True))

    @rule(call=calls("transfer"), scope=scopes)
    def transfer(self, call: Call, scope: str) -> None:
        self._play(Post([call], scope, is_single=True))

    @rule(call=calls("hold"), scope=scopes)
    def hold(self, call: Call, scope: str) -> None:
        self._play(Post([call], scope, is_single=True))

    @rule(call=calls("commit"), scope=scopes)
    def commit(self, call: Call, scope: str) -> None:
        self._play(Post([call], scope, is_single=True))

    @rule(call=calls("release"), scope=scopes)
    def release(self, call: Call, scope: str) -> None:
        self._play(Post([call], scope, is_single=True))

    @rule(call=calls("extend"), scope=scopes)
    def extend(self, call: Call, scope: str) -> None:
        self._play(Post([call], scope, is_single=True))

    @rule(batch=batches())
    def post(self, batch: Post) -> None:
        self._play(batch)

    @rule(back=st.integers(1, 12), change=changes)
    def repeat(self, back: int, change: dict[str, Any]) -> None:
        """Say an earlier call again, word by word or with one word changed."""
        said = self._match.oracle.said
        call, scope = said[-min(back, len(said))]
        known = {name: value for name, value in change.items() if name in call.arguments}
        if "hold_id" not in call.arguments or call.arguments.get("keep_remainder"):
            # These cannot do without.
            known.pop("key", None)
        self._play(Post([call.changed(**known)], change.get("scope", scope), is_single=True))

    @rule(sweep=sweeps)
    def sweep(self, sweep: Sweep) -> None:
        self._play(sweep)

    @rule(block=blocks())
    def block(self, block: Block) -> None:
        """Call the ledger in a transaction of the caller's, which may roll back."""
        self._play(block)

    @rule(duration=durations)
    def wait(self, duration: timedelta) -> None:
        self._match.clock.advance(duration)

    @rule(back=st.integers(1, 3), offset=around_expiry)
    def wait_for_expiry(self, back: int, offset: timedelta) -> None:
        """Let the clock stand at an active hold's expiry, or right beside it."""
        for hold in self._match.oracle.active_holds()[:back][-1:]:
            at = hold.expires_at + offset
            self._match.clock.set(max(at, self._match.clock.now))

    @rule(subject=subjects, item=items)
    def read(self, subject: str, item: str) -> None:
        self._is_sound = False
        self._match.compare_reads([subject], [(subject, item)], holds=1)
        self._is_sound = True

    def teardown(self) -> None:
        self._figures["examples"] += 1
        self._figures["operations"] += len(self._match.oracle.said)
        try:
            if self._is_sound:
                self._match.finish(SUBJECTS)
        finally:
            self._match.close()

    def _play(self, action: Action) -> None:
        self._is_sound = False
        self._match.play(self._resolved(action))
        self._is_sound = True

    def _resolved(self, action: Action) -> Action:
        """Return the action with what its numbers stand for."""
        match action:
            case Post():
                return replace(action, calls=[self._resolved_call(call) for call in action.calls])
            case Block():
                return replace(action, actions=[self._resolved(inner) for inner in action.actions])
        return action

    def _resolved_call(self, call: Call) -> Call:
        """Return the call with what its numbers stand for, see ``KEYS`` and ``HOLDS``."""
        key, hold = call.arguments.get("key"), call.arguments.get("hold_id")
        if isinstance(key, int):
            if not 0 < key <= len(self._used_keys):
                self._used_keys.append(f"key-{len(self._used_keys) + 1}")
                key = 1
            call = call.changed(key=self._used_keys[-key])
        if hold is not None and hold <= ACTIVE:
            active = self._match.oracle.active_holds()
            call = call.changed(hold_id=active[: ACTIVE - hold + 1][-1].number if active else -1)
        return call
