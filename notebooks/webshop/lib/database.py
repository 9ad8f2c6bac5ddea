"""Create the shop's SQLite database and fill it from the CSV files."""

import argparse
import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from wholefile import whole_file

SCHEMA = """
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    ean TEXT NOT NULL UNIQUE,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    stock INTEGER NOT NULL,
    rating REAL NOT NULL,
    description TEXT NOT NULL
);
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL,
    customer INTEGER NOT NULL,
    day TEXT NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product_id)
) WITHOUT ROWID;
CREATE VIEW sales AS
SELECT order_id, customer, day, category, product_id, quantity, quantity * price_cents AS cents
FROM order_lines JOIN products ON products.id = product_id;
"""
INDEXES = """
CREATE INDEX products_by_category ON products (category, rating DESC);
CREATE INDEX order_lines_by_day ON order_lines (day);
CREATE INDEX order_lines_by_product ON order_lines (product_id, quantity);
ANALYZE;
"""


def create(path: Path) -> None:
    """Put a database with empty tables at `path`."""
    with whole_file(path) as draft, closing(new_database(draft)):
        pass


def load(path: Path, products: Path, order_lines: Path) -> None:
    """Put a database with all products and orders at `path`.

    Raises
    ------
    sqlite3.IntegrityError
        A row breaks a rule of the schema, such as an order for no product.
    """
    with whole_file(path) as draft, closing(new_database(draft)) as database:
        with database:
            fill(database, "products", products)
            fill(database, "order_lines", order_lines)
        database.executescript(INDEXES)


def new_database(path: Path) -> sqlite3.Connection:
    """Make a database with empty tables."""
    database = sqlite3.connect(path)
    # It is a draft until it is renamed: neither safe writes nor a journal file, which the
    # renaming would leave behind, are of any use.
    database.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON;"
    )
    database.executescript(SCHEMA)
    return database


def fill(database: sqlite3.Connection, table: str, path: Path) -> None:
    """Copy the rows of a CSV file into a table of the same columns."""
    with path.open(newline="", encoding="utf-8") as file:
        rows: Iterator[list[str]] = csv.reader(file)
        columns = next(rows)
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        count = database.executemany(statement, rows).rowcount
    print(f"{table}: {count:,} rows", flush=True)


def main() -> None:
    """Create or load the database that the command line names."""
    parser = argparse.ArgumentParser(description="Create or load the shop's database.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("create", "load"):
        commands.add_parser(name).add_argument("path", type=Path)
    commands.choices["load"].add_argument("products", type=Path)
    commands.choices["load"].add_argument("order_lines", type=Path)
    asked = parser.parse_args()
    if asked.command == "create":
        create(asked.path)
    else:
        load(asked.path, asked.products, asked.order_lines)


if __name__ == "__main__":
    main()
