"""Decides which leads go to sales, and takes back what sales did by links."""

from __future__ import annotations

from datetime import datetime

from rules.models import RuleSet
from settings import Settings
from tasks.acts import only_one
from warehouse import handoffs, sending
from warehouse.connection import check_instant, open_ledger
from warehouse.follow_ups import apply_follow_ups
from warehouse.notices import recover_notices


def plan_handoffs(settings: Settings, rules: RuleSet, as_of: datetime, *, knows_calls: bool = True) -> dict[str, int]:
    """Decide which leads go to sales. Returns how many handoffs, refusals and notices were added.

    What sales did is taken over first, so that nobody is reminded of a call that was made. Where what sales did in the
    SFA is not known (``knows_calls`` is false), nobody is reminded at all; the next run that knows does so.
    """
    with only_one(settings, "handoff"), open_ledger(settings, with_warehouse=True) as ledger:
        sending.recomputed_at(ledger, rules, as_of)
        apply_follow_ups(ledger, as_of)
        recover_notices(ledger, rules, as_of)
        check_instant(ledger, "handoff", as_of)
        return handoffs.plan_handoffs(ledger, rules, as_of, settings.timezone, knows_calls=knows_calls)
