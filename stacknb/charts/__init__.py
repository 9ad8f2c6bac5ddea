"""Pictures of a run and of a lifecycle: altair charts that show themselves without a network."""

from __future__ import annotations

from stacknb.charts.lengths import phase_chart, slack_chart
from stacknb.charts.timeline import timeline

__all__ = ["phase_chart", "slack_chart", "timeline"]
