"""Writes out which behaviours rules mean and what they ask of leads, as rows that models join."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date

from rules.models import (
    ANY_EVENT,
    AccountCondition,
    DealCondition,
    EventCondition,
    Field,
    FieldCondition,
    Leaf,
    OccasionCondition,
    RuleSet,
    ScoreCondition,
    Selector,
    SequenceCondition,
    StageCondition,
    TierCondition,
)
from warehouse.questions import Catalogue

Row = Mapping[str, object]
_EPOCH = date(1970, 1, 1)


def normal_form(value: object) -> str:
    """Return a value as texts are compared: NFKC, lower case. SQL's ``normal_form`` does the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return unicodedata.normalize("NFKC", str(value)).lower()


def behaviour_tables(rules: RuleSet, catalogue: Catalogue) -> dict[str, Sequence[Row]]:
    """The rows of ``rule_behaviours`` and ``rule_behaviour_kinds``."""
    selectors = catalogue.behaviours
    views_anything = any(
        selector.event in {"page_view", ANY_EVENT} and selector.page_group is None for selector in selectors
    )
    # views count once a page group, so that whoever takes any page needs the group of each
    page_groups = [
        group.id
        for group in rules.page_groups
        if views_anything or any(selector.page_group == group.id for selector in selectors)
    ]
    asset_groups = [
        group.id for group in rules.asset_groups if any(selector.asset_group == group.id for selector in selectors)
    ]
    return {
        "rule_behaviours": [
            {
                "behaviour": number,
                "event_type": selector.event,
                "page_group": selector.page_group,
                "asset_group": selector.asset_group,
                "asset": selector.asset.lower() if selector.asset is not None else None,
                "scenario": selector.scenario,
                "step": selector.step,
                "tests": _tests(selector),
            }
            for selector, number in selectors.items()
        ],
        "rule_behaviour_kinds": [
            {"behaviour": number, "event_type": selector.event, "page_group": page_group, "asset_group": asset_group}
            for selector, number in selectors.items()
            for page_group in ([selector.page_group] if selector.page_group else [*page_groups, None])
            for asset_group in ([selector.asset_group] if selector.asset_group else [*asset_groups, None])
        ],
    }


def _tests(selector: Selector) -> list[Row]:
    return [
        {
            "property": test.property,
            "one_of": [normal_form(text) for text in test.one_of] if test.one_of is not None else None,
            "contains": normal_form(test.contains) if test.contains is not None else None,
            "at_least": test.at_least,
            "at_most": test.at_most,
            "is_known": test.is_known,
        }
        for test in selector.properties
    ]


def question_tables(rules: RuleSet, catalogue: Catalogue) -> dict[str, Sequence[Row]]:
    """The rows of the ``rule_*_questions`` tables."""
    tables: dict[str, list[Row]] = {
        f"rule_{kind}_questions": []
        for kind in ("event", "sequence", "field", "deal", "score", "tier", "stage", "account")
    }
    fields = {field.id: field for field in rules.fields}
    for leaf, number in catalogue.questions.items():
        kind, rows = _question(leaf, fields, catalogue)
        tables[f"rule_{kind}_questions"] += [{"question": number, **row} for row in rows]
    return dict(tables)


def _question(leaf: Leaf, fields: Mapping[str, Field], catalogue: Catalogue) -> tuple[str, list[Row]]:
    match leaf:
        case EventCondition(on=on, at_least=at_least, within_days=within_days):
            return "event", [
                {
                    "behaviour": catalogue.behaviours[on],
                    "which": "count",
                    "at_least": at_least,
                    "lookback_us": microseconds(within_days),
                    "before_us": None,
                }
            ]
        case OccasionCondition(on=on, which=which, before_days=before_days, within_days=within_days):
            return "event", [
                {
                    "behaviour": catalogue.behaviours[on],
                    "which": which,
                    "at_least": 1,
                    "lookback_us": microseconds(within_days),
                    "before_us": microseconds(before_days),
                }
            ]
        case SequenceCondition(steps=steps, within_days=within_days, ended_within_days=ended_within_days):
            return "sequence", [
                {
                    "position": position,
                    "behaviour": catalogue.behaviours[step],
                    "lookback_us": microseconds(within_days),
                    "ended_within_us": microseconds(ended_within_days),
                    "is_last": position == len(steps),
                }
                for position, step in enumerate(steps, start=1)
            ]
        case FieldCondition():
            return "field", [_field_row(leaf, fields)]
        case DealCondition(status=status, within_days=within_days, amount_at_least=amount):
            return "deal", [{"status": status, "lookback_us": microseconds(within_days), "amount": amount}]
        case ScoreCondition(at_least=low, at_most=high):
            return "score", [{"low": low, "high": high}]
        case TierCondition(one_of=tiers):
            return "tier", [{"tier": tier} for tier in tiers]
        case StageCondition(one_of=stages):
            return "stage", [{"stage": stage} for stage in stages]
        case AccountCondition():
            return "account", [_account_row(leaf, catalogue)]
        case _:
            raise AssertionError(f"{leaf!r} is answered otherwise")


def _field_row(leaf: FieldCondition, fields: Mapping[str, Field]) -> Row:
    kind = fields[leaf.field].type if leaf.field in fields else "text"
    low, high, one_of, part = leaf.at_least, leaf.at_most, leaf.one_of, None
    if kind in {"number", "date"} and leaf.equals is not None:
        low = high = leaf.equals  # type: ignore[assignment]  # of the field's type, as the rules were checked
    elif leaf.equals is not None:
        one_of = (normal_form(leaf.equals),)
    elif leaf.contains is not None and kind == "choices":
        one_of = (leaf.contains,)
    elif leaf.contains is not None:
        part = normal_form(leaf.contains)
    return {
        "field": leaf.field,
        "kind": kind,
        "one_of": [normal_form(value) for value in one_of] if one_of is not None else None,
        "part": part,
        "low": _number(low),
        "high": _number(high),
        "is_known": leaf.is_known,
    }


def _number(bound: float | date | None) -> float | None:
    """A bound as SQL compares it: a date by its days since 1970."""
    if isinstance(bound, date):
        return float((bound - _EPOCH).days)
    return None if bound is None else float(bound)


def _account_row(leaf: AccountCondition, catalogue: Catalogue) -> Row:
    row: dict[str, object] = {"kind": leaf.kind, "asked": None, "behaviour": None, "lookback_us": None, "high": None}
    match leaf.asked:
        case ScoreCondition(at_least=low, at_most=high):
            row |= {"low": low, "high": high}
        case EventCondition(on=on, at_least=at_least, within_days=within_days) if leaf.kind == "event":
            row |= {"behaviour": catalogue.behaviours[on], "lookback_us": microseconds(within_days), "low": at_least}
        case asked:
            row |= {"asked": catalogue.questions[asked], "low": leaf.people}
    return row


def microseconds(days: float | None) -> int | None:
    """A span of days as the rule tables hold it."""
    return round(days * 86_400_000_000) if days is not None else None
