import os

import pytest
from hypothesis import settings

# Examples that start a bash take as long as the machine is busy: no deadline. In CI the examples
# depend on the commit alone, so that a red run can be repeated.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


# What is known not to hold yet, each with its reason; the tests say what it should be. They run and
# are reported as xfailed. Whoever mends one takes its line out.
KNOWN = {
    "test_a_second_task_of_a_name_started_by_the_hook_that_lost": "the shell remembers the first",
    "test_a_task_that_prints_a_forged_footer_is_not_believed[kill -9": "a footer with the right run is believed until the wait",
    "test_a_task_that_comes_after_one_that_forged_its_footer": "--after reads the last footer without checking its run",
    "test_arguments_that_no_program_can_have_are_refused[words2": "a lone surrogate is an UnicodeEncodeError",
    "test_a_task_that_takes_too_long_is_ended_with_its_whole_group[ignores SIGTERM": "the supervisor forgets a task as soon as its leader is dead",
    "test_a_process_that_has_the_number_of_an_old_task_is_not_touched": "start times of processes are not compared after a resume",
    "test_a_function_restored_from_a_snapshot_that_fails": "restored.bash is written anew by the next restore",
    "test_a_service_survives_an_interrupt_and_the_loss_of_the_shell": "an interrupt while nothing runs",
    "test_a_task_that_waits_for_its_own_task_does_not_block_the_only_place": "a waiting task keeps its place under --jobs 1",
    "test_a_task_that_close_ended_has_a_result": "what close ends has no result yet",
    "test_an_interrupt_at_any_moment_ends_the_run_or_comes_too_late": "a race at the end of a hook",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name, reason in KNOWN.items():
            if item.name.startswith(name):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=False))
