"""Each morning: the net under the handoffs, then count and publish, then the list for each rep."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.hand_off_leads import hand_off
from flows.pull_behavior import unread_sources
from flows.runtime import FAULTS, as_only_writer, fail_with
from tasks import steps


@flow(name="daily-handoff-and-kpi")
def daily_handoff_and_kpi(as_of: datetime | None = None, home: Path | None = None) -> Path:
    """Hand off what no cycle has, publish the KPI tables, send the day's lists, and write the dashboard.

    The lists come after the figures, which the managers' holds; they go out once a day, from ``digest_at`` on, however
    often the flow runs.

    Args:
        as_of: The instant of the run; default now, once its turn has come.
        home: Where the files stand; default ``NURTURE_HOME``.

    Returns:
        The published file.
    """
    faults: list[Exception] = []
    with as_only_writer(home, as_of) as at:
        inbox = steps.drain_inbox(home, at)
        try:
            steps.pull_evidence(home, at)
        except FAULTS as error:
            faults.append(error)  # the figures are published all the same
        steps.recompute_leads(home, at)
        _, more = hand_off(home, at)
        published: Path | None = None
        try:
            published = steps.publish_kpis(home, at)
        except FAULTS as error:
            more.append(error)  # reps get their lists, and hear of what else went wrong
        try:
            if steps.plan_digests(home, at):
                steps.send_notices(home, at)
        except FAULTS as error:
            more.append(error)
    try:
        steps.write_dashboard(home)
    except FAULTS as error:
        faults.append(error)  # what else went wrong is told all the same
    if published is not None:
        steps.show_figures(home, published, at)
    fail_with([*unread_sources(inbox), *faults, *more])
    assert published is not None, "what went wrong has been told"
    return published
