"""One invocation of the command line, from its arguments to its exit status."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from stacknb import places
from stacknb.commands import arguments, commands, parsers, printing
from stacknb.dispatcher import Listener, Stack
from stacknb.exceptions import (
    BadInput,
    HookFailed,
    Interrupted,
    StacknbError,
    TaskFailed,
)
from stacknb.progress.plain import silence
from stacknb.progress.views import shown
from stacknb.supervision import services
from stacknb.tasks import Task, wait_for_end
from stacknb.text.screen import quoted
from stacknb.text.signs import shown_lines

__all__ = ["Signals", "answer_error", "complain", "run"]

_ABOUT = "DevStack's hook lifecycle and background tasks."
_STATUSES = (
    "Exit status: 0 all well, 1 a hook or a task failed, 2 bad arguments, 130 interrupted. "
    "'stacknb COMMAND --help' shows the options of a command."
)


class Signals(Listener, Protocol):
    """Who turns signals into KeyboardInterrupt, until told to stop."""

    def hold(self) -> None:
        """Expect what must not be cut short."""

    def heed(self) -> None:
        """Expect no such thing any more; interrupt here if a signal came meanwhile."""

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
    if argv and (called := commands.in_notebook(argv[0])):
        raise BadInput(f"{argv[0]!r} is for notebooks: {called}; see stacknb --help")
    signals.hold()  # argparse does not bear to be interrupted
    with printing.to_stdout():  # --help and --version
        o = parsers.read_argv(table, argv, _ABOUT, version("stacknb"), _STATUSES)
    if o.command.opens_tree:
        if o.command.resumes:
            commands.check_first(o)
        return _on_stack(commands.open_tree(o), o, signals)
    signals.heed()
    value = o.command.run(None, o)
    with printing.to_stdout():
        o.command.show(value, o)
    return int(getattr(value, "fails", False))


def answer_error(argv: Sequence[str], text: str) -> None:
    """Give what went wrong as the JSON document, if one was asked for."""
    # By the words themselves: they may be what cannot be understood.
    if "--json" in argv or "--format=json" in argv or ("--format", "json") in pairwise(argv):
        try:
            with printing.to_stdout():
                printing.document({"error": text})
        except (OSError, StacknbError):  # nobody is there to read it
            silence(sys.stdout)


@dataclass
class _End:
    """How a command on a stack has ended; `given_up` by the user, who would not wait for tasks."""

    value: Any = None
    code: int = 0
    said: str = ""
    ended: list[str] = field(default_factory=list)  # tasks
    given_up: bool = False


def _on_stack(stack: Stack, o: Namespace, signals: Signals) -> int:
    if getattr(o, "resume", False):
        notes = stack.result.notes if stack.result is not None else []
        complain("\n  ".join([f"going on with the run in {stack.run_dir}", *notes]), 0)
    stack.listeners.append(signals)
    try:
        end = _done(stack, o)
    finally:
        signals.stop()
        result, run_dir = stack.result, stack.run_dir
        running = [task.name for task in stack.tasks.values() if task.running]
        stack.close()
    end.ended += running
    if end.code == Interrupted.status and run_dir is not None:
        names = services.stop_run(services.directory(stack.top_dir), run_dir)
        end.said += f"\n  services ended: {quoted(names)}" if names else ""
    if end.code and end.ended:
        lost = "; a wait for one of them will fail after --resume, too" if end.given_up else ""
        end.said += f"\n  tasks ended: {quoted(end.ended)}{lost}"
    try:
        with printing.to_stdout():
            if end.value is not None and not o.command.runs_hooks:
                o.command.show(end.value, o)
            elif end.value is not None or getattr(o, "json", False):
                printing.run(result, o, end.said if end.code else None)
    except BrokenPipeError:
        silence(sys.stdout)
    finally:
        if end.said:  # last of all, since a log of both is read from its end
            complain(end.said, end.code)
    return end.code


def _done(stack: Stack, o: Namespace) -> _End:
    """Do what was asked for, and say how it ended."""
    end = _End()
    try:
        with shown(stack, sys.stderr):
            end.value = o.command.run(stack, o)
        end.said = _stay(stack, o)
        if bad := stack.result.tasks if stack.result is not None else ():
            left = quoted(result.name for result in bad)
            end.code = TaskFailed.status
            advice = f"have a hook wait for it: nobody waited for {left}"
            end.said = f"{TaskFailed(bad)}\n  next    {advice}"
    except (Interrupted, KeyboardInterrupt) as stop:
        first = [task.phase for task in stack.tasks.values() if task.running and task.hook]
        end.code = Interrupted.status
        end.said = _stopped_at(stop) + _how_to_resume(o, stack, first)
    except StacknbError as error:
        end.code, end.said = error.status, str(error)
        if not isinstance(error, BadInput):
            end.said += _how_to_resume(o, stack, getattr(error, "first", ()))
        if isinstance(error, HookFailed) and o.command.resumes:
            end.ended, end.given_up = _await_earlier(stack)
    return end


def _stay(stack: Stack, o: Namespace) -> str:
    """Let tasks end before a run is left that is to be resumed; say how to resume it."""
    result = stack.result
    if not o.command.resumes or result is None or result.complete or not stack.next_phase:
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
        names = quoted(task.name for task in running)
        complain(f"waiting for tasks, so that --resume finds their results: {names}", 0)
        wait_for_end(running)


def _how_to_resume(o: Namespace, stack: Stack, starting: Sequence[str]) -> str:
    """Say which commands go on with the run.

    Of the phases `starting` the tasks are ended: where they are not run again first, a wait fails.
    """
    # A run may have been interrupted behind its last phase: what ends it is yet to come.
    over = stack.result is not None and stack.result.complete
    if not o.command.resumes or stack.run_dir is None or over:
        return ""
    first = [*dict.fromkeys(phase for phase in starting if phase != stack.next_phase)]
    lines = [_resume_line(o, stack, phase) for phase in first] + [_resume_line(o, stack)]
    return "\n  resume  " + "\n          ".join(lines)


def _resume_line(o: Namespace, stack: Stack, phase: str = "") -> str:
    words = ["stacknb", "stack", _typed(o.top_dir), *phase.split()[-1:], "--resume"]
    where = o.run_dir or ("" if _is_latest(stack) else str(stack.run_dir))
    return shlex.join(words + (["--run-dir", _typed(where)] if where else []))


def _typed(path: str) -> str:
    """Return a path that is taken for no option."""
    return f"./{path}" if path.startswith("-") else path


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
