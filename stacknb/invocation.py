"""One invocation of the command line, from its arguments to its exit status."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from stacknb import places, printing
from stacknb.commands import arguments, commands
from stacknb.dispatcher import Listener, Stack
from stacknb.exceptions import (
    BadInput,
    HookFailed,
    Interrupted,
    ShellDied,
    StacknbError,
    TaskFailed,
)
from stacknb.progress import shown
from stacknb.progress.plain import silence
from stacknb.supervision import services
from stacknb.tasks import Task, wait_for_end
from stacknb.text.screen import listed
from stacknb.text.signs import shown_lines

__all__ = ["INTERRUPTED", "complain", "run"]

INTERRUPTED = 130
_ABOUT = "DevStack's hook lifecycle and background tasks."
_STATUSES = (
    "Exit status: 0 all well, 1 a hook or a task failed, 2 bad arguments, 130 interrupted. "
    "'stacknb COMMAND --help' shows the options of a command."
)


class Signals(Listener, Protocol):
    """Who turns signals into KeyboardInterrupt, until told to stop."""

    def hold(self) -> None:
        """Expect a run to be set up."""

    def stop(self) -> None:
        """Let no signal interrupt from now on."""


def run(argv: list[str], signals: Signals) -> int:
    """Do what the arguments ask for; return the exit status.

    Raises
    ------
    StacknbError, OSError, KeyboardInterrupt, SystemExit
        What is not the end of a run: `main` has words for it.
    """
    table = commands.of_face(arguments.CLI).values()
    with printing.to_stdout():  # --help and --version
        o = arguments.read_argv(table, argv, _ABOUT, version("stacknb"), _STATUSES)
    stack, value = None, None
    try:
        if not o.command.opens_tree:
            value = o.command.run(None, o)
        else:
            if o.command.name == "stack":
                commands.check_first(o)
            signals.hold()
            stack = commands.open_tree(o)
    except StacknbError as error:
        if getattr(o, "json", False):
            printing.document({"error": str(error)})
        raise
    if stack is not None:
        return _on_stack(stack, o, signals)
    printing.show(value, o)
    return int(getattr(value, "fails", o.command.name == "check" and not value))


def _on_stack(stack: Stack, o: Namespace, signals: Signals) -> int:
    value, code, said = None, 0, ""
    ended: list[str] = []
    given_up = False
    if getattr(o, "resume", False):
        complain(f"going on with the run in {stack.run_dir}", 0)
    stack.listeners.append(signals)
    try:
        with shown(stack, sys.stderr):
            value = o.command.run(stack, o)
        said = _stay(stack, o)
        if bad := stack.result.tasks if stack.result is not None else ():
            left = listed([repr(result.name) for result in bad])
            code = TaskFailed.status
            said = f"{TaskFailed(bad)}\n  next    have a hook wait for it: nobody waited for {left}"
    except (Interrupted, KeyboardInterrupt) as stop:
        code, said = INTERRUPTED, _stopped_at(stop) + _how_to_resume(o, stack)
    except StacknbError as error:
        code, said = error.status, str(error)
        if isinstance(error, HookFailed | ShellDied):
            said += _how_to_resume(o, stack)
        if isinstance(error, HookFailed) and o.command.name == "stack":
            ended, given_up = _await_earlier(stack)
    finally:
        signals.stop()
        result, run_dir = stack.result, stack.run_dir
        ended += [task.name for task in stack.tasks.values() if task.running]
        stack.close()
    if code == INTERRUPTED and run_dir is not None:
        names = services.stop_run(services.directory(stack.top_dir), run_dir)
        said += f"\n  services ended: {listed(names)}" if names else ""
    if code and ended:
        lost = "; a wait for one of them will fail after --resume, too" if given_up else ""
        said += f"\n  tasks ended: {listed(ended)}{lost}"
    if said:
        complain(said, code)
    try:
        if value is not None or getattr(o, "json", False):
            printing.show(result if value is None else value, o, run_dir, said if code else None)
    except BrokenPipeError:
        silence(sys.stdout)
    return code


def _stay(stack: Stack, o: Namespace) -> str:
    """Let tasks end before a run is left that is to be resumed; say how to resume it."""
    result = stack.result
    if o.command.name != "stack" or result is None or result.complete or not stack.next_phase:
        return ""
    _await([task for task in stack.tasks.values() if task.running])
    return f"stopped after {result.phases[-1]!r}; go on with: {_resume_line(o, stack)}"


def _await_earlier(stack: Stack) -> tuple[list[str], bool]:
    """Let the tasks of earlier phases end after a hook has failed.

    Those of the phase that failed are ended: it is run again as a whole. Returns their names, and
    whether the user gave the others up.
    """
    running = [task for task in stack.tasks.values() if task.running]
    own = [task for task in running if task.hook and task.phase == stack.next_phase]
    ended: list[str] = []
    if len(own) == len(running):
        return ended, False
    try:
        for task in own:  # they may hold what the others wait for
            stack.cancel(task.name)
            ended.append(task.name)
        _await([task for task in running if task not in own])
    except (KeyboardInterrupt, Interrupted):
        return ended, True
    except StacknbError as error:
        complain(str(error), 0)
    return ended, False


def _await(running: list[Task]) -> None:
    if running:
        names = listed([task.name for task in running])
        complain(f"waiting for tasks, so that --resume finds their results: {names}", 0)
        wait_for_end(running)


def _how_to_resume(o: Namespace, stack: Stack) -> str:
    if o.command.name != "stack" or stack.run_dir is None or not stack.next_phase:
        return ""
    return f"\n  resume  {_resume_line(o, stack)}"


def _resume_line(o: Namespace, stack: Stack) -> str:
    words = ["stacknb", "stack", o.top_dir, "--resume"]
    where = o.run_dir or ("" if _is_latest(stack) else str(stack.run_dir))
    return shlex.join(words + (["--run-dir", where] if where else []))


def _is_latest(stack: Stack) -> bool:
    """Tell whether ``latest`` points to the run: it may be a folder of the user's own."""
    try:
        return places.find(".") == Path(os.path.realpath(stack.run_dir or ""))
    except BadInput:
        return False


def _stopped_at(stop: BaseException) -> str:
    if not isinstance(stop, Interrupted):
        return "interrupted"
    if stop.failure is None:
        return str(stop).partition(";")[0].partition("\n")[0]
    what = stop.failure
    return f"{what.what!r} was interrupted at {what.place}\n  log     {what.log}"


def complain(text: str, code: int) -> int:
    """Say what went wrong on stderr; return `code`."""
    try:
        sys.stderr.write(f"stacknb: {shown_lines(text)}\n")
        sys.stderr.flush()
    except OSError:  # nobody is there to read it
        silence(sys.stderr)
    return code
