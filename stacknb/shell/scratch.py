"""The scratch folder of one session: the FIFOs between Python and bash, and small files of both."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stacknb.exceptions import StacknbError
from stacknb.rundir.room import unwritable
from stacknb.rundir.umask import heed_no_umask

__all__ = ["Scratch"]

_PROBE = bytes(1 << 16)  # about what a session needs
_NEEDED = ("never", "supervisor")


class Scratch:
    """A private folder, in memory where there is room.

    Parameters
    ----------
    otherwise : Path, optional
        Where it goes if there is no room in the usual place.

    Attributes
    ----------
    path : Path

    Raises
    ------
    StacknbError
        If there is room nowhere.
    """

    def __init__(self, otherwise: Path | None = None) -> None:
        lacking = []
        for parent in (_in_memory(), otherwise):
            try:
                self.path = _made(parent)
                return
            except OSError as error:
                where = str(parent or os.environ.get("TMPDIR") or tempfile.gettempdir())
                lacking.append(f"{where!r} ({error.strerror or error})")
                if otherwise is None:
                    break
        raise StacknbError(
            f"no room for the scratch folder of the session in {' or in '.join(lacking)}: free "
            "some, or set TMPDIR to a folder that has some"
        )

    @property
    def gone(self) -> bool:
        """Whether somebody has removed it, or what is in it."""
        # Asked before each turn, hence without the objects of pathlib.
        try:
            kinds = [os.stat(os.path.join(self.path, name)).st_mode for name in _NEEDED]
        except OSError:
            return True
        return not all(map(stat.S_ISFIFO, kinds))

    def lacks(self, name: str) -> bool:
        """Tell whether somebody has removed or emptied a file that was written, and no more."""
        try:
            return not (self.gone or os.path.getsize(self.path / name))
        except OSError:
            return True

    def make_again(self) -> None:
        """Make what was removed."""
        with self._in_words():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            heed_no_umask(self.path)
        for name in _NEEDED:
            self.fifo(name)

    def fifo(self, name: str) -> Path:
        """Make a FIFO, in the place of an earlier one."""
        path = self.path / name
        new = self.path / f"{name}.new"
        with self._in_words():
            new.unlink(missing_ok=True)
            os.mkfifo(new, 0o600)
            # In one go, because a task that looks for it meanwhile would make a file of that name.
            return new.replace(path)

    def write(self, name: str, data: bytes) -> Path:
        """Write a file."""
        with self._in_words():
            (self.path / name).write_bytes(data)
        return self.path / name

    def read(self, name: str) -> bytes:
        """Return what a file holds."""
        with self._in_words():
            return (self.path / name).read_bytes()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise StacknbError(
                f"scratch folder {str(self.path)!r} of the session, or a file in it, was removed; "
                "run it again: the session goes on from its last snapshot"
            ) from error
        except OSError as error:
            why = unwritable(f"scratch folder {str(self.path)!r} of the session", error)
            raise StacknbError(
                f"{why}; free some room there, or begin anew with TMPDIR set to a folder that has "
                "some"
            ) from error


def _made(parent: str | Path | None) -> Path:
    path = Path(tempfile.mkdtemp(prefix="stacknb-", dir=parent))
    heed_no_umask(path)
    try:
        (path / "probe").write_bytes(_PROBE)
        (path / "probe").unlink()
        for name in _NEEDED:
            os.mkfifo(path / name, 0o600)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path


def _in_memory() -> str | None:
    # If there is such a place: to write a small file anew costs a disk more than a fork.
    shm = "/dev/shm"
    return shm if "TMPDIR" not in os.environ and os.access(shm, os.W_OK | os.X_OK) else None
