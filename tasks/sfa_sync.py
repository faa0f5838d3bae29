"""Keeps leads, handoffs and deals the same here and in the SFA: reads what sales changed, merges, and writes back.

Reading comes first, then what was taken over becomes facts, then the SFA is written a page at a time, each noted as it
is answered. A run that dies anywhere is made good by the next: writes bear our ids, facts are known when they come
again, and both sides are compared anew.
"""

from __future__ import annotations

from datetime import datetime

from rules.models import RuleSet
from settings import Settings
from tasks.acts import only_one
from tasks.clients.sfa.connect import connect_sfa
from tasks.errors import RunError
from tasks.sfa_reading import Reading
from tasks.sfa_run import SfaRun, Tell
from tasks.sfa_writing import Writing
from warehouse import follow_ups, sfa_sync
from warehouse.connection import open_ledger

_MOST_FAULTS = 20
_COUNTS = ("follow_ups", "deals", "leads", "corrections", "conflicts", "waiting", "leads_written", "handoffs_written")


def sync_sfa(settings: Settings, rules: RuleSet, as_of: datetime, tell: Tell = lambda _: None) -> dict[str, int]:
    """Read what sales changed, and write what changed here.

    Args:
        settings: The settings.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        tell: Told how far it is.

    Returns:
        Counts: ``follow_ups`` and ``deals`` read; ``leads`` compared, ``corrections`` taken over, ``conflicts`` found,
        ``waiting`` of them where each side keeps its own; ``leads_written`` and ``handoffs_written``.

    Raises:
        ConfigurationError: ``as_of`` is not now and the SFA is another machine's.
        RunError: The SFA cannot be used, and what it did not get waits for the next run; or single records could not
            be read or were refused, and all others were synced.
    """
    with only_one(settings, "handoff"):
        sfa = connect_sfa(settings, rules)
        try:
            return _sync(SfaRun(settings, rules, as_of, sfa, tell))
        finally:
            sfa.close()


def _sync(run: SfaRun) -> dict[str, int]:
    reading, writing = Reading(run), Writing(run)
    reading.read_changes()
    with open_ledger(run.settings, with_warehouse=True) as ledger:
        run.counts["follow_ups"] += follow_ups.apply_follow_ups(ledger, run.as_of)
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
    if run.faults:
        more = len(run.faults) - _MOST_FAULTS
        raise RunError("\n".join([*run.faults[:_MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]))
    return {name: run.counts[name] for name in _COUNTS}


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
