"""Fills a warehouse with a simulated crowd's facts, as pulls of its files come to, and adds to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from sandbox.crowd import END, make_crowd
from settings import Settings
from warehouse.connection import open_warehouse

AS_OF = END + timedelta(days=2)
"""After the last event: those that answer a mail of the last day follow it."""

_CONTACTS = """
insert into lead_records by name
select
    md5(concat('contacts', id)) as record_id, 'contacts' as source, id as external_id, mail as email,
    updated_at as occurred_at, updated_at as received_at, updated_at as created_at,
    map {
        'name': name, 'company': company, 'title': title, 'industry': industry, 'employees': employees::varchar,
        'region': region
    } as attributes
from read_parquet($path)
"""
_DEALS = """
insert into deal_records by name
select
    md5(concat('deals', deal, state)) as record_id, 'deals' as source, deal as deal_id, mail as email, state as status,
    amount, changed_at as occurred_at, changed_at as received_at, map {}::map(varchar, varchar) as attributes
from read_parquet($path)
"""
_DEAL_EVENTS = """
insert into events by name
select
    md5(concat('deal event', deal, state))::uuid as event_id, 'deals' as source,
    case state when 'open' then 'deal_created' else 'deal_' || state end as event_type,
    changed_at as occurred_at, changed_at as received_at, mail as email,
    map {'deal_id': deal}::map(varchar, varchar) as properties
from read_parquet($path)
"""
_EVENTS = """
insert into events by name
select
    md5(concat('behaviour', id))::uuid as event_id, 'behaviour' as source, type as event_type,
    happened_at as occurred_at, happened_at as received_at, mail as email, visitor, path as url, asset,
    send as send_id, map {}::map(varchar, varchar) as properties
from read_parquet($path)
order by happened_at
"""
_CHANGES = """
insert into events by name
with chosen as (
    select email, row_number() over () as number
    from lead_records
    where email is not null
    qualify row_number() over (order by hash(email, $seed)) <= $leads
)

select
    md5(concat('change', $seed, number, nth))::uuid as event_id, 'change' as source,
    ['page_view', 'page_view', 'page_view', 'page_view', 'document_download', 'mail_open', 'page_view', 'page_view',
        'seminar_signup', 'mail_click'][nth] as event_type,
    $at::timestamptz - to_seconds(1 + (hash(number, nth) % 40000)::bigint) as occurred_at,
    $at::timestamptz as received_at, email,
    case when event_type = 'page_view' then ['/price', '/blog/1', '/case/2'][1 + (hash(number) % 3)::bigint] end as url,
    case when event_type = 'document_download' then 'case-studies' end as asset,
    case when starts_with(event_type, 'mail_') then concat('S', $seed, number) end as send_id,
    map {}::map(varchar, varchar) as properties
from chosen, range(1, 11) as acts(nth)
"""


def settings_for(home: Path) -> Settings:
    """Settings of a home whose engine may use what the bench allows."""
    return Settings(home=home, memory_limit="4GB")


def make_store(folder: Path, leads: int, events: int) -> Path:
    """Make a crowd and a warehouse with its facts in a folder, unless they are there. Returns the warehouse's home."""
    home = folder / "home"
    if not (home / "made").exists():
        crowd = make_crowd(folder / "crowd", leads, events)
        with open_warehouse(settings_for(home)) as connection:
            connection.execute(_CONTACTS, {"path": str(crowd.contacts)})
            connection.execute(_DEALS, {"path": str(crowd.deals)})
            connection.execute(_DEAL_EVENTS, {"path": str(crowd.deals)})
        for month in crowd.behaviour:
            with open_warehouse(settings_for(home)) as connection:
                connection.execute(_EVENTS, {"path": str(month)})
            month.unlink()
        (home / "made").touch()
    with open_warehouse(settings_for(home)) as connection:  # what an earlier run added
        connection.execute("delete from events where received_at > $1 and source = 'change'", [AS_OF])
        connection.execute("delete from derivation")
    return home


def change_leads(connection: duckdb.DuckDBPyConnection, leads: int, at: datetime, seed: int) -> None:
    """Let so many leads do ten things each, told at an instant."""
    connection.execute(_CHANGES, {"leads": leads, "at": at, "seed": seed})
