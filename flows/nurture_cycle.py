"""One round: pull, recompute, send, hand off."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow

from flows.hand_off_leads import hand_off
from flows.pull_behavior import unread_sources
from flows.runtime import FAULTS, as_only_writer, fail_with
from tasks import steps


@flow(name="nurture-cycle")
def nurture_cycle(as_of: datetime | None = None, home: Path | None = None) -> dict[str, Any]:
    """Run one round as of one instant.

    A source that cannot be read fails the run only at its end. No mail goes out, though, while a source of consents or
    opt-outs is silent, the mail provider's own lists among them: someone may have opted out there.

    Args:
        as_of: The instant of the run; default now, once its turn has come.
        home: Where the files stand; default ``NURTURE_HOME``.

    Raises:
        RunError: A source could not be read, or the SFA or the mail provider failed.
    """
    result: dict[str, Any] = {}
    faults: list[Exception] = []
    with as_only_writer(home, as_of) as at:
        report = steps.pull_sources(home, at)
        try:
            steps.pull_evidence(home, at)
        except FAULTS as error:
            faults.append(error)
        may_mail = not report.has_consent_failure and not faults
        result["leads"] = steps.recompute_leads(home, at)
        if may_mail:
            try:
                result["decisions"] = steps.plan_sends(home, at)
                result["delivered"] = steps.deliver_sends(home, at)
            except FAULTS as error:
                faults.append(error)  # sales hears of its leads all the same
        result["handoff"], more = hand_off(home, at)
    fail_with([*unread_sources(report), *faults, *more])
    return result
