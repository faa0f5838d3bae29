"""Reads when a newsletter goes, in Japanese or English, and tells its days."""

from __future__ import annotations

import calendar as months
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from rules.newsletter_models import Calendar, Newsletter
from rules.scenario_words import TIME_PATTERN, WEEKDAY_NUMBERS, time_of
from rules.timing import NotUnderstoodError
from rules.vocabulary import normalised

CALENDAR_FORMS = (
    "毎週火曜10:00, 隔週火曜10:00, 4週ごと火曜10:00, 毎月第2火曜10:00, 毎月15日10:00, 毎月末日10:00 "
    "(or every tuesday 10:00, every 2 weeks tuesday 10:00, monthly 2nd tuesday 10:00, monthly 15th 10:00)"
)
_MOST_WEEKS = 52
_DAY = r"(?P<day>[月火水木金土日])曜?日?"
_DAY_EN = r"(?:on)?(?P<day>[a-z]+?day|mon|tue|wed|thu|fri|sat|sun)s?"
_AT = rf"の?(?:at)?{TIME_PATTERN}"
_FORMS = tuple(
    re.compile(pattern + _AT)
    for pattern in (
        rf"毎週{_DAY}",
        rf"(?P<other>隔週){_DAY}",
        rf"(?P<weeks>\d{{1,3}})週(?:間)?(?:ごと|毎)の?{_DAY}",
        rf"毎月第(?P<nth>[1-5]){_DAY}",
        r"毎月(?P<month_day>\d{1,2}|末)日",
        rf"every{_DAY_EN}",
        rf"every(?P<weeks>\d{{1,3}})weeks?{_DAY_EN}",
        rf"(?:monthly|everymonth)(?:onthe)?(?P<nth>[1-5])(?:st|nd|rd|th){_DAY_EN}",
        r"(?:monthly|everymonth)(?:onthe)?(?P<month_day>\d{1,2})(?:st|nd|rd|th)",
    )
)


@dataclass(frozen=True)
class Gone:
    """An issue that goes, or has gone: which, for the how manieth time, and when."""

    issue: str
    occurrence: int
    due_at: datetime


def parse_calendar(text: str) -> Calendar:
    """Read on which days and at what time issues go.

    Raises:
        NotUnderstoodError: Where it does not parse, or a number is out of bounds.
    """
    folded = normalised(text)
    for form in _FORMS:
        match = form.fullmatch(folded)
        if match is None:
            continue
        parts = match.groupdict()
        at = time_of(match)
        if month_day := parts.get("month_day"):
            number = 31 if month_day == "末" else int(month_day)
            if not 1 <= number <= 31:
                raise NotUnderstoodError(f"a month has no day {number}", "1 to 31")
            return Calendar(at=at, day_of_month=number)
        weekday = WEEKDAY_NUMBERS.get(parts["day"])
        if weekday is None:
            break
        weeks = 2 if parts.get("other") else int(parts.get("weeks") or 1)
        if not 1 <= weeks <= _MOST_WEEKS:
            raise NotUnderstoodError(f"every {weeks} weeks is out of bounds", f"1 to {_MOST_WEEKS}")
        nth = parts.get("nth")
        return Calendar(at=at, weekday=weekday, nth=int(nth) if nth else None, every_weeks=weeks)
    raise NotUnderstoodError("this calendar is not understood", CALENDAR_FORMS)


def issues_between(
    newsletter: Newsletter,
    known_since: datetime,
    gone: Sequence[Gone],
    after: datetime,
    until: datetime,
    zone: tzinfo,
) -> Iterator[Gone]:
    """Yield the issues that are due after one instant and up to another.

    Whatever was edited meanwhile: on each day of the calendar the first issue goes that has gone least often.

    Args:
        newsletter: The newsletter.
        known_since: When a run first knew it: nothing before that goes.
        gone: What has gone.
        after: The instant up to which issues were seen to.
        until: The instant of the run.
        zone: The business time zone.
    """
    had = {(one.issue, one.occurrence) for one in gone}
    since = max(after, known_since)
    for issue in newsletter.issues:
        if issue.at is not None and since < issue.at.replace(tzinfo=zone) <= until and (issue.id, 1) not in had:
            yield Gone(issue.id, 1, issue.at.replace(tzinfo=zone))
    times = {issue.id: 0 for issue in newsletter.issues if issue.at is None}
    for one in gone:
        if one.issue in times:
            times[one.issue] = max(times[one.issue], one.occurrence)
    if newsletter.calendar is None or not times:
        return
    first = newsletter.starts_on or known_since.astimezone(zone).date()
    for day in _days(newsletter.calendar, first, until.astimezone(zone).date()):
        due_at = datetime(day.year, day.month, day.day, tzinfo=zone) + newsletter.calendar.at
        if not since < due_at <= until or any(one.due_at == due_at for one in gone):
            continue
        issue_id = min(times, key=lambda name: times[name])
        if times[issue_id] and not newsletter.repeats:
            return
        times[issue_id] += 1
        yield Gone(issue_id, times[issue_id], due_at)


def _days(calendar: Calendar, first: date, last: date) -> Iterator[date]:
    if calendar.day_of_month is not None or calendar.nth is not None:
        year, month = first.year, first.month
        while (year, month) <= (last.year, last.month):
            day = _day_of_month(calendar, year, month)
            if day is not None and first <= day <= last:
                yield day
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return
    assert calendar.weekday is not None
    day = first + timedelta(days=(calendar.weekday - first.isoweekday()) % 7)
    while day <= last:
        yield day
        day += timedelta(weeks=calendar.every_weeks)


def _day_of_month(calendar: Calendar, year: int, month: int) -> date | None:
    length = months.monthrange(year, month)[1]
    if calendar.day_of_month is not None:
        return date(year, month, min(calendar.day_of_month, length))
    assert calendar.weekday is not None
    assert calendar.nth is not None
    first = date(year, month, 1)
    number = 1 + (calendar.weekday - first.isoweekday()) % 7 + 7 * (calendar.nth - 1)
    return date(year, month, number) if number <= length else None
