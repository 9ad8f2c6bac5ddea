"""The plan of a run and the variables of a shell as frames; pandas is imported when one is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from stacknb.lifecycle import Hook, phases_of
from stacknb.plugins import Plugin
from stacknb.snapshots.masking import Masker
from stacknb.snapshots.snapshot import Variable, matching
from stacknb.text.signs import printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plan", "variables"]

_PLAN = ("phase", "hook", "path", "args", "warning", "run")
_VARIABLES = ("name", "type", "value", "exported", "readonly", "local")


def plan(
    hooks: Iterable[tuple[str, Hook]], missing: Mapping[Plugin, str], mode: str
) -> pd.DataFrame:
    """Return a row for each hook that a run would source, as `Stack.plan` describes it.

    Parameters
    ----------
    hooks : iterable of (str, Hook)
        In order, each with the mode of its run.
    missing : mapping of Plugin to str
        Plugins that have no hooks, and why.
    mode : str
    """
    import pandas as pd

    rows: list[tuple[object, ...]] = [
        (phases_of(mode)[0].label, plugin.name, printable(plugin.folder), (), printable(why), mode)
        for plugin, why in missing.items()
    ]
    rows += [
        (hook.phase.label, printable(hook.name), printable(hook.path), hook.args,
         printable(hook.warning), run)
        for run, hook in hooks
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(_PLAN))


def variables(own: Sequence[Variable], lost: Sequence[Variable], pattern: str) -> pd.DataFrame:
    """Return a row for each variable, as `Stack.variables` describes it; secrets masked.

    Parameters
    ----------
    own : sequence of Variable
        Those of the shell; the values of secret ones are masked in all others, too.
    lost : sequence of Variable
        Locals of a frame that is gone.
    pattern : str
        A glob for the names.
    """
    import pandas as pd

    masker = Masker([*own, *lost])
    pairs = [(variable, False) for variable in matching(own, pattern)]
    pairs += [(variable, True) for variable in matching(lost, pattern)]
    rows = [
        (v.name, v.kind, masker.value(v.name, v.text()),
         "x" in v.flags, "r" in v.flags, local)
        for v, local in pairs
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(_VARIABLES))
