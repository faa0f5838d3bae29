"""Writes a question of a condition as it stands in a rule file, for messages about it."""

from __future__ import annotations

from typing import Any

from rules.models import (
    AccountCondition,
    DealCondition,
    EventCondition,
    Leaf,
    OccasionCondition,
    ScoreCondition,
    Selector,
    SequenceCondition,
    StageCondition,
    TierCondition,
)

_LONGEST = 100
_KEYS = {"one_of": "in", "is_known": "known"}


def written(leaf: Leaf) -> str:
    """Return a question such as ``{event: page_view, at_least: 3}``, cut where it is long."""
    text = str(_mapping(leaf)).replace("'", "")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _mapping(leaf: Leaf) -> dict[str, Any]:
    given = _given(leaf)
    match leaf:
        case TierCondition():
            return {"tier": list(leaf.one_of)}
        case StageCondition():
            return {"stage": list(leaf.one_of)}
        case ScoreCondition():
            return {"score": given}
        case DealCondition():
            return {"deal": leaf.status or "any", **_without(given, "status")}
        case AccountCondition():
            people = {"people": leaf.people} if leaf.kind == "people" else {}
            return {"account": {**people, **_mapping(leaf.asked)}}
        case SequenceCondition():
            return {"sequence": [_behaviour(step) for step in leaf.steps], **_without(given, "steps")}
        case OccasionCondition():
            return {leaf.which: _behaviour(leaf.on), **_without(given, "on", "which")}
        case EventCondition():
            return {**_selector(leaf.on), **_without(given, "on")}
        case _:
            return given


def _behaviour(on: Selector) -> str | dict[str, Any]:
    """A behaviour by its event's name where nothing narrows it."""
    narrowed = _selector(on)
    return narrowed if len(narrowed) > 1 else on.event


def _selector(on: Selector) -> dict[str, Any]:
    tests = {test.property: _without(_given(test), "property") for test in on.properties}
    return {**_without(_given(on), "properties"), **({"properties": tests} if tests else {})}


def _without(given: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in keys}


def _given(model: Any) -> dict[str, Any]:
    """What was given, without what is empty, by the keys of rule files."""
    found = model.model_dump(mode="json", exclude_defaults=True)
    return {
        _KEYS.get(key, key): int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in found.items()
        if value not in (None, [], {})
    }
