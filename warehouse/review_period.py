"""The stretch of time that a review is about, and those beside which it is seen: whole local weeks or months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

PeriodKind = Literal["week", "month"]
PERIODS_BEFORE = 8
"""Periods before the one reviewed, from which is learnt how much a figure moves by itself."""
WEEKS = 8
"""Weeks over which a trend is looked for."""


@dataclass(frozen=True)
class Span:
    """A stretch of time, from an instant up to another. ``number`` counts back from 0, the period reviewed."""

    number: int
    started_at: datetime
    ended_at: datetime

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.ended_at - self.started_at) / timedelta(days=1)


@dataclass(frozen=True)
class ReviewPeriod:
    """A whole week, from Monday, or a whole month, by the days of a time zone."""

    kind: PeriodKind
    first: date
    zone: ZoneInfo

    @property
    def end(self) -> date:
        """The day after its last."""
        return _next(self.kind, self.first)

    @property
    def ended_at(self) -> datetime:
        """The instant at which it is over; nothing later is looked at."""
        return _midnight(self.end, self.zone)

    def spans(self) -> list[Span]:
        """The period, the one before, and so on."""
        first, found = self.first, []
        for number in range(PERIODS_BEFORE + 1):
            found.append(
                Span(number, _midnight(first, self.zone), _midnight(_next(self.kind, first), self.zone)),
            )
            first = _before(self.kind, first)
        return found

    def weeks(self) -> list[Span]:
        """The seven local days up to its end, the seven before, and so on."""
        ends = [self.end - timedelta(days=7 * number) for number in range(WEEKS + 1)]
        return [
            Span(number, _midnight(ends[number + 1], self.zone), _midnight(ends[number], self.zone))
            for number in range(WEEKS)
        ]


def last_period(kind: PeriodKind, as_of: datetime, timezone: str) -> ReviewPeriod:
    """The last whole week or month before an instant."""
    zone = ZoneInfo(timezone)
    today = as_of.astimezone(zone).date()
    present = today - timedelta(days=today.weekday()) if kind == "week" else today.replace(day=1)
    return ReviewPeriod(kind, _before(kind, present), zone)


def _next(kind: PeriodKind, first: date) -> date:
    return first + timedelta(days=7) if kind == "week" else (first + timedelta(days=31)).replace(day=1)


def _before(kind: PeriodKind, first: date) -> date:
    return first - timedelta(days=7) if kind == "week" else (first - timedelta(days=1)).replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
