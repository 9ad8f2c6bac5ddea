"""A stack.sh log as events: every message of DevStack's, and what only looks like one."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacknb.devstack_log import LogFile
from stacknb.devstack_log.blocks import Source, Stamps
from stacknb.devstack_log.clock import Jumps
from stacknb.devstack_log.events import Event, Recogniser
from stacknb.devstack_log.lines import Trace, async_message, trace
from stacknb.exceptions import LogError

BEGIN = 1_600_000_000_000


WAITING = (
    "[10 Async db:77]: Waiting for completion of sync db running on PID 77 (1 other jobs running)"
)


def stamp(ms: int) -> str:
    time = np.datetime64(BEGIN + ms, "ms")
    return str(time).replace("T", " ") + " | "


def events(*texts: str) -> list[Event]:
    """Feed lines a second apart; return the events."""
    recogniser = Recogniser()
    found = []
    for number, text in enumerate(texts):
        found += recogniser.feed(text.encode(), number, number * 1000)
    return [*found, *recogniser.left_over()]


def kinds(*texts: str) -> list[tuple[str, str]]:
    return [(event.kind, event.name) for event in events(*texts)]


def log_of(path: Path, *texts: str) -> LogFile:
    path.write_text("".join(f"{stamp(n * 1000)}{text}\n" for n, text in enumerate(texts)))
    return LogFile(path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "+ ./stack.sh:main:12                      :   run x",
            (1, "./stack.sh", "main", 12, "run x"),
        ),
        ("+./stack.sh:main:12     run x", (1, "./stack.sh", "main", 12, "run x")),
        ("+ lib/a:f:3   :", (1, "lib/a", "f", 3, "")),
        ("+++inc/a:f:3 :", (3, "inc/a", "f", 3, ":")),
        ("+ lib/a:f:3 :   : no-op", (1, "lib/a", "f", 3, ": no-op")),
        (
            "+\x1b[3242m./stack.sh:main:4      \x1b(B\x1b[m exec",
            (1, "./stack.sh", "main", 4, "exec"),
        ),
        ("++ date +%s", (2, "", "", 0, "date +%s")),
        ("+ [[ -t 3 ]]", (1, "", "", 0, "[[ -t 3 ]]")),
    ],
)
def test_an_xtrace_line_is_read_in_every_layout(
    line: str, expected: tuple[int, str, str, int, str]
) -> None:
    depth, file, function, number, command = expected
    said = trace(line.encode())
    assert said == Trace(depth, file.encode(), function.encode(), number, command.encode())


@pytest.mark.parametrize("line", ["text", "+--------+", "", " + indented"])
def test_other_lines_are_no_xtrace(line: str) -> None:
    assert trace(line.encode()) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("running: f a b", ("running", "f a b", "")),
        ("running: ", ("running", "", "")),
        ("finished successfully", ("ok", "", "")),
        ("FAILED with rc 127", ("failed", "", "127")),
        ("Signaled", ("signaled", "", "")),
        ("finished f a with result 3 in 12 seconds", ("collected", "f a", "3")),
        ("finished f with result 0 in -1700 seconds", ("collected", "f", "0")),
        (
            "Waiting for completion of f running on PID 9 (2 other jobs running)",
            ("waiting", "f", "9"),
        ),
        ("Waiting for completion of f a (0 other jobs running)", ("waiting", "f a", "")),
        ("Waiting for completion of f", ("waiting", "f", "")),
        ("Running synchronously: f", ("synchronous", "f", "")),
    ],
)
def test_every_message_of_a_task_is_known(said: str, expected: tuple[str, ...]) -> None:
    assert async_message(said.encode()) == tuple(
        part if number == 0 else part.encode() for number, part in enumerate(expected)
    )


def test_a_task_is_started_ended_and_collected() -> None:
    assert kinds(
        "[10 Async db:77]: running: sync db",
        "[77 Async db:77]: finished successfully",
        WAITING,
        "[10 Async db:77]: Signaling child to exit",
        "WAKEUP",
        "[10 Async db:77]: Signaled",
        "output of the task",
        "[10 Async db:77]: finished sync db with result 0 in 1 seconds",
    ) == [("task", "db"), ("task-end", "db"), ("wait", "db"), ("collected", "db")]


def test_messages_without_the_pid_of_the_logger_are_read_too() -> None:
    assert kinds(
        "[Async db:77]: running: sync db",
        "[Async db:]: finished successfully",
        "[Async db:77]: Waiting for completion of sync db (1 other jobs running)",
        "[Async db:77]: finished sync db with result 0 in 1 seconds",
    ) == [("task", "db"), ("task-end", "db"), ("wait", "db"), ("collected", "db")]


def test_an_end_printed_before_the_start_belongs_to_the_task() -> None:
    found = events("[77 Async db:]: FAILED with rc 4", "[10 Async db:77]: running: sync db")
    assert [(e.kind, e.stamp, e.code) for e in found] == [("task", 1000, 0), ("task-end", 0, 4)]


def test_the_end_of_a_task_is_believed_only_from_its_own_process() -> None:
    assert kinds(
        "[10 Async db:77]: running: sync db",
        "[99 Async db:99]: finished successfully",
        "[10 Async db:77]: finished successfully",
        "[77 Async db:77]: FAILED with rc 1",
    ) == [("task", "db"), ("not believed", "db"), ("not believed", "db"), ("task-end", "db")]


def test_what_a_task_printed_starts_no_phase_and_no_task() -> None:
    assert kinds(
        "[10 Async db:77]: running: sync db",
        WAITING,
        "+ ./stack.sh:main:900 :   run_phase stack install",
        "[77 Async inner:88]: running: something",
        "[88 Async inner:88]: finished successfully",
        "[77 Async db:77]: finished successfully",
        "Not waiting for async task x that we never started or has already been waited for",
        "[10 Async db:77]: finished sync db with result 0 in 1 seconds",
    ) == [
        ("task", "db"),
        ("wait", "db"),
        ("task-end", "db"),
        ("collected", "db"),
        ("task-end", "inner"),
    ]


def test_an_end_without_a_start_is_not_believed_when_the_head_of_the_log_is_there() -> None:
    assert kinds(
        "+ ./stack.sh:main:604 :   run_phase override_defaults",
        "[88 Async ghost:88]: finished successfully",
    ) == [("phase", "override_defaults"), ("not believed", "ghost")]


def test_a_wait_whose_end_is_missing_is_over_when_stack_goes_on() -> None:
    assert kinds(
        "[10 Async a:7]: Waiting for completion of a running on PID 7 (1 other jobs running)",
        "[10 Async b:8]: running: b",
    ) == [("wait", "a"), ("unfinished wait", "a"), ("task", "b")]


def test_a_torn_message_is_counted() -> None:
    assert kinds("[10 Async db", "[10 Async db:7]: says something new") == [
        ("malformed", ""),
        ("malformed", ""),
    ]


def test_text_in_brackets_is_no_message() -> None:
    assert kinds("[notice] Async is nice", "[ ok ] Async", "a [10 Async db:7]: running: x") == []


def test_phases_and_hooks_end_where_the_main_script_goes_on() -> None:
    assert events(
        "+ ./stack.sh:main:900 :   run_phase stack install",
        "+ functions-common:run_phase:1 :   source /opt/x/extras.d/80-tempest.sh stack install",
        "++ extras.d/80-tempest.sh:source:3 :   is_service_enabled tempest",
        "+ tools/x.sh:main:9 :   a script of the hook traces itself",
        "+ functions-common:run_phase:2 :   run_plugins stack install",
        "+ functions-common:run_plugins:3 :   source /opt/heat/devstack/plugin.sh stack install",
        "++ /opt/heat/devstack/plugin.sh:source:9 :   source /opt/x/devstack/settings",
        "+ inc/async:async_inner:64 :   rc=0",
        "+ ./stack.sh:main:903 :   next",
    ) == [
        Event("phase", 0, 0, "stack install"),
        Event("hook", 1, 1000, "80-tempest.sh", "/opt/x/extras.d/80-tempest.sh"),
        Event("hook-end", 4, 4000, "80-tempest.sh"),
        Event("hook", 5, 5000, "heat-plugin.sh", "/opt/heat/devstack/plugin.sh"),
        Event("hook-end", 8, 8000, "heat-plugin.sh"),
        Event("phase-end", 8, 8000, "stack install"),
    ]


def test_a_run_that_fails_closes_its_hook() -> None:
    found = events(
        "+./stack.sh:main:900    run_phase stack extra",
        "+functions-common:run_plugins:3    source /opt/stack/heat/devstack/plugin.sh stack extra",
        "++./stack.sh:exit_trap:549    local r=1",
    )
    assert [(e.kind, e.code) for e in found[2:]] == [("hook-end", 0), ("phase-end", 0), ("exit", 1)]


def test_a_task_in_the_foreground_ends_with_the_return_of_async_run() -> None:
    found = events(
        "[10 Async db:self]: Running synchronously: sync db",
        "+ inc/async:async_run:101 :   sync db",
        "+ inc/async:async_run:102 :   return 3",
        WAITING.replace("77", "self"),
        "[10 Async db:self]: finished sync db with result 0 in -1790000000 seconds",
    )
    assert [(e.kind, e.stamp, e.code) for e in found] == [
        ("task", 0, 1),
        ("task-end", 2000, 3),
        ("wait", 3000, 0),
        ("collected", 4000, 0),
    ]


def test_the_loops_of_2014_are_found_by_depth(tmp_path: Path) -> None:
    log = log_of(
        tmp_path / "stack.log",
        "+ echo_summary start",
        "+ [[ -d /opt/devstack/extras.d ]]",
        "+ source /opt/devstack/extras.d/50-ironic.sh stack install",
        "++ is_service_enabled ironic",
        "++ return 1",
        "+ for i in '$TOP_DIR/extras.d/*.sh'",
        "+ source /opt/devstack/extras.d/80-tempest.sh stack install",
        "++ true",
        "+ start_services in stack.sh",
        "+ source /opt/devstack/extras.d/80-tempest.sh stack extra",
        "++ true",
    )
    assert [(e.kind, e.line, e.name) for e in log.read()] == [
        ("phase", 2, "stack install"),
        ("hook", 2, "50-ironic.sh"),
        ("hook-end", 5, "50-ironic.sh"),
        ("hook", 6, "80-tempest.sh"),
        ("hook-end", 8, "80-tempest.sh"),
        ("phase-end", 9, "stack install"),
        ("phase", 9, "stack extra"),
        ("hook", 9, "80-tempest.sh"),
    ]


TABLES = """
=========================
DevStack Component Timing
 (times are in seconds)
=========================
wait_for_service      23
a rather long component name 1083
-------------------------
Unaccounted time     -10
=========================
Total runtime        2530

=================
 Async summary
=================
 Time spent in the background minus waits: 723 sec
 Elapsed time: 2530 sec
 Time if we did everything serially: 3253 sec
 Speedup:  1.28577

| keystone   | SELECT    58065
"""


@pytest.mark.parametrize("by_line", [False, True])
def test_the_tables_at_the_end_are_read(tmp_path: Path, by_line: bool) -> None:
    path = tmp_path / "stack.log"
    text = f"{stamp(0)}+ ./stack.sh:main:1 :   x\n{TABLES}"
    with path.open("w") as file:
        file.write(text[: text.index("\n") + 1] if by_line else text)
        file.flush()
        log = LogFile(path)
        log.read()
        for line in TABLES.splitlines(keepends=True) if by_line else ():
            file.write(line)
            file.flush()
            log.read()
    assert log.tables.components == {
        "wait_for_service": 23,
        "a rather long component name": 1083,
        "Unaccounted time": -10,
        "Total runtime": 2530,
    }
    assert log.tables.figures == {
        "background_minus_waits_s": 723.0,
        "elapsed_s": 2530.0,
        "serial_s": 3253.0,
        "speedup": 1.28577,
    }


def test_a_row_long_after_the_heading_is_of_no_table(tmp_path: Path) -> None:
    path, much = tmp_path / "stack.log", "text\n" * 400
    path.write_text(
        f"{stamp(0)}+ ./stack.sh:main:1 :   x\nDevStack Component Timing\nearly 4\n{much}late 5\n"
    )
    log = LogFile(path)
    log.read()
    assert log.tables.components == {"early": 4}


def test_a_table_that_a_task_traces_is_not_taken_for_one(tmp_path: Path) -> None:
    log = log_of(
        tmp_path / "stack.log", "+ ./stack.sh:g:1 :   echo DevStack Component Timing", "x 5"
    )
    log.read()
    assert log.tables.components == {}


def test_a_growing_log_gives_each_event_once(tmp_path: Path) -> None:
    path = tmp_path / "stack.log"
    first = f"{stamp(0)}[10 Async a:7]: running: a\n{stamp(1000)}[7 Async a:7]: finished succ"
    path.write_text(first)
    log = LogFile(path)
    assert [e.kind for e in log.read()] == ["task"]
    assert log.cut
    with path.open("a") as file:
        file.write("essfully\n")
    assert [(e.kind, e.line, e.stamp) for e in log.read()] == [("task-end", 1, BEGIN + 1000)]
    assert log.read() == []
    assert not log.cut


@pytest.mark.parametrize("members", [1, 3])
def test_a_gzipped_log_is_read_like_a_plain_one(tmp_path: Path, members: int) -> None:
    lines = [f"{stamp(n)}[10 Async t{n}:{n + 1}]: running: t\n".encode() for n in range(30)]
    part = len(lines) // members
    path = tmp_path / "stack.log.gz"
    path.write_bytes(
        b"".join(gzip.compress(b"".join(lines[i : i + part])) for i in range(0, len(lines), part))
    )
    assert len(LogFile(path).read()) == 30


def test_a_truncated_gzip_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    text = b"".join(
        f"{stamp(n)}[10 Async t{n}:{n + 1}]: running: {zlib.crc32(b'%d' % n)}\n".encode()
        for n in range(5000)
    )
    path = tmp_path / "stack.log.gz"
    path.write_bytes(gzip.compress(text)[:20_000])
    log = LogFile(path)
    assert 100 < len(log.read()) < 5000
    assert log.broken == "the gzip stream ends early"


def test_a_damaged_gzip_says_so(tmp_path: Path) -> None:
    path = tmp_path / "stack.log.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00rubbish that is no deflate stream" * 9)
    with pytest.raises(LogError, match="the gzip stream is damaged"):
        LogFile(path).read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"no time here\n" * 3, "no line begins with a time"),
        (b"2020-13-45 10:00:00.000 | + ./stack.sh:main:1 : x\n", "no line begins with a time"),
        (b"2020-01-01 10:00:00.000000 | node | + ./stack.sh:main:1 : x\n", "console of a Zuul job"),
        (stamp(0).encode() + b"hello\n", "another tool"),
        (b"\x00\x01\x02" * 5000 + b"\n", "no line begins with a time"),
        (stamp(0).encode() + b"stack.sh", "no complete line"),
    ],
)
def test_what_is_no_stack_log_is_an_error_that_says_why(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "some.log"
    path.write_bytes(content)
    with pytest.raises(LogError, match=message):
        LogFile(path).read()


@given(
    st.lists(
        st.one_of(
            st.integers(0, 10**9).map(lambda ms: stamp(ms) + "text of stack.sh"),
            st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=60),
            st.sampled_from(
                ["2020-02-30 10:00:00.000 | x", "2020-01-01 25:00:00.000 | x", "2020-01-01 10:0"]
            ),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_time_of_each_line_is_what_a_plain_parser_reads(lines: list[str]) -> None:
    data = "".join(line + "\n" for line in lines).encode()
    block = Stamps().block(data)
    expected, last = [], -1
    for line in lines:
        try:
            shaped = line[10:11] == " " and line[19:20] == "." and line[23:26] == " | "
            time = np.datetime64(line[:23], "ms").astype(int) if shaped else None
        except ValueError:
            time = None
        last = last if time is None else int(time)
        expected.append(last)
    first = next((time for time in expected if time >= 0), -1)
    expected = [first if time < 0 else time for time in expected]
    assert block.times.tolist() == expected
    assert [block.line(i).decode() for i in range(len(lines))] == lines


def clock_of(*times: int) -> list[int]:
    jumps = Jumps()
    array = np.array(times, dtype=np.int64)
    jumps.add(0, array[:3])
    jumps.add(3, array[3:])
    clock = jumps.clock()
    mended = clock.times(0, array).tolist()
    assert mended == [clock.time(line, time) for line, time in enumerate(times)]
    return mended


def test_a_steady_clock_is_left_alone() -> None:
    assert clock_of(5, 5, 900, 100_000, 100_001) == [5, 5, 900, 100_000, 100_001]


def test_a_clock_that_was_set_back_is_moved_forward_by_the_step() -> None:
    assert clock_of(100, 200, 300, 50, 60, 400) == [100, 200, 300, 300, 310, 650]


def test_lines_of_an_older_log_take_the_time_before_them() -> None:
    old = 10_000
    assert clock_of(900_000, 900_001, old, old + 5, 900_010, 900_011) == [
        900_000, 900_001, 900_001, 900_001, 900_010, 900_011,
    ]  # fmt: skip


def test_lines_from_a_clock_ahead_take_the_time_before_them() -> None:
    assert clock_of(1000, 1001, 900_000, 900_002, 1010, 1011) == [
        1000, 1001, 1001, 1001, 1010, 1011,
    ]  # fmt: skip


@given(st.lists(st.integers(0, 10**7), min_size=4, max_size=40))
def test_the_mended_clock_never_runs_backwards(times: list[int]) -> None:
    mended = clock_of(*times)
    assert mended == sorted(mended)


def test_a_line_longer_than_memory_allows_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "stack.log"
    with path.open("wb") as file:
        file.write(f"{stamp(0)}stack.sh log\n{stamp(5)}".encode())
        for _ in range(40):
            file.write(b"x" * (1 << 20))
        file.write(f"\n{stamp(9000)}+ ./stack.sh:main:5 :   run_phase source\n".encode())
    assert max(len(piece) for piece in Source(path).pieces()) < 30 << 20
    log = LogFile(path)
    assert [(e.kind, e.stamp) for e in log.read()] == [("phase", BEGIN + 9000)]
