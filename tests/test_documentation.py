"""Every public name has an example, every example is run, the faces tell of the same commands."""

import doctest
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stacknb
from stacknb import Stack, timing
from stacknb.commands import commands
from stacknb.commands.arguments import CLI, STACK, help_text
from stacknb.dispatcher import dispatcher

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
# the hook above, `panel` watches `run_dir`.
MODULES = [
    stacknb,
    *(
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(stacknb.__path__, "stacknb.")
        if found.name != "stacknb.__main__"
    ),
]
EXAMPLES = {
    found.name: found
    for module in MODULES
    for found in doctest.DocTestFinder(exclude_empty=True).find(module)
    if found.examples
}


PUBLIC = ("stacknb", "stacknb.charts", "stacknb.lessons", "stacknb.timing")
CLASSES = {
    name: thing
    for module in MODULES
    for name, thing in inspect.getmembers(module, inspect.isclass)
    if thing.__module__ == module.__name__
}


def of_annotations(thing: Any) -> Iterator[type]:
    """Yield the classes of stacknb that a function returns, or whose values attributes hold."""
    known = thing.__annotations__
    said = known.values() if inspect.isclass(thing) else [known.get("return")]
    home = vars(sys.modules[thing.__module__])
    for word in re.findall(r"\w+", " ".join(map(str, said))):
        found = home.get(word, CLASSES.get(word))  # some are imported for type checkers alone
        if inspect.isclass(found) and found.__module__.startswith("stacknb."):
            yield found


def members(thing: type) -> Iterator[tuple[str, Any, Any]]:
    """Yield the public methods and properties of stacknb that a class has, and their functions."""
    for name in dir(thing):
        home = next((base for base in thing.__mro__ if name in vars(base)), thing)
        if name.startswith("_") or not home.__module__.startswith("stacknb."):
            continue
        member = inspect.getattr_static(thing, name)
        within = [getattr(member, part, None) for part in ("__func__", "fget", "func")]
        inner = next(filter(None, within), member)
        if inspect.isfunction(inner):
            yield name, member, inner


def example(thing: Any) -> str:
    """Return the code of the examples of a thing, none of which is left out when they are run."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    code = [line for line in lines if line.startswith((">>> ", "... "))]
    return "" if any("doctest: +SKIP" in line for line in code) else "\n".join(code)


def public() -> dict[str, tuple[Any, str]]:
    """Return what users are told of or are given, by name, with the code that shows how it is used.

    A class is public if a public name is it, or returns it, or has an attribute that holds it. A
    property may be shown by the example of its class; a method has one of its own.
    """
    found: dict[str, tuple[Any, str]] = {}
    classes: list[type] = []
    for home in map(importlib.import_module, PUBLIC):
        for name in home.__all__:
            thing = getattr(home, name)
            found[f"{home.__name__}.{name}"] = (thing, example(thing))
            classes += [thing] if inspect.isclass(thing) else of_annotations(thing)
    for thing in classes:  # it grows
        whole = f"{thing.__module__}.{thing.__name__}"
        if whole in found:
            continue
        found[whole] = (thing, example(thing))
        classes += of_annotations(thing)
        for name, member, inner in members(thing):
            by_class = inner is not member and re.search(rf"\.{name}\b", example(thing))
            found[f"{whole}.{name}"] = (member, example(member) or (by_class and by_class[0]) or "")
            classes += of_annotations(inner)
    return found


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
        panel = stacknb.Panel(run_dir)
        example.globs |= {
            "stacknb": stacknb, "tree": tree, "run_dir": run_dir, "stack": stack, "panel": panel,
            "run": timing.load(run_dir),
        }  # fmt: skip
        report: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(example, out=report.append, clear_globs=False)
        panel.close()
        stack.close()
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize(("name", "thing", "example"), [(n, *t) for n, t in public().items()])
def test_a_public_name_has_a_docstring_with_an_example(name: str, thing: Any, example: str) -> None:
    assert inspect.getdoc(thing), name
    assert example, f"{name} has no example"


def test_what_users_are_given_is_found_to_be_public() -> None:
    names = {name.removeprefix("stacknb.") for name in public()}
    assert names >= {
        "Panel", "widgets.panel.Panel.show", "tasks.Task.wait", "results.TaskResult.tail",
        "results.RunResult.ok", "results.HookResult", "dispatcher.worker.Worker.finish",
        "lessons.Verdict", "timing.run.Run.tasks", "timing.whatif.Prediction.saved_s",
        "hooks.changes_frame.HistoryFrame", "hooks.trace_frame.TraceFrame.text",
        "hooks.cellhooks.Exported.command", "exceptions.Failure.place",
    }  # fmt: skip


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
