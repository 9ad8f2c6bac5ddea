import json
import os
from pathlib import Path

import pytest

from stacknb import cli
from stacknb.exceptions import BadInput
from stacknb.hooks.checking import Finding, check

SAMPLES = Path(__file__).parents[1] / "notebooks"


def write(path: Path, text: str | bytes = "true\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_sample_trees_have_nothing_to_mend() -> None:
    for path in (SAMPLES / "webshop", SAMPLES / "webshop" / "plugins" / "reports"):
        report = check(path)
        assert report.ok
        assert report.findings == []
    assert check(SAMPLES / "webshop").kind == "tree"
    assert len(check(SAMPLES / "webshop" / "plugins" / "reports").files) == 3


def test_the_plugins_within_a_tree_are_checked_too(tmp_path: Path) -> None:
    write(tmp_path / "extras.d" / "10-a.sh")
    write(tmp_path / "plugins" / "p" / "devstack" / "plugin.sh", "if\n")
    [finding] = check(tmp_path).findings
    assert finding.file == "plugins/p/devstack/plugin.sh"
    assert finding.level == "error"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("if true; then\n  x=( ) )\nfi\n", 2, "syntax error near unexpected token ')'"),
        ("true\necho\r\n", 2, "CRLF line ends"),
        (b"a\0b", 0, "it holds NUL bytes"),
        ("#!/usr/bin/python\n", 0, "it is no bash script"),
        ("\ufefftrue\n", 1, "byte order mark"),
    ],
)
def test_what_cannot_run_is_an_error(
    tmp_path: Path, text: str | bytes, line: int, said: str
) -> None:
    write(tmp_path / "devstack" / "plugin.sh", text)
    report = check(tmp_path)
    [finding] = report.findings
    assert (finding.level, finding.file, finding.line) == ("error", "devstack/plugin.sh", line)
    assert said in finding.message
    assert not report


def test_a_script_with_a_dot_in_front_is_said_to_be_never_sourced(tmp_path: Path) -> None:
    for name in ("10-a.sh", ".20-b.sh", ".gitkeep"):
        write(tmp_path / "extras.d" / name)
    [finding] = check(tmp_path).findings

    assert (finding.file, finding.message) == (
        "extras.d/.20-b.sh",
        "is never sourced: it has a dot in front",
    )


def test_what_is_no_file_is_an_error_and_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "extras.d").mkdir()
    os.mkfifo(tmp_path / "extras.d" / "10-a.sh")
    [finding] = check(tmp_path).findings
    assert "it is no file" in finding.message


def test_names_are_checked(tmp_path: Path) -> None:
    for name in ("10-a.sh", "95-b.sh", "c.sh", "20-d", "README.md"):
        write(tmp_path / "extras.d" / name)
    write(tmp_path / "plugins" / "p" / "devstack" / "plugin.sh")
    write(tmp_path / "plugins" / "p" / "devstack" / "setings")
    write(tmp_path / "plugins" / "p" / "devstack" / "lib.sh")
    report = check(tmp_path)
    assert report.ok
    assert {finding.file for finding in report.findings} == {
        "extras.d/95-b.sh", "extras.d/c.sh", "extras.d/20-d", "plugins/p/devstack/setings",
    }  # fmt: skip


def test_executable_bits_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path / "devstack" / "settings")
    for mode in (0o644, 0o755):
        path.chmod(mode)
        assert check(tmp_path).findings == []


def test_one_script_is_no_plural(tmp_path: Path) -> None:
    write(tmp_path / "devstack" / "settings")
    assert str(check(tmp_path)).endswith(": 1 script, nothing to mend")


def test_a_plugin_without_any_of_its_files_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "devstack" / "README")
    assert not check(tmp_path).ok


def test_what_scripts_source_from_lib_is_checked_too(tmp_path: Path) -> None:
    devstack = tmp_path / "devstack"
    write(devstack / "settings", "source $DEST/mine/devstack/lib/mine # and more\n")
    write(devstack / "plugin.sh", 'true && . "${HERE}/lib/of it"; source $X/odd$Y\n:\n')
    write(devstack / "lib" / "mine", "source $LIB/deep/inner\n")
    write(devstack / "lib" / "deep" / "inner", "f() {\n")
    write(devstack / "lib" / "template", "no bash (\n")  # nobody sources it
    write(devstack / "lib" / "odd", "if\n")  # perhaps, perhaps not
    write(devstack / "lib" / "deep" / "mine", "if\n")  # another of that name
    report = check(tmp_path)
    assert report.files[2:] == ["devstack/lib/deep/inner", "devstack/lib/mine"]
    assert [(f.file, f.level) for f in report.findings] == [("devstack/lib/deep/inner", "error")]


def test_waiting_for_a_task_that_nobody_starts_is_pointed_out(tmp_path: Path) -> None:
    write(tmp_path / "extras.d" / "10-a.sh", "async_run db true\n")
    write(tmp_path / "extras.d" / "20-b.sh", "async_wait db\nasync_wait dbb\n")
    [finding] = check(tmp_path).findings
    assert (finding.file, finding.line) == ("extras.d/20-b.sh", 2)
    assert "did you mean 'db'?" in finding.message


def test_waiting_for_a_task_of_stack_sh_or_of_a_library_is_well(tmp_path: Path) -> None:
    write(tmp_path / "devstack" / "plugin.sh", "async_wait init_neutron own-sync nobody\n")
    write(tmp_path / "devstack" / "lib" / "own", "own() { async_run own-sync sync; }\n")
    [finding] = check(tmp_path).findings
    assert "no task 'nobody'" in finding.message


def test_a_function_in_the_place_of_a_builtin_is_a_warning_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "extras.d" / "10-a.sh", "true\nprintf() { echo; }\n")
    write(tmp_path / "plugins" / "p" / "devstack" / "settings", "function shift { :; }\n")
    report = check(tmp_path)
    assert report.ok
    assert [str(finding).partition(" breaks ")[0] for finding in report.findings] == [
        "extras.d/10-a.sh:2: warning: function 'printf'",
        "plugins/p/devstack/settings:1: warning: function 'shift'",
    ]


def test_nothing_is_run(tmp_path: Path) -> None:
    write(tmp_path / "extras.d" / "10-a.sh", f"touch {tmp_path}/made\n")
    check(tmp_path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_what_is_neither_plugin_nor_tree_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=repr(str(tmp_path / name))):
        check(tmp_path / name)


def test_a_finding_reads_like_a_compilers() -> None:
    assert str(Finding("error", "a.sh", 3, 7, "it is wrong")) == "a.sh:3:7: error: it is wrong"
    assert str(Finding("warning", "a.sh", 0, 0, "x")) == "a.sh: warning: x"


def test_the_command_line_tells_by_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "devstack" / "plugin.sh", "if\n")
    assert cli.main(["check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("devstack/plugin.sh:2: error: syntax error: unexpected end of file")
    assert "✗ plugin" in out.splitlines()[-1]
    write(path)
    assert cli.main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("': 1 script, nothing to mend\n")
    assert cli.main(["check", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["kind"], document["findings"]) == (True, "plugin", [])
    assert cli.main(["check", str(tmp_path / "nowhere")]) == 2
