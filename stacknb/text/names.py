"""What people call things: names that a log can be called by, the known name that was meant."""

from __future__ import annotations

from collections.abc import Iterable

from stacknb.exceptions import BadInput

__all__ = ["check_name", "is_name", "like", "nearest", "unknown"]

_LONGEST = 200  # its log adds to it, and a file may have 255


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


def is_name(name: str) -> bool:
    """Tell whether a log can be called by it, but for its length."""
    good = name and name.isascii() and all(c.isalnum() or c in "._-" for c in name)
    return bool(good) and not name.startswith("-") and name not in (".", "..")


def check_name(name: str, what: str = "task") -> None:
    """Refuse what cannot name a task, a hook or a plugin, of which a log has its name.

    Parameters
    ----------
    name : str
    what : str
        Which of these it is to name.

    Raises
    ------
    BadInput
    """
    if not is_name(name):
        raise BadInput(
            f"{name!r} cannot name a {what}: use letters, digits, '.', '_' and '-' (no '-' in "
            "front; '.' and '..' are folders)"
        )
    if len(name) > _LONGEST:
        raise BadInput(
            f"{name[:20] + '…'!r} cannot name a {what}: it has {len(name)} characters; use at "
            f"most {_LONGEST}"
        )
