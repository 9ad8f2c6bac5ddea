import os

from hypothesis import settings

# Examples that start a bash take as long as the machine is busy: no deadline. In CI the examples
# depend on the commit alone, so that a red run can be repeated.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
