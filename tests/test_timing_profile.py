"""Self and cumulative time from an xtrace, on traces whose times can be added up by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacknb.devstack_log.calls import Calls, read_calls
from stacknb.exceptions import BadInput
from stacknb.lessons.synthetic import write_devstack_log
from stacknb.timing import load


def calls_of(folder: Path, *lines: tuple[float, str]) -> Calls:
    """Read a log of lines, each with its time in seconds (below 60)."""
    text = "".join(f"2026-01-01 00:00:{time:06.3f} | {line}\n" for time, line in lines)
    (folder / "stack.log").write_text(text)
    return read_calls(folder / "stack.log")


def main(line: int, command: str) -> str:
    return f"+ ./stack.sh:main:{line} :   {command}"


def traced(depth: int, place: str, command: str) -> str:
    return f"{'+' * depth} {place} :   {command}"


def functions(calls: Calls) -> dict[str, int]:
    return {function.decode(): ms for (_, function), ms in calls.function_ms.items()}


def folded(calls: Calls) -> dict[str, int]:
    return {
        ";".join(function.decode() for _, function in stack): ms
        for stack, ms in calls.folded.items()
    }


def test_time_goes_to_the_line_at_work_and_up_its_callers(tmp_path: Path) -> None:
    calls = calls_of(
        tmp_path,
        (0, main(10, "install_nova fast")),
        (1, traced(1, "lib/nova:install_nova:5", "pip_install nova")),
        (2, traced(1, "inc/python:pip_install:7", "pip install nova")),
        (2.5, "Collecting nova"),
        (7, traced(1, "lib/nova:install_nova:6", "true")),
        (9, main(11, "echo done")),
        (10, main(12, "exit")),
    )
    assert folded(calls) == {
        "main": 2000,
        "main;install_nova": 3000,
        "main;install_nova;pip_install": 5000,
    }
    assert functions(calls) == {"main": 10_000, "install_nova": 8000, "pip_install": 5000}
    assert calls.self_ms[b"lib/nova", b"install_nova", 5] == 1000
    assert calls.cumulative_ms[b"lib/nova", b"install_nova", 5] == 6000
    assert calls.cumulative_ms[b"./stack.sh", b"main", 10] == 9000
    assert calls.file_ms == {b"./stack.sh": 10_000, b"lib/nova": 8000, b"inc/python": 5000}


def test_a_recursive_function_counts_once(tmp_path: Path) -> None:
    calls = calls_of(
        tmp_path,
        (0, main(1, "retry a")),
        (1, traced(1, "f:retry:2", "retry a")),
        (3, traced(1, "f:retry:2", "retry a")),
        (6, traced(1, "f:retry:3", "true")),
        (10, main(2, "end")),
    )
    assert functions(calls) == {"main": 10_000, "retry": 9000}
    assert calls.self_ms[b"f", b"retry", 2] == 5000
    assert calls.cumulative_ms[b"f", b"retry", 2] == 9000
    assert folded(calls)["main;retry;retry;retry"] == 4000


def test_a_command_substitution_belongs_to_the_function_around_it(tmp_path: Path) -> None:
    calls = calls_of(
        tmp_path,
        (0, main(1, "configure")),
        (1, traced(1, "lib/a:configure:4", "local x")),
        (2, traced(2, "lib/a:configure:5", "get_field 1")),
        (3, traced(2, "functions-common:get_field:9", "awk")),
        (6, traced(1, "lib/a:configure:5", "id=7")),
        (7, main(2, "end")),
    )
    assert folded(calls) == {
        "main": 1000,
        "main;configure": 3000,
        "main;configure;get_field": 3000,
    }


def test_a_sourced_file_is_called_by_the_line_that_sources_it(tmp_path: Path) -> None:
    calls = calls_of(
        tmp_path,
        (
            0,
            traced(
                1, "functions-common:run_plugins:3", "source /opt/heat/devstack/plugin.sh stack"
            ),
        ),
        (1, traced(2, "/opt/heat/devstack/plugin.sh:source:8", "source /opt/heat/devstack/lib")),
        (2, traced(3, "/opt/heat/devstack/lib:source:1", "X=1")),
        (4, traced(2, "/opt/heat/devstack/plugin.sh:source:9", "true")),
        (5, traced(1, "functions-common:run_plugins:3", "next")),
    )
    assert folded(calls) == {
        "run_plugins": 1000,
        "run_plugins;source": 2000,
        "run_plugins;source;source": 2000,
    }


def test_the_trace_and_the_output_of_tasks_are_left_out(tmp_path: Path) -> None:
    calls = calls_of(
        tmp_path,
        (0, main(1, "async_runfunc db")),
        (1, traced(1, "inc/async:async_inner:63", "db")),
        (1, "[9 Async db:77]: running: db"),
        (2, main(2, "async_wait db")),
        (
            3,
            "[9 Async db:77]: Waiting for completion of db (1 other jobs running)",
        ),
        (8, traced(1, "inc/async:async_inner:64", "rc=0")),
        (8, "[77 Async db:77]: finished successfully"),
        (9, traced(1, "lib/db:db:5", "shown late")),
        (9, "[9 Async db:77]: finished db with result 0 in 7 seconds"),
        (10, main(3, "end")),
    )
    assert functions(calls) == {"main": 10_000}
    assert calls.self_ms[b"./stack.sh", b"main", 2] == 8000


def test_a_clock_set_back_makes_no_negative_time(tmp_path: Path) -> None:
    calls = calls_of(tmp_path, (30, main(1, "a")), (31, main(2, "b")), (5, main(3, "c")), (7, "x"))
    assert calls.self_ms == {
        (b"./stack.sh", b"main", 1): 1000,
        (b"./stack.sh", b"main", 2): 0,
        (b"./stack.sh", b"main", 3): 2000,
    }


def test_the_frames_of_a_profile_add_up(tmp_path: Path) -> None:
    write_devstack_log(tmp_path / "stack.log", minutes=2, lines=4000)
    run = load(tmp_path / "stack.log")
    whole = run.elapsed_s - 0.01
    for by in ("line", "function", "file"):
        frame = run.profile(by)
        assert frame["self_s"].sum() == pytest.approx(run.elapsed_s, abs=0.02)
        assert (frame["cumulative_s"] >= frame["self_s"] - 1e-9).all()
        assert by == "line" or frame["cumulative_s"].max() >= whole
        assert frame["self_s"].is_monotonic_decreasing
        assert frame["count"].sum() == run.profile()["count"].sum()
    stacks = [line.rpartition(" ") for line in run.folded().splitlines()]
    assert sum(int(ms) for _, _, ms in stacks) / 1000 == pytest.approx(run.elapsed_s, abs=0.02)
    assert all(stack.startswith("./stack.sh:main") for stack, _, _ in stacks)


places = st.tuples(
    st.integers(1, 3), st.sampled_from(["main", "f", "g", "source"]), st.integers(1, 4)
)


@given(
    st.lists(st.tuples(places, st.sampled_from(["f", "g", "source x", "x=1"]), st.integers(0, 900)))
)
@settings(max_examples=150)
def test_any_trace_adds_up_and_no_part_is_longer_than_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[tuple[tuple[int, str, int], str, int]],
) -> None:
    time, said = 0.0, [(0.0, main(1, "begin"))]
    for (depth, function, line), command, ms in lines[:60]:
        said.append((time, traced(depth, f"./stack.sh:{function}:{line}", command)))
        time += ms / 1000
    said.append((time, "the end"))
    calls = calls_of(tmp_path_factory.mktemp("trace"), *said)
    whole = round(time * 1000)
    assert sum(calls.self_ms.values()) == whole
    assert sum(calls.folded.values()) == whole
    assert all(0 <= ms <= whole for ms in calls.cumulative_ms.values())
    assert all(calls.cumulative_ms[spot] >= ms for spot, ms in calls.self_ms.items())
    assert max(calls.function_ms.values()) <= whole
    assert calls.file_ms == {b"./stack.sh": whole}


def test_a_run_directory_has_no_profile(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(
        '#stacknb-begin {"kind": "task", "name": "a", "start": 5, "run": "r"}\n'
    )
    with pytest.raises(BadInput, match=r"profile\(\) needs a log of stack.sh"):
        load(tmp_path).profile()


def test_an_unknown_kind_of_profile_is_refused(tmp_path: Path) -> None:
    write_devstack_log(tmp_path / "stack.log", minutes=1, lines=2000)
    with pytest.raises(BadInput, match="by is 'line', 'function' or 'file'"):
        load(tmp_path / "stack.log").profile("task")
