"""altair, for every module of charts, imported without the slowest of what it never uses.

altair imports jsonschema, and that, where JupyterLab has been installed, a checker of international
addresses (IRIs) that builds 38 parsers as it is imported: 1.6 seconds, and up to four times as much
deep within other imports. No chart holds such an address. The checker stays at hand: it is imported
when it is first asked. (https://github.com/python-jsonschema/jsonschema/issues/1428)
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

__all__ = ["alt", "deferred"]


class _Deferred(ModuleType):
    """Stands for a module, and imports it when something of it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **options: Any) -> Any:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            return getattr(importlib.import_module(self.__name__), name)(*args, **options)

        return call


@contextlib.contextmanager
def deferred(name: str) -> Iterator[None]:
    """Import a module of functions no earlier than one of them is called.

    Only what is imported inside gets such functions; afterwards `name` is imported as ever.
    """
    if name in sys.modules or importlib.util.find_spec(name) is None:
        yield
        return
    stand_in = sys.modules[name] = _Deferred(name)
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]


with deferred("rfc3987_syntax"):
    import altair as alt
