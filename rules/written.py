"""Writes a question of a condition as it stands in a rule file, for messages about it."""

from __future__ import annotations

from typing import Any

from rules.models import (
    AccountCondition,
    DealCondition,
    Leaf,
    OccasionCondition,
    ScoreCondition,
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
            return {**given, "deal": leaf.status or "any"}
        case AccountCondition():
            people = {"people": leaf.people} if leaf.kind == "people" else {}
            return {"account": {**people, **_mapping(leaf.asked)}}
        case SequenceCondition():
            return {**given, "sequence": [_given(step) for step in leaf.steps]}
        case OccasionCondition():
            narrowing = _given(leaf.on)
            rest = {key: value for key, value in given.items() if key not in {"on", "which"}}
            return {leaf.which: narrowing if len(narrowing) > 1 else leaf.on.event, **rest}
        case _:
            on = getattr(leaf, "on", None)
            return {**(_given(on) if on is not None else {}), **{k: v for k, v in given.items() if k != "on"}}


def _given(model: Any) -> dict[str, Any]:
    """What was given, without what is empty, by the keys of rule files."""
    found = model.model_dump(mode="json", exclude_defaults=True)
    return {_KEYS.get(key, key): value for key, value in found.items() if value not in (None, [], {})}
