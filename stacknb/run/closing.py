"""What is asked for and ended after the last hook of a run."""

from __future__ import annotations

from pathlib import Path

from stacknb.shell import Shell
from stacknb.supervision import services

__all__ = ["end_services", "tables"]


def tables(shell: Shell) -> str:
    """Return DevStack's component timing and async summary, as a shell has them."""
    said = (shell.call(name)[1] for name in ("time_totals", "async_print_timing"))
    return "".join(said).strip("\n")


def end_services(top_dir: Path) -> str:
    """End what ``run_process`` has started and nobody stopped; say what that was."""
    records = services.directory(top_dir)
    ended = [name for name in services.names(records) if services.stop(records, name)]
    return f"ended services still running: {', '.join(ended)}" if ended else ""
