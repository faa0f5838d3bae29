"""The ledger's side of the sync with the SFA: a merge of both sides from what they last agreed on.

Every function runs in the caller's one transaction. What a run decides is kept in the ledger until it is done, so no
memory holds it; a run that died is begun anew by the next, which finds each side as it was left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from rules.models import RuleSet
from warehouse.routing import make_owners
from warehouse.sending import recomputed_at
from warehouse.statements import query

MOST_LEADS = 100_000
"""Compared in one round; a run goes on until none is left."""
EARLIER = timedelta(minutes=10)
"""Changes are read from so long before the last that was seen: some are committed late, or found late by a search."""
KEPT = ("score", "tier", "stage", "last_action_at", "top_reasons")
"""Fields that only the engine writes."""
_TEXTS = pa.map_(pa.string(), pa.string())
_TOLD = pa.schema(
    {
        "sfa_id": pa.string(),
        "lead_id": pa.string(),
        "email": pa.string(),
        "owner": pa.string(),
        "modified_at": pa.timestamp("us", tz="UTC"),
        "theirs": _TEXTS,
        "read_only": pa.list_(pa.string()),
        "state": pa.string(),
        "merged_into": pa.string(),
    }
)
_WRITTEN = pa.schema(
    {
        "lead_id": pa.string(),
        "sfa_id": pa.string(),
        "verdict": pa.string(),
        "message": pa.string(),
        "kept": _TEXTS,
    }
)
_DEALS = pa.schema(
    {
        "deal_id": pa.string(),
        "sfa_id": pa.string(),
        "status": pa.string(),
        "amount": pa.string(),
        "changed_at": pa.timestamp("us", tz="UTC"),
    }
)
_FIELDS = pa.schema({"field": pa.string(), "rule": pa.string(), "type": pa.string(), "allowed": pa.list_(pa.string())})
NOTHING = duckdb.Value({}, "map(varchar, varchar)")  # type: ignore[arg-type]
Row = dict[str, Any]


def read_marks(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """Up to which change each kind of record has been read."""
    return dict(connection.execute("select kind, changed_until from sfa_marks").fetchall())


def move_mark(connection: duckdb.DuckDBPyConnection, kind: str, until: datetime) -> None:
    """Note up to which change this kind of record has been read; never back."""
    connection.execute(
        "insert into sfa_marks values (?, ?) on conflict (kind) do update set"
        " changed_until = greatest(sfa_marks.changed_until, excluded.changed_until)",
        [kind, until],
    )


def note_leads(connection: duckdb.DuckDBPyConnection, told: Sequence[Row]) -> None:
    """Note people as the SFA has them: rows with the columns of ``_TOLD``; of one told twice the last counts."""
    rows = [
        {**row, "theirs": sorted((name, text) for name, text in row["theirs"].items() if text is not None)}
        for row in {row["sfa_id"]: row for row in told}.values()
    ]
    _register(connection, "told_leads", rows, _TOLD)
    connection.execute(query("note_sfa_leads"), {"nothing": NOTHING})
    connection.unregister("told_leads")


def note_found(connection: duckdb.DuckDBPyConnection, leads: Mapping[str, str]) -> None:
    """Note whose a record of nobody is: leads by record."""
    connection.execute(
        """
        update sfa_leads
        set lead_id = found.lead_id, is_new_there = true
        from (select unnest(?) as sfa_id, unnest(?) as lead_id) as found
        where sfa_leads.sfa_id = found.sfa_id and sfa_leads.lead_id is null
        """,
        [list(leads), list(leads.values())],
    )


def begin(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime, timezone: str) -> None:
    """Forget what a run before left undone, and find whose records are whose."""
    recomputed_at(connection, rules, as_of)
    make_owners(connection, rules, timezone, as_of)
    connection.execute("delete from sfa_outbox")
    connection.execute("delete from sfa_corrections")
    # a record that bears no id of ours is of whom its address belongs to
    connection.execute(
        """
        update sfa_leads
        set lead_id = identities.lead_id, is_new_there = true
        from warehouse.lead_identities as identities
        where
            sfa_leads.lead_id is null
            and identities.kind = 'email'
            and sfa_leads.email = identities.value
            and sfa_leads.state in ('known', 'refused')
        """
    )
    # and one into which sales merged or converted a lead's is that lead's
    connection.execute(
        """
        update sfa_leads
        set lead_id = gone.lead_id, is_new_there = true
        from sfa_leads as gone
        where
            sfa_leads.lead_id is null
            and sfa_leads.state = 'known'
            and gone.state = 'merged'
            and gone.state_reason = sfa_leads.sfa_id
            and gone.lead_id is not null
        """
    )
    # of two records that turned out to be of one lead, the other says so
    connection.execute(
        """
        insert into sfa_outbox by name
        with records as (
            select
                sfa_leads.*,
                aliases.lead_id as current_lead_id,
                row_number() over (
                    partition by aliases.lead_id
                    order by sfa_leads.lead_id != aliases.lead_id, sfa_leads.sfa_id
                ) as place,
            from sfa_leads
            inner join warehouse.lead_aliases as aliases on sfa_leads.lead_id = aliases.alias_lead_id
            where sfa_leads.state = 'known'
        )

        select
            lead_id,
            sfa_id,
            email,
            map {}::map(varchar, varchar) as given,
            agreed,
            modified_at as seen_at,
            current_lead_id as merged_into,
            false as has_correction,
            ours_hash,
            false as is_settled,
        from records
        where place > 1 and lead_id != current_lead_id
        """
    )


def plan_round(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime, timezone: str) -> dict[str, int]:
    """Decide for leads that differ what is to be written and what is to be taken over.

    Returns:
        ``leads`` compared (none: the run is done), ``corrections``, ``conflicts``, and of these ``waiting``, where each
        side keeps its own.
    """
    make_owners(connection, rules, timezone, as_of)
    _register(connection, "given_fields", _fields(rules), _FIELDS)
    connection.execute("create or replace temp table sfa_rule_fields as select * from given_fields")
    connection.unregister("given_fields")
    connection.execute(
        f"create or replace temp table sfa_candidates as {query('sfa_candidates')}",
        {
            "segment": rules.sfa.segment,
            "recomputed_at": recomputed_at(connection, rules, as_of),
            "most": MOST_LEADS,
            "nothing": NOTHING,
            "as_of": as_of,
        },
    )
    ((leads,),) = connection.execute("select count(*) from sfa_candidates").fetchall()
    if not leads:
        return {"leads": 0, "corrections": 0, "conflicts": 0, "waiting": 0}
    connection.execute(f"create or replace temp table sfa_fields as {query('sfa_fields')}")
    # What was found by a run that died is found again with the same id: this hangs on when both sides last agreed, and
    # not on the record's stamp, which our own writes may have moved.
    conflicts = connection.execute(
        """
        insert into sfa_conflicts by name
        select
            'C' || substr(
                md5(
                    concat_ws(
                        chr(31), sfa_id, field, ours, theirs, coalesce(agreed, chr(30)), epoch_us(ours_at),
                        epoch_us(written_at)
                    )
                ),
                1,
                24
            ) as conflict_id,
            sfa_id,
            lead_id,
            field,
            ours,
            theirs,
            agreed,
            ours_at as ours_changed_at,
            theirs_at as theirs_changed_at,
            rule,
            case act when 'push' then 'ma' when 'take' then 'sfa' else 'none' end as winner,
            $as_of as found_at,
        from sfa_fields
        where is_conflict
        on conflict do nothing
        returning winner
        """,
        {"as_of": as_of},
    ).fetchall()
    ((corrections,),) = connection.execute(
        """
        insert into sfa_corrections by name
        select
            sfa_id,
            lead_id,
            email,
            field,
            theirs as value,
            -- the newest holds here, so what is to hold is newer than ours
            greatest(theirs_at, coalesce(ours_at + interval 1 microsecond, theirs_at)) as occurred_at,
        from sfa_fields
        where act = 'take'
        """
    ).fetchall()
    connection.execute(
        """
        insert into sfa_outbox by name
        with per_lead as (
            select
                lead_id,
                map_from_entries(
                    list({'key': field, 'value': ours} order by field)
                        filter (act = 'push' and (ours is not null or theirs is not null))
                ) as given,
                map_from_entries(
                    list({'key': field, 'value': stands} order by field) filter (stands is not null)
                ) as agreed,
                map_from_entries(
                    list({'key': field, 'value': theirs} order by field) filter (act = 'wait')
                ) as waiting,
                bool_or(act = 'take') as has_correction,
            from sfa_fields
            group by lead_id
        )

        select
            candidates.lead_id,
            candidates.sfa_id,
            candidates.email,
            coalesce(per_lead.given, map {}) as given,
            coalesce(per_lead.agreed, map {}) as agreed,
            per_lead.waiting,
            candidates.owner,
            candidates.modified_at as seen_at,
            per_lead.has_correction,
            candidates.ours_hash,
            false as is_settled,
        from sfa_candidates as candidates
        inner join per_lead on candidates.lead_id = per_lead.lead_id
        """
    )
    return {
        "leads": leads,
        "corrections": int(corrections),
        "conflicts": len(conflicts),
        "waiting": sum(winner == "none" for (winner,) in conflicts),
    }


def _fields(rules: RuleSet) -> list[Row]:
    """What is compared: by which rule, and what a value here has to be."""
    known = {field.id: field for field in rules.fields}
    synced = [
        ("email", "newer"),
        *((name, "ours") for name in KEPT),
        *((one.field, one.wins) for one in rules.sfa.fields),
    ]
    return [
        {
            "field": name,
            "rule": rule,
            "type": "email" if name == "email" else "text" if rule == "ours" or name not in known else known[name].type,
            "allowed": list(known[name].values) if name in known else [],
        }
        for name, rule in synced
    ]


def corrections(connection: duckdb.DuckDBPyConnection, after: int, most: int) -> list[tuple[int, Row]]:
    """Some of what is to be taken over, with the number of each; those after a number."""
    cursor = connection.execute(
        "select rowid, * from sfa_corrections where rowid > ? order by rowid limit ?", [after, most]
    )
    names = [column[0] for column in cursor.description or ()]
    found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [(row.pop("rowid"), row) for row in found]


def merged_records(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Records of two leads of ours that the SFA made one: the address of each, and the record that stays."""
    cursor = connection.execute(
        """
        select
            gone.sfa_id,
            gone.state_reason as kept_sfa_id,
            gone.modified_at,
            -- the lead's own address: that of the record may be another's
            coalesce(gone_leads.email, gone.email) as email,
            coalesce(kept_leads.email, kept.email) as kept_email,
        from sfa_leads as gone
        inner join sfa_leads as kept on gone.state_reason = kept.sfa_id
        left join warehouse.lead_aliases as gone_aliases on gone.lead_id = gone_aliases.alias_lead_id
        left join warehouse.leads as gone_leads on gone_aliases.lead_id = gone_leads.lead_id
        left join warehouse.lead_aliases as kept_aliases on kept.lead_id = kept_aliases.alias_lead_id
        left join warehouse.leads as kept_leads on kept_aliases.lead_id = kept_leads.lead_id
        where
            gone.state = 'merged'
            and gone.is_new_there
            and gone.lead_id is not null
            and kept.lead_id is not null
            and coalesce(gone_leads.email, gone.email) is not null
            and coalesce(kept_leads.email, kept.email) is not null
        """
    )
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def note_merged(connection: duckdb.DuckDBPyConnection) -> None:
    """Note that what the SFA made one is one here."""
    connection.execute("update sfa_leads set is_new_there = false where state = 'merged' and is_new_there")


def settle_unwritten(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> int:
    """Settle what needs no write: both sides are the same, or theirs was taken over. Returns how many."""
    connection.execute(
        "create or replace temp table settled as"
        " select lead_id, sfa_id, 'written' as verdict, null as message, map {}::map(varchar, varchar) as kept"
        " from sfa_outbox where not is_settled and cardinality(given) = 0 and owner is null and merged_into is null"
        " and sfa_id is not null"
    )
    return _settle(connection, as_of)


def page_to_write(connection: duckdb.DuckDBPyConnection, after: str, size: int) -> list[Row]:
    """What is to be written of the leads after one, at most so many."""
    cursor = connection.execute(
        # only what a write says: a map takes long to come out
        "select lead_id, sfa_id, email, given, owner, seen_at, merged_into"
        " from sfa_outbox where not is_settled and lead_id > ? order by lead_id limit ?",
        [after, size],
    )
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def settle(connection: duckdb.DuckDBPyConnection, written: Sequence[Row], as_of: datetime) -> int:
    """Note what became of writes: rows with the columns of ``_WRITTEN``. Returns how many."""
    _register(connection, "told_written", written, _WRITTEN)
    connection.execute("create or replace temp table settled as select * from told_written")
    connection.unregister("told_written")
    return _settle(connection, as_of)


def _settle(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> int:
    # maps of the same texts are equal only where these stand in the same order
    connection.execute(
        "create or replace temp macro plain_map(texts) as"
        " map_from_entries(list_sort(list_filter(map_entries(texts), lambda entry: entry.value is not null)))"
    )
    connection.execute(
        """
        create or replace temp table settling as
        select
            outbox.*,
            settled.verdict,
            settled.message,
            settled.kept,
            -- what was given as the SFA took it
            map_from_entries(
                list_filter(
                    map_entries(map_concat(outbox.given, settled.kept)),
                    lambda entry: entry.value is not null or not map_contains(settled.kept, entry.key)
                )
            ) as taken,
            coalesce(settled.sfa_id, outbox.sfa_id, 'refused:' || outbox.lead_id) as record_id,
        from settled
        inner join sfa_outbox as outbox on settled.lead_id = outbox.lead_id
        where settled.verdict != 'changed'
        """
    )
    ((count,),) = connection.execute("select count(*) from settling").fetchall()
    if not count:
        return 0
    # replaced as a whole: an upsert of so many columns takes ten times as long
    connection.execute(f"create or replace temp table settled_leads as {query('settled_sfa_leads')}", {"as_of": as_of})
    connection.execute("delete from sfa_leads using settled_leads where sfa_leads.sfa_id = settled_leads.sfa_id")
    connection.execute("insert into sfa_leads by name from settled_leads")
    connection.execute(
        "delete from sfa_leads using settling"
        " where sfa_leads.sfa_id = 'refused:' || settling.lead_id and settling.record_id != sfa_leads.sfa_id"
    )
    connection.execute("update sfa_outbox set is_settled = true where lead_id in (select lead_id from settling)")
    return int(count)


def records_of(connection: duckdb.DuckDBPyConnection, lead_ids: Sequence[str]) -> dict[str, str]:
    """The SFA's record of each of these leads that has one."""
    found = connection.execute(
        """
        select coalesce(aliases.lead_id, sfa_leads.lead_id) as current_lead_id, sfa_leads.sfa_id
        from sfa_leads
        left join warehouse.lead_aliases as aliases on sfa_leads.lead_id = aliases.alias_lead_id
        where
            sfa_leads.state in ('known', 'refused')
            and not starts_with(sfa_leads.sfa_id, 'refused:')
            and current_lead_id in (select unnest(?))
        -- the last that was written, or one that never was
        qualify row_number() over (
            partition by current_lead_id
            order by sfa_leads.state, sfa_leads.written_at desc nulls last, sfa_leads.sfa_id
        ) = 1
        """,
        [list(lead_ids)],
    )
    return dict(found.fetchall())


def addresses_of(connection: duckdb.DuckDBPyConnection, sfa_ids: Sequence[str]) -> dict[str, str]:
    """The address of each of these records whose lead is ours, whether the record says so or only its address does."""
    connection.execute("create or replace temp table asked_records as select distinct unnest(?) as sfa_id", [sfa_ids])
    return dict(connection.execute(query("sfa_addresses")).fetchall())


def keep_deals(connection: duckdb.DuckDBPyConnection, told: Sequence[Row]) -> None:
    """Keep deals whose person is no lead here: rows with the columns of ``_DEALS``; of one told twice the last."""
    _register(connection, "told_deals", list({row["deal_id"]: row for row in told}.values()), _DEALS)
    connection.execute("insert or replace into sfa_waiting_deals by name select * from told_deals")
    connection.unregister("told_deals")


def deals_to_take_up(connection: duckdb.DuckDBPyConnection, most: int) -> list[Row]:
    """Deals whose person has become a lead since they were read, with the lead's address; at most so many.

    Those that were told again since, and are facts already, are kept no longer.
    """
    connection.execute(
        """
        delete from sfa_waiting_deals as waiting
        using warehouse.deal_records as known
        where
            waiting.deal_id = known.deal_id
            and known.source = 'sfa'
            and waiting.changed_at <= known.occurred_at
        """
    )
    connection.execute("create or replace temp table asked_records as select distinct sfa_id from sfa_waiting_deals")
    return _rows(
        connection,
        f"select deals.*, addresses.email from sfa_waiting_deals as deals"
        f" inner join ({query('sfa_addresses')}) as addresses on deals.sfa_id = addresses.sfa_id"
        " order by deals.deal_id limit ?",
        [most],
    )


def forget_deals(connection: duckdb.DuckDBPyConnection, deal_ids: Sequence[str]) -> None:
    """Keep these deals no longer: they are facts."""
    connection.execute("delete from sfa_waiting_deals where deal_id in (select unnest(?))", [list(deal_ids)])


def _rows(connection: duckdb.DuckDBPyConnection, statement: str, values: Sequence[object] = ()) -> list[Row]:
    cursor = connection.execute(statement, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _register(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row], schema: pa.Schema) -> None:
    connection.register(name, pa.Table.from_pylist(list(rows), schema=schema))
