"""What the log of a hook says of it: that it has begun, how it ended, or that it is lost."""

from __future__ import annotations

from stacknb.board.logs import LogReader
from stacknb.board.states import HookState
from stacknb.rundir.ending import state_of, status_of, still_runs

__all__ = ["begun_hook", "is_at_work", "leave", "take_end"]

_REACH = 1 << 20  # bytes before the end of a log in which its footer is looked for


def begun_hook(logs: LogReader, name: str) -> tuple[HookState, str] | None:
    """Return the hook of a log, and its phase; None if the log has not begun."""
    if (record := logs.read(name)) is None:
        return None
    header = record.header
    hook = HookState(str(header.get("name")), logs.path(name), header.get("start", 0.0))
    hook.status, hook.exit_code = state_of(header, record.footer, None)
    hook.duration_s = record.duration_s
    return hook, str(header.get("phase", ""))


def is_at_work(logs: LogReader, hook: HookState) -> bool:
    """Tell whether the shell of a hook lives, and the hook has not ended."""
    record = logs.read(logs.name(hook.log), 0)
    if record is None or record.footer is not None:
        return False
    return still_runs(record.header) or logs.lock.is_held_elsewhere()


def leave(logs: LogReader, hook: HookState) -> None:
    """Take in that nobody tells the end of a hook: its log does, or it is lost."""
    record = logs.read(logs.name(hook.log), _REACH)
    hook.status, hook.exit_code = status_of(record.footer if record is not None else None, None)
    hook.duration_s = record.duration_s if record is not None else None


def take_end(logs: LogReader, hook: HookState) -> None:
    """Let the log say how a hook has ended of which the journal says that it has."""
    record = logs.read(logs.name(hook.log), _REACH)
    if record is None or record.footer is None:
        return
    said, hook.exit_code = status_of(record.footer, None)
    # It cannot say of an interrupt, nor that something of it could not be written.
    if hook.status != "interrupted" and said != "ok":
        hook.status = said
    hook.duration_s = record.duration_s
