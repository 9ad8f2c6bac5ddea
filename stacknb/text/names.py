"""The known name that was meant, where somebody has given another."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["like", "nearest", "unknown"]


def like(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return the known name that is nearest; empty if none is near."""
    import difflib  # only for an error

    return next(iter(difflib.get_close_matches(name, list(known), 1, likeness)), "")


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return ``; did you mean 'x'?`` for the known name that is nearest, or nothing."""
    near = like(name, known, likeness)
    return f"; did you mean {near!r}?" if near else ""


def unknown(what: str, given: str, known: Iterable[str]) -> str:
    """Return the sentence for a word that is none of those there are, see `nearest`."""
    words = list(known)
    hint = nearest(given, words) or f"; there are {', '.join(words)}"
    return f"unknown {what} {given!r}{hint}"
