"""Processes by session, group and number, through ``/proc`` (``ps`` where there is none).

Standard library only: the supervisor and the service starter load it without site-packages.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable

__all__ = [
    "alive",
    "birth",
    "can_be_told",
    "cpu_ticks",
    "end_all",
    "end_group",
    "listing",
    "members",
    "pidfd",
    "send",
    "start_ticks",
    "started_at",
    "stat_fields",
]

_PARENT, _GROUP, _SESSION, START_TIME = 1, 2, 3, 19
_CPU = slice(11, 15)


def stat_fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the state on, empty if there is no such process.

    Field 0 is the state, 2 the process group, 3 the session, 19 the start time in clock ticks.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].decode().split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits for its parent does not."""
    fields = stat_fields(pid)
    if fields or os.path.isdir("/proc/self"):
        return bool(fields) and fields[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def cpu_ticks(pid: int) -> tuple[int, int]:
    """Return the CPU time of a process with the children it has reaped: user, system.

    In clock ticks; zeros if it has ended, or where there is no ``/proc``.
    """
    user, system, of_children, system_of_children = map(int, stat_fields(pid)[_CPU] or (0, 0, 0, 0))
    return user + of_children, system + system_of_children


def start_ticks(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot, which tells it from later ones.

    None if it has ended; 0 for any that runs where there is no ``/proc``.
    """
    fields = stat_fields(pid)
    if fields:
        return int(fields[START_TIME]) if fields[0] not in "ZX" else None
    return 0 if alive(pid) else None


def birth(pid: int) -> str:
    """Return in one word what tells a process from later ones of its number, empty if it is gone.

    As `start_ticks`, but where there is no ``/proc``, ``ps`` is asked, which takes its time.
    """
    fields = stat_fields(pid)
    return fields[START_TIME] if fields else "-".join(_ps("-o", "lstart=", "-p", str(pid)).split())


def started_at(pid: int) -> float | None:
    """Return when a process began, epoch seconds; None if that cannot be told.

    The clock may have been set since: then the answer is off by as much.
    """
    ticks = start_ticks(pid)
    if not ticks or not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    now = time.time()  # first: what is interrupted between two clocks is to seem older, not another
    return now - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def pidfd(pid: int) -> int | None:
    """Return a descriptor that can be read once a process has ended.

    None if it has ended, or where there is no such thing: on an old kernel, in some containers.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def listing() -> dict[int, list[str]]:
    """Return the fields of `stat_fields` of every process by its pid.

    Where there is no ``/proc``, all but the first four are zeros.
    """
    if not os.path.isdir("/proc/self"):
        return _listing_of_ps()
    names = (name for name in os.listdir("/proc") if name.isdigit())
    return {int(name): fields for name in names if (fields := stat_fields(int(name)))}


def _listing_of_ps() -> dict[int, list[str]]:
    found = {}
    for line in _ps("-axo", "pid=,ppid=,pgid=,stat=").splitlines():
        pid, parent, group, state = line.split()
        # The kernel is asked for the session, since the ps of macOS tells of none. It tells of none
        # of what has ended meanwhile, as this ps has.
        with contextlib.suppress(OSError):
            session = str(os.getsid(int(pid)))
            found[int(pid)] = [state[0], parent, group, session, *["0"] * (START_TIME - _SESSION)]
    return found


def _ps(*words: str) -> str:
    if os.path.isdir("/proc/self"):  # the process is gone
        return ""
    same = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}  # whoever asks
    try:
        return subprocess.run(
            ["ps", *words], env=same, capture_output=True, text=True, check=False
        ).stdout
    except OSError:  # there is none, or no room for another process
        return ""


def can_be_told() -> bool:
    """Tell whether ``/proc`` or ``ps`` tells of processes by the numbers that they have here."""
    try:  # that of another PID namespace has other numbers
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return listing().get(os.getpid(), ["", ""])[_PARENT] == str(os.getppid())


def members(*, session: int | None = None, group: int | None = None) -> list[int]:
    """Return the pids of a session, or of a process group, without those that have ended."""
    index, wanted = (_SESSION, session) if session is not None else (_GROUP, group)
    return [
        pid
        for pid, fields in listing().items()
        if fields[index] == str(wanted) and fields[0] not in "ZX"
    ]


def send(pids: Iterable[int], number: int) -> set[int]:
    """Send a signal to each process that is still there; return those it may not be sent to."""
    refused = set()
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:  # of another user: started through sudo
            refused.add(pid)
    return refused


def end_all(
    find: Callable[[], list[int]], grace_s: float, meanwhile: Callable[[], None] = lambda: None
) -> set[int]:
    """End what `find` returns until it returns nothing: SIGTERM, after `grace_s` SIGKILL.

    Stopped processes are continued, so that they can act on the signal. `meanwhile` is called in
    between. Returns processes of another user, which nothing can be done about; they run on.
    """
    deadline = time.monotonic() + grace_s
    told: set[int] = set()
    refused: set[int] = set()
    while pids := set(find()) - refused:
        if time.monotonic() > deadline:
            refused |= send(pids, signal.SIGKILL)
        else:
            refused |= send(pids - told, signal.SIGTERM)
            send(pids - told, signal.SIGCONT)
            told |= pids
        meanwhile()
        time.sleep(0.005)
    return refused & set(find()) if refused else refused


def end_group(group: int, grace_s: float = 2.0) -> set[int]:
    """End a whole process group; return when it is empty, but for what `end_all` returns."""
    return end_all(lambda: members(group=group), grace_s)
