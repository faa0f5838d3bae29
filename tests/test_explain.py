"""``nurture explain`` tells why: points counted and not, segments clause by clause, mails and non-mails, at any instant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlglot

from rules.models import (
    AccountCondition,
    All,
    AnyOf,
    Cap,
    Condition,
    DealCondition,
    EventCondition,
    Field,
    FieldCondition,
    Not,
    OccasionCondition,
    PropertyTest,
    Route,
    RuleSet,
    SalesAction,
    ScoreCondition,
    ScoringGroup,
    ScoringRule,
    Segment,
    SegmentCondition,
    Selector,
    SequenceCondition,
    StageCondition,
    Term,
    TierCondition,
)
from rules.wording import Wording, days
from tasks.explain.text import to_data, to_text
from tests.company import SmallCompany
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import CASE_STUDY, CONSULTATION, DOWNLOAD, PRICE_VIEW, SEMINAR, rule_set, step
from tests.warehouse.test_sql_headers import _PARAMETER, QUERIES, header, tables_read
from tests.world import World, stand_in
from warehouse.connection import open_warehouse
from warehouse.errors import WarehouseError
from warehouse.explain import explain
from warehouse.explanation import Clause, Explanation

TOKYO = ZoneInfo("Asia/Tokyo")
A = "a@example.com"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def scoring(**changes: object) -> RuleSet:
    return rule_set(active_from=START, **changes)


def told(world: World, rules: RuleSet, as_of: datetime, email: str = A, *, recomputes: bool = True) -> Explanation:
    """The explanation, after a recompute for the same instant."""
    if recomputes:
        world.recompute(rules, as_of)
    explanation = explain(world.settings, rules, email, as_of)
    assert explanation is not None
    return explanation


def text_of(explanation: Explanation, rules: RuleSet) -> str:
    return "\n".join(to_text(explanation, rules, TOKYO))


def awards(explanation: Explanation, rule: str) -> list[tuple[int, list[tuple[str, int]]]]:
    """Of every award of a rule, in order of time: points that count, and what does not with why."""
    found = [award for event in explanation.events for award in event.awards if award.rule == rule]
    return [(award.points, [(loss.why, loss.points) for loss in award.losses]) for award in found]


def clause(explanation: Explanation, segment: str) -> Clause:
    found = next(membership for membership in explanation.segments if membership.segment == segment)
    assert found.condition is not None
    assert found.condition.holds == found.is_member
    return found.condition


# -- points --------------------------------------------------------------------------------------------------------------


def test_machines_opt_out_clicks_and_repetitions_do_not_count(world: World) -> None:
    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "mail_open", at(1), email=A, send_id="s1", sg_machine_open="true")
        add_event(connection, "mail_open", at(2), email=A, send_id="s1")
        add_event(connection, "mail_open", at(3), email=A, send_id="s1")
        add_event(connection, "mail_click", at(4), email=A, send_id="s1", url="http://127.0.0.1:8787/u/token")
        for minute in (0, 10, 45):
            add_event(connection, "page_view", at(5, minutes=minute), email=A, url="/price")

    world.facts(add)
    explanation = told(world, scoring(), at(6))
    assert awards(explanation, "open") == [(0, [("machine", 5)]), (5, []), (0, [("repeated", 5)])]
    assert awards(explanation, "click") == [(0, [("opt_out_click", 10)])]
    assert awards(explanation, "price") == [(15, []), (0, [("repeated", 15)]), (15, [])]
    assert explanation.score == 35
    text = text_of(explanation, scoring())
    assert "機械による自動開封・自動クリック(本人の操作ではない)" in text
    assert "同じメールでの2回目以降(1通につき1回と数える)" in text
    assert "30分以内の同じページ群の閲覧(1回と数える)" in text
    assert "配信停止・配信設定のリンクのクリック" in text


def test_caps_of_rules_and_groups_say_how_much_they_took(world: World) -> None:
    rules = scoring(
        scoring=(
            ScoringRule(
                id="download", label="資料DL", on=DOWNLOAD, points=10, group="content", cap=Cap(times=2, within_days=7)
            ),
            ScoringRule(id="case", label="事例DL", on=CASE_STUDY, points=8, group="content"),
            ScoringRule(id="first", label="初回セミナー", on=SEMINAR, points=3, once_per="lead"),
        ),
        scoring_groups=(ScoringGroup(id="content", label="資料", cap=Cap(points=25, within_days=30)),),
    )

    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "document_download", at(1), email=A, asset="guide")
        add_event(connection, "document_download", at(2), email=A, asset="case-1")
        add_event(connection, "document_download", at(3), email=A, asset="guide")
        for day in (4, 5):
            add_event(connection, "seminar_signup", at(day), email=A)

    world.facts(add)
    explanation = told(world, rules, at(6))
    assert awards(explanation, "download") == [(10, []), (10, []), (0, [("rule_cap", 10)])]
    assert awards(explanation, "case") == [(5, [("group_cap", 3)])]
    assert awards(explanation, "first") == [(3, []), (0, [("once_per_lead", 3)])]
    text = text_of(explanation, rules)
    assert "ルールの上限(7日間に2回まで)" in text
    assert "+5点  事例DL(本来 +8点): グループ「資料」の上限(30日間に25点まで)" in text
    assert "2回目以降(1人につき1回と数える)" in text


def test_time_takes_points_by_expiry_and_by_half_life_and_says_when_it_goes_on(world: World) -> None:
    rules = scoring(
        scoring=(
            ScoringRule(id="download", label="資料DL", on=DOWNLOAD, points=10, expires_after_days=5),
            ScoringRule(id="seminar", label="セミナー", on=SEMINAR, points=20, half_life_days=10),
        )
    )

    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "document_download", at(1), email=A, asset="guide")
        add_event(connection, "document_download", at(8), email=A, asset="guide")
        add_event(connection, "seminar_signup", at(0), email=A)

    world.facts(add)
    explanation = told(world, rules, at(10))
    assert awards(explanation, "download") == [(0, [("expired", 10)]), (10, [])]
    assert awards(explanation, "seminar") == [(10, [("decayed", 10)])]
    by_rule = {(award.rule, award.from_at): award for event in explanation.events for award in event.awards}
    assert by_rule["download", at(1)].losses[0].at == at(6)
    assert by_rule["download", at(8)].next_change_at == at(13)
    assert by_rule["seminar", at(0)].next_change_at == at(10, hours=15), "at midnight in Tokyo"
    assert explanation.score == 20
    text = text_of(explanation, rules)
    assert "期限切れ(5日で失効) 2026/04/07 09:00" in text
    assert "+10点  セミナー(本来 +20点): 時間の経過による減少(半減期10日) → 次に変わるのは 2026/04/12 00:00" in text


def test_points_for_a_condition_end_with_it_and_limits_of_the_score_are_told(world: World) -> None:
    rules = scoring(
        scoring=(
            ScoringRule(id="active", label="最近の閲覧", points=40, where=EventCondition(on=PRICE_VIEW, within_days=3)),
            ScoringRule(id="consultation", label="個別相談", on=CONSULTATION, points=80),
        ),
        maximum_score=100,
    )

    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "page_view", at(1), email=A, url="/price")
        add_event(connection, "page_view", at(8), email=A, url="/price")
        add_event(connection, "consultation_request", at(9), email=A)

    world.facts(add)
    explanation = told(world, rules, at(10))
    spans = [(award.from_at, award.to_at, award.points, award.next_change_at) for award in explanation.condition_awards]
    assert spans == [(at(1), at(4), 0, None), (at(8), None, 40, at(11))]
    assert (explanation.limit_points, explanation.score) == (-20, 100)
    assert [condition.label for condition in explanation.conditions] == ["最近の閲覧"]
    text = text_of(explanation, rules)
    assert "スコアの上限(100点)による調整 -20点" in text
    assert "条件から外れた 2026/04/05 09:00" in text
    assert "2026/04/09 09:00 から 継続中  +40点  最近の閲覧 → 次に変わるのは 2026/04/12 09:00" in text


def test_tier_and_stage_changes_name_their_cause(world: World) -> None:
    rules = scoring(terms=(Term(words=("事例集DL",), selector=CASE_STUDY, id="case_studies_download"),))

    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "document_download", at(1), email=A, asset="case-1")
        add_event(connection, "consultation_request", at(2), email=A)

    world.facts(add)
    explanation = told(world, rules, at(3))
    assert [(change.to_label, change.score, change.reason) for change in explanation.tier_changes] == [
        ("コールド", 0, "登録"), ("ウォーム", 40, "個別相談"),
    ]  # fmt: skip
    assert [(change.from_label, change.to_label, change.reason) for change in explanation.stage_changes] == [
        (None, "認知", "登録"), ("認知", "興味", "事例集DL"), ("興味", "決定", "個別相談申込"),
    ]  # fmt: skip
    assert (explanation.points_to_next_tier, explanation.next_tier_label) == (10, "ホット")


# -- segments ------------------------------------------------------------------------------------------------------------


def test_every_clause_says_what_was_found_and_when_it_will_change(world: World) -> None:
    twice = EventCondition(on=PRICE_VIEW, at_least=2, within_days=10)
    asked: dict[str, Condition] = {
        "industry": FieldCondition(field="industry", equals="製造業"),
        "no_phone": FieldCondition(field="employees", is_known=False),
        "twice": twice,
        "never": Not(part=EventCondition(on=CONSULTATION)),
        "quiet": OccasionCondition(on=Selector(event="any"), which="last", before_days=30),
        "then": SequenceCondition(steps=(DOWNLOAD, PRICE_VIEW, SEMINAR), within_days=7),
        "deal": DealCondition(status="open", amount_at_least=1000),
        "score": ScoreCondition(at_least=100),
        "tier": TierCondition(one_of=("hot",)),
        "stage": StageCondition(one_of=("interest", "consideration")),
        "both": All(parts=(SegmentCondition(segment="industry"), SegmentCondition(segment="score"))),
        "either": AnyOf(parts=(SegmentCondition(segment="industry"), SegmentCondition(segment="score"))),
        "people": AccountCondition(kind="people", people=2, asked=EventCondition(on=PRICE_VIEW, within_days=14)),
        "together": AccountCondition(kind="event", asked=EventCondition(on=PRICE_VIEW, at_least=9)),
    }
    rules = scoring(segments=tuple(Segment(id=name, label=name, where=where) for name, where in asked.items()))

    def add(connection) -> None:
        add_lead(connection, A, company="株式会社甲", industry="製造業")
        add_lead(connection, "b@example.com", company="株式会社甲")
        add_event(connection, "document_download", at(1), email=A, asset="guide")
        for day in (1, 2, 5):
            add_event(connection, "page_view", at(day, hours=1), email=A, url="/price")
        add_event(connection, "page_view", at(4), email="b@example.com", url="/price")
        connection.execute(
            "insert into deal_records values ('d', 'sfa', 'D-1', null, ?, 'open', 5000, ?, ?, map {})",
            [A, at(2), at(2)],
        )

    world.facts(add)
    explanation = told(world, rules, at(12, hours=1, minutes=-1))
    found = {name: clause(explanation, name) for name in asked}
    assert {name for name, taken in found.items() if taken.holds} == {
        "industry", "no_phone", "twice", "never", "deal", "tier", "stage", "either", "people"
    } - ({"tier"} if explanation.tier != "hot" else set())  # fmt: skip
    assert (found["twice"].value, found["twice"].instants) == (2, (at(5, hours=1), at(2, hours=1)))
    assert found["twice"].until == at(12, hours=1)
    assert found["quiet"].until == at(35, hours=1)
    assert (found["then"].value, found["then"].instants) == (2, (at(1), at(5, hours=1)))
    assert found["deal"].names == ("sfa:D-1(進行中の商談、5,000円)",)
    assert (found["people"].value, found["people"].names) == (2, (A, "b@example.com"))
    assert found["together"].value == 4
    assert found["either"].parts[0].holds
    assert not found["both"].parts[1].holds
    text = text_of(explanation, rules)
    for line in (
        "✓ 業種が「製造業」 … 製造業",
        "✓ 企業規模が登録されていない … 未登録",
        "✓ 直近10日に「ページ閲覧(価格ページ)」が2回以上 … 2回: 2026/04/06 10:00、2026/04/03 10:00(2026/04/13 10:00 に外れる)",
        "✓ 『これまでに「個別相談申込」が1回以上』ではない … 0回",
        "✗ 最後の「何らかの行動」が30日以上前 … 2026/04/06 10:00(2026/05/06 10:00 に成立)",
        "… 3段階のうち2段階まで: 資料ダウンロード 2026/04/02 09:00 → ページ閲覧(価格ページ) 2026/04/06 10:00",
        "✓ 1,000円以上の進行中の商談がある … 商談1件: sfa:D-1(進行中の商談、5,000円)",
        "✗ スコアが100点以上 … 55点",
        "✓ 購買ステージが「興味」「比較検討」のいずれか … 比較検討",
        "✓ 同じ会社の2人以上について、直近14日に「ページ閲覧(価格ページ)」が1回以上 … 2人: a@example.com、b@example.com",
        "✗ 会社全体で、これまでに「ページ閲覧(価格ページ)」が9回以上 … 4回",
    ):
        assert line in text
    assert explanation.account is not None
    assert (explanation.account.leads, explanation.account.score) == (2, 70)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (FieldCondition(field="title_level", equals="department_head"), "役職の階層が「部長職」"),
        (FieldCondition(field="industry", one_of=("製造業", "IT")), "業種が「製造業」「IT」のいずれか"),
        (FieldCondition(field="title", contains="部長"), "役職に「部長」を含む"),
        (FieldCondition(field="topics", contains="製品A"), "興味トピックに「製品A」がある"),
        (FieldCondition(field="employees", at_least=100, at_most=3000), "企業規模が100以上3,000以下"),
        (FieldCondition(field="founded", at_least=date(2020, 4, 1)), "設立日が2020-04-01以降"),
        (FieldCondition(field="is_member", equals=True), "会員が「はい」"),
        (FieldCondition(field="email_domain", equals="example.com"), "メールドメインが「example.com」"),
        (EventCondition(on=PRICE_VIEW), "これまでに「ページ閲覧(価格ページ)」が1回以上"),
        (
            OccasionCondition(on=DOWNLOAD, which="first", before_days=1, within_days=0.5),
            "初めての「資料ダウンロード」が1日以上前で12時間以内",
        ),
        (
            SequenceCondition(steps=(DOWNLOAD, SEMINAR), within_days=7, ended_within_days=30),
            "「資料ダウンロード」 → 「セミナー申込」 の順に行動(それぞれ前の行動から7日以内、最後の行動が直近30日)",
        ),
        (DealCondition(status="won", within_days=90), "その状態になって90日以内の受注した商談がある"),
        (ScoreCondition(at_least=30, at_most=49), "スコアが30点以上49点以下"),
        (TierCondition(one_of=("hot", "warm")), "ティアが「ホット」「ウォーム」のいずれか"),
        (SegmentCondition(segment="manufacturing_heads"), "セグメント「製造業・部長職」に入っている"),
        (AccountCondition(kind="deal", asked=DealCondition(status=None)), "同じ会社の誰かについて、商談がある"),
        (AccountCondition(kind="score", asked=ScoreCondition(at_least=100)), "会社の合計スコアが100点以上"),
        (
            Not(part=AnyOf(parts=(TierCondition(one_of=("hot",)), StageCondition(one_of=("interest",))))),
            "「ティアが「ホット」 または 購買ステージが「興味」」に当てはまらない",
        ),
        (
            EventCondition(
                on=Selector(
                    event="form_submit",
                    properties=(
                        PropertyTest(property="form", one_of=("demo",)),
                        PropertyTest(property="seats", at_least=10),
                    ),
                )
            ),
            "これまでに「フォーム送信(formが「demo」、seatsが10以上)」が1回以上",
        ),
        (
            EventCondition(on=Selector(event="mail_click", scenario="manufacturing_heads", step="offer")),
            "これまでに「メール内リンククリック(シナリオ「製造業・部長職」、メール「offer」)」が1回以上",
        ),
    ],
)
def test_conditions_are_said_in_japanese(condition: Condition, words: str) -> None:
    fields = (*rule_set().fields, Field(id="founded", label="設立日", type="date"))
    rules = rule_set(fields=(*fields, Field(id="is_member", label="会員", type="boolean")))
    assert Wording(rules).condition(condition) == words


@pytest.mark.parametrize(
    ("span", "words"), [(30, "30日"), (0.5, "12時間"), (1.25, "1日と6時間"), (30 / 1440, "30分"), (1 / 86400, "1秒")]
)
def test_spans_of_time_are_said_in_their_own_units(span: float, words: str) -> None:
    assert days(span) == words


# -- whose, when ---------------------------------------------------------------------------------------------------------


def test_a_past_instant_is_told_from_what_was_known_then(world: World) -> None:
    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "document_download", at(1), email=A, asset="guide")
        add_event(connection, "page_view", at(2), email=A, url="/price", received_at=at(8))
        add_event(connection, "seminar_signup", at(9), email=A)

    world.facts(add)
    world.recompute(scoring(), at(10))
    past = told(world, scoring(), at(5), recomputes=False)
    assert (past.score, past.stage, past.notes) == (10, "awareness", ("earlier_instant",))
    assert [event.event_type for event in past.events] == ["document_download"]
    now = explain(world.settings, scoring(), A)
    assert now is not None
    assert (now.as_of, now.score, now.notes) == (at(10), 45, ())
    assert told(world, scoring(), at(20), recomputes=False).notes == ("later_instant",)
    other = scoring(minimum_score=0)
    assert told(world, other, at(10), recomputes=False).notes == ("other_rules",)
    world.facts(lambda connection: add_event(connection, "consultation_request", at(10), email=A))
    fresh = told(world, scoring(), at(10), recomputes=False)
    assert (fresh.score, fresh.notes) == (75, ("new_facts",))


def test_a_merged_lead_is_told_by_any_of_its_addresses(world: World) -> None:
    def add(connection) -> None:
        for number, email in enumerate((A, "old@example.com")):
            connection.execute(
                "insert into lead_records values (?, 'crm', 'crm:7', ?, null, ?, ?, map {}, null)",
                [f"m{number}", email, at(number), at(number)],
            )
            add_event(connection, "document_download", at(3), email=email, asset="guide")

    world.facts(add)
    explanation = told(world, scoring(), at(5))
    other = explain(world.settings, scoring(), " OLD@Example.com ", at(5))
    assert other is not None
    assert (other.lead_id, other.score, len(other.events)) == (explanation.lead_id, 20, 2)
    assert set(other.identities) == {A, "old@example.com", "crm:7"}
    past = told(world, scoring(), at(0.5), recomputes=False)
    assert past.identities == (A, "crm:7")
    assert explain(world.settings, scoring(), "old@example.com", at(0.5)) is None


def test_a_shared_browser_gives_each_person_what_was_theirs(world: World) -> None:
    def add(connection) -> None:
        add_event(connection, "page_view", at(1), visitor="v", url="/price")
        add_event(connection, "form_submit", at(2), visitor="v", email=A)
        add_event(connection, "page_view", at(3), visitor="v", url="/price")
        add_event(connection, "form_submit", at(4), visitor="v", email="b@example.com")
        add_event(connection, "page_view", at(5), visitor="v", url="/price")

    world.facts(add)
    first = told(world, scoring(), at(6))
    second = told(world, scoring(), at(6), "b@example.com", recomputes=False)
    assert [event.occurred_at for event in first.events] == [at(1), at(2), at(3)]
    assert [event.occurred_at for event in second.events] == [at(4), at(5)]
    assert (first.score, second.score) == (30, 15)
    assert [event.known_by for event in first.events] == ["visitor", "email", "visitor"]
    assert "v(共用: 〜2026/04/05 09:00の行動だけ)" in text_of(first, scoring())


def test_a_browser_known_by_a_mails_link_says_so_and_gives_what_followed(world: World) -> None:
    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "mail_processed", at(1), email=A, send_id="s1")
        add_event(connection, "page_view", at(2), visitor="v", url="/price")
        add_event(connection, "link_visit", at(3), visitor="v", send_id="s1", url="/price")
        add_event(connection, "page_view", at(3), visitor="v", url="/price")

    world.facts(add)
    explanation = told(world, scoring(), at(6))
    assert (explanation.score, explanation.events[-1].known_by) == (15, "visitor")
    assert "v(メールのリンクを開いたブラウザ: 2026/04/04 09:00〜の行動だけ)" in text_of(explanation, scoring())
    world.facts(lambda connection: add_event(connection, "form_submit", at(7), visitor="v", email="b@example.com"))
    assert told(world, scoring(), at(8)).browsers == ()


def test_a_mail_event_that_bears_anothers_address_is_the_others(world: World) -> None:
    def add(connection) -> None:
        add_lead(connection, "b@example.com")
        add_event(connection, "mail_click", at(1), email="b@example.com", external_id="crm:7", send_id="s1")
        add_event(connection, "form_submit", at(2), email=A, external_id="crm:7")

    world.facts(add)
    first = told(world, scoring(), at(3))
    second = told(world, scoring(), at(3), "b@example.com", recomputes=False)
    assert [event.event_type for event in first.events] == ["form_submit"]
    assert [event.event_type for event in second.events] == ["mail_click"]


def test_a_mail_event_that_names_only_its_send_is_told_to_its_addressee(world: World) -> None:
    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "mail_processed", at(1), email=A, send_id="s1")
        add_event(connection, "mail_open", at(2), send_id="s1")

    world.facts(add)
    explanation = told(world, scoring(), at(3))
    assert (explanation.score, explanation.events[-1].known_by) == (5, "send")
    world.facts(lambda connection: add_event(connection, "mail_click", at(3), send_id="s1", url="https://x.example/"))
    assert told(world, scoring(), at(4), recomputes=False).score == 15


def test_nothing_is_touched_and_nothing_is_made(world: World) -> None:
    world.facts(lambda connection: add_lead(connection, A))
    world.recompute(scoring(), at(1))
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in world.home.rglob("*") if path.is_file()}
    assert explain(world.settings, scoring(), A) is not None
    assert explain(world.settings, scoring(), "nobody@example.com") is None
    after = {path: hashlib.sha256(path.read_bytes()).digest() for path in world.home.rglob("*") if path.is_file()}
    assert before == after


def test_what_was_never_recomputed_cannot_be_explained(world: World) -> None:
    world.settings.warehouse.unlink()
    with pytest.raises(WarehouseError, match="there is no warehouse"):
        explain(world.settings, scoring(), A)
    with open_warehouse(world.settings):
        pass
    with pytest.raises(WarehouseError, match="run `nurture recompute` first"):
        explain(world.settings, scoring(), A)
    with pytest.raises(WarehouseError, match="run `nurture recompute` first"):
        explain(world.settings, scoring(), A, at(1))


# -- mails and sales -----------------------------------------------------------------------------------------------------

STEPS = (
    step("thanks", DOWNLOAD, segment="everyone", label="お礼"),
    step("later", DOWNLOAD, segment="everyone", label="追伸", delay=timedelta(days=3)),
    step("heads", DOWNLOAD, segment="manufacturing_heads", label="部長向け"),
    step("decided", DOWNLOAD, segment="everyone", stage="decision", label="決定者向け"),
    step("thrice", PRICE_VIEW, segment="everyone", trigger_count=3, label="3回閲覧"),
    step("off", DOWNLOAD, segment="everyone", is_enabled=False, label="停止中"),
)
MAILING = rule_set(active_from=START, steps=STEPS)


def test_mails_and_non_mails_are_told_with_their_reasons(world: World) -> None:
    def add(connection) -> None:
        add_lead(connection, A)
        add_lead(connection, "b@example.com")
        add_consent(connection, A)
        for email in (A, "b@example.com"):
            add_event(connection, "document_download", at(1), email=email, asset="guide")
        add_event(connection, "page_view", at(1), email=A, url="/price")

    world.facts(add)
    world.send(MAILING, at(1, hours=1))
    world.pull_provider_events(at(2))
    world.facts(lambda connection: add_suppression(connection, A, at(3)))
    world.send(MAILING, at(5))
    explanation = told(world, MAILING, at(5), recomputes=False)
    assert [(mail.step, mail.decision, mail.state) for mail in explanation.mails] == [
        ("thanks", "sent", explanation.mails[0].state), ("later", "opted_out", None),
    ]  # fmt: skip
    assert explanation.mails[0].delivered_at is not None
    assert {missing.step: missing.why for missing in explanation.no_mails} == {
        "heads": "not_in_segment", "decided": "other_stage", "thrice": "no_trigger", "off": "disabled",
    }  # fmt: skip
    text = text_of(explanation, MAILING)
    for line in (
        "guide「お礼」: 到達 2026/04/02",
        "guide「追伸」: 本人が配信を停止している",
        "guide「部長向け」: きっかけの「資料ダウンロード」(2026/04/02 09:00)はあるが、セグメント「製造業・部長職」に入っていない",
        "guide「決定者向け」: きっかけの「資料ダウンロード」(2026/04/02 09:00)のとき、購買ステージが「決定」ではなく「比較検討」だった",
        "guide「3回閲覧」: きっかけの「ページ閲覧(価格ページ)」が3回に達していない(いま1回)",
        "guide「停止中」: 停止されている(is_enabled: false)",
        "配信停止済み(マーケティングメールは送りません) 理由: 本人による配信停止",
        "送らない(本人が配信を停止している) 同意: フォームでの同意、出典 crm、記録 form v1、2026/04/01 09:00から",
        "本人による配信停止: メールマガジン・シナリオメール・トリガーメール(2026/04/04 09:00から)",
    ):
        assert line in text
    without_consent = told(world, MAILING, at(5), "b@example.com", recomputes=False)
    assert [mail.decision for mail in without_consent.mails] == ["no_consent", "no_consent"]
    past = told(world, MAILING, at(2), recomputes=False)
    assert [(mail.step, mail.decision) for mail in past.mails] == [("thanks", "sent"), ("later", None)]
    assert "これから送る予定のメール(1)" in text_of(past, MAILING)
    assert told(world, MAILING, at(1), recomputes=False).mails == ()


def test_a_rule_set_that_has_not_begun_says_so(world: World) -> None:
    rules = rule_set(steps=STEPS[:1])
    world.facts(
        lambda connection: (add_lead(connection, A), add_event(connection, "document_download", at(1), email=A))
    )
    assert [missing.why for missing in told(world, rules, at(2)).no_mails] == ["not_acting"]
    world.send(rules, at(3))
    explanation = told(world, rules, at(3), recomputes=False)
    assert [missing.why for missing in explanation.no_mails] == ["before_start"]


def test_handoffs_refusals_and_notices_are_told(world: World) -> None:
    notify = SalesAction(kind="notify", id="seminar", label="セミナー申込", on=SEMINAR, source="tests")
    rules = scoring(sales_actions=(*rule_set().sales_actions, notify))

    def add(connection) -> None:
        add_lead(connection, A, name="山田太郎")
        add_event(connection, "consultation_request", at(1), email=A)
        add_event(connection, "seminar_signup", at(1, hours=1), email=A)

    world.facts(add)
    world.hand_off(rules, at(1, hours=2))
    explanation = told(world, rules, at(2), recomputes=False)
    assert sorted((contact.kind, contact.cause) for contact in explanation.sales) == [
        ("handoff", "consultation"), ("notice", "consultation"), ("notice", "seminar"), ("refused", "hot"),
    ]  # fmt: skip
    text = text_of(explanation, rules)
    assert "引き継ぎ「個別相談」 担当 佐藤(順番): 連絡待ち、初回連絡の期限 2026/04/04 09:00" in text
    assert "見送り「ホット(スコア到達)」: すでに営業へ引き継いでいる(30日以内は再び引き継がない)" in text
    assert "お知らせ「セミナー申込」" in text
    before = told(world, rules, at(1), recomputes=False)
    assert before.sales == ()
    assert "スコアによる引き継ぎ: ホット(50点)まであと20点" in text_of(before, rules)


def test_who_has_a_handoff_and_why_is_told_as_of_then_though_another_rep_gets_it_later(world: World) -> None:
    everyone = Route(id="all", label="全部", segment="everyone", owners=("sato",))
    handoff = rule_set().handoff.model_copy(update={"reassigns": True, "routes": (everyone,)})
    rules = rule_set(active_from=START, handoff=handoff)

    def add(connection) -> None:
        add_lead(connection, A)
        add_event(connection, "consultation_request", at(1), email=A)

    world.facts(add)
    for hours in (0, 73):
        world.hand_off(rules, at(1, hours=hours))
    found = [
        next(
            (one.owner, one.reason)
            for one in told(world, rules, as_of, recomputes=False).sales
            if one.kind == "handoff"
        )
        for as_of in (at(1, hours=72), at(1, hours=73))
    ]
    assert found == [("sato", "route"), ("suzuki", "cover")]
    assert world.ledger("select owner, assigned_because, first_owner from handoffs") == [("suzuki", "route", "sato")]


# -- the command ---------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 4, 6, 0, 0, tzinfo=START.tzinfo)


@pytest.fixture
def company(tmp_path: Path) -> SmallCompany:
    company = SmallCompany(tmp_path, START)
    mail = company.contact("a", NOW - timedelta(days=3))
    company.event("document_download", mail, NOW - timedelta(days=1), asset="guide")
    for hour in range(2):
        company.event("page_view", mail, NOW - timedelta(hours=hour * 5), path="/price")
    assert company.run("pull", "--as-of", NOW.isoformat())[0] == 0
    assert company.run("recompute", "--as-of", NOW.isoformat())[0] == 0
    return company


def test_the_command_prints_japanese_for_people_and_json_for_machines(company: SmallCompany) -> None:
    code, out, error = company.run("explain", "a@example.com")
    assert (code, error) == (0, "")
    for words in (
        "■ スコアの内訳(合計 40点)",
        "■ ティアの変化",
        "■ 入っているセグメント",
        "製造業・部長職",
        "■ 対象になっていないメール",
    ):
        assert words in out
    code, out, error = company.run("explain", "a@example.com", "--json")
    assert (code, error) == (0, "")
    data = json.loads(out)
    assert data["score"] == sum(award["points"] for event in data["events"] for award in event["awards"]) == 40
    assert data["as_of"] == "2026-04-06T00:00:00+00:00"
    assert {"tier_changes", "stage_changes", "segments", "mails", "no_mails", "sales", "rule_set_version"} <= set(data)
    code, out, _ = company.run("explain", "a@example.com", "--as-of", (NOW + timedelta(days=9)).isoformat(), "--json")
    assert (code, json.loads(out)["notes"]) == (0, ["later_instant"])


def test_an_unknown_address_is_one_line_on_standard_error(company: SmallCompany) -> None:
    code, out, error = company.run("explain", "nobody@example.com")
    assert (code, out) == (1, "")
    assert error.startswith("error: no lead is known by this address as of the last recompute")
    assert error.count("\n") == 1
    assert "nobody@example.com" not in error
    code, _, error = company.run("explain", "a@example.com", "--as-of", (NOW - timedelta(days=1)).isoformat())
    assert code == 1, "nobody here knew of it before the pull"
    assert "no lead is known by this address as of 2026-04-05" in error
    code, _, error = company.run("explain", "a@example.com", "--as-of", "2026-04-06")
    assert code == 2
    assert "ISO 8601 with offset" in error


def test_data_holds_plain_values_alone(world: World) -> None:
    world.facts(lambda connection: add_lead(connection, A, topics="製品A;価格", employees="300"))
    explanation = told(world, scoring(), at(1))
    data = json.loads(json.dumps(to_data(explanation)))
    assert data["fields"] == {"email": A, "topics": ["製品A", "価格"], "employees": 300.0}
    assert "興味トピック: 製品A、価格" in text_of(explanation, scoring())


@pytest.mark.parametrize("path", sorted(QUERIES.glob("explain_*.sql")), ids=lambda path: path.stem)
def test_a_header_names_the_tables_the_query_reads(path: Path) -> None:
    query = sqlglot.parse_one(_PARAMETER.sub("null", path.read_text(encoding="utf-8")), dialect="duckdb")
    assert tables_read(query) == {name.strip() for name in header(path)["from"].split(",")}
