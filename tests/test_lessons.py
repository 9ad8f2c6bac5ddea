from collections.abc import Iterator
from pathlib import Path

import pytest

from stacknb import HookFailed, Stack, dispatcher, lessons
from stacknb.exceptions import BadInput


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dispatcher, "_current", None)
    (tmp_path / "tree" / "extras.d").mkdir(parents=True)
    with Stack(tmp_path / "tree") as made:
        yield made


def seen(number: str, *answers: object) -> tuple[bool, str]:
    verdict = lessons.check(number, *answers)
    assert bool(verdict.hint) != verdict.passed
    return verdict.passed, verdict.saw


def test_every_exercise_says_what_it_asks_for() -> None:
    assert {number[:2] for number in lessons.exercises()} == {"02", "05", "06", "07"}
    assert all(what and what == what.strip() for what in lessons.exercises().values())


def test_an_unknown_exercise_is_refused() -> None:
    with pytest.raises(BadInput, match="no exercise '02\\.11'; did you mean '02\\.1'"):
        lessons.check("02.11")
    with pytest.raises(BadInput, match="asks for: the folder of a plugin"):
        lessons.check("06.2")


def test_without_a_stack_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "_current", None)
    for number in ("02.1", "02.2", "02.3", "02.4", "05.1", "05.2", "05.3", "06.1"):
        assert not lessons.check(number)


def test_a_verdict_says_what_it_saw_and_gives_a_hint(stack: Stack) -> None:
    stack.add_hook("50-app.sh", "[[ $1 != source ]] || APP_PORT=8080\n")
    stack.run(until="source")
    verdict = lessons.check("02.1")
    assert not verdict.passed
    assert repr(verdict).splitlines()[0] == (
        "✗ exercise 02.1, not yet: APP_PORT was first set in 'source', by 50-app.sh, to '8080'"
    )
    assert repr(verdict).splitlines()[1].startswith("  hint: ")


def test_the_default_must_be_changed_before_it_is_read(stack: Stack) -> None:
    stack.add_hook("50-app.sh", "[[ $1 != source ]] || APP_PORT=${APP_PORT:-8080}\n")
    stack.add_hook("70-mine.sh", "[[ $1 != override_defaults ]] || APP_PORT=9091\n")
    stack.run(until="source")
    assert seen("02.1") == (False, "APP_PORT ended as '9091'")
    stack.reset()
    stack.add_hook("70-mine.sh", "[[ $1 != override_defaults ]] || APP_PORT=9090\n")
    stack.run(until="source")
    assert seen("02.1")[0]


def test_a_phase_too_many_is_seen(stack: Stack) -> None:
    stack.add_hook("10-a.sh", "INSTALLED=$1${2-}\n")
    stack.run()
    assert "'override_defaults', 'source'" in seen("02.2")[1]


@pytest.mark.parametrize(
    ("code", "passed"),
    [
        ("declare -a COLOURS=(a b c)", False),
        ("declare -g COLOURS=abc", False),
        ("declare -ga COLOURS=(a b)", False),
        ("declare -ga COLOURS=(a 'b c' d)", True),
    ],
)
def test_the_array_is_looked_at(stack: Stack, code: str, passed: bool) -> None:
    stack.add_hook("10-a.sh", f"{code}\n")
    stack.run(until="source")
    assert seen("02.3")[0] is passed


def test_a_run_that_ended_early_is_seen(stack: Stack) -> None:
    stack.add_hook("60-fragile.sh", "FRAGILE=done; [[ $1 == clean ]] && true\n")
    with pytest.raises(HookFailed):
        stack.run()
    assert seen("02.4") == (False, "60-fragile.sh failed in 'override_defaults'")
    stack.add_hook("60-fragile.sh", "FRAGILE=done; true\n")
    stack.run()
    assert seen("02.4")[0]


def test_where_a_task_starts_and_is_waited_for_is_seen(stack: Stack) -> None:
    stack.add_hook(
        "10-a.sh",
        "[[ ${2-} != install ]] || async_run bake true\n[[ ${2-} != extra ]] || async_wait bake\n",
    )
    stack.run()
    assert seen("05.1") == (False, "'bake' started in 'stack install'")
    stack.reset()
    stack.add_hook(
        "10-a.sh",
        "[[ ${2-} != pre-install ]] || async_run bake true\n"
        "[[ ${2-} != post-config ]] || async_wait bake\n",
    )
    stack.run()
    assert seen("05.1")[0]


def test_a_lost_variable_is_seen(stack: Stack) -> None:
    stack.add_hook(
        "10-a.sh", "think() { ANSWER=42; }; ANSWER=0\nasync_runfunc think; async_wait think\n"
    )
    stack.step()
    assert seen("05.2") == (False, "ANSWER is '0' in the shell")


def test_a_miscount_is_seen(stack: Stack, tmp_path: Path) -> None:
    stack.add_hook(
        "10-a.sh",
        f"COUNTER={tmp_path}/c; echo 99 >$COUNTER\n"
        "for n in 1 2 3 4; do async_run count$n true; async_wait count$n; done\n",
    )
    stack.step()
    assert seen("05.3") == (False, "c says 99")
    (tmp_path / "c").write_text("100\n")
    assert seen("05.3")[0]


def test_a_plugin_is_followed_to_its_clean(stack: Stack, tmp_path: Path) -> None:
    stack.add_hook("settings", f"GREETER_FILE={tmp_path}/hello\n", plugin="greeter")
    stack.add_hook(
        "plugin.sh", '[[ ${2-} != install ]] || echo hi >"$GREETER_FILE"\n', plugin="greeter"
    )
    stack.run()
    assert seen("06.1") == (True, "hello says 'hi'; %clean should take it away")
    stack.run("clean")
    assert seen("06.1") == (False, "'hello' is there after clean")
    (tmp_path / "hello").unlink()
    assert seen("06.1")[0]


def test_a_broken_plugin_is_seen(tmp_path: Path) -> None:
    (tmp_path / "devstack").mkdir()
    (tmp_path / "devstack" / "settings").write_text("declare A=1\n")
    passed, saw = seen("06.2", tmp_path)
    assert not passed
    assert saw.startswith("1 findings, the first is: devstack/settings:1: warning: 'A' vanishes")
    (tmp_path / "devstack" / "settings").write_text("A=1\n")
    assert seen("06.2", str(tmp_path))[0]
