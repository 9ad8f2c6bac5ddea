"""The newest snapshot of a run on disk, from which it can be resumed after any end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from stacknb.exceptions import BadInput
from stacknb.rundir.shapes import check_readable
from stacknb.text import reading

__all__ = ["Vault", "bytes_of", "is_whole"]

_FIRST, _LAST = b"#stacknb variables\n", b"#stacknb end\n"
_NAMES = ("snapshot.bash", "snapshot.2.bash")


class Vault:
    """Two files that are written by turns, in place.

    To rename a file over another, or to write it anew from nothing, makes a journalling file system
    write it out at once, which takes as long as all the rest of a hook. So the one that is older is
    written over; its first byte, which comes last, tells that it is whole.

    Parameters
    ----------
    folder : Path
        The folder ``state`` of a run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = [folder / name for name in _NAMES]  # the next to be written is the first
        if self.newest == self._paths[0]:
            self._paths.reverse()

    @property
    def newest(self) -> Path | None:
        """The newest whole snapshot; None if there is none."""
        whole = [path for path in self._paths if is_whole(bytes_of(path))]
        return max(whole, key=lambda path: path.stat().st_mtime_ns, default=None)

    def check(self) -> None:
        """Refuse to go on from nothing, or from what may not be read."""
        if self.newest is None:
            check_readable(self._folder / _NAMES[0])
            raise BadInput(
                f"run {str(self._folder.parent)!r} left no snapshot to resume from; stack anew"
            )

    def put(self, snapshot: bytes) -> None:
        """Keep a snapshot.

        Raises
        ------
        OSError
            If the disk is full; the one before is still there.
        """
        target = self._paths[0]
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, b"?", 0)
            _write_all(descriptor, snapshot[1:], 1)
            os.ftruncate(descriptor, len(snapshot))
            self._date_back(os.fstat(descriptor).st_mtime_ns)
            os.pwrite(descriptor, snapshot[:1], 0)
        finally:
            os.close(descriptor)
        self._paths.reverse()

    def _date_back(self, now_ns: int) -> None:
        """Make the one before older than `now_ns`; times do not tell it where a clock is set back.

        Nor where both are written within a tick, which may take 10 ms.
        """
        with contextlib.suppress(OSError):  # there is none
            if os.stat(self._paths[1]).st_mtime_ns >= now_ns:
                os.utime(self._paths[1], ns=(now_ns - 1, now_ns - 1))


def is_whole(snapshot: bytes) -> bool:
    """Tell whether bash wrote a snapshot to its end, and it was kept to its end."""
    return snapshot.startswith(_FIRST) and snapshot.endswith(_LAST)


def bytes_of(path: Path) -> bytes:
    """Return what a file holds; nothing if there is none, or it is no file."""
    try:
        return reading.whole(path)
    except OSError:
        return b""


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
