"""The table of commands, written once: command line, magics, help and completion read it."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING

from stacknb import lifecycle, places
from stacknb.commands import author_commands as author
from stacknb.commands import notebook_commands, printing
from stacknb.commands.arguments import CLI, STACK, Argument, Command, given
from stacknb.commands.author_commands import run_dir_of
from stacknb.commands.timing_commands import TIMING_COMMANDS
from stacknb.dispatcher import Stack
from stacknb.exceptions import BadInput
from stacknb.places import absolute
from stacknb.results import RunResult
from stacknb.text.screen import quoted

if TYPE_CHECKING:  # pandas takes half a second to import
    import pandas as pd

    from stacknb.rundir.loglist import Logs
    from stacknb.status import RunStatus

__all__ = ["COMMANDS", "MAGICS", "SETTINGS", "check_first", "of_face", "open_tree", "run_dir_of"]


def _plan(stack: Stack, o: Namespace) -> pd.DataFrame:
    return stack.plan(o.mode)


def _stack(stack: Stack, o: Namespace) -> RunResult:
    if o.phase is not None and o.until is not None:
        raise BadInput(f"--until {o.until!r} does not go with phase {o.phase!r}; give one of them")
    if o.phase is None:
        return _all(stack, o)
    stack.run_phase(o.phase)
    return _result(stack)


def _all(stack: Stack, o: Namespace) -> RunResult:
    stack.run(until=o.until)
    return _result(stack)


def _step(stack: Stack, o: Namespace) -> RunResult | pd.DataFrame:
    under_way = stack.result is not None and not stack.result.complete
    mode = _result(stack).mode if under_way else "stack"
    done = stack.step(mode, hook=o.hook, trace=o.trace)
    return stack.trace(*done) if o.trace and done else _result(stack)


def _unstack(stack: Stack, o: Namespace) -> RunResult:
    return stack.run("unstack")


def _clean(stack: Stack, o: Namespace) -> RunResult:
    return stack.run("clean")


def _status(stack: Stack | None, o: Namespace) -> RunStatus:
    from stacknb import status

    return status.read(run_dir_of(stack, o))


def _log(stack: Stack | None, o: Namespace) -> Logs:
    from stacknb.rundir import loglist

    return loglist.logs_of(run_dir_of(stack, o), o.name, o.tail)


_TREE = Argument("TOP_DIR", "the folder that holds extras.d", "folder", at_hand=True)
_RUN = Argument("RUN", "a run directory; the newest is .stacknb/runs/latest", "run", at_hand=True)
_JSON = Argument("--json", 'one JSON document; {"error": …} of an error', "switch", faces=(CLI,))
_PLUGIN = Argument("--plugin", "enable a plugin; may be repeated", "plugin", many=True)
_TAIL = "how many last lines of each log to show (wait: 20; log: all, in a notebook 100)"
_BG = Argument(
    "--bg", "return at once: %wait stack collects the run", "switch",
    faces=(STACK, "%unstack", "%clean"),
)  # fmt: skip
_FILES = (
    Argument("--localrc", "settings in bash, sourced before the first phase", "file"),
    Argument("--local-conf", "a DevStack local.conf; its [[local|localrc]] part is used", "file"),
)
SETTINGS = (
    _PLUGIN,
    *_FILES,
    Argument("--run-dir", "where the run's logs go (.stacknb/runs/TIME-MODE)", "folder"),
    Argument("--serial", "run tasks in the foreground, one after the other", "switch"),
    Argument("--parallel", "in the background again, after --serial", "switch", faces=(STACK,)),
    Argument("--jobs", "how many tasks may run at once", "number"),
    Argument("--executor", "where tasks run: bash, on this machine", default="bash"),
)

COMMANDS = (
    Command(
        "plan", "show what would be sourced; starts nothing", _plan,
        (_TREE, Argument("--mode", f"one of {', '.join(lifecycle.MODES)}", "mode", default="stack"),
         _PLUGIN, *_FILES, _JSON), show=printing.plan,
    ),
    Command(
        "stack", "run every phase that is left, or one phase", _stack,
        (_TREE, Argument("PHASE", "the only phase to run", "phase", optional=True), *SETTINGS,
         Argument("--until", "the last phase to run", "phase"),
         Argument("--resume", "go on with an earlier run: --run-dir, or the latest", "switch",
                  faces=(CLI,)),
         _BG, _JSON),
    ),
    Command("all", "the same as without a word: every phase that is left", _all,
            (_TREE, *SETTINGS, _BG, Argument("--until", "the last phase to run", "phase")),
            (STACK,)),
    Command(
        "step", "run the next phase, or again the one that failed", _step,
        (_TREE, *SETTINGS, _BG, Argument("--hook", "only its next hook", "switch"),
         Argument("--trace", "show each command as it ran and what it took", "switch")), (STACK,),
    ),
    Command("hook", "make the cell a hook of the stack at hand, or replace that hook", author.hook,
            (Argument("NAME", "NN-name.sh; with --plugin override-defaults, settings or plugin.sh",
                      "script"),
             Argument("--plugin", "the plugin the file belongs to; a new one is enabled")),
            ("%hook",)),
    Command("export", "write the tree, with the hooks from cells, to be stacked anywhere",
            author.export, (_TREE, Argument("DIR", "a new folder", "folder")), (STACK,)),
    Command("unstack", "stop what stack started", _unstack, (_TREE, *SETTINGS, _BG, _JSON),
            (CLI, "%unstack")),
    Command("clean", "unstack, then remove what stack made", _clean, (_TREE, *SETTINGS, _BG, _JSON),
            (CLI, "%clean")),
    Command("status", "show how far a run has come", _status, (_RUN, _JSON)),
    Command(
        "log", "show the log of a hook or a task", _log,
        (_RUN, Argument("NAME", "of a hook, a task or a service", "log"),
         Argument("--follow", "keep showing it until it ends", "switch", faces=(CLI,), short="-f"),
         Argument("--tail", _TAIL, "number", short="-n")), show=printing.logs,
    ),
    Command("vars", "show the shell's variables", notebook_commands.variables,
            (_TREE, Argument("GLOB", "of their names: SHOP_*", "glob", optional=True),
             Argument("--history", "their values through the run, hook by hook", "switch")),
            (STACK,)),
    Command(
        "changes", "show what each hook added, changed and removed", author.changes,
        (_RUN, Argument("HOOK_OR_PHASE", "its name, all by default", "hook", optional=True),
         Argument("--vars", "only these variables, as they went through the run", "glob"), _JSON),
        show=printing.rows,
    ),
    Command("picture", "draw which hook runs where, and the tasks between them", author.picture,
            (_TREE, _PLUGIN, *_FILES,
             Argument("--svg", "write it to this file, too; - for stdout", "file")),
            show=printing.chart),
    Command("check", "look for mistakes in a plugin or a tree of hooks; starts nothing",
            author.check,
            (Argument("PATH", "a plugin's folder, or one with extras.d", "folder", at_hand=True),
             _JSON)),
    *TIMING_COMMANDS,
    Command("panel", "show the live panel of a run, here or beside the notebook",
            notebook_commands.panel,
            (_RUN, Argument("--dock", "beside the notebook", "switch")), (STACK,)),
    Command("resume", "open a run that ended early; then step, or stack",
            notebook_commands.resume, (_RUN,), (STACK,)),
    Command("reset", "end the run under way: the next call begins a new one",
            notebook_commands.reset, (_TREE,), (STACK,)),
    Command(
        "async_task", "start a background task in the stack's shell", notebook_commands.async_task,
        (Argument("--after", "start it when this one has ended well", "task", many=True),
         Argument("--timeout", "end it so many seconds after it has started", "seconds"),
         Argument("NAME", "its name; without a COMMAND also the shell function to run"),
         Argument("COMMAND", "words taken as given; for $VAR, ; or > use %%async_task", "words",
                  many=True, optional=True)),
        ("%async_task",),
    ),
    Command(
        "wait", "wait for tasks, all if none is named, and show their logs", notebook_commands.wait,
        (Argument("NAME", "of a task; stack for a run with --bg", "task", many=True, optional=True),
         Argument("--timeout", "wait no longer; the tasks run on", "seconds"),
         Argument("--tail", _TAIL, "number", default=20)),
        ("%wait",),
    ),
)  # fmt: skip


MAGICS = tuple({face[1:]: None for entry in COMMANDS for face in entry.faces if face != CLI})


def of_face(face: str) -> dict[str, Command]:
    """Return the commands of a face by name."""
    return {entry.name: entry for entry in COMMANDS if face in entry.faces}


def in_notebook(name: str) -> str:
    """Return how a notebook calls a command that the command line has not; empty if it has none.

    Examples
    --------
    >>> in_notebook("vars"), in_notebook("hook"), in_notebook("plan")
    ('%stack vars', '%%hook', '')
    """
    entry = next((entry for entry in COMMANDS if entry.name == name), None)
    if entry is None or CLI in entry.faces:
        return ""
    face = entry.faces[0]
    return f"{face} {name}" if face == STACK else "%%hook" if name == "hook" else face


def open_tree(o: Namespace) -> Stack:
    """Open the tree of hooks that the arguments name, or the run to be resumed.

    Raises
    ------
    BadInput
        If an argument cannot be used; says what to do.
    """
    executor = getattr(o, "executor", "bash")
    if executor != "bash":
        raise BadInput(f"unknown executor {executor!r}; there is 'bash', which runs tasks here")
    if getattr(o, "resume", False):
        return _open_run(o)
    known = {key: getattr(o, key, None) for key in ("run_dir", "localrc", "local_conf", "jobs")}
    serial = getattr(o, "serial", False)
    if serial and getattr(o, "parallel", False):
        raise BadInput("'--serial' and '--parallel' contradict each other; leave one of them out")
    return Stack(o.top_dir, plugins=o.plugin or (), parallel=not serial, **known)


def check_first(o: Namespace) -> None:
    """Refuse a later phase as the beginning of a new run.

    Raises
    ------
    BadInput
        Says what to run first, and how to go on with an earlier run.
    """
    if o.phase is None or o.resume:
        return
    phases = lifecycle.phases_of("stack")
    wanted = lifecycle.find_phase(o.phase)
    if earlier := [phase.label for phase in phases[: phases.index(wanted)]]:
        raise BadInput(
            f"phase {wanted.label!r} is out of order in a new run: run {quoted(earlier)} first "
            f"(--until {wanted.sub or wanted.label} runs all up to it; --resume goes on with an "
            "earlier run)"
        )


def _open_run(o: Namespace) -> Stack:
    kept = [entry for entry in SETTINGS if entry.flag not in ("--run-dir", "--executor")]
    if wrong := given(kept, o):
        raise BadInput(
            f"{wrong[0].flag!r} does not go with --resume: a run goes on with what it began with"
        )
    stack = Stack.resume(o.run_dir or places.latest())
    run = f"run {str(stack.run_dir)!r}"
    why = ""
    if stack.top_dir != absolute(os.path.expanduser(o.top_dir)):
        why = f"{run} is of another tree, {str(stack.top_dir)!r}; choose one with --run-dir"
    elif _result(stack).mode != "stack":
        why = f"{run} is one of {_result(stack).mode}; choose one with --run-dir"
    elif _result(stack).complete:
        other = ", and choose another --run-dir," if o.run_dir else ""
        why = f"{run} has nothing left to run; leave out --resume{other} to stack anew"
    if why:
        stack.close()
        raise BadInput(why)
    return stack


def _result(stack: Stack) -> RunResult:
    assert stack.result is not None  # there was a call that runs something
    return stack.result
