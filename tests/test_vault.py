import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacknb.exceptions import BadInput
from stacknb.rundir import shapes
from stacknb.snapshots.vault import Vault, is_whole
from stacknb.text import reading


def snapshot(text: str) -> bytes:
    return f"#stacknb variables\n{text}\n#stacknb end\n".encode()


def test_an_empty_vault_has_no_snapshot(tmp_path: Path) -> None:
    assert Vault(tmp_path).newest is None


def test_one_that_is_empty_cannot_be_gone_on_from(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="left no snapshot to resume from; stack anew"):
        Vault(tmp_path / "state").check()


def test_one_of_another_user_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vault(tmp_path).put(snapshot("x=1"))

    def refuse(_path: Path) -> None:  # who runs the tests may be root
        raise PermissionError(errno.EACCES, "Permission denied")

    for module in (reading, shapes):
        monkeypatch.setattr(module, "opened", refuse)
    with pytest.raises(BadInput, match=r"snapshot.bash' cannot be read: Permission denied; it is"):
        Vault(tmp_path).check()


@given(texts=st.lists(st.text("ab\n", max_size=30), min_size=1, max_size=8))
def test_the_newest_snapshot_is_the_one_put_last_whatever_their_lengths(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("vault")
    vault = Vault(folder)
    for number, text in enumerate(texts):
        vault.put(snapshot(text))
        for path in folder.iterdir():  # the clock of files may be coarse
            age = number if path.read_bytes() == snapshot(text) else number - 1
            os.utime(path, (age, age))
    for reader in (vault, Vault(folder)):
        assert reader.newest is not None
        assert reader.newest.read_bytes() == snapshot(texts[-1])


def test_a_snapshot_that_can_only_be_written_in_pieces_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda file, data, at: write(file, bytes(data[:7]), at))
    vault = Vault(tmp_path)
    vault.put(snapshot("abcde" * 20))
    assert vault.newest is not None
    assert vault.newest.read_bytes() == snapshot("abcde" * 20)


def test_a_vault_keeps_no_file_open(tmp_path: Path) -> None:
    vault, before = Vault(tmp_path), os.listdir("/proc/self/fd")
    vault.put(snapshot("a"))
    vault.put(snapshot("b"))
    assert os.listdir("/proc/self/fd") == before


def test_the_newest_snapshot_is_known_though_the_clock_is_set_back(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    for text in ("first", "second", "third"):
        if vault.newest is not None:
            later = vault.newest.stat().st_mtime + 3600
            os.utime(vault.newest, (later, later))
        vault.put(snapshot(text))
        for reader in (vault, Vault(tmp_path)):
            assert reader.newest is not None
            assert reader.newest.read_bytes() == snapshot(text)


@pytest.mark.parametrize(
    "torn", [lambda new, old: b"?" + new[1:9] + old[9:], lambda new, old: new[:-3]]
)
def test_a_snapshot_that_was_cut_while_it_was_written_does_not_count(tmp_path: Path, torn) -> None:
    vault = Vault(tmp_path)
    vault.put(snapshot("old"))
    first = vault.newest
    vault.put(snapshot("new"))
    (second,) = set(tmp_path.iterdir()) - {first}
    second.write_bytes(torn(snapshot("new"), snapshot("old")))

    assert Vault(tmp_path).newest == first
    Vault(tmp_path).put(snapshot("newer"))
    assert is_whole(second.read_bytes())
    assert first is not None
    assert first.read_bytes() == snapshot("old")


def test_snapshots_are_for_the_owner_alone(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.put(snapshot("a"))
    vault.put(snapshot("b"))

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
