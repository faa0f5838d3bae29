"""An explanation never disagrees with the tables, whatever happened, whichever the rules, at any instant.

A few examples run with every test; ``make soak`` runs thousands of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter as PrettyPrinter

from rules.models import (
    AccountCondition,
    All,
    AnyOf,
    Condition,
    EventCondition,
    FieldCondition,
    Not,
    RuleSet,
    ScoreCondition,
    SequenceCondition,
)
from settings import Settings
from tasks.explain.text import to_text
from tests.warehouse.histories import OWN_URL, Fact, histories, insert, instants
from tests.warehouse.random_rules import rule_sets
from tests.warehouse.test_increments import KEPT, empty_warehouse, shown
from warehouse.connection import open_warehouse
from warehouse.explain import explain_replay
from warehouse.explanation import Clause, Explanation
from warehouse.recompute import recompute
from warehouse.replay import open_person

EXAMPLES = os.environ.get("NURTURE_PROPERTY_EXAMPLES")


@dataclass(frozen=True)
class Question:
    """Facts, some of which the last recompute has seen, and the instant asked for."""

    facts: list[Fact]
    rules: RuleSet
    recomputed_at: datetime
    asked_at: datetime
    seen_batches: int
    timezone: str

    def __repr__(self) -> str:
        """Only what makes the question: a whole rule set is pages long."""
        used = {"scoring", "scoring_groups", "minimum_score", "maximum_score", "stages", "fall_backs", "segments"}
        told = [f"recomputed {self.recomputed_at}, asked {self.asked_at}, {self.seen_batches} batches seen"]
        told.append(self.rules.model_dump_json(include=used, exclude_defaults=True))
        return "\n".join([*told, *(repr(fact).strip() for fact in self.facts)])

    def _repr_pretty_(self, printer: PrettyPrinter, is_cycle: bool) -> None:
        printer.text(repr(self))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    return Question(
        facts=draw(histories),
        rules=draw(rule_sets()),
        recomputed_at=draw(instants),
        asked_at=draw(instants),
        seen_batches=draw(st.sampled_from([5, 5, 4, 2])),
        timezone=draw(st.sampled_from(["Asia/Tokyo", "America/New_York"])),
    )


@pytest.fixture(scope="module")
def spare() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse that is empty again after every use, since nothing is committed."""
    with empty_warehouse() as connection:
        yield connection


@pytest.mark.timeout(0 if EXAMPLES else 300)
@settings(
    max_examples=int(EXAMPLES or 5),
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(questions())
def test_an_explanation_agrees_with_the_tables(spare: duckdb.DuckDBPyConnection, question: Question) -> None:
    with TemporaryDirectory() as home:
        configured = Settings(home=Path(home), timezone=question.timezone)
        seen = [fact for fact in question.facts if fact.batch < question.seen_batches]
        with open_warehouse(configured) as connection:
            insert(connection, seen)
        with open_warehouse(configured) as connection:  # rows have their places once they are committed
            recompute(connection, question.rules, question.recomputed_at, OWN_URL, timezone=question.timezone)
        with open_warehouse(configured) as connection:
            insert(connection, [fact for fact in question.facts if fact.batch >= question.seen_batches])
        spare.begin()
        try:
            insert(spare, question.facts)
            recompute(spare, question.rules, question.asked_at, OWN_URL, timezone=question.timezone)
            for lead_id, email in leads_of(spare):
                compare(spare, configured, question, lead_id, email)
        finally:
            spare.rollback()


def leads_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The leads that have an address, each by one of them."""
    return connection.execute(
        "select lead_id, max(value) from lead_identities where kind = 'email' group by lead_id order by lead_id limit 3"
    ).fetchall()


def compare(
    spare: duckdb.DuckDBPyConnection, configured: Settings, question: Question, lead_id: str, email: str
) -> None:
    with open_person(configured, question.rules, email, question.asked_at) as replay:
        assert replay is not None
        assert replay.lead_id == lead_id
        asks = replay.catalogue.asks_accounts
        ours = rows_of_lead(replay.connection, lead_id, with_company=asks)
        assert ours == rows_of_lead(spare, lead_id, with_company=asks)
        explanation = explain_replay(replay, configured, question.rules, email)
    assert to_text(explanation, question.rules, configured.zone, shows_all=True)
    check_points(spare, explanation)
    check_segments(spare, question.rules, explanation)


def rows_of_lead(connection: duckdb.DuckDBPyConnection, lead_id: str, *, with_company: bool) -> dict[str, list[str]]:
    """All kept rows of a lead; its company is found only where rules ask for it."""
    tables = connection.execute(
        "select table_name from duckdb_columns() where column_name = 'lead_id' and database_name = 'memory'"
        " and schema_name = 'main'"
    ).fetchall()
    company = "" if with_company else "exclude (account_id)"
    return {
        table: sorted(
            shown(row)
            for row in connection.execute(
                f"select * {company if table == 'leads' else ''} from {table} where lead_id = ?", [lead_id]
            ).fetchall()
        )
        for (table,) in tables
        if table in KEPT and (with_company or table != "lead_accounts")
    }


def check_points(spare: duckdb.DuckDBPyConnection, explanation: Explanation) -> None:
    awards = [(event.event_id, award) for event in explanation.events for award in event.awards]
    told = sum(award.points for _, award in awards) + sum(award.points for award in explanation.condition_awards)
    assert told + explanation.limit_points == explanation.score
    kept = {
        (str(event_id), rule): points
        for event_id, rule, points in spare.execute(
            "select event_id, rule, points from lead_score_points where lead_id = ? and event_id is not null",
            [explanation.lead_id],
        ).fetchall()
    }
    assert {
        (event_id, award.rule): award.points for event_id, award in awards if (event_id, award.rule) in kept
    } == kept
    for event_id, award in awards:
        assert award.points + sum(loss.points for loss in award.losses) == award.rule_points, (event_id, award)
        assert award.points == kept.get((event_id, award.rule), 0)
    behaviours = spare.execute("select distinct event_id from lead_behaviours where lead_id = ?", [explanation.lead_id])
    assert {str(event_id) for (event_id,) in behaviours.fetchall()} <= {event.event_id for event in explanation.events}


def check_segments(spare: duckdb.DuckDBPyConnection, rules: RuleSet, explanation: Explanation) -> None:
    members = {
        segment
        for (segment,) in spare.execute(
            "select segment from segment_members where lead_id = ? and left_at is null", [explanation.lead_id]
        ).fetchall()
    }
    assert {membership.segment for membership in explanation.segments if membership.is_member} == members
    conditions = {segment.id: segment.where for segment in rules.segments}
    for membership in explanation.segments:
        where = conditions[membership.segment]
        if where is not None and membership.condition is not None:
            assert membership.condition.holds == membership.is_member, membership
            check_clause(where, membership.condition, explanation)


def check_clause(condition: Condition, clause: Clause, explanation: Explanation) -> None:
    """What a clause says was found has to be what made it hold, or not."""
    match condition:
        case All(parts=parts) | AnyOf(parts=parts):
            for part, taken in zip(parts, clause.parts, strict=True):
                check_clause(part, taken, explanation)
        case Not(part=part):
            check_clause(part, clause.parts[0], explanation)
        case EventCondition(at_least=at_least):
            assert clause.holds == (clause.value >= at_least), clause
            assert len(clause.instants) == clause.value
        case FieldCondition(is_known=bool() as is_known):
            assert clause.holds == ((clause.value is not None) == is_known), clause
        case SequenceCondition(steps=steps, ended_within_days=None):
            assert clause.holds == (clause.value == len(steps)), clause
        case SequenceCondition(steps=steps, ended_within_days=float() | int() as within):
            is_recent = bool(clause.instants) and clause.instants[-1] + timedelta(days=within) > explanation.as_of
            assert clause.holds == (clause.value == len(steps) and is_recent), clause
        case (
            ScoreCondition(at_least=low, at_most=high)
            | AccountCondition(kind="score", asked=ScoreCondition(at_least=low, at_most=high))
        ):
            if clause.value is not None:
                in_bounds = (low is None or clause.value >= low) and (high is None or clause.value <= high)
                assert clause.holds == in_bounds, clause
        case AccountCondition(kind="people" | "deal", people=people):
            assert clause.holds == ((clause.value or 0) >= people), clause
        case AccountCondition(kind="event", asked=EventCondition(at_least=at_least)):
            assert clause.holds == ((clause.value or 0) >= at_least), clause
        case _:
            pass
