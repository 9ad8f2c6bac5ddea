"""One bash, and what stands between it and Python: the line, its requests, its scratch folder."""

from __future__ import annotations

from stacknb.shell.shell import Shell

__all__ = ["Shell"]
