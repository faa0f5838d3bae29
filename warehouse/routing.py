"""Finds who takes a handoff: who had the lead before, else the route that fits, else whose turn it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from rules.business_days import days_between
from rules.models import Owner, RuleSet
from warehouse.statements import query

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
    connection.execute(f"create or replace temp table unassigned as {query('unassigned_handoffs')}")
    connection.execute(
        "update handoffs set route = unassigned.route from unassigned where handoffs.handoff_id = unassigned.handoff_id"
    )
    _keep_owners(
        connection,
        "select handoff_id, caused_at, owner_before as owner from unassigned where owner_before is not null",
    )
    for route in (*(route.id for route in rules.handoff.routes), None):
        _take_turns(
            connection,
            rules,
            route,
            "select handoff_id, caused_at from unassigned"
            " where owner_before is null and handoff_id = first_handoff_id and route is not distinct from ?",
            [route],
        )
    _keep_owners(
        connection,
        "select unassigned.handoff_id, unassigned.caused_at, first_ones.owner from unassigned"
        " inner join handoffs as first_ones on unassigned.first_handoff_id = first_ones.handoff_id"
        " where unassigned.owner_before is null and unassigned.handoff_id != unassigned.first_handoff_id",
    )
    connection.execute("update handoffs set first_owner = owner where first_owner is null")


def _keep_owners(connection: duckdb.DuckDBPyConnection, seekers: str) -> None:
    """Give handoffs to whoever has their lead: each is a turn of that rep."""
    connection.execute(
        f"""
        create or replace temp table kept as
        with seekers as ({seekers}),

        standing as (
            select owner, max(turn) as turn
            from handoffs
            group by owner
        )

        select
            seekers.handoff_id,
            owners.owner,
            coalesce(standing.turn, 0)
            + row_number() over (partition by owners.owner order by seekers.caused_at, seekers.handoff_id)
            / owners.weight as turn,
        from seekers
        inner join handoff_owners as owners on seekers.owner = owners.owner
        left join standing on owners.owner = standing.owner
        """
    )
    connection.execute(
        "update handoffs set owner = kept.owner, turn = kept.turn, assigned_because = 'same_owner'"
        " from kept where handoffs.handoff_id = kept.handoff_id"
    )


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
    found = connection.execute("select distinct route, owner from overdue order by all").fetchall()
    for route, owner in found:
        _take_turns(
            connection,
            rules,
            route,
            "select handoff_id, caused_at from overdue where owner = ? and route is not distinct from ?",
            [owner, route],
            not_to=owner,
        )
    connection.execute(
        """
        insert into handoff_changes by name
        select
            handoff_id || ' reassigned' as change_id,
            handoffs.handoff_id,
            $as_of as changed_at,
            $as_of as noted_at,
            'engine' as source,
            handoffs.owner,
        from handoffs
        inner join overdue using (handoff_id)
        where handoffs.owner != overdue.owner
        """,
        {"as_of": as_of},
    )
    connection.execute(
        "update handoffs set reassigned_at = ?, written_at = null from overdue"
        " where handoffs.handoff_id = overdue.handoff_id and handoffs.owner != overdue.owner",
        [as_of],
    )
    ((count,),) = connection.execute(
        "select count(*) from handoffs inner join overdue using (handoff_id) where handoffs.owner != overdue.owner"
    ).fetchall()
    return int(count)


def _take_turns(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    route: str | None,
    seekers: str,
    values: list[str | None],
    *,
    not_to: str = "",
) -> None:
    connection.execute(f"create or replace temp table turn_seekers as {seekers}", values)
    of_route = next((one.owners for one in rules.handoff.routes if one.id == route), ())
    connection.execute(
        f"create or replace temp table turns as {query('turns')}",
        {"route": route, "of_route": list(of_route), "not_to": not_to},
    )
    connection.execute(
        "update handoffs set owner = turns.owner, turn = turns.turn, assigned_because = turns.assigned_because"
        " from turns where handoffs.handoff_id = turns.handoff_id"
    )
