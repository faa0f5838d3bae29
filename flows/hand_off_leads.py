"""In every cycle: who is hot goes to sales, and sales' follow-up comes back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.pull_behavior import unread_sources
from flows.runtime import FAULTS, as_only_writer, fail_with
from tasks import steps
from tasks.errors import RecordsError


@flow(name="hand-off-leads")
def hand_off_leads(as_of: datetime | None = None, home: Path | None = None) -> dict[str, int]:
    """Read the follow-up, decide which leads go to sales, write them to the SFA, and tell the owners.

    What sales said by links is read first, so that nobody is reminded of a call that was made.

    Args:
        as_of: The instant of the run; default now, once its turn has come.
        home: Where the ledger stands; default ``NURTURE_HOME``.

    Returns:
        Counts: ``handoffs``, ``refused``, ``notices``, ``reassigned``, ``open``, ``notices_sent``, and what
        :func:`tasks.sfa_sync.read_sfa` and :func:`tasks.sfa_sync.write_sfa` return.

    Raises:
        RunError: The inbox, the SFA or the mail provider failed.
    """
    with as_only_writer(home, as_of) as at:
        inbox = steps.drain_inbox(home, at)
        counts, faults = hand_off(home, at)
    fail_with([*unread_sources(inbox), *faults])
    return counts


def hand_off(home: Path | None, as_of: datetime) -> tuple[dict[str, int], list[Exception]]:
    """The steps of a handoff, for every flow that needs them.

    What sales did is read before anything is decided. An SFA that is down keeps no rep from being told of a new lead,
    nor a mail provider a lead from the SFA: what went wrong is returned, for the flow to raise when its other work is
    done. While the SFA cannot be read nobody knows who was called, so nobody is reminded of a call.
    """
    counts: dict[str, int] = {}
    faults: list[Exception] = []
    is_read = True
    try:
        counts |= steps.read_sfa(home, as_of)
    except FAULTS as error:
        faults.append(error)
        is_read = isinstance(error, RecordsError)
    counts |= steps.plan_handoffs(home, as_of, knows_calls=is_read)
    if is_read:
        try:
            counts |= steps.write_sfa(home, as_of)
        except FAULTS as error:
            faults.append(error)
    for name, step in (("open", steps.show_handoffs), ("notices_sent", steps.send_notices)):
        try:
            counts[name] = step(home, as_of)
        except FAULTS as error:
            faults.append(error)
    return counts, faults
