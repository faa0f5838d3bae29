"""Keeps leads, handoffs and deals the same here and in the SFA: reads what sales changed, merges, and writes back.

It comes in two halves. What sales did is read first of all, so that whoever decides next knows it; what was decided is
written out with the leads, a page at a time, each noted as it is answered. A run that dies anywhere is made good by the
next: writes bear our ids, facts are known when they come again, and both sides are compared anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rules.models import RuleSet
from settings import Settings
from tasks.acts import only_one
from tasks.clients.sfa.connect import connect_sfa
from tasks.errors import RecordsError
from tasks.sfa_reading import Reading
from tasks.sfa_run import SfaRun, Tell
from tasks.sfa_writing import Writing
from warehouse import follow_ups, sfa_sync
from warehouse.connection import check_instant, open_ledger

_MOST_FAULTS = 20
_READ = ("follow_ups", "deals")
_WRITTEN = (
    "deals_taken_up", "leads", "corrections", "conflicts", "waiting", "leads_written", "handoffs_written",
    "handoffs_refused",
)  # fmt: skip


def sync_sfa(settings: Settings, rules: RuleSet, as_of: datetime, tell: Tell = lambda _: None) -> dict[str, int]:
    """Both halves, one after the other. Returns the counts of both, and raises what either does."""
    return read_sfa(settings, rules, as_of, tell) | write_sfa(settings, rules, as_of, tell)


def read_sfa(settings: Settings, rules: RuleSet, as_of: datetime, tell: Tell = lambda _: None) -> dict[str, int]:
    """Read what sales changed, and take over how the follow-up of handoffs went.

    Args:
        settings: The settings.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        tell: Told how far it is.

    Returns:
        Counts: ``follow_ups`` and ``deals`` read.

    Raises:
        InstantError: A later run was here before.
        RecordsError: Single records could not be read; all others were.
        RunError: The SFA cannot be used: nobody knows what sales did.
    """
    return _half(settings, rules, as_of, tell, _read, _READ)


def write_sfa(settings: Settings, rules: RuleSet, as_of: datetime, tell: Tell = lambda _: None) -> dict[str, int]:
    """Merge both sides, and write what changed here.

    Args:
        settings: The settings.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        tell: Told how far it is.

    Returns:
        Counts: ``deals_taken_up``, of people who have become leads since they were read; ``leads`` compared,
        ``corrections`` taken over, ``conflicts`` found, ``waiting`` of them where each side keeps its own;
        ``leads_written``, ``handoffs_written``, and ``handoffs_refused``: those whose reason was not told before.

    Raises:
        ConfigurationError: ``as_of`` is not now and the SFA is another machine's.
        RecordsError: Single records were refused; all others were written.
        RunError: The SFA cannot be used, and what it did not get waits for the next run.
    """
    return _half(settings, rules, as_of, tell, _write, _WRITTEN)


def _half(
    settings: Settings,
    rules: RuleSet,
    as_of: datetime,
    tell: Tell,
    half: Callable[[SfaRun], None],
    counts: tuple[str, ...],
) -> dict[str, int]:
    with only_one(settings, "handoff"):
        sfa = connect_sfa(settings, rules)
        try:
            run = SfaRun(settings, rules, as_of, sfa, tell)
            half(run)
        finally:
            sfa.close()
    if run.faults:
        more = len(run.faults) - _MOST_FAULTS
        raise RecordsError("\n".join([*run.faults[:_MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]))
    return {name: run.counts[name] for name in counts}


def _read(run: SfaRun) -> None:
    with open_ledger(run.settings) as ledger:
        check_instant(ledger, "handoff", run.as_of)
    Reading(run).read_changes()
    with open_ledger(run.settings, with_warehouse=True) as ledger:
        run.counts["follow_ups"] += follow_ups.apply_follow_ups(ledger, run.as_of)


def _write(run: SfaRun) -> None:
    reading, writing = Reading(run), Writing(run)
    with open_ledger(run.settings, with_warehouse=True) as ledger:
        sfa_sync.begin(ledger, run.rules, run.as_of, run.settings.timezone)
        merged = sfa_sync.merged_records(ledger)
        renamed = sfa_sync.page_to_write(ledger, "", 1)
    reading.take_up_deals()
    reading.join(merged)
    if renamed:
        writing.write_leads()  # records that are to say which lead theirs turned out to be
    found = sfa_sync.MOST_LEADS
    while found == sfa_sync.MOST_LEADS and (found := _compare(run)):
        reading.take_over()
        writing.write_leads()
    writing.write_handoffs()


def _compare(run: SfaRun) -> int:
    with open_ledger(run.settings, with_warehouse=True) as ledger:
        found = sfa_sync.plan_round(ledger, run.rules, run.as_of, run.settings.timezone)
    run.counts.update(found)
    if found["leads"]:
        run.tell(f"SFA: {run.counts['leads']:,} leads compared")
    if found["waiting"]:
        run.tell(
            f"SFA: {found['waiting']:,} values there cannot stand here, and wait until either side is changed; "
            "see sfa_conflicts"
        )
    return found["leads"]
