"""What hooks and tasks print: kept byte for byte, shown in one piece."""

# ruff: noqa: E501  (a script of bash is read best on one line)

import contextlib
import hashlib
import os
import re
import resource
import shlex
from pathlib import Path

import pytest

from stacknb import HookFailed, Stack, TaskFailed, status, tasklog, timing
from stacknb.rundir.follow import tail


def hook_log(stack: Stack, name: str = "10-hook.sh") -> Path:
    assert stack.run_dir is not None
    return stack.run_dir / "hooks" / "override_defaults" / f"{name}.log"


def task_log(stack: Stack, name: str = "t") -> Path:
    assert stack.run_dir is not None
    return stack.run_dir / "async" / f"{name}.log"


OUTPUTS = {
    "nothing": b"",
    "a NUL": b"a\0b",
    "only NULs": b"\0" * 10,
    "a NUL at the end": b"a\n\0",
    "no UTF-8": b"\xff\xfe\xc3\n\x80",
    "half a character at the end": b"a\xc3",
    "carriage returns": b"10 %\r20 %\r100 %\r\ndone\r\n",
    "colours": b"\x1b[31mred\x1b[0m\n\x1b]0;title\x07",
    "all bytes": bytes(range(256)) * 3,
    "no newline": b"no newline",
    "newlines": b"\n\n\n",
    "a footer": b"\n#stacknb-end {}\n",
    "a header": b'#stacknb-begin {"kind": "task"}\n',
    "half a footer at the end": b"x\n#stacknb-end ",
    "a prompt": b"$ \n> \nDONE\0\n",
    "64 KiB less one": b"x" * 65535,
    "64 KiB": b"x" * 65536,
    "64 KiB and one": b"y" * 65536 + b"\n",
    "lines of 1 MB": (b"z" * 99 + b"\n") * 10_000,
    "NULs after 64 KiB": b"z" * 70_000 + b"\0\0\xff",
    "NULs before 64 KiB": b"\0\0\xff" + b"z" * 70_000 + b"\n",
    "text around 64 KiB that is not ASCII": "ä☃".encode() * 20_000,
}


@pytest.mark.parametrize("data", OUTPUTS.values(), ids=OUTPUTS)
def test_any_output_of_hooks_and_tasks_is_kept_exactly_and_shown_in_one_piece(
    tree, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "data").write_bytes(data)
    stack = tree.run(
        "cat data", "async_run t cat data\nprintf '<<<\\n'\nasync_wait t\nprintf '>>>'"
    )

    assert tasklog.read(hook_log(stack)).output() == data
    assert tasklog.read(task_log(stack)).output() == data
    shown = tasklog.read(hook_log(stack, "11-hook.sh")).output()
    inner = shown[shown.index(b"<<<\n") + 4 : shown.rindex(b">>>")]
    (_, begin), (last, _) = [
        m.span() for m in re.finditer(rb"^\[\d+ Async t:\d+\]: .*\n", inner, re.M)
    ]
    # A log that does not end with a newline gets one, so that the next line begins a line.
    assert inner[begin:last] == data + (b"" if data.endswith(b"\n") or not data else b"\n")


def test_100_megabytes_on_one_line_are_kept(tree) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stack = tree.run("printf first; head -c 100000000 /dev/zero | tr '\\0' x; printf last")
    record = tasklog.read(hook_log(stack))

    assert record.output_end - record.output_start == 100_000_009
    with hook_log(stack).open("rb") as file:
        file.seek(record.output_start)
        digest = hashlib.sha256()
        left = 100_000_009
        while left:
            left -= len(chunk := file.read(min(left, 1 << 20)))
            digest.update(chunk)
    expected = hashlib.sha256(b"first")
    for _ in range(100):
        expected.update(b"x" * 1_000_000)
    expected.update(b"last")
    assert digest.digest() == expected.digest()
    (line,) = tail(hook_log(stack))
    assert len(line) < 3000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_large_log_of_a_task_is_shown_whole(tree) -> None:
    stack = tree.run("f() { head -c 20000000 /dev/zero; echo end; }\nasync_run t f; async_wait t")
    shown = tasklog.read(hook_log(stack)).output()

    assert shown.count(b"\0") == 20_000_000
    assert shown.index(b"\0") < shown.index(b"end\n")


def test_stdout_and_stderr_are_in_the_order_they_were_written(tree) -> None:
    stack = tree.run("for i in {1..100}; do echo out $i; echo err $i >&2; done")

    assert tasklog.read(hook_log(stack)).output() == b"".join(
        b"out %d\nerr %d\n" % (i, i) for i in range(1, 101)
    )


@pytest.mark.parametrize(
    "name",
    [
        '10-a"b.sh',
        "10-a\\b.sh",
        "10-a\tb.sh",
        "10-ä ☃.sh",
        "10-\udcff.sh",
        "10-a%sb.sh",
        "10-$(id).sh",
    ],
)
def test_a_hook_of_any_name_has_a_whole_log(tree, name: str) -> None:
    (tree.extras / name).write_text("echo out")
    stack = tree.stack()
    (hook,) = stack.run_phase("override_defaults")
    record = tasklog.read(hook.log)

    assert record.header["name"] == name
    assert record.footer is not None
    assert record.footer["exit_code"] == 0
    assert record.output() == b"out\n"


def test_what_a_child_prints_after_its_hook_is_kept_after_the_footer(tree, until) -> None:
    stack = tree.run(
        "(until [[ -e go ]]; do sleep 0.01; done; echo late) & echo early", "echo second"
    )
    record = tasklog.read(hook_log(stack))
    assert record.output() == b"early\n"
    Path("go").touch()
    until(lambda: hook_log(stack).read_bytes().endswith(b"late\n"), "it has printed")

    record = tasklog.read(hook_log(stack))
    assert record.output() == b"early\n"
    assert record.footer is not None
    assert tasklog.read(hook_log(stack, "11-hook.sh")).output() == b"second\n"


def test_what_a_child_of_a_task_prints_later_is_kept_and_not_shown(tree) -> None:
    stack = tree.run(
        "f() { (until [[ -e go ]]; do sleep 0.01; done; echo late) & echo early; }\nasync_run t f",
        "until grep -q '^#stacknb-end' $_stacknb_dir/async/t.log; do :; done; : >go",
        "until grep -q '^late' $_stacknb_dir/async/t.log; do :; done; async_wait t",
    )
    assert task_log(stack).read_bytes().endswith(b"late\n")

    assert tasklog.read(task_log(stack)).output() == b"early\n"
    assert b"late" not in tasklog.read(hook_log(stack, "12-hook.sh")).output()


def test_a_hook_that_moves_its_output_elsewhere_has_its_own_log_again_next_time(tree) -> None:
    stack = tree.run(
        "exec >elsewhere 2>&1; echo there",
        "echo here",
        "exec >&-; echo nowhere || :",
        "echo again; echo err >&2",
    )

    assert Path("elsewhere").read_text() == "there\n"
    assert [tasklog.read(hook_log(stack, f"{n}-hook.sh")).output() for n in (10, 11, 13)] == [
        b"",
        b"here\n",
        b"again\nerr\n",
    ]


def test_a_hook_that_removes_its_log_harms_nobody(tree) -> None:
    stack = tree.run("rm .stacknb/runs/latest/hooks/*/10-hook.sh.log; echo gone", "echo here")

    assert [hook.status for hook in stack.result.hooks] == ["ok", "ok"]
    assert tasklog.read(hook_log(stack, "11-hook.sh")).output() == b"here\n"


def test_a_task_whose_log_is_removed_is_waited_for_all_the_same(tree) -> None:
    stack = tree.run(
        "f() { rm .stacknb/runs/latest/async/t.log; exit 3; }\nasync_run t f\nasync_wait t || got=$?\n:"
    )

    assert list(stack.variables("got").value) == ["3"]
    assert stack.tasks["t"].wait().exit_code == 3


def test_a_pipe_that_nobody_reads_ends_the_hook_no_other_way_than_in_plain_bash(
    tree, output
) -> None:
    stack = tree.run("set +o pipefail; yes | head -1; echo ${PIPESTATUS[*]}")

    assert output(stack, "10-hook.sh") == "y\n141 0\n"


def test_the_output_of_a_cell_is_text_and_its_tail_is_bounded(tree) -> None:
    stack = tree.run(":")
    result = stack.evaluate(
        "printf 'a\\0\\xff\\r\\nb'; head -c 3000000 /dev/zero | tr '\\0' y; printf 'oops\\xff' >&2"
    )

    assert result.stderr == "oops\ufffd"
    assert len(result.stdout) == 1 << 20
    assert result.stdout.endswith("yyy")
    assert len(result.tail()) < 100_000
    assert stack.evaluate("printf 'a\\0\\xff\\r\\nb'").stdout == "a\0\ufffd\r\nb"


def test_logs_of_hooks_are_whole_whatever_the_umask(tree) -> None:
    stack = tree.run("umask 0077; echo a", "echo b; async_run t echo c; async_wait t")

    assert tasklog.read(hook_log(stack, "11-hook.sh")).output().startswith(b"b\n")


def test_no_descriptor_is_left_open_in_python(tree) -> None:
    stack = tree.run("async_run t true; async_wait t")
    stack.async_run("u", "true").wait()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        stack.evaluate(f"echo {number}")
        stack.async_run(f"u{number}", "true").wait()
    stack.reset()
    stack.run_phase("override_defaults")

    assert len(os.listdir("/proc/self/fd")) <= before


def test_no_descriptor_of_ours_is_open_in_a_hook_or_a_task(tree, output) -> None:
    stack = tree.run(
        "list() { ls -1 /proc/self/fd | tr '\\n' ' '; }; list; async_run t list; async_wait t; async_run --timeout 9 u list; async_wait u"
    )

    text = output(stack, "10-hook.sh")
    assert re.findall(r"(?:^|\n)([\d ]+) (?:\n|(?=\[))", text) == ["0 1 2 3"] * 3
    for name in "tu":
        assert tasklog.read(task_log(stack, name)).output() == b"0 1 2 3 "


@pytest.mark.parametrize("secret", ["PASSWORD", "OS_TOKEN", "MY_SECRET", "API_KEY"])
def test_files_that_may_hold_secrets_are_for_the_owner_alone(tree, secret: str) -> None:
    tree.hook(
        "10-a.sh",
        f"umask 022; {secret}=hunter2; [[ -v mended ]] || {{ mended=1; local {secret}2=hunter2; exit 3; }}",
    )
    stack = tree.stack()
    try:
        stack.run_phase("override_defaults")
    except Exception:
        stack.run_phase("override_defaults")
    for path in (stack.run_dir / "state").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert "hunter2" not in stack.variables("*").to_string()


EMPTYING = {
    "echo >/dev/stderr": ("echo first; echo why >/dev/stderr; echo last", "why\nlast\n"),
    "tee": ("echo first | tee /dev/stderr >/dev/null; echo last", "first\nlast\n"),
    "nothing after it": ("echo first; : >/dev/stdout", ""),
    "a large one": ("head -c 3000000 /dev/zero | tr '\\0' x >/dev/stdout", "x" * 3_000_000),
}


@pytest.mark.parametrize(("script", "left"), EMPTYING.values(), ids=EMPTYING)
@pytest.mark.parametrize("end", [0, 3])
def test_a_hook_that_empties_its_log_has_its_header_back_and_is_told_so(
    tree, script: str, left: str, end: int
) -> None:
    tree.hook("10-hook.sh", f"{script}\nreturn {end}\n")
    stack = tree.stack()
    with contextlib.suppress(HookFailed):
        stack.step()

    record = tasklog.read(hook_log(stack))
    assert record.output().decode() == left
    assert record.header["command"] == [str(tree.extras / "10-hook.sh"), "override_defaults"]
    assert record.footer is not None
    assert record.footer["exit_code"] == end
    assert [(h.hook, h.exit_code) for h in timing.load(stack.run_dir).hooks.itertuples()] == [
        ("10-hook.sh", end)
    ]
    (note,) = status.read(stack.run_dir).notes
    assert note.startswith("10-hook.sh: its log was emptied while it ran, as '> /dev/stderr' does")


@pytest.mark.parametrize(("script", "left"), EMPTYING.values(), ids=EMPTYING)
@pytest.mark.parametrize("person", [True, False])
def test_a_task_that_empties_its_log_has_its_header_back(
    tree, script: str, left: str, person: bool
) -> None:
    script = f"bash -c {shlex.quote(script + '; exit 3')}"
    stack = tree.run(f"async_run t {script}", *([] if person else ["async_wait t || :"]))
    if person:
        with pytest.raises(TaskFailed):
            stack.async_wait("t")

    record = tasklog.read(task_log(stack))
    assert record.output().decode() == left
    assert (record.header["name"], record.header["hook"]) == ("t", "10-hook.sh")
    frame = timing.load(stack.run_dir).tasks
    assert [(t.name, t.status, t.exit_code) for t in frame.itertuples()] == [("t", "failed", 3)]
