import os
from pathlib import Path

import pytest

from stacknb.rundir.umask import heed_no_umask


@pytest.mark.parametrize(("mode", "file"), [(0o700, 0o600), (0o755, 0o644), (0o111, 0o600)])
def test_a_file_gets_the_rights_of_its_folder_whatever_the_umask(
    tmp_path: Path, mode: int, file: int
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)
    heed_no_umask(folder)
    folder.chmod(0o755)
    before = os.umask(0o777)
    try:
        (folder / "file").touch()
    finally:
        os.umask(before)
    assert (folder / "file").stat().st_mode & 0o777 == file


def test_where_there_are_no_lists_of_rights_all_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "setxattr")
    heed_no_umask(tmp_path)
    heed_no_umask("/proc/self")
    assert list(tmp_path.iterdir()) == []
