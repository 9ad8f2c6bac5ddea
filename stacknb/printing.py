"""What a command found, on stdout: as text, or as one JSON document."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacknb import status, tasklog
from stacknb.exceptions import StacknbError
from stacknb.hooks.checking import Report
from stacknb.journal import RunDir
from stacknb.progress.plain import silence
from stacknb.progress.watching import watch
from stacknb.results import RunResult
from stacknb.rundir.ending import is_written
from stacknb.rundir.follow import Follower
from stacknb.status import RunStatus
from stacknb.text.signs import printable, shown

if TYPE_CHECKING:
    from stacknb.timing.answers import Answer, Form

__all__ = ["document", "show", "to_stdout"]

_POLL_S = 0.1


def show(value: Any, o: Namespace, run_dir: Path | None = None, error: str | None = None) -> None:
    """Print what a command returned.

    Parameters
    ----------
    value : RunResult, RunStatus, Report, Answer, DataFrame, chart, Path, list of Path, text, lines
        Or None; or the RunDir of a run that is to be watched.
    o : Namespace
        The command's arguments.
    run_dir : Path, optional
        Of the run that was made.
    error : str, optional
        How it ended, if not well.

    Raises
    ------
    StacknbError
        If stdout cannot be written.
    """
    with to_stdout():
        _show(value, o, run_dir, error)


@contextlib.contextmanager
def to_stdout() -> Iterator[None]:
    """See that what is written to stdout meanwhile arrives, also before an exit.

    Raises
    ------
    StacknbError
        If stdout cannot be written.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as failure:
        if failure.filename is not None:  # of what was to be shown
            raise
        silence(sys.stdout)
        raise StacknbError(
            f"stdout cannot be written: {failure.strerror}; send it somewhere else"
        ) from failure


def _show(value: Any, o: Namespace, run_dir: Path | None, error: str | None) -> None:
    if isinstance(value, Path):
        print(value)
    elif isinstance(value, RunDir):
        for text in watch(value):
            sys.stdout.write(text)
            sys.stdout.flush()
    elif isinstance(value, str | Iterator):
        _print_lines(value)
    elif hasattr(o, "format"):
        _print_answer(value, o.format)
    elif isinstance(value, list):
        _print_logs(value, o.follow, o.tail)
    elif said := getattr(value, "said", None):  # a chart
        print(said())
    elif isinstance(value, RunStatus | Report):
        document(value.to_dict()) if o.json else print(value)
    elif isinstance(value, RunResult) and o.json:
        of_run = status.read(run_dir).to_dict() if run_dir is not None else {}
        document({**of_run, "timing": value.timing, "error": error})
    elif isinstance(value, RunResult):
        if value.timing:
            print(f"\n{value.timing}")
    elif value is None:
        document({"error": error})
    elif o.json:
        document(value.to_dict("records"))
    elif as_text := getattr(value, "text", None):  # a frame that shows itself
        print(as_text())
    else:
        _print_plan(value)


def _print_lines(lines: str | Iterator[str]) -> None:
    if isinstance(lines, str):
        sys.stdout.write(lines)
        return
    for line in lines:
        print(line, flush=True)


def _print_answer(answer: Answer, form: Form) -> None:
    for problem, count, example in answer.problems():
        print(f"stacknb: {count} × {problem}: {shown(example)}", file=sys.stderr)
    if answer.note:
        print(answer.note, file=sys.stdout if form == "table" else sys.stderr)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    sys.stdout.write(answer.text(form, width))


def document(data: Any) -> None:
    """Print one JSON document; names that are no UTF-8 as tables have them."""
    text = json.dumps(data, indent=1)
    if "\\ud" in text:  # half of a pair is refused by strict readers, whole ones stay
        text = json.dumps(_printable(data), indent=1)
    sys.stdout.write(f"{text}\n")


def _printable(data: Any) -> Any:
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, Mapping):
        return {printable(key): _printable(value) for key, value in data.items()}
    return [*map(_printable, data)] if isinstance(data, list | tuple) else data


def _print_plan(frame: Any) -> None:
    rows = [
        ("phase", "hook", "arguments", "path"),
        *(
            (row.phase, shown(row.hook), shown(shlex.join(row.args)), shown(row.path))
            for row in frame.itertuples()
        ),
    ]
    runs = ["", *frame["run"]]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    before: tuple[str, str] = ("", "")
    for run, row in zip(runs, rows, strict=True):
        if len(set(runs)) > 2 and run != before[0]:
            print(f"── a run of {run}")
        phase = "" if (run, row[0]) == before else row[0]
        before = (run, row[0])
        cells = [cell.ljust(width) for cell, width in zip((phase, *row[1:3]), widths, strict=True)]
        print("  ".join([*cells, row[3]]))
    for hook, warning in dict.fromkeys(zip(frame["hook"], frame["warning"], strict=True)):
        if warning:
            print(f"warning: {shown(hook)}: {shown(warning)}")


def _print_logs(paths: list[Path], follow: bool, tail: int | None) -> None:
    out = sys.stdout.buffer
    gap = b""
    for path in paths:
        heading = b"%s==> %s <==\n" % (gap, shown(path).encode()) if len(paths) > 1 else b""
        for piece in _pieces(path, follow and path == paths[-1], tail):
            out.write(heading + piece)
            out.flush()
            heading, gap = b"", b"" if piece.endswith(b"\n") else b"\n"


def _pieces(path: Path, follow: bool, tail: int | None) -> Iterator[bytes]:
    log = Follower(path)
    if tail is not None:
        log.skip_lines(tail)
    while follow:
        if data := log.read():
            yield data
        elif (log.held and tasklog.footer_of(path)) or not is_written(path):
            break
        else:
            time.sleep(_POLL_S)
    log.finish()
    while data := log.read():
        yield data
