"""Finds a rep for whoever seeks one: who had the lead, else whose turn it is. It knows nothing of what is sought for.

The temporary table ``turns_taken`` holds the turns there were: ``seeker_id``, ``owner``, ``route``, ``turn``, and
``is_open``, which counts against the owner's capacity. What is found stands in ``assigned``.
"""

from __future__ import annotations

import duckdb

from rules.models import RuleSet
from warehouse.statements import query


def find_owners(connection: duckdb.DuckDBPyConnection, rules: RuleSet, *, is_notice: bool = False) -> None:
    """Find an owner for every row of the temporary table ``seekers``, and say by which rule.

    Args:
        connection: The ledger, with ``seekers``, ``turns_taken`` and the tables of ``make_owners``.
        rules: The rule set.
        is_notice: Whether notices are sought for: they take nothing of anybody's capacity.
    """
    make_assigned(connection)
    connection.execute(f"create or replace temp table unassigned as {query('seek_owners')}", {"is_notice": is_notice})
    _keep_owners(
        connection,
        "select seeker_id, caused_at, owner_before as owner from unassigned where owner_before is not null",
        is_notice,
    )
    for route in (*(route.id for route in rules.handoff.routes), None):
        take_turns(
            connection,
            rules,
            route,
            "select seeker_id, caused_at from unassigned"
            " where owner_before is null and seeker_id = first_seeker_id and route is not distinct from ?",
            [route],
            is_notice=is_notice,
        )
    _keep_owners(
        connection,
        "select unassigned.seeker_id, unassigned.caused_at, assigned.owner from unassigned"
        " inner join assigned on unassigned.first_seeker_id = assigned.seeker_id"
        " where unassigned.owner_before is null and unassigned.seeker_id != unassigned.first_seeker_id",
        is_notice,
    )
    connection.execute(
        "update assigned set route = unassigned.route from unassigned where assigned.seeker_id = unassigned.seeker_id"
    )


def make_assigned(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table ``assigned``, empty."""
    connection.execute(
        "create or replace temp table assigned"
        " (seeker_id varchar, owner varchar, route varchar, turn double, assigned_because varchar)"
    )


def take_turns(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    route: str | None,
    seekers: str,
    values: list[str | None],
    *,
    not_to: str = "",
    is_notice: bool = False,
) -> None:
    """Give each seeker of a selection to whose turn it is among a route's owners, or others where they cannot."""
    connection.execute(f"create or replace temp table turn_seekers as {seekers}", values)
    of_route = next((one.owners for one in rules.handoff.routes if one.id == route), ())
    _note(
        connection,
        f"select seeker_id, owner, $route as route, turn, assigned_because from ({query('turns')})",
        {"route": route, "of_route": list(of_route), "not_to": not_to, "counts": not is_notice},
        is_notice,
    )


def _keep_owners(connection: duckdb.DuckDBPyConnection, seekers: str, is_notice: bool) -> None:
    """Give each seeker to whoever has the lead: it is a turn of that rep."""
    _note(
        connection,
        f"""
        with kept as ({seekers}),

        standing as (
            select owner, max(turn) as turn
            from turns_taken
            group by owner
        )

        select
            kept.seeker_id,
            owners.owner,
            null as route,
            coalesce(standing.turn, 0)
            + row_number() over (partition by owners.owner order by kept.caused_at, kept.seeker_id)
            / owners.weight as turn,
            'same_owner' as assigned_because,
        from kept
        inner join handoff_owners as owners on kept.owner = owners.owner
        left join standing on owners.owner = standing.owner
        """,
        {},
        is_notice,
    )


def _note(connection: duckdb.DuckDBPyConnection, found: str, values: dict[str, object], is_notice: bool) -> None:
    connection.execute(f"create or replace temp table found as {found}", values)
    connection.execute("insert into assigned by name from found")
    connection.execute("delete from turns_taken using found where turns_taken.seeker_id = found.seeker_id")
    connection.execute(
        "insert into turns_taken by name select seeker_id, owner, route, turn, ? as is_open from found", [not is_notice]
    )
