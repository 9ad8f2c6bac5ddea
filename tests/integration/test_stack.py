"""The dispatcher: phases in order, until, step, failure and mending, unstack and clean, resume."""

# ruff: noqa: E501  (a script of bash is read best on one line)

import contextlib
import copy
import json
import os
import pickle
import resource
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import stacknb
from stacknb import BadInput, HookFailed, Stack, StacknbError, places, status, tasklog
from stacknb.exceptions import ShellDied
from stacknb.run import closing
from stacknb.rundir import turnlog
from stacknb.rundir.journal import Event
from stacknb.shell import Shell
from stacknb.supervision import services

LABELS = [
    "override_defaults",
    "source",
    "stack pre-install",
    "stack install",
    "stack post-config",
    "stack extra",
    "stack test-config",
]
TRACE = 'echo "${BASH_SOURCE##*/}:$*" >>trace\n'


def trace() -> list[str]:
    return Path("trace").read_text().splitlines() if Path("trace").exists() else []


def test_every_phase_is_run_in_order_and_what_ran_is_what_was_planned(tree) -> None:
    for name in ("10-a.sh", "50-b.sh"):
        tree.hook(name, TRACE)
    plugin = tree.plugin("p", override_defaults=TRACE, settings=TRACE, plugin_sh=TRACE)
    stack = tree.stack(plugins=[plugin])
    plan = stack.plan()
    assert stack.run_dir is None
    assert not Path(".stacknb").exists()
    result = stack.run()

    assert result.complete
    assert result.ok
    assert result.phases == LABELS
    assert trace() == [
        f"{Path(path).name}:{' '.join(args)}"
        for path, args in zip(plan.path, plan.args, strict=True)
    ]
    assert [(hook.phase, hook.name) for hook in result.hooks] == list(
        zip(plan.phase, plan.hook, strict=True)
    )
    assert "DevStack Component Timing" in result.timing
    assert "Async summary" in result.timing


def test_a_run_goes_until_a_phase_and_on_from_there(tree) -> None:
    tree.hook("10-a.sh", TRACE)
    stack = tree.stack()

    assert stack.run(until="install").phases == LABELS[:4]
    assert stack.next_phase == "stack post-config"
    with pytest.raises(BadInput, match="phase 'stack install' is done already"):
        stack.run(until="install")
    assert stack.run().complete
    assert len(trace()) == 7
    assert stack.next_phase is None


@pytest.mark.parametrize("how", ["run", "step", "hook by hook", "failed", "resume"])
def test_the_tables_of_times_tell_how_long_the_run_stood_still_if_it_did(
    tree, monkeypatch, how: str
) -> None:
    monkeypatch.setattr(closing, "time_stood_still", lambda folder: "for 94 sec")
    tree.hook("10-a.sh", "[[ ! -e bad ]]" if how == "failed" else ":")
    stack = tree.stack()
    if how == "failed":
        Path("bad").touch()
        with pytest.raises(HookFailed):
            stack.run()
        Path("bad").unlink()
    elif how != "run":
        stack.step(hook=how == "hook by hook")
    if how == "resume":
        run_dir = stack.run_dir
        stack.close()
        stack = Stack.resume(run_dir)

    assert stack.run().timing.endswith("for 94 sec") == (how != "run")
    stack.close()


def test_step_by_step(tree) -> None:
    tree.hook("10-a.sh", TRACE)
    stack = tree.stack()
    for label in LABELS:
        assert stack.next_phase == label
        (hook,) = stack.step()
        assert hook.phase == label
    assert stack.result.complete
    with pytest.raises(BadInput, match="every phase of 'stack' is done; %stack reset begins anew"):
        stack.step()
    stack.reset()
    stack.step()
    assert len(trace()) == 8


@pytest.mark.parametrize(
    ("done", "phase", "message"),
    [
        (
            [],
            "install",
            "phase 'stack install' is out of order: run 'override_defaults', 'source', 'stack pre-install' first",
        ),
        (["override_defaults"], "stack-install", "run 'source', 'stack pre-install' first"),
        (
            ["override_defaults", "source"],
            "override_defaults",
            "'source' is done already; next is 'stack pre-install'",
        ),
        ([], "instal", "unknown phase 'instal': did you mean 'install'"),
        ([], "unstack", "unknown phase 'unstack'"),
    ],
)
def test_a_phase_out_of_order_is_refused_and_nothing_runs(
    tree, done: list[str], phase: str, message: str
) -> None:
    tree.hook("10-a.sh", TRACE)
    stack = tree.stack()
    for label in done:
        stack.run_phase(label)
    with pytest.raises(BadInput, match=message):
        stack.run_phase(phase)

    assert len(trace()) == len(done)


@pytest.mark.parametrize(
    "call", [Stack.run, Stack.step, lambda s, mode: s.run_phase(LABELS[0], mode)]
)
def test_a_mode_that_there_is_not_is_refused_and_the_session_goes_on(tree, call) -> None:
    tree.hook("10-a.sh", TRACE)
    stack = tree.stack()
    stack.run_phase(LABELS[0])
    run_dir = stack.run_dir
    stack.evaluate("X=1")
    task = stack.async_run("bg", "sleep", "100")
    with pytest.raises(BadInput, match="unknown mode 'stak'; did you mean 'stack'"):
        call(stack, "stak")

    assert task.running
    assert stack.evaluate("echo $X").stdout == "1\n"
    assert stack.run_dir == run_dir
    assert [path.name for path in run_dir.parent.iterdir() if not path.is_symlink()] == [
        run_dir.name
    ]


def test_the_last_phase_may_be_run_again(tree) -> None:
    tree.hook("10-a.sh", TRACE)
    stack = tree.stack()
    stack.run_phase("override_defaults")
    stack.run_phase("override_defaults")
    stack.run_phase("source")

    assert stack.result.phases == LABELS[:2]
    assert sorted(
        path.name for path in (stack.run_dir / "hooks" / "override_defaults").iterdir()
    ) == ["10-a.sh.2.log", "10-a.sh.log"]


@pytest.mark.parametrize("resumed", [False, True])
def test_a_phase_whose_task_failed_is_run_again_for_a_later_one_that_waits(
    tree, resumed: bool
) -> None:
    tree.hook(
        "10-a.sh",
        TRACE
        + "case ${2-} in install) async_run db test -e mended ;; extra) echo x >>trace; async_wait db ;; esac",
    )
    stack = tree.stack()
    for _ in range(2):  # also where the failure is known from the first time
        with pytest.raises(HookFailed) as caught:
            stack.run()
        assert caught.value.advice == (
            "mend it and run 'stack install', which starts the task, then 'stack extra' again"
        )
        if resumed:
            stack.close()
            stack = Stack.resume(".")
    with pytest.raises(BadInput, match="'stack pre-install' is out of order"):
        stack.run_phase("pre-install")
    Path("mended").touch()
    before = len(trace())
    stack.run_phase("install")
    assert stack.next_phase == "stack extra"
    assert stack.run().complete
    assert stack.result.phases == LABELS
    assert trace()[before:] == [f"10-a.sh:{label}" for label in ("stack install", "stack extra")] + [
        "x", "10-a.sh:stack test-config",
    ]  # fmt: skip
    assert stack.tasks["db"].state == "ok"
    with pytest.raises(BadInput, match="'stack install' is out of order"):
        stack.run_phase("install")
    stack.close()


def test_a_failed_phase_is_run_again_as_a_whole_and_the_run_goes_on(tree) -> None:
    tree.hook("10-a.sh", TRACE + "x=$((x + 1))")
    bad = tree.hook("20-b.sh", TRACE + "[[ $2 != install ]] || false")
    tree.hook("30-c.sh", TRACE)
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run()
    assert trace()[-1] == "20-b.sh:stack install"
    assert stack.next_phase == "stack install"
    assert not stack.result.ok
    bad.write_text(TRACE)
    result = stack.run()

    assert result.complete
    assert trace()[10:13] == [
        "20-b.sh:stack install",
        "10-a.sh:stack install",
        "20-b.sh:stack install",
    ]
    assert list(stack.variables("x").value) == ["8"]


def test_unstack_is_a_run_of_its_own_in_a_new_shell_not_under_errexit(tree, output) -> None:
    tree.hook("10-a.sh", "echo ${left-none}; false; left=1; echo on $1")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run()
    first = stack.run_dir
    result = stack.run("unstack")

    assert result.complete
    assert stack.run_dir != first
    assert output(stack, "10-a.sh", "override_defaults") == "none\non override_defaults\n"
    assert output(stack, "10-a.sh", "unstack") == "1\non unstack\n"


def test_an_unstack_that_is_refused_leaves_the_run_at_hand(
    tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = tree.run("v=kept", run_dir=tmp_path / "first")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(BadInput, match="the working directory is gone"):
        stack.run("unstack")

    assert stack.run_dir == tmp_path / "first"
    assert list(stack.variables("v").value) == ["kept"]


@pytest.mark.parametrize("how", ["run", "step", "run_phase"])
def test_clean_performs_an_unstack_first_however_it_is_begun(tree, how: str) -> None:
    tree.hook("10-a.sh", 'printf "%s " "$@" >>modes')
    stack = tree.stack()
    if how == "run":
        stack.run("clean")
    else:
        for phase in ("override_defaults", "source", "clean"):
            stack.step("clean") if how == "step" else stack.run_phase(phase, "clean")

    before = "override_defaults source unstack"
    assert Path("modes").read_text().split() == [
        *before.split(),
        "override_defaults",
        "source",
        "clean",
    ]
    assert stack.result.complete


def test_clean_performs_an_unstack_first(tree) -> None:
    tree.hook("10-a.sh", TRACE)
    result = tree.stack().run("clean")

    assert trace() == [
        f"10-a.sh:{word}"
        for word in (
            "override_defaults",
            "source",
            "unstack",
            "override_defaults",
            "source",
            "clean",
        )
    ]
    assert [hook.phase for hook in result.hooks] == [line.partition(":")[2] for line in trace()]
    assert result.mode == "clean"


def test_a_plugin_that_settings_enable_joins_from_the_next_phase_on(tree) -> None:
    tree.plugin("late", settings=TRACE, plugin_sh=TRACE)
    early = tree.plugin("early", settings='enable_plugin late "$TOP_DIR/plugins/late"')
    stack = tree.stack(plugins=[early])
    stack.run(until="pre-install")

    assert trace() == ["plugin.sh:stack pre-install"]
    assert [*stack.plan()["hook"]][:2] == ["early-settings", "late-settings"]


@pytest.mark.parametrize("folder", ["a b", 'it\'s $(:) "x"', "line\nbreak", "line\x85end", "a=b,c"])
def test_a_plugin_may_lie_in_a_folder_of_any_name(tree, tmp_path: Path, folder: str) -> None:
    tree.plugin("own", plugin_sh=TRACE)
    (tree.path / "plugins/own").rename(tmp_path / folder)
    (tmp_path / "rc").write_text(f"enable_plugin own {shlex.quote(str(tmp_path / folder))}\n")
    tree.stack(localrc=tmp_path / "rc").run(until="pre-install")
    assert trace() == ["plugin.sh:stack pre-install"]


def test_a_plugin_that_a_script_of_extras_enables_joins_in_the_same_phase(tree) -> None:
    tree.plugin("late", settings=TRACE, plugin_sh=TRACE)
    tree.hook("10-a.sh", '[[ $1 != source ]] || enable_plugin late "$TOP_DIR/plugins/late"')
    tree.hook("20-b.sh", TRACE)
    result = tree.stack().run(until="source")

    assert trace() == ["20-b.sh:override_defaults", "20-b.sh:source", "settings:"]
    assert [hook.name for hook in result.hooks][2:] == ["10-a.sh", "20-b.sh", "late-settings"]


@pytest.mark.parametrize("given", ["localrc", "local_conf"])
def test_a_plan_names_the_plugins_that_the_settings_enable_as_the_run_sources_them(
    tree, tmp_path: Path, given: str
) -> None:
    tree.hook("10-a.sh", ":")
    words = {"override_defaults": ":", "settings": ":", "plugin_sh": ":"}
    first = tree.plugin("first", **words)
    tree.plugin("near", **words)
    (tmp_path / "dest").mkdir()
    shutil.copytree(tree.path / "plugins" / "near", tmp_path / "dest" / "far")
    heading = "[[local|localrc]]\n" if given == "local_conf" else ""
    (tmp_path / "c").write_text(
        f"{heading}DEST='{tmp_path}/dest'\nenable_plugin near plugins/near\n"
        "enable_plugin far https://host/far\nif false; then\n  enable_plugin no /\nfi\n"
    )
    stack = tree.stack(plugins=[first], **{given: tmp_path / "c"})
    before = stack.plan()[["phase", "hook"]].values.tolist()
    stack.run()
    after = stack.plan()[["phase", "hook"]].values.tolist()
    hooks = [hook for hook in stack.result.hooks if hook.name != "localrc"]
    assert before == after == [[hook.phase, hook.name] for hook in hooks]
    assert ["stack install", "far-plugin.sh"] in before


@pytest.mark.parametrize("step", [False, True])
def test_a_plugin_that_a_local_conf_enables_has_its_turn_in_the_first_phase(
    tree, tmp_path: Path, step: bool
) -> None:
    tree.plugin("own", override_defaults=TRACE)
    text = '[[local|localrc]]\nenable_plugin own "$TOP_DIR/plugins/own"\n[[extra|x]]\n'
    (tmp_path / "c").write_text(text)
    stack = tree.stack(local_conf=tmp_path / "c")
    stack.step(hook=step)

    assert trace() == ["override-defaults:"]
    assert ["not '[[extra|x]]'" in note for note in stack.result.notes] == [True]


def test_a_plugin_that_joins_a_phase_and_cannot_be_run_ends_it(tree, tmp_path: Path) -> None:
    tree.plugin("own", override_defaults="echo a\r\n")
    (tmp_path / "rc").write_text('enable_plugin own "$TOP_DIR/plugins/own"\n')
    with pytest.raises(BadInput, match=r"own-override-defaults.*CRLF"):
        tree.stack(localrc=tmp_path / "rc").run()


def test_a_resumed_run_goes_on_with_the_plugins_that_hooks_have_enabled(tree) -> None:
    tree.plugin("late", plugin_sh=TRACE)
    tree.hook("10-a.sh", '[[ $1 != source ]] || enable_plugin late "$TOP_DIR/plugins/late"')
    stack = tree.stack()
    run_dir = stack.run(until="source").run_dir
    stack.close()
    with Stack.resume(run_dir) as again:
        again.run(until="install")

    assert trace() == ["plugin.sh:stack pre-install", "plugin.sh:stack install"]


@pytest.mark.parametrize("resumed", [False, True])
def test_what_has_enabled_a_plugin_may_do_so_again_when_its_phase_is_run_again(
    tree, tmp_path: Path, resumed: bool
) -> None:
    for name in ("own", "late", "mine"):
        tree.plugin(name, override_defaults=TRACE)
    (tmp_path / "rc").write_text('enable_plugin own "$TOP_DIR/plugins/own"\n')
    tree.hook("10-a.sh", 'enable_plugin late "$TOP_DIR/plugins/late"; [[ -v mended ]]')
    stack = tree.stack(localrc=tmp_path / "rc")
    with pytest.raises(HookFailed):
        stack.run()
    stack.evaluate('mended=1; enable_plugin mine "$TOP_DIR/plugins/mine"')
    run_dir = stack.run_dir
    if resumed:
        stack.close()
        stack = Stack.resume(run_dir)
    stack.run(until="override_defaults")
    planned = [*stack.plan()["hook"]]
    stack.close()

    assert planned[:4] == [
        "10-a.sh",
        *(f"{name}-override-defaults" for name in ("mine", "own", "late")),
    ]
    assert trace() == ["override-defaults:"] * 3


@pytest.mark.parametrize("how", ["given", "enabled"])
def test_a_plugin_finds_its_own_files_in_the_dest_of_the_tree(
    tree, tmp_path: Path, output, how: str
) -> None:
    word = tree.plugin("own", settings='source "$DEST/own/devstack/lib"', lib="echo found")
    folder = Path(word.partition("=")[2])
    (tmp_path / "rc").write_text(
        f"enable_plugin own {shlex.quote(str(folder))}\n" if how == "enabled" else ":\n"
    )
    stack = tree.stack(plugins=[word] if how == "given" else [], localrc=tmp_path / "rc")
    stack.run(until="source")

    assert output(stack, "own-settings", "source") == "found\n"
    assert (tree.path / ".stacknb" / "dest" / "own").readlink() == folder


def test_a_dest_of_the_user_and_what_lies_in_dest_are_left_alone(tree, tmp_path: Path) -> None:
    plugins = [tree.plugin("own", settings=":")]
    (tmp_path / "dest").mkdir()
    tree.stack(plugins=plugins, env={"DEST": str(tmp_path / "dest")}).run(until="source")
    assert list((tmp_path / "dest").iterdir()) == []

    (tree.path / ".stacknb" / "dest" / "own").mkdir(parents=True)
    tree.stack(plugins=plugins).run(until="source")
    assert list((tree.path / ".stacknb" / "dest" / "own").iterdir()) == []


def test_a_plugin_is_noted_that_a_dest_of_the_settings_leads_astray(tree, tmp_path: Path) -> None:
    word = tree.plugin("own", plugin_sh='ls "$DEST/own/devstack"')
    (tmp_path / "rc").write_text(f"DEST={tmp_path}/elsewhere\n")
    stack = tree.stack(plugins=[word], localrc=tmp_path / "rc")
    assert f"its own files in '{tmp_path}/elsewhere/own'" in str(stack.run(until="source").notes)


def test_a_plugin_without_a_folder_is_a_note_where_functions_of_devstack_enable_it(tree) -> None:
    for name in ("stack.sh", "functions-common"):
        (tree.path / name).write_text(":\n")
    (tree.path / "functions").write_text(
        "declare -gA GITDIR; cleanup_oscwrap() { :; }\n"
        "enable_plugin() { DEVSTACK_PLUGINS+=,$1; GITDIR[$1]=$DEST/$1; }\n"
    )
    tree.hook("10-a.sh", "[[ $1 != source ]] || enable_plugin gone https://example.org/gone")
    notes = tree.stack().run(until="source").notes

    folder = f"{tree.path}/.stacknb/dest/gone"
    assert notes == [
        f"plugin 'gone': there is no folder {folder!r}, so nothing of it is run; clone it there first"
    ]


def test_plugin_requires_that_the_order_contradicts_is_a_note(tree) -> None:
    plugins = [tree.plugin("a", settings="plugin_requires a b"), tree.plugin("b", settings=":")]
    stack = tree.stack(plugins=plugins)
    stack.run(until="source")

    assert (
        "plugin 'a' requires 'b', which comes after it; move 'b' before 'a'" in stack.result.notes
    )


def test_plugin_requires_is_heeded_in_a_devstack_tree_where_it_does_nothing(tree) -> None:
    for name in ("stack.sh", "functions-common"):
        (tree.path / name).write_text(":\n")
    (tree.path / "functions").write_text(
        "declare -gA GITDIR; cleanup_oscwrap() { :; }; plugin_requires() { :; }\n"
        "enable_plugin() { DEVSTACK_PLUGINS+=,$1; GITDIR[$1]=$DEST/$1; }\n"
    )
    plugins = [
        tree.plugin("a", settings="set -x\nplugin_requires a b\nset +x"),
        tree.plugin("b", settings=":"),
    ]
    stack = tree.stack(plugins=plugins)
    notes = stack.run(until="source").notes
    assert notes == ["plugin 'a' requires 'b', which comes after it; move 'b' before 'a'"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("10-a.sh", "echo a\r\n", "CRLF"),
        ("10-a.sh", "\ufeffecho a\n", "byte order mark"),
        ("10-a.sh", "#!/usr/bin/python3\n", "no bash script"),
        ("10-a.sh", "\0", "NUL"),
    ],
)
def test_a_hook_that_cannot_be_run_is_named_before_the_phase_begins(
    tree, name: str, text: str, message: str
) -> None:
    tree.hook("05-first.sh", TRACE)
    path = tree.hook(name, text)
    stack = tree.stack()
    with pytest.raises(BadInput, match=message) as caught:
        stack.run()

    assert str(path) in str(caught.value)
    assert trace() == []
    path.write_text(":")
    assert stack.run().complete


@pytest.mark.parametrize("text", ["a\0b", "echo \ud800"])
def test_a_text_that_bash_cannot_take_is_refused_before_anything_runs(tree, text: str) -> None:
    stack = tree.stack()
    stack.run_phase(LABELS[0])
    for what, call in (("the cell", lambda: stack.evaluate(text)),
                       ("argument of task 'y'", lambda: stack.async_run("y", "echo", text)),
                       ("argument of task 'y'", lambda: stack.async_run("y", "true", cwd=text))):  # fmt: skip
        with pytest.raises(BadInput, match=f"^{what} (holds a NUL|cannot be written as)") as caught:
            call()
        assert "_stacknb" not in str(caught.value)
    assert stack.tasks == {}
    assert stack.evaluate("echo well").stdout == "well\n"


@pytest.mark.parametrize("leave", [Path.exists, Path.touch], ids=["nothing", "a file"])
def test_a_run_directory_that_was_removed_is_called_gone(tree, leave) -> None:
    tree.hook("10-a.sh", ":")
    stack = tree.stack()
    stack.step()
    shutil.rmtree(stack.run_dir)
    leave(stack.run_dir)
    calls = [
        stack.step,
        lambda: stack.evaluate(":"),
        lambda: stack.async_run("t", "true"),
        stack.run,
    ]
    for call in calls:
        with pytest.raises(StacknbError, match=r"is gone: .*; begin a new run .*, or put it back"):
            call()


def test_a_hook_that_removes_its_own_log_is_told_so(tree) -> None:
    tree.hook("10-a.sh", 'echo lost; rm "$(readlink /proc/$$/fd/1)"')
    stack = tree.stack()
    stack.step()
    (note,) = status.read(stack.run_dir).notes
    assert note.startswith("10-a.sh: its log was emptied while it ran")
    assert "or removed: what it had printed before is lost" in note

    tree.hook("10-a.sh", 'rm -r "$(dirname "$(readlink /proc/$$/fd/1)")"')
    with pytest.raises(HookFailed, match="keep all that it wrote: its log was removed") as caught:
        stack.step()
    assert "next    mend it and run 'source' again" in str(caught.value)


def test_a_hook_that_removes_all_logs_can_be_run_again(tree) -> None:
    tree.hook("10-a.sh", 'cd "$(dirname "$(readlink /proc/$$/fd/1)")"; rm -r ../../hooks; false')
    stack = tree.stack()
    with pytest.raises(HookFailed, match="its log was removed while it ran"):
        stack.step()
    tree.hook("10-a.sh", ":")

    assert [hook.ok for hook in stack.step()] == [True]


def test_warnings_are_notes_once_each(tree) -> None:
    tree.hook("05-a.sh", ":")
    tree.hook("name.sh", ":")
    (tree.extras / "50-gone.sh").symlink_to("nowhere")
    result = tree.stack().run()

    assert len(result.notes) == 3
    assert [hook.status for hook in result.hooks if hook.name == "50-gone.sh"] == ["skipped"] * 7
    assert result.ok


def test_settings_of_a_localrc_come_before_the_first_hook(tree, tmp_path: Path, output) -> None:
    (tmp_path / "rc").write_text("A=from-rc\nB='x  y'\nenable_service z\n")
    tree.hook("10-a.sh", 'echo "$A" "$B" $ENABLED_SERVICES')
    stack = tree.stack(localrc=tmp_path / "rc")
    stack.run_phase("override_defaults")

    assert output(stack, "10-a.sh") == "from-rc x  y z\n"


@pytest.mark.parametrize("own", ["", "disable_negated_services() { ENABLED_SERVICES=own; }\n"])
@pytest.mark.parametrize("given", ["x,-x,y", "x, y -x"])
def test_a_service_that_the_settings_negate_is_not_enabled_in_the_first_hook(
    tree, tmp_path: Path, output, own: str, given: str
) -> None:
    aliases = "shopt -s expand_aliases\nalias if=: builtin=:\n"
    (tmp_path / "rc").write_text(f"{own}{aliases}ENABLED_SERVICES='{given}'\n")
    tree.hook("10-a.sh", "echo $ENABLED_SERVICES")
    stack = tree.stack(localrc=tmp_path / "rc")
    stack.step()

    assert output(stack, "10-a.sh") == ("own\n" if own else "y\n")


def test_a_service_negated_in_a_readonly_list_is_told(tree, tmp_path: Path, output) -> None:
    (tmp_path / "rc").write_text("readonly ENABLED_SERVICES=a,b,-b\n")
    tree.hook("10-a.sh", "echo $ENABLED_SERVICES")
    stack = tree.stack(localrc=tmp_path / "rc")
    stack.step()

    assert output(stack, "10-a.sh") == "a,b,-b\n"
    assert stack.result.notes == [
        (
            "the settings make 'ENABLED_SERVICES' readonly: what a '-NAME' in it takes away stays "
            "enabled; leave 'readonly' out and begin anew"
        )
    ]


def test_a_function_that_negates_services_and_ends_the_shell_is_named(tree, tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("disable_negated_services() { exit 3; }\nENABLED_SERVICES=a,-b\n")
    said = "in 'disable_negated_services', called after the settings: the shell ended with status 3"
    with pytest.raises(ShellDied, match=said):
        tree.stack(localrc=tmp_path / "rc").step()


@pytest.mark.parametrize("words", ["if=:", "then=: fi=: '[[=:'", "if=: builtin=:"])
def test_aliases_in_the_place_of_reserved_words_do_not_reach_the_driver(
    tree, tmp_path: Path, words: str
) -> None:
    (tmp_path / "rc").write_text(f"v=kept\nshopt -s expand_aliases\nalias {words}\n")
    tree.hook("10-a.sh", "v+=!")
    tree.hook("20-b.sh", "v+=?\nfalse")
    stack = tree.stack(localrc=tmp_path / "rc")
    with pytest.raises(HookFailed, match=r"'20-b\.sh' failed with status 1 under errexit"):
        stack.step()
    notes = status.read(stack.run_dir).notes
    assert [note for note in notes if "snapshot" in note] == []
    assert stack.evaluate("echo $v").stdout == "kept!?\n"


def test_what_follows_the_settings_calls_no_function_in_the_place_of_a_builtin(
    tree, tmp_path: Path
) -> None:
    (tmp_path / "rc").write_text(":() { exit 5; }\n")
    assert tree.stack(localrc=tmp_path / "rc").step() == []


@pytest.mark.parametrize("given", ["localrc", "local_conf"])
@pytest.mark.parametrize("mode", ["stack", "unstack"])
def test_a_localrc_is_sourced_outside_of_functions_and_of_errexit(
    tree, tmp_path: Path, output, given: str, mode: str
) -> None:
    heading = "[[local|localrc]]\n" if given == "local_conf" else ""
    (tmp_path / "rc").write_text(
        f"{heading}declare -A M\nM[a-b]=1\ndeclare -i N=2\n"
        "A=$(false)\nfalse\nB=${FUNCNAME[*]-}:$#\n[[ $NONE ]] && C=1\n"
    )
    tree.hook("10-a.sh", 'N+=1\necho "${M[a-b]} $N $B ${-//[^e]}"')
    stack = tree.stack(**{given: tmp_path / "rc"})
    result = stack.run(mode)

    assert result.ok
    errexit = "e" if mode == "stack" else ""
    assert output(stack, "10-a.sh") == f"1 3 :0 {errexit}\n"


def test_a_localrc_that_ends_the_shell_is_named_and_can_be_mended(tree, tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("A=1\nexit 1\n")
    tree.hook("10-a.sh", TRACE)
    with pytest.raises(HookFailed) as caught:
        tree.stack(localrc=tmp_path / "rc").run()

    assert caught.value.failure.what == "localrc"
    assert caught.value.failure.place == f"{tmp_path}/rc:2"
    assert trace() == []


@pytest.mark.parametrize(("given", "seen"), [("1", "True"), ("no", "False"), ("", "True")])
def test_the_switch_for_tasks_is_one_of_the_two_words_that_hooks_compare_it_with(
    tree, output, given: str, seen: str
) -> None:
    stack = tree.run('echo "$DEVSTACK_PARALLEL"', env={"DEVSTACK_PARALLEL": given})

    assert output(stack, "10-hook.sh") == f"{seen}\n"


@pytest.mark.parametrize("kind", ["localrc", "local_conf"])
@pytest.mark.parametrize("how", ["again", "resumed"])
def test_settings_that_failed_can_be_mended_where_the_user_wrote_them(
    tree, tmp_path: Path, kind: str, how: str
) -> None:
    rc = tmp_path / "my settings"
    text = "[[extra|x]]\n[[local|localrc]]\nA=1\n" if kind == "local_conf" else "#\n#\nA=1\n"
    rc.write_text(f"{text}exit 1\n")
    tree.hook("10-a.sh", "echo $A $B")
    stack = tree.stack(**{kind: rc})
    with pytest.raises(HookFailed) as caught:
        stack.run()
    assert caught.value.failure.place == f"{rc}:4"
    assert f"at      {rc}:4\n" in str(caught.value)
    rc.write_text(f"{text}B=mended\n")
    run_dir = stack.run_dir
    if how == "resumed":
        stack.close()
        stack = Stack.resume(run_dir)
    assert stack.run().complete
    stack.close()
    text = (run_dir / "hooks/override_defaults/10-a.sh.log").read_text()
    assert "\n1 mended\n" in text


@pytest.mark.parametrize(
    "env", [{"A": "x\0y"}, {"A\0": "x"}, {"A=B": "x"}, {"A": 5}, {"A": None}, {"\ud800": "x"}]
)
def test_variables_that_no_environment_can_hold_are_refused(tree, env: dict) -> None:
    tree.hook("10-a.sh", ":")
    with pytest.raises((BadInput, TypeError)):
        tree.stack(env=env).run_phase("override_defaults")


@pytest.mark.parametrize(
    "given",
    [{"BIG": "x" * 131_100}, {"BIG": "x" * 131_000, **{f"V{i}": "x" * 99_999 for i in range(30)}}],
)
def test_an_environment_that_is_too_large_is_refused_with_its_largest_variable(
    tree, given: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = (
        r"^the environment \([\d,]+ bytes\) is too large .* 'BIG' \(131,[01]\d\d bytes\) first$"
    )
    with pytest.raises(BadInput, match=message):
        tree.stack(env=given)
    stack = tree.stack()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=message):
        stack.step()
    assert not Path(".stacknb/runs").exists()


def test_the_largest_variable_that_is_not_refused_can_be_used(tree, output) -> None:
    tree.hook("10-a.sh", 'echo "${#BIG}"\n')
    stack = tree.stack(env={"BIG": "x" * (131_072 - len("BIG=") - 1)})
    stack.step()
    assert output(stack, "10-a.sh") == "131067\n"


def test_a_run_begins_with_the_environment_of_that_moment(
    tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.hook("10-a.sh", "true\n")
    monkeypatch.setenv("A", "old")
    stack = tree.stack(env={"B": "given"})
    stack.step()
    monkeypatch.setenv("A", "new")
    monkeypatch.setenv("B", "new")
    assert stack.evaluate('echo "$A $B"').stdout == "old given\n"
    stack.reset()
    stack.step()
    assert stack.evaluate('echo "$A $B"').stdout == "new given\n"


def test_variables_can_be_given_to_the_environment(tree, output) -> None:
    tree.hook("10-a.sh", 'printf "<%s>" "$A" "$B"; printenv A | wc -c')
    stack = tree.stack(env={"A": "x\n y", "B": "\udcff"})
    stack.run_phase("override_defaults")

    assert output(stack, "10-a.sh") == "<x\n y><\udcff>5\n"


def test_a_run_directory_that_cannot_be_written_is_named(tree, tmp_path: Path) -> None:
    tree.hook("10-a.sh", ":")
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"run directory '.*/file/run' cannot be written"):
        tree.stack(run_dir=tmp_path / "file" / "run").run()
    assert tree.stack(run_dir=tmp_path / "good").run().complete


def test_a_bash_that_is_missing_or_too_old_is_named(tree, tmp_path: Path, monkeypatch) -> None:
    tree.hook("10-a.sh", ":")
    fake = tmp_path / "bin"
    fake.mkdir()
    monkeypatch.setenv("PATH", str(fake))
    with pytest.raises(BadInput, match=r"'bash' was not found in PATH; install bash 5.0 or newer"):
        tree.stack()
    (fake / "bash").write_text("#!/bin/sh\necho '3.2.57(1)-release'\n")
    (fake / "bash").chmod(0o755)
    with pytest.raises(BadInput, match=r"is bash '3.2.57\(1\)-release'; install bash 5.0 or newer"):
        tree.stack()
    (fake / "bash").write_text("no program")
    with pytest.raises(
        BadInput, match=r"/bash' cannot be started \(Exec format error\): mend that"
    ):
        tree.stack()
    (fake / "bash").write_text("#!/bin/sh\necho nonsense\n")
    with pytest.raises(BadInput, match=r"install bash 5.0 or newer"):
        tree.stack()
    (fake / "bash").write_text("#!/bin/sh\nexec /bin/sleep 1000\n")
    monkeypatch.setattr("stacknb.shell.environment._PATIENCE_S", 0.5)
    with pytest.raises(BadInput, match=r"has not told its version within 0.5 s; put another"):
        tree.stack()


def test_the_bash_of_the_path_is_started_again_after_a_hook_failed(
    tree, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "bin").mkdir()
    mine = tmp_path / "bin" / "bash"
    mine.symlink_to(str(shutil.which("bash")))
    monkeypatch.setenv("PATH", f"bin:{os.environ['PATH']}")  # it may be relative
    tree.hook("10-a.sh", "cd /; PATH=/nowhere; exit 3")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    assert stack.evaluate('echo "$BASH"').stdout == f"{mine}\n"


def test_two_threads_take_turns(tree) -> None:
    stack = tree.run("n=0")
    threads = [
        threading.Thread(target=lambda: [stack.evaluate("n=$((n + 1))") for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(stack.variables("n").value) == ["80"]


def test_current_is_the_stack_made_last(tree) -> None:
    tree.hook("10-a.sh", ":")
    first, second = tree.stack(), tree.stack()
    assert stacknb.current() is second
    second.close()
    first.close()
    with pytest.raises(BadInput, match="no stack yet"):
        stacknb.current()


def test_the_stack_made_before_is_at_hand_again_once_the_last_is_closed(tree) -> None:
    tree.hook("10-a.sh", ":")
    first, second, third = tree.stack(), tree.stack(), tree.stack()
    second.close()
    third.close()
    assert stacknb.current() is first


def test_a_run_that_left_no_snapshot_does_not_take_the_place_of_the_stack_at_hand(tree) -> None:
    lost = tree.run(":").run_dir
    tree.close()
    for snapshot in (lost / "state").glob("snapshot*"):
        snapshot.unlink()
    at_hand = tree.stack()
    with pytest.raises(BadInput, match="left no snapshot"):
        Stack.resume(lost)
    assert stacknb.current() is at_hand


def test_a_stack_and_a_task_refuse_to_be_copied_and_the_run_stays_theirs(tree) -> None:
    stack = tree.run(":")
    task = stack.async_run("nap", "sleep", "1000")
    for one, what in ((stack, "a stack cannot be copied"), (task, "task 'nap' cannot be copied")):
        for copied in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match=what):
                copied(one)
    with pytest.raises(BadInput, match="is going on in this process"):
        stacknb.Stack.resume(stack.run_dir)


def test_closing_twice_and_using_it_again_begins_a_new_run(tree) -> None:
    stack = tree.run("v=1")
    first = stack.run_dir
    stack.close()
    stack.close()
    stack.run_phase("override_defaults")

    assert stack.run_dir != first


# ------------------------------------------------------------------------- resume


def test_a_failed_run_is_resumed_from_its_snapshot(tree, output) -> None:
    tree.hook(
        "10-a.sh",
        TRACE
        + 'case $2 in pre-install) v=kept; f() { echo f $v; }; cd "$TOP_DIR" ;; install) [[ -v mended ]] || false; f; pwd; echo $0 ;; esac',
    )
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run()
    run_dir = stack.run_dir
    stack.close()
    with Stack.resume(run_dir) as resumed:
        assert resumed.next_phase == "stack install"
        assert resumed.run_dir == run_dir
        resumed.evaluate("mended=1")
        result = resumed.run()

        assert result.complete
        assert result.phases == LABELS
        shown = f"f kept\n{tree.path}\n{tree.path}/stack.sh\n"
        assert output(resumed, "10-a.sh.2", "stack install") == shown
    facts = json.loads((run_dir / "run.json").read_text())
    assert facts["mode"] == "stack"
    assert facts["cpus"] == os.cpu_count()


def test_resume_finds_the_latest_run(tree) -> None:
    tree.hook("10-a.sh", "[[ $1 == override_defaults ]]")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run()
    run_dir = stack.run_dir
    stack.close()
    with Stack.resume(".") as resumed:
        assert resumed.run_dir == run_dir
        assert resumed.next_phase == "source"


def test_resume_under_errexit_is_under_errexit(tree) -> None:
    tree.hook("10-a.sh", "case $1 in source) exit 3 ;; esac")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run()
    run_dir = stack.run_dir
    stack.close()
    tree.hook("10-a.sh", "false\necho never")
    with Stack.resume(run_dir) as resumed, pytest.raises(HookFailed):
        resumed.run()


def test_what_cannot_be_resumed_is_named(tree, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no run directory"):
        Stack.resume(tmp_path)
    tree.hook("10-a.sh", "kill -9 $$")
    stack = tree.stack(run_dir=tmp_path / "run")
    with pytest.raises(HookFailed):
        stack.run()
    stack.close()
    with Stack.resume(tmp_path / "run") as resumed:  # as it was before the first hook
        assert resumed.next_phase == "override_defaults"
    for path in (tmp_path / "run" / "state").glob("snapshot*"):
        path.unlink()
    with pytest.raises(BadInput, match=r"left no snapshot to resume from; stack anew"):
        Stack.resume(tmp_path / "run")
    newest = tmp_path / "run" / "state" / "snapshot.bash"
    newest.symlink_to(newest)
    with pytest.raises(BadInput, match=r"snapshot.bash' cannot be read: Too many levels"):
        Stack.resume(tmp_path / "run")


def test_a_resume_that_is_interrupted_leaves_nothing_running(
    tree, left, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.hook("10-a.sh", ":")
    stack = tree.stack()
    stack.step()
    run_dir = stack.run_dir
    stack.close()

    def interrupted(_: Shell) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Shell, "restore", interrupted)
        with pytest.raises(KeyboardInterrupt) as kept:
            Stack.resume(run_dir)
    assert left() == []
    assert kept.tb  # in a notebook, the last error keeps all that it came from


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "x",
        "#stacknb variables\n",
        "declare -- v=$'",
        '#stacknb variables\ndeclare -- a="1"\n#stacknb traps\ntrap -- \'x',
    ],
)
def test_a_damaged_snapshot_is_no_reason_to_hang(tree, damage: str) -> None:
    tree.hook("10-a.sh", "case $1 in source) exit 3 ;; esac")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run()
    run_dir = stack.run_dir
    stack.close()
    (run_dir / "state" / "snapshot.bash").write_text(damage)
    tree.hook("10-a.sh", ":")
    with contextlib.suppress(StacknbError), Stack.resume(run_dir) as resumed:
        resumed.evaluate("echo x")


def test_a_killed_process_can_be_resumed_with_the_state_of_the_last_hook(
    tree, left, tmp_path: Path, until
) -> None:
    tree.hook("10-a.sh", "v=$1; case $1 in source) : >ready; sleep 1000 ;; esac")
    tree.hook("05-b.sh", "w=$1")
    code = f"import stacknb\nstacknb.Stack({str(tree.path)!r}, run_dir={str(tmp_path / 'run')!r}).run()"

    def is_kept(words: bytes) -> bool:
        snapshots = (tmp_path / "run" / "state").glob("snapshot*.bash")
        return any(words in snapshot.read_bytes() for snapshot in snapshots)

    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        try:
            until(lambda: Path("ready").exists(), "it has come so far")
            # Within a phase that is put off until the next hook is at work.
            until(lambda: is_kept(b'w="source"'), "the state of the last hook is on disk")
        finally:
            parent.kill()
    tree.hook("10-a.sh", "v=$1")
    with Stack.resume(tmp_path / "run") as resumed:
        assert resumed.next_phase == "source"
        assert resumed.evaluate("echo $v $w").stdout == "override_defaults source\n"
        assert resumed.run().complete
    until(lambda: left() == [], "the old supervisor has ended what the killed process left")


def test_the_run_directory_holds_what_the_contract_says(tree) -> None:
    tree.hook("10-a.sh", "[[ $2 != install ]] || { async_run t true; async_wait t; }")
    stack = tree.stack(plugins=[tree.plugin("p", settings=":")])
    stack.run()
    stack.evaluate("echo cell")
    found = {
        str(path.relative_to(stack.run_dir)) for path in stack.run_dir.rglob("*") if path.is_file()
    }

    assert {
        "run.json",
        "journal.jsonl",
        "waits.jsonl",
        "async/t.log",
        "cells/1.bash",
        "cells/1.log",
    } <= found
    assert {f"hooks/{label.replace(' ', '-')}/10-a.sh.log" for label in LABELS} <= found
    assert "hooks/source/p-settings.log" in found
    assert stat.S_IMODE((stack.run_dir / "state").stat().st_mode) == 0o700
    assert os.readlink(stack.run_dir.parent / "latest") == stack.run_dir.name


def test_a_run_that_was_mended_is_well(tree) -> None:
    tree.hook("10-a.sh", "[[ -v mended ]]")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.step()
    assert not stack.result.ok
    assert "1 failed" in repr(stack.result)
    stack.evaluate("mended=1")
    result = stack.run()

    assert result.complete
    assert result.ok
    assert "failed" not in repr(result)
    assert [hook.status for hook in result.hooks][:2] == ["failed", "ok"]  # both tries are kept


def test_a_state_folder_that_cannot_be_written_is_no_reason_to_lose_the_session(tree) -> None:
    tree.hook("10-a.sh", "v=1; rm -r run/state; exit 3")
    stack = tree.stack(run_dir="run")
    with pytest.raises(HookFailed, match="called exit with status 3"):
        stack.step()

    assert stack.evaluate("echo $v").stdout == "1\n"


def test_timers_that_a_failed_hook_left_running_are_forgotten(tree) -> None:
    tree.hook("10-a.sh", "[[ $1 == override_defaults ]] || exit 0; time_start whole")
    tree.hook(
        "20-b.sh", "time_start part; [[ -v mended ]] || exit 3; time_stop part; time_stop whole"
    )
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.step()
    stack.evaluate("mended=1; time_stop whole")

    assert [hook.status for hook in stack.step()] == ["ok", "ok"]


def test_a_phase_that_another_process_runs_again_begins_with_the_timers_it_had(tree) -> None:
    tree.hook(
        "10-a.sh", 'case "$1" in override_defaults) time_start first ;; *) time_stop first ;; esac'
    )
    tree.hook("20-b.sh", "time_start whole")
    tree.hook("30-c.sh", "time_start part; [[ $1 != source || -e mended ]]; time_stop part")
    tree.hook("40-d.sh", "time_stop whole")
    with tree.stack(run_dir="run") as stack, pytest.raises(HookFailed, match=r"30-c\.sh"):
        stack.run(until="source")
    Path("mended").touch()

    with Stack.resume("run") as again:
        assert [hook.status for hook in again.step()] == ["ok"] * 4


def test_an_interrupted_cell_is_called_one(tree) -> None:
    stack = tree.run("async_run t sleep 1000")
    thread = threading.Timer(0, lambda: _interrupt_when(stack, Path("ready").absolute()))
    thread.start()
    with pytest.raises(stacknb.Interrupted, match="'cell 1' was interrupted") as caught:
        stack.evaluate(": >ready; sleep 1000")
    thread.join()

    assert caught.value.tasks == ("t",)


def _interrupt_when(stack: Stack, ready: Path) -> None:
    deadline = time.monotonic() + 60
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    stack.interrupt()


def test_the_directory_given_to_clean_holds_the_run_of_clean(tree, tmp_path: Path) -> None:
    tree.hook("10-a.sh", TRACE)
    result = tree.stack(run_dir="run").run("clean")

    assert result.run_dir == tmp_path / "run"
    modes = {path.parent.name: json.loads(path.read_text())["mode"] for path in tmp_path.glob("*/run.json")}  # fmt: skip
    assert modes == {"run": "clean", "run-unstack": "unstack"}


# ---------------------------------------------------------------- a DevStack tree as top_dir

FUNCTIONS = """\
declare -A -g _TIME_TOTAL
run_process() { echo "systemctl start devstack@$1"; }
stop_process() { echo "systemctl stop devstack@$1"; }
is_running() { echo "is $1 running?"; }
async_run() { echo "not ours"; }
cleanup_oscwrap() {
    local total=0
    total=$(cat "$OSCWRAP_TIMER_FILE" | $PYTHON -c "import sys; print(sum(int(l) for l in sys.stdin))")
    _TIME_TOTAL["osc"]=$total
    rm "$OSCWRAP_TIMER_FILE"
}
time_totals() { cleanup_oscwrap; printf 'osc %s\\n' "${_TIME_TOTAL[osc]-none}"; }
"""


@pytest.fixture
def devstack(tree, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PYTHON", raising=False)
    for name in ("stack.sh", "functions-common"):
        (tree.path / name).write_text("")
    (tree.path / "functions").write_text(FUNCTIONS)
    return tree


def test_of_a_devstack_tree_all_functions_but_those_of_tasks_are_used(devstack, output) -> None:
    script = "is_running a; run_process a 'sleep 9'; stop_process a\nasync_run t echo ours; async_wait t\n"
    stack = devstack.run(script)
    said = ["is a running?", "systemctl start devstack@a", "systemctl stop devstack@a"]

    shown = output(stack, "10-hook.sh").splitlines()
    assert shown[:3] == said
    assert "ours" in shown[3:]
    assert services.names(services.directory(devstack.path)) == []

    devstack.hook("10-hook.sh", "exit 3")
    with pytest.raises(HookFailed):
        stack.run_phase("source")
    restored = stack.evaluate(script).stdout.splitlines()
    assert restored[:3] == said
    assert "ours" in restored[3:]


def test_the_functions_of_a_devstack_tree_find_what_its_stack_sh_gives_them(
    devstack, output
) -> None:
    stack = devstack.run(
        'time_totals; async_print_timing\n"$PYTHON" -c "print(6 * 7)"\n'
        "OSCWRAP_TIMER_FILE=$PWD/osc; printf '2\\n3\\n' >osc; time_totals\n"
    )

    shown = output(stack, "10-hook.sh").splitlines()
    assert shown[0] == "osc none"
    assert shown[-2:] == ["42", "osc 5"]
    assert not Path("osc").exists()
    result = stack.run()
    assert result.timing.startswith("osc 5\n")


def test_a_python_that_the_user_has_chosen_for_a_devstack_tree_stays(devstack, output) -> None:
    stack = devstack.run('echo "$PYTHON"', env={"PYTHON": "/my/python"})

    assert output(stack, "10-hook.sh") == "/my/python\n"


@pytest.mark.parametrize("restored", [False, True])
def test_the_place_of_a_die_of_a_devstack_tree_is_where_it_was_called(
    devstack, restored: bool
) -> None:
    (devstack.path / "functions-common").write_text(
        "die() {\n    exit 4\n}\ndie_if_not_set() { [[ -v $2 ]] || die $1; }\n"
    )
    with (devstack.path / "functions").open("a") as functions:
        functions.write('source "$TOP_DIR/functions-common"\n')
    hook = devstack.hook(
        "10-a.sh", "f() {\n    die_if_not_set $LINENO NOTHING\n}\n[[ ! -v go ]] || f\n"
    )
    stack = devstack.stack()
    stack.run(until="override_defaults")
    if restored:
        with pytest.raises(HookFailed):
            stack.evaluate("exit 1")
    stack.evaluate("go=1")
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("source")

    assert caught.value.failure.place == f"{hook}:2"
    assert caught.value.failure.status == 4


def test_a_process_with_more_than_1024_open_files_can_stack(tree) -> None:
    kept = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, kept[1]), kept[1]))
    files: list[int] = []
    try:
        for _ in range(1100):
            files.append(os.open(os.devnull, os.O_RDONLY))
        stack = tree.run("async_run t true; async_wait t")
        stack.async_run("u", "sleep", "0.1")
        assert [result.status for result in stack.async_wait("u")] == ["ok"]
        stack.close()
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, kept)


def test_a_forked_process_can_neither_use_nor_end_the_run_of_the_first(tree) -> None:
    tree.hook("10-a.sh", "async_run t$#.$1 true")
    script = (
        "import os, sys, stacknb\n"
        f"stack = stacknb.Stack({str(tree.path)!r})\n"
        "stack.step()\n"
        "if not os.fork():\n"
        "    try:\n"
        "        with stack: stack.step()\n"
        "    except stacknb.StacknbError as error:\n"
        "        print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print([hook.status for hook in stack.step()])\n"
        "stack.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "is that of the process which has forked this one; begin a new run\n" in done.stdout
    assert done.stdout.endswith("['ok']\n"), done.stderr


def test_a_forked_process_does_not_end_the_hook_that_a_thread_of_the_first_is_at(tree) -> None:
    tree.hook("10-a.sh", "touch ready; until [[ -e go ]]; do sleep 0.01; done")
    script = (
        "import os, pathlib, time, stacknb\n"
        f"stack = stacknb.Stack({str(tree.path)!r})\n"
        "worker = stack.start(stack.step)\n"
        "while not pathlib.Path('ready').exists(): time.sleep(0.005)\n"
        "if not os.fork():\n"
        "    try:\n"
        "        with stack: stack.evaluate(':')\n"
        "    except stacknb.StacknbError as error:\n"
        "        print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "pathlib.Path('go').touch()\n"
        "print([hook.status for hook in worker.wait()])\n"
        "stack.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    assert "is that of the process which has forked this one; begin a new run\n" in done.stdout
    assert done.stdout.endswith("['ok']\n"), done.stderr


def test_a_stack_that_is_closed_ends_what_any_thread_has_it_do(tree, until) -> None:
    tree.hook("10-a.sh", "touch ready; sleep 1000")
    stack, ended = tree.stack(), list[BaseException]()

    def work() -> None:
        try:
            stack.run()
        except stacknb.StacknbError as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(Path("ready").exists, "the hook is at work")
    stack.close()
    thread.join(60)

    assert [type(error) for error in ended] == [stacknb.Interrupted]
    assert not stack.busy


def test_a_stack_that_is_dropped_without_being_closed_leaves_no_descriptor_open(tree) -> None:
    tree.hook("10-a.sh", "async_run nap$# sleep 1000")
    script = (
        "import gc, os, stacknb\n"
        "def work():\n"
        f"    stack = stacknb.Stack({str(tree.path)!r})\n"
        "    stack.step()\n"
        f"stacknb.Stack({str(tree.path)!r}).close()\n"
        "before = os.listdir('/proc/self/fd')\n"
        "for _ in range(3): work()\n"
        f"other = stacknb.Stack({str(tree.path)!r})\n"  # or the last one is the notebook's
        "gc.collect()\n"
        "print(len(os.listdir('/proc/self/fd')) - len(before))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("0\n", "")


def test_the_log_of_a_hook_whose_bash_was_killed_just_before_its_turn_is_whole(
    tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.hook("10-a.sh", "echo out")
    stack = tree.stack()
    make = turnlog.make

    def killed(*args: object) -> Path:
        log, shell = make(*args), stack._run.shell
        os.kill(shell.pid, signal.SIGKILL)
        while shell._line.alive:
            time.sleep(0.002)
        return log

    monkeypatch.setattr(turnlog, "make", killed)
    [hook] = stack.step()

    record = tasklog.read(hook.log)
    assert (hook.status, record.output()) == ("ok", b"out\n")
    assert record.footer is not None
    assert record.header["pid"] == stack._run.shell.pid


def test_a_run_in_which_the_clock_is_set_back_is_resumed_where_it_was(tree, monkeypatch) -> None:
    tree.hook("10-a.sh", TRACE)
    true, back = time.time, [0.0]

    class SetsBack:
        def on_event(self, event: Event) -> None:
            if (event.kind, event.data.get("phase")) == ("hook-start", "source"):
                back[0] = 100.0

        def on_tick(self) -> None:
            pass

    stack = tree.stack()
    stack.listeners.append(SetsBack())
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: true() - back[0])
        stack.run(until="source")
    run_dir = stack.run_dir
    stack.close()
    assert [phase.status for phase in status.read(run_dir).phases[:3]] == ["ok", "ok", "to come"]
    with Stack.resume(run_dir) as again:
        again.run()
    assert [line for line in trace() if line.endswith("source")] == ["10-a.sh:source"]


def test_what_exit_0_leaves_is_collected_in_the_phase_that_it_ended(tree) -> None:
    tree.hook("10-a.sh", "[[ ${2-} != install ]] || { async_run t true; exit 0; }")
    stack = tree.stack()
    stack.run()
    found = status.read(stack.run_dir)
    hooks = {phase.name: [hook.name for hook in phase.hooks] for phase in found.phases[3:]}
    assert hooks == {
        "stack install": ["10-a.sh", "async_cleanup"],
        **{label: [] for label in LABELS[4:]},
    }
    assert stacknb.timing.load(stack.run_dir).phases["phase"].tolist() == LABELS[:4]


def test_a_run_whose_shell_cannot_begin_leaves_latest_with_the_one_before(
    tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = tree.stack()
    stack.run()
    before = stack.run_dir

    def full(otherwise: Path) -> None:
        raise StacknbError("no room for the scratch folder of the session")

    monkeypatch.setattr("stacknb.shell.shell.Scratch", full)
    stack.reset()
    with pytest.raises(StacknbError, match="no room for the scratch folder"):
        stack.step()

    assert places.latest() == before


def test_another_stack_of_the_tree_that_is_under_way_is_pointed_out(tree) -> None:
    tree.hook("10-a.sh", ":")
    one, other = tree.stack(), tree.stack()
    one.step()
    assert one.result.notes == []
    other.step()
    [said] = other.result.notes
    assert said.startswith(f"another stack of this tree is under way, in {str(one.run_dir)!r}: ")
    one.run()
    other.reset()
    other.step()
    assert other.result.notes == [], "it is complete, though still open"


def test_a_journal_of_another_stack_that_is_no_file_keeps_no_run_from_its_begin(tree) -> None:
    tree.hook("10-a.sh", ":")
    one, other = tree.stack(), tree.stack()
    one.step()
    journal = one.run_dir / "journal.jsonl"
    aside = journal.rename(one.run_dir / "aside")
    journal.mkdir()
    assert other.run().ok
    journal.rmdir()
    aside.rename(journal)
