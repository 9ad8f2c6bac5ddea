"""Progress of a run, for whoever looks: a notebook, a terminal, or a pipe."""
