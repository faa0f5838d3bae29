"""Checks points: by behaviour, by what is known of a lead, and what bounds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rules.condition_values import is_days
from rules.conditions import Conditions
from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import ScoringEntry, ScoringFile
from rules.hints import did_you_mean, listed, shown
from rules.models import Cap, ScoringGroup, ScoringRule, Selector
from rules.names import Names, check_ids

_ONCE_PER = {"event": None, "send": ("mail_open", "mail_click"), "window": ("page_view",), "lead": None}
_LIMITS = {"minimum_score", "maximum_score"}
"""The rules of the awards that keep a score within its limits."""


@dataclass(frozen=True)
class Scoring:
    """What gives points, and what bounds them."""

    rules: tuple[ScoringRule, ...]
    groups: tuple[ScoringGroup, ...]
    minimum_score: int | None
    maximum_score: int | None


def check_scoring(document: Document[ScoringFile], conditions: Conditions, problems: list[Problem]) -> Scoring:
    """Return the points, after reporting what is wrong with them."""
    value = document.value
    spot = document.spot(problems)
    check_ids(value.scoring, spot.at("scoring"), "scoring rule")
    check_ids(value.groups, spot.at("groups"), "group of scoring rules")
    groups = Names("group", [(group.id, group.label) for group in value.groups])
    for position, group in enumerate(value.groups):
        _check_cap(group.cap, spot.at("groups", position, "cap"))
    rules = []
    for position, entry in enumerate(value.scoring):
        here = spot.at("scoring", position)
        if entry.id in _LIMITS:
            here.at("id").fault(
                f"'{entry.id}' names the award that keeps scores within limits", hint="choose another id"
            )
        rule = _rule(entry, conditions, groups, here)
        if rule is not None:
            rules.append(rule)
    _check_signs(rules, [group.id for group in value.groups], spot)
    named = {groups.find(entry.group) for entry in value.scoring if entry.group}
    for position, group in enumerate(value.groups):
        if group.id not in named:
            hint = f"add group: {group.id} to rules, or remove the group"
            spot.at("groups", position).fault(f"no rule is of the group '{group.id}'", hint=hint)
    lowest, highest = _limits(value, spot)
    return Scoring(
        rules=tuple(rules),
        groups=tuple(ScoringGroup(id=group.id, label=group.label, cap=group.cap) for group in value.groups),
        minimum_score=lowest,
        maximum_score=highest,
    )


def _rule(entry: ScoringEntry, conditions: Conditions, groups: Names, spot: Spot) -> ScoringRule | None:
    if entry.points == 0:
        spot.at("points").fault("a rule of 0 points does nothing", received="0", hint="remove it, or give it points")
    if (entry.on is None) == (entry.where is None):
        spot.fault(
            "a rule gives points for a behaviour or for what holds of a lead",
            received="both" if entry.on is not None else "neither",
            allowed="on: …, or where: …",
            hint="such as on: 資料DL, or where: {field: email_domain, in_list: free_mail}",
        )
        return None
    if entry.where is not None:
        return _lasting_rule(entry, conditions, spot)
    selector = conditions.selectors.read(entry.on, spot.at("on"))
    group = groups.resolve(entry.group, spot.at("group")) if entry.group is not None else None
    if entry.cap is not None:
        _check_cap(entry.cap, spot.at("cap"))
    is_fine = all(
        days is None or is_days(days, spot.at(key), hint=f"leave {key} out where points last")
        for key, days in (("expires_after_days", entry.expires_after_days), ("half_life_days", entry.half_life_days))
    )
    if selector is None or not is_fine:
        return None
    once_per = _once_per(entry, selector, spot)
    if once_per is None:
        return None
    if once_per == "lead":
        _check_once_only(entry, spot)
    return ScoringRule.model_validate(
        {
            "id": entry.id,
            "label": entry.label,
            "on": selector,
            "points": entry.points,
            "once_per": once_per,
            "cap": entry.cap,
            "group": group,
            "expires_after_days": entry.expires_after_days,
            "half_life_days": entry.half_life_days,
        }
    )


def _lasting_rule(entry: ScoringEntry, conditions: Conditions, spot: Spot) -> ScoringRule | None:
    """A rule whose points are there for as long as a condition holds: nothing else can end or bound them."""
    for key in ("once_per", "group", "cap", "expires_after_days", "half_life_days"):
        if getattr(entry, key) is not None:
            spot.at(key).fault(
                f"'{key}' is for points that a behaviour gives; these last for as long as the condition holds",
                received=shown(getattr(entry, key)) if key != "cap" else "",
                hint=f"remove {key}, or put the window into the condition",
            )
    where = conditions.read(entry.where, spot.at("where"))
    if where is None:
        return None
    return ScoringRule(id=entry.id, label=entry.label, where=where, points=entry.points)


def _once_per(entry: ScoringEntry, selector: Selector, spot: Spot) -> str | None:
    fitting = [name for name, events in _ONCE_PER.items() if events is None or selector.event in events]
    once_per = entry.once_per or next((name for name in fitting if name in {"send", "window"}), "event")
    if once_per in fitting:
        return once_per
    hint = f"a {selector.event} has no {once_per}" if once_per in _ONCE_PER else did_you_mean(once_per, _ONCE_PER)
    spot.at("once_per").fault(
        f"points for {selector.event} cannot count so", received=shown(once_per), allowed=listed(fitting), hint=hint
    )
    return None


def _check_once_only(entry: ScoringEntry, spot: Spot) -> None:
    if entry.half_life_days is not None:
        spot.at("half_life_days").fault(
            "points that count once a lead would fade and never come back",
            received=f"half_life_days {entry.half_life_days:g} with once_per: lead",
            hint="remove half_life_days, or let the behaviour count again (once_per: event)",
        )
    if entry.cap is not None:
        spot.at("cap").fault("points that count once a lead need no cap", hint="remove the cap, or once_per: lead")


def _check_cap(cap: Cap, spot: Spot) -> None:
    is_days(cap.within_days, spot.at("within_days"))
    if cap.times is None and cap.points is None:
        spot.fault("a cap bounds times, points, or both", hint="such as cap: {times: 3, within_days: 1}")
    for key, bound in (("times", cap.times), ("points", cap.points)):
        if bound is not None and not 1 <= bound <= 1_000_000:
            hint = "a cap of nothing lets no award count: remove the rule instead"
            spot.at(key).fault("a cap lets something count", received=shown(bound), allowed="1 and more", hint=hint)


def _check_signs(rules: Sequence[ScoringRule], groups: Sequence[str], spot: Spot) -> None:
    """Points of a group are measured together, so they are all gains or all losses."""
    members: dict[str, list[ScoringRule]] = defaultdict(list)
    for rule in rules:
        if rule.group is not None:
            members[rule.group].append(rule)
    for position, group in enumerate(groups):
        here = spot.at("groups", position)
        if len({rule.points > 0 for rule in members[group]}) > 1:
            received = ", ".join(f"{rule.id} {rule.points:+d}" for rule in members[group])
            here.fault("a group holds rules that give and rules that take points", received=received, hint="split it")


def _limits(value: ScoringFile, spot: Spot) -> tuple[int | None, int | None]:
    """The least and the most a score can be; None where nothing bounds it, or what does is wrong."""
    lowest, highest = value.minimum_score, value.maximum_score
    # a lead without any award has 0 points, and needs none to be within the limits
    if lowest is not None and lowest > 0:
        spot.at("minimum_score").fault(
            "a lead starts at 0", received=shown(lowest), allowed="0 or less", hint="remove it, or write 0"
        )
        lowest = None
    if highest is not None and highest <= 0:
        spot.at("maximum_score").fault("no lead could ever have points", received=shown(highest), allowed="1 and more")
        highest = None
    return lowest, highest
