"""Says when windows are open and how many mails are too many, as tables that statements join."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from rules.business_days import open_days
from rules.models import Delivery, Window

LONGEST_WAIT = timedelta(days=400)
"""No mail waits longer for its window."""
_DAY = timedelta(days=1)


def make_openings(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, timezone: str, since: datetime, as_of: datetime
) -> None:
    """Make the temporary tables ``window_openings``, ``known_zones`` and ``mail_caps``.

    Args:
        connection: The ledger.
        delivery: When mails may go.
        timezone: The business time zone.
        since: From when on openings are needed.
        as_of: Until when.
    """
    first = max(since, as_of - LONGEST_WAIT).astimezone(ZoneInfo(timezone)).date() - 2 * _DAY
    last = as_of.astimezone(ZoneInfo(timezone)).date() + 14 * _DAY  # the next opening tells when it is too late
    rows = [
        {"send_window": window.id, "opens_at": opens_at, "closes_at": closes_at}
        for window in delivery.windows
        for opens_at, closes_at in openings_of(delivery, window, first, last)
    ]
    caps = [
        {"kind": one.kind, "mails": one.mails, "window_us": round(one.within_days * 86_400_000_000)}
        for one in delivery.caps
    ]
    opening = pa.schema({"send_window": pa.string(), "opens_at": pa.timestamp("us"), "closes_at": pa.timestamp("us")})
    cap = pa.schema({"kind": pa.string(), "mails": pa.int64(), "window_us": pa.int64()})
    for table, schema, found in (("window_openings", opening, rows), ("mail_caps", cap, caps)):
        connection.register("given_rows", pa.Table.from_pylist(found, schema=schema))
        connection.execute(f"create or replace temp table {table} as select * from given_rows")
        connection.unregister("given_rows")
    make_zones(connection)


def make_zones(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table ``known_zones``."""
    connection.execute("create or replace temp table known_zones as select name as zone from pg_timezone_names()")


def openings_of(delivery: Delivery, window: Window, first: date, last: date) -> list[tuple[datetime, datetime]]:
    """Openings and closings by the clock on the wall."""
    opens, closes = _since_midnight(window.opens), _since_midnight(window.closes)
    length = closes - opens if closes > opens else closes - opens + _DAY
    starts = [datetime(day.year, day.month, day.day) + opens for day in open_days(delivery, window, first, last)]  # noqa: DTZ001
    return [(start, start + length) for start in starts]


def _since_midnight(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))
