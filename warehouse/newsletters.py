"""Enrols the segment of a newsletter for the issues that have become due since the run before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from rules.calendars import Gone, issues_between
from rules.models import RuleSet
from warehouse.statements import bound, insert_mails

_SCHEMA = pa.schema(
    {
        "scenario": pa.string(),
        "step": pa.string(),
        "segment": pa.string(),
        "occurrence": pa.int32(),
        "due_at": pa.timestamp("us", tz="UTC"),
    }
)


def enrol_newsletters(connection: duckdb.DuckDBPyConnection, rules: RuleSet, values: Mapping[str, object]) -> None:
    """Enrol who was in a newsletter's segment when an issue was due.

    An issue is seen to by the first run after it is due: ``values["last_seen"]`` is what the run before saw.

    Args:
        connection: The ledger, with the warehouse attached.
        rules: The rule set the warehouse was recomputed with.
        values: What the statement asks for, and ``last_seen``, ``active_from`` and ``timezone``.
    """
    as_of, last_seen = values["as_of"], values["last_seen"]
    assert isinstance(as_of, datetime)
    assert isinstance(last_seen, datetime)
    active_from = values["active_from"]
    assert isinstance(active_from, datetime)
    issues = []
    for one in rules.newsletters:
        if not one.is_enabled:
            continue
        since = max(_known_since(connection, one.id, as_of), active_from)
        gone = _gone(connection, one.id)
        for found in issues_between(one, since, gone, last_seen, as_of, ZoneInfo(str(values["timezone"]))):
            key = {"scenario": one.id, "step": found.issue, "occurrence": found.occurrence, "due_at": found.due_at}
            issues.append({**key, "segment": one.segment})
    if not issues:
        return
    connection.register("given_issues", pa.Table.from_pylist(issues, schema=_SCHEMA))
    connection.execute("create or replace temp table due_issues as select * from given_issues")
    connection.unregister("given_issues")
    insert_mails(connection, *bound("enrol_newsletters", values))
    # an issue has gone when the last of its readers is enrolled
    connection.execute("insert into newsletter_issues select scenario, step, occurrence, due_at from due_issues")


def _gone(connection: duckdb.DuckDBPyConnection, newsletter: str) -> list[Gone]:
    rows = connection.execute(
        "select issue, occurrence, due_at from newsletter_issues where newsletter = ?", [newsletter]
    ).fetchall()
    return [Gone(*row) for row in rows]


def _known_since(connection: duckdb.DuckDBPyConnection, newsletter: str, as_of: datetime) -> datetime:
    """When a run first knew a newsletter; from then on its issues go."""
    key = f"newsletter {newsletter}"
    connection.execute("insert into activations values (?, ?) on conflict do nothing", [key, as_of])
    ((since,),) = connection.execute("select active_from from activations where rule_set = ?", [key]).fetchall()
    return since  # type: ignore[no-any-return]
