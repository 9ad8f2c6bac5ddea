"""The search of the shop: an inverted index, weighted by how rare a word is.

For every word the index keeps the products that use it, each with a score
(tf-idf, scaled so that long descriptions win nothing by their length).
"""

import argparse
import csv
import math
import re
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from wholefile import whole_file

WORD = re.compile(r"[a-z]+")
SEARCHED = ("name", "category", "description")
NAME_WEIGHT = 3


class Hits(NamedTuple):
    """The answer to a search: how many products match, and the best of them."""

    total: int
    best: list[int]


def words(text: str) -> list[str]:
    """Split a text into lower-case words."""
    return WORD.findall(text.lower())


def build(path: Path, products: Path) -> None:
    """Read the products' CSV file and write their index to `path`.

    Parameters
    ----------
    path
        The SQLite file to write.
    products
        A CSV file with the columns ``id``, ``name``, ``category`` and
        ``description``.
    """
    counts: dict[int, Counter[str]] = {}
    seen_in: Counter[str] = Counter()
    with products.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found = Counter(words(" ".join(row[field] for field in SEARCHED)))
            for word in words(row["name"]):
                found[word] += NAME_WEIGHT
            counts[int(row["id"])] = found
            seen_in.update(found.keys())
    print(f"{len(counts):,} products use {len(seen_in):,} words", flush=True)

    rarity = {word: math.log(1 + len(counts) / number) for word, number in seen_in.items()}
    postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for product_id, found in counts.items():
        scores = {word: (1 + math.log(number)) * rarity[word] for word, number in found.items()}
        length = math.hypot(*scores.values())
        for word, score in scores.items():
            postings[word].append((product_id, round(score / length, 5)))
    write(path, postings)


def write(path: Path, postings: dict[str, list[tuple[int, float]]]) -> None:
    """Write an index: for each word the products with their scores."""
    with whole_file(path) as draft, closing(sqlite3.connect(draft)) as database:
        database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE postings (word TEXT, product_id INTEGER, score REAL,"
            " PRIMARY KEY (word, product_id)) WITHOUT ROWID;"
        )
        with database:
            for word in sorted(postings):
                rows = ((word, product_id, score) for product_id, score in postings[word])
                database.executemany("INSERT INTO postings VALUES (?, ?, ?)", rows)
    print(f"{path.name}: {sum(map(len, postings.values())):,} postings")


def search(index: sqlite3.Connection, text: str, limit: int = 10) -> Hits:
    """Find the products that use every word of `text`.

    Parameters
    ----------
    index
        An open index, as `build` writes it.
    text
        What to look for, in any case and with any punctuation.
    limit
        How many products to name.

    Returns
    -------
    Hits
        The number of all matches and the ids of the best `limit`, best first.
    """
    wanted = sorted(set(words(text)))
    if not wanted:
        return Hits(0, [])
    marks = ", ".join("?" * len(wanted))
    matches = index.execute(
        f"SELECT product_id FROM postings WHERE word IN ({marks}) GROUP BY product_id"
        " HAVING count(*) = ? ORDER BY sum(score) DESC, product_id",
        (*wanted, len(wanted)),
    ).fetchall()
    return Hits(len(matches), [product_id for (product_id,) in matches[:limit]])


def main() -> None:
    """Build the index that the command line names."""
    parser = argparse.ArgumentParser(description="Build the shop's search index.")
    parser.add_argument("path", type=Path, help="the index to write")
    parser.add_argument("products", type=Path, help="the CSV file to read")
    asked = parser.parse_args()
    build(asked.path, asked.products)


if __name__ == "__main__":
    main()
