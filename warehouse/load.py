"""Loads the rows of one source into the facts, all at once, in SQL.

The caller holds the transaction: rows, quarantine, watermark and file states become true together or not at all.

Most events are in order: clean, alone under their key, with somebody they belong to. They go straight from the source
into the facts, cleaned by nothing. The others, and the rows of every other kind, are laid aside in ``load_stage``, and
each gets its verdict there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.load_columns import ColumnMapping
from warehouse.load_schema import PLACE_FIELDS, Into, LoadCounts, LoadPlan, SourceRows
from warehouse.statements import query

_INSERTS: dict[Into, tuple[str, ...]] = {
    "events": ("load_events",),
    "leads": ("load_leads", "load_lead_consents"),
    "deals": ("load_deals", "load_deal_events"),
    "consents": ("load_consents",),
    "suppressions": ("load_suppressions",),
}
"""The statements that add facts, by kind; the first one's rows are the ones counted."""
_EPOCH_UNITS = {"epoch": 1, "epoch_ms": 1000}
_GLOB_SIGNS = re.compile(r"([*?\[])")
_SHORT_LIST = 1000
_IN_ORDER_DEPTH = 2
"""How many blocks of rows may overlap in time on average before a load is sorted by time."""


def load_rows(connection: duckdb.DuckDBPyConnection, plan: LoadPlan, rows: SourceRows, as_of: datetime) -> LoadCounts:
    """Load a source's rows.

    Args:
        connection: The warehouse, in a writing transaction.
        plan: How the rows are to be read.
        rows: The rows, as the source has them.
        as_of: The pull's instant: the facts' ``received_at``.

    Returns:
        What became of the rows.
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
    _describe_columns(connection, plan, values)
    mapping = ColumnMapping(plan, rows.names, _make_rows_readable(connection, rows))
    loaded = 0
    if plan.into == "events":
        loaded = _load_plain_events(connection, mapping, values)
    connection.execute(
        f"create or replace temp table load_incoming as "
        f"select * exclude (row), row_number() over () as row_number from ({mapping.cleaned()}) "
        + ("semi join load_aside using (row)" if plan.into == "events" else "")
    )
    for name in ("load_stage", "load_values", "load_faults", "load_quarantine"):
        _run(connection, name, values)
    inserted = [_run(connection, name, values) for name in _INSERTS[plan.into]]
    loaded += inserted[0]
    (read,) = _row(connection, "select count(*) from load_read")
    (faulty,) = _row(connection, "select count(fault) from load_stage")
    (unfit,) = _row(connection, "select count(*) from load_faults where not is_row")
    return LoadCounts(
        rows_read=read,
        rows_loaded=loaded,
        rows_known=read - faulty - loaded,
        rows_quarantined=faulty,
        values_quarantined=unfit,
        files=_count_by_file(connection),
    )


def note_files(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    fingerprints: Mapping[str, str],
    counts: LoadCounts,
    as_of: datetime,
) -> None:
    """Note the state in which files were read, after their rows were loaded in this transaction."""
    if not fingerprints:
        return
    counted = [counts.files.get(path, (0, 0)) for path in fingerprints]
    table = pa.table(
        {
            "path": pa.array(fingerprints.keys(), pa.string()),
            "fingerprint": pa.array(fingerprints.values(), pa.string()),
            "rows_loaded": pa.array([good for good, _ in counted], pa.int64()),
            "rows_quarantined": pa.array([faulty for _, faulty in counted], pa.int64()),
        }
    )
    connection.register("load_files_read", table)
    try:
        _run(connection, "load_files", {"source": source, "as_of": as_of})
    finally:
        connection.unregister("load_files_read")


def read_fingerprints(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Return the state in which each file of a source was read last."""
    rows = connection.execute("select path, fingerprint from files_read where source = ?", [source]).fetchall()
    return dict(rows)


def read_definition(connection: duckdb.DuckDBPyConnection, source: str) -> str | None:
    """Return how a source was defined when it was read last; None where it never was."""
    row = connection.execute("select definition from source_definitions where source = ?", [source]).fetchone()
    return None if row is None else str(row[0])


def note_definition(connection: duckdb.DuckDBPyConnection, source: str, definition: str) -> None:
    """Note how a source was defined. Belongs in the transaction that stores its rows."""
    connection.execute(
        "insert into source_definitions values (?, ?)"
        " on conflict (source) do update set definition = excluded.definition",
        [source, definition],
    )


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


def _describe_columns(connection: duckdb.DuckDBPyConnection, plan: LoadPlan, values: Mapping[str, Any]) -> None:
    """Tell SQL what users wrote of the columns: by variables and rows, never as text of a statement."""
    by_name = {
        "constants": [column.constant for column in plan.columns],
        "id_spaces": [column.id_space for column in plan.columns],
        "said_as": [column.said_as for column in plan.columns],
        "targets": [column.target for column in plan.columns],
        **{name: values[name] for name in ("timezone", "date_format", "epoch_unit")},
    }
    for name, value in by_name.items():
        connection.execute(f"set variable load_{name} = $1", [value])
    connection.execute(query("load_columns"))
    columns: list[list[Any]] = [[item.target, item.column, item.type, list(item.allowed)] for item in plan.columns]
    connection.executemany("insert into load_columns values (?, ?, ?, ?)", columns)
    words: list[list[Any]] = [
        [place, word, meaning] for place, item in enumerate(plan.columns) for word, meaning in item.meanings.items()
    ]
    if words:
        connection.executemany("insert into load_words values (?, ?, ?)", words)


def _make_rows_readable(connection: duckdb.DuckDBPyConnection, rows: SourceRows) -> tuple[str, ...]:
    """Make the view ``load_read``, and return the types of the source's columns in it."""
    columns = "".join(f", c{position}" for position in range(len(rows.names)))
    if rows.table is not None:
        connection.register("load_table", rows.table)
        try:
            connection.execute("create or replace temp table load_rows as select * from load_table")
        finally:
            connection.unregister("load_table")
        places = ", ".join(place.name for place in PLACE_FIELDS)
        query = f"select rowid as row, {places}{columns} from load_rows"
    else:
        connection.execute("set variable load_files = $1", [[_GLOB_SIGNS.sub(r"[\1]", path) for path in rows.parquet]])
        query = f"""
            select
                (file_index::bigint << 40) + file_row_number as row,
                filename as file,
                file_row_number + 1 as line,
                {", ".join(f"null::varchar as {place.name}" for place in PLACE_FIELDS[2:])}{columns}
            from read_parquet(getvariable('load_files'), hive_partitioning = false) as source ({columns[2:]})
        """
    connection.execute(f"create or replace temp view load_read as {query}")
    described = connection.execute("select * from load_read limit 0").description
    return tuple(str(type_) for _, type_, *_ in described[1 + len(PLACE_FIELDS) :])


def _load_plain_events(connection: duckdb.DuckDBPyConnection, mapping: ColumnMapping, values: Mapping[str, Any]) -> int:
    """Load the events that need no second look; name the others in ``load_aside``."""
    connection.execute(f"create or replace temp view load_plain as {mapping.plain()}")
    _run(connection, "load_aside", values)
    (is_any_repeated,) = _row(connection, "select count(*) from load_repeated")
    if is_any_repeated:
        _run(connection, "load_aside_repeated", values)
    connection.execute(f"create or replace temp view load_kept as select * from load_plain where {_kept(connection)}")
    depth = connection.execute(query("load_depth")).fetchone()
    is_in_order = depth is None or depth[0] is None or depth[0] <= _IN_ORDER_DEPTH
    order = "" if is_in_order else "order by occurred_at, event_id"
    return _run(connection, "load_events_plain", values, order)


def _kept(connection: duckdb.DuckDBPyConnection) -> str:
    """The condition that a row is not laid aside; where few are, it names them, since a join costs far more."""
    rows = connection.execute("select row from load_aside limit $1", [_SHORT_LIST + 1]).fetchall()
    if not rows:
        return "true"
    if len(rows) <= _SHORT_LIST:
        return f"row not in ({', '.join(str(row) for (row,) in rows)})"
    return "not exists (select 1 from load_aside where load_aside.row = load_plain.row)"


def _count_by_file(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int]]:
    rows = connection.execute(query("load_counts")).fetchall()
    return {file: (total - faulty, faulty) for file, total, faulty in rows}


def _run(connection: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, Any], more: str = "") -> int:
    """Run the statements of a query file, each with the values it names; return the rows the last one changed."""
    changed = 0
    for statement in duckdb.extract_statements(f"{query(name)}\n{more}"):
        named = {key: values[key] for key in statement.named_parameters}
        row = connection.execute(statement, named or None).fetchone()
        changed = int(row[0]) if row and isinstance(row[0], int) else 0
    return changed


def _row(connection: duckdb.DuckDBPyConnection, statement: str) -> tuple[int, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row
