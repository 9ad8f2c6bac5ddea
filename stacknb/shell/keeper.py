"""The snapshots that one bash leaves: the newest, where it is kept, what is restored from it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from stacknb.exceptions import ShellDied
from stacknb.shell.dialogue import Dialogue
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
    dialogue : Dialogue

    Attributes
    ----------
    newest : bytes
        Empty if there is none.
    """

    def __init__(self, state: Path, scratch: Scratch, dialogue: Dialogue) -> None:
        self._state = state
        self._vault = Vault(state)
        self._control = scratch.path
        self._dialogue = dialogue
        newest = self._vault.newest
        self.newest = reading.whole(newest) if newest is not None else b""
        self._unstored = self._torn = False

    @property
    def time(self) -> float:
        """When the newest was taken, epoch seconds; 0 if there is none."""
        newest = self._vault.newest
        return newest.stat().st_mtime if newest is not None else 0.0

    @property
    def lost_locals(self) -> list[snapshots.Variable]:
        """Local variables of the frames that the last failure left."""
        return snapshots.read_variables(self._locals) if self._locals.exists() else []

    def expect(self) -> None:
        """Make way for the next one, as soon as that of the last turn is taken."""
        self.take()
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self._control, "foreseen"))  # it did not end its bash after all
        with contextlib.suppress(OSError):
            os.truncate(self._dialogue.snapshot, 0)

    def keep_of(self, outcome: str) -> None:
        """Take what a turn has left that ended so (see `Turn`), if it is anything."""
        if outcome == "lost":
            self._locals.unlink(missing_ok=True)  # those of an earlier failure
            self.catch_up()
            return
        if outcome == "foreseen":
            self._use_foreseen()
        self.keep()
        self.store()

    def take(self) -> None:
        """Take that of the last turn, as soon as bash has written it."""
        if self._dialogue.owed:
            with contextlib.suppress(ShellDied):  # the next request says so
                self._dialogue.settle()
            if not self._read():
                self._use_foreseen()
                self.keep()
            self._dialogue.owed = False

    def keep(self) -> None:
        """Take what bash has written as the newest; `store` puts it on disk."""
        self._torn = not self._read() or self._torn

    def store(self) -> None:
        """Put the newest on disk, if it is not there."""
        if self._unstored:
            with contextlib.suppress(OSError):  # a full disk is no reason to end a session
                self._vault.put(self.newest)
            self._unstored = False

    def lack(self) -> str:
        """Say that one was not whole, which leaves an older one the newest; mostly empty."""
        torn, self._torn = self._torn, False
        folder = str(self._control)
        if not torn:
            return ""
        return (
            f"the snapshot is not whole (scratch folder {folder!r} may be full, or bash was killed "
            "while it wrote): what is restored from now on is older; free some room there"
        )

    def catch_up(self) -> None:
        """Take what a turn has left whose end was not seen here: a Ctrl-C came in between."""
        self._read()
        self.store()

    def script(self) -> Path:
        """Write the script that makes a new bash what the last one was, and return its path."""
        # Each is kept: a function restored from it reports its lines when it fails.
        count = 1
        while (script := self._state / f"restored.{count}.bash").exists():
            count += 1
        hidden = self._control / "snapshot.hidden"
        names = hidden.read_text().replace("#stacknb local ", "").split() if hidden.exists() else []
        hidden.unlink(missing_ok=True)
        (self._control / "snapshot.foreseen").unlink(missing_ok=True)  # its bash was another
        text = snapshots.restore_script(self.newest, names)
        try:
            script.touch(mode=0o600)
            script.write_bytes(text)
        except OSError:  # the disk may be full: a reason the more to go on from the snapshot
            script = self._control / "restored.bash"
            script.write_bytes(text)
        return script

    def _read(self) -> bool:
        data = bytes_of(self._dialogue.snapshot)
        if whole := is_whole(data):
            self.newest, self._unstored = data, True
        return whole

    def _use_foreseen(self) -> None:
        """Use what bash wrote just before an EXIT trap of a hook's own, if it did."""
        for part in ("", ".locals", ".hidden"):
            foreseen = self._control / f"snapshot.foreseen{part}"
            with contextlib.suppress(FileNotFoundError):
                foreseen.replace(self._control / f"snapshot{part}")

    @property
    def _locals(self) -> Path:
        return self._control / "snapshot.locals"
