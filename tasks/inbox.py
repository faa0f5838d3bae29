"""Drains the inbox of the web face into the facts.

Entries are read in the order of their ids, up to the first that came in after the run's instant, and how far is noted
in the transaction that stores them. So an entry is loaded once, whenever a run dies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import sqlalchemy as sa

from intake.inbox import connect_inbox, inbox_table
from rules.models import Field
from settings import Settings
from tasks.clients.sources.batches import RawBatch, text_array
from tasks.clients.sources.errors import SourceError
from tasks.clients.sources.formats import EVENT_FORMATS
from tasks.clients.sources.in_memory import in_memory_source, rows_of
from tasks.clients.sources.models import Source
from tasks.clients.sources.sendgrid_events import event_batch
from tasks.clients.sources.staging import load_plan
from tasks.clients.sources.targets import Into
from tasks.confirmations import Rows, confirmed_rows
from warehouse.connection import open_ledger, open_warehouse
from warehouse.follow_ups import stands_of
from warehouse.load import load_rows, move_watermark, read_watermark
from warehouse.load_schema import LoadCounts

NAME = "inbox"
PAGE_SIZE = 20_000
"""Entries loaded in one transaction."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTO: tuple[Into, ...] = ("leads", "consents", "events")


@dataclass(frozen=True)
class _Entry:
    entry_id: int
    kind: str
    body: str


def has_inbox(settings: Settings) -> bool:
    """Whether there is an inbox: a database that settings name, or the home's own once a web face has run."""
    return settings.inbox_url is not None or (settings.home / "inbox.db").exists()


def drain_inbox(
    settings: Settings, fields: tuple[Field, ...], as_of: datetime, until: datetime | None = None
) -> LoadCounts:
    """Load what came in and is not loaded yet.

    Args:
        settings: Where the inbox and the warehouse are.
        fields: The rule set's fields, which forms fill.
        as_of: The instant of the run; what is loaded was received then, or at the last pull if that was later.

        until: Load what came in by then; default ``as_of``.

    Returns:
        What became of the rows.

    Raises:
        SourceError: The inbox cannot be read.
        FileLockedError: Another process holds the warehouse.
    """
    if not has_inbox(settings):
        return LoadCounts()
    with open_warehouse(settings, read_only=True) as connection:
        mark = int(read_watermark(connection, NAME) or 0)
    counts = LoadCounts()
    try:
        engine = connect_inbox(settings.inbox)
    except sa.exc.SQLAlchemyError as error:
        raise _unreadable(error) from None
    try:
        for entries in _pages(engine, mark, until or as_of):
            counts += _load(settings, fields, entries, as_of)
    except sa.exc.SQLAlchemyError as error:
        raise _unreadable(error) from None
    finally:
        engine.dispose()
    return counts


def _unreadable(error: Exception) -> SourceError:
    # its message may hold the URL
    what = f"it cannot be read ({type(error).__name__}), and an opt-out may stand in it"
    return SourceError(NAME, what, "check NURTURE_INBOX_URL and that the database is up")


def _pages(engine: sa.Engine, mark: int, until: datetime) -> Iterator[list[_Entry]]:
    """Yield what came in after an entry and by an instant, some at a time."""
    columns = inbox_table.c
    until_us = (until - _EPOCH) // timedelta(microseconds=1)
    while True:
        too_late = sa.select(sa.func.min(columns.entry_id)).where(
            columns.entry_id > mark, columns.received_us > until_us
        )
        query = (
            sa.select(columns.entry_id, columns.kind, columns.body)
            .where(columns.entry_id > mark)
            .where(columns.entry_id < sa.func.coalesce(too_late.scalar_subquery(), sa.literal(2**62)))
            .order_by(columns.entry_id)
            .limit(PAGE_SIZE)
        )
        with engine.connect() as connection:
            entries = [_Entry(*row) for row in connection.execute(query)]
        if not entries:
            return
        yield entries
        mark = entries[-1].entry_id


def _load(settings: Settings, fields: tuple[Field, ...], entries: Sequence[_Entry], as_of: datetime) -> LoadCounts:
    corrections = [
        row["send_id"]
        for entry in entries
        if entry.kind == "preferences"
        for row in orjson.loads(entry.body).get("leads", ())
    ]
    addresses = _addresses(settings, corrections)
    confirmations = [(one.entry_id, orjson.loads(one.body)["events"][0]) for one in entries if one.kind == "confirm"]
    following = confirmed_rows(settings, confirmations)
    followed = _followed_leads(settings, entries)
    batches = [one for one in _batches(entries, fields, addresses, following, followed) if one[1].row_count]
    counts = LoadCounts()
    with open_warehouse(settings) as connection:
        if int(read_watermark(connection, NAME) or 0) >= entries[-1].entry_id:
            return counts  # another run has come further meanwhile
        ((pulled,),) = connection.execute("select max(as_of) from instants where flow = 'pull'").fetchall()
        received_at = as_of if pulled is None else max(as_of, pulled)
        for source, batch in batches:
            counts += load_rows(connection, load_plan(source, "UTC"), rows_of(batch, source), received_at)
        move_watermark(connection, NAME, str(entries[-1].entry_id), received_at)
    return counts


def _addresses(settings: Settings, send_ids: Sequence[str]) -> dict[str, str]:
    """Where mails went whose links somebody used, by send id."""
    if not send_ids or not settings.ledger.exists():
        return {}
    with open_ledger(settings, read_only=True) as ledger:
        found = ledger.execute("select send_id, email from sends where send_id in (select unnest(?))", [send_ids])
        return dict(found.fetchall())


def _followed_leads(settings: Settings, entries: Sequence[_Entry]) -> Mapping[str, Mapping[str, str | None]]:
    """What the leads are known by whose handoffs sales followed up, by handoff id."""
    told = [row for entry in entries if entry.kind == "follow_up" for row in orjson.loads(entry.body)["events"]]
    if not told or not settings.ledger.exists():
        return {}
    with open_ledger(settings, with_warehouse=True) as ledger:
        return stands_of(ledger, [row["properties.handoff_id"] for row in told])


def _batches(
    entries: Sequence[_Entry],
    fields: tuple[Field, ...],
    addresses: Mapping[str, str],
    following: Mapping[Into, Rows],
    followed: Mapping[str, Mapping[str, str | None]],
) -> Iterator[tuple[Source, RawBatch]]:
    """Yield what entries tell, by what it is: SendGrid's events, and rows in the words of our facts."""
    told = [(entry.entry_id, orjson.loads(entry.body)) for entry in entries if entry.kind == "sendgrid"]
    if told:
        columns = EVENT_FORMATS["sendgrid_events"]
        yield in_memory_source(NAME, "events", columns, file_format="sendgrid_events"), event_batch(told)
    rows: dict[Into, Rows] = defaultdict(list, {into: list(known) for into, known in following.items()})
    for entry in entries:
        if entry.kind != "sendgrid":
            body = orjson.loads(entry.body)
            for row in body.get("leads", ()):
                if (send_id := row.pop("send_id", None)) is not None:
                    row["email"] = addresses.get(send_id)
            if entry.kind == "follow_up":
                (event,) = body["events"]
                stand = followed.get(event["properties.handoff_id"])
                if stand is None:
                    continue  # the lead was erased meanwhile
                event |= {"email": stand["email"]} if stand["email"] else {"external_id": stand["external_id"]}
            for into in _INTO:
                rows[into] += [(entry.entry_id, row) for row in body.get(into, ())]
    for into in _INTO:
        if not rows[into]:
            continue
        names = sorted({name for _, row in rows[into] for name in row})
        columns = {name: name for name in names}
        batch = RawBatch(
            {name: text_array([row.get(name) for _, row in rows[into]]) for name in names},
            [entry_id for entry_id, _ in rows[into]],
        )
        yield in_memory_source(NAME, into, columns, fields=fields), batch
