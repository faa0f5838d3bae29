"""Random rule sets that ask all there is to ask, with windows so short that runs fall between their ends."""

from __future__ import annotations

import functools
from datetime import date
from typing import Any

from hypothesis import strategies as st

from rules.models import (
    AccountCondition,
    Accounts,
    All,
    AnyOf,
    Cap,
    Condition,
    DealCondition,
    Delivery,
    EventCondition,
    FallBack,
    Field,
    FieldCondition,
    Group,
    Not,
    OccasionCondition,
    PropertyTest,
    RuleSet,
    ScoreCondition,
    ScoringGroup,
    ScoringRule,
    Segment,
    SegmentCondition,
    Selector,
    SequenceCondition,
    SoftBounces,
    Stage,
    StageCondition,
    Tier,
    TierCondition,
    UnsubscribeGroup,
)
from tests.rule_sets import rule_set

_FIELDS = (
    *(Field(id=name, label=name) for name in ("email", "company", "title", "industry")),
    Field(id="corporate_number", label="法人番号", type="corporate_number"),
    Field(id="employees", label="企業規模", type="number"),
    Field(id="topics", label="興味トピック", type="choices", values=("ai", "iot")),
    Field(id="founded", label="設立", type="date"),
    Field(id="is_member", label="会員", type="boolean"),
)
_PAGE_GROUPS = (
    Group(id="plans", label="プラン", patterns=("/price/*",)),
    Group(id="price", label="価格ページ", patterns=("/price*", "*料金*")),
    Group(id="cases", label="事例", patterns=("/cases/*",)),
)
_ASSET_GROUPS = (Group(id="case_studies", label="事例集", patterns=("case-*",)),)

_PAGES = (*(Selector(event="page_view", page_group=group.id) for group in _PAGE_GROUPS), Selector(event="page_view"))
_MAILS = (
    Selector(event="mail_open"),
    Selector(event="mail_open", scenario="guide"),
    Selector(event="mail_click"),
    Selector(event="mail_click", scenario="guide", step="step_1"),
)
_SELECTORS = (
    *_PAGES,
    *_PAGES,
    *_MAILS,
    Selector(event="document_download"),
    Selector(event="document_download", asset_group="case_studies"),
    Selector(event="document_download", asset="*guide*"),
    Selector(event="form_submit", properties=(PropertyTest(property="form", one_of=("DEMO",)),)),
    Selector(event="form_submit", properties=(PropertyTest(property="seats", at_least=10),)),
    Selector(event="form_submit", properties=(PropertyTest(property="seats", is_known=False),)),
    Selector(event="seminar_signup"),
    Selector(event="consultation_request"),
    Selector(event="deal_won"),
    Selector(event="deal_created"),
    Selector(event="any"),
)
selectors = st.sampled_from(_SELECTORS)
windows = st.sampled_from([31 / 1440, 0.25, 0.5, 1, 1.3, 2, 3, 7])
_maybe_windows = st.one_of(st.none(), windows)

event_conditions = st.builds(EventCondition, on=selectors, at_least=st.integers(1, 3), within_days=_maybe_windows)
_occasions = st.builds(
    OccasionCondition,
    on=selectors,
    which=st.sampled_from(["first", "last"]),
    before_days=_maybe_windows,
    within_days=_maybe_windows,
)
_sequences = st.builds(
    SequenceCondition,
    steps=st.lists(selectors, min_size=2, max_size=3).map(tuple),
    within_days=windows,
    ended_within_days=_maybe_windows,
)
_deals = st.builds(
    DealCondition,
    status=st.sampled_from(["open", "won", "lost", None]),
    within_days=_maybe_windows,
    amount_at_least=st.sampled_from([None, 100]),
)
_fields = st.sampled_from(
    [
        FieldCondition(field="industry", one_of=("製造業", "IT")),
        FieldCondition(field="industry", contains="it"),
        FieldCondition(field="industry", is_known=False),
        FieldCondition(field="title_level", equals="department_head"),
        FieldCondition(field="email_domain", equals="alpha.example"),
        FieldCondition(field="employees", at_least=100),
        FieldCondition(field="employees", at_least=10, at_most=99),
        FieldCondition(field="topics", contains="ai"),
        FieldCondition(field="founded", at_most=date(2010, 1, 1)),
        FieldCondition(field="is_member", equals=True),
        FieldCondition(field="company", is_known=True),
    ]
)
_scores = st.builds(ScoreCondition, at_least=st.integers(-10, 40), at_most=st.one_of(st.none(), st.integers(40, 60)))
_ranks = st.one_of(
    _scores,
    st.builds(TierCondition, one_of=st.sampled_from([("hot",), ("warm", "hot"), ("cold",)])),
    st.builds(StageCondition, one_of=st.sampled_from([("awareness",), ("interest", "decision"), ("consideration",)])),
)
_companies = st.one_of(
    st.builds(
        AccountCondition, kind=st.just("people"), people=st.integers(1, 2), asked=st.one_of(event_conditions, _deals)
    ),
    st.builds(AccountCondition, kind=st.just("event"), asked=event_conditions),
    st.builds(AccountCondition, kind=st.just("deal"), asked=_deals),
    st.builds(AccountCondition, kind=st.just("score"), asked=_scores),
)


def _nested(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Condition]:
    def parts(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
        return st.lists(of, min_size=2, max_size=3).map(tuple)

    denied = st.builds(Not, part=leaf)
    joined = st.one_of(st.builds(All, parts=parts(st.one_of(leaf, denied))), st.builds(AnyOf, parts=parts(leaf)))
    return st.one_of(leaf, denied, joined, st.builds(Not, part=joined), st.builds(AnyOf, parts=parts(joined)))


conditions_on_facts = _nested(st.one_of(event_conditions, event_conditions, _occasions, _sequences, _deals, _fields))


@functools.cache
def _conditions(known_segments: int, asks_accounts: bool) -> st.SearchStrategy[Condition]:
    """Conditions on all there is, other segments included."""
    kinds = [event_conditions, _occasions, _sequences, _deals, _fields, _ranks]
    if asks_accounts:
        kinds += [_companies, _companies]
    if known_segments:
        kinds.append(
            st.integers(0, known_segments - 1).map(lambda number: SegmentCondition(segment=f"segment_{number}"))
        )
    return _nested(st.one_of(kinds))


caps = st.one_of(
    st.builds(Cap, times=st.integers(1, 2), within_days=windows),
    st.builds(Cap, points=st.integers(5, 25), within_days=windows),
    st.builds(Cap, times=st.integers(1, 3), points=st.integers(5, 25), within_days=windows),
)
points = st.sampled_from([1, 3, 5, 7, 10, 15, 30, -4, -10])


@st.composite
def scoring_rules(draw: st.DrawFn, on: st.SearchStrategy[Selector] = selectors) -> ScoringRule:
    """A rule that gives points for behaviour."""
    selector = draw(on)
    once = {"page_view": "window", "mail_open": "send", "mail_click": "send"}.get(selector.event, "event")
    once_per = draw(st.sampled_from([once, once, "event", "lead"]))
    return ScoringRule.model_validate(
        {
            "id": "rule",
            "label": "点",
            "on": selector,
            "points": draw(points),
            "once_per": once_per,
            "cap": draw(st.one_of(st.none(), caps)) if once_per != "lead" else None,
            "group": draw(st.sampled_from([None, None, "group"])),
            "expires_after_days": draw(_maybe_windows),
            "half_life_days": draw(st.one_of(st.none(), windows)) if once_per != "lead" else None,
        }
    )


_fit_rules = st.builds(ScoringRule, id=st.just("fit"), label=st.just("属性"), where=conditions_on_facts, points=points)
_fall_backs = st.builds(
    FallBack,
    id=st.just("back"),
    label=st.just("後退"),
    to=st.sampled_from(["awareness", "interest"]),
    leaving=st.sampled_from([(), ("decision",), ("consideration", "decision")]),
    on=selectors,
) | st.builds(
    FallBack,
    id=st.just("back"),
    label=st.just("後退"),
    to=st.sampled_from(["awareness", "interest"]),
    leaving=st.sampled_from([(), ("decision",), ("consideration", "decision")]),
    when=conditions_on_facts,
)


def numbered(items: list[Any]) -> tuple[Any, ...]:
    """Items with ids of their own."""
    return tuple(item.model_copy(update={"id": f"{item.id}_{number}"}) for number, item in enumerate(items))


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    """A rule set as a reader of rules would pass it."""
    stages = [Stage(id="awareness", label="認知")]
    for name in ("interest", "consideration", "decision"):
        enter_on = tuple(draw(st.lists(selectors, max_size=2)))
        enter_when = draw(st.one_of(st.none(), conditions_on_facts))
        stages.append(Stage(id=name, label=name, enter_on=enter_on, enter_when=enter_when))
    asks_accounts = draw(st.booleans())
    segments = [
        Segment(id=f"segment_{number}", label="層", where=draw(_conditions(number, asks_accounts)))
        for number in range(draw(st.integers(1, 5)))
    ]
    return rule_set(
        fields=_FIELDS,
        delivery=Delivery(
            soft_bounces=SoftBounces(
                mails=draw(st.sampled_from([2, 2, 1, 3])), within_days=draw(st.sampled_from([2, 5])), rest_days=2
            ),
            unsubscribe_groups=(UnsubscribeGroup(id=12, kind="newsletter"),),
            block_domains=draw(st.sampled_from([(), ("beta.example",), ("example",)])),
        ),
        accounts=Accounts(
            number_field=draw(st.sampled_from(["corporate_number"] * 9 + [None])),
            legal_forms=("株式会社", "inc"),
            shared_domains=("free.example",),
        ),
        page_groups=_PAGE_GROUPS,
        asset_groups=_ASSET_GROUPS,
        scoring=numbered(
            draw(st.lists(scoring_rules(), min_size=1, max_size=4)) + draw(st.lists(_fit_rules, max_size=2))
        ),
        scoring_groups=(ScoringGroup(id="group", label="群", cap=draw(caps)),),
        minimum_score=draw(st.sampled_from([None, None, 0, -5])),
        maximum_score=draw(st.sampled_from([None, None, 20, 40])),
        tiers=(
            Tier(id="hot", label="ホット", minimum_score=20),
            Tier(id="warm", label="ウォーム", minimum_score=8),
            Tier(id="cold", label="コールド"),
        ),
        stages=tuple(stages),
        fall_backs=numbered(draw(st.lists(_fall_backs, max_size=2))),
        segments=(Segment(id="everyone", label="全員"), *segments),
    )
