"""The shell's state after every hook of a run, kept in one file that grows by what changed.

A snapshot of a large variable space has a megabyte, and next to nothing of it changes in one hook.
So ``RUN/state/history`` holds the first one whole, and of each later one the pieces that were not
in the one before it. What the pieces mean is found out when somebody asks, never while a hook runs.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stacknb.places import FACTS, JOURNAL, STATE, WAITS
from stacknb.rundir.shapes import check_readable
from stacknb.text.reading import as_seconds, json_object, whole

__all__ = ["LIMIT", "History", "Moment", "listing", "read"]

LIMIT = 64 << 20  # bytes of a run's history on disk
_NEW_LIMIT = 4 << 20  # bytes that one hook may add to it, before compression
# These are told by the logs' own headers, or are of no interest.
_FOLDERS = {"hooks", "async", "cells", STATE, "traces"}
_FILES = {FACTS, JOURNAL, WAITS}
_MOST_FILES = 500
# Of one snapshot, when it is read: a damaged file must not fill the memory.
_MOST = 64 << 20  # bytes


@dataclass(frozen=True)
class Moment:
    """The shell after one hook, one cell, or (the first) before all of them.

    Attributes
    ----------
    kind : str
        ``begin``, ``hook`` or ``cell``.
    phase, name : str
    start, end : float
        Epoch seconds.
    snapshot : bytes or None
        None if the shell was lost, or too much changed; `why` tells it when it is read.
    files : dict of str to list
        Files of the run directory that are no logs of hooks and tasks: size and time of change.
    """

    kind: str
    phase: str = ""
    name: str = ""
    start: float = 0.0
    end: float = 0.0
    snapshot: bytes | None = None
    why: str = ""
    files: dict[str, list[float]] = field(default_factory=dict)


class History:
    """Writes the history of one run.

    Parameters
    ----------
    run_dir : Path
        Has a folder ``state``.
    limit : int
        Bytes that the file may have; later snapshots are left out, and the file says so.

    Attributes
    ----------
    begun : bool
        Something was kept; the first should be how the shell was before any hook.
    """

    def __init__(self, run_dir: Path, limit: int = LIMIT) -> None:
        self._path = _file(run_dir)
        self._limit = limit
        self._known: dict[bytes, int] = {}
        self._unwritten: Moment | None = None
        self.begun = False

    def keep(self, moment: Moment) -> None:
        """Add a moment; the next call writes it, or `settle`, while a hook runs."""
        self.settle()
        self.begun = True
        self._unwritten = moment

    def settle(self) -> None:
        """Write what was kept last.

        That nothing can be written is no reason to end a run: the history then ends early.
        """
        moment, self._unwritten = self._unwritten, None
        if moment is None:
            return
        facts: dict[str, Any] = {
            "kind": moment.kind, "phase": moment.phase, "name": moment.name,
            "start": moment.start, "end": moment.end, "files": moment.files,
        }  # fmt: skip
        try:
            payload = self._payload(moment.snapshot, facts)
            facts["size"] = len(payload)
            with open(self._path, "ab", opener=_private) as file:
                file.write(json.dumps(facts).encode() + b"\n" + payload + b"\n")
        except OSError:
            self._known = {}  # what was written last is not sure, so the next one is written whole

    def _payload(self, snapshot: bytes | None, facts: dict[str, Any]) -> bytes:
        if snapshot is None:
            facts["why"] = "the shell was lost without leaving its variables"
            return b""
        pieces = _pieces(snapshot)
        ops, new = _compare(self._known, pieces)
        full = self._path.exists() and self._path.stat().st_size > self._limit
        if full or sum(map(len, new)) > _NEW_LIMIT:
            facts["why"] = "too much changed to be kept"
            return b""
        facts["ops"], facts["whole"] = ops, not self._known
        self._known = _places(pieces)
        return zlib.compress(b"".join(new), 1)


def read(run_dir: Path) -> Iterator[Moment]:
    """Yield the moments of a run's history, in order; a damaged end is left out.

    Raises
    ------
    BadInput
        If it may not be read, as by another user, since passwords may stand in it.
    """
    path = _file(run_dir)
    try:
        data = whole(path)
    except PermissionError:
        check_readable(path)
        return
    except OSError:
        return
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at) + 1
        try:
            facts = json_object(data[at:end]) or {}
            payload = data[end : end + max(0, facts["size"])]
            at = end + len(payload) + 1
            text = None
            if "ops" in facts:
                text = _apply(facts["ops"], [] if facts["whole"] else pieces, payload)
                pieces = _pieces(text)
            moment = _moment(facts, text)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, zlib.error):
            return
        yield moment


def _moment(facts: dict[str, Any], text: bytes | None) -> Moment:
    kind, phase, name, why = (str(facts.get(key, "")) for key in ("kind", "phase", "name", "why"))
    start, end = (as_seconds(facts[key]) or 0.0 for key in ("start", "end"))
    files = {
        str(file): [size, when]
        for file, (size, when) in facts["files"].items()
        if as_seconds(when) is not None and isinstance(size, int)
    }
    return Moment(kind, phase, name, start, end, text, why, files)


def _file(run_dir: Path) -> Path:
    return run_dir / STATE / "history"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _pieces(text: bytes) -> list[bytes]:
    """Cut a snapshot about where declarations and functions end; joined, they are the text."""
    pieces: list[bytes] = []
    for number, part in enumerate(text.split(b"\n}\n")):
        first, *rest = part.split(b"\ndeclare -")
        pieces.append(b"\n}\n" + first if number else first)
        pieces += [b"\ndeclare -" + piece for piece in rest]
    return pieces


def _places(pieces: list[bytes]) -> dict[bytes, int]:
    return {piece: place for place, piece in enumerate(pieces)}


def _compare(known: dict[bytes, int], pieces: list[bytes]) -> tuple[list[list[int]], list[bytes]]:
    """Say how to make `pieces`: ``[place, count]`` of known ones, ``[length]`` of new text."""
    ops: list[list[int]] = []
    new: list[bytes] = []
    for piece in pieces:
        place = known.get(piece)
        last = ops[-1] if ops else []
        if place is None:
            new.append(piece)
            if len(last) == 1:
                last[0] += len(piece)
            else:
                ops.append([len(piece)])
        elif len(last) == 2 and sum(last) == place:
            last[1] += 1
        else:
            ops.append([place, 1])
    return ops, new


def _apply(ops: list[list[int]], pieces: list[bytes], payload: bytes) -> bytes:
    new, at = zlib.decompressobj().decompress(payload, _MOST), 0
    out: list[bytes] = []
    room = _MOST
    for op in ops:
        if len(op) == 1:
            out.append(new[at : at + op[0]])
            at += op[0]
        else:
            out.append(b"".join(pieces[op[0] : op[0] + op[1]]))
        room -= len(out[-1])
        if room < 0:
            raise ValueError("no snapshot is so large")
    return b"".join(out)


def listing(run_dir: Path) -> dict[str, list[float]]:
    """Return the files of a run as a `Moment` has them."""
    found: dict[str, list[float]] = {}
    folders = [str(run_dir)]
    while folders and len(found) < _MOST_FILES:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    top = folder == str(run_dir)
                    if entry.is_dir(follow_symlinks=False):
                        if not (top and entry.name in _FOLDERS):
                            folders.append(entry.path)
                    elif not (top and entry.name in _FILES):
                        facts = entry.stat(follow_symlinks=False)
                        name = os.fsencode(os.path.relpath(entry.path, run_dir))
                        shown = name.decode("utf-8", "backslashreplace")
                        found[shown] = [facts.st_size, facts.st_mtime]
        except OSError:
            continue
    return found
