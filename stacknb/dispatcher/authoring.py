"""The calls of a stack about hooks that are written in the cells of a notebook."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from typing import TYPE_CHECKING

from stacknb.dispatcher.session import Session
from stacknb.hooks import cellhooks
from stacknb.hooks.cellhooks import CellHook, Exported
from stacknb.places import absolute
from stacknb.plugins import Plugin
from stacknb.run import opening

if TYPE_CHECKING:
    from stacknb.hooks.checking import Report

__all__ = ["Authoring"]


class Authoring(Session):
    """Add a hook from a cell, take those of another stack; check and export the tree with them."""

    def add_hook(self, name: str, text: str, *, plugin: str = "") -> CellHook:
        """Add a hook to this stack, beside those of its tree, or in the place of one.

        Parameters
        ----------
        name : str
            ``NN-name.sh``; of a plugin ``override-defaults``, ``settings`` or ``plugin.sh``.
        text : str
            Its bash; the syntax is checked at once.
        plugin : str
            Name of the plugin that the file is of; a new one is enabled last.

        Raises
        ------
        BadInput
            If the name is none for a hook, or the syntax is wrong.

        Examples
        --------
        >>> stack.add_hook("50-hello.sh", "echo hello")
        <hook '50-hello.sh' added; see %stack plan>
        """
        with self._lock:
            added = cellhooks.add(self.cells, name, text, plugin)
            if plugin and plugin not in [known.name for known in self._enabled]:
                new = Plugin(plugin, self.cells / "plugins" / plugin)
                self.plugins.append(new)
                if self._run is not None:
                    self._run.shell.evaluate(opening.enabling(new))
                    self._run.roster.plugins.append(new)
            return added

    def take_cells_of(self, other: Session) -> None:
        """Have the hooks from cells of another stack of the same tree, which has other settings.

        Parameters
        ----------
        other : Stack
            Has them, too, from then on.

        Examples
        --------
        >>> added = stack.add_hook("50-hello.sh", "echo hello")
        >>> serial = stacknb.Stack(stack.top_dir, parallel=False)
        >>> serial.take_cells_of(stack)
        >>> "50-hello.sh" in set(serial.plan()["hook"])
        True
        """
        self.cells = other.cells
        known = [plugin.name for plugin in self.plugins]
        self.plugins += [
            plugin
            for plugin in other.plugins
            if plugin.folder.is_relative_to(other.cells) and plugin.name not in known
        ]

    def export(self, target: str | os.PathLike[str]) -> Exported:
        """Write this stack's tree with the hooks from cells in it; it runs without a notebook.

        Plugins go to ``plugins/NAME``, and ``local.conf`` enables them.

        Parameters
        ----------
        target : path-like
            Does not exist yet, or is an empty folder outside of the tree.

        Returns
        -------
        Exported
            Its folder, the hooks that came from cells, and how to run it.

        Raises
        ------
        BadInput
            If `target` holds something already, or cannot be written.

        Examples
        --------
        >>> added = stack.add_hook("50-hello.sh", "echo hello")
        >>> [path.name for path in stack.export("exported").hooks]
        ['50-hello.sh']
        """
        where = absolute(os.path.expanduser(target))
        return cellhooks.export(where, self.cells, self.top_dir, self._enabled)

    def check(self) -> Report:
        """Look for mistakes in all that this stack would source; starts nothing.

        Returns
        -------
        Report
            Of the tree with its plugins and the hooks from cells.

        Examples
        --------
        >>> stack.check().ok
        True
        """
        from stacknb.hooks import checking

        if not (self.plugins or any(self.cells.rglob("*"))):
            return checking.check(self.top_dir)
        with tempfile.TemporaryDirectory(prefix="stacknb-check-") as folder:
            self.export(folder)  # so that plugins and the hooks from cells lie in the tree
            return dataclasses.replace(checking.check(folder), path=self.top_dir)
