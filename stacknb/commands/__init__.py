"""The table of commands, their arguments, and what each does; magics and command line read it."""
