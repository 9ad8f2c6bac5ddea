# ruff: noqa: E501  (a script of bash is read best on one line)

import os
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacknb.exceptions import BadInput
from stacknb.lifecycle import MODES, Phase, check_order, find_phase, hooks_of, phases_of, plan
from stacknb.plugins import Plugin

SOURCE = Phase("source")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "top" / "extras.d").mkdir(parents=True)
    return tmp_path / "top"


def hook(top: Path, name: str, text: str | bytes = ":\n") -> Path:
    path = top / "extras.d" / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def plugin(tmp_path: Path, name: str, *files: str) -> Plugin:
    folder = tmp_path / "plugins" / name
    (folder / "devstack").mkdir(parents=True)
    for file in files:
        (folder / "devstack" / file).write_text(":\n")
    return Plugin(name, folder)


def test_the_phases_of_stack_in_their_order() -> None:
    assert [phase.label for phase in phases_of("stack")] == [
        "override_defaults", "source", "stack pre-install", "stack install", "stack post-config", "stack extra",
        "stack test-config",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["unstack", "clean"])
def test_unstack_and_clean_have_the_first_two_phases_and_their_own(mode: str) -> None:
    assert [phase.label for phase in phases_of(mode)] == ["override_defaults", "source", mode]


@pytest.mark.parametrize("mode", ["", "Stack", "install", "source"])
def test_an_unknown_mode_names_the_modes(mode: str) -> None:
    with pytest.raises(BadInput, match=f"unknown mode {mode!r}; (did you mean|there are) .*stack"):
        phases_of(mode)


@pytest.mark.parametrize("text", ["install", "stack install", "stack-install", " stack  install "])
def test_a_phase_may_be_named_in_three_ways(text: str) -> None:
    assert find_phase(text) == Phase("stack", "install")


def test_every_label_finds_its_phase() -> None:
    for mode in MODES:
        for phase in phases_of(mode):
            assert find_phase(phase.label, mode) == phase
            assert find_phase(phase.label.replace(" ", "-"), mode) == phase


@pytest.mark.parametrize(
    ("text", "near"), [("instal", "install"), ("stack instal", "install"), ("stack extr", "extra"), ("postconfig", "post-config"),
                       ("pre_install", "pre-install"), ("override-defaults", "override_defaults"), ("Source", "source")]
)  # fmt: skip
def test_an_unknown_phase_is_named_with_the_nearest(text: str, near: str) -> None:
    with pytest.raises(BadInput, match=f"unknown phase {text!r}: did you mean {near!r}"):
        find_phase(text)


def test_a_phase_of_another_mode_is_unknown() -> None:
    with pytest.raises(
        BadInput, match="the phases of 'unstack' are override_defaults, source, unstack"
    ):
        find_phase("install", "unstack")


def test_extras_come_in_byte_order_then_plugins_as_enabled(top: Path, tmp_path: Path) -> None:
    for name in (
        "50-b.sh",
        "10-z.sh",
        "50-B.sh",
        "50_a.sh",
        "ä.sh",
        "notes.txt",
        "60-c.bash",
        "70-d.sh~",
    ):
        hook(top, name)
    plugins = [
        plugin(tmp_path, "zed", "settings"),
        plugin(tmp_path, "abc", "settings", "plugin.sh"),
    ]

    assert [hook.name for hook in hooks_of(SOURCE, top, plugins)] == [
        "10-z.sh", "50-B.sh", "50-b.sh", "50_a.sh", "ä.sh", "zed-settings", "abc-settings"
    ]  # fmt: skip


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8),
        unique=True,
    )
)
@settings(max_examples=50)
def test_the_order_is_that_of_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    top = tmp_path_factory.mktemp("top")
    (top / "extras.d").mkdir()
    for name in names:
        hook(top, f"{name}.sh")

    found = [os.fsencode(hook.name) for hook in hooks_of(SOURCE, top, [])]
    assert found == sorted(os.fsencode(f"{name}.sh") for name in names if name[0] != ".")


@pytest.mark.parametrize(
    ("phase", "file", "args"),
    [
        (Phase("override_defaults"), "override-defaults", ()),
        (Phase("source"), "settings", ()),
        (Phase("stack", "pre-install"), "plugin.sh", ("stack", "pre-install")),
        (Phase("stack", "test-config"), "plugin.sh", ("stack", "test-config")),
        (Phase("unstack"), "plugin.sh", ("unstack",)),
        (Phase("clean"), "plugin.sh", ("clean",)),
    ],
)
def test_which_file_of_a_plugin_is_sourced_with_which_arguments(
    top: Path, tmp_path: Path, phase: Phase, file: str, args: tuple[str, ...]
) -> None:
    hook(top, "50-a.sh")
    given = plugin(tmp_path, "p", "override-defaults", "settings", "plugin.sh")

    extra, own = hooks_of(phase, top, [given])
    assert (own.name, own.path, own.args) == (f"p-{file}", given.folder / "devstack" / file, args)
    assert extra.args == phase.args


def test_a_plugin_without_the_file_has_no_hook_there(top: Path, tmp_path: Path) -> None:
    assert hooks_of(SOURCE, top, [plugin(tmp_path, "p", "plugin.sh")]) == []


def test_a_tree_without_extras_has_the_hooks_of_its_plugins(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert [
        h.name for h in hooks_of(SOURCE, tmp_path / "empty", [plugin(tmp_path, "p", "settings")])
    ] == ["p-settings"]


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("10-a.sh", ""), ("89-a.sh", ""), ("50a.sh", ""), ("50.sh", ""), ("00-a.sh", "own"), ("09-a.sh", "own"),
        ("90-a.sh", "own"), ("99-a.sh", "own"), ("a.sh", "two digits"), ("5-a.sh", "two digits"),
        ("100-a.sh", "two digits"), ("-50.sh", "two digits"),
    ],
)  # fmt: skip
def test_the_number_of_a_name_is_checked(top: Path, name: str, warning: str) -> None:
    hook(top, name)
    (found,) = hooks_of(SOURCE, top, [])

    assert warning in found.warning
    assert bool(warning) == bool(found.warning)
    assert len(found.warning) <= 50  # a cell of a table shows no more
    assert not found.skipped


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"echo a\r\necho b\r\n", "CRLF line ends"),
        (b"#!/usr/bin/env python3\nprint()\n", "begins with '#!/usr/bin/env python3'"),
        (b"#!/usr/bin/perl\n", "no bash script"),
        (b"#!/usr/bin/perl\n", "begins with '#!/usr/bin/perl'; have a hook call it"),
        (b"\x7fELF\0\0", "NUL bytes; take it out, or write it anew as text"),
        (b"\xef\xbb\xbfecho a\n", "it begins with a byte order mark, which bash cannot read; take it away: sed -i"),
        (b"#!/bin/bash\n", ""), (b"#!/usr/bin/env bash\n", ""), (b"#!/bin/sh -e\n", ""), (b"#!/bin/bash -xe\n", ""),
        (b"", ""), (b"# comment\n", ""), (b"\xff\xfe", ""), (b"echo $'\\r'\n", ""), (b"echo a\rb\n", ""),
        (b"#!/bin/csh\n", "no bash script"), (b"#!/usr/bin/fish\n", "no bash script"),
    ],
)  # fmt: skip
def test_what_is_no_bash_script_is_told(top: Path, text: bytes, fault: str) -> None:
    path = hook(top, "50-a.sh", text)
    (found,) = hooks_of(SOURCE, top, [])

    assert fault in found.fault
    assert bool(fault) == bool(found.fault)
    assert found.warning == found.fault
    if "CRLF" in fault:
        assert f"sed -i 's/\\r$//' {shlex.quote(str(path))}" in found.fault


def test_an_unreadable_hook_is_skipped_with_a_warning(top: Path) -> None:
    (top / "extras.d" / "50-a.sh").symlink_to(top / "nowhere")
    (top / "extras.d" / "60-b.sh").mkdir()
    found = hooks_of(SOURCE, top, [])

    assert [(h.skipped, h.warning) for h in found] == [
        (True, "skipped: it cannot be read (No such file or directory)"),
        (True, "skipped: it is no file"),
    ]


def test_a_script_with_a_dot_in_front_is_no_hook_as_in_bashs_own_glob(top: Path) -> None:
    for name in ("50-a.sh", ".50-a.sh", "._50-a.sh", ".sh"):
        hook(top, name, b"\0" if name.startswith("._") else b"")

    assert [found.name for found in hooks_of(SOURCE, top, [])] == ["50-a.sh"]


def test_a_fifo_among_the_hooks_does_not_block(top: Path) -> None:
    os.mkfifo(top / "extras.d" / "50-a.sh")
    (found,) = hooks_of(SOURCE, top, [])

    assert found.skipped


@pytest.mark.parametrize(
    ("text", "deals"),
    [
        ("trap 'x' ERR", True), ("trap x INT ERR\n", True), ("set -o errtrace", True), ("set -E", True), ("set -eE", True),
        ("set +E", True), ("echo ERROR", False), ("set -e", False), ("EXTERR=1", False), ("set -x", False), ("", False),
    ],
)  # fmt: skip
def test_a_hook_that_deals_with_err_itself_is_told(top: Path, text: str, deals: bool) -> None:
    hook(top, "50-a.sh", text)
    (found,) = hooks_of(SOURCE, top, [])

    assert found.deals_with_err is deals


def test_the_plan_of_clean_begins_with_that_of_unstack(top: Path) -> None:
    hook(top, "50-a.sh")

    assert [(run, hook.phase.label) for run, hook in plan("clean", top, [])] == [
        ("unstack", "override_defaults"), ("unstack", "source"), ("unstack", "unstack"),
        ("clean", "override_defaults"), ("clean", "source"), ("clean", "clean"),
    ]  # fmt: skip


def test_the_plan_of_stack_has_each_hook_in_each_phase(top: Path, tmp_path: Path) -> None:
    hook(top, "50-a.sh")
    rows = [
        (hook.phase.label, hook.name)
        for _, hook in plan("stack", top, [plugin(tmp_path, "p", "plugin.sh")])
    ]

    assert rows == [
        ("override_defaults", "50-a.sh"), ("source", "50-a.sh"),
        *((f"stack {sub}", name) for sub in ("pre-install", "install", "post-config", "extra", "test-config")
          for name in ("50-a.sh", "p-plugin.sh")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("done", "says"),
    [
        ([], "run 'override_defaults', 'source' first"),
        (["override_defaults"], "run 'source' first"),
        (
            ["override_defaults", "source", "stack pre-install", "stack install"],
            "'stack install' is done already; next is 'stack post-config'",
        ),
    ],
)
def test_a_phase_out_of_order_is_told_what_comes_first(done: list[str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        check_order(find_phase("pre-install"), "stack", done)


def test_the_next_phase_and_the_last_one_again_are_in_order() -> None:
    done = ["override_defaults", "source"]
    for name in ("source", "pre-install"):
        check_order(find_phase(name), "stack", done)


def test_an_earlier_phase_is_in_order_where_it_has_to_be_run_again() -> None:
    done = ["override_defaults", "source", "stack pre-install", "stack install"]
    check_order(find_phase("pre-install"), "stack", done, {"stack pre-install"})
    with pytest.raises(BadInput, match="'source' is out of order"):
        check_order(find_phase("source"), "stack", done, {"stack pre-install"})
    with pytest.raises(BadInput, match="run 'stack post-config' first"):
        check_order(find_phase("extra"), "stack", done, {"stack extra"})


def test_a_pipe_in_the_place_of_a_plugins_file_is_skipped_with_a_warning(
    top: Path, tmp_path: Path
) -> None:
    given = plugin(tmp_path, "p", "plugin.sh")
    os.mkfifo(given.folder / "devstack" / "settings")
    [found] = hooks_of(SOURCE, top, [given])
    assert (found.name, found.skipped) == ("p-settings", True)
    assert found.warning == "skipped: it is no file"
