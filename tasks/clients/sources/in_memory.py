"""Rows that are not read from a source of sources.yaml but brought by ourselves, loaded as any source's rows are.

So addresses are normalised, repeated rows known, and odd ones set aside in one place only.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pydantic import SecretStr

from rules.models import Field
from tasks.clients.sources.batches import RawBatch
from tasks.clients.sources.models import FileFormat, Source
from tasks.clients.sources.staging import column_names, spooled
from tasks.clients.sources.targets import Into
from warehouse.load_schema import SourceRows


def in_memory_source(
    name: str,
    into: Into,
    columns: Mapping[str, str],
    *,
    date_format: str | None = None,
    file_format: FileFormat | None = None,
    fields: tuple[Field, ...] = (),
) -> Source:
    """A source whose rows are at hand.

    ``columns`` are by target; stamps without an offset are UTC; an external id is told whole, with its space of ids.
    """
    return Source(
        name=name,
        kind="file",
        into=into,
        url=SecretStr(""),
        query="",
        cursor=None,
        start=None,
        path=SecretStr(""),
        format=file_format,
        encoding="utf-8",
        header=True,
        names=None,
        skip_rows=0,
        sheet=None,
        timezone="UTC",
        date_format=date_format,
        lookback=None,
        id_space="",
        columns=dict(columns),
        constants={},
        values={},
        fields=fields,
    )


def rows_of(raw: RawBatch, source: Source) -> SourceRows:
    """Return a batch, which must not be empty, as rows to load."""
    table = pa.Table.from_batches(list(spooled(raw, source)))
    return SourceRows(column_names(table.schema), table)
