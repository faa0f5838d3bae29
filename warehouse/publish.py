"""Builds the analysts' file and puts it in place at once.

It is written beside the one in use and then takes its name: whoever reads the old one goes on reading it, and no query
of theirs holds up a run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml

from rules.lead_rules import KEPT_COLUMNS
from warehouse.ab_results import tell_effects
from warehouse.connection import attach, connect, open_ledger, open_warehouse
from warehouse.derivation import MODELS, PARAMETER
from warehouse.parquet_copy import put_parquet

if TYPE_CHECKING:
    from settings import Settings

PUBLISHED_TABLES = (
    "leads", "lead_score_points", "segment_members", "lead_stage_changes", "lead_tier_changes", "deals",
    "accounts", "lead_accounts", "lead_mail_kinds",
    "segments", "stages", "tiers", "steps",
    "send_decisions", "sends", "handoffs", "handoff_decisions", "handoff_changes", "notices", "sfa_conflicts",
    "kpi_mail_daily", "kpi_funnel_daily", "kpi_segment_daily", "kpi_handoff_daily",
    "kpi_ab_tests",
)  # fmt: skip
"""In the order in which they are built."""

COMMENTS = Path(__file__).parent / "comments.yaml"
"""What published tables and columns hold, in words."""


def publish(settings: Settings, as_of: datetime) -> Path:
    """Build every published table as of ``as_of`` and replace the published file.

    Returns:
        The published file.
    """
    with open_warehouse(settings), open_ledger(settings):  # makes the files where they are not there yet
        pass
    target = settings.published
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        connection = connect(fresh, settings)
        try:
            attach(connection, settings.warehouse, "warehouse", settings)
            attach(connection, settings.ledger, "ledger", settings)
            _build(connection, settings, as_of)
            put_parquet(connection, target)
        finally:
            connection.close()
        _make_durable(fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return target


def _build(connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: datetime) -> None:
    values: dict[str, Any] = {"as_of": as_of, "timezone": settings.timezone}
    for name in PUBLISHED_TABLES:
        query = (MODELS / "published" / f"{name}.sql").read_text(encoding="utf-8")
        wanted = {value: values[value] for value in set(PARAMETER.findall(query))}
        connection.execute(f"create table {name} as {query}", wanted)
    tell_effects(connection)
    connection.execute("create table publication (as_of timestamptz, timezone varchar)")
    connection.execute("insert into publication values (?, ?)", [as_of, settings.timezone])
    comment_tables(connection)


def comment_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Say on every table and column what it holds, since analysts read that in their client."""
    texts = yaml.safe_load(COMMENTS.read_text(encoding="utf-8"))
    columns = connection.execute(
        "select table_name, column_name from duckdb_columns() where database_name = current_database() and not internal"
    ).fetchall()
    for table in sorted({table for table, _ in columns}):
        _comment(connection, f"table {table}", texts["tables"].get(table))
    for table, column in columns:
        _comment(connection, f'column {table}."{column}"', _meaning(texts["columns"], table, column))


def _meaning(texts: Mapping[str, str], table: str, column: str) -> str | None:
    if table == "leads" and column not in KEPT_COLUMNS | {"email"}:
        return "A field of the rule set's fields.yaml."
    return texts.get(f"{table}.{column}") or texts.get(column)


def _comment(connection: duckdb.DuckDBPyConnection, on: str, text: str | None) -> None:
    if text:
        escaped = text.replace("'", "''")  # COMMENT ON takes no bound value; the texts are ours
        connection.execute(f"comment on {on} is '{escaped}'")


def _make_durable(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
