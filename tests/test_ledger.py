import threading
from pathlib import Path

import pytest

from stacknb.notebook.ledger import KERNEL, Ledger
from stacknb.text import budget

RUN, OTHER = Path("run"), Path("other")


class Notebook:
    """Tells which cell is executed."""

    def __init__(self) -> None:
        self.place: tuple[str, str] | None = None
        self.count = 0

    def execute(self, cell: str) -> None:
        self.count += 1
        self.place = (cell, str(self.count))


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def ledger(notebook: Notebook) -> Ledger:
    return Ledger(lambda: notebook.place)


def test_however_many_cells_there_are_they_take_no_more_than_the_pool(
    notebook: Notebook, ledger: Ledger
) -> None:
    rooms = []
    for number in range(200):
        notebook.execute(f"cell {number}")
        rooms.append(ledger.room(RUN, 6000))
        ledger.put(RUN, rooms[-1])
    assert rooms[0] == 6000
    assert rooms == sorted(rooms, reverse=True)
    assert sum(rooms) <= budget.POOL


def test_a_few_lines_are_shown_whole_as_long_as_they_fit(
    notebook: Notebook, ledger: Ledger
) -> None:
    notebook.execute("a")
    ledger.put(RUN, budget.POOL - 3_000)
    assert ledger.room(RUN, budget.SUMMARY) == 2_000
    assert ledger.room(RUN, 500) == 500


def test_however_little_is_left_the_least_is_granted(notebook: Notebook, ledger: Ledger) -> None:
    notebook.execute("a")
    ledger.put(RUN, 10 * budget.POOL)
    assert ledger.room(RUN, 6000, 300) == 300


def test_each_run_has_a_share_of_its_own(notebook: Notebook, ledger: Ledger) -> None:
    notebook.execute("a")
    ledger.put(RUN, budget.POOL)
    assert ledger.room(RUN, 6000, 0) == 0
    assert ledger.room(OTHER, 6000, 0) == 6000


def test_a_run_has_one_share_whichever_way_it_is_named(
    notebook: Notebook, ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    notebook.execute("a")
    ledger.put(tmp_path / "link", budget.POOL)
    assert ledger.room(tmp_path / "run", 6000) == 0
    assert ledger.room(None, 6000) == 6000


def test_a_cell_that_is_executed_again_gives_back_what_it_took(
    notebook: Notebook, ledger: Ledger
) -> None:
    notebook.execute("a")
    old = ledger.put(RUN, budget.POOL)
    notebook.execute("b")
    assert ledger.room(RUN, 6000, 0) == 0
    notebook.execute("a")
    assert ledger.room(RUN, 6000, 0) == 6000
    old.size = budget.POOL  # a display that is gone is brought up to date
    assert ledger.room(RUN, 6000, 0) == 6000


def test_what_is_updated_in_place_counts_once(notebook: Notebook, ledger: Ledger) -> None:
    notebook.execute("a")
    entry = ledger.put(RUN, budget.POOL)
    entry.size = 100
    assert ledger.room(RUN, 6000, 0) == 6000


def test_a_thread_asks_for_the_cell_that_was_executed_last(
    notebook: Notebook, ledger: Ledger
) -> None:
    notebook.execute("a")
    ledger.put(RUN, budget.POOL)
    notebook.execute("a")
    rooms: list[int] = []
    thread = threading.Thread(target=lambda: rooms.append(ledger.room(RUN, 6000, 0)))
    thread.start()
    thread.join()
    assert rooms == [0]


def test_outside_a_notebook_there_is_always_room() -> None:
    KERNEL.put(RUN, 10 * budget.POOL)
    assert KERNEL.room(RUN, 6000) == 6000
