"""Judges whether marketing mails may go on: complaints, bounces, and runs far larger than any before."""

from __future__ import annotations

from dataclasses import dataclass

from rules.models import Brakes
from warehouse.sending import RecentMails


@dataclass(frozen=True)
class Verdict:
    """What is to be told, and why marketing mails stop, if they do."""

    warnings: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()


def judge(recent: RecentMails, planned: int, brakes: Brakes) -> Verdict:
    """Judge a run.

    Args:
        recent: The marketing mails of the last days.
        planned: The marketing mails that would go now.
        brakes: The limits.
    """
    warnings, stops = [], []
    days = f"of the last {brakes.within_days:g} days"
    if recent.mails >= brakes.from_mails:
        complaints = recent.complained / max(recent.delivered, 1)
        bounces = recent.bounced / recent.mails
        told = f"{recent.complained:,} of {recent.delivered:,} mails {days} were reported as spam ({complaints:.2%})"
        if complaints > brakes.complaint_rate_stops:
            stops.append(f"{told}, more than {brakes.complaint_rate_stops:.1%}")
        elif complaints > brakes.complaint_rate_warns:
            warnings.append(f"{told}; marketing mails stop at {brakes.complaint_rate_stops:.1%}")
        if bounces > brakes.bounce_rate_stops:
            told = f"{recent.bounced:,} of {recent.mails:,} mails {days} bounced ({bounces:.2%})"
            stops.append(f"{told}, more than {brakes.bounce_rate_stops:.0%}")
    usual = max(brakes.unusual_from_mails, brakes.unusual_times * recent.most_a_day)
    if planned and recent.today + planned > usual:
        busiest = f"the busiest of the last 28 days had {recent.most_a_day:,}"
        before = f" after {recent.today:,} today" if recent.today else ""
        stops.append(f"{planned:,} marketing mails would go at once{before}, and {busiest}")
    return Verdict(tuple(warnings), tuple(stops))
