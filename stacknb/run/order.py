"""What a run is made of: a tree, and what the user gave for it."""

from __future__ import annotations

import contextlib
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from stacknb.plugins import Plugin
from stacknb.run.settings import Settings
from stacknb.rundir import earlier
from stacknb.rundir.lock import Lock

__all__ = ["Order"]

_FILES = {"localrc": "--localrc", "local_conf": "--local-conf"}


@dataclass(frozen=True)
class Order:
    """What a stack hands on to each of its runs.

    Attributes
    ----------
    top_dir : Path
    plugins : tuple of Plugin
        Enabled from the start.
    cells : Path or None
        A folder of hooks that the cells of a notebook hold, laid over the tree.
    settings : Settings
        Sourced before the first hook.
    parallel : bool
    jobs : int or None
        How many tasks may run at once.
    env : dict
        What is added to the environment; of an order that a run is given, all of it.
    """

    top_dir: Path
    plugins: tuple[Plugin, ...] = ()
    cells: Path | None = None
    settings: Settings = field(default_factory=Settings)
    parallel: bool = True
    jobs: int | None = None
    env: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """Return what ``run.json`` is to tell of it; `Stack.resume` goes by that."""
        return {
            "top_dir": str(self.top_dir),
            "plugins": [f"{plugin.name}={plugin.folder}" for plugin in self.plugins],
            "parallel": self.parallel,
            "jobs": self.jobs,
            "cpus": os.cpu_count(),
            "cells": str(self.cells),
            **self.settings.facts(),
        }

    def lacks(self, mode: str, run_dir: Path) -> str:
        """Say which plugins and settings a run of unstack or clean lacks; mostly empty.

        DevStack finds them in the tree's local.conf each time. Here they are arguments, and without
        them hooks of a plugin that should undo something are passed over in silence. The stack that
        was given them is looked for beside `run_dir`.
        """
        for _, stacked, given in earlier.beside(run_dir, str(self.top_dir), "stack"):
            here = {plugin.name for plugin in self.plugins}
            lacks = [plugin for plugin in given["plugins"] if plugin.partition("=")[0] not in here]
            words = [word for plugin in lacks for word in ("--plugin", plugin)]
            if self.settings == Settings():
                known = [key for key in _FILES if key in given]
                words += [word for key in known for word in (_FILES[key], given[key])]
            if words:
                return (
                    f"the stack in {str(stacked)!r} was given {shlex.join(words)}, this "
                    f"{mode} is not: their hooks and settings are left out; give the same"
                )
            break
        return ""

    def rival(self, run_dir: Path) -> str:
        """Say which stack of the same tree goes on beside `run_dir`, if one does."""
        for start, other, _ in earlier.beside(run_dir, str(self.top_dir), "stack"):
            with contextlib.suppress(OSError):  # its journal is no file: no reason not to begin
                if Lock(other).is_held() and not earlier.Earlier(other, start).complete:
                    return (
                        f"another stack of this tree is under way, in {str(other)!r}: both may "
                        "write to the same places; end it, or close it where it is open"
                    )
        return ""
