"""Ways from the first contact to a deal, by hand: whose source, which month, and which mail a deal stands beside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.company import REPOSITORY
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import CASE_STUDY, DOWNLOAD, PRICE_VIEW, rule_set, step
from tests.world import World, stand_in
from warehouse.publish import publish
from warehouse.published_queries import part_query, published_query

RULES = rule_set(
    steps=(
        step("thanks", DOWNLOAD, segment="everyone", cta=CASE_STUDY),
        step("price", PRICE_VIEW, segment="everyone", scenario="trigger_mails", kind="trigger"),
    ),
    active_from=START,
)
END = at(60)
_DEALS = (
    # deal, of whom, status, amount, when
    ("D-1", "buyer", "open", 500, at(8)),
    ("D-1", "buyer", "won", 1000, at(20)),
    ("D-2", "buyer", "won", None, at(20)),  # of the same lead and instant
    ("D-3", "early", "won", 300, at(1.1)),  # before any mail
    ("D-4", "silent", "won", 70, at(30)),  # who had none
    ("D-5", "lost", "won", 900, at(10)),
    ("D-5", "lost", "lost", 900, at(12)),  # won no more
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Six leads, some of whom are mailed, click, are handed off, met and buy; two turn out to be one."""
    home = tmp_path_factory.mktemp("home")
    with stand_in(home) as server:
        world = World(home, server)
        world.facts(_what_was_before_the_mails)
        world.send(RULES, at(2))
        world.pull_provider_events(at(2.1))
        ((send_id,),) = world.ledger("select send_id from sends where email = 'buyer@example.com'")
        world.facts(lambda connection: _what_came_of_them(connection, send_id))
        world.send(RULES, at(5))
        world.pull_provider_events(at(5.1))
        world.hand_off(RULES, at(6))
        ((handoff_id,),) = world.ledger("select handoff_id from handoffs")
        for day, status in ((7, "contacted"), (9, "meeting")):
            world.facts(
                lambda connection, when=at(day), status=status: add_event(
                    connection, "sales_follow_up", when, handoff_id=handoff_id, status=status
                )
            )
        world.facts(_what_they_bought)
        world.hand_off(RULES, END)
        with duckdb.connect(str(publish(world.settings, END)), read_only=True) as connection:
            yield connection


def _what_was_before_the_mails(connection: duckdb.DuckDBPyConnection) -> None:
    # a browser two days before anybody knew whose it was, and a CRM that has known somebody since the month before
    add_event(connection, "page_view", at(-1.5), visitor="v1", url="/about")
    add_event(connection, "form_submit", at(1), email="buyer@example.com", visitor="v1")
    for name in ("buyer", "early", "silent", "lost", "twin"):
        add_lead(connection, f"{name}@example.com", at(1), title="部長", industry="製造業" if name != "lost" else "IT")
        if name != "silent":
            add_consent(connection, f"{name}@example.com", at(1))
            add_event(connection, "document_download", at(1.5), email=f"{name}@example.com", asset="guide")
    connection.execute("update lead_records set created_at = ? where email = 'silent@example.com'", [at(-20)])


def _what_came_of_them(connection: duckdb.DuckDBPyConnection, send_id: str) -> None:
    # out of a segment and in again: still one lead of it
    for day, industry in ((3, "IT"), (4, "製造業")):
        add_lead(connection, "early@example.com", at(day), title="部長", industry=industry)
    add_event(connection, "mail_open", at(3), email="buyer@example.com", send_id=send_id, sg_machine_open="true")
    add_event(connection, "mail_click", at(4), email="buyer@example.com", send_id=send_id)
    add_event(connection, "page_view", at(4.5), email="buyer@example.com", url="/price")
    add_event(connection, "consultation_request", at(5.5), email="buyer@example.com")
    # a second person who was mailed turns out to be the first
    for number, name in enumerate(("buyer", "twin")):
        connection.execute(
            "insert into lead_records values (?, 'sfa', 'sfa:1', ?, null, ?, ?, map {}, null)",
            [f"same{number}", f"{name}@example.com", at(5.8), at(5.8)],
        )


def _what_they_bought(connection: duckdb.DuckDBPyConnection) -> None:
    for number, (deal, name, status, amount, when) in enumerate(_DEALS):
        told = [f"{name}@example.com", when, when]
        connection.execute(
            "insert into deal_records values (?, 'sfa', ?, null, ?, ?, ?, ?, ?, map {})",
            [f"deal{number}", deal, told[0], status, amount, *told[1:]],
        )
        kind = {"open": "deal_created", "won": "deal_won", "lost": "deal_lost"}[status]
        add_event(connection, kind, when, email=told[0], deal_id=deal)


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def journey(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    """The way of the lead with an address, without the minutes that a mail takes."""
    found = connection.execute(
        "select lead_journeys.* from lead_journeys inner join leads using (lead_id) where email = $1",
        [f"{name}@example.com"],
    )
    names = [column for column, *_ in found.description or ()]
    (row,) = found.fetchall()
    return dict(zip(names, row, strict=True))


def test_a_lead_is_followed_from_what_its_browser_saw_to_its_deals(published: duckdb.DuckDBPyConnection) -> None:
    way = journey(published, "twin")  # the address learnt last
    assert way.pop("lead_id")
    mailed_at = way.pop("mailed_at")
    assert at(2) <= mailed_at.astimezone(UTC) < at(2.1)
    assert way == {
        "source": "web",
        "first_contact_at": at(-1.5),
        "clicked_at": at(4),
        "hot_at": at(5.5),
        "handed_off_at": at(6),
        "contacted_at": at(7),
        "met_at": at(9),
        "deal_at": at(8),
        "won_at": at(20),
        "deals_won": 2,
        "amount": Decimal("1000.00"),
        "segments": ["everyone", "manufacturing_heads"],
        "scenarios": ["guide", "trigger_mails"],
    }


def test_a_source_that_knew_somebody_first_is_the_first_contact(published: duckdb.DuckDBPyConnection) -> None:
    way = journey(published, "silent")
    assert (way["source"], way["first_contact_at"], way["mailed_at"], way["won_at"]) == ("crm", at(-20), None, at(30))


def test_what_is_won_no_more_counts_as_a_deal_alone(published: duckdb.DuckDBPyConnection) -> None:
    way = journey(published, "lost")
    assert (way["deal_at"], way["won_at"], way["deals_won"], way["amount"]) == (at(10), None, 0, 0)


def test_cohorts_by_hand(published: duckdb.DuckDBPyConnection) -> None:
    columns = "month, value, leads, mailed, clicked, hot, handed_off, met, deals, won, amount::integer"
    march, april = date(2026, 3, 1), date(2026, 4, 1)
    assert rows(published, f"select {columns} from kpi_cohorts where dimension = 'source' order by all") == [
        (march, "crm", 1, 0, 0, 0, 0, 0, 1, 1, 70),
        (march, "web", 1, 1, 1, 1, 1, 1, 1, 1, 1000),
        (april, "crm", 2, 2, 0, 0, 0, 0, 2, 1, 300),
    ]
    assert rows(published, f"select {columns} from kpi_cohorts where dimension = 'scenario' order by all") == [
        (march, "guide", 1, 1, 1, 1, 1, 1, 1, 1, 1000),
        (march, "trigger_mails", 1, 1, 1, 1, 1, 1, 1, 1, 1000),
        (april, "guide", 2, 2, 0, 0, 0, 0, 2, 1, 300),
    ]
    assert rows(
        published,
        "select value, leads from kpi_cohorts where dimension = 'segment' and month = '2026-04-01' order by all",
    ) == [("everyone", 2), ("manufacturing_heads", 1)]
    assert rows(
        published,
        "select median_days_to_hot, median_days_to_handoff, median_days_to_meeting, median_days_to_won"
        " from kpi_cohorts where (dimension, value) = ('source', 'web')",
    ) == [(7, 7, 10, 21)]


def test_deals_stand_beside_the_mails_before_them(published: duckdb.DuckDBPyConnection) -> None:
    columns = (
        "deal_id, scenario, step, position, mails, first_share, last_share, round(linear_share, 6), amount::integer"
    )
    # the twin's mail is the lead's as well; of two mails of one instant the one with the lesser id comes first
    assert rows(published, f"select {columns} from deal_mails order by deal_id, position") == [
        ("D-1", "guide", "thanks", 1, 3, 1, 0, pytest.approx(1 / 3, abs=1e-6), 1000),
        ("D-1", "guide", "thanks", 2, 3, 0, 0, pytest.approx(1 / 3, abs=1e-6), 1000),
        ("D-1", "trigger_mails", "price", 3, 3, 0, 1, pytest.approx(1 / 3, abs=1e-6), 1000),
        ("D-2", "guide", "thanks", 1, 3, 1, 0, pytest.approx(1 / 3, abs=1e-6), None),
        ("D-2", "guide", "thanks", 2, 3, 0, 0, pytest.approx(1 / 3, abs=1e-6), None),
        ("D-2", "trigger_mails", "price", 3, 3, 0, 1, pytest.approx(1 / 3, abs=1e-6), None),
    ]


def test_each_model_shares_out_the_deals_of_a_day(published: duckdb.DuckDBPyConnection) -> None:
    columns = ", ".join(f"{model}_{what}" for what in ("deals", "amount") for model in ("first", "last", "linear"))
    assert rows(published, f"select date, step, {columns} from kpi_attribution_daily order by all") == [
        (date(2026, 4, 2), "none", 1, 1, 1, 300, 300, 300),
        (date(2026, 4, 21), "price", 0, 2, pytest.approx(2 / 3), 0, 1000, pytest.approx(1000 / 3)),
        (date(2026, 4, 21), "thanks", 2, 0, pytest.approx(4 / 3), 1000, 0, pytest.approx(2000 / 3)),
        (date(2026, 5, 1), "none", 1, 1, 1, 70, 70, 70),
    ]


def test_stage_times_by_hand(published: duckdb.DuckDBPyConnection) -> None:
    assert rows(published, "from kpi_stage_times") == [
        (date(2026, 4, 1), "awareness", "consideration", 1, 6, 6),
        (date(2026, 4, 1), "consideration", "decision", 1, 1, 1),
    ]


def test_a_month_of_many_moves_has_the_median_and_the_ninth_tenth_that_pandas_has() -> None:
    """By the model's own query over moves of one month, of which one lead makes two."""
    moments = [(f"L{lead}", START, None, "awareness") for lead in range(9)]
    moments += [(f"L{lead}", START + timedelta(days=lead * lead), "awareness", "interest") for lead in range(1, 9)]
    moments += [("L1", at(2), "interest", "awareness"), ("L1", at(29), "awareness", "interest")]
    frame = pd.DataFrame(moments, columns=["lead_id", "changed_at", "from_stage", "to_stage"])
    with duckdb.connect() as connection:
        connection.register("given", frame)
        connection.execute("create table lead_stage_changes as select * from given")
        zone = {"timezone": "Asia/Tokyo"}
        connection.execute(f"create table stage_time_counts as {part_query('stage_time_counts')}", zone)
        found = connection.execute(published_query("kpi_stage_times")).df()
    frame = frame.sort_values(["lead_id", "changed_at"])
    frame["days"] = frame.groupby("lead_id")["changed_at"].diff().dt.total_seconds() // 86400
    moves = frame.dropna(subset=["from_stage"])
    moves = moves.assign(month=moves["changed_at"].dt.tz_convert("Asia/Tokyo").dt.strftime("%Y-%m"))
    expected = moves.groupby(["month", "from_stage", "to_stage"])["days"].agg(
        leads="count",
        median_days=lambda days: days.quantile(0.5, interpolation="lower"),
        p90_days=lambda days: np.quantile(days, 0.9, method="inverted_cdf"),
    )
    found = found.assign(month=found["month"].dt.strftime("%Y-%m")).set_index(["month", "from_stage", "to_stage"])
    assert len(expected) == 4
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_a_lead_first_known_at_a_month_s_last_minute_counts_in_the_local_month() -> None:
    last = datetime(2026, 4, 30, 15, 30, tzinfo=UTC)  # half past midnight of May in Tokyo
    with duckdb.connect() as connection:
        connection.execute(
            "create table lead_journeys as select 'L1' as lead_id, 'web' as source, $1::timestamptz as first_contact_at,"
            " null::timestamptz as mailed_at, null::timestamptz as clicked_at, null::timestamptz as hot_at,"
            " null::timestamptz as handed_off_at, null::timestamptz as met_at, null::timestamptz as deal_at,"
            " null::timestamptz as won_at, 0::decimal(18, 2) as amount, ['everyone'] as segments, [] as scenarios",
            [last],
        )
        zone = {"timezone": "Asia/Tokyo"}
        for part in ("cohort_counts", "cohort_time_counts"):
            connection.execute(f"create table {part} as {part_query(part)}", zone)
        found = connection.execute(published_query("kpi_cohorts")).fetchall()
    assert [row[:4] for row in found] == [
        (date(2026, 5, 1), "segment", "everyone", 1),
        (date(2026, 5, 1), "source", "web", 1),
    ]


def test_the_cookbook_s_figures_are_those_by_hand(published: duckdb.DuckDBPyConnection) -> None:
    cookbook = (REPOSITORY / "docs" / "cookbooks" / "analysts.md").read_text(encoding="utf-8")
    _, ways, mails = re.findall(r"```sql\n(.*?)```", cookbook, re.DOTALL)
    by_source, same_age, _, within_a_week, still, by_step, recent, _ = [
        published.execute(statement).fetchall() for statement in published.extract_statements(ways + mails)
    ]
    assert [row[:4] for row in by_source] == [
        (date(2026, 3, 1), "crm", 1, 0), (date(2026, 3, 1), "web", 1, 1), (date(2026, 4, 1), "crm", 2, 1),
    ]  # fmt: skip
    assert within_a_week == [("web", 0)], "the one that got hot took seven days"
    assert same_age == [(date(2026, 3, 1), 2, 0.5), (date(2026, 4, 1), 2, 0)]
    # three have been in the first stage since they were known, one in the last since it asked
    assert sorted(row[:2] for row in still) == [("awareness", 3), ("decision", 1)]
    assert {row[:2]: row[2:5] for row in by_step} == {
        ("guide", "thanks"): (2, 0, pytest.approx(4 / 3)),
        ("trigger_mails", "price"): (0, 2, pytest.approx(2 / 3)),
        ("none", "none"): (2, 2, 2),
    }
    assert {row[1]: row[2] for row in recent} == {"thanks": pytest.approx(4 / 3), "price": pytest.approx(2 / 3)}
