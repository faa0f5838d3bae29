"""Reads the conditions of segments: a closed vocabulary of fields, operators, events and windows.

Nothing a marketer writes here is ever run as code or joined into SQL: what is not in the vocabulary is refused, with
the words that are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rules.condition_values import is_kind, only
from rules.documents import Spot
from rules.field_conditions import FieldConditions
from rules.hints import did_you_mean, listed, shown
from rules.models import (
    All,
    AnyOf,
    Condition,
    EventCondition,
    Not,
    ScoreCondition,
    SegmentCondition,
    Selector,
    StageCondition,
    TierCondition,
)
from rules.names import Names
from rules.selectors import Selectors


@dataclass
class Conditions:
    """Reads conditions against the names of one rule set. Names that could not be read are None: not checked."""

    field_conditions: FieldConditions
    selectors: Selectors
    tiers: Names | None
    stages: Names | None
    segments: Names
    refers_to: list[str] = field(default_factory=list)
    """The segments named by what was read so far; the reader of segments empties it between them."""

    def read(self, raw: Any, spot: Spot) -> Condition | None:
        """Return the condition, or None after reporting what is wrong with it."""
        readers: dict[str, Callable[[dict[str, Any], Spot], Condition | None]] = {
            "all": self._all, "any": self._any, "not": self._not, "field": self.field_conditions.read,
            "event": self._event, "score": self._score, "tier": self._tier, "stage": self._stage,
            "segment": self._segment,
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

    def _event(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        if not only(raw, ("event", "page_group", "asset_group", "at_least", "within_days"), spot):
            return None
        texts = {key: raw.get(key) for key in ("event", "page_group", "asset_group")}
        is_fine = all(value is None or is_kind(value, str, "a name", spot.at(key)) for key, value in texts.items())
        at_least, within_days = raw.get("at_least", 1), raw.get("within_days")
        if not is_kind(at_least, int, "a whole number", spot.at("at_least")):
            is_fine = False
        elif at_least < 1:
            spot.at("at_least").fault(
                "an event happens at least once",
                received=shown(at_least),
                allowed="1 and more",
                hint="for leads who never did it, write not: {event: …}",
            )
            is_fine = False
        if within_days is not None and not is_kind(
            within_days, (int, float), "a number of days", spot.at("within_days")
        ):
            is_fine = False
        elif within_days is not None and within_days <= 0:
            spot.at("within_days").fault(
                "a window of no length holds no event",
                received=shown(within_days),
                allowed="more than 0",
                hint="leave within_days out to look at all time",
            )
            is_fine = False
        if not is_fine or texts["event"] is None:
            if texts["event"] is None:
                spot.at("event").fault("the event is empty", hint="such as event: page_view")
            return None
        selector = self.selectors.resolve(Selector.model_validate(texts), spot)
        if selector is None:
            return None
        return EventCondition(on=selector, at_least=at_least, within_days=within_days)

    def _score(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        bounds = raw["score"]
        spot_of_bounds = spot.at("score")
        if not only(raw, ("score",), spot):
            return None
        if not isinstance(bounds, dict) or not bounds:
            spot_of_bounds.fault("'score' needs bounds", received=shown(bounds), hint="such as score: {at_least: 30}")
            return None
        if not only(bounds, ("at_least", "at_most"), spot_of_bounds):
            return None
        if not all(is_kind(value, int, "a whole number", spot_of_bounds.at(key)) for key, value in bounds.items()):
            return None
        if "at_least" in bounds and "at_most" in bounds and bounds["at_least"] > bounds["at_most"]:
            received = f"at_least {bounds['at_least']}, at_most {bounds['at_most']}"
            spot_of_bounds.fault("no score is within these bounds", received=received, hint="swap the two")
            return None
        return ScoreCondition.model_validate(bounds)

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
        found = self.segments.resolve(raw["segment"], spot.at("segment"))
        if found is None:
            return None
        self.refers_to.append(found)
        return SegmentCondition(segment=found)


def _kinds(readers: dict[str, Any]) -> str:
    return f"one of the keys {listed(readers)}"
