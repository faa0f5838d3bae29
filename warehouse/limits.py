"""Counts the hours that sales has: every hour, or only those in which a window of ``delivery.yaml`` is open."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from rules.models import RuleSet
from warehouse.openings import openings_of

_AHEAD = timedelta(days=800)
"""Limits of more open hours than this holds end with it; where a window never opens, the clock counts."""


def make_open_hours(
    connection: duckdb.DuckDBPyConnection, rules: RuleSet, timezone: str, since: datetime, until: datetime
) -> None:
    """Make the temporary table ``open_hours`` and the macro ``after_open_hours(at, microseconds)``.

    The macro returns the instant by which so much of open time has passed since ``at``; of time that begins while the
    window is closed, counted from its next opening.

    Args:
        connection: The ledger.
        rules: The rule set, whose ``handoff.limit_window`` names the window; without one every hour counts.
        timezone: The business time zone.
        since: The earliest ``at`` that is asked for.
        until: The latest.
    """
    zone = ZoneInfo(timezone)
    window = next((one for one in rules.delivery.windows if one.id == rules.handoff.limit_window), None)
    rows = []
    if window is not None:
        first, last = since.astimezone(zone).date() - timedelta(days=2), (until + _AHEAD).astimezone(zone).date()
        rows = [
            {"opens": opens, "closes": closes} for opens, closes in openings_of(rules.delivery, window, first, last)
        ]
    local = pa.schema({"opens": pa.timestamp("us"), "closes": pa.timestamp("us")})
    connection.register("given_rows", pa.Table.from_pylist(rows, schema=local))
    connection.execute(
        """
        create or replace temp table open_hours as
        with instants as (
            select timezone($timezone, opens) as opens_at, timezone($timezone, closes) as closes_at
            from given_rows
        )

        select
            opens_at,
            closes_at,
            -- how much was open before
            coalesce(
                sum(epoch_us(closes_at) - epoch_us(opens_at)) over (
                    order by opens_at rows between unbounded preceding and 1 preceding
                ), 0
            )::bigint as open_before_us,
        from instants
        order by opens_at
        """,
        {"timezone": timezone},
    )
    connection.unregister("given_rows")
    connection.execute(
        """
        create or replace temp macro open_until(moment) as coalesce(
            (
                select max(open_before_us + least(epoch_us(moment), epoch_us(closes_at)) - epoch_us(opens_at))
                from open_hours
                where opens_at <= moment
            ), 0
        )
        """
    )
    connection.execute(
        """
        create or replace temp macro after_open_hours(moment, length_us) as coalesce(
            (
                select min(to_timestamp(0) + to_microseconds(
                    (epoch_us(opens_at) + open_until(moment) + length_us - open_before_us)::bigint
                ))
                from open_hours
                where
                    open_until(moment) + length_us > open_before_us
                    and open_until(moment) + length_us <= open_before_us + epoch_us(closes_at) - epoch_us(opens_at)
            ),
            -- a second limit that goes beyond what is known of the calendar still comes after a first that does not
            greatest(moment + to_microseconds(length_us), (select max(closes_at) from open_hours))
        )
        """
    )
