"""The plan of a run and the variables of a shell as frames; pandas is imported when one is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stacknb import snapshot
from stacknb.lifecycle import Hook
from stacknb.snapshot import Variable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plan", "variables"]

_PLAN = ("phase", "hook", "path", "args", "warning", "run")
_VARIABLES = ("name", "type", "value", "exported", "readonly", "local")


def plan(hooks: Iterable[tuple[str, Hook]]) -> pd.DataFrame:
    """Return a row for each hook that a run would source, as `Stack.plan` describes it.

    Parameters
    ----------
    hooks : iterable of (str, Hook)
        In order, each with the mode of its run.
    """
    import pandas as pd

    rows = [
        (hook.phase.label, hook.name, str(hook.path), hook.args, hook.warning, run)
        for run, hook in hooks
    ]
    return pd.DataFrame(rows, columns=list(_PLAN))


def variables(own: Iterable[Variable], lost: Iterable[Variable]) -> pd.DataFrame:
    """Return a row for each variable, as `Stack.variables` describes it; secrets masked.

    Parameters
    ----------
    own : iterable of Variable
        Those of the shell.
    lost : iterable of Variable
        Locals of a frame that is gone.
    """
    import pandas as pd

    pairs = [(variable, False) for variable in own] + [(variable, True) for variable in lost]
    rows = [
        (v.name, v.kind, snapshot.MASK if snapshot.is_secret(v.name) else v.text(),
         "x" in v.flags, "r" in v.flags, local)
        for v, local in pairs
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(_VARIABLES))
