"""The table of commands: the arguments of each, what it does, and how a terminal is told of it."""
