"""Every error stacknb raises, in one module.

A message names the offender in quotes, says what is wrong and what to do next. IPython shows the
message alone (``_render_traceback_``): the traceback of a failed hook is a shell's, not Python's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stacknb.text import budget
from stacknb.text.signs import clipped, shown, shown_lines

__all__ = [
    "BadInput",
    "Failure",
    "HookFailed",
    "Interrupted",
    "LogError",
    "ShellDied",
    "StacknbError",
    "TaskFailed",
    "WaitTimeout",
    "few",
    "located",
]


_WHOLE = 1_000  # bytes, below which an error that does not fit is told in short, not folded
_KEPT = ("  at  ", "  status  ", "  log  ")
_KEY = 10  # letters before what a line says
_AROUND = 25  # bytes around each line


class StacknbError(Exception):
    """Base of every error of stacknb.

    ``status`` is the exit status the command line ends with, ``room`` how many bytes of a notebook
    its text may take, ``hint`` what a notebook says below it.

    Examples
    --------
    >>> issubclass(stacknb.BadInput, stacknb.StacknbError)
    True
    """

    status = 1
    room = budget.ERROR
    hint = ""

    def __str__(self) -> str:
        text = super().__str__()
        short = self.room < min(_WHOLE, budget.stored(text))
        return _in_short(text, self.room) if short else budget.fold(text, self.room)

    def _render_traceback_(self) -> list[str]:
        more = [f"  more    {self.hint}"] if self.hint else []
        return [f"{type(self).__name__}: {shown_lines(str(self))}", *more]


class BadInput(StacknbError, ValueError):
    """An argument, a name, a file or a folder that cannot be used as given.

    Examples
    --------
    >>> stacknb.Stack("no/where")
    Traceback (most recent call last):
        ...
    stacknb.exceptions.BadInput: top_dir 'no/where': there is no such folder; ...
    """

    status = 2


class LogError(BadInput):
    """A log or run directory that cannot be read as one."""


class ShellDied(StacknbError):
    """The persistent bash is gone and could not be started again."""


@dataclass(frozen=True)
class Failure:
    """Where and why a piece of bash ended the shell it ran in.

    Attributes
    ----------
    what : str
        The hook, task or cell, as the user knows it.
    file, line, command : str, int or None, str
        The failing command. ``line`` is None where bash does not tell.
    status : int
        Exit status; 128 + N for signal N.
    reason : str
        One clause in words, such as ``"called exit 3"``.
    log : str
        Path of the log that holds the output.
    last_lines : tuple of str
        The end of that output, cleaned for a screen.
    calls : tuple of str
        ``FILE:LINE`` of the calls that led there, the innermost first.

    Examples
    --------
    >>> failure = Failure("50-api.sh", 2, "failed with status 2", "50-api.sh", 7, "cp a b")
    >>> failure.place
    '50-api.sh:7'
    >>> print(failure)
    '50-api.sh' failed with status 2
      at      50-api.sh:7
      command cp a b
      status  2
    """

    what: str
    status: int
    reason: str
    file: str = ""
    line: int | None = None
    command: str = ""
    log: str = ""
    last_lines: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """``FILE:LINE``, or the file alone where the line is not known."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        text = f"{self.what!r} {self.reason}"
        text += located(self.place, self.command, self.calls) + f"\n  status  {self.status}"
        if self.last_lines:
            text += "\n  last lines\n" + "\n".join(f"    | {line}" for line in self.last_lines)
        if self.log:
            text += f"\n  log     {shown(self.log)}"
        return text


class HookFailed(StacknbError):
    """A hook or a cell ended the shell; the session goes on from the snapshot.

    Attributes
    ----------
    failure : Failure
        Where it was and why.
    advice : str
        What can be done next.
    first : list of str
        Earlier phases that are to be run again before: they start tasks whose wait has failed.

    Examples
    --------
    >>> added = stack.add_hook("50-bad.sh", "exit 3")
    >>> stack.run()
    Traceback (most recent call last):
        ...
    stacknb.exceptions.HookFailed: '50-bad.sh' called exit with status 3
    ...
    """

    def __init__(self, failure: Failure, advice: str = "", first: Sequence[str] = ()) -> None:
        self.failure = failure
        self.advice = advice
        self.first = list(first)
        super().__init__(f"{failure}\n  next    {advice}" if advice else str(failure))


class Interrupted(StacknbError):
    """The user stopped a run, a hook or a wait; tasks run on and the session is usable.

    Examples
    --------
    >>> stacknb.Interrupted.status  # of the command line
    130
    """

    status = 130

    def __init__(
        self,
        message: str = "interrupted; the session is usable",
        failure: Failure | None = None,
        tasks: Sequence[str] = (),
    ) -> None:
        self.failure = failure
        self.tasks = tuple(tasks)
        super().__init__(message)


class TaskFailed(StacknbError):
    """At least one task that was waited for did not end well.

    Attributes
    ----------
    results : sequence of TaskResult
        Every result of the wait, the good ones too, in the order of the names.

    Examples
    --------
    >>> task = stack.async_run("bad", "false")
    >>> stack.async_wait("bad")
    Traceback (most recent call last):
        ...
    stacknb.exceptions.TaskFailed: task 'bad' failed with status 1...
    """

    def __init__(self, results: Sequence[Any]) -> None:
        self.results = list(results)
        super().__init__("\n".join(r.explanation() for r in results if not r.ok))

    def __reduce__(self) -> tuple[Any, ...]:
        # By default it would be made anew as if its text were the results, which breaks a pool.
        return _of_text, (type(self), *self.args), vars(self)


class WaitTimeout(StacknbError, TimeoutError):
    """A wait took longer than its ``timeout``; the tasks run on.

    Attributes
    ----------
    results : sequence of TaskResult
        Results of the tasks that did end.

    Examples
    --------
    >>> task = stack.async_run("nap", "sleep", "1000")
    >>> stack.async_wait("nap", timeout=0.01)
    Traceback (most recent call last):
        ...
    stacknb.exceptions.WaitTimeout: 'nap' did not end within 0.01 s; it runs on
    """

    def __init__(self, message: str, results: Sequence[Any] = ()) -> None:
        self.results = list(results)
        super().__init__(message)


def _of_text(kind: type[StacknbError], text: str) -> StacknbError:
    return kind.__new__(kind, text)


def _in_short(text: str, most: int) -> str:
    """Return what failed, where, with which status, and the log: paths by their end."""
    first, *others = text.splitlines()
    kept = [line for line in others if line.startswith(_KEPT)][: len(_KEPT)]
    room = most // (len(kept) + 1) - _AROUND
    lines = [
        line[:_KEY] + budget.cut(line[_KEY:], room - _KEY, True, budget.plain) for line in kept
    ]
    return "\n".join([budget.cut(first, room, measure=budget.plain), *lines])


def located(place: str, command: str, calls: Sequence[str] = ()) -> str:
    """Return the lines of an error that tell where it was; what is empty is left out.

    Examples
    --------
    >>> print(located("lib/db:7", "cp a b", ["lib/db:40", "50-db.sh:2"]))
    <BLANKLINE>
      at      lib/db:7
      command cp a b
      from    lib/db:40
              50-db.sh:2
    """
    text = f"\n  at      {shown(place)}" if place else ""
    text += f"\n  command {_one_line(command)}" if command else ""
    return text + ("\n  from    " + "\n          ".join(few(calls)) if calls else "")


def few(calls: Sequence[str]) -> list[str]:
    """Return calls as they are shown: of more than five those in the middle are counted.

    Examples
    --------
    >>> few(["lib/db:40", "50-db.sh:2"])
    ['lib/db:40', '50-db.sh:2']
    """
    if len(calls) > 5:
        calls = [*calls[:3], f"… {len(calls) - 4} more", calls[-1]]
    return [*map(shown, calls)]


def _one_line(command: str) -> str:
    return clipped(shown(" ".join(command.split())), 200)
