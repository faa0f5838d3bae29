"""Puts facts into a warehouse for tests, as a pull would have."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import duckdb

START = datetime(2026, 4, 1, 0, 0, tzinfo=UTC)
_ids = itertools.count(1)


def at(days: float = 0, hours: float = 0, minutes: float = 0) -> datetime:
    """An instant after the start of the tests' time."""
    return START + timedelta(days=days, hours=hours, minutes=minutes)


def add_lead(connection: duckdb.DuckDBPyConnection, email: str, when: datetime = START, **attributes: str) -> None:
    """A row of a source about a person."""
    connection.execute(
        "insert into lead_records values (?, 'crm', null, ?, null, ?, ?, ?, null)",
        [f"r{next(_ids)}", email, when, when, attributes],
    )


def add_event(
    connection: duckdb.DuckDBPyConnection,
    event_type: str,
    when: datetime,
    *,
    email: str | None = None,
    external_id: str | None = None,
    visitor: str | None = None,
    url: str | None = None,
    asset: str | None = None,
    send_id: str | None = None,
    received_at: datetime | None = None,
    event_id: UUID | None = None,
    **properties: str,
) -> UUID:
    """One behaviour; returns its id. Ids grow from one to the next, unless given."""
    event_id = event_id or UUID(int=next(_ids))
    connection.execute(
        "insert into events values (?, 'web', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [event_id, event_type, when, received_at or when, email, external_id, visitor, url, asset, send_id, properties],
    )
    return event_id


def add_consent(
    connection: duckdb.DuckDBPyConnection,
    email: str,
    when: datetime = START,
    mail_kind: str = "marketing",
    *,
    is_granted: bool = True,
) -> None:
    """Consent to marketing mail, or to a kind of it, by a form; or its withdrawal."""
    connection.execute(
        "insert into consent_records values (?, 'crm', null, ?, ?, ?, 'opt_in_form', 'form v1', ?, ?, null)",
        [f"c{next(_ids)}", email, mail_kind, is_granted, when, when],
    )


def add_suppression(
    connection: duckdb.DuckDBPyConnection,
    email: str,
    when: datetime,
    blocks: str = "marketing",
    reason: str = "opt_out",
) -> None:
    """A reason not to mail an address."""
    connection.execute(
        "insert into suppression_records values (?, 'list', null, ?, ?, ?, ?, ?, null)",
        [f"s{next(_ids)}", email, blocks, reason, when, when],
    )
