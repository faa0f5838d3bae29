"""Finds who takes a handoff: who had the lead before, else the route that fits, else whose turn it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from rules.business_days import days_between
from rules.models import Owner, RuleSet
from warehouse.turns import find_owners, make_assigned, take_turns

_OWNERS = pa.schema(
    {
        "owner": pa.string(),
        "position": pa.int32(),
        "weight": pa.float64(),
        "capacity": pa.int32(),
        "is_absent": pa.bool_(),
        "sfa_user": pa.string(),
        "manager": pa.string(),
    }
)
_ROUTES = pa.schema({"route": pa.string(), "position": pa.int32(), "segment": pa.string()})
_HANDOFFS_TAKEN = (
    "select handoff_id as seeker_id, owner, route, turn, status not in ('won', 'lost', 'returned') as is_open"
    " from handoffs where owner != ''"
)


def make_owners(connection: duckdb.DuckDBPyConnection, rules: RuleSet, timezone: str, as_of: datetime) -> None:
    """Make the temporary tables ``handoff_owners`` and ``handoff_routes``."""
    today = as_of.astimezone(ZoneInfo(timezone)).date()
    owners = [
        {
            "owner": owner.id,
            "position": position,
            "weight": owner.weight,
            "capacity": owner.capacity,
            "is_absent": any(
                today in days_between(days, year) for days in owner.absent for year in (today.year - 1, today.year)
            ),
            "sfa_user": sfa_user_of(owner),
            "manager": owner.manager or (rules.handoff.managers[0].id if rules.handoff.managers else None),
        }
        for position, owner in enumerate(rules.handoff.owners)
    ]
    routes = [
        {"route": route.id, "position": position, "segment": route.segment}
        for position, route in enumerate(rules.handoff.routes)
    ]
    for table, schema, rows in (("handoff_owners", _OWNERS, owners), ("handoff_routes", _ROUTES, routes)):
        connection.register("given_rows", pa.Table.from_pylist(rows, schema=schema))
        connection.execute(f"create or replace temp table {table} as select * from given_rows")
        connection.unregister("given_rows")


def sfa_user_of(owner: Owner) -> str:
    """What the SFA calls a rep."""
    return owner.sfa_user or owner.id


def assign_owners(connection: duckdb.DuckDBPyConnection, rules: RuleSet) -> None:
    """Give every handoff without an owner one, and say by which rule. Needs :func:`make_owners`."""
    connection.execute(
        "create or replace temp table seekers as"
        " select handoff_id as seeker_id, lead_id, caused_at from handoffs where owner = ''"
    )
    connection.execute(f"create or replace temp table turns_taken as {_HANDOFFS_TAKEN}")
    find_owners(connection, rules)
    connection.execute(
        """
        update handoffs
        set
            owner = assigned.owner,
            first_owner = coalesce(first_owner, assigned.owner),
            route = assigned.route,
            turn = assigned.turn,
            assigned_because = assigned.assigned_because
        from assigned
        where handoffs.handoff_id = assigned.seeker_id
        """
    )


def assign_notices(connection: duckdb.DuckDBPyConnection, rules: RuleSet) -> None:
    """Find who is told of what is no handoff: the temporary table ``assigned``, by lead and event.

    Needs :func:`make_owners` and the temporary table ``causes``. Notices have turns of their own, so that nobody gets
    all of them and another all handoffs.
    """
    connection.execute(
        """
        create or replace temp table seekers as
        select concat_ws(chr(31), causes.lead_id, causes.cause_event_id) as seeker_id, causes.lead_id, causes.caused_at
        from causes
        where
            causes.kind = 'notify'
            -- what a handoff tells needs nobody else
            and not exists (
                select 1
                from handoffs
                inner join warehouse.lead_aliases as aliases on handoffs.lead_id = aliases.alias_lead_id
                where aliases.lead_id = causes.lead_id and handoffs.cause_event_id = causes.cause_event_id
            )
        """
    )
    connection.execute(
        f"""
        create or replace temp table turns_taken as
        select * replace (null as turn, null as route) from ({_HANDOFFS_TAKEN})
        union all
        select notice_id, owner, route, turn, false as is_open
        from notices
        where kind = 'notify' and way = 'mail' and turn is not null
        """
    )
    find_owners(connection, rules, is_notice=True)


def reassign(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> int:
    """Give handoffs whose second limit is over, and that nobody has called, to someone else who is there, each once.

    Returns:
        How many.
    """
    if not rules.handoff.reassigns:
        return 0
    connection.execute(
        """
        create or replace temp table overdue as
        select handoff_id, caused_at, route, owner
        from handoffs
        where
            status in ('new', 'accepted')
            and first_contact_at is null
            and reassigned_at is null
            and second_due_at <= $as_of
            and second_due_at + $recently > $as_of
        """,
        {"as_of": as_of, "recently": timedelta(hours=rules.expires_after_hours)},
    )
    connection.execute(f"create or replace temp table turns_taken as {_HANDOFFS_TAKEN}")
    make_assigned(connection)
    for route, owner in connection.execute("select distinct route, owner from overdue order by all").fetchall():
        take_turns(
            connection,
            rules,
            route,
            "select handoff_id as seeker_id, caused_at from overdue where owner = ? and route is not distinct from ?",
            [owner, route],
            not_to=owner,
        )
    connection.execute(
        """
        insert into handoff_changes by name
        select
            seeker_id || ' reassigned' as change_id,
            seeker_id as handoff_id,
            $as_of as changed_at,
            $as_of as noted_at,
            'engine' as source,
            owner,
            assigned_because,
        from assigned
        """,
        {"as_of": as_of},
    )
    ((count,),) = connection.execute(
        """
        update handoffs
        set owner = assigned.owner, turn = assigned.turn, reassigned_at = $as_of, written_at = null
        from assigned
        where handoffs.handoff_id = assigned.seeker_id
        """,
        {"as_of": as_of},
    ).fetchall()
    return int(count)
