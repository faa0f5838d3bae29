"""Loads the rows of one source into the facts, all at once, in SQL.

The caller holds the transaction: rows, quarantine, watermark and file states become true together or not at all.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.load_schema import Into, LoadCounts, LoadPlan

_QUERIES = Path(__file__).parent / "queries"
_INSERTS: dict[Into, tuple[str, ...]] = {
    "events": ("load_events",),
    "leads": ("load_leads", "load_lead_consents"),
    "deals": ("load_deals", "load_deal_events"),
    "consents": ("load_consents",),
    "suppressions": ("load_suppressions",),
}
"""The statements that add facts, by kind; the first one's rows are the ones counted."""
_EPOCH_UNITS = {"epoch": 1, "epoch_ms": 1000}


def load_rows(
    connection: duckdb.DuckDBPyConnection, plan: LoadPlan, rows: pa.RecordBatchReader, as_of: datetime
) -> LoadCounts:
    """Load a stream of staged rows.

    Args:
        connection: The warehouse, in a writing transaction.
        plan: How the rows are to be read.
        rows: Batches in ``STAGE_SCHEMA``.
        as_of: The pull's instant: the facts' ``received_at``.

    Returns:
        What became of the rows. The staged rows stay until the transaction's end for ``note_files``.
    """
    values = {
        "source": plan.source,
        "into": plan.into,
        "timezone": plan.timezone,
        "key_space": plan.key_space,
        "is_stamped": plan.is_stamped,
        "date_format": None if plan.date_format in _EPOCH_UNITS else plan.date_format,
        "epoch_unit": _EPOCH_UNITS.get(plan.date_format or ""),
        "as_of": as_of,
    }
    _describe_columns(connection, plan)
    _run(connection, "load_macros", values)
    connection.register("incoming", rows)
    try:
        _run(connection, "load_incoming", values)
    finally:
        connection.unregister("incoming")
    for name in ("load_stage", "load_values", "load_faults"):
        _run(connection, name, values)
    _run(connection, "load_quarantine", values)
    loaded = [_run(connection, name, values) for name in _INSERTS[plan.into]]
    read, faulty = _row(connection, "select count(*), count(fault) from load_stage")
    (unfit,) = _row(connection, "select count(*) from load_faults where not is_row")
    return LoadCounts(
        rows_read=read,
        rows_loaded=loaded[0],
        rows_known=read - faulty - loaded[0],
        rows_quarantined=faulty,
        values_quarantined=unfit,
    )


def note_files(
    connection: duckdb.DuckDBPyConnection, source: str, fingerprints: dict[str, str], as_of: datetime
) -> None:
    """Note the state in which files were read, after their rows were loaded in this transaction."""
    connection.execute("create or replace temp table load_files_read (path varchar, fingerprint varchar)")
    if fingerprints:
        connection.executemany("insert into load_files_read values (?, ?)", list(map(list, fingerprints.items())))
    _run(connection, "load_files", {"source": source, "as_of": as_of})


def read_fingerprints(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Return the state in which each file of a source was read last."""
    rows = connection.execute("select path, fingerprint from files_read where source = ?", [source]).fetchall()
    return dict(rows)


def read_watermark(connection: duckdb.DuckDBPyConnection, source: str) -> str | None:
    """Return how far a source has been read; None where it never was."""
    row = connection.execute("select watermark from watermarks where source = ?", [source]).fetchone()
    return None if row is None else str(row[0])


def move_watermark(connection: duckdb.DuckDBPyConnection, source: str, watermark: str, as_of: datetime) -> None:
    """Set how far a source has been read. Belongs in the transaction that stores its rows."""
    connection.execute(
        "insert into watermarks values (?, ?, ?) "
        "on conflict (source) do update set watermark = excluded.watermark, moved_at = excluded.moved_at",
        [source, watermark, as_of],
    )


def _describe_columns(connection: duckdb.DuckDBPyConnection, plan: LoadPlan) -> None:
    connection.execute(
        "create or replace temp table load_columns "
        "(target varchar, column_name varchar, type varchar, allowed varchar[])"
    )
    rows: list[list[Any]] = [[item.target, item.column, item.type, list(item.allowed)] for item in plan.columns]
    if rows:
        connection.executemany("insert into load_columns values (?, ?, ?, ?)", rows)


def _run(connection: duckdb.DuckDBPyConnection, name: str, values: dict[str, Any]) -> int:
    """Run the statements of a query file, each with the values it names; return the rows the last one changed."""
    changed = 0
    for statement in duckdb.extract_statements(_query(name)):
        named = {key: values[key] for key in statement.named_parameters}
        row = connection.execute(statement, named or None).fetchone()
        changed = int(row[0]) if row and isinstance(row[0], int) else 0
    return changed


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


@cache
def _query(name: str) -> str:
    return (_QUERIES / f"{name}.sql").read_text(encoding="utf-8")
