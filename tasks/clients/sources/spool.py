"""Keeps the rows of a source on disk between reading and loading.

The warehouse is never open while another machine is waited for, and the rows need not fit in memory: they are mapped
into it, and the system takes that back. The file has no name: it is gone when the process is, however it ends.
"""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from tasks.clients.sources.staging import column_names
from warehouse.load_schema import SourceRows


class Spool:
    """A nameless file of a source's rows: written once, then read once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by __exit__
        self._writer: pa.RecordBatchStreamWriter | None = None
        self.row_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_writer()
        self._file.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch; all have the schema of the first."""
        if self._writer is None:
            self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, "w"), batch.schema)
        self._writer.write_batch(batch)
        self.row_count += batch.num_rows

    def clear(self) -> None:
        """Forget what was written: the rows are to be read in another way."""
        self._close_writer()
        self._file.seek(0)
        self._file.truncate()
        self._writer = None
        self.row_count = 0

    def rows(self) -> SourceRows:
        """Return the rows. At least one batch must have been written, and none may be written any more."""
        self._close_writer()
        self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        table = pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()
        return SourceRows(column_names(table.schema), table)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
