import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import argcomplete
import pytest

# What bash does at Tab: it calls the function of the command, which leaves its answers.
TAB = """
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
read -ra COMP_WORDS <<<"$1"
[[ $1 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_python_argcomplete stacknb "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def tab(line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Press Tab behind a line in a real bash."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    code = argcomplete.shellcode(["stacknb"], shell="bash")  # type: ignore[no-untyped-call]
    done = subprocess.run(
        ["bash", "-c", code + TAB, "bash", line], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [word.strip() for word in done.stdout.splitlines() if word.strip()]


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("stacknb sta", ["stack", "status"]),
        ("stacknb stack TREE inst", ["install"]),
        ("stacknb stack TREE --unt", ["--until"]),
        ("stacknb stack --serial TREE --until ext", ["extra"]),
        ("stacknb unstack TREE --plugin shop=TR", ["TREE/"]),
        ("stacknb timing . --what w", ["waits"]),
    ],
)
def test_bash_completes_commands_options_and_phases(
    line: str, answers: list[str], tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.path.rename("TREE")
    assert tab(line, monkeypatch) == answers


def test_bash_completes_the_hooks_and_tasks_of_a_run(
    tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.hook(
        "10-a.sh", "if [[ $2 == install ]]; then async_run task-1 true; async_wait task-1; fi\n"
    )
    tree.stack().run()
    assert tab("stacknb log . ", monkeypatch) == ["10-a.sh", "task-1"]
    assert tab("stacknb changes . 1", monkeypatch) == ["10-a.sh"]
    assert shlex.split(tab("stacknb status .stacknb/runs/l", monkeypatch)[0]) == [
        ".stacknb/runs/latest/"
    ]
