"""Tells what follows from what: whether one behaviour includes another, and whether a condition can ever hold.

What is found impossible is impossible. What is not found may still be: conditions on different things are taken to be
independent, and a condition of very many parts is given up on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rules.models import (
    ANY_EVENT,
    EVERYONE,
    AccountCondition,
    All,
    AnyOf,
    Condition,
    DealCondition,
    EventCondition,
    FieldCondition,
    Leaf,
    Not,
    OccasionCondition,
    ScoreCondition,
    SegmentCondition,
    Selector,
    SequenceCondition,
    StageCondition,
    Tier,
    TierCondition,
)
from rules.vocabulary import folded_width
from rules.written import written

Literal = tuple[Leaf, bool]
"""A question, and whether its answer is yes."""

_MOST_STEPS = 20_000
_NO_ACTS = ("mail_sent", "mail_processed", "mail_delivered", "mail_bounce", "mail_dropped", "mail_deferred")


def includes(wide: Selector, narrow: Selector) -> bool:
    """Whether every event that ``narrow`` means is one that ``wide`` means."""
    if wide.event == ANY_EVENT:
        is_act = not narrow.event.startswith("deal_") and narrow.event not in _NO_ACTS
        return narrow.event == ANY_EVENT or is_act
    keys = ("page_group", "asset_group", "asset", "scenario", "step")
    return (
        wide.event == narrow.event
        and all(getattr(wide, key) in {None, getattr(narrow, key)} for key in keys)
        and set(wide.properties) <= set(narrow.properties)
    )


@dataclass
class Possibility:
    """Judges whether conditions of one rule set can hold."""

    tiers: Sequence[Tier] = ()
    stages: Sequence[str] = ()
    lowest_score: float = -math.inf
    highest_score: float = math.inf
    _steps: int = 0
    _clash: str = ""

    def why_never(self, condition: Condition) -> str | None:
        """Return what excludes each other where a condition can never hold, else None.

        Segments it refers to are written out in it.
        """
        self._steps, self._clash = 0, ""
        return None if self._can_hold([(condition, True)], []) else self._clash

    def _can_hold(self, goals: list[tuple[Condition, bool]], known: list[Literal]) -> bool:
        """Whether all goals can be met beside what is known. Tries one way after the other."""
        goals = list(goals)
        while goals:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                return True
            goal, is_yes = goals.pop()
            match goal:
                case Not(part=part):
                    goals.append((part, not is_yes))
                case All(parts=parts) | AnyOf(parts=parts) if isinstance(goal, All) == is_yes:
                    goals.extend((part, is_yes) for part in parts)
                case All(parts=parts) | AnyOf(parts=parts):
                    return any(self._can_hold([*goals, (part, is_yes)], known) for part in parts)
                case SegmentCondition(segment=segment) if segment == EVERYONE:
                    if not is_yes:
                        self._clash = f"every lead is in the segment '{EVERYONE}'"
                        return False
                case _:
                    leaf = _without_negation(goal, is_yes)
                    clash = self._clash_of(leaf, known)
                    if clash:
                        self._clash = clash
                        return False
                    known = known if leaf in known else [*known, leaf]
        return True

    def _clash_of(self, literal: Literal, known: Sequence[Literal]) -> str:
        for other in known:
            if _exclude(literal, other) or _exclude(other, literal):
                return f"{_text(other)} and {_text(literal)}"
        return self._clash_of_ranks([*known, literal])

    def _clash_of_ranks(self, literals: Sequence[Literal]) -> str:
        """Scores are numbers between limits, tiers bands of them, and a lead has one stage."""
        low, high = self.lowest_score, self.highest_score
        tiers = {tier.id for tier in self.tiers}
        stages = set(self.stages)
        ranks = []
        for literal in literals:
            match literal:
                case (ScoreCondition(at_least=least, at_most=most), True):
                    low = max(low, -math.inf if least is None else least)
                    high = min(high, math.inf if most is None else most)
                case (ScoreCondition(at_least=least, at_most=None), False) if least is not None:
                    high = min(high, least - 1)
                case (ScoreCondition(at_least=None, at_most=most), False) if most is not None:
                    low = max(low, most + 1)
                case (TierCondition(one_of=one_of), is_yes):
                    tiers = tiers & set(one_of) if is_yes else tiers - set(one_of)
                case (StageCondition(one_of=one_of), is_yes):
                    stages = stages & set(one_of) if is_yes else stages - set(one_of)
                case _:
                    continue
            ranks.append(literal)
        if not ranks:
            return ""
        bands = self._bands()
        fits = any(low <= bands[tier][1] and high >= bands[tier][0] for tier in tiers)
        if low > high or (self.tiers and not fits) or (self.stages and not stages):
            limits = [f"scores from {self.lowest_score:g}" if math.isfinite(self.lowest_score) else ""]
            limits += [f"scores up to {self.highest_score:g}" if math.isfinite(self.highest_score) else ""]
            return " and ".join([*map(_text, ranks), *filter(None, limits)])
        return ""

    def _bands(self) -> dict[str, tuple[float, float]]:
        """From which to which score a lead is in each tier."""
        bands: dict[str, tuple[float, float]] = {}
        above = math.inf
        for tier in self.tiers:
            low = -math.inf if tier.minimum_score is None else tier.minimum_score
            bands[tier.id] = (low, above - 1)
            above = low
        return bands


def _without_negation(leaf: Leaf, is_yes: bool) -> Literal:
    if isinstance(leaf, FieldCondition) and leaf.is_known is False:
        return FieldCondition(field=leaf.field, is_known=True), not is_yes
    return leaf, is_yes


def _exclude(first: Literal, second: Literal) -> bool:
    """Whether the first, where its answer is yes, cannot stand beside the second."""
    leaf, is_yes = first
    other, other_is_yes = second
    if not is_yes:
        return False
    if not other_is_yes and _follows(other, leaf):
        return True
    if not other_is_yes:
        return False
    match leaf, other:
        case FieldCondition(), FieldCondition() if leaf.field == other.field:
            return _disjoint(leaf, other)
        case OccasionCondition(which="last", before_days=before, on=on), EventCondition() if before is not None:
            window = other.within_days
            return includes(on, other.on) and window is not None and window <= before
        case OccasionCondition(which="last", before_days=before, on=on), OccasionCondition() if before is not None:
            # the last time is not before the first
            return includes(on, other.on) and other.within_days is not None and other.within_days <= before
        case _:
            return False


def _follows(what: Leaf, leaf: Leaf) -> bool:
    """Whether ``what`` holds wherever ``leaf`` does."""
    if what == leaf:
        return True
    match leaf, what:
        case FieldCondition(), FieldCondition() if leaf.field == what.field:
            return what.is_known is True or _is_part(leaf, what)
        case EventCondition(), EventCondition():
            return (
                # what counts for the one may be a repeat for the other, lately but not ever
                (what.on == leaf.on or (what.within_days is None and includes(what.on, leaf.on)))
                and leaf.at_least >= what.at_least
                and _days(leaf.within_days) <= _days(what.within_days)
            )
        case EventCondition(), OccasionCondition(which="last", before_days=None):
            return includes(what.on, leaf.on) and _days(leaf.within_days) <= _days(what.within_days)
        case OccasionCondition(), EventCondition(at_least=1):
            # the last time may be a repeat, which counts for nothing; the first of the very same is none
            is_counted = (leaf.which == "first" and leaf.on == what.on) or what.within_days is None
            return is_counted and includes(what.on, leaf.on) and _days(leaf.within_days) <= _days(what.within_days)
        case OccasionCondition(), OccasionCondition(which="last", before_days=None):
            return includes(what.on, leaf.on) and _days(leaf.within_days) <= _days(what.within_days)
        case SequenceCondition(), EventCondition(at_least=1, within_days=None):
            return any(includes(what.on, step) for step in leaf.steps)
        case DealCondition(), DealCondition():
            return (
                what.status in {None, leaf.status}
                and _days(leaf.within_days) <= _days(what.within_days)
                and (leaf.amount_at_least or -math.inf) >= (what.amount_at_least or -math.inf)
            )
        case AccountCondition(), AccountCondition() if leaf.kind == what.kind and leaf.people >= what.people:
            return _follows(what.asked, leaf.asked)
        case _:
            return False


def _days(days: float | None) -> float:
    return math.inf if days is None else days


def _values(condition: FieldCondition) -> set[str] | None:
    """The values a condition on a field allows, where these are so many texts."""
    if condition.one_of is not None:
        return {folded_width(value) for value in condition.one_of}
    if condition.equals is not None:
        return {folded_width(str(condition.equals))}
    return None


def _range(condition: FieldCondition) -> tuple[Any, Any] | None:
    """The bounds within which a condition on a field holds, where it has any."""
    if condition.at_least is not None or condition.at_most is not None:
        return condition.at_least, condition.at_most
    if condition.equals is not None and not isinstance(condition.equals, (str, bool)):
        return condition.equals, condition.equals
    return None


def _disjoint(first: FieldCondition, second: FieldCondition) -> bool:
    """Whether no value of their field fits both. Values of a field of many are not compared: it may have both."""
    this, other = _range(first), _range(second)
    if this is not None and other is not None:
        (low, high), (other_low, other_high) = this, other
        return (other_high is not None and low is not None and low > other_high) or (
            high is not None and other_low is not None and high < other_low
        )
    values, others = _values(first), _values(second)
    if values is not None and others is not None:
        return not values & others
    if values is not None and second.contains is not None:
        return not any(folded_width(second.contains) in value for value in values)
    return False


def _is_part(first: FieldCondition, second: FieldCondition) -> bool:
    """Whether every value that fits the first fits the second."""
    this, other = _range(first), _range(second)
    if this is not None and other is not None:
        (low, high), (other_low, other_high) = this, other
        return (other_low is None or (low is not None and low >= other_low)) and (
            other_high is None or (high is not None and high <= other_high)
        )
    values, others = _values(first), _values(second)
    if values is not None and others is not None:
        return values <= others
    if second.contains is not None:
        part = folded_width(second.contains)
        if values is not None:
            return all(part in value for value in values)
        return first.contains is not None and part in folded_width(first.contains)
    return False


def _text(literal: Literal) -> str:
    leaf, is_yes = literal
    return written(leaf) if is_yes else f"{{not: {written(leaf)}}}"
