"""Services that outlive a run: start one, end one with all it started, list them.

A service is the leader of a session of its own. Its record is a file of one line,
``PID START_TIME LOG``, in a folder that belongs to the tree of hooks (not to the run), so that
``unstack`` in another run and another process finds it. START_TIME (`processes.birth`) tells the
service from a later process that was given the same number.

``run_process``, ``stop_process`` and, where there is no ``/proc``, ``is_running`` run `main` in a
process with the standard library alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from stacknb.supervision import processes

__all__ = ["directory", "gone", "logs", "main", "names", "start", "stop", "stop_run"]

_GRACE_S = 5.0


def directory(top_dir: str | os.PathLike[str]) -> Path:
    """Return the folder that holds the service records of one tree of hooks.

    It is the same wherever it is asked for, so a relative ``XDG_STATE_HOME`` does not count; for a
    user without a home, or who may not write there (as in containers), it is within the tree.
    """
    real = os.path.realpath(top_dir)
    home = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(home):
        home = os.path.expanduser("~/.local/state")
        if not os.path.isabs(home) or not _can_hold(os.path.join(home, "stacknb")):
            home = os.path.join(real, ".stacknb")
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:12]
    return Path(home) / "stacknb" / f"{os.path.basename(real) or 'root'}-{digest}"


def _can_hold(folder: str) -> bool:
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK | os.X_OK)


def names(records: Path) -> list[str]:
    """Return the names of the services on record, sorted."""
    try:
        return sorted(entry.name for entry in records.iterdir() if not entry.name.startswith("."))
    except OSError:  # none was ever started, or it is the folder of another user
        return []


def logs(records: Path) -> dict[str, Path]:
    """Return the logs of the services on record by name: of those that nobody has stopped."""
    found = {}
    for name in names(records):
        try:
            record = (records / name).read_text("utf-8", "surrogateescape")
            found[name] = Path(record.rstrip("\n").split(" ", 2)[2])
        except (OSError, IndexError):
            continue
    return found


def start(
    records: Path, name: str, log: Path, run: str, command: str, env_vars: Mapping[str, str]
) -> int:
    """Start `command` in a session of its own and put it on record; return its pid.

    A service of that name that still runs is ended first. The log gets header, stdout and stderr.
    """
    umask = os.umask(0o022)  # the hook's may take away the right to read what is written here
    records.mkdir(parents=True, exist_ok=True, mode=0o700)
    log.parent.mkdir(parents=True, exist_ok=True)
    with _alone(records / f".{name}.lock"):
        if _stop(records, name):
            print(f"run_process: service {name!r} was running; it is started anew")
        environment = {**os.environ, **env_vars}
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        is_recorded, record = os.pipe()
        has_session, no_session = os.pipe()
        # A plain fork: this process has one thread, and the header must tell the service's own pid.
        pid = os.fork()
        if pid == 0:
            os.close(record)
            os.umask(umask)
            _become(command, output, name, run, environment, is_recorded, no_session)
        os.close(output)
        os.close(is_recorded)
        os.close(no_session)
        os.read(has_session, 1)  # by its session it is found: nobody may look for it before
        os.close(has_session)
        began = processes.birth(pid) or 0
        with open(record, "wb"):  # what cannot be recorded, so could not be found, does not begin
            (records / name).write_text(
                f"{pid} {began} {log}\n",
                encoding="utf-8",
                errors="surrogateescape",
            )
            os.write(record, b"!")
    return pid


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let no other process start or stop a service of that name: what both started would stay."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # none was ever started
        yield
        return
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        with contextlib.suppress(OSError):  # a child may have it open, too
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _assignments(text: str) -> dict[str, str]:
    found = {}
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError(f"{text!r} has a quote that nothing closes") from None
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise ValueError(f"{word!r} is no NAME=VALUE")
        found[name] = value
    return found


def _become(
    command: str,
    output: int,
    name: str,
    run: str,
    environment: dict[str, str],
    is_recorded: int,
    no_session: int,
) -> NoReturn:
    try:
        os.setsid()
        os.close(no_session)
        if not os.read(is_recorded, 1):
            os._exit(127)
        if os.fstat(output).st_size == 0:
            os.write(output, _header(name, run, command))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe("bash", ["bash", "-c", command], environment)
    finally:
        os._exit(127)


def stop(records: Path, name: str) -> bool:
    """End the service and everything in its session; return whether it was running.

    SIGTERM first, SIGKILL after 5 s; returns when the session is empty.
    """
    with _alone(records / f".{name}.lock"):
        return _stop(records, name)


def _stop(records: Path, name: str) -> bool:
    record = records / name
    pid = _leader(record)
    if not pid:
        _forget(record)
        return False
    was_running = bool(processes.members(session=pid))
    processes.end_all(lambda: processes.members(session=pid), _GRACE_S)
    _forget(record)
    return was_running


def _leader(record: Path) -> int:
    """Return the pid on record; 0 if it is damaged, or another process has that number now."""
    try:
        pid, began = _recorded(record)
    except (OSError, ValueError):
        return 0
    # 0 and 1 are the system's: a damaged record must never end what is not a service.
    return 0 if pid <= 1 or processes.birth(pid) not in ("", began) else pid


def is_running(records: Path, name: str) -> bool:
    """Tell whether the service's process runs; what it has started does not count."""
    try:
        pid, began = _recorded(records / name)
    except (OSError, ValueError):
        return False
    return processes.birth(pid) == began and pid in processes.members(session=pid)


def _recorded(record: Path) -> tuple[int, str]:
    pid, began, *_ = record.read_text("utf-8", "surrogateescape").split(" ", 2)
    return int(pid), began


def _forget(record: Path) -> None:
    with contextlib.suppress(OSError):  # what is left of it counts no more
        record.unlink()


def gone(records: Path, run_dir: Path) -> dict[str, Path]:
    """Return the logs, by name, of services of one run that have ended and nobody stopped."""
    own = {name: log for name, log in logs(records).items() if log.is_relative_to(run_dir)}
    leaders = {name: _leader(records / name) for name in own}
    return {
        name: own[name]
        for name, pid in leaders.items()
        if not (pid and processes.members(session=pid))
    }


def stop_run(records: Path, run_dir: Path) -> list[str]:
    """End the services that one run started; return the names of those that were running."""
    own = []
    for name, log in logs(records).items():
        if log.is_relative_to(run_dir) and stop(records, name):
            own.append(name)
    return own


def _header(name: str, run: str, command: str) -> bytes:
    header = {
        "kind": "service",
        "name": name,
        "command": [command],
        "phase": "",
        "hook": "",
        "start": time.time(),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "run": run,
    }
    return b"#stacknb-begin " + json.dumps(header).encode() + b"\n"


def main(arguments: list[str]) -> int:
    """Do what ``run_process``, ``stop_process`` or ``is_running`` asked for."""
    verb, records, name, *rest = arguments
    if not name or "/" in name:
        print(f"{verb}_process: {name!r} is no name of a service", file=sys.stderr)
        return 2
    if verb == "stop":
        stop(Path(records), name)
        return 0
    if verb == "ask":
        return 0 if is_running(Path(records), name) else 1
    log, run, command, text = rest
    try:
        env_vars = _assignments(text)
    except ValueError as error:
        said = f"run_process: service {name!r} is not started: in its environment {error}"
        print(f"{said}; give words like A=1 'B=2 3'", file=sys.stderr)
        return 2
    try:
        start(Path(records), name, Path(log), run, command, env_vars)
    except OSError as error:
        said = f"run_process: service {name!r} could not be started: {error}"
        if error.filename and (Path(records) / name).is_relative_to(error.filename):
            said += "; set XDG_STATE_HOME to a folder that can be written"
        print(said, file=sys.stderr)
        return 1
    return 0
