"""Predictions held against runs that were really executed: the same tree, changed as predicted.

Measured on a machine of 2 cores: predictions were within 2 % of the real run where tasks sleep,
and within 5 % for another number of cores (2 for 1, 1 for 2) while nothing else ran. Other load,
which a record does not show, made that up to 30 %. Where it never lets a run have its cores to
itself, there is nothing to compare with but what holds all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stacknb import Stack
from stacknb.timing import Run, load

# Tasks and hooks of a tree, as bash. Sleeping stands for waiting for a network or a disk.
FIRST = """
[[ $1 == stack && $2 == install ]] || return 0
async_run db sleep {db}
async_run osc sleep 0.2
sleep 0.1
{wait_early}
"""
SECOND = """
[[ $1 == stack && $2 == install ]] || return 0
{second}
"""
THIRD = """
[[ $1 == stack && $2 == extra ]] || return 0
sleep 0.35
async_wait osc
{collect}
"""
RECORDED = {
    "db": "0.8",
    "wait_early": "async_wait db",
    "second": "sleep 0.3",
    "collect": "",
}


def executed(folder: Path, **changes: str) -> Run:
    """Run the tree, with changes, for real; return the record."""
    parts = {**RECORDED, **changes}
    hooks = folder / "tree" / "extras.d"
    hooks.mkdir(parents=True)
    for name, text in (("10-first.sh", FIRST), ("20-second.sh", SECOND), ("30-third.sh", THIRD)):
        (hooks / name).write_text(text.format(**parts))
    with Stack(folder / "tree", run_dir=folder / "run") as stack:
        stack.run()
    return load(folder / "run")


@pytest.mark.parametrize(
    ("prediction", "reality"),
    [
        ({"faster": {"db": 4}}, {"db": "0.2"}),
        ({"faster": {"db": 0.5}}, {"db": "1.6"}),
        (
            {"wait_after": {"db": "stack install"}},
            {"wait_early": "", "second": "sleep 0.3; async_wait db"},
        ),
        (
            {"as_task": {"stack install/20-second.sh": "stack extra/30-third.sh"}},
            {"second": "async_run second sleep 0.3", "collect": "async_wait second"},
        ),
    ],
    ids=["faster", "slower", "wait later", "as a task"],
)
def test_a_prediction_comes_true(
    tmp_path: Path, prediction: dict[str, dict[str, str]], reality: dict[str, str]
) -> None:
    errors = []
    for attempt in range(5):  # what else runs on the machine delays the one or the other
        recorded = executed(tmp_path / f"recorded {attempt}")
        predicted = recorded.what_if(**prediction)
        real = executed(tmp_path / f"changed {attempt}", **reality)
        print(f"predicted {predicted!r}, real {real.elapsed_s:.3f} s")
        errors.append(abs(predicted / real.elapsed_s - 1))
        if errors[-1] < 0.15:
            break
    assert min(errors) < 0.15


BUSY = """
[[ $1 == stack && $2 == install ]] || return 0
compute() { local i; for ((i = 0; i < 300000; i++)); do :; done; }
async_run a compute
async_run b compute
async_run c compute
async_run d compute
async_run e sleep 0.3
async_wait a b c d e
"""


@pytest.fixture
def all_cores() -> Iterator[set[int]]:
    """Yield the cores this process may use, and give them back to it at the end."""
    allowed = os.sched_getaffinity(0)
    yield allowed
    os.sched_setaffinity(0, allowed)


def computed(folder: Path, cores: set[int]) -> Run:
    """Run tasks that compute, on these cores only."""
    hooks = folder / "tree" / "extras.d"
    hooks.mkdir(parents=True)
    (hooks / "10-busy.sh").write_text(BUSY)
    os.sched_setaffinity(0, cores)
    with Stack(folder / "tree", run_dir=folder / "run") as stack:
        stack.run()
    run = load(folder / "run")
    run.records.cores = len(cores)
    return run


def share(run: Run) -> float:
    """Return how much of its cores a run has used."""
    figures = run.summary()
    return float(figures["cpu_s"] / figures["cpu_available_s"])


@pytest.mark.timeout(600)
def test_a_prediction_for_another_number_of_cores_comes_true(
    tmp_path: Path, all_cores: set[int]
) -> None:
    errors = []
    for attempt in range(4):  # what else runs on the machine takes cores too, now and then
        one = computed(tmp_path / f"one {attempt}", set(sorted(all_cores)[:1]))
        two = computed(tmp_path / f"two {attempt}", set(sorted(all_cores)[:2]))
        to_one, to_two = two.what_if(cores=1), one.what_if(cores=two.records.cores)
        print(
            f"predicted {to_one!r}, real {one.elapsed_s:.3f} s, with {share(one):.2f} of it",
            f"predicted {to_two!r}, real {two.elapsed_s:.3f} s, with {share(two):.2f} of them",
            sep="\n",
        )
        # This much holds whatever else runs: nobody is faster than what there was to compute.
        assert to_one > 0.8 * two.summary()["cpu_s"]
        assert to_two < 1.01 * one.elapsed_s
        if min(share(one), share(two)) > 0.85:  # it did have them to itself
            pairs = [(to_one, one.elapsed_s), (to_two, two.elapsed_s)]
            errors.append(max(abs(told / real - 1) for told, real in pairs))
            if errors[-1] < 0.2:
                break
    assert min(errors, default=0) < 0.2
