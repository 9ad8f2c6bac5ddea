"""Invent the shop's products and orders, and write them as CSV files.

Everything follows from the seed: the same seed gives the same files on every
machine and in every run, which is why stacking twice changes nothing.
"""

import argparse
import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path

from wholefile import whole_file

PRODUCT_FIELDS = ("id", "name", "category", "ean", "price_cents", "stock", "rating", "description")
LINE_FIELDS = ("order_id", "customer", "day", "product_id", "quantity")

FIRST_DAY = date(2025, 1, 1)
DAYS = 365
CUSTOMERS = 4000
MOST_LINES = 5
RATINGS = 60

THINGS = {
    "kitchen": "kettle teapot saucepan ladle whisk colander skillet mortar grinder",
    "garden": "trowel spade rake lantern birdhouse hammock trellis barrow hose",
    "office": "stapler notebook lamp binder inkwell easel calendar globe ruler",
    "bath": "towel basin mirror sponge brush soapdish stool robe shelf",
    "music": "flute drum ukulele metronome tambourine cello banjo whistle bell",
    "outdoor": "tent compass backpack canteen rope paddle stove axe blanket",
}
SHELVES = [(thing, category) for category, things in THINGS.items() for thing in things.split()]
WORDS = {
    kind: words.split()
    for kind, words in {
        "colour": "azure black blue coral crimson green grey ivory lilac olive red teal white",
        "material": "ash bamboo brass ceramic copper cork glass iron linen maple oak slate steel",
        "praise": "light quiet sturdy handy clever simple elegant robust gentle precise durable",
        "maker": "Arnfield Bellamy Corvin Dunmore Eskdale Farrow Galloway Harrow Inverlow Jarvis",
    }.items()
}
USES = ("small homes", "long winters", "busy mornings", "narrow cupboards", "rainy weekends")
CARE = ("Wipe dry", "Wash by hand", "Oil twice a year", "Store upright", "Keep from frost")


def products(count: int, seed: int) -> Iterator[tuple[object, ...]]:
    """Invent `count` products, numbered from 1.

    Parameters
    ----------
    count
        How many products to invent.
    seed
        Where the random numbers start.

    Yields
    ------
    tuple
        One product in the order of `PRODUCT_FIELDS`; prices are in cents and
        ratings, the mean of many customers' stars, lie between 1 and 5.
    """
    rng = random.Random(f"products {seed}")
    for number in range(1, count + 1):
        thing, category = rng.choice(SHELVES)
        name = f"{rng.choice(WORDS['colour'])} {rng.choice(WORDS['material'])} {thing}"
        price_cents = max(99, round(rng.lognormvariate(7.8, 0.7)))
        liked = 5 * rng.betavariate(6, 2)
        stars = [min(5.0, max(1.0, rng.gauss(liked, 0.8))) for _ in range(RATINGS)]
        rating = f"{sum(stars) / RATINGS:.2f}"
        text = describe(rng, thing)
        yield number, name, category, ean13(number), price_cents, rng.randrange(500), rating, text


def describe(rng: random.Random, thing: str) -> str:
    """Describe one product in four sentences."""
    first, second, third = rng.sample(WORDS["praise"], 3)
    inside, outside = rng.sample(WORDS["material"], 2)
    colours = rng.sample(WORDS["colour"], 2)
    return (
        f"Made for {rng.choice(USES)}. "
        f"A {first} {thing} of {inside} and {outside}, {second} and {third}. "
        f"By {rng.choice(WORDS['maker'])}, also in {' or '.join(colours)}. "
        f"{rng.choice(CARE)}."
    )


def ean13(number: int) -> str:
    """Give a product's bar code: twelve digits and the check digit."""
    digits = f"200{number:09d}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-weighted % 10)


def order_lines(count: int, product_count: int, seed: int) -> Iterator[tuple[object, ...]]:
    """Invent the lines of `count` orders, spread over one year.

    A few products sell often and most of them seldom; December is busy.

    Parameters
    ----------
    count
        How many orders to invent; each has up to `MOST_LINES` lines.
    product_count
        How many products there are to buy.
    seed
        Where the random numbers start.

    Yields
    ------
    tuple
        One line in the order of `LINE_FIELDS`. No order names a product twice.
    """
    rng = random.Random(f"orders {seed}")
    ids = rng.sample(range(1, product_count + 1), product_count)
    popularity = list(accumulate(1 / (rank + 20) ** 0.8 for rank in range(product_count)))
    busyness = list(accumulate(3 if day >= DAYS - 31 else 1 for day in range(DAYS)))
    days = sorted(rng.choices(range(DAYS), cum_weights=busyness, k=count))
    for order_id, day in enumerate(days, start=1):
        customer = rng.randint(1, CUSTOMERS)
        written = (FIRST_DAY + timedelta(day)).isoformat()
        basket = rng.choices(ids, cum_weights=popularity, k=rng.randint(1, MOST_LINES))
        for product_id in dict.fromkeys(basket):
            yield order_id, customer, written, product_id, rng.choice((1, 1, 1, 2, 2, 3, 6))


def write_csv(path: Path, fields: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    """Write `rows` under a heading of `fields`, telling how far it has come."""
    count = 0
    with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fields)
        for count, row in enumerate(rows, start=1):
            writer.writerow(row)
            if count % 20_000 == 0:
                print(f"{path.name}: {count:,} rows so far", flush=True)
    print(f"{path.name}: {count:,} rows")


def main() -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(description="Invent products or orders.")
    parser.add_argument("what", choices=("products", "orders"))
    parser.add_argument("path", type=Path, help="the CSV file to write")
    parser.add_argument("--products", type=int, required=True, help="how many products there are")
    parser.add_argument("--orders", type=int, default=0, help="how many orders to invent")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.what == "products":
        write_csv(asked.path, PRODUCT_FIELDS, products(asked.products, asked.seed))
    else:
        write_csv(asked.path, LINE_FIELDS, order_lines(asked.orders, asked.products, asked.seed))
        print(f"{asked.path.name}: {asked.orders:,} orders")


if __name__ == "__main__":
    main()
