"""How the command line prints what its commands found: as text, or as one JSON document.

The table of commands names for each the function that takes what it returned, and its arguments.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacknb import tasklog
from stacknb.exceptions import StacknbError
from stacknb.places import absolute
from stacknb.results import RunResult
from stacknb.rundir.ending import is_written
from stacknb.rundir.follow import Follower
from stacknb.rundir.room import unwritable
from stacknb.text.signs import printable, shown

if TYPE_CHECKING:  # they import pandas, which takes half a second
    from stacknb.hooks.readable import ReadableFrame
    from stacknb.timing.answers import Answer

__all__ = ["answer", "chart", "document", "found", "logs", "plan", "rows", "run", "stream", "text",
           "to_stdout"]  # fmt: skip

_POLL_S = 0.1


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
        from stacknb.progress.plain import silence

        silence(sys.stdout)
        raise StacknbError(f"{unwritable('stdout', failure)}; send it somewhere else") from failure


def document(data: Any) -> None:
    """Print one JSON document; names that are no UTF-8 as tables have them."""
    text = json.dumps(data, indent=1)
    if "\\ud" in text:  # half of a pair is refused by strict readers, whole ones stay
        text = json.dumps(_printable(data), indent=1)
    sys.stdout.write(f"{text}\n")


def found(value: Any, o: Namespace) -> None:
    """Print what has words of its own."""
    if o.json:
        document(value.to_dict())
    else:
        print(value)


def run(result: RunResult | None, o: Namespace, error: str | None) -> None:
    """Print what came of a run, if there was one, and how it ended, if not well."""
    if not o.json:
        if result is not None and result.timing:
            print(f"\n{result.timing}")
        return
    from stacknb import status

    of_run: dict[str, Any] = {}
    if result is not None:
        of_run = {**status.read(result.run_dir).to_dict(), "timing": result.timing}
        of_run["ok"] = error is None  # as the exit status
    document({**of_run, "error": error})


def rows(frame: ReadableFrame, o: Namespace) -> None:
    """Print a frame that shows itself."""
    if o.json:
        document(frame.to_dict("records"))
    else:
        print(frame.text())


def chart(value: Any, o: Namespace) -> None:
    """Print a chart in words, or as SVG where it is to go to stdout."""
    print(value.to_svg() if o.svg == "-" else value.said())


def text(value: str, o: Namespace) -> None:
    """Print a text as it is."""
    sys.stdout.write(value)


def stream(texts: Iterable[str], o: Namespace) -> None:
    """Print texts as they come."""
    for piece in texts:
        sys.stdout.write(piece)
        sys.stdout.flush()


def answer(value: Answer | str, o: Namespace) -> None:
    """Print what a run said when it was asked for its times."""
    if isinstance(value, str):  # for flame graphs
        sys.stdout.write(value)
        return
    for problem in value.problems():
        print(f"stacknb: {problem}", file=sys.stderr)
    if value.note:
        print(value.note, file=sys.stdout if o.format == "table" else sys.stderr)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    sys.stdout.write(value.text(o.format, width))


def plan(frame: Any, o: Namespace) -> None:
    """Print a plan: a phase is named once, a run where there are several, paths from the tree."""
    if o.json:
        document(frame.to_dict("records"))
        return
    within = f"{absolute(o.top_dir)}/"
    lines = [("phase", "hook", "arguments", "path")]
    for row in frame.itertuples():
        texts = (row.hook, shlex.join(row.args), row.path.removeprefix(within))
        lines.append((row.phase, *map(shown, texts)))
    runs = ["", *frame["run"]]
    widths = [max(len(row[column]) for row in lines) for column in range(3)]
    before: tuple[str, str] = ("", "")
    for run, row in zip(runs, lines, strict=True):
        if len(set(runs)) > 2 and run != before[0]:
            print(f"── a run of {run}")
        phase = "" if (run, row[0]) == before else row[0]
        before = (run, row[0])
        cells = [cell.ljust(width) for cell, width in zip((phase, *row[1:3]), widths, strict=True)]
        print("  ".join([*cells, row[3]]))
    for hook, warning in dict.fromkeys(zip(frame["hook"], frame["warning"], strict=True)):
        if warning:
            print(f"warning: {shown(hook)}: {shown(warning)}")


def logs(paths: list[Path], o: Namespace) -> None:
    """Print logs byte for byte, each below its path where there are several."""
    out = sys.stdout.buffer
    gap = b""
    for path in paths:
        heading = b"%s==> %s <==\n" % (gap, shown(path).encode()) if len(paths) > 1 else b""
        for piece in _pieces(path, o.follow and path == paths[-1], o.tail):
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


def _printable(data: Any) -> Any:
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, Mapping):
        return {printable(key): _printable(value) for key, value in data.items()}
    return [*map(_printable, data)] if isinstance(data, list | tuple) else data
