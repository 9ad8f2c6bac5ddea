import os
from pathlib import Path

import pytest

from stacknb.exceptions import BadInput
from stacknb.run.settings import Settings, localrc_of

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

    assert text == "\n\nA=1\nB='[[ not a heading ]]'\n\n\n\n\nC=3\n\n"  # each in its line
    assert others == ["post-config|$NOVA_CONF", "extra|/etc/x"]


def test_a_heading_may_have_a_comment() -> None:
    text, others = localrc_of("[[local|localrc]] # mine\nA=1\n[[extra|x]]  # theirs\nB=2\n")

    assert (text, others) == ("\nA=1\n\n\n", ["extra|x"])


def test_the_parts_of_a_local_conf_that_nobody_reads_are_told(tmp_path: Path) -> None:
    conf = tmp_path / "local.conf"
    conf.write_text(LOCAL_CONF)
    said = Settings.given(local_conf=conf).left_out(tmp_path / "tree")
    assert "not '[[post-config|$NOVA_CONF]]', '[[extra|/etc/x]]'; set what" in said

    conf.write_text("[[local|localrc]]\nA=1\n")
    assert Settings.given(local_conf=conf).left_out(tmp_path / "tree") == ""


@pytest.mark.parametrize(("name", "option"), [("local.conf", "local-conf"), ("localrc", "localrc")])
def test_settings_that_lie_in_the_tree_and_were_not_given_are_told(
    tmp_path: Path, name: str, option: str
) -> None:
    assert Settings().left_out(tmp_path) == ""
    (tmp_path / name).write_text("[[local|localrc]]\nA=1\n")
    said = f"'{tmp_path}/{name}' is not read unless it is given: --{option} FILE"
    assert Settings().left_out(tmp_path) == said
    assert Settings.given(local_conf=tmp_path / name).left_out(tmp_path) == ""


@pytest.mark.parametrize(
    "heading", ["extra|x]] and more", "extra|]]", "extra|${X[a]}]]", "extra|x]];y", "extra|x]]  "]
)
def test_what_follows_a_heading_does_not_matter(heading: str) -> None:
    for own in ("[[local|localrc]] mine", "[[local|localrc]];"):
        text, others = localrc_of(f"[[{heading}\n(\n{own}\nA=1\n")
        assert (text, others) == ("\n\n\nA=1\n", [heading.partition("]]")[0]])


@pytest.mark.parametrize("test", ["$A =~ a|b ]]", "$A == @(a|b) ]] && B=1", "$A||$B ]] && C=1"])
def test_a_test_of_bash_is_no_heading(test: str) -> None:
    text = f"[[local|localrc]]\n[[ {test}\nB=1\n"
    assert localrc_of(text) == (text.replace("[[local|localrc]]", ""), [])


def test_a_file_without_headings_is_a_localrc_as_a_whole() -> None:
    assert localrc_of("A=1\n[x]\n") == ("A=1\n[x]\n", [])


def test_a_multi_line_value_of_a_localrc_is_kept() -> None:
    assert localrc_of("[[local|localrc]]\nA='x\n\n  y'\n")[0] == "\nA='x\n\n  y'\n"


def test_the_files_are_told_and_sourced_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    rc, conf = tmp_path / "rc", tmp_path / "conf"
    rc.write_bytes(b"R=\xff\n")
    conf.write_bytes(b"[[extra|x]]\ny\n[[local|localrc]]\nA=1")

    assert list(Settings.given().scripts(tmp_path)) == []
    settings = Settings.given(os.path.relpath(rc), conf)
    assert settings.facts() == {"localrc": str(rc), "local_conf": str(conf)}
    assert settings.text() == "\n\n\nA=1\nR=\udcff\n"
    copy = tmp_path / "state" / "local.conf"
    assert list(settings.scripts(tmp_path)) == [(copy, conf), (rc, rc)]
    assert copy.read_text() == "\n\n\nA=1\n"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert Settings.of_run(tmp_path, settings.facts()) == settings


def test_a_pipe_which_can_be_read_only_once_is_kept(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    read, write = os.pipe()
    os.write(write, b"R=\xff\n")
    os.close(write)
    settings = Settings.given(f"/dev/fd/{read}")
    os.close(read)

    copy = tmp_path / "state" / "localrc"
    assert list(settings.scripts(tmp_path)) == [(copy, copy)]
    assert copy.read_bytes() == b"R=\xff\n"
    assert Settings.of_run(tmp_path, settings.facts()).localrc == copy


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none' cannot be read: No such file"):
        Settings.given(tmp_path / "none")
    (tmp_path / "conf").write_text("[[post-config|x]]\nA=1\n")
    with pytest.raises(BadInput, match=r"conf' has no \[\[local\|localrc\]\] part; add one"):
        Settings.given(None, tmp_path / "conf")
    (tmp_path / "rc").write_text("A=1\n")
    settings = Settings.given(tmp_path / "rc")
    (tmp_path / "rc").unlink()
    with pytest.raises(BadInput, match=r"rc' cannot be read: No such file"):
        list(settings.scripts(tmp_path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"A=1\r\nB=2\r\n", "it has CRLF line ends, which bash cannot run; convert it, "),
        (b"\xef\xbb\xbfA=1\n", "it begins with a byte order mark, which bash cannot read; "),
    ],
)
def test_settings_that_bash_cannot_read_are_named_with_the_command_that_mends_them(
    tmp_path: Path, text: bytes, fault: str
) -> None:
    rc, conf = tmp_path / "rc", tmp_path / "conf"
    rc.write_bytes(text)
    for heading in (b"", b"[[local|localrc]]\n"):
        bom = b"\xef\xbb\xbf" if text.startswith(b"\xef") else b""
        conf.write_bytes(bom + heading + text.removeprefix(bom))
        for given in ((rc, None), (None, conf)):
            with pytest.raises(BadInput) as caught:
                Settings.given(*given)
            name = rc if given[0] else conf
            assert str(caught.value).startswith(f"settings {str(name)!r}: {fault}")
            assert "sed -i" in str(caught.value)
    rc.write_text("A=1\n")
    settings = Settings.given(rc)
    rc.write_bytes(text)
    with pytest.raises(BadInput, match="which bash cannot"):
        list(settings.scripts(tmp_path))


def test_settings_with_a_syntax_error_are_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("[[extra|x]]\n(\n[[local|localrc]]\nA=1\nB=(2\n")
    with pytest.raises(BadInput, match=r"settings '.*conf', line \d.*: .*; mend it"):
        Settings.given(None, tmp_path / "conf")


def test_line_ends_of_parts_that_are_not_for_bash_do_not_matter(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.write_bytes(b"[[post-config|$X]]\r\n[a]\r\n[[local|localrc]]\r\nA=1\n")

    assert Settings.given(None, conf).local_conf == conf


def test_a_file_behind_a_descriptor_is_kept_since_bash_has_another_one(tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("A=1\n")
    with (tmp_path / "rc").open() as file:
        settings = Settings.given(f"/dev/fd/{file.fileno()}")
    assert (settings.localrc, settings.kept) == (None, "A=1\n")
