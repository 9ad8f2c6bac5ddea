"""Serve the shop over HTTP, as its configuration file says.

GET /health              is everything there?
GET /count               how many products, orders and order lines
GET /sales               what was sold, in cents
GET /products/17         one product
GET /search?q=oak+table  the products that use every word, best first
GET /thumbnails/17.png   a product's picture
"""

import argparse
import configparser
import json
import sqlite3
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import search_index

MOST_DIGITS = 9

Answer = dict[str, object]


class NotFound(Exception):
    """There is nothing at this address."""


class Shop:
    """What the API knows: the database, the search index and the thumbnails.

    Parameters
    ----------
    config
        The configuration, with the sections ``database``, ``search`` and
        ``thumbnails``.
    """

    def __init__(self, config: configparser.ConfigParser) -> None:
        self.database = Path(config["database"]["path"])
        self.index = Path(config["search"]["index"])
        self.thumbnails = Path(config["thumbnails"]["folder"])

    def health(self) -> Answer:
        """Say that all is well; raise what is not."""
        with closing(read_only(self.index)) as index:
            index.execute("SELECT 1 FROM postings LIMIT 1").fetchone()
        return {"status": "ok", **self.count()}

    def count(self) -> Answer:
        """Count what the database holds."""
        return self.first_row(
            "SELECT (SELECT count(*) FROM products) AS products,"
            " count(DISTINCT order_id) AS orders, count(*) AS order_lines FROM order_lines"
        )

    def sales(self) -> Answer:
        """Add up all orders, in cents."""
        return self.first_row("SELECT sum(cents) AS cents FROM sales")

    def product(self, product_id: int) -> Answer:
        """Look one product up."""
        return self.first_row("SELECT * FROM products WHERE id = ?", product_id)

    def search(self, text: str) -> Answer:
        """Find products by the words of their name, category and description."""
        with closing(read_only(self.index)) as index:
            hits = search_index.search(index, text)
        return {"total": hits.total, "products": [self.product(number) for number in hits.best]}

    def thumbnail(self, product_id: int) -> bytes:
        """Read one product's picture."""
        try:
            return (self.thumbnails / f"{product_id}.png").read_bytes()
        except FileNotFoundError:
            raise NotFound from None

    def first_row(self, query: str, *values: object) -> Answer:
        """Give the first row of a query, by column."""
        with closing(read_only(self.database)) as database:
            database.row_factory = sqlite3.Row
            row = database.execute(query, values).fetchone()
        if row is None:
            raise NotFound
        return dict(row)


def read_only(path: Path) -> sqlite3.Connection:
    """Open a database that must exist and stays as it is."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


class Handler(BaseHTTPRequestHandler):
    """Answer one request."""

    shop: Shop

    def do_GET(self) -> None:
        """Find out what is asked for, and answer."""
        try:
            answer = self.answer()
        except NotFound:
            self.send(HTTPStatus.NOT_FOUND, {"error": f"nothing at {self.path!r}"})
        except (sqlite3.Error, OSError) as error:
            # 503 is what wait_for_service takes for "not yet".
            self.send(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)})
        else:
            self.send(HTTPStatus.OK, answer)

    def answer(self) -> Answer | bytes:
        """Give a JSON object, or the bytes of a picture."""
        address = urlsplit(self.path)
        match address.path.strip("/").split("/"):
            case ["health"]:
                return self.shop.health()
            case ["count"]:
                return self.shop.count()
            case ["sales"]:
                return self.shop.sales()
            case ["search"]:
                return self.shop.search(" ".join(parse_qs(address.query).get("q", [])))
            case ["products", number]:
                return self.shop.product(as_id(number))
            case ["thumbnails", name]:
                return self.shop.thumbnail(as_id(name.removesuffix(".png")))
            case _:
                raise NotFound

    def send(self, status: HTTPStatus, answer: Answer | bytes) -> None:
        """Send an answer."""
        is_picture = isinstance(answer, bytes)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "image/png" if is_picture else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def as_id(text: str) -> int:
    """Read a product's number from an address."""
    # SQLite's whole numbers end at 19 digits.
    if not text.isascii() or not text.isdecimal() or len(text) > MOST_DIGITS:
        raise NotFound
    return int(text)


def main() -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser(description="Serve the shop over HTTP.")
    parser.add_argument("config", type=Path, help="the configuration file")
    asked = parser.parse_args()
    # Without interpolation a % in a path is just a %.
    config = configparser.ConfigParser(interpolation=None)
    with asked.config.open(encoding="utf-8") as file:
        config.read_file(file)
    Handler.shop = Shop(config)
    address = config["api"]["host"], config.getint("api", "port")
    with ThreadingHTTPServer(address, Handler) as server:
        print(f"serving on http://{address[0]}:{address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
