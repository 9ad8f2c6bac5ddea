import pytest

from stacknb.exceptions import BadInput
from stacknb.places import check_name
from stacknb.text.names import nearest


@pytest.mark.parametrize(
    "name", ["", "a/b", "a b", "é", "--x", "a\n", ".." + "/x", ".", "..", "-x"]
)
def test_what_cannot_name_a_task_is_refused(name: str) -> None:
    with pytest.raises(
        BadInput, match=r"cannot name a task: use letters, digits, '\.', '_' and '-'"
    ):
        check_name(name)


def test_a_name_is_200_characters_at_most() -> None:
    check_name("x" * 200)
    with pytest.raises(BadInput) as caught:
        check_name("x" * 201)
    said = f"'{'x' * 20}…' cannot name a task: it has 201 characters; use at most 200"
    assert str(caught.value) == said


def test_the_nearest_name_is_told() -> None:
    assert nearest("dbb", ["db", "api"]) == "; did you mean 'db'?"
    assert nearest("zzz", ["db", "api"]) == ""
    assert nearest("foo", ["hooks"]) == nearest("bogus", ["log"]) == "", "far-fetched"
