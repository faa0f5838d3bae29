"""Reads Parquet: on this machine DuckDB does, straight from the file; from elsewhere it comes in bounded batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.clients.sources.batches import BATCH_ROWS, RawBatch, text_array
from tasks.clients.sources.columns import check_columns
from tasks.clients.sources.errors import SourceError, safe_text
from tasks.clients.sources.models import Source
from tasks.clients.sources.text_files import open_binary


def look_into_parquet(source: Source, path: str) -> tuple[pa.Schema, int]:
    """Return the columns of a file on this machine, and how many rows it has.

    Raises:
        SourceError: The file is no Parquet, or a mapped column is missing.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow.remove_metadata(), file.metadata.num_rows
    except pa.ArrowInvalid as error:
        raise _broken(source, path, error) from error
    check_columns(source, path, schema.names)
    return schema, rows


def read_parquet(source: Source, filesystem: Any, path: str) -> Iterator[RawBatch]:
    """Yield the rows of a file in bounded batches. A row's line is its number, from 1.

    Raises:
        SourceError: The file is no Parquet, or a mapped column is missing.
    """
    with open_binary(filesystem, path) as binary:
        try:
            file = pq.ParquetFile(binary)
            names = file.schema_arrow.names
            check_columns(source, path, names)
            # a row without an id of its own is known by all of its columns
            needs_all = source.into == "events" and "event_id" not in source.columns
            wanted = names if needs_all else sorted(set(source.columns.values()))
            line = 1
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
                columns = {name: _text(batch.column(name)) for name in batch.schema.names}
                yield RawBatch(columns, range(line, line + batch.num_rows), path)
                line += batch.num_rows
        except pa.ArrowInvalid as error:
            raise _broken(source, path, error) from error


def _broken(source: Source, path: str, error: Exception) -> SourceError:
    what = f"{path} is not a whole Parquet file ({safe_text(str(error))})"
    return SourceError(source.name, what, "write it anew; put it in place by renaming it")


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type):
        return column
    is_nested = pa.types.is_nested(column.type)
    if is_nested or pa.types.is_floating(column.type) or pa.types.is_binary(column.type):
        return text_array(
            [dict(item) if pa.types.is_map(column.type) and item else item for item in column.to_pylist()]
        )
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "true", "false")
    return column.cast(pa.string())
