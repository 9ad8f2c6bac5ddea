from argparse import Namespace
from pathlib import Path

import pytest
from fakerun import Run

from stacknb import Stack, completing
from stacknb.commands import commands
from stacknb.commands.arguments import CLI
from stacknb.commands.candidates import phase_words

RUN = ".stacknb/runs/20260101T000000Z-stack"


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("webshop/extras.d").mkdir(parents=True)
    Path("webshop/localrc").touch()
    Path("stack.sh.log").touch()


def found(command: str, flag: str, start: str = "", run: str | None = None) -> list[str]:
    arguments = commands.of_face(CLI)[command].of(CLI)
    [argument] = [a for a in arguments if flag in (a.flag, a.short)]
    return completing.complete(argument, start, Namespace(run=run))


def test_a_phase_is_completed_as_a_place_and_as_an_option() -> None:
    assert found("stack", "PHASE", "inst") == ["install"]
    assert found("stack", "--until") == phase_words()
    assert found("plan", "--mode", "c") == ["clean"]


def test_a_tree_is_a_folder_and_a_setting_is_a_file() -> None:
    assert found("stack", "TOP_DIR", "w") == ["webshop/"]
    assert found("stack", "TOP_DIR", "stack") == []
    assert sorted(found("stack", "--localrc", "webshop/")) == [
        "webshop/extras.d/",
        "webshop/localrc",
    ]


def test_the_folder_of_a_plugin_is_completed_behind_its_name() -> None:
    assert found("stack", "--plugin", "shop=web") == ["shop=webshop/"]
    assert found("stack", "--plugin", "shop") == []


def test_the_words_of_a_choice_are_completed() -> None:
    assert found("timing", "--what", "cr") == ["critical-path"]


def test_a_run_is_one_of_those_made_here_or_any_path() -> None:
    Path(RUN).mkdir(parents=True)
    assert found("status", "RUN") == [f"{RUN}/"]
    assert found("status", "RUN", ".stacknb/runs/2026") == [f"{RUN}/"]
    assert found("timing", "PATH", "sta") == ["stack.sh.log"]


def test_what_has_a_log_is_completed_from_the_run_that_is_named() -> None:
    run = Run(Path(), RUN)
    run.begin()
    for phase in ("stack install", "stack extra"):
        run.begin_phase(phase, "50-api.sh")
        run.hook("50-api.sh")
        run.hook("50-api.sh")
    for log in ("async/db.sync.log", "services/web.log"):
        Path(RUN, log).parent.mkdir(exist_ok=True)
        Path(RUN, log).touch()
    assert found("log", "NAME", run=RUN) == ["50-api.sh", "db.sync", "web"]
    assert found("log", "NAME", "5", run=RUN) == ["50-api.sh"]
    assert found("changes", "HOOK_OR_PHASE", run=RUN) == ["50-api.sh", *phase_words()]


def test_a_variable_is_completed_from_the_run_that_is_named() -> None:
    with Stack("webshop", run_dir="run") as stack:
        stack.add_hook("60-shop.sh", "SHOP_NAME=corner\n")
        stack.step()
    assert found("changes", "--vars", "SHOP_", run="run") == ["SHOP_NAME"]


@pytest.mark.parametrize("run", [None, "nowhere"])
def test_where_there_is_no_run_there_are_no_names(run: str | None) -> None:
    assert found("log", "NAME", run=run) == []


def test_each_kind_of_argument_can_be_asked_for() -> None:
    for entry in commands.of_face(CLI).values():
        for argument in entry.of(CLI):
            assert isinstance(completing.complete(argument, "", Namespace()), list)
