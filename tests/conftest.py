import os
import signal

from hypothesis import HealthCheck, settings

# Examples that start a bash take as long as the machine is busy: no deadline. In CI the examples
# depend on the commit alone, so that a red run can be repeated. For the same reason it is no fault of
# a test that its examples are made slowly.
SLOW = [HealthCheck.too_slow]
settings.register_profile("local", deadline=None, suppress_health_check=SLOW)
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# nohup has it ignored by all that the tests start, and some of that is to be ended by it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
