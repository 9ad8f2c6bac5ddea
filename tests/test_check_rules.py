import sys

import pytest

from stacknb.hooks.check_rules import remarks, tasks_started, tasks_waited_for


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('true\nif [[ "$2" == instal ]]; then true; fi\n', 2, "'instal' is no phase of 'stack'"),
        ('if [ "$1" = "sorce" ]; then true; fi\n', 1, "did you mean 'source'?"),
        ('if [["$1" == source ]]; then true; fi\n', 1, "without a blank behind [[ it is no test"),
        ("if true; then\n  X=1\nelif ! [$X = 1 ]; then true; fi\n", 3, "a command, so this always"),
        ('if [[ ${1:-} != "unstak" ]]; then true; fi\n', 1, "'unstak' is no mode, so this always"),
        ("[[ $1 == \u201csource\u201d ]] || true\n", 1, "\u201d' is no mode, so this never holds"),
        ("true\nf() {\n\u00a0echo \u2009hi\n}\n", 3, "as web pages have it (U+00A0) is a letter"),
        ("case $1 in\n  sorce) true ;;\nesac\n", 2, "'sorce' is no mode"),
        ('case "${2-}" in\n  extra|exra) true ;;\nesac\n', 2, "'exra' is no phase"),
        (
            "case $1 in\n stack) case $2 in\n  extra) ;;\n esac ;;\n unstak) ;;\nesac\n",
            5,
            "'unstak'",
        ),
        ("case $1 in\n stack)\n case $X in a) ;; esac ;;\n unstak) ;;\nesac\n", 4, "'unstak'"),
        ('if [ "$1" = "install" ]; then true; fi\n', 1, "it is a phase, so compare it with $2"),
        ('if [ "$2" = "unstack" ]; then true; fi\n', 1, "it is a mode, so compare it with $1"),
        ("exit 0\ntrue\n", 1, "exit ends the whole run"),
        ("A=${B:-x}\nif [[ $A ]]; then exit; fi\nexit 0\ntrue\n", 3, "exit ends the whole run"),
        (
            "f() {\n  echo \\} '}' ${A%\\}}\n  exit 3\n}\nexit 0\ntrue\n",
            5,
            "exit ends the whole run",
        ),
        (
            "case $A in\n  a) (\n    exit 1\n  ) ;;\n  b) true ;;\nesac\nexit 0\ntrue\n",
            7,
            "exit ends",
        ),
        ('echo "(" \\{ "{"\nA=(\n  b)\nexit 0\ntrue\n', 4, "exit ends the whole run"),
        ("declare -A MAP\ntrue\n", 1, "'MAP' vanishes when the hook ends"),
        ("true\n[[ $1 == clean ]] && rm -f x\n\n# the end\n", 2, "ends with status 1"),
        ("is_service_enabled x && start\n", 1, "ends with status 1"),
        ("if [[ $1 == stack ]]; then\n  a\n  [[ -d x ]] && b\n\nfi\n# end\n", 3, "status 1"),
        ("if [[ x ]]; then\n  if [[ y ]]; then a; fi\nelse\n  is_x && b\nfi\n", 4, "status 1"),
        ("case $1 in\n stack) is_x && a ;;\n clean) is_x && a ;;\nesac\n", 2, "status 1"),
        ("case $2 in\n extra)\n  a\n  is_x && b\n  ;;\n *) c ;;\nesac\n", 4, "status 1"),
        ("if x; then\n  case $y in\n  *) is_x && b\n  esac\nfi\n", 3, "status 1"),
        ("[[ -d x ]] && echo 'a) b'\n", 1, "ends with status 1"),
        ("case $1 in\n clean) a ;;\n *) is_x && b ;;\nesac\n", 3, "status 1"),
        ("if [[ $1 == clean ]]; then\n  a\nelse\n  is_x && b\nfi\n", 4, "status 1"),
    ],
)
def test_what_is_hardly_meant_is_pointed_out(text: str, line: int, said: str) -> None:
    [(at, message)] = remarks(text, "extras")
    assert at == line
    assert said in message


@pytest.mark.parametrize(
    "text",
    [
        'if [[ "$1" == "stack" && "$2" == "post-config" ]]; then true; fi\n',
        "case $1 in\n  stack|clean) true ;;\n  *) true ;;\nesac\n",
        "if [[ -e x ]] || ((X[\"1\"])); then case $X in [a-z]*) ;; esac; fi; echo 'if '[x]\n",
        "case $OTHER in\n  anything) true ;;\nesac\n",
        "case $1 in\n stack)\n  case $X in\n   noble) ;;\n  esac ;;\n clean) ;;\nesac\n",
        "case $1 in stack) true ;; esac\ncase $X in\n  noble) true ;;\nesac\n",
        "f() {\n  declare x=1\n  exit 3\n}\nfunction g {\n  local y\n  declare z\n}\n",
        "f() {\n  if [[ $1 == start ]]; then true; fi\n  case $2 in\n    x) true ;;\n  esac\n}\n",
        'f() { [ "$1" = start ]; }\ng() ( [[ $1 == x ]] )\ntrue\n',
        'f() {\n  awk -v a="$b" \'{print "x " a}\' y\n  exit 3\n}\n',
        "(\n  exit 3\n)\nA=$(\n  exit 3\n) || true\nf() (\n  exit 3\n)\n",
        "declare -g A=1\ndeclare -gA B\ndeclare -f f\n",
        "[[ $1 == clean ]] && rm -f x || true\n",
        "[[ $1 == clean ]] && rm -f x\ntrue\n",
        "if [[ $1 == clean ]]; then\n  if a; then\n    [[ -d x ]] && rm -r x\n  fi\nfi\n",
        "if [[ $1 == clean ]]; then\n  (cd x)\n  [[ -d x ]] && rm -r x\nfi\n",
        "if [[ a ]]; then\n  [[ b ]] && c\nfi\nd\n",
        "if [[ $1 == clean ]]; then\n  echo 'x)'\n  [[ -d x ]] && rm -r x\nfi\n",
        "if [[ a ]]; then\n  [[ b ]] && c\n  if d; then e; fi\nfi\n",
        "for a in b; do\n  if c; then\n    [[ d ]] && e\n  fi\ndone\n",
        "f() {\n  if c; then\n    [[ d ]] && e\n  fi\n}\n",
        "if [[ $A == no ]]; then\n  echo why >&2\n  exit 1\nfi\nexit $?\n",
        "# exit 0\n# [[ $1 == sorce ]]\ntrue\n",
        "echo 'a\u00a0b' \"c\u202fd\" # e\u00a0f\ncat <<EOF\n\u00a0g\nEOF\n",
        "if [[ $1 == $MODE ]]; then true; fi\n",
        'if [[ "$1 $2" == "stack install" || "$1-$2" = stack-extra ]]; then true; fi\n',
        "if [[ $2 == inst* || $1 == un?tack || x$1 = xstack ]]; then true; fi\n",
        "cat >go <<EOF\n#!/bin/sh\nexit 0\nEOF\ntrue\n",
        "cat <<-'A' <<\\B\ndeclare x\n\tA\n[[ $1 == sorce ]]\nB\ntrue\n",
    ],
)
def test_what_is_right_is_left_alone(text: str) -> None:
    assert list(remarks(text, "extras")) == []


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("printf() { echo x; }\ntrue\n", 1, "printf"),
        ("true\nfunction wait\n{\n  sleep 1\n}\n", 2, "wait"),
        ("[() { return 0; }\ntrue\n", 1, "["),
        ("true\nif [[ $1 == source ]]; then trap() { :; }; fi\n", 2, "trap"),
        ("f() {\n  : ; function : () { echo; }\n}\n", 2, ":"),
        ('local() { builtin local "$@"; }\n', 1, "local"),
        ("unset -f read\nread() { echo; }\nunset -f reader; echo read\n", 2, "read"),
        ("kill() (\n  echo\n)\nread() { builtin kill 1; builtin read x; }\n", 1, "kill"),
        ("builtin() { echo; }\ntrue\n", 1, "builtin"),
    ],
)
def test_a_function_in_the_place_of_a_builtin_that_tasks_need_is_pointed_out(
    text: str, line: int, name: str
) -> None:
    [(at, said)] = remarks(text, "extras")
    assert at == line
    assert said.startswith(f"function {name!r} breaks tasks and helper functions")
    assert said.endswith(f"give it another name, or unset -f {name} after use")


def test_each_definition_is_pointed_out_and_what_would_mend_it() -> None:
    text = "set() { echo; }\nread() { echo; }\nread() { echo; }\nbuiltin() { echo; }\n"
    found = list(remarks(text, "extras"))
    assert [line for line, _ in found] == [1, 2, 3, 4]
    assert [said.partition("; ")[2].partition(",")[0] for _, said in found] == [
        "give it another name", "have it call 'builtin read'", "have it call 'builtin read'",
        "have it call 'command builtin'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        'read() { builtin read -t 9 "$@"; }\n',
        'wait()\n{\n  [[ x ]] && { true; }\n  command wait "$@"\n}\n',
        'builtin() { command builtin "$@"; }\n',
        "wait() { builtin wait; }\nkill() (builtin kill)\n",
        "printf() { echo x; }\nprintf 1\nunset -f other printf\ntrue\n",
        "exit() { builtin exit 3; }\necho() { :; }\ntest() { :; }\ncd() { pushd .; }\n",
        "wait_for() { :; }\nmy-read() { :; }\nread=()\nset=(a b)\n# wait() { :; }\n",
        "awk '\nfunction set(x) { y = x }'\n",
        "cat >x.c <<EOF\nread() {}\nEOF\n",
        "(printf() { echo x; }; printf 1)\n",
    ],
)
def test_a_function_that_does_no_harm_is_left_alone(text: str) -> None:
    assert list(remarks(text, "extras")) == []


def test_twice_as_many_definitions_that_nothing_closes_are_twice_the_work() -> None:
    def steps(definitions: int) -> int:
        count = 0

        def trace(*event: object) -> object:
            nonlocal count
            count += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            found = list(remarks("printf() {\n" * definitions, "extras"))
        finally:
            sys.settrace(before)
        assert [line for line, _ in found] == [*range(1, definitions + 1)]
        return count

    assert steps(200) < 2.5 * steps(100)


def test_settings_of_a_plugin_get_no_arguments() -> None:
    [(line, said)] = remarks('A=1\nif [[ "$1" == "source" ]]; then B=2; fi\n', "settings")
    assert (line, "without arguments" in said) == (2, True)
    assert list(remarks('f() {\n  echo "$1"\n}\n', "settings")) == []
    assert list(remarks("sed -i 's/x/${1}/' y; awk '{print $2}' y\n", "settings")) == []


@pytest.mark.parametrize(
    ("word", "file"), [("source", "settings"), ("override_defaults", "override-defaults")]
)
def test_the_script_of_a_plugin_is_never_called_with_the_modes_of_its_other_files(
    word: str, file: str
) -> None:
    text = f'if [[ "$1" == "{word}" ]]; then true; fi\n'
    [(line, said)] = remarks(text, "plugin.sh")
    assert line == 1
    assert said.startswith(f"plugin.sh is never called with {word!r}, so this never holds")
    assert said.endswith(f"belongs into {file!r}")
    assert list(remarks(text, "extras")) == []


def test_a_script_may_be_the_one_of_a_plugin_and_a_hook_of_a_tree() -> None:
    text = 'if [[ "$1" == "source" || ! $_LIB ]]; then true; fi\n'
    assert list(remarks(text, "plugin.sh")) == []


def test_a_shift_is_no_here_document_and_a_here_string_is_none() -> None:
    text = "((x = 1 << y))\ncat <<<EOF\nexit 0\nEOF\n"
    assert [line for line, _ in remarks(text, "extras")] == [3]


def test_names_of_tasks_are_found() -> None:
    text = "async_run --after a --timeout 3 \\\n  b cmd\nasync_runfunc c; true\nasync_wait b  c\n"
    assert tasks_started(text) == {"b", "c"}
    assert list(tasks_waited_for(text)) == [(4, "b"), (4, "c")]


def test_only_names_that_stand_there_are_waited_for() -> None:
    text = 'async_wait a_$s b_{1,2} "c$d" ${e}f g* `h`\nasync_wait "i" \'j\' k>l; m || n\n'
    assert list(tasks_waited_for(text)) == [(2, "i"), (2, "j"), (2, "k")]
