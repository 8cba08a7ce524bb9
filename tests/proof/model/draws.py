"""The actions that the state machine draws.

Owns how often things meet: few subjects, items and keys, so that they collide; times that meet
expiries to the microsecond; quantities that meet the limit.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.proof.model.actions import Block, Call, Post, Sweep
from tests.proof.model.oracle import LIMIT

if TYPE_CHECKING:
    from tests.proof.model.actions import Action

VERBS: Final = ("acquire", "consume", "transfer", "hold", "commit", "release", "extend")
STOCKED: Final = ("alice", "bob", "carol")
SUBJECTS: Final = (*STOCKED, "dave")
ITEMS: Final = ("gold", "sword")
# The same values to wait for, so that the clock often stands at an expiry to the microsecond.
DURATIONS: Final = (
    timedelta(seconds=10),
    timedelta(microseconds=1),
    timedelta(seconds=1),
    timedelta(seconds=9, microseconds=999_999),
    timedelta(minutes=1),
    timedelta(days=3),
)
# How long before or after a hold's expiry the clock may be made to stand.
AROUND_EXPIRY: Final = (timedelta(0), timedelta(microseconds=-1), timedelta(seconds=1))
# 0 stands for a key that was never used, a number above for the one that was used so long ago.
KEYS: Final = (0, 0, 0, 0, 0, 0, 1, 2, 3)
# Below zero: the newest hold, the one before it, ...; from this number on down: the newest active
# hold, the one before it, ...
ACTIVE: Final = -100
HOLDS: Final = (ACTIVE, -1, ACTIVE - 1, -2, ACTIVE - 2, -3)
# What a call that is said again says otherwise; a name that it has not is passed over.
CHANGES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"quantity": 1},
    {},
    {"subject": "carol"},
    {},
    {"item": "sword"},
    {},
    {"to": None},
    {"key": None},
    {"ttl": timedelta(seconds=2)},
    {"reference": "another"},
    {"actor": "another"},
    {"scope": "shop"},
)

subjects = st.sampled_from((*STOCKED, *SUBJECTS))
items = st.sampled_from((ITEMS[0], *ITEMS))
quantities = st.sampled_from((*range(1, 13), 50, LIMIT - 100, LIMIT - 1, LIMIT))
held_quantities = st.sampled_from((*range(1, 13), LIMIT))
durations = st.sampled_from(DURATIONS)
ttls = st.sampled_from((*DURATIONS, timedelta(minutes=1), timedelta(days=3)))
around_expiry = st.sampled_from(AROUND_EXPIRY)
changes = st.sampled_from(CHANGES)
holds = st.sampled_from(HOLDS)
scopes = st.sampled_from(("", "", "", "shop"))
keys = st.sampled_from(KEYS)
optional_keys = st.sampled_from((None, None, None, *KEYS))
receivers = st.sampled_from((None, *SUBJECTS))
sweeps = st.builds(Sweep, st.sampled_from((None, 1, 2)))


@st.composite
def calls(draw: st.DrawFn, verb: str | None = None) -> Call:
    """Draw an operation; key and hold are numbers still, see ``KEYS`` and ``HOLDS``."""
    verb = draw(st.sampled_from((*VERBS, "hold", "commit"))) if verb is None else verb
    arguments: dict[str, Any]
    match verb:
        case "transfer":
            source, destination, *_ = draw(st.permutations(SUBJECTS))
            arguments = {"source": source, "destination": destination, "item": draw(items)}
            arguments |= {"key": draw(keys), "quantity": draw(quantities)}
        case "commit":
            arguments = draw(commit_arguments())
        case "release" | "extend":
            arguments = {"hold_id": draw(holds), "key": draw(optional_keys)}
        case _:
            arguments = {"subject": draw(subjects), "item": draw(items), "key": draw(keys)}
            arguments["quantity"] = draw(held_quantities if verb == "hold" else quantities)
    if verb in {"hold", "extend"}:
        arguments["ttl"] = draw(ttls)
    return Call(verb, {**arguments, **draw(notes())})


@st.composite
def commit_arguments(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a whole commit as often as one of a part."""
    arguments: dict[str, Any] = {"hold_id": draw(holds)}
    if draw(st.booleans()):
        arguments |= {"quantity": draw(st.integers(1, 6)), "keep_remainder": draw(st.booleans())}
    # With keep_remainder a key is required.
    arguments["key"] = draw(keys if arguments.get("keep_remainder") else optional_keys)
    return {**arguments, "to": draw(receivers)}


@st.composite
def notes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a reference, metadata and an actor, mostly none."""
    if draw(st.integers(0, 3)) < 3:
        return {}
    return {
        "reference": draw(st.sampled_from(("", "order-1"))),
        "metadata": draw(st.sampled_from((None, {"line": 1}, {"line": 2}))),
        "actor": draw(st.sampled_from(("", "clerk", "carol"))),
    }


@st.composite
def batches(draw: st.DrawFn) -> Post:
    """Draw a batch of one to four operations."""
    some = draw(st.lists(calls(), min_size=1, max_size=4))
    return Post(some, draw(scopes), is_atomic=draw(st.booleans()))


@st.composite
def blocks(draw: st.DrawFn, depth: int = 2) -> Block:
    """Draw a transaction of the caller's with calls and perhaps savepoints inside."""
    actions: list[Action] = []
    for _ in range(draw(st.integers(1, depth))):
        choice = draw(st.integers(0, 5))
        if choice < 3:
            actions.append(Post([draw(calls())], draw(scopes), is_single=True))
        elif choice == 3:
            actions.append(draw(batches()))
        elif choice == 4 or depth == 1:
            actions.append(draw(sweeps))
        else:
            actions.append(draw(blocks(depth - 1)))
    return Block(actions, rolls_back=draw(st.booleans()))
