from pathlib import Path

import pytest

from stacknb.lifecycle import Phase
from stacknb.plugins import Plugin
from stacknb.run.order import Order
from stacknb.run.roster import Agenda, Roster
from stacknb.shell.turns import Turn
from stacknb.snapshots.snapshot import Variable

SOURCE = Phase("source")


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    folder = tmp_path / "shop"
    (folder / "devstack").mkdir(parents=True)
    (folder / "devstack" / "settings").write_text("SHOP=1\n")
    return Plugin("shop", folder)


def test_a_plugin_that_a_hook_enables_joins_the_phase_under_way(
    tmp_path: Path, plugin: Plugin
) -> None:
    roster = Roster(Order(tmp_path), pytest.fail)
    turn = Agenda(SOURCE, 0.0, *roster.hooks(SOURCE))
    assert turn.left == []
    roster.hear(Turn("done", 0, {"shop": str(plugin.folder)}))
    assert roster.follow(turn)
    assert [hook.name for hook in turn.left] == ["shop-settings"]
    assert not roster.follow(turn)


def test_a_lost_shell_tells_nothing_of_plugins(tmp_path: Path, plugin: Plugin) -> None:
    roster = Roster(Order(tmp_path, (plugin,)), pytest.fail)
    roster.hear(Turn("lost", 0, {}))
    assert roster.plugins == [plugin]


def test_what_is_wrong_with_the_order_of_plugins_is_noted(tmp_path: Path, plugin: Plugin) -> None:
    notes: list[str] = []
    roster = Roster(Order(tmp_path, (plugin,)), notes.append)
    roster.hear(Turn("done", 0, {"shop": str(plugin.folder)}, requires=("shop bank",)))
    assert notes == ["plugin 'shop' requires 'bank', which is not enabled; enable it before"]


@pytest.mark.parametrize("word", ["$DEST/shop", "${DEST}/shop/lib", '"$DEST/shop"'])
def test_a_plugin_that_looks_for_its_files_where_they_are_not_is_noted(
    tmp_path: Path, plugin: Plugin, word: str
) -> None:
    (plugin.folder / "devstack" / "plugin.sh").write_text(f"source {word}\n")
    notes: list[str] = []
    roster = Roster(Order(tmp_path, (plugin,)), notes.append)
    roster.check_dest(lambda name: [Variable(name, "-", b'"/opt/stack"')])
    [note] = notes
    assert note.startswith("plugin 'shop' looks for its own files in '/opt/stack/shop', which is")
    assert f"link it to {str(plugin.folder)!r}" in note
    roster.check_dest(lambda name: [Variable(name, "-", f'"{tmp_path}"'.encode())])
    assert notes == [note]


def test_a_plugin_that_names_no_folder_in_dest_may_lie_anywhere(
    tmp_path: Path, plugin: Plugin
) -> None:
    (plugin.folder / "devstack" / "plugin.sh").write_text("cd $DEST/shop-ui; cd $DEST/other\n")
    roster = Roster(Order(tmp_path, (plugin,)), pytest.fail)
    roster.check_dest(lambda name: pytest.fail("asks for nothing"))
