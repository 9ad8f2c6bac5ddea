"""The bash that a shell is asked to evaluate for its own needs.

`builtin` stands before each builtin, quoted: a hook may have a function or an alias of that name.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from stacknb.places import BASH
from stacknb.shell.environment import quote

__all__ = ["REPLY", "SAVING", "driver", "farewell", "nameless", "restoring"]

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
