"""That one process works on a run directory, and no other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
import weakref
from pathlib import Path
from typing import NoReturn

from stacknb.exceptions import BadInput
from stacknb.places import STATE
from stacknb.supervision import processes
from stacknb.text.reading import opened

__all__ = ["Lock"]


class Lock:
    """Holds a run directory; a process that ends, however it does, holds it no more.

    Parameters
    ----------
    path : Path
        The run directory; exists.
    """

    def __init__(self, path: Path) -> None:
        self._run_dir = path
        self._file = path / STATE / "lock"
        self._held = -1
        self._process = -1

    def take(self) -> None:
        """Hold the directory from now on.

        Raises
        ------
        BadInput
            If another does; says which process.
        """
        try:
            # No child gets it: what is left of a killed process must not hold it.
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # what cannot be written cannot be worked on: others say that
            return
        try:
            _lock(descriptor)
            with contextlib.suppress(OSError):  # the disk may be full
                os.ftruncate(descriptor, 0)
                mine = (os.getpid(), processes.start_ticks(os.getpid()), socket.gethostname())
                os.pwrite(descriptor, " ".join(map(str, mine)).encode(), 0)
        except BlockingIOError:
            pid, _, host = _holder(descriptor) or ("", "", "")
            os.close(descriptor)
            where = "" if host in ("", socket.gethostname()) else f" on {host}"
            who = "this process" if pid == str(os.getpid()) else f"process {pid or '?'}{where}"
            raise BadInput(
                f"run {str(self._run_dir)!r} is going on in {who}: wait for it (or close it "
                "there), or choose another with --run-dir"
            ) from None
        self._held, self._process = descriptor, os.getpid()
        _held_here.add(self)

    def is_held(self) -> bool:
        """Tell whether a process holds it, be it in another container."""
        return bool(self._is_at_it())

    def is_held_elsewhere(self) -> bool:
        """Tell whether a process holds it that cannot be seen from here, nor can its children."""
        return bool(self._is_at_it(elsewhere=True))

    def is_left(self) -> bool:
        """Tell whether a process has held it to its end, as one does that is killed."""
        return self._is_at_it() is False

    def release(self) -> None:
        """Let go of it."""
        if self._held >= 0:
            if self._process == os.getpid():
                with contextlib.suppress(OSError):
                    os.ftruncate(self._held, 0)
            os.close(self._held)
            self._held = -1

    def _is_at_it(self, elsewhere: bool = False) -> bool | None:
        """Tell whether who has noted that he holds it may live; None if nobody has."""
        try:
            with opened(self._file) as file:
                if (holder := _holder(file.fileno())) is None:
                    return None
                if lives := _lives(holder):
                    return not elsewhere
                # Of another machine, or PID namespace, the kernel knows; unless it has no locks.
                free = _is_free(file.fileno())
                return lives is None and not elsewhere if free is None else not free
        except OSError:
            return None

    def __del__(self) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        # A copy that is thrown away would let go of what the other still holds.
        raise TypeError("the lock of a run cannot be copied")


_held_here: weakref.WeakSet[Lock] = weakref.WeakSet()


def _let_go() -> None:
    for lock in list(_held_here):
        lock.release()


# A process that was forked must neither hold it longer than the one that took it, nor give it up.
os.register_at_fork(after_in_child=_let_go)


def _lock(descriptor: int) -> None:
    for patience_s in (0.01, 0):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not patience_s:
                raise
            time.sleep(patience_s)  # somebody may only look whether it is free
        except OSError:  # a file system without locks: what is written there has to do
            holder = _holder(descriptor)
            if holder is not None and _lives(holder):
                raise BlockingIOError from None
            return


def _is_free(descriptor: int) -> bool | None:
    """Tell whether nobody has locked it; None on a file system without locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _lives(holder: tuple[str, str, str]) -> bool | None:
    """Tell whether a holder lives; None of another machine, or of one that cannot be read."""
    pid, began, host = holder
    if host != socket.gethostname() or not pid.isdigit():
        return None
    return str(processes.start_ticks(int(pid))) == began


def _holder(descriptor: int) -> tuple[str, str, str] | None:
    """Return pid, start time and host of who holds it, as text; None if nobody does."""
    words = os.pread(descriptor, 1000, 0).decode("utf-8", "replace").split(" ", 2)
    return (words[0], words[1], words[2]) if len(words) == 3 else None
