"""Settings of a run: a localrc, or the part of a DevStack local.conf that is one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stacknb.exceptions import BadInput
from stacknb.places import STATE, absolute
from stacknb.rundir import room
from stacknb.text import syntax
from stacknb.text.reading import piped
from stacknb.text.screen import quoted

__all__ = ["Settings", "localrc_of"]

# DevStack does not mind what follows. A test of bash has blanks before its |, or two of them.
_META = re.compile(r"^\[\[\s*([^|\]\s]+)\s*\|(?!\|)(.*?)\]\]")


@dataclass(frozen=True)
class Settings:
    """The files of settings that the user gave.

    They are read anew for each try of the first phase, so that one that failed can be mended.

    Attributes
    ----------
    localrc, local_conf : Path or None
        Absolute.
    kept : str
        What a localrc said that can be read only once: a pipe, such as ``<(…)`` of a shell.
    """

    localrc: Path | None = None
    local_conf: Path | None = None
    kept: str = ""

    @classmethod
    def given(
        cls,
        localrc: str | os.PathLike[str] | None = None,
        local_conf: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Return the settings in these files.

        Raises
        ------
        BadInput
            If a file cannot be read, or not by bash (CRLF line ends, a byte order mark, a syntax
            error), or local.conf has no ``[[local|localrc]]`` part.
        """
        conf = _part(local_conf) if local_conf is not None else ""
        text = _localrc(localrc) if localrc is not None else ""
        if any(path is not None and _is_passing(path) for path in (localrc, local_conf)):
            return cls(kept=conf + text)
        return cls(_absolute(localrc), _absolute(local_conf))

    @classmethod
    def of_run(cls, run_dir: Path, facts: Mapping[str, Any]) -> Self:
        """Return the settings that a run began with; its files may be gone."""
        localrc, local_conf = (Path(p) if (p := facts.get(key)) else None for key in _KEYS)
        copy = _copy(run_dir, "localrc")
        if localrc is None and local_conf is None and copy.is_file():
            localrc = copy
        return cls(localrc, local_conf)

    def facts(self) -> dict[str, str]:
        """Return what ``run.json`` is to tell: where the files are."""
        pairs = zip(_KEYS, (self.localrc, self.local_conf), strict=True)
        return {key: str(path) for key, path in pairs if path is not None}

    def left_out(self, top_dir: Path) -> str:
        """Say which settings nobody reads here, of those given or of the tree; mostly empty."""
        if self == Settings():
            for name in ("localrc", "local.conf"):  # as DevStack, which reads one of them
                if (top_dir / name).is_file():
                    option = f"--{name.replace('.', '-')}"
                    return f"{str(top_dir / name)!r} is not read unless it is given: {option} FILE"
        others = localrc_of(_read(self.local_conf))[1] if self.local_conf is not None else []
        if not others:
            return ""
        parts = quoted(f"[[{heading}]]" for heading in dict.fromkeys(others))
        return (
            f"{str(self.local_conf)!r}: only its [[local|localrc]] part is read, not {parts}; "
            "set what these set in a hook (iniset)"
        )

    def text(self) -> str:
        """Return all that is sourced, as one text; raises as `given`."""
        conf = _part(self.local_conf) if self.local_conf is not None else ""
        return conf + (_localrc(self.localrc) if self.localrc is not None else "") + self.kept

    def scripts(self, run_dir: Path) -> Iterator[tuple[Path, Path]]:
        """Yield what is to be sourced, in order, each with the user's file that it stands for."""
        if self.local_conf is not None:
            yield _written(run_dir, "local.conf", _part(self.local_conf)), self.local_conf
        if self.localrc is not None and _localrc(self.localrc):
            yield self.localrc, self.localrc
        if self.kept:
            copy = _written(run_dir, "localrc", self.kept)
            yield copy, copy


_KEYS = ("localrc", "local_conf")


def localrc_of(local_conf: str) -> tuple[str, list[str]]:
    """Return the ``[[local|localrc]]`` part of a local.conf, and the headings of its other parts.

    Lines of other parts are empty in it, so that bash tells the line of the file. A file without
    any heading is a localrc as a whole.
    """
    own, others, heading = [], [], ""
    lines = local_conf.split("\n")
    whole = not any(map(_META.match, lines))
    for line in lines:
        if found := _META.match(line):
            heading = f"{found[1].strip()}|{found[2].strip()}"
            others += [heading] if heading != "local|localrc" else []
            own.append("")
        else:
            own.append(line if whole or heading == "local|localrc" else "")
    return "\n".join(own), others


def _absolute(path: str | os.PathLike[str] | None) -> Path | None:
    return absolute(path) if path is not None else None


def _part(path: str | os.PathLike[str]) -> str:
    whole = _read(path)
    text, _ = localrc_of(whole)
    # A mark at the head of the file hides the heading that stands there.
    _check(whole if whole.startswith("\ufeff") else text, path)
    if not text.strip():
        raise BadInput(f"{os.fspath(path)!r} has no [[local|localrc]] part; add one")
    return text if text.endswith("\n") else f"{text}\n"


def _localrc(path: str | os.PathLike[str]) -> str:
    text = _read(path)
    _check(text, path)
    return text


def _check(text: str, path: str | os.PathLike[str]) -> None:
    if fault := syntax.unreadable(text.encode("utf-8", "surrogateescape"), Path(path)):
        raise BadInput(f"settings {os.fspath(path)!r}: {fault}")
    for wrong in syntax.check(text):  # bash would go on after it
        if wrong.fatal:
            said = f"{wrong.place}: {wrong.message}; mend it"
            raise BadInput(f"settings {os.fspath(path)!r}, {said}")


def _read(path: str | os.PathLike[str]) -> str:
    try:
        return piped(path).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise BadInput(f"{os.fspath(path)!r} cannot be read: {error.strerror}") from error


def _is_passing(path: str | os.PathLike[str]) -> bool:
    # A descriptor of this process, such as /dev/stdin, is another one in bash.
    return not Path(path).is_file() or str(absolute(path)).startswith(("/dev/", "/proc/"))


def _copy(run_dir: Path, name: str) -> Path:
    return run_dir / STATE / name


def _written(run_dir: Path, name: str, text: str) -> Path:
    copy = _copy(run_dir, name)
    try:
        copy.touch(mode=0o600)  # they may hold passwords
        copy.write_text(text, "utf-8", "surrogateescape")
    except OSError as error:
        raise room.refusal(run_dir, error, "no settings can be read") from error
    return copy
