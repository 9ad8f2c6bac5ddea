"""A file of JSON lines that grows while it is read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from stacknb.text.reading import json_object, opened

__all__ = ["LineFile"]

_LONGEST = 16 << 20  # bytes of a line: the command of a task fits, and nothing endless does
_MOST = 256 << 20  # bytes of a file; 100,000 tasks fit


class LineFile:
    """A file of JSON lines that grows; a line that is not whole yet is left for the next time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._is_within = False  # a line that is too long

    def new(self) -> list[dict[str, Any]]:
        """Return what was added since the last call; what is no JSON object is passed over.

        Raises
        ------
        OSError
            If it is there, and no file that can be read.
        """
        records = []
        try:
            with opened(self._path) as file:
                file.seek(self._offset)
                for line in iter(partial(file.readline, _LONGEST), b""):
                    is_whole = line.endswith(b"\n")
                    if self._offset > _MOST or not (is_whole or len(line) == _LONGEST):
                        break
                    self._offset += len(line)
                    record = json_object(line) if is_whole and not self._is_within else None
                    self._is_within = not is_whole
                    if record is not None:
                        records.append(record)
        except (FileNotFoundError, NotADirectoryError):
            pass
        return records
