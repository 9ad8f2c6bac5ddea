import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stacknb import HookFailed, Stack, lessons, timing
from stacknb.dispatcher import dispatcher
from stacknb.exceptions import BadInput
from stacknb.lessons.synthetic import write_devstack_log


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
    assert {number[:2] for number in lessons.exercises()} == {"01", "02", "03", "05", "06", "07"}
    assert all(what and what == what.strip() for what in lessons.exercises().values())


def test_an_unknown_exercise_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown exercise '02\\.11'; did you mean '02\\.1'"):
        lessons.check("02.11")
    with pytest.raises(BadInput, match="asks for: the folder of a plugin"):
        lessons.check("06.2")


@pytest.mark.parametrize("number", [2.1, None])
def test_what_is_no_number_of_an_exercise_is_refused(number: object) -> None:
    with pytest.raises(BadInput, match=f"unknown exercise '{number}'; "):
        lessons.check(number)


def test_without_a_stack_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "_current", None)
    for number in ("01.1", "01.3", "02.1", "02.2", "02.3", "02.4", "05.1", "05.2", "05.3", "06.1"):
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


SHOP = """
if [[ $1 == source ]]; then
    SHOP_ORDERS=50000 SHOP_URL=http://127.0.0.1:8000
elif [[ "$1 ${2-}" == "stack pre-install" ]]; then
    async_run generate_orders echo "orders.csv: ${SHOP_ORDERS%000},000 orders"
    async_wait generate_orders
fi
"""


def test_orders_count_only_if_changed_before_they_are_made(stack: Stack) -> None:
    stack.add_hook("20-catalog.sh", SHOP)
    stack.run(until="pre-install")
    assert seen("01.1") == (False, "SHOP_ORDERS is '50000'")
    stack.evaluate("SHOP_ORDERS=20000")
    assert seen("01.1") == (False, "the orders were made before SHOP_ORDERS became 20000")
    stack.reset()
    stack.run(until="source")
    stack.evaluate("SHOP_ORDERS=20000")
    assert seen("01.1") == (True, "SHOP_ORDERS is 20000, and no hook has read it yet")
    stack.run(until="pre-install")
    assert seen("01.1") == (True, "the task generate_orders makes 20000 orders")


def test_orders_being_made_are_those_that_were_set_when_the_task_began(stack: Stack) -> None:
    stack.add_hook("20-catalog.sh", SHOP.replace("    async_wait generate_orders\n", ""))
    stack.run(until="source")
    stack.evaluate("make() { until [[ -e $TOP_DIR/go ]]; do sleep 0.01; done; }")
    stack.evaluate("SHOP_ORDERS=30000; async_run generate_orders make; SHOP_ORDERS=20000")
    assert seen("01.1")[0]  # the cell that sets it also starts the task: nobody can tell
    stack.evaluate("SHOP_ORDERS=30000")
    stack.evaluate("SHOP_ORDERS=20000")
    assert seen("01.1") == (False, "the orders were made before SHOP_ORDERS became 20000")
    (stack.top_dir / "go").touch()
    stack.async_wait("generate_orders")


def test_orders_to_be_made_by_a_task_that_has_not_begun_are_those_that_were_set(
    tmp_path: Path, stack: Stack
) -> None:
    # As on a busy machine any task is for a moment: it has no log yet.
    stack.close()
    with Stack(tmp_path / "tree", jobs=1) as other:
        other.add_hook("20-catalog.sh", SHOP)
        other.run(until="source")
        other.async_run("earlier", "sleep", "1000")
        other.evaluate("SHOP_ORDERS=20000; async_run generate_orders echo 20,000 orders")
        (other.run_dir / "async/generate_orders.log").unlink(missing_ok=True)
        assert seen("01.1") == (True, "the task generate_orders makes 20000 orders")
        other.evaluate("SHOP_ORDERS=30000")
        other.evaluate("SHOP_ORDERS=20000")
        assert not seen("01.1")[0]


def test_a_variable_may_be_exported_as_well(stack: Stack) -> None:
    stack.add_hook("20-catalog.sh", SHOP)
    stack.run(until="source")
    stack.evaluate("export SHOP_ORDERS=20000")
    assert seen("01.1") == (True, "SHOP_ORDERS is 20000, and no hook has read it yet")


def test_who_started_a_task_is_asked_for(stack: Stack) -> None:
    stack.add_hook("20-catalog.sh", SHOP)
    stack.add_hook("30-other.sh", "true\n")
    assert not seen("01.2", "20-catalog.sh")[0]
    stack.run(until="pre-install")
    assert seen("01.2", "catalog") == (
        False, "there is no hook 'catalog'; did you mean '20-catalog.sh'?",
    )  # fmt: skip
    assert seen("01.2", "30-other.sh") == (False, "30-other.sh has not started it")
    assert seen("01.2", "20-catalog.sh")[0]


def test_a_task_of_ones_own_must_have_seen_the_address(stack: Stack) -> None:
    stack.add_hook("20-catalog.sh", SHOP)
    stack.run(until="pre-install")
    stack.async_run("mine", "echo", "nothing")
    assert not seen("01.3")[0]
    stack.async_wait("mine")
    assert seen("01.3") == (False, "'mine' said 'nothing'")
    stack.async_run("mine", "eval", 'echo "$SHOP_URL"')
    stack.async_wait("mine")
    assert seen("01.3")[0]


def test_the_wait_for_an_earlier_task_of_that_name_does_not_count(stack: Stack) -> None:
    stack.add_hook("20-catalog.sh", SHOP)
    stack.run(until="pre-install")
    for _ in range(2):
        task = stack.async_run("mine", "eval", 'echo "$SHOP_URL"')
        assert seen("01.3") == (False, "'mine' was started and nobody waited for it")
        task.wait()
        assert seen("01.3")[0]


@pytest.fixture(scope="module")
def stack_sh(tmp_path_factory: pytest.TempPathFactory) -> list[timing.Run]:
    runs = []
    for minutes in (20, 24):
        log = tmp_path_factory.mktemp("logs") / "stack.sh.log"
        write_devstack_log(log, minutes=minutes, lines=20_000)
        runs.append(timing.load(log))
    return runs


def test_the_longest_task_is_not_the_most_harmful(stack_sh: list[timing.Run]) -> None:
    run = stack_sh[0]
    impact = run.impact().set_index("name")
    assert seen("03.1", run, "nothing") == (False, "there is no task 'nothing'")
    assert not seen("03.1", run, impact["shrink_s"].idxmin())[0]
    assert seen("03.1", run, impact["shrink_s"].idxmax())[0]


def test_an_answer_of_another_kind_is_told_what_is_asked_for(stack_sh: list[timing.Run]) -> None:
    run = stack_sh[0]
    for number, *answers in (
        ("03.1", "init_neutron", run), ("03.1", run, run.tasks["name"]), ("03.3", run, "x"),
        ("06.2", 5), ("07.1", run.tasks, "x"), ("07.2", run, {}), ("07.2", "stack.sh.log", "x"),
    ):  # fmt: skip
        verdict = lessons.check(number, *answers)
        assert verdict.saw in ("the answer is of another kind", "there is no task {}")
        assert verdict.hint in (f"give {lessons.exercises()[number]}", "look at run.tasks")


def test_the_answer_may_be_a_column_of_one(stack_sh: list[timing.Run]) -> None:
    impact = stack_sh[0].impact()
    assert lessons.check("03.1", stack_sh[0], impact["name"].head(1))
    assert lessons.check("03.1", stack_sh[0], [impact["name"][0]])


def test_names_that_are_not_in_the_run_are_told(stack_sh: list[timing.Run]) -> None:
    verdict = lessons.check("03.2", stack_sh[0], {"wait_after": {"nosuch": "stack extra"}})
    assert verdict.saw == "no task 'nosuch' in this run"
    assert verdict.hint == "run.hooks and run.tasks have the names"


def test_a_minute_must_be_saved_by_order_alone(stack_sh: list[timing.Run]) -> None:
    run = stack_sh[0]
    for changes in ({"faster": {"init_neutron": 9}}, {"cores": 64}, {"nonsense": 1}, run.what_if()):
        assert seen("03.2", run, changes) == (False, "that is no change of the order alone")
    assert seen("03.2", run, {}) == (False, "that saves 0.00 s")
    assert not seen("03.2", run, {"as_task": "no-such-hook.sh"})[0]
    assert not seen("03.2", run, {"wait_after": {"init_neutron": "stack post-config"}})[0]
    plugins = [f"stack install/{name}-plugin.sh" for name in ("heat", "octavia")]
    assert seen("03.2", run, {"as_task": dict.fromkeys(plugins, "stack post-config")})[0]


def test_the_task_that_lost_most_time_is_asked_for(stack_sh: list[timing.Run]) -> None:
    compared = timing.compare(*stack_sh)
    tasks = compared[compared["kind"] == "task"].set_index("name")
    assert not seen("03.3", compared, "elapsed")[0]
    assert not seen("03.3", compared, tasks["delta_s"].idxmin())[0]
    assert seen("03.3", compared, tasks["delta_s"].idxmax())[0]


def test_the_default_must_be_changed_before_it_is_read(stack: Stack) -> None:
    stack.add_hook("50-app.sh", "[[ $1 != source ]] || APP_PORT=${APP_PORT:-8080}\n")
    stack.add_hook("70-mine.sh", "[[ $1 != override_defaults ]] || APP_PORT=9091\n")
    stack.run(until="source")
    assert seen("02.1") == (False, "APP_PORT ended as '9091'")
    stack.reset()
    stack.add_hook("70-mine.sh", "[[ $1 != override_defaults ]] || APP_PORT=9090\n")
    stack.run(until="source")
    assert seen("02.1")[0]


@pytest.mark.parametrize(
    ("app", "mine", "until", "saw"),
    [
        ("", "[[ $1 == override_defaults ]] && APP_PORT=9090", "",
         "70-mine.sh failed in 'source', which ended the run"),
        ("", "[[ $1 != override_defaults ]] || readonly APP_PORT=9090", "",
         "50-app.sh failed in 'source', which ended the run"),
        ("APP_PORT=9090", "true", "", "50-app.sh sets APP_PORT itself"),
        ("", "APP_PORT=9090", "override_defaults",
         "APP_PORT is 9090, and 50-app.sh has not read it yet"),
    ],
)  # fmt: skip
def test_a_port_that_the_app_does_not_come_to_listen_on_is_refused(
    stack: Stack, app: str, mine: str, until: str, saw: str
) -> None:
    stack.add_hook("50-app.sh", f"{app}\n[[ $1 != source ]] || APP_PORT=${{APP_PORT:-8080}}\n")
    stack.add_hook("70-mine.sh", f"{mine}\n")
    with contextlib.suppress(HookFailed):
        stack.run(until=until or None)
    assert seen("02.1") == (False, saw)


def test_a_variable_that_is_missing_because_the_run_failed_is_told_so(stack: Stack) -> None:
    stack.add_hook("70-mine.sh", "[[ ${2-} == install ]] && INSTALLED=yes\n")
    with pytest.raises(HookFailed):
        stack.run()
    saw = "no hook had set INSTALLED when 70-mine.sh failed in 'override_defaults'"
    assert seen("02.2") == (False, saw)


def test_an_answer_too_many_is_refused() -> None:
    with pytest.raises(BadInput, match="takes fewer answers than the 1 given; it asks for: a hook"):
        lessons.check("02.1", "70-mine.sh")


def test_a_phase_too_many_is_seen(stack: Stack) -> None:
    stack.add_hook("10-a.sh", "INSTALLED=$1${2-}\n")
    stack.run()
    assert "'override_defaults', 'source'" in seen("02.2")[1]


def test_a_hook_that_changed_after_the_run_is_named(stack: Stack) -> None:
    stack.add_hook("10-a.sh", "true\n")
    stack.run()
    assert "changed" not in lessons.check("02.2").hint
    stack.add_hook("70-mine.sh", "if [[ $2 == install ]]; then INSTALLED=yes; fi\n")
    newer = " (added or changed after this run: '70-mine.sh'; %stack reset, %stack)"
    assert lessons.check("02.2").hint.endswith(newer)
    stack.add_hook("10-a.sh", "true\n")  # its cell again, as it was
    assert lessons.check("02.2").hint.endswith(newer)
    stack.reset()
    stack.run()
    assert lessons.check("02.2").passed
    stack.add_hook("10-a.sh", "INSTALLED=yes\n")
    stack.reset()
    stack.run()
    assert "changed" not in lessons.check("02.2").hint


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ('if [[ $1 == stack && "$2" == install ]]; then\n  INSTALLED=yes\nfi\n', ""),
        ("[[ $2 == install ]] && declare -g INSTALLED=yes || true\n", ""),
        ('case "$1-$2" in stack-install) export INSTALLED=yes ;; esac\n', ""),
        ('if [[ "$*" == "stack install" ]]; then INSTALLED=yes; fi\n', ""),  # not understood
        ('[[ $2 == install ]] && INSTALLED=yes\n[[ $2 == extra ]] && echo "INSTALLED=x"; :\n', ""),
        ("if [[ $1 == clean ]]; then X=1; elif [[ $2 == install ]]; then INSTALLED=yes; fi\n", ""),
        ("if [[ $2 == install || $2 == extra ]]; then INSTALLED=yes; fi\n", "'stack extra'"),
        ("case $2 in install | extra) INSTALLED=yes ;; esac\n", "'stack extra'"),
    ],
)
def test_another_phase_of_the_condition_is_seen_though_it_changes_nothing(
    stack: Stack, text: str, again: str
) -> None:
    stack.add_hook("70-mine.sh", text)
    stack.run(until="extra")
    right = "70-mine.sh set INSTALLED in 'stack install' alone"
    told = (False, f"INSTALLED is set again in {again}") if again else (True, right)
    assert seen("02.2") == told


@pytest.mark.parametrize(
    ("code", "passed"),
    [
        ("declare -a COLOURS=(a b c)", False),
        ("declare -g COLOURS=abc", False),
        ("declare -ga COLOURS=(a b)", False),
        ("declare -gA COLOURS=([a]=1 [b]=2 [c]=3)", False),
        ("declare -ga COLOURS=(a 'b c' d)", True),
        ("declare -ga COLOURS=('a]=\"b' $'c\\nd]=' e)", True),
        ("declare -ga COLOURS=('a]=b]=c]=')", False),
    ],
)
def test_the_array_is_looked_at(stack: Stack, code: str, passed: bool) -> None:
    stack.add_hook("10-a.sh", f"{code}\n")
    stack.run(until="source")
    assert seen("02.3")[0] is passed


def test_a_hook_that_was_mended_after_its_phase_is_told_to_begin_anew(stack: Stack) -> None:
    stack.add_hook("40-colours.sh", "[[ $1 != source ]] || declare -a COLOURS=(a b c)\n")
    stack.run(until="source")
    stack.add_hook("40-colours.sh", "[[ $1 != source ]] || declare -ga COLOURS=(a b c)\n")
    stack.run()
    verdict = lessons.check("02.3")
    assert verdict.saw == "the shell has no COLOURS"
    assert verdict.hint.endswith("; then %stack reset and %stack")


def test_an_array_made_by_a_cell_is_not_made_by_a_hook(stack: Stack) -> None:
    stack.add_hook("10-a.sh", "true\n")
    stack.run(until="source")
    stack.evaluate("COLOURS=(a b c)")
    assert seen("02.3") == (False, "COLOURS was set by cell 1")


FRAGILE = "if [[ ${2-} == install ]]; then FRAGILE=done; fi\n"
LAST = "[[ $1 == clean ]] && rm -f /tmp/of-the-app"


@pytest.mark.parametrize(
    "text",
    [
        f"{FRAGILE}{LAST}\ntrue\n",
        f"{FRAGILE}{LAST}\nreturn 0\n",
        f"{FRAGILE}{LAST} || true\n",
        f"{FRAGILE}[[ $1 != clean ]] || rm -f /tmp/of-the-app\n",
        f"{LAST}\n{FRAGILE}",
        f"{FRAGILE}case $1 in clean) rm -f /tmp/of-the-app;; esac\n",
        'case "$1 ${2-}" in "stack install") FRAGILE=done;; "clean ") rm -f /tmp/of-the-app;; esac',
    ],
)
def test_each_way_to_mend_the_fragile_hook_is_right(stack: Stack, text: str) -> None:
    stack.add_hook("60-fragile.sh", text)
    stack.run()
    assert seen("02.4")[0]


def test_a_fragile_hook_is_not_mended_by_doing_less_or_by_switching_errexit_off(
    stack: Stack,
) -> None:
    stack.add_hook("60-fragile.sh", FRAGILE)
    stack.run()
    assert seen("02.4") == (False, "60-fragile.sh does nothing in 'clean' now")
    stack.reset()
    stack.add_hook("60-fragile.sh", f"set +e\n{FRAGILE}{LAST}\n")
    stack.run()
    assert "60-fragile.sh ended with status 1 in 'override_defaults', 'source'" in seen("02.4")[1]


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


def test_the_end_of_a_run_is_nobody_who_waits(stack: Stack) -> None:
    stack.add_hook("20-oven.sh", "[[ ${2-} != pre-install ]] || async_run bake true\n")
    stack.run()
    assert seen("05.1") == (False, "'bake' was started and nobody waited for it")


def test_a_lost_variable_is_seen(stack: Stack) -> None:
    stack.add_hook(
        "10-a.sh", "think() { ANSWER=42; }; ANSWER=0\nasync_runfunc think; async_wait think\n"
    )
    stack.step()
    assert seen("05.2") == (False, "ANSWER is '0' in the shell")


@pytest.mark.parametrize("early", [True, False])
def test_an_answer_that_was_there_before_the_wait_did_not_come_from_the_task(
    stack: Stack, early: bool
) -> None:
    stack.add_hook(
        "10-a.sh", f"[[ $1 != {'override_defaults' if early else 'source'} ]] || ANSWER=42\n"
    )
    stack.add_hook("30-b.sh", "[[ $1 != source ]] || { async_run think true; async_wait think; }\n")
    stack.run()
    where = "override_defaults" if early else "source"
    saw = f"10-a.sh set ANSWER in {where!r}, before 'think' was waited for"
    assert seen("05.2") == (False, saw)


COUNT = """
if [[ $1 == source ]]; then
    COUNTER=$TOP_DIR/counter
elif [[ ${2-} == pre-install ]]; then
    echo 100 >"$COUNTER"
    %s
fi
"""


@pytest.mark.parametrize(
    ("code", "passed"),
    [
        ("for n in 1 2 3 4; do async_run count$n true; done", True),
        ("for n in 1 2 3 4; do async_run count$n true; done\nasync_wait count4 count{3..1}", True),
        ("for n in 1 2 3 4; do async_run count$n true; async_wait count$n; done", False),
        ("async_run count1 :\nfor n in 2 3 4; do async_run --after count1 count$n :; done", False),
        ("DEVSTACK_PARALLEL=False; for n in 1 2 3 4; do async_run count$n true; done", False),
    ],
)  # fmt: skip
def test_tasks_that_take_turns_do_not_count_together(stack: Stack, code: str, passed: bool) -> None:
    stack.add_hook("40-count.sh", COUNT % f"{code}\nasync_cleanup")
    stack.run(until="pre-install")
    verdict = "4 tasks counted to 100 without losing one", "the tasks ran one after the other"
    assert seen("05.3") == (passed, verdict[not passed])


def test_tasks_of_a_phase_that_was_run_again_are_past(stack: Stack) -> None:
    start = "for n in 1 2 3 4; do async_run count$n %s; done\nasync_wait count{1..4}"
    stack.add_hook("40-count.sh", COUNT % start % "false")
    with pytest.raises(HookFailed):
        stack.run(until="pre-install")
    assert "did not end well" in seen("05.3")[1]
    stack.add_hook("40-count.sh", COUNT % start % "true")
    stack.run(until="pre-install")
    assert seen("05.3") == (True, "4 tasks counted to 100 without losing one")


def test_a_miscount_is_seen(stack: Stack, tmp_path: Path) -> None:
    stack.add_hook(
        "10-a.sh",
        f"COUNTER='{tmp_path}/c'; echo 99 >\"$COUNTER\"\n"
        "for n in 1 2 3 4; do async_run count$n true; done\n"
        "async_wait count1 count2 count3 count4\n",
    )
    stack.step()
    assert seen("05.3") == (False, "c says 99")
    (tmp_path / "c").write_text("100\n")
    assert seen("05.3")[0]


def test_a_plugin_is_followed_to_its_clean(stack: Stack, tmp_path: Path) -> None:
    stack.add_hook("settings", f"GREETER_FILE='{tmp_path}/hello'\n", plugin="greeter")
    stack.add_hook(
        "plugin.sh", '[[ ${2-} != install ]] || echo hi >"$GREETER_FILE"\n', plugin="greeter"
    )
    stack.run()
    assert seen("06.1") == (True, "hello says 'hi'; %clean should take it away")
    stack.run("clean")
    assert seen("06.1") == (False, "'hello' is there after clean")
    (tmp_path / "hello").unlink()
    assert seen("06.1")[0]


@pytest.mark.parametrize(
    ("settings", "plugin", "idle"),
    [
        ("", "[[ ${2-} == pre-install ]] && echo hi >$GREETER_FILE\n:\n", "stack install"),
        ("echo hi >$GREETER_FILE\n", "if [[ $1 == clean ]]; then rm -f $GREETER_FILE; fi\n",
         "stack install"),
        ("", "case $1 in stack) echo hi >$GREETER_FILE;; unstack) rm $GREETER_FILE;; esac\n",
         "clean"),
    ],
)  # fmt: skip
def test_a_plugin_that_works_in_another_phase_is_seen(
    stack: Stack, tmp_path: Path, settings: str, plugin: str, idle: str
) -> None:
    text = f"GREETER_FILE='{tmp_path}/hello'\n{settings}"
    stack.add_hook("settings", text, plugin="greeter")
    stack.add_hook("plugin.sh", plugin, plugin="greeter")
    stack.run()
    assert seen("06.1")[0] is (idle == "clean")
    if idle == "clean":
        stack.run("clean")
        assert seen("06.1") == (False, "plugin.sh does nothing in 'clean'")


def test_a_broken_plugin_is_seen(tmp_path: Path) -> None:
    (tmp_path / "devstack").mkdir()
    (tmp_path / "devstack" / "settings").write_text("declare A=1\n")
    passed, saw = seen("06.2", tmp_path)
    assert not passed
    assert saw.startswith("1 finding, the first is: devstack/settings:1: warning: 'A' vanishes")
    (tmp_path / "devstack" / "settings").write_text("A=1\n")
    assert seen("06.2", str(tmp_path))[0]
