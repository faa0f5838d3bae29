"""The dashboard's main chart as a picture for mail, and the same in words."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

logger = logging.getLogger("nurture.dashboard")
_DAYS = 28
_QUERY = """
select date::varchar as date, sum(opened) as opened, sum(clicked) as clicked, sum(delivered) as delivered
from kpi_mail_daily, publication
where date >= (as_of at time zone timezone)::date - $days and date < (as_of at time zone timezone)::date
group by date
having sum(delivered) > 0
order by date
"""
OPENS, CLICKS = "#0072b2", "#c04a00"
"""The colours of the two lines, for the words beside the picture: it holds none, since a server may lack their font."""


@dataclass(frozen=True)
class Chart:
    """The main chart for a mail: what it says in words, and the picture where it could be drawn."""

    words: str
    picture: bytes | None
    opens: str = OPENS
    clicks: str = CLICKS


def main_chart(published: Path) -> Chart | None:
    """The main chart of a published file; None where there is no such file that can be read. Never an error."""
    try:
        words = main_chart_words(published)
    except (duckdb.Error, OSError) as error:
        logger.warning("the morning's mail has no figures: %s", type(error).__name__)
        return None
    try:
        picture = main_chart_png(published)
    except (ValueError, RuntimeError, OSError, ImportError, duckdb.Error) as error:  # the words are there
        logger.warning("the morning's mail has no picture: %s", type(error).__name__)
        picture = None
    return Chart(words, picture)


def main_chart_png(published: Path) -> bytes | None:
    """Opens and clicks of the last four weeks by day, as a PNG of some 1,000 by 370 pixels.

    None where no mail was delivered. The lines are those of the dashboard, with the guide's references: opens between
    20 and 30 %, clicks 5.1 %.
    """
    rows = _read(published)
    if not rows:
        return None
    import vl_convert

    values = [
        {"date": date, "kind": kind, "rate": float(count) / float(delivered)}
        for date, opened, clicked, delivered in rows
        for kind, count in (("a", opened), ("b", clicked))
    ]
    axis = {"labelFontSize": 12, "labelColor": "#37424e", "gridColor": "#e6ebf1", "title": None}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": 620,
        "height": 210,
        "background": "white",
        "data": {"values": values},
        "layer": [
            {
                "data": {"values": [{"low": 0.2, "high": 0.3}]},
                "mark": {"type": "rect", "color": "#cfe0f1", "opacity": 0.65},
                "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": [{"low": 0.051}]},
                "mark": {"type": "rule", "color": "#4a5866", "strokeDash": [5, 4]},
                "encoding": {"y": {"field": "low", "type": "quantitative"}},
            },
            {
                "mark": {"type": "line", "strokeWidth": 2.5, "point": True},
                "encoding": {
                    "x": {
                        "field": "date",
                        "type": "temporal",
                        "scale": {"type": "utc"},  # the days are the company's, whatever the server's zone
                        "axis": {**axis, "format": "%-m/%-d", "grid": False},
                    },
                    "y": {"field": "rate", "type": "quantitative", "axis": {**axis, "format": ".0%", "tickCount": 5}},
                    "color": {
                        "field": "kind",
                        "scale": {"domain": ["a", "b"], "range": [OPENS, CLICKS]},
                        "legend": None,
                    },
                },
            },
        ],
        "config": {"view": {"stroke": None}},
    }
    picture: bytes = vl_convert.vegalite_to_png(spec, scale=1.5)
    return picture


def main_chart_words(published: Path) -> str:
    """The picture's figures in words, e.g. ``直近28日の開封率 27.1% (243/898)、クリック率 7.2% (65/898)``."""
    rows = _read(published)
    opened, clicked, delivered = (sum(int(row[place]) for row in rows) for place in (1, 2, 3))
    if not delivered:
        return f"直近{_DAYS}日に届いたメールはありません"
    return (
        f"直近{_DAYS}日の開封率 {opened / delivered:.1%} ({opened:,}/{delivered:,})、"
        f"クリック率 {clicked / delivered:.1%} ({clicked:,}/{delivered:,})"
    )


def _read(published: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        path = str(published).replace("'", "''")  # ATTACH takes no bound value; the path is a setting
        connection.execute(f"attach '{path}' as kpi (read_only)")
        connection.execute("use kpi")
        return connection.execute(_QUERY, {"days": _DAYS}).fetchall()
