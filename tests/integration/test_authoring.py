"""Hooks from cells, stepping hook by hook, and traces, with a real shell."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from IPython.lib.pretty import pretty

from stacknb import Stack, cli, status
from stacknb.exceptions import BadInput, HookFailed
from stacknb.text import budget
from stacknb.timing import load


def commands_of(stack: Stack, *hooks: Any) -> list[tuple[int, str, int]]:
    frame = stack.trace(*hooks)
    own = frame[frame["task"] == ""]
    return [*own[["line", "command", "depth"]].itertuples(index=False, name=None)]


def test_a_hook_from_a_cell_runs_among_those_of_the_tree(tree: Any) -> None:
    tree.hook("10-a.sh", "SEEN+=a\n")
    tree.hook("30-c.sh", "SEEN+=c\n")
    stack = tree.stack()
    stack.add_hook("20-b.sh", "SEEN+=b\n")
    assert [*stack.plan()["hook"][:3]] == ["10-a.sh", "20-b.sh", "30-c.sh"]
    stack.step()
    stack.add_hook("20-b.sh", "SEEN+=B\n")
    stack.step()
    assert stack.evaluate("echo $SEEN").stdout == "abcaBc\n"


def test_a_failing_hook_of_a_cell_is_told_by_the_line_of_the_cell(tree: Any) -> None:
    stack = tree.stack()
    stack.add_hook("20-b.sh", "true\nfalse\n")
    with pytest.raises(HookFailed) as caught:
        stack.step()
    assert caught.value.failure.line == 3  # the cell's first line is %%hook
    assert caught.value.advice == (
        "mend it (line 3 of the cell), run the cell and run 'override_defaults' again"
    )


def test_a_plugin_from_cells_is_enabled_and_may_begin_in_the_middle_of_a_run(tree: Any) -> None:
    stack = tree.stack()
    stack.add_hook("settings", "define_plugin one\nONE=1\n", plugin="one")
    stack.run(until="source")
    stack.add_hook("plugin.sh", 'TWO="$*"\n', plugin="two")
    stack.step()
    said = stack.evaluate(
        'echo "$ONE $TWO"; is_plugin_enabled one && is_plugin_enabled two && echo on'
    )
    assert said.stdout == "1 stack pre-install\non\n"


def test_a_plugin_from_a_cell_is_planned_as_soon_as_it_is_added_in_the_middle_of_a_run(
    tree: Any,
) -> None:
    stack = tree.stack()
    stack.run(until="source")
    stack.add_hook("plugin.sh", "echo $*\n", plugin="shop")
    assert [plugin.name for plugin in stack.plugins] == ["shop"]
    assert "shop-plugin.sh" in set(stack.plan()["hook"])


def test_a_cell_may_hold_a_file_of_a_plugin_that_a_hook_has_enabled(tree: Any) -> None:
    (tree.path / "shop" / "devstack").mkdir(parents=True)
    tree.hook("10-a.sh", '[[ $1 != override_defaults ]] || enable_plugin shop "$TOP_DIR/shop"')
    stack = tree.stack()
    stack.step()
    stack.add_hook("plugin.sh", 'MINE="$*"\n', plugin="shop")
    stack.run(until="pre-install")
    assert stack.evaluate("echo $MINE").stdout == "stack pre-install\n"
    assert stack.run().complete


def test_hooks_from_cells_are_there_after_a_resume(tree: Any) -> None:
    stack = tree.stack()
    stack.add_hook("20-b.sh", "SEEN+=b\n")
    stack.step()
    run_dir = stack.run_dir
    stack.close()
    with Stack.resume(run_dir) as again:
        again.step()
        assert again.evaluate("echo $SEEN").stdout == "bb\n"


def test_an_exported_tree_stacks_from_the_command_line(tree: Any, tmp_path: Path) -> None:
    stack = tree.stack()
    stack.add_hook("20-b.sh", '[[ $1 != source ]] || echo "hook $1" >>told\n')
    stack.add_hook("settings", "echo plugin >>told\n", plugin="shop")
    done = stack.export(tmp_path / "out")
    stack.close()
    words = ["stack", str(tmp_path / "out"), "--plugin", f"shop={tmp_path}/out/plugins/shop"]
    assert cli.main(words) == 0
    assert Path("told").read_text() == "hook source\nplugin\n"
    for path in done.hooks:
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_hook_by_hook(tree: Any) -> None:
    tree.hook("10-a.sh", "SEEN+=a$#\n")
    tree.hook("20-b.sh", "SEEN+=b$#\n")
    stack = tree.stack()
    assert [done.name for done in stack.step(hook=True)] == ["10-a.sh"]
    assert stack.next_hook is not None
    assert stack.next_hook.name == "20-b.sh"
    assert stack.next_phase == "override_defaults"
    assert stack.evaluate("echo $SEEN").stdout == "a1\n"
    assert [done.name for done in stack.step(hook=True)] == ["20-b.sh"]
    assert stack.next_hook is None
    assert stack.next_phase == "source"
    stack.step(hook=True)
    assert [done.name for done in stack.step()] == ["20-b.sh"]  # the rest of the phase
    assert stack.next_phase == "stack pre-install"
    result = stack.run()
    assert result.complete
    assert len(result.hooks) == 14


def test_the_time_between_two_hooks_or_cells_of_a_person_is_a_pause(tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    tree.hook("20-b.sh", "true\n")
    stack = tree.stack()
    for call in (lambda: stack.step(hook=True), lambda: stack.evaluate("true"), stack.step):
        call()
    run = load(stack.run_dir)
    ends, starts = (sorted([*run.hooks[key], *run.cells[key]]) for key in ("end", "start"))
    between = sum((b - a).total_seconds() for a, b in zip(ends[:2], starts[1:], strict=True))
    assert run.paused_s == pytest.approx(between, abs=1e-5)
    stack.step(hook=True)
    assert status.read(stack.run_dir).state == "unfinished"


def test_in_the_middle_of_a_phase_another_one_is_out_of_order(tree: Any) -> None:
    tree.hook("10-a.sh", "true\n")
    tree.hook("20-b.sh", "true\n")
    stack = tree.stack()
    stack.step(hook=True)
    with pytest.raises(
        BadInput, match="phase 'source' is out of order: run 'override_defaults' first"
    ):
        stack.run_phase("source")


def test_phases_without_hooks_are_passed_over_hook_by_hook(tree: Any) -> None:
    option = tree.plugin("p", plugin_sh="SEEN=$2\n")
    stack = tree.stack(plugins=[option])
    assert [done.phase for done in stack.step(hook=True)] == ["stack pre-install"]
    assert stack.result.phases == ["override_defaults", "source", "stack pre-install"]


def test_a_hook_that_fails_is_begun_again_with_its_phase(tree: Any) -> None:
    tree.hook("10-a.sh", "SEEN+=a\n")
    tree.hook("20-b.sh", "SEEN+=b; false\n")
    stack = tree.stack()
    stack.step(hook=True)
    with pytest.raises(HookFailed):
        stack.step(hook=True)
    tree.hook("20-b.sh", "SEEN+=B\n")
    assert [done.name for done in stack.step(hook=True)] == ["10-a.sh"]
    stack.step(hook=True)
    assert stack.evaluate("echo $SEEN").stdout == "abaB\n"


def test_a_trace_shows_each_command_with_its_line_as_it_ran(tree: Any) -> None:
    tree.hook("10-a.sh", 'who="you two"\ngreet() {\n  echo "hello $1"\n}\ngreet "$who"\n')
    stack = tree.stack()
    done = stack.step(trace=True)
    assert commands_of(stack) == [
        (1, "who='you two'", 0), (5, "greet 'you two'", 0), (3, "echo 'hello you two'", 1),
    ]  # fmt: skip
    assert stack.trace(*done)["took_s"].ge(0).all()
    assert stack.trace().text().splitlines()[0] == "override_defaults · 10-a.sh"
    assert "10-a.sh:5" in stack.trace()._repr_html_()


def test_a_trace_has_its_times_in_posix_mode_and_where_no_clock_is_left(tree: Any) -> None:
    # Plugins write `(set -o posix; set)` to list what is not exported.
    tree.hook("10-a.sh", "(set -o posix; :)\nunset EPOCHREALTIME\n:\n")
    stack = tree.stack()
    stack.step(trace=True)
    trace = stack.trace()
    assert [*trace["command"]] == ["set -o posix", ":", "unset EPOCHREALTIME", ":"]
    assert trace["took_s"].between(0, 60).all()


def test_what_a_command_took_holds_what_it_called(tree: Any) -> None:
    tree.hook("10-a.sh", "nap() { sleep 0.05; }\nnap\ntrue\n")
    stack = tree.stack()
    stack.step(trace=True)
    took = dict(zip(stack.trace()["command"], stack.trace()["took_s"], strict=True))
    assert took["nap"] >= took["sleep 0.05"] >= 0.05
    assert took["nap"] < stack.result.duration_s


def test_a_trace_leaves_log_and_shell_as_they_would_be(tree: Any, output: Any) -> None:
    tree.hook("10-a.sh", "echo out; echo err >&2\nset -u\n")
    stack = tree.stack()
    stack.step(trace=True)
    stack.step(trace=True)
    assert output(stack, "10-a.sh") == "out\nerr\n"
    assert output(stack, "10-a.sh", "source") == "out\nerr\n"
    said = stack.evaluate('echo "${PS4@Q} ${BASH_XTRACEFD-none} $_stacknb_flags"').stdout
    assert said == "'+ ' none eu\n"
    names = {*stack.changes()["name"]}
    assert names == {"nounset"}


def test_a_hook_that_traces_itself_keeps_its_will(tree: Any, output: Any) -> None:
    tree.hook("10-a.sh", "echo one\nset +x\necho two\nset -x\necho three\n")
    stack = tree.stack()
    stack.step(trace=True)
    assert [command for _, command, _ in commands_of(stack)] == ["echo one", "set +x", "echo three"]
    assert output(stack, "10-a.sh") == "one\ntwo\nthree\n"
    stack.step()  # xtrace stays on, as without --trace, and goes to the log
    assert "+ echo one\n" in output(stack, "10-a.sh", "source")


def test_a_hook_with_a_prompt_of_its_own_keeps_it_and_its_commands_are_shown(tree: Any) -> None:
    tree.hook("10-a.sh", "PS4='mine '\necho one\n")
    stack = tree.stack()
    stack.step(trace=True)
    assert [row[1] for row in commands_of(stack)] == ["PS4='mine '\nmmine echo one"]
    assert stack.evaluate("echo ${PS4@Q}").stdout == "'mine '\n"


def test_a_hook_that_comes_back_to_the_flags_it_had_leaves_tracing_off(tree: Any) -> None:
    tree.hook("10-a.sh", "had=$-\nset -ex\n:\nif [[ $had =~ x ]]; then set -x; else set +x; fi\n")
    stack = tree.stack()
    stack.step(trace=True)
    assert [command for _, command, _ in commands_of(stack)][-1] == "set -x"
    assert stack.evaluate("echo $_stacknb_flags").stdout == "e\n"


def test_the_devstack_way_to_silence_a_stretch_leaves_tracing_off(tree: Any, output: Any) -> None:
    tree.hook(
        "10-a.sh",
        "XTRACE=$(set +o | grep xtrace)\nset +o xtrace\necho quiet\n$XTRACE\necho loud\n",
    )
    stack = tree.stack()
    stack.step(trace=True)
    assert "echo loud" in [command for _, command, _ in commands_of(stack)]
    stack.step()
    assert "+ echo" not in output(stack, "10-a.sh", "source")


@pytest.mark.parametrize("first", ["true", "trap : EXIT"])
@pytest.mark.parametrize("last", ["false", "exit 3", "die 1 oops"])
def test_a_hook_that_fails_has_its_trace(tree: Any, first: str, last: str) -> None:
    tree.hook("10-a.sh", f"{first}\n{last}\ntrue\n")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.step(trace=True)
    shown = [command for command in commands_of(stack, "10-a.sh") if command[1] != ":"]
    assert shown == [(1, first, 0), (2, last, 0)]
    tree.hook("10-a.sh", "true\n")
    stack.step()
    assert stack.evaluate('echo "${PS4@Q} $_stacknb_flags"').stdout == "'+ ' e\n"


@pytest.mark.parametrize("room", [budget.ASKED, budget.PRINTED])
def test_a_long_trace_shows_as_much_as_there_is_room_for(tree: Any, room: int) -> None:
    tree.hook("10-a.sh", f"for n in {{1..400}}; do : $n '{'&' * 90}'; done\n")
    stack = tree.stack()
    stack.step(trace=True)
    frame = stack.trace()
    frame.room = room
    html, text = frame._repr_html_(), pretty(frame)
    assert budget.stored(html) + budget.stored(text) <= room
    assert "more commands; print(_.text()) shows them" in html
    assert "more commands; the frame has them all" in frame.text()
    assert "lines are left out here" in text
    assert (html.count("10-a.sh:1 ") > 10) == (room > budget.ASKED)


def test_commands_of_a_task_are_told_apart(tree: Any) -> None:
    tree.hook("10-a.sh", "async_run job echo hi\nasync_wait job\n")
    stack = tree.stack()
    stack.step(trace=True)
    frame = stack.trace()
    assert [*frame[frame["task"] == "job"]["command"]] == ["echo hi"]
    assert [command for _, command, _ in commands_of(stack)] == [
        "async_run job echo hi",
        "async_wait job",
    ]


def test_a_trace_has_the_hooks_as_they_ran_though_a_child_of_the_first_goes_on_printing(
    tree: Any,
) -> None:
    for name in ("10-a.sh", "20-b.sh"):
        tree.hook(name, ":\n")
    stack = tree.stack()
    for result in stack.step(trace=True)[:1]:
        os.utime(result.log, (2**31, 2**31))  # as if it had printed just now
    hooks = ["override_defaults · 10-a.sh", "override_defaults · 20-b.sh"]
    assert [*stack.trace()["hook"].unique()] == hooks


def test_a_log_that_a_killed_session_has_not_begun_is_no_reason_to_show_no_trace(
    tree: Any,
) -> None:
    tree.hook("10-a.sh", ":\n")
    stack = tree.stack()
    [traced] = stack.step(trace=True)
    traced.log.with_name("20-b.sh.log").touch()
    assert commands_of(stack) == [(1, ":", 0)]


def test_a_trace_shows_no_secrets(tree: Any) -> None:
    tree.hook(
        "10-a.sh", "DB_PASSWORD=sesame\necho --password=other mysql://root:sesame@db sesame\n"
    )
    stack = tree.stack()
    stack.step(trace=True)
    stack.step(trace=True)
    shown = stack.trace().to_csv() + stack.trace().text() + stack.trace()._repr_html_()
    assert "sesame" not in shown
    assert "other" not in shown
    assert "DB_PASSWORD=••••••" in shown


def test_what_was_not_traced_has_no_trace(tree: Any) -> None:
    stack = tree.run("true")
    with pytest.raises(BadInput, match="no hook was traced; %stack step --trace"):
        stack.trace()
