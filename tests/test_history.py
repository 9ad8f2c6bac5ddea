import errno
import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacknb.exceptions import BadInput
from stacknb.rundir import shapes
from stacknb.snapshots import history
from stacknb.snapshots.history import History, Moment, listing
from stacknb.text import reading

LINES = st.lists(
    st.sampled_from(
        [b'declare -- A="1"\n', b'declare -- B="2"\n', b"f () \n{ \n    x\n}\n", b"}\n", b"\n",
         b"text", b"declare -", b"\xff\0\n", b"#stacknb variables\n"]
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path


def keep(book: History, run_dir: Path, text: bytes, name: str = "a") -> None:
    book.keep(Moment("hook", name=name, snapshot=text, files=listing(run_dir)))
    book.settle()


@given(texts=st.lists(LINES, max_size=6))
def test_what_was_kept_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    (run_dir / "state").mkdir()
    book = History(run_dir)
    for text in texts:
        keep(book, run_dir, text)
    assert [moment.snapshot for moment in history.read(run_dir)] == texts


def test_what_does_not_change_is_kept_once(run_dir: Path) -> None:
    same = b"".join(b'declare -- V_%d="%d"\n' % (n, n * 7919 % 10007) for n in range(3000))
    book = History(run_dir)
    keep(book, run_dir, b"start\n" + same)
    first = (run_dir / "state" / "history").stat().st_size
    for number in range(20):
        keep(book, run_dir, same + b'declare -- Z="%d"\n' % number)
    assert (run_dir / "state" / "history").stat().st_size < first + 20 * 1000


def test_a_history_is_for_its_owner_alone(run_dir: Path) -> None:
    keep(History(run_dir), run_dir, b"x")
    assert (run_dir / "state" / "history").stat().st_mode & 0o777 == 0o600


def test_a_resumed_run_goes_on_with_the_same_file(run_dir: Path) -> None:
    keep(History(run_dir), run_dir, b'declare -- A="1"\n')
    keep(History(run_dir), run_dir, b'declare -- A="2"\n')
    texts = [moment.snapshot for moment in history.read(run_dir)]
    assert texts == [b'declare -- A="1"\n', b'declare -- A="2"\n']


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_damaged_end_is_left_out(run_dir: Path, cut: int) -> None:
    book = History(run_dir)
    keep(book, run_dir, b"one\n")
    keep(book, run_dir, b"two\n")
    path = run_dir / "state" / "history"
    path.write_bytes(path.read_bytes()[: -cut - 1])
    assert [moment.snapshot for moment in history.read(run_dir)][:1] == [b"one\n"]


def test_a_run_without_a_history_has_no_moments(tmp_path: Path) -> None:
    assert list(history.read(tmp_path)) == []


def test_one_that_may_not_be_read_is_named_and_not_taken_for_none(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(History(run_dir), run_dir, b"text")

    def refuse(_path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    for module in (reading, shapes):
        monkeypatch.setattr(module, "opened", refuse)
    with pytest.raises(BadInput, match="history' cannot be read: Permission denied; it is for its"):
        list(history.read(run_dir))


def test_disk_is_bounded_and_the_history_says_so(run_dir: Path) -> None:
    book = History(run_dir, limit=2000)
    for number in range(5):
        keep(book, run_dir, random.Random(number).randbytes(3000))
    moments = list(history.read(run_dir))
    assert len(moments) == 5
    assert moments[0].snapshot is not None
    assert moments[-1].snapshot is None
    assert moments[-1].why == "too much changed to be kept"
    assert (run_dir / "state" / "history").stat().st_size < 10_000


def test_a_hook_that_changed_too_much_is_left_out_and_the_next_is_kept_again(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_NEW_LIMIT", 100)
    book = History(run_dir)
    for text in (b"small\n", b"x" * 101, b"small\nagain\n"):
        keep(book, run_dir, text)
    _, large, after = history.read(run_dir)
    assert (large.snapshot, large.why) == (None, "too much changed to be kept")
    assert after.snapshot == b"small\nagain\n"


def test_a_lost_shell_is_a_moment_without_a_snapshot(run_dir: Path) -> None:
    book = History(run_dir)
    keep(book, run_dir, b"one\n")
    book.keep(Moment("hook", name="b"))
    keep(book, run_dir, b"two\n", "c")
    kept = [(moment.name, moment.snapshot, moment.why) for moment in history.read(run_dir)]
    lost = "the shell was lost without leaving its variables"
    assert kept == [("a", b"one\n", ""), ("b", None, lost), ("c", b"two\n", "")]


def test_what_was_kept_last_is_written_at_the_next_call(run_dir: Path) -> None:
    book = History(run_dir)
    book.settle()
    book.keep(Moment("hook", name="a", snapshot=b"one\n"))
    assert list(history.read(run_dir)) == []
    book.keep(Moment("hook", name="b", snapshot=b"two\n"))
    assert [moment.snapshot for moment in history.read(run_dir)] == [b"one\n"]
    book.settle()
    assert [moment.name for moment in history.read(run_dir)] == ["a", "b"]


def test_files_of_the_run_directory_are_listed_but_not_its_logs(run_dir: Path) -> None:
    for name in (
        "async/a.log",
        "hooks/source/b.log",
        "services/db.log",
        "own/deep.txt",
        "run.json",
    ):
        (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / name).write_text("12345")
    keep(History(run_dir), run_dir, b"x")
    [moment] = history.read(run_dir)
    assert {*moment.files} == {"services/db.log", "own/deep.txt"}
    assert moment.files["own/deep.txt"][0] == 5


def test_a_disk_that_cannot_be_written_ends_nothing(run_dir: Path) -> None:
    book = History(run_dir)
    (run_dir / "state" / "history").mkdir()
    keep(book, run_dir, b"x")
    (run_dir / "state" / "history").rmdir()
    keep(book, run_dir, b"y")
    assert [moment.snapshot for moment in history.read(run_dir)] == [b"y"]


@pytest.mark.parametrize(
    "facts",
    [
        {"size": -150},
        {"size": 1e30},
        {"files": []},
        {"files": {"a": 1}},
        {"start": None, "files": {"a": ["x", float("nan")]}},
        {"ops": [["x"]], "whole": True},
        {"ops": [[]], "whole": True},
        {"ops": [[1]], "whole": True, "size": 7},
        {"ops": [[0, 1]] * 4, "whole": False},
    ],
)
def test_a_damaged_history_ends_where_it_is_damaged(
    run_dir: Path, facts: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MOST", 15)  # bytes of a snapshot
    whole = {"kind": "hook", "phase": "", "name": "b", "start": 1, "end": 2, "files": {}, "size": 0}
    keep(History(run_dir), run_dir, b"text\n")
    with (run_dir / "state" / "history").open("ab") as file:
        file.write(json.dumps({**whole, **facts}).encode() + b"\nno zlib\n")
    first, *more = history.read(run_dir)
    assert first.snapshot == b"text\n"
    assert all(moment.files == {} and moment.snapshot is None for moment in more)


def test_a_history_that_is_a_pipe_is_none(run_dir: Path) -> None:
    os.mkfifo(run_dir / "state" / "history")
    assert list(history.read(run_dir)) == []


def test_what_was_packed_to_fill_the_memory_is_not_unpacked(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MOST", 1000)
    keep(History(run_dir), run_dir, b"x" * 2000)
    [moment] = history.read(run_dir)
    assert moment.snapshot == b"x" * 1000
