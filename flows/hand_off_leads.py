"""In every cycle: who is hot goes to sales, and sales' follow-up comes back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.runtime import as_only_writer
from tasks import steps


@flow(name="hand-off-leads")
def hand_off_leads(as_of: datetime | None = None, home: Path | None = None) -> dict[str, int]:
    """Decide which leads go to sales, write them to the SFA, tell the owners, and read the follow-up.

    Args:
        as_of: The instant of the run; default now, once its turn has come.
        home: Where the ledger stands; default ``NURTURE_HOME``.

    Returns:
        Counts: ``handoffs``, ``refused``, ``notices``, ``notices_sent``, ``follow_ups``.
    """
    with as_only_writer(home, as_of) as at:
        return hand_off(home, at)


def hand_off(home: Path | None, as_of: datetime) -> dict[str, int]:
    """The steps of a handoff, for every flow that needs them."""
    counts = steps.plan_handoffs(home, as_of)
    follow_ups = steps.sync_handoffs(home, as_of)
    sent = steps.send_notices(home, as_of)
    return {**counts, "notices_sent": sent, "follow_ups": follow_ups}
