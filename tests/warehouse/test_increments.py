"""What was derived bit by bit equals what is derived at once, row by row, whatever happened in between.

A few examples run with every test; ``make soak`` runs thousands of them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter as PrettyPrinter

from rules.models import EventCondition, RuleSet, ScoringGroup, Segment, Selector
from settings import Settings
from tests.facts import START
from tests.rule_sets import rule_set
from tests.warehouse.histories import OWN_URL, Fact, histories, in_disorder, insert, instants
from tests.warehouse.random_rules import caps, numbered, rule_sets, scoring_rules, windows
from tests.warehouse.reference import Act, points_of, stays_of
from warehouse import lead_models
from warehouse.connection import connect
from warehouse.derivation import MODELS
from warehouse.recompute import ABOUT_PEOPLE, BY_RULES, recompute

EXAMPLES = os.environ.get("NURTURE_PROPERTY_EXAMPLES")
KEPT = (*ABOUT_PEOPLE, *BY_RULES)
Rows = dict[str, list[str]]

random_examples = settings(
    max_examples=int(EXAMPLES or 5),
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@dataclass(frozen=True)
class Run:
    """One recompute: for which instant, by which rules, and whether its result is compared."""

    as_of: datetime
    rules: int
    is_compared: bool


@dataclass(frozen=True)
class Story:
    """What happens to one warehouse."""

    facts: list[Fact]
    rule_sets: list[RuleSet]
    runs: list[Run]
    timezone: str
    leads_at_a_time: int
    behaviours_at_a_time: int
    seed: int

    def __repr__(self) -> str:
        """Only what makes the story: a whole rule set is pages long."""
        told = [f"{self.timezone}, {self.leads_at_a_time} leads and {self.behaviours_at_a_time} behaviours at a time"]
        told += [f"run {number}: {run.as_of}, rules {run.rules}" for number, run in enumerate(self.runs, start=1)]
        for rules in self.rule_sets:
            shown = {"scoring", "scoring_groups", "minimum_score", "maximum_score", "stages", "fall_backs", "segments"}
            told.append(rules.model_dump_json(include=shown, exclude_defaults=True))
        return "\n".join([*told, *(repr(fact).strip() for fact in self.facts)])

    def _repr_pretty_(self, printer: PrettyPrinter, is_cycle: bool) -> None:
        printer.text(repr(self))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    ends = draw(st.lists(instants, min_size=2, max_size=5))
    if draw(st.integers(0, 9)) > 0:  # else time goes back between runs
        ends.sort()
    # in quiet stories everything is told before the first run, and most of it has happened: what changes is the time
    quiet = timedelta(days=draw(st.sampled_from([0, 0, 6, 9])))
    facts = [Fact(fact.table, 0, fact.values) if quiet else fact for fact in draw(histories)]
    runs = [Run(as_of + quiet, draw(st.sampled_from([0, 0, 0, 0, 1])), draw(st.booleans())) for as_of in ends]
    return Story(
        facts=facts,
        rule_sets=draw(st.lists(rule_sets(), min_size=2, max_size=2))
        if any(run.rules for run in runs)
        else [draw(rule_sets())],
        runs=[*runs[:-1], Run(runs[-1].as_of, runs[-1].rules, True)],
        timezone=draw(st.sampled_from(["Asia/Tokyo", "Asia/Tokyo", "Australia/Sydney", "America/New_York"])),
        leads_at_a_time=draw(st.sampled_from([1_000_000, 1_000_000, 3, 1])),
        behaviours_at_a_time=draw(st.sampled_from([1_000_000, 1_000_000, 5])),
        seed=draw(st.integers(0, 1000)),
    )


def empty_warehouse() -> duckdb.DuckDBPyConnection:
    """A warehouse in memory with its migrations, as opening the file makes it."""
    connection = connect(Path(":memory:"), Settings())
    connection.execute("set threads = 1")  # there is little to share
    for migration in sorted((MODELS.parent / "migrations" / "warehouse").glob("*.sql")):
        connection.execute(migration.read_text(encoding="utf-8"))
    return connection


@pytest.fixture(scope="module")
def spare() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse that is empty again after every use, since nothing is committed."""
    with empty_warehouse() as connection:
        yield connection


def derive(connection: duckdb.DuckDBPyConnection, story: Story, run: Run) -> None:
    recompute(connection, story.rule_sets[run.rules], run.as_of, OWN_URL, timezone=story.timezone)


@contextmanager
def undone(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction that leaves nothing behind."""
    connection.begin()
    try:
        yield
    finally:
        connection.rollback()


def derive_at_once(spare: duckdb.DuckDBPyConnection, facts: list[Fact], story: Story, run: Run) -> Rows:
    with undone(spare):
        insert(spare, in_disorder(facts, story.seed))
        derive(spare, story, run)
        return rows_of(spare)


def rows_of(connection: duckdb.DuckDBPyConnection) -> Rows:
    """Every kept table's rows, whole, in an order of their own, after its columns."""
    made = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    rows = {}
    for table in (name for name in KEPT if name in made):
        relation = connection.execute(f"from {table}")
        columns = [f"{column[0]} {column[1]}" for column in relation.description or ()]
        rows[table] = [repr(columns), *sorted(shown(row) for row in relation.fetchall())]
    return rows


def shown(row: tuple[object, ...]) -> str:
    """A row as it is compared: a map has no order."""
    return ", ".join(str(sorted(value.items()) if isinstance(value, dict) else value) for value in row)


def differences(bit_by_bit: Rows, at_once: Rows) -> str:
    """Each row that stands on one side alone, by table."""
    lines = []
    for table in KEPT:
        ours, theirs = Counter(bit_by_bit.get(table, [])), Counter(at_once.get(table, []))
        if ours != theirs:
            lines += [table, f"    {next(iter(ours), None)}"]
            lines += [f"  only bit by bit: {row}" for row in (ours - theirs).elements()]
            lines += [f"  only at once:    {row}" for row in (theirs - ours).elements()]
    return "\n".join(lines)


ADDS_UP = {
    "points add up to the score": """
        select lead_id, leads.score, sum(points.points)
        from leads left join lead_score_points as points using (lead_id)
        group by all having leads.score is distinct from coalesce(sum(points.points), 0)
    """,
    "no points are unknown": "from lead_score_points where points is null or points_given is null",
    "scores of an account add up": """
        select account_id, accounts.score, sum(leads.score), accounts.leads
        from accounts left join leads using (account_id)
        group by all having accounts.score is distinct from sum(leads.score) or accounts.leads != count(*)
    """,
    "tiers follow one another": """
        from lead_tier_changes
        qualify from_tier is distinct from lag(to_tier) over (partition by lead_id order by changed_at)
            or from_tier is not distinct from to_tier
    """,
    "stages follow one another": """
        from lead_stage_changes
        qualify from_stage is distinct from lag(to_stage) over (partition by lead_id order by changed_at)
            or from_stage is not distinct from to_stage
            or left_at != coalesce(
                lead(changed_at) over (partition by lead_id order by changed_at), timestamptz 'infinity'
            )
    """,
    "scores follow one another": """
        from lead_score_changes
        qualify score - points is distinct from coalesce(lag(score) over (partition by lead_id order by changed_at), 0)
    """,
    "a lead has the tier and the stage it came to": """
        from leads
        where tier is distinct from (
            select max_by(to_tier, changed_at) from lead_tier_changes as changes where changes.lead_id = leads.lead_id
        ) or stage is distinct from (
            select max_by(to_stage, changed_at) from lead_stage_changes as changes where changes.lead_id = leads.lead_id
        )
    """,
    "stays do not touch or overlap": """
        from segment_members
        qualify entered_at <= lag(coalesce(left_at, 'infinity')) over (partition by segment, lead_id order by entered_at)
            or left_at <= entered_at
    """,
    "a lead is of one account at a time": """
        from lead_accounts
        qualify valid_from < lag(valid_to) over (partition by lead_id order by valid_from) or valid_to <= valid_from
    """,
}


def check_sums(connection: duckdb.DuckDBPyConnection) -> None:
    for what, query in ADDS_UP.items():
        assert connection.execute(query).fetchall() == [], what


def run_story(warehouse: duckdb.DuckDBPyConnection, spare: duckdb.DuckDBPyConnection, story: Story) -> None:
    """Live through a story in one warehouse, and compare it with one that is told everything at once."""
    known: list[Fact] = []
    last = len(story.runs) - 1
    for number, run in enumerate(story.runs):
        arrived = [fact for fact in story.facts if min(fact.batch, last) == number]
        known += arrived
        warehouse.begin()
        insert(warehouse, arrived)
        warehouse.commit()
        warehouse.begin()
        with (
            patch.object(lead_models, "LEADS_AT_A_TIME", story.leads_at_a_time),
            patch.object(lead_models, "BEHAVIOURS_AT_A_TIME", story.behaviours_at_a_time),
        ):
            derive(warehouse, story, run)
        warehouse.commit()
        if run.is_compared:
            differing = differences(rows_of(warehouse), derive_at_once(spare, known, story, run))
            assert not differing, f"after run {number + 1}:\n{differing}"
            check_sums(warehouse)


@pytest.mark.timeout(0 if EXAMPLES else 600)
@random_examples
@given(stories())
def test_bit_by_bit_equals_at_once(spare: duckdb.DuckDBPyConnection, story: Story) -> None:
    with empty_warehouse() as warehouse:
        run_story(warehouse, spare, story)


gaps = st.sampled_from([timedelta(minutes=minutes) for minutes in (0, 0, 1, 15, 29, 30, 31, 360, 720, 1440)])
"""Those of the windows, so that acts often meet the end of one."""


@st.composite
def acts(draw: st.DrawFn) -> list[Act]:
    """What one lead does, often close together."""
    kinds = ("page_view price", "page_view price", "page_view", "mail_open", "mail_click", "document_download")
    found: list[Act] = []
    when = START
    for _ in range(6):
        event, _, page_group = draw(st.sampled_from(kinds)).partition(" ")
        for gap, detail in draw(st.lists(st.tuples(gaps, st.integers(0, 2)))):
            when += gap
            is_mail = event.startswith("mail_")
            send_id = f"s{detail // 2}" if is_mail else None
            number = (len(found) * 7919 + 13) % 10007
            found.append(Act(when, number, event, page_group or None, send_id, is_mail and detail == 1))
    return found


def scored_rules() -> st.SearchStrategy[RuleSet]:
    asked = st.sampled_from(
        [
            Selector(event="page_view", page_group="price"),
            Selector(event="page_view"),
            Selector(event="mail_open"),
            Selector(event="document_download"),
            Selector(event="any"),
        ]
    )
    counts = st.builds(EventCondition, on=asked, at_least=st.integers(1, 3), within_days=windows)
    return st.builds(
        lambda rules, cap, lowest, highest, conditions: rule_set(
            scoring=numbered(rules),
            scoring_groups=(ScoringGroup(id="group", label="群", cap=cap),),
            minimum_score=lowest,
            maximum_score=highest,
            segments=tuple(
                Segment(id=f"segment_{number}", label="層", where=where) for number, where in enumerate(conditions)
            ),
        ),
        st.lists(scoring_rules(asked), min_size=1, max_size=6),
        caps,
        st.sampled_from([None, 0, -5]),
        st.sampled_from([None, 20]),
        st.lists(counts, min_size=1, max_size=6),
    )


@pytest.mark.timeout(0 if EXAMPLES else 600)
@random_examples
@given(acts(), scored_rules(), instants, st.sampled_from(["Asia/Tokyo", "Australia/Sydney"]))
def test_points_and_windows_are_what_they_mean(
    spare: duckdb.DuckDBPyConnection, acts: list[Act], rules: RuleSet, as_of: datetime, timezone: str
) -> None:
    facts = [
        Fact(
            "lead_records",
            0,
            {
                "record_id": "r",
                "source": "crm",
                "email": "a@example.com",
                "occurred_at": START,
                "received_at": START,
                "attributes": {},
            },
        )
    ]
    for act in acts:
        stamps = {"occurred_at": act.at, "received_at": act.at}
        values = {
            "event_id": UUID(int=act.number), "source": "web", "event_type": act.event, "email": "a@example.com",
            "send_id": act.send_id, "url": f"/{act.page_group}" if act.page_group else None, **stamps,
            "properties": {"sg_machine_open": "true"} if act.is_machine else None,
        }  # fmt: skip
        facts.append(Fact("events", 0, values))
    seen = [act for act in acts if act.at <= as_of]
    with undone(spare):
        insert(spare, facts)
        recompute(spare, rules, as_of, OWN_URL, timezone=timezone)
        points = spare.execute("select rule, event_id, points from lead_score_points").fetchall()
        assert {(rule, event_id.int if event_id else None): given for rule, event_id, given in points} == points_of(
            rules, seen, as_of, timezone
        )
        for segment in rules.segments:
            stays = spare.execute(
                "select entered_at, left_at from segment_members where segment = ? order by 1", [segment.id]
            ).fetchall()
            assert isinstance(segment.where, EventCondition)
            assert stays == stays_of(segment.where, rules, seen, as_of), segment.where
        check_sums(spare)
