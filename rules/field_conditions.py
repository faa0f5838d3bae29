"""Reads conditions on a lead's field: an operator that fits the field's type, and a value that the field can have."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rules.condition_values import is_kind, only
from rules.corporate_numbers import corporate_number
from rules.documents import Spot
from rules.hints import did_you_mean, listed, shown
from rules.models import Field, FieldCondition
from rules.names import Names
from rules.titles import TITLE_LEVEL

EMAIL_DOMAIN = "email_domain"
"""The name conditions use for the part of a lead's address behind the @; no field may have it."""

_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)+")
_OPERATORS = ("equals", "in", "in_list", "contains", "at_least", "at_most", "known")
_OPERATORS_OF_TYPE = {
    "text": ("equals", "in", "in_list", "contains", "known"),
    "choice": ("equals", "in", "known"),
    "choices": ("contains", "known"),
    "number": ("equals", "at_least", "at_most", "known"),
    "boolean": ("equals", "known"),
    "corporate_number": ("equals", "in", "in_list", "known"),
    "date": ("equals", "at_least", "at_most", "known"),
}
_KEPT = {
    TITLE_LEVEL: ("equals", "in", "known"),
    EMAIL_DOMAIN: ("equals", "in", "in_list", "contains", "known"),
}


@dataclass(frozen=True)
class FieldConditions:
    """Reads conditions on fields. What could not be read is None: not checked."""

    fields: dict[str, Field] | None
    title_levels: Names | None
    lists: Names | None
    values_of_lists: Mapping[str, tuple[str, ...]]

    def read(self, raw: dict[str, Any], spot: Spot) -> FieldCondition | None:
        """Return the condition, or None after reporting what is wrong with it."""
        if not only(raw, ("field", *_OPERATORS), spot):
            return None
        name = raw["field"]
        if not is_kind(name, str, "the id of a field", spot.at("field")):
            return None
        if self.fields is None or not self._is_field(name, self.fields, spot):
            return None
        known = self.fields.get(name)
        operators = tuple(operator for operator in _OPERATORS if operator in raw)
        allowed = _KEPT[name] if known is None else _OPERATORS_OF_TYPE[known.type]
        if len(operators) != 1 and operators != ("at_least", "at_most"):
            spot.fault(
                "a condition on a field has exactly one operator",
                received=" and ".join(operators) or "none",
                allowed=listed(allowed),
                hint="write two conditions in all: [...]" if operators else f"such as {allowed[0]}: …",
            )
            return None
        unfit = [operator for operator in operators if operator not in allowed]
        if unfit:
            what = name if known is None else f"a field of type {known.type}"
            spot.at(unfit[0]).fault(
                f"'{unfit[0]}' does not fit {what}", received=shown(raw[unfit[0]]), allowed=listed(allowed)
            )
            return None
        values = {
            operator: self._value(name, known, operator, raw[operator], spot.at(operator)) for operator in operators
        }
        if None in values.values():
            return None
        if len(operators) == 2 and values["at_least"] > values["at_most"]:
            received = f"at_least {raw['at_least']}, at_most {raw['at_most']}"
            spot.fault("no value is within these bounds", received=received, hint="swap the two")
            return None
        names = {"in": "one_of", "in_list": "one_of", "known": "is_known"}
        given = {names.get(operator, operator): value for operator, value in values.items()}
        return FieldCondition.model_validate({"field": name, **given})

    def _is_field(self, name: Any, fields: dict[str, Field], spot: Spot) -> bool:
        if name not in fields and name not in _KEPT:
            labels = {known.label: known.id for known in fields.values()}
            hint = f"did you mean '{labels[name]}'?" if name in labels else did_you_mean(str(name), fields)
            spot.at("field").fault(
                "there is no field of this name",
                received=shown(name),
                allowed=listed([*fields, *_KEPT]),
                hint=hint or "add it to fields.yaml",
            )
            return False
        if name == "email" or (name in fields and fields[name].system):
            hint = "for the score write {score: {at_least: 30}}, for what a lead did {event: …, within_days: …}"
            if name == "email":
                hint = f"for the part behind the @ write {{field: {EMAIL_DOMAIN}, …}}"
            spot.at("field").fault(
                "the engine keeps this field itself; a segment cannot ask for it", received=shown(name), hint=hint
            )
            return False
        return True

    def _value(self, name: str, known: Field | None, operator: str, value: Any, spot: Spot) -> Any:
        if operator == "known":
            return value if is_kind(value, bool, "true or false", spot) else None
        if operator == "in_list":
            return self._listed(name, known, value, spot)
        if operator == "in":
            if not isinstance(value, list) or not value:
                spot.fault("'in' holds a list", received=shown(value), hint="such as [製造業, 建設業]")
                return None
            found = [
                self._one_value(name, known, operator, part, spot.at(position)) for position, part in enumerate(value)
            ]
            return None if None in found else tuple(found)
        return self._one_value(name, known, operator, value, spot)

    def _listed(self, name: str, known: Field | None, value: Any, spot: Spot) -> tuple[str, ...] | None:
        """The values of one named list or of several."""
        if self.lists is None:
            return None
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(one, str) for one in names):
            spot.fault("'in_list' names a list", received=shown(value), allowed=listed(self.lists.labels))
            return None
        found = [self.lists.resolve(one, spot) for one in names]
        if None in found:
            return None
        texts = dict.fromkeys(text for one in found if one for text in self.values_of_lists.get(one, ()))
        if name != EMAIL_DOMAIN and (known is None or known.type != "corporate_number"):
            return tuple(texts)
        read = [self._one_value(name, known, "in_list", text, spot) for text in texts]
        return None if None in read else tuple(read)

    def _one_value(self, name: str, known: Field | None, operator: str, value: Any, spot: Spot) -> Any:
        if name == TITLE_LEVEL:
            if self.title_levels is None or not is_kind(value, str, "a title level", spot):
                return None
            return self.title_levels.resolve(value, spot)
        if known is not None and known.type == "number":
            return value if is_kind(value, (int, float), "a number", spot) else None
        if known is not None and known.type == "boolean":
            return value if is_kind(value, bool, "true or false", spot) else None
        if known is not None and known.type == "date":
            return _date(value, spot)
        if not is_kind(value, str, "text (put it in quotes)", spot):
            return None
        if known is not None and known.type == "corporate_number":
            return _corporate_number(value, spot)
        if not value.strip():
            spot.fault("the value is empty", hint="to ask whether a field is filled, use known: true or false")
            return None
        if known is not None and known.values and value not in known.values:
            spot.fault(
                f"the field '{known.id}' has no such value",
                received=shown(value),
                allowed=listed(known.values),
                hint=did_you_mean(value, known.values),
            )
            return None
        return _mail_domain(value, operator, spot) if name == EMAIL_DOMAIN else value


def _mail_domain(value: str, operator: str, spot: Spot) -> str | None:
    text = unicodedata.normalize("NFKC", value).strip().lower()
    if not (_DOMAIN.fullmatch(text) if operator != "contains" else "@" not in text):
        spot.fault(
            "this is not a mail domain",
            received=shown(value),
            allowed="what stands behind the @, such as rival.example",
            hint="for a part of a domain write contains: …",
        )
        return None
    return text


def _corporate_number(value: str, spot: Spot) -> str | None:
    number = corporate_number(value)
    if number is None:
        spot.fault("this is no 法人番号, or its check digit is wrong", received=shown(value), allowed="13 digits")
    return number


def _date(value: Any, spot: Spot) -> date | None:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        spot.fault("this is not a date", received=shown(value), allowed="a date, such as 2026-04-01")
        return None
