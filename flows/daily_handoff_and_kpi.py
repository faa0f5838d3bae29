"""Each morning: the net under the handoffs, then count and publish."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.hand_off_leads import hand_off
from flows.runtime import as_only_writer, instant
from tasks import steps


@flow(name="daily-handoff-and-kpi")
def daily_handoff_and_kpi(as_of: datetime | None = None, home: Path | None = None) -> Path:
    """Hand off what no cycle has, build the KPI tables, and publish them.

    Args:
        as_of: The instant of the run; default now.
        home: Where the files stand; default ``NURTURE_HOME``.

    Returns:
        The published file.
    """
    as_of = instant(as_of)
    with as_only_writer():
        steps.recompute_leads(home, as_of)
        hand_off(home, as_of)
        published = steps.publish_kpis(home, as_of)
    steps.show_figures(published, as_of)
    return published
