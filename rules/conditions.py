"""Reads the conditions of segments: a closed vocabulary of fields, operators, events and windows.

Nothing a marketer writes here is ever run as code or joined into SQL: what is not in the vocabulary is refused, with
the words that are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rules.documents import Spot
from rules.hints import did_you_mean, listed, shown
from rules.models import (
    All,
    AnyOf,
    Condition,
    EventCondition,
    Field,
    FieldCondition,
    Not,
    ScoreCondition,
    SegmentCondition,
    Selector,
    StageCondition,
    TierCondition,
)
from rules.names import Names
from rules.selectors import Selectors
from rules.titles import TITLE_LEVEL

_OPERATORS = {"equals": "equals", "in": "one_of", "contains": "contains", "at_least": "at_least", "at_most": "at_most",
              "known": "is_known"}  # fmt: skip
_OPERATORS_OF_TYPE = {
    "text": ("equals", "in", "contains", "known"),
    "choice": ("equals", "in", "known"),
    "choices": ("contains", "known"),
    "number": ("equals", "at_least", "at_most", "known"),
    "boolean": ("equals", "known"),
    "date": ("known",),
}


@dataclass
class Conditions:
    """Reads conditions against the names of one rule set. Names that could not be read are None: not checked."""

    fields: dict[str, Field] | None
    title_levels: Names | None
    selectors: Selectors
    tiers: Names | None
    stages: Names | None
    segments: Names
    refers_to: list[str] = field(default_factory=list)
    """The segments named by what was read so far; the reader of segments empties it between them."""

    def read(self, raw: Any, spot: Spot) -> Condition | None:
        """Return the condition, or None after reporting what is wrong with it."""
        readers: dict[str, Callable[[dict[str, Any], Spot], Condition | None]] = {
            "all": self._all, "any": self._any, "not": self._not, "field": self._field, "event": self._event,
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
        return readers[kinds[0]](raw, spot)

    def _all(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        parts = self._parts(raw, "all", spot)
        return None if parts is None else All(parts=parts)

    def _any(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        parts = self._parts(raw, "any", spot)
        return None if parts is None else AnyOf(parts=parts)

    def _parts(self, raw: dict[str, Any], key: str, spot: Spot) -> tuple[Condition, ...] | None:
        if not _only(raw, (key,), spot):
            return None
        values = raw[key]
        if not isinstance(values, list) or not values:
            spot.at(key).fault(f"'{key}' holds a list of conditions", received=shown(values), hint="add at least one")
            return None
        parts = [self.read(value, spot.at(key, position)) for position, value in enumerate(values)]
        good = tuple(part for part in parts if part is not None)
        return good if len(good) == len(parts) else None

    def _not(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        if not _only(raw, ("not",), spot):
            return None
        part = self.read(raw["not"], spot.at("not"))
        return None if part is None else Not(part=part)

    def _field(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        if not _only(raw, ("field", *_OPERATORS), spot):
            return None
        name = raw["field"]
        if self.fields is None:
            return None
        if name != TITLE_LEVEL and name not in self.fields:
            labels = {known.label: known.id for known in self.fields.values()}
            hint = f"did you mean '{labels[name]}'?" if name in labels else did_you_mean(str(name), self.fields)
            spot.at("field").fault(
                "there is no field of this name",
                received=shown(name),
                allowed=listed([*self.fields, TITLE_LEVEL]),
                hint=hint or "add it to fields.yaml",
            )
            return None
        operators = [operator for operator in _OPERATORS if operator in raw]
        known = self.fields.get(name)
        allowed = ("equals", "in", "known") if known is None else _OPERATORS_OF_TYPE[known.type]
        if len(operators) != 1:
            spot.fault(
                "a condition on a field has exactly one operator",
                received=" and ".join(operators) or "none",
                allowed=listed(allowed),
                hint="write two conditions in all: [...]" if operators else f"such as {allowed[0]}: …",
            )
            return None
        operator = operators[0]
        if operator not in allowed:
            what = "title_level" if known is None else f"a field of type {known.type}"
            spot.at(operator).fault(
                f"'{operator}' does not fit {what}", received=shown(raw[operator]), allowed=listed(allowed)
            )
            return None
        value = self._field_value(known, operator, raw[operator], spot.at(operator))
        return None if value is None else FieldCondition.model_validate({"field": name, _OPERATORS[operator]: value})

    def _field_value(self, known: Field | None, operator: str, value: Any, spot: Spot) -> Any:
        if operator == "known":
            return value if _is(value, bool, "true or false", spot) else None
        if operator in {"at_least", "at_most"}:
            return value if _is(value, (int, float), "a number", spot) else None
        if operator == "in":
            if not isinstance(value, list) or not value:
                spot.fault("'in' holds a list", received=shown(value), hint="such as [製造業, 建設業]")
                return None
            found = [self._one_value(known, part, spot.at(position)) for position, part in enumerate(value)]
            return None if None in found else tuple(found)
        return self._one_value(known, value, spot)

    def _one_value(self, known: Field | None, value: Any, spot: Spot) -> Any:
        if known is None:
            if self.title_levels is None or not _is(value, str, "a title level", spot):
                return None
            return self.title_levels.resolve(value, spot)
        if known.type == "number":
            return value if _is(value, (int, float), "a number", spot) else None
        if known.type == "boolean":
            return value if _is(value, bool, "true or false", spot) else None
        if not _is(value, str, "text (put it in quotes)", spot):
            return None
        if not value.strip():
            spot.fault("the value is empty", hint="to ask whether a field is filled, use known: true or false")
            return None
        if known.values and value not in known.values:
            spot.fault(
                f"the field '{known.id}' has no such value",
                received=shown(value),
                allowed=listed(known.values),
                hint=did_you_mean(value, known.values),
            )
            return None
        return value

    def _event(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        if not _only(raw, ("event", "page_group", "asset_group", "at_least", "within_days"), spot):
            return None
        texts = {key: raw.get(key) for key in ("event", "page_group", "asset_group")}
        is_fine = all(value is None or _is(value, str, "a name", spot.at(key)) for key, value in texts.items())
        at_least, within_days = raw.get("at_least", 1), raw.get("within_days")
        if not _is(at_least, int, "a whole number", spot.at("at_least")):
            is_fine = False
        elif at_least < 1:
            spot.at("at_least").fault(
                "an event happens at least once",
                received=shown(at_least),
                allowed="1 and more",
                hint="for leads who never did it, write not: {event: …}",
            )
            is_fine = False
        if within_days is not None and not _is(within_days, (int, float), "a number of days", spot.at("within_days")):
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
        if not _only(raw, ("score",), spot):
            return None
        if not isinstance(bounds, dict) or not bounds:
            spot_of_bounds.fault("'score' needs bounds", received=shown(bounds), hint="such as score: {at_least: 30}")
            return None
        if not _only(bounds, ("at_least", "at_most"), spot_of_bounds):
            return None
        if not all(_is(value, int, "a whole number", spot_of_bounds.at(key)) for key, value in bounds.items()):
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
        if not _only(raw, (key,), spot) or names is None:
            return None
        values = raw[key] if isinstance(raw[key], list) else [raw[key]]
        if not values:
            spot.at(key).fault(f"'{key}' names none", allowed=listed(names.labels))
            return None
        found = [
            names.resolve(value, spot.at(key, position)) if _is(value, str, f"a {key}", spot.at(key)) else None
            for position, value in enumerate(values)
        ]
        good = tuple(name for name in found if name is not None)
        return good if len(good) == len(found) else None

    def _segment(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        if not _only(raw, ("segment",), spot) or not _is(raw["segment"], str, "a segment", spot.at("segment")):
            return None
        found = self.segments.resolve(raw["segment"], spot.at("segment"))
        if found is None:
            return None
        self.refers_to.append(found)
        return SegmentCondition(segment=found)


def _kinds(readers: dict[str, Any]) -> str:
    return f"one of the keys {listed(readers)}"


def _only(raw: dict[str, Any], keys: tuple[str, ...], spot: Spot) -> bool:
    unknown = [key for key in raw if key not in keys]
    for key in unknown:
        spot.at(key).fault(
            f"unknown key '{key}'", received=shown(raw[key], key), allowed=listed(keys), hint=did_you_mean(key, keys)
        )
    return not unknown


def _is(value: Any, kind: type | tuple[type, ...], expected: str, spot: Spot) -> bool:
    # A bool is an int to Python, and never a number to the person who wrote it.
    is_fine = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not is_fine:
        spot.fault("this is not the kind of value expected", received=shown(value), allowed=expected)
    return is_fine
