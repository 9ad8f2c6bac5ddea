"""Hooks that are written in notebook cells, and a tree of them on disk.

They lie in a folder of their own that is laid over the tree: a hook of the same name stands in for
the tree's. Line numbers are those of the cell, since the ``%%hook`` line is kept as a comment.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stacknb import lifecycle
from stacknb.exceptions import BadInput
from stacknb.hooks.check_rules import without_sense
from stacknb.places import absolute, check_name
from stacknb.plugins import FILES, Plugin
from stacknb.rundir.room import unwritable
from stacknb.text import syntax
from stacknb.text.names import nearest
from stacknb.text.screen import counted

__all__ = ["CellHook", "Exported", "add", "empty_tree", "export", "is_cell", "new_folder"]

_LEFT_OUT = shutil.ignore_patterns(".stacknb", ".git", "__pycache__", ".ipynb_checkpoints", "*.pyc")


@dataclass(frozen=True)
class CellHook:
    """A hook of a notebook's stack that a cell holds.

    Attributes
    ----------
    name : str
        ``50-hello.sh``, or ``PLUGIN-settings`` and the like.
    path : Path
        Where it was written.
    replaced : bool
        An earlier cell had the same name.
    warning : str
        What the author should know; empty if nothing.

    Examples
    --------
    >>> stack.add_hook("50-hello.sh", "echo hello")
    <hook '50-hello.sh' added; see %stack plan>
    """

    name: str
    path: Path
    replaced: bool = False
    warning: str = ""

    def __repr__(self) -> str:
        what = "replaced by this cell" if self.replaced else "added"
        warning = f"\nwarning: {self.warning}" if self.warning else ""
        return f"<hook {self.name!r} {what}; see %stack plan>{warning}"


@dataclass(frozen=True)
class Exported:
    """A tree that was written.

    Attributes
    ----------
    folder : Path
    hooks : list of Path
        Those that came from cells.
    plugins : list of str
        They are in ``plugins/NAME``.

    Examples
    --------
    >>> added = stack.add_hook("50-hello.sh", "echo hello")
    >>> print(stack.export("mine").command)
    stacknb stack ...mine...
    """

    folder: Path
    hooks: list[Path]
    plugins: list[str]

    @property
    def command(self) -> str:
        """The command line that stacks it."""
        words = ["stacknb", "stack", str(self.folder)]
        for name in self.plugins:
            words += ["--plugin", f"{name}={self.folder / 'plugins' / name}"]
        return shlex.join(words)

    def __repr__(self) -> str:
        count = f"{counted(len(self.hooks), 'hook')} from cells"
        return f"<tree {str(self.folder)!r} with {count}; run it with: {self.command}>"


def add(folder: Path, name: str, text: str, plugin: str = "") -> CellHook:
    """Write a hook into the folder of a notebook's hooks, unless bash cannot read it.

    Parameters
    ----------
    folder : Path
        Holds the hooks of one notebook; is made when needed.
    name : str
        ``NN-name.sh``; with `plugin` one of ``override-defaults``, ``settings``, ``plugin.sh``.
    text : str
        The bash below the first line of the cell.
    plugin : str
        Name of the plugin whose file it is.

    Raises
    ------
    BadInput
        If the name is none for a hook, or the syntax is wrong: names line and column of the cell.
    """
    if plugin:
        _check_plugin(plugin, name)
        path, shown = folder / "plugins" / plugin / "devstack" / name, f"{plugin}-{name}"
        head = f"# %%hook --plugin {plugin} {name}\n"
    else:
        _check_name(name)
        path, shown, head = folder / "extras.d" / name, name, f"# %%hook {name}\n"
    text = head + text.replace("\r\n", "\n") + ("" if text.endswith("\n") else "\n")
    if "\0" in text:
        raise BadInput(f"hook {shown!r} holds a NUL, which bash cannot read; take it out")
    for fault in syntax.check(text):
        if fault.fatal:
            where = f": {fault.text.strip()!r}" if fault.text.strip() else ""
            raise BadInput(
                f"hook {shown!r}, {fault.place} of the cell: {fault.message}; mend the cell and "
                f"run it again{where}"
            )
    try:
        replaced = path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not replaced or path.read_text("utf-8", "surrogateescape") != text:  # else not edited
            path.write_text(text, "utf-8", "surrogateescape")
    except OSError as error:
        why = unwritable(f"hook {shown!r}", error)
        raise BadInput(f"{why}; make {str(folder)!r} writable, or free some room there") from error
    warnings = [] if plugin else [lifecycle.numbered(name)]
    kind = name if plugin else "extras"
    warnings += [f"line {line} of the cell: {what}" for line, what in without_sense(text, kind)]
    return CellHook(shown, path, replaced, "\nwarning: ".join(filter(None, warnings)))


def new_folder(kind: str = "cells") -> Path:
    """Return a new name for the folder of the hooks that cells hold; it is made when needed."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return absolute() / ".stacknb" / kind / f"{stamp}-{os.urandom(3).hex()}"


def is_cell(script: Path) -> bool:
    """Tell whether a script is the hook of a notebook's cell, line by line."""
    return "/.stacknb/cells/" in script.as_posix()


def empty_tree() -> Path:
    """Make a tree without hooks for a stack that has nothing but cells; return its folder."""
    folder = new_folder("trees") / "cells"  # the last part is what panel and picture call it
    (folder / "extras.d").mkdir(parents=True)
    return folder


def export(target: Path, folder: Path, top_dir: Path, plugins: Sequence[Plugin]) -> Exported:
    """Write a tree with the hooks of the cells in it, which runs without a notebook.

    Parameters
    ----------
    target : Path
        Must not exist, or be an empty folder.
    folder : Path
        The hooks of the cells.
    top_dir : Path
        The tree they are laid over, which is copied.
    plugins : sequence of Plugin
        Go to ``plugins/NAME``.

    Raises
    ------
    BadInput
        If `target` holds something already, or cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{str(target)!r} holds something already; name a new folder")
    if target.resolve().is_relative_to(top_dir.resolve()):
        raise BadInput(f"{str(target)!r} is within the tree it is to be a copy of; name another")
    try:
        shutil.copytree(top_dir, target, symlinks=True, ignore=_LEFT_OUT, dirs_exist_ok=True)
        (target / "extras.d").mkdir(parents=True, exist_ok=True)
        for plugin in plugins:
            place = target / "plugins" / plugin.name
            if not place.exists():
                shutil.copytree(plugin.folder, place, symlinks=True, ignore=_LEFT_OUT)
        made = []
        for path in sorted(folder.glob("extras.d/*")) + sorted(folder.glob("plugins/*/devstack/*")):
            made.append(target / path.relative_to(folder))
            made[-1].parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, made[-1])
        if plugins:
            _write_settings(target, plugins)
    except (OSError, shutil.Error) as error:
        raise BadInput(f"{unwritable(repr(str(target)), error)}; name another") from error
    return Exported(target, made, [plugin.name for plugin in plugins])


def _write_settings(target: Path, plugins: Sequence[Plugin]) -> None:
    path, heading = target / "local.conf", "[[local|localrc]]"
    text = path.read_text("utf-8", "surrogateescape") if path.exists() else ""
    lines = text.removesuffix("\n").split("\n") if text else []
    if heading not in lines:
        lines.insert(0, heading)
    place, known = lines.index(heading) + 1, "\n".join(lines)
    lines[place:place] = [
        f'enable_plugin {plugin.name} "$TOP_DIR/plugins/{plugin.name}"'
        for plugin in plugins
        if f"enable_plugin {plugin.name} " not in known
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8", "surrogateescape")


def _check_name(name: str) -> None:
    if not name.endswith(".sh"):
        raise BadInput(f"hook {name!r} should be called NN-name.sh: hooks end in '.sh'")
    check_name(name, "hook")
    if name.startswith("."):
        raise BadInput(f"{name!r} cannot name a hook: with a dot in front it would be left out")


def _check_plugin(plugin: str, name: str) -> None:
    check_name(plugin, "plugin")
    if name not in FILES:
        hint = nearest(name, FILES) or f"; it has {', '.join(FILES)}"
        raise BadInput(f"{name!r} is no file of a plugin{hint}")
