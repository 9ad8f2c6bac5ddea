"""The commands that ask finished runs: where the time went, and what to make of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacknb.commands import printing
from stacknb.commands.arguments import CLI, STACK, Argument, Command
from stacknb.commands.outputs import writing
from stacknb.exceptions import BadInput, LogError
from stacknb.rundir.journal import RunDir
from stacknb.text.reading import pieces

if TYPE_CHECKING:  # pandas takes half a second to import
    from stacknb.dispatcher import Stack
    from stacknb.timing.answers import Answer
    from stacknb.timing.run import Run

__all__ = ["TIMING_COMMANDS"]


@contextlib.contextmanager
def _loaded(o: Namespace, stack: Stack | None = None) -> Iterator[Run]:
    """Load what is asked for; what comes through a pipe is there as long as it is needed."""
    from stacknb.timing.run import load

    where: Any = o.path or (stack.run_dir if stack is not None else None)
    if where is None:
        raise BadInput("no run yet: begin one with %stack, or name a run or a log")
    if stack is not None or not (where == "-" or _is_pipe(where)):
        yield load(where)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = _from_pipe(where, Path(folder))
        try:
            run = load(file)
        except LogError as error:
            raise LogError(str(error).replace(repr(str(file)), repr(where))) from None
        yield run


def _is_pipe(where: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(where).st_mode)
    except (OSError, ValueError):
        return False


def _from_pipe(where: str, folder: Path) -> Path:
    if where == "-" and sys.stdin.isatty():
        raise BadInput("'-' is a log that comes through a pipe: zcat LOG.gz | stacknb …")
    file = folder / "stdin"
    with file.open("wb") as kept:
        if where == "-":
            shutil.copyfileobj(sys.stdin.buffer, kept)
            return file
        try:
            kept.writelines(pieces(where))
        except OSError as error:
            raise LogError(f"{where!r} cannot be read: {error.strerror or error}") from error
    return file


def _timing(stack: Stack | None, o: Namespace) -> Answer | str:
    with _loaded(o, stack) as run:
        from stacknb.timing.answers import answer

        if getattr(o, "format", "") != "folded":
            return answer(run, o.what, o.by)
        if o.what != "profile":
            raise BadInput(f"--format 'folded' is for --what profile, not for {o.what!r}")
        return run.folded()


def _compare(stack: None, o: Namespace) -> Answer:
    from stacknb.timing.answers import Answer
    from stacknb.timing.comparison import compare, objections

    if o.format == "folded":
        raise BadInput("--format 'folded' is for timing --what profile")
    found = compare([o.before, *(o.more_before or ())], [o.after, *(o.more_after or ())])
    said = [] if o.fail_slower is None else objections(found, o.fail_slower)
    note = " ".join([found.attrs["conclusion"], *said])
    return Answer("compare", found, note=note, fails=bool(said))


def _report(stack: None, o: Namespace) -> str:
    with _loaded(o) as run:
        return _written(run.to_html, o.output)


def _trace(stack: None, o: Namespace) -> str:
    with _loaded(o) as run:
        return _written(run.to_trace, o.output)


def _junit(stack: None, o: Namespace) -> str:
    with _loaded(o) as run:
        return _written(run.to_junit, o.output)


def _written(write: Callable[[str], Path], output: str) -> str:
    """Write a file and return its path as a line; or the text that is for stdout."""
    if output != "-":
        with writing(output):
            return f"{write(output)}\n"
    with tempfile.TemporaryDirectory() as folder:
        return write(f"{folder}/text").read_text("utf-8")


def _follow(stack: None, o: Namespace) -> Iterator[str]:
    if os.path.isdir(o.stack_sh_log):
        from stacknb.progress.watching import watch

        return watch(RunDir.open(o.stack_sh_log))
    from stacknb.timing.following import follow

    return (f"{line}\n" for line in follow(o.stack_sh_log))


_WHAT = ("tasks", "hooks", "phases", "waits", "summary", "critical-path", "profile", "advice",
         "impact", "cells", "problems")  # fmt: skip
_PATH = Argument("PATH", "a run directory, a log, or a stack.sh log (.gz too; - for stdin)", "run",
                 at_hand=True)  # fmt: skip
_FORMAT = Argument("--format", "table, csv, json; for timing --what profile also folded, for flame "
                   "graphs", "choice", default="table", choices=("table", "csv", "json", "folded"),
                   faces=(CLI,))  # fmt: skip
_OUTPUT = Argument("--output", "the file, - for stdout", "file", short="-o", needed=True)

TIMING_COMMANDS = (
    Command(
        "timing", "show where the time of a run went", _timing,
        (_PATH,
         Argument("--what", f"one of {', '.join(_WHAT)}", "choice", default="tasks", choices=_WHAT),
         Argument("--by", "a row of the profile is a line (if nothing is said), a function or a "
                  "file", "choice", choices=("line", "function", "file")),
         _FORMAT), (CLI, STACK), printing.answer,
    ),
    Command(
        "compare", "tell what got slower or faster between runs", _compare,
        (Argument("BEFORE", "a run directory or a log", "run"),
         Argument("AFTER", "a run directory or a log", "run"),
         Argument("--more-before", "another run before; repeats show the noise", "run", many=True),
         Argument("--more-after", "another run after; repeats show the noise", "run", many=True),
         Argument("--fail-slower", "end with status 1 if the run or a phase got slower (by more "
                  "than PERCENT: 10% or such), or if nobody can tell since a run stopped early",
                  "percent", bare="0%"),
         _FORMAT), (CLI,), printing.answer,
    ),
    Command("report", "write one HTML file with charts, tables, advice and ends of logs", _report,
            (_PATH, _OUTPUT), (CLI,), printing.text),
    Command("trace", "write a Chrome trace, which Perfetto opens", _trace,
            (_PATH, _OUTPUT), (CLI,), printing.text),
    Command("junit", "write a JUnit report: suites are phases, cases are hooks and tasks", _junit,
            (_PATH, _OUTPUT), (CLI,), printing.text),
    Command("follow", "tell live what a stack.sh, or a run, does until it ends", _follow,
            (Argument("STACK_SH_LOG", "its log, which may still grow; or a run directory", "run"),),
            (CLI,), printing.stream),
)  # fmt: skip
