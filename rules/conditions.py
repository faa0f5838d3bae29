"""Reads conditions: a closed vocabulary of fields, operators, events and windows.

Nothing a marketer writes here is ever run as code or joined into SQL: what is not in the vocabulary is refused, with
the words that are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rules.company_conditions import CompanyConditions, read_score
from rules.condition_values import is_kind, only
from rules.documents import Spot
from rules.event_conditions import EventConditions
from rules.field_conditions import FieldConditions
from rules.hints import did_you_mean, listed, shown
from rules.models import (
    EVERYONE,
    All,
    AnyOf,
    Condition,
    DealCondition,
    EventCondition,
    FieldCondition,
    Not,
    OccasionCondition,
    SegmentCondition,
    SequenceCondition,
    StageCondition,
    TierCondition,
    leaves,
)
from rules.names import Names
from rules.selectors import Selectors

BY_FACTS = (FieldCondition, EventCondition, OccasionCondition, SequenceCondition, DealCondition)
"""What is answered by facts alone, before points, stages and segments."""
_FOLLOWING = frozenset({"score", "tier", "stage", "account"})


@dataclass
class Conditions:
    """Reads conditions against the names of one rule set. Names that could not be read are None: not checked."""

    field_conditions: FieldConditions
    selectors: Selectors
    tiers: Names | None
    stages: Names | None
    segments: Names | None
    refers_to: list[str] = field(default_factory=list)
    """The segments named by what was read so far; the reader of segments empties it between them."""
    meanings: Mapping[str, Condition] | None = None
    """What segments ask for, the segments they refer to written out. Given where points and stages are read: these come
    before segments, so that a segment stands for its meaning there."""

    def read(self, raw: Any, spot: Spot) -> Condition | None:
        """Return the condition, or None after reporting what is wrong with it."""
        events = EventConditions(self.selectors)
        companies = CompanyConditions(events)
        readers: dict[str, Callable[[dict[str, Any], Spot], Condition | None]] = {
            "all": self._all, "any": self._any, "not": self._not, "field": self.field_conditions.read,
            "event": events.event, "never": events.never, "first": events.first, "last": events.last,
            "sequence": events.sequence, "deal": companies.deal, "account": companies.account,
            "score": self._score, "tier": self._tier, "stage": self._stage, "segment": self._segment,
        }  # fmt: skip
        if not isinstance(raw, dict):
            spot.fault("a condition is a mapping", received=shown(raw), allowed=_kinds(readers))
            return None
        kinds = [kind for kind in readers if kind in raw]
        if not kinds:
            hint = next((near for key in raw if (near := did_you_mean(key, readers))), "")
            spot.fault("this is not a condition", received=shown(raw), allowed=_kinds(readers), hint=hint)
            return None
        if len(kinds) > 1:
            spot.fault(
                "one condition has one of these keys",
                received=" and ".join(kinds),
                allowed=_kinds(readers),
                hint="write them as parts of all: [...] or any: [...]",
            )
            return None
        if self.meanings is not None and kinds[0] in _FOLLOWING:
            spot.at(kinds[0]).fault(
                f"points and stages come before the {kinds[0]}, so they cannot hang on it",
                received=shown(raw[kinds[0]]),
                allowed=_kinds({kind: None for kind in readers if kind not in _FOLLOWING}),
                hint="ask for the behaviour or the field that is behind it",
            )
            return None
        return readers[kinds[0]](raw, spot)

    def _all(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        parts = self._parts(raw, "all", spot)
        return None if parts is None else All(parts=parts)

    def _any(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        parts = self._parts(raw, "any", spot)
        return None if parts is None else AnyOf(parts=parts)

    def _parts(self, raw: dict[str, Any], key: str, spot: Spot) -> tuple[Condition, ...] | None:
        if not only(raw, (key,), spot):
            return None
        values = raw[key]
        if not isinstance(values, list) or not values:
            spot.at(key).fault(f"'{key}' holds a list of conditions", received=shown(values), hint="add at least one")
            return None
        parts = [self.read(value, spot.at(key, position)) for position, value in enumerate(values)]
        good = tuple(part for part in parts if part is not None)
        return good if len(good) == len(parts) else None

    def _not(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        if not only(raw, ("not",), spot):
            return None
        part = self.read(raw["not"], spot.at("not"))
        return None if part is None else Not(part=part)

    def _score(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        return read_score(raw["score"], spot.at("score")) if only(raw, ("score",), spot) else None

    def _tier(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        found = self._names(raw, "tier", self.tiers, spot)
        return None if found is None else TierCondition(one_of=found)

    def _stage(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        found = self._names(raw, "stage", self.stages, spot)
        return None if found is None else StageCondition(one_of=found)

    def _names(self, raw: dict[str, Any], key: str, names: Names | None, spot: Spot) -> tuple[str, ...] | None:
        if not only(raw, (key,), spot) or names is None:
            return None
        values = raw[key] if isinstance(raw[key], list) else [raw[key]]
        if not values:
            spot.at(key).fault(f"'{key}' names none", allowed=listed(names.labels))
            return None
        found = [
            names.resolve(value, spot.at(key, position)) if is_kind(value, str, f"a {key}", spot.at(key)) else None
            for position, value in enumerate(values)
        ]
        good = tuple(name for name in found if name is not None)
        return good if len(good) == len(found) else None

    def _segment(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        if not only(raw, ("segment",), spot) or not is_kind(raw["segment"], str, "a segment", spot.at("segment")):
            return None
        if self.segments is None:
            return None
        found = self.segments.resolve(raw["segment"], spot.at("segment"))
        if found is None:
            return None
        self.refers_to.append(found)
        return SegmentCondition(segment=found) if self.meanings is None else self._meaning(found, spot)

    def _meaning(self, segment: str, spot: Spot) -> Condition | None:
        """What a segment asks for itself, where points or a stage hang on it."""
        if segment == EVERYONE:
            spot.at("segment").fault("every lead is in this segment", received=shown(segment), hint="remove it")
            return None
        meaning = (self.meanings or {}).get(segment)
        if meaning is None:
            return None  # it could not be read
        following = [leaf for leaf in leaves(meaning) if not isinstance(leaf, BY_FACTS)]
        if following:
            spot.at("segment").fault(
                "points and stages come before score, tier, stage and company, so they cannot hang on this segment",
                received=shown(segment),
                hint="name a segment that asks for behaviour, fields and deals only",
            )
            return None
        return meaning


def _kinds(readers: dict[str, Any]) -> str:
    return f"one of the keys {listed(readers)}"
