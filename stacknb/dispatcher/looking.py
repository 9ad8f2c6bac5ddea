"""The calls of a stack that only look: at what is to come, at the variables, at what hooks did."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stacknb import lifecycle
from stacknb.dispatcher.session import Session
from stacknb.exceptions import BadInput
from stacknb.plugins import Plugin, foreseen, missing
from stacknb.results import HookResult
from stacknb.shell.environment import inherited
from stacknb.snapshots.masking import Masker
from stacknb.snapshots.snapshot import matching
from stacknb.text.signs import printable

if TYPE_CHECKING:  # pandas and altair take half a second each to import
    import altair as alt
    import pandas as pd

    from stacknb.hooks.changes_frame import ChangesFrame, HistoryFrame
    from stacknb.hooks.trace_frame import TraceFrame
    from stacknb.hooks.variables_frame import VariablesFrame

__all__ = ["Looking"]


class Looking(Session):
    """The plan of a run, its picture, its variables, its changes, its trace."""

    def plan(self, mode: str = "stack") -> pd.DataFrame:
        """Say what a run would source; starts nothing.

        Of plugins that localrc or local.conf enable it names those that their text tells without
        being run: lines of plain words that begin with ``enable_plugin``.

        Parameters
        ----------
        mode : {'stack', 'unstack', 'clean'}

        Returns
        -------
        DataFrame
            A row for each hook, in order: ``phase``, ``hook``, ``path``, ``args`` (tuple of str),
            ``warning`` (str, empty if none), ``run`` (the mode of the run: clean unstacks first).
            A plugin whose folder is not there has a row before them, with a warning.

        Examples
        --------
        >>> stack.plan("unstack")["phase"].tolist()
        ['override_defaults', 'source', 'unstack']
        """
        import pandas as pd

        plugins, first = self._foreseen, "unstack" if mode == "clean" else mode
        rows: list[tuple[object, ...]] = [
            (lifecycle.phases_of(first)[0].label, plugin.name, printable(plugin.folder), (),
             printable(why), first)
            for plugin, why in missing(plugins).items()
        ]  # fmt: skip
        rows += [
            (hook.phase.label, printable(hook.name), printable(hook.path), hook.args,
             printable(hook.warning), run)
            for run, hook in lifecycle.plan(mode, self.top_dir, plugins, self.cells)
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["phase", "hook", "path", "args", "warning", "run"])

    def picture(self) -> alt.LayerChart:
        """Draw the lifecycle: which hook runs where, where tasks start and are waited for.

        Before a run it shows the plan, afterwards what came of it. Shows itself without a network;
        ``to_svg()`` and ``to_png()`` give it as a file.

        Raises
        ------
        BadInput
            If there is no hook.

        Examples
        --------
        >>> print(stack.picture().said().splitlines()[1])
        source: 10-shop.sh (has work here)
        """
        from stacknb.charts.lifecycle import lifecycle_chart

        return lifecycle_chart(self.top_dir, self._foreseen, cells=self.cells, run_dir=self.run_dir)

    def variables(self, pattern: str = "*") -> VariablesFrame:
        """Return the shell's variables as they stand.

        Parameters
        ----------
        pattern : str
            A glob for the names.

        Returns
        -------
        DataFrame
            ``name``, ``type`` (string, integer, array, associative, nameref), ``value`` (str; of
            secrets a mask), ``exported``, ``readonly``, ``local`` (a local variable of a frame
            that the last failure left). A terminal shows a line for each.

        Examples
        --------
        >>> done = stack.run(until="source")
        >>> stack.variables("SHOP_*")["value"].tolist()
        ['corner']
        """
        from stacknb.hooks.variables_frame import VariablesFrame

        with self._lock:
            shell = self._begin(self._mode).shell
            failed = self._run is not None and self._run.course.failed is not None
            own, lost = shell.variables(), shell.lost_locals if failed else []
        masker = Masker([*own, *lost])  # what is secret in one is masked in all others, too
        rows = [
            (v.name, v.kind, masker.value(v.name, v.text()),
             "x" in v.flags, "r" in v.flags, found is lost)
            for found in (own, lost)
            for v in matching(found, pattern)
        ]  # fmt: skip
        rows.sort(key=lambda row: row[0] in os.environ)  # a long frame is shown by its ends
        columns = ["name", "type", "value", "exported", "readonly", "local"]
        return VariablesFrame(rows, columns=columns)

    def changes(self, hook_or_phase: str | None = None) -> ChangesFrame:
        """Say what each hook of the run added, changed or removed.

        Parameters
        ----------
        hook_or_phase : str, optional
            ``50-api.sh``, ``install``, or ``install 50-api.sh``; every hook by default.

        Returns
        -------
        DataFrame
            ``phase``, ``hook``, ``kind`` (variable, function, option, alias, trap, cwd, umask,
            file), ``name``, ``change`` (added, changed, removed), ``old``, ``new``; secrets are
            masked. Shows itself grouped by hook.

        Raises
        ------
        BadInput
            If there is no run, or no such hook or phase in it.

        Examples
        --------
        >>> done = stack.run(until="source")
        >>> print(stack.changes("source").text())
        source · 10-shop.sh
          + SHOP_NAME       = corner
          + function greet  4 lines
        """
        from stacknb.hooks import changes_frame

        return changes_frame.load(self._recorded(), hook_or_phase)

    def history(self, pattern: str = "*") -> HistoryFrame:
        """Follow variables through the run: a row wherever a hook changed one.

        Parameters
        ----------
        pattern : str
            A glob for the names.

        Returns
        -------
        DataFrame
            The columns of `changes`, ordered by name, then by time.

        Examples
        --------
        >>> done = stack.run(until="source")
        >>> print(stack.history("SHOP_*").text())
        SHOP_NAME  source  10-shop.sh  corner
        """
        from stacknb.hooks import changes_frame

        return changes_frame.load_history(self._recorded(), pattern)

    def trace(self, *hooks: str | HookResult) -> TraceFrame:
        """Return the commands of the hooks that were stepped through with ``trace=True``.

        Parameters
        ----------
        *hooks : str or HookResult
            By default every traced hook of the run.

        Returns
        -------
        DataFrame
            ``hook``, ``file``, ``line``, ``function``, ``command`` (as it ran), ``start`` (UTC),
            ``took_s`` (seconds), ``depth``, ``task``.

        Raises
        ------
        BadInput
            If no such hook was traced.

        Examples
        --------
        >>> done = stack.step(trace=True)
        >>> stack.trace("10-shop.sh")["command"].tolist()[0]
        '[[ override_defaults == source ]]'
        """
        from stacknb.hooks import trace_frame

        return trace_frame.load(self._recorded(), hooks)

    @property
    def _foreseen(self) -> list[Plugin]:
        """Those that are enabled, and those that the settings are going to enable."""
        if self._run is not None and self._run.result.phases:
            return self._enabled
        dest = inherited(self._order.env).get("DEST") or str(self.top_dir / ".stacknb" / "dest")
        told = foreseen(self._order.settings.text(), self.top_dir, dest)
        known = {plugin.name for plugin in self._enabled}
        return [*self._enabled, *(plugin for plugin in told if plugin.name not in known)]

    def _recorded(self) -> Path:
        if self.run_dir is None:
            raise BadInput("no run yet: begin one with %stack or %stack step")
        return self.run_dir
