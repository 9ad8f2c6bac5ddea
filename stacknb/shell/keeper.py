"""The snapshots that one bash leaves: the newest, where it is kept, what is restored from it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from stacknb.shell.scratch import Scratch
from stacknb.snapshots import snapshot as snapshots
from stacknb.snapshots.vault import Vault, bytes_of, is_whole
from stacknb.text import reading

__all__ = ["Keeper"]


class Keeper:
    """Takes each snapshot that bash has written in the scratch folder, if it is whole.

    Parameters
    ----------
    state : Path
        The folder ``state`` of a run.
    scratch : Scratch

    Attributes
    ----------
    newest : bytes
        Empty if there is none.
    torn : bool
        The last one that bash wrote was not whole, so that `newest` is an earlier one.
    """

    def __init__(self, state: Path, scratch: Scratch) -> None:
        self._state = state
        self._vault = Vault(state)
        self._control = scratch.path
        newest = self._vault.newest
        self.newest = reading.whole(newest) if newest is not None else b""
        self.torn = False

    @property
    def written(self) -> Path:
        """Where bash is to write the next one."""
        return self._control / "snapshot"

    @property
    def time(self) -> float:
        """When the newest was taken, epoch seconds; 0 if there is none."""
        newest = self._vault.newest
        return newest.stat().st_mtime if newest is not None else 0.0

    @property
    def lost_locals(self) -> list[snapshots.Variable]:
        """Local variables of the frames that the last failure left."""
        return snapshots.read_variables(self._locals) if self._locals.exists() else []

    def forget_foreseen(self) -> None:
        """Forget what an earlier turn left that did not end its bash after all."""
        (self._control / "foreseen").unlink(missing_ok=True)

    def keep_of(self, outcome: str) -> None:
        """Take what a turn has left that ended so (see `Turn`), if it is anything."""
        if outcome == "lost":
            self._locals.unlink(missing_ok=True)  # those of an earlier failure
            self.written.unlink(missing_ok=True)
            return
        if outcome == "foreseen":  # written just before a hook's own EXIT trap
            for part in ("", ".locals", ".hidden"):
                foreseen = self._control / f"snapshot.foreseen{part}"
                with contextlib.suppress(FileNotFoundError):
                    foreseen.replace(self._control / f"snapshot{part}")
        self.keep()

    def keep(self) -> None:
        """Take what bash has written as the newest."""
        data = bytes_of(self.written)
        self.torn = self.torn or not is_whole(data)
        if is_whole(data):
            self.newest = data
            with contextlib.suppress(OSError):  # a full disk is no reason to end a session
                self._vault.put(data)

    def catch_up(self) -> None:
        """Take what a turn has left whose end was not seen here: a Ctrl-C came in between."""
        if is_whole(bytes_of(self.written)):
            self.keep()

    def script(self) -> Path:
        """Write the script that makes a new bash what the last one was, and return its path."""
        # Each is kept: a function restored from it reports its lines when it fails.
        count = 1
        while (script := self._state / f"restored.{count}.bash").exists():
            count += 1
        hidden = self._control / "snapshot.hidden"
        names = hidden.read_text().replace("#stacknb local ", "").split() if hidden.exists() else []
        hidden.unlink(missing_ok=True)
        text = snapshots.restore_script(self.newest, names)
        try:
            script.touch(mode=0o600)
            script.write_bytes(text)
        except OSError:  # the disk may be full: a reason the more to go on from the snapshot
            script = self._control / "restored.bash"
            script.write_bytes(text)
        return script

    @property
    def _locals(self) -> Path:
        return self._control / "snapshot.locals"
