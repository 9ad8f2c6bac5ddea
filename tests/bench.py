"""The benchmark: each figure beside a baseline of the same run, so that the ratio means something.

Run with ``make bench``; medians of RUNS. It tells figures and judges nothing.
"""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bench_timing

from stacknb.dispatcher import Stack

RUNS = 5
TASKS = 1000
PLAIN_TASKS = r"""
f() { :; }
mkdir -p "$1"; cd "$1"
for ((i = 0; i < N; i++)); do f >"$i.log" 2>&1 & pids[i]=$!; done
for ((i = 0; i < N; i++)); do
    wait "${pids[i]}"; mapfile -t lines <"$i.log"; printf '%s\n' "${lines[@]}"
done
"""
OUR_TASKS = r"""
f() { :; }
for ((i = 0; i < N; i++)); do async_run "t$i" f; done
for ((i = 0; i < N; i++)); do async_wait "t$i"; done
"""
PLAIN_HOOKS = r"""
frame() { source "$@"; }
mkdir -p "$2"
for hook in "$1"/*.sh; do frame "$hook" override_defaults >"$2/${hook##*/}.log" 2>&1; done
"""


def median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(RUNS))


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        before = os.getcwd()
        os.chdir(name)
        try:
            (Path(name) / "tree" / "extras.d").mkdir(parents=True)
            yield Path(name)
        finally:
            os.chdir(before)


def plain(script: str, *words: str, count: int = TASKS) -> float:
    begun = time.perf_counter()
    subprocess.run(
        ["bash", "-c", script.replace("N;", f"{count};"), "bash", *words],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


def phase(tree: Path) -> float:
    with Stack(tree) as stack:
        stack.begin()
        begun = time.perf_counter()
        stack.run_phase("override_defaults")
        return time.perf_counter() - begun


def tasks() -> None:
    with folder() as here:
        (here / "tree/extras.d/50-a.sh").write_text(OUR_TASKS.replace("N;", f"{TASKS};"))
        base = median(lambda: plain(PLAIN_TASKS, str(here / "plain")))
        ours = median(lambda: phase(here / "tree"))
    print(
        f"{TASKS} no-op tasks: {1e3 * ours / TASKS:.2f} ms a task, plain bash "
        f"{1e3 * base / TASKS:.2f} ms: ratio {ours / base:.2f} (limit 1.5)"
    )


def hooks() -> None:
    with folder() as here:
        for number in range(1000):
            (here / f"tree/extras.d/{10 + number % 80}-{number:03d}.sh").write_text(":\n")
        base = median(lambda: plain(PLAIN_HOOKS, str(here / "tree/extras.d"), str(here / "logs")))
        ours = median(lambda: phase(here / "tree"))
    print(f"1000 no-op hooks: {ours - base:.2f} ms a hook over plain bash (limit 2)")


def round_trip() -> None:
    with folder() as here, Stack(here / "tree") as stack:
        stack.begin()
        took = []
        for number in range(200):
            begun = time.perf_counter()
            stack.async_run(f"t{number}", ":")
            stack.async_wait(f"t{number}")
            took.append(time.perf_counter() - begun)
    print(f"async_run + async_wait: {1e3 * statistics.median(took):.2f} ms (limit 5)")


def many() -> None:
    with folder() as here:
        (here / "tree/extras.d/50-a.sh").write_text(OUR_TASKS.replace("N;", "10000;"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        descriptors = len(os.listdir("/proc/self/fd"))
        with Stack(here / "tree") as stack:
            stack.run_phase("override_defaults")
            good = sum(task.result is not None and task.result.ok for task in stack.tasks.values())
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        leaked = len(os.listdir("/proc/self/fd")) - descriptors
    print(f"10000 tasks: {good} ok, {grown:.0f} MiB more (limit 50), {leaked} descriptors leaked")


def output() -> None:
    command = "head -c 1000000000 /dev/zero | tr '\\0' x"
    with folder() as here:
        (here / "tree/extras.d/50-a.sh").write_text(f"{command}\n")
        base = median(lambda: plain(f"{command} >{here}/plain"))
        ours = median(lambda: phase(here / "tree"))
    print(
        f"a hook that prints 1 GB: {ours:.2f} s, plain bash {base:.2f} s: ratio {ours / base:.2f}"
    )


def imports() -> None:
    def start(code: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - begun

    base, ours = median(lambda: start("pass")), median(lambda: start("import stacknb"))
    print(f"import stacknb: {1e3 * (ours - base):.0f} ms over bare Python (limit 60)")


def main() -> None:
    for part in (imports, round_trip, hooks, tasks, many, output):
        part()
        sys.stdout.flush()
    bench_timing.main()


if __name__ == "__main__":
    main()
