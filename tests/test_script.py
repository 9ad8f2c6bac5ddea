from pathlib import Path

import pytest

from stacknb.text.script import Script, look


def test_a_hook_in_bash_has_nothing_against_it(tmp_path: Path) -> None:
    path = tmp_path / "50-api.sh"
    path.write_text("echo api\n")
    assert look(path) == Script()


@pytest.mark.parametrize(
    "line", ["trap - ERR", "set -eE", "set +e -E", "shopt -s extdebug", "set -o errtrace"]
)
def test_a_hook_that_deals_with_err_is_known_by_its_words(tmp_path: Path, line: str) -> None:
    path = tmp_path / "50-api.sh"
    path.write_text(f"echo api\n{line}\n")
    assert look(path).deals_with_err


def test_a_folder_in_the_place_of_a_script_is_skipped_and_has_no_fault(tmp_path: Path) -> None:
    assert look(tmp_path) == Script("skipped: it is no file")
