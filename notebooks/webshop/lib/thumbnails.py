"""Draw a small PNG picture of each product, and a sheet that shows them all.

There is no picture library in Python's standard library, so every pixel is
computed here: plenty of work for a processor core, and none for the network.
"""

import argparse
import math
import random
import struct
import zlib
from pathlib import Path

from wholefile import whole_file

SIDE = 96
COLUMNS = 8

Colour = tuple[float, float, float]


def draw(product_id: int, side: int = SIDE) -> list[bytearray]:
    """Draw the picture of one product: a flower whose form follows from its id.

    Parameters
    ----------
    product_id
        The product; the same id gives the same picture.
    side
        Width and height in pixels.

    Returns
    -------
    list of bytearray
        `side` rows of ``3 * side`` bytes: red, green and blue of each pixel.
    """
    rng = random.Random(f"picture {product_id}")
    ground, petal, heart = palette(rng)
    petals = rng.randint(3, 9)
    turn = rng.uniform(0, math.tau)
    depth = rng.uniform(0.15, 0.45)
    rows = []
    for y in range(side):
        row = bytearray()
        for x in range(side):
            across, down = 2 * x / side - 1, 2 * y / side - 1
            distance = math.hypot(across, down)
            wave = math.cos(petals * math.atan2(down, across) + turn)
            # Each edge is a ramp two pixels wide instead of a step: it looks smooth.
            inside = min(1.0, max(0.0, (0.55 + depth * wave - distance) * side / 4))
            middle = min(1.0, max(0.0, (0.18 - distance) * side / 4))
            shade = 1.0 - 0.35 * distance
            for back, front, core in zip(ground, petal, heart, strict=True):
                level = back + (front - back) * inside
                row.append(int(255 * shade * (level + (core - level) * middle)) & 255)
        rows.append(row)
    return rows


def palette(rng: random.Random) -> tuple[Colour, Colour, Colour]:
    """Choose a pale, a strong and a contrasting colour, each part from 0 to 1."""
    hue = rng.uniform(0, math.tau)
    pale, strong, contrast = (
        (
            light + depth * math.cos(angle),
            light + depth * math.cos(angle - math.tau / 3),
            light + depth * math.cos(angle + math.tau / 3),
        )
        for angle, light, depth in ((hue, 0.8, 0.15), (hue + 0.6, 0.55, 0.4), (hue + 3, 0.6, 0.35))
    )
    return pale, strong, contrast


def png(rows: list[bytearray]) -> bytes:
    """Pack rows of red, green and blue bytes into a PNG file."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels, 9))
        + chunk(b"IEND", b"")
    )


def sheet(pictures: list[list[bytearray]]) -> list[bytearray]:
    """Lay pictures of one size side by side, `COLUMNS` in a row."""
    white = [bytearray(b"\xff" * len(row)) for row in pictures[0]]
    filled = pictures + [white] * (-len(pictures) % COLUMNS)
    rows = []
    for first in range(0, len(filled), COLUMNS):
        strip = filled[first : first + COLUMNS]
        rows += [bytearray().join(pieces) for pieces in zip(*strip, strict=True)]
    return rows


def main() -> None:
    """Draw the thumbnails that the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw the shop's thumbnails.")
    parser.add_argument("folder", type=Path, help="an existing folder")
    parser.add_argument("count", type=int, help="how many products to draw, from number 1")
    asked = parser.parse_args()
    pictures = []
    for product_id in range(1, asked.count + 1):
        pictures.append(draw(product_id))
        with whole_file(asked.folder / f"{product_id}.png") as draft:
            draft.write_bytes(png(pictures[-1]))
        if product_id % 10 == 0 or product_id == asked.count:
            print(f"{product_id} of {asked.count} drawn", flush=True)
    with whole_file(asked.folder / "sheet.png") as draft:
        draft.write_bytes(png(sheet(pictures)))


if __name__ == "__main__":
    main()
