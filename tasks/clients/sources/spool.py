"""Keeps the rows of a source on disk between reading and loading.

The warehouse is never open while another machine is waited for, and the rows need not fit in memory. The file has no
name: it is gone when the process is, however it ends.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from warehouse.load_schema import STAGE_SCHEMA


class Spool:
    """A nameless file of staged rows: written once, then read once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by __exit__
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, "w"), STAGE_SCHEMA, options=options)
        self.row_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._file.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch in ``STAGE_SCHEMA``."""
        self._writer.write_batch(batch)
        self.row_count += batch.num_rows

    def rows(self) -> pa.RecordBatchReader:
        """Return the rows as a stream, to be read once."""
        self._writer.close()
        self._file.seek(0)
        return pa.ipc.open_stream(pa.PythonFile(self._file, "r"))
