"""Requests as the ledger knows them: noted before they leave, finished after, and then settled with their sends.

A send is claimed for one request, and stands so while that leaves and comes back; what became of it is in the request's
one row, committed before the same sends ride again. Settling moves the sends of many requests at once. A run that died
in between is settled by the next: only what was under way at that moment is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb

from warehouse.errors import WarehouseError
from warehouse.sending import count_of
from warehouse.statements import query

Outcome = Literal["accepted", "rejected", "not_sent", "unknown"]
LOST = "the run ended before the answer"


@dataclass(frozen=True)
class Started:
    """A request about to leave; ``claimed_for``: the request its sends were claimed for before, if any."""

    attempt_id: str
    send_ids: Sequence[str]
    payload_hash: str
    claimed_for: str | None


@dataclass(frozen=True)
class Finished:
    """What became of a request and its sends.

    ``outcome``: ``accepted``: all its sends; ``rejected``: those in ``rejected``, the others are as before;
    ``not_sent``: all are as before; ``unknown``: all may have gone. ``message`` is what the provider said, without
    addresses; ``message_id`` its id of the request.
    """

    attempt_id: str
    send_ids: Sequence[str]
    outcome: Outcome
    http_status: int | None = None
    message: str | None = None
    message_id: str | None = None
    rejected: Sequence[str] = ()


def start_attempts(connection: duckdb.DuckDBPyConnection, started: Sequence[Started], as_of: datetime) -> None:
    """Note requests before they leave.

    Raises:
        WarehouseError: Some of their sends are no longer claimed for them; no request may leave.
    """
    connection.execute(
        """
        insert into attempts by name
        select
            unnest($ids) as attempt_id, $as_of as started_at, unnest($mails) as mails, unnest($hashes) as payload_hash,
            'sending' as outcome
        """,
        {
            "as_of": as_of,
            "ids": [one.attempt_id for one in started],
            "mails": [len(one.send_ids) for one in started],
            "hashes": [one.payload_hash for one in started],
        },
    )
    for one in started:
        if one.claimed_for is not None:
            connection.execute(
                "update sends set attempt_id = ?"
                " where state = 'claimed' and attempt_id = ? and send_id in (select unnest(?))",
                [one.attempt_id, one.claimed_for, list(one.send_ids)],
            )
    ((claimed,),) = connection.execute(
        "select count(*) from sends where state = 'claimed' and attempt_id in (select unnest(?))",
        [[one.attempt_id for one in started]],
    ).fetchall()
    if claimed != sum(len(one.send_ids) for one in started):
        raise WarehouseError(
            "another run has taken over mails that this one was about to send, and will send them; let only one run "
            "at a time use a ledger, on one machine"
        )


def finish_attempts(connection: duckdb.DuckDBPyConnection, finished: Sequence[Finished], as_of: datetime) -> None:
    """Record what became of requests, and of the sends they were rejected for."""
    if not finished:
        return
    connection.execute(
        """
        update attempts
        set
            outcome = told.outcome,
            finished_at = $as_of,
            http_status = told.http_status,
            message = told.message,
            message_id = told.message_id
        from (
            select
                unnest($ids) as attempt_id, unnest($outcomes) as outcome, unnest($statuses)::integer as http_status,
                unnest($messages)::varchar as message, unnest($message_ids)::varchar as message_id
        ) as told
        where attempts.attempt_id = told.attempt_id
        """,
        {
            "as_of": as_of,
            "ids": [one.attempt_id for one in finished],
            "outcomes": [one.outcome for one in finished],
            "statuses": [one.http_status for one in finished],
            "messages": [one.message for one in finished],
            "message_ids": [one.message_id for one in finished],
        },
    )
    for one in finished:
        if one.outcome != "accepted":
            connection.execute(
                "update attempts set send_ids = ? where attempt_id = ?", [list(one.send_ids), one.attempt_id]
            )
        if one.rejected:
            connection.execute(
                "update sends set state = 'rejected', state_reason = ?, state_changed_at = ?"
                " where state = 'claimed' and send_id in (select unnest(?))",
                [one.message, as_of, list(one.rejected)],
            )


def settle(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    """Move claimed sends to what became of their requests; those that ride in one still under way stay."""
    connection.execute(query("settle_sends"), {"as_of": as_of})


def recover(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> int:
    """After a run that died: what it had handed to a request may have left, so its state is unknown.

    Only while no other run delivers. Returns how many sends became unknown.
    """
    connection.execute(
        """
        update attempts
        set send_ids = riding.send_ids
        from (
            select attempt_id, list(send_id order by send_id) as send_ids
            from sends
            where state = 'claimed'
            group by attempt_id
        ) as riding
        where attempts.attempt_id = riding.attempt_id and attempts.outcome = 'sending'
        """
    )
    connection.execute(
        "update attempts set outcome = 'unknown', finished_at = ?, message = ? where outcome = 'sending'", [as_of, LOST]
    )
    of_an_earlier_version = count_of(
        connection.execute(
            "update sends set state = 'unknown', state_reason = ?, state_changed_at = ? where state = 'sending'",
            [LOST, as_of],
        )
    )
    ((unknown,),) = connection.execute(
        "select count(*) from sends inner join attempts using (attempt_id)"
        " where sends.state = 'claimed' and attempts.outcome = 'unknown'"
    ).fetchall()
    settle(connection, as_of)
    return of_an_earlier_version + int(unknown)
