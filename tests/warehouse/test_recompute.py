"""The derived tables on small histories whose right answer can be told by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from rules.lead_rules import KEPT_COLUMNS
from rules.models import Group, ScoringRule, Selector
from settings import Settings
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import rule_set
from warehouse.connection import open_warehouse
from warehouse.derivation import LAID_BY_LEAD
from warehouse.recompute import recompute as recompute_for


def recompute(connection, rules, as_of) -> None:
    recompute_for(connection, rules, as_of, "http://127.0.0.1:8787")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def head(connection: duckdb.DuckDBPyConnection, email: str, when: datetime = START) -> None:
    add_lead(connection, email, when, name="山田", company="株式会社山田", title="営業部長", industry="製造業")


def test_guide_points_add_up_to_the_score_and_the_tier_changes_when_it_is_reached(warehouse) -> None:
    head(warehouse, "a@example.com")
    add_event(warehouse, "document_download", at(1), email="a@example.com", asset="guide")
    add_event(warehouse, "page_view", at(2), email="a@example.com", url="https://www.example.com/price?x=1")
    consult = add_event(warehouse, "consultation_request", at(3), email="a@example.com")
    recompute(warehouse, rule_set(), at(10))
    assert rows(warehouse, "select score, tier, stage from leads") == [(55, "hot", "decision")]
    assert rows(warehouse, "select rule, points from lead_score_points order by occurred_at") == [
        ("download", 10),
        ("price", 15),
        ("consultation", 30),
    ]
    assert rows(
        warehouse, "select changed_at, from_tier, to_tier, score, cause_event_id from lead_tier_changes order by 1"
    ) == [(START, None, "cold", 0, None), (at(3), "cold", "hot", 55, consult)]


def test_price_page_counts_once_in_thirty_minutes_measured_from_the_last_counted_view(warehouse) -> None:
    head(warehouse, "a@example.com")
    for minute in (0, 10, 20, 29, 31, 45, 61, 90, 200):  # counted: 0, 31, 61, (91 would), 200
        add_event(warehouse, "page_view", at(1, minutes=minute), email="a@example.com", url="/price")
    recompute(warehouse, rule_set(), at(10))
    counted = rows(warehouse, "select occurred_at from lead_behaviours where is_counted order by 1")
    assert [row[0] for row in counted] == [at(1, minutes=minute) for minute in (0, 31, 61, 200)]
    assert rows(warehouse, "select score from leads") == [(60,)]


def test_opens_and_clicks_score_once_a_send_and_machine_opens_never(warehouse) -> None:
    head(warehouse, "a@example.com")
    add_event(warehouse, "mail_open", at(1), email="a@example.com", send_id="s1", sg_machine_open="true")
    add_event(warehouse, "mail_open", at(2), email="a@example.com", send_id="s1")
    add_event(warehouse, "mail_open", at(3), email="a@example.com", send_id="s1")
    add_event(warehouse, "mail_open", at(4), email="a@example.com", send_id="s2")
    add_event(warehouse, "mail_click", at(5), email="a@example.com", send_id="s2")
    recompute(warehouse, rule_set(), at(10))
    assert rows(warehouse, "select rule, occurred_at from lead_score_points order by 2") == [
        ("open", at(2)),
        ("open", at(4)),
        ("click", at(5)),
    ]
    assert rows(warehouse, "select opened_at from send_outcomes where send_id = 's1'") == [(at(2),)]


def test_a_segment_stay_is_exact_to_the_fact_and_the_window(warehouse) -> None:
    head(warehouse, "a@example.com", at(1))
    add_lead(warehouse, "b@example.com", at(1), title="副部長", industry="製造業")
    add_lead(warehouse, "c@example.com", at(1), title="部長", industry="IT")
    add_lead(warehouse, "c@example.com", at(2), industry="製造業")
    add_lead(warehouse, "c@example.com", at(3), title="部長代理")
    for day in (1, 2, 3):
        add_event(warehouse, "page_view", at(day), email="a@example.com", url="/price/plans")
    recompute(warehouse, rule_set(), at(60))
    stays = """
        select email, segment, entered_at, left_at
        from segment_members join leads using (lead_id)
        where segment != 'everyone' order by segment, email
    """
    assert rows(warehouse, stays) == [
        ("a@example.com", "manufacturing_heads", at(1), None),
        ("c@example.com", "manufacturing_heads", at(2), at(3)),
        ("a@example.com", "price_three_times", at(3), at(31)),
    ]
    recompute(warehouse, rule_set(), at(30))  # the window's end is not yet known as of then
    assert ("a@example.com", "price_three_times", at(3), None) in rows(warehouse, stays)


def test_an_earlier_instant_sees_only_what_was_known_then(warehouse) -> None:
    head(warehouse, "a@example.com")
    add_event(warehouse, "document_download", at(1), email="a@example.com", received_at=at(5))
    recompute(warehouse, rule_set(), at(2))
    assert rows(warehouse, "select score from leads") == [(0,)]
    recompute(warehouse, rule_set(), at(6))
    assert rows(warehouse, "select score from leads") == [(10,)]


def test_the_newer_value_wins_in_any_order_and_a_visitor_becomes_a_lead(warehouse) -> None:
    add_lead(warehouse, "a@example.com", at(5), company="新社名")
    add_lead(warehouse, "a@example.com", at(1), company="旧社名", title="部長")
    add_event(warehouse, "page_view", at(2), visitor="v1", url="/price")
    add_event(warehouse, "document_download", at(3), visitor="v1", email="a@example.com", asset="case-1")
    add_event(warehouse, "document_download", at(4), visitor="v1", email="b@example.com", asset="guide")
    add_event(warehouse, "page_view", at(6), visitor="v1", url="/price")
    add_event(warehouse, "page_view", at(6), visitor="nobody", url="/price")
    recompute(warehouse, rule_set(), at(10))
    assert rows(warehouse, "select email, company, title, score, stage from leads order by email") == [
        ("a@example.com", "新社名", "部長", 25, "consideration"),
        ("b@example.com", None, None, 25, "consideration"),
    ]


def test_ids_named_together_are_one_lead_whatever_the_order(warehouse) -> None:
    for record, email, external_id in (
        ("1", "a@example.com", "crm:7"),
        ("2", "b@example.com", "crm:7"),
        ("3", "b@example.com", "sfa:9"),
        ("4", None, "sfa:9"),
        ("5", "z@example.com", "crm:8"),
    ):
        warehouse.execute(
            "insert into lead_records values (?, 'crm', ?, ?, null, ?, ?, map {}, null)",
            [record, external_id, email, at(int(record)), at(int(record))],
        )
    recompute(warehouse, rule_set(), at(10))
    assert rows(warehouse, "select count(distinct lead_id), count(*) from lead_identities") == [(2, 6)]
    (lead_id,) = rows(warehouse, "select lead_id from leads where email = 'b@example.com'")[0]
    assert rows(warehouse, "select alias_lead_id = lead_id from lead_identities where identity = 'email:a@example.com'")
    assert lead_id == rows(warehouse, "select distinct lead_id from lead_identities where identity = 'id:sfa:9'")[0][0]


def test_an_opt_out_holds_for_the_whole_lead_until_the_person_comes_back(warehouse) -> None:
    head(warehouse, "a@example.com")
    add_consent(warehouse, "a@example.com")
    add_suppression(warehouse, "a@example.com", at(1))
    add_consent(warehouse, "a@example.com", at(2))  # an import does not lift it
    recompute(warehouse, rule_set(), at(3))
    assert rows(warehouse, "select consent_state, is_opted_out from leads") == [("opted_out", True)]
    add_event(warehouse, "mail_resubscribe", at(4), email="a@example.com")
    recompute(warehouse, rule_set(), at(5))
    assert rows(warehouse, "select consent_state, is_opted_out from leads") == [("consented", False)]


def test_recomputing_twice_changes_nothing(warehouse) -> None:
    head(warehouse, "a@example.com")
    add_event(warehouse, "page_view", at(2), email="a@example.com", url="/price")
    recompute(warehouse, rule_set(), at(5))
    tables = [name for (name,) in rows(warehouse, "select table_name from duckdb_tables() where not temporary")]
    before = {name: sorted(map(repr, rows(warehouse, f"from {name}"))) for name in tables}
    recompute(warehouse, rule_set(), at(5))
    assert {name: sorted(map(repr, rows(warehouse, f"from {name}"))) for name in tables} == before


def test_any_reason_that_blocks_marketing_is_an_opt_out_and_holds_from_when_it_was_learnt(warehouse) -> None:
    for name in ("a", "b"):
        head(warehouse, f"{name}@example.com")
        add_consent(warehouse, f"{name}@example.com")
    add_suppression(warehouse, "a@example.com", at(1), reason="退会フォーム")
    warehouse.execute(
        "insert into suppression_records values ('f', 'list', null, 'b@example.com', 'marketing', 'opt_out', ?, ?, null)",
        [at(2), at(1)],  # its clock is ahead
    )
    recompute(warehouse, rule_set(), at(1.5))
    assert rows(warehouse, "select consent_state from leads") == [("opted_out",), ("opted_out",)]


def test_an_opt_out_that_names_only_the_send_finds_its_lead(warehouse) -> None:
    head(warehouse, "a@example.com")
    add_consent(warehouse, "a@example.com")
    add_event(warehouse, "mail_processed", at(1), email="a@example.com", send_id="s1")
    add_event(warehouse, "mail_unsubscribe", at(2), send_id="s1")
    recompute(warehouse, rule_set(), at(3))
    assert rows(warehouse, "select consent_state from leads") == [("opted_out",)]


def test_a_title_without_a_level_ends_the_level_before(warehouse) -> None:
    head(warehouse, "a@example.com")
    add_lead(warehouse, "a@example.com", at(2), title="顧問")
    recompute(warehouse, rule_set(), at(3))
    assert rows(warehouse, "select title, title_level from leads") == [("顧問", None)]
    assert rows(warehouse, "select left_at from segment_members where segment = 'manufacturing_heads'") == [(at(2),)]


def test_clicks_on_our_own_opt_out_links_never_score(warehouse) -> None:
    head(warehouse, "a@example.com")
    link = "http://127.0.0.1:8787/u/token"
    add_event(warehouse, "mail_click", at(1), email="a@example.com", send_id="s1", url=link)
    recompute(warehouse, rule_set(), at(2))
    assert rows(warehouse, "select score from leads") == [(0,)]
    assert rows(warehouse, "select clicked_at from send_outcomes") == [(None,)]
    add_event(warehouse, "mail_click", at(1, 1), email="a@example.com", send_id="s1", url="https://www.example.com/")
    recompute(warehouse, rule_set(), at(2))
    assert rows(warehouse, "select score from leads") == [(10,)]


def test_encoded_paths_and_assets_told_by_their_path_match_their_groups(warehouse) -> None:
    rules = rule_set(
        page_groups=(Group(id="price", label="価格ページ", patterns=("/price*", "*料金*")),),
        asset_groups=(Group(id="case_studies", label="事例集", patterns=("case-*",)),),
    )
    head(warehouse, "a@example.com")
    add_event(warehouse, "page_view", at(1), email="a@example.com", url="https://x.test/%E6%96%99%E9%87%91/")
    add_event(warehouse, "document_download", at(1), email="a@example.com", asset="/files/case-studies.pdf")
    recompute(warehouse, rules, at(2))
    groups = """
        select rule_behaviours.page_group, rule_behaviours.asset_group
        from lead_behaviours join rule_behaviours using (behaviour)
        where coalesce(rule_behaviours.page_group, rule_behaviours.asset_group) is not null order by all
    """
    assert rows(warehouse, groups) == [("price", None), (None, "case_studies")]


def test_escapes_that_are_no_text_are_compared_as_they_stand(warehouse) -> None:
    rules = rule_set(
        page_groups=(Group(id="price", label="価格ページ", patterns=("/price*",)),),
        asset_groups=(Group(id="case_studies", label="事例集", patterns=("case-*",)),),
    )
    for path in ("/price%ff", "/price/%97%bf", "/%ed%a0%80", "/price%00"):
        add_event(warehouse, "page_view", at(1), email="a@example.com", url=f"https://x.test{path}")
    add_event(warehouse, "document_download", at(1), email="a@example.com", asset="/files%fe/case-%ff.pdf")
    recompute(warehouse, rules, at(2))
    groups = """
        select rule_behaviours.page_group, rule_behaviours.asset_group, count(distinct event_id)
        from lead_behaviours join rule_behaviours using (behaviour)
        where coalesce(rule_behaviours.page_group, rule_behaviours.asset_group) is not null group by all order by all
    """
    assert rows(warehouse, groups) == [("price", None, 3), (None, "case_studies", 1)]


def test_a_won_deal_that_is_edited_is_one_win(warehouse) -> None:
    head(warehouse, "a@example.com")
    for day in (9, 5):
        add_event(warehouse, "deal_won", at(day), email="a@example.com", deal_id="D1")
    won = ScoringRule(id="won", label="受注", on=Selector(event="deal_won"), points=50)
    recompute(warehouse, rule_set(scoring=(won,)), at(10))
    assert rows(warehouse, "select occurred_at from lead_behaviours where is_counted") == [(at(5),)]
    assert rows(warehouse, "select occurred_at, points from lead_score_points") == [(at(5), 50)]


def test_columns_the_engine_keeps_are_refused_as_fields(warehouse) -> None:
    head(warehouse, "a@example.com")
    rules = rule_set()
    recompute(warehouse, rules, at(1))
    columns = {
        name for (name,) in rows(warehouse, "select column_name from duckdb_columns() where table_name = 'leads'")
    }
    assert columns - {field.id for field in rules.fields if not field.system} <= KEPT_COLUMNS


def test_what_a_limit_of_the_score_takes_or_gives_is_a_row_of_its_own(warehouse) -> None:
    rules = rule_set(
        scoring=(
            ScoringRule(id="download", label="資料DL", on=Selector(event="document_download"), points=80),
            ScoringRule(id="bounce", label="不達", on=Selector(event="mail_bounce"), points=-30),
        ),
        minimum_score=0,
        maximum_score=100,
    )
    for name in ("low", "high"):
        head(warehouse, f"{name}@example.com")
    add_event(warehouse, "mail_bounce", at(1), email="low@example.com")
    for day in (2, 3):
        add_event(warehouse, "document_download", at(day), email="high@example.com", asset="guide")
    recompute(warehouse, rules, at(10))
    points = """
        select email, rule, points, points_given, occurred_at
        from lead_score_points join leads using (lead_id) order by email, occurred_at, points desc
    """
    assert rows(warehouse, points) == [
        ("high@example.com", "download", 80, 80, at(2)),
        ("high@example.com", "download", 80, 80, at(3)),
        ("high@example.com", "maximum_score", -60, -60, at(3)),
        ("low@example.com", "minimum_score", 30, 30, at(1)),
        ("low@example.com", "bounce", -30, -30, at(1)),
    ]
    assert rows(warehouse, "select email, score from leads order by email") == [
        ("high@example.com", 100),
        ("low@example.com", 0),
    ]


def test_facts_seen_before_their_commit_are_seen_again_after_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_warehouse(settings) as connection:  # rows bear other numbers until they are committed
        head(connection, "a@example.com")
        add_event(connection, "document_download", at(1), email="a@example.com", asset="guide")
        recompute(connection, rule_set(), at(2))
    for day in (3, 4):
        with open_warehouse(settings) as connection:
            add_event(connection, "document_download", at(day), email="a@example.com", asset="guide")
        with open_warehouse(settings) as connection:
            recompute(connection, rule_set(), at(day))
            assert rows(connection, "select score from leads") == [((day - 1) * 10,)]


def test_derived_for_all_the_rows_of_a_lead_lie_together(warehouse) -> None:
    for day in range(1, 4):
        for name in ("b", "c", "a"):
            add_event(warehouse, "document_download", at(day), email=f"{name}@example.com", asset="guide")
    for name in ("b", "c", "a"):
        add_lead(warehouse, f"{name}@example.com")
    recompute(warehouse, rule_set(), at(5))
    for table in sorted(LAID_BY_LEAD):
        leads = [lead for (lead,) in warehouse.execute(f"select lead_id from {table} order by rowid").fetchall()]
        assert len(leads) >= 3
        assert leads == sorted(leads), table
