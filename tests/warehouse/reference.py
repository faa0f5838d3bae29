"""What points and windows mean, said again in plain Python for the acts of one lead.

Slow and plain: every answer is found by looking at all acts anew. ``warehouse/`` has to come to the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rules.models import Cap, EventCondition, RuleSet, ScoringRule, Selector


@dataclass(frozen=True, order=True)
class Act:
    """One event of the lead. Acts are in order of time, those of one instant in order of their ids."""

    at: datetime
    number: int
    event: str
    page_group: str | None = None
    send_id: str | None = None
    is_machine: bool = False


@dataclass(frozen=True)
class Award:
    """Points that a rule gives for an act."""

    rule: str
    act: Act
    points: int


def _meant(selector: Selector, acts: Sequence[Act]) -> list[Act]:
    """The acts of a person that a selector means, in order."""
    return [
        act
        for act in sorted(acts)
        if not act.is_machine and selector.event in {"any", act.event} and selector.page_group in {None, act.page_group}
    ]


def _counted(selector: Selector, acts: Sequence[Act], window: timedelta) -> list[Act]:
    """Those that do not only repeat another: a view of one page group in one window, a mail opened twice."""
    found: list[Act] = []
    for act in _meant(selector, acts):
        like = [other for other in found if (other.event, other.page_group) == (act.event, act.page_group)]
        if act.event == "page_view" and act.page_group and any(act.at - other.at < window for other in like):
            continue
        if act.send_id and any(other.send_id == act.send_id for other in like):
            continue
        found.append(act)
    return found


def _within_cap(awards: Iterable[Award], cap: Cap | None) -> list[Award]:
    """Each award measured from those that counted within the window before it."""
    counted: list[Award] = []
    for award in awards:
        if cap is None:
            counted.append(award)
            continue
        window = timedelta(days=cap.within_days)
        recent = [other for other in counted if other.act.at > award.act.at - window]
        room = math.inf if cap.points is None else cap.points - sum(abs(other.points) for other in recent)
        if room > 0 and (cap.times is None or len(recent) < cap.times):
            amount = int(min(abs(award.points), room))
            counted.append(replace(award, points=int(math.copysign(amount, award.points))))
    return counted


def awards_of(rules: RuleSet, acts: Sequence[Act]) -> list[Award]:
    """What each rule gives, after its own cap and that of its group."""
    window = timedelta(minutes=rules.page_view_window_minutes)
    by_rule: list[Award] = []
    for rule in rules.scoring:
        assert rule.on is not None
        meant = _counted(rule.on, acts, window) if rule.once_per in {"send", "window"} else _meant(rule.on, acts)
        meant = meant[:1] if rule.once_per == "lead" else meant
        by_rule += _within_cap([Award(rule.id, act, rule.points) for act in meant], rule.cap)
    groups = {rule.id: rule.group for rule in rules.scoring}
    order = {rule.id: number for number, rule in enumerate(rules.scoring)}
    awards = [award for award in by_rule if groups[award.rule] is None]
    for group in rules.scoring_groups:
        mine = [award for award in by_rule if groups[award.rule] == group.id]
        awards += _within_cap(sorted(mine, key=lambda award: (award.act, order[award.rule])), group.cap)
    return awards


def worth(award: Award, rule: ScoringRule, as_of: datetime, timezone: str) -> int:
    """What is left of an award: nothing when it has expired, else halved step by step at local midnights."""
    if rule.expires_after_days is not None and as_of >= award.act.at + timedelta(days=rule.expires_after_days):
        return 0
    if rule.half_life_days is None:
        return award.points
    zone = ZoneInfo(timezone)
    midnights = (as_of.astimezone(zone).date() - award.act.at.astimezone(zone).date()).days
    left = math.floor(abs(award.points) * 0.5 ** (midnights / rule.half_life_days) + 0.5)
    return int(math.copysign(left, award.points))


def points_of(rules: RuleSet, acts: Sequence[Act], as_of: datetime, timezone: str) -> dict[tuple[str, int | None], int]:
    """Points by rule and act; what a limit of the score adds or takes stands beside them, without an act."""
    by_id = {rule.id: rule for rule in rules.scoring}
    points: dict[tuple[str, int | None], int] = {
        (award.rule, award.act.number): worth(award, by_id[award.rule], as_of, timezone)
        for award in awards_of(rules, acts)
    }
    given = sum(points.values())
    if rules.maximum_score is not None and given > rules.maximum_score:
        points["maximum_score", None] = rules.maximum_score - given
    if rules.minimum_score is not None and given < rules.minimum_score:
        points["minimum_score", None] = rules.minimum_score - given
    return points


def stays_of(
    condition: EventCondition, rules: RuleSet, acts: Sequence[Act], as_of: datetime
) -> list[tuple[datetime, datetime | None]]:
    """From when to when the lead had done something often enough, looked at wherever that may change."""
    assert condition.within_days is not None
    window = timedelta(days=condition.within_days)
    repeats = timedelta(0) if condition.on.event == "any" else timedelta(minutes=rules.page_view_window_minutes)
    counted = _meant(condition.on, acts) if not repeats else _counted(condition.on, acts, repeats)
    stays: list[tuple[datetime, datetime | None]] = []
    is_in = False
    for instant in sorted({moment for act in counted for moment in (act.at, act.at + window) if moment <= as_of}):
        number = sum(instant - window < act.at <= instant for act in counted)
        if (number >= condition.at_least) != is_in:
            is_in = not is_in
            stays = [*stays, (instant, None)] if is_in else [*stays[:-1], (stays[-1][0], instant)]
    return stays
