"""What may stand for an argument, by its kind: completion in notebooks and terminals asks."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable

from stacknb import lifecycle
from stacknb.plugins import FILES

__all__ = ["phase_words", "values"]


def values(kind: str, start: str, names: Callable[[str], list[str]]) -> list[str]:
    """Return what may stand for an argument.

    Parameters
    ----------
    kind : str
        See `Argument`.
    start : str
        What is typed of it: paths are looked up by that.
    names : callable
        Returns the names of what is a ``hook``, a ``task``, a ``variable``, or has a ``log``,
        where it is asked.

    Returns
    -------
    list of str
        Also some that do not begin with `start`.
    """
    if kind == "phase":
        return phase_words()
    if kind == "mode":
        return list(lifecycle.MODES)
    if kind in ("task", "log"):
        return names(kind)
    if kind == "glob":
        return names("variable")
    if kind == "hook":
        return [*names("hook"), *phase_words()]
    if kind == "script":
        return [*(name for name in names("hook") if name[:2].isdigit()), *FILES]
    if kind == "run":
        runs = glob.glob(".stacknb/runs/*/")
        return list(dict.fromkeys([*runs, *_paths(start, files=True)])) if start else runs
    if kind in ("folder", "file", "plugin"):
        return _paths(start, files=kind == "file")
    return []


def phase_words() -> list[str]:
    """Return the phases of ``stack`` as people type them."""
    return [phase.sub or phase.label for phase in lifecycle.phases_of("stack")]


def _paths(start: str, files: bool) -> list[str]:
    tilde = start.partition("/")[0] if start.startswith("~") else ""
    home = os.path.expanduser(tilde)
    paths = glob.glob(glob.escape(home + start.removeprefix(tilde)) + "*")
    found = [f"{path}/" for path in paths if os.path.isdir(path)]
    found += [path for path in paths if files and not os.path.isdir(path)]
    found = [tilde + path.removeprefix(home) for path in found]
    # By itself a name would be an option, or somebody's home.
    return [f"./{path}" if not start and path[0] in "-~" else path for path in found]
