"""Reads the statements of ``warehouse/queries``, and picks for each what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import duckdb

MOST_ROWS = 200_000
"""Rows written in one transaction, where there are many: what it holds in memory grows with them."""
QUERIES = Path(__file__).parent / "queries"


@cache
def query(name: str) -> str:
    """A statement of ``warehouse/queries``."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def bound(name: str, values: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """A statement and those of the values that it asks for."""
    statement = query(name)
    return statement, {key: value for key, value in values.items() if f"${key}" in statement}


def parts_of(rows: int) -> int:
    """In how many parts so many rows are written."""
    return rows // MOST_ROWS + 1


def insert_mails(connection: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object]) -> int:
    """Enrol for the mails to leads that a statement selects; many of them a part at a time, each part committed.

    The statement must not select again what it enrolled. Returns how many.
    """
    return insert_in_parts(
        connection,
        "enrolments",
        f"select send_key(lead_id, scenario, step, occurrence) as send_id, * from ({statement})",
        values,
        "send_id",
    )


def insert_in_parts(
    connection: duckdb.DuckDBPyConnection, table: str, statement: str, values: Mapping[str, object], order: str
) -> int:
    """Insert rows of leads, sorted by their key; many a part at a time, each part but the last committed."""
    connection.execute(f"create or replace temp table inserting as {statement}", values)
    ((rows,),) = connection.execute("select count(*) from inserting").fetchall()
    parts = parts_of(rows)
    for part in range(parts):
        if part > 0:
            connection.commit()
            connection.begin()
        connection.execute(
            f"insert into {table} by name from inserting"
            f" where hash(lead_id) % $parts::ubigint = $part::ubigint order by {order}",
            {"part": part, "parts": parts},
        )
    connection.execute("drop table inserting")
    return int(rows)
