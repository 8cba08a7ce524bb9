"""Decide whether a history is linearizable against the rules of MemoryLedger.

A history is linearizable when all its calls can be put into one order in which every call stands
somewhere between its invocation and its return, and in which MemoryLedger, asked one after the
other at the times that the calls' clocks told, gives every call the answer that it was given.

Source: Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), with the memoisation of
Lowe, "Testing for Linearizability" (2017): a search for such an order, which forgets every set of
calls and state that it has been at before. Calls that share no balance and no key are searched
apart (Herlihy and Wing, "Linearizability" (1990), theorem 1).

The journal makes it cheap and the property stronger: the order must also be one in which every
balance's calls stand as its entries do, and must leave MemoryLedger with the very same journal.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, Final, Self

from tests.proof.servers.history import Broken, Post, ReadBalance, ReadBalances, ReadHold, Refusal
from tests.proof.servers.model import Model

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from django_inventory.rules import EntryState, Place
    from tests.proof.servers.history import Call

    Sequences = dict[tuple[Place, datetime], int]
    Positions = tuple[int, ...]

MAX_STATES: Final = 200_000
"""A search that has been at so many states gives up: undecided, which is no proof."""


class ViolationError(Exception):
    """The history is not linearizable, or the journal contradicts itself."""


class UndecidedError(Exception):
    """The search was given up."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What stood in the tables at the end of a history."""

    entries: tuple[EntryState, ...]
    holders: Mapping[UUID, Place]

    def calls(self, calls: Iterable[Call]) -> list[Call]:
        """Return the calls, each with the balances that it has changed.

        Every entry keeps the clock's reading of the call that wrote it, and no two calls of a
        history were told the same.

        Raises:
            ViolationError: an entry belongs to none of the calls.
        """
        places: dict[datetime, set[Place]] = defaultdict(set)
        for entry in self.entries:
            places[entry.created_at].add((entry.subject, entry.item))
        known = [call.with_places(frozenset(places.pop(call.now, ()))) for call in calls]
        if places:
            raise ViolationError(f"Entries that no call has written: {sorted(places)}")
        return known

    def first_sequences(self) -> Sequences:
        """Return the sequence with which each call's entries at each balance begin.

        Raises:
            ViolationError: a balance's sequence has gaps or doubles, or one call's entries have
                another's between them.
        """
        firsts: Sequences = {}
        in_order = sorted(self.entries, key=lambda e: (e.subject, e.item, e.sequence))
        for place, some in groupby(in_order, key=lambda e: (e.subject, e.item)):
            entries = list(some)
            sequences = [entry.sequence for entry in entries]
            if sequences != list(range(1, len(sequences) + 1)):
                raise ViolationError(f"The sequence of {place} is {sequences}")
            for time, mine in groupby(entries, key=lambda entry: entry.created_at):
                if (place, time) in firsts:
                    raise ViolationError(f"The call of {time} at {place} has another one inside")
                firsts[place, time] = next(mine).sequence
        return firsts


@dataclass(slots=True)
class Verdict:
    """What a check has looked at: a history that it has found linearizable."""

    calls: int = 0
    changes: int = 0
    refusals: int = 0
    busy: int = 0
    groups: int = 0
    states: int = 0

    def __iadd__(self, other: Verdict) -> Self:
        for name in Verdict.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


def check(calls: Sequence[Call], journal: Journal, *, by_journal: bool = True) -> Verdict:
    """Decide on a history that began with an empty ledger.

    Args:
        by_journal: demand the journal's order too, and the same journal in the end; without, the
            answers alone decide.

    Raises:
        ViolationError: there is no such order.
        UndecidedError: the search was given up.
    """
    known = journal.calls(calls)
    for call in known:
        if isinstance(call.answer, Broken):
            raise ViolationError(f"No answer of a ledger: {call}")
        if call.is_busy and call.places:
            raise ViolationError(f"Refused as busy, but done: {call}")
    firsts = journal.first_sequences() if by_journal else None
    verdict = Verdict(
        calls=len(known),
        changes=sum(bool(call.places) for call in known),
        refusals=sum(isinstance(call.answer, Refusal) for call in known),
        busy=sum(call.is_busy for call in known),
    )
    # What was busy did nothing, at whatever moment.
    for group in _groups([call for call in known if not call.is_busy], journal):
        search = _Search(group, firsts)
        model = search.run()
        verdict.groups += 1
        verdict.states += search.states
        if by_journal:
            _compare_journals(group, journal, model)
    return verdict


def _compare_journals(group: Sequence[Call], journal: Journal, model: Model) -> None:
    places = frozenset().union(*(call.places for call in group))
    real = [entry for entry in journal.entries if (entry.subject, entry.item) in places]
    real.sort(key=lambda e: (e.subject, e.item, e.sequence))
    others = model.entries()
    for one, other in zip(real, others, strict=False):
        if not model.names.are_equal(one, other):
            raise ViolationError(f"The journal has\n{one}\nwhere the rules have\n{other}")
    if len(real) != len(others):
        raise ViolationError(f"The journal has {len(real)} entries, the rules {len(others)}")


def _groups(calls: Sequence[Call], journal: Journal) -> list[list[Call]]:
    """Return the calls in groups that share no balance and no key, each in order of time."""
    parents: dict[Hashable, Hashable] = {}

    def root(thing: Hashable) -> Hashable:
        parents.setdefault(thing, thing)
        while parents[thing] != thing:
            parents[thing] = parents[parents[thing]]
            thing = parents[thing]
        return thing

    all_places = {(e.subject, e.item) for e in journal.entries}
    things = {id(call): list(_things(call, journal.holders, all_places)) for call in calls}
    for call in calls:
        for one, other in pairwise(things[id(call)]):
            parents[root(one)] = root(other)
    groups: dict[Hashable, list[Call]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: call.invoked_at):
        # What touches nothing is a group of its own.
        mine = things[id(call)]
        groups[root(mine[0]) if mine else id(call)].append(call)
    return list(groups.values())


def _things(
    call: Call, holders: Mapping[UUID, Place], places: Iterable[Place]
) -> Iterator[Hashable]:
    """Yield the balances and keys that a call's answer may depend on."""
    yield from call.places
    match call.ask:
        case Post():
            for operation in call.ask.operations:
                yield from _things_of(operation, holders)
        case ReadBalance():
            yield (call.ask.subject, call.ask.item)
        case ReadBalances():
            yield from (place for place in places if place[0] == call.ask.subject)
        case ReadHold():
            yield holders.get(call.ask.hold_id, call.ask.hold_id)


def _things_of(operation: Any, holders: Mapping[UUID, Place]) -> Iterator[Hashable]:
    if operation.key is not None:
        yield operation.key
    hold_id = getattr(operation, "hold_id", None)
    item = getattr(operation, "item", None)
    if hold_id is not None:
        place = holders.get(hold_id)
        yield hold_id if place is None else place
        item = place and place[1]
    for name in ("subject", "source", "destination", "to"):
        subject = getattr(operation, name, None)
        if subject is not None:
            yield (subject, item)


@dataclass(slots=True)
class _Search:
    """Search for the order of one group of calls."""

    calls: Sequence[Call]
    firsts: Sequences | None
    states: int = 0
    _queues: list[list[Call]] = field(init=False)
    _deepest: tuple[Positions, Model] = field(init=False)

    def __post_init__(self) -> None:
        queues: dict[int, list[Call]] = defaultdict(list)
        for call in self.calls:
            queues[call.worker].append(call)
        self._queues = list(queues.values())
        self._deepest = (0,) * len(self._queues), Model()

    def run(self) -> Model:
        """Return the model as the calls leave it, in an order that explains them all.

        Raises:
            ViolationError: there is none.
        """
        seen: set[Hashable] = set()
        stack = [((0,) * len(self._queues), Model())]
        while stack:
            positions, model = stack.pop()
            positions = self._pass_what_changes_nothing(positions, model)
            if sum(positions) == len(self.calls):
                return model
            # By the journal's order the calls that were done determine the state.
            state = (positions, model.fingerprint() if self.firsts is None else None)
            if state in seen:
                continue
            seen.add(state)
            self.states += 1
            if self.states > MAX_STATES:
                raise UndecidedError(f"Given up after {self.states} states")
            if sum(positions) > sum(self._deepest[0]):
                self._deepest = positions, model
            stack.extend(self._steps(positions, model))
        raise ViolationError(self._explanation())

    def _enabled(self, positions: Positions) -> list[tuple[int, Call]]:
        """Return the calls that may come next: those that no other one was over before."""
        ahead = [
            (number, queue[position])
            for number, (queue, position) in enumerate(zip(self._queues, positions, strict=True))
            if position < len(queue)
        ]
        first_return = min((call.returned_at for _, call in ahead), default=0)
        return [(number, call) for number, call in ahead if call.invoked_at <= first_return]

    def _steps(self, positions: Positions, model: Model) -> list[tuple[Positions, Model]]:
        """Return where the search can go from here; what returned first comes last."""
        steps = []
        enabled = self._enabled(positions)
        for queue, call in sorted(enabled, key=lambda one: one[1].returned_at, reverse=True):
            if self._is_next(call, model):
                after = model.copy()
                if after.answers_alike(call) and after.is_longer_than(model) == bool(call.places):
                    steps.append((_advanced(positions, queue), after))
        return steps

    def _pass_what_changes_nothing(self, positions: Positions, model: Model) -> Positions:
        """Put every call here that is explained by this state and leaves it as it is.

        Never wrong: if there is an order in which it comes later, there is one with it here.
        """
        is_moving = True
        while is_moving:
            is_moving = False
            for queue, call in self._enabled(positions):
                if call.places:
                    continue
                probe = model.copy()
                if probe.answers_alike(call) and probe.has_same_state_as(model):
                    # An id that only now was heard of, an expiry's for instance, stays known.
                    model.names = probe.names
                    positions = _advanced(positions, queue)
                    is_moving = True
        return positions

    def _is_next(self, call: Call, model: Model) -> bool:
        """Tell whether the journal has this call next at each balance that it has changed."""
        if self.firsts is None:
            return True
        return all(
            self.firsts[place, call.now] == model.version(place) + 1 for place in call.places
        )

    def _explanation(self) -> str:
        """Tell what could have come next where the search came furthest, and why it did not."""
        positions, model = self._deepest
        lines = [f"After {sum(positions)} of {len(self.calls)} calls none of these fits:"]
        for _, call in self._enabled(positions):
            when = "next" if self._is_next(call, model) else "not next"
            lines.append(f"{call}\n  by the journal {when}, by the rules answered with")
            lines.append(f"  {model.copy().answer(call)}")
        return "\n".join(lines)


def _advanced(positions: Positions, queue: int) -> Positions:
    return (*positions[:queue], positions[queue] + 1, *positions[queue + 1 :])
