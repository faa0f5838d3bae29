"""Derives everything that follows from the facts and the rules, as of one instant.

Every derived table is a function of facts, rule set and ``as_of`` alone, so a run repeated, interrupted or made
elsewhere gives the same rows. All tables change in one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import duckdb

from rules.models import RuleSet
from warehouse.leads import leads_query
from warehouse.rule_tables import write_rules
from warehouse.segments import compared_fields, compile_segment

MODELS = Path(__file__).parent / "models"
_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")

Progress = Callable[[str], None]


def recompute(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    as_of: datetime,
    own_url: str,
    on_progress: Progress | None = None,
) -> dict[str, int]:
    """Rebuild the derived tables in the caller's transaction.

    Args:
        connection: The warehouse.
        rules: The rule set.
        as_of: The instant.
        own_url: Base of the links in mails; clicks on opt-out and preference links under it never count.
        on_progress: Told what is being computed.

    Returns:
        Leads by tier, e.g. ``{"hot": 3, "warm": 10, "cold": 400}``.
    """
    report = on_progress or (lambda _: None)
    write_rules(connection, rules)
    values = {"as_of": as_of, "compared_fields": compared_fields(rules.segments), "own_url": own_url}

    def build(*names: str) -> None:
        for name in names:
            create_table(connection, name, (MODELS / f"{name}.sql").read_text(encoding="utf-8"), values)

    report("identities")
    build("identity_facts")
    _join_identities(connection)
    build("lead_identities", "lead_aliases", "send_addresses", "visitor_bindings")
    report("behaviour")
    build("lead_events", "send_outcomes", "title_levels", "lead_attribute_history", "attribute_forms", "lead_starts")
    report("scores, tiers and stages")
    build("lead_score_points", "lead_score_changes", "lead_tier_changes", "lead_stage_changes")
    report("segments")
    _build_segments(connection, rules, as_of)
    report("leads")
    build("deals", "lead_suppressions", "lead_consents")
    create_table(connection, "leads", leads_query(rules.fields), values)
    return dict(connection.execute("select tier, count(*) from leads group by tier").fetchall())


def create_table(connection: duckdb.DuckDBPyConnection, name: str, query: str, values: Mapping[str, object]) -> None:
    """Make table ``name`` what ``query`` selects, binding those of ``values`` that it mentions."""
    wanted = set(_PARAMETER.findall(query))
    connection.execute(f"create or replace table {name} as {query}", {key: values[key] for key in wanted})


def _build_segments(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> None:
    connection.execute(
        "create or replace table segment_members"
        " (segment varchar, lead_id varchar, entered_at timestamptz, left_at timestamptz)"
    )
    fields = {field.id: field for field in rules.fields}
    for segment in rules.segments:  # in order of reference
        query, values = compile_segment(segment, fields)
        if "$as_of" in query:
            values["as_of"] = as_of
        connection.execute(f"insert into segment_members {query}", values)


def _join_identities(connection: duckdb.DuckDBPyConnection) -> None:
    """Give identities that facts named together the same component: the least of their names.

    Every round hands on the least name over one more link and then over everything that shares a component, so long
    chains close in few rounds.
    """
    connection.execute("""
        create or replace temp table identity_links as
        select distinct 'email:' || email as this, 'id:' || external_id as other
        from identity_facts
        where email is not null and external_id is not null
    """)
    connection.execute("""
        create or replace table identity_components as
        select this as identity, this as component from identity_links
        union
        select other as identity, other as component from identity_links
    """)
    while True:
        connection.execute("""
            create or replace temp table closer as
            with neighbours as (
                select this, other from identity_links
                union all
                select other, this from identity_links
            ),

            offered as (
                select mine.component, min(theirs.component) as least
                from neighbours
                inner join identity_components as mine on neighbours.this = mine.identity
                inner join identity_components as theirs on neighbours.other = theirs.identity
                group by mine.component
            )

            select component, least from offered where least < component
        """)
        if connection.execute("select count(*) from closer").fetchone() == (0,):
            return
        connection.execute("""
            update identity_components
            set component = closer.least
            from closer
            where identity_components.component = closer.component
        """)
