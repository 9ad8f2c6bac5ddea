"""Looks at a plugin or a tree of hooks before it is run: what cannot work, what is hardly meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stacknb import lifecycle
from stacknb.exceptions import BadInput
from stacknb.hooks import check_rules
from stacknb.hooks.check_rules import tasks_waited_for
from stacknb.places import absolute
from stacknb.plugins import FILES
from stacknb.text import syntax
from stacknb.text.names import nearest
from stacknb.text.reading import opened
from stacknb.text.screen import SYMBOLS, counted
from stacknb.text.script import look
from stacknb.text.signs import shown

__all__ = ["Finding", "Report", "check"]

_MOST = 1 << 20  # bytes of a script that are looked at


@dataclass(frozen=True)
class Finding:
    """Something that a check found.

    Attributes
    ----------
    level : str
        ``error``: it cannot run; ``warning``: it can, and is hardly meant so.
    file : str
        Within what was checked.
    line, column : int
        From 1; 0 where there is none.
    message : str

    Examples
    --------
    >>> added = stack.add_hook("50-hello.sh", "async_wait nothing")
    >>> [(finding.level, finding.file, finding.line) for finding in stack.check().findings]
    [('warning', 'extras.d/50-hello.sh', 2)]
    """

    level: str
    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = ":".join([shown(self.file), *(str(n) for n in (self.line, self.column) if n)])
        return f"{place}: {self.level}: {shown(self.message)}"


@dataclass(frozen=True)
class Report:
    """What came of a check.

    Attributes
    ----------
    path : Path
    kind : str
        ``plugin`` or ``tree``.
    files : list of str
        The scripts that were looked at.
    findings : list of Finding

    Examples
    --------
    >>> report = stack.check()
    >>> report.files, report.ok, report.fails
    (['extras.d/10-shop.sh'], True, False)
    """

    path: Path
    kind: str
    files: list[str]
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not any(finding.level == "error" for finding in self.findings)

    @property
    def fails(self) -> bool:
        """Whether the exit status is to tell of it."""
        return not self.ok

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON.

        Examples
        --------
        >>> sorted(stack.check().to_dict())
        ['files', 'findings', 'kind', 'ok', 'path']
        """
        return {**asdict(self), "path": str(self.path), "ok": self.ok}

    def __str__(self) -> str:
        counts = [
            counted(number, level)
            for level in ("error", "warning")
            if (number := sum(finding.level == level for finding in self.findings))
        ]
        mark = SYMBOLS["ok" if self.ok else "failed"]
        told = ", ".join(counts) or "nothing to mend"
        count = counted(len(self.files), "script")
        last = f"{mark} {self.kind} {str(self.path)!r}: {count}, {told}"
        return "\n".join([*map(str, self.findings), last])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def check(path: str | os.PathLike[str]) -> Report:
    """Check a plugin's folder, or a tree with ``extras.d`` and the plugins within it.

    Nothing is run. File modes do not matter: hooks are sourced.

    Raises
    ------
    BadInput
        If it is neither.
    """
    folder = absolute(os.path.expanduser(path))
    if not os.path.isdir(folder):  # a Path would raise, for a name that is too long
        what = "it is a file" if os.path.exists(folder) else "there is no such folder"
        raise BadInput(f"{os.fspath(path)!r}: {what}; give a plugin's folder or a tree of hooks")
    plugins = [folder] if (folder / "devstack").is_dir() else []
    kind = "plugin" if plugins else "tree"
    if (folder / "extras.d").is_dir():
        kind = "tree"
        plugins += sorted(place.parent for place in folder.glob("plugins/*/devstack"))
    if kind == "tree" and not (folder / "extras.d").is_dir():
        raise BadInput(
            f"{os.fspath(path)!r} is neither a plugin nor a tree of hooks: it has no devstack/ and "
            "no extras.d/"
        )
    scripts: list[tuple[Path, str]] = []
    findings = list(_of_extras(folder, scripts))
    for plugin in plugins:
        findings += _of_plugin(folder, plugin, scripts)
    texts = {path: text for path, _ in scripts for text in _text(path)}
    libraries = dict(_libraries(folder, texts))
    findings += _of_tasks(folder, texts, libraries.values())
    sourced = check_rules.sourced("\n".join([*texts.values(), *libraries.values()]))
    ends = tuple(f"/{end}" for end in sourced)
    scripts += [(path, "lib") for path in sorted(libraries) if str(path).endswith(ends)]
    for script, kind_ in scripts:
        findings += _of_script(folder, script, kind_, (texts | libraries).get(script))
    names = [str(script.relative_to(folder)) for script, _ in scripts]
    return Report(folder, kind, names, sorted(findings, key=lambda f: (f.file, f.line)))


def _of_extras(folder: Path, scripts: list[tuple[Path, str]]) -> Iterator[Finding]:
    for path in sorted((folder / "extras.d").glob("*")):
        name = f"extras.d/{path.name}"
        if path.name.startswith("."):
            if path.name.endswith(".sh"):
                yield Finding("warning", name, 0, 0, "is never sourced: it has a dot in front")
            continue
        if path.suffix != ".sh":
            if path.name not in ("README.md", "README.rst", "README") and path.is_file():
                yield Finding("warning", name, 0, 0, "is never sourced: hooks end in '.sh'")
            continue
        if wrong := lifecycle.numbered(path.name):
            yield Finding("warning", name, 0, 0, wrong)
        scripts.append((path, "extras"))


def _of_plugin(folder: Path, plugin: Path, scripts: list[tuple[Path, str]]) -> Iterator[Finding]:
    found = {path.name: path for path in sorted((plugin / "devstack").iterdir())}
    place = plugin.relative_to(folder) / "devstack"
    for name in FILES:
        if name in found:
            scripts.append((found[name], name))
    if not found.keys() & {*FILES}:
        yield Finding("error", str(place), 0, 0, f"holds none of {', '.join(FILES)}")
    for name in found.keys() - {*FILES}:
        if (near := nearest(name, FILES, 0.75)) and found[name].is_file():
            yield Finding("warning", str(place / name), 0, 0, f"is never sourced{near}")


def _text(path: Path) -> Iterator[str]:
    if path.is_file():
        try:
            with opened(path) as file:
                yield file.read(_MOST).decode("utf-8", "surrogateescape")
        except OSError:
            return


def _of_script(folder: Path, path: Path, kind: str, text: str | None) -> Iterator[Finding]:
    name = str(path.relative_to(folder))
    script = look(path)
    if said := script.fault or script.skipped:
        place = (text or "").find("\ufeff" if (text or "").startswith("\ufeff") else "\r")
        line = (text or "").count("\n", 0, place) + 1 if place >= 0 else 0
        yield Finding("error", name, line, int(place == 0), said)
        return
    assert text is not None  # it can be read, says `look`
    for fault in syntax.check(text):
        level = "error" if fault.fatal else "warning"
        yield Finding(level, name, fault.line, fault.column, fault.message)
    for line, said in check_rules.remarks(text, kind):
        yield Finding("warning", name, line, 0, said)


def _libraries(folder: Path, texts: dict[Path, str]) -> Iterator[tuple[Path, str]]:
    # What hooks source has no fixed place: mostly lib/, or devstack/lib/ of a plugin.
    devstack = {path.parent for path in texts if path.parent.name == "devstack"}
    for path in {path for place in (folder, *devstack) for path in (place / "lib").rglob("*")}:
        yield from ((path, text) for text in _text(path))


def _of_tasks(folder: Path, texts: dict[Path, str], libraries: Iterable[str]) -> Iterator[Finding]:
    waits = [(path, *wait) for path, text in texts.items() for wait in tasks_waited_for(text)]
    if not waits:
        return
    started = check_rules.tasks_started("\n".join([*texts.values(), *libraries]))
    if any("$" in name for name in started):
        return  # names are made as it runs
    for path, line, name in waits:
        if name not in started | check_rules.TASKS_OF_DEVSTACK:
            said = f"no task {name!r} is started anywhere here{nearest(name, started)}"
            yield Finding("warning", str(path.relative_to(folder)), line, 0, said)
