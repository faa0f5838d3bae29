"""Until when sales has, day by day over three years, against the Cabinet Office's list of holidays and a slow count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest

from rules.models import Days, Delivery, RuleSet, Window
from tests.rule_sets import rule_set
from warehouse.limits import make_open_hours

TOKYO = ZoneInfo("Asia/Tokyo")
OPENS, CLOSES = time(9), time(18)
# Source: Cabinet Office of Japan (内閣府), "国民の祝日について": the holidays of 2025 to 2027, the days off in place of one
# that falls on a Sunday (振替休日), and the one between two (国民の休日, 22 September 2026).
HOLIDAYS = {
    date(2025, *day)
    for day in (
        (1, 1), (1, 13), (2, 11), (2, 23), (2, 24), (3, 20), (4, 29), (5, 3), (5, 4), (5, 5), (5, 6), (7, 21), (8, 11),
        (9, 15), (9, 23), (10, 13), (11, 3), (11, 23), (11, 24),
    )
} | {
    date(2026, *day)
    for day in (
        (1, 1), (1, 12), (2, 11), (2, 23), (3, 20), (4, 29), (5, 3), (5, 4), (5, 5), (5, 6), (7, 20), (8, 11), (9, 21),
        (9, 22), (9, 23), (10, 12), (11, 3), (11, 23),
    )
} | {
    date(2027, *day)
    for day in (
        (1, 1), (1, 11), (2, 11), (2, 23), (3, 21), (3, 22), (4, 29), (5, 3), (5, 4), (5, 5), (7, 19), (8, 11), (9, 20),
        (9, 23), (10, 11), (11, 3), (11, 23),
    )
}  # fmt: skip
YEAR_END = {(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)}
TIMES = (time(0), time(8, 59), time(9), time(13, 17, 5), time(17, 59, 59), time(18), time(23, 30))


def rules_of(window: str | None) -> RuleSet:
    weekdays = ("mon", "tue", "wed", "thu", "fri")
    hours = Window(id="office", label="営業時間", days=weekdays, opens="09:00", closes="18:00", on_holidays=False)
    closed = (Days(on="12-29", until="01-03"),)
    delivery = Delivery(holidays="JP", windows=(hours,), closed=closed)
    handoff = rule_set().handoff.model_copy(update={"limit_window": window})
    return rule_set(delivery=delivery, handoff=handoff)


def limits(window: str | None, causes: Sequence[datetime], hours: float) -> list[datetime]:
    """By the engine: when so many hours after each cause have passed."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        make_open_hours(connection, rules_of(window), "Asia/Tokyo", min(causes), max(causes))
        found = connection.execute(
            "select cause, after_open_hours(cause, $length::bigint) from unnest($causes) as causes(cause)",
            {"length": round(hours * 3_600_000_000), "causes": list(causes)},
        ).fetchall()
    by_cause = dict(found)
    return [by_cause[cause].astimezone(TOKYO) for cause in causes]


def counted(cause: datetime, hours: float) -> datetime:
    """The same by walking from day to day."""
    left, day = timedelta(hours=hours), cause.date()
    while True:
        is_open = day.weekday() < 5 and day not in HOLIDAYS and (day.month, day.day) not in YEAR_END
        begin = max(cause, datetime.combine(day, OPENS, TOKYO))
        end = datetime.combine(day, CLOSES, TOKYO)
        if is_open and begin < end:
            if left <= end - begin:
                return begin + left
            left -= end - begin
        day += timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


@pytest.mark.parametrize("hours", [18, 27])
def test_every_day_of_three_years_has_the_limit_that_a_slow_count_finds(hours: float) -> None:
    days = [date(2025, 1, 1) + timedelta(days=number) for number in range(3 * 365 - 14)]
    causes = [datetime.combine(day, clock, TOKYO) for day in days for clock in TIMES]
    found = limits("office", causes, hours)
    assert len(found) == len(causes) > 7_500
    wrong = [(cause, limit) for cause, limit in zip(causes, found, strict=True) if limit != counted(cause, hours)]
    assert wrong == []
    assert found == sorted(found), "who asks later has never less time"
    assert all(limit >= cause + timedelta(hours=hours) for cause, limit in zip(causes, found, strict=True))


@pytest.mark.parametrize(
    ("cause", "limit"),
    [
        # a Friday's evening, over a weekend
        ("2026-04-10T20:00", "2026-04-14T18:00"),
        ("2026-04-10T15:00", "2026-04-14T15:00"),
        # Golden Week: 2026 has 29 April, then 3 to 6 May, the last in place of the Sunday; 2025 as well; 2027 3 to 5 May
        ("2026-04-28T17:00", "2026-05-01T17:00"),
        ("2026-05-01T12:00", "2026-05-08T12:00"),
        ("2025-05-02T12:00", "2025-05-08T12:00"),
        ("2027-04-30T12:00", "2027-05-07T12:00"),
        # three days off in a row: 敬老の日, the day between, 秋分の日
        ("2026-09-18T10:00", "2026-09-25T10:00"),
        # in place of a Sunday: 勤労感謝の日 2025 and 春分の日 2027
        ("2025-11-21T16:30", "2025-11-26T16:30"),
        ("2027-03-19T16:30", "2027-03-24T16:30"),
        # the end of the year, with the company's own days off
        ("2025-12-26T10:00", "2026-01-06T10:00"),
        ("2026-12-28T17:00", "2027-01-05T17:00"),
        # at the edges of the window
        ("2026-04-13T09:00", "2026-04-14T18:00"),
        ("2026-04-13T18:00", "2026-04-15T18:00"),
    ],
)
def test_two_business_days(cause: str, limit: str) -> None:
    assert limits("office", [at(cause)], 18) == [at(limit)]


def test_without_a_window_every_hour_counts() -> None:
    causes = [at("2026-05-02T12:00"), at("2025-12-31T23:59")]
    assert limits(None, causes, 48) == [cause + timedelta(hours=48) for cause in causes]


def test_a_limit_is_an_instant_wherever_it_is_looked_at_from() -> None:
    (limit,) = limits("office", [datetime(2026, 4, 13, 0, 0, tzinfo=UTC)], 1)
    assert limit == datetime(2026, 4, 13, 1, 0, tzinfo=UTC)
