# PYTHON_ARGCOMPLETE_OK
"""The command line: what signals, closed streams and errors do around one `invocation`.

Little is imported here: signals are to be caught before the rest is loaded.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stacknb.rundir.journal import Event

__all__ = ["main"]

_INTERRUPTED = 130


class _Signals:
    """The first signal interrupts; a second one must not stop the cleaning up.

    While arguments are read or a run is set up, a signal is only noted: it interrupts after that,
    or at the first phase, when there is something that can be closed. A second one does not wait.
    """

    def __init__(self) -> None:
        self.number = 0
        self._heeded = True
        self._held = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again, self.number = bool(self.number), self.number or number
        if self._heeded and again == self._held:
            raise KeyboardInterrupt

    def on_event(self, event: Event) -> None:
        """Interrupt here if a signal was held back, or the shell did not notice it."""
        if event.kind in ("phase-start", "hook-start"):
            self.heed()
        elif event.kind == "run-end":  # another run may follow
            self._held = True

    def on_tick(self) -> None:
        """Nothing depends on the time."""

    def hold(self) -> None:
        """Expect what must not be cut short."""
        self._held = True

    def heed(self) -> None:
        """Expect no such thing any more; interrupt here if a signal came meanwhile."""
        self._held = False
        if self.number:
            raise KeyboardInterrupt

    def stop(self) -> None:
        """From now on, no signal interrupts."""
        self._heeded = False

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Catch the signals that ask a program to end."""
        kept: list[tuple[signal.Signals, Any]] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            # What nohup, or a shell for what it runs in the background, ignores stays ignored.
            weak = number in (signal.SIGHUP, signal.SIGQUIT)
            if not weak or signal.getsignal(number) is not signal.SIG_IGN:
                kept.append((number, signal.signal(number, self)))
        try:
            yield
        finally:
            # After a first signal the process is about to end; a second one is not to disturb that.
            for number, handler in kept:
                signal.signal(number, signal.SIG_IGN if self.number else handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments ask for.

    Parameters
    ----------
    argv : sequence of str, optional
        Without the program's name; by default those of the process.

    Returns
    -------
    int
        0 all well, 1 a hook or a task failed, 2 bad arguments; 130 interrupted, 143 by SIGTERM,
        129 by SIGHUP, 131 by SIGQUIT.
    """
    if "_ARGCOMPLETE" in os.environ:  # the shell asks, at its Tab
        from stacknb import completing

        completing.answer()
    _make_streams_reliable()
    signals = _Signals()
    try:
        with signals.installed():
            code = _guarded(sys.argv[1:] if argv is None else list(argv), signals)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    return 128 + signals.number if code == _INTERRUPTED and signals.number else code


def _make_streams_reliable() -> None:
    """See that what is printed arrives whole, or that somebody is told."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        # PYTHONUNBUFFERED, as in many containers: a full disk would take a part, and tell nobody.
        sys.stdout = open(1, "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # names of files may be any bytes
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):  # closed
            os.set_blocking(descriptor, True)  # or what a slow reader has no room for is lost


def _guarded(argv: list[str], signals: _Signals) -> int:
    from stacknb import exceptions, invocation
    from stacknb.progress import plain

    try:
        code = invocation.run(argv, signals)
        sys.stdout.flush()
        return code
    except exceptions.StacknbError as error:
        said, code = str(error), error.status
    except BrokenPipeError:  # `stacknb log … | head` has seen enough
        plain.silence(sys.stdout)
        return 0
    except OSError as error:
        if not error.filename:  # stdout itself: what names a file is about that file
            plain.silence(sys.stdout)
        where = f"{error.filename!r}: " if error.filename else ""
        said, code = f"{where}{error.strerror or error}", 1
    except KeyboardInterrupt:
        invocation.answer_error(argv, "interrupted")
        raise
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    invocation.answer_error(argv, said)
    return invocation.complain(said, code)


if __name__ == "__main__":
    sys.exit(main())
