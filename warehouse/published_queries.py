"""The queries of the published tables, and of what stands between them and the files they are made from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import duckdb

from warehouse.derivation import MODELS, PARAMETER

_PUBLISHED = MODELS / "published"
CREDITABLE = "select send_id, current_lead_id, scenario, step, variant, delivered_at"
"""The columns by which acts are credited to mails."""


@cache
def published_query(name: str) -> str:
    """The query of a published table."""
    return (_PUBLISHED / f"{name}.sql").read_text(encoding="utf-8")


@cache
def part_query(name: str) -> str:
    """The query of a step on the way to one."""
    return (_PUBLISHED / "parts" / f"{name}.sql").read_text(encoding="utf-8")


def run(connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object]) -> duckdb.DuckDBPyConnection:
    """Run a statement, binding those values that it mentions."""
    return connection.execute(query, {name: values[name] for name in set(PARAMETER.findall(query))})


def put_rows(
    connection: duckdb.DuckDBPyConnection, name: str, query: str, values: Mapping[str, object], *, is_renewed: bool
) -> None:
    """Make a published table of a query, or give it these rows where it is renewed: it keeps its comments then."""
    if is_renewed:
        connection.execute(f"delete from {name}")
        run(connection, f"insert into {name} {query}", values)
    else:
        run(connection, f"create or replace table {name} as {query}", values)
