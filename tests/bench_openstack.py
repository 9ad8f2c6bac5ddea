"""What background tasks gain for a real OpenStack: serial and background runs in turns.

Run with ``make bench-openstack``. It tells figures and judges nothing. A pair is a serial run and a
background run, one after the other; every second pair begins with the background run. Both do the
same work: the same hooks, the same commands, from empty databases. In the background one task more
than there are cores may run at once, as people give it to make -j: more of them push each other's
data out of the caches (5 % slower without a limit).
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stacknb import timing
from stacknb.supervision import processes, services

TREE = Path(__file__).parents[1] / "notebooks" / "openstack"
CORES = len(os.sched_getaffinity(0))
GB_A_RUN = 0.9  # of virtual environments
TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = ["keystone", "glance", "openstack-placement", "gunicorn", "PyMySQL",
            "python-openstackclient", "osc-placement"]  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One run: seconds, but for the load average before it."""

    elapsed: float
    cpu: float  # of the run and of the services it started
    others: float  # CPU that other processes of the machine took meanwhile
    load: float
    devstack: float  # elapsed, divided by what DevStack's summary takes for the serial time
    honest: float  # the same with `real_speedup`, which takes off what was lost to contention


def machine_cpu() -> float:
    """Return the CPU seconds that this machine has spent at work since it started."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, _steal = fields
    return (user + nice + system + irq + softirq) / TICKS


def cpu_of_services() -> float:
    """Return the CPU seconds of the services that run, with the children they have reaped."""
    records = services.directory(TREE)
    total = 0
    for name in services.names(records):
        leader = int((records / name).read_text().split()[0])
        for pid in processes.members(session=leader):
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            total += sum(int(word) for word in stat[11:15])
    return total / TICKS


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def call(mode: str, *words: str) -> None:
    argv = [sys.executable, "-m", "stacknb.cli", mode, str(TREE), *words]
    plugin = ["--plugin", f"placement={TREE / 'plugins' / 'placement'}"]
    run([*argv, *plugin], f"{mode} failed")


def run(argv: list[str], complaint: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench: {complaint} with status {done.returncode}\n{done.stderr}")


def measure(serial: bool, install: bool) -> Sample:
    """Stack once and take it down again."""
    folder = Path(tempfile.mkdtemp(dir="."))
    if install:
        # Nothing is removed before the end: ext4 without a journal does not give inodes out again
        # that were removed in the last minutes, and looks for others at length. That took 17 of 27
        # seconds in the kernel in the background run, and 2 of 10 in the serial one.
        os.environ["DEST"] = str(folder.absolute() / "dest")
    else:
        call("clean")
    limit = ["--serial"] if serial else ["--jobs", str(CORES + 1)]
    load, machine, own = os.getloadavg()[0], machine_cpu(), cpu_of_children()
    call("stack", "--run-dir", str(folder / "run"), *limit)
    cpu = cpu_of_children() - own + cpu_of_services()
    others = machine_cpu() - machine - cpu
    figures = timing.load(folder / "run").summary()
    call("unstack")
    return Sample(
        figures["elapsed_s"], cpu, others, load, 1 / figures["speedup"], 1 / figures["real_speedup"]
    )


def compare(title: str, pairs: int, install: bool) -> None:
    print(f"\n{title}", flush=True)
    measured: list[tuple[Sample, Sample]] = []
    for number in range(pairs):
        pair = {}
        for serial in (True, False) if number % 2 == 0 else (False, True):
            pair[serial] = one = measure(serial, install)
            print(
                f"  pair {number + 1} {'serial    ' if serial else 'background'}"
                f" {one.elapsed:6.1f} s  CPU {one.cpu:6.1f} s, of others {one.others:5.1f} s,"
                f" load before {one.load:.1f}",
                flush=True,
            )
        measured.append((pair[True], pair[False]))
    middle = statistics.median
    ratios = [behind.elapsed / front.elapsed for front, behind in measured]
    bound = middle(front.cpu for front, _ in measured) / CORES
    busy = middle(behind.cpu / behind.elapsed for _, behind in measured) / CORES
    front, behind = (middle(one.elapsed for one in side) for side in zip(*measured, strict=True))
    print(
        f"  ratio as measured: {middle(ratios):.2f} (each pair:"
        f" {', '.join(f'{ratio:.2f}' for ratio in ratios)})\n"
        f"  ratio by DevStack's formula: {middle(b.devstack for _, b in measured):.2f}"
        " (counts a task's waiting for a core as work that was hidden)\n"
        f"  ratio by run.summary()'s real_speedup: {middle(b.honest for _, b in measured):.2f}"
        " (takes off what the tasks' own CPU times show of that)\n"
        f"  bound: {bound:.1f} s (CPU seconds of the serial run / {CORES} cores), that is"
        f" {bound / front:.2f} x serial; background is {behind / bound:.2f} x the bound,"
        f" and keeps the cores {busy:.0%} busy",
        flush=True,
    )


def make_wheelhouse(folder: Path) -> None:
    print("bench: downloading a wheelhouse, 40 MB", flush=True)
    constraints = ["--constraint", str(TREE / "constraints.txt")]
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder)]
    run([*argv, *constraints, *PACKAGES], "pip wheel failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--wheelhouse", type=Path, help="a folder of wheels; made if not given")
    parser.add_argument("--only", choices=("without", "with"), help="without or with install")
    asked = parser.parse_args()
    needed = (1 if asked.only == "without" else 2 * asked.pairs + 1) * GB_A_RUN
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    if free < needed:
        sys.exit(
            f"bench: {free:.1f} GB free in {tempfile.gettempdir()!r}: make it {needed:.1f} GB,"
            " set TMPDIR, or give --only without"
        )
    with tempfile.TemporaryDirectory() as name:
        house = asked.wheelhouse.absolute() if asked.wheelhouse else Path(name) / "wheels"
        os.chdir(name)
        os.environ |= {"DEST": f"{name}/dest", "XDG_STATE_HOME": name, "PIP_WHEELHOUSE": str(house)}
        print(
            f"bench: {CORES} cores, load {os.getloadavg()[0]:.1f}; about half an hour", flush=True
        )
        if asked.wheelhouse is None:
            make_wheelhouse(house)
        try:
            if asked.only != "with":
                call("stack", "--until", "install")
                compare("without install", asked.pairs, install=False)
            if asked.only != "without":
                compare("with install from a wheelhouse", asked.pairs, install=True)
        finally:
            call("unstack")


if __name__ == "__main__":
    main()
