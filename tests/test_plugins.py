from pathlib import Path

import pytest

from stacknb.exceptions import BadInput
from stacknb.plugins import (
    Plugin,
    check_tree,
    is_devstack,
    localrc_of,
    misordered,
    parse_plugins,
    read_settings,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "my plugin=x"
    (path / "devstack").mkdir(parents=True)
    (path / "devstack" / "settings").touch()
    return path


def test_plugins_are_given_as_words_or_as_a_mapping(folder: Path) -> None:
    expected = [Plugin("p", folder)]

    assert parse_plugins([f"p={folder}"]) == expected
    assert parse_plugins({"p": folder}) == expected
    assert parse_plugins({"p": str(folder)}) == expected
    assert parse_plugins(()) == []


def test_a_relative_folder_and_a_tilde_are_made_absolute(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))

    assert (
        parse_plugins([f"p={folder.name}"])
        == parse_plugins([f"p=~/{folder.name}"])
        == [Plugin("p", folder)]
    )


@pytest.mark.parametrize("word", ["p", "p=", "", "/dir"])
def test_a_word_without_a_folder_is_refused(word: str) -> None:
    with pytest.raises(BadInput, match=f"plugin {word!r} should be NAME=DIR"):
        parse_plugins([word])


@pytest.mark.parametrize("name", ["a b", "a/b", "", "a,b", "ä", "a\n", "$x"])
def test_a_name_that_cannot_be_one_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(BadInput, match="cannot name a plugin: use letters, digits"):
        parse_plugins({name: folder})


def test_a_plugin_given_twice_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="plugin 'p' is given twice"):
        parse_plugins([f"p={folder}", f"p={folder}"])


def test_a_folder_that_is_missing_or_no_plugin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"plugin 'p': there is no folder '.*/none'; clone it there first"
    ):
        parse_plugins([f"p={tmp_path / 'none'}"])
    with pytest.raises(
        BadInput,
        match=r"holds none of devstack/override-defaults, devstack/settings, devstack/plugin.sh",
    ):
        parse_plugins([f"p={tmp_path}"])


@pytest.mark.parametrize(
    ("order", "requires", "sentences"),
    [
        ("ab", ["b a"], []),
        ("ab", [], []),
        ("ab", ["a b"], ["plugin 'a' requires 'b', which comes after it; move 'b' before 'a'"]),
        ("a", ["a b"], ["plugin 'a' requires 'b', which is not enabled; enable it before"]),
        ("ab", ["c a"], []),
        ("abc", ["a b", "b c", "c a"], [
            "plugin 'a' requires 'b', which comes after it; move 'b' before 'a'",
            "plugin 'b' requires 'c', which comes after it; move 'c' before 'b'",
        ]),
    ],
)  # fmt: skip
def test_an_order_that_contradicts_plugin_requires_is_told(
    order: str, requires: list[str], sentences: list[str]
) -> None:
    assert misordered([Plugin(name, Path("/")) for name in order], requires) == sentences


LOCAL_CONF = """# before
[[local|localrc]]
A=1
B='[[ not a heading ]]'
[[post-config|$NOVA_CONF]]
[DEFAULT]
x = y
[[ local | localrc ]]
C=3
[[extra|/etc/x]]
"""


def test_the_localrc_parts_of_a_local_conf_are_put_together() -> None:
    text, others = localrc_of(LOCAL_CONF)

    assert text == "A=1\nB='[[ not a heading ]]'\nC=3\n"
    assert others == ["post-config|$NOVA_CONF", "extra|/etc/x"]


def test_a_file_without_headings_is_a_localrc_as_a_whole() -> None:
    assert localrc_of("A=1\n[x]\n") == ("A=1\n[x]\n", [])


def test_a_multi_line_value_of_a_localrc_is_kept() -> None:
    assert localrc_of("[[local|localrc]]\nA='x\n\n  y'\n")[0] == "A='x\n\n  y'\n"


def test_settings_are_read_from_either_file_or_both(tmp_path: Path) -> None:
    (tmp_path / "rc").write_bytes(b"R=\xff\n")
    (tmp_path / "conf").write_text("[[local|localrc]]\nA=1\n")

    assert read_settings(None, None) == ""
    assert read_settings(tmp_path / "rc", None) == "R=\udcff\n"
    assert read_settings(None, tmp_path / "conf") == "A=1\n"
    assert read_settings(tmp_path / "rc", tmp_path / "conf") == "A=1\nR=\udcff\n"


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none' cannot be read: No such file"):
        read_settings(tmp_path / "none", None)
    (tmp_path / "conf").write_text("[[post-config|x]]\nA=1\n")
    with pytest.raises(BadInput, match=r"conf' has no \[\[local\|localrc\]\] part; add one"):
        read_settings(None, tmp_path / "conf")


def test_a_tree_is_a_folder_with_extras_or_with_a_plugin(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "top" / "extras.d").mkdir(parents=True)

    assert check_tree(tmp_path / "top", []) == tmp_path / "top"
    assert check_tree(tmp_path, [Plugin("p", folder)]) == tmp_path


def test_a_tree_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, why in [
        ("none", r"top_dir '.*none': there is no such folder"),
        ("file", r"top_dir '.*file': it is a file"),
        ("", "holds no hooks: it has no extras.d, and no plugin is given"),
    ]:
        with pytest.raises(BadInput, match=why):
            check_tree(tmp_path / name, [])


def test_a_devstack_tree_is_told_by_its_files(tmp_path: Path) -> None:
    for name in ("stack.sh", "functions", "functions-common"):
        assert not is_devstack(tmp_path)
        (tmp_path / name).touch()

    assert is_devstack(tmp_path)
