"""After every pull: who the leads are, how they score, where they stand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.runtime import as_only_writer
from tasks import steps


@flow(name="recompute-leads")
def recompute_leads(as_of: datetime | None = None, home: Path | None = None) -> dict[str, int]:
    """Derive leads, scores, tiers, stages and segments from facts and rules.

    Args:
        as_of: The instant of the run; default now, once its turn has come.
        home: Where the warehouse stands; default ``NURTURE_HOME``.

    Returns:
        Leads by tier.
    """
    with as_only_writer(home, as_of) as at:
        return steps.recompute_leads(home, at)
