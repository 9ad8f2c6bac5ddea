"""The bash that a shell is asked to evaluate for its own needs.

`builtin` stands before each builtin, quoted: a hook may have a function or an alias of that name.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from stacknb.places import BASH
from stacknb.shell.environment import quote

__all__ = ["REPLY", "SAVING", "driver", "farewell", "nameless", "of_turn", "restoring"]

REPLY = '_stacknb_list_plugins; _stacknb_reply done 0 "$_stacknb_plugins" "$_stacknb_required"'
# bash hides these traps from a function, and so from what writes a snapshot and from the next hook.
_NOTING = (
    '\\builtin trap -p ERR DEBUG RETURN >|"$_stacknb_control/scratch"\n'
    "\\builtin mapfile -d '' -n 1 _stacknb_kept <\"$_stacknb_control/scratch\"\n"
)
SAVING = _NOTING + '\\builtin eval "$_stacknb_save"'  # a snapshot


def driver(control: Path, run_dir: Path, run: str) -> list[str]:
    """Return the arguments of a bash that waits for requests in `control`."""
    host = json.dumps(socket.gethostname())[1:-1]
    return ["--norc", "--noprofile", *map(str, (BASH / "driver.bash", control, run_dir, run, host))]


def of_turn(
    args: Sequence[str],
    *,
    kind: str,
    name: str,
    phase: str,
    path: Path,
    log: Path,
    err: Path | None = None,
    hands_off: bool = False,
) -> str:
    """Return what the driver must know of a turn.

    Parameters
    ----------
    args : sequence of str
        Of the hook.
    kind : {'hook', 'settings', 'cell'}
        A hook is sourced inside a function, the others at top level and without errexit.
    name, phase : str
        For the footer and for tasks started meanwhile.
    path : Path
        What is sourced.
    log, err : Path
        Where stdout and stderr go; without `err` both go to `log`. Exists, with its header.
    hands_off : bool
        Leave ERR traps and errtrace alone: the hook deals with them itself.
    """
    plain = json.dumps(name)[1:-1]  # the shell writes it between the quotes of its JSON
    facts = {
        "kind": kind, "name": plain, "hook": "" if kind == "cell" else plain, "phase": phase,
        "path": str(path), "log": str(log), "err": str(err or ""), "off": "1" if hands_off else "",
    }  # fmt: skip
    code = " ".join(f"_stacknb_{key}={quote(value)}" for key, value in facts.items())
    return f"{code} _stacknb_args=({' '.join(map(quote, args))})"


def restoring(script: Path) -> str:
    """Return the bash that makes a new shell what the script says."""
    last = '\\builtin "${_stacknb_return[@]}"'  # mostly there is none, and builtin does nothing
    return f"\\builtin source {quote(str(script))}; _stacknb_load; {last}; {_NOTING}"


def farewell(log: Path) -> str:
    """Return the bash that ends a shell; what EXIT traps of hooks print goes to `log`."""
    return (
        '\\builtin trap -p EXIT >|"$_stacknb_control/scratch"\n'
        "\\builtin mapfile -d '' -n 1 _stacknb_read <\"$_stacknb_control/scratch\"\n"
        "[[ ${_stacknb_read-} == *_stacknb_on_exit* ]] || "
        f"\\command exec >>{quote(str(log))} 2>&1\n"
        "\\_stacknb_need whence; \\_stacknb_note_origins\n"
        "\\builtin exit 0"
    )


def nameless(env: Mapping[str, str]) -> dict[str, str]:
    """Return what is no variable's name in bash, nor a function: all the rest is in a snapshot."""
    return {
        name: value
        for name, value in env.items()
        if not name.isidentifier() and not name.startswith("BASH_FUNC_")
    }
