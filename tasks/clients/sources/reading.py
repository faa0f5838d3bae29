"""Opens a source by its kind. Readers know nothing of the warehouse; they are told how far it has been read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

import pyarrow as pa

from tasks.clients.sources.bulk_sql import NotInBulkError
from tasks.clients.sources.files import FileReader
from tasks.clients.sources.models import Source
from tasks.clients.sources.spool import Spool
from tasks.clients.sources.sql import SqlReader
from tasks.clients.sources.staging import spooled
from warehouse.load_schema import SourceRows


@dataclass(frozen=True)
class Bookmark:
    """How far a source has been read: its cursor, or the state of each of its files."""

    watermark: str | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)


class SourceReader:
    """One reading of one source, from a bookmark on; ``is_in_bulk``: by the quick drivers, where there is one."""

    def __init__(
        self,
        source: Source,
        bookmark: Bookmark,
        as_of: datetime,
        zone: tzinfo,
        key: bytes,
        *,
        is_in_bulk: bool = True,
    ) -> None:
        self._source = source
        self._sql = (
            SqlReader(source, bookmark.watermark, as_of, zone, is_in_bulk=is_in_bulk) if source.kind == "sql" else None
        )
        self._files = FileReader(source, bookmark.fingerprints, key) if source.kind == "file" else None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield bounded batches of rows, to be spooled and then loaded.

        Raises:
            SourceError: The source is down, or is not what it was said to be.
            NotInBulkError: It has to be read anew, and not in bulk; see ``read_source``.
        """
        reader = self._sql or self._files
        assert reader is not None
        for raw in reader.batches():
            yield from spooled(raw, self._source)

    @property
    def in_place(self) -> tuple[SourceRows, ...]:
        """The rows that need not be spooled, since the warehouse reads them where they stand."""
        return self._files.in_place if self._files else ()

    @property
    def rows_in_place(self) -> int:
        """How many those are."""
        return self._files.rows_in_place if self._files else 0

    @property
    def bookmark(self) -> Bookmark:
        """Where the next reading starts, once all batches were taken: the watermark, and the files read this time."""
        return Bookmark(
            self._sql.watermark if self._sql else None,
            dict(self._files.fingerprints) if self._files else {},
        )


def read_source(
    source: Source,
    bookmark: Bookmark,
    as_of: datetime,
    zone: tzinfo,
    key: bytes,
    spool: Spool,
    on_rows: Callable[[int], None],
) -> SourceReader:
    """Read a source into a spool, in bulk where that goes; return the reader, which knows how far it got.

    Raises:
        SourceError: The source is down, or is not what it was said to be.
    """
    try:
        return _fill(SourceReader(source, bookmark, as_of, zone, key), spool, on_rows)
    except NotInBulkError:
        spool.clear()
        return _fill(SourceReader(source, bookmark, as_of, zone, key, is_in_bulk=False), spool, on_rows)


def _fill(reader: SourceReader, spool: Spool, on_rows: Callable[[int], None]) -> SourceReader:
    for batch in reader.batches():
        spool.write(batch)
        on_rows(spool.row_count)
    if reader.rows_in_place:
        on_rows(spool.row_count + reader.rows_in_place)
    return reader
