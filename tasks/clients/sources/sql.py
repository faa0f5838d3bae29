"""Reads the rows of any database that SQLAlchemy knows, as a stream, from where the last pull stopped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from rules.hints import did_you_mean, listed
from tasks.clients.sources.batches import BATCH_ROWS, RawBatch, text_array
from tasks.clients.sources.bulk_sql import BulkQuery, NotInBulkError, is_in_bulk, read_in_bulk
from tasks.clients.sources.errors import SourceError, safe_text
from tasks.clients.sources.models import Source
from tasks.clients.sources.staging import needed_columns
from tasks.clients.sources.watermarks import Cursor, Watermark

_DEFAULT_LOOKBACK = timedelta(minutes=10)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # without a zone it compares with any stamp or date
_CONNECT_TIMEOUT_SECONDS = 10


class SqlReader:
    """One reading of an ``sql`` source. ``watermark`` is how far it got, once the batches are through."""

    def __init__(
        self, source: Source, stored: str | None, as_of: datetime, zone: tzinfo, *, is_in_bulk: bool = True
    ) -> None:
        self._source = source
        self._may_be_in_bulk = is_in_bulk
        self._stored = Watermark.parse(stored) if stored else None
        self._as_of = as_of
        self._zone = zone
        self._greatest = self._stored

    @property
    def watermark(self) -> str | None:
        """The greatest cursor value read so far, never behind the one stored."""
        if self._greatest is None:
            return None
        capped = self._greatest.capped(self._as_of, self._zone)
        return str(capped if capped.is_after(self._stored) else self._stored)

    def batches(self) -> Iterator[RawBatch]:
        """Yield the rows in bounded batches.

        Raises:
            SourceError: The database is down, the query fails, or a mapped column is not in its result.
            NotInBulkError: It has to be read by another reader that is told not to read in bulk.
        """
        url = self._url()
        if self._may_be_in_bulk and is_in_bulk(url):
            yield from self._bulk_batches(url)
            return
        secrets = (url.password or "", url.username or "", *_query_values(url))
        try:
            engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, **_connect_options(url))
            with engine.connect().execution_options(
                stream_results=True, yield_per=BATCH_ROWS, postgresql_readonly=True
            ) as connection:
                bound = {"since": self._since(url)} if self._source.cursor else {}
                result = connection.execute(sqlalchemy.text(self._source.query), bound)
                names = list(result.keys())
                self._check_columns(names)
                line = 1
                for rows in result.partitions(BATCH_ROWS):
                    yield self._batch(names, rows, line)
                    line += len(rows)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            what = f"no driver is installed for {safe_text(url.drivername)}"
            raise self._error(what, "install it; for PostgreSQL: pip install 'nurture[postgres]'") from error
        except SQLAlchemyError as error:
            told = str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
            what = f"the database did not answer the query ({safe_text(told, secrets)})"
            raise self._error(
                what, "check that it is up, that the URL's variable is right, and run the query by hand"
            ) from None  # the driver's own error holds the URL and the rows

    def _bulk_batches(self, url: sqlalchemy.URL) -> Iterator[RawBatch]:
        since = self._since(url) if self._source.cursor else None
        query = BulkQuery(url, self._source.query, since, self._source.cursor, self._needed)
        line = 1
        for batch in read_in_bulk(query):
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            if self._source.cursor:
                self._note_greatest(_greatest(columns[self._source.cursor]))
            yield RawBatch(columns, range(line, line + batch.num_rows))
            line += batch.num_rows

    def _needed(self, names: list[str]) -> list[str]:
        if not {*self._source.columns.values(), *filter(None, [self._source.cursor])} <= set(names):
            raise NotInBulkError("columns")
        return needed_columns(self._source, names)

    def _url(self) -> sqlalchemy.URL:
        url = sqlalchemy.make_url(self._source.url.get_secret_value())
        if url.drivername in {"postgresql", "postgres"}:
            url = url.set(drivername="postgresql+psycopg")
        is_file = url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}
        if is_file and not str(url.database).startswith("file:") and not Path(str(url.database)).exists():
            raise self._error("the SQLite file does not exist", "check the path in its URL")
        return url

    def _since(self, url: sqlalchemy.URL) -> Cursor:
        if self._stored is not None:
            lookback = self._source.lookback if self._source.lookback is not None else _DEFAULT_LOOKBACK
            moved = self._stored.moved_back(lookback, self._zone)
            if moved is not None:
                return moved
            if self._source.lookback is not None and self._stored.kind != "number":
                raise self._error(
                    "its cursor is not a stamp, so there is nothing to look back over",
                    "remove 'lookback', or let the query give the cursor as YYYY-MM-DD HH:MM:SS",
                )
            return self._stored.cursor()
        if self._source.start is not None:
            return self._source.start
        # in SQLite a number lies before every text and before every number that could follow
        return -(2**63) if url.get_backend_name() == "sqlite" else _EARLIEST

    def _check_columns(self, names: list[str]) -> None:
        wanted = {*self._source.columns.values(), *filter(None, [self._source.cursor])}
        for name in sorted(wanted - set(names)):
            raise self._error(
                f"the query gives no column '{name}' (it gives: {listed(names)})",
                did_you_mean(name, names) or "change the query or 'columns'",
            )

    def _batch(self, names: list[str], rows: Any, line: int) -> RawBatch:
        values = dict(zip(names, zip(*rows, strict=True), strict=True))
        if self._source.cursor:
            for kind in {type(value) for value in values[self._source.cursor]} - {type(None)}:
                self._note_greatest(max(value for value in values[self._source.cursor] if type(value) is kind))
        columns = {name: text_array(column) for name, column in values.items()}
        return RawBatch(columns, range(line, line + len(rows)))

    def _note_greatest(self, value: object) -> None:
        watermark = Watermark.of(value)
        if watermark is not None and watermark.is_after(self._greatest):
            self._greatest = watermark

    def _error(self, what: str, todo: str) -> SourceError:
        return SourceError(self._source.name, what, todo)


def _greatest(values: pa.Array) -> object:
    try:
        return pc.min_max(values)["max"].as_py()
    except (OverflowError, ValueError, pa.ArrowException):  # PostgreSQL's infinity, or a type that has no order
        raise NotInBulkError("cursor") from None


def _connect_options(url: sqlalchemy.URL) -> dict[str, Any]:
    if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
        return {"connect_args": {"connect_timeout": _CONNECT_TIMEOUT_SECONDS}}
    return {}


def _query_values(url: sqlalchemy.URL) -> list[str]:
    return [value for values in url.normalized_query.values() for value in values if len(value) > 3]
