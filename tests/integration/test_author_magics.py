"""The magics for those who write hooks, in IPython with a real shell."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.lib.pretty import pretty
from traitlets.config import Config

from stacknb import load_ipython_extension
from stacknb.dispatcher import dispatcher
from stacknb.exceptions import BadInput, HookFailed

Run = Callable[[str], Any]


@pytest.fixture
def run(
    tree: Any, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    if "IPYTHONDIR" not in os.environ:
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    config = Config()
    config.HistoryManager.enabled = False
    ipython = InteractiveShell.instance(config=config)
    monkeypatch.setattr(dispatcher, "_current", None)
    load_ipython_extension(ipython)

    def call(cell: str) -> Any:
        done = ipython.run_cell(cell)
        done.raise_error()
        return done.result

    yield call
    if dispatcher._current is not None:
        dispatcher._current.close()


def test_cells_alone_make_a_stack(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    added = run("%%hook 50-hello.sh\necho hello >>said\n")
    assert "a stack of hooks from cells alone begins, in " in capsys.readouterr().out
    assert repr(added) == "<hook '50-hello.sh' added; see %stack plan>"
    assert {*run("%stack plan")["hook"]} == {"50-hello.sh"}
    run("%stack step")
    assert Path("said").read_text() == "hello\n"
    assert run("%%hook 50-hello.sh\necho again >>said\n").replaced
    run("%stack step")
    assert Path("said").read_text() == "hello\nagain\n"


def test_cells_are_added_to_the_tree_at_hand(run: Run, tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    run(f"%stack '{tree.path}' plan")
    run("%%hook --plugin shop settings\nSHOP=1\n")
    run("%%hook 20-b.sh\ntrue\n")
    plan = run("%stack plan")
    assert [*plan.loc[plan["phase"] == "source", "hook"]] == [
        "10-a.sh", "20-b.sh", "shop-settings",
    ]  # fmt: skip


def test_wrong_syntax_is_one_line_with_its_place(run: Run) -> None:
    with pytest.raises(BadInput, match=r"hook '50-a\.sh', line 3, column 3 of the cell: syntax"):
        run("%%hook 50-a.sh\necho one\n  ) two\n")


def test_stepping_says_what_is_next(
    run: Run, tree: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.hook("10-a.sh", "true\n")
    tree.hook("20-b.sh", "true\n")
    run(f"%stack '{tree.path}' step --hook")
    assert "next is '20-b.sh' in 'override_defaults'" in capsys.readouterr().out
    run("%stack step --hook")
    assert "next is 'source'\n" in capsys.readouterr().out
    assert "source · 10-a.sh" in run("%stack step --trace").text()


def test_a_hook_that_fails_shows_its_trace(
    run: Run, tree: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.hook("10-a.sh", "A=1\nfalse\n")
    with pytest.raises(HookFailed):
        run(f"%stack '{tree.path}' step --trace")
    assert re.search(r"10-a.sh:2 .* false\n", capsys.readouterr().out)


def test_a_terminal_shows_a_line_for_each_variable_with_its_value(
    run: Run, tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = f"/{'a' * 70}"
    tree.hook("10-a.sh", f"declare -gri A_1=7\nA_22=$'two\\nlines'\nexport A_3={long}\n")
    run(f"%stack '{tree.path}' step")
    for columns, value in ((80, f"{long[:60]}…"), (100, long), (20, f"{long[:39]}…")):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert pretty(run("%stack vars A_*")) == (
            f"A_1  = 7  (integer, readonly)\nA_22 = two⏎lines\nA_3  = {value}  (exported)"
        )
    run("%stack reset")
    tree.hook("10-a.sh", "for ((i = 100; i < 310; i++)); do declare -g A_$i=$i; done\n")
    run(f"%stack '{tree.path}' step")
    *_, last, more = pretty(run("%stack vars A_*")).splitlines()
    assert (last, more) == ("A_299 = 299", "… 10 more variables; the frame has them all")


def test_changes_of_a_hook_a_variable_and_an_earlier_run(run: Run, tree: Any) -> None:
    tree.hook("10-a.sh", "A=$#\n")
    run(f"%stack '{tree.path}' step")
    assert [*run("%stack changes")["new"]] == ["1"]
    assert [*run("%stack changes 10-a.sh")["name"]] == ["A"]
    assert run("%stack vars A --history").text() == "A  override_defaults  10-a.sh  1"
    run_dir = dispatcher.current().run_dir
    run("%stack reset")
    assert [*run(f"%stack changes '{run_dir}'")["name"]] == ["A"]
    assert [*run(f"%stack changes '{run_dir}' 10-a.sh")["name"]] == ["A"]
    with pytest.raises(BadInput, match=r"no hook or phase '10-b\.sh' has run"):
        run(f"%stack changes '{run_dir}' 10-b.sh")


def test_export_check_and_picture(run: Run) -> None:
    run("%%hook 50-hello.sh\nif [[ $2 == instal ]]; then true; fi\n")
    assert run("%stack export out").command.startswith("stacknb stack ")
    report = run("%stack check out")
    assert (report.ok, len(report.findings)) == (True, 1)
    assert "source: 50-hello.sh" in run("%stack picture --svg out.svg").said()
    assert Path("out.svg").read_text().startswith("<svg")


def test_a_hook_whose_name_is_no_utf8_is_shown_by_every_word(run: Run, tree: Any) -> None:
    tree.hook("10-\udcff.sh", "async_run job true\nA=1\n")
    assert {*run(f"%stack '{tree.path}' plan")["hook"]} == {r"10-\xff.sh"}
    assert r"10-\xff.sh" in run("%stack picture").said()
    traced = run("%stack step --hook --trace")
    assert "1 command of a task is in the frame: 'job'" in traced.text()
    assert re.search(r":2 .* A=1$", traced.text(), re.MULTILINE)
    for word in ("status", "changes", "vars", "vars A --history", "timing --what hooks", "picture"):
        bundle, _ = InteractiveShell.instance().display_formatter.format(run(f"%stack {word}"))
        assert bundle["text/plain"], word


@pytest.mark.parametrize("line", ["picture --svg no/such/file", "export /proc/tree"])
def test_a_file_that_cannot_be_written_is_named_in_one_line(run: Run, tree: Any, line: str) -> None:
    tree.hook("10-a.sh", "true\n")
    with pytest.raises(BadInput) as caught:
        run(f"%stack '{tree.path}' {line}")
    said = f"{line.split()[-1]!r} cannot be written (No such file or directory); name another"
    assert str(caught.value) == said


def test_one_phase_and_one_hook_are_no_plural(run: Run, tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    assert repr(run(f"%stack '{tree.path}' step")).startswith("<stack run 1 phase done: 1 hook in ")
    assert "2 phases done: 2 hooks in " in repr(run("%stack step"))


def test_a_cell_magic_points_to_its_own_help(run: Run, tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    run(f"%stack '{tree.path}' plan")
    with pytest.raises(BadInput, match=r"'b' is not understood; see %%hook\?$"):
        run("%%hook 20-a.sh b\ntrue\n")


@pytest.mark.parametrize("word", ["~nobody-has-this-name", f"./{'x' * 5000}"])
def test_a_folder_that_cannot_be_looked_up_is_one_clear_line(
    run: Run, tree: Any, word: str
) -> None:
    for line in (word, f"check {word}"):
        with pytest.raises(BadInput, match="there is no such folder"):
            run(f"%stack {line}")
    for line in (f"status {word}", f"panel {word}"):
        with pytest.raises(BadInput, match="is no run directory"):
            run(f"%stack {line}")


def test_a_step_that_a_panel_has_begun_can_be_waited_for(run: Run, tree: Any) -> None:
    tree.hook("10-a.sh", "echo a\n")
    run(f"%stack '{tree.path}' plan")
    stack = dispatcher.current()
    stack.start(stack.step, "step")
    assert [hook.name for hook in run("%wait stack")] == ["10-a.sh"]


def test_a_tree_is_checked_before_there_is_a_stack(run: Run, tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    assert run(f"%stack check '{tree.path}'").ok
    assert dispatcher._current is None


def test_without_a_path_all_that_the_stack_at_hand_sources_is_checked(run: Run, tree: Any) -> None:
    with pytest.raises(BadInput, match="no stack yet: name a plugin's folder, or a tree of hooks"):
        run("%stack check")
    tree.hook("10-a.sh", "async_run job true\n")
    run(f"%stack '{tree.path}' plan")
    assert run("%stack check").files == ["extras.d/10-a.sh"]
    run("%%hook 50-hello.sh\nasync_wait job\nif [[ $2 == instal ]]; then true; fi\n")
    report = run("%stack check")
    assert report.files == ["extras.d/10-a.sh", "extras.d/50-hello.sh"]
    assert [finding.line for finding in report.findings] == [3]
    assert report.path == tree.path
    stack = dispatcher._current
    assert stack is not None
    assert stack.check() == report


def test_a_tree_whose_name_begins_with_a_dash_is_named_behind_two(run: Run, tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    tree.path.rename("-x")
    assert {*run("%stack -- -x plan")["hook"]} == {"10-a.sh"}
    assert run("%stack check -- -x").ok
    assert run("%stack --until source -- -x").phases == ["override_defaults", "source"]


def test_a_stack_that_makes_way_for_another_says_what_ends_with_it(
    run: Run, tree: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.hook("10-a.sh", "true\n")
    Path("other/extras.d").mkdir(parents=True)
    run(f"%stack '{tree.path}' plan")
    run("%stack other plan")
    assert "closed" not in capsys.readouterr().err  # nothing had begun

    run(f"%stack '{tree.path}' step --run-dir 'my run'")
    first = dispatcher.current()
    run("%async_task slow sleep 1000")
    run("%stack other plan")
    assert first.run_dir is None
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "closed" in line]
    assert line.startswith(f"closed the stack of {str(tree.path)!r} and its tasks 'slow'; ")
    again = line.partition("; ")[2].removesuffix(" opens it again")

    run(again)
    assert dispatcher.current().top_dir == tree.path
    assert dispatcher.current().next_phase == "source"


def test_a_run_that_cannot_be_resumed_leaves_the_stack_at_hand_open(run: Run, tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    run(f"%stack '{tree.path}' step")
    Path("broken").mkdir()
    Path("broken/run.json").write_text("{")
    with pytest.raises(BadInput, match=r"broken/run\.json' is damaged"):
        run("%stack resume broken")
    assert dispatcher.current().next_phase == "source"
    assert dispatcher.current().evaluate("echo here").stdout == "here\n"
