"""After every recompute: which mails are due, and out with them, each once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.runtime import as_only_writer
from tasks import steps


@flow(name="send-scenarios")
def send_scenarios(
    as_of: datetime | None = None, home: Path | None = None, confirm: bool = False
) -> dict[str, dict[str, int]]:
    """Decide what is due, and deliver it, once the mail provider has told who gets no more.

    Args:
        as_of: The instant of the run; default now, once its turn has come.
        home: Where the ledger stands; default ``NURTURE_HOME``.
        confirm: Send also where complaints, bounces or a run far larger than any before would stop it.

    Returns:
        ``decisions`` and ``delivered``, each by name.

    Raises:
        RunError: The mail provider failed; nobody is mailed while its suppressions cannot be read.
    """
    with as_only_writer(home, as_of) as at:
        steps.pull_evidence(home, at)
        decisions = steps.plan_sends(home, at)
        delivered = steps.deliver_sends(home, at, is_confirmed=confirm)
    return {"decisions": decisions, "delivered": delivered}
