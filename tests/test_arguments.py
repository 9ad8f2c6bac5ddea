from stacknb.commands.arguments import CLI, STACK, Argument, Command, help_text

SWITCH = Argument("--serial", "one by one", "switch")
MANY = Argument("--plugin", "enable one", "plugin", many=True)
TREE = Argument("TOP_DIR", "the tree", "folder", at_hand=True)
PHASE = Argument("PHASE", "the phase", "phase", optional=True)
HERE = Argument("--here", "only here", "switch", faces=(STACK,))


def test_the_help_of_a_magic_comes_from_the_table() -> None:
    words = Argument("COMMAND", "its command", "words", many=True, optional=True)
    timeout = Argument("--timeout", "end it", "seconds")
    places = (timeout, Argument("NAME", "its name"), words)
    task = Command("task", "start it", lambda stack, o: None, places, ("%task",))
    text = help_text("%task", [task], "Starts a task.")
    assert text.startswith("Starts a task.\n\n%task NAME [COMMAND…]")
    assert "--timeout SECONDS" in text
    stacking = Command("stack", "stack it", lambda stack, o: None, (TREE, PHASE, SWITCH, HERE))
    text = help_text(STACK, [stacking], "Stacks.")
    assert "%stack [PHASE]" in text
    assert "--here" in text
    assert "TOP_DIR" not in text


def test_usage_tells_what_may_be_left_out() -> None:
    assert TREE.usage(CLI) == "TOP_DIR"
    assert TREE.usage(STACK) == "[TOP_DIR]"
    assert MANY.usage(CLI) == "[--plugin NAME=DIR]…"
    assert SWITCH.usage(CLI) == "[--serial]"
