from stacknb.hooks.changes import between
from stacknb.snapshots.masking import Masker
from stacknb.snapshots.snapshot import MASK
from stacknb.snapshots.space import Space

EMPTY = b"""#stacknb variables
%b#stacknb shopt
%b#stacknb functions
%b#stacknb attributes
#stacknb aliases
%b#stacknb options
set +o errexit
set +o posix
#stacknb flags
%b
#stacknb umask
umask %b
#stacknb cwd
%b
#stacknb traps
%b#stacknb end
"""


def space(
    variables: bytes = b"", shopt: bytes = b"shopt -u nullglob\n", functions: bytes = b"",
    aliases: bytes = b"", flags: bytes = b"e", umask: bytes = b"0022", cwd: bytes = b"/opt",
    traps: bytes = b"",
) -> Space:  # fmt: skip
    return Space(EMPTY % (variables, shopt, functions, aliases, flags, umask, cwd, traps))


def found(before: Space, after: Space) -> list[tuple[str, str, str, str, str]]:
    changes = between(before, after, Masker())
    return [(c.kind, c.name, c.change, c.old, c.new) for c in changes]


def test_nothing_changed() -> None:
    assert found(space(b'declare -- A="1"\n'), space(b'declare -- A="1"\n')) == []


def test_variables_are_added_changed_and_removed() -> None:
    before = space(b'declare -- A="1"\ndeclare -- B="2"\n')
    after = space(b'declare -- B="two words"\ndeclare -a C=([0]="x")\n')
    assert found(before, after) == [
        ("variable", "A", "removed", "1", ""),
        ("variable", "B", "changed", "2", "two words"),
        ("variable", "C", "added", "", '([0]="x")'),
    ]


def test_an_attribute_that_changed_is_told_in_words() -> None:
    assert found(space(b'declare -- A="1"\n'), space(b'declare -rx A="1"\n')) == [
        ("variable", "A", "changed", "1 (plain)", "1 (exported, readonly)")
    ]


def test_what_bash_changes_by_itself_is_left_out() -> None:
    before = b'declare -- RANDOM="1"\ndeclare -- SECONDS="1"\ndeclare -- _stacknb_seq="1"\n'
    assert found(space(before), space(before.replace(b'"1"', b'"2"'))) == []


def test_secrets_are_masked_also_where_other_variables_hold_them() -> None:
    after = space(b'declare -- DB_PASSWORD="sesame"\ndeclare -- URL="x sesame"\n')
    assert found(space(), after) == [
        ("variable", "DB_PASSWORD", "added", "", MASK),
        ("variable", "URL", "added", "", f"x {MASK}"),
    ]


def test_a_secret_that_changed_is_told_without_its_values() -> None:
    before, after = space(b'declare -- A_KEY="one1"\n'), space(b'declare -- A_KEY="two2"\n')
    assert found(before, after) == [("variable", "A_KEY", "changed", MASK, MASK)]


def test_functions_are_compared_by_their_source() -> None:
    f, g = b"f () \n{ \n    echo 1\n}\n", b"g () \n{ \n    echo 2\n}\n"
    assert found(space(functions=f + g), space(functions=f.replace(b"1", b"3"))) == [
        ("function", "f", "changed", "f () \n{ \n    echo 1\n}", "f () \n{ \n    echo 3\n}"),
        ("function", "g", "removed", "g () \n{ \n    echo 2\n}", ""),
    ]


def test_options_are_on_or_off_whichever_builtin_sets_them() -> None:
    before, after = space(), space(flags=b"ux", shopt=b"shopt -s nullglob\n")
    assert found(before, after) == [
        ("option", "errexit", "changed", "on", "off"),
        ("option", "nounset", "changed", "off", "on"),
        ("option", "nullglob", "changed", "off", "on"),
        ("option", "xtrace", "changed", "off", "on"),
    ]


def test_traps_aliases_umask_and_directory() -> None:
    after = space(
        traps=b"trap -- 'echo '\\''bye'\\''' EXIT\ntrap -- '_stacknb_on_exit' INT\n",
        aliases=b"alias ll='ls -l'\nalias q='x'\n", umask=b"0077", cwd=b"/tmp",
    )  # fmt: skip
    assert found(space(), after) == [
        ("alias", "ll", "added", "", "ls -l"),
        ("alias", "q", "added", "", "x"),
        ("trap", "EXIT", "added", "", "echo 'bye'"),
        ("cwd", "", "changed", "/opt", "/tmp"),
        ("umask", "", "changed", "0022", "0077"),
    ]
