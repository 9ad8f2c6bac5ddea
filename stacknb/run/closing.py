"""What is asked for and ended after the last hook of a run."""

from __future__ import annotations

import time
from pathlib import Path

from stacknb.exceptions import LogError
from stacknb.rundir.journal import RunDir
from stacknb.shell import Shell
from stacknb.supervision import services
from stacknb.text.screen import quoted

__all__ = ["see_to_services", "tables", "time_stood_still"]


def tables(shell: Shell) -> str:
    """Return DevStack's component timing and async summary, as a shell has them."""
    said = (shell.call(name)[1] for name in ("time_totals", "async_print_timing"))
    return "".join(said).strip("\n")


def time_stood_still(folder: RunDir) -> str:
    """Say how long nothing of a run was at work, which these tables count and `timing` does not."""
    from stacknb.timing.rundir import read_folder  # most runs do not stop on their way

    try:
        pauses = read_folder(folder.path, folder.run, time.time()).pauses
    except (LogError, OSError):  # somebody has removed logs: no reason not to end
        return ""
    still = sum(end - begin for begin, end in pauses) // 1_000_000
    said = f"\n Of the elapsed time the run stood still {still} sec; timing does not count them"
    return said if still else ""


def see_to_services(mode: str, top_dir: Path, run_dir: Path) -> list[str]:
    """End what ``run_process`` has started and nobody stopped, unless it is to stay; say so.

    After ``stack``, say which services have ended by themselves: nothing else tells of one that
    died at its start, since its program is not there, for one.
    """
    records = services.directory(top_dir)
    if mode == "stack":
        return [
            f"service {name!r} has ended, though nobody stopped it; its log is {str(log)!r}"
            for name, log in services.gone(records, run_dir).items()
        ]
    ended = [name for name in services.names(records) if services.stop(records, name)]
    return [f"ended services still running: {quoted(ended)}"] if ended else []
