"""A real stack.sh log, read as events: phases, hooks, tasks, waits, and the tables at its end."""

from stacknb.devstack_log.events import Event
from stacknb.devstack_log.logfile import LogFile

__all__ = ["Event", "LogFile"]
