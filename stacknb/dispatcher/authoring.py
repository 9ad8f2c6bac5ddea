"""The calls of `Stack` for those who write hooks: from cells, looked at command by command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stacknb import tasklog
from stacknb.dispatcher.session import Session
from stacknb.exceptions import BadInput
from stacknb.hooks import cellhooks
from stacknb.hooks.cellhooks import CellHook, Exported
from stacknb.lifecycle import Hook
from stacknb.places import absolute
from stacknb.plugins import Plugin, foreseen
from stacknb.results import HookResult
from stacknb.run import opening
from stacknb.shell.environment import inherited
from stacknb.snapshots import snapshot
from stacknb.snapshots.masking import Masker
from stacknb.snapshots.vault import Vault

if TYPE_CHECKING:  # pandas and altair take half a second each to import
    import altair as alt

    from stacknb.hooks.changes_frame import ChangesFrame, HistoryFrame
    from stacknb.hooks.trace_frame import TraceFrame

__all__ = ["Authoring"]


class Authoring(Session):
    """Hooks from cells, what hooks changed, how they ran."""

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
            if plugin and plugin not in [known.name for known in self.plugins]:
                new = Plugin(plugin, self.cells / "plugins" / plugin)
                self.plugins.append(new)
                if self._run is not None:
                    self._run.shell.evaluate(opening.enabling(new))
                    self._run.roster.plugins.append(new)
            return added

    def take_cells_of(self, other: Session) -> None:
        """Have the hooks from cells of another stack of the same tree, which has other settings.

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

    @property
    def next_hook(self) -> Hook | None:
        """The hook that `step` with ``hook=True`` sources next; None between phases.

        Examples
        --------
        >>> added = stack.add_hook("50-hello.sh", "echo hello")
        >>> done = stack.step(hook=True)
        >>> stack.next_hook.name
        '50-hello.sh'
        """
        return self._run.next_hook if self._run is not None else None

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
        from stacknb.hooks import trace_frame, tracing

        run_dir = self._recorded()
        wanted = {hook if isinstance(hook, str) else hook.log for hook in hooks}
        found: list[tuple[str, Path, float | None]] = []
        for log in sorted(run_dir.glob("hooks/*/*.log"), key=lambda path: path.stat().st_mtime_ns):
            path, record = tracing.path_of(run_dir, log), tasklog.read(log)
            name = str(record.header["name"])
            if path.exists() and (not wanted or {name, log} & wanted):
                end = record.footer["end"] if record.footer else None
                found.append((f"{record.header['phase']} · {name}", path, end))
        if not found:
            names = [hook if isinstance(hook, str) else hook.name for hook in hooks]
            what = f"hook {names[0]!r} was not traced" if names else "no hook was traced"
            raise BadInput(f"{what}; %stack step --trace traces the next ones")
        state = Vault(run_dir / "state").newest
        secrets = snapshot.read_variables(state) if state is not None else []
        return trace_frame.load(found, Masker(secrets))

    @property
    def _enabled(self) -> list[Plugin]:
        return self._run.roster.plugins if self._run is not None else self.plugins

    @property
    def _foreseen(self) -> list[Plugin]:
        """Those that are enabled, and those that the settings are going to enable."""
        if self._run is not None and self._run.result.phases:
            return self._enabled
        dest = inherited(self._added).get("DEST") or str(self.top_dir / ".stacknb" / "dest")
        told = foreseen(self._settings.text(), self.top_dir, dest)
        known = {plugin.name for plugin in self._enabled}
        return [*self._enabled, *(plugin for plugin in told if plugin.name not in known)]

    def _recorded(self) -> Path:
        if self.run_dir is None:
            raise BadInput("no run yet: begin one with %stack or %stack step")
        return self.run_dir
