"""Reports on what the shop sold, as CSV files."""

import argparse
import csv
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from itertools import combinations
from pathlib import Path
from statistics import median, quantiles

TOP_PAIRS = 1000


def monthly(database: sqlite3.Connection) -> Iterable[tuple[object, ...]]:
    """Tell the sales of each month and category.

    Yields
    ------
    tuple
        ``month category lines cents median_cents p90_cents``; the last two
        are of one order line.
    """
    amounts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for day, category, cents in database.execute("SELECT day, category, cents FROM sales"):
        amounts[day[:7], category].append(cents)
    yield "month", "category", "lines", "cents", "median_cents", "p90_cents"
    for (month, category), cents in sorted(amounts.items()):
        # A tenth part of a single amount is that amount.
        p90 = quantiles(cents, n=10)[-1] if len(cents) > 1 else cents[0]
        yield month, category, len(cents), sum(cents), round(median(cents)), round(p90)


def pairs(database: sqlite3.Connection) -> Iterable[tuple[object, ...]]:
    """Tell which products are bought together most often.

    Yields
    ------
    tuple
        ``orders product_a product_b``, the most frequent first.
    """
    baskets: dict[int, list[int]] = defaultdict(list)
    for order_id, product_id in database.execute(
        "SELECT order_id, product_id FROM order_lines ORDER BY order_id, product_id"
    ):
        baskets[order_id].append(product_id)
    together: Counter[tuple[int, int]] = Counter()
    for basket in baskets.values():
        together.update(combinations(basket, 2))
    yield "orders", "product_a", "product_b"
    ranked = sorted(together.items(), key=lambda item: (-item[1], item[0]))
    for (first, second), orders in ranked[:TOP_PAIRS]:
        yield orders, first, second


REPORTS = {"monthly": monthly, "pairs": pairs}


def main() -> None:
    """Write the report that the command line asks for."""
    parser = argparse.ArgumentParser(description="Report on the shop's sales.")
    parser.add_argument("--title", required=True, help="printed above the result")
    parser.add_argument("report", choices=REPORTS)
    parser.add_argument("database", type=Path)
    parser.add_argument("path", type=Path, help="the CSV file to write")
    asked = parser.parse_args()
    address = f"{asked.database.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        rows = list(REPORTS[asked.report](database))
    with asked.path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    print(f"{asked.title}: {len(rows) - 1:,} rows in {asked.path}")


if __name__ == "__main__":
    main()
