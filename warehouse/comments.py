"""Says on every published table and column what it holds, since analysts read that in their client."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import yaml

from rules.lead_rules import KEPT_COLUMNS

COMMENTS = Path(__file__).parent / "comments.yaml"
"""What published tables and columns hold, in words."""


def comment_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Put a comment on every table and column of the database in use that has none."""
    texts = yaml.safe_load(COMMENTS.read_text(encoding="utf-8"))
    columns = connection.execute(
        "select table_name, column_name from duckdb_columns()"
        " where database_name = current_database() and not internal and comment is null"
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
