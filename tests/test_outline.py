import pytest

from stacknb.hooks.outline import outline
from stacknb.lifecycle import Phase

INSTALL, EXTRA, SOURCE = Phase("stack", "install"), Phase("stack", "extra"), Phase("source")

BRANCHES = """
# a comment with async_run nothing
function later {
    async_run hidden true
}
if [[ "$1" == "source" ]]; then
    A=1
elif [[ "$1" == "stack" && "$2" == "install" ]]; then
    async_run --after a --timeout 3 db sync
    async_runfunc index
    if [[ -n $A ]]; then
        async_wait db index
    fi
elif [[ $1 = stack && $2 = extra ]]; then
    run_process api server
fi
"""


def test_each_phase_has_its_branch() -> None:
    assert outline(BRANCHES, SOURCE).lines == 1
    found = outline(BRANCHES, INSTALL)
    assert (found.starts, found.waits) == (["db", "index"], ["db", "index"])
    assert outline(BRANCHES, EXTRA).lines == 1
    assert outline(BRANCHES, Phase("clean")).lines == 0


def test_nested_conditions_hold_together() -> None:
    text = "if [[ $1 == stack ]]; then\n  if [[ $2 == install ]]; then\n    a\n  fi\n  b\nfi\n"
    assert [outline(text, phase).lines for phase in (INSTALL, EXTRA, SOURCE)] == [2, 1, 0]


def test_a_case_in_one_line_counts_as_branches() -> None:
    text = 'case "$1 ${2-}" in "stack install") a; async_run t b;; "clean ") c ;; esac\nd\n'
    counts = [outline(text, phase).lines for phase in (INSTALL, Phase("clean"), EXTRA)]
    assert counts == [2, 2, 1]
    assert outline(text, INSTALL).starts == ["t"]
    assert outline("case $x in a) b;; esac; c\n", EXTRA).lines == 2


def test_case_counts_as_branches() -> None:
    text = 'case "$1" in\n  source) a ;;\n  stack|clean)\n    b\n    c\n    ;;\n  *) d ;;\nesac\n'
    assert outline(text, SOURCE).lines == 2  # a, and what * may do
    assert outline(text, Phase("clean")).lines == 3
    assert outline(text, Phase("unstack")).lines == 1


@pytest.mark.parametrize("text", ["", "\n# only words\n", "f() {\n  a\n}\n"])
def test_where_nothing_is_done_there_is_nothing(text: str) -> None:
    assert outline(text, INSTALL).lines == 0


def test_what_is_not_understood_may_hold() -> None:
    text = "if is_service_enabled x; then\n  a\nelse\n  b\nfi\nc\n"
    assert outline(text, INSTALL).lines == 3


def test_a_command_may_go_on_in_the_next_line() -> None:
    assert outline("async_run --after a \\\n  b cmd\n", INSTALL).starts == ["b"]


@pytest.mark.parametrize(
    ("text", "install", "extra", "source"),
    [
        ("if [[ $2 == install ]]; then a; fi\n", 1, 0, 0),
        ("if [[ $2 == install ]]; then a; b; else c; fi\nd\n", 3, 2, 2),
        ("if [[ $1 == source ]]; then a; elif [[ $2 == extra ]]; then b; fi\n", 0, 1, 1),
        ("if [[ $2 == install ]]; then a\nelse b\nfi\n", 2, 1, 1),
        ("[[ $2 == install ]] && a\n[ $2 = extra ] && b; true\n", 1, 1, 0),
        ("[[ $2 == install ]] && a || b\n", 1, 1, 1),
        ("[[ $2 != install ]] && a\n", 1, 1, 1),
        ("[[ $1 == stack || $2 != x ]] && a\n", 1, 1, 1),
        ("[[ $2 == install ]] && {\n  a\n}\n", 2, 2, 2),
        ("if [[ -e x ]]; then a; fi\n", 1, 1, 1),
        ('if [[ $1 == source || "$(type -t x)" != function ]]; then a; fi\n', 1, 1, 1),
        ("if [[ $2 == install && ( $a == b || $c ) ]]; then a; fi\n", 1, 0, 0),
        ("if [[ -e x ]]; then if [[ $2 == extra ]]; then a; fi; fi; b\n", 1, 2, 1),
    ],
)
def test_a_branch_may_stand_in_one_line(text: str, install: int, extra: int, source: int) -> None:
    found = [outline(text, phase).lines for phase in (INSTALL, EXTRA, SOURCE)]
    assert found == [install, extra, source]


def test_a_task_may_be_started_in_one_line() -> None:
    text = "if [[ $2 == install ]]; then async_runfunc db; fi\n"
    assert outline(text, INSTALL).starts == ["db"]


@pytest.mark.parametrize(
    ("text", "install", "extra", "source"),
    [
        ('if [[ "$1 $2" == "stack install" ]]; then a; fi\n', 1, 0, 0),
        ('if [ "$1-$2" = stack-extra ]; then a; else b; fi\n', 1, 2, 1),
        ('if [[ "$1 $2" == "stack "* ]]; then a; fi\n', 1, 1, 0),
        ('if [[ "$1/$2" == stack/i* || "$1/$2" == source/ ]]; then a; fi\n', 1, 1, 1),
        ('[[ "$1 $2" == "stack install" ]] && a\n', 1, 0, 0),
        ('case "$1 $2" in\n"stack install") a ;;\n"source ") b; c ;;\nesac\n', 1, 0, 1),
        ('case "${1} ${2:-}" in\nstack\\ install|"stack extra")\na\n;;\nesac\n', 1, 1, 0),
        ('case "$1 $2" in\n"stack extra") a ;;\n*) b ;;\nesac\n', 1, 2, 1),
        ('case $1 in\n"stack") a ;;\nso*) b ;;\nesac\n', 2, 2, 1),
        ('if [[ "$2" == "install or so" ]]; then a; fi\n', 1, 1, 1),
    ],
)
def test_both_arguments_may_be_compared_at_once(
    text: str, install: int, extra: int, source: int
) -> None:
    found = [outline(text, phase).lines for phase in (INSTALL, EXTRA, SOURCE)]
    assert found == [install, extra, source]


def test_names_of_tasks_may_be_quoted_and_those_made_as_it_runs_are_none() -> None:
    text = "async_run 'a' x; async_runfunc \"b\"; async_run c_$n x\nasync_wait 'a' \"b\" d_$n e\n"
    found = outline(text, Phase("stack", "install"))
    assert (found.starts, found.waits) == (["a", "b"], ["a", "b", "e"])


def test_a_case_of_something_else_ends_no_branch_around_it() -> None:
    text = (
        'if [[ $2 == install ]]; then\ncase "$OS" in\n*) true ;;\nesac\nasync_run db sync\nfi\n'
        "[[ $1 == stack && $2 != extra ]] && async_run api serve\n"
    )
    assert outline(text, Phase("stack", "install")).starts == ["db", "api"]
    assert outline(text, Phase("stack", "pre-install")).starts == ["api"]
    assert outline(text, Phase("unstack")).starts == []
