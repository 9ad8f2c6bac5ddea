"""Generated scripts, sourced as hooks by stacknb and in the same function frame by plain bash.

Variables, functions, options, traps, aliases, statuses and output have to be equal, whether all
hooks end well or one ends the run. STACKNB_EXAMPLES=5000 looks longer than the few of every day.
"""

# ruff: noqa: E501  (a script of bash is read best on one line)

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stacknb import tasklog
from stacknb.lifecycle import Hook, Phase
from stacknb.run import opening
from stacknb.shell import Shell
from stacknb.shell.turns import Turn
from stacknb.snapshots import snapshot
from stacknb.text.script import look

EXAMPLES = int(os.environ.get("STACKNB_EXAMPLES", "150"))

# --------------------------------------------------------------------------- what scripts are made of


def quoted(value: bytes) -> str:
    return "$'" + "".join(f"\\x{byte:02x}" for byte in value) + "'" if value else "''"


VALUES = st.one_of(
    st.sampled_from(
        [
            b"", b" ", b"a  b", b"*", b"~", b"$x `id` \\", b"'", b'"', b"\n", b"\n\n", b"a\nb", b"\x01\x7f",
            b"\xff\xfe", "ä☃".encode(), b"-n", b"-e", b"[x]", b"]", b"a]b", b"(", b")", b"{a,b}", b"!x!", b"#",
            b"a=b", b"7", b"08", b"%s\\n", b"\t", b"\r", b"\x1f", b"\\\n", b"declare -- x=1", b"\ndeclare -x y=\"2\"\n",
            b"#stacknb functions\n", b"\n#stacknb end\n", b"f () \n{ \n    :\n}", b"\x1b[31m", b"_stacknb_", b"x" * 300,
        ]
    ),
    st.binary(max_size=8).map(lambda data: data.replace(b"\0", b"")),
)  # fmt: skip
VALUE = VALUES.map(quoted)
NAME = st.sampled_from(
    ["v", "w", "longer_name", "a", "m", "n", "path", "name", "log", "i", "mode", "status"]
)
PLAIN = st.sampled_from(["v", "w", "longer_name", "path", "name", "i", "status"])
NUMBER = st.integers(0, 12).map(str)


def filled(template: str, **parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.fixed_dictionaries(parts).map(lambda values: template.format(**values))


ASSIGN = st.one_of(
    filled("{n}={v}", n=PLAIN, v=VALUE),
    filled("{n}={v}", n=PLAIN, v=VALUE),
    filled("{n}+={v}", n=PLAIN, v=VALUE),
    filled("{how} {n}={v}", n=PLAIN, v=VALUE, how=st.sampled_from(
        ["export", "declare", "declare -g", "typeset", "local", "declare -x", "declare -gx", "export -n",
         "declare -gu", "declare -l", "declare -gt", "local -x", "declare -g --"])),
    filled("readonly R{k}={v}", k=st.integers(0, 99).map(str), v=VALUE),
    filled("declare -gr S{k}={v}", k=st.integers(0, 99).map(str), v=VALUE),
    filled("{how} i{k}={v}", how=st.sampled_from(["declare -gi", "declare -i", "local -i"]), k=NUMBER, v=NUMBER),
    filled("a{how}({v} {w})", how=st.sampled_from(["=", "+="]), v=VALUE, w=VALUE),
    filled("a[{i}]={v}", i=NUMBER, v=VALUE),
    filled("declare -g{how} a2=([{i}]={v} {w})", how=st.sampled_from(["a", "ax", "ar", "ai"]).map(
        lambda letters: letters.replace("i", "")), i=NUMBER, v=VALUE, w=VALUE),
    filled("unset 'a[{i}]'", i=NUMBER),
    filled("declare -gA m; k={k}; [[ -z $k ]] || m[\"$k\"]={v}", k=VALUE, v=VALUE),
    filled("declare -gA m=([{k}]={v})", k=VALUE.filter(lambda text: text != "''"), v=VALUE),
    filled("local -A lm=([k]={v}); local -a la=({v})", v=VALUE),
    filled("declare -g{x} u{k}", x=st.sampled_from(["x", "a", "A", "i", "ax"]), k=NUMBER),
    filled("declare -gn r{k}={n}", k=NUMBER, n=PLAIN),
    filled("unset -v {n}", n=PLAIN),
    filled("printf -v {n} %s {v}", n=PLAIN, v=VALUE),
    filled("read -r {n} <<<{v} || :", n=PLAIN, v=VALUE),
    filled("mapfile -t a <<<{v}", v=VALUE),
    filled("for {n} in {v} {w}; do :; done", n=PLAIN, v=VALUE, w=VALUE),
    filled("{n}=$(printf %s {v}; exit 3) || :", n=PLAIN, v=VALUE),
    filled("export PATH=$PATH:{v}", v=VALUE.filter(lambda text: "2f" not in text)),
)  # fmt: skip
SHOW = st.one_of(
    filled("printf '<%s>' \"${{{n}-none}}\"", n=PLAIN),
    filled("printf '<%s>' ${{{n}-}} ${{a[@]+\"${{a[@]}}\"}}", n=PLAIN),
    st.just('printf "<%s>" $# "$@" "$*"'),
    st.just("echo $? >&2"),
    st.just('printf "<%s>" "${BASH_SOURCE[0]##*/}" "${#BASH_SOURCE[@]}" "${FUNCNAME[*]:0:2}"'),
    st.just('printf "<%s>" "$LINENO" "$IFS" "$BASH_SUBSHELL"'),
    st.just("shopt -q nullglob && echo nullglob || echo no nullglob"),
    st.just("[[ -o nounset ]] && echo nounset || echo no nounset"),
    st.just('printf "<%s>" {a,b} /nowhere*'),
    st.just('pwd; umask; (cd / && pwd); echo "${PWD##*/}"'),
    st.just("nosuchcmd_1 2>/dev/null || echo $?"),
    st.just("cd /nowhere || echo $?"),
    st.just("[[ aaa == +(a) ]] && echo ext || echo not"),
    # Pipes are kept out of xtrace: the order of their lines is anybody's guess.
    st.just(
        "{ export | wc -l; set | grep -c '^[vw]='; compgen -A function | grep -v -e _ -e exit; } 2>/dev/null"
    ),
    st.just(
        "{ alias; shopt -p nullglob extglob dotglob; set +o | grep -v errtrace; trap -p USR1 TERM; } 2>/dev/null"
    ),
    st.just("{ (kill -USR2 $BASHPID; echo not killed) || echo $?; } 2>/dev/null"),
    st.just("cat; echo end of stdin"),
    st.just("(echo sub; exit 2) || echo $?; { echo group; } 2>&1"),
    st.just("cat <<EOT\n$v `echo tick` \\$x\nEOT"),
)
# Builtins that keep a state of their own; what they do in the background is no part of a trace.
STATEFUL = st.sampled_from(
    [
        "{ mapfile -t a < <(printf '%s\\n' 1 2 3); } 2>/dev/null; echo ${#a[@]}",
        "cb() { a+=(\"$2\"); }; mapfile -C cb -c 1 -t b <<<$'x\\ny'; unset -f cb; echo ${#b[@]}",
        "for i in 1 2; do read -r v <<<\"$i\" || :; done; echo \"$v\"",
        "select w in a b; do break; done <<<2 2>/dev/null; echo \"${w-}\"",
        "OPTIND=1; while getopts ab:c o -a -b x -c; do printf '<%s>' \"$o\" \"${OPTARG-}\" \"$OPTIND\"; done",
        "declare -gn e='a[1]'", "e=through; echo \"${a[1]-}\"", "unset -n e", "i=3; printf -v 'a[i]' %s x; echo \"${!a[*]}\"",
        "declare -gn k='m[a key]'; k=v || :", "hash -p /bin/echo zz; zz hi; hash -d zz", "hash -r",
        "pushd / >/dev/null; dirs +0; popd >/dev/null", "{ (exit 3) & wait -n; } 2>/dev/null || echo $?", "wait; echo $?",
        "RANDOM=42; printf '<%s>' \"$RANDOM\" \"$RANDOM\"", "[[ abc =~ b(.) ]]; printf '<%s>' \"${BASH_REMATCH[1]-}\"",
        "exec {fd}</dev/null; read -r v <&\"$fd\" || echo eof; exec {fd}<&-; unset fd",
        "command_not_found_handle() { echo \"none $1\"; return 9; }; nosuchcmd_3 || echo $?; unset -f command_not_found_handle",
        "source /dev/stdin <<<'echo \"$#\"; return 2' || echo $?", "{ true | false; } 2>/dev/null || echo \"${PIPESTATUS[*]}\"",
        "enable -n test; type -t test; enable test", "{ trap 'echo got' USR1; kill -USR1 $BASHPID; trap - USR1; } 2>/dev/null",
        "shopt -s lastpipe; { echo piped | read -r v; } 2>/dev/null; echo \"$v\"; shopt -u lastpipe",
        "set -o history", "set +o history", "set -o vi", "shopt -s compat31", "shopt -s execfail", "shopt -s shift_verbose",
        "shopt -s varredir_close", "shopt -u sourcepath", "shopt -u promptvars", "TMOUT=1", "GLOBIGNORE='*'", "EXECIGNORE=/nowhere",
    ]
)  # fmt: skip
OPTION = st.sampled_from(
    [
        "set -u", "set +u", "set -f", "set +f", "set -x", "set +x", "set -C", "set +C", "set +e", "set -e",
        "set -o pipefail", "set +o pipefail", "set +B", "set -a", "set +a", "set -h", "set +h", "set -v", "set +v",
        "shopt -s nullglob", "shopt -u nullglob", "shopt -s extglob", "shopt -s nocasematch", "shopt -s dotglob",
        "shopt -s inherit_errexit", "shopt -s lastpipe", "shopt -s globstar", "shopt -s localvar_inherit",
        "shopt -s xpg_echo", "shopt -s failglob", "shopt -s expand_aliases",
        "umask 027", "umask 077", "cd /", "cd \"$WORK/sub\"", "cd \"$WORK\"", "cd -P .", "cd - >/dev/null",
        "IFS=,", "IFS=", "IFS=$'\\n'", "IFS=$' \\t\\n'", "unset IFS", "IFS=0123456789", "PS4='@ '",
        "trap 'echo usr1' USR1", "trap '' USR2", "trap - USR1", "trap 'echo \"it'\\''s\"' TERM", "trap 'echo w' WINCH",
        "shopt -s expand_aliases; alias hi='echo hi'", "alias ll='ls -l' 'odd=echo \"a\nb\"'", "unalias -a",
        "set -o posix", "set +o posix", "BASH_COMPAT=4.4", "LC_ALL=C", "unset HOME", "trap 'echo \"err $?\"' ERR", "trap - ERR", "trap 'echo return' RETURN", "set -T", "set -P",
        "set -E", "set -E", "set +x -E", "set +E", "set -b", "shopt -s localvar_unset", "shopt -s assoc_expand_once",
        "shopt -u patsub_replacement", "shopt -u globskipdots", "shopt -s compat44", "shopt -s gnu_errfmt",
    ]
)  # fmt: skip
FRAME = st.one_of(
    st.sampled_from(
        ["set -- x 'y z'", "set --", "shift", "shift 2 || echo cannot", 'set -- "$@" more']
    ),
    filled("set -- {v} {w}", v=VALUE, w=VALUE),
)
SIMPLE = st.one_of(ASSIGN, SHOW, OPTION, FRAME, STATEFUL)
BODY = st.lists(st.one_of(ASSIGN, SHOW, FRAME, st.sampled_from(["false", "return 3", "return", "(exit 4)"])),
                min_size=1, max_size=4)  # fmt: skip
FUNCTION_NAME = st.sampled_from(["f", "g", "f-g", "a::b"])
DEFINITION = st.tuples(FUNCTION_NAME, BODY).map(
    lambda t: f"function {t[0]} {{\n" + "\n".join(t[1]) + "\n}"
)
COMPOUND = st.one_of(
    filled("if {f} 'a b'; then echo yes; else echo no $?; fi", f=FUNCTION_NAME),
    filled("{f} x || echo no $?", f=FUNCTION_NAME),
    filled("! {f}", f=FUNCTION_NAME),
    filled("declare -F {f} >/dev/null && {f} one two", f=FUNCTION_NAME),
    filled("unset -f {f}", f=FUNCTION_NAME),
    filled("declare -F {f} >/dev/null && export -f f", f=st.just("f")),
    filled("while {f} && ((i{k}++ < 2)); do echo loop; done", f=FUNCTION_NAME, k=NUMBER),
    filled("{{ x=$({f} | tr a b) || echo $?; }} 2>/dev/null", f=FUNCTION_NAME),
    SIMPLE.filter(lambda text: "\n" not in text and "'" not in text).map(
        lambda text: f"eval '{text}'"
    ),
    SIMPLE.map(lambda text: f"if true; then\n{text}\nfi"),
    SIMPLE.map(lambda text: f"{{\n{text}\n}} || :"),
    SIMPLE.map(lambda text: f"(\n{text}\n)"),
)
ENDING = st.sampled_from(
    ["false", "(exit 9)", "return 7", "return", "exit 5", "nosuchcmd_2", "cd /nowhere", "echo $undefined_variable",
     "false || exit", ": ${undefined_variable:?is needed}", "if then", "f", "[[ a == b ]] && echo", "{ true | false; } 2>/dev/null",
     "R0=1; readonly R0; R0=2", "echo \"", "v=$(exit 6)", "local q=$(exit 6)", "f() { return 8; }; f; echo on"]
)  # fmt: skip
STATEMENT = st.one_of(SIMPLE, SIMPLE, COMPOUND, DEFINITION, COMPOUND)
SCRIPT = st.tuples(
    st.lists(STATEMENT, min_size=2, max_size=9), st.one_of(st.none(), st.none(), ENDING)
).map(lambda t: "\n".join([*t[0], *([t[1]] if t[1] else [])]) + "\n")
ARGS = st.sampled_from([(), ("source",), ("stack", "install"), ("a b", "*")])
HOOKS = st.lists(st.tuples(SCRIPT, ARGS), min_size=1, max_size=4)

# --------------------------------------------------------------------------- both ways

# Names errtrace, so that stacknb leaves it alone here and it can be seen.
DUMP = """{
declare -p; printf '@@%s\\n' functions; declare -f; printf '@@%s\\n' attributes; declare -Fx; declare -Fr
printf '@@%s\\n' rest
shopt -p; set +o; umask; printf '%s\\n' "$PWD"; alias -p; trap -p; : errtrace
} >|"$WORK/../kept/state" 2>/dev/null
"""
REFERENCE = """{
set -- "$@"
_ref_frame() { source "$_ref_path" "${_ref_args[@]}"; }
trap '{ : _ref_; set +efuxvC; source "$WORK/dump"; } >/dev/null 2>&1' EXIT
%s
}
"""


@dataclass
class Outcome:
    """What came of the hooks: a status and the output for each that ran, and the state at the end."""

    statuses: list[int] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    ended: bool = False
    variables: dict[str, tuple[str, bytes | None]] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)


# Not compared: what belongs to one process, to the place of a command, or to either harness.
OWN = re.compile(
    r"(_stacknb|_ref)_\w*|BASH_(ARGV|ARGC|LINENO|SOURCE|COMMAND|SUBSHELL|REMATCH)|BASHPID|LINENO"
)
OWN_FUNCTION = re.compile(r"(_stacknb|_ref)_\w*|async_\w+|exit|run_process|stop_process|is_running")
NOISE = re.compile(r".*(_stacknb_|_ref_).*\n?|(\++|@+) (exec|set \+e)\n")


def read_state(path: Path, outcome: Outcome) -> None:
    text, _, rest = path.read_bytes().rpartition(b"@@rest\n")
    text, _, attributes = text.rpartition(b"@@attributes\n")
    variables, _, functions = text.rpartition(b"@@functions\n")
    for variable in snapshot.parse_variables(variables):
        own = snapshot._BASH_OWN.fullmatch(variable.name.encode()) or OWN.fullmatch(variable.name)
        if not own and variable.name not in ("SECONDS", "-"):
            outcome.variables[variable.name] = (variable.flags, variable.value)
    chunks = re.split(r"^(?=\S+ \(\) \n)", functions.decode("utf-8", "surrogateescape"), flags=re.M)
    outcome.functions = {
        name: chunk
        for chunk in chunks
        if chunk and not OWN_FUNCTION.fullmatch(name := chunk.split(" ")[0])
    }
    outcome.functions |= {
        line: "" for line in attributes.decode().splitlines() if line.split()[-1] == "f"
    }
    lines = rest.decode("utf-8", "surrogateescape").splitlines()
    # In posix mode trap -p names every signal, set or not.
    noise = re.compile(r".*_stacknb_|.*_ref_|.*EXIT$|trap -- - ")
    outcome.rest = [line for line in lines if not noise.match(line)]


def by_plain_bash(work: Path, hooks: list[tuple[Path, tuple[str, ...]]], errexit: bool) -> Outcome:
    kept = work.parent / "kept"
    lines = ["set -e"] if errexit else []
    for number, (path, args) in enumerate(hooks):
        words = " ".join(f"'{word}'" for word in args)
        lines += [
            f"_ref_path='{path}' _ref_args=({words})",
            f"exec >>'{kept}/out{number}' 2>&1",
            "_ref_frame",
            f"{{ printf '%s\\n' \"$?\" >>'{kept}/statuses'; }} 2>/dev/null",
        ]
    lines += [
        "exec >/dev/null 2>&1; set +e",
        f"_ref_path='{work}/dump' _ref_args=()",
        "_ref_frame",
        "trap - EXIT",
    ]
    (kept / "reference").write_text(REFERENCE % "\n".join(lines))
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", str(kept / "reference")], stdin=subprocess.DEVNULL, cwd=work,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=environment(work), timeout=60,
    )  # fmt: skip
    outcome = Outcome()
    if (kept / "statuses").exists():
        outcome.statuses = [int(line) for line in (kept / "statuses").read_text().split()]
    if len(outcome.statuses) < len(hooks):
        outcome.ended = True
        outcome.statuses.append(done.returncode)
    outcome.outputs = [
        (kept / f"out{number}").read_bytes().decode("utf-8", "surrogateescape")
        for number in range(len(outcome.statuses))
    ]
    read_state(kept / "state", outcome)
    return outcome


def environment(work: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "STACKNB_TEST_MARK")}
    return {**kept, "WORK": str(work), "HOME": "/", "inherited": "yes", "SHLVL": "0"}


def sourced(shell: Shell, path: Path, args: tuple[str, ...], log: Path, hands_off: bool) -> Turn:
    hook = Hook(Phase("source"), "h", path, args, deals_with_err=hands_off)
    shell.prepare(opening.turn(hook, log))
    return shell.turn()


def by_stacknb(
    shell: Shell,
    work: Path,
    hooks: list[tuple[Path, tuple[str, ...]]],
    errexit: bool,
    restored: bool = False,
) -> Outcome:
    outcome, kept = Outcome(), work.parent / "kept"
    shell.restore(anew=True)
    shell.evaluate(f"_stacknb_flags={'e' if errexit else ''}")
    for number, (path, args) in enumerate([*hooks, (work / "dump", ())]):
        dump = number == len(hooks)
        if dump:
            shell.evaluate("_stacknb_flags=${_stacknb_flags//e/}")
        log = kept / f"log{number}"
        log.write_bytes(
            tasklog.begin_line({"kind": "hook", "name": "h", "pid": shell.pid, "run": "r"})
        )
        turn = sourced(shell, path, args, log, look(path).deals_with_err)
        if dump:
            assert turn.outcome == "done"
            break
        outcome.statuses.append(turn.status)
        outcome.outputs.append(tasklog.read(log).output().decode("utf-8", "surrogateescape"))
        if turn.outcome != "done":
            outcome.ended = True
            shell.restore()
            shell.evaluate("_stacknb_flags=${_stacknb_flags//[eufxvC]/}")
            log = kept / "log dump"
            log.write_bytes(tasklog.begin_line({"kind": "hook", "name": "h", "pid": 1, "run": "r"}))
            assert sourced(shell, work / "dump", (), log, True).outcome == "done"
            break
        if restored:
            shell.restore()
    read_state(kept / "state", outcome)
    return outcome


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "run").mkdir()
    shell = Shell(tmp_path / "run", "r", env=environment(tmp_path / "work"))
    yield shell
    shell.close()


def work_folder(tmp_path: Path) -> Path:
    # The same for both and for each example, since paths are in the output. What they leave is kept
    # elsewhere, where no `*` of a hook finds it.
    work, kept = tmp_path / "work", tmp_path / "kept"
    subprocess.run(["rm", "-rf", str(work), str(kept)], check=True)
    (work / "sub").mkdir(parents=True)
    kept.mkdir()
    (work / "dump").write_text(DUMP)
    os.chdir(work)
    return work


# What a hook that ends bash in its midst leaves in its frame shows in plain bash's EXIT trap.
FRAMES_STAY = re.compile(r"\bexit\b|undefined_variable|\$\{|set -u|echo \"$|if then")
HAS_LOCALS = re.compile(r"\b(local|declare|typeset|set --|shift|for)\b")


def compare(
    tmp_path: Path,
    shell: Shell,
    hooks: list[tuple[str, tuple[str, ...]]],
    errexit: bool,
    restored: bool = False,
) -> None:
    work = work_folder(tmp_path)
    paths = []
    for number, (script, args) in enumerate(hooks):
        if restored:  # a function knows the file and line it was read from
            script = script.replace("BASH_SOURCE", "FUNCNAME").replace("LINENO", "PPID_no")
        (work / f"{10 + number}-hook.sh").write_text(script)
        paths.append((work / f"{10 + number}-hook.sh", args))
    ours = by_stacknb(shell, work, paths, errexit, restored)
    (tmp_path / "kept" / "state").unlink()
    plain = by_plain_bash(work, paths, errexit)

    assert ours.statuses == plain.statuses
    assert ours.ended == plain.ended
    for mine, theirs in zip(ours.outputs, plain.outputs, strict=True):
        places = re.compile(r"\S+: line \d+: " if restored else "$^")
        # A trace shows how each of them sources a hook.
        mine = mine.replace("+ builtin source ", "+ source ")
        assert NOISE.sub("", places.sub("", mine)) == NOISE.sub("", places.sub("", theirs))
    if plain.ended and any(HAS_LOCALS.search(script) for script, _ in hooks):
        return  # locals: test_shell.py
    assert ours.variables == plain.variables
    assert ours.functions == plain.functions
    if plain.ended:  # a snapshot taken inside frames, after exit, cannot hold these traps
        for outcome in (ours, plain):
            outcome.rest = [
                line for line in outcome.rest if not re.match("trap .*(ERR|RETURN)$", line)
            ]
    assert ours.rest == plain.rest


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(hooks=HOOKS, errexit=st.booleans())
@example(hooks=[("v=''\nset -x\n", ()), ("v=''\n", ())], errexit=False)
def test_hooks_do_what_plain_bash_does(tmp_path: Path, shell: Shell, hooks, errexit: bool) -> None:
    compare(tmp_path, shell, hooks, errexit)


@settings(
    max_examples=EXAMPLES // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(hooks=HOOKS, errexit=st.booleans())
@example(hooks=[("v=''\nset -x\n", ()), ("v=''\n", ())], errexit=False)
def test_hooks_do_what_plain_bash_does_when_each_has_a_bash_restored_from_the_snapshot(
    tmp_path: Path, shell: Shell, hooks, errexit: bool
) -> None:
    compare(tmp_path, shell, hooks, errexit, restored=True)
