"""Pulls every source, the inbox and the mails that left into the facts: reads first, then loads in one transaction.

Whatever ends a run, each source is either loaded with its bookmark moved, or as before; running again makes it good.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from rules.loader import load_rules
from rules.models import Field
from settings import Settings
from tasks.clients.sources.config import load_sources
from tasks.clients.sources.errors import SourceError
from tasks.clients.sources.models import Source
from tasks.clients.sources.reading import Bookmark, read_source
from tasks.clients.sources.spool import Spool
from tasks.clients.sources.staging import load_plan, target_columns
from tasks.clients.sources.watermarks import Watermark
from tasks.inbox import drain_inbox, has_inbox
from warehouse.connection import check_instant, open_ledger, open_warehouse
from warehouse.errors import WarehouseError
from warehouse.load import (
    load_rows,
    move_watermark,
    note_definition,
    note_files,
    read_definition,
    read_fingerprints,
    read_watermark,
)
from warehouse.load_schema import LoadCounts, LoadPlan, SourceRows
from warehouse.send_facts import load_sends, read_known_sends, read_new_sends

OnProgress = Callable[[str, int], None]
"""Told a source's name and how many of its rows have been read, from time to time."""


@dataclass(frozen=True)
class SourceReport:
    """What became of one source."""

    source: str
    counts: LoadCounts = field(default_factory=LoadCounts)
    seconds: float = 0.0
    error: str | None = None
    feeds_consent: bool = False
    """Whether who may be mailed hangs on it: while it fails, an opt-out may be missing."""


@dataclass(frozen=True)
class PullReport:
    """What became of every source, in the order of sources.yaml."""

    as_of: datetime
    sources: tuple[SourceReport, ...] = ()
    mails_noted: int = 0
    """How many mails that left became facts."""

    @property
    def failed(self) -> tuple[SourceReport, ...]:
        """The sources that could not be pulled."""
        return tuple(report for report in self.sources if report.error is not None)

    @property
    def has_consent_failure(self) -> bool:
        """Whether a source failed on which hangs who may be mailed."""
        return any(report.feeds_consent for report in self.failed)


def pull_sources(
    settings: Settings,
    as_of: datetime,
    on_progress: OnProgress | None = None,
    *,
    fields: tuple[Field, ...] | None = None,
) -> PullReport:
    """Pull every source of sources.yaml and the inbox, and note the mails that left.

    Args:
        settings: Where the warehouse, the rules and the sources are.
        as_of: The instant of the run; what is loaded was received then.
        on_progress: Called now and then while rows are read.
        fields: The rule set's fields; read from the rules where not given.

    Raises:
        ConfigurationError: sources.yaml or the rules cannot be used.
        InstantError: ``as_of`` lies before an earlier pull's.
        FileLockedError: Another process holds the warehouse or the ledger.
    """
    fields = load_rules(settings.rules).fields if fields is None else fields
    sources = load_sources(settings.sources, fields)
    with open_warehouse(settings) as connection:
        check_instant(connection, "pull", as_of)
        bookmarks = {source.name: _bookmark(connection, source) for source in sources}
    mails_noted = note_sends(settings, as_of)
    taken = pull_inbox(settings, fields, as_of)
    reports = (pull_source(settings, source, as_of, on_progress, bookmarks[source.name]) for source in sources)
    return PullReport(as_of, (*taken, *reports), mails_noted)


def pull_inbox(settings: Settings, fields: tuple[Field, ...], as_of: datetime) -> tuple[SourceReport, ...]:
    """Load what the web face took; none where none has ever run here."""
    if not has_inbox(settings):
        return ()
    started = time.monotonic()
    counts, error = LoadCounts(), None
    try:
        counts = drain_inbox(settings, fields, as_of)
    except SourceError as failure:
        error = str(failure)
    return (SourceReport("inbox", counts, time.monotonic() - started, error, feeds_consent=True),)


def note_sends(settings: Settings, as_of: datetime) -> int:
    """Make facts of the mails that left since the last time; return how many.

    Args:
        settings: Where the warehouse and the ledger are.
        as_of: The instant of the run.

    Raises:
        FileLockedError: Another process holds the warehouse or the ledger.
    """
    if not settings.ledger.exists():
        return 0
    with open_warehouse(settings, read_only=True) as connection:
        known = read_known_sends(connection)
    with open_ledger(settings, read_only=True) as connection:
        sends = read_new_sends(connection, known)
    if not sends.num_rows:
        return 0
    with open_warehouse(settings) as connection:
        check_instant(connection, "pull", as_of)
        return load_sends(connection, sends, as_of)


def pull_source(
    settings: Settings,
    source: Source,
    as_of: datetime,
    on_progress: OnProgress | None = None,
    bookmark: Bookmark | None = None,
) -> SourceReport:
    """Pull one source; what is wrong with it stands in the report, and stops no other.

    Args:
        settings: Where the warehouse is.
        source: The source.
        as_of: The instant of the run.
        on_progress: Called now and then while rows are read.
        bookmark: How far the source has been read; looked up where not given.
    """
    started = time.monotonic()
    counts, error = LoadCounts(), None
    try:
        counts = _pull(settings, source, as_of, on_progress, bookmark)
    except SourceError as failure:
        error = str(failure)
    except WarehouseError:
        raise
    except Exception as failure:  # noqa: BLE001  a fault of ours or a library's stops no other source
        # its message may hold rows, so only its kind and place are told
        error = f"source {source.name}: unexpected {type(failure).__name__} at {_place(failure)}; please report it"
    return SourceReport(source.name, counts, time.monotonic() - started, error, source.feeds_consent)


def _bookmark(connection: duckdb.DuckDBPyConnection, source: Source) -> Bookmark:
    """How far a source has been read; nowhere where its rows say more of leads than when they were read."""
    if source.into == "leads" and read_definition(connection, source.name) not in {None, _definition(source)}:
        return Bookmark()
    return Bookmark(read_watermark(connection, source.name), read_fingerprints(connection, source.name))


def _definition(source: Source) -> str:
    """What a source's rows are taken to say: another once a field was added, mapped otherwise or takes other values."""
    said = [repr(column) for column in target_columns(source)]
    said += [source.query, str(source.names), str(source.sheet), str(source.timezone), str(source.date_format)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def _pull(
    settings: Settings, source: Source, as_of: datetime, on_progress: OnProgress | None, bookmark: Bookmark | None
) -> LoadCounts:
    if bookmark is None:
        with open_warehouse(settings, read_only=True) as connection:
            bookmark = _bookmark(connection, source)
    timezone = source.timezone or settings.timezone
    key = (settings.secret_key.get_secret_value() if settings.secret_key else source.id_space).encode()[:64]

    def on_rows(count: int) -> None:
        if on_progress is not None:
            on_progress(source.name, count)

    with Spool(settings.home) as spool:
        reader = read_source(source, bookmark, as_of, ZoneInfo(timezone), key, spool, on_rows)
        if not spool.row_count and not reader.bookmark.fingerprints:
            return LoadCounts()
        with open_warehouse(settings) as connection:
            check_instant(connection, "pull", as_of)
            counts, plan = LoadCounts(), load_plan(source, timezone)
            if spool.row_count:
                counts += load_rows(connection, plan, spool.rows(), as_of)
            for rows in reader.in_place:
                counts += _load_in_place(connection, plan, rows, as_of)
            note_definition(connection, source.name, _definition(source))
            note_files(connection, source.name, dict(reader.bookmark.fingerprints), counts, as_of)
            reached, stored = reader.bookmark.watermark, read_watermark(connection, source.name)
            # another pull may have come further meanwhile
            if reached and (stored is None or Watermark.parse(reached).is_after(Watermark.parse(stored))):
                move_watermark(connection, source.name, reached, as_of)
    return counts


def _load_in_place(
    connection: duckdb.DuckDBPyConnection, plan: LoadPlan, rows: SourceRows, as_of: datetime
) -> LoadCounts:
    try:
        return load_rows(connection, plan, rows, as_of)
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.NotImplementedException) as error:
        # the message may hold values, so only its kind is told
        what = f"{', '.join(rows.parquet[:3])} cannot be read to the end ({type(error).__name__})"
        raise SourceError(plan.source, what, "write what is damaged anew; put it in place by renaming it") from error


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "unknown"
