"""Plugins, and what kind of tree ``top_dir`` is; only looks at files.

A plugin is a folder with ``devstack/`` that holds any of ``override-defaults``, ``settings`` and
``plugin.sh``.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacknb.exceptions import BadInput
from stacknb.places import FACTS, absolute, check_name, is_name
from stacknb.text.reading import beginning
from stacknb.text.script import documents

__all__ = [
    "FILES",
    "Plugin",
    "check_tree",
    "enabled",
    "foreseen",
    "is_devstack",
    "looks_in_dest",
    "misordered",
    "missing",
    "not_in",
    "parse_plugins",
    "remarks",
]

FILES = ("override-defaults", "settings", "plugin.sh")
# One word to bash: plain characters, quoted ones, variables.
_PLAIN = re.compile(r"[\w./:@%+,=-]+")
_TOP_DIR = re.compile(r"\$TOP_DIR(?!\w)|\$\{TOP_DIR\}")
_VARIABLE = r"\$\w+|\$\{\w+\}"
_PART = re.compile(rf"""'[^']*'|"(?:{_VARIABLE}|[^"$`\\])*"|{_VARIABLE}|{_PLAIN.pattern}""")
_WORD = rf"(?:{_PART.pattern})++"  # possessive: what it does not match it refuses at once
_ENABLES = re.compile(
    rf"enable_plugin[ \t]+(['\"]?)([A-Za-z0-9._-]+)\1(?:[ \t]+({_WORD}))?(?:[ \t]+{_WORD})?"
    r"[ \t]*(?:[ \t]#.*)?"
)
_CONTINUED = re.compile(r"^enable_plugin\b(?:.*\\\n)+", re.MULTILINE)
_SETS_DEST = re.compile(rf"(?:export[ \t]+)?DEST=(?:({_WORD})[ \t]*(?:[ \t]#.*)?|.*)")


@dataclass(frozen=True)
class Plugin:
    """A plugin by name and folder."""

    name: str
    folder: Path


def parse_plugins(given: Iterable[str] | Mapping[str, str | Path]) -> list[Plugin]:
    """Read ``NAME=DIR`` words, or a mapping of names to folders.

    Raises
    ------
    BadInput
        If a word has no ``=``, a name is given twice, or a folder is no plugin.
    """
    if isinstance(given, Mapping):
        pairs = [(name, str(folder)) for name, folder in given.items()]
    else:
        pairs = []
        for word in [given] if isinstance(given, str) else given:
            name, _, folder = str(word).partition("=")
            if not folder:
                raise BadInput(f"plugin {str(word)!r} should be NAME=DIR")
            pairs.append((name, folder))
    plugins: list[Plugin] = []
    for name, folder in pairs:
        check_name(name, "plugin")
        if any(plugin.name == name for plugin in plugins):
            raise BadInput(f"plugin {name!r} is given twice; give it once")
        path = absolute(os.path.expanduser(folder))
        if not os.path.isdir(path):
            raise BadInput(
                f"plugin {name!r}: there is no folder {str(path)!r}; clone it there first"
            )
        if not any((path / "devstack" / file).is_file() for file in FILES):
            files = ", ".join(f"devstack/{file}" for file in FILES)
            raise BadInput(f"plugin {name!r}: {str(path)!r} holds none of {files}")
        plugins.append(Plugin(name, path))
    return plugins


def enabled(known: Sequence[Plugin], pairs: Mapping[str, str]) -> list[Plugin]:
    """Return what a shell says is enabled, name to folder; of those known their own folders."""
    own = {plugin.name: plugin for plugin in known}
    return [own.get(name) or Plugin(name, Path(folder)) for name, folder in pairs.items()]


def foreseen(localrc: str, top_dir: Path, dest: str) -> list[Plugin]:
    """Return the plugins that a localrc enables, as far as its text tells.

    What counts is a line that begins with ``enable_plugin``, in words that are plain or quoted; of
    variables TOP_DIR alone, except where none makes a difference. What a
    condition or another variable decides is known only when bash has run it. A here-document is not
    bash's, but the text of something else. `dest` is ``DEST``, where plugins with a URL lie, until
    a line sets it anew.
    """
    found: dict[str, Plugin] = {}
    lines = _CONTINUED.sub(lambda found: found[0].replace("\\\n", " "), localrc).split("\n")
    inside = {number for part in documents(lines) for number in part}
    for line in (line for number, line in enumerate(lines) if number not in inside):
        if sets := _SETS_DEST.fullmatch(line):
            dest = _meant(sets[1] or "", top_dir) or ""  # or unknown
        elif enables := _ENABLES.fullmatch(line):
            name, source = enables[2], _meant(enables[3] or "", top_dir, splits=True)
            folder = _folder_of(name, source, top_dir, dest)
            if folder is not None:
                found.setdefault(name, Plugin(name, folder))
    return list(found.values())


def _meant(word: str, top_dir: Path, splits: bool = False) -> str | None:
    """Return what a word means; None if a variable decides, or bash splits it into several."""
    meant = ""
    for part in _PART.findall(word):
        if part[0] == "'":
            meant += part[1:-1]
            continue
        text = _TOP_DIR.sub(lambda _: str(top_dir), part.strip('"'))
        several = splits and part[0] != '"' and not _PLAIN.fullmatch(text)
        if several or "$" in _TOP_DIR.sub("", part):
            return None
        meant += text
    return meant


def _folder_of(name: str, source: str | None, top_dir: Path, dest: str) -> Path | None:
    """Return where `enable_plugin` looks for a plugin; None if that is not known."""
    if not is_devstack(top_dir):  # whose own has all of them in DEST
        if source is None:
            return None
        if source.startswith("file://"):
            return Path(source.removeprefix("file://"))
        if source and ":" not in source.partition("/")[0]:  # host:path is a URL to git
            return top_dir / source
    return Path(dest) / name if dest else None


def remarks(plugins: Sequence[Plugin], requires: Iterable[str], top_dir: Path) -> list[str]:
    """Return what there is to say of the plugins that a shell has enabled, see `misordered`."""
    said = misordered(plugins, requires)
    if plugins and is_devstack(top_dir):
        said += [f"plugin {gone.name!r}: {why}" for gone, why in missing(plugins).items()]
    return said


def missing(plugins: Iterable[Plugin]) -> dict[Plugin, str]:
    """Return the plugins whose folder is not there, with a sentence for each."""
    return {
        plugin: f"there is no folder {str(plugin.folder)!r}, so nothing of it is run; clone it "
        "there first"
        for plugin in plugins
        if not os.path.isdir(plugin.folder)
    }


def not_in(dest: str, plugins: Iterable[Plugin]) -> list[str]:
    """Return a sentence for each plugin that looks for its own files in DEST, where it is not."""
    return [
        f"plugin {plugin.name!r} looks for its own files in {place!r}, which is not there; link it "
        f"to {str(plugin.folder)!r}, or set DEST=$TOP_DIR/.stacknb/dest in the localrc (behind "
        "'source $TOP_DIR/stackrc', which sets it, too)"
        for plugin in plugins
        if not os.path.isdir(place := os.path.join(dest, plugin.name))
    ]


def looks_in_dest(plugin: Plugin) -> bool:
    """Tell whether a script of a plugin names ``$DEST/PLUGIN``."""
    own = re.compile(rb"\$(?:DEST|\{DEST\})/%s(?![\w.-])" % re.escape(plugin.name).encode())
    scripts = [plugin.folder / "devstack" / name for name in FILES]
    readable = [path for path in scripts if path.is_file() and os.access(path, os.R_OK)]
    return any(own.search(beginning(path, 1 << 20)) for path in readable)


def misordered(plugins: Sequence[Plugin], requires: Iterable[str]) -> list[str]:
    """Return a sentence for each ``PLUGIN REQUIRED`` that the order of the plugins contradicts."""
    order = {plugin.name: place for place, plugin in enumerate(plugins)}
    sentences = []
    for pair in requires:
        name, _, required = pair.partition(" ")
        if required not in order:
            sentences.append(
                f"plugin {name!r} requires {required!r}, which is not enabled; enable it before"
            )
        elif name in order and order[required] > order[name]:
            sentences.append(
                f"plugin {name!r} requires {required!r}, which comes after it; "
                f"move {required!r} before {name!r}"
            )
    return sentences


def check_tree(top_dir: str | os.PathLike[str], plugins: Sequence[Plugin]) -> Path:
    """Return the absolute path of a tree of hooks.

    Raises
    ------
    BadInput
        If there is no such folder, or neither hooks in it nor a plugin.
    """
    path = absolute(os.path.expanduser(top_dir))
    if not os.path.isdir(path):  # a Path would raise, for a name that is too long
        what = "it is a file" if os.path.exists(path) else "there is no such folder"
        raise BadInput(
            f"top_dir {os.fspath(top_dir)!r}: {what}; give the folder that holds extras.d"
        )
    if not plugins and not (path / "extras.d").is_dir():
        if (path / "devstack").is_dir():
            name = path.name if is_name(path.name) else "NAME"
            words = shlex.join(["--plugin", f"{name}={os.fspath(top_dir)}"])
            raise BadInput(
                f"top_dir {os.fspath(top_dir)!r} is a plugin, no tree with extras.d: give any "
                f"folder as the tree, and {words}"
            )
        hint = ""
        if path.name in {"extras.d", "devstack"}:
            hint = "; give the folder that holds it"
        elif os.path.isfile(path / FACTS):
            hint = "; it is the directory of a run: give the tree that was stacked"
        elif trees := sorted(path.glob("*/extras.d")):
            hint = f"; did you mean {os.path.join(top_dir, trees[0].parent.name)!r}?"
        raise BadInput(
            f"top_dir {os.fspath(top_dir)!r} holds no hooks: it has no extras.d, and no plugin is "
            f"given (--plugin NAME=DIR){hint}"
        )
    return path


def is_devstack(top_dir: Path) -> bool:
    """Tell whether `top_dir` is a DevStack tree, which brings functions of its own."""
    return all((top_dir / name).is_file() for name in ("stack.sh", "functions", "functions-common"))
