"""Caps, expiry, decay, limits, lasting points and stages on histories whose right answer can be told by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from rules.loader import load_rules
from rules.models import (
    Cap,
    DealCondition,
    EventCondition,
    FallBack,
    FieldCondition,
    Not,
    OccasionCondition,
    PropertyTest,
    RuleSet,
    ScoringGroup,
    ScoringRule,
    Segment,
    Selector,
    SequenceCondition,
    Stage,
)
from settings import Settings
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import CASE_STUDY, CONSULTATION, DOWNLOAD, PRICE_VIEW, SEMINAR, rule_set
from warehouse.connection import open_warehouse
from warehouse.recompute import recompute

EMAIL = "a@example.com"
ANY = Selector(event="any")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        add_lead(connection, EMAIL, name="山田", company="株式会社山田", title="営業部長")
        yield connection


def rule(**values: object) -> ScoringRule:
    return ScoringRule.model_validate({"id": "download", "label": "資料DL", "on": DOWNLOAD, "points": 10, **values})


def score(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> int:
    recompute(connection, rules, as_of, "http://127.0.0.1:8787")
    ((found, added),) = connection.execute(
        "select score, (select coalesce(sum(points), 0) from lead_score_points) from leads"
    ).fetchall()
    assert found == added  # points add up to the score, always
    return int(found)


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def downloads(connection: duckdb.DuckDBPyConnection, *when: datetime) -> None:
    for instant in when:
        add_event(connection, "document_download", instant, email=EMAIL, asset="guide")


def test_a_cap_counts_times_within_a_rolling_window_to_the_second(warehouse) -> None:
    rules = rule_set(scoring=(rule(cap=Cap(times=2, within_days=1)),))
    last = at(2) - timedelta(seconds=1)
    # the third is within a day of the first, the fourth a day after it: a window holds less than a whole day
    downloads(warehouse, at(1), at(1, hours=5), last, at(2))
    assert score(warehouse, rules, at(10)) == 30
    counted = rows(warehouse, "select occurred_at from lead_score_points order by 1")
    assert [when for (when,) in counted] == [at(1), at(1, hours=5), at(2)]


def test_a_late_event_moves_what_a_cap_lets_count(warehouse) -> None:
    rules = rule_set(scoring=(rule(cap=Cap(times=1, within_days=1)),))
    downloads(warehouse, at(2))
    assert score(warehouse, rules, at(3)) == 10
    add_event(warehouse, "document_download", at(1, hours=12), email=EMAIL, asset="guide", received_at=at(4))
    assert score(warehouse, rules, at(5)) == 10
    assert rows(warehouse, "select occurred_at from lead_score_points") == [(at(1, hours=12),)]


def test_a_cap_on_points_lets_a_part_of_an_award_count(warehouse) -> None:
    rules = rule_set(scoring=(rule(cap=Cap(points=25, within_days=7)),))
    downloads(warehouse, at(1), at(2), at(3), at(4))
    assert score(warehouse, rules, at(10)) == 25
    assert rows(warehouse, "select points from lead_score_points order by occurred_at") == [(10,), (10,), (5,)]


def test_rules_of_a_group_share_its_cap(warehouse) -> None:
    group = ScoringGroup(id="interest", label="関心", cap=Cap(points=30, within_days=30))
    rules = rule_set(
        scoring=(rule(group="interest"), rule(id="seminar", on=SEMINAR, points=15, group="interest")),
        scoring_groups=(group,),
    )
    downloads(warehouse, at(1), at(3))
    add_event(warehouse, "seminar_signup", at(2), email=EMAIL)
    add_event(warehouse, "seminar_signup", at(40), email=EMAIL)
    assert score(warehouse, rules, at(50)) == 45
    assert rows(warehouse, "select rule, points from lead_score_points order by occurred_at") == [
        ("download", 10), ("seminar", 15), ("download", 5), ("seminar", 15),
    ]  # fmt: skip


def test_once_a_lead_is_the_first_time(warehouse) -> None:
    downloads(warehouse, at(1), at(2))
    assert score(warehouse, rule_set(scoring=(rule(once_per="lead"),)), at(3)) == 10
    assert rows(warehouse, "select occurred_at from lead_score_points") == [(at(1),)]


def test_points_end_so_long_after_the_event_whenever_it_is_computed(warehouse) -> None:
    rules = rule_set(scoring=(rule(expires_after_days=30, points=40),))
    downloads(warehouse, at(1))
    assert score(warehouse, rules, at(31) - timedelta(seconds=1)) == 40
    assert score(warehouse, rules, at(31)) == 0
    assert score(warehouse, rules, at(90)) == 0
    assert rows(warehouse, "select changed_at, to_tier, cause from lead_tier_changes order by 1") == [
        (START, "cold", "start"), (at(1), "warm", "given:download"), (at(31), "cold", "expired:download"),
    ]  # fmt: skip


def test_points_halve_at_local_midnight_and_round_half_up(warehouse) -> None:
    rules = rule_set(scoring=(rule(half_life_days=10, points=20),))
    downloads(warehouse, at(0, hours=12))  # 21:00 of 1 April in Tokyo
    midnight = at(0, hours=15)  # of 2 April
    assert score(warehouse, rules, midnight - timedelta(seconds=1)) == 20
    # 20 x 0.5^(n/10): 18.66 after a day, 10 after ten, 0.44 after 55
    assert score(warehouse, rules, midnight) == 19
    assert score(warehouse, rules, midnight + timedelta(days=9)) == 10
    assert score(warehouse, rules, midnight + timedelta(days=54)) == 0


def test_a_limit_is_an_award_of_its_own(warehouse) -> None:
    rules = rule_set(
        scoring=(rule(points=60), rule(id="opt_out", on=Selector(event="mail_unsubscribe"), points=-150)),
        minimum_score=-10,
        maximum_score=100,
    )
    downloads(warehouse, at(1), at(2))
    assert score(warehouse, rules, at(3)) == 100
    assert rows(warehouse, "select rule, points from lead_score_points where event_id is null") == [
        ("maximum_score", -20)
    ]
    add_event(warehouse, "mail_unsubscribe", at(4), email=EMAIL)
    # what was beyond a limit is not lost: 60 + 60 - 150 is above the lower limit's reach
    assert score(warehouse, rules, at(5)) == -10
    assert rows(warehouse, "select rule, points from lead_score_points where event_id is null") == [
        ("minimum_score", 20)
    ]


def test_points_for_what_holds_last_as_long_as_it_does(warehouse) -> None:
    rules = rule_set(
        scoring=(
            rule(id="head", on=None, where=FieldCondition(field="title_level", equals="department_head"), points=20),
            rule(id="silence", on=None, where=OccasionCondition(on=ANY, which="last", before_days=30), points=-15),
            rule(id="free", on=None, where=FieldCondition(field="email_domain", one_of=("example.com",)), points=-5),
        )
    )
    assert score(warehouse, rules, at(1)) == 15
    downloads(warehouse, at(2))
    assert score(warehouse, rules, at(32) - timedelta(seconds=1)) == 15
    assert score(warehouse, rules, at(32)) == 0
    downloads(warehouse, at(40))
    assert score(warehouse, rules, at(41)) == 15
    add_lead(warehouse, EMAIL, at(42), title="担当")
    assert score(warehouse, rules, at(43)) == -5
    assert rows(
        warehouse, "select rule, occurred_at, points, points_given from lead_score_points order by rule, occurred_at"
    ) == [
        ("free", START, -5, -5), ("head", START, 0, 20), ("silence", at(32), 0, -15),
    ]  # fmt: skip


def test_rules_narrow_events_by_asset_and_properties(warehouse) -> None:
    rules = rule_set(
        scoring=(
            rule(id="price_list", on=Selector(event="document_download", asset="*price-list*"), points=7),
            rule(
                id="large",
                on=Selector(
                    event="form_submit",
                    properties=(
                        PropertyTest(property="form", one_of=("contact", "ＱＵＯＴＥ")),
                        PropertyTest(property="seats", at_least=50),
                    ),
                ),
                points=25,
            ),
        )
    )
    add_event(warehouse, "document_download", at(1), email=EMAIL, asset="2026-Price-List.pdf")
    downloads(warehouse, at(1))
    for form, seats in (
        ("quote", "５０"),
        ("contact", "1,000"),
        ("contact", "49"),
        ("careers", "80"),
        ("contact", "many"),
        ("contact", "1e400"),
        ("careers", "1,000"),
    ):
        add_event(warehouse, "form_submit", at(2), email=EMAIL, form=form, seats=seats)
    assert score(warehouse, rules, at(3)) == 57


def stages(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return rows(connection, "select changed_at, to_stage, cause from lead_stage_changes order by changed_at")


def test_stages_go_back_only_by_a_rule_that_says_so(warehouse) -> None:
    rules = rule_set(
        stages=(
            Stage(id="awareness", label="認知"),
            Stage(id="interest", label="興味", enter_on=(CASE_STUDY,)),
            Stage(
                id="consideration",
                label="比較検討",
                enter_when=EventCondition(on=PRICE_VIEW, at_least=2, within_days=14),
            ),
            Stage(id="decision", label="決定", enter_on=(CONSULTATION,), enter_when=DealCondition(status="open")),
        ),
        fall_backs=(
            FallBack(id="lost", label="失注", to="interest", on=Selector(event="deal_lost")),
            FallBack(
                id="silence",
                label="60日間行動なし",
                to="awareness",
                leaving=("interest", "consideration"),
                when=OccasionCondition(on=ANY, which="last", before_days=60),
            ),
        ),
    )
    for instant in (at(1), at(20), at(30)):
        add_event(warehouse, "page_view", instant, email=EMAIL, url="/price")
    add_event(warehouse, "document_download", at(31), email=EMAIL, asset="case-1")
    add_event(warehouse, "consultation_request", at(32), email=EMAIL)
    recompute(warehouse, rules, at(120), "http://127.0.0.1:8787")
    # silence takes nobody out of the last stage
    assert stages(warehouse) == [
        (START, "awareness", "start"), (at(30), "consideration", "enter_when"), (at(32), "decision", "consultation_request"),
    ]  # fmt: skip
    add_event(warehouse, "deal_lost", at(130), email=EMAIL)
    recompute(warehouse, rules, at(131), "http://127.0.0.1:8787")
    assert stages(warehouse)[-1] == (at(130), "interest", "lost")
    add_event(warehouse, "page_view", at(140), email=EMAIL, url="/other")
    recompute(warehouse, rules, at(250), "http://127.0.0.1:8787")
    assert stages(warehouse)[-1] == (at(200), "awareness", "silence")


SEGMENTS = {
    "evaluators": SequenceCondition(steps=(CASE_STUDY, PRICE_VIEW), within_days=7),
    "newcomers": OccasionCondition(on=Selector(event="page_view"), which="first", within_days=14),
    "lapsing": OccasionCondition(on=ANY, which="last", before_days=60, within_days=180),
    "never": Not(part=EventCondition(on=CONSULTATION)),
    "not_lately": Not(part=EventCondition(on=PRICE_VIEW, within_days=90)),
}


@pytest.mark.parametrize(
    ("segment", "stays"),
    [
        ("evaluators", [(at(17), None)]),
        ("newcomers", [(at(2), at(16))]),
        ("lapsing", [(at(77), None)]),
        ("never", [(START, None)]),
        ("not_lately", [(START, at(2)), (at(107), None)]),
    ],
)
def test_stays_are_exact_to_the_second(warehouse, segment: str, stays: list[tuple[object, object]]) -> None:
    for kind, instant in (("page", at(2)), ("case", at(10)), ("page", at(17)), ("case", at(9))):
        if kind == "page":
            add_event(warehouse, "page_view", instant, email=EMAIL, url="/price")
        else:
            add_event(warehouse, "document_download", instant, email=EMAIL, asset="case-1")
    add_event(warehouse, "mail_open", at(18), email=EMAIL, send_id="s1", sg_machine_open="true")
    rules = rule_set(
        segments=(Segment(id="everyone", label="全員"), Segment(id=segment, label=segment, where=SEGMENTS[segment]))
    )
    recompute(warehouse, rules, at(150), "http://127.0.0.1:8787")
    query = "select entered_at, left_at from segment_members where segment != 'everyone' order by 1"
    assert rows(warehouse, query) == stays


def test_an_old_mail_opened_again_is_an_open(warehouse, tmp_path: Path) -> None:
    folder = Path(shutil.copytree("rules/b2b", tmp_path / "b2b"))
    path = folder / "segments.yaml"
    text = path.read_text(encoding="utf-8").replace(
        "where: {deal: open}}", "where: {never: メール開封, within_days: 90}}"
    )
    path.write_text(text, encoding="utf-8")
    for day in (1, 80):
        add_event(warehouse, "mail_open", at(day), email=EMAIL, send_id="s1")
    recompute(warehouse, load_rules(folder), at(200), "http://127.0.0.1:8787")
    query = "select entered_at, left_at from segment_members where segment = 'in_negotiation' order by 1"
    assert rows(warehouse, query) == [(START, at(1)), (at(170), None)]
