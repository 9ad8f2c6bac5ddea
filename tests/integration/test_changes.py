"""What hooks changed, through a real shell; also from the run directory, long after."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from stacknb import Stack, cli
from stacknb.exceptions import BadInput, HookFailed
from stacknb.hooks import changes_frame
from stacknb.snapshots.snapshot import MASK


def rows(frame: Any) -> list[tuple[str, ...]]:
    return [
        *frame[["hook", "kind", "name", "change", "old", "new"]].itertuples(index=False, name=None)
    ]


def test_each_hook_is_told_with_what_it_changed(tree: Any) -> None:
    stack = tree.run(
        "A=1; f() { :; }; shopt -s nullglob; export HOME_OF_A=/a",
        "A='2 3'; unset HOME_OF_A; cd /; trap 'echo bye' USR1",
        ":",
    )
    frame = stack.changes()
    assert rows(frame) == [
        ("10-hook.sh", "variable", "A", "added", "", "1"),
        ("10-hook.sh", "variable", "HOME_OF_A", "added", "", "/a"),
        ("10-hook.sh", "function", "f", "added", "", "f () \n{ \n    :\n}"),
        ("10-hook.sh", "option", "nullglob", "changed", "off", "on"),
        ("11-hook.sh", "variable", "A", "changed", "1", "2 3"),
        ("11-hook.sh", "variable", "HOME_OF_A", "removed", "/a", ""),
        ("11-hook.sh", "trap", "SIGUSR1", "added", "", "echo bye"),
        ("11-hook.sh", "cwd", "", "changed", str(Path.cwd()), "/"),
    ]
    assert {*frame["phase"]} == {"override_defaults"}
    assert "nothing changed: override_defaults · 12-hook.sh" in frame.text()


@pytest.mark.parametrize("end", ["", "; false"])
def test_signals_without_a_trap_are_no_change_in_posix_mode(tree: Any, end: str) -> None:
    stack = tree.run(":")
    tree.hook("20-b.sh", f"set -o posix; trap 'echo bye' USR1{end}")
    with contextlib.suppress(HookFailed):
        stack.run_phase("override_defaults")

    traps = [row for row in rows(stack.changes()) if row[1] == "trap"]
    assert traps == [("20-b.sh", "trap", "USR1", "added", "", "echo bye")]


def test_changes_are_shown_in_colours_of_the_theme(tree: Any) -> None:
    html = tree.run("A=1", "A=2; unset -v B").changes()._repr_html_()
    styles = re.findall(r'<tr style="color:([^"]*)"', html)
    assert styles
    assert all(re.search(r"var\(--jp-\w", style) for style in styles)


def test_locals_of_a_hook_are_no_change(tree: Any) -> None:
    assert rows(tree.run("local gone=1; declare gone2=2; : ${gone}").changes()) == []


def test_secrets_are_masked_whoever_holds_them(tree: Any) -> None:
    stack = tree.run("PLAIN=sesame-1", "ADMIN_PASSWORD=$PLAIN; f() { curl -u root:sesame-1 x; }")
    assert "sesame-1" not in stack.changes().to_csv()
    assert "sesame-1" not in stack.changes().text() + stack.changes()._repr_html_()
    assert "sesame-1" not in stack.history().to_csv()
    assert ("11-hook.sh", "variable", "ADMIN_PASSWORD", "added", "", MASK) in rows(stack.changes())


def test_variables_show_no_secret_by_another_name(tree: Any) -> None:
    stack = tree.run(
        "DB_PASSWORD=sesame; HOST=a; WORD=sesame; declare -gA C=([token]=abc [user]=me)"
    )
    shown = dict(stack.variables("[CHW]*")[["name", "value"]].itertuples(index=False, name=None))
    assert (shown["HOST"], shown["WORD"]) == ("a", MASK)
    assert "abc" not in shown["C"]
    assert "me" in shown["C"]


def test_a_task_is_a_file_of_the_run_directory_and_files_of_the_hook_are_too(tree: Any) -> None:
    stack = tree.run("async_run job true; async_wait job >/dev/null")
    assert stack.run_dir is not None
    found = [row[2:4] for row in rows(stack.changes()) if row[1] == "file"]
    assert ("async/job.log", "added") in found


def test_a_file_that_a_hook_leaves_in_the_run_directory_is_told(tree: Any, tmp_path: Path) -> None:
    stack = tree.run(
        f"echo x >'{tmp_path}/run/note.txt'", "true", f"echo y >>'{tmp_path}/run/note.txt'",
        f"rm '{tmp_path}/run/note.txt'", run_dir=tmp_path / "run",
    )  # fmt: skip
    assert [row for row in rows(stack.changes()) if row[1] == "file"] == [
        ("10-hook.sh", "file", "note.txt", "added", "", "2 bytes"),
        ("12-hook.sh", "file", "note.txt", "changed", "2 bytes", "4 bytes"),
        ("13-hook.sh", "file", "note.txt", "removed", "4 bytes", ""),
    ]


def test_a_hook_that_failed_has_its_changes_too(tree: Any) -> None:
    with pytest.raises(HookFailed):
        tree.run("A=1; B=2; false; C=3")
    [stack] = tree._stacks
    assert [row[2] for row in rows(stack.changes())] == ["A", "B"]


def test_a_lost_shell_is_said_to_be_unknown_and_the_next_hook_is_compared_with_before(
    tree: Any,
) -> None:
    with pytest.raises(HookFailed):
        tree.run("A=1", "B=2; kill -KILL $$")
    [stack] = tree._stacks
    tree.hook("11-hook.sh", "C=3\n")
    stack.run_phase("override_defaults")
    assert [row[:4] for row in rows(stack.changes())] == [
        ("10-hook.sh", "variable", "A", "added"),
        ("11-hook.sh", "shell", "", "unknown"),
        ("11-hook.sh", "variable", "C", "added"),
    ]


def test_cells_have_changes_of_their_own(tree: Any) -> None:
    stack = tree.run("A=1")
    stack.evaluate("A=2")
    assert rows(stack.changes("cell 1")) == [("cell 1", "variable", "A", "changed", "1", "2")]


def test_one_hook_or_phase_in_all_its_spellings(tree: Any) -> None:
    tree.hook("10-a.sh", "SEEN+=$#$1\n")
    tree.hook("20-b.sh", "B+=1\n")
    stack = tree.stack()
    stack.run(until="install")
    assert len(stack.changes()) == 8
    assert len(stack.changes("10-a.sh")) == 4
    for name in ("install", "stack install", "stack-install"):
        assert len(stack.changes(name)) == 2
    assert len(stack.changes("install 10-a.sh")) == 1
    with pytest.raises(
        BadInput, match=r"no hook or phase '10-aa\.sh' has run; did you mean '10-a\.sh'"
    ):
        stack.changes("10-aa.sh")
    hooks = "'10-a.sh', '20-b.sh', 'override_defaults', 'source', 'stack install', "
    known = f"; there are {hooks}'stack pre-install'"
    with pytest.raises(BadInput, match=f"'99-x' has run{known}$"):
        stack.changes("99-x")


def test_a_variable_is_followed_through_the_run(tree: Any) -> None:
    tree.hook("10-a.sh", "[[ $1 != source ]] || A=1; [[ ${2-} != install ]] || unset A\n")
    tree.hook("20-b.sh", '[[ ${2-} != pre-install ]] || A="two"\n')
    stack = tree.stack(env={"A": "from outside"})
    stack.run(until="install")
    told = [*stack.history("A")[["phase", "hook", "new"]].itertuples(index=False, name=None)]
    assert told == [
        ("", "", "from outside"), ("source", "10-a.sh", "1"),
        ("stack pre-install", "20-b.sh", "two"), ("stack install", "10-a.sh", ""),
    ]  # fmt: skip
    lines = stack.history("A").text().splitlines()
    assert lines[0].split("  ")[0] == "A"
    assert "before the first hook" in lines[0]
    assert lines[-1].endswith("(unset)")


def test_before_a_run_there_is_nothing_to_tell(tree: Any) -> None:
    with pytest.raises(BadInput, match="no run yet"):
        tree.stack().changes()


def test_a_run_directory_is_enough(tree: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stack = tree.run("A=1")
    run_dir = stack.run_dir
    stack.close()
    assert [row[2] for row in rows(changes_frame.load(run_dir))] == ["A"]
    assert cli.main(["changes", str(run_dir), "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["hook"], row["name"], row["new"]) == ("10-hook.sh", "A", "1")
    assert cli.main(["changes", str(run_dir), "--vars", "A"]) == 0
    assert capsys.readouterr().out == "A  override_defaults  10-hook.sh  1\n"
    assert cli.main(["changes", str(run_dir), "12-c.sh"]) == 2
    assert "no hook or phase '12-c.sh' has run" in capsys.readouterr().err


def test_a_resumed_run_goes_on_with_its_history(tree: Any) -> None:
    tree.hook("10-a.sh", "A=$#$1\n")
    stack = tree.stack()
    stack.step()
    run_dir = stack.run_dir
    stack.close()
    with Stack.resume(run_dir) as again:
        again.step()
        assert [*again.changes()["new"]] == ["1override_defaults", "1source"]
        assert [*again.changes()["change"]] == ["added", "changed"]
