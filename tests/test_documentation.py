"""Every public name has an example, every example is run, the faces tell of the same commands."""

import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stacknb
from stacknb import Stack, commands, dispatcher, timing
from stacknb.arguments import CLI, STACK, help_text

HOOK = """\
if [[ "$1" == "source" ]]; then
    SHOP_NAME=corner
    greet() { echo "welcome to $SHOP_NAME"; }
elif [[ "$1" == "stack" && "$2" == "install" ]]; then
    async_run stock echo "100 things"
elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
    async_wait stock
fi
"""
# Names of the examples: `stack` has not run anything, `run` is recorded in `run_dir`, `tree` holds
# the hook above.
MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(stacknb.__path__, "stacknb.")
    if found.name != "stacknb.__main__"
]
EXAMPLES = {
    found.name: found
    for module in MODULES
    for found in doctest.DocTestFinder(exclude_empty=True).find(module)
    if found.examples
}


def public() -> Iterator[tuple[str, Any]]:
    """Yield what users are told of, with its name."""
    for home, names in ((stacknb, stacknb.__all__), (timing, timing.__all__)):
        yield from ((f"{home.__name__}.{name}", getattr(home, name)) for name in names)
    for name in ("charts", "lessons"):
        home = importlib.import_module(f"stacknb.{name}")
        yield from ((f"{home.__name__}.{name}", getattr(home, name)) for name in home.__all__)
    for name, member in inspect.getmembers(Stack):
        if not name.startswith("_"):
            yield f"Stack.{name}", member
    for name, member in inspect.getmembers(timing.Run, inspect.isfunction):
        if not name.startswith("_"):
            yield f"timing.Run.{name}", member


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctest") / "tree"
    (folder / "extras.d").mkdir(parents=True)
    (folder / "extras.d" / "10-shop.sh").write_text(HOOK)
    return folder


@pytest.fixture(scope="module")
def run_dir(tree: Path) -> Path:
    with Stack(tree, run_dir=tree.parent / "run") as stack:
        return stack.run().run_dir


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_shows_what_it_says(
    name: str, tree: Path, run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dispatcher, "_current", None)
    example = EXAMPLES[name]
    with Stack(tree) as stack:
        example.globs |= {
            "stacknb": stacknb, "tree": tree, "run_dir": run_dir, "stack": stack,
            "run": timing.load(run_dir),
        }  # fmt: skip
        report: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(example, out=report.append, clear_globs=False)
        stack.close()
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize(("name", "thing"), [pytest.param(*pair, id=pair[0]) for pair in public()])
def test_a_public_name_has_a_docstring_with_an_example(name: str, thing: Any) -> None:
    text = inspect.getdoc(thing) or ""
    assert text, name
    assert ">>> " in text, f"{name} has no example"


def test_help_of_magics_and_command_line_tell_the_same() -> None:
    text = help_text(STACK, list(commands.of_face(STACK).values()), "")
    for entry in commands.COMMANDS:
        assert entry.help
        for argument in entry.arguments:
            assert argument.help, f"{entry.name} {argument.flag}"
        if {CLI, STACK} <= {*entry.faces}:
            assert entry.help in text
            shared = [a for a in entry.of(CLI) if a in entry.of(STACK) and not a.by_place]
            for argument in shared:
                assert argument.flag in text
                assert argument.help in text


def test_what_the_page_for_devstack_people_names_is_there(tree: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "notebooks" / "from-devstack.md").read_text()
    table = text.partition("## Functions")[2].partition("## Variables")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    names = {code.split()[0] for row in rows for code in re.findall(r"`([^`]+)`", row)}
    names -= {"get_or_create_user"}  # of a DevStack tree alone
    assert len(names) > 30
    with Stack(tree, run_dir=tmp_path / "run") as stack:
        said = stack.evaluate("for name in " + " ".join(names) + '; do declare -F "$name"; done')
    assert {*said.stdout.split()} == names
    options = set(re.findall(r"`(--[a-z-]+)", text))
    known = {argument.flag for entry in commands.COMMANDS for argument in entry.arguments}
    assert options <= known | {"--after", "--timeout", "--cwd"}
