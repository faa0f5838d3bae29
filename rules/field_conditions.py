"""Reads conditions on a lead's field: one operator that fits the field's type, and a value that the field can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rules.condition_values import is_kind, only
from rules.documents import Spot
from rules.hints import did_you_mean, listed, shown
from rules.models import Field, FieldCondition
from rules.names import Names
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


@dataclass(frozen=True)
class FieldConditions:
    """Reads conditions on fields. What could not be read is None: not checked."""

    fields: dict[str, Field] | None
    title_levels: Names | None

    def read(self, raw: dict[str, Any], spot: Spot) -> FieldCondition | None:
        """Return the condition, or None after reporting what is wrong with it."""
        if not only(raw, ("field", *_OPERATORS), spot):
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
        if name == "email" or (name in self.fields and self.fields[name].system):
            hint = "for the score write {score: {at_least: 30}}, for what a lead did {event: …, within_days: …}"
            spot.at("field").fault(
                "the engine keeps this field itself; a segment cannot ask for it", received=shown(name), hint=hint
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
            return value if is_kind(value, bool, "true or false", spot) else None
        if operator in {"at_least", "at_most"}:
            return value if is_kind(value, (int, float), "a number", spot) else None
        if operator == "in":
            if not isinstance(value, list) or not value:
                spot.fault("'in' holds a list", received=shown(value), hint="such as [製造業, 建設業]")
                return None
            found = [self._one_value(known, part, spot.at(position)) for position, part in enumerate(value)]
            return None if None in found else tuple(found)
        return self._one_value(known, value, spot)

    def _one_value(self, known: Field | None, value: Any, spot: Spot) -> Any:
        if known is None:
            if self.title_levels is None or not is_kind(value, str, "a title level", spot):
                return None
            return self.title_levels.resolve(value, spot)
        if known.type == "number":
            return value if is_kind(value, (int, float), "a number", spot) else None
        if known.type == "boolean":
            return value if is_kind(value, bool, "true or false", spot) else None
        if not is_kind(value, str, "text (put it in quotes)", spot):
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
