"""The bash that a shell is asked to evaluate for its own needs.

`builtin` stands before each builtin, quoted: a hook may have a function or an alias of that name.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from stacknb.shell.environment import quote

__all__ = ["REPLY", "TURN", "driver", "farewell", "nameless", "of_turn", "restoring", "saving"]

_DRIVER = Path(__file__).parents[1] / "bash" / "driver.bash"
TURN = "\\_stacknb_turn"
REPLY = '_stacknb_list_plugins; _stacknb_reply done 0 "$_stacknb_plugins" "$_stacknb_required"'
# bash hides these traps from a function, and so from the hook that may fail next.
_RESTORED = (
    '_stacknb_load; \\builtin trap -p ERR DEBUG RETURN >|"$_stacknb_control/scratch"\n'
    "\\builtin mapfile -d '' -n 1 _stacknb_kept <\"$_stacknb_control/scratch\""
)


def driver(control: Path, run_dir: Path, run: str) -> list[str]:
    """Return the arguments of a bash that waits for requests in `control`."""
    host = json.dumps(socket.gethostname())[1:-1]
    return ["--norc", "--noprofile", *map(str, (_DRIVER, control, run_dir, run, host))]


def of_turn(args: Sequence[str], cpu: Sequence[int], *, kind: str, name: str, **more: str) -> str:
    """Return what the driver must know of a turn; `more` by the names that it gives them.

    Parameters
    ----------
    args : sequence of str
        Of the hook.
    cpu : sequence of int
        What the shell has used so far, see `processes.cpu_ticks`.
    """
    plain = json.dumps(name)[1:-1]  # the shell writes it between the quotes of its JSON
    facts = {"kind": kind, "name": plain, "hook": "" if kind == "cell" else plain, **more}
    code = " ".join(f"_stacknb_{key}={quote(value)}" for key, value in facts.items())
    code += f" _stacknb_cpu0=({' '.join(map(str, cpu))})"
    return f"{code} _stacknb_args=({' '.join(map(quote, args))})"


def saving(target: Path) -> str:
    """Return the bash that writes a snapshot."""
    return f'_stacknb_state={quote(str(target))}; \\builtin eval "$_stacknb_save"'


def restoring(script: Path) -> str:
    """Return the bash that makes a new shell what the script says."""
    return f"\\builtin source {quote(str(script))}; {_RESTORED}"


def farewell(log: Path) -> str:
    """Return the bash that ends a shell; what EXIT traps of hooks print goes to `log`."""
    return (
        '\\builtin trap -p EXIT >|"$_stacknb_control/scratch"\n'
        "\\builtin mapfile -d '' -n 1 _stacknb_read <\"$_stacknb_control/scratch\"\n"
        "[[ ${_stacknb_read-} == *_stacknb_on_exit* ]] || "
        f"\\command exec >>{quote(str(log))} 2>&1\n"
        "\\builtin exit 0"
    )


def nameless(env: Mapping[str, str]) -> dict[str, str]:
    """Return what is no variable's name in bash, nor a function: all the rest is in a snapshot."""
    return {
        name: value
        for name, value in env.items()
        if not name.isidentifier() and not name.startswith("BASH_FUNC_")
    }
