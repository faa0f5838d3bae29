"""What sales does with handoffs: told as facts, by the SFA or by a link, and noted in the ledger in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.briefs import with_briefs
from warehouse.sending import last_seen, note_seen
from warehouse.statements import query

EVENT = "sales_follow_up"
"""The event that says where a handoff stands; its properties are columns of ``handoff_changes``."""
Row = dict[str, Any]
_HELD = pa.schema(
    {
        "handoff_id": pa.string(),
        "held": pa.map_(pa.string(), pa.string()),
        "stamp": pa.timestamp("us", tz="UTC"),
    }
)


def apply_follow_ups(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> int:
    """Take over what sales did since the last time. ``due_at`` never moves; the first contact, once known, stays.

    Of several changes the latest holds, by the time at which sales made it; each is kept.

    Args:
        connection: The ledger, with the warehouse attached.
        as_of: The instant of the run.

    Returns:
        How many changes were new.
    """
    since = last_seen(connection, "follow ups")
    ((count,),) = connection.execute(
        f"insert into handoff_changes by name {query('new_follow_ups')}", {"as_of": as_of, "since": since}
    ).fetchall()
    note_seen(connection, "follow ups", as_of)
    if count:
        connection.execute(query("stand_of_handoffs"), {"as_of": as_of})
    return int(count)


def stands_of(connection: duckdb.DuckDBPyConnection, handoff_ids: Sequence[str]) -> dict[str, Row]:
    """Where these handoffs stand here, with what their lead is known by; none of a lead that was erased."""
    cursor = connection.execute(
        """
        select
            handoffs.handoff_id,
            handoffs.status,
            handoffs.owner,
            handoffs.first_contact_at,
            handoffs.outcome,
            handoffs.reject_reason,
            handoffs.handed_off_at,
            min(identities.value) filter (identities.kind = 'email') as email,
            min(identities.value) filter (identities.kind = 'external_id') as external_id,
        from handoffs
        inner join warehouse.lead_aliases as aliases on handoffs.lead_id = aliases.alias_lead_id
        inner join warehouse.lead_identities as identities on aliases.lead_id = identities.lead_id
        where handoffs.handoff_id in (select unnest(?))
        group by all
        """,
        [list(handoff_ids)],
    )
    names = [column[0] for column in cursor.description or ()]
    return {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}


def handoffs_to_write(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Handoffs the SFA does not know as they are, with what a sales rep needs to know of the lead.

    ``said_at`` is when sales last said something: later than ``status_changed_at`` where it said the same again, or
    another reason. The SFA's own record is left alone where it is newer than that.
    """
    return with_briefs(
        connection,
        """
        select
            handoffs.handoff_id as id,
            handoffs.*,
            coalesce(said.said_at, handoffs.status_changed_at) as said_at,
        from handoffs
        left join (
            select handoff_id, max(changed_at) as said_at
            from handoff_changes
            where status is not null
            group by handoff_id
        ) as said on handoffs.handoff_id = said.handoff_id
        where handoffs.written_at is null
        order by handoffs.caused_at, handoffs.handoff_id
        """,
    )


def seen_in_sfa(connection: duckdb.DuckDBPyConnection, handoff_ids: Sequence[str]) -> dict[str, Row]:
    """What the SFA held of these handoffs: ``seen``, each state that it may have been left in, and its ``stamp``.

    Of one whose last write was refused: ``refused``, a hash of it, ``refused_because`` and ``refused_at``.
    """
    cursor = connection.execute(
        "select * from sfa_handoffs where handoff_id in (select unnest(?))", [list(handoff_ids)]
    )
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {
        row["handoff_id"]: {**row, "seen": [one for one in (row["agreed"], row["given"]) if one is not None]}
        for row in rows
    }


def note_seen_in_sfa(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> None:
    """Note what the SFA was found to hold: rows of ``handoff_id``, ``held`` and ``stamp``."""
    _register_held(connection, rows)
    connection.execute(
        "insert into sfa_handoffs (handoff_id, agreed, stamp) select handoff_id, held, stamp from held_there"
        " on conflict (handoff_id) do update set agreed = excluded.agreed, given = null, stamp = excluded.stamp"
    )
    connection.unregister("held_there")


def note_given_to_sfa(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> None:
    """Note what is about to be written: whoever finds it there later knows it for ours, should the answer be lost."""
    _register_held(connection, rows)
    connection.execute(
        "insert into sfa_handoffs (handoff_id, given) select handoff_id, held from held_there"
        " on conflict (handoff_id) do update set given = excluded.given"
    )
    connection.unregister("held_there")


def _register_held(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> None:
    told = [{**row, "held": sorted((name, text) for name, text in row["held"].items() if text)} for row in rows]
    connection.register("held_there", pa.Table.from_pylist(told, schema=_HELD))


def open_handoffs(
    connection: duckdb.DuckDBPyConnection, as_of: datetime, with_ended: timedelta = timedelta(0)
) -> list[Row]:
    """Handoffs whose end is not known yet, and those that ended so lately, with what a sales rep needs to know."""
    return with_briefs(
        connection,
        "select handoff_id as id, * from handoffs"
        " where status not in ('won', 'lost', 'returned') or status_changed_at > $since"
        " order by due_at, handoff_id",
        {"since": as_of - with_ended},
        with_answers=False,
    )


def mark_written(connection: duckdb.DuckDBPyConnection, handoff_ids: list[str], as_of: datetime) -> None:
    """Note that the SFA has these handoffs as they are."""
    connection.execute(
        """
        update sfa_handoffs
        set
            agreed = sfa_handoffs.given,
            given = null,
            refused = null,
            refused_because = null,
            refused_at = null,
            -- what we write bears this stamp, where it bears one of ours
            stamp = greatest(sfa_handoffs.stamp, coalesce(said.said_at, handoffs.status_changed_at))
        from handoffs
        left join (
            select handoff_id, max(changed_at) filter (status is not null) as said_at
            from handoff_changes
            group by handoff_id
        ) as said on handoffs.handoff_id = said.handoff_id
        where
            sfa_handoffs.handoff_id = handoffs.handoff_id
            and sfa_handoffs.handoff_id in (select unnest(?))
            and sfa_handoffs.given is not null
        """,
        [handoff_ids],
    )
    connection.execute(
        "update handoffs set written_at = ? where handoff_id in (select unnest(?))", [as_of, handoff_ids]
    )


def mark_unwritten(connection: duckdb.DuckDBPyConnection, handoff_ids: list[str]) -> None:
    """Note that nothing was written of these handoffs, since sales changed them."""
    connection.execute("update sfa_handoffs set given = null where handoff_id in (select unnest(?))", [handoff_ids])


def mark_refused(
    connection: duckdb.DuckDBPyConnection, handoff_id: str, refused: str, because: str, as_of: datetime
) -> None:
    """Note that the SFA refuses a write, which is known by a hash."""
    connection.execute(
        "update sfa_handoffs set refused = ?, refused_because = ?, refused_at = ? where handoff_id = ?",
        [refused, because, as_of, handoff_id],
    )
