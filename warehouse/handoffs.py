"""The ledger's side of handing leads to sales. Every function runs in the caller's one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb

from rules.models import RuleSet
from warehouse.sending import active_from, last_seen, note_seen, recomputed_at
from warehouse.statements import query

Row = dict[str, Any]


def plan_handoffs(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> dict[str, int]:
    """Turn causes into handoffs and notices, or into the reason why not.

    Args:
        connection: The ledger, with the warehouse attached.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.

    Returns:
        How many ``handoffs``, ``refused`` and ``notices`` were added.
    """
    recomputed = recomputed_at(connection, rules, as_of)
    connection.execute(
        f"create or replace temp table causes as {query('handoff_causes')}",
        {
            "hot_tier": rules.handoff.hot_tier,
            "active_from": active_from(connection, rules, as_of),
            "last_seen": last_seen(connection, "handoff"),
            "expires_after": timedelta(hours=rules.expires_after_hours),
        },
    )
    note_seen(connection, "handoff", recomputed)
    before = _counts(connection)
    # late facts may name an instant before a handoff that was made: one near it, on either side, stands for both
    connection.execute(f"create or replace temp table handed_off_before as {_HANDED_OFF}")
    _hand_off(connection, rules, as_of, "kind = 'handoff' and is_own_request")
    while connection.execute("select 1 from causes where kind = 'handoff' limit 1").fetchone():
        # in the order in which they happened, each measured from those handed off, so that it does not matter
        # whether one run sees them all or many runs see them one by one
        _refuse_repeated(connection, rules, as_of)
        _hand_off(connection, rules, as_of, _FIRST)
    _give_notice(connection, rules, as_of)
    return {name: count - before[name] for name, count in _counts(connection).items()}


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
        row_number() over (partition by lead_id order by caused_at, score desc, lead_id, cause_event_id) = 1
        -- of colleagues who enter together the one with the highest score goes
        and row_number() over (
            partition by coalesce(account_id || cause, lead_id)
            order by caused_at, score desc, lead_id, cause_event_id
        ) = 1
)
"""


def _refuse_repeated(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> None:
    """What follows from a score or a segment near a handoff calls for nobody; a person's own request always does.

    Near a colleague's handoff for the same cause it does not either, where the rules want one lead a company.
    """
    connection.execute(
        f"""
        create or replace temp table repeated as
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
            causes.cause_event_id,
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
                and causes.caused_at < near.near_until
                and (causes.caused_at > near.near_from or (causes.caused_at = near.near_from and near.is_past))
        where causes.kind = 'handoff' and not causes.is_own_request
        group by causes.lead_id, causes.cause_event_id
        """,
        {"again_after": timedelta(days=rules.handoff.again_after_days)},
    )
    connection.execute(
        """
        insert into handoff_decisions
        select causes.lead_id, causes.cause, causes.cause_event_id, causes.caused_at, repeated.decision, ?, ?
        from causes
        inner join repeated using (lead_id, cause_event_id)
        where causes.kind = 'handoff' and not causes.is_own_request
        """,
        [as_of, rules.version],
    )
    connection.execute(
        "delete from causes using repeated where causes.lead_id = repeated.lead_id"
        " and causes.cause_event_id = repeated.cause_event_id and causes.kind = 'handoff' and not causes.is_own_request"
    )


def _hand_off(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime, which: str) -> None:
    """Hand off some causes and take them off the list. Owners take turns, in the order of the rules."""
    connection.execute(
        f"""
        insert into handoffs
        select
            'H' || substr(md5(concat_ws(chr(31), lead_id, cause_event_id)), 1, 24),
            lead_id,
            cause,
            cause_event_id,
            caused_at,
            $owners[
                1 + (
                    (select count(*) from handoffs)
                    + row_number() over (order by caused_at, lead_id, cause_event_id) - 1
                ) % len($owners)
            ],
            $as_of,
            caused_at + $limit,
            caused_at + $second_limit,
            'new',
            null,
            null,
            null,
            null,
            $version,
        from causes
        where {which}
        """,
        {
            "owners": [owner.id for owner in rules.handoff.owners],
            "as_of": as_of,
            "limit": timedelta(hours=rules.handoff.limit_hours),
            "second_limit": timedelta(hours=rules.handoff.second_limit_hours),
            "version": rules.version,
        },
    )
    connection.execute(f"delete from causes where {which}")


def _give_notice(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> None:
    """Every handoff gives one notice; so does an event the rules ask to be told of.

    Where one event does both, the handoff's notice tells it and the other is noted as cancelled, so that no later run
    tells it after all.
    """
    connection.execute(
        f"""
        insert into notices
        with handed_off as ({_HANDED_OFF}),

        of_handoffs as (
            select 'handoff' as kind, lead_id, cause, cause_event_id, handoff_id, owner, 'planned' as state
            from handoffs
            where handoff_id not in (select handoff_id from notices where handoff_id is not null)
        ),

        asked_for as (
            select
                'notify' as kind,
                causes.lead_id,
                causes.cause,
                causes.cause_event_id,
                null as handoff_id,
                coalesce(
                    (
                        select arg_max(handed_off.owner, handed_off.caused_at)
                        from handed_off
                        where handed_off.lead_id = causes.lead_id
                    ),
                    $owners[1 + (row_number() over (order by causes.caused_at, causes.lead_id) - 1) % len($owners)]
                ) as owner,
                case
                    when exists (
                        select 1
                        from handed_off
                        where
                            handed_off.lead_id = causes.lead_id
                            and handed_off.cause_event_id = causes.cause_event_id
                    ) then 'cancelled'
                    else 'planned'
                end as state,
            from causes
            where causes.kind = 'notify'
        ),

        all_told as (
            select * from of_handoffs
            union all
            select * from asked_for
        )

        select
            'N' || substr(md5(concat_ws(chr(31), lead_id, cause_event_id, kind)), 1, 24),
            kind,
            lead_id,
            cause,
            cause_event_id,
            handoff_id,
            owner,
            state,
            case state when 'cancelled' then 'handed_off' end,
            $as_of,
            null,
            $as_of,
        from all_told
        """,
        {"owners": [owner.id for owner in rules.handoff.owners], "as_of": as_of},
    )


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    row = connection.execute(
        "select (select count(*) from handoffs), (select count(*) from handoff_decisions),"
        " (select count(*) from notices)"
    ).fetchone()
    assert row is not None
    return dict(zip(("handoffs", "refused", "notices"), row, strict=True))


def unwritten_handoffs(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Handoffs the SFA does not know yet, with what a sales rep needs to know of the lead."""
    return _with_briefs(
        connection, "select handoff_id as id, * from handoffs where written_at is null order by caused_at, handoff_id"
    )


def mark_written(connection: duckdb.DuckDBPyConnection, handoff_ids: Sequence[str], as_of: datetime) -> None:
    """Note that the SFA has these handoffs."""
    connection.execute(
        "update handoffs set written_at = ? where handoff_id in (select unnest(?))", [as_of, list(handoff_ids)]
    )


def open_handoffs(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Ids of the handoffs whose outcome is not known yet."""
    return [
        handoff_id
        for (handoff_id,) in connection.execute(
            "select handoff_id from handoffs where written_at is not null and status not in ('won', 'lost', 'returned')"
        ).fetchall()
    ]


def record_follow_ups(connection: duckdb.DuckDBPyConnection, follow_ups: Sequence[Row]) -> int:
    """Take over what sales did. ``due_at`` never moves; the first contact, once known, stays."""
    for row in follow_ups:
        connection.execute(
            """
            update handoffs
            set
                status = $status,
                first_contact_at = coalesce(first_contact_at, $first_contact_at),
                outcome = $outcome,
                reject_reason = $reject_reason
            where
                handoff_id = $handoff_id
                and (
                    status is distinct from $status or outcome is distinct from $outcome
                    or reject_reason is distinct from $reject_reason
                    or (first_contact_at is null and $first_contact_at is not null)
                )
            """,
            row,
        )
    return len(follow_ups)


def planned_notices(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Notices to be sent, with what a sales rep needs to know of the lead."""
    return _with_briefs(
        connection,
        """
        select notices.notice_id as id, notices.*, handoffs.caused_at, handoffs.due_at
        from notices
        left join handoffs on notices.handoff_id = handoffs.handoff_id
        where notices.state = 'planned'
        order by notices.planned_at, notices.notice_id
        """,
    )


def set_notice_state(
    connection: duckdb.DuckDBPyConnection, notice_id: str, state: str, reason: str | None, as_of: datetime
) -> None:
    """Note what becomes of a notice."""
    connection.execute(
        """
        update notices
        set
            state = $state,
            state_reason = $reason,
            sent_at = case when $state = 'accepted' then $as_of::timestamptz else sent_at end,
            state_changed_at = $as_of
        where notice_id = $notice_id
        """,
        {"state": state, "reason": reason, "as_of": as_of, "notice_id": notice_id},
    )


def recover_notices(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> None:
    """As for sends: a notice whose request may have left is unknown, and evidence ends that."""
    connection.execute(
        "update notices set state = 'unknown', state_reason = 'the run ended before the answer', state_changed_at = ?"
        " where state = 'sending'",
        [as_of],
    )
    connection.execute(
        """
        update notices
        set state = 'accepted', state_reason = null, sent_at = coalesce(sent_at, told.processed_at)
        from warehouse.send_outcomes as told
        where notices.notice_id = told.send_id and notices.state in ('planned', 'unknown')
        """
    )
    connection.execute(
        """
        update notices
        set state = 'planned', state_reason = 'released after no sign of acceptance', state_changed_at = $as_of
        where
            state = 'unknown'
            and state_changed_at + $release_after < $as_of
            and state_changed_at + $release_after < (
                -- what its logs were asked for is no sign that the provider tells by itself
                select max(processed_at)
                from warehouse.send_outcomes
                where send_id not in (select send_id from log_lookups where is_found)
            )
        """,
        {"as_of": as_of, "release_after": timedelta(hours=rules.unknown_release_after_hours)},
    )
    connection.execute(
        "update notices set state = 'cancelled', state_reason = 'expired', state_changed_at = $as_of"
        " where state = 'planned' and planned_at + $expires_after < $as_of",
        {"as_of": as_of, "expires_after": timedelta(hours=rules.expires_after_hours)},
    )


def _with_briefs(connection: duckdb.DuckDBPyConnection, selection: str) -> list[Row]:
    """Rows of a selection over handoffs or notices, each with its lead and the lead's latest scoring behaviour."""
    cursor = connection.execute(
        f"""
        with selected as ({selection}),

        current_selected as (
            select selected.*, coalesce(aliases.lead_id, selected.lead_id) as current_lead_id
            from selected
            left join warehouse.lead_aliases as aliases
                on selected.lead_id = aliases.alias_lead_id
        ),

        reasons as (
            select
                lead_score_points.lead_id,
                list(
                    {{
                        'at': lead_score_points.occurred_at,
                        'label': rule_scoring.label,
                        'points': lead_score_points.points
                    }}
                    order by lead_score_points.occurred_at desc, lead_score_points.event_id
                )[1:5] as reasons,
            from warehouse.lead_score_points
            inner join warehouse.rule_scoring on lead_score_points.rule = rule_scoring.rule
            where lead_score_points.lead_id in (select current_lead_id from current_selected)
            group by lead_score_points.lead_id
        )

        select current_selected, leads, rule_stages.label, reasons.reasons
        from current_selected
        left join warehouse.leads on current_selected.current_lead_id = leads.lead_id
        left join warehouse.rule_stages on leads.stage = rule_stages.stage
        left join reasons on current_selected.current_lead_id = reasons.lead_id
        """
    )
    return [
        # the engine's own columns win over fields of the same name
        {**(lead or {}), **selected, "stage_label": stage_label, "reasons": reasons}
        for selected, lead, stage_label, reasons in cursor.fetchall()
    ]
