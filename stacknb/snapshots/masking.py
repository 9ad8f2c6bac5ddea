"""Secrets taken out of what is shown: values of secret names, wherever they appear."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stacknb.snapshots.snapshot import MASK, Variable, is_secret

__all__ = ["Masker"]

# NAME=value, [NAME]="value", --name=value; and the user:password@ of an address.
_ASSIGNED = re.compile(
    r"""(?P<left>\b(?P<name>[A-Za-z_][\w-]*)\]?=)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|\$'(?:[^'\\]|\\.)*'|[^\s;&|()"']+)"""
)
_ADDRESS = re.compile(r"(://[^\s/:@]+:)([^\s/@]+)(@)")
_LEAST = 4  # a shorter value is no secret worth the name, and is found everywhere


class Masker:
    """Masks text that is about to be shown.

    Parameters
    ----------
    variables : iterable of Variable
        Whose values, where the name is a secret's, are not to be seen anywhere.

    Examples
    --------
    >>> hidden = Masker([Variable("DB_PASSWORD", "--", b'"sesame"')])
    >>> hidden.value("DB_PASSWORD", "sesame")
    '••••••'
    >>> hidden.text("mysql://root:sesame@db PASSWORD=other SIZE=3")
    'mysql://root:••••••@db PASSWORD=•••••• SIZE=3'
    """

    def __init__(self, variables: Iterable[Variable] = ()) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.learn(variables)

    def learn(self, variables: Iterable[Variable]) -> None:
        """Know more values that are not to be seen."""
        plain = (v for v in variables if is_secret(v.name) and (v.value or b"(")[:1] != b"(")
        new = {text for v in plain if len(text := v.text()) >= _LEAST}
        new -= {"True", "False", "true", "false", "None", "none"}
        if new - self._secrets:
            self._secrets |= new
            longest = sorted(self._secrets, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest)))

    def value(self, name: str, text: str) -> str:
        """Return the value of a variable as it may be shown; of a secret the mask."""
        return MASK if is_secret(name) and text else self.text(text)

    def text(self, text: str) -> str:
        """Return any text as it may be shown."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        text = _ADDRESS.sub(rf"\1{MASK}\3", text)
        return _ASSIGNED.sub(_hide, text)


def _hide(match: re.Match[str]) -> str:
    refers = match["value"].lstrip('"').startswith("$") and not match["value"].startswith("$'")
    if refers or not is_secret(match["name"].replace("-", "_")):
        return match[0]
    return match["left"] + MASK
