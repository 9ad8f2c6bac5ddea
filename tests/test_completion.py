import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from stacknb.commands.candidates import phase_words
from stacknb.dispatcher import Stack, dispatcher
from stacknb.notebook import completion


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dispatcher, "_current", None)
    for name in ("webshop/extras.d", "webshop/more", ".stacknb/runs/20260101T000000Z-stack"):
        Path(name).mkdir(parents=True)
    Path("webshop/extras.d/50-api.sh").touch()
    Path("webshop/localrc").touch()


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> Stack:
    tasks = {"generate_products": None, "generate_orders": None}
    monkeypatch.setattr(Stack, "tasks", property(lambda self: tasks))
    return Stack("webshop")


def found(line: str) -> list[str]:
    return completion.complete(*completion.split(line))


def test_words_phases_and_folders_begin_a_line() -> None:
    assert found("%stack inst") == ["install"]
    assert found("%stack st") == ["stack", "step", "status"]
    assert found("%stack web") == ["webshop/"]
    assert sorted(found("%stack webshop/")) == ["webshop/extras.d/", "webshop/more/"]
    assert {"plan", "all", "source", "test-config", "webshop/"} <= {*found("%stack ")}


def test_behind_the_tree_stand_words_but_no_second_tree() -> None:
    assert "webshop/" not in found("%stack ./webshop ")
    assert found("%stack ./webshop pre") == ["pre-install"]


def test_options_stand_where_nothing_else_can(at_hand: Stack) -> None:
    at_hand.tasks.clear()
    assert found("%wait ") == ["--timeout", "--tail"]
    assert found("%async_task ") == ["--after", "--timeout"]
    assert found("%wait gen") == []


def test_a_hook_that_a_cell_may_replace_is_completed(at_hand: Stack) -> None:
    assert found("%%hook 5") == ["50-api.sh"]
    assert found("%%hook --") == ["--plugin"]
    assert found("%%hook --plugin shop s") == ["settings"]


def test_options_are_those_of_the_word() -> None:
    assert "--until" in found("%stack --")
    assert found("%stack plan --m") == ["--mode"]
    assert found("%stack step --m") == []
    assert found("%async_task --") == ["--after", "--timeout"]


def test_the_value_of_an_option_is_completed_by_its_kind() -> None:
    assert found("%stack --until ext") == ["extra"]
    assert found("%stack plan --mode c") == ["clean"]
    assert sorted(found("%stack --localrc webshop/")) == [
        "webshop/extras.d/", "webshop/localrc", "webshop/more/",
    ]  # fmt: skip
    assert found("%stack --plugin reports=web") == ["webshop/"]


def test_a_value_is_completed_behind_an_equals_sign_and_a_comma(at_hand: Stack) -> None:
    assert found("%stack --until=ext") == ["extra"]
    assert found("%stack --plugin=reports=web") == ["webshop/"]
    assert found("%async_task --after generate_orders,generate_p") == ["generate_products"]
    assert completion.split("%stack --until=ext")[2] == "ext"


def test_a_folder_with_blanks_is_completed_as_it_is_typed() -> None:
    Path("my tree/extras.d").mkdir(parents=True)
    assert found("%stack my") == [r"my\ tree/"]
    assert found(r"%stack my\ ") == [r"my\ tree/"]
    assert found(r"%stack my\ tree/ex") == [r"my\ tree/extras.d/"]
    assert found('%stack "my tree/ex') == ['"my tree/extras.d/']
    assert found("%stack 'my") == ["'my tree/"]
    assert found("%stack 'my tree' pla") == ["plan"]
    assert found(r"%stack my\ tree pla") == ["plan"]


def test_a_quote_in_a_name_is_completed_too() -> None:
    Path("it's/extras.d").mkdir(parents=True)
    [text] = found("%stack it")
    assert shlex.split(text) == ["it's/"]
    [text] = found("%stack 'it")  # a quote that stays open
    assert shlex.split(f"{text}'") == ["it's/"]


def test_a_folder_whose_name_alone_would_be_an_option_or_a_home_is_completed_with_a_dot() -> None:
    for name in ("-x", "~"):
        Path(name, "extras.d").mkdir(parents=True)
    assert {"./-x/", "./~/", "webshop/"} < {*found("%stack ")}
    assert found("%stack ./-") == ["./-x/"]


def test_the_home_of_the_user_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert found("%stack ~/web") == ["~/webshop/"]
    assert found("%stack ~") == ["~/"]


def test_hooks_and_tasks_have_logs(at_hand: Stack) -> None:
    assert found("%stack log 5") == ["50-api.sh"]
    assert found("%stack log gen") == ["generate_products", "generate_orders"]
    assert found("%stack changes 5") == ["50-api.sh"]
    assert found("%stack changes ") == ["50-api.sh", *phase_words()]  # tasks change nothing


def test_tasks_can_be_waited_for(at_hand: Stack) -> None:
    assert found("%wait generate_o") == ["generate_orders"]
    assert found("%wait generate_orders generate_p") == ["generate_products"]
    assert found("%async_task --after generate_p") == ["generate_products"]


def test_variables_that_a_hook_or_a_cell_has_set_are_completed() -> None:
    with Stack("webshop") as stack:
        dispatcher._current = stack
        assert found("%stack vars SHOP_") == []
        stack.add_hook("60-shop.sh", "SHOP_NAME=corner SHOP_URL=here\n")
        stack.step()
        stack.evaluate("SHOP_COLOUR=red; unset SHOP_URL")
        assert found("%stack vars SHOP_") == ["SHOP_COLOUR", "SHOP_NAME"]
        assert found("%stack vars SHOP_N --history SHOP_C") == ["SHOP_COLOUR"]


def test_runs_can_be_resumed() -> None:
    assert found("%stack resume ") == [".stacknb/runs/20260101T000000Z-stack/"]


def test_without_a_stack_nothing_is_started_and_nothing_fails() -> None:
    assert found("%wait g") == []
    assert found("%stack log ") == ["--tail"]
    assert dispatcher._current is None


@pytest.mark.parametrize("line", ["stack ", "%stacks x", "print('%stack ')", "x = 1", "%timeit "])
def test_other_lines_are_left_alone(line: str) -> None:
    assert completion.split(line)[0] == ""


def test_an_assignment_is_one_of_ours() -> None:
    assert found("task = %async_task --a") == ["--after"]


def test_ipython_asks_us_first_and_once() -> None:
    ipython = SimpleNamespace(Completer=SimpleNamespace(custom_matchers=["another"]))
    completion.register(ipython)
    completion.register(ipython)
    other, matcher = ipython.Completer.custom_matchers
    assert other == "another"
    answer = matcher(SimpleNamespace(text_until_cursor="%stack inst"))
    assert [entry.text for entry in answer["completions"]] == ["install"]
    assert answer["matched_fragment"] == "inst"
    assert answer["suppress"] is True
    assert matcher(SimpleNamespace(text_until_cursor="import os"))["completions"] == []
