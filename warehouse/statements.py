"""Reads the statements of ``warehouse/queries``, and picks for each what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import duckdb

MOST_ROWS = 1_000_000
"""Rows of a table written in one transaction, where there are many: what it holds in memory grows with them."""
MOST_MAILS = 350_000
"""Mails decided on in one transaction, where there are many; what was sent to their leads at the same instants, and all
mails of leads that two became, come on top."""
QUERIES = Path(__file__).parent / "queries"


@cache
def query(name: str) -> str:
    """A statement of ``warehouse/queries``."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def bound(name: str, values: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """A statement and those of the values that it asks for."""
    statement = query(name)
    return statement, {key: value for key, value in values.items() if f"${key}" in statement}


def parts_of(mails: int) -> int:
    """In how many parts so many mails are decided on."""
    return mails // MOST_MAILS + 1


def insert_mails(connection: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object]) -> int:
    """Enrol for the mails to leads that a statement selects; many of them a part at a time, each part committed.

    The statement must not select again what it enrolled. Returns how many.
    """
    return insert_in_parts(
        connection,
        "enrolments",
        "select send_number(send_id, scenario, step, occurrence) as send_number, * from"
        f" (select send_key(lead_id, scenario, step, occurrence) as send_id, * from ({statement}))",
        values,
        "send_number",
    )


def insert_in_parts(
    connection: duckdb.DuckDBPyConnection, table: str, statement: str, values: Mapping[str, object], order: str
) -> int:
    """Insert rows, sorted by their key in each part; many a part at a time, each part but the last committed."""
    connection.execute(f"create or replace temp table inserting as {statement}", values)
    ((rows,),) = connection.execute("select count(*) from inserting").fetchall()
    if rows <= MOST_ROWS:
        connection.execute(f"insert into {table} by name from inserting order by {order}")
    else:
        _commit(connection)  # from here on the places of its rows stay
        ((first, last),) = connection.execute("select min(rowid), max(rowid) from inserting").fetchall()
        done = 0
        for place in range(first, last + 1, MOST_ROWS):
            if place > first:
                _commit(connection)
            # by their places, so that each block is read once, also where they do not fit in memory
            ((count,),) = connection.execute(
                f"insert into {table} by name from inserting"
                f" where rowid >= $place and rowid < $place + {MOST_ROWS} order by {order}",
                {"place": place},
            ).fetchall()
            done += count
        assert done == rows, f"of {rows} rows {done} were inserted"
    connection.execute("drop table inserting")
    return int(rows)


def _commit(connection: duckdb.DuckDBPyConnection) -> None:
    connection.commit()
    connection.begin()
