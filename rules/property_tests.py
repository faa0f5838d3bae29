"""Reads what a rule asks of an event's properties."""

from __future__ import annotations

from typing import Any

from rules.condition_values import is_kind, only
from rules.documents import Spot
from rules.hints import shown
from rules.models import PropertyTest

_TESTS = ("in", "contains", "at_least", "at_most", "known")
_FORMS = "a value, a list of values, or a mapping with in, contains, at_least, at_most or known"


def read_property_tests(raw: Any, spot: Spot) -> tuple[PropertyTest, ...] | None:
    """Return the tests in the order in which they stand, or None after reporting what is wrong with them."""
    if not isinstance(raw, dict) or not raw:
        hint = "such as properties: {form: contact, seats: {at_least: 10}}"
        spot.fault("'properties' is a mapping of names to values", received=shown(raw), hint=hint)
        return None
    tests = [_test(name, asked, spot.at(name)) for name, asked in raw.items()]
    good = tuple(test for test in tests if test is not None)
    return good if len(good) == len(tests) else None


def _test(name: str, asked: Any, spot: Spot) -> PropertyTest | None:
    if not name.strip():
        spot.fault("a property has a name", received=shown(name))
        return None
    if isinstance(asked, dict):
        return _mapping(name, asked, spot)
    values = _values(asked, spot)
    return None if values is None else PropertyTest(property=name, one_of=values)


def _mapping(name: str, asked: dict[str, Any], spot: Spot) -> PropertyTest | None:
    if not only(asked, _TESTS, spot):
        return None
    given = set(asked)
    if len(given) != 1 and given != {"at_least", "at_most"}:
        received = " and ".join(asked) or "none"
        spot.fault(
            "a property is tested in one way",
            received=received,
            allowed=_FORMS,
            hint="at_least and at_most go together",
        )
        return None
    if "in" in given:
        values = _values(asked["in"], spot.at("in"))
        return None if values is None else PropertyTest(property=name, one_of=values)
    if "contains" in given:
        part = asked["contains"]
        if not is_kind(part, str, "text (put it in quotes)", spot.at("contains")):
            return None
        if not part.strip():
            spot.at("contains").fault("an empty text is in every value", hint="use known: true to ask for any value")
            return None
        return PropertyTest(property=name, contains=part)
    if "known" in given:
        is_fine = is_kind(asked["known"], bool, "true or false", spot.at("known"))
        return PropertyTest(property=name, is_known=asked["known"]) if is_fine else None
    if not all(is_kind(bound, (int, float), "a number", spot.at(key)) for key, bound in asked.items()):
        return None
    if len(given) == 2 and asked["at_least"] > asked["at_most"]:
        received = f"at_least {asked['at_least']}, at_most {asked['at_most']}"
        spot.fault("no number is within these bounds", received=received, hint="swap the two")
        return None
    return PropertyTest(property=name, at_least=asked.get("at_least"), at_most=asked.get("at_most"))


def _values(asked: Any, spot: Spot) -> tuple[str, ...] | None:
    values = asked if isinstance(asked, list) else [asked]
    if not values or not all(isinstance(value, (str, int, float, bool)) for value in values):
        spot.fault("this is not the kind of value expected", received=shown(asked), allowed=_FORMS)
        return None
    texts = tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
    if not all(text.strip() for text in texts):
        spot.fault(
            "the value is empty", hint="to ask whether an event bears a property, use {known: true} or {known: false}"
        )
        return None
    return texts
