"""Subject, item, key and scope: what is refused, and that all else is compared exactly."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.exceptions import InvalidIdentifier
from django_inventory.operations import Acquire, Consume
from django_inventory.testing.contract.calls import VERBS, arguments, call, gold, make, stock
from django_inventory.testing.contract.journal import journal
from django_inventory.testing.contract.refusals import assert_all_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_inventory.ledgers import Ledger


import enum
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger


from django_inventory.testing.contract.base import Contract

SIMILAR = {
    "case": ("Sword", "sword"),
    "case of all 255": ("A" * 255, "a" * 255),
    "accent": ("e", "é"),
    "composed and decomposed": ("caf\u00e9", "cafe\u0301"),
    "sharp s": ("Straße", "Strasse"),
    "ligature": ("ﬁn", "fin"),
    "angstrom sign": ("\u212b", "\u00c5"),
    "turkish i": ("\u0131", "i"),
    "turkish dotted i": ("İ", "I"),
    "final sigma": ("\u03c3", "\u03c2"),
    "full width": ("\uff21", "A"),
    "hiragana and katakana": ("は", "ハ"),
    "superscript": ("2", "²"),
    "emoji": ("😀", "😁"),
    "emoji and none": ("gold", "gold😀"),
    "skin tone": ("👍", "👍🏽"),
    "variation selector": ("\u2764", "\u2764\ufe0f"),
    "joiner": ("ab", "a\u200db"),
    "zero width space at the end": ("a", "a\u200b"),
    "soft hyphen": ("ab", "a\u00adb"),
    "no-break space": ("a b", "a\u00a0b"),
    "two spaces": ("a b", "a  b"),
    "hyphen": ("a-b", "a\u2010b"),
    "wildcards": ("a_b%", "axbyz"),
    "last of 255": ("a" * 254 + "b", "a" * 254 + "c"),
    "length": ("a" * 254, "a" * 255),
}

KEPT = {
    "one character": "x",
    "255 characters": "x" * 255,
    "255 emoji, 1020 bytes": "😀" * 255,
    "255 accents, 510 bytes": "é" * 255,
    "inner spaces": "a  b \u3000 c",
    "decomposed": "e\u0301",
    "joined emoji": "👩\u200d👩\u200d👧",
    "right to left": "\u202eabc \u05d0",
    "last code point": "\U0010ffff",
    "quotes": """it's "so" `\\' -- ; DROP TABLE x""",
    "placeholders": "%s %(x)s {} ? :1 $1",
    "NULL": "NULL",
}

NOT_STRINGS: dict[str, Any] = {
    "int": 7,
    "bool": True,
    "float": 1.5,
    "bytes": b"alice",
    "list": ["alice"],
    "object": object(),
    "type": str,
    "UUID": uuid4(),
}

WRONG: dict[str, Any] = {
    "empty": "",
    "256 characters": "x" * 256,
    "256 emoji": "😀" * 256,
    "NUL alone": "\x00",
    "NUL inside": "a\x00b",
    "NUL at the end": "a\x00",
    "tab": "a\tb",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "escape": "a\x1bb",
    "last C0": "a\x1fb",
    "delete": "a\x7fb",
    "first C1": "a\x80b",
    "next line": "a\x85b",
    "last C1": "a\x9fb",
    "leading space": " a",
    "trailing space": "a ",
    "space alone": " ",
    "trailing line feed": "a\n",
    "leading no-break space": "\u00a0a",
    "trailing no-break space": "a\u00a0",
    "leading ideographic space": "\u3000a",
    "trailing ideographic space": "a\u3000",
    "trailing line separator": "a\u2028",
    "high surrogate": "a\ud800b",
    "low surrogate": "\udfff",
    **NOT_STRINGS,
}

similar = pytest.mark.parametrize(("one", "other"), SIMILAR.values(), ids=SIMILAR.keys())

kept = pytest.mark.parametrize("name", KEPT.values(), ids=KEPT.keys())


class Metal(enum.StrEnum):
    GOLD = "gold"


class OldMetal(str, enum.Enum):  # noqa: UP042 - its str() is not its value, and that is the point
    GOLD = "gold"


class Label(str):
    """A string that says something else of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "lead"


FIELDS = {
    "acquire": ("key", "subject", "item"),
    "consume": ("key", "subject", "item"),
    "transfer": ("key", "source", "destination", "item"),
    "hold": ("key", "subject", "item"),
    "commit": ("key", "to"),
    "release": ("key",),
    "extend": ("key",),
}


def _wrong_values(verb: str, field: str) -> list[Any]:
    """Return all that is wrong for the field; None is, unless it means "not given"."""
    given = arguments(verb, None).get(field)
    is_optional = verb in {"commit", "release", "extend"}
    assert is_optional or given is not None
    return [*WRONG.values(), *([] if is_optional else [None])]


class Identifiers(Contract):
    @similar
    def test_similar_subjects_own_apart(self, ledger: Ledger, one: str, other: str) -> None:
        ledger.acquire("k1", one, "gold", 1)
        ledger.acquire("k2", other, "gold", 20)
        ledger.acquire("k3", one, "gold", 300)
        assert ledger.balance(one, "gold") == gold(one, 301)
        assert ledger.balance(other, "gold") == gold(other, 20)
        assert ledger.balances(one) == [gold(one, 301)]
        assert ledger.balances(other) == [gold(other, 20)]

    @similar
    def test_similar_items_are_counted_apart(self, ledger: Ledger, one: str, other: str) -> None:
        ledger.post([Acquire("k1", "alice", one, 1), Acquire("k2", "alice", other, 20)])
        assert ledger.balance("alice", one).quantity == 1
        assert ledger.balance("alice", other).quantity == 20
        in_order = sorted([(one, 1), (other, 20)])
        assert [(b.item, b.quantity) for b in ledger.balances("alice")] == in_order

    @similar
    def test_similar_subjects_can_trade(self, ledger: Ledger, one: str, other: str) -> None:
        ledger.acquire("k1", one, "gold", 10)
        receipt = ledger.transfer("k2", one, other, "gold", 3)
        assert receipt.balances == (gold(one, 7), gold(other, 3))
        hold = ledger.hold("k3", one, "gold", 2, 60).hold
        assert hold is not None
        assert ledger.commit(hold.id, to=other).balances == (gold(one, 5), gold(other, 5))

    @similar
    def test_similar_scopes_are_two_scopes(self, ledger: Ledger, one: str, other: str) -> None:
        assert not ledger.scoped(one).acquire("k", "alice", "gold", 1).replayed
        assert not ledger.scoped(other).acquire("k", "alice", "gold", 1).replayed
        assert ledger.scoped(one).acquire("k", "alice", "gold", 1).replayed
        assert ledger.balance("alice", "gold") == gold("alice", 2)

    @kept
    def test_an_identifier_is_kept_as_it_is(self, ledger: Ledger, name: str) -> None:
        receipt = ledger.scoped(name).acquire(name, name, name, 5, actor=name, reference=name)
        assert receipt.key == name
        (balance,) = receipt.balances
        assert (balance.subject, balance.item, balance.quantity) == (name, name, 5)
        assert ledger.balance(name, name) == balance
        assert ledger.balances(name) == [balance]
        (line,) = journal(self)
        assert (line.subject, line.item, line.key) == (name, name, name)
        assert (line.actor, line.reference) == (name, name)
        assert ledger.scoped(name).scope == name

    @kept
    def test_an_identifier_of_a_hold_is_kept_as_it_is(self, ledger: Ledger, name: str) -> None:
        ledger.acquire("stock", name, name, 5)
        placed = ledger.hold(name, name, name, 2, 60)
        assert placed.hold is not None
        assert (placed.hold.subject, placed.hold.item) == (name, name)
        assert ledger.get_hold(placed.hold.id) == placed.hold
        assert ledger.hold(name, name, name, 2, 60).hold == placed.hold
        committed = ledger.scoped("other").commit(placed.hold.id, to="bob", key=name)
        assert committed.key == name
        assert [b.subject for b in committed.balances] == [name, "bob"]
        assert committed.hold is not None
        assert committed.hold.subject == name

    def test_a_wrong_identifier_of_a_read_is_refused(self, ledger: Ledger) -> None:
        stock(ledger)
        values = [*WRONG.values(), None]
        reads: list[tuple[str, Callable[[Any], object]]] = [
            ("subject", lambda value: ledger.balance(value, "gold")),
            ("item", partial(ledger.balance, "alice")),
            ("subject", ledger.balances),
        ]
        assert_all_refused(
            self,
            InvalidIdentifier,
            ((field, partial(read, value)) for field, read in reads for value in values),
        )

    def test_the_empty_scope_is_the_default(self, ledger: Ledger) -> None:
        assert ledger.scope == ""
        assert not ledger.acquire("k", "alice", "gold", 1).replayed
        assert ledger.scoped("").acquire("k", "alice", "gold", 1).replayed
        assert ledger.scoped("shop").scoped("").acquire("k", "alice", "gold", 1).replayed

    @pytest.mark.parametrize("item", [Metal.GOLD, OldMetal.GOLD, Label("gold")], ids=type)
    def test_a_subclass_of_str_counts_as_its_characters(self, ledger: Ledger, item: str) -> None:
        receipt = ledger.acquire("gold", "gold", "gold", 1, actor="gold", reference="gold")
        replay = ledger.acquire(item, item, item, 1, actor=item, reference=item)
        assert replay.replayed
        assert replay.balances == receipt.balances
        moved = ledger.scoped(item).transfer(item, item, "bob", item, 1, actor=item)
        assert moved.key == "gold"
        assert type(moved.key) is str
        for balance in (*moved.balances, ledger.balance(item, item)):
            assert (type(balance.subject), type(balance.item)) == (str, str)
        assert ledger.balance(item, item) == gold("gold", 0)
        assert {(line.key, line.actor) for line in journal(self)} == {("gold", "gold")}

    @similar
    def test_similar_keys_are_two_keys(self, ledger: Ledger, one: str, other: str) -> None:
        assert ledger.acquire(one, "alice", "gold", 1).key == one
        assert ledger.acquire(other, "alice", "gold", 1).key == other
        assert ledger.balance("alice", "gold") == gold("alice", 2)
        self.assert_counts(keys=2)
        assert ledger.acquire(one, "alice", "gold", 1).replayed
        assert ledger.acquire(other, "alice", "gold", 1).replayed
        assert [line.key for line in journal(self)] == [one, other]

    def test_similar_keys_of_one_batch_are_as_many_keys(self, ledger: Ledger) -> None:
        keys = list(dict.fromkeys(key for pair in SIMILAR.values() for key in pair))
        receipts = ledger.post([Acquire(key, "alice", "gold", 1) for key in [*keys, *keys]])
        assert [receipt.key for receipt in receipts] == [*keys, *keys]
        assert [receipt.replayed for receipt in receipts] == [False] * len(keys) + [True] * len(
            keys
        )
        self.assert_counts(keys=len(keys))
        assert ledger.balance("alice", "gold") == gold("alice", len(keys))

    def test_similar_names_of_one_batch_are_as_many_balances(self, ledger: Ledger) -> None:
        names = list(dict.fromkeys(name for pair in SIMILAR.values() for name in pair))
        ledger.post([Acquire(name, name, "gold", 7) for name in names])
        ledger.post(
            [Acquire(f"owner {number}", "owner", name, 7) for number, name in enumerate(names)]
        )
        self.assert_counts(balances=2 * len(names))
        assert [balance.item for balance in ledger.balances("owner")] == sorted(names)
        moved = ledger.post([Consume(f"less {n}", name, "gold", 7) for n, name in enumerate(names)])
        assert [receipt.balances for receipt in moved] == [(gold(name, 0),) for name in names]

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("how", ["call", "operation"])
    def test_a_wrong_identifier_is_refused(self, ledger: Ledger, verb: str, how: str) -> None:
        hold_id = stock(ledger)

        def attempts() -> Iterator[tuple[str, Callable[[], object]]]:
            for field in FIELDS[verb]:
                for value in _wrong_values(verb, field):
                    changes = {field: value}
                    if how == "call":
                        yield field, partial(call, ledger, verb, hold_id, **changes)
                    else:
                        yield field, partial(make, verb, hold_id, **changes)

        assert_all_refused(self, InvalidIdentifier, attempts())
