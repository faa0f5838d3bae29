"""Writes the reference of the published tables from what stands on them in the file itself.

``make docs`` brings the page up to date.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from rules.loader import load_rules
from settings import Settings
from warehouse.connection import open_warehouse
from warehouse.derivation import MODELS
from warehouse.publish import publish
from warehouse.recompute import recompute

_PREFACE = """\
# The published tables

`kpi.duckdb` holds one schema, `main`, replaced as a whole. Everything below stands on the tables and columns
themselves (`COMMENT ON`), so a SQL client shows it beside them. The same tables stand in `kpi_parquet`, one file each.
This page is made by `make docs`.
"""


def table_reference(connection: duckdb.DuckDBPyConnection) -> str:
    """The page, from a published file."""
    tables = connection.execute(
        "select table_name, comment from duckdb_tables() where not internal and not temporary order by table_name"
    ).fetchall()
    parts = [_PREFACE]
    for table, comment in tables:
        columns = connection.execute(
            "select column_name, data_type, coalesce(comment, '') from duckdb_columns()"
            " where table_name = ? order by column_index",
            [table],
        ).fetchall()
        lines = [f"| `{name}` | {kind.lower()} | {text} |" for name, kind, text in columns]
        key = _key(table)
        head = [f"## {table}", "", comment + (f" Key: {key}." if key else ""), "", "| column | type | holds |"]
        parts.append("\n".join([*head, "|---|---|---|", *lines]) + "\n")
    return "\n".join(parts)


def _key(table: str) -> str:
    model = MODELS / "published" / f"{table}.sql"
    lines = model.read_text(encoding="utf-8").splitlines() if model.exists() else []
    return next((line.removeprefix("-- key: ") for line in lines if line.startswith("-- key: ")), "")


def reference_of(rules_folder: Path) -> str:
    """The page, from a file published of nothing with a rule set's fields."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        now = datetime.now(UTC)
        with open_warehouse(settings) as connection:
            recompute(connection, load_rules(rules_folder), now, settings.public_url)
        with duckdb.connect(str(publish(settings, now)), read_only=True) as published:
            return table_reference(published)


if __name__ == "__main__":
    sys.stdout.write(reference_of(Path(__file__).parents[1] / "rules" / "guide"))
