"""The persistent bash: what carries over, the frame of a hook, each way of failing."""

# ruff: noqa: E501  (a script of bash is read best on one line)

import contextlib
import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from stacknb import HookFailed, Stack, TaskFailed, status, tasklog, timing
from stacknb.board.board import Board
from stacknb.exceptions import Failure, ShellDied

# ------------------------------------------------------------------------- what carries over

CARRIED = [
    ("a_function", "f() { echo \"f of $1\"; }", "f x", "f of x\n"),
    ("a_function_with_a_heredoc", "f() { cat <<EOF\n$1 'q' \\$x\nEOF\n}", "f x", "x 'q' $x\n"),
    ("a_function_with_a_coprocess", "f() { coproc cat; echo \"in $1\" >&${COPROC[1]}; read -ru ${COPROC[0]} v; }", "f x; echo $v", "in x\n"),
    ("a_function_that_prints_of_one", "f() { echo 'coproc COPROC { x'; }", "f", "coproc COPROC { x\n"),
    ("a_function_name_bash_alone_allows", "a::b-c() { echo odd; }", "a::b-c", "odd\n"),
    ("a_function_after_one_that_cannot_be_shown", "function a=b { :; }; f() { echo f; }", "f", "f\n"),
    ("an_exported_function", "f() { echo sub; }; export -f f", "bash -c f", "sub\n"),
    ("an_unexported_variable", "v='a  b*\n'", 'printf %s. "$v"', "a  b*\n."),
    ("an_exported_variable", "export v=1", "printenv v", "1\n"),
    ("bytes_that_are_no_utf_8", "v=$'\\xff\\x80'", "printf %s \"$v\" | od -An -tx1", " ff 80\n"),
    ("an_array_with_gaps", "v=([2]=a [9]='b c')", 'echo "${!v[@]}: ${v[9]}"', "2 9: b c\n"),
    ("an_associative_array", "declare -gA v=(['a ]b']=1)", 'echo "${v["a ]b"]}"', "1\n"),
    ("an_integer", "declare -gi v=4", "v+=3; echo $v", "7\n"),
    ("a_readonly_variable", "readonly v=1", "(v=2) 2>/dev/null || echo $v", "1\n"),
    ("a_guarded_readonly", "declare -rg v=1", "declare -p v", 'declare -r v="1"\n'),
    ("an_upper_case_variable", "declare -gu v=x", "v=abc; echo $v", "ABC\n"),
    ("a_nameref", "w=1; declare -gn v=w", "v=5; echo $w", "5\n"),
    ("a_declared_but_unset_variable", "declare -gx v", "declare -p v", "declare -x v\n"),
    ("an_unset_of_an_inherited_variable", "unset HOME", "echo ${HOME-none}", "none\n"),
    ("nounset", "set -u", "[[ -o nounset ]] && echo on", "on\n"),
    ("noglob", "set -f", "echo /*", "/*\n"),
    ("noclobber", "set -C", ": >f; (: >f) 2>/dev/null || echo kept", "kept\n"),
    ("pipefail", "set -o pipefail", "false | true || echo pipefail", "pipefail\n"),
    ("errexit_turned_off", "set +e", "false; echo on", "on\n"),
    ("allexport", "set -a", "v=7; printenv v", "7\n"),
    ("keyword_arguments", "set -k", "sh -c 'echo $v' v=8", "8\n"),
    ("no_brace_expansion", "set +B", "echo {a,b}", "{a,b}\n"),
    ("nullglob", "shopt -s nullglob", "echo a /nothing/*", "a\n"),
    ("extglob", "shopt -s extglob", "[[ aaa == +(a) ]] && echo ext", "ext\n"),
    ("inherit_errexit", "shopt -s inherit_errexit", "shopt inherit_errexit", None),
    ("nocasematch", "shopt -s nocasematch", "[[ a == A ]] && echo same", "same\n"),
    ("a_shopt_turned_off", "shopt -u sourcepath", "shopt -q sourcepath || echo off", "off\n"),
    ("the_cwd", "mkdir -p 'a b'; cd 'a b'", 'echo "${PWD##*/}"', "a b\n"),
    ("the_old_cwd", "cd /; cd /tmp", "cd - >/dev/null; pwd", "/\n"),
    ("the_umask", "umask 027", "umask", "0027\n"),
    ("a_signal_trap", "trap 'echo usr1' USR1", "kill -USR1 $$; :", "usr1\n"),
    ("an_ignored_signal", "trap '' USR2", "kill -USR2 $$; echo alive", "alive\n"),
    ("an_alias", "shopt -s expand_aliases; alias hi='echo alias'", "hi", "alias\n"),
    ("an_open_descriptor", "exec 7>fd; echo a >&7", "echo b >&7; cat fd", "a\nb\n"),
    ("a_descriptor_of_its_choice", "exec {fd}>fd; echo a >&$fd", "echo b >&$fd; cat fd", "a\nb\n"),
    ("a_child_in_the_background", "(exit 7) & child=$!", "wait $child || echo $?", "7\n"),
    ("a_coprocess", "coproc cat", "echo hi >&${COPROC[1]}; read -ru ${COPROC[0]} x; echo $x", "hi\n"),
    ("a_fifo", "mkfifo p; (echo through >p) &", "cat p; wait", "through\n"),
    ("the_path", "mkdir bin; printf '#!/bin/sh\necho mine' >bin/x; chmod +x bin/x; PATH=$PWD/bin:$PATH",
     "x", "mine\n"),
    ("posix_mode", "set -o posix", "[[ -o posix ]] && echo posix", "posix\n"),
    ("IFS", "IFS=:", "v=a:b; printf '%s.' $v", "a.b."),
    ("ulimit", "ulimit -S -n 77", "ulimit -S -n", "77\n"),
    ("getopts_state", "set -- -a -b; getopts ab o -a -b", "echo $OPTIND", "2\n"),
    ("numbers_that_are_none", "N='30 s'; declare -gi N; L=ABC; declare -glr L; A=('x y' z); declare -gaiu A; declare -gix I=4",
     "declare -p N L A I", "declare -i N=\"30 s\"\ndeclare -rl L=\"ABC\"\ndeclare -aiu A=([0]=\"x y\" [1]=\"z\")\ndeclare -ix I=\"4\"\n"),
    ("a_traced_function", "f() { :; }; declare -ft f", "declare -Ft", "declare -ft f\n"),
    ("the_hash_table", "hash -p /bin/echo nosuch", "nosuch hashed", "hashed\n"),
    ("a_disowned_child", "sleep 100 & p=$!; disown", "kill -0 $p && echo there; kill $p", "there\n"),
    ("SECONDS", "SECONDS=1000", "((SECONDS >= 1000 && SECONDS < 1100)) && echo counted", "counted\n"),
    ("a_completion", "complete -W 'a b' prog", "complete -p prog", "complete -W 'a b' prog\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "shown"), [c[1:] for c in CARRIED], ids=[c[0] for c in CARRIED]
)
def test_what_one_hook_sets_the_next_one_has(
    tree, output, first: str, second: str, shown: str | None
) -> None:
    stack = tree.run(first, second)

    text = output(stack, "11-hook.sh")
    assert text == shown if shown is not None else "on" in text


# Not: descriptors and children, which no file can hold; and what belongs to bash's own process.
NOT_RESTORED = {
    "an_open_descriptor", "a_descriptor_of_its_choice", "a_child_in_the_background", "a_coprocess",
    "a_disowned_child", "ulimit", "the_hash_table", "a_completion", "getopts_state",
}  # fmt: skip
RESTORED = [case for case in CARRIED if case[0] not in NOT_RESTORED]


@pytest.mark.parametrize(
    ("first", "second", "shown"), [c[1:] for c in RESTORED], ids=[c[0] for c in RESTORED]
)
def test_what_a_hook_sets_is_there_after_a_later_one_failed(
    tree, output, first: str, second: str, shown: str | None
) -> None:
    tree.hook("10-first.sh", f"if [[ ! -v done ]]; then done=1\n{first}\nfi")
    tree.hook("20-fails.sh", "[[ -v mended ]] || exit 3")
    tree.hook("30-second.sh", second)
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    stack.evaluate("mended=1")
    stack.run_phase("override_defaults")

    text = output(stack, "30-second.sh")
    assert text == shown if shown is not None else "on" in text


def test_across_phases_too(tree, output) -> None:
    tree.hook(
        "10-a.sh",
        'case "$*" in\n'
        "override_defaults) f() { echo f; }; declare -A m=([k]=local); declare -gA m2=([k]=v) ;;\n"
        "'stack install') f; echo ${m2[k]} ${m-none}; cd /; sleep 100 & child=$! ;;\n"
        "'stack extra') pwd; kill $child; wait $child || echo $? ;;\n"
        "esac",
    )
    stack = tree.stack()
    stack.run()

    assert output(stack, "10-a.sh", "stack install") == "f\nv none\n"
    assert output(stack, "10-a.sh", "stack extra") == "/\n143\n"


# ------------------------------------------------------------------------- the frame of a hook


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("local v=1; echo $v", "1\n"),
        ("echo a; return; echo b", "a\n"),
        ("declare v=1; typeset w=2; echo $v $w", "1 2\n"),
        ("set -- x y; echo $#", "2\n"),
        ("shift; echo $#", "0\n"),
        ('printf "<%s>" "$@"', "<override_defaults>"),
        ("echo ${FUNCNAME[0]}", "source\n"),
        ("echo ${BASH_SOURCE[0]##*/}", "11-hook.sh\n"),
        ("echo ${0##*/} $(basename \"$0\")", "stack.sh stack.sh\n"),
        ("[[ $0 == \"$TOP_DIR/stack.sh\" && $(dirname \"$0\") == \"$TOP_DIR\" ]] && echo so", "so\n"),
        ("echo $LINENO\necho $LINENO", "1\n2\n"),
        ("read -r x || echo $? \"<$x>\"; [[ -t 0 ]] || echo no", "1 <>\nno\n"),
        ("readlink /proc/self/fd/0", "/dev/null\n"),
        ("echo ${!_stacknb*} | wc -w >/dev/null; cat", ""),
        ("jobs; [[ $- == *[im]* ]] || echo neither", "neither\n"),
        ("( set -o posix; set ) | grep -c '^TOP_DIR='", "1\n"),
        ("echo ${#BASH_SOURCE[@]} >/dev/null; caller | wc -l", "1\n"),
    ],
)  # fmt: skip
def test_a_hook_runs_in_a_function_of_its_own(tree, output, script: str, shown: str) -> None:
    stack = tree.run("set +e", script)

    assert output(stack, "11-hook.sh") == shown


def test_what_is_local_to_a_hook_ends_with_it(tree, output) -> None:
    stack = tree.run(
        "local a=1; declare b=2; declare -A c=([k]=3); typeset d=4; declare -g e=5; f=6; export g=7\n"
        "readonly h=8; declare -x i=9; set -- p q; declare -r j=10",
        'for v in a b c d e f g h i j; do [[ -v $v ]] && echo "$v=${!v}"; done; echo $#:$*; true',
    )

    assert output(stack, "11-hook.sh") == "e=5\nf=6\ng=7\nh=8\n1:override_defaults\n"


def test_arguments_are_one_two_or_none_and_never_an_empty_one(tree, output) -> None:
    show = 'printf "%d:" $#; printf "<%s>" "$@"; echo'
    plugin = tree.plugin("p", override_defaults=show, settings=show, plugin_sh=show)
    tree.hook("50-a.sh", show)
    stack = tree.stack(plugins=[plugin])
    stack.run()

    assert output(stack, "50-a.sh", "source") == "1:<source>\n"
    assert output(stack, "50-a.sh", "stack post-config") == "2:<stack><post-config>\n"
    assert output(stack, "p-override-defaults", "override_defaults") == "0:<>\n"
    assert output(stack, "p-settings", "source") == "0:<>\n"
    assert output(stack, "p-plugin.sh", "stack test-config") == "2:<stack><test-config>\n"
    stack.run("unstack")
    assert output(stack, "50-a.sh", "unstack") == "1:<unstack>\n"
    assert output(stack, "p-plugin.sh", "unstack") == "1:<unstack>\n"


WRAPPED = re.findall(
    r"\S+",
    "cd source . echo printf read exit trap set eval test kill wait unset mapfile compgen shopt pwd"
    " type alias umask command",
)
LEAKS = [
    "mode=x phase=y", "IFS=,", "IFS=", "IFS=0123456789", "unset IFS", "readonly IFS", "readonly IFS=0123456789",
    "path=x name=x log=x hook=x kind=x args=(x)", "set -f", "set -C", "set -u", "set -e", "set +e",
    "set -eu", "set -o pipefail", "set -x", "set -v", "set -k", "set -a", "set -m", "set -b", "set -h",
    "set +h", "set -H", "set -T", "set -E", "set -p", "set -P", "set +B", "set -o posix", "set -o history",
    "PS4='$(echo p)+'; set -x", "BASH_XTRACEFD=1; set -x", "exec 9>trace; BASH_XTRACEFD=9; set -x",
    "shopt -s nullglob failglob", "shopt -s nocasematch nocaseglob", "shopt -s localvar_inherit",
    "shopt -s localvar_unset", "shopt -s extdebug", "shopt -s lastpipe", "shopt -s compat31",
    "shopt -s compat44", "shopt -s xpg_echo", "shopt -s inherit_errexit", "shopt -s assoc_expand_once",
    "shopt -u interactive_comments", "shopt -u sourcepath", "shopt -u patsub_replacement || :",
    "shopt -s globstar dotglob extglob", "shopt -s execfail", "shopt -s checkhash autocd cdable_vars",
    "POSIXLY_CORRECT=1", "BASH_COMPAT=4.2", "BASH_ENV=/nowhere", "TIMEFORMAT=x", "EXECIGNORE='*'",
    "GLOBIGNORE='*'", "FUNCNEST=4", "TMOUT=1", "unset EPOCHREALTIME", "unset BASHPID BASH_SUBSHELL",
    "PATH=/nowhere", "unset PATH HOME PWD OLDPWD", "LC_ALL=C", "LC_ALL=no_SUCH", "TMPDIR=/nowhere",
    "BASH_ARGV0=other", "cd /; mkdir \"$TOP_DIR/gone\"; cd \"$TOP_DIR/gone\"; rmdir \"$PWD\"", "umask 077",
    "exec 0<&-", "exec >&-", "exec 2>&-", "exec >/dev/null 2>&1", "ulimit -S -n 20",
    "exec 3>&1 4>&1 5>&1 6>&1 7>&1 8>&1 9>&1", "trap '' PIPE", "trap '' CHLD", "trap 'x=1' CHLD",
    "trap '' INT TERM HUP", "trap 'x=1' INT", "trap 'x=1' DEBUG", "shopt -s extdebug; trap 'x=1' DEBUG",
    "trap 'echo ret' RETURN", "trap 'return 3' ERR", "trap 'echo err' ERR", "trap 'echo e' EXIT",
    "shopt -s expand_aliases; alias echo=: ls=: cp=: cat=: rm=: exit=: cd=: sudo=: python3=: tail=: source=:",
    "DEVSTACK_PLUGINS=a,,b", "unset GITDIR", "unset _TIME_TOTAL", "readonly GITDIR",
    "declare -gr DEVSTACK_PARALLEL=True", "unset DEVSTACK_PARALLEL", "unset -f exit",
    "readonly PATH LC_ALL HOME", "declare -gA fields=() name=()", "declare -gi name user sys",
    "declare -gn name=other",
    ("readonly name=1 phase=2 i=3 text=4 out=5 log=6 end=7 us=8 c=9 to=9 size=9"
    " head=9 pid=9 user=9 sys=9 fields=9 keep=9 letter=9 code=9 nothing=9 start=9 extra=9 count=9 rest=9"
    " status=9 command=9 near=9 plain=9 best=9 cost=9 row=9 j=9 next=9 elapsed=9 hidden=9 serial=9 chunk=9"),
    *(f'{name}() {{ builtin {name} "$@"; }}' for name in WRAPPED),
    "echo() { :; }", "test() { :; }", "[() { return 0; }", "cd() { :; }", "kill() { :; }", "true() { false; }",
    "cat() { :; }; tail() { :; }; wc() { :; }; head() { :; }; tr() { :; }; python3() { :; }; mkdir() { :; }",
]  # fmt: skip


# Where no task could run a program, or no function have a local variable, in plain bash either.
TOO_MUCH_FOR_TASKS = ("EXECIGNORE='*'", "FUNCNEST=4", "set -k", "unset EPOCHREALTIME")


@pytest.mark.parametrize("leak", LEAKS)
def test_what_a_hook_leaves_can_derail_neither_the_driver_nor_a_task(
    tree, output, leak: str
) -> None:
    task = (
        "f() { builtin echo out $1; builtin return 3; }\n"
        "async_run t f 'a b' || :; async_wait t || exit_code_seen=$?\n"
    )
    with_task = leak not in TOO_MUCH_FOR_TASKS
    stack = tree.run(leak, f"a=b\n{task if with_task else ''}:")

    assert [(hook.name, hook.status) for hook in stack.result.hooks] == [
        ("10-hook.sh", "ok"), ("11-hook.sh", "ok")
    ]  # fmt: skip
    assert list(stack.variables("a").value) == ["b"]
    for hook in stack.result.hooks:
        ends = [s for s in hook.log.read_bytes().splitlines() if s.startswith(b"#stacknb-end ")]
        footers = [json.loads(end.removeprefix(b"#stacknb-end ")) for end in ends]
        assert [(foot["name"], foot["exit_code"]) for foot in footers] == [(hook.name, 0)]
        assert footers[0]["user_s"] < 10
    for line in (stack.run_dir / "journal.jsonl").read_text().splitlines():
        assert json.loads(line)["event"]
    if with_task:
        assert list(stack.variables("exit_code_seen").value) == ["3"]
        assert "out a b\n" in output(stack, "11-hook.sh")
        assert '"exit_code": 3' in (stack.run_dir / "async" / "t.log").read_text()


def test_errexit_is_not_lost_to_a_hook_that_leaves_set_k(tree, output) -> None:
    tree.hook("10-a.sh", "set -k")
    tree.hook("20-b.sh", "echo $-; set +k; false")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    assert set("ek") <= set(output(stack, "20-b.sh"))


TAKEN = [
    *(f"{name}() {{ echo mine; }}" for name in
      ["source", ".", "mapfile", "eval", "printf", "exec", "set", "trap", "local", "declare", "compgen", "shopt", "enable", "continue", "return", "alias", "umask", "read", "unset", "command", "builtin"]),
    "builtin() { return 3; }", 'builtin() { command builtin "$@"; }', "readonly -f die; printf() { return 1; }",
    "shopt -s expand_aliases; alias eval=: builtin=: printf=: source=: set=: trap=:",
    "enable -n source", "enable -n mapfile eval printf exec set trap local declare", "enable -n builtin .",
    "enable -n builtin mapfile",
    "unset -f $(compgen -A function)", "unset -f $(compgen -A function); die() { echo mine; }",
    "set -o posix; unset -f $(compgen -A function)",
    "shopt -s expand_aliases; alias builtin=: source=:; unset -f $(compgen -A function)",
]  # fmt: skip


@pytest.mark.parametrize("restored", [False, True], ids=["kept", "restored"])
@pytest.mark.parametrize("leak", TAKEN)
def test_what_a_hook_puts_in_the_place_of_a_builtin_is_the_next_ones_and_never_the_drivers(
    tree, output, leak: str, restored: bool
) -> None:
    show = (
        "type -a "
        + " ".join(re.findall(r"[a-z.]+(?=\()", leak))
        + " || :\ncommand enable -n\ntype is_set >/dev/null\n"
    )
    tree.hook("10-a.sh", f"v=1\n{leak}{'; false' if restored else ''}")
    tree.hook("20-b.sh", f"w=2\n{show}")
    stack = tree.stack()
    if restored:
        with pytest.raises(HookFailed) as caught:
            stack.run_phase("override_defaults")
        assert caught.value.failure.line == 2
        tree.hook("10-a.sh", "u=3")
    assert [hook.status for hook in stack.run_phase("override_defaults")] == ["ok", "ok"]

    for shown in (output(stack, "20-b.sh"), stack.evaluate(show).stdout):
        if "() { echo mine; }" in leak:
            assert "mine" in shown
        if leak.startswith("enable -n"):
            names = leak.removeprefix("enable -n").split()  # `.` is what sources a hook
            assert {f"enable -n {name}" for name in names if name != "."} <= {*shown.splitlines()}
    assert set(stack.variables("[vw]").value) == {"1", "2"}


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ("shopt -s expand_aliases", "shopt -s expand_aliases\nshopt -u extglob\n"),
        ("set -o posix", "shopt -s expand_aliases\nshopt -u extglob\nposix\n"),
    ],
)
def test_options_of_a_hook_that_unset_all_functions_are_those_of_the_next(
    tree, output, options: str, shown: str
) -> None:
    show = "shopt -p expand_aliases extglob || :\n[[ ! -o posix ]] || echo posix"
    stack = tree.run(f"{options}\nunset -f $(compgen -A function)", show)

    assert output(stack, "11-hook.sh") == shown


def test_the_times_of_a_hook_stand_in_its_log_whatever_its_ifs(tree) -> None:
    stack = tree.run("IFS=0123456789", "for ((i = 0; i < 200000; i++)); do :; done")

    ends = [hook.log.read_text().rpartition("#stacknb-end ")[2] for hook in stack.result.hooks]
    assert [json.loads(end)["exit_code"] for end in ends] == [0, 0]
    assert 0 < json.loads(ends[1])["user_s"] < 30


@pytest.mark.parametrize("ifs", ["IFS=.", "IFS=1", "readonly IFS=0123456789"])
def test_a_hook_that_puts_digits_into_ifs_ends_when_it_ended(tree, ifs: str) -> None:
    # The loop costs CPU time that is known to the next turn, and can no longer be read in it.
    busy = "for ((i = 0; i < 20000; i++)); do :; done"
    stack = tree.run(busy, f"{busy}\n{ifs}\nended=$EPOCHREALTIME")

    log = stack.result.hooks[1].log
    footer = json.loads(log.read_text().rpartition("#stacknb-end ")[2])
    ended = float(stack.variables("ended").value.iloc[0])
    assert ended <= footer["end"] < ended + 60
    assert footer["user_s"] >= 0


@pytest.mark.parametrize(
    ("hook", "code"),
    [
        ("true; kill -TERM $$; sleep 1", 143),
        ("false || kill -HUP $$; sleep 1", 129),
        ("true; kill -KILL $$; sleep 1", 137),
    ],
)
def test_the_log_of_a_hook_tells_that_a_signal_ended_its_shell(tree, hook: str, code: int) -> None:
    with pytest.raises(HookFailed):
        tree.run(hook)
    run = timing.load(tree.path.parent / ".stacknb/runs/latest")
    assert run.hooks[["status", "exit_code"]].values.tolist() == [["killed", code]]
    assert run.hooks.loc[0, "duration_s"] >= 0


@pytest.mark.parametrize("leave", ["exit 0", "builtin exit 0", "command exit"])
def test_the_log_of_a_hook_that_ends_the_run_tells_that_it_was_well(tree, leave: str) -> None:
    stack = tree.stack()
    tree.hook("10-hook.sh", leave)
    with contextlib.suppress(HookFailed):
        stack.run_phase("override_defaults")
    assert timing.load(stack.run_dir).hooks["status"].tolist() == ["ok"]


@pytest.mark.parametrize("end", ["true", "false", "exit 4", "exit 0", "builtin exit 3"])
def test_a_hook_ends_before_the_snapshot_is_taken_not_after_it(tree, end: str) -> None:
    stack = tree.stack()
    tree.hook("10-hook.sh", f"_stacknb_save='AT=$EPOCHREALTIME; '$_stacknb_save\n{end}\n")
    with contextlib.suppress(HookFailed):
        stack.run_phase("override_defaults")
    footer = tasklog.read(stack.run_dir / "hooks/override_defaults/10-hook.sh.log").footer
    assert footer["end"] <= float(stack.evaluate("echo $AT").stdout)


def test_disabled_builtins_stay_disabled_for_the_next_hook(tree, output) -> None:
    stack = tree.run("enable -n printf source", "enable -n")

    assert output(stack, "11-hook.sh") == "enable -n printf\nenable -n source\n"


def test_a_hook_is_not_shown_how_disabled_builtins_are_given_back_to_it(tree, output) -> None:
    stack = tree.run("enable -n test; set -T; trap 'echo returned' RETURN", "set -v", ":")

    assert output(stack, "11-hook.sh").replace("echo returned\n", "") == "returned\n" * 2
    assert output(stack, "12-hook.sh").replace("echo returned\n", "") == ":\n" + "returned\n" * 2


@pytest.mark.parametrize("leak", ["enable -n printf enable", "builtin() { :; }; command() { :; }"])
def test_a_bash_without_what_the_session_needs_is_given_up_with_the_reason(tree, leak: str) -> None:
    tree.hook("10-a.sh", "v=1")
    tree.hook("20-b.sh", leak)
    stack = tree.stack()
    with pytest.raises(HookFailed, match="without builtins that the session needs"):
        stack.run_phase("override_defaults")

    assert stack.evaluate("echo $v").stdout == "1\n"


@pytest.mark.parametrize("answer", ["W\\n4\\0", "1\\0x\\0", "4\\0done\\0x\\0\\0\\0"])
def test_an_answer_that_no_driver_gives_ends_the_shell_with_a_clear_line(tree, answer: str) -> None:
    tree.hook("10-a.sh", f"printf '{answer}' >\"$_stacknb_control/out\"; read -r _ </dev/zero")
    stack = tree.stack()
    with pytest.raises(ShellDied, match="cannot be read"):
        stack.run_phase("override_defaults")

    assert stack.evaluate("echo lives").stdout == "lives\n"


def test_a_return_trap_does_not_run_while_a_shell_is_restored(tree) -> None:
    tree.hook("10-a.sh", "trap 'echo \"it'\\''s back\" >>returns' RETURN")
    tree.hook("20-b.sh", "false")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    assert Path("returns").read_text() == "it's back\n" * 2  # from each hook, as in plain bash

    assert "it'\\''s back" in stack.evaluate("trap -p RETURN").stdout


@pytest.mark.parametrize("end", ["false", "exit 3", "f() { exit 3; }; f"])
def test_traps_of_earlier_hooks_are_there_after_a_later_one_failed(tree, end: str) -> None:
    tree.hook("10-a.sh", "trap 'it=e' ERR; trap 'it=d' DEBUG; trap 'it=r' RETURN")
    tree.hook("20-b.sh", end)
    stack = tree.stack()
    for _ in range(2):  # the second time in a shell that was restored
        with pytest.raises(HookFailed):
            stack.run_phase("override_defaults")
        tree.hook("10-a.sh", ":")

    stack.evaluate("set -T")
    shown = stack.evaluate("trap -p ERR DEBUG RETURN").stdout
    assert [line.rpartition(" ")[2] for line in shown.splitlines()] == ["ERR", "DEBUG", "RETURN"]


def test_a_shell_in_posix_mode_that_was_killed_comes_back_in_posix_mode(tree) -> None:
    stack = tree.run("set -o posix; v=1")
    with pytest.raises(HookFailed):
        stack.evaluate("kill -KILL $$")

    assert stack.evaluate("[[ -o posix ]] && echo $v").stdout == "1\n"


def test_set_n_ends_the_run_at_that_hook(tree) -> None:
    tree.hook("10-a.sh", "set -n\necho never")
    tree.hook("20-b.sh", "echo never")
    stack = tree.stack()
    with pytest.raises(HookFailed, match="set -n") as caught:
        stack.run_phase("override_defaults")

    assert caught.value.failure.status == 0
    assert [hook.name for hook in stack.result.hooks] == ["10-a.sh"]
    assert stack.evaluate("echo lives").stdout == "lives\n"


SKIPPING = "shopt -s extdebug\ntrap false DEBUG\n"


@pytest.mark.parametrize("leak", ["v=1\n", "v=1\nset +e\n"], ids=["errexit", "no_errexit"])
def test_a_debug_trap_that_skips_every_command_fails_its_hook_and_can_be_undone(
    tree, leak: str
) -> None:
    tree.hook("10-a.sh", f"{leak}{SKIPPING}echo never")
    stack = tree.stack()
    for _ in range(2):  # the second time in a shell that was restored
        with pytest.raises(HookFailed):
            stack.run_phase("override_defaults")

    assert stack.evaluate("trap - DEBUG; shopt -u extdebug; echo lives").stdout == "lives\n"
    tree.hook("10-a.sh", "echo mended")
    assert [hook.status for hook in stack.run_phase("override_defaults")] == ["ok"]


def test_a_shell_in_which_nothing_can_run_is_given_up_with_the_reason(tree) -> None:
    with pytest.raises(
        HookFailed, match=r"DEBUG trap that skips every command .*trap - DEBUG"
    ) as caught:
        tree.run(f"set +e\n{SKIPPING}echo never\n")

    assert (caught.value.failure.line, caught.value.failure.command) == (3, "trap false DEBUG")


def test_a_cell_that_leaves_a_debug_trap_which_skips_everything_costs_no_more_than_itself(
    tree,
) -> None:
    stack = tree.run("v=1")
    with pytest.raises(HookFailed, match="skips every command"):
        stack.evaluate(f"v=2\n{SKIPPING}")

    assert list(stack.variables("v").value) == ["1"]
    assert stack.evaluate("echo lives").stdout == "lives\n"


SELECTIVE = (
    "trap '[[ $BASH_COMMAND != @(touch|printf|set|exec|mapfile|eval|trap\\ -p)\\ * ]]' DEBUG"
)


@pytest.mark.parametrize("end", [":", "false || exit 3"], ids=["kept", "restored"])
def test_commands_that_a_debug_trap_skips_are_skipped_in_hooks_and_never_in_the_driver(
    tree, output, end: str
) -> None:
    tree.hook("10-a.sh", f"set +e; shopt -s extdebug; {SELECTIVE}; touch a; {end}")
    tree.hook("20-b.sh", "touch b; echo B; shopt -q extdebug && echo on; trap -p DEBUG | wc -l")
    stack = tree.stack()
    if "exit" in end:
        with pytest.raises(HookFailed):
            stack.run_phase("override_defaults")
        tree.hook("10-a.sh", "touch a")
    stack.run_phase("override_defaults")

    assert not Path("a").exists()
    assert not Path("b").exists()
    assert output(stack, "20-b.sh") == "B\non\n0\n"  # trap -p was skipped, too
    assert stack.changes("20-b.sh").empty
    assert stack.evaluate("touch c; shopt -u extdebug; touch d").ok
    assert [Path(name).exists() for name in "cd"] == [False, True]


PRINTING = (
    "set -T; trap 'echo \"+ $BASH_COMMAND\"' DEBUG", "trap 'echo \"+ $BASH_COMMAND\"' DEBUG",
    "set -T; trap 'echo + back' RETURN",
)  # fmt: skip


@pytest.mark.parametrize("end", ["false", "exit 3", "resumed"])
@pytest.mark.parametrize("trap", PRINTING)
def test_what_a_trap_prints_does_not_get_into_the_snapshot(tree, trap: str, end: str) -> None:
    tree.hook("10-a.sh", f"{trap}; keep=1; f() {{ :; }}; trap 'echo usr1' USR1; cd /")
    tree.hook("20-b.sh", f"[[ $1 != source ]] || {end}")
    stack = tree.stack()
    stack.step()
    if end == "resumed":
        run_dir = stack.run_dir
        stack.close()
        stack = Stack.resume(run_dir)
    else:
        with pytest.raises(HookFailed) as caught:
            stack.step()
        assert "snapshot" not in str(caught.value)
    said = stack.evaluate("declare -F f; pwd; trap -p USR1; [[ $- != *T* ]] || echo T; f").stdout
    stack.close()

    shown = [line for line in said.splitlines() if not line.startswith("+ ")]
    assert shown == ["f", "/", "trap -- 'echo usr1' SIGUSR1", *(["T"] if "set -T" in trap else [])]
    assert "+ " in said


@pytest.mark.parametrize("trap", [*PRINTING, f"shopt -s extdebug; {PRINTING[1]}"])
def test_what_a_trap_prints_does_not_get_into_the_logs_of_tasks(tree, trap: str) -> None:
    stack = tree.run(
        f"{trap}; w() {{ echo work; }}; async_run first w; async_run --after first large head -c 40000 /dev/zero\n"
        "async_wait first large >/dev/null; [[ $- == *T* ]] && echo T; f() { echo $-; }; async_run flags f; async_wait flags"
    )
    logs = {path.stem: tasklog.read(path) for path in (stack.run_dir / "async").glob("*.log")}
    assert logs["first"].output() == b"work\n"
    assert logs["large"].output() == bytes(40000)
    assert [log.footer["exit_code"] for log in logs.values()] == [0, 0, 0]
    traced = "T" in trap.replace("RETURN", "") or "extdebug" in trap
    assert (b"T" in logs["flags"].output()) == traced


def test_variables_named_much_like_those_of_bash_are_a_hooks_own(tree) -> None:
    names = ["BASH_COMPAT", "BASH_IT", "COMP_DIR", "COMP_HOST", "EPOCHS", "EPOCH_START", "GROUPS_X"]
    tree.hook("10-a.sh", f"[[ $1 == source ]] || {{ {'=5.0 '.join(names)}=5.0; export COMP_DIR; }}")
    tree.hook("20-b.sh", "[[ $1 != source ]] || { local MY_RANDOM=1 EPOCHS=2 BASHES=3; exit 3; }")
    stack = tree.stack()
    stack.step()
    assert sorted(stack.changes("10-a.sh").name) == names
    with pytest.raises(HookFailed):
        stack.step()

    found = stack.variables().set_index("name")
    own = found[~found.local]
    assert [own.value.get(name) for name in names] == ["5.0"] * len(names)
    assert own.exported["COMP_DIR"]
    assert sorted(found[found.local].index) == ["BASHES", "EPOCHS", "MY_RANDOM"]
    assert stack.evaluate('echo "${MY_RANDOM-none} ${BASHES-none}"').stdout == "none none\n"


def test_a_restored_shell_has_no_compatibility_level_that_nobody_has_set(tree) -> None:
    stack = tree.run("v=1")
    with pytest.raises(HookFailed):
        stack.evaluate("exit 3")

    assert stack.evaluate('echo "$v ${BASH_COMPAT-none}"').stdout == "1 none\n"


# ------------------------------------------------------------------------- each way of failing

FAILING = [
    # id, script, status, what the reason says, line (None: that depends on the bash), command
    ("a_command", "echo a\nfalse\necho b", 1, "status 1 under errexit", 2, "false"),
    ("a_continued_command", "true\nls \\\n  /nowhere/1 \\\n  /nowhere/2", 2, "errexit", None, "ls /nowhere/1"),
    ("a_command_in_a_function", "f() {\n  true\n  (exit 4)\n}\n\nf", 4, "errexit", 3, "( exit 4 )"),
    ("a_function_in_a_function", "g() {\n  false\n}\nf() {\n  g\n}\nf", 1, "errexit", 2, "false"),
    ("a_pipeline", "set -o pipefail\nfalse | cat", 1, "errexit", 2, "cat"),
    ("a_substitution", "x=$(exit 9)", 9, "errexit", 1, "x=$(exit 9)"),
    ("no_such_command", "\nno_such_command_at_all x", 127, "errexit", 2, "no_such_command_at_all x"),
    ("a_return", "true\nreturn 5\ntrue", 5, "status 5", 2, "return 5"),
    ("a_false_last_command", "echo a\n[[ 1 == 2 ]] && echo b", 1, "status 1", 2, "[[ 1 == 2 ]]"),
    ("a_quiet_error", "r=1; readonly r\n:\nreadonly r=2 2>/dev/null || :\ntrue", 1, "status 1", 3, "readonly r=2"),
    ("exit", "true\nexit 6", 6, "called exit with status 6", 2, "exit 6"),
    ("exit_in_a_function", "f() {\n  exit 7\n}\nf || true", 7, "called exit with status 7", 2, "exit 7"),
    ("exit_in_a_condition", "if ! exit 8; then :; fi", 8, "called exit with status 8", 1, "exit 8"),
    ("exit_without_a_number", "false || exit", 1, "called exit with status 1", 1, "exit"),
    ("exit_of_256", "exit 257", 1, "called exit with status 1", 1, "exit 257"),
    ("die", "f() {\n  die $LINENO 'no database'\n}\nf", 1, "called exit with status 1", 2, "die $LINENO"),
    ("a_syntax_error", "a=1\nb=2\nif then\n", 2, "syntax error", 3, "if then"),
    ("a_syntax_error_in_brackets", "a=1\nb=2\nif [[ $a == 1 ]; then\n:; fi\n", 2, "syntax error", 3, "if [[ $a"),
    ("a_failure_after_one", "eval '[[ a ; b' || :\nfalse", 1, "errexit", 2, "false"),
    ("an_exit_after_one", "eval '[[ a ; b' || :\nexit 6", 6, "called exit with status 6", 2, "exit 6"),
    ("an_unfinished_quote", "a=1\necho 'x\n", 2, "unexpected EOF", 2, "echo 'x"),
    ("an_unset_variable", "set -u\na=1\necho $nope", 1, "nope: unbound variable", 3, "echo $nope"),
    ("an_unset_one_in_a_function", "set -u\nf() {\n  : $nope\n}\nf", 1, "nope: unbound variable", 3, ": $nope"),
    ("an_unset_one_after_a_failure_without_errexit", "set +e\nfalse\nset -eu\n: $nope", 1, "nope: unbound variable", 4, ": $nope"),
    ("an_unset_one_with_a_message", ": ${nope:?is needed}", 1, "nope: is needed", 1, ": ${nope:?is needed}"),
    ("a_bad_substitution", "true\n: ${a b}", 1, "bad substitution", 2, ": ${a b}"),
    ("a_readonly_variable", "readonly r=1\nr=2", 1, "r: readonly variable", 2, "r=2"),
    ("no_such_file", "\nsource /nowhere/lib.sh", 1, "No such file", 2, "source /nowhere/lib.sh"),
    ("a_redirection", "true\n: >/nowhere/x", 1, "errexit", 2, ": > /nowhere/x"),
    ("kill", "true\nkill -9 $$", 137, "killed by SIGKILL", None, ""),
    ("a_signal_to_the_group", "kill 0; sleep 9", 143, "SIGTERM", None, ""),
    ("a_signal", "true\nkill -TERM $$; sleep 9", 143, "SIGTERM", 2, ""),
    ("a_signal_by_its_last_command", "true\nkill -TERM $$", 143, "killed by SIGTERM", None, ""),
    ("another_signal", "true\nkill -HUP $$; sleep 9", 129, "killed by SIGHUP", 2, "kill -HUP"),
    ("endless_recursion", "f() { f; }; f", 139, "killed by SIGSEGV", None, ""),
    ("exec", "exec sh -c 'echo replaced; exit 11'", 11, "exec", None, ""),
    ("exec_of_nothing", "true\nexec /nowhere/program", 127, "status 127", None, ""),
    ("an_exit_trap_of_its_own", "trap 'echo bye' EXIT\nfalse", 1, "errexit", 2, "false"),
    ("an_exit_trap_that_fails", "trap false EXIT\ntrue\n(exit 3)", 1, "errexit", 3, "( exit 3 )"),
    ("an_exit_trap_and_exit", "trap 'echo bye' EXIT\nexit 12", 12, "called exit with status 12", 2, "exit 12"),
    ("an_exit_trap_with_a_status", "trap 'echo bye; exit 13' EXIT\nfalse", 13, "status 13", None, ""),
    ("an_exit_trap_that_hands_the_status_on", "trap 'rc=$?; echo bye; exit $rc' EXIT\n(exit 3)", 3, "errexit", 2, "( exit 3 )"),
    ("an_exit_trap_that_ends_with_exit", "trap 'echo bye; exit' EXIT\n(exit 3)", 3, "errexit", 2, "( exit 3 )"),
    ("an_exit_trap_in_which_a_command_fails", "set +e\ntrap '(exit 4); exit' EXIT\nexit 12", 12, "called exit with status 12", 3, "exit 12"),
    ("an_exit_trap_that_fails_after_a_good_end", "trap 'exit 3' EXIT\ntrue\nexit 0", 3, "called exit with status 3", None, "exit 3"),
    ("an_exit_trap_that_calls_exit_again", "trap 'echo bye; exit' EXIT\nexit 12", 12, "called exit with status 12", 2, "exit 12"),
    ("an_err_trap_of_its_own", "trap 'echo ERR' ERR\ntrue\nfalse", 1, "status 1 under errexit", None, ""),
    ("builtin_exit", "true\nbuiltin exit 14", 14, "status 14", 2, "builtin exit"),
    ("an_exit_function_of_its_own", "exit() {\n  builtin exit 16\n}\nexit", 16, "status 16", 2, "builtin exit"),
    ("builtin_exit_and_a_trap_says_what_is_lost", "trap : EXIT\nbuiltin exit 17", 17, "status 17 (by exec, set -n or an EXIT trap of its own); its variables are gone: the session goes on from the state before it", None, ""),
    ("command_exit", "true\ncommand exit 15", 15, "status 15", None, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "status", "reason", "line", "command"),
    [c[1:] for c in FAILING],
    ids=[c[0] for c in FAILING],
)
def test_a_hook_that_fails_is_named_with_its_line_and_the_session_lives_on(
    tree, output, script: str, status: int, reason: str, line: int | None, command: str
) -> None:
    path = tree.hook("10-fails.sh", "seen=1; echo first\n" + script)
    tree.hook("20-never.sh", "never=1")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")
    failure = caught.value.failure

    assert (failure.what, failure.status) == ("10-fails.sh", status)
    assert reason in failure.reason
    assert failure.file == str(path)
    if line is not None:
        assert failure.line == line + 1
    elif "SIGKILL" in reason or "exec" in script:  # nothing of the hook was there to tell
        assert failure.line is None
    assert " ".join(failure.command.split()).startswith(command)
    assert failure.last_lines[0] == "first"
    assert not any("stacknb" in text and "stacknb-" not in text for text in failure.last_lines)
    log = Path(failure.log).read_text()
    assert log.startswith("#stacknb-begin ")
    assert log.count("#stacknb-end ") == 1
    assert [hook.status for hook in stack.result.hooks] == ["failed"]
    # The state before the failure is there, and nothing has run after it; killed, it is that of
    # the hook before.
    alive = not re.search(r"EXIT\nbuiltin|kill -9|\bexec\b|f\(\) \{ f;", script)
    assert stack.evaluate("echo ${seen-} ${never-}").stdout == ("1\n" if alive else "\n")
    path.write_text("mended=$seen")
    assert [hook.status for hook in stack.run_phase("override_defaults")] == ["ok", "ok"]
    assert list(stack.variables("never").value) == ["1"]


@pytest.mark.parametrize("script", ["false", "f() { local in=1; exit 3; }; f", ": ${x?}", "if"])
def test_the_variables_after_a_hook_that_failed_hold_none_of_the_drivers_own(
    tree, script: str
) -> None:
    tree.hook("10-fails.sh", script)
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.step()

    assert [n for n in stack.variables().name if n.startswith(("_nb_", "_stacknb_"))] == []


def test_a_failing_line_of_a_sourced_file_is_that_of_the_file(tree, tmp_path: Path) -> None:
    (tmp_path / "lib.sh").write_text("echo lib\nfunction helper {\n  false\n}\nhelper\n")
    failure = failure_of(tree, f"source '{tmp_path}/lib.sh'")

    assert (failure.file, failure.line, failure.command) == (str(tmp_path / "lib.sh"), 3, "false")


def test_an_exit_that_ended_nothing_is_not_the_place_of_a_later_failure(tree) -> None:
    failure = failure_of(
        tree, "exit --help >/dev/null && exit 9 || [[ $? == 2 ]]\ntrue\nfalse --later"
    )

    assert (failure.line, failure.command) == (3, "false --later")


def test_a_syntax_error_of_a_sourced_file_is_that_of_the_file(tree, tmp_path: Path) -> None:
    (tmp_path / "lib.sh").write_text("before=1\n\ndone\n")
    tree.hook("10-a.sh", f"a=1\nsource '{tmp_path}/lib.sh'\nb=1")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")

    assert (caught.value.failure.file, caught.value.failure.line) == (str(tmp_path / "lib.sh"), 3)
    assert list(stack.variables("[ab]*").name) == ["a", "before"]


def test_a_function_of_an_earlier_hook_that_fails_is_named_in_its_file(tree) -> None:
    library = tree.hook("10-library.sh", "\n\nf() {\n  false\n}")
    tree.hook("20-caller.sh", "f")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")

    failure = caught.value.failure
    assert (failure.what, failure.file, failure.line) == ("20-caller.sh", str(library), 4)


def test_a_function_restored_from_a_snapshot_that_fails_is_named_with_a_file_that_is_there(
    tree,
) -> None:
    tree.hook("10-library.sh", "f() {\n  false_start=1\n  false\n}")
    tree.hook("20-caller.sh", "[[ -v again ]] || exit 1\nf")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    stack.evaluate("again=1; unset -f nothing")
    tree.hook("10-library.sh", ":")
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")

    failure = caught.value.failure
    assert failure.command == "false"
    # Only its name leads to the user's own text.
    assert " in 'f', restored from a snapshot (once" in str(caught.value)
    lines = Path(failure.file).read_bytes().split(b"\n")
    assert lines[(failure.line or 0) - 1] == b"    false"


@pytest.mark.parametrize(
    ("end", "trap"),
    [("g", ""), ("exit 2", ""), ("nothing_of_the_kind=${nope?}", ""), ("die 1 oops", ""),
     ("g", "trap : EXIT"), ("exit 2", "trap : EXIT")],
)  # fmt: skip
def test_a_failure_tells_the_calls_that_led_to_it(tree, end: str, trap: str) -> None:
    library = tree.hook("10-library.sh", f"g() {{\n  false\n}}\nf() {{\n  {end}\n}}\n")
    caller = tree.hook("20-caller.sh", f"{trap}\nf\n")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")

    inner = [f"{library}:5"] if end == "g" else []
    assert caught.value.failure.place == f"{library}:{2 if inner else 5}"
    assert caught.value.failure.calls == (*inner, f"{caller}:2")


@pytest.mark.parametrize("trap", ["", "trap : EXIT"])
@pytest.mark.parametrize("of", ["hook", "task"])
def test_a_failure_tells_the_calls_through_files_that_functions_source(
    tree, tmp_path: Path, of: str, trap: str
) -> None:
    library = tmp_path / "library"
    library.write_text("g() {\n  false\n}\ng\n")
    run = "f" if of == "hook" else "async_run t f\nasync_wait t"
    hook = tree.hook("10-a.sh", f"f() {{\n  {trap}\n  source {library}\n}}\n{run}\n")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.step()
    failure, calls = caught.value.failure, [f"{library}:4", f"{hook}:3", f"{hook}:5"]
    if of == "hook":
        assert (failure.place, failure.calls) == (f"{library}:2", tuple(calls))
        assert not any("pop_var_context" in line for line in failure.last_lines)
    else:
        result = stack.tasks["t"].result
        assert (result.failed_at[:2], result.calls) == ((str(library), "2"), tuple(calls))


@pytest.mark.parametrize("end", ["g", "exit 2", "die 1 oops"])
def test_the_failure_of_a_task_tells_the_calls_that_led_to_it(tree, output, end: str) -> None:
    hook = tree.hook(
        "10-a.sh",
        f"g() {{\n  false\n}}\nf() {{\n  {end}\n}}\nasync_run t f\nh() {{ async_wait t || :; }}\nh\n",
    )
    stack = tree.stack()
    stack.step()
    inner = [f"{hook}:5"] if end == "g" else []
    with pytest.raises(TaskFailed) as caught:
        stack.async_wait("t")
    [result] = caught.value.results
    assert result.failed_at[:2] == (str(hook), "2" if inner else "5")
    assert result.calls == (*inner, f"{hook}:7")
    assert f"\n  from    {result.calls[0]}\n" in str(caught.value)
    place, calls = ":".join(result.failed_at[:2]), ", ".join(result.calls)
    failed = f"async_wait: FAILED: t (status {result.exit_code})\n"
    assert f" seconds\n    at {place}, called from {calls}\n{failed}" in output(stack, "10-a.sh")


def test_functions_are_told_by_their_own_files_after_a_resume_and_after_failures(
    tree, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    library.write_text("f() {\n  : a\n\n  [[ -v fine ]]\n}\n")
    caller = tree.hook("10-a.sh", f"[[ $1 != source ]] || source {library}\n[[ $1 != stack ]] || f")
    with tree.stack() as stack:
        stack.run(until="source")
        run_dir = stack.run_dir
    with Stack.resume(run_dir) as stack:
        for _ in range(2):
            library.write_text(f"# edited\n{library.read_text()}")
            with pytest.raises(HookFailed) as caught:
                stack.run_phase("pre-install")
            assert caught.value.failure.calls == (f"{caller}:2",)
        assert " in 'f', restored from a snapshot" in caught.value.failure.reason
        assert caught.value.failure.place == f"{library}:6"
        with pytest.raises(TaskFailed) as of_task:
            stack.async_wait(stack.async_run("f", "f").name)
        assert of_task.value.results[0].failed_at == (str(library), "6", "[[ -v fine ]]")


def test_exit_0_ends_the_whole_run_with_status_0_and_says_so(tree) -> None:
    tree.hook("10-a.sh", "a=1\nexit 0")
    tree.hook("20-b.sh", "b=1")
    stack = tree.stack()
    result = stack.run()

    assert result.ok
    assert not result.complete
    assert [hook.name for hook in result.hooks] == ["10-a.sh"]
    assert any("exit 0" in note for note in result.notes)
    board = Board(lambda: stack.run_dir)
    board.update(thoroughly=True)
    assert [hook.status for hook in board.phases[0].hooks] == ["ok", "skipped"]
    for run in (status.read(stack.run_dir), board):
        assert (run.state, run.phases[0].status) == ("unfinished", "unfinished")
    assert sorted(stack.variables("[ab]").name) == ["a"]


def test_exit_in_a_subshell_ends_the_subshell_alone(tree, output) -> None:
    stack = tree.run("(exit 3) || echo $?; x=$(exit 4) || echo $?; exit 5 | cat; echo on")

    assert output(stack, "10-hook.sh") == "3\n4\non\n"


def test_an_exit_trap_of_the_hook_runs_once_when_the_hook_fails(tree, output) -> None:
    tree.hook("10-a.sh", "trap 'echo bye $? >>byes; echo bye' EXIT; false")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    assert output(stack, "10-a.sh") == "bye\n"
    stack.close()

    assert Path("byes").read_text() == "bye 1\n"


OWN_TRAP = "trap 'echo \"bye $? $v\" | tee -a byes; v=of_trap' EXIT\n"
KEPT = "v=1 arr=([3]='x y'); declare -gA map=([k]=m); fn() { echo fn; }; trap 'echo usr' USR1\n"
OWN_WAYS = [
    # id, what ends the hook, status, reason
    ("errexit", "false", 1, "failed with status 1 under errexit"),
    ("errexit_in_a_function", "f() { local inner=1; (exit 4); }; f", 4, "status 4 under errexit"),
    ("exit", "exit 3", 3, "called exit with status 3"),
    ("die", "die $LINENO oops", 1, "called exit with status 1"),
    ("in_posix_mode", "set -o posix; false", 1, "failed with status 1 under errexit"),
    ("under_xtrace", "set -x; false", 1, "failed with status 1 under errexit"),
    ("with_awkward_options", "set -ufC; IFS=123; readonly IFS; false", 1, "status 1 under errexit"),
    ("with_traps_that_count", "trap 'echo child' CHLD; trap 'dbg=1' DEBUG; false", 1, "errexit"),
    ("with_a_function_for_printf", "printf() { echo mine; }; trap() { :; }; false", 1, "errexit"),
    ("with_builtins_disabled", "enable -n mapfile declare; false", 1, "errexit"),
]  # fmt: skip


@pytest.mark.parametrize("where", ["same", "earlier"])
@pytest.mark.parametrize(
    ("end", "status", "reason"), [c[1:] for c in OWN_WAYS], ids=[c[0] for c in OWN_WAYS]
)
def test_a_hook_that_fails_with_an_exit_trap_of_its_own_keeps_its_variables(
    tree, output, end: str, status: int, reason: str, where: str
) -> None:
    tree.hook("10-a.sh", OWN_TRAP if where == "earlier" else ":")
    path = tree.hook("20-b.sh", f"local near=L\n{OWN_TRAP * (where == 'same')}{KEPT}{end}\n")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")
    failure = caught.value.failure

    assert (failure.status, failure.line) == (status, len(path.read_text().splitlines()))
    assert reason in failure.reason
    assert "gone" not in failure.reason
    assert Path("byes").read_text() == f"bye {status} 1\n"
    lines = output(stack, "20-b.sh").splitlines()
    assert [line for line in lines if "bye" in line and line[0] != "+"] == [f"bye {status} 1"]
    assert not any("stacknb" in line or line == "mine" for line in lines)
    rows = {(r.name, r.value, bool(r.local)) for r in stack.variables().itertuples()}
    assert {("v", "1", False), ("arr", '([3]="x y")', False), ("near", "L", True)} <= rows
    assert (("inner", "1", True) in rows) == ("inner" in end)
    show = 'fn; echo "$v ${arr[3]} ${map[k]} ${near-none} ${inner-none}"; builtin trap -p USR1'
    shown = stack.evaluate(show).stdout.splitlines()
    assert shown[:2] == ["fn", "1 x y m none none"]
    assert "echo usr" in shown[2]

    tree.hook("10-a.sh", ":")
    path.write_text('builtin echo "again $v"')
    assert [hook.status for hook in stack.run_phase("override_defaults")] == ["ok", "ok"]
    assert output(stack, "20-b.sh.2").splitlines()[-1] == "again 1"
    stack.close()
    assert Path("byes").read_text() == f"bye {status} 1\n"


@pytest.mark.parametrize(
    ("trap", "status"), [("v=2; exit 13", 13), ("v=2; false; v=3", 1), ("v=2; (exit 5) || v=4", 3)]
)
def test_what_a_hooks_own_exit_trap_does_changes_the_status_and_no_variable(
    tree, trap: str, status: int
) -> None:
    tree.hook("10-a.sh", f"v=1; trap '{trap}' EXIT\nexit 3")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")

    assert caught.value.failure.status == status
    assert stack.evaluate("echo $v").stdout == "1\n"


@pytest.mark.parametrize("end", ["builtin exit 5", "set -u; : $nope", "kill -9 $$", "exec false"])
@pytest.mark.parametrize(
    "harmless",
    [
        "(false) || :; (exit 3) || :; x=$(exit 4) || :; exit 5 | cat",
        "if false; then :; fi; f() { false; :; }; f || :; ! false",
        "exit --help >/dev/null || :",
        "command_not_found_handle() { false; :; }; nosuch || :",
        "async_run t false; async_wait t || :",
    ],
)
def test_only_what_ends_the_shell_is_taken_for_the_state_at_its_end(
    tree, harmless: str, end: str
) -> None:
    tree.hook("10-a.sh", "v=0")
    tree.hook("20-b.sh", f"v=1; trap : EXIT\n{harmless}\nv=2\n{end}")
    stack = tree.stack()
    with pytest.raises(HookFailed, match=r"status|unbound|SIGKILL") as caught:
        stack.run_phase("override_defaults")

    assert "called exit" not in caught.value.failure.reason
    assert stack.evaluate("echo $v").stdout == "0\n"


def test_a_cell_that_exits_with_an_exit_trap_of_its_own_keeps_its_variables(tree) -> None:
    stack = tree.run("v=1")
    with pytest.raises(HookFailed) as caught:
        stack.evaluate("trap 'echo bye >>byes' EXIT; w=2; declare -a arr=(a b)\nexit 5")

    assert caught.value.failure.status == 5
    assert stack.evaluate("echo $v $w ${arr[1]}").stdout == "1 2 b\n"
    assert Path("byes").read_text() == "bye\n"


def test_plugins_enabled_by_a_hook_that_fails_with_an_exit_trap_of_its_own_are_known(tree) -> None:
    folder = tree.plugin("p", settings=":").partition("=")[2]
    tree.hook("10-a.sh", f"trap : EXIT; enable_plugin p '{folder}'; exit 3")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    assert "p-settings" in stack.plan()["hook"].tolist()
    tree.hook("10-a.sh", f"[[ $1 == source ]] || enable_plugin p '{folder}'")
    stack.run_phase("override_defaults")
    assert "p-settings" in [hook.name for hook in stack.run_phase("source")]


def test_an_exit_with_status_0_and_an_exit_trap_of_its_own_keeps_the_variables(tree) -> None:
    stack = tree.run("a=1; trap : EXIT; exit 0", "b=1")

    assert [hook.status for hook in stack.result.hooks] == ["ok"]
    assert sorted(stack.variables("[ab]").name) == ["a"]


def test_builtins_replaced_by_an_earlier_hook_do_not_cost_a_failed_one_its_variables(tree) -> None:
    tree.hook("10-a.sh", "builtin() { echo mine; }")
    tree.hook("20-b.sh", "v=1; false")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")

    assert caught.value.failure.status == 1
    assert stack.evaluate("unset -f builtin; echo $v").stdout == "1\n"


def test_an_exit_trap_of_the_hook_runs_at_the_end_of_the_run(tree) -> None:
    stack = tree.run("v=seen; trap 'echo bye $v; echo bye $v >byes' EXIT", ":")
    assert not Path("byes").exists()
    run_dir = stack.run_dir
    stack.close()

    assert Path("byes").read_text() == "bye seen\n"
    assert (run_dir / "exit.txt").read_text() == "bye seen\n"
    assert timing.load(run_dir).problems.empty, "that is no log without a header"


def test_an_exit_trap_is_not_run_in_a_subshell_or_a_task(tree) -> None:
    stack = tree.run("trap 'echo bye >>byes' EXIT; (:); x=$(:); async_run t true; async_wait t")
    assert not Path("byes").exists()
    stack.close()

    assert Path("byes").read_text() == "bye\n"


def test_an_err_trap_of_the_hook_fires_as_in_plain_bash(tree, output, tmp_path: Path) -> None:
    script = (
        "trap 'echo \"err $? $LINENO $BASH_COMMAND\"' ERR\n"
        "f() { false; true; }\n"
        "f\n"
        "set +e\n"
        "false\n"
        "f; f || :\n"
        "if f; then :; fi\n"
        "(exit 4)\n"
        "g() { return 2; }; g; true | false; x=$(exit 5)\n"
    )
    assert same_as_plain_bash(tree, output, tmp_path, script)


def test_an_err_trap_set_by_a_sourced_file_fires_as_in_plain_bash_from_the_next_hook_on(
    tree, output, tmp_path: Path
) -> None:
    (tmp_path / "lib").write_text("trap 'echo err' ERR\n")
    first, second = f"set +e\nsource '{tmp_path}/lib'", "f() { false; true; }\nf\nfalse\n(false)\n:"
    stack = tree.run(first, second)

    assert output(stack, "11-hook.sh") == plain_bash(tmp_path, first, second)


def test_an_err_trap_stays_for_the_hooks_after_it(tree, output, tmp_path: Path) -> None:
    first, second = "trap 'echo err' ERR; set +e", "false; f() { false; true; }; f; trap -p ERR; :"
    stack = tree.run(first, second)

    assert output(stack, "11-hook.sh") == plain_bash(tmp_path, first, second)


APPEND = """append() {
  local old
  old() { printf '%s' "${3-}"; }
  old=$(eval "old $(trap -p $2)")
  trap -- "$old${old:+; }$1" $2
}
"""


def test_an_err_trap_appended_to_what_trap_p_shows_stays(tree, output, tmp_path: Path) -> None:
    first = APPEND + "append 'echo one' ERR; append 'echo two' ERR; set +e"
    second = "false; trap -p ERR; set -E; false; :"
    stack = tree.run(first, second)

    assert output(stack, "11-hook.sh") == plain_bash(tmp_path, first, second)


def test_errtrace_that_a_hook_sets_stays_although_the_next_one_does_not_name_it(
    tree, output, tmp_path: Path
) -> None:
    hooks = ("set +e -E", ":", "f() { false; :; }; trap 'echo err' ERR; f")
    stack = tree.run(*hooks)

    assert output(stack, "12-hook.sh") == plain_bash(tmp_path, *hooks) == "err\n"


@pytest.mark.parametrize("fails", [False, True])
def test_an_exit_trap_appended_to_what_trap_p_shows_runs_at_the_end(tree, fails: bool) -> None:
    tree.hook("10-a.sh", APPEND + "append 'echo one >>ends' EXIT; append 'echo two >>ends' EXIT")
    tree.hook("20-b.sh", "exit 3" if fails else ":")
    stack = tree.stack()
    with pytest.raises(HookFailed) if fails else contextlib.nullcontext():
        stack.run_phase("override_defaults")
    stack.close()

    assert Path("ends").read_text() == "one\ntwo\n"


def test_a_hook_sees_no_option_of_ours(tree, output) -> None:
    stack = tree.run("echo $-; set +o | grep errtrace; shopt -o errtrace || :")

    assert output(stack, "10-hook.sh").split() == [
        "ehB",
        "set",
        "+o",
        "errtrace",
        "errtrace",
        "off",
    ]


def test_options_are_told_apart_under_nocasematch(tree, output) -> None:
    tree.hook("05-z.sh", "set +e")
    tree.hook("10-a.sh", "shopt -s nocasematch; set -ef")
    tree.hook("20-b.sh", "echo $-\nfalse\necho on")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    assert set("ef") <= set(output(stack, "20-b.sh").strip())


def test_xtrace_shows_the_commands_of_the_hook_alone(tree, output) -> None:
    stack = tree.run("set +e\nset -x\nfalse\n(exit 3)\nset +x\n:")

    assert output(stack, "10-hook.sh") == "++ false\n++ exit 3\n++ set +x\n"


def test_xtrace_that_a_hook_leaves_shows_how_the_next_is_sourced_and_its_commands(
    tree, output
) -> None:
    stack = tree.run("set -x", "x=1\nset +x")

    hook = tree.extras / "11-hook.sh"
    assert output(stack, "11-hook.sh") == (
        f"+ builtin source {hook} override_defaults\n++ x=1\n++ set +x\n"
    )


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("set -x; x=1; false", "++ x=1\n++ false\n"),
        ("set -x; x=1; exit 3", "++ x=1\n++ exit 3\n"),
        ("f() { return 4; }; set -x; f", "++ f\n++ return 4\n"),
        ("set -xu; exec 2>&1; : $nope", "++ exec\n{hook}: line 1: nope: unbound variable\n"),
        ("trap 'echo \"$BASH_COMMAND\"' DEBUG; x=1; false", "x=1\nfalse\n"),
        ("trap 'echo \"$BASH_COMMAND\"' DEBUG; x=1; exit 4", "x=1\nexit 4\n"),
    ],
)
def test_the_end_of_a_hook_shows_no_command_of_ours(tree, output, script: str, shown: str) -> None:
    hook = tree.hook("10-a.sh", script)
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    assert output(stack, "10-a.sh") == shown.format(hook=hook)


def test_conditions_suspend_errexit_as_in_bash(tree, output) -> None:
    stack = tree.run(
        "f() { false; echo on; }\nif f; then echo yes; fi\nf || echo no\nf && echo and\n! f\n"
        "while f; do break; done\nuntil ! f; do break; done\n[[ $(f; echo sub) ]]\necho end"
    )

    assert output(stack, "10-hook.sh") == "on\nyes\non\non\nand\non\non\non\nend\n"


def test_unstack_is_not_under_errexit(tree, output) -> None:
    tree.hook("10-a.sh", "false\necho $1")
    stack = tree.stack()
    assert stack.run("unstack").ok

    assert output(stack, "10-a.sh", "unstack") == "unstack\n"


@pytest.mark.parametrize(
    "word", ["break", "continue", "break 2", "for i in 1; do continue 2; done"]
)
@pytest.mark.parametrize("of", ["cell", "localrc"])
def test_break_or_continue_outside_of_any_loop_ends_what_is_sourced_at_top_level(
    tree, tmp_path: Path, word: str, of: str
) -> None:
    (tmp_path / "rc").write_text(f"v=kept\n{word}\nv=lost" if of == "localrc" else "")
    stack = tree.stack(localrc=tmp_path / "rc")
    with pytest.raises(HookFailed, match="called break or continue outside of any loop"):
        stack.step() if of == "localrc" else stack.evaluate(f"v=kept\n{word}\nv=lost")

    assert stack.evaluate("echo $v").stdout == "kept\n"


@pytest.mark.parametrize("of", ["hook", "cell", "library"])
def test_what_makes_bash_drop_all_that_runs_is_told_where_it_stands(
    tree, tmp_path: Path, of: str
) -> None:
    text = "v=kept\nf() {\n  local w=lost\n  a[b.c]=1\n}\nnope_1 || :\nf\nv=lost\n"
    library = tmp_path / "library"
    library.write_text(text)
    stack = tree.run(":") if of == "cell" else tree.stack()
    hook = tree.hook("10-a.sh", f"source {library}\nv=lost" if of == "library" else text)
    with pytest.raises(HookFailed) as caught:
        stack.evaluate(text) if of == "cell" else stack.step()
    failure = caught.value.failure
    assert failure.reason.startswith("failed: b.c: ")
    assert (failure.line, failure.command, failure.calls) == (4, "a[b.c]=1", ())
    if of != "cell":
        assert failure.file == str(library if of == "library" else hook)
    assert stack.evaluate("echo $v${w-}").stdout == "kept\n"


def test_what_made_bash_drop_all_is_not_known_where_nothing_was_said(tree) -> None:
    tree.hook("10-a.sh", "nope_1 || echo on\n{ a[b.c]=1; } 2>/dev/null\n")
    with pytest.raises(HookFailed, match="met what bash drops a whole script for") as caught:
        tree.stack().step()
    assert caught.value.failure.line is None


def test_a_restricted_shell_is_ended_since_it_can_say_nothing(tree) -> None:
    stack = tree.run("v=1")
    with pytest.raises(HookFailed, match="'cell 1' ended its shell"):
        stack.evaluate("set -r")

    assert stack.evaluate("echo $v").stdout == "1\n"


@pytest.mark.parametrize("end", ["false", "exit 1", "set -u; false", "(exit 1)"])
@pytest.mark.parametrize("gone", ["BASHPID", "BASHPID BASH_SUBSHELL"])
def test_a_hook_that_has_unset_the_number_of_its_process_and_fails_keeps_its_variables(
    tree, gone: str, end: str
) -> None:
    if "SUBSHELL" in gone and "-u" in end:
        end = "false"
    tree.hook("10-a.sh", f"v=kept\nunset {gone}\n(exit 0)\n{end}")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.step()
    failure = caught.value.failure
    assert (failure.status, failure.line) == (1, 4)
    assert stack.evaluate("echo $v").stdout == "kept\n"


def test_a_log_has_its_end_where_a_hook_has_unset_the_number_of_its_process(tree) -> None:
    tree.hook("10-a.sh", "unset BASHPID")
    stack = tree.stack()
    stack.step()

    assert [hook.status for hook in status.read(stack.run_dir).phases[0].hooks] == ["ok"]


@pytest.mark.parametrize("end", ["exec true", "set -n"])
def test_the_log_of_a_hook_that_never_came_to_its_end_does_not_say_that_it_was_well(
    tree, end: str
) -> None:
    tree.hook("10-a.sh", end)
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.step()

    [hook] = status.read(stack.run_dir).phases[0].hooks
    assert (hook.status, hook.exit_code) == ("failed", 0)


def test_a_last_status_that_is_not_0_outside_errexit_is_no_failure_of_the_run(
    tree, tmp_path: Path
) -> None:
    tree.hook("10-a.sh", "false")
    result = tree.stack().run("unstack")

    assert [(hook.phase, hook.exit_code) for hook in result.hooks][-1] == ("unstack", 1)
    assert result.complete

    *_, last = status.read(result.run_dir).phases[-1].hooks
    assert (last.status, last.exit_code) == ("ok", 1)
    run = timing.load(result.run_dir)
    assert run.hooks[["status", "exit_code"]].values.tolist() == [["ok", 1]] * 3
    run.to_junit(tmp_path / "junit.xml")
    assert 'failures="0"' in (tmp_path / "junit.xml").read_text()


def test_locals_of_the_failed_hook_can_be_looked_at_but_are_gone(tree) -> None:
    tree.hook(
        "10-a.sh",
        "v=global w=global\nlocal v=local u='1 2'; local -r t=5\nf() { local w=inner; exit 3; }\nf",
    )
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    frame = stack.variables("[tuvw]")
    rows = {(r.name, r.value, bool(r.local)) for r in frame.itertuples()}
    new = stack.evaluate("((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 502))").ok
    assert rows == {
        ("v", "global", False), ("w", "global", False), ("v", "local", True), ("u", "1 2", True),
        ("t", "5", True), *[("w", "inner", True)][:new],  # before 5.2 `exit` leaves functions first
    }  # fmt: skip
    assert stack.evaluate("echo $v $w ${u-none} ${t-none}").stdout == "global global none none\n"


@pytest.mark.parametrize("local", [
    "local -a v=(1 2)", "local -A v=([k]=1)", "local -i v=5", "local -n v=w",
    "local v", "local v=$'\\xff\\n'", "local -x v=5", "local IFS=:", "local PATH=/x", "local -u v=x",
    "f() { local a=1 b=1 c=1 d=1; g; }; g() { local a=2 b=2 c=2 d=2; exit 3; }; f", "local LC_ALL=C",
    "local HOME=/x", "local i=1 n=2 name=3", "set -u; local a=1 b=1 c=1 d=1; echo $nope", "local -", "die 1 oops",
])  # fmt: skip
def test_locals_never_become_globals(tree, local: str) -> None:
    over = "a=global; b=([2]=x y); declare -gA c=([k]=x); w=(x y); declare -gn d=w"
    show = "declare -p a b c d w IFS PATH HOME LC_ALL i n name 2>/dev/null"
    locals_ = "; ".join(dict.fromkeys(re.sub(r"\bv\b", name, local) for name in "abcd"))
    tree.hook("10-a.sh", f"{over}\n")
    tree.hook("20-b.sh", f"[[ -v mended ]] || {{ {locals_}; exit 3; }}\n" if "set -u" not in local
              else f"[[ -v mended ]] || {{ {locals_}\n}}\n")  # fmt: skip
    stack = tree.stack()
    stack.evaluate(over)
    before = stack.evaluate(show).stdout
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    assert stack.evaluate(show).stdout == before


@pytest.mark.parametrize(("option", "signal"), [("-T", "DEBUG"), ("-T", "RETURN"), ("-E", "ERR")])
def test_a_trap_that_the_failed_hook_took_away_does_not_come_back(
    tree, option: str, signal: str
) -> None:
    tree.hook("10-a.sh", f"set {option}; trap ': mine' {signal}")
    tree.hook("20-b.sh", f"trap -p {signal}; trap - {signal}; exit 3")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    assert stack.evaluate(f"trap -p {signal}").stdout == ""


def test_a_global_readonly_array_made_before_the_failure_stays(tree) -> None:
    tree.hook(
        "10-a.sh", "readonly -A m=(['a b']=1 [c]=$'\\n'); declare -gr x=2\nlocal x2=1\nexit 3"
    )
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    assert stack.evaluate('echo "${m["a b"]}" $x ${x2-none}').stdout == "1 2 none\n"


def test_a_descriptor_left_open_does_not_keep_the_answer_from_coming(tree, output) -> None:
    stack = tree.run("sleep 1000 & cat <(sleep 1000) >/dev/null & disown -a; echo done")

    assert output(stack, "10-hook.sh") == "done\n"


def test_children_of_a_failed_hook_run_on_and_end_with_the_stack(tree) -> None:
    tree.hook("10-a.sh", "(trap '' TERM; sleep 1000; :) & echo $! >child; exit 1")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    child = int(Path("child").read_text())
    assert Path(f"/proc/{child}").exists()
    stack.close()  # the sandbox looks for what is left


def test_processes_in_groups_of_their_own_end_with_the_stack(tree) -> None:
    stack = tree.run("set -m; sleep 1000 & set +m; nohup sleep 1000 & disown -a")
    stack.close()  # the sandbox looks for what is left


# ------------------------------------------------------------------------- cells


def test_a_cell_runs_at_top_level_without_errexit(tree) -> None:
    stack = tree.run("v=1")
    result = stack.evaluate("false; echo $v; declare w=2; echo oops >&2; (exit 4)")

    assert (result.exited, result.stdout, result.stderr) == (4, "1\n", "oops\n")
    assert not result
    assert stack.evaluate("echo $w").stdout == "2\n"
    assert stack.evaluate("local x=1").exited == 1


def test_a_cell_that_exits_ends_nothing_but_itself(tree) -> None:
    stack = tree.run("v=1")
    with pytest.raises(HookFailed) as caught:
        stack.evaluate("w=2\nexit 5")

    assert caught.value.failure.status == 5
    assert stack.evaluate("echo $v $w").stdout == "1 2\n"


@pytest.mark.parametrize(
    ("code", "place", "reason", "said"),
    [
        ('echo out\ndie 7 "no disk"', ":2", "called exit with status 1", "no disk"),
        ("echo out\nset -u\necho $nowhere", ":3", "nowhere: unbound variable", "nowhere: unbound"),
        (
            "echo out\ntime_stop t",
            ":2",
            "called exit with status 1",
            "the clock 't' is not running",
        ),
    ],
)
def test_a_cell_that_ends_its_shell_is_told_with_what_it_wrote_to_stderr(
    tree, code: str, place: str, reason: str, said: str
) -> None:
    stack = tree.run("v=1")
    with pytest.raises(HookFailed) as caught:
        stack.evaluate(code)

    failure = caught.value.failure
    assert failure.place.endswith(f"1.bash{place}")
    assert reason in failure.reason
    assert failure.last_lines[0] == "out"
    assert said in failure.last_lines[-1]


def test_errexit_is_on_again_after_a_cell(tree) -> None:
    tree.hook("10-a.sh", "case $1 in source) false; esac")
    stack = tree.stack()
    stack.run_phase("override_defaults")
    stack.evaluate("false; true")
    with pytest.raises(HookFailed):
        stack.run_phase("source")


def test_a_syntax_error_within_brackets_spoils_neither_the_snapshot_nor_what_comes_next(
    tree, output
) -> None:
    # Bash itself understands no [[ ]] from then on, until there is another syntax error.
    tree.hook("10-a.sh", "a=1\nif [[ $1 == unstack ]; then\n:; fi")
    tree.hook("20-b.sh", "[[ $1 != unstack && 1 != 2 ]] || echo stopping")
    stack = tree.stack()
    stack.run("unstack")
    result = stack.evaluate("b=2\n[[ $a == 1 ]; echo never")
    after = stack.evaluate("[[ $a == 1 && $b == 2 ]] && echo both")

    assert stack.result.notes == []
    assert output(stack, "20-b.sh", "unstack") == "stopping\n"
    assert (result.exited, "driver.bash" in result.stderr) == (2, False)
    assert after.stdout == "both\n"


def test_a_cell_with_a_syntax_error_says_where(tree) -> None:
    stack = tree.run("v=1")
    try:
        text = stack.evaluate("echo a\nif\n").stderr
    except HookFailed as error:
        text = str(error)
    assert "syntax error" in text
    assert stack.evaluate("echo $v").stdout == "1\n"


@pytest.mark.parametrize(
    "code", ["", "\n", "#", "# comment", "echo a\\", "echo 'ä ☃ \udcff'", ":" * 10000]
)
def test_any_text_can_be_a_cell(tree, code: str) -> None:
    stack = tree.run("v=1")
    with contextlib.suppress(HookFailed):
        stack.evaluate(code)
    assert stack.evaluate("echo $v").stdout == "1\n"


# ------------------------------------------------------------------------- awkward places


@pytest.mark.parametrize("name", ["a b", "quo'te", 'dou"ble', "dollar$x `id` \\", "ünïcödé ☃", "-dash", "%s%n",
                                  "semi;colon & (paren)", "[glob]*?", "\udcff\udc80", "tab\tname"])  # fmt: skip
def test_paths_may_hold_any_character_but_a_line_break(tmp_path: Path, name: str) -> None:
    from stacknb import Stack

    top = tmp_path / name
    (top / "extras.d").mkdir(parents=True)
    (top / "extras.d" / "10-a b'$x.sh").write_text(
        'echo "$0"; f() { echo "$PWD" "$1"; }; async_run t f "$TOP_DIR"\nasync_wait t\n'
        "[[ -v mended ]] || { mended=1; exit 3; }"
    )
    (top / "cwd").mkdir()
    os.chdir(top / "cwd")
    with Stack(top, run_dir=top / f"run {name}") as stack:
        with pytest.raises(HookFailed):
            stack.run_phase("override_defaults")
        stack.run_phase("override_defaults")
        stack.async_run("u", "pwd")
        stack.async_wait()
        stack.evaluate(
            "run_process svc 'sleep 1000'; is_running svc && stop_process svc; async_run v false"
        )
        log = (top / f"run {name}" / "async" / "t.log").read_bytes()
    assert os.fsencode(f"{top}/cwd {top}\n") in log


@pytest.mark.parametrize("environment", [
    {"HOME": None}, {"LC_ALL": "tr_TR.UTF-8"}, {"LC_ALL": "ja_JP.EUC-JP"}, {"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"},
    {"LC_NUMERIC": "de_DE.UTF-8"}, {"TMPDIR": "tmp with  blanks 'q"}, {"BASH_ENV": "/nowhere"}, {"ENV": "/nowhere"},
    {"SHELLOPTS": "nounset:noglob"}, {"BASHOPTS": "nullglob:extdebug"}, {"POSIXLY_CORRECT": "1"}, {"PS4": "$(id)"},
    {"IFS": ","}, {"CDPATH": "/"}, {"GLOBIGNORE": "*"}, {"BASH_FUNC_ls%%": "() { :; }"}, {"PYTHONPATH": "/nowhere"},
    {"BASH_FUNC_f%%": "() {  echo from env\n}"}, {"odd-name": "1", "a.b": "2"}, {"SHLVL": "x"}, {"PWD": "/nowhere"},
    {"BIG": "x" * 100_000}, {f"V{i}": "y" * 100 for i in range(5000)}, {"bytes": "\udcff\udc80\n"}, {"LINENO": "5"},
    {"PYTHONHOME": "/nowhere"}, {"HOSTNAME": 'another"'}, {"EXECIGNORE": "*"}, {"BASH_XTRACEFD": "1"}, {"POSIX_PEDANTIC": "1"},
], ids=lambda e: next(iter(e)) + "=" + str(next(iter(e.values())))[:20])  # fmt: skip
def test_the_environment_may_be_odd(
    tree, output, monkeypatch, environment: dict[str, str | None]
) -> None:
    for key, value in environment.items():
        if key == "TMPDIR":
            os.mkdir(value)
            value = os.path.abspath(value)
            monkeypatch.setattr("tempfile.tempdir", None)
        if value is None:
            monkeypatch.delenv(key)
        else:
            monkeypatch.setenv(key, value)
    tree.hook(
        "10-a.sh",
        "v=$1\nasync_run t echo $v\nasync_wait t\n[[ -v mended ]] || { mended=1; false; }",
    )
    tree.hook("20-b.sh", "echo v=$v")
    stack = tree.stack()
    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")
    assert caught.value.failure.line == 4
    stack.run_phase("override_defaults")
    monkeypatch.setattr("tempfile.tempdir", None)

    assert output(stack, "20-b.sh") == "v=override_defaults\n"
    for log in (stack.run_dir / "async").glob("*.log"):
        text = log.read_text()
        assert '"exit_code": 0' in text
        header = json.loads(text.partition("\n")[0].removeprefix("#stacknb-begin "))
        assert header["start"] > 1e9
        assert header["host"] == socket.gethostname()


@pytest.mark.parametrize(
    ("name", "value"),
    [("BASH_FUNC_builtin%%", "() { :; }"), ("BASH_ENV", "./settings"), ("BASH_ENV", "./exit")],
)
def test_an_environment_in_which_no_shell_can_work_is_refused_with_the_reason(
    tree, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    Path("settings").write_text("builtin() { echo mine; }")
    Path("exit").write_text("exit 3")
    monkeypatch.setenv(name, value)
    tree.hook("10-a.sh", "true")
    with pytest.raises(ShellDied, match="before its first hook: see what BASH_ENV, exported"):
        tree.stack().run_phase("override_defaults")


def test_a_deleted_cwd_is_no_obstacle(tree, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    stack = tree.stack(run_dir=tmp_path / "run")
    gone.rmdir()
    stack.run_phase("override_defaults")
    assert stack.evaluate("echo here").stdout == "here\n"
    os.chdir(tmp_path)


def test_a_hook_of_one_megabyte(tree, output) -> None:
    stack = tree.run("".join(f"v{i}='{'x' * 90}'\n" for i in range(10_000)) + "echo end")

    assert output(stack, "10-hook.sh") == "end\n"
    assert len(stack.variables("v[0-9]*")) == 10_000


def test_two_stacks_at_once_do_not_meet(tree, tmp_path: Path) -> None:
    tree.hook("10-a.sh", "v=$RUN_NAME; async_run t sleep 0.05; async_wait t")
    first, second = tree.stack(env={"RUN_NAME": "one"}), tree.stack(env={"RUN_NAME": "two"})
    first.run_phase("override_defaults")
    second.run_phase("override_defaults")

    assert first.run_dir != second.run_dir
    assert [list(s.variables("v").value) for s in (first, second)] == [["one"], ["two"]]


# ------------------------------------------------------------------------- helpers


def failure_of(tree, script: str) -> Failure:
    tree.hook("10-a.sh", script)
    with pytest.raises(HookFailed) as caught:
        tree.stack().run_phase("override_defaults")
    return caught.value.failure


def plain_bash(folder: Path, *scripts: str) -> str:
    """Return what bash prints that sources scripts in a function, under errexit."""
    lines = ["set -e", 'frame() { source "$@"; }']
    for number, script in enumerate(scripts):
        (folder / f"plain{number}").write_text(script)
        lines.append(f"frame '{folder}/plain{number}' override_defaults")
    (folder / "plain").write_text("\n".join(lines) + "\n")
    return subprocess.run(
        ["bash", str(folder / "plain")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, check=False,
    ).stdout  # fmt: skip


def same_as_plain_bash(tree, output, folder: Path, script: str) -> bool:
    tree.hook("10-a.sh", script)
    stack = tree.stack()
    with contextlib.suppress(HookFailed):
        stack.run_phase("override_defaults")
    assert output(stack, "10-a.sh") == plain_bash(folder, script)
    return True


@pytest.mark.parametrize("left", ["-u", "-s"])
def test_a_function_read_under_extglob_keeps_nothing_from_being_restored(tree, left: str) -> None:
    tree.hook(
        "10-a.sh",
        "shopt -s extglob; eval 'f() { case $1 in !(c)) echo m;; esac; }'\n"
        f"shopt {left} extglob; zz() {{ echo zz; }}; alias ll='echo LL'; trap 'echo u' USR1; false",
    )
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")

    done = stack.evaluate("type -t f; zz; alias ll; trap -p USR1; shopt -p extglob || :")

    assert done.stdout.splitlines() == [
        "function", "zz", "alias ll='echo LL'", "trap -- 'echo u' SIGUSR1", f"shopt {left} extglob",
    ]  # fmt: skip
