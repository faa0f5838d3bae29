"""Whatever the order in which facts arrived, the derived tables end the same."""

from __future__ import annotations

import os
import random
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settings import Settings
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import rule_set
from warehouse.connection import open_warehouse
from warehouse.recompute import recompute

EXAMPLES = os.environ.get("NURTURE_PROPERTY_EXAMPLES")
TABLES = (
    "leads", "lead_identities", "visitor_bindings", "lead_behaviours", "lead_attribute_history", "lead_score_points",
    "lead_tier_changes", "lead_stage_changes", "segment_members", "lead_suppressions", "deals",
)  # fmt: skip

PEOPLE = [f"{name}@example.com" for name in "abc"]
instants = st.integers(0, 60 * 24 * 40).map(lambda minutes: START + timedelta(minutes=10 * (minutes // 10)))
events = st.tuples(
    st.sampled_from(
        ["page_view", "link_visit", "document_download", "mail_open", "consultation_request", "mail_unsubscribe"]
    ),
    instants,
    st.sampled_from([*PEOPLE, None]),
    st.sampled_from(["v1", "v2"]),
    st.sampled_from(["/price", "/cases", "/price/x"]),
    st.sampled_from(["case-1", "guide"]),
    st.sampled_from(["s1", "s2"]),
)
records = st.tuples(
    st.sampled_from(PEOPLE), instants, st.sampled_from(["部長", "副部長", "課長"]), st.sampled_from(["製造業", "IT"])
)


def derive(facts: list, as_of: datetime) -> dict[str, list[str]]:
    with tempfile.TemporaryDirectory() as home, open_warehouse(Settings(home=Path(home))) as connection:
        for number, fact in facts:
            fact(connection, number)
        recompute(connection, rule_set(), as_of, "http://127.0.0.1:8787")
        return {table: sorted(map(repr, connection.execute(f"from {table}").fetchall())) for table in TABLES}


def event_fact(values: tuple):
    event_type, when, email, visitor, url, asset, send_id = values
    return lambda connection, number: add_event(
        connection, event_type, when, email=email, visitor=visitor, url=url, asset=asset, send_id=send_id,
        event_id=UUID(int=number),
    )  # fmt: skip


def record_fact(values: tuple):
    email, when, title, industry = values

    def add(connection: duckdb.DuckDBPyConnection, number: int) -> None:
        add_lead(connection, email, when, title=title, industry=industry)
        connection.execute("update lead_records set record_id = ? where record_id like 'r%'", [f"k{number}"])

    return add


@settings(max_examples=int(EXAMPLES or 6), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events, min_size=1, max_size=25), st.lists(records, max_size=8), st.integers(0, 2**32))
def test_disorder_changes_nothing(event_values, record_values, seed) -> None:
    facts = list(enumerate([*(event_fact(one) for one in event_values), *(record_fact(one) for one in record_values)]))
    facts.append((10_000, lambda connection, _: add_consent(connection, PEOPLE[0])))
    facts.append((10_001, lambda connection, _: add_suppression(connection, PEOPLE[1], at(3))))
    shuffled = facts.copy()
    random.Random(seed).shuffle(shuffled)
    assert derive(facts, at(30)) == derive(shuffled, at(30))
