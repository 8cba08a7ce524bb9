"""Values that no caller should pass, by name, since many of them cannot even be printed.

Owns what is passed. Whether a value is refused or accepted is the ledger's to say; what must not
happen stands in ``test_hostile``.
"""

from __future__ import annotations

import decimal
import enum
import fractions
import types
import uuid
from collections import OrderedDict, UserString, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import MagicMock, Mock

from django.contrib.auth import get_user_model
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from django_inventory.models import Balance

if TYPE_CHECKING:
    from collections.abc import Callable


class Lying(int):
    """An int that compares and converts as another one."""

    def __int__(self) -> int:
        return 10**30

    __index__ = __int__
    __trunc__ = __int__


class LyingStr(str):
    """A text that shows another one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\ud800"

    __repr__ = __str__


class Metal(enum.StrEnum):
    GOLD = "gold"


class OldMetal(str, enum.Enum):  # noqa: UP042 - of which str() gives its name
    GOLD = "gold"


class Number(enum.IntEnum):
    SEVEN = 7


def _nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def _nested_lists(depth: int) -> dict[str, Any]:
    value: list[Any] = []
    for _ in range(depth - 2):
        value = [value]
    return {"a": value}


def _cyclic_dict() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


def _cyclic_list() -> dict[str, Any]:
    value: list[Any] = []
    value.append(value)
    return {"a": value}


def _bomb() -> dict[str, Any]:
    """Return little that becomes much: ten references to ten references to ..., 18 times."""
    value: list[Any] = ["boom"]
    for _ in range(17):
        value = [value] * 10
    return {"a": value}


def _generator() -> Any:
    return (number for number in range(3))


def _unsaved() -> Any:
    return get_user_model()(username="nobody")


def _with_pk(pk: Any) -> Any:
    user = get_user_model()(pk=pk)
    user._state.adding = False
    return user


TEXTS: Final[dict[str, Callable[[], object]]] = {
    "empty": lambda: "",
    "a space": lambda: " ",
    "space before": lambda: " gold",
    "space after": lambda: "gold ",
    "no-break space after": lambda: "gold\u00a0",
    "line end": lambda: "gold\n",
    "tab inside": lambda: "go\tld",
    "NUL": lambda: "go\0ld",
    "escape": lambda: "\x1b[31mgold",
    "C1 control": lambda: "go\x85ld",
    "DEL": lambda: "gold\x7f",
    "high surrogate": lambda: "\ud800",
    "low surrogate": lambda: "go\udfffld",
    "surrogates in pairs": lambda: "\ud83d\ude00",
    "beyond the plane": lambda: "\U0001f600",
    "noncharacter": lambda: "\uffff\U0010ffff",
    "line separator": lambda: "go\u2028ld",
    "right to left": lambda: "go\u202eld",
    "zero width": lambda: "\u200bgold\ufeff",
    "combining": lambda: "e\u0301",
    "precomposed": lambda: "\u00e9",
    "dotless": lambda: "\u0130\u0131\u00df",
    "capitals": lambda: "GOLD",
    "percent": lambda: "%s %(gold)s {gold}",
    "quotes": lambda: "'; DROP TABLE django_inventory_entry; --",
    "backslash": lambda: "\\'\\\"\\0\\",
    "JSON": lambda: '{"a": null}',
    "255": lambda: "\U0001f600" * 255,
    "256": lambda: "x" * 256,
    "a million": lambda: "x" * 1_000_000,
    "null": lambda: "null",
}
NUMBERS: Final[dict[str, Callable[[], object]]] = {
    "0": lambda: 0,
    "-1": lambda: -1,
    "1": lambda: 1,
    "the limit": lambda: 2**63 - 1,
    "the limit and 1": lambda: 2**63,
    "the lowest": lambda: -(2**63),
    "65 bits": lambda: 2**64 + 1,
    "5000 digits": lambda: 10**5_000,
    "True": lambda: True,
    "False": lambda: False,
    "1.0": lambda: 1.0,
    "0.5": lambda: 0.5,
    "tiny": lambda: 5e-324,
    "huge": lambda: 1e308,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "-infinity": lambda: float("-inf"),
    "-0.0": lambda: -0.0,
    "Decimal": lambda: decimal.Decimal(1),
    "Decimal NaN": lambda: decimal.Decimal("NaN"),
    "Decimal sNaN": lambda: decimal.Decimal("sNaN"),
    "Fraction": lambda: fractions.Fraction(1),
    "complex": lambda: 1 + 0j,
    "IntEnum": lambda: Number.SEVEN,
    "digits": lambda: "7",
    "Lying": lambda: Lying(7),
}
TIMES: Final[dict[str, Callable[[], object]]] = {
    "timedelta 0": lambda: timedelta(0),
    "timedelta -1": lambda: timedelta(-1),
    "timedelta.max": lambda: timedelta.max,
    "timedelta.min": lambda: timedelta.min,
    "100 years": lambda: timedelta(days=36_525),
    "100 years and a bit": lambda: timedelta(days=36_525, microseconds=1),
    "a microsecond": lambda: timedelta(microseconds=1),
    "half a microsecond": lambda: 5e-7,
    "datetime": lambda: datetime(2026, 1, 1, tzinfo=UTC),
    "date": lambda: date(2026, 1, 1),
}
OBJECTS: Final[dict[str, Callable[[], object]]] = {
    "None": lambda: None,
    "object": object,
    "Ellipsis": lambda: ...,
    "bytes": lambda: b"gold",
    "bytearray": lambda: bytearray(b"gold"),
    "memoryview": lambda: memoryview(b"gold"),
    "list": lambda: ["gold"],
    "tuple": lambda: ("gold",),
    "set": lambda: {"gold"},
    "dict": lambda: {"gold": 1},
    "range": lambda: range(3),
    "generator": _generator,
    "function": lambda: _generator,
    "module": lambda: types,
    "exception": lambda: ValueError("gold"),
    "type": lambda: str,
    "UUID": lambda: uuid.UUID(int=7),
    "UUID text": lambda: str(uuid.UUID(int=7)),
    "UUID in braces": lambda: "{00000000-0000-0000-0000-000000000007}",
    "Arabic digits": lambda: "\u0660" * 32,
    "StrEnum": lambda: Metal.GOLD,
    "str Enum": lambda: OldMetal.GOLD,
    "SafeString": lambda: mark_safe("gold"),
    "UserString": lambda: UserString("gold"),
    "LyingStr": lambda: LyingStr("gold"),
    "lazy text": lambda: gettext_lazy("gold"),
    "lazy object of text": lambda: SimpleLazyObject(lambda: "gold"),
    "lazy object of a number": lambda: SimpleLazyObject(lambda: 7),
    "lazy object of a UUID": lambda: SimpleLazyObject(lambda: uuid.UUID(int=7)),
    "lazy object of a timedelta": lambda: SimpleLazyObject(lambda: timedelta(seconds=60)),
    "Mock": Mock,
    "MagicMock": MagicMock,
    "Mock of str": lambda: Mock(spec=str),
    "Mock of int": lambda: MagicMock(spec=int),
    "Mock of UUID": lambda: Mock(spec=uuid.UUID),
    "model class": lambda: Balance,
    "unsaved instance": _unsaved,
    "saved instance": lambda: _with_pk(7),
    "instance with a text for pk": lambda: _with_pk("\ud800"),
    "instance with a long pk": lambda: _with_pk("7" * 300),
    "queryset": Balance.objects.none,
}
METADATA: Final[dict[str, Callable[[], object]]] = {
    "20 deep": lambda: _nested(20),
    "21 deep": lambda: _nested(21),
    "lists 20 deep": lambda: _nested_lists(20),
    "lists 21 deep": lambda: _nested_lists(21),
    "5,000 deep": lambda: _nested(5_000),
    "lists 5,000 deep": lambda: _nested_lists(5_000),
    "cyclic dict": _cyclic_dict,
    "cyclic list": _cyclic_list,
    "bomb": _bomb,
    "as long as allowed": lambda: {"a": "x" * 65_528},
    "too long": lambda: {"a": "x" * 65_529},
    "too long when escaped": lambda: {"a": "\u00e9" * 20_000},
    "a million texts": lambda: {"a": ["x"] * 1_000_000},
    "number for name": lambda: {1: "a"},
    "None for name": lambda: {None: "a"},
    "names of two kinds": lambda: {"1": "a", 1: "b"},
    "bytes for name": lambda: {b"a": 1},
    "enum for name": lambda: {OldMetal.GOLD: 1, "b": 2},
    "NaN": lambda: {"a": float("nan")},
    "infinity": lambda: {"a": [float("inf")]},
    "floats": lambda: {"a": [1e22, 1e23, 1.5e300, 5e-324, -0.0, 0.1, 1e16, 123456789.5]},
    "integers": lambda: {"a": [2**63, -(2**63) - 1, 10**300]},
    "4000 digits": lambda: {"a": 10**4_000},
    "5000 digits": lambda: {"a": 10**5_000},
    "booleans": lambda: {"a": [True, False, None, 1, 0]},
    "Decimal": lambda: {"a": decimal.Decimal(1)},
    "datetime": lambda: {"a": datetime(2026, 1, 1, tzinfo=UTC)},
    "bytes": lambda: {"a": b"a"},
    "set": lambda: {"a": {1}},
    "tuple": lambda: {"a": (1, (2,))},
    "lazy text": lambda: {"a": gettext_lazy("gold")},
    "NUL": lambda: {"a": "go\0ld"},
    "NUL in a name": lambda: {"go\0ld": 1},
    "NUL escaped": lambda: {"a": "\\u0000"},
    "surrogate": lambda: {"a": ["\ud800"]},
    "surrogate in a name": lambda: {"\udfff": 1},
    "control characters": lambda: {"a": "\x01\x1f\x7f\u2028", "\n": "\t"},
    "empty name": lambda: {"": {"": []}},
    "long name": lambda: {"x" * 60_000: 1},
    "emoji": lambda: {"\U0001f600": "\U0001f600" * 100},
    "OrderedDict": lambda: OrderedDict(a=1),
    "defaultdict": lambda: defaultdict(list, a=[1]),
    "MappingProxy": lambda: types.MappingProxyType({"a": 1}),
    "enums": lambda: {"a": [Metal.GOLD, OldMetal.GOLD, Number.SEVEN]},
    "Lying inside": lambda: {"a": Lying(7)},
    "Mock inside": lambda: {"a": Mock(spec=dict)},
    "generator inside": lambda: {"a": _generator()},
}
PLAIN_VALUES: Final = {**TEXTS, **NUMBERS, **TIMES, **OBJECTS}
ANYTHING: Final = {
    **PLAIN_VALUES,
    **{f"metadata: {name}": make for name, make in METADATA.items()},
}
