"""What the shell of a run is told: before its first hook, between two turns, of a turn."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from stacknb import plugins as trees
from stacknb.exceptions import ShellDied
from stacknb.lifecycle import Hook
from stacknb.places import BASH, HOME
from stacknb.plugins import Plugin
from stacknb.run import cells
from stacknb.run.order import Order
from stacknb.shell import Shell
from stacknb.shell.environment import quote
from stacknb.supervision import services
from stacknb.tasks import Task

__all__ = ["between", "drop_negated", "enabling", "forgetting_timers", "recalling", "setup", "turn"]


def setup(mode: str, order: Order) -> str:
    """Return the bash that a new shell of a run begins with."""
    top_dir = order.top_dir
    tree = trees.is_devstack(top_dir)
    facts = {
        "TOP_DIR": str(top_dir),
        "RC_DIR": str(top_dir),
        "FILES": str(top_dir / "files"),
        "_stacknb_python": sys.executable,
        "_stacknb_home": str(HOME),
        "_stacknb_services": "" if tree else str(services.directory(top_dir)),
        "_stacknb_helpers": "" if tree else str(BASH / "helpers.bash"),
        "_stacknb_flags": "e" if mode == "stack" else "",
        "BASH_ARGV0": str(top_dir / f"{mode}.sh"),
        **({} if order.parallel else {"DEVSTACK_PARALLEL": "False"}),
    }
    lines = [f"{name}={quote(value)}" for name, value in facts.items()]
    lines.append(f"builtin source {quote(str(BASH / 'opening.bash'))}")
    return "\n".join([*lines, *map(enabling, order.plugins)])


def between(function: str, *words: str) -> str:
    """Return the bash that calls a function of ``bash/between.bash``."""
    return f"\\_stacknb_need between; \\{' '.join([function, *map(quote, words)])}\n"


def enabling(plugin: Plugin) -> str:
    """Return the bash that enables a plugin which lies in a folder."""
    return between("_stacknb_enable_given", plugin.name, str(plugin.folder))


def turn(hook: Hook, log: Path) -> str:
    """Return what the driver must know of a turn; the log is there, with its header.

    A hook is sourced inside a function, settings and cells at top level and without errexit.
    """
    name = json.dumps(hook.name)[1:-1]  # the shell writes it between the quotes of its JSON
    is_cell = hook.kind == "cell"
    facts = {
        "kind": "settings" if hook.settings else hook.kind,
        "name": name,
        "hook": "" if is_cell else name,
        "phase": hook.phase.label,
        "path": str(hook.path),
        "log": str(log),
        "err": str(cells.errors_of(log)) if is_cell else "",
        "off": "1" if hook.deals_with_err else "",
    }
    code = " ".join(f"_stacknb_{key}={quote(value)}" for key, value in facts.items())
    return f"{code} _stacknb_args=({' '.join(map(quote, hook.args))})"


def forgetting_timers(since: float) -> str:
    """Return the bash that forgets timers which a failed hook has left running `since` it began."""
    return between("_stacknb_forget_timers", str(int(since * 1000)))


def recalling(tasks: Iterable[Task], lost: dict[str, int], run_dir: Path) -> str:
    """Return bash that makes a shell know of tasks: that they run, have ended, were waited for.

    `lost` has the exit codes of those that no process tells any more, by name.
    """
    lines = []
    for task in tasks:
        log = str(task.log.relative_to(run_dir))
        known = (task.name, str(task.pid), log, " ".join(task.command))
        if task.result is not None:
            lines.append(between("_stacknb_recall_wait", *known, str(task.result.exit_code)))
        else:
            ended = [str(lost[task.name])] if task.name in lost else []
            lines.append(between("_stacknb_recall", *known, *ended))
    return "".join(lines)


def drop_negated(shell: Shell) -> str:
    """Take away what the settings have negated among the services; say if they do not allow it."""
    try:
        _, said = shell.call("builtin", "eval", between("_stacknb_drop_negated"))
    except ShellDied as error:
        where = "in 'disable_negated_services', called after the settings"
        raise ShellDied(f"{where}: {error}") from error
    if said != "readonly":
        return ""
    return (
        "the settings make 'ENABLED_SERVICES' readonly: what a '-NAME' in it takes away stays "
        "enabled; leave 'readonly' out and begin anew"
    )
