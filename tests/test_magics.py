import os
import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.lib.pretty import pretty
from traitlets.config import Config

from stacknb import load_ipython_extension, tasklog
from stacknb.dispatcher import Stack, dispatcher
from stacknb.exceptions import BadInput, Interrupted, StacknbError, TaskFailed, WaitTimeout
from stacknb.results import Result, RunResult, TaskResult, TaskResults
from stacknb.run import cells
from stacknb.rundir.journal import RunDir
from stacknb.text import budget

NAMES = ("stack", "unstack", "clean", "async_task", "wait")


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> InteractiveShell:
    """Return the IPython of this process; a second one would not be cleaned up."""
    os.environ.setdefault("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    config = Config()
    config.HistoryManager.enabled = False
    return InteractiveShell.instance(config=config)


@pytest.fixture
def ipython(
    shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> InteractiveShell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dispatcher, "_current", None)
    for name in ("one", "two"):
        (tmp_path / name / "extras.d").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / name / "devstack").mkdir(parents=True)
        (tmp_path / name / "devstack" / "settings").touch()
    load_ipython_extension(shell)
    return shell


@pytest.fixture
def calls(ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Return the calls of `Stack` that would start a shell; none of them does."""
    made: list[tuple[str, Any]] = []

    def pretend(name: str) -> None:
        def call(self: Stack, *args: Any, **kwargs: Any) -> RunResult | pd.DataFrame:
            made.append((name, (*args, *kwargs.values())))
            nothing = pd.DataFrame({"name": []})
            return nothing if name == "variables" else RunResult("stack", Path("run"))

        monkeypatch.setattr(Stack, name, call)

    for name in ("run", "run_phase", "step", "variables", "reset", "close", "async_run"):
        pretend(name)
    monkeypatch.setattr(Stack, "result", RunResult("stack", Path("run")))
    return made


def result_of(name: str, path: Path, status: str = "ok") -> TaskResult:
    header = {"kind": "task", "name": name, "run": "r", "start": 1.0}
    output = b"".join(b"%d\n" % number for number in range(30))
    path.write_bytes(
        tasklog.begin_line(header) + output + tasklog.end_line(header, end=2, exit_code=0)
    )
    return TaskResult(name, ["f"], status, int(status != "ok"), 1.0, 0.5, path)


def test_loading_adds_the_magics_once_and_again(ipython: InteractiveShell) -> None:
    load_ipython_extension(ipython)
    for name in NAMES:
        assert ipython.find_line_magic(name) is not None
    assert ipython.find_cell_magic("stack") is not None
    assert ipython.find_cell_magic("async_task") is not None
    assert ipython.find_cell_magic("wait") is None


@pytest.mark.parametrize("name", NAMES)
def test_help_comes_from_the_table(ipython: InteractiveShell, name: str) -> None:
    load_ipython_extension(ipython)
    text = ipython.find_line_magic(name).__doc__
    assert text.count(f"%{name}") >= 1
    assert text.count("--") >= 2
    assert len({*text.splitlines()}) == len([line for line in text.splitlines() if line]) + 1


def test_help_tells_to_which_word_an_option_belongs(ipython: InteractiveShell) -> None:
    load_ipython_extension(ipython)
    text = ipython.find_line_magic("stack").__doc__
    assert re.search(r"--hook +step: only its next hook\n", text)
    assert re.search(r"--history +vars: ", text)
    assert re.search(r"--jobs N +how many tasks may run at once\n", text)


def test_help_of_a_cell_magic_has_straight_columns(ipython: InteractiveShell) -> None:
    load_ipython_extension(ipython)
    name, option = ipython.find_cell_magic("hook").__doc__.splitlines()[2:4]
    assert name.startswith("%%hook NAME ")
    assert name.index("make the cell") == option.index("NN-name.sh")


def test_before_the_first_tree_there_is_no_stack(ipython: InteractiveShell) -> None:
    what_to_do = "no stack yet: begin with %stack TOP_DIR, or %stack resume after a restart"
    for line in ("stack", "stack step", "wait", "unstack", "async_task x true", "stack vars"):
        with pytest.raises(BadInput, match=what_to_do):
            ipython.run_line_magic(*line.partition(" ")[::2])
    with pytest.raises(BadInput, match="no run yet"):
        ipython.run_line_magic("stack", "status")


def test_words_call_the_stack(ipython: InteractiveShell, calls: list[tuple[str, Any]]) -> None:
    for line in ("one", "", "all", "--until extra", "install", "stack-install", "step"):
        ipython.run_line_magic("stack", line)
    ipython.run_line_magic("unstack", "")
    ipython.run_line_magic("clean", "")
    ipython.run_line_magic("stack", "vars 'A*'")
    assert calls == [
        ("run", (None,)), ("run", (None,)), ("run", (None,)), ("run", ("extra",)),
        ("run_phase", ("install",)), ("run_phase", ("stack-install",)),
        ("step", ("stack", False, False)),
        ("run", ("unstack",)), ("run", ("clean",)), ("variables", ("A*",)),
    ]  # fmt: skip


def test_what_comes_next_is_told_when_a_hook_is_done_and_not_while_it_runs(
    ipython: InteractiveShell, calls: list[tuple[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    ipython.run_line_magic("stack", "one step --hook")
    assert capsys.readouterr().out == "next is 'override_defaults'\n"
    ipython.run_line_magic("stack", "one step --hook --bg").wait()
    assert capsys.readouterr().out == ""


def test_the_same_tree_and_settings_go_on_with_the_same_stack(
    ipython: InteractiveShell, calls: list[tuple[str, Any]]
) -> None:
    ipython.run_line_magic("stack", "one step --plugin a=a --serial")
    first = dispatcher.current()
    for line in (
        "one step",
        "one step --serial",
        "one step --serial --plugin a=a",
        "step",
        "./one step",
    ):
        ipython.run_line_magic("stack", line)
        assert dispatcher.current() is first
    assert "close" not in dict(calls)


@pytest.mark.parametrize("line", ["two step", "one step --jobs 3", "one step --plugin b=b"])
def test_another_tree_or_setting_closes_the_old_stack(
    ipython: InteractiveShell, calls: list[tuple[str, Any]], line: str
) -> None:
    ipython.run_line_magic("stack", "one step --plugin a=a")
    first = dispatcher.current()
    ipython.run_line_magic("stack", line)
    assert dispatcher.current() is not first
    assert [name for name, _ in calls] == ["step", "close", "step"]


def test_a_tree_that_is_not_there_leaves_the_stack_at_hand(
    ipython: InteractiveShell, calls: list[tuple[str, Any]]
) -> None:
    ipython.run_line_magic("stack", "one step")
    first = dispatcher.current()
    with pytest.raises(BadInput, match="there is no such folder"):
        ipython.run_line_magic("stack", "no/where step")
    assert dispatcher.current() is first
    assert "close" not in dict(calls)


def test_a_stack_made_in_python_is_the_one_at_hand(
    ipython: InteractiveShell, calls: list[tuple[str, Any]]
) -> None:
    made = Stack("one", plugins=["a=a"])
    ipython.run_line_magic("stack", "one step --plugin a=a")
    assert dispatcher.current() is made


def test_a_setting_needs_a_new_stack(
    ipython: InteractiveShell, calls: list[tuple[str, Any]]
) -> None:
    ipython.run_line_magic("stack", "one step")
    wanted = "'--jobs' is a setting of a new stack: give it with TOP_DIR, here 'one'"
    with pytest.raises(BadInput, match=wanted):
        ipython.run_line_magic("stack", "step --jobs 2")


def test_other_settings_for_a_tree_leave_its_hooks_from_cells(
    ipython: InteractiveShell, calls: list[tuple[str, Any]]
) -> None:
    ipython.run_line_magic("stack", "one step")
    ipython.run_cell_magic("hook", "50-cell.sh", "echo cell\n")
    ipython.run_cell_magic("hook", "--plugin mine settings", "MINE=1\n")
    ipython.run_line_magic("stack", "one step --serial")
    assert {"50-cell.sh", "mine-settings"} <= {*dispatcher.current().plan()["hook"]}
    ipython.run_line_magic("stack", "two step")
    assert not {"50-cell.sh", "mine-settings"} & {*dispatcher.current().plan()["hook"]}


def test_after_serial_a_tree_can_be_stacked_in_parallel_again(
    ipython: InteractiveShell, calls: list[tuple[str, Any]]
) -> None:
    def parallel(line: str) -> bool:
        ipython.run_line_magic("stack", line)
        return dispatcher.current().parallel

    assert parallel("one step --parallel")
    first = dispatcher.current()
    assert parallel("one step --parallel")
    assert dispatcher.current() is first
    assert not parallel("one step --serial")
    assert not parallel("one step")  # the tree at hand keeps its settings
    with pytest.raises(BadInput, match="'--parallel' is a setting of a new stack: give it with"):
        ipython.run_line_magic("stack", "step --parallel")
    assert parallel("one step --parallel")
    with pytest.raises(BadInput, match="'--serial' and '--parallel' contradict each other"):
        ipython.run_line_magic("stack", "one step --parallel --serial")


def test_a_task_gets_its_words_and_options(
    ipython: InteractiveShell, calls: list[tuple[str, Any]]
) -> None:
    Stack("one")
    ipython.user_ns["size"] = 7
    ipython.run_cell(
        "%async_task --after a,b --after c --timeout 2.5 job make 'a b' {size} $size --now"
    ).raise_error()
    assert calls == [("async_run", ("job", "make", "a b", "7", "7", "--now", ["a", "b", "c"], 2.5))]


def test_a_cell_in_the_background_is_kept_as_a_file(
    ipython: InteractiveShell, calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("run/cells").mkdir(parents=True)
    monkeypatch.setattr(Stack, "begin", lambda self: Path("run"))
    Stack("one")
    ipython.run_cell_magic("async_task", "job", "echo 1")
    ipython.run_cell_magic("async_task", "job", "echo 2\n")
    assert [args[:3] for _, args in calls] == [
        ("job", "source", "run/cells/job.1.bash"), ("job", "source", "run/cells/job.2.bash"),
    ]  # fmt: skip
    assert Path("run/cells/job.1.bash").read_text() == "echo 1\n"
    with pytest.raises(BadInput, match="'make' is too much: task 'job' runs the cell"):
        ipython.run_cell_magic("async_task", "job make", "echo 1")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("echo 1", "run directory 'run' cannot be written (No such file or directory)"),
        ("echo \0", "the cell holds a NUL, which bash cannot take"),
    ],
)
def test_a_cell_in_the_background_that_cannot_be_kept_is_one_line(
    ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    Path("run").mkdir()
    monkeypatch.setattr(Stack, "begin", lambda self: Path("run"))
    Stack("one")
    with pytest.raises(StacknbError) as caught:
        ipython.run_cell_magic("async_task", "job", code)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("name", ["../../../evil", "a/b", "{tmp_path}/abs", "x" * 201])
def test_a_cell_whose_name_cannot_be_one_leaves_no_file(
    ipython: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    Path("up/up/run/cells").mkdir(parents=True)
    monkeypatch.setattr(Stack, "begin", lambda self: Path("up/up/run"))
    Stack("one")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadInput, match="cannot name a task"):
        ipython.run_cell_magic("async_task", shlex.quote(name.format(tmp_path=tmp_path)), "echo 1")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_semicolon_behind_a_magic_silences_its_value_and_is_no_argument(
    ipython: InteractiveShell, calls: list[tuple[str, Any]]
) -> None:
    assert ipython.run_line_magic("stack", "one step;") is None
    assert ipython.run_line_magic("stack", "install;") is None
    assert ipython.run_cell_magic("async_task", "t;", "echo") is None
    ipython.run_line_magic("async_task", "t printf %s;")
    ipython.run_line_magic("async_task", r"t find . \;")
    assert [name for name, _ in calls[:2]] == ["step", "run_phase"]
    assert calls[1][1] == ("install",)
    assert [call[1][1:4] for call in calls[-2:]] == [("printf", "%s", []), ("find", ".", ";")]
    assert isinstance(ipython.run_line_magic("stack", "install"), RunResult)


@pytest.mark.parametrize("option", ["--tail 2", "-n 2", "--tail=2"])
def test_the_last_lines_of_a_log_can_be_asked_for_as_on_the_command_line(
    ipython: InteractiveShell, tmp_path: Path, option: str
) -> None:
    folder = RunDir.create(tmp_path / "run", "stack", {"top_dir": "/tree"})
    folder.close()
    result_of("db", folder.path / "async" / "db.log")
    said = pretty(ipython.run_line_magic("stack", f"log run db {option}")).splitlines()
    assert said[1:] == [f"… 28 lines before these, all in {folder.path}/async/db.log", "28", "29"]
    assert len(pretty(ipython.run_line_magic("stack", "log run db")).splitlines()) == 31


def test_a_wait_shows_each_log_in_one_piece(
    ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [result_of("a", Path("a.log")), result_of("b", Path("b.log"), "failed")]

    def wait(self: Stack, *names: str, timeout: float | None) -> list[TaskResult]:
        assert (names, timeout) == (("a", "b"), 3.0)
        raise TaskFailed(results)

    monkeypatch.setattr(Stack, "async_wait", wait)
    Stack("one")
    with pytest.raises(TaskFailed):
        ipython.run_line_magic("wait", "a b --timeout 3 --tail 2")
    assert capsys.readouterr().out.splitlines() == [
        "✓ a ended well after 1.00 s",
        "    … 28 lines before these, all in a.log", "    28", "    29",
        "✗ b failed with status 1 after 1.00 s",
        "    … 28 lines before these, all in b.log", "    28", "    29",
    ]  # fmt: skip


def test_the_results_of_many_tasks_are_shown_in_short(tmp_path: Path) -> None:
    result = result_of("a" * 100, tmp_path / "a.log")
    assert pretty(TaskResults([result] * 2)) == f"[{result!r},\n {result!r}]"
    text = pretty(TaskResults([result] * 300))
    assert budget.stored(text) <= budget.RESULT
    assert "lines are left out here" in text


def test_a_wait_that_took_too_long_shows_what_ended(
    ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wait(self: Stack, *names: str, timeout: float | None) -> list[TaskResult]:
        raise WaitTimeout("'b' did not end", [result_of("a", Path("a.log"))])

    monkeypatch.setattr(Stack, "async_wait", wait)
    Stack("one")
    with pytest.raises(WaitTimeout):
        ipython.run_line_magic("wait", "")
    assert capsys.readouterr().out.startswith("✓ a ended well")


def test_a_cell_prints_what_its_bash_printed(
    ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Result("false", 1, "x\n" * 1000 + "\x1b[1mlast", "oops\n", Path("1.log"))
    monkeypatch.setattr(Stack, "evaluate", lambda self, code: said)
    assert ipython.run_cell_magic("stack", "one", "false\n") is said
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "… 801 lines before these, all in 1.log"
    assert out.endswith("x\nlast\n")
    assert err == "oops\n"


def test_a_cell_that_printed_more_than_is_kept_says_so_and_where_each_stream_is(
    ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Result("f", 0, "x\n" * cells.SHOWN, "y\n" * 300, Path("1.log"))
    monkeypatch.setattr(Stack, "evaluate", lambda self, code: said)
    ipython.run_cell_magic("stack", "one", "f\n")
    out, err = capsys.readouterr()
    assert out.startswith("… at least 1,048,376 lines before these, all in 1.log\n")
    assert err.startswith("… 100 lines before these, all in 1.err\n")


@pytest.mark.parametrize("line", ["--bg", "--until source", "--history"])
def test_a_cell_takes_no_option_of_a_run(ipython: InteractiveShell, line: str) -> None:
    Stack("one")
    with pytest.raises(BadInput, match=f"'{line.split()[0]}' does not go with"):
        ipython.run_cell_magic("stack", line, "echo hi\n")


def test_a_cell_takes_no_word(ipython: InteractiveShell) -> None:
    Stack("one")
    for word in ("install", "plan"):
        with pytest.raises(BadInput, match=f"%%stack takes no word '{word}'"):
            ipython.run_cell_magic("stack", word, "true")


def test_an_interrupt_between_two_hooks_is_one_line(
    ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Stack, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "run", run)
    with pytest.raises(Interrupted, match="the session is usable"):
        ipython.run_line_magic("stack", "one")


def test_an_error_is_shown_without_a_traceback(
    ipython: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    ipython.run_cell("%stack no/where")
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "BadInput: top_dir 'no/where': there is no such folder" in out + err
    assert len((out + err).strip().splitlines()) == 1


def test_the_name_of_a_log_that_is_none_steers_no_page(
    ipython: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDir.create("run", "stack", {})
    log = run.new_log("hook", "50-a.sh", ["/t/50-a.sh"], "source", lambda _: 1)
    log.with_name("a\x1b[31m.log").write_text("no header")
    run.close()
    ipython.run_line_magic("stack", "timing run")
    err = capsys.readouterr().err
    assert err == f"1 × file without a header: {log.parent}/a\N{SYMBOL FOR ESCAPE}[31m.log\n"
