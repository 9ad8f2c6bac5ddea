"""What is asked for and ended after the last hook of a run."""

from __future__ import annotations

from pathlib import Path

from stacknb.shell import Shell
from stacknb.supervision import services

__all__ = ["see_to_services", "tables"]


def tables(shell: Shell) -> str:
    """Return DevStack's component timing and async summary, as a shell has them."""
    said = (shell.call(name)[1] for name in ("time_totals", "async_print_timing"))
    return "".join(said).strip("\n")


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
    return [f"ended services still running: {', '.join(ended)}"] if ended else []
