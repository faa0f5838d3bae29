"""A small rule set in code, so that warehouse tests state the rules they rely on."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from rules.models import (
    AccountCondition,
    Accounts,
    All,
    Cap,
    DealCondition,
    EventCondition,
    FallBack,
    Field,
    FieldCondition,
    Group,
    Handoff,
    Not,
    OccasionCondition,
    Owner,
    RuleSet,
    SalesAction,
    ScoreCondition,
    ScoringGroup,
    ScoringRule,
    Segment,
    SegmentCondition,
    Selector,
    Sender,
    SequenceCondition,
    Stage,
    StageCondition,
    Step,
    Template,
    Tier,
    TierCondition,
    TitleLevel,
)

DOWNLOAD = Selector(event="document_download")
CASE_STUDY = Selector(event="document_download", asset_group="case_studies")
PRICE_VIEW = Selector(event="page_view", page_group="price")
CONSULTATION = Selector(event="consultation_request")
SEMINAR = Selector(event="seminar_signup")


def step(name: str, trigger: Selector, **changes: object) -> Step:
    """A step of the one scenario ``guide``, at once after ``trigger``, unless changed."""
    values: dict[str, object] = {
        "scenario": "guide",
        "step": name,
        "label": name,
        "kind": "step",
        "priority": 0,
        "segment": "manufacturing_heads",
        "stage": None,
        "trigger": trigger,
        "delay": timedelta(0),
        "category": "marketing",
        "subject": f"件名 {name}",
        "template": "plain",
        "sender": "marketing",
        "source": f"{name} in tests/rule_sets.py",
    }
    return Step.model_validate(values | changes)


def rule_set(**changes: object) -> RuleSet:
    """The guide's points, tiers and stages with two segments, no mails unless given."""
    values: dict[str, object] = {
        "id": "test",
        "title": "Test",
        "version": "v1",
        "active_from": None,
        "expires_after_hours": 72,
        "conversion_window_days": 30,
        "page_view_window_minutes": 30,
        "unknown_release_after_hours": 25,
        "fields": (
            Field(id="email", label="メールアドレス"),
            Field(id="name", label="氏名", mail_default="ご担当者"),
            Field(id="company", label="会社名"),
            Field(id="title", label="役職"),
            Field(id="industry", label="業種"),
            Field(id="employees", label="企業規模", type="number"),
            Field(id="topics", label="興味トピック", type="choices"),
            Field(id="score", label="スコア", type="number", system=True),
        ),
        "title_levels": (
            TitleLevel(id="deputy", label="次長", endings=("副部長", "部長代理")),
            TitleLevel(id="department_head", label="部長職", endings=("部長",)),
        ),
        "page_groups": (Group(id="price", label="価格ページ", patterns=("/price*",)),),
        "asset_groups": (Group(id="case_studies", label="事例集", patterns=("case-*",)),),
        "terms": (),
        "scoring": (
            ScoringRule(id="open", label="開封", on=Selector(event="mail_open"), points=5, once_per="send"),
            ScoringRule(id="click", label="クリック", on=Selector(event="mail_click"), points=10, once_per="send"),
            ScoringRule(id="download", label="資料DL", on=DOWNLOAD, points=10),
            ScoringRule(id="price", label="価格ページ", on=PRICE_VIEW, points=15, once_per="window"),
            ScoringRule(id="seminar", label="セミナー", on=SEMINAR, points=20),
            ScoringRule(id="consultation", label="個別相談", on=CONSULTATION, points=30),
        ),
        "tiers": (
            Tier(id="hot", label="ホット", minimum_score=50),
            Tier(id="warm", label="ウォーム", minimum_score=30),
            Tier(id="cold", label="コールド"),
        ),
        "stages": (
            Stage(id="awareness", label="認知"),
            Stage(id="interest", label="興味", enter_on=(CASE_STUDY,)),
            Stage(id="consideration", label="比較検討", enter_on=(PRICE_VIEW,)),
            Stage(id="decision", label="決定", enter_on=(CONSULTATION,)),
        ),
        "segments": (
            Segment(id="everyone", label="全員"),
            Segment(
                id="manufacturing_heads",
                label="製造業・部長職",
                where=All(
                    parts=(
                        FieldCondition(field="industry", one_of=("製造業",)),
                        FieldCondition(field="title_level", equals="department_head"),
                    )
                ),
            ),
            Segment(
                id="price_three_times",
                label="価格ページ3回閲覧",
                where=EventCondition(on=PRICE_VIEW, at_least=3, within_days=30),
            ),
        ),
        "senders": (
            Sender(
                id="marketing",
                name="マーケティング部",
                email="marketing@example.com",
                company="株式会社サンプル",
                postal_address="東京都千代田区1-1-1",
                contact="contact@example.com",
            ),
        ),
        "templates": (
            Template(
                id="plain",
                subject="{{ step.subject }}",
                text="{{ lead.company }} {{ lead.name }} 様\n{{ unsubscribe_url }}\n",
                html="<p>{{ lead.company }} {{ lead.name }} 様</p><a href='{{ unsubscribe_url }}'>配信停止</a>",
            ),
        ),
        "steps": (),
        "sales_actions": (
            SalesAction(kind="handoff", id="consultation", label="個別相談", on=CONSULTATION, source="handoff.yaml"),
        ),
        "handoff": Handoff(
            owners=(
                Owner(id="sato", name="佐藤", email="sato@example.com"),
                Owner(id="suzuki", name="鈴木", email="suzuki@example.com"),
            ),
            sender="marketing",
        ),
    }
    rules = RuleSet.model_validate(values | changes)
    # other rules, another version, as when they are read from files
    return rules.model_copy(update={"version": hashlib.sha256(rules.model_dump_json().encode()).hexdigest()[:12]})


ANYTHING = Selector(event="any")
WON = Selector(event="deal_won")
OPEN_DEAL = DealCondition(status="open")


def rich_rule_set(**changes: object) -> RuleSet:
    """Rules that use all there is: caps, groups, decay, limits, ways back, companies, and every kind of question."""
    plain = rule_set()
    values: dict[str, object] = {
        "fields": (*plain.fields, Field(id="corporate_number", label="法人番号")),
        "accounts": Accounts(
            number_field="corporate_number", legal_forms=("株式会社",), shared_domains=("free.example.com",)
        ),
        "scoring": (
            ScoringRule(id="open", label="開封", on=Selector(event="mail_open"), points=5, once_per="send"),
            ScoringRule(
                id="price", label="価格ページ", on=PRICE_VIEW, points=15, once_per="window",
                cap=Cap(times=2, within_days=7), expires_after_days=20,
            ),
            ScoringRule(id="download", label="資料DL", on=DOWNLOAD, points=10, group="content", half_life_days=3),
            ScoringRule(id="case_study", label="事例DL", on=CASE_STUDY, points=5, group="content"),
            ScoringRule(id="consultation", label="個別相談", on=CONSULTATION, points=30, once_per="lead"),
            ScoringRule(id="won", label="受注", on=WON, points=50),
            ScoringRule(id="head", label="部長職", where=FieldCondition(field="title_level", is_known=True), points=10),
            ScoringRule(
                id="free_mail", label="フリーメール", points=-10,
                where=FieldCondition(field="email_domain", one_of=("free.example.com",)),
            ),
        ),
        "scoring_groups": (ScoringGroup(id="content", label="資料", cap=Cap(points=20, within_days=30)),),
        "minimum_score": 0,
        "maximum_score": 90,
        "stages": (
            Stage(id="awareness", label="認知"),
            Stage(id="interest", label="興味", enter_on=(CASE_STUDY,)),
            Stage(
                id="consideration", label="比較検討", enter_when=EventCondition(on=PRICE_VIEW, at_least=2, within_days=7)
            ),
            Stage(id="decision", label="決定", enter_on=(CONSULTATION,)),
        ),
        "fall_backs": (
            FallBack(
                id="silent", label="無反応", to="awareness", when=Not(part=EventCondition(on=ANYTHING, within_days=2))
            ),
            FallBack(id="after_the_sale", label="受注後", to="interest", leaving=("decision",), on=WON),
        ),
        "segments": (
            *plain.segments,
            Segment(id="quiet", label="3日以上沈黙", where=OccasionCondition(on=ANYTHING, which="last", before_days=3)),
            Segment(
                id="read_then_priced", label="資料DL後に価格ページ",
                where=SequenceCondition(steps=(DOWNLOAD, PRICE_VIEW, PRICE_VIEW), within_days=7, ended_within_days=3),
            ),
            Segment(id="in_a_deal", label="商談中", where=OPEN_DEAL),
            Segment(id="engaged", label="得点あり", where=ScoreCondition(at_least=20)),
            Segment(
                id="ready", label="見込み",
                where=All(
                    parts=(
                        SegmentCondition(segment="engaged"),
                        TierCondition(one_of=("hot", "warm")),
                        StageCondition(one_of=("consideration", "decision")),
                    )
                ),
            ),
            Segment(
                id="company_reads", label="同じ会社の2人が閲覧",
                where=AccountCondition(kind="people", people=2, asked=EventCondition(on=PRICE_VIEW, within_days=14)),
            ),
            Segment(
                id="company_downloads", label="会社で3回DL",
                where=AccountCondition(kind="event", asked=EventCondition(on=DOWNLOAD, at_least=3, within_days=30)),
            ),
            Segment(id="company_in_a_deal", label="会社が商談中", where=AccountCondition(kind="deal", asked=OPEN_DEAL)),
            Segment(
                id="company_scores", label="会社の得点",
                where=AccountCondition(kind="score", asked=ScoreCondition(at_least=100)),
            ),
        ),
    }  # fmt: skip
    return rule_set(**(values | changes))
