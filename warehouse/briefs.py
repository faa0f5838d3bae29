"""Gathers what a sales rep has to know of a lead: who, why now, what it read, and what to speak of."""

from __future__ import annotations

from typing import Any

import duckdb

from warehouse.statements import query

Row = dict[str, Any]


def with_briefs(
    connection: duckdb.DuckDBPyConnection,
    selection: str,
    values: dict[str, object] | None = None,
    *,
    with_answers: bool = True,
) -> list[Row]:
    """Rows of a selection over handoffs or notices, each with its lead and what is worth knowing of it.

    Args:
        connection: The ledger, with the warehouse attached.
        selection: A query with the columns ``lead_id``, ``cause_event_id`` and ``caused_at`` among others.
        values: What it asks for.
        with_answers: Whether to look for what the lead wrote when it asked, which means a look at all events.
    """
    connection.execute(f"create or replace temp table selected as {selection}", values or {})
    cursor = connection.execute(query("briefs"), {"with_answers": with_answers})
    return [
        # the engine's own columns win over fields of the same name
        {**(lead or {}), **selected, **more}
        for selected, lead, more in cursor.fetchall()
    ]
