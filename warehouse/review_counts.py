"""Counts what a review looks at: in the published file, and by what it takes of the warehouse before it lets that go.

Everything is as it was when the period was over, but for what has been restated since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from rules.models import RuleSet
from warehouse.connection import IN_MEMORY, attach, connect
from warehouse.errors import WarehouseError
from warehouse.review_period import ReviewPeriod, Span
from warehouse.statements import bound

if TYPE_CHECKING:
    from settings import Settings

Row = dict[str, Any]
LANDMARKS = 6
"""How often leads are looked at for what their points foretell, ``OUTCOME`` apart."""
OUTCOME = timedelta(days=30)
"""The time after a landmark, or after a call, within which a deal counts for it."""
POINTS_COUNT_FOR = timedelta(days=90)
"""Points for a behaviour count for a landmark from so long before it."""
REPLAYED = timedelta(days=182)
"""Over so long a past thresholds are replayed, and handoffs that sales gave back are looked at."""
OPENED_WITHIN = timedelta(days=3)
"""A mail is given so long to be opened before a step is called leaky for it."""
LOAD_WEEKS = 4
"""Over so many weeks is counted how many mails a lead gets in one."""
BANDS = (1, 20, 50, 100)
"""Leads are alike whose points from other rules are in the same band: below the first, from it up to the next, …"""
MOST_RAISED = 10
"""So many higher thresholds are asked about, each a tenth of the present one beyond the last."""


@dataclass(frozen=True)
class ReviewCounts:
    """What was counted: rows of the queries ``review_*.sql``, by their columns."""

    period: ReviewPeriod
    published_at: datetime
    history_days: float
    """How long before the period's end a behaviour first gave points: what was imported before that tells of none."""
    hot_tier: str
    hot_score: int
    metrics: Sequence[Row]
    rules: Sequence[Row]
    points: Sequence[Row]
    thresholds: Sequence[Row]
    segments: Sequence[Row]
    mail_load: Sequence[Row]
    steps: Sequence[Row]
    returns: Sequence[Row]
    return_segments: Sequence[Row]


def published_as_of(settings: Settings) -> datetime | None:
    """The instant the published file shows; None where there is none, or none that this version can read."""
    if not settings.published.exists():
        return None
    connection = connect(IN_MEMORY, settings)
    try:
        attach(connection, settings.published, "published", settings)
        row = connection.execute("select as_of from published.main.publication").fetchone()
    except (duckdb.Error, WarehouseError):
        return None
    finally:
        connection.close()
    return row[0] if row else None


def count_for_review(settings: Settings, rules: RuleSet, period: ReviewPeriod) -> ReviewCounts:
    """Count everything a review of a period needs.

    Raises:
        WarehouseError: The published file or the warehouse cannot be read.
    """
    connection = connect(IN_MEMORY, settings)
    try:
        attach(connection, settings.published, "published", settings)
        connection.execute("set search_path = 'published.main,memory.main'")
        return _count(connection, settings, rules, period)
    finally:
        connection.close()


def _count(
    connection: duckdb.DuckDBPyConnection, settings: Settings, rules: RuleSet, period: ReviewPeriod
) -> ReviewCounts:
    hot = next(tier for tier in rules.tiers if tier.id == rules.handoff.hot_tier)
    hot_score = hot.minimum_score if hot.minimum_score is not None else 0
    until = period.ended_at
    values: dict[str, object] = {
        "until": until,
        "since": until - REPLAYED,
        "hot_tier": hot.id,
        "hot_score": hot_score,
        "present": hot_score,
        "outcome": OUTCOME,
        "given": OPENED_WITHIN,
        "weeks": LOAD_WEEKS,
        "requests": [action.id for action in rules.sales_actions if action.is_request],
    }
    weeks = period.weeks()
    _spans(connection, "review_spans", period.spans())
    _spans(connection, "review_weeks", weeks)
    _make_landmarks(connection, until)
    _list(connection, "review_rules", "rule", pa.string(), [rule.id for rule in rules.scoring])
    step = max(1, hot_score // 10)
    raised = [hot_score + step * number for number in range(MOST_RAISED + 1)]
    _list(connection, "review_thresholds", "threshold", pa.int64(), raised)
    floors = ", ".join(str(floor) for floor in BANDS)
    connection.execute(
        f"create temp macro points_band(points) as len(list_filter([{floors}], lambda floor: points >= floor))"
    )
    _copy_from_warehouse(connection, settings, values)
    ((published_at, first_awarded),) = connection.execute(
        "select (select as_of from publication), "
        "(select min(occurred_at) from lead_score_points where event_id is not null)"
    ).fetchall()

    def rows(name: str, **more: object) -> list[Row]:
        return _rows(connection, name, values | more)

    return ReviewCounts(
        period=period,
        published_at=published_at,
        history_days=max(0.0, (until - first_awarded) / timedelta(days=1)) if first_awarded is not None else 0.0,
        hot_tier=hot.id,
        hot_score=hot_score,
        metrics=rows("review_metrics"),
        rules=rows("review_rules"),
        points=rows("review_points"),
        thresholds=rows("review_thresholds"),
        segments=rows("review_segments"),
        mail_load=rows("review_mail_load"),
        steps=rows("review_steps", since=weeks[-1].started_at),
        returns=rows("review_returns"),
        return_segments=rows("review_return_segments"),
    )


def _copy_from_warehouse(connection: duckdb.DuckDBPyConnection, settings: Settings, values: dict[str, object]) -> None:
    """Take out of the warehouse what the published file lacks, so that no run has to wait for the rest."""
    attach(connection, settings.warehouse, "warehouse", settings)
    statement, wanted = bound("review_crossings", values)
    connection.execute(f"create temp table review_crossings as {statement}", wanted)
    connection.execute(
        "create temp table review_renamed as select alias_lead_id, lead_id from warehouse.lead_aliases"
        " where alias_lead_id != lead_id"
    )
    connection.execute("detach warehouse")


def _rows(connection: duckdb.DuckDBPyConnection, name: str, values: dict[str, object]) -> list[Row]:
    cursor = connection.execute(*bound(name, values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _spans(connection: duckdb.DuckDBPyConnection, table: str, spans: Sequence[Span]) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    schema = pa.schema([("number", pa.int64()), ("started_at", stamp), ("ended_at", stamp)])
    rows = [{"number": one.number, "started_at": one.started_at, "ended_at": one.ended_at} for one in spans]
    _table(connection, table, pa.Table.from_pylist(rows, schema=schema))


def _make_landmarks(connection: duckdb.DuckDBPyConnection, until: datetime) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    schema = pa.schema([("number", pa.int64()), ("opened_at", stamp), ("started_at", stamp), ("ended_at", stamp)])
    landmarks = [until - OUTCOME * (number + 1) for number in range(LANDMARKS)]
    rows = [
        {"number": number, "opened_at": at - POINTS_COUNT_FOR, "started_at": at, "ended_at": at + OUTCOME}
        for number, at in enumerate(landmarks)
    ]
    _table(connection, "review_landmarks", pa.Table.from_pylist(rows, schema=schema))


def _list(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, kind: pa.DataType, values: Sequence[object]
) -> None:
    _table(connection, table, pa.table({column: pa.array(values, kind)}))


def _table(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("given", rows)
    connection.execute(f"create temp table {name} as from given")
    connection.unregister("given")
