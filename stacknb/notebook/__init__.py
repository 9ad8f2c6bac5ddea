"""What the magics need beside the table: a line's words, their completion, the share of output."""
