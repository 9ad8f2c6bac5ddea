import pytest

from stacknb.snapshots.masking import Masker
from stacknb.snapshots.snapshot import MASK, Variable


def string(name: str, value: str) -> Variable:
    return Variable(name, "--", f'"{value}"'.encode())


@pytest.fixture
def masker() -> Masker:
    return Masker([string("ADMIN_PASSWORD", "sesame"), string("DEBUG_TOKEN", "no")])


def test_the_value_of_a_secret_name_is_masked(masker: Masker) -> None:
    assert masker.value("API_KEY", "abc") == MASK
    assert masker.value("COLOUR", "blue") == "blue"
    assert masker.value("API_KEY", "") == ""


def test_the_value_of_a_secret_is_masked_wherever_it_stands(masker: Masker) -> None:
    assert masker.value("URL", "say sesame twice: sesame") == f"say {MASK} twice: {MASK}"


def test_a_secret_in_parentheses_is_no_array_and_is_masked() -> None:
    masker = Masker([string("ADMIN_PASSWORD", "(sesame)"), Variable("NO_SECRET", "-", None)])
    assert masker.text("say (sesame) twice") == f"say {MASK} twice"


@pytest.mark.parametrize(("value", "shown"), [("abc", "abc"), ("abcd", MASK)])
def test_a_secret_of_four_characters_is_masked_and_a_shorter_one_is_not(
    value: str, shown: str
) -> None:
    assert Masker([string("ADMIN_PASSWORD", value)]).text(value) == shown


def test_a_value_too_short_to_be_a_secret_is_no_reason_to_mask_other_text(masker: Masker) -> None:
    assert masker.text("nobody") == "nobody"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DB_PASSWORD=abc SIZE=3", f"DB_PASSWORD={MASK} SIZE=3"),
        ("export DB_PASSWORD='a b'; echo", f"export DB_PASSWORD={MASK}; echo"),
        ('([user]="root" [password]="a \\" b")', f'([user]="root" [password]={MASK})'),
        ("mysql --password=abc -u x", f"mysql --password={MASK} -u x"),
        ("mysql://root:abc@host/x", f"mysql://root:{MASK}@host/x"),
        ("DB_PASSWORD=$ADMIN_PASSWORD", "DB_PASSWORD=$ADMIN_PASSWORD"),
        ("SIZE=3", "SIZE=3"),
    ],
)
def test_what_looks_like_a_secret_in_a_text_is_masked(text: str, shown: str) -> None:
    assert Masker().text(text) == shown


def test_secrets_learned_later_are_masked(masker: Masker) -> None:
    assert masker.text("open barley") == "open barley"
    masker.learn([string("CELLAR_SECRET", "barley")])
    assert masker.text("open barley") == f"open {MASK}"


def test_a_secret_that_holds_another_is_masked_whole() -> None:
    masker = Masker([string("A_SECRET", "sesame"), string("B_SECRET", "sesame-street")])
    assert masker.text("x sesame-street y") == f"x {MASK} y"
