"""The analysts' file: every figure recomputes from what stands beside it, and it is replaced at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import CASE_STUDY, DOWNLOAD, rule_set, step
from tests.world import World, stand_in
from warehouse.comments import COMMENTS
from warehouse.publication import PUBLISHED_TABLES
from warehouse.publish import publish

THANKS = step("thanks", DOWNLOAD, segment="everyone", cta=CASE_STUDY, cta_label="事例集DL")
PLAIN = step("plain", CASE_STUDY, segment="everyone", delay=timedelta(days=1))
RULES = rule_set(steps=(THANKS, PLAIN), active_from=START)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Two weeks of six leads: mails delivered, bounced, opened, clicked; conversions; handoffs; a won deal."""
    home = tmp_path_factory.mktemp("home")
    with stand_in(home) as server:
        world = World(home, server)

        def add(connection: duckdb.DuckDBPyConnection) -> None:
            for name in ("a", "b", "c", "d", "bounce.e"):
                add_lead(connection, f"{name}@example.com", name=name, title="部長", industry="製造業")
                if name != "d":
                    add_consent(connection, f"{name}@example.com")
                add_event(connection, "document_download", at(1), email=f"{name}@example.com", asset="guide")
            connection.execute(
                "insert into deal_records values"
                " ('d1', 'crm', 'D-1', null, 'a@example.com', 'won', 1200000, ?, ?, map {})",
                [at(9), at(9)],
            )

        world.facts(add)
        world.send(RULES, at(1, hours=1))
        (send_a,) = world.ledger("select send_id from sends where email = 'a@example.com'")[0]
        (send_b,) = world.ledger("select send_id from sends where email = 'b@example.com'")[0]
        world.pull_provider_events(at(1, hours=2))

        def react(connection: duckdb.DuckDBPyConnection) -> None:
            for number in range(2):
                add_event(connection, "mail_open", at(2, hours=number), email="a@example.com", send_id=send_a)
            add_event(connection, "mail_open", at(2), email="b@example.com", send_id=send_b, sg_machine_open="true")
            add_event(connection, "mail_click", at(2, hours=1), email="a@example.com", send_id=send_a)
            add_event(connection, "document_download", at(2, hours=2), email="a@example.com", asset="case-1")
            add_event(connection, "consultation_request", at(3), email="b@example.com")

        world.facts(react)
        world.send(RULES, at(4))
        world.hand_off(RULES, at(4))
        world.pull_provider_events(at(4.1))
        world.recompute(RULES, at(14))
        publish(world.settings, at(14))
        with duckdb.connect(str(world.settings.published), read_only=True) as connection:
            yield connection


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_mails_are_counted_as_they_went(published: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        published,
        "select step, targeted, sent, delivered, opened, clicked, converted, bounced, open_rate, conversion_rate"
        " from kpi_mail_daily where step = 'thanks'",
    ) == [("thanks", 5, 4, 3, 1, 1, 1, 1, pytest.approx(1 / 3), pytest.approx(1 / 3))]
    assert rows(published, "select sent, converted, conversion_rate from kpi_mail_daily where step = 'plain'") == [
        (1, None, None)
    ]


def test_targeted_is_sent_and_each_reason_and_sends_agree_with_the_ledger(published: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        published, "select decision, count(*) from send_decisions where is_final group by all order by all"
    ) == [
        ("no_consent", 1),
        ("sent", 5),
    ]
    assert rows(published, "select sum(targeted), sum(sent) from kpi_mail_daily") == [(6, 5)]
    assert rows(published, "select count(*) from sends where sent_at is not null") == [(5,)]


def test_the_funnel_balances_every_day(published: duckdb.DuckDBPyConnection) -> None:
    assert rows(published, "select count(*) from kpi_funnel_daily where leads_in + entered - moved_on != leads") == [
        (0,)
    ]
    assert rows(
        published,
        """
        select count(*) from (
            select leads_in, lag(leads) over (partition by stage order by date) as before from kpi_funnel_daily
        ) where leads_in != before
        """,
    ) == [(0,)]
    assert rows(published, "select sum(leads) from kpi_funnel_daily where date = '2026-04-15'") == [(5,)]
    assert rows(published, "select sum(deals_won), sum(amount)::integer, sum(handoffs) from kpi_funnel_daily") == [
        (1, 1200000, 1)
    ]
    assert rows(
        published, "select sum(leads) from kpi_segment_daily where date = '2026-04-15' and segment = 'everyone'"
    ) == [(5,)]


def test_points_add_up_to_every_score(published: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        published,
        """
        select count(*)
        from leads
        left join (select lead_id, sum(points) as points from lead_score_points group by all) using (lead_id)
        where score != coalesce(points, 0)
        """,
    ) == [(0,)]


def test_a_handoff_that_nobody_took_up_is_breached(published: duckdb.DuckDBPyConnection) -> None:
    assert rows(published, "select handed_off, contacted_within_limit, breached from kpi_handoff_daily") == [(1, 0, 1)]


def test_what_was_lost_is_a_meeting_only_where_it_ever_was_one(tmp_path: Path) -> None:
    ways = {"a": ("lost",), "b": ("contacted", "lost"), "c": ("meeting", "lost"), "d": ("won",), "e": ("meeting",)}
    rules = rule_set(active_from=START)
    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)

        def ask(connection: duckdb.DuckDBPyConnection) -> None:
            for minute, name in enumerate(ways):
                add_lead(connection, f"{name}@example.com")
                add_event(connection, "consultation_request", at(1, minutes=minute), email=f"{name}@example.com")

        world.facts(ask)
        world.hand_off(rules, at(1, hours=1))
        ids = world.ledger("select handoff_id from handoffs order by caused_at")
        for (handoff_id,), way in zip(ids, ways.values(), strict=True):
            for day, status in enumerate(way, 2):
                world.facts(
                    lambda connection, when=at(day), handoff_id=handoff_id, status=status: add_event(
                        connection, "sales_follow_up", when, handoff_id=handoff_id, status=status
                    )
                )
        world.hand_off(rules, at(5))
        with duckdb.connect(str(publish(world.settings, at(5))), read_only=True) as connection:
            assert rows(connection, "select sum(meetings) from kpi_funnel_daily") == [(3,)]


def test_every_table_and_column_says_what_it_holds(published: duckdb.DuckDBPyConnection) -> None:
    tables = dict(rows(published, "select table_name, comment from duckdb_tables()"))
    assert set(PUBLISHED_TABLES) <= set(tables)
    assert [name for name, comment in tables.items() if not comment] == []
    assert (
        rows(published, "select table_name, column_name from duckdb_columns() where not internal and comment is null")
        == []
    )
    generic = rows(published, "select table_name, column_name from duckdb_columns() where comment like 'A field of%'")
    assert set(generic) == {("leads", field.id) for field in RULES.fields if not field.system and field.id != "email"}


def test_nothing_is_said_of_a_table_or_column_that_is_not_there(published: duckdb.DuckDBPyConnection) -> None:
    texts = yaml.safe_load(COMMENTS.read_text(encoding="utf-8"))
    columns = rows(published, "select table_name, column_name from duckdb_columns() where not internal")
    assert texts["tables"].keys() == {table for table, _ in columns}
    special = {f"{table}.{column}" for table, column in columns} & texts["columns"].keys()
    fields = {("leads", field.id) for field in RULES.fields if not field.system and field.id != "email"}
    plain = {
        column for table, column in columns if f"{table}.{column}" not in special and (table, column) not in fields
    }
    assert texts["columns"].keys() == special | plain


def test_no_address_is_published_but_in_leads(published: duckdb.DuckDBPyConnection) -> None:
    assert rows(published, "select table_name from duckdb_columns() where column_name = 'email'") == [("leads",)]


def test_a_reader_keeps_its_file_while_a_new_one_takes_its_place(tmp_path: Path) -> None:
    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)
        world.facts(lambda connection: add_lead(connection, "a@example.com"))
        world.recompute(RULES, at(1))
        publish(world.settings, at(1))
        with duckdb.connect(str(world.settings.published), read_only=True) as reader:
            world.facts(lambda connection: add_lead(connection, "b@example.com", at(1)))
            world.recompute(RULES, at(2))
            publish(world.settings, at(2))
            assert rows(reader, "select count(*) from leads") == [(1,)]
        with duckdb.connect(str(world.settings.published), read_only=True) as reader:
            assert rows(reader, "select count(*) from leads") == [(2,)]
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".kpi.duckdb")] == []
