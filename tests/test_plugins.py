from pathlib import Path

import pytest

from stacknb.exceptions import BadInput
from stacknb.plugins import (
    Plugin,
    check_tree,
    enabled,
    foreseen,
    is_devstack,
    misordered,
    missing,
    parse_plugins,
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
        == parse_plugins(f"p={folder.name}")
        == [Plugin("p", folder)]
    )


@pytest.mark.parametrize("word", ["p", "p=", "", "/dir"])
def test_a_word_without_a_folder_is_refused(word: str) -> None:
    with pytest.raises(BadInput, match=f"plugin {word!r} should be NAME=DIR"):
        parse_plugins([word])


@pytest.mark.parametrize("name", ["a b", "a/b", "", "a,b", "ä", "a\n", "$x", ".", ".."])
def test_a_name_that_cannot_be_one_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(BadInput, match="cannot name a plugin: use letters, digits"):
        parse_plugins({name: folder})


def test_a_plugin_of_whose_name_no_log_can_be_called_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="cannot name a plugin: it has 255 characters"):
        parse_plugins({"p" * 255: folder})


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


def test_a_tree_is_a_folder_with_extras_or_with_a_plugin(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "top" / "extras.d").mkdir(parents=True)

    assert check_tree(tmp_path / "top", []) == tmp_path / "top"
    assert check_tree(tmp_path, [Plugin("p", folder)]) == tmp_path


def test_a_tree_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "shop" / "extras.d").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch()
    for name, why in [
        ("run", r"holds no hooks: .*; it is the directory of a run: give the tree that was"),
        ("none", r"top_dir '.*none': there is no such folder"),
        ("file", r"top_dir '.*file': it is a file"),
        ("", r"holds no hooks: it has no extras.d, and no plugin is given .*mean '.*/shop'\?"),
        ("shop/extras.d", "holds no hooks: .*; give the folder that holds it"),
    ]:
        with pytest.raises(BadInput, match=why):
            check_tree(tmp_path / name, [])


@pytest.mark.parametrize(("name", "words"), [("mine", "mine={}"), ("my plugin", "'NAME={}'")])
def test_a_plugin_given_as_the_tree_is_told_how_it_is_enabled(
    tmp_path: Path, name: str, words: str
) -> None:
    place = tmp_path / name
    (place / "devstack").mkdir(parents=True)
    with pytest.raises(BadInput) as caught:
        check_tree(place, [])

    assert f"{str(place)!r} is a plugin, no tree" in str(caught.value)
    assert str(caught.value).endswith(f"any folder as the tree, and --plugin {words.format(place)}")


def test_a_devstack_tree_is_told_by_its_files(tmp_path: Path) -> None:
    for name in ("stack.sh", "functions", "functions-common"):
        assert not is_devstack(tmp_path)
        (tmp_path / name).touch()

    assert is_devstack(tmp_path)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for place in ("dest/a", "top/lib/a", "other/a"):
        (tmp_path / place / "devstack").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("enable_plugin a https://host/a", "dest/a"),
        ("enable_plugin a host:a master", "dest/a"),
        ("enable_plugin a   # where DEST is", "dest/a"),
        ("enable_plugin a 'https://host/a'", "dest/a"),
        ("enable_plugin a '{here}/other/a' main  # mine", "other/a"),
        ("enable_plugin a https://host/a $BRANCH", "dest/a"),
        ('enable_plugin a https://host/a "${{BRANCH}}"', "dest/a"),
        ("enable_plugin a file://'{here}'/other/a", "other/a"),
        ("enable_plugin a ./lib/a", "top/lib/a"),
        ("enable_plugin a '$TOP_DIR'/lib/a", "top/$TOP_DIR/lib/a"),
        ("enable_plugin a ./not/there", "top/not/there"),
        ('enable_plugin a "$TOP_DIR/lib/a" "main"', "top/lib/a"),
        ('enable_plugin a "${{TOP_DIR}}"/lib/a', "top/lib/a"),
        ("DEST=${{TOP_DIR}}/lib\nenable_plugin a https://host/a", "top/lib/a"),
        ("DEST='{here}/other' # there\nenable_plugin a https://host/a", "other/a"),
        ('export DEST="{here}/other"\nenable_plugin a https://host/a', "other/a"),
        ("enable_plugin a ./lib/a\nenable_plugin a '{here}/other/a'", "top/lib/a"),
        ("cat <<X\nDEST=/x\nX\nenable_plugin a https://host/a", "dest/a"),
        ("cat <<'X Y' <<-Z\nX\nX Y\n\tZ\nenable_plugin a ./lib/a", "top/lib/a"),
        ("x=$((1<<8)) # no document\nread a <<<8\nenable_plugin a ./lib/a", "top/lib/a"),
    ],
)
def test_a_plugin_is_foreseen_where_enable_plugin_will_look_for_it(
    three: Path, line: str, place: str
) -> None:
    found = foreseen(line.format(here=three), three / "top", str(three / "dest"))
    assert found == [Plugin("a", three / place)]


def test_a_folder_with_a_blank_is_foreseen_where_it_is_quoted(tmp_path: Path) -> None:
    top = tmp_path / "my $tree"
    (top / "a/devstack").mkdir(parents=True)
    assert foreseen('enable_plugin a "$TOP_DIR/a"', top, "") == [Plugin("a", top / "a")]
    assert foreseen("DEST=$TOP_DIR\nenable_plugin a", top, "") == [Plugin("a", top / "a")]
    assert foreseen("enable_plugin a $TOP_DIR/a", top, "") == []


@pytest.mark.parametrize("name", ['"a"', "'a'"])
def test_a_plugin_is_foreseen_whose_name_is_quoted(three: Path, name: str) -> None:
    [plugin] = foreseen(f"enable_plugin {name} $TOP_DIR/lib/a", three / "top", "")
    assert plugin.name == "a"


@pytest.mark.parametrize(
    "line",
    [
        "  enable_plugin a https://host/a",  # within something
        "#enable_plugin a https://host/a",
        "enable_plugin a $HOME/a",
        "enable_plugin a file://$HOME/a $BRANCH",
        'enable_plugin a "$HOME/a"',
        "enable_plugin a https://host/a || true",
        "enable_plugin a https://host/a; echo",
        "enable_plugin $a https://host/a",
        "enable_plugin \"a' https://host/a",
        "enable_plugin a#b https://host/a",
        "enable_plugins a https://host/a",
        "DEST=$HOME\nenable_plugin a https://host/a",
        'DEST="$HOME/x"\nenable_plugin a https://host/a',
        "cat >x <<EOF\nenable_plugin a https://host/a\nEOF",
        'cat <<- "END"\nenable_plugin a https://host/a\n\tEND\n',
        "tee <<\\A <<B\nA\nenable_plugin a https://host/a\nB",
    ],
)
def test_what_only_bash_can_tell_is_not_foreseen(three: Path, line: str) -> None:
    assert foreseen(line, three / "top", str(three / "dest")) == []


def test_a_plugin_is_foreseen_whose_line_goes_on_in_the_next(three: Path) -> None:
    lines = ["enable_plugin a \\", "    https://host/a \\", " main", "# and \\", "enable_plugin c"]
    dest = three / "dest"
    found = foreseen("\n".join(lines), three / "top", str(dest))
    assert found == [Plugin("a", dest / "a"), Plugin("c", dest / "c")]


@pytest.mark.parametrize("source", ["{here}/other/a", "$GIT_BASE/a", "${{GIT_BASE}}/a $BRANCH"])
def test_in_a_devstack_tree_every_plugin_is_foreseen_in_dest(three: Path, source: str) -> None:
    for name in ("stack.sh", "functions", "functions-common"):
        (three / "top" / name).touch()
    line = f"enable_plugin a {source.format(here=three)}"
    assert foreseen(line, three / "top", str(three / "dest")) == [Plugin("a", three / "dest/a")]


def test_a_plugin_that_was_given_keeps_its_folder_whatever_a_hook_makes_of_gitdir() -> None:
    given = Plugin("a", Path("/given/a"))
    pairs = {"b": "/dest/b", "a": "/dest/a"}
    assert enabled([given], pairs) == [Plugin("b", Path("/dest/b")), given]


def test_only_plugins_whose_folder_is_not_there_are_said_to_be_missing(tmp_path: Path) -> None:
    gone = Plugin("b", tmp_path / "b")
    assert list(missing([Plugin("a", tmp_path), gone])) == [gone]


def test_where_a_plugin_lies_is_unknown_behind_a_dest_that_a_command_decides(
    tmp_path: Path,
) -> None:
    line = "enable_plugin p https://host/p\n"
    assert foreseen(line, tmp_path, "/dest") == [Plugin("p", Path("/dest/p"))]
    assert foreseen(f"DEST=$(pwd)\n{line}", tmp_path, "/dest") == []
