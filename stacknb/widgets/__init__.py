"""The live panel of a run in a notebook.

It reads a run directory and draws it; what is clicked in it goes to the stack, if that is here.
"""

from stacknb.widgets.panel import Panel
from stacknb.widgets.panels import close_all, panel_of, panel_of_run

__all__ = ["Panel", "close_all", "panel_of", "panel_of_run"]
