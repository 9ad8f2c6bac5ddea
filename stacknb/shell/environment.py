"""What a shell is started with: a bash that is new enough, an environment, words in its quoting."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from stacknb.exceptions import BadInput
from stacknb.supervision import processes
from stacknb.text.signs import clipped

__all__ = [
    "check_bash",
    "check_processes",
    "check_text",
    "checked_environment",
    "inherited",
    "quote",
]

_PATIENCE_S = 20
_VARIABLE = 32 * os.sysconf("SC_PAGE_SIZE")  # bytes: Linux takes no longer text
_WORDS = 8192  # bytes
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


def check_bash(search: str | None = None) -> str:
    """Return the path of a bash that is new enough.

    Parameters
    ----------
    search : str, optional
        A PATH in the place of our own.

    Raises
    ------
    BadInput
        If there is none, or it is older than 5.0, or cannot be started.
    """
    path = shutil.which("bash", path=search)
    if path is None:
        raise BadInput("'bash' was not found in PATH; install bash 5.0 or newer")
    path = os.path.abspath(path)
    try:
        version = _version_of(path, os.stat(path).st_mtime_ns)
    except OSError as error:  # no process is to be had, say
        raise BadInput(
            f"{path!r} cannot be started ({error.strerror}): mend that, or put another bash first "
            "in PATH"
        ) from None
    except subprocess.TimeoutExpired:
        raise BadInput(
            f"{path!r} has not told its version within {_PATIENCE_S} s; put another bash first in "
            "PATH"
        ) from None
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) < 5:
        raise BadInput(
            f"{path!r} is bash {version or 'of no version'!r}; install bash 5.0 or newer"
        )
    return path


def check_processes() -> None:
    """Refuse a system that tells nothing of its processes: what a run leaves could not be ended."""
    if not processes.can_be_told():
        raise BadInput(
            "neither '/proc' nor 'ps' tells of the processes here, so that none could be ended: "
            "mount /proc (in a new PID namespace, its own: unshare --mount-proc), or install ps"
        )


@functools.cache
def _version_of(path: str, changed: int) -> str:
    """Ask a bash for its version; `changed` tells a program from another that took its place."""
    asked = subprocess.run(
        [path, "--norc", "--noprofile", "-c", 'echo "$BASH_VERSION"'],
        capture_output=True, text=True, check=False, env={}, errors="replace",
        stdin=subprocess.DEVNULL, timeout=_PATIENCE_S,
    )  # fmt: skip
    return asked.stdout.strip()


def checked_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` if a process can have it."""
    for name, value in env.items():
        try:
            usable = name and "=" not in name and "\0" not in name + value
            (name + value).encode("utf-8", "surrogateescape")
        except (TypeError, UnicodeEncodeError):
            usable = False
        if not usable:
            raise BadInput(f"variable {name!r} of env cannot be in an environment: {value!r}")
    return dict(env)


def inherited(added: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of this process as it is now, and what is added to it.

    Raises
    ------
    BadInput
        If no program can be started with so much; names the largest variable.
    """
    env = {**os.environ, **added}
    sizes = {name: len(os.fsencode(f"{name}={value}")) + 1 for name, value in env.items()}
    most = max(sizes, key=sizes.__getitem__, default="")
    # Each text counts with its place in a list; the program's own words need some room as well.
    whole = sum(sizes.values()) + 8 * len(sizes)
    if sizes.get(most, 0) > _VARIABLE or whole > os.sysconf("SC_ARG_MAX") - _WORDS:
        raise BadInput(
            f"the environment ({whole:,} bytes) is too large to start bash with: shorten or unset "
            f"{most!r} ({sizes[most]:,} bytes) first"
        )
    return env


def check_text(text: str, what: str) -> None:
    """Refuse what bash cannot take: a NUL, or what is no UTF-8; the message says `what` it is."""
    shown = ascii(clipped(text, 60))
    if "\0" in text:
        raise BadInput(f"{what} holds a NUL, which bash cannot take: {shown}; leave it out")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadInput(f"{what} cannot be written as UTF-8 ({error.reason}): {shown}") from None


def quote(text: str) -> str:
    """Quote one word for bash; bytes that are no UTF-8 come as surrogates and stay as they are."""
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"
