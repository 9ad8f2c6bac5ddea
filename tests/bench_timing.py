"""Speed and memory of the timing analysis, as ratios where another tool can be the measure.

Run it: ``python tests/bench_timing.py``. Figures are medians of 5 in one process each, on logs made
for the purpose.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from writerun import write_run

from stacknb.lessons.synthetic import write_devstack_log
from stacknb.timing.records import HookRecord, PhaseRecord, Records, TaskRecord, WaitRecord

LINES = 1_000_000  # asked for; the log comes out at about that
REPEATS = 5
MEASURED = """
import json, resource, sys, time
import stacknb.timing.run
from stacknb.timing import load
def timed(answer):
    begun = time.perf_counter()
    answer()
    return time.perf_counter() - begun
{body}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{**figures, "peak_mib": peak}}))
"""
PHASES_AND_TASKS = """
def answer():
    run = load(sys.argv[1])
    run.phases, run.tasks, run.hooks, run.waits
figures = {"load_s": timed(answer)}
"""
PROFILE = """
run = load(sys.argv[1])
figures = {"profile_s": timed(lambda: (run.profile(), run.folded()))}
"""
MANY_TASKS = """
runs = []
def frames():
    runs.append(load(sys.argv[1]))
    runs[0].tasks, runs[0].hooks, runs[0].phases, runs[0].waits, runs[0].summary()
figures = {"load_s": timed(frames)}
figures["answers_s"] = timed(lambda: (runs[0].critical_path(), runs[0].advice()))
figures["impact_s"] = timed(lambda: runs[0].impact())
"""

REPORT = """
figures = {"report_s": timed(lambda: load(sys.argv[1]).to_html(sys.argv[1] + ".html"))}
"""


def main() -> None:
    """Print every figure the project promises, with its limit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stack_log(folder / "stack.sh.log")
        for count in (1_000, 10_000, 100_000):
            many_tasks(folder / f"run-{count}", count)
        reported(folder / "run-1000")


def stack_log(log: Path) -> None:
    """Compare reading a long stack.sh log with what grep and wc take for it."""
    write_devstack_log(log, lines=LINES)
    lines = int(
        subprocess.run(["wc", "-l", log], capture_output=True, check=True).stdout.split()[0]
    )
    print(f"stack.sh log: {lines:,} lines, {log.stat().st_size / 1e6:.0f} MB")
    grep = command_time(["grep", "-c", "Async", str(log)])
    count = command_time(["wc", "-l", str(log)])
    read = measured(PHASES_AND_TASKS, log)
    report("phases and tasks", read["load_s"], 4 * grep + 1, f"{read['load_s'] / grep:.1f} × grep")
    report("peak memory, MiB", read["peak_mib"], 300, "")
    found = measured(PROFILE, log, repeats=3)
    report("full profile", found["profile_s"], 25, f"{found['profile_s'] / count:.0f} × wc -l")


def many_tasks(folder: Path, count: int) -> None:
    """Measure a run of `count` tasks."""
    write_run(records_of(count), folder)
    repeats = REPEATS if count <= 10_000 else 1
    found = measured(MANY_TASKS, folder, repeats=repeats)
    print(f"run of {count:,} tasks")
    scale = count / 10_000
    report("load and all frames", found["load_s"], 2 * scale if scale >= 1 else 2, "")
    report("critical path, advice", found["answers_s"], max(1, scale), "")
    report("per task, µs", found["load_s"] / count * 1e6, 200, "")
    report("impact of each", found["impact_s"], max(2, 2 * scale), "")


def reported(folder: Path) -> None:
    """Measure the HTML report of a run, from a new process's first import of the charts on."""
    found = measured(REPORT, folder)
    size = folder.with_name(folder.name + ".html").stat().st_size
    report("report of 1,000 tasks", found["report_s"], 5, f"{size / 1e3:.0f} kB")


def records_of(count: int) -> Records:
    """Return a run in which hooks start tasks and wait for them, about 20 at a time."""
    made, now = Records("", "run", cores=2), 1_790_000_000_000_000
    phases = ("stack pre-install", "stack install", "stack post-config", "stack extra")
    for phase in phases:
        made.phases.append(PhaseRecord(phase, now))
        for number in range(max(1, count // 800)):
            hook = HookRecord(f"{number}-hook.sh", phase, f"{number}-hook.sh", "ok", 0, now)
            hook.host, hook.cpu = "here", 100_000
            first, last = len(made.tasks), min(len(made.tasks) + 200, count)
            pending: list[int] = []
            for index in range(first, last):
                now += 700
                length = 5_000 + (index * 7919) % 23_000
                task = TaskRecord(f"task{index}", "do it", phase, hook.name, "ok", 0, now)
                task.end, task.queued, task.host, task.cpu = now + length, now - 500, "here", 4_000
                made.tasks.append(task)
                pending.append(index)
                while len(pending) > 20 or (index == last - 1 and pending):
                    oldest = pending.pop(0)
                    end = made.tasks[oldest].end or now
                    wait = WaitRecord(
                        f"task{oldest}", now, max(now, end), phase, hook.name, 0, oldest
                    )
                    made.waits.append(wait)
                    now = wait.end or now
            now += 50_000
            hook.end = now
            made.hooks.append(hook)
            now += 1_000
    return made


def measured(body: str, path: Path, repeats: int = REPEATS) -> dict[str, float]:
    """Return the medians of what `body` measures, each time in a new process."""
    code = MEASURED.format(body=body)
    results: list[dict[str, Any]] = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        results.append(json.loads(done.stdout))
    return {key: statistics.median(one[key] for one in results) for key in results[0]}


def command_time(command: list[str]) -> float:
    """Return the median seconds a command takes."""
    return statistics.median(timed(command) for _ in range(REPEATS))


def timed(command: list[str]) -> float:
    """Return the seconds one call of a command takes."""
    begun = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def report(what: str, value: float, limit: float, more: str) -> None:
    """Print one figure with its limit."""
    verdict = "ok" if value <= limit else "TOO MUCH"
    print(f"  {what:<24} {value:10.3f}   limit {limit:8.3f}   {verdict}   {more}", flush=True)


if __name__ == "__main__":
    main()
