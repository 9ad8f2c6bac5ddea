import ast
import subprocess
import sys
from collections.abc import Iterator, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import stacknb
from stacknb.dispatcher.session import Session

PACKAGE = Path(__file__).parents[1] / "stacknb"

# Highest floor first. A module may import from its own floor and from those below it, without a
# circle; an import under TYPE_CHECKING or inside a function counts. A folder (`timing`) stands for
# every module in it. A new module or folder of the root is added here.
FLOORS = {
    "public": ["__init__", "__main__"],
    "faces": [
        "magics",
        "cli",
        "completing",
        "invocation",
        "notebook",
        "widgets",
        "charts",
        "report",
        "lessons",
    ],
    "commands": ["commands", "progress"],
    "dispatcher": ["dispatcher"],
    "one idea each": [
        "run",
        "lifecycle",
        "plugins",
        "tasks",
        "results",
        "status",
        "board",
        "hooks",
        "timing",
        "devstack_log",
    ],
    "ground": [
        "shell",
        "snapshots",
        "supervision",
        "tasklog",
        "rundir",
        "places",
        "text",
        "exceptions",
    ],
}

# The only imports that may point up, and only inside a function: INTERFACE promises that a run can
# be asked for its pictures. What is imported must not import the module back.
ASKED_FOR = {
    ("stacknb.timing.run", "stacknb.charts"),
    ("stacknb.timing.run", "stacknb.report"),
    ("stacknb.dispatcher.looking", "stacknb.charts.lifecycle"),
}

LISTED = [key for floor in FLOORS.values() for key in floor]
FLOOR_OF = {key: name for name, floor in FLOORS.items() for key in floor}
HEAVY = ["pandas", "ipywidgets", "altair", "dask", "IPython", "rich"]

Graph = dict[str, set[str]]


def import_graph(package: Path) -> Graph:
    """Return which modules of `package` each of them imports, wherever in its code."""
    paths = {module_name(path, package): path for path in package.rglob("*.py")}
    known = paths.keys() | {f"{package.name}.{key}" for key in LISTED}
    return {
        module: {
            target
            for name in imported_names(path, module)
            if (target := owner(name, known)) is not None
        }
        for module, path in paths.items()
    }


def module_name(path: Path, package: Path) -> str:
    parts = [package.name, *path.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path, module: str) -> Iterator[str]:
    """Yield the dotted name of everything imported, relative ones and lazy ones included."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                start = absolute("." * level + (base or ""), package)
                yield from (f"{start}.{alias.name}" for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield absolute(name, package)


def absolute(name: str, package: str) -> str:
    tail = name.lstrip(".")
    level = len(name) - len(tail)
    if level == 0:
        return tail
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [tail])])


def owner(name: str, modules: Set[str]) -> str | None:
    """Return the module that `name` is, or that defines it; None for a foreign name."""
    while name not in modules:
        name, _, _ = name.rpartition(".")
        if not name:
            return None
    return name


def table_key(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def unlisted(graph: Graph) -> list[str]:
    return [
        f"{module!r} is on no floor: add {table_key(module)!r} to FLOORS in tests/test_imports.py"
        for module in sorted(graph)
        if table_key(module) not in FLOOR_OF
    ]


def upward(graph: Graph) -> list[str]:
    order = list(FLOORS)
    found = []
    for module, targets in sorted(graph.items()):
        for target in sorted(targets):
            here, there = FLOOR_OF.get(table_key(module)), FLOOR_OF.get(table_key(target))
            # A module that is missing from the table has its own test.
            if (module, target) in ASKED_FOR:
                continue
            if here and there and order.index(there) < order.index(here):
                found.append(
                    f"{module!r} ({here}) imports {target!r} ({there}): "
                    "imports point down only, so move what both need to the lower floor"
                )
    return found


def circle(graph: Graph) -> str | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " imports ".join(repr(module) for module in reversed(error.args[1]))
    return None


def package_of(folder: Path, files: dict[str, str]) -> Path:
    for name, code in {"__init__.py": "", **files}.items():
        path = folder / "stacknb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return folder / "stacknb"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return import_graph(PACKAGE)


def test_every_module_is_on_a_floor(graph: Graph) -> None:
    found = unlisted(graph)
    assert not found, "\n".join(found)


def test_no_module_is_on_two_floors() -> None:
    assert sorted(LISTED) == sorted(set(LISTED))


def test_imports_point_down_only(graph: Graph) -> None:
    found = upward(graph)
    assert not found, "\n".join(found)


def test_what_a_run_is_asked_for_is_imported_only_then() -> None:
    code = (
        "import sys, stacknb.timing.run;"
        "print(*sorted(sys.modules.keys() & {'altair', 'stacknb.charts', 'stacknb.report'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_no_imports_go_in_a_circle(graph: Graph) -> None:
    found = circle(graph)
    assert found is None, found


def test_folders_import_each_other_in_no_circle(graph: Graph) -> None:
    folders: Graph = {}
    for module, targets in graph.items():
        asked = {target for target in targets if (module, target) in ASKED_FOR}
        folders.setdefault(table_key(module), set()).update(map(table_key, targets - asked))
    found = circle({key: targets - {key} for key, targets in folders.items()})
    assert found is None, found


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {path: len(path.read_bytes().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > 300} == {}


def test_a_folder_holds_more_than_one_module() -> None:
    folders = [path.parent for path in PACKAGE.glob("*/__init__.py")]
    assert [folder.name for folder in folders if len(list(folder.glob("*.py"))) < 3] == []


def test_each_group_of_the_calls_of_a_stack_rests_on_the_session_alone() -> None:
    groups = stacknb.Stack.__bases__
    assert len(groups) > 1
    assert {group.__bases__ for group in groups} == {(Session,)}
    names = [name for group in groups for name in vars(group) if not name.startswith("__")]
    assert sorted(names) == sorted({*names})


def test_importing_stacknb_imports_no_heavy_package() -> None:
    code = f"import sys, stacknb; print(*sorted(sys.modules.keys() & set({HEAVY})))"
    fresh = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
    )
    assert fresh.stdout.split() == []


def test_the_package_names_what_it_offers_and_no_module_before_anything_is_loaded() -> None:
    code = "import stacknb; print(*[name for name in dir(stacknb) if not name.startswith('__')])"
    fresh = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
    )
    assert fresh.stdout.split() == sorted([*stacknb.__all__, "load_ipython_extension", "timing"])


@pytest.mark.parametrize("package", [stacknb, stacknb.timing])
def test_type_checkers_are_told_of_every_name_that_the_package_offers(package: ModuleType) -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text())
    [told] = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in told.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [name.asname for node in imports for name in node.names]
    folders = ["timing"] if package is stacknb else []
    assert sorted(map(str, names)) == sorted([*package.__all__, *folders])


def test_loading_the_magics_imports_nothing_that_only_some_of_them_need() -> None:
    rare = [*HEAVY, "asyncio", "ssl", "difflib", "secrets"]
    rare += ["stacknb.hooks.checking", "stacknb.hooks.tracing", "stacknb.rundir.loglist"]
    rare += ["stacknb.status", "stacknb.widgets"]
    code = (
        "import sys, IPython.core.interactiveshell; before = set(sys.modules);"
        "from stacknb import magics; from stacknb.notebook import completion;"
        f"print(*sorted((sys.modules.keys() - before) & set({rare})))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_what_each_stack_starts_beside_bash_imports_nothing_that_only_some_of_them_need() -> None:
    rare = ["dataclasses", "inspect", "pathlib", "stacknb.exceptions", "stacknb.tasklog"]
    code = (
        f"import sys; sys.path.append({str(PACKAGE.parent)!r});"
        "import stacknb.supervision.supervisor;"
        f"print(*sorted(sys.modules.keys() & set({rare})))"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "code",
    [
        "import stacknb.magics",
        "from stacknb.magics import load",
        "from stacknb import magics",
        "from . import magics",
        "from .magics import load",
        "def late():\n    from .magics import load",
        "if TYPE_CHECKING:\n    from stacknb.magics import load",
        "from importlib import import_module\nimport_module('.magics', __package__)",
    ],
)
def test_an_upward_import_is_found(tmp_path: Path, code: str) -> None:
    package = package_of(tmp_path, {"magics.py": "", "shell.py": code})
    [message] = upward(import_graph(package))
    assert message.startswith("'stacknb.shell' (ground) imports 'stacknb.magics' (faces)")


def test_an_upward_import_from_a_folder_is_found(tmp_path: Path) -> None:
    package = package_of(
        tmp_path,
        {"cli.py": "", "timing/__init__.py": "", "timing/frames.py": "from ..cli import main"},
    )
    [message] = upward(import_graph(package))
    assert message.startswith("'stacknb.timing.frames' (one idea each) imports 'stacknb.cli'")


def test_taking_a_name_from_the_public_face_is_upward(tmp_path: Path) -> None:
    package = package_of(tmp_path, {"cli.py": "from stacknb import Stack"})
    [message] = upward(import_graph(package))
    assert message.startswith("'stacknb.cli' (faces) imports 'stacknb' (public)")


def test_a_downward_or_foreign_import_is_no_finding(tmp_path: Path) -> None:
    package = package_of(
        tmp_path,
        {
            "magics.py": "import json\nfrom IPython import magics\nfrom stacknb.shell import Shell",
            "shell.py": "from stacknb.exceptions import StacknbError",
            "exceptions.py": "",
        },
    )
    graph = import_graph(package)
    assert upward(graph) == []
    assert circle(graph) is None


def test_a_circle_on_one_floor_is_found(tmp_path: Path) -> None:
    package = package_of(
        tmp_path,
        {
            "shell.py": "from stacknb.journal import Journal",
            "journal.py": "def late():\n    import stacknb.shell",
        },
    )
    assert circle(import_graph(package)) in {
        "'stacknb.shell' imports 'stacknb.journal' imports 'stacknb.shell'",
        "'stacknb.journal' imports 'stacknb.shell' imports 'stacknb.journal'",
    }


def test_a_module_on_no_floor_is_named(tmp_path: Path) -> None:
    package = package_of(tmp_path, {"util.py": ""})
    assert unlisted(import_graph(package)) == [
        "'stacknb.util' is on no floor: add 'util' to FLOORS in tests/test_imports.py"
    ]
