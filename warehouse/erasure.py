"""Keeps what must outlive an erasure: why somebody is not mailed, and on what basis they were, under a hash.

The rows with the address go; those that stay name nobody, and hold for a lead whose address hashes so, also for one
that an import brings back. The caller erases the rest, in the same transaction.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from warehouse.derivation import FACTS
from warehouse.errors import WarehouseError

_THEIRS = """
    (
        email in (select value from lead_identities where lead_id = $lead_id and kind = 'email')
        or external_id in (select value from lead_identities where lead_id = $lead_id and kind = 'external_id')
    )
"""
_ADDRESSES = "select value as address from lead_identities where lead_id = $lead_id and kind = 'email'"


def hash_records(connection: duckdb.DuckDBPyConnection, lead_id: str, as_of: datetime) -> int:
    """Turn a person's suppressions and consents, also those that events told of, into hashed ones.

    What blocks mails is taken from the derived tables, where what the person lifted is no more; every address of the
    person gets a row of its own. Consents are kept as proof; they grant nothing to one who comes back.

    Args:
        connection: The warehouse, in a writing transaction; every fact recomputed.
        lead_id: The person.
        as_of: The instant of the erasure.

    Returns:
        How many suppressions are kept.

    Raises:
        WarehouseError: There are facts no recompute has seen, or there is no NURTURE_SECRET_KEY.
    """
    _check(connection)
    who = {"lead_id": lead_id}
    kept = connection.execute(
        f"""
        insert into suppression_records by name
        select
            md5(concat_ws(chr(31), 'erased', address_hash(theirs.address), blocks, reason)) as record_id,
            'erasure' as source,
            blocks,
            reason,
            since_at as occurred_at,
            $as_of as received_at,
            address_hash(theirs.address) as email_hash,
        from lead_suppressions
        cross join ({_ADDRESSES}) as theirs
        where
            lead_id = $lead_id
            and until_at is null
            -- one erased before, who came back
            and record_id not in (select known.record_id from suppression_records as known)
        """,
        {**who, "as_of": as_of},
    ).fetchone()
    connection.execute(
        f"""
        insert into consent_records by name
        select
            md5(concat_ws(chr(31), 'erased', address_hash(theirs.address), record_id)) as record_id,
            source,
            mail_kind,
            is_granted,
            basis,
            evidence,
            occurred_at,
            received_at,
            address_hash(theirs.address) as email_hash,
        from consent_records
        cross join ({_ADDRESSES}) as theirs
        where {_THEIRS} and is_granted
        """,
        who,
    )
    for table in ("suppression_records", "consent_records"):
        connection.execute(f"delete from {table} where {_THEIRS}", who)
    connection.execute("delete from derivation")  # facts went: all is derived anew
    return int(kept[0]) if kept else 0


def _check(connection: duckdb.DuckDBPyConnection) -> None:
    if connection.execute("select address_hash('')").fetchone() == (None,):
        raise WarehouseError("an erasure keeps opt-outs as hashes; set NURTURE_SECRET_KEY")
    present = [f"(select coalesce(max(rowid), -1) + 1 from {table})" for table in FACTS]
    seen = connection.execute(f"select 1 from derivation where ({', '.join(FACTS)}) = ({', '.join(present)})")
    if seen.fetchone() is None:
        raise WarehouseError("there are facts that no recompute has seen; run `nurture recompute` first")
