"""Checks for the exercises of the notebooks, which say what they saw of the stack at hand.

And, in `synthetic`, the log of a stack.sh that never ran, to practise on.
"""

from __future__ import annotations

from stacknb.lessons.verdict import Verdict, check, exercises

__all__ = ["Verdict", "check", "exercises"]
