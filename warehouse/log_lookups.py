"""The ledger's side of asking the provider's logs: which sends to ask for, and what was said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from warehouse.statements import query

AGAIN_AFTER = timedelta(hours=1)
"""How long a send is left alone that the logs did not know."""


@dataclass(frozen=True)
class Taken:
    """A mail that was certainly taken: its address, and the provider's id of its request."""

    email: str
    message_id: str
    sent_at: datetime


@dataclass(frozen=True)
class UnknownSend:
    """A send to be looked for. The witnesses are there only when its grace period is over and such mails left."""

    send_id: str
    email: str
    started_at: datetime
    is_past_grace: bool
    witness_before: Taken | None
    witness_after: Taken | None


@dataclass(frozen=True)
class Lookup:
    """What the logs said of one send."""

    send_id: str
    is_found: bool
    is_silence_proof: bool


def unknown_sends(
    ledger: duckdb.DuckDBPyConnection, as_of: datetime, release_after: timedelta, most: int
) -> list[UnknownSend]:
    """Sends that are unknown and not asked for lately, at most so many, those never asked for first."""
    rows = ledger.execute(
        query("unknown_sends"),
        {"as_of": as_of, "release_after": release_after, "again_after": AGAIN_AFTER, "most": most},
    ).fetchall()
    return [UnknownSend(*row[:4], *(Taken(**witness) if witness else None for witness in row[4:])) for row in rows]


def note_lookups(ledger: duckdb.DuckDBPyConnection, lookups: Sequence[Lookup], as_of: datetime) -> None:
    """Note what the logs said. What they were found to know must be among the facts before."""
    if not lookups:
        return
    ledger.execute(
        """
        insert into log_lookups
        select unnest($send_ids), $as_of, unnest($found), unnest($proofs)
        on conflict (send_id) do update
        set
            asked_at = excluded.asked_at,
            is_found = excluded.is_found,
            is_silence_proof = excluded.is_silence_proof
        """,
        {
            "as_of": as_of,
            "send_ids": [lookup.send_id for lookup in lookups],
            "found": [lookup.is_found for lookup in lookups],
            "proofs": [lookup.is_silence_proof for lookup in lookups],
        },
    )
