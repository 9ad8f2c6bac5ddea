"""One run at work: its phases, hooks and cells, its settings, its tasks."""
