"""What the last stack of a tree was given, and the run that is to undo it is not."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stacknb.board import earlier

__all__ = ["forgotten"]

_FILES = {"localrc": "--localrc", "local_conf": "--local-conf"}


def forgotten(run_dir: Path, facts: Mapping[str, Any], has_settings: bool) -> str:
    """Say which plugins and settings a run of unstack or clean lacks; mostly empty.

    DevStack finds them in the tree's local.conf each time. Here they are arguments, and without
    them hooks of a plugin that should undo something are passed over in silence. The stack is
    looked for beside `run_dir`; settings may have come through a pipe, of which `facts`
    (``run.json``) tell nothing.
    """
    for _, stacked, given in earlier.beside(run_dir, facts["top_dir"], "stack"):
        here = {plugin.partition("=")[0] for plugin in facts["plugins"]}
        lacks = [plugin for plugin in given["plugins"] if plugin.partition("=")[0] not in here]
        words = [word for plugin in lacks for word in ("--plugin", plugin)]
        if not has_settings:
            words += [word for key in _FILES if key in given for word in (_FILES[key], given[key])]
        if words:
            return (
                f"the stack in {str(stacked)!r} was given {shlex.join(words)}, this "
                f"{facts['mode']} is not: their hooks and settings are left out; give the same"
            )
        break
    return ""
