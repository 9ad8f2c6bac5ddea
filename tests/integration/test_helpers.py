"""The helper functions of stacknb/bash, run by the real bash."""

import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stacknb import HookFailed

HELPERS = Path(__file__).parents[2] / "stacknb" / "bash" / "helpers.bash"
PUBLIC = {
    *("echo_summary", "die", "die_if_not_set", "warn", "err", "trueorfalse", "isset", "is_set"),
    *("enable_service", "disable_service", "is_service_enabled"),
    *("enable_plugin", "is_plugin_enabled", "define_plugin", "plugin_requires"),
    *("iniset", "iniget", "iniadd", "inidelete", "ini_has_option"),
    *("time_start", "time_stop", "time_totals", "wait_for_service"),
}
DEVSTACK_STATE = {
    *("GITREPO", "GITBRANCH", "GITDIR", "DEVSTACK_PLUGINS", "SYSTEMD_ENV_VARS"),
    *("_TIME_START", "_TIME_TOTAL", "_TIME_BEGIN"),
}
# More than the system takes for an environment, so that no program can be started with it.
HUGE = "printf -v big %0100000d; for n in {1..80}; do export BIG$n=$big; done\n"

Hook = Callable[..., subprocess.CompletedProcess[str]]


def bash(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `script` after the helpers; bytes that are no UTF-8 come back as surrogates."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    done = subprocess.run(
        ["bash", "-c", f"source {shlex.quote(str(HELPERS))}\n{script}", "bash", *arguments],
        capture_output=True,
        env=inherited | {"_stacknb_python": sys.executable} | environment,
        timeout=60,
        check=False,
    )
    out, err = (part.decode("utf-8", "surrogateescape") for part in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    """Return a function that sources a script named hook.sh, the way a hook is sourced."""

    def source(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "hook.sh"
        path.write_text(script)
        return bash('frame() { source "$1"; }; frame "$1"', str(path), **environment)

    return source


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    return tmp_path / "a b.ini"


# ---------------------------------------------------------------- whatever a hook has set

EVERYTHING = """
unset EPOCHSECONDS; EPOCHSECONDS=1100 _TIME_BEGIN=1000
if isset NOTHING; then echo isset; fi; if is_set EMPTY; then echo is_set; fi
isset EMPTY && is_set V && echo "isset, is_set"
trueorfalse False V; trueorfalse False NOTHING; W=$(trueorfalse True OFF); echo "$W"
enable_service n-api 'x*' b,c -- -b; disable_service c
echo "$ENABLED_SERVICES / $DISABLED_SERVICES"
if is_service_enabled NOVA; then echo NOVA; fi
is_service_enabled nothing nova && echo nova; is_service_enabled nothing || echo "no nothing"
is_web_enabled() { is_service_enabled n-api; }; is_service_enabled web && echo web
enable_plugin p "$D"; enable_plugin q "$D" main; define_plugin p; plugin_requires p q
is_plugin_enabled P || is_plugin_enabled p && echo "$DEVSTACK_PLUGINS ${GITDIR[p]}"
iniset "$D/f" 's*' 'o.*' 'a  *|\\&'; iniadd "$D/f" 's*' 'o.*' 'second one'; iniget "$D/f" 's*' 'o.*'
iniset "$D/f" 's*' 'O.*' upper; iniget "$D/f" 'S*' 'o.*'
inidelete "$D/f" 's*' 'o.*'; ini_has_option "$D/f" 's*' 'o.*' || ini_has_option "$D/f" 's*' 'O.*'
iniset "$D/f" t x "$BYTES"; iniget "$D/f" t x
time_start 'a*'; time_stop 'a*'; time_totals
warn 5 'be  careful'; echo_summary 'all  done'
wait_for_service x y 2>&1 || echo "status $?"
(die 7 'no  way' x) 2>&1 || echo "status $?"
"""
STATE = """
echo "$-" "${IFS-unset}" "${LC_ALL-unset}"; set +o; shopt -p || :; trap -p
[[ ä == ? ]] || echo "a byte is a character"
"""
SETTINGS = {
    "nothing": ":",
    "errexit": "set -e",
    "errexit in traps and functions": "set -eE; trap 'echo ERR' ERR",
    "nounset": "set -u",
    "xtrace": "set -x",
    "noglob": "set -f",
    "noclobber": "set -C",
    "pipefail": "set -o pipefail",
    "posix": "set -o posix",
    "allexport": "set -a",
    "no brace expansion": "set +B",
    "failglob": "shopt -s failglob",
    "nullglob and dotglob": "shopt -s nullglob dotglob globstar nocaseglob",
    "nocasematch": "shopt -s nocasematch",
    "extglob": "shopt -s extglob",
    "inherited locals": "shopt -s localvar_inherit",
    "localvar_unset": "shopt -s localvar_unset",
    "assoc_expand_once": "shopt -s assoc_expand_once",
    "xpg_echo and lastpipe": "shopt -s xpg_echo lastpipe inherit_errexit",
    "IFS is a colon": "IFS=:",
    "IFS is a comma": "IFS=,",
    "IFS holds letters": "IFS='aneo_/.= '",
    "IFS is empty": "IFS=",
    "no IFS": "unset IFS",
    "LC_ALL=C": "LC_ALL=C",
    "LC_ALL=C.UTF-8": "export LC_ALL=C.UTF-8",
    "LC_ALL is empty": "LC_ALL=",
    "LANG=C.UTF-8": "export LANG=C.UTF-8",
    "readonly names": "readonly i=1 n=1 name=1 file=1 line=1 value=1 section=1 status=1 url=1",
    "odd attributes": "declare -i name file value; declare -n service=value; declare -u line url",
    "extdebug": "shopt -s extdebug",
    "readonly IFS and locale": "readonly IFS LC_ALL=C",
    "bash 3.1": "BASH_COMPAT=3.1",
    "bash 4.2": "BASH_COMPAT=4.2",
    "bash 5.0": "BASH_COMPAT=5.0",
    "everything at once": "set -eufCE -o pipefail; IFS=:; shopt -s failglob nocasematch",
}


def everything(tmp_path: Path, setting: str, script: str = EVERYTHING) -> tuple[str, str]:
    folder = tmp_path / "D"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    prelude = f"D='{folder}' V=Yes EMPTY= OFF=no BYTES=$'\\xff\\xc3\\xa4' ENABLED_SERVICES=a,"
    done = bash(f"{prelude}\n{setting}\n{script}\n{{ set +x; }} 2>/dev/null; printf 'end\\n'")
    assert done.stdout.endswith("end\n"), done
    # The trace of the lines above, where they send stderr to stdout, is the hook's own.
    lines = done.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("+")), done.stderr


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_the_functions_answer_the_same_under_any_setting_of_a_hook(
    tmp_path: Path, setting: str
) -> None:
    plain, _ = everything(tmp_path, ":")
    out, err = everything(tmp_path, setting)

    assert out == plain
    assert "error" not in err.lower()
    if "set -x" not in setting:
        assert err == ""


def test_the_plain_answers_are_right(tmp_path: Path) -> None:
    out, _ = everything(tmp_path, ":")
    folder = tmp_path / "D"

    assert out.splitlines()[:13] == [
        "isset, is_set",
        "True",
        "False",
        "False",
        "a,n-api,x* / c",
        "nova",
        "no nothing",
        "web",
        f",p,q {folder}",
        "a  *|\\&",
        "second one",
        "",
        "\udcffä",
    ]
    assert out.splitlines()[-9:] == [
        "Total runtime        100",
        "[WARNING] bash:5 be  careful",
        "all  done",
        "wait_for_service: 'x', 'y': give seconds and an http or https URL",
        "status 1",
        "[Call Trace]",
        "[ERROR] bash:7 no  way x",
        "status 1",
        "end",
    ]


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_hook_finds_its_options_and_its_locale_as_it_left_them(
    tmp_path: Path, setting: str
) -> None:
    state = f'{{ ({STATE}) >|"$D/$1"; }} 2>/dev/null'
    out, _ = everything(
        tmp_path,
        setting,
        f"state() {{ {state}; }}; state before\n{EVERYTHING}\nstate after",
    )

    assert out
    before, after = (tmp_path / "D" / name for name in ("before", "after"))
    assert before.read_text() == after.read_text()


def test_no_line_of_a_helper_shows_in_a_traced_hook(tmp_path: Path) -> None:
    _, err = everything(tmp_path, "set -x")

    traced = [line for line in err.splitlines() if line.startswith("+")]
    assert "+ iniget" in err
    assert not [
        line for line in traced if "_stacknb_" in line or "local" in line or "set +x" in line
    ]


def test_sourcing_twice_prints_nothing_and_adds_only_known_names() -> None:
    helpers = shlex.quote(str(HELPERS))
    names = r"{ declare -p; declare -F; } | sed -n 's/^declare -[^ ]* \([^=]*\).*/\1/p'; echo --;"
    done = subprocess.run(
        ["bash", "-uc", f"{names} source {helpers}; source {helpers}; {names}"],
        capture_output=True,
        text=True,
        check=True,
    )

    before, after = (set(part.split()) for part in done.stdout.split("--\n")[:2])
    added = {name for name in after - before if not name.startswith("_stacknb_")}
    assert added - {"PIPESTATUS"} == DEVSTACK_STATE | PUBLIC
    assert done.stderr == ""


def test_calls_leave_no_variable_behind_but_state_of_devstack(tmp_path: Path) -> None:
    everything(
        tmp_path,
        ":",
        f'compgen -v >"$D/before"\n{EVERYTHING}\ncompgen -v >"$D/after"',
    )

    before, after = (set((tmp_path / "D" / n).read_text().split()) for n in ("before", "after"))
    of_a_helper = {name for name in after if name.startswith("_stacknb_my_")}
    left = {name for name in after - before if not name.startswith("_stacknb_")} - DEVSTACK_STATE
    assert not of_a_helper
    assert left == {"W", "DISABLED_SERVICES", "EPOCHSECONDS"} - before


def test_what_is_loaded_when_first_needed_is_read_whatever_a_hook_has_set(hook: Hook) -> None:
    done = hook(
        "shopt -s expand_aliases; alias local=false printf=exit set=false mapfile=false\n"
        '\\set -euf; IFS=a; enable_service x; echo "$ENABLED_SERVICES $-"; alias printf'
    )

    on, options, alias = done.stdout.split(None, 2)
    assert (on, set("euf") - set(options), alias) == ("x", set(), "alias printf='exit'\n")
    assert done.stderr == ""


RESTORED = """
iniset f.ini s o v; iniget f.ini s o; trueorfalse False NOTHING
enable_service a; disable_service b; is_service_enabled a
enable_plugin p "$PWD"; is_plugin_enabled p
err $LINENO text || :; warn 5 text; plugin_requires p q; time_start t; time_stop t; time_totals
async_run t echo of the task; async_wait t; async_cleanup; async_print_timing
wait_for_service 0.01 http://127.0.0.1:1 || echo $?
"""


@pytest.mark.parametrize("restored", [False, True])
def test_every_helper_does_in_a_restored_shell_what_it_does_in_a_new_one(
    tree: Any, restored: bool
) -> None:
    stack = tree.stack()
    tree.hook("10-a.sh", "false" if restored else ":")
    with pytest.raises(HookFailed) if restored else nullcontext():
        stack.run_phase("override_defaults")

    done = stack.evaluate(RESTORED)

    assert done.stdout.startswith("v\nFalse\n")
    assert "requires 'q', which is not enabled" in done.stdout
    assert "of the task" in done.stdout
    assert "Async summary" in done.stdout
    assert done.stdout.endswith("124\n")
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [
        f"[ERROR] {stack.run_dir}/cells/1.bash:5 text",
        "wait_for_service",
    ]


@pytest.mark.parametrize("name", ["my_disable_service", "time_star", "die_hard"])
def test_a_function_of_a_hook_is_no_helper_in_a_restored_shell_whatever_its_name(
    tree: Any, output: Any, name: str
) -> None:
    stack = tree.run(
        f"[[ $1 != override_defaults ]] || {name}() {{ die $LINENO gone; }}\n"
        f"[[ $1 != source ]] || {name}"
    )
    with pytest.raises(HookFailed):
        stack.evaluate("exit 3")
    with pytest.raises(HookFailed):
        stack.run_phase("source")

    restored = stack.run_dir / "state" / "restored.1.bash"
    trace, error = output(stack, "10-hook.sh", "source").split("[ERROR] ")
    assert [line.rpartition(":")[2] for line in trace.splitlines()] == ["[Call Trace]", name, "die"]
    assert error.startswith(f"{restored}:")


def test_die_in_a_restored_shell_names_the_line_of_the_hook(tree: Any) -> None:
    tree.hook("10-a.sh", "false")
    stack = tree.stack()
    with pytest.raises(HookFailed):
        stack.run_phase("override_defaults")
    tree.hook("10-a.sh", ":\nf() {\n    die $LINENO the end\n}\nf")

    with pytest.raises(HookFailed) as caught:
        stack.run_phase("override_defaults")

    path = tree.extras / "10-a.sh"
    assert caught.value.failure.place == f"{path}:3"
    assert f"[Call Trace]\n{path}:5:f\n{path}:3:die\n[ERROR] {path}:3 the end\n" in (
        caught.value.failure.log and Path(caught.value.failure.log).read_text()
    )


def test_sourcing_again_keeps_plugins_and_clocks() -> None:
    done = bash(
        "time_start a; GITDIR[x]=/x; DEVSTACK_PLUGINS=,x; _TIME_BEGIN=5\n"
        f"source {shlex.quote(str(HELPERS))}\n"
        'time_stop a; echo "${GITDIR[x]} $DEVSTACK_PLUGINS $_TIME_BEGIN"'
    )

    assert (done.stdout, done.stderr) == ("/x ,x 5\n", "")


def test_under_errexit_a_failing_helper_ends_the_run_at_the_line_of_the_hook(hook: Hook) -> None:
    done = hook(
        "set -eE\ntrap 'echo \"${BASH_SOURCE[0]##*/}:$LINENO\"' ERR\n\niniset /no/f s o v\necho on"
    )

    assert done.stdout.splitlines()[0] == "hook.sh:4"
    assert "on" not in done.stdout.splitlines()
    assert "iniset: '/no/f': there is no such folder: create it first\n" in done.stderr


# ----------------------------------------------------------------------------- messages


def test_die_names_the_line_of_the_hook_and_keeps_the_status(hook: Hook) -> None:
    done = hook("f() {\n    (exit 7) || die $LINENO no  'such  thing'\n}\nf\necho on")

    assert done.returncode == 7
    assert done.stdout == ""
    lines = [line.rpartition("/")[2] for line in done.stderr.splitlines()]
    assert lines[0] == "[Call Trace]"
    assert lines[-3:] == ["hook.sh:4:f", "hook.sh:2:die", "hook.sh:2 no such  thing"]


def test_die_after_a_success_exits_with_one(hook: Hook) -> None:
    assert hook("true; die 1 x").returncode == 1


@pytest.mark.parametrize(
    ("before", "status"),
    [("X=", 1), ("unset X", 1), ("X=1", 0), ("X=1; (exit 4)", 4)],
    ids=["empty", "unset", "set", "after a failure"],
)
def test_die_if_not_set_looks_at_the_variable_and_at_the_last_status(
    hook: Hook, before: str, status: int
) -> None:
    done = hook(f"{before}; die_if_not_set $LINENO X 'no X'")

    assert done.returncode == status
    assert ("hook.sh:1 no X" in done.stderr) == (status != 0)


@pytest.mark.parametrize(
    ("function", "label"), [("warn", "[WARNING]"), ("err", "[ERROR]")], ids=["warn", "err"]
)
def test_a_message_names_the_file_of_its_line_and_returns_the_last_status(
    hook: Hook, function: str, label: str
) -> None:
    done = hook(f"f() {{ (exit 3); {function} $LINENO 'a  b' c; echo $? >&2; }}; f")

    shown = done.stdout if function == "warn" else done.stderr
    assert shown.startswith(f"{label} /")
    assert "hook.sh:1 a  b c\n" in shown
    assert done.stderr.endswith("3\n")


def test_errors_are_kept_in_the_log_directory_and_one_that_is_missing_does_no_harm(
    hook: Hook, tmp_path: Path
) -> None:
    done = hook(
        f"set -e; set -C; LOGDIR='{tmp_path}'; err 1 one; err 2 two; LOGDIR=/no; err 3 three"
    )

    assert done.returncode == 0
    assert [line[-5:] for line in (tmp_path / "error.log").read_text().splitlines()] == [
        "1 one",
        "2 two",
    ]
    assert len(done.stderr.splitlines()) == 3


# ---------------------------------------------------------------------------- variables

TRUE = ["1", "yes", "Yes", "YES", "true", "True", "TRUE"]
FALSE = ["0", "no", "No", "NO", "false", "False", "FALSE"]


@pytest.mark.parametrize("default", ["True", "False"])
@given(values=st.lists(st.sampled_from([*TRUE, *FALSE]) | st.from_regex(r"[^\0]*", fullmatch=True)))
@settings(max_examples=20)
def test_trueorfalse_knows_exactly_the_words_of_devstack(default: str, values: list[str]) -> None:
    done = bash(
        f"shopt -s nocasematch; for default; do trueorfalse {default} default; done",
        *(value.encode("utf-8", "replace").decode() for value in values),
    )

    expected = ["True" if v in TRUE else "False" if v in FALSE else default for v in values]
    assert done.stdout.split() == expected


@pytest.mark.parametrize("call", ["trueorfalse False", "trueorfalse False $UNSET"])
def test_trueorfalse_dies_without_a_variable(hook: Hook, call: str) -> None:
    done = hook(f"V=$({call}); echo $?")

    assert done.stdout == "1\n"
    assert "hook.sh:1 trueorfalse: no variable" in done.stderr


@pytest.mark.parametrize("name", ["''", "'a b'", "9x", "'a-b'", "'A[no]'", "'L[0]'"])
def test_a_name_that_is_none_is_not_set_and_harms_nothing(hook: Hook, name: str) -> None:
    done = hook(
        f"declare -A A=([k]=v); L=()\nisset {name} || echo no; is_set {name} || echo no\n"
        "is_set 'A[k]' && trueorfalse True 'a b'"
    )

    assert (done.stdout, done.stderr) == ("no\nno\nTrue\n", "")


# ----------------------------------------------------------------------------- services


@pytest.mark.parametrize(
    ("enabled", "asked", "answer"),
    [
        ("a,b", "b", True),
        ("a, b", "b", True),
        ("ab", "a", False),
        ("axb", "a.b", False),
        ("a,b", "x b", True),
        ("", "a", False),
        ("n-api", "nova", True),
        ("g-api", "glance", True),
        ("q-svc", "neutron", True),
        ("neutron-api", "neutron", True),
        ("tr-api", "trove", True),
        ("s-proxy", "swift", True),
        ("swift", "s-proxy", True),
        ("c-vol", "cinder", True),
        ("n-cpu", "n-cpu-1", True),
        ("n-cpu-1", "n-cpu", False),
        ("key", "keystone", True),
        ("keymaster", "keystone", False),
        ("an-api", "nova", False),
    ],
)
def test_a_service_is_enabled_by_name_or_by_group(enabled: str, asked: str, answer: bool) -> None:
    done = bash(f"ENABLED_SERVICES='{enabled}'; is_service_enabled {asked}")

    assert (done.returncode == 0) is answer


def test_a_function_of_the_hook_has_the_word_and_sees_the_options_of_the_hook() -> None:
    done = bash(
        "set -f; IFS=:\n"
        "is_x_enabled() { [[ $- == *f* && $IFS == : ]]; }; is_y_enabled() { false; }\n"
        "is_service_enabled x && echo x; is_service_enabled y || echo no y"
    )

    assert done.stdout == "x\nno y\n"


@pytest.mark.parametrize(
    ("start", "call", "left"),
    [
        ("", "enable_service a", "a"),
        ("a,b,", "enable_service c,d", "a,b,c,d"),
        ("a", "enable_service 'b c'", "a,b,c"),
        ("a", "enable_service a a b b", "a,b"),
        ("a,b,-c", "enable_service c", "a,b"),
        ("", "enable_service '/*'", "/*"),
        ("a,b,c", "enable_service -c", "a,b"),
        ("a,aa", "enable_service -a", "aa"),
        ("a,b,c", "disable_service b", "a,c"),
        ("a,a,b", "disable_service a c", "b"),
        ("a.b,axb", "disable_service a.b", "axb"),
    ],
)
def test_services_are_enabled_and_disabled_by_exact_name(start: str, call: str, left: str) -> None:
    assert bash(f'ENABLED_SERVICES={start}; {call}; echo "$ENABLED_SERVICES"').stdout == left + "\n"


def test_a_disabled_service_stays_disabled_and_the_warning_names_it(hook: Hook) -> None:
    done = hook('disable_service a\nenable_service a b\necho "$ENABLED_SERVICES"')

    assert "hook.sh:2 service 'a' stays off" in done.stdout
    assert done.stdout.endswith("\nb\n")


# ------------------------------------------------------------------------------ plugins


@pytest.mark.parametrize(
    ("arguments", "folder", "repository", "branch"),
    [
        ("", "{dest}/p", "", "master"),
        ("https://host/p", "{dest}/p", "https://host/p", "master"),
        ("git@host:x/p stable/1", "{dest}/p", "git@host:x/p", "stable/1"),
        ("'{top}/my/'", "{top}/my", "{top}/my/", "master"),
        ("'file://{top}/my' b", "{top}/my", "file://{top}/my", "b"),
        ("./my", "{top}/my", "./my", "master"),
        ("my", "{top}/my", "my", "master"),
    ],
)
def test_a_plugin_lies_in_its_folder_or_in_dest(
    tmp_path: Path, arguments: str, folder: str, repository: str, branch: str
) -> None:
    places = {"dest": str(tmp_path / "dest"), "top": str(tmp_path)}
    (tmp_path / "my").mkdir()
    (tmp_path / "dest" / "p").mkdir(parents=True)
    done = bash(
        f"set -u; enable_plugin p {arguments.format(**places)}\n"
        'printf "%s\\n" "$DEVSTACK_PLUGINS" "${GITDIR[p]}" "${GITREPO[p]}" "${GITBRANCH[p]}"',
        DEST=places["dest"],
        TOP_DIR=places["top"],
    )

    expected = [",p", folder.format(**places), repository.format(**places), branch]
    assert done.stdout.splitlines() == expected


def test_a_plugin_without_a_folder_is_enabled_with_one_line_that_says_what_to_do(
    hook: Hook, tmp_path: Path
) -> None:
    done = hook("enable_plugin p https://host/p; is_plugin_enabled p", DEST=str(tmp_path))

    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    assert (
        f"hook.sh:1 plugin 'p': no folder '{tmp_path}/p': clone https://host/p there first" in line
    )
    done = hook(f"enable_plugin p '{tmp_path}/nowhere'")
    assert done.stdout.endswith(
        f"no folder '{tmp_path}/nowhere': clone the plugin there first, or mend the enable_plugin "
        "line\n"
    )


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("enable_plugin p /; enable_plugin p /", "hook.sh:1 plugin 'p' is enabled twice"),
        ("enable_plugin", "hook.sh:1 enable_plugin: '' is no plugin's name"),
        ("enable_plugin a,b", "hook.sh:1 enable_plugin: 'a,b' is no plugin's name"),
    ],
)
def test_a_plugin_that_cannot_be_enabled_ends_the_run(
    hook: Hook, script: str, message: str
) -> None:
    done = hook(script)

    assert done.returncode == 1
    assert message in done.stderr
    assert "helpers.bash" not in done.stderr, "nobody can mend anything there"
    assert "helping.bash" not in done.stderr


def test_a_plugin_is_not_enabled_by_a_part_or_a_pattern_of_its_name() -> None:
    done = bash(
        "enable_plugin a.b /\n"
        'for n in a b axb "*" ""; do is_plugin_enabled "$n" && echo "<$n>"; done'
    )

    assert done.stdout == ""


def test_a_requirement_is_recorded_with_its_place_and_a_missing_one_is_told_at_once(
    hook: Hook,
) -> None:
    done = hook(
        "enable_plugin a /; enable_plugin b /\nplugin_requires a b\nplugin_requires a c\n"
        'for k in "${!_stacknb_requires[@]}"; do\n'
        'echo "$k=${_stacknb_requires[$k]##*/}"; done | sort'
    )

    warning, *recorded = done.stdout.splitlines()
    assert (
        "hook.sh:3 plugin 'a' requires 'c', which is not enabled: put 'enable_plugin c" in warning
    )
    assert recorded == ["a b=hook.sh:2", "a c=hook.sh:3"]


def test_a_requirement_is_checked_where_no_plugin_is_enabled(hook: Hook) -> None:
    done = hook("plugin_requires a b")

    assert "hook.sh:1 plugin 'a' requires 'b', which is not enabled" in done.stdout


# -------------------------------------------------------------------------------- clocks


@pytest.mark.parametrize("point", [".", ","])
def test_a_clock_adds_up_milliseconds_whatever_the_decimal_separator(point: str) -> None:
    done = bash(
        "unset EPOCHREALTIME\n"
        + "".join(
            f"EPOCHREALTIME=17000000{a}{point}500000; time_start x\n"
            f"EPOCHREALTIME=17000000{b}{point}750999; time_stop x\n"
            for a, b in [("10", "11"), ("20", "20")]
        )
        + 'echo "${_TIME_TOTAL[x]} <${_TIME_START[x]}>"'
    )

    assert done.stdout == "1500 <>\n"


def test_a_clock_that_was_set_back_meanwhile_counts_as_no_time() -> None:
    done = bash(
        "set -e; unset EPOCHREALTIME EPOCHSECONDS\n"
        "EPOCHREALTIME=1700000010.500000; time_start x\n"
        "EPOCHREALTIME=1700000003.500000; time_stop x\n"
        "_TIME_BEGIN=1700000000 EPOCHSECONDS=1699999990; time_totals"
    )

    rows = dict(line.rsplit(None, 1) for line in done.stdout.splitlines() if line[-1:].isdigit())
    assert (rows["x"], rows["Total runtime"]) == ("0", "0")


def test_clocks_go_on_in_seconds_where_bash_tells_no_time_any_more() -> None:
    with serving(200) as (url, _):
        done = bash(
            "set -eu; _TIME_BEGIN=$((EPOCHSECONDS - 100)); unset EPOCHREALTIME EPOCHSECONDS\n"
            f"time_start x; _TIME_START[x]=$((_TIME_START[x] - 5000)); time_stop x\n"
            f"wait_for_service 100 {url}; time_totals"
        )

    assert done.stderr == ""
    rows = dict(line.rsplit(None, 1) for line in done.stdout.splitlines() if line[-1:].isdigit())
    assert 5 <= int(rows["x"]) < 30
    assert 0 <= int(rows["wait_for_service"]) < 30
    assert 100 <= int(rows["Total runtime"]) < 130


def test_the_table_has_the_layout_of_devstack_and_sorted_rows() -> None:
    done = bash(
        "unset EPOCHSECONDS; EPOCHSECONDS=1100 _TIME_BEGIN=1000\n"
        "_TIME_TOTAL=([pip_install]=30999 [apt-get]=12000 [a_name_of_more_than_20]=1 [B]=999)\n"
        "time_totals"
    )

    assert done.stdout == (
        "\n"
        "=========================\n"
        "DevStack Component Timing\n"
        " (times are in seconds)  \n"
        "=========================\n"
        "B                        0\n"
        "a_name_of_more_than_20   0\n"
        "apt-get                 12\n"
        "pip_install             30\n"
        "-------------------------\n"
        "Unaccounted time        58\n"
        "=========================\n"
        "Total runtime          100\n"
    )


def test_a_table_without_clocks_has_the_narrow_column() -> None:
    done = bash("unset EPOCHSECONDS; EPOCHSECONDS=1001 _TIME_BEGIN=1000; time_totals")

    assert done.stdout.splitlines()[-1] == f"{'Total runtime':20} {1:3}"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("time_start x; time_start x", "the clock 'x' is running already"),
        ("time_stop x", "the clock 'x' is not running"),
        ("time_start x; time_stop x; time_stop x", "the clock 'x' is not running"),
        ("time_start", "time_start: no name"),
    ],
)
def test_a_clock_started_or_stopped_twice_ends_the_run(
    hook: Hook, script: str, message: str
) -> None:
    done = hook(script)

    assert done.returncode == 1
    assert "hook.sh:1 " in done.stderr
    assert message in done.stderr


# ------------------------------------------------------------------------------- waiting


SILENT = 0  # for a status: no answer


@contextmanager
def serving(*statuses: int) -> Iterator[tuple[str, list[str]]]:
    """Answer with these statuses in turn, then with the last; yield the URL and the paths asked."""
    asked: list[str] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status = statuses[min(len(asked), len(statuses)) - 1]
            if status == SILENT:
                over.wait()
                return
            self.send_response(status)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            over.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 301, 401, 404, 500])
def test_any_answer_but_503_ends_the_wait(status: int) -> None:
    with serving(status) as (url, asked):
        done = bash(
            f'set -eu; wait_for_service 100 "{url}/a?b=c d"\n'
            'echo "${_TIME_TOTAL[wait_for_service]}"',
            http_proxy="http://127.0.0.1:9",
        )

    assert done.returncode == 0
    assert asked == ["/a?b=c%20d"]
    assert 0 < int(done.stdout) < 100_000
    assert done.stderr == ""


def test_a_503_is_asked_again() -> None:
    with serving(503, 503, 204) as (url, asked):
        done = bash(f"wait_for_service 100 {url}")

    assert done.returncode == 0
    assert len(asked) == 3


def test_the_time_out_is_124_and_one_line_that_names_the_url_and_the_last_answer() -> None:
    with serving(503) as (url, _):
        done = bash(f"wait_for_service 3 {url}; echo $?; time_start wait_for_service")

    assert done.stdout == "124\n"
    assert done.stderr == f"wait_for_service: no answer from '{url}' within 3 s: HTTP 503\n"


def test_the_last_answer_is_named_where_the_next_one_is_awaited_as_the_time_is_over() -> None:
    with serving(503, SILENT) as (url, asked):
        done = bash(f"wait_for_service 3 {url}")

    assert len(asked) == 2
    assert done.stderr == f"wait_for_service: no answer from '{url}' within 3 s: HTTP 503\n"


def test_nobody_listening_is_waited_for_until_the_time_out() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = bash(f"wait_for_service 3 {url} || echo $?")

    assert done.stdout == "124\n"
    assert "Connection refused" in done.stderr


def test_a_server_that_hangs_does_not_hold_the_wait_beyond_its_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        done = bash(f"wait_for_service 0.3 http://127.0.0.1:{mute.getsockname()[1]} || echo $?")

    assert done.stdout == "124\n"


def test_a_server_that_speaks_no_http_has_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-x\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        done = bash(f"wait_for_service 100 127.0.0.1:{server.getsockname()[1]}")
        thread.join()

    assert done.returncode == 0


def test_a_service_is_waited_for_whatever_is_exported() -> None:
    with serving(503, 200) as (url, asked):
        done = bash(f"{HUGE}wait_for_service 100 {url}")

    assert (done.returncode, done.stderr, len(asked)) == (0, "", 2)


@pytest.mark.parametrize("arguments", ["", "5", "5 ''", "x http://h", "-1 http://h", "5 ftp://h"])
def test_a_wait_that_cannot_be_is_refused_at_once(arguments: str) -> None:
    done = bash(f"wait_for_service {arguments}")

    assert done.returncode == 1
    assert "give seconds and an http or https URL" in done.stderr


# ----------------------------------------------------------------------------- ini files

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\n\r]="), min_size=1, max_size=12
).filter(lambda name: not name.startswith("[") and name.strip() != "")
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), max_size=30)
SPECIAL = st.sampled_from(
    [
        "a.*",
        "&",
        r"\1",
        r"a\\b",
        "|",
        "a  b",
        "$(id)",
        "`id`",
        "$HOME",
        "'",
        '"',
        "!",
        "~",
        "*",
        "[x]",
        "-n",
        "%s",
    ]
)
SPACE = " \t\n\r\v\f"


@given(
    st.lists(st.tuples(NAMES | SPECIAL, NAMES | SPECIAL, VALUES | SPECIAL), min_size=1, max_size=6)
)
@settings(max_examples=60)
def test_what_iniset_writes_iniget_reads(triples: list[tuple[str, str, str]]) -> None:
    triples = [(s, o, v) for s, o, v in triples if not o.startswith("[")]
    done = bash(
        'F=$(mktemp); trap "rm -f $F" EXIT\n'
        'for ((i = 1; i <= $#; i += 3)); do iniset "$F" "${@:i:3}"; done\n'
        'for ((i = 1; i <= $#; i += 3)); do iniget "$F" "${@:i:2}"; printf "\\0"; done',
        *(text for triple in triples for text in triple),
    )

    last = {(s, o): v for s, o, v in triples}
    assert done.stdout.split("\0")[:-1] == [last[s, o].strip(SPACE) + "\n" for s, o, _ in triples]
    assert done.stderr == ""


@given(
    before=st.lists(
        st.sampled_from(["[s]", "[t]", "o = 1", "oo=2", "o2 = 3", "# o = 4", "", " o = 5"])
    ),
    value=VALUES,
    end=st.sampled_from(["\n", "\r\n"]),
    final=st.booleans(),
)
@settings(max_examples=60)
def test_iniset_changes_one_option_and_no_other_line(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], value: str, end: str, final: bool
) -> None:
    assume(f"o = {value}" not in before)  # it could not be told from the new line
    path = tmp_path_factory.mktemp("ini") / "f"
    path.write_bytes((end.join(before) + (end if final else "")).encode())
    done = bash('iniset "$1" s o "$2"; iniget "$1" s o; ini_has_option "$1" s o', str(path), value)

    assert (done.stdout, done.returncode) == (value.strip(SPACE) + "\n", 0)
    inside, rest = False, []
    for line in before:
        inside = line == "[s]" if line.startswith("[") else inside
        if not (inside and line == "o = 1"):
            rest.append(line)
    after = path.read_bytes().decode().split("\n")
    crlf = end == "\r\n" and (len(before) > 1 or final)
    kept = [line.removesuffix("\r") if crlf else line for line in after]
    new = f"o = {value}"
    assert new in kept
    kept.remove(new)
    assert [line for line in kept if line not in ("", "[s]")] == [
        line for line in rest if line not in ("", "[s]")
    ]
    if crlf:
        assert all(line.endswith("\r") for line in after[:-1])


@pytest.mark.parametrize(
    ("text", "call", "after"),
    [
        (None, "iniset $F s o v", "\n[s]\no = v\n"),
        ("[s]\na=1\n", "iniset $F s o v", "[s]\no = v\na=1\n"),
        ("[s]\no\t=  1", "iniset $F s o v", "[s]\no\t=  v\n"),
        ("[s]\no =\n", "iniset $F s o v", "[s]\no =v\n"),
        ("[s] # why\r\no=1\r\n", "iniset $F s o v", "[s] # why\r\no=v\r\n"),
        ("[t]\r\n", "iniset $F s o v", "[t]\r\n\r\n[s]\r\no = v\r\n"),
        ("x\n[s]", "iniset $F s o v", "x\n[s]\no = v\n"),
        ("[s]\no=1\no=2\n[s]\no=3\n", "iniset $F s o v", "[s]\no=v\n[s]\n"),
        ("[s]\n[t]\n[s]\n", "iniset $F s o v", "[s]\no = v\n[t]\n[s]\n"),
        ("[s]\no = 1\n", 'iniset $F s o "a\nb"', "[s]\no = a b\n"),
        ("[s]\no = 1\n", "iniset $F s o a b", "[s]\no = a\n"),
        ("[s]\no = 1\n", "iniset $F s '' v", "[s]\no = 1\n"),
        ("[s]\no = 1\n", "iniset $F s", "[s]\no = 1\n"),
        ("[s]b]\no = 1\n", "iniset $F s o v", "[s]b]\no = 1\n\n[s]\no = v\n"),
        ("[s]\noo=1\no = 2\n", "inidelete $F s o", "[s]\noo=1\n"),
        ("[s]\no=1\n[t]\no=1\n[s]\no=2\n", "inidelete $F s o", "[s]\n[t]\no=1\n[s]\n"),
        ("[s]\na.b=1\naxb=1\n", "inidelete $F s a.b", "[s]\naxb=1\n"),
        ("[s]\nx=1", "inidelete $F s o", "[s]\nx=1"),
        ("[s]\no = 1\nx=1\n", "iniadd $F s o 'a b' 2", "[s]\no = 1\no = a b\no = 2\nx=1\n"),
        ("[s]\nx=1\n", "iniadd $F s o v", "[s]\no = v\nx=1\n"),
        (None, "iniadd $F s o v w", "\n[s]\no = v\no = w\n"),
        ("[s]\no=1\n", "iniadd $F s o", "[s]\no=1\n"),
    ],
)
def test_the_text_of_the_file_afterwards(
    tmp_path: Path, text: str | None, call: str, after: str
) -> None:
    path = tmp_path / "f"
    if text is not None:
        path.write_bytes(text.encode())
    done = bash(f"cd {shlex.quote(str(tmp_path))}; set -eu; F=f; {call}")

    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_bytes().decode() == after
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize(
    ("call", "shown"),
    [("s o", "1  2"), ("s none", ""), ("none o", ""), ("t o", "a\nb"), ("t e", ""), ("t O", "")],
)
def test_iniget_prints_values_without_outer_blanks_one_a_line(
    ini: Path, call: str, shown: str
) -> None:
    ini.write_text("o=0\n[s]\no\t = \t1  2 \r\n#o=3\n o=4\n[t]\no=a\no =b\ne=\n")

    done = bash(f'set -eu; shopt -s nocasematch; iniget "$1" {call}', str(ini))
    assert (done.stdout, done.returncode, done.stderr) == (shown + "\n", 0, "")


def test_a_folder_has_no_option_and_that_does_not_end_a_hook(tmp_path: Path) -> None:
    done = bash('set -e; iniget "$1" s o; echo after', str(tmp_path))

    assert done.stdout == "\nafter\n"


@pytest.mark.parametrize("words", ["'' o", "s ''"])
def test_an_empty_section_or_option_is_not_there_and_nothing_is_set(
    tmp_path: Path, words: str
) -> None:
    file = tmp_path / "file.ini"
    file.write_text("[]\n=\n[s]\n=\n")
    done = bash(f'ini_has_option "$1" {words}; echo $?; iniset "$1" {words} v; echo $?', str(file))

    assert (done.stdout, done.stderr) == ("1\n0\n", "")
    assert file.read_text() == "[]\n=\n[s]\n=\n"


def test_a_missing_file_has_no_option_and_an_empty_value() -> None:
    done = bash(
        "iniget /no/f s o; echo $?; ini_has_option /no/f s o; echo $?; inidelete /no/f s o; echo $?"
    )

    assert done.stdout == "\n0\n1\n1\n"
    assert done.stderr.splitlines() == [
        "iniget: cannot read '/no/f': check the path and its mode",
        "inidelete: '/no/f': there is no such folder: create it first",
    ]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("/dev/full", "it is no regular file: check the path"),
        ("/", "it is no regular file: check the path"),
        ("", "it cannot be written: use -sudo, or change its mode"),
        ("/no/f", "there is no such folder: create it first"),
    ],
)
def test_what_cannot_be_an_ini_file_is_refused_in_one_line(file: str, why: str) -> None:
    done = bash('iniset "$1" s o v || echo $?; ini_has_option "$1" s o || echo $?', file)

    assert done.stdout == "1\n1\n"
    assert done.stderr == f"iniset: '{file}': {why}\n"


@pytest.mark.parametrize("words", ["$'a\\nb' o", "s $'a\\nb'"])
def test_a_section_or_an_option_with_a_line_break_is_refused(tmp_path: Path, words: str) -> None:
    file = tmp_path / "file.ini"
    file.write_text("[s]\n")
    done = bash(f'iniset "$1" {words} v || echo $?', str(file))

    why = "no line break can be in a section or an option: remove it"
    assert (done.stdout, done.stderr) == ("1\n", f"iniset: '{file}': {why}\n")
    assert file.read_text() == "[s]\n"


def test_a_link_stays_a_link_and_the_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    real, link = tmp_path / "etc" / "real.ini", tmp_path / "link.ini"
    real.write_text("[s]\n")
    real.chmod(0o640)
    link.symlink_to("etc/real.ini")
    done = bash(f"cd '{tmp_path}'; umask 077; iniset link.ini s o v; iniadd ./link.ini s o w")

    assert done.stderr == ""
    assert link.is_symlink()
    assert real.read_text() == "[s]\no = v\no = w\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["etc", "link.ini"]


def test_a_link_stays_a_link_whatever_is_exported(tmp_path: Path) -> None:
    real, link = tmp_path / "real.ini", tmp_path / "link.ini"
    real.write_text("[s]\n")
    real.chmod(0o640)
    before = real.stat().st_ino
    link.symlink_to("real.ini")
    done = bash(f"{HUGE}umask 077; iniset {shlex.quote(str(link))} s o v")

    assert (done.returncode, done.stderr) == (0, "")
    assert link.is_symlink()
    assert real.read_text() == "[s]\no = v\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.stat().st_ino != before
    assert sorted(os.listdir(tmp_path)) == ["link.ini", "real.ini"]


def test_a_value_of_400_kilobytes_is_replaced_like_a_short_one(ini: Path) -> None:
    done = bash('printf -v v %0400000d; iniset "$1" s o $v; iniset "$1" s o 1; cat "$1"', str(ini))
    assert (done.stdout, done.stderr) == ("\n[s]\no = 1\n", "")


def test_a_file_that_needs_no_change_is_not_written(ini: Path) -> None:
    ini.write_text("[s]\no = v")
    before = ini.stat()
    bash('iniset "$1" s o v; inidelete "$1" s none; iniadd "$1" s o', str(ini))

    assert ini.read_text() == "[s]\no = v"
    assert (ini.stat().st_ino, ini.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_tasks_that_write_the_same_file_lose_nothing(ini: Path) -> None:
    done = bash(
        'write() { for i in 1 2 3 4 5 6; do iniset "$1" s "o$2$i" v; done; }\n'
        'for task in 1 2 3 4; do write "$1" $task & done; wait',
        str(ini),
    )

    assert done.stderr == ""
    assert len([line for line in ini.read_text().splitlines() if line.endswith(" = v")]) == 24


def test_a_disk_that_is_full_leaves_the_old_file(ini: Path) -> None:
    ini.write_text("[s]\no = v\n")
    done = bash('ulimit -f 0; trap "" XFSZ; iniset "$1" s o w', str(ini))

    assert done.returncode == 1
    assert ini.read_text() == "[s]\no = v\n"
    assert os.listdir(ini.parent) == [ini.name]


def test_sudo_does_the_work_and_sees_no_value_among_its_arguments(
    tmp_path: Path, ini: Path
) -> None:
    sudo = tmp_path / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/calls"\nunset LC_ALL\nexec "$@"\n')
    sudo.chmod(0o755)
    value = "pass\\word  'ä' $(id)"
    done = bash(
        "set -u; IFS=:; PATH=$2:$PATH\n"
        'iniset -sudo "$1" s "o p" "$3"; iniadd -sudo "$1" s "o p" x\n'
        'ini_has_option -sudo "$1" s "o p" && iniget "$1" s "o p"; inidelete -sudo "$1" s "o p"\n'
        'ini_has_option -sudo "$1" s "o p"',
        str(ini),
        str(sudo.parent),
        value,
    )

    assert (done.stdout, done.stderr, done.returncode) == (f"{value}\nx\n", "", 1)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 5
    assert not [call for call in calls if "word" in call]
