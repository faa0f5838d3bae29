"""After every recompute: which mails are due, and out with them, each once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.runtime import as_only_writer, instant
from tasks import steps


@flow(name="send-scenarios")
def send_scenarios(as_of: datetime | None = None, home: Path | None = None) -> dict[str, dict[str, int]]:
    """Decide what is due, and deliver it.

    Args:
        as_of: The instant of the run; default now.
        home: Where the ledger stands; default ``NURTURE_HOME``.

    Returns:
        ``decisions`` and ``delivered``, each by name.
    """
    as_of = instant(as_of)
    with as_only_writer():
        decisions = steps.plan_sends(home, as_of)
        delivered = steps.deliver_sends(home, as_of)
    return {"decisions": decisions, "delivered": delivered}
