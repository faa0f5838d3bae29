"""The ledger's side of telling sales: who is told of what, and what became of it. Each message is sent once.

Every function runs in the caller's one transaction.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from rules.models import RuleSet
from warehouse.briefs import with_briefs
from warehouse.statements import query

Row = dict[str, Any]


def plan_notices(
    connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime, *, knows_calls: bool = True
) -> None:
    """Plan what sales is to be told. Needs ``causes``, ``handoff_owners``, and ``assigned`` as notices have it."""
    connection.execute("create or replace temp table notice_channels (channel varchar, kind varchar)")
    for channel in rules.handoff.channels:
        for kind in channel.tells:
            connection.execute("insert into notice_channels values (?, ?)", [channel.id, kind])
    connection.execute(
        f"insert into notices by name {query('plan_notices')}",
        {
            "first_manager": rules.handoff.managers[0].id if rules.handoff.managers else None,
            "as_of": as_of,
            "knows_calls": knows_calls,
            # what was over long ago, before this was kept, calls for nobody at once
            "recently": timedelta(hours=rules.expires_after_hours),
        },
    )


def plan_digests(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime, timezone: str) -> int:
    """Plan the morning's digests once it is time: to the managers, and of open handoffs to owners and channels.

    Managers get theirs each morning, since it holds the figures as well. Of what an earlier day's could not be sent
    nothing is sent after all.

    Returns:
        How many were added; a day has one for each.
    """
    owners = [owner.id for owner in rules.handoff.owners]
    managers = [manager.id for manager in rules.handoff.managers]
    channels = [channel.id for channel in rules.handoff.channels if "digest" in channel.tells]
    local = as_of.astimezone(ZoneInfo(timezone))
    today = local.date()
    connection.execute(
        "update notices set state = 'cancelled', state_reason = 'superseded', state_changed_at = $as_of"
        " where kind = 'digest' and state = 'planned' and on_date < $today",
        {"as_of": as_of, "today": today},
    )
    if local.time() < time.fromisoformat(rules.handoff.digest_at):
        return 0
    ((added,),) = connection.execute(
        """
        insert into notices by name
        with open_handoffs as (
            select owner from handoffs where status not in ('won', 'lost', 'returned')
        ),

        recipients as (
            -- what somebody has who left the rules stands in the managers' lists
            select 'mail' as way, owner as recipient from open_handoffs where owner in (select unnest($owners))
            union
            select 'mail' as way, unnest($managers) as recipient
            union
            select 'channel' as way, unnest($channels) as recipient where exists (select 1 from open_handoffs)
        )

        select
            'N' || substr(md5(concat_ws(chr(31), 'digest', way, recipient, $today)), 1, 24) as notice_id,
            'digest' as kind,
            way,
            recipient,
            $today as on_date,
            'planned' as state,
            $as_of as planned_at,
            $as_of as state_changed_at,
        from recipients
        where
            not exists (
                select 1
                from notices
                where
                    notices.kind = 'digest'
                    and notices.way = recipients.way
                    and notices.recipient = recipients.recipient
                    and notices.on_date = $today
            )
        """,
        {"owners": owners, "managers": managers, "channels": channels, "today": today, "as_of": as_of},
    ).fetchall()
    return int(added)


def planned_notices(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Notices about leads that are to be sent, with what a sales rep needs to know of the lead."""
    return with_briefs(
        connection,
        """
        select
            notices.notice_id as id,
            notices.* exclude (owner),
            coalesce(handoffs.owner, notices.owner) as owner,
            handoffs.caused_at,
            handoffs.due_at,
            handoffs.handed_off_at,
            (
                select max(sfa_leads.sfa_id)
                from warehouse.lead_aliases as asked
                inner join warehouse.lead_aliases as same on asked.lead_id = same.lead_id
                inner join sfa_leads on same.alias_lead_id = sfa_leads.lead_id and sfa_leads.state = 'known'
                where asked.alias_lead_id = notices.lead_id
            ) as sfa_id,
        from notices
        left join handoffs on notices.handoff_id = handoffs.handoff_id
        where notices.state = 'planned' and notices.kind not in ('digest', 'review')
        order by notices.planned_at, notices.notice_id
        """,
    )


def planned_digests(connection: duckdb.DuckDBPyConnection, today: date) -> list[Row]:
    """Today's digests, and reviews, that are to be sent; ``cause`` says which kind of period a review is of.

    An earlier day's digest is given up by the next :func:`plan_digests`; runs that come before that do not send it.
    """
    found = connection.execute(
        "select notice_id as id, way, recipient, kind, cause, on_date from notices"
        " where state = 'planned' and (kind = 'review' or (kind = 'digest' and on_date = ?)) order by notice_id",
        [today],
    )
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


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
    """As for sends: a notice whose request may have left is unknown, and evidence ends that.

    A chat room gives no evidence: what may have been posted there is never posted again.
    """
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
            and way = 'mail'
            -- by then there is another day's
            and kind != 'digest'
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
    cancel_needless(connection, as_of)


def cancel_needless(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    """Give up what was planned to be said of handoffs that somebody has called meanwhile."""
    connection.execute(
        """
        update notices
        set state = 'cancelled', state_reason = 'contacted', state_changed_at = $as_of
        from handoffs
        where
            notices.handoff_id = handoffs.handoff_id
            and notices.state = 'planned'
            and notices.kind in ('reminder', 'escalation', 'reassigned')
            and (handoffs.status not in ('new', 'accepted') or handoffs.first_contact_at is not null)
        """,
        {"as_of": as_of},
    )
