"""What the magics need beside the table: the stack at hand, a line's words, the share of output."""
