"""The checks of the exercises, each a function that says what it saw."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stacknb import checking, status
from stacknb.exceptions import BadInput
from stacknb.lesson_book import (
    NotYet,
    exercise,
    history_of,
    need,
    run_dir,
    stack,
    task_of,
    value_of,
    wait_of,
)

__all__: list[str] = []

# --- 02: the hook lifecycle -----------------------------------------------------------------------


@exercise("02.1", "a hook of yours changes a default before 50-app.sh reads it")
def _early_default() -> str:
    first = history_of("APP_PORT")[0]
    need(
        first.phase == "override_defaults",
        f"APP_PORT was first set in {first.phase!r}, by {first.hook}, to {first.new!r}",
        "$1 is 'override_defaults' in the first phase of all; set it there, plainly",
    )
    value = value_of("APP_PORT")
    need(value == "9090", f"APP_PORT ended as {value!r}", "it should be 9090")
    return f"{first.hook} set APP_PORT to 9090 in override_defaults, and 50-app.sh kept it"


@exercise("02.2", "INSTALLED=yes is set in the phase install, and in no other")
def _one_phase() -> str:
    found = history_of("INSTALLED")
    phases = list(dict.fromkeys(c.phase for c in found))
    need(
        phases == ["stack install"],
        f"INSTALLED was set in {', '.join(map(repr, phases))}",
        'if [[ "$1" == "stack" && "$2" == "install" ]]; then …; fi',
    )
    need(value_of("INSTALLED") == "yes", f"INSTALLED is {value_of('INSTALLED')!r}", "set it to yes")
    return f"{found[0].hook} set INSTALLED in 'stack install' alone"


@exercise("02.3", "the array COLOURS of 3 words, made with declare, is there after source")
def _global_array() -> str:
    variables = stack().variables("COLOURS")
    need(
        len(variables),
        "the shell has no COLOURS",
        "a plain declare is local to the hook: which letter makes it global? -g",
    )
    kind, value = variables.iloc[0][["type", "value"]]
    need(kind == "array", f"COLOURS is a {kind}", "declare -ga COLOURS=(…)")
    count = value.count("]=")
    need(count == 3, f"COLOURS has {count} elements: {value}", "it should have 3")
    return f"COLOURS is an array with 3 elements, set by {history_of('COLOURS')[-1].hook}"


@exercise("02.4", "60-fragile.sh is mended, and the run comes to its end")
def _no_false_end() -> str:
    result = stack().result
    need(result is not None, "nothing has run yet", "run the phases with %stack")
    assert result is not None
    bad = [hook for hook in result.hooks if not hook.ok and hook.phase not in result.phases]
    need(not bad, f"{bad[0].name if bad else ''} failed in {bad[0].phase if bad else ''!r}",
          "if [[ … ]]; then …; fi has status 0 when the test is false")  # fmt: skip
    need(result.complete, f"the run has done {len(result.phases)} phases", "%stack runs the rest")
    need(value_of("FRAGILE") == "done", f"FRAGILE is {value_of('FRAGILE')!r}", "keep what it did")
    return "60-fragile.sh ended well in every phase and did its work"


# --- 05: background tasks -------------------------------------------------------------------------


@exercise("05.1", "the task 'bake' starts in pre-install and is waited for in post-config")
def _crossing() -> str:
    task, wait = task_of("bake"), wait_of("bake")
    need(task.phase == "stack pre-install", f"'bake' started in {task.phase!r}",
          'async_run bake … where $2 is "pre-install"')  # fmt: skip
    need(wait["phase"] == "stack post-config", f"'bake' was waited for in {wait['phase']!r}",
          'async_wait bake where $2 is "post-config"')  # fmt: skip
    need(task.status == "ok", f"'bake' ended as {task.status!r}", f"read {task.log}")
    waited = wait["wait_end"] - wait["wait_start"]
    took = task.duration_s or 0.0
    return f"'bake' took {took:.2f} s, and the run waited {waited:.2f} s for it"


@exercise("05.2", "ANSWER in the shell is what the task 'think' found out")
def _handed_over() -> str:
    task = task_of("think")
    need(task.status == "ok", f"'think' ended as {task.status!r}", f"read {task.log}")
    wait = wait_of("think")
    value = value_of("ANSWER")
    need(value == "42", f"ANSWER is {value!r} in the shell",
          "let the task write a file, wait for it, then ANSWER=$(<file)")  # fmt: skip
    where = history_of("ANSWER")[-1]
    return f"{where.hook} read ANSWER=42 in {where.phase!r} after waiting in {wait['phase']!r}"


@exercise("05.3", "four tasks count to 100 together: the file named by $COUNTER says 100")
def _no_race() -> str:
    run = status.read(run_dir())
    tasks = [task for task in run.tasks if task.name.startswith("count")]
    need(len(tasks) >= 4, f"{len(tasks)} tasks named count… ran", "start count1 to count4")
    bad = [task.name for task in tasks if task.status != "ok"]
    need(not bad, f"{', '.join(bad)} did not end well", "wait for all four with async_wait")
    path = Path(value_of("COUNTER"))
    text = path.read_text().strip() if path.is_file() else ""
    need(text == "100", f"{path.name} says {text or 'nothing'}",
          "read and write while holding a lock: ( flock 9; …; ) 9>>$COUNTER.lock")  # fmt: skip
    return f"{len(tasks)} tasks counted to 100 without losing one"


# --- 06: plugins ----------------------------------------------------------------------------------


@exercise("06.1", "the plugin greeter writes $GREETER_FILE in install and removes it in clean")
def _plugin() -> str:
    names = [plugin.name for plugin in stack().plugins]
    need("greeter" in names, f"the plugins are: {', '.join(names) or 'none'}",
          "%%hook --plugin greeter settings")  # fmt: skip
    result = stack().result
    mode = result.mode if result is not None else "none"
    path = Path(value_of("GREETER_FILE"))
    if mode != "clean":
        need(path.is_file(), f"there is no file {path.name!r} after the run",
              "plugin.sh is called with: stack install")  # fmt: skip
        return f"{path.name} says {path.read_text().strip()!r}; %clean should take it away"
    need(not path.exists(), f"{path.name!r} is there after clean", 'rm -f it where $1 is "clean"')
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
        f"{len(report.findings)} findings, the first is: {first}",
        "mend that line and check again",
    )
    return f"{len(report.files)} scripts and nothing to mend"


# --- 07: reading a log ----------------------------------------------------------------------------


@exercise("07.1", "the run, and the name of the task that failed")
def _failed(run: Any, name: str) -> str:
    bad = [*run.tasks.loc[run.tasks["status"] == "failed", "name"]]
    need(name in run.tasks["name"].to_numpy(), f"there is no task {name!r}", "look at run.tasks")
    need(name in bad, f"{name!r} ended well", 'run.tasks[run.tasks["status"] != "ok"]')
    return f"{name!r} failed, and it ended the run when it was collected"


@exercise("07.2", "the run, and the name of the task that the run waited for longest")
def _longest(run: Any, name: str) -> str:
    waits = run.tasks.set_index("name")["wait_s"].astype(float)
    need(name in waits.index, f"there is no task {name!r}", "look at run.tasks")
    most = str(waits.idxmax())
    need(name == most, f"the run waited {waits[name]:.1f} s for {name!r}, and longer for another",
          'run.tasks.sort_values("wait_s")')  # fmt: skip
    return f"the run waited {waits[name]:.1f} s for {name!r}"
