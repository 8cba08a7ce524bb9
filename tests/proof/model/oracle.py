"""What the design says a ledger must answer, in the plainest form: the oracle of the model tests.

Shares no rule with the package, not even with ``MemoryLedger``: that one runs the same rules as the
database ledgers, so that an error in them would be everybody's. Knows no journal, no rows and no
sweep: an expiry is simply true from its instant on.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tests.proof.model.actions import Answer, BalanceView, Call, HoldView, Place, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from tests.proof.model.actions import Post, Result

LIMIT: Final = 9_223_372_036_854_775_807


class _RefusedError(Exception):
    def __init__(self, code: str, **attributes: object) -> None:
        super().__init__(code)
        self.code = code
        self.attributes = attributes


@dataclass(frozen=True)
class _Hold:
    number: int
    place: Place
    quantity: int
    remaining: int
    expires_at: datetime
    status: str = "active"
    answer: Answer | None = None
    how: tuple[Any, ...] = ()

    def view(self) -> HoldView:
        return HoldView(self.number, self.quantity, self.remaining, self.status, self.expires_at)


@dataclass
class _State:
    """All that the oracle knows; of immutable values, so that a shallow copy is a whole one."""

    free: dict[Place, int] = field(default_factory=dict)
    held: dict[Place, int] = field(default_factory=dict)
    holds: dict[int, _Hold] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[Call, Answer]] = field(default_factory=dict)

    def copy(self) -> _State:
        return _State(dict(self.free), dict(self.held), dict(self.holds), dict(self.keys))


class Oracle:
    """Foretell the answer to each call.

    Attributes:
        holds_made: how many holds were made, those of transactions that rolled back included.
        said: the calls that it was asked, with the holds' own numbers, and their scopes.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._state = _State()
        self._acted = 0
        self.holds_made = 0
        self.said: list[tuple[Call, str]] = []

    @contextmanager
    def block(self, *, rolls_back: bool) -> Iterator[None]:
        before = self._state.copy()
        yield
        if rolls_back:
            self._state = before

    def post(self, post: Post) -> list[Result] | Refusal:
        self._expire()
        before, acted_before = self._state.copy(), self._acted
        results: list[Result] = []
        for index, relative in enumerate(post.calls):
            call = relative.named(self.holds_made)
            self.said.append((call, post.scope))
            before_call = self._state.copy()
            try:
                results.append(self._answer(call, post.scope))
            except _RefusedError as error:
                attributes = error.attributes if post.is_single else None
                refusal = Refusal(error.code, index, attributes)
                if post.is_atomic:
                    self._state, self._acted = before, acted_before
                    return refusal
                self._state = before_call
                results.append(refusal)
        # Only now can a call name them.
        self.holds_made = max([self.holds_made, *(number + 1 for number in self._state.holds)])
        return results

    def sweep(self, limit: int | None) -> None:
        """Say nothing: what is recorded when is no part of what the oracle knows."""

    def balances(self, subject: str) -> list[BalanceView]:
        self._expire()
        places = sorted(place for place in self._state.free if place[0] == subject)
        return [view for view in map(self._view, places) if view.quantity or view.on_hold]

    def balance(self, place: Place) -> BalanceView:
        self._expire()
        return self._view(place)

    def hold(self, number: int) -> HoldView:
        self._expire()
        return self._state.holds[number].view()

    def active_holds(self) -> list[HoldView]:
        """Return the active holds, the newest one first."""
        self._expire()
        active = [hold.view() for hold in self._state.holds.values() if hold.status == "active"]
        return sorted(active, reverse=True)

    def newest_holds(self, count: int) -> list[int]:
        """Return the numbers of the holds that there are, at most so many."""
        return sorted(self._state.holds)[-count:]

    # Keys and time --------------------------------------------------------------------------

    def _answer(self, call: Call, scope: str) -> Answer:
        key = call.arguments.get("key")
        if key is None:
            return self._do(call)
        if (scope, key) in self._state.keys:
            first, answer = self._state.keys[scope, key]
            if first.verb != call.verb:
                raise _RefusedError("idempotency_conflict", key=key, fields={"kind"})
            if differing := _differing(first.arguments, call.arguments):
                raise _RefusedError("idempotency_conflict", key=key, fields=differing)
            return answer._replace(replayed=True)
        answer = self._do(call)
        self._state.keys[scope, key] = (call, answer)
        return answer

    def _expire(self) -> None:
        now = self._clock()
        overdue = [
            hold
            for hold in self._state.holds.values()
            if hold.status == "active" and hold.expires_at <= now
        ]
        for hold in sorted(overdue, key=lambda hold: (hold.expires_at, hold.number)):
            self._move(hold.place, hold.remaining, -hold.remaining)
            expired = replace(hold, remaining=0, status="expired")
            balance = self._view(hold.place)
            answer = Answer(
                f"expire {hold.number}", "expire", None, (balance,), expired.view(), replayed=True
            )
            self._state.holds[hold.number] = replace(expired, answer=answer)

    # Verbs ----------------------------------------------------------------------------------

    def _do(self, call: Call) -> Answer:  # noqa: PLR0911 - one for each verb
        """Do one operation; the holder or giver comes first in the answer's balances."""
        arguments = call.arguments
        match call.verb:
            case "acquire":
                place = (arguments["subject"], arguments["item"])
                self._credit(place, arguments["quantity"])
                return self._acted_on(call, place)
            case "consume":
                place = (arguments["subject"], arguments["item"])
                self._debit(place, arguments["quantity"])
                return self._acted_on(call, place)
            case "transfer":
                source = (arguments["source"], arguments["item"])
                destination = (arguments["destination"], arguments["item"])
                # Where the one is short and the other is full, the shortage is told.
                self._debit(source, arguments["quantity"])
                self._credit(destination, arguments["quantity"])
                return self._acted_on(call, source, destination)
            case "hold":
                return self._hold(call)
            case "commit":
                return self._commit(call)
            case "release":
                return self._release(call)
        hold = self._active(call)
        extended = replace(hold, expires_at=self._clock() + arguments["ttl"])
        self._state.holds[hold.number] = extended
        return self._acted_on(call, hold.place, hold=extended)

    def _hold(self, call: Call) -> Answer:
        place = (call.arguments["subject"], call.arguments["item"])
        quantity = call.arguments["quantity"]
        self._debit(place, quantity)
        self._move(place, 0, quantity)
        number = max([self.holds_made, *(number + 1 for number in self._state.holds)])
        expires_at = self._clock() + call.arguments["ttl"]
        hold = _Hold(number, place, quantity, quantity, expires_at)
        self._state.holds[number] = hold
        return self._acted_on(call, place, hold=hold)

    def _commit(self, call: Call) -> Answer:
        arguments = call.arguments
        hold = self._known(call)
        asked, keeps, to = (arguments.get(name) for name in ("quantity", "keep_remainder", "to"))
        notes = (arguments.get("reference", ""), arguments.get("metadata"))
        if hold.status == "committed" and hold.answer and not keeps:
            committed, left, *first = hold.how
            if (asked or left) == committed and first == [to, *notes]:
                return hold.answer._replace(replayed=True)
        hold = self._active(call)
        committed = asked or hold.remaining
        if committed > hold.remaining:
            raise _RefusedError("invalid_quantity", field="quantity")
        if to == hold.place[0]:
            raise _RefusedError("invalid_operation", field="to")
        rest = hold.remaining - committed
        self._move(hold.place, 0 if keeps else rest, -committed if keeps else -hold.remaining)
        places = [hold.place]
        if to is not None:
            places.append((to, hold.place[1]))
            self._credit(places[1], committed)
        is_over = not (keeps and rest)
        after = replace(
            hold,
            remaining=0 if is_over else rest,
            status="committed" if is_over else "active",
            how=(committed, hold.remaining, to, *notes),
        )
        answer = self._acted_on(call, *places, hold=after)
        self._state.holds[hold.number] = replace(after, answer=answer)
        return answer

    def _release(self, call: Call) -> Answer:
        hold = self._known(call)
        if hold.status in {"released", "expired"} and hold.answer:
            return hold.answer._replace(replayed=True)
        hold = self._active(call)
        self._move(hold.place, hold.remaining, -hold.remaining)
        after = replace(hold, remaining=0, status="released")
        answer = self._acted_on(call, hold.place, hold=after)
        self._state.holds[hold.number] = replace(after, answer=answer)
        return answer

    # Parts of verbs -------------------------------------------------------------------------

    def _known(self, call: Call) -> _Hold:
        number = call.arguments["hold_id"]
        if number not in self._state.holds:
            raise _RefusedError("hold_unknown", hold_id=number)
        return self._state.holds[number]

    def _active(self, call: Call) -> _Hold:
        hold = self._known(call)
        if hold.status == "expired":
            raise _RefusedError("hold_expired", hold_id=hold.number, expires_at=hold.expires_at)
        if hold.status != "active":
            raise _RefusedError("hold_resolved", hold_id=hold.number, status=hold.status)
        return hold

    def _credit(self, place: Place, quantity: int) -> None:
        room = LIMIT - self._state.free.get(place, 0) - self._state.held.get(place, 0)
        if quantity > room:
            subject, item = place
            raise _RefusedError(
                "quantity_overflow", subject=subject, item=item, requested=quantity, available=room
            )
        self._move(place, quantity, 0)

    def _debit(self, place: Place, quantity: int) -> None:
        free = self._state.free.get(place, 0)
        if quantity > free:
            raise _RefusedError("insufficient_quantity", shortages=[(*place, quantity, free)])
        self._move(place, -quantity, 0)

    def _move(self, place: Place, free: int, held: int) -> None:
        self._state.free[place] = self._state.free.get(place, 0) + free
        self._state.held[place] = self._state.held.get(place, 0) + held

    def _view(self, place: Place) -> BalanceView:
        return BalanceView(*place, self._state.free.get(place, 0), self._state.held.get(place, 0))

    def _acted_on(self, call: Call, *places: Place, hold: _Hold | None = None) -> Answer:
        self._acted += 1
        return Answer(
            self._acted,
            call.verb,
            call.arguments.get("key"),
            tuple(self._view(place) for place in places),
            hold.view() if hold else None,
            replayed=False,
        )


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> set[str]:
    """Return the names of the arguments that differ, left out ones being their defaults."""
    defaults = {"reference": "", "metadata": None, "keep_remainder": False}
    names = (first.keys() | second.keys()) - {"key", "actor"}
    return {
        name
        for name in names
        if first.get(name, defaults.get(name)) != second.get(name, defaults.get(name))
    }
