"""Folders in which a file stays readable for its owner, whatever the umask of who makes it."""

from __future__ import annotations

import contextlib
import os
import stat
import struct

__all__ = ["heed_no_umask"]

_NAME = "system.posix_acl_default"
_VERSION = 2
_OWNER, _GROUP, _OTHERS = 0x01, 0x04, 0x20
_NOBODY = 0xFFFFFFFF  # these three name no user


def heed_no_umask(folder: str | os.PathLike[str]) -> None:
    """Have what is made in a folder get the folder's own mode, not what a umask leaves of it.

    Tasks and traps write there under the umask of a hook, which may be 777, and to look at it or
    to change it would cost each task some. In a folder with a default list of access rights the
    kernel asks for no umask. Where a file system knows no such lists, all stays as it was.
    """
    with contextlib.suppress(OSError, AttributeError):  # not every system has setxattr
        mode = stat.S_IMODE(os.stat(folder).st_mode) | stat.S_IRWXU
        entries = ((_OWNER, mode >> 6), (_GROUP, mode >> 3), (_OTHERS, mode))
        packed = [struct.pack("<HHI", who, bits & 7, _NOBODY) for who, bits in entries]
        os.setxattr(folder, _NAME, struct.pack("<I", _VERSION) + b"".join(packed))
