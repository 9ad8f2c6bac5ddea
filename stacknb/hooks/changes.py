"""What each hook of a run changed, found by comparing the snapshots of its history."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from stacknb import tasklog
from stacknb.exceptions import BadInput
from stacknb.snapshots import history
from stacknb.snapshots.history import Moment
from stacknb.snapshots.masking import Masker
from stacknb.snapshots.space import Space, in_words
from stacknb.text.names import nearest
from stacknb.text.screen import quoted

__all__ = ["Change", "between", "of_run", "variable_history", "variable_names"]


@dataclass(frozen=True)
class Change:
    """One thing that a hook added, changed or removed.

    Attributes
    ----------
    phase, hook : str
        ``cell 2`` for a cell of ``%%stack``.
    kind : str
        ``variable``, ``function``, ``option``, ``alias``, ``trap``, ``cwd``, ``umask``, ``file``
        (of the run directory); or ``shell``, when it was lost and nothing is known.
    name : str
    change : str
        ``added``, ``changed`` or ``removed``; ``unknown`` of a lost shell.
    old, new : str
        Values, of functions the source; secrets are masked.
    """

    phase: str
    hook: str
    kind: str
    name: str
    change: str
    old: str
    new: str


def between(
    before: Space, after: Space, masker: Masker, phase: str = "", hook: str = ""
) -> Iterator[Change]:
    """Yield what differs between two spaces; names in order, kind by kind."""
    masker.learn([*before.variables.values(), *after.variables.values()])
    for name in sorted({*before.variables, *after.variables}):
        old, new = before.variables.get(name), after.variables.get(name)
        if old == new:
            continue
        flags = bool(old and new and old.flags != new.flags)
        texts = [
            masker.value(name, v.text()) + (in_words(v.flags) if flags else "") if v else ""
            for v in (old, new)
        ]
        yield Change(phase, hook, "variable", name, _verb(old, new), *texts)
    for kind in before.changed_parts(after):
        olds, news = before.of(kind), after.of(kind)
        for name in sorted({*olds, *news}):
            if (was := olds.get(name)) != (now := news.get(name)):
                shown = [masker.text(text or "") for text in (was, now)]
                yield Change(phase, hook, kind, name, _verb(was, now), *shown)


def of_run(run_dir: Path, wanted: str | None) -> tuple[list[Change], list[list[str]]]:
    """Return what each hook of a run changed, in the order they ran, and phase and name of each.

    Parameters
    ----------
    run_dir : Path
        The run may be going on, or have ended long ago.
    wanted : str or None
        A hook or a phase; None for all.

    Raises
    ------
    BadInput
        If there is no such hook or phase in the run; names the nearest.
    """
    moments = list(history.read(run_dir))
    names = {name for moment in moments for name in _names(moment)}
    if wanted is not None and wanted not in names:
        known = sorted(({_label(m) for m in moments} | {m.phase for m in moments}) - {""})
        hint = nearest(wanted, known) or f"; there are {quoted(known, 20) or 'none yet'}"
        raise BadInput(f"no hook or phase {wanted!r} has run{hint}")
    masker = Masker()
    told = [
        (moment, changes)
        for moment, changes in _compared(moments, run_dir, masker)
        if wanted is None or wanted in _names(moment)
    ]
    found = [change for _, changes in told for change in changes]
    return _masked_again(found, masker), [[moment.phase, _label(moment)] for moment, _ in told]


def variable_history(run_dir: Path, pattern: str) -> list[Change]:
    """Return the changes of the variables that a glob matches, through the whole run.

    The first rows, of phase ``""``, are what stood before the first hook.
    """
    moments = list(history.read(run_dir))
    begin = [moment for moment in moments if moment.kind == "begin" and moment.snapshot][:1]
    masker = Masker()
    rows = [
        change
        for moment in begin
        for change in between(Space(b""), Space(moment.snapshot or b""), masker)
    ]
    rows += [change for _, changes in _compared(moments, run_dir, masker) for change in changes]
    found = [c for c in rows if c.kind == "variable" and fnmatchcase(c.name, pattern)]
    return _masked_again(found, masker)


def _label(moment: Moment) -> str:
    """Return what a moment's hook is called; a cell is ``cell 2``."""
    return f"cell {moment.name}" if moment.kind == "cell" else moment.name


def _masked_again(found: list[Change], masker: Masker) -> list[Change]:
    # A later hook may have told that a value seen before is a secret.
    return [
        replace(change, old=masker.text(change.old), new=masker.text(change.new))
        for change in found
    ]


def _compared(
    moments: list[Moment], run_dir: Path, masker: Masker
) -> Iterator[tuple[Moment, list[Change]]]:
    before: Space | None = None
    files: dict[str, list[float]] = {}
    logs = _logs_by_hook(run_dir)
    for moment in moments:
        place = moment.phase, _label(moment)
        changes: list[Change] = []
        if moment.snapshot is None and moment.kind != "begin":
            changes.append(Change(*place, "shell", "", "unknown", "", moment.why))
        elif moment.snapshot is not None:
            after = Space(moment.snapshot)
            if before is not None:
                changes += between(before, after, masker, *place)
            before = after
        for name in sorted({*files, *moment.files}):
            old, new = files.get(name), moment.files.get(name)
            if old != new and moment.kind != "begin":
                texts = [f"{int(f[0])} bytes" if f else "" for f in (old, new)]
                changes.append(Change(*place, "file", name, _verb(old, new), *texts))
        files = moment.files
        if moment.kind == "hook":
            for start, name in logs.get(place, ()):
                if moment.start <= start <= moment.end:
                    changes.append(Change(*place, "file", name, "added", "", "the log of a task"))
        if moment.kind != "begin":
            yield moment, changes


def variable_names(run_dir: Path) -> list[str]:
    """Return the names of the variables that the shell has had since the last hook or cell."""
    snapshots = (m.snapshot for m in history.read(run_dir) if m.snapshot is not None)
    last = deque(snapshots, maxlen=1)
    return sorted(Space(last[0]).variables) if last else []


def _logs_by_hook(run_dir: Path) -> dict[tuple[str, str], list[tuple[float, str]]]:
    found: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for path in sorted((run_dir / "async").glob("*.log")):
        try:
            header = tasklog.header_of(path)
            when = float(header.get("queued") or header["start"])
            place = str(header["phase"]), str(header["hook"])
        except (KeyError, ValueError):
            continue
        found.setdefault(place, []).append((when, f"async/{path.name}"))
    return found


def _names(moment: Moment) -> set[str]:
    if moment.kind == "begin":
        return set()
    phase = moment.phase
    short = phase.removeprefix("stack ")
    return {_label(moment), phase, short, phase.replace(" ", "-"), f"{phase} {_label(moment)}",
            f"{short} {_label(moment)}", f"{phase.replace(' ', '-')}/{_label(moment)}"}  # fmt: skip


def _verb(old: object, new: object) -> str:
    return "added" if old is None else "removed" if new is None else "changed"
