"""Reads from the published file what the dashboard shows: counts by day, as columns, for the last thirteen months.

Rates are not read: the page makes them of the counts of whatever period, segment and scenario is chosen.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

DAYS = 400
_QUERIES = {
    "segments": "select segment as id, label from segments order by position",
    "tiers": "select tier as id, label from tiers order by minimum_score desc nulls last",
    "stages": "select stage as id, label from stages order by position",
    "steps": "select scenario, coalesce(any_value(scenario_label), scenario) as scenario_label, step,"
    " coalesce(any_value(label), step) as label, any_value(kind) as kind, any_value(segment) as segment,"
    " coalesce(any_value(has_cta), false) as has_cta, min(coalesce(delay, interval 0 days)) as delay"
    " from (select scenario, step from kpi_mail_daily union select scenario, step from steps)"
    " left join steps using (scenario, step) group by scenario, step order by scenario, delay, step",
    "funnel": "select date - $first as day, stage, leads, hot_leads, entered, moved_on, handoffs, meetings, deals_won,"
    " amount from kpi_funnel_daily where date >= $first order by date, stage",
    "members": "select date - $first as day, segment, tier, leads from kpi_segment_daily where date >= $first"
    " order by date, segment, tier",
    "handoffs": "select date - $first as day, owner, handed_off, contacted_within_limit, breached, meetings, won, lost,"
    " returned, waiting, median_hours_to_first_contact as hours from kpi_handoff_daily where date >= $first"
    " order by date, owner",
    "tests": "select test, label, scenario, step, metric, variant, is_first, measured, reached, rate, effect, low,"
    " high, p_value, anytime_low, anytime_high, anytime_p_value, sample_ratio_p_value, mails_needed, verdict, winner"
    " from kpi_ab_tests"
    " order by test, not is_first, variant",
    "cohorts": "select month, dimension, value, leads, mailed, clicked, hot, handed_off, met, deals, won, amount"
    " from kpi_cohorts order by month, dimension, value",
    "attribution": "select date - $first as day, scenario, step, first_deals, last_deals, linear_deals, linear_amount"
    " from kpi_attribution_daily where date >= $first order by date, scenario, step",
    "reviews": "select period, period_start, position, finding, subject, is_noise, told, what_to_do, expected_effect"
    " from kpi_reviews where period_start = (select max(latest.period_start) from kpi_reviews as latest"
    " where latest.period = kpi_reviews.period) order by period desc, is_noise, finding, subject",
    "restated": "select count(distinct date) as days, max(restated_at) as last_at from kpi_mail_daily"
    " where restated_at is not null and date >= $first",
}
"""What the page gets by name. What the file does not hold, since an earlier version made it, gives nothing."""
_MAILS = """
select
    date - $first as day,
    dense_rank() over (order by scenario, step, segment) - 1 as key,
    sum(targeted), sum(sent), sum(delivered), sum(opened), sum(clicked), sum(converted), sum(bounced),
    sum(unsubscribed), sum(complained),
from kpi_mail_daily
where date >= $first
group by date, scenario, step, segment
order by date, key
"""
_KEYS = """
select scenario, step, segment
from kpi_mail_daily
where date >= $first
group by scenario, step, segment
order by scenario, step, segment
"""
_COUNTS = ("targeted", "sent", "delivered", "opened", "clicked", "converted", "bounced", "unsubscribed", "complained")


def read_dashboard(published: Path) -> dict[str, Any]:
    """What the dashboard shows, ready for JSON.

    Returns:
        ``as_of`` (ISO 8601), ``timezone``, ``first`` and ``today`` (local dates), ``mails`` (columns, ``key`` counting
        ``mail_keys``), and columns by name for the rest; ``day`` counts days from ``first``.
    """
    with duckdb.connect() as connection:
        path = str(published).replace("'", "''")  # ATTACH takes no bound value; the path is a setting
        connection.execute(f"attach '{path}' as kpi (read_only)")
        connection.execute("use kpi")
        connection.execute("set TimeZone = 'UTC'")
        row = connection.execute(
            "select as_of, timezone, (as_of at time zone timezone)::date as today from publication"
        ).fetchone()
        assert row is not None
        as_of, timezone, today = row
        values = {"first": _first(connection, today)}
        shown: dict[str, Any] = {
            "as_of": as_of.isoformat(),
            "timezone": timezone,
            "today": today.isoformat(),
            "first": values["first"].isoformat(),
            "mail_keys": _columns(connection, _KEYS, values),
            "mails": _columns(connection, _MAILS, values, ("day", "key", *_COUNTS)),
        }
        for name, query in _QUERIES.items():
            try:
                shown[name] = _columns(connection, query, values)
            except (duckdb.CatalogException, duckdb.BinderException):
                shown[name] = {}
        return shown


def _first(connection: duckdb.DuckDBPyConnection, today: date) -> date:
    row = connection.execute(
        "select greatest(least(min(date), $1::date), $1::date - $2::integer) from kpi_funnel_daily", [today, DAYS]
    ).fetchone()
    return row[0] if row and row[0] else today


def _columns(
    connection: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any], names: tuple[str, ...] = ()
) -> dict[str, list[Any]]:
    cursor = connection.execute(query, values if "$first" in query else {})
    names = names or tuple(name for name, *_ in cursor.description or ())
    columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
    return {name: [_plain(value) for value in column] for name, column in zip(names, columns, strict=True)}


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return int(value) if value == int(value) else float(value)
        case float():
            return round(value, 6)
        case datetime() | date():
            return value.isoformat()
        case bool() | int() | str() | None:
            return value
        case _:
            return str(value)
