"""A lead's first contact is the first thing known of it, whatever facts come in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import duckdb
import pytest
from hypothesis import given

from tests.facts import at
from tests.rule_sets import rule_set
from tests.warehouse.histories import OWN_URL, Fact, histories, insert, instants
from tests.warehouse.test_increments import empty_warehouse, random_examples
from warehouse.published_queries import published_query
from warehouse.recompute import recompute


@pytest.fixture(scope="module")
def spare() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse of which nobody was mailed or handed off, as publications see it."""
    with empty_warehouse() as connection:
        instants_of = {
            "sends": ("sent_at", "delivered_at", "clicked_at"),
            "handoffs": ("handed_off_at", "first_contact_at", "met_at"),
        }
        for table, columns in instants_of.items():
            typed = ", ".join(f"{column} timestamptz" for column in columns)
            connection.execute(f"create table {table} (current_lead_id varchar, scenario varchar, {typed})")
        yield connection


def journeys_of(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> list[tuple[datetime, str]]:
    """Derive everything and leave the journeys behind as a table. Returns first contacts and their sources."""
    recompute(connection, rule_set(), as_of, OWN_URL)
    for name, table in (("leads", "leads"), ("activity", "lead_activity"), ("first_records", "lead_first_records")):
        connection.execute(f"create view scope_{name} as from {table}")
    connection.execute(f"create table journeys as {published_query('lead_journeys')}", {"as_of": as_of})
    return connection.execute("select first_contact_at, source from journeys").fetchall()


@random_examples
@given(facts=histories, when=instants)
def test_whatever_comes_a_lead_s_source_is_that_of_the_first_thing_known_of_it(
    spare: duckdb.DuckDBPyConnection, facts: list[Fact], when: datetime
) -> None:
    """Of people who share browsers, change address and are merged: each fact's owner is looked up by hand."""
    as_of = when + timedelta(days=6)
    spare.begin()
    try:
        insert(spare, facts)
        journeys_of(spare, as_of)
        found = spare.execute(
            """
            with owned as (
                select
                    coalesce(by_email.lead_id, by_id.lead_id, by_send.lead_id, bound.lead_id) as lead_id,
                    facts.known_at,
                    facts.source,
                from (
                    select email, external_id, send_id, visitor, source, occurred_at, occurred_at as known_at, received_at
                    from events
                    union all
                    select
                        email, external_id, null, null, source, occurred_at,
                        coalesce(least(occurred_at, created_at), occurred_at), received_at
                    from lead_records
                ) as facts
                left join lead_identities as by_email on by_email.kind = 'email' and by_email.value = facts.email
                left join lead_identities as by_id on by_id.kind = 'external_id' and by_id.value = facts.external_id
                left join send_addresses as sent
                    on sent.send_id = facts.send_id and facts.email is null and facts.external_id is null
                left join lead_identities as by_send on by_send.kind = 'email' and by_send.value = sent.email
                left join visitor_bindings as bound
                    on
                        bound.visitor = facts.visitor and facts.email is null and facts.external_id is null
                        and facts.known_at >= bound.valid_from and facts.known_at < bound.valid_to
                where facts.occurred_at <= $as_of and facts.received_at <= $as_of
            ),

            firsts as (
                select lead_id, min((known_at, source)) as first
                from owned
                where lead_id is not null
                group by lead_id
            )

            select leads.lead_id, leads.created_at, firsts.first[1], firsts.first[2], journeys.first_contact_at, journeys.source
            from leads
            left join firsts using (lead_id)
            left join journeys using (lead_id)
            """,
            {"as_of": as_of},
        ).fetchall()
    finally:
        spare.rollback()
    for _, created_at, first_at, expected, first_contact_at, source in found:
        assert created_at == first_at == first_contact_at
        assert source == expected


@pytest.mark.parametrize("source, first", [("crm", "crm"), ("zeta", "web")])
def test_of_a_record_and_an_event_of_one_instant_the_source_is_the_first_by_name(
    spare: duckdb.DuckDBPyConnection, source: str, first: str
) -> None:
    stamps = {"email": "a@example.com", "occurred_at": at(1), "received_at": at(1)}
    spare.begin()
    try:
        insert(
            spare,
            [
                Fact("lead_records", 0, {"record_id": "r1", "source": source, "attributes": {}, **stamps}),
                Fact("events", 0, {"event_id": UUID(int=1), "source": "web", "event_type": "form_submit", **stamps}),
            ],
        )
        assert journeys_of(spare, at(2)) == [(at(1), first)]
    finally:
        spare.rollback()
