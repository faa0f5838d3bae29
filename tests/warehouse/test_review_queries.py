"""What a review counts, on a few rows of which it is plain what is true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from warehouse.statements import bound

UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def tables() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("create macro points_band(points) as (points >= 20)::int")
    connection.execute(
        """
        create table deals (lead_id varchar, status varchar, created_at timestamptz, won_at timestamptz);
        create table leads (lead_id varchar, created_at timestamptz, score integer);
        create table lead_score_points (
            lead_id varchar, rule varchar, event_id varchar, occurred_at timestamptz, points integer, points_given integer
        );
        create table review_rules (rule varchar);
        create table review_landmarks (
            number integer, opened_at timestamptz, started_at timestamptz, ended_at timestamptz
        );
        create table sends (
            lead_id varchar, current_lead_id varchar, scenario varchar, step varchar, category varchar,
            delivered_at timestamptz, opened_at timestamptz, unsubscribed_at timestamptz, complained_at timestamptz,
            converted_at timestamptz
        );
        create table send_decisions (
            send_id varchar, lead_id varchar, scenario varchar, step varchar, decision varchar, is_final boolean,
            decided_at timestamptz
        );
        create table steps (
            scenario varchar, step varchar, scenario_label varchar, label varchar, category varchar
        );
        create table review_renamed (alias_lead_id varchar, lead_id varchar);
        create table stages (stage varchar, position integer);
        create table lead_tier_changes (lead_id varchar, to_tier varchar, changed_at timestamptz);
        create table lead_stage_changes (
            lead_id varchar, from_stage varchar, to_stage varchar, changed_at timestamptz
        );
        """
    )
    return connection


def rows(connection: duckdb.DuckDBPyConnection, name: str, **values: Any) -> list[dict[str, Any]]:
    found = connection.execute(*bound(name, {"until": UNTIL, "since": UNTIL - 182 * DAY, "hot_score": 50, **values}))
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_won_within_thirty_days_is_neither_won_later_nor_taken_back_nor_another_deal(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    started = UNTIL - 90 * DAY
    tables.execute("insert into review_rules values ('price')")
    tables.execute(
        "insert into review_landmarks values (0, $1, $2, $3)", [started - 90 * DAY, started, started + 30 * DAY]
    )
    for lead in ("in time", "later", "taken back", "second deal", "same day", "won first", "none"):
        tables.execute("insert into leads values ($1, $2, 0)", [lead, started - 100 * DAY])
        tables.execute("insert into lead_score_points values ($1, 'price', 'e', $2, 10, 10)", [lead, started - 5 * DAY])
    for lead, status, opened, won in (
        ("in time", "won", 5, 20), ("later", "won", 5, 60), ("taken back", "lost", 5, 20),
        ("second deal", "lost", 5, None), ("second deal", "won", 10, 20),
        # many an SFA has but days; in whatever order they stand
        ("same day", "lost", 5, None), ("same day", "won", 5, 20),
        ("won first", "won", 5, 20), ("won first", "lost", 5, None),
    ):  # fmt: skip
        won_at = None if won is None else started + won * DAY
        tables.execute("insert into deals values ($1, $2, $3, $4)", [lead, status, started + opened * DAY, won_at])
    (row,) = rows(tables, "review_rules")
    assert (row["leads"], row["deals"], row["won"]) == (7, 6, 3)


def test_who_left_before_a_mail_because_of_success_is_no_loss(tables: duckdb.DuckDBPyConnection) -> None:
    decided, before, after = UNTIL - 10 * DAY, UNTIL - 12 * DAY, UNTIL - 8 * DAY
    tables.execute("insert into steps values ('warm', 'cases', '温め', '事例', 'marketing')")
    tables.execute("insert into stages values ('interest', 1), ('compare', 2)")
    leads = ("hot", "deal", "further", "back", "goal", "gone", "hot after", "stays", "deal by another name")
    for lead in leads:
        decision = "sent" if lead == "stays" else "exited"
        tables.execute(
            "insert into send_decisions values ($1, $1, 'warm', 'cases', $2, true, $3)", [lead, decision, decided]
        )
    tables.execute("insert into lead_tier_changes values ('hot', 'hot', $1), ('hot after', 'hot', $2)", [before, after])
    tables.execute("insert into deals values ('deal', 'open', $1, null)", [before])
    tables.execute("insert into review_renamed values ('deal by another name', 'deal')")
    tables.execute(
        "insert into lead_stage_changes values"
        " ('further', 'interest', 'compare', $1), ('back', 'compare', 'interest', $1)",
        [before],
    )
    tables.execute(
        "insert into sends (lead_id, current_lead_id, scenario, step, category, converted_at)"
        " values ('goal', 'goal', 'warm', 'first', 'marketing', $1),"
        " ('gone', 'gone', 'other', 'first', 'marketing', $1)",
        [before],
    )
    (row,) = rows(tables, "review_steps", since=UNTIL - 56 * DAY, given=3 * DAY, hot_tier="hot")
    # back to an earlier stage, gone for whatever reason, hot only afterwards
    assert (row["targeted"], row["exited"]) == (9, 3)


def test_points_given_since_the_period_prove_that_a_rule_is_used(tables: duckdb.DuckDBPyConnection) -> None:
    tables.execute("insert into review_rules values ('before'), ('since'), ('long ago'), ('never')")
    tables.execute("insert into leads values ('L', $1, 60)", [UNTIL - 400 * DAY])
    for rule, when in (
        ("before", UNTIL - DAY), ("since", UNTIL + DAY), ("long ago", UNTIL - 300 * DAY),
    ):  # fmt: skip
        tables.execute("insert into lead_score_points values ('L', $1, 'e', $2, 20, 20)", [rule, when])
    told = {row["rule"]: (row["lately"], row["leads"], row["hot"], row["cooled_without"])
            for row in rows(tables, "review_points")}  # fmt: skip
    assert told == {"before": (1, 1, 1, 1), "since": (1, 0, 0, 0), "long ago": (0, 1, 1, 1), "never": (0, 0, 0, 0)}


def test_a_deal_that_was_lost_after_a_meeting_has_been_a_meeting(tables: duckdb.DuckDBPyConnection) -> None:
    handed_off = UNTIL - 20 * DAY
    tables.execute(
        """
        create table handoffs (
            handoff_id varchar, current_lead_id varchar, cause varchar, handed_off_at timestamptz, met_at timestamptz,
            status varchar, status_changed_at timestamptz, reject_reason varchar
        );
        create table segment_members (
            lead_id varchar, segment varchar, entered_at timestamptz, left_at timestamptz
        );
        """
    )
    for number, (status, met_at) in enumerate(
        (("returned", None), ("returned", None), ("lost", handed_off + 3 * DAY), ("lost", None))
    ):
        tables.execute(
            "insert into handoffs values ($1, $1, 'hot', $2, $3, $4, $5, 'not_a_target')",
            [str(number), handed_off, met_at, status, handed_off + 9 * DAY],
        )
        tables.execute("insert into segment_members values ($1, 'retail', $2, null)", [str(number), handed_off - DAY])
    (row,) = rows(tables, "review_return_segments", requests=["consultation_request"])
    assert (row["returned"], row["answered"], row["met"]) == (2, 4, 1)
