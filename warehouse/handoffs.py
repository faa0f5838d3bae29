"""Decides which leads go to sales: the ledger's side. Every function runs in the caller's one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb

from rules.models import RuleSet
from warehouse.limits import make_open_hours
from warehouse.notices import plan_notices
from warehouse.routing import assign_notices, assign_owners, make_owners, reassign
from warehouse.sending import active_from, last_seen, note_seen, recomputed_at
from warehouse.statements import query

Row = dict[str, Any]


def plan_handoffs(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    as_of: datetime,
    timezone: str = "Asia/Tokyo",
    *,
    knows_calls: bool = True,
) -> dict[str, int]:
    """Turn causes into handoffs and notices, or into the reason why not; remind, escalate and reassign.

    Args:
        connection: The ledger, with the warehouse attached.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        timezone: The business time zone.
        knows_calls: Whether what sales did is known; else nobody is reminded, and nothing escalated or reassigned.

    Returns:
        How many ``handoffs``, ``refused`` and ``notices`` were added, and how many handoffs were ``reassigned``.
    """
    recomputed = recomputed_at(connection, rules, as_of)
    connection.execute(
        f"create or replace temp table causes as {query('handoff_causes')}",
        {
            "hot_tier": rules.handoff.hot_tier,
            # without such a rule no lead ever earns enough
            "again_after_points": rules.handoff.again_after_points or 2**40,
            "active_from": active_from(connection, rules, as_of),
            "last_seen": last_seen(connection, "handoff"),
            "expires_after": timedelta(hours=rules.expires_after_hours),
        },
    )
    note_seen(connection, "handoff", recomputed)
    before = _counts(connection)
    make_owners(connection, rules, timezone, as_of)
    _refuse(connection, rules, as_of)
    ((earliest,),) = connection.execute("select coalesce(min(caused_at), ?) from causes", [as_of]).fetchall()
    make_open_hours(connection, rules, timezone, earliest, as_of)
    # late facts may name an instant before a handoff that was made: one near it, on either side, stands for both
    connection.execute(f"create or replace temp table handed_off_before as {_HANDED_OFF}")
    _hand_off(connection, rules, as_of, "kind = 'handoff' and is_own_request")
    while connection.execute("select 1 from causes where kind = 'handoff' limit 1").fetchall():
        # in the order in which they happened, each measured from those handed off, so that it does not matter
        # whether one run sees them all or many runs see them one by one
        _refuse_not_cooled(connection, rules, as_of)
        _refuse_repeated(connection, rules, as_of)
        _hand_off(connection, rules, as_of, _FIRST)
    assign_owners(connection, rules)
    reassigned = reassign(connection, rules, as_of) if knows_calls else 0
    assign_notices(connection, rules)
    plan_notices(connection, rules, as_of, knows_calls=knows_calls)
    return {
        **{name: count - before[name] for name, count in _counts(connection).items()},
        "reassigned": reassigned,
    }


def _refuse(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> None:
    """Note for each cause the first thing that speaks against it, and take it off the list."""
    connection.execute("create or replace temp table refusals (position integer, segment varchar, decision varchar)")
    for position, one in enumerate(rules.handoff.not_when):
        connection.execute("insert into refusals values (?, ?, ?)", [position, one.segment, one.id])
    connection.execute(
        f"create or replace temp table refused as {query('refuse_handoffs')}",
        {"keeps_holdout_back": rules.handoff.keeps_holdout_back},
    )
    _note_refused(connection, rules, as_of)


def _refuse_not_cooled(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> None:
    """A score that swings about the limit calls once: only one that was low in between calls again."""
    if rules.handoff.cools_below is None:
        return
    connection.execute(
        f"create or replace temp table refused as {query('refuse_not_cooled')}",
        {"cools_below": rules.handoff.cools_below},
    )
    _note_refused(connection, rules, as_of)


def _note_refused(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> None:
    connection.execute(
        """
        insert into handoff_decisions
        select lead_id, cause, cause_event_id, caused_at, decision, ?, ?
        from refused
        """,
        [as_of, rules.version],
    )
    connection.execute(
        "delete from causes using refused where causes.lead_id = refused.lead_id"
        " and causes.cause_event_id = refused.cause_event_id and causes.kind = 'handoff' and not causes.is_own_request"
    )


_HANDED_OFF = """
select
    aliases.lead_id,
    handoffs.cause,
    handoffs.cause_event_id,
    handoffs.caused_at,
    handoffs.owner,
    leads.account_id,
from handoffs
inner join warehouse.lead_aliases as aliases on handoffs.lead_id = aliases.alias_lead_id
left join warehouse.leads on aliases.lead_id = leads.lead_id
"""
_FIRST = """
kind = 'handoff' and (lead_id, cause_event_id) in (
    select (lead_id, cause_event_id)
    from causes
    where kind = 'handoff'
    qualify
        -- a return stands for what nothing else does
        row_number() over (
            partition by lead_id
            order by caused_at, returned_at is not null, score desc, lead_id, cause_event_id
        ) = 1
        -- of colleagues who enter together the one with the highest score goes
        and row_number() over (
            partition by coalesce(account_id || cause, lead_id)
            order by caused_at, returned_at is not null, score desc, lead_id, cause_event_id
        ) = 1
)
"""


def _refuse_repeated(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> None:
    """What follows from a score or a segment near a handoff calls for nobody; a person's own request always does.

    Near a colleague's handoff for the same cause it does not either, where the rules want one lead a company. What
    follows from a return overrides the handoffs up to that return, and none after it.
    """
    connection.execute(
        f"""
        create or replace temp table refused as
        with all_handed_off as ({_HANDED_OFF}),

        near as (
            -- late facts may name an instant before a handoff that was made: one near it on either side stands for it
            select all_handed_off.*, caused_at as near_from, caused_at + $again_after as near_until, true as is_past
            from all_handed_off
            union all
            select handed_off_before.*, caused_at - $again_after as near_from, caused_at as near_until, false as is_past
            from handed_off_before
        )

        select
            causes.lead_id,
            causes.cause,
            causes.cause_event_id,
            causes.caused_at,
            case
                when bool_or(near.lead_id = causes.lead_id) then 'already_handed_off' else 'account_handed_off'
            end as decision,
        from causes
        inner join near
            on
                (
                    near.lead_id = causes.lead_id
                    or (near.account_id = causes.account_id and near.cause = causes.cause)
                )
                and case
                    when causes.returned_at is not null then near.caused_at > causes.returned_at
                    else
                        causes.caused_at < near.near_until
                        and (causes.caused_at > near.near_from or (causes.caused_at = near.near_from and near.is_past))
                end
        where causes.kind = 'handoff' and not causes.is_own_request
        group by causes.lead_id, causes.cause, causes.cause_event_id, causes.caused_at
        """,
        {"again_after": timedelta(days=rules.handoff.again_after_days)},
    )
    _note_refused(connection, rules, as_of)


def _hand_off(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime, which: str) -> None:
    """Hand off some causes and take them off the list. Who takes them is found when all are known."""
    limits = {"limit": rules.handoff.limit_hours, "second_limit": rules.handoff.second_limit_hours}
    if rules.handoff.remind_before_hours is not None:
        limits["reminder"] = rules.handoff.limit_hours - rules.handoff.remind_before_hours
    limits["grace"] = rules.handoff.second_limit_hours - rules.handoff.limit_hours
    reminder = "after_open_hours(caused_at, $reminder::bigint)" if "reminder" in limits else "null::timestamptz"
    connection.execute(
        f"""
        insert into handoffs by name
        select
            'H' || substr(md5(concat_ws(chr(31), lead_id, cause_event_id)), 1, 24) as handoff_id,
            lead_id,
            cause,
            cause_event_id,
            caused_at,
            '' as owner,
            $as_of as handed_off_at,
            after_open_hours(caused_at, $limit::bigint) as due_at,
            -- nobody is late before having been told: what was seen late is taken from its rep, as from any other, no
            -- sooner than the second limit comes after the first, and its notice is all the reminder there is
            greatest(
                after_open_hours(caused_at, $second_limit::bigint), after_open_hours($as_of, $grace::bigint)
            ) as second_due_at,
            case when {reminder} > $as_of then {reminder} end as remind_at,
            'new' as status,
            $as_of as status_changed_at,
            $version as rule_set_version,
        from causes
        where {which}
        """,
        {
            "as_of": as_of,
            "version": rules.version,
            **{name: round(hours * 3_600_000_000) for name, hours in limits.items()},
        },
    )
    connection.execute(f"delete from causes where {which}")


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    (row,) = connection.execute(
        "select (select count(*) from handoffs), (select count(*) from handoff_decisions),"
        " (select count(*) from notices)"
    ).fetchall()
    return dict(zip(("handoffs", "refused", "notices"), row, strict=True))
