"""The notebook's face: ``%stack`` ``%unstack`` ``%clean`` ``%async_task`` ``%wait`` ``%%hook``."""

from __future__ import annotations

import functools
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class
from IPython.display import display

from stacknb import places
from stacknb.commands import commands, notebook_commands
from stacknb.commands.arguments import STACK, Command, given, help_text
from stacknb.dispatcher import Stack, at_hand, current
from stacknb.exceptions import BadInput, HookFailed, Interrupted, StacknbError
from stacknb.hooks import cellhooks
from stacknb.hooks.cellhooks import CellHook
from stacknb.notebook import line_words, shares
from stacknb.notebook.athand import AtHand
from stacknb.notebook.kernel import shows_panels
from stacknb.places import check_name
from stacknb.progress.views import shown
from stacknb.results import Result, RunResult, TaskResults
from stacknb.run import cells
from stacknb.tasks import Task
from stacknb.text import budget

if TYPE_CHECKING:  # pandas and the panel take half a second to import
    import pandas as pd

    from stacknb.timing.answers import Answer
    from stacknb.widgets import Panel

__all__ = ["StackMagics"]

_NO_TRACE = f"stacknb.current().trace() returns the trace; {budget.USED_UP}"


def _silenceable(magic: Callable[..., Any]) -> Callable[..., Any]:
    """Return a magic that gives no value where a ``;`` ends its line, as people do with Python."""

    @functools.wraps(magic)
    def call(self: StackMagics, line: str, *cell: str) -> Any:
        line, silent = line_words.without_semicolon(line)
        value = magic(self, line, *cell)
        return None if silent else value

    return call


@magics_class
class StackMagics(Magics):
    """The magics of one notebook. Its stack is ``stacknb.current()``."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._stacks = AtHand()
        for name in commands.MAGICS:
            method = vars(type(self))[name]
            summary = (method.__doc__ or "").partition("\n")[0]
            table = commands.of_face(f"%{name}").values()
            method.__doc__ = help_text(f"%{name}", list(table), summary)

    @line_cell_magic
    @_silenceable
    def stack(self, line: str, cell: str | None = None) -> Any:
        """Stack a tree of hooks: %stack [TOP_DIR] [WORD] [options]; %%stack runs the cell."""
        command, o = line_words.read_stack(line)
        if cell is None:
            value = self._run(command, o)
            if o.hook and not o.bg:  # people go from hook to hook
                print(notebook_commands.what_is_next(current()))
            return value
        word = getattr(o, "phase", None) or command.name
        if word != "stack":
            raise BadInput(f"%%stack takes no word {word!r}: it runs the cell")
        other = [a for a in given(command.of(STACK), o) if a not in commands.SETTINGS]
        if flags := [a.flag for a in other if not a.by_place]:
            raise BadInput(f"{flags[0]!r} does not go with %%stack, which runs the cell at once")
        return self._evaluate(o, cell)

    @line_magic
    @_silenceable
    def unstack(self, line: str) -> RunResult:
        """Stop what %stack started, in a run of its own: %unstack [TOP_DIR] [options]."""
        return self._run(*line_words.read("unstack", line))  # type: ignore[no-any-return]

    @line_magic
    @_silenceable
    def clean(self, line: str) -> RunResult:
        """Unstack, then remove what %stack made: %clean [TOP_DIR] [options]."""
        return self._run(*line_words.read("clean", line))  # type: ignore[no-any-return]

    @line_cell_magic
    @_silenceable
    def async_task(self, line: str, cell: str | None = None) -> Task:
        """Start a background task: a command, or with %%async_task the cell's bash."""
        command, o = line_words.read("async_task", line)
        if cell is not None:
            if o.command:
                raise BadInput(f"{o.command[0]!r} is too much: task {o.name!r} runs the cell")
            check_name(o.name)  # a file is called after it
            o.command = ["source", str(cells.write_numbered(current().begin(), o.name, cell))]
        return self._run(command, o)  # type: ignore[no-any-return]

    @line_magic
    @_silenceable
    def wait(self, line: str) -> Any:
        """Wait for tasks, all if none is named, and show their logs; or for the run with --bg."""
        command, o = line_words.read("wait", line)
        results: Any = None
        if o.name == ["stack"]:
            self._stacks.turn_to_result()
        try:
            with _told(at_hand()):
                results = self._run(command, o)
        except StacknbError as error:
            results = TaskResults(getattr(error, "results", ()))
            raise
        finally:
            if isinstance(results, TaskResults):
                shares.print_logs(results, o.tail)
            if o.name == ["stack"] and (panel := _panel()):
                panel.settle()
        return results

    @cell_magic
    @_silenceable
    def hook(self, line: str, cell: str) -> CellHook:
        """Make the cell a hook of the stack at hand, or of a new one of its own."""
        command, o = line_words.read("hook", line)
        o.cell = cell
        if at_hand() is None:
            top_dir = cellhooks.empty_tree()
            Stack(top_dir)
            print(f"a stack of hooks from cells alone begins, in {top_dir}")
        return self._run(command, o)  # type: ignore[no-any-return]

    def _run(self, command: Command, o: Namespace) -> Any:
        with shares.errors():
            value = self._do(command, o)
            run = getattr(o, "run", None)
            return shares.value(value, places.find(run) if run else shares.run_at_hand())

    def _do(self, command: Command, o: Namespace) -> Any:
        names_tree = command.opens_tree or getattr(o, "top_dir", None)
        stack = self._stacks.opened(o) if names_tree else at_hand()
        try:
            if stack is None or not command.runs_hooks:
                value = command.run(stack, o)
                if panel := _panel():
                    panel.wake()  # what it shows may have changed while nothing ran
                show = _SHOW.get(command.name)
                return value if show is None else show(value, o)
            if shows_panels():
                from stacknb.widgets.cell import run_in_cell

                with _told(None if o.bg else stack):
                    return run_in_cell(stack, command.name, lambda: command.run(stack, o), not o.bg)
            if o.bg:
                return stack.start(lambda: command.run(stack, o), command.name)
            with _told(stack):
                return command.run(stack, o)
        except HookFailed:
            if getattr(o, "trace", False) and stack is not None and stack.result is not None:
                trace = stack.trace(stack.result.hooks[-1]).text()
                print(shares.printed(trace, stack.run_dir, 0) or _NO_TRACE)
            raise
        except KeyboardInterrupt:
            raise Interrupted from None

    def _evaluate(self, o: Namespace, cell: str) -> Result:
        stack = self._stacks.opened(o)
        notebook_commands.check_shell(stack)
        with shares.errors():
            result = stack.evaluate(cell)
        shares.print_output(result, stack.run_dir)
        return shares.value(result, stack.run_dir)  # type: ignore[no-any-return]


def _told(stack: Stack | None) -> AbstractContextManager[object]:
    """Tell in lines what a stack does meanwhile, where a panel is not seen to change."""
    if stack is None or shows_panels():
        return nullcontext()
    return shown(stack)


def _show_answer(answer: Answer, o: Namespace) -> pd.DataFrame:
    for problem in answer.problems():
        print(problem, file=sys.stderr)
    if answer.note:
        print(answer.note)
    display(answer.chart())  # type: ignore[no-untyped-call] # IPython's
    from stacknb.notebook.answerframe import AnswerFrame  # pandas takes half a second to import

    found = AnswerFrame(answer.frame)
    found.what, found.nothing = answer.what, answer.nothing()
    return found


def _show_plan(frame: pd.DataFrame, o: Namespace) -> pd.DataFrame:
    from stacknb.notebook.answerframe import TextFrame

    return TextFrame(frame)


def _show_panel(run: Stack | Path, o: Namespace) -> Any:
    if not shows_panels():
        return commands.of_face(STACK)["status"].run(at_hand(), o)
    from stacknb.widgets import panel_of, panel_of_run

    panel = panel_of(run) if isinstance(run, Stack) else panel_of_run(run)
    if not o.dock:
        return panel  # which shows itself
    panel.show(o.dock)
    return None


# Words of %stack whose value does not show itself as a cell should.
_SHOW: dict[str, Callable[[Any, Namespace], Any]] = {
    "panel": _show_panel,
    "plan": _show_plan,
    "timing": _show_answer,
}


def _panel() -> Panel | None:
    """Return the panel of the stack at hand, if there is one."""
    panels, stack = sys.modules.get("stacknb.widgets.panels"), at_hand()
    return panels.known(stack) if panels is not None and stack is not None else None
