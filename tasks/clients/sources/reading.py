"""Opens a source by its kind. Readers know nothing of the warehouse; they are told how far it has been read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

import pyarrow as pa

from tasks.clients.sources.files import FileReader
from tasks.clients.sources.models import Source
from tasks.clients.sources.sql import SqlReader
from tasks.clients.sources.staging import staged


@dataclass(frozen=True)
class Bookmark:
    """How far a source has been read: its cursor, or the state of each of its files."""

    watermark: str | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)


class SourceReader:
    """One reading of one source, from a bookmark on."""

    def __init__(self, source: Source, bookmark: Bookmark, as_of: datetime, zone: tzinfo, key: bytes) -> None:
        self._source = source
        self._sql = SqlReader(source, bookmark.watermark, as_of, zone) if source.kind == "sql" else None
        self._files = FileReader(source, bookmark.fingerprints, key) if source.kind == "file" else None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield bounded batches of rows, ready to be loaded.

        Raises:
            SourceError: The source is down, or is not what it was said to be.
        """
        reader = self._sql or self._files
        assert reader is not None
        for raw in reader.batches():
            yield from staged(raw, self._source)

    @property
    def bookmark(self) -> Bookmark:
        """Where the next reading starts, once all batches were taken: the watermark, and the files read this time."""
        return Bookmark(
            self._sql.watermark if self._sql else None,
            dict(self._files.fingerprints) if self._files else {},
        )
