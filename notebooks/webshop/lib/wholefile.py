"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Lend a draft beside `path` that takes its place when all went well.

    A task may be stopped at any moment. Whoever reads `path` then finds the
    file of an earlier run or none, never half a file.

    Parameters
    ----------
    path
        The file to write; its folder must exist.

    Yields
    ------
    Path
        The draft to write to. After an error it is removed.
    """
    # The process id keeps two runs that overlap out of each other's draft.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
