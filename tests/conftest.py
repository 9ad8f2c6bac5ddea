import os

import pytest
from hypothesis import HealthCheck, settings

# Examples that start a bash take as long as the machine is busy: no deadline. In CI the examples
# depend on the commit alone, so that a red run can be repeated. For the same reason it is no fault of
# a test that its examples are made slowly.
SLOW = [HealthCheck.too_slow]
settings.register_profile("local", deadline=None, suppress_health_check=SLOW)
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.load_profile("ci" if os.environ.get("CI") else "local")


# What is known not to hold yet, each with its reason; the tests say what it should be. They run and
# are reported as xfailed. Whoever mends one takes its line out.
KNOWN = {
    "test_a_plain_wait_in_a_hook_does_not_lose_the_status_of_a_task": "a bare wait in a hook",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name, reason in KNOWN.items():
            if item.name.startswith(name):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=False))
