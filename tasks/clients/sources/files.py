"""Reads the files of a ``file`` source that are new or have changed, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from tasks.clients.sources.access_logs import read_access_log
from tasks.clients.sources.batches import RawBatch
from tasks.clients.sources.csv_files import read_csv
from tasks.clients.sources.errors import SourceError, safe_text
from tasks.clients.sources.json_files import read_jsonl
from tasks.clients.sources.models import Source
from tasks.clients.sources.parquet_files import look_into_parquet, read_parquet
from tasks.clients.sources.sendgrid_events import read_sendgrid_events
from tasks.clients.sources.xlsx_files import read_xlsx
from warehouse.load_schema import SourceRows

_READERS: dict[str | None, Callable[[Source, Any, str], Iterator[RawBatch]]] = {
    "csv": read_csv,
    "tsv": read_csv,
    "xlsx": read_xlsx,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "sendgrid_events": read_sendgrid_events,
}


class FileReader:
    """One reading of a ``file`` source. ``fingerprints`` names the files read, once the batches are through."""

    def __init__(self, source: Source, known: Mapping[str, str], key: bytes) -> None:
        self._source = source
        self._known = known
        self._key = key
        self.fingerprints: dict[str, str] = {}
        self.rows_in_place = 0
        self._in_place: dict[pa.Schema, list[str]] = {}

    @property
    def in_place(self) -> tuple[SourceRows, ...]:
        """The Parquet files that DuckDB reads by itself, those of the same columns together."""
        return tuple(SourceRows(tuple(schema.names), parquet=tuple(paths)) for schema, paths in self._in_place.items())

    def batches(self) -> Iterator[RawBatch]:
        """Yield the rows of every file that is not known in its present state and is not read in place.

        Raises:
            SourceError: A file is missing or cannot be read.
        """
        filesystem, paths = self._paths()
        try:
            for path in paths:
                fingerprint = self._fingerprint(filesystem, path)
                if self._known.get(path) == fingerprint:
                    continue
                self.fingerprints[path] = fingerprint
                if self._source.format == "parquet" and isinstance(filesystem, LocalFileSystem):
                    schema, rows = look_into_parquet(self._source, path)
                    self._in_place.setdefault(schema, []).append(path)
                    self.rows_in_place += rows
                    continue
                yield from self._read(filesystem, path)
        except FileNotFoundError:
            raise self._error(f"{path} does not exist", "check 'path' and whether the export ran") from None
        except (OSError, EOFError) as error:
            told = f"{type(error).__name__}: {safe_text(str(error))}"
            raise self._error(f"{path} cannot be read ({told})", "check its permissions and that it is whole") from None

    def _paths(self) -> tuple[Any, list[str]]:
        try:
            filesystem, pattern = fsspec.core.url_to_fs(self._source.path.get_secret_value())
            if not fsspec.core.has_magic(pattern):
                return filesystem, [pattern]
            found = filesystem.glob(pattern, detail=True)
        except Exception as error:  # noqa: BLE001  what a file system's driver raises is its own
            told = f"{type(error).__name__}: {safe_text(str(error))}"
            raise self._error(f"its path cannot be opened ({told})", "check 'path' and its credentials") from None
        paths = sorted(path for path, info in found.items() if info.get("type") != "directory")
        if not paths and not self._known:
            raise self._error(f"no file matches {pattern}", "check 'path', or put the first file there")
        return filesystem, paths

    def _read(self, filesystem: Any, path: str) -> Iterator[RawBatch]:
        if self._source.format == "access_log":
            return read_access_log(self._source, filesystem, path, self._key)
        return _READERS[self._source.format](self._source, filesystem, path)

    def _fingerprint(self, filesystem: Any, path: str) -> str:
        """Return what changes when the file, or what we make of it, changes. Taken before reading, never after."""
        fields = {"fields"} if self._source.into != "leads" else set()
        definition = hashlib.sha256(self._source.model_dump_json(exclude=fields).encode()).hexdigest()[:16]
        if isinstance(filesystem, LocalFileSystem):
            # a time of change cannot be set back, so a same-sized edit with an old time is seen too
            stat = Path(path).stat()
            return f"{definition}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"
        return f"{definition}:{filesystem.ukey(path)}"

    def _error(self, what: str, todo: str) -> SourceError:
        return SourceError(self._source.name, what, todo)
