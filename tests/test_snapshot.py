# ruff: noqa: E501  (a script of bash is read best on one line)

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stacknb.snapshots import snapshot
from stacknb.snapshots.snapshot import Variable, parse_variables, restore_script
from stacknb.snapshots.unquoting import legible, unquote

BYTES = st.binary(max_size=20).map(lambda data: data.replace(b"\0", b""))
HOSTILE = st.sampled_from(
    [
        b"", b"'", b'"', b"\\", b"\\'", b'\\"', b"$", b"$'", b"`", b"\n", b"a\n", b"\na", b'"\n', b"'\n", b"\\\n",
        b"()", b")", b"(", b"=", b"declare -- x=1\n", b'x"\ndeclare -x y="2', b"\xff", b"\xc3", "ä☃\U0001f40d".encode(),
        b"\x01\x02\x1b\x7f", b"\x1b[0m", b"!", b"#stacknb end\n", b"#stacknb functions\n", b"\n#stacknb shopt\n", b"]",
        b"a]=b", b"[x]=", b" ", b"  a", b"\t", b"\r\n", b"~", b"*", b"{a,b}", b"\x80\x81\n", b"\\E\\n\\001", b"\x85\xa0",
    ]
)  # fmt: skip
VALUE = st.one_of(BYTES, HOSTILE, HOSTILE.map(lambda value: value * 2)).filter(
    lambda value: b"_stacknb_" not in value
)
# Bash itself takes "@", "*" and what begins with them and \1 or \177 for all elements.
KEYS = st.lists(VALUE.filter(lambda key: key and key[:1] not in b"@*"), max_size=6, unique=True)


def bash(script: str, given: bytes = b"", locale: str = "C.UTF-8") -> bytes:
    return subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", script],
        input=given,
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": locale},
    ).stdout


def by_name(text: bytes, prefix: str = "v") -> dict[str, Variable]:
    return {v.name: v for v in parse_variables(text) if v.name.startswith(prefix)}


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@given(values=st.lists(VALUE, min_size=1, max_size=30))
@settings(max_examples=30)
def test_any_value_is_read_back_from_declare_p(locale: str, values: list[bytes]) -> None:
    text = bash(
        # In UTF-8 read takes the NUL after half a character for a part of it.
        'was=$LC_ALL LC_ALL=C i=0; while IFS= read -r -d "" x; do printf -v "v$((i++))" %s "$x"; done\n'
        "unset x; LC_ALL=$was; declare -p",
        b"".join(value + b"\0" for value in values),
        locale,
    )

    found = by_name(text)
    assert [unquote(found[f"v{i}"].value or b"") for i in range(len(values))] == values
    assert list(by_name(text, "z")) == []
    assert "_" in by_name(text, "_")  # nothing after them was lost


@given(keys=KEYS, values=st.lists(VALUE, min_size=6, max_size=6))
@settings(max_examples=30)
def test_arrays_end_where_bash_ends_them_and_come_back(
    keys: list[bytes], values: list[bytes]
) -> None:
    fill = (
        "LC_ALL=C; declare -A va; declare -a vb; i=7; while IFS= read -r -d '' k && IFS= read -r -d '' x; do\n"
        'va["$k"]=$x; vb[i+=3]=$x; done; vlast=last; '
    )
    show = 'for k in "${!va[@]}"; do printf "%s\\0%s\\0" "$k" "${va["$k"]}"; done; printf "%s\\0" "${!vb[@]}" "${vb[@]}"'
    given = b"".join(key + b"\0" + value + b"\0" for key, value in zip(keys, values, strict=False))
    text, _, before = bash(fill + "declare -p; printf @@@; " + show, given).rpartition(b"@@@")

    found = by_name(text)
    assert set(found) == {"va", "vb", "vlast"}
    assert unquote(found["vlast"].value or b"") == b"last"
    # What was read is whole: bash makes the same of it, and nothing else.
    script = b"".join(
        f"declare -{v.flags} {v.name}=".encode() + (v.value or b"()") + b"\n"
        for v in found.values()
    )
    after = bash("LC_ALL=C; IFS= read -r -d '' s; eval \"$s\"; " + show, script + b"\0")
    assert sorted(after.split(b"\0")) == sorted(before.split(b"\0"))


@given(values=st.lists(VALUE, min_size=3, max_size=3), body=st.sampled_from(["a", "b", "c"]))
@settings(max_examples=30)
@example(values=[b"#stacknb functions\n", b"#stacknb end\n", b"\n#stacknb traps\n"], body="b")
def test_a_snapshot_with_any_values_restores_to_the_same(values: list[bytes], body: str) -> None:
    bodies = {
        "a": 'f() { echo "$v0"; }',
        "b": "f() { cat <<'#stacknb traps'\n#stacknb end\n#stacknb aliases\n$x\n#stacknb traps\n}",
        "c": "function f-g::h { : '\n#stacknb cwd\n/nowhere\n'; }; f() { echo '}'; }; export -f f; readonly -f f",
    }
    fill = (
        "LC_ALL=C; IFS= read -r -d '' v0; IFS= read -r -d '' v1; IFS= read -r -d '' v2; declare -Ai v3=([a]=1); readonly v4=$v0\n"
        'declare -x v5; va=("$v1" "$v2"); trap -- "$v1" USR1; trap \'echo "x\' USR2; trap "" TERM; alias a="$v2"\n'
        f"{bodies[body]}\nset -o pipefail; shopt -s extglob; umask 031; cd /usr; _stacknb_flags=eu; "
    )
    state = (
        "for n in ${!v*}; do declare -p $n; done 2>&1; declare -f; declare -F; trap -p; alias; umask; pwd; "
        "shopt; set +o; printf '%s\\n' \"$_stacknb_flags\""
    )
    given = b"".join(value + b"\0" for value in values)
    text, _, before = bash(f"{fill}\n{SAVE}\nprintf @@@@; {state}", given).rpartition(b"@@@@")

    after = bash(
        f"LC_ALL=C; IFS= read -r -d '' s; eval \"$s\"; unset s; {state}",
        restore_script(text) + b"\0",
    )
    assert after == before


SAVE = """
printf "#stacknb variables\\n"; declare -p
printf "#stacknb shopt\\n"; shopt -p
printf "#stacknb functions\\n"; declare -f
printf "#stacknb attributes\\n"; declare -Fx; declare -Fr
printf "#stacknb aliases\\n"; alias -p
printf "#stacknb options\\n"; set +o
printf "#stacknb flags\\n%s\\n" "$_stacknb_flags"
printf "#stacknb umask\\n"; umask -p
printf "#stacknb cwd\\n%s\\n" "$PWD"
printf "#stacknb traps\\n"; trap -p
printf "#stacknb end\\n"
"""


@pytest.mark.parametrize(
    ("line", "kind", "flags", "text"),
    [
        (b'declare -- v="a b"\n', "string", "-", "a b"),
        (b'declare -x v=""\n', "string", "x", ""),
        (b"declare -x v\n", "string", "x", ""),
        (b'declare -i v="3"\n', "integer", "i", "3"),
        (b'declare -ir v="3"\n', "integer", "ir", "3"),
        (b'declare -n v="w"\n', "nameref", "n", "w"),
        (b'declare -a v=([0]="a" [5]="b")\n', "array", "a", '([0]="a" [5]="b")'),
        (b"declare -a v=()\n", "array", "a", "()"),
        (b'declare -A v=([k]="a" )\n', "associative", "A", '([k]="a" )'),
        (b"declare -- v=$'a\\nb'\n", "string", "-", "a\nb"),
        (b"declare -- v=$'\\377\\'\\E'\n", "string", "-", "\\xff'\x1b"),
        (b'declare -- v="\\$x \\`y\\` \\\\ \\""\n', "string", "-", '$x `y` \\ "'),
    ],
)
def test_one_declaration(line: bytes, kind: str, flags: str, text: str) -> None:
    (variable,) = parse_variables(line)

    assert (variable.name, variable.kind, variable.flags, variable.text()) == (
        "v",
        kind,
        flags,
        text,
    )


@pytest.mark.parametrize(
    "text", [b"", b"nonsense", b"declare", b"declare -- ", b'declare -- v="', b"declare -- v=$'"]
)
def test_text_that_is_no_declaration_or_is_cut_off_is_no_error(text: bytes) -> None:
    assert len(parse_variables(text)) <= 1


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    parse_variables(b"declare -- v=" + data)
    restore_script(b"#stacknb variables\n" + data)
    unquote(b"$'" + data + b"'")


def test_a_marker_of_local_options_hides_nothing_after_it() -> None:
    assert [v.name for v in parse_variables(b'declare -- -\ndeclare -- v="1"\n')] == ["-", "v"]


def test_ours_and_bashs_own_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(
        b'#stacknb variables\ndeclare -- -\ndeclare -- BASHPID="1"\ndeclare -ir EUID="0"\ndeclare -- _stacknb_x="1"\n'
        b'declare -A _TIME_TOTAL=([a]="1" )\ndeclare -- BASH_ENV="b"\ndeclare -- Mine="1"\ndeclare -- mine="2"\n#stacknb shopt\n'
    )

    assert [v.name for v in snapshot.read_variables(path)] == ["BASH_ENV", "Mine", "mine"]
    assert [v.name for v in snapshot.read_variables(path, "m*")] == ["mine"]
    assert [v.name for v in snapshot.read_variables(path, "_*")] == ["_TIME_TOTAL"]


@pytest.mark.parametrize(
    "name", ["PASSWORD", "DB_PASSWORD", "OS_TOKEN", "my_secret", "API_KEY", "passwd", "CREDENTIALS"]
)
def test_secrets_are_told_by_their_names(name: str) -> None:
    assert snapshot.is_secret(name)


@pytest.mark.parametrize("name", ["KEYBOARD", "MONKEY", "HOST", "KEYSTONE_URL"])
def test_what_only_sounds_like_a_secret_is_none(name: str) -> None:
    assert not snapshot.is_secret(name)


def test_hidden_locals_do_not_come_back() -> None:
    text = b'#stacknb variables\ndeclare -- a="1"\ndeclare -- b="2"\n#stacknb shopt\n'

    assert b"declare -- a=" not in restore_script(text, ["a"])
    assert b'declare -- b="2"\n' in restore_script(text, ["a"])


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (rb"([0]=$'M\303\274ller' [1]=a)", "([0]=$'Müller' [1]=a)"),
        (rb"([0]=$'\\\\303\\\\274 \n \377 \302\240 \001')",
         r"([0]=$'\\\\303\\\\274 \n \377 \302\240 \001')"),
        ("([0]=ü)".encode(), "([0]=ü)"),
        (b"([0]=\xff)", r"([0]=\xff)"),
    ],
)  # fmt: skip
def test_an_array_that_bash_wrote_in_a_locale_without_umlauts_shows_them(
    written: bytes, text: str
) -> None:
    assert legible(written) == text
