"""What a run is made of: a tree, and what the user gave for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from stacknb.plugins import Plugin
from stacknb.run.settings import Settings

__all__ = ["Order"]


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
