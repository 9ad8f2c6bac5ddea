import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# Examples that start a bash take as long as the machine is busy: no deadline. In CI the examples
# depend on the commit alone, so that a red run can be repeated. For the same reason it is no fault of
# a test that its examples are made slowly.
SLOW = [HealthCheck.too_slow]
settings.register_profile("local", deadline=None, suppress_health_check=SLOW)
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=SLOW)
# Hypothesis warns where it cannot keep its examples, and a warning is an error here.
kept = {} if os.access(".", os.W_OK) else {"database": None}
settings.register_profile("read-only", settings.get_profile("local"), **kept)
settings.load_profile("ci" if os.environ.get("CI") else "read-only" if kept else "local")

# nohup, and `&` in a script, have these ignored by all that the tests start, and some of that is to
# be ended by them.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _folder_of_ipython(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have IPython write there: it warns where HOME cannot be written, and reads a profile in it."""
    os.environ.setdefault("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
