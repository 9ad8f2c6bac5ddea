"""Whole logs of stack.sh: generated ones, whose truth is known, and real ones of several years."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from stacknb import lifecycle
from stacknb.exceptions import LogError
from stacknb.lessons.synthetic import write_devstack_log
from stacknb.timing import load
from stacknb.timing.records import Records

SHARED = Path(__file__).parents[2] / "shared" / "data"
START = 1_790_000_000
PHASES = [phase.label for phase in lifecycle.phases_of("stack")]


def counts(records: Records) -> dict[str, int]:
    return records.problems.counts


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Records]:
    path = tmp_path_factory.mktemp("logs") / "stack.sh.log"
    return path, write_devstack_log(path, minutes=20, lines=6000, start=START)


@pytest.mark.parametrize("name", ["stack.sh.log", "stack.sh.log.gz"])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_generated_log_is_read_back_exactly(
    tmp_path: Path, name: str, colour: bool, seed: int
) -> None:
    truth = write_devstack_log(tmp_path / name, lines=3000, seed=seed, colour=colour)
    found = load(tmp_path / name).records
    assert found.phases == truth.phases
    assert found.hooks == truth.hooks
    assert found.tasks == truth.tasks
    assert found.waits == truth.waits
    assert (found.start, found.end) == (truth.start, truth.end)
    assert counts(found) == {}
    assert found.finished
    assert not found.going_on


def test_the_same_seed_gives_the_same_log(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        write_devstack_log(tmp_path / name, minutes=1, lines=2500, seed=7)
    assert (tmp_path / "a.log").read_bytes() == (tmp_path / "b.log").read_bytes()


def test_our_figures_are_those_that_stack_printed(log: tuple[Path, Records]) -> None:
    run = load(log[0])
    figures = run.summary()
    for name in ("background_minus_waits_s", "elapsed_s", "serial_s"):
        assert figures[name] == pytest.approx(run.reported[name], abs=2.1)
    assert figures["speedup"] == pytest.approx(run.reported["speedup"], abs=0.003)
    assert figures["waited_s"] == pytest.approx(run.reported["async_wait"], abs=1.0)


def test_the_phases_and_what_lies_between_are_the_run(log: tuple[Path, Records]) -> None:
    run = load(log[0])
    phases = run.phases
    before = (phases["start"].iloc[0] - run.start).total_seconds()
    total = before + phases["duration_s"].sum() + phases["after_s"].sum()
    assert total == pytest.approx(run.elapsed_s, abs=1e-6)
    assert list(run.hooks["hook"].unique()) == [
        "80-tempest.sh",
        "heat-override-defaults",
        "octavia-override-defaults",
        "heat-settings",
        "octavia-settings",
        "heat-plugin.sh",
        "octavia-plugin.sh",
    ]


def test_the_critical_path_of_a_log_adds_up(log: tuple[Path, Records]) -> None:
    run = load(log[0])
    path = run.critical_path()
    assert path["duration_s"].sum() == pytest.approx(run.elapsed_s, abs=1e-6)
    assert set(path["kind"]) == {"main", "hook", "task"}
    assert "init_neutron" in set(path.loc[path["kind"] == "task", "name"])


def test_a_failed_run_names_the_task(tmp_path: Path) -> None:
    path = tmp_path / "stack.sh.log"
    write_devstack_log(path, lines=3000, fails="init_neutron")
    run = load(path)
    row = run.tasks.set_index("name").loc["init_neutron"]
    assert (row["status"], row["exit_code"]) == ("failed", 3)
    left = run.tasks.set_index("name").loc["init_cinder"]
    assert left["status"] == "ok"
    assert not run.records.finished
    assert "never waited for" not in set(run.advice()["kind"])


@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.62, 0.7, 0.9, 0.999])
def test_a_cut_log_tells_what_happened_up_to_there(
    tmp_path: Path, log: tuple[Path, Records], part: float
) -> None:
    data = log[0].read_bytes()
    path = tmp_path / "cut.log"
    path.write_bytes(data[: int(len(data) * part)])
    run = load(path, now=START + 10**6)
    truth = {task.name: task for task in log[1].tasks}
    for task in run.records.tasks:
        assert task.start == truth[task.name].start
        assert task.end in {None, truth[task.name].end}
        assert task.status == ("lost" if task.end is None else "ok")
    assert run.critical_path()["duration_s"].sum() == pytest.approx(run.elapsed_s, abs=1e-6)
    assert run.what_if() == run.elapsed_s


def test_what_a_growing_log_has_not_ended_is_running(
    tmp_path: Path, log: tuple[Path, Records]
) -> None:
    lines = log[0].read_bytes().splitlines(keepends=True)
    started = next(n for n, line in enumerate(lines) if b"running: init_cinder" in line)
    path = tmp_path / "growing.log"
    path.write_bytes(b"".join(lines[: started + 1]))
    last = log[1].tasks[[t.name for t in log[1].tasks].index("init_cinder")].start or 0
    run = load(path, now=last / 1e6 + 3)
    assert run.going_on
    assert run.tasks.set_index("name").loc["init_cinder", "status"] == "running"
    later = load(path, now=last / 1e6 + 3600)
    assert later.tasks.set_index("name").loc["init_cinder", "status"] == "lost"


def test_a_log_without_its_head_keeps_its_tasks(tmp_path: Path, log: tuple[Path, Records]) -> None:
    lines = log[0].read_bytes().splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if b"running: init_neutron" in line)
    path = tmp_path / "tail.log"
    path.write_bytes(b"".join(lines[first + 1 :]))
    run = load(path)
    tasks = run.tasks.set_index("name")
    assert pd.isna(tasks.loc["init_neutron", "start"])
    assert tasks.loc["init_neutron", "status"] == "ok"
    assert tasks.loc["init_neutron", "exit_code"] == 0
    assert counts(run.records)["task whose start is not in the log"] == 3
    assert run.critical_path()["duration_s"].sum() == pytest.approx(run.elapsed_s, abs=1e-6)
    assert run.what_if() == run.elapsed_s


def test_two_runs_in_one_log_are_an_error(tmp_path: Path, log: tuple[Path, Records]) -> None:
    path = tmp_path / "two.log"
    path.write_bytes(log[0].read_bytes() * 2)
    with pytest.raises(LogError, match=r"more than one run: 'override_defaults' begins in line"):
        load(path)


def test_a_clock_set_back_is_counted_and_no_time_is_lost(
    tmp_path: Path, log: tuple[Path, Records]
) -> None:
    lines = log[0].read_text().splitlines(keepends=True)
    middle = next(n for n, line in enumerate(lines) if "run_phase stack install" in line)
    stamps = pd.to_datetime([line[:23] for line in lines[middle:] if line.startswith("2026-")])
    early = iter((stamps - pd.Timedelta(3, "min")).strftime("%Y-%m-%d %H:%M:%S.%f").str[:23])
    changed = [
        next(early) + line[23:] if line.startswith("2026-") else line for line in lines[middle:]
    ]
    path = tmp_path / "back.log"
    path.write_text("".join(lines[:middle] + changed))
    run, whole = load(path), load(log[0])
    assert run.problems["count"].tolist() == [1]
    assert "clock set back" in run.problems.loc[0, "problem"]
    # The step hides the gap between two lines; everything else is as before.
    assert run.elapsed_s == pytest.approx(whole.elapsed_s, abs=0.2)
    assert (run.tasks["duration_s"] == whole.tasks["duration_s"]).all()


def test_the_output_of_a_task_cannot_forge_ends_and_phases(
    tmp_path: Path, log: tuple[Path, Records]
) -> None:
    lines = log[0].read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if b"finished init_neutron with result" in line)
    stamp = lines[at][:26]
    forged = [
        stamp + b"[1 Async init_cinder:1]: FAILED with rc 9\n",
        stamp + b"[1 Async another:1]: running: nothing\n",
        stamp + b"+ ./stack.sh:main:1 :   run_phase stack extra\n",
        stamp + b"[32436 Async init_neutron\n",
    ]
    path = tmp_path / "forged.log"
    path.write_bytes(b"".join([*lines[:at], *forged, *lines[at:]]))
    run = load(path)
    truth = load(log[0])
    assert (run.tasks["end"] == truth.tasks["end"]).all()
    assert (run.tasks["status"] == "ok").all()
    assert list(run.phases["phase"]) == list(truth.phases["phase"])
    assert counts(run.records) == {"line that is not believed": 1}


def test_every_task_that_is_waited_for_but_never_started_is_told(tmp_path: Path) -> None:
    path = tmp_path / "stack.sh.log"
    write_devstack_log(path, minutes=2, lines=2500)
    with path.open("ab") as file:
        file.write(
            b"Not waiting for async task init_nutron that we never started or \n"
            b"Not waiting for async task init_neutron that we never started or \n"
        )
    advice = load(path).advice().set_index("name")
    assert "did it mean 'init_neutron'?" in advice.loc["init_nutron", "advice"]
    assert "init_neutron" not in advice.index[advice["kind"] == "never started"]


def test_a_gzip_cut_in_the_middle_is_read_and_told(
    tmp_path: Path, log: tuple[Path, Records]
) -> None:
    path = tmp_path / "stack.sh.log.gz"
    path.write_bytes(gzip.compress(log[0].read_bytes()))
    path.write_bytes(path.read_bytes()[:-40_000])
    run = load(path)
    assert "rest of the log cannot be read" in set(run.problems["problem"])
    assert run.phases["phase"].tolist()[:3] == ["override_defaults", "source", "stack pre-install"]


def written(path: Path, text: str, line: str = "{}") -> Path:
    """Write a log: each line but an empty one as ``SECONDS TEXT``, stamped from 10:00:00 on.

    Parameters
    ----------
    path : Path
    text : str
        A line that begins with a blank has no stamp, as the tables have none.
    line : str
        How a trace line looks, with its ``{depth}``, ``{place}`` and ``{command}``.
    """
    lines = []
    for row in text.strip("\n").split("\n"):
        seconds, _, said = row.partition(" ")
        if not seconds:
            lines.append(said)
            continue
        if said.startswith("+") and "|" in said:
            depth, place, command = (part.strip() for part in said.split("|", 2))
            said = line.format(depth=depth, place=place, command=command)
        minutes, rest = divmod(float(seconds), 60)
        lines.append(f"2021-05-06 10:{int(minutes):02d}:{rest:06.3f} | {said}")
    path.write_text("\n".join(lines) + "\n")
    return path


# The layout of 2014: the trace names no place, and stack.sh loops over extras.d in its own text.
OF_2014 = """
0 stack.sh log stack.sh.log.2021-05-06-100000
1 + echo_summary 'Beginning'
1.5 Beginning
2 ++ date +%s
4 + [[ -d /o/devstack/extras.d ]]
5 + for i in '$TOP_DIR/extras.d/*.sh'
6 + source /o/devstack/extras.d/60-tea.sh stack install
6.5 ++ is_service_enabled tea
7 + for i in '$TOP_DIR/extras.d/*.sh'
8 + source /o/devstack/extras.d/80-pot.sh stack install
9 ++ true
10 + start_database
20 + source /o/devstack/extras.d/60-tea.sh stack post-config
21 ++ brew
50 + for i in '$TOP_DIR/extras.d/*.sh'
50.5 + source /o/devstack/extras.d/80-pot.sh stack post-config
51 + restart
60 + source /o/devstack/extras.d/60-tea.sh stack extra
61.25 + failures=
62 stack.sh completed in 62 seconds.
"""


def test_a_log_whose_trace_names_no_place_has_phases_hooks_and_a_profile(tmp_path: Path) -> None:
    run = load(written(tmp_path / "stack.log", OF_2014))
    assert run.elapsed_s == pytest.approx(62)
    assert run.problems.empty
    assert run.phases["phase"].tolist() == ["stack install", "stack post-config", "stack extra"]
    assert run.phases["duration_s"].tolist() == pytest.approx([4, 31, 1.25])
    longest = run.hooks.loc[run.hooks["duration_s"].idxmax()]
    assert (longest["phase"], longest["hook"]) == ("stack post-config", "60-tea.sh")
    assert longest["duration_s"] == pytest.approx(30)
    assert len(run.tasks) == len(run.waits) == 0
    profile = run.profile()
    assert profile["function"].tolist() == [""]
    assert profile["self_s"].sum() == pytest.approx(61)


# The layout of 2018: colour around the place, a table that begins with its sum and has no tasks.
COLOURED = "{depth}\x1b[3242m{place:<34}\x1b(B\x1b[m {command}"
OF_2018 = r"""
0 + | ./stack.sh:main:560 | umask 022
1 + | ./stack.sh:main:563 | run_phase override_defaults
2 + | functions-common:run_phase:1894 | plugin_override_defaults
3 + | functions-common:plugin_override_defaults:1845 | source /o/tea/devstack/override-defaults
4 ++ | /o/tea/devstack/override-defaults:source:1 | CUPS=2
5 + | ./stack.sh:main:592 | run_phase source
6 + | functions-common:run_phase:1885 | source /o/devstack/extras.d/80-pot.sh source
7 ++ | extras.d/80-pot.sh:source:4 | true
8 + | functions-common:run_phase:1891 | load_plugin_settings
9 + | ./stack.sh:main:700 | run_phase stack pre-install
10 + | functions-common:run_plugins:1863 | source /o/tea/devstack/plugin.sh stack pre-install
60 + | ./stack.sh:main:800 | run_phase stack install
70 + | ./stack.sh:main:900 | init_kettle
71 ++ | lib/kettle:init_kettle:7 | fill cold
80 ++ | lib/kettle:init_kettle:8 | boil
    while it is cold
100 + | ./stack.sh:main:901 | run_phase stack post-config
101 + | functions-common:run_plugins:1863 | source /o/tea/devstack/plugin.sh stack post-config
126 + | ./stack.sh:main:950 | run_phase stack extra
127 + | ./stack.sh:main:960 | run_phase stack test-config
128 + | ./stack.sh:main:970 | service_check

 =========================
 DevStack Component Timing
 =========================
 Total runtime          131

 run_process             12
 pip_install             81
 =========================


 This is your host IP address: 192.0.2.7
"""


def test_a_coloured_log_has_phases_hooks_its_table_and_a_profile_by_function(
    tmp_path: Path,
) -> None:
    run = load(written(tmp_path / "stack.log", OF_2018, COLOURED))
    assert run.elapsed_s == pytest.approx(128)
    assert run.problems.empty
    assert run.phases["phase"].tolist() == PHASES
    hooks = run.hooks.set_index(["phase", "hook"])["duration_s"]
    assert hooks.to_dict() == {
        ("override_defaults", "tea-override-defaults"): 2,
        ("source", "80-pot.sh"): 2,
        ("stack pre-install", "tea-plugin.sh"): 50,
        ("stack post-config", "tea-plugin.sh"): 25,
    }
    assert run.reported["Total runtime"] == 131
    assert run.reported["pip_install"] == 81
    functions = run.profile("function").set_index(["file", "function"])
    assert functions["self_s"].sum() == pytest.approx(128)
    assert functions.loc[("./stack.sh", "main"), "cumulative_s"] == pytest.approx(128)
    assert functions.loc[("lib/kettle", "init_kettle"), "cumulative_s"] == pytest.approx(29)
    weights = [int(line.rpartition(" ")[2]) for line in run.folded().splitlines()]
    assert sum(weights) == 128_000


# A run that hangs: the last lines are those of tasks that ended meanwhile; the head is missing.
HANGING = """
0 + | ./stack.sh:main:1246 | async_runfunc wash
0.5 + | inc/async:async_inner:63 | wash
1 [300 Async wash:340]: running: wash
2 + | ./stack.sh:main:1250 | async_wait peel
3 [300 Async peel:320]: Waiting for completion of peel running on PID 320 (3 other jobs running)
3.5 [300 Async peel:320]: Signaling child to exit
200 + | inc/async:async_inner:64 | rc=0
201 [330 Async chop:330]: finished successfully
590 + | inc/async:async_inner:64 | rc=0
591.25 [335 Async stir:335]: finished successfully
"""


def test_a_log_that_ends_in_a_wait_shows_what_was_waited_for(tmp_path: Path) -> None:
    run = load(written(tmp_path / "stack.log", HANGING, "{depth}{place:<42}{command}"))
    assert run.tasks.set_index("name")["status"].to_dict() == {
        "wash": "lost",
        "peel": "lost",
        "chop": "ok",
        "stir": "ok",
    }
    assert pd.isna(run.waits.loc[0, "wait_end"])
    assert run.waits.loc[0, "blocked_s"] == pytest.approx(588.25)
    last = run.critical_path().iloc[-1]
    assert (last["kind"], last["name"]) == ("wait", "peel")


# What stack.sh shows on a terminal where LOGFILE is not set: its summary alone has times.
SCREEN = """\
+./stack.sh:main:20                        run_phase stack pre-install
+functions-common:run_phase:7              local mode=stack
+./stack.sh:main:30                        async_runfunc peel
[7 Async peel:8]: running: peel
2026-03-01 10:00:06.000 | Cooking
+./stack.sh:main:40                        sleep 4
2026-03-01 10:00:10.000 | Serving
+./stack.sh:main:50                        run_phase stack install
2026-03-01 10:00:12.000 | Washing up
"""


def test_lines_before_the_first_time_have_that_time_and_lines_without_are_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "screen.log"
    path.write_text(SCREEN)
    run = load(path)
    first = pd.Timestamp("2026-03-01 10:00:06", tz="UTC")
    assert run.phases.loc[0, ["start", "end"]].tolist() == [first, first]
    assert run.tasks.loc[0, "start"] == first
    assert run.profile().set_index(["file", "line"])["self_s"].to_dict() == {
        ("./stack.sh", 20): 0.0,
        ("functions-common", 7): 0.0,
        ("./stack.sh", 30): 0.0,
        ("./stack.sh", 40): 4.0,
        ("./stack.sh", 50): 2.0,
    }
    said = run.problems.set_index("problem")["count"]
    assert said["line without a time; it got that of the line before"] == 6


@pytest.mark.parametrize(
    "text",
    [
        "== case one\n+ stir tea\n+ rc=0\n[30 Async t:]: finished successfully\n",
        "++functions-common:oscwrap:2444      set +o xtrace\n[7 Async t:7]: running: stir\n",
    ],
)
def test_a_console_without_times_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "console.txt").write_text(text)
    with pytest.raises(LogError, match="no line begins with a time"):
        load(tmp_path / "console.txt")


def real(name: str) -> Path:
    """Return a real log beside this checkout; without it a test is skipped, which pytest tells."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no real log {name!r} beside this checkout: only our own samples were read")
    return path


def test_the_real_log_of_2014() -> None:
    run = load(real("stack-2014.log"))
    assert run.elapsed_s == pytest.approx(256.546, abs=1e-6)
    assert run.problems.empty
    assert run.phases["phase"].tolist() == [
        "stack install",
        "stack post-config",
        "stack extra",
    ]
    assert run.phases["duration_s"].tolist() == pytest.approx([1.474, 73.67, 13.315])
    longest = run.hooks.loc[run.hooks["duration_s"].idxmax()]
    assert (longest["phase"], longest["hook"]) == ("stack post-config", "80-opendaylight.sh")
    assert longest["duration_s"] == pytest.approx(71.706)
    assert len(run.tasks) == len(run.waits) == 0
    profile = run.profile()
    assert profile["function"].tolist() == [""]
    assert profile["self_s"].sum() == pytest.approx(256.535)


def test_the_real_log_of_2018() -> None:
    run = load(real("stack-2018-ocata-colour.log"))
    assert run.elapsed_s == pytest.approx(1034.803, abs=1e-6)
    assert run.problems.empty
    assert run.phases["phase"].tolist() == PHASES
    hooks = run.hooks.set_index(["phase", "hook"])["duration_s"]
    assert hooks["stack pre-install", "contrail-plugin.sh"] == pytest.approx(50.935)
    assert hooks["stack post-config", "contrail-plugin.sh"] == pytest.approx(50.095)
    assert run.reported["Total runtime"] == 1037
    assert run.reported["pip_install"] == 81
    functions = run.profile("function").set_index(["file", "function"])
    assert functions["self_s"].sum() == pytest.approx(1034.803)
    assert functions.loc[("./stack.sh", "main"), "cumulative_s"] == pytest.approx(1034.803)
    assert functions.loc[("lib/nova", "init_nova"), "cumulative_s"] == pytest.approx(156.037)
    weights = [int(line.rpartition(" ")[2]) for line in run.folded().splitlines()]
    assert sum(weights) == 1_034_803


def test_the_real_log_of_a_run_that_hung() -> None:
    run = load(real("hang-2026-04-15.txt"))
    tasks = run.tasks.set_index("name")
    assert tasks["status"].to_dict() == {
        "init_placement": "lost",
        "init_neutron": "lost",
        "init_glance": "ok",
        "init_cinder": "ok",
    }
    assert pd.isna(run.waits.loc[0, "wait_end"])
    assert run.waits.loc[0, "blocked_s"] == pytest.approx(588.156)
    last = run.critical_path().iloc[-1]
    assert (last["kind"], last["name"]) == ("wait", "init_neutron")


@pytest.mark.parametrize("name", ["async-transcripts.txt", "orphan-2024-05-02.txt"])
def test_real_consoles_without_times_are_refused(name: str) -> None:
    with pytest.raises(LogError, match="no line begins with a time"):
        load(real(name))
