"""Tells on which days a window opens: weekdays, public holidays, and the company's own calendar."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta

from rules.delivery_models import WEEKDAYS, Days, Delivery, Window

_DAY = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})")
_LEAP_YEAR = 2000


class NotADayError(ValueError):
    """A text names no day, or the last day comes before the first."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


def days_between(days: Days, year: int | None = None) -> list[date]:
    """Return the days meant, those that stand for every year in ``year``: of what begins in it.

    Raises:
        NotADayError: A text names no day, or the last day comes before the first.
    """
    every_year = year if year is not None else _LEAP_YEAR
    first_year, first = _day(days.on, every_year)
    last_year, last = _day(days.until, every_year) if days.until is not None else (first_year, first)
    if (first_year is None) != (last_year is None):
        raise NotADayError(f"{days.on} until {days.until}", "give both a year, or neither")
    # 29 February of another year
    if first is None and days.until is None:
        return []
    first, last = first or date(every_year, 3, 1), last or date(every_year, 2, 28)
    if last < first and first_year is None:
        last = _day(days.until or days.on, every_year + 1)[1] or last
    if last < first:
        raise NotADayError(f"{days.on} until {days.until}", "the last day comes before the first: swap them")
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def open_days(delivery: Delivery, window: Window, first: date, last: date) -> list[date]:
    """Return the days from ``first`` to ``last`` on which a window opens."""
    closed, opened = _all_days(delivery.closed, first, last), _all_days(delivery.open, first, last)
    holidays: Iterable[date] = ()
    if delivery.holidays is not None and not window.on_holidays:
        # Imported here: what reads no calendar does not wait for it.
        from holidays import country_holidays

        holidays = country_holidays(delivery.holidays, years=range(first.year, last.year + 1))
    found = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        is_weekday = WEEKDAYS[day.weekday()] in window.days
        is_open = (
            is_weekday
            if window.on_holidays
            else day in opened or (is_weekday and day not in closed and day not in holidays)
        )
        if is_open:
            found.append(day)
    return found


def _all_days(entries: Iterable[Days], first: date, last: date) -> set[date]:
    return {
        day for days in entries for year in range(first.year - 1, last.year + 1) for day in days_between(days, year)
    }


def _day(text: str, year: int) -> tuple[int | None, date | None]:
    """The year a text gives, if any, and the day; None for 29 February in a year without one."""
    match = _DAY.fullmatch(text)
    if match is None:
        raise NotADayError(text)
    given = int(match[1]) if match[1] else None
    month, day = int(match[2]), int(match[3])
    try:
        return given, date(given or year, month, day)
    except ValueError:
        if given is None and (month, day) == (2, 29):
            return given, None
        raise NotADayError(text) from None
