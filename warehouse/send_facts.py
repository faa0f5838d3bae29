"""Makes facts of the mails that left: the ledger tells them, and the warehouse keeps them as history.

The two files are never open at once here, so no order of locks can be wrong: what is known is read from the one, what
is new from the other, and then noted in a transaction of the first. A run that ends in between has noted nothing.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import pyarrow as pa

from warehouse.statements import query


def read_known_sends(warehouse: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the ids of the sends that are facts already."""
    return warehouse.sql("select send_id from send_records").to_arrow_table()


def read_new_sends(ledger: duckdb.DuckDBPyConnection, known: pa.Table) -> pa.Table:
    """Return the mails that left and are not among the known ones."""
    ledger.register("known_sends", known)
    try:
        return ledger.sql(query("load_new_sends")).to_arrow_table()
    finally:
        ledger.unregister("known_sends")


def load_sends(warehouse: duckdb.DuckDBPyConnection, sends: pa.Table, as_of: datetime) -> int:
    """Add mails that left to the facts, each with its event; those known by now are passed over.

    Args:
        warehouse: The warehouse, in a writing transaction.
        sends: What ``read_new_sends`` returned.
        as_of: The pull's instant: the facts' ``received_at``.

    Returns:
        How many were added.
    """
    warehouse.register("new_sends", sends)
    try:
        warehouse.execute(query("load_send_events"), {"as_of": as_of})
        row = warehouse.execute(query("load_send_records"), {"as_of": as_of}).fetchone()
    finally:
        warehouse.unregister("new_sends")
    return int(row[0]) if row else 0
