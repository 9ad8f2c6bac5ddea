"""Modes, phases and their order; which hooks run, in what order, with what arguments.

Starts nothing: it only looks at files. What `plan` says is what `Stack` does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacknb.exceptions import BadInput
from stacknb.plugins import Plugin
from stacknb.text.names import like, unknown
from stacknb.text.screen import quoted
from stacknb.text.script import look

__all__ = [
    "CLEAN_UP",
    "MODES",
    "PHASES",
    "Hook",
    "Phase",
    "check_order",
    "check_recorded",
    "find_phase",
    "hooks_of",
    "numbered",
    "of_plugins",
    "phases_of",
    "plan",
]

MODES = ("stack", "unstack", "clean")
CLEAN_UP = "async_cleanup"  # the hook of ours that collects what is left at the end of a run
_SUB_PHASES = ("pre-install", "install", "post-config", "extra", "test-config")
_NUMBER = re.compile(r"(\d\d)(?!\d)")


@dataclass(frozen=True)
class Phase:
    """A point of the lifecycle where hooks run.

    Attributes
    ----------
    mode : str
        First argument of its hooks.
    sub : str
        Second argument; only ``stack`` has one.

    Examples
    --------
    >>> from stacknb.lifecycle import Phase
    >>> Phase("stack", "install").label, Phase("stack", "install").args
    ('stack install', ('stack', 'install'))
    """

    mode: str
    sub: str = ""

    @property
    def label(self) -> str:
        """The name: ``source``, ``stack install``."""
        return f"{self.mode} {self.sub}" if self.sub else self.mode

    @property
    def args(self) -> tuple[str, ...]:
        """What its hooks are called with."""
        return (self.mode, self.sub) if self.sub else (self.mode,)


@dataclass(frozen=True)
class Hook:
    """One script sourced in a phase.

    Attributes
    ----------
    phase : Phase
    name : str
        ``50-api.sh``, or ``PLUGIN-settings`` and the like.
    path : Path
    args : tuple of str
        Its positional parameters.
    warning : str
        What a user should know; empty if nothing.
    skipped : bool
        It is not sourced; `warning` says why.
    fault : str
        Why it cannot be run at all; empty if it can.
    deals_with_err : bool
        It mentions ERR traps or errtrace.
    settings : bool
        It is a localrc. DevStack sources it outside of any function, and before errexit begins.
    kind : {'hook', 'cell'}
        A cell's bash takes its turn as a hook does, at top level and without errexit.

    Examples
    --------
    >>> added = stack.add_hook("50-hello.sh", "echo hello")
    >>> done = stack.step(hook=True)
    >>> stack.next_hook.name, stack.next_hook.args, stack.next_hook.what
    ('50-hello.sh', ('override_defaults',), '50-hello.sh')
    """

    phase: Phase
    name: str
    path: Path
    args: tuple[str, ...]
    warning: str = ""
    skipped: bool = False
    fault: str = ""
    deals_with_err: bool = False
    settings: bool = False
    kind: str = "hook"

    @property
    def what(self) -> str:
        """What the user calls it."""
        return self.name if self.kind == "hook" else f"cell {self.name}"


_FIRST = (Phase("override_defaults"), Phase("source"))
_PHASES = {
    "stack": (*_FIRST, *(Phase("stack", sub) for sub in _SUB_PHASES)),
    "unstack": (*_FIRST, Phase("unstack")),
    "clean": (*_FIRST, Phase("clean")),
}
PHASES = tuple(dict.fromkeys(phase for mode in MODES for phase in _PHASES[mode]))  # of any mode


def check_recorded(mode: str, file: Path) -> None:
    """Refuse a mode that a ``run.json`` tells and that there is not."""
    if mode not in MODES:
        raise BadInput(
            f"{str(file)!r} is damaged: its mode {mode!r} is none of {', '.join(MODES)}; begin "
            "another run (timing, log and changes still tell what the logs of this one hold)"
        )


def phases_of(mode: str) -> tuple[Phase, ...]:
    """Return the phases of a mode, in order.

    Raises
    ------
    BadInput
        If there is no such mode.

    Examples
    --------
    >>> [phase.label for phase in phases_of("unstack")]
    ['override_defaults', 'source', 'unstack']
    """
    try:
        return _PHASES[mode]
    except KeyError:
        raise BadInput(unknown("mode", mode, MODES)) from None


def find_phase(text: str, mode: str = "stack") -> Phase:
    """Return the phase meant by ``install``, ``stack install`` or ``stack-install``.

    Raises
    ------
    BadInput
        If there is no such phase; names the nearest.
    """
    phases = phases_of(mode)
    wanted = " ".join(text.replace("stack-", "stack ").split())
    for phase in phases:
        if wanted in (phase.label, phase.sub or phase.label):
            return phase
    known = [phase.sub or phase.label for phase in phases]
    near = like(wanted.removeprefix("stack "), known)
    hint = f"did you mean {near!r}? " if near else ""
    raise BadInput(f"unknown phase {text!r}: {hint}the phases of {mode!r} are {', '.join(known)}")


def check_order(phase: Phase, mode: str, done: Sequence[str], again: Collection[str] = ()) -> None:
    """Refuse a phase that is out of order.

    Parameters
    ----------
    phase : Phase
    mode : str
        Of the run.
    done : sequence of str
        Labels of the phases that are done, in order.
    again : collection of str
        Labels of those that may be run again, beside the last one.

    Raises
    ------
    BadInput
        Names what to run first.

    Examples
    --------
    >>> check_order(find_phase("source"), "stack", ["override_defaults"])
    """
    order = phases_of(mode)
    missing = [p.label for p in order[: order.index(phase)] if p.label not in done]
    if missing:
        raise BadInput(f"phase {phase.label!r} is out of order: run {quoted(missing)} first")
    if phase.label in done and phase.label not in {done[-1], *again}:
        left = [f"; next is {p.label!r}" for p in order if p.label not in done]
        following = left[0] if left else "; %stack reset begins anew"
        raise BadInput(
            f"phase {phase.label!r} is out of order: {done[-1]!r} is done already{following}"
        )


def hooks_of(
    phase: Phase, top_dir: Path, plugins: Sequence[Plugin], cells: Path | None = None
) -> list[Hook]:
    """Return the hooks of one phase in the order they are sourced.

    ``extras.d`` comes first, ordered by the bytes of the names, then the plugins as enabled.
    `cells` is a folder of hooks that a notebook's cells hold, laid over the tree.
    """
    # As bash's own `extras.d/*.sh`, which leaves out names with a dot in front: editors and macOS
    # put such files beside the scripts.
    found = {path.name: path for path in (top_dir / "extras.d").glob("[!.]*.sh")}
    if cells is not None:
        found |= {path.name: path for path in (cells / "extras.d").glob("[!.]*.sh")}
    extras = sorted(found.values(), key=lambda path: os.fsencode(path.name))
    hooks = [_hook(phase, path.name, path, phase.args, numbered(path.name)) for path in extras]
    return hooks + of_plugins(phase, plugins, cells)


def of_plugins(phase: Phase, plugins: Sequence[Plugin], cells: Path | None = None) -> list[Hook]:
    """Return the hooks of one phase that plugins have, see `hooks_of`."""
    hooks = []
    file, args = {
        "override_defaults": ("override-defaults", ()),
        "source": ("settings", ()),
    }.get(phase.mode, ("plugin.sh", phase.args))
    for plugin in plugins:
        path = plugin.folder / "devstack" / file
        if cells is not None:
            own = cells / "plugins" / plugin.name / "devstack" / file
            path = own if own.is_file() else path
        if path.exists():
            hooks.append(_hook(phase, f"{plugin.name}-{file}", path, args, ""))
    return hooks


def plan(
    mode: str, top_dir: Path, plugins: Sequence[Plugin], cells: Path | None = None
) -> Iterator[tuple[str, Hook]]:
    """Yield what a run would source: the run's mode and the hook, in order.

    ``clean`` performs a run of ``unstack`` first.
    """
    runs = ("unstack", "clean") if mode == "clean" else (mode,)
    for run in runs:
        for phase in phases_of(run):
            for hook in hooks_of(phase, top_dir, plugins, cells):
                yield run, hook


def numbered(name: str) -> str:
    """Return what is wrong with the number that a hook's name begins with; empty if nothing.

    Examples
    --------
    >>> numbered("50-api.sh"), numbered("95-late.sh")
    ('', "number 95 is DevStack's own; use 10 to 89")
    """
    number = _NUMBER.match(name)
    if number is None:
        return "its name should begin with two digits, 10 to 89"
    if not 10 <= int(number[1]) <= 89:
        return f"number {number[1]} is DevStack's own; use 10 to 89"
    return ""


def _hook(phase: Phase, name: str, path: Path, args: tuple[str, ...], warning: str) -> Hook:
    script = look(path)
    if script.skipped:
        return Hook(phase, name, path, args, script.skipped, skipped=True)
    return Hook(
        phase, name, path, args, script.fault or warning,
        fault=script.fault, deals_with_err=script.deals_with_err,
    )  # fmt: skip
