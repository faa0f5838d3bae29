"""The rules the bench computes: the guide's six scoring rules, and twenty segments."""

from __future__ import annotations

from pathlib import Path

from rules.loader import load_rules
from rules.models import DealCondition, EventCondition, Not, RuleSet, Segment, Selector, SequenceCondition

_PRICE = Selector(event="page_view", page_group="price")
_CASES = Selector(event="document_download", asset_group="case_studies")
_OPEN = Selector(event="mail_open")
_MORE = (
    Segment(
        id="price_3_in_30_days",
        label="30日以内に価格ページ3回閲覧",
        where=EventCondition(on=_PRICE, at_least=3, within_days=30),
    ),
    Segment(
        id="no_mail_opened_in_90_days",
        label="90日間メール未開封",
        where=Not(part=EventCondition(on=_OPEN, within_days=90)),
    ),
    Segment(
        id="case_studies_then_price",
        label="事例集DL後7日以内に価格ページ閲覧",
        where=SequenceCondition(steps=(_CASES, _PRICE), within_days=7),
    ),
)


def bench_rules() -> RuleSet:
    """The guide's rule set with three segments more, and without those of deals, which makes twenty."""
    guide = load_rules(Path(__file__).parents[1] / "rules" / "guide")
    segments = (*(one for one in guide.segments if not isinstance(one.where, DealCondition)), *_MORE)
    return guide.model_copy(update={"segments": segments, "version": guide.version + "-bench"})
