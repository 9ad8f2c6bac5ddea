"""Pictures of few colours, as charts are: a PNG that has a table of them is a fifth of the size.

vl-convert writes four bytes for each pixel. What is kept in a notebook should be smaller.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["fewer_colours"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA, _TABLE = 6, 3  # kinds of PNG
_DIFFERENCES = 1  # each pixel is stored as what it differs from the one on its left
_BITS = (4, 3, 2)  # of each of red, green, blue and opacity, that tell two colours apart
_MOST = 256


def fewer_colours(png: bytes) -> bytes:
    """Return a picture with a table of at most 256 colours.

    Parameters
    ----------
    png : bytes
        As vl-convert writes it; any other is returned as it is.

    Returns
    -------
    bytes
        A PNG of the same size in pixels. Colours that can hardly be told apart are one.
    """
    chunks = dict(_chunks(png))
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if (depth, kind, *rest) != (8, _RGBA, 0, 0, 0):
        return png
    packed = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8)
    rows = packed.reshape(height, 1 + 4 * width)
    if (rows[:, 0] != _DIFFERENCES).any():
        return png
    pixels = rows[:, 1:].reshape(height, width, 4).cumsum(axis=1, dtype=np.uint8)
    table, found = _table(pixels.reshape(-1, 4))
    lines = np.zeros((height, 1 + width), np.uint8)  # no differences: they would be more
    lines[:, 1:] = found.reshape(height, width)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, _TABLE, 0, 0, 0),
        b"PLTE": table[:, :3].tobytes(),
        b"tRNS": table[:, 3].tobytes(),
        b"IDAT": zlib.compress(lines.tobytes(), 9),
        b"IEND": b"",
    }
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in parts.items())


def _table(pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the colours of some pixels, and for each pixel its place among them."""
    for bits in _BITS:
        parts = (pixels >> (8 - bits)).astype(np.uint16)
        alike = np.zeros(len(pixels), np.uint16)
        for part in parts.T:
            alike = alike << bits | part
        counts = np.bincount(alike, minlength=1)
        used = np.flatnonzero(counts)
        if len(used) <= _MOST:
            break
    sums = [np.bincount(alike, channel)[used] for channel in pixels.T]
    means = np.stack(sums, axis=1) / counts[used, np.newaxis]
    places = np.zeros(len(counts), np.uint8)
    places[used] = np.arange(len(used))
    return means.round().astype(np.uint8), places[alike]


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the parts of a file; its image data as one."""
    at, data = len(_SIGNATURE), b""
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        part = png[at + 8 : at + 8 + size]
        if name == b"IDAT":
            data += part
        else:
            yield name, part
        at += size + 12
    yield b"IDAT", data


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
