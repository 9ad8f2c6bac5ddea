"""A run as one HTML file that needs no network and nothing beside it."""

from __future__ import annotations

from stacknb.report.page import page

__all__ = ["page"]
