# The end of a run, sourced like a hook: collects the tasks that nobody has waited for.
async_cleanup
