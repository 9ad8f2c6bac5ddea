"""The benchmark: each figure beside a baseline of the same run, so that the ratio means something.

Run with ``make bench``; medians of RUNS. It tells figures and judges nothing.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bench_panel
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
# The least that writes the logs of a task: a group of its own, header, footer, the line of a wait.
# It has no checks, quotes nothing, says nothing on the screen, and a killed task has no status.
LEAST_TASKS = r"""
f() { :; }
declare -A pids
mkdir -p "$1/async"; cd "$1"
begin='#stacknb-begin {"kind": "task", "name": "%s", "command": ["%s"], "phase": "%s", '
begin+='"hook": "%s", "start": %s, "pid": %d, "host": "%s", "run": "%s"}\n'
end='\n#stacknb-end {"end": %s, "exit_code": %d, "user_s": 0.00, "sys_s": 0.00, "run": "%s"}\n'
waited='{"name": "%s", "wait_start": %s, "wait_end": %s, "phase": "%s", "hook": "%s"}\n'
start() {
    set -m
    {
        printf "$begin" "$1" "$2" source 50-a.sh "$EPOCHREALTIME" "$BASHPID" "$HOSTNAME" "$run"
        "${@:2}"
        printf "$end" "$EPOCHREALTIME" "$?" "$run"
    } >>"async/$1.log" 2>&1 &
    set +m
    pids[$1]=$!
}
collect() {
    local begun=$EPOCHREALTIME
    wait "${pids[$1]}"
    mapfile -t lines <"async/$1.log"
    printf '%s\n' "${lines[@]:1:${#lines[@]}-2}"
    printf "$waited" "$1" "$begun" "$EPOCHREALTIME" source 50-a.sh >>waits.jsonl
}
run=20261129T000000Z-stack-000000
for ((i = 0; i < N; i++)); do start "t$i" f; done
for ((i = 0; i < N; i++)); do collect "t$i"; done
"""
PLAIN_HOOKS = r"""
frame() { source "$@"; }
mkdir -p "$2"
for hook in "$1"/*.sh; do frame "$hook" override_defaults >"$2/${hook##*/}.log" 2>&1; done
"""


DEVSTACK_TASKS = r"""
TOP_DIR=$1 DEST=$(mktemp -d) LOGDIR=$DEST
for file in functions-common inc/ini-config inc/async; do source "$1/$file"; done >/dev/null 2>&1
async_init
f() { :; }
for ((i = 0; i < N; i++)); do async_run "t$i" f; done
for ((i = 0; i < N; i++)); do async_wait "t$i"; done
rm -rf "$DEST"
"""


def median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(RUNS))


def medians(base: Callable[[], float], ours: Callable[[], float]) -> tuple[float, float]:
    """Measure both in turn, so that what else the machine does meets both."""
    pairs = [(base(), ours()) for _ in range(RUNS)]
    return statistics.median(b for b, _ in pairs), statistics.median(o for _, o in pairs)


@contextlib.contextmanager
def room() -> Iterator[None]:
    """Keep what the parts write until the last has ended.

    To make a file may be slow where many were deleted in the last minutes: ext4 without a journal
    does not use their inodes again for a while, and looks at each of them.
    """
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as name:
        tempfile.tempdir = name
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    name = tempfile.mkdtemp()
    with contextlib.chdir(name):
        (Path(name) / "tree" / "extras.d").mkdir(parents=True)
        yield Path(name)


def plain(script: str, *words: str, count: int = TASKS) -> float:
    begun = time.perf_counter()
    subprocess.run(
        ["bash", "-c", script.replace("N;", f"{count};"), "bash", *words],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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
        rounds = [
            (
                plain(PLAIN_TASKS, tempfile.mkdtemp(dir=here)),
                plain(LEAST_TASKS, tempfile.mkdtemp(dir=here)),
                phase(here / "tree"),
            )
            for _ in range(RUNS)
        ]
        base, least, ours = map(statistics.median, zip(*rounds, strict=True))
    print(
        f"{TASKS} no-op tasks: {1e3 * ours / TASKS:.2f} ms a task, plain bash "
        f"{1e3 * base / TASKS:.2f} ms: ratio {ours / base:.2f} (limit 1.5; the least bash that "
        f"writes such logs: {least / base:.2f})"
    )


def hooks() -> None:
    with folder() as here:
        for number in range(1000):
            (here / f"tree/extras.d/{10 + number % 80}-{number:03d}.sh").write_text(":\n")
        base, ours = medians(
            lambda: plain(PLAIN_HOOKS, str(here / "tree/extras.d"), tempfile.mkdtemp(dir=here)),
            lambda: phase(here / "tree"),
        )
    print(f"1000 no-op hooks: {ours - base:.2f} ms a hook over plain bash (limit 2)")


def large_space() -> None:
    with folder() as here:
        (here / "tree/extras.d/10-fill.sh").write_text(
            'for ((i = 0; i < 1500; i++)); do declare -g VARIABLE_$i="the value of $i"; done\n'
            + "".join(f'function_{i}() {{ local x=$1; echo "$x {i}"; }}\n' for i in range(900))
        )
        for number in range(100):
            (here / f"tree/extras.d/50-{number:03d}.sh").write_text(":\n")
        with Stack(here / "tree") as stack:
            stack.run_phase("override_defaults")
            begun = time.perf_counter()
            stack.run_phase("source")
            took = (time.perf_counter() - begun) / 101
    print(f"a hook with 1500 variables and 900 functions: {1e3 * took:.1f} ms (limit 35)")


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
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def measured(run: Callable[[], float]) -> float:
            shutil.rmtree(here / ".stacknb", ignore_errors=True)
            (here / "plain").unlink(missing_ok=True)
            os.sync()  # what one has written must not hold up the other
            return run()

        rounds = [
            (
                measured(lambda: plain(f"{command} >{here}/plain")),
                measured(lambda: phase(here / "tree")),
                measured(lambda: plain(f"{command} >{here}/plain")),
            )
            for _ in range(RUNS)
        ]
        base, ours, again = map(statistics.median, zip(*rounds, strict=True))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"a hook that prints 1 GB: {ours:.2f} s, plain bash {base:.2f} s: ratio {ours / base:.2f} "
        f"(plain bash against itself: {again / base:.2f}), {grown:.0f} MiB more in Python"
    )


def devstack() -> None:
    where = os.environ.get("DEVSTACK_DIR")
    if not where:
        print("DevStack's own inc/async: not compared; name a checkout in DEVSTACK_DIR")
        return
    if not (Path(where) / "inc" / "async").is_file():
        sys.exit(f"DEVSTACK_DIR {where!r} is no DevStack checkout: it has no inc/async")
    count = 10
    took = median(lambda: plain(DEVSTACK_TASKS, where, count=count))
    print(f"DevStack's own inc/async: {1e3 * took / count:.0f} ms a task")


def imports() -> None:
    def start(code: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - begun

    base, ours = median(lambda: start("pass")), median(lambda: start("import stacknb"))
    print(f"import stacknb: {1e3 * (ours - base):.0f} ms over bare Python (limit 60)")
    load = (
        "from IPython.core.interactiveshell import InteractiveShell; import time\n"
        "shell = InteractiveShell.instance(); begun = time.perf_counter()\n"
        "shell.run_line_magic('load_ext', 'stacknb'); print(time.perf_counter() - begun)"
    )

    def loading() -> float:
        command = [sys.executable, "-c", load]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    print(f"%load_ext stacknb: {1e3 * median(loading):.0f} ms (limit 150)")


def main() -> None:
    where = tempfile.gettempdir()
    kind = subprocess.run(["stat", "-f", "-c", "%T", where], capture_output=True, text=True).stdout
    print(f"files are made in {where} ({kind.strip() or 'file system unknown'})", flush=True)
    with room():
        for part in (imports, round_trip, hooks, large_space, tasks, devstack, many, output):
            part()
            sys.stdout.flush()
        bench_panel.main()
        bench_timing.main()


if __name__ == "__main__":
    main()
