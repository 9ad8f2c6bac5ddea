"""Finds the logs of one run in a folder."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from stacknb import tasklog
from stacknb.exceptions import LogError
from stacknb.places import FACTS, STATE
from stacknb.text import reading
from stacknb.text.screen import counted, listed, quoted
from stacknb.timing.records import Problems

__all__ = ["KINDS", "of_one_run", "unpacked"]

KINDS = ("task", "hook", "cell")  # that tell of the time; a service outlives its run
_OF_STACK = re.compile(r"(devstacklog\.txt|stack\.sh\.log(\.[\d-]+)?)(\.gz)?")  # as CI jobs keep it


def of_one_run(folder: Path, run: str | None, problems: Problems) -> list[tasklog.LogRecord]:
    """Return the logs below `folder` that belong to one run.

    Parameters
    ----------
    folder : Path
    run : str or None
        Which run to take, if there are logs of several.
    problems : Problems
        Gets what is no log.

    Raises
    ------
    LogError
        If there is no log, and no run whose first is to come; or there are logs of several runs and
        `run` does not choose.
    """
    logs = _distinct(_logs_below(folder, problems), problems)
    if not logs and (problems.counts or not (folder / FACTS).is_file()):
        of_stack = _logs_of_stack(folder)
        seen = "; ".join(f"{count} × {what}" for what, count in problems.counts.items())
        raise LogError(
            f"{str(folder)!r} holds no log of stacknb (files *.log that begin with "
            f"'#stacknb-begin'){f': {seen}' if seen else ''}; "
            f"give a run directory, one log, or a stack.sh log{of_stack}"
        )
    counts = Counter(str(log.header.get("run")) for log in logs)
    runs = listed([f"{name!r} ({counted(count, 'log')})" for name, count in sorted(counts.items())])
    if run is None and len(counts) > 1:
        raise LogError(
            f"{str(folder)!r} holds logs of {len(counts)} runs: {runs}; "
            "give the folder of one run, or choose one with run='…'"
        )
    if run is not None and run not in counts:
        raise LogError(f"{str(folder)!r} holds no log of run {run!r}; there are {runs}")
    return [log for log in logs if run is None or str(log.header.get("run")) == run]


def _logs_of_stack(folder: Path) -> str:
    found = sorted(str(path) for path in folder.rglob("*.*") if _OF_STACK.fullmatch(path.name))
    return f", such as {quoted(found, 3)}" if found else ""


def unpacked(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the beginning of what was gzipped; nothing of another file, or of a damaged one."""
    try:
        with reading.opened(path) as packed:
            return gzip.GzipFile(fileobj=packed).read(most)
    except (OSError, EOFError, zlib.error):
        return b""


def _logs_below(folder: Path, problems: Problems) -> Iterator[tasklog.LogRecord]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != STATE)
        for name in sorted(files):
            path = os.path.join(parent, name)
            if (
                name.endswith(".log.gz")
                and name.removesuffix(".gz") not in files
                and unpacked(path, len(tasklog.BEGIN)) == tasklog.BEGIN
            ):
                problems.add("log that is gzipped: unpack it first (gunzip)", path)
            if not name.endswith(".log"):
                continue
            try:
                log = tasklog.read(path)
            except LogError:
                if not _waits_for_its_hook(path, folder):
                    problems.add("file without a header", path)
            except OSError as error:
                problems.add("file that cannot be opened", str(error))
            else:
                if log.header.get("kind") in (*KINDS, "service"):
                    yield log
                else:
                    problems.add("log of an unknown kind", path)


def _waits_for_its_hook(path: str, folder: Path) -> bool:
    """Tell whether a log was made while its shell was not free yet; a killed session leaves it."""
    if os.path.relpath(path, folder).split(os.sep)[0] not in ("hooks", "cells"):
        return False
    try:
        return not os.path.getsize(path)
    except OSError:  # it is gone: its shell never was free
        return True


def _distinct(logs: Iterable[tasklog.LogRecord], problems: Problems) -> list[tasklog.LogRecord]:
    found: dict[tuple[str, ...], tasklog.LogRecord] = {}
    for log in logs:
        key = tuple(str(log.header.get(k)) for k in ("run", "kind", "name", "pid", "start"))
        if key in found:
            problems.add("second copy of a log", str(log.path))
            if found[key].footer is not None:
                continue
        found[key] = log
    return list(found.values())
