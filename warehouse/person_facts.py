"""Copies the facts that say anything of one person out of the warehouse, so that they can be derived from alone.

A person is what facts named together: addresses and ids. To it belong the browsers that were theirs for some time, and
the sends that went to them; whoever shared a browser tells from when to when it was whose. Where rules ask about
companies, the facts of colleagues come along. What is copied may be more than is needed, never less.

The last recompute has found most of this already; facts it has not seen are looked through.
"""

from __future__ import annotations

import duckdb

from warehouse.derivation import Derivation, model
from warehouse.errors import WarehouseError


def copy_facts(run: Derivation, email: str) -> None:
    """Copy the facts, known by the run's instant, of whoever has an address.

    Args:
        run: A run in a warehouse that has rules and no facts, with the real one attached as ``warehouse``.
        email: The address, normalised.

    Raises:
        WarehouseError: People have to be found anew first.
    """
    connection = run.connection
    _note_unseen(run)
    connection.execute("create temp table reach (kind varchar, value varchar)")
    connection.execute("insert into reach values ('email', ?)", [email])
    _join_identities(connection)
    if run.catalogue.asks_accounts:
        _add_colleagues(run)
    _add_sends(connection)
    _add_browsers(connection)
    _join_identities(connection)  # of those who shared a browser
    _copy_events(run)
    _copy_others(run)
    for table in ("unseen", "reach"):
        connection.execute(f"drop table {table}")


def _note_unseen(run: Derivation) -> None:
    """Make ``unseen``: what the kept tables about people do not know yet."""
    row = run.connection.execute(
        "select as_of, events, lead_records, deal_records from warehouse.derivation where people_version = ?",
        [run.people_version],
    ).fetchone()
    if row is None:
        raise WarehouseError(
            "the tables here were made by another version or under other settings; run `nurture recompute` first"
        )
    seen = dict(zip(("recomputed_at", "events_seen", "lead_records_seen", "deal_records_seen"), row, strict=True))
    run.run(f"create temp table unseen as {model('explain_unseen')}", seen)


_PAIRS = """
    select email, external_id from warehouse.identity_facts
    union all
    select email, external_id from unseen where makes_lead
"""
_TIES = """
    select visitor, email, external_id from warehouse.visitor_ties
    union all
    select visitor, email, external_id from unseen where visitor is not null
"""


def _join_identities(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the identities that facts named together with one within reach, again and again until there is none."""
    while _added(
        connection,
        f"""
        with pairs as ({_PAIRS})

        select 'external_id', external_id
        from pairs
        where external_id is not null and email in (select value from reach where kind = 'email')
        union
        select 'email', email
        from pairs
        where email is not null and external_id in (select value from reach where kind = 'external_id')
        """,
    ):
        pass


def _add_colleagues(run: Derivation) -> None:
    """Add whoever bears a sign of a company with one within reach, and those who bear another with these, and so on.

    Which company a sign stands for is told by all who bear it and by their other signs.
    """
    connection = run.connection
    run.run(f"create temp table signs as {model('explain_signs')}")
    while _added(
        connection,
        """
        select kind, value
        from signs
        where sign in (select sign from signs where (kind, value) in (select (kind, value) from reach))
        """,
    ):
        _join_identities(connection)
    connection.execute("drop table signs")


def _add_sends(connection: duckdb.DuckDBPyConnection) -> None:
    _added(
        connection,
        """
        with told as (
            select send_id, email from warehouse.send_addresses
            union all
            select send_id, email from warehouse.send_records
            union all
            select send_id, email from unseen where send_id is not null
        )

        select 'send_id', send_id from told where email in (select value from reach where kind = 'email')
        """,
    )


def _add_browsers(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the browsers of those within reach, by a form or a link of their mails, and whoever else used these."""
    _added(
        connection,
        f"""
        with ties as ({_TIES}),

        visits as (
            select visitor, send_id from warehouse.link_visits
            union all
            select visitor, send_id from unseen where visitor is not null and send_id is not null
        )

        select 'visitor', visitor from ties
        where
            email in (select value from reach where kind = 'email')
            or external_id in (select value from reach where kind = 'external_id')
        union
        select 'visitor', visitor from visits where send_id in (select value from reach where kind = 'send_id')
        """,
    )
    _added(
        connection,
        f"""
        with shared as (select * from ({_TIES}) where visitor in (select value from reach where kind = 'visitor'))

        select 'email', email from shared where email is not null
        union
        select 'external_id', external_id from shared where external_id is not null
        """,
    )


def _added(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    """Add (kind, value) rows that are not within reach yet. Whether there were any."""
    row = connection.execute(
        f"insert into reach select distinct * from ({query}) as found (kind, value)"
        " where (kind, value) not in (select (kind, value) from reach)"
    ).fetchone()
    return row is not None and row[0] > 0


_BARE_SENDS = """
    select send_id
    from main.events
    where
        send_id is not null and email is null and external_id is null
        and visitor in (select value from reach where kind = 'visitor')
"""
"""Sends named by events that say no more of whose they are than the browser, which their addressee goes before."""


def _copy_events(run: Derivation) -> None:
    """Copy the events within reach. Sends and addressees that these bring up come within reach, too."""
    query = model("explain_events")
    run.run(f"insert into main.events {query}")
    while _add_sends_of_events(run.connection):
        _add_browsers(run.connection)
        _join_identities(run.connection)
        run.run("delete from main.events")
        run.run(f"insert into main.events {query}")


def _add_sends_of_events(connection: duckdb.DuckDBPyConnection) -> bool:
    is_new = _added(
        connection,
        f"""
        select 'send_id', send_id from ({_BARE_SENDS})
        union
        -- sends of which only an event tells whom they went to, and of which others say nothing but the send
        select 'send_id', send_id
        from main.events
        where
            email in (select value from reach where kind = 'email')
            and (
                send_id in (select send_id from warehouse.send_addresses)
                or send_id in (select send_id from unseen where coalesce(email, external_id) is null)
            )
        """,
    )
    are_others = _added(
        connection,
        f"""
        select 'email', email from main.events
        where
            email is not null
            and (
                send_id in (select send_id from ({_BARE_SENDS}))
                -- an event of a mail joins nobody: its address goes before its id, and may be another's
                or external_id in (select value from reach where kind = 'external_id')
            )
        union
        select 'email', email from warehouse.send_records
        where send_id in (select send_id from ({_BARE_SENDS}))
        """,
    )
    if are_others:
        _join_identities(connection)
    return is_new or are_others


_NAMED = """
    received_at <= $as_of
    and (
        email in (select value from reach where kind = 'email')
        or external_id in (select value from reach where kind = 'external_id')
    )
"""

_HASHED = """
    received_at <= $as_of and email_hash is not null
    and email_hash in (select address_hash(value) from reach where kind = 'email')
"""
"""What is kept of whoever was erased and came back."""


def _copy_others(run: Derivation) -> None:
    for table, which in (
        (
            "lead_records",
            f"({_NAMED}) or (received_at <= $as_of and visitor in (select value from reach where kind = 'visitor'))",
        ),
        ("consent_records", f"({_NAMED}) or ({_HASHED})"),
        ("suppression_records", f"({_NAMED}) or ({_HASHED})"),
        (
            "deal_records",  # a deal may pass from one person to another
            "received_at <= $as_of and (source, deal_id) in"
            f" (select (source, deal_id) from warehouse.deal_records where {_NAMED})",
        ),
        (
            "send_records",
            "received_at <= $as_of and (email in (select value from reach where kind = 'email')"
            " or send_id in (select send_id from main.events))",
        ),
    ):
        run.run(f"insert into main.{table} select * from warehouse.{table} where {which}")
