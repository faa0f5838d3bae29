"""Moves leads through scenarios with waits and branches: enter, leave early, go on, and come to a mail.

A mail that a run has come to is an enrolment like those of the sheet, so that one engine decides on all of them. A run
stands at it until that decision is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from rules.business_days import open_days
from rules.models import RuleSet, Window
from warehouse.openings import make_zones
from warehouse.statements import bound, insert_in_parts, insert_mails, query

_FARTHEST = timedelta(days=400)
"""How far around business days are counted; the longest wait is 60 of them."""
_WORKING = Window(id="business_days", label="", days=("mon", "tue", "wed", "thu", "fri"), on_holidays=False)


def move_runs(connection: duckdb.DuckDBPyConnection, rules: RuleSet, values: Mapping[str, object]) -> None:
    """Bring every run to where it stands as of ``values["as_of"]``, and enrol those that have come to a mail.

    Args:
        connection: The ledger, with the warehouse attached.
        rules: The rule set the warehouse was recomputed with.
        values: What the statements ask for.
    """
    if rules.scenarios:
        statement, given = bound("enter_runs", values)
        insert_in_parts(connection, "scenario_runs", statement, given, "lead_id, scenario, occurrence")
    find_leaving(
        connection,
        "select null::varchar as send_id, lead_id, scenario, null::varchar as step, occurrence, entered_at as since_at"
        " from scenario_runs where state = 'active'",
    )
    connection.execute(
        f"update scenario_runs set state = 'ended', end_reason = over.end_reason, ended_at = $as_of"
        f" from ({query('end_runs')}) as over where scenario_runs.lead_id = over.lead_id"
        " and scenario_runs.scenario = over.scenario and scenario_runs.occurrence = over.occurrence",
        {"as_of": values["as_of"]},
    )
    if not rules.scenarios:
        return
    make_zones(connection)
    _make_business_days(connection, rules, values)
    statement, given = bound("run_moves", values)
    for _ in range(max(len(scenario.nodes) for scenario in rules.scenarios) + 1):
        connection.execute(f"create or replace temp table run_moved as {statement}", given)
        ((moved,),) = connection.execute("select count(*) from run_moved").fetchall()
        if not moved:
            break
        _move(connection, values)
    insert_mails(connection, *bound("enrol_runs", values))


def find_leaving(connection: duckdb.DuckDBPyConnection, asked: str) -> None:
    """Make the temporary table ``leaving``: what ends the runs and mails early that the query ``asked`` selects."""
    connection.execute(f"create or replace temp view asked_enrolments as {asked}")
    connection.execute(f"create or replace temp table leaving as {query('leaving')}")
    connection.execute("drop view asked_enrolments")


def _move(connection: duckdb.DuckDBPyConnection, values: Mapping[str, object]) -> None:
    connection.execute(
        "insert into scenario_run_moves select lead_id, scenario, occurrence, node, reached_at, $as_of from run_moved",
        {"as_of": values["as_of"]},
    )
    connection.execute(
        """
        update scenario_runs
        set
            node = run_moved.node,
            reached_at = run_moved.reached_at,
            waits_until = run_moved.waits_until,
            state = if(run_moved.node is null, 'ended', 'active'),
            end_reason = if(run_moved.node is null, 'finished', null),
            ended_at = if(run_moved.node is null, run_moved.reached_at, null),
        from run_moved
        where
            scenario_runs.lead_id = run_moved.lead_id
            and scenario_runs.scenario = run_moved.scenario
            and scenario_runs.occurrence = run_moved.occurrence
        """
    )


def _make_business_days(connection: duckdb.DuckDBPyConnection, rules: RuleSet, values: Mapping[str, object]) -> None:
    """Make the temporary table ``business_days``: the company's working days, numbered in order."""
    as_of = values["as_of"]
    assert isinstance(as_of, datetime)
    ((since,),) = connection.execute(
        "select coalesce(min(reached_at), $1) from scenario_runs where state = 'active'", [as_of]
    ).fetchall()
    zone = ZoneInfo(str(values["timezone"]))
    first, last = since.astimezone(zone).date() - _FARTHEST, as_of.astimezone(zone).date() + _FARTHEST
    days = [
        {"day": day, "number": number}
        for number, day in enumerate(open_days(rules.delivery, _WORKING, first, last), start=1)
    ]
    table = pa.Table.from_pylist(days, schema=pa.schema({"day": pa.date32(), "number": pa.int64()}))
    connection.register("given_days", table)
    connection.execute("create or replace temp table business_days as select * from given_days")
    connection.unregister("given_days")
