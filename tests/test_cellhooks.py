import shlex
from pathlib import Path

import pytest

from stacknb import lifecycle
from stacknb.exceptions import BadInput
from stacknb.hooks import cellhooks
from stacknb.lifecycle import Phase
from stacknb.plugins import Plugin

INSTALL = Phase("stack", "install")


def test_lines_of_the_file_are_lines_of_the_cell(tmp_path: Path) -> None:
    added = cellhooks.add(tmp_path, "50-a.sh", "one\ntwo")
    assert added.path.read_text().splitlines()[1:] == ["one", "two"]
    assert added.path.read_text().startswith("#")
    assert not added.replaced


def test_the_same_name_again_replaces_the_hook(tmp_path: Path) -> None:
    cellhooks.add(tmp_path, "50-a.sh", "one\n")
    added = cellhooks.add(tmp_path, "50-a.sh", "two\n")
    assert added.replaced
    assert "one" not in added.path.read_text()
    assert "replaced by this cell" in repr(added)


def test_wrong_syntax_is_refused_with_its_place_in_the_cell(tmp_path: Path) -> None:
    cellhooks.add(tmp_path, "50-a.sh", "one\n")
    with pytest.raises(BadInput) as caught:
        cellhooks.add(tmp_path, "50-a.sh", "if true; then\n  x=( ) )\nfi\n")
    assert str(caught.value).startswith(
        "hook '50-a.sh', line 3, column 9 of the cell: syntax error"
    )
    assert "\n" not in str(caught.value)
    assert "one" in (tmp_path / "extras.d" / "50-a.sh").read_text()


def test_a_fault_behind_the_last_line_quotes_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"run it again$"):
        cellhooks.add(tmp_path, "50-a.sh", "if true; then\n")


@pytest.mark.parametrize(
    ("plugin", "name", "message"),
    [
        ("", "50-a", "'50-a' should be called NN-name.sh"),
        ("", "../50-a.sh", "'../50-a.sh' cannot name a hook"),
        ("", "5" * 300 + ".sh", "cannot name a hook: it has 303 characters; use at most 200"),
        ("", ".50-a.sh", "'.50-a.sh' cannot name a hook: with a dot in front"),
        ("shop", "setings", "'setings' is no file of a plugin; did you mean 'settings'"),
        ("../shop", "settings", "'../shop' cannot name a plugin"),
    ],
)
def test_bad_names_are_refused(tmp_path: Path, plugin: str, name: str, message: str) -> None:
    with pytest.raises(BadInput, match=message.replace(".", r"\.")):
        cellhooks.add(tmp_path, name, "true\n", plugin)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_line_ends_of_another_system_are_mended_and_nul_is_refused(tmp_path: Path) -> None:
    added = cellhooks.add(tmp_path, "50-a.sh", "one\r\ntwo\r\n")
    assert added.path.read_bytes().endswith(b"\none\ntwo\n")
    with pytest.raises(BadInput, match="holds a NUL"):
        cellhooks.add(tmp_path, "50-a.sh", "one\0\n")


def test_a_reserved_number_is_pointed_out(tmp_path: Path) -> None:
    assert "DevStack's own" in cellhooks.add(tmp_path, "95-a.sh", "true\n").warning


def test_cells_are_laid_over_the_tree(tmp_path: Path) -> None:
    tree, cells = tmp_path / "tree", tmp_path / "cells"
    for path in (tree / "extras.d" / "10-a.sh", tree / "extras.d" / "20-b.sh",
                 tree / "p" / "devstack" / "plugin.sh"):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("true\n")
    cellhooks.add(cells, "20-b.sh", "true\n")
    cellhooks.add(cells, "15-c.sh", "true\n")
    cellhooks.add(cells, "plugin.sh", "true\n", "p")
    hooks = lifecycle.hooks_of(INSTALL, tree, [Plugin("p", tree / "p")], cells)
    assert [(hook.name, hook.path.is_relative_to(cells)) for hook in hooks] == [
        ("10-a.sh", False), ("15-c.sh", True), ("20-b.sh", True), ("p-plugin.sh", True),
    ]  # fmt: skip


def test_a_hook_ends_with_a_newline_whether_its_cell_does_or_not(tmp_path: Path) -> None:
    for text in ("true", "true\n"):
        path = cellhooks.add(tmp_path, "50-a.sh", text).path
        assert path.read_text() == "# %%hook 50-a.sh\ntrue\n"


def test_links_of_a_tree_and_of_a_plugin_stay_links_in_what_is_exported(tmp_path: Path) -> None:
    tree, plugin = tmp_path / "tree", tmp_path / "shop"
    for folder in (tree, plugin / "devstack"):
        folder.mkdir(parents=True)
        (folder / "link").symlink_to("nowhere")
    cellhooks.export(tmp_path / "out", tmp_path / "cells", tree, [Plugin("shop", plugin)])
    for link in ("out/link", "out/plugins/shop/devstack/link"):
        assert (tmp_path / link).readlink() == Path("nowhere")
    assert (tmp_path / "out" / "extras.d").is_dir()


def test_the_local_conf_of_an_exported_tree_keeps_its_bytes(tmp_path: Path) -> None:
    tree, cells = tmp_path / "tree", tmp_path / "cells"
    (tree / "extras.d").mkdir(parents=True)
    (tree / "local.conf").write_bytes(b"[[local|localrc]]\nA='\xff\x0c'\n")
    added = cellhooks.add(cells, "settings", "define_plugin shop\n", "shop")
    cellhooks.export(tmp_path / "out", cells, tree, [Plugin("shop", added.path.parents[1])])
    assert (tmp_path / "out" / "local.conf").read_bytes() == (
        b"[[local|localrc]]\nenable_plugin shop \"$TOP_DIR/plugins/shop\"\nA='\xff\x0c'\n"
    )


def test_what_is_exported_is_an_ordinary_tree(tmp_path: Path) -> None:
    tree, cells = tmp_path / "tree", tmp_path / "cells"
    for name in ("extras.d/10-a.sh", "lib/a.sh", ".stacknb/runs/x", ".git/config"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"# {name}\n")
    (tree / "local.conf").write_text("[[post-config|x.conf]]\n[a]\n[[local|localrc]]\nA=1\n")
    cellhooks.add(cells, "10-a.sh", "# of a cell\n")
    added = cellhooks.add(cells, "settings", "define_plugin shop\n", "shop")
    shop = Plugin("shop", added.path.parents[1])
    done = cellhooks.export(tmp_path / "out", cells, tree, [shop])
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")}
    assert {"extras.d/10-a.sh", "lib/a.sh", "plugins/shop/devstack/settings"} <= files
    assert not any(name.startswith((".stacknb", ".git")) for name in files)
    assert "# of a cell" in (tmp_path / "out" / "extras.d" / "10-a.sh").read_text()
    assert (tmp_path / "out" / "local.conf").read_text().splitlines() == [
        "[[post-config|x.conf]]", "[a]", "[[local|localrc]]",
        'enable_plugin shop "$TOP_DIR/plugins/shop"', "A=1",
    ]  # fmt: skip
    assert shlex.split(done.command)[-2:] == ["--plugin", f"shop={tmp_path}/out/plugins/shop"]
    assert "2 hooks from cells" in repr(done)
    with pytest.raises(BadInput, match="holds something already"):
        cellhooks.export(tmp_path / "out", cells, tree, [])
    with pytest.raises(BadInput, match="is within the tree"):
        cellhooks.export(tree / "out", cells, tree, [])


def test_a_word_that_is_no_phase_is_told_at_once_since_a_run_does_not_tell(tmp_path: Path) -> None:
    hook = cellhooks.add(tmp_path, "95-a.sh", 'if [[ "$2" == "instal" ]]; then\n  X=1\nfi\n')
    word = hook.warning.splitlines()[1]
    assert word == (
        "warning: line 2 of the cell: 'instal' is no phase of 'stack', so this never holds; "
        "did you mean 'install'?"
    )
    assert repr(hook).count("\nwarning: ") == 2
    assert "(U+00A0)" in cellhooks.add(tmp_path, "95-a.sh", "if true; then\n\u00a0:\nfi\n").warning
    assert cellhooks.add(tmp_path, "plugin.sh", "[[ $1 == source ]]\n", "p").warning.endswith(
        "so this never holds; what is meant for it belongs into 'settings'"
    )
    # What else a check finds may be meant so.
    assert not cellhooks.add(tmp_path, "60-a.sh", "[[ $1 == clean ]] && rm -f x\n").warning
