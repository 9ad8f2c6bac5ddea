import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stacknb.dispatcher.worker import Worker
from stacknb.exceptions import BadInput, Interrupted, WaitTimeout


class Work:
    """Work that ends when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.stops = 0
        self.error: BaseException | None = None

    def __call__(self) -> str:
        self.go.wait()
        if self.error is not None:
            raise self.error
        return "done"

    def stop(self) -> None:
        self.stops += 1
        self.error = Interrupted("stopped")
        self.go.set()


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.go.set()


@pytest.fixture
def worker(work: Work) -> Worker:
    return Worker("stack", work, work.stop)


def test_the_result_is_kept_until_somebody_takes_it(work: Work, worker: Worker) -> None:
    assert (worker.running, worker.collected) == (True, False)
    assert repr(worker) == "<stack goes on in the background; %wait stack collects it>"
    work.go.set()
    assert worker.wait() == "done"
    assert (worker.running, worker.collected, worker.error) == (False, True, None)
    assert worker.wait() == "done"


def test_an_error_is_raised_where_somebody_waits(work: Work, worker: Worker) -> None:
    work.error = BadInput("no")
    work.go.set()
    with pytest.raises(BadInput, match="no"):
        worker.wait()
    assert repr(worker) == "<stack in the background: BadInput; %wait stack collects it>"


def test_a_wait_that_takes_too_long_leaves_it_at_work(work: Work, worker: Worker) -> None:
    with pytest.raises(WaitTimeout, match=r"'stack' did not end within 0\.01 s; it goes on"):
        worker.wait(0.01)
    assert (worker.running, worker.collected) == (True, False)


def test_stop_stops_it_and_once_only(work: Work, worker: Worker) -> None:
    worker.stop()
    with pytest.raises(Interrupted):
        worker.wait()
    worker.stop()
    assert work.stops == 1


def interrupts(monkeypatch: pytest.MonkeyPatch, worker: Worker, times: int) -> None:
    """Interrupt the next waits."""
    ended: Any = worker._ended
    wait, left = ended.wait, [None] * times

    def interrupted(timeout: float | None = None) -> bool:
        if left:
            left.pop()
            raise KeyboardInterrupt
        return bool(wait(timeout))

    monkeypatch.setattr(ended, "wait", interrupted)


def test_an_interrupt_of_a_wait_leaves_it_at_work(
    work: Work, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupts(monkeypatch, worker, 1)
    with pytest.raises(Interrupted, match=r"for 'stack'; it goes on: its stop\(\) ends it"):
        worker.wait()
    assert (worker.running, work.stops) == (True, 0)


def test_an_interrupt_of_finish_stops_the_work(
    work: Work, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupts(monkeypatch, worker, 1)
    with pytest.raises(Interrupted, match="stopped"):
        worker.finish()
    assert (worker.running, work.stops) == (False, 1)


def test_work_that_does_not_stop_is_left_alone_in_the_end(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker("stack", work, lambda: None)
    interrupts(monkeypatch, worker, 3)
    with pytest.raises(Interrupted, match="'stack' does not stop; it goes on in the background"):
        worker.finish()
    assert worker.running
