"""What every mutation carries along: reference, metadata and actor."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.testing.contract.journal import journal

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django_inventory.exceptions import InvalidIdentifier, InvalidOperation
from django_inventory.operations import Acquire
from django_inventory.testing.contract.calls import VERBS, call, hold_of, make, stock
from django_inventory.testing.contract.refusals import assert_all_refused, refuses

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from django_inventory.testing.contract.base import Contract

UNSTORABLE: Final = {
    "NUL": "a\x00b",
    "tab": "a\tb",
    "line feed": "a\n",
    "delete": "a\x7f",
    "next line": "\x85",
    "surrogate": "a\ud800",
}

NO_STRINGS: Final[dict[str, Any]] = {
    "None": None,
    "int": 7,
    "false": False,
    "bytes": b"a",
    "list": [],
    "dict": {},
}

TOO_LONG: Final = {"256 characters": "x" * 256, "256 emoji": "😀" * 256}

KEPT_TEXTS: Final = {
    "empty": "",
    "one": "x",
    "255 characters": "x" * 255,
    "255 emoji": "😀" * 255,
    "spaces around": "  order 7 \u3000",
    "unicode": "Auftrag Nr. 7: „Größe“ 😀",
    "decomposed": "e\u0301",
}


def nested(levels: int, value: object, *, as_list: bool = False) -> dict[str, Any]:
    """Return ``value`` inside ``levels`` containers, the outermost being a dict."""
    for _ in range(levels - 1):
        value = [value] if as_list else {"a": value}
    return {"a": value}


def endless() -> dict[str, Any]:
    inner: dict[str, Any] = {}
    inner["self"] = inner
    return inner


# {"a":"..."} has 8 bytes beside the text.
KEPT_METADATA: Final[dict[str, dict[str, Any]]] = {
    "empty": {},
    "empty name": {"": None},
    "constants": {"a": None, "b": True, "c": False},
    "false and zero": {"false": False, "zero": 0, "true": True, "one": 1},
    "unicode": {"schlüssel 😀": "wert ß é e\u0301 \u2028 \ufeff \U0010ffff"},
    "control characters": {"text": "a\tb\nc\x01\x7f"},
    "escapes": {'"': "\\u0000 \\ / '"},
    "spaces": {" a ": " b "},
    "nested": {"lines": [{"sku": "a", "n": 1}, [], {}, [[1, 2], ["x"]]]},
    "2**70": {"n": 2**70},
    "-(2**70)": {"n": -(2**70)},
    "2**53 + 1": {"n": 2**53 + 1},
    "2**64": {"n": 2**64},
    "300 digits": {"n": 10**300 + 1},
    "floats": {"a": 0.1, "b": -2.5, "c": 1.0, "d": 1 / 3, "e": 0.0},
    "small floats": {"a": 1e-7, "b": 5e-324, "c": 2.2250738585072014e-308},
    "large floats": {"a": 123456789012345.6, "b": 999_999_999_999_999.0, "c": -1e15},
    "20 dicts around a value": nested(20, 1),
    "20 containers around a value": nested(20, "x", as_list=True),
    "20 dicts": nested(19, {}),
    "65,536 bytes": {"a": "x" * (65_536 - 8)},
    "order of names": {"b": 1, "a": 2, "B": 3, "á": 4},
    "looks like a date": {"at": "2026-03-01T12:00:00Z", "n": "1e5"},
}

NO_METADATA: Final[dict[str, Any]] = {
    "list": [],
    "list of pairs": [("a", 1)],
    "str": "{}",
    "int": 1,
    "false": False,
    "empty string": "",
    "set": {"a"},
    "NaN": {"a": float("nan")},
    "infinity": {"a": float("inf")},
    "minus infinity, nested": {"a": [{"b": float("-inf")}]},
    "int as name": {1: "a"},
    "None as name": {None: "a"},
    "true as name": {True: "a"},
    "tuple as name": {("a",): "a"},
    "bytes as name": {b"a": "a"},
    "int as name, nested": {"a": [{"b": {2: 3}}]},
    "NUL": {"a": "x\x00"},
    "NUL in a name": {"a\x00": 1},
    "NUL, nested": {"a": [[{"b": "\x00"}]]},
    "surrogate": {"a": "\ud800"},
    "surrogate in a name": {"\udfff": 1},
    "datetime": {"a": datetime(2026, 3, 1, tzinfo=UTC)},
    "date": {"a": date(2026, 3, 1)},
    "Decimal": {"a": Decimal(1)},
    "UUID": {"a": UUID(int=1)},
    "set, nested": {"a": {1, 2}},
    "bytes": {"a": b"x"},
    "complex": {"a": 1j},
    "object": {"a": object()},
    "5,000 digits": {"a": 10**5_000},
    "5,000 digits below zero, nested": {"a": [-(10**5_000)]},
    "21 dicts": nested(21, 1),
    "21 containers": nested(21, 1, as_list=True),
    "1,000 dicts": nested(1_000, 1),
    "endless": endless(),
    "65,537 bytes": {"a": "x" * (65_537 - 8)},
}

each_verb = pytest.mark.parametrize("verb", VERBS)


def _types(value: object) -> object:
    """Return the shape of some metadata, with types in the place of values."""
    if isinstance(value, dict):
        return {name: _types(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_types(member) for member in value]
    return type(value)


class Notes(Contract):
    @each_verb
    def test_notes_land_on_the_entries(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        notes = {"reference": "order 7", "metadata": {"line": [1, None]}, "actor": "clerk"}
        receipt = call(ledger, verb, hold_id, **notes)
        lines = [line for line in journal(self) if line.operation_id == receipt.operation_id]
        assert len(lines) == (2 if verb == "transfer" else 1)
        for line in lines:
            assert (line.reference, line.metadata, line.actor) == tuple(notes.values())

    def test_a_commit_to_somebody_has_its_notes_on_both_entries(self, ledger: Ledger) -> None:
        hold_id = stock(ledger)
        ledger.commit(hold_id, to="bob", reference="order 7", metadata={"a": 1}, actor="clerk")
        assert [(line.subject, *line[-5:-2]) for line in journal(self)[-2:]] == [
            ("alice", "clerk", "order 7", {"a": 1}),
            ("bob", "clerk", "order 7", {"a": 1}),
        ]

    @each_verb
    def test_notes_may_be_left_out(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        call(ledger, verb, hold_id)
        line = journal(self)[-1]
        assert (line.reference, line.metadata, line.actor) == ("", None, "")

    def test_an_expiry_has_no_notes(self, ledger: Ledger, clock: MovableClock) -> None:
        ledger.acquire("k1", "alice", "gold", 5)
        ledger.hold(
            "k2", "alice", "gold", 5, 60, reference="cart 7", metadata={"a": 1}, actor="clerk"
        )
        clock.advance(seconds=60)
        ledger.consume("k3", "alice", "gold", 5, reference="order 8", actor="boss")
        line = journal(self)[-2]
        assert line.kind == "expire"
        assert (line.key, line.reference, line.metadata, line.actor) == (None, "", None, "")

    @pytest.mark.parametrize("field", ["reference", "actor"])
    @pytest.mark.parametrize("text", KEPT_TEXTS.values(), ids=KEPT_TEXTS.keys())
    def test_a_text_is_kept_as_it_is(self, ledger: Ledger, field: str, text: str) -> None:
        if field == "actor":
            # The actor is an identifier, which has no white space around it.
            text = text.strip()
        ledger.acquire("k", "alice", "gold", 1, **{field: text})  # type: ignore[arg-type] # no metadata
        assert getattr(journal(self)[0], field) == text
        again = {"actor": "other"} if field == "actor" else {field: text}
        assert call(ledger, "acquire", **again).replayed

    @each_verb
    def test_a_wrong_reference_is_refused(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        wrong = [*UNSTORABLE.values(), *NO_STRINGS.values(), *TOO_LONG.values()]
        calls: list[Callable[[], object]] = [
            partial(call, ledger, verb, hold_id, reference=text) for text in wrong
        ]
        calls += [partial(make, verb, hold_id, reference=text) for text in wrong]
        assert_all_refused(self, InvalidOperation, [("reference", one) for one in calls])

    @each_verb
    def test_a_wrong_actor_is_refused(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        wrong = [*UNSTORABLE.values(), *NO_STRINGS.values(), *TOO_LONG.values()]
        wrong += [" clerk", "clerk ", "clerk\u00a0", "\u3000clerk", " "]
        calls: list[Callable[[], object]] = [
            partial(call, ledger, verb, hold_id, actor=text) for text in wrong
        ]
        calls += [partial(make, verb, hold_id, actor=text) for text in wrong]
        assert_all_refused(self, InvalidIdentifier, [("actor", one) for one in calls])

    @pytest.mark.parametrize("metadata", KEPT_METADATA.values(), ids=KEPT_METADATA.keys())
    def test_metadata_of_a_commit_is_known_again(
        self, ledger: Ledger, metadata: dict[str, Any]
    ) -> None:
        hold_id = stock(ledger)
        first = ledger.commit(hold_id, metadata=metadata)
        again = ledger.commit(hold_id, metadata=metadata)
        assert again.replayed
        assert again.operation_id == first.operation_id

    @pytest.mark.parametrize("number", [1e16, -1e16, 1e22, 1e23, 1.7976931348623157e308])
    def test_a_float_that_can_have_no_fraction_becomes_the_int_that_it_is(
        self, ledger: Ledger, number: float
    ) -> None:
        hold_id = stock(ledger)
        ledger.commit(hold_id, metadata={"n": number})
        kept = journal(self)[-1].metadata
        assert kept == {"n": int(number)} == {"n": number}
        assert _types(kept) == {"n": int}
        assert ledger.commit(hold_id, metadata={"n": number}).replayed
        assert ledger.commit(hold_id, metadata={"n": int(number)}).replayed

    def test_a_tuple_in_metadata_becomes_a_list(self, ledger: Ledger) -> None:
        ledger.acquire("k", "alice", "gold", 1, metadata={"a": (1, (2,))})
        assert journal(self)[0].metadata == {"a": [1, [2]]}
        assert ledger.acquire("k", "alice", "gold", 1, metadata={"a": [1, [2]]}).replayed

    @pytest.mark.parametrize("metadata", NO_METADATA.values(), ids=NO_METADATA.keys())
    def test_what_is_no_metadata_is_refused(self, ledger: Ledger, metadata: Any) -> None:
        hold_id = stock(ledger)
        calls: list[Callable[[], object]] = [
            partial(call, ledger, verb, hold_id, metadata=metadata) for verb in VERBS
        ]
        calls += [partial(make, verb, hold_id, metadata=metadata) for verb in VERBS]
        assert_all_refused(self, InvalidOperation, [("metadata", one) for one in calls])

    def test_a_refused_note_leaves_the_key_unused(self, ledger: Ledger) -> None:
        with refuses(self, InvalidOperation, field="metadata", index=None):
            ledger.acquire("k", "alice", "gold", 1, metadata={"a": float("nan")})
        assert not ledger.acquire("k", "alice", "gold", 2, metadata={"a": None}).replayed

    def test_changing_the_dict_after_the_call_changes_nothing(self, ledger: Ledger) -> None:
        metadata: dict[str, Any] = {"lines": [{"n": 1}]}
        ledger.acquire("k", "alice", "gold", 1, metadata=metadata)
        metadata["lines"][0]["n"] = 2
        metadata["more"] = True
        assert journal(self)[0].metadata == {"lines": [{"n": 1}]}
        assert ledger.acquire("k", "alice", "gold", 1, metadata={"lines": [{"n": 1}]}).replayed

    def test_changing_the_dict_after_making_the_operation_changes_nothing(
        self, ledger: Ledger
    ) -> None:
        metadata: dict[str, Any] = {"lines": [{"n": 1}]}
        operation = Acquire("k", "alice", "gold", 1, metadata=metadata)
        metadata["lines"][0]["n"] = 2
        ledger.post([operation])
        assert journal(self)[0].metadata == {"lines": [{"n": 1}]}

    def test_changing_a_posted_operations_metadata_changes_no_journal(self, ledger: Ledger) -> None:
        operation = Acquire("k", "alice", "gold", 1, metadata={"lines": [{"n": 1}]})
        ledger.post([operation])
        assert operation.metadata is not None
        operation.metadata["lines"][0]["n"] = 2
        assert journal(self)[0].metadata == {"lines": [{"n": 1}]}

    def test_changing_what_the_journal_shows_changes_no_journal(self, ledger: Ledger) -> None:
        hold_id = stock(ledger)
        ledger.commit(hold_id, metadata={"lines": [{"n": 1}]})
        shown = journal(self)[-1].metadata
        assert shown is not None
        shown["lines"][0]["n"] = 2
        assert journal(self)[-1].metadata == {"lines": [{"n": 1}]}
        assert ledger.commit(hold_id, metadata={"lines": [{"n": 1}]}).replayed

    def test_a_hold_keeps_notes_of_each_of_its_operations(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 5)
        placed = ledger.hold("k2", "alice", "gold", 5, 60, reference="cart 7", metadata={"n": 1})
        ledger.extend(hold_of(placed), 90, reference="asked for more time")
        ledger.commit(hold_of(placed), reference="order 8", metadata={"n": 2})
        notes = [(line.kind, line.reference, line.metadata) for line in journal(self)[1:]]
        assert notes == [
            ("hold", "cart 7", {"n": 1}),
            ("extend", "asked for more time", None),
            ("commit", "order 8", {"n": 2}),
        ]

    @pytest.mark.parametrize("metadata", KEPT_METADATA.values(), ids=KEPT_METADATA.keys())
    def test_metadata_is_kept_as_it_is(self, ledger: Ledger, metadata: dict[str, Any]) -> None:
        given = copy.deepcopy(metadata)
        ledger.acquire("k", "alice", "gold", 1, metadata=given)
        kept = journal(self)[0].metadata
        assert kept == metadata
        assert _types(kept) == _types(metadata)
        assert given == metadata
        assert ledger.acquire("k", "alice", "gold", 1, metadata=metadata).replayed
