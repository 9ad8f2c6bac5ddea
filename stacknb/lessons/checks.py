"""The checks of the exercises, each a function that says what it saw."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from stacknb import status, tasklog
from stacknb.exceptions import BadInput
from stacknb.hooks import checking
from stacknb.lessons.book import (
    NotYet,
    begun,
    does_in,
    ended_by,
    exercise,
    history_of,
    log_of,
    moment_of,
    need,
    run_dir,
    sets_in,
    stack,
    task_of,
    value_of,
    wait_of,
)
from stacknb.lifecycle import Phase
from stacknb.text.names import nearest
from stacknb.text.screen import counted, quoted, seconds

__all__: list[str] = []

# --- 01: the first stack --------------------------------------------------------------------------


@exercise("01.1", "the shop makes 20000 orders: SHOP_ORDERS is changed before pre-install reads it")
def _fewer_orders() -> str:
    value = value_of("SHOP_ORDERS")
    need(value == "20000", f"SHOP_ORDERS is {value!r}", "a cell of %%stack: SHOP_ORDERS=20000")
    task = stack().tasks.get("generate_orders")
    if task is None:
        return "SHOP_ORDERS is 20000, and no hook has read it yet"
    early = moment_of(history_of("SHOP_ORDERS")[-1]).start < task.started
    need(b"20,000 orders" in tasklog.tail_bytes(task.log) or (task.running and early),
         "the orders were made before SHOP_ORDERS became 20000",
         "%stack reset, %stack --until source, and set it then")  # fmt: skip
    return "the task generate_orders makes 20000 orders"


@exercise("01.2", "the name of the hook that started the task generate_orders")
def _who_started(hook: str) -> str:
    task = task_of("generate_orders")
    known = [*stack().plan()["hook"]]
    need(hook in known, f"there is no hook {hook!r}{nearest(hook, known)}", "see %stack plan")
    need(hook == task.hook, f"{hook} has not started it",
         'stacknb.current().tasks["generate_orders"] knows its hook')  # fmt: skip
    return f"{hook} started it in {task.phase!r}"


@exercise("01.3", "a task 'mine' of yours has told the address of the shop, and was waited for")
def _own_task() -> str:
    task, address = task_of("mine"), value_of("SHOP_URL")
    wait_of("mine")
    need(task.status == "ok", f"'mine' ended as {task.status!r}", f"%stack log {task.name}")
    said = log_of(task)
    need(address in said, f"'mine' said {said!r}",
         'a cell: %%async_task mine, and below it: echo "$SHOP_URL"')  # fmt: skip
    return f"'mine' saw SHOP_URL in the shell that it is a copy of: {address}"


# --- 02: the hook lifecycle -----------------------------------------------------------------------

_ELEMENT = re.compile(r"""\[\d+\]=(?:"(?:\\.|[^"\\])*"|\$'(?:\\.|[^'\\])*')""")


@exercise("02.1", "a hook of yours changes a default before 50-app.sh reads it")
def _early_default() -> str:
    first = history_of("APP_PORT")[0]
    need(
        first.phase == "override_defaults",
        f"APP_PORT was first set in {first.phase!r}, by {first.hook}, to {first.new!r}",
        "$1 is 'override_defaults' in the first phase of all; set it there, plainly",
    )
    need(first.hook != "50-app.sh", "50-app.sh sets APP_PORT itself", "write a hook 70-mine.sh")
    value = value_of("APP_PORT")
    need(value == "9090", f"APP_PORT ended as {value!r}", "it should be 9090")
    need(not ended_by(), f"{ended_by()}, which ended the run", "if [[ … ]]; then …; fi")
    need(any(hook.name == "50-app.sh" for phase in status.read(run_dir()).phases
             if phase.name == "source" for hook in phase.hooks),
         "APP_PORT is 9090, and 50-app.sh has not read it yet", "%stack runs the rest")  # fmt: skip
    return f"{first.hook} set APP_PORT to 9090 in override_defaults, and 50-app.sh kept it"


@exercise("02.2", "INSTALLED=yes is set in the phase install, and in no other")
def _one_phase() -> str:
    found = history_of("INSTALLED")
    phases = list(dict.fromkeys(c.phase for c in found))
    need(
        phases == ["stack install"],
        f"INSTALLED was set in {quoted(phases)}",
        'if [[ "$1" == "stack" && "$2" == "install" ]]; then …; fi',
    )
    need(value_of("INSTALLED") == "yes", f"INSTALLED is {value_of('INSTALLED')!r}", "set it to yes")
    may = sets_in(found[0].hook, "INSTALLED")  # once it is yes, another time changes nothing
    if may and may[0] == "stack install":  # the text is understood
        need(len(may) == 1, f"INSTALLED is set again in {quoted(may[1:])}",
             "leave one phase in the condition")  # fmt: skip
    return f"{found[0].hook} set INSTALLED in 'stack install' alone"


@exercise("02.3", "the array COLOURS of 3 words, made with declare, is there after source")
def _global_array() -> str:
    variables = stack().variables("COLOURS")
    need(
        len(variables),
        "the shell has no COLOURS",
        "a plain declare is local to the hook: which letter makes it global? -g"
        "; then %stack reset and %stack",
    )
    kind, value = variables.iloc[0][["type", "value"]]
    need(kind == "array", f"COLOURS is of type {kind}", "declare -ga COLOURS=(…)")
    count = len(_ELEMENT.findall(value))
    need(count == 3, f"COLOURS has {counted(count, 'element')}: {value}", "it should have 3")
    where = history_of("COLOURS")[-1].hook
    need(not where.startswith("cell "), f"COLOURS was set by {where}", "%%hook 40-colours.sh")
    return f"COLOURS is an array with 3 elements, set by {where}"


@exercise("02.4", "60-fragile.sh is mended, and the run comes to its end")
def _no_false_end() -> str:
    result = stack().result
    need(result is not None, "nothing has run yet", "run the phases with %stack")
    assert result is not None
    need(not ended_by(), ended_by(), "if [[ … ]]; then …; fi has status 0 when the test is false")
    last = {hook.phase: hook for hook in result.hooks if hook.name == "60-fragile.sh"}
    bad = [phase for phase, hook in last.items() if hook.exit_code]
    need(not bad, f"60-fragile.sh ended with status 1 in {quoted(bad)}",
         "let errexit be, and mend the last line")  # fmt: skip
    done = counted(len(result.phases), "phase")
    need(result.complete, f"the run has done {done}", "%stack runs the rest")
    need(value_of("FRAGILE") == "done", f"FRAGILE is {value_of('FRAGILE')!r}", "keep what it did")
    need(does_in("60-fragile.sh", Phase("clean")), "60-fragile.sh does nothing in 'clean' now",
         "keep what it did: rm -f /tmp/of-the-app")  # fmt: skip
    return "60-fragile.sh ended well in every phase and did its work"


# --- 03: timing -----------------------------------------------------------------------------------


@exercise("03.1", "the run, and the task without which it would be shortest")
def _most_harmful(run: Any, name: str) -> str:
    shrinks = run.impact().set_index("name")["shrink_s"]
    need(name in shrinks.index, f"there is no task {name!r}", "look at run.impact()")
    took = run.tasks.set_index("name")["duration_s"]
    need(shrinks[name] == shrinks.max(),
         f"{name!r} took {seconds(took[name])}; another would make the run shorter by more",
         "a long task may run behind other work: which column of impact() tells?")  # fmt: skip
    return f"without {name!r} ({seconds(took[name])}) the run is {seconds(shrinks[name])} shorter"


@exercise("03.2", "the run, and changes for what_if that save a minute with nothing made faster")
def _rearranged(run: Any, changes: Any) -> str:
    allowed = {"wait_after", "start_after", "as_task"}
    need(isinstance(changes, dict) and changes.keys() <= allowed,
         "that is no change of the order alone",
         "move a wait or make a hook a task: run.advice() has ideas")  # fmt: skip
    try:
        predicted = run.what_if(**changes)
    except BadInput as error:
        raise NotYet(str(error), "run.hooks and run.tasks have the names") from None
    need(predicted.saved_s >= 60, f"that saves {seconds(predicted.saved_s)}",
         "changes add up: as_task, for one, takes several hooks")  # fmt: skip
    return f"{seconds(predicted.saved_s)} less, and nothing of the work has changed"


@exercise("03.3", "the comparison, and the task that lost most time against last week")
def _slower(compared: Any, name: str) -> str:
    tasks = compared[compared["kind"] == "task"].set_index("name")
    need(name in tasks.index, f"there is no task {name!r}", 'compared[compared["kind"] == "task"]')
    row = tasks.loc[name]
    need(name == tasks["delta_s"].idxmax(),
         f"{name!r} is {row['verdict']}, and another lost more time",
         'sort_values("delta_s", ascending=False)')  # fmt: skip
    more, noise = seconds(row["delta_s"]), seconds(row["noise_s"])
    return f"{name!r} takes {more} more, with a noise of {noise}"


# --- 05: background tasks -------------------------------------------------------------------------


@exercise("05.1", "the task 'bake' starts in pre-install and is waited for in post-config")
def _crossing() -> str:
    task, wait = task_of("bake"), wait_of("bake")
    need(task.phase == "stack pre-install", f"'bake' started in {task.phase!r}",
          'async_run bake … where $2 is "pre-install"')  # fmt: skip
    need(wait["phase"] == "stack post-config", f"'bake' was waited for in {wait['phase']!r}",
          'async_wait bake where $2 is "post-config"')  # fmt: skip
    need(task.status == "ok", f"'bake' ended as {task.status!r}", f"%stack log {task.name}")
    waited = wait["wait_end"] - wait["wait_start"]
    took = task.duration_s or 0.0
    return f"'bake' took {seconds(took)}, and the run waited {seconds(waited)} for it"


@exercise("05.2", "ANSWER in the shell is what the task 'think' found out")
def _handed_over() -> str:
    task = task_of("think")
    need(task.status == "ok", f"'think' ended as {task.status!r}", f"%stack log {task.name}")
    wait = wait_of("think")
    value = value_of("ANSWER")
    need(value == "42", f"ANSWER is {value!r} in the shell",
          "let the task write a file, wait for it, then ANSWER=$(<file)")  # fmt: skip
    where = history_of("ANSWER")[-1]
    need(moment_of(where).end >= wait["wait_end"],
         f"{where.hook} set ANSWER in {where.phase!r}, before 'think' was waited for",
         "async_wait think, then read what it has written")  # fmt: skip
    return f"{where.hook} read ANSWER=42 in {where.phase!r} after waiting in {wait['phase']!r}"


@exercise("05.3", "four tasks count to 100 together: the file named by $COUNTER says 100")
def _no_race() -> str:
    run = status.read(run_dir())
    tasks = [t for t in run.tasks if t.name.startswith("count") and not t.superseded]
    need(len(tasks) >= 4, f"{counted(len(tasks), 'task')} named count… ran",
         "start count1 to count4")  # fmt: skip
    bad = [task.name for task in tasks if task.status != "ok"]
    need(not bad, f"{quoted(bad)} did not end well", "wait for all four with async_wait")
    path = Path(value_of("COUNTER"))
    text = path.read_text().strip() if path.is_file() else ""
    need(text == "100", f"{path.name} says {text or 'nothing'}",
          "read and write while holding a lock: ( flock 9; …; ) 9>>$COUNTER.lock")  # fmt: skip
    heads = [tasklog.read_header(run_dir() / task.log) for task in tasks]
    waited = min(wait_of(task.name)["wait_start"] for task in tasks)
    turns = any(head.get("after") or head.get("foreground") for head in heads)
    need(not turns and waited >= max(map(begun, tasks)), "the tasks ran one after the other",
         "start all four before you wait for one, without --after")  # fmt: skip
    return f"{len(tasks)} tasks counted to 100 without losing one"


# --- 06: plugins ----------------------------------------------------------------------------------


@exercise("06.1", "the plugin greeter writes $GREETER_FILE in install and removes it in clean")
def _plugin() -> str:
    names = [plugin.name for plugin in stack().plugins]
    need("greeter" in names, f"the plugins are: {quoted(names) or 'none'}",
          "%%hook --plugin greeter settings")  # fmt: skip
    result = stack().result
    mode = result.mode if result is not None else "none"
    path = Path(value_of("GREETER_FILE"))
    if mode != "clean":
        need(path.is_file(), ended_by() or f"there is no file {path.name!r} after the run",
              "plugin.sh is called with: stack install")  # fmt: skip
        need(does_in("greeter-plugin.sh", Phase("stack", "install")),
             f"{path.name} is there, yet plugin.sh does nothing in 'stack install'",
             "plugin.sh is called with: stack install")  # fmt: skip
        return f"{path.name} says {path.read_text().strip()!r}; %clean should take it away"
    need(not path.exists(), f"{path.name!r} is there after clean", 'rm -f it where $1 is "clean"')
    for phase in (Phase("stack", "install"), Phase("clean")):
        need(does_in("greeter-plugin.sh", phase), f"plugin.sh does nothing in {phase.label!r}",
             'write the file where $2 is "install", rm -f it where $1 is "clean"')  # fmt: skip
    return f"{path.name} was written, and is gone after clean"


@exercise("06.2", "the folder of a plugin in which `check` finds nothing to mend")
def _checked(folder: str | os.PathLike[str]) -> str:
    try:
        report = checking.check(folder)
    except BadInput as error:
        raise NotYet(str(error), "give the folder that holds devstack/") from None
    first = str(next(iter(report.findings), ""))
    need(
        not report.findings,
        f"{counted(len(report.findings), 'finding')}, the first is: {first}",
        "mend that line and check again",
    )
    return f"{counted(len(report.files), 'script')} and nothing to mend"


# --- 07: reading a log ----------------------------------------------------------------------------


@exercise("07.1", "the run, and the name of the task that the run waited for longest")
def _longest(run: Any, name: str) -> str:
    waits = run.tasks.set_index("name")["wait_s"].astype(float)
    need(name in waits.index, f"there is no task {name!r}", "look at run.tasks")
    need(waits[name] == waits.max(),
         f"the run waited {seconds(waits[name])} for {name!r}, and longer for another",
         'run.tasks.sort_values("wait_s")')  # fmt: skip
    return f"the run waited {seconds(waits[name])} for {name!r}"


@exercise("07.2", "the run, and the name of the task that failed")
def _failed(run: Any, name: str) -> str:
    bad = [*run.tasks.loc[run.tasks["status"] == "failed", "name"]]
    need(name in run.tasks["name"].to_numpy(), f"there is no task {name!r}", "look at run.tasks")
    need(name in bad, f"{name!r} ended well", 'run.tasks[run.tasks["status"] != "ok"]')
    return f"{name!r} failed, and it ended the run when it was collected"
