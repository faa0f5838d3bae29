"""Hours until sales has to call, for each day of three years, against the minutes of the calendar counted one by one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from rules.models import WEEKDAYS, Days, Delivery, Handoff, Owner, Window
from tests.rule_sets import rule_set
from warehouse.limits import make_open_hours

TOKYO = ZoneInfo("Asia/Tokyo")
# What the Cabinet Office (内閣府) lists, with the days of rest that follow from them (休日: 2025-02-24, 05-06 and 11-24,
# 2026-05-06 and 09-22, 2027-03-22). The two of 2028 are those of the law: limits of December reach into that January.
LISTED = {
    2025: "01-01 01-13 02-11 02-23 02-24 03-20 04-29 05-03 05-04 05-05 05-06 07-21 08-11 09-15 09-23 10-13 11-03 11-23 11-24",
    2026: "01-01 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12 11-03 11-23",
    2027: "01-01 01-11 02-11 02-23 03-21 03-22 04-29 05-03 05-04 05-05 07-19 08-11 09-20 09-23 10-11 11-03 11-23",
    2028: "01-01 01-10",
}
HOLIDAYS = {date.fromisoformat(f"{year}-{day}") for year, days in LISTED.items() for day in days.split()}
FIRST, LAST = date(2025, 1, 1), date(2027, 12, 31)
CLOSED = {date(2026, 8, day) for day in (13, 14)}
OPENED = {date(2026, 5, 2), date(2027, 2, 11)}  # a Saturday, and a holiday on a Thursday
DELIVERY = Delivery(
    windows=(
        Window(
            id="business", label="営業時間", days=WEEKDAYS[:5], opens="09:00", closes="18:00", on_holidays=False
        ),
        Window(id="daytime", label="日中", opens="08:30", closes="20:45"),
        Window(id="night", label="夜間", days=WEEKDAYS[:5], opens="22:00", closes="02:00", on_holidays=False),
        Window(id="whole", label="営業日", days=WEEKDAYS[:5], on_holidays=False),
    ),
    holidays="JP",
    closed=(Days(on="12-29", until="01-03"), Days(on="2026-08-13", until="2026-08-14")),
    open=tuple(Days(on=day.isoformat()) for day in sorted(OPENED)),
)  # fmt: skip
MINUTE = timedelta(minutes=1)


def limits(
    causes: Sequence[datetime],
    hours: float,
    window: str | None,
    delivery: Delivery = DELIVERY,
    zone: str = "Asia/Tokyo",
) -> list[datetime]:
    """When the limits are over that begin with each of these instants."""
    rules = rule_set(
        delivery=delivery,
        handoff=Handoff(
            owners=(Owner(id="sato", name="佐藤", email="sato@example.com"),), sender="marketing", limit_window=window
        ),
    )
    with duckdb.connect() as connection:
        make_open_hours(connection, rules, zone, min(causes), max(causes))
        connection.register("asked", pa.table({"place": range(len(causes)), "cause": causes}))
        found = connection.execute(
            "select after_open_hours(cause, $length::bigint) from asked order by place",
            {"length": round(hours * 3_600_000_000)},
        ).fetchall()
    return [due for (due,) in found]


def limit(cause: str, hours: float, window: str | None = "business") -> str:
    """When one limit is over, by the clock in Tokyo."""
    (due,) = limits([jst(cause)], hours, window)
    return f"{due.astimezone(TOKYO):%Y-%m-%d %H:%M}"


def jst(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


def is_business_day(day: date) -> bool:
    """What the rules above say of a day, in this test's own words."""
    if day in OPENED:
        return True
    is_year_end = (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)
    return day.weekday() < 5 and day not in HOLIDAYS and day not in CLOSED and not is_year_end


def open_minutes(window: Window) -> list[datetime]:
    """Every minute in which a window is open, by the clock in Tokyo, from before the first cause to after the last."""
    hour, minute = map(int, window.opens.split(":"))
    until_hour, until_minute = map(int, window.closes.split(":"))
    opens, closes = 60 * hour + minute, 60 * until_hour + until_minute
    found = []
    for number in range(-1, (LAST - FIRST).days + 31):
        day = FIRST + timedelta(days=number)
        if window.on_holidays or is_business_day(day):
            midnight = datetime.combine(day, time())
            # after midnight it is the evening before that counts
            found += [midnight + MINUTE * one for one in range(opens, closes if closes > opens else closes + 24 * 60)]
    return found


@pytest.mark.parametrize("window", DELIVERY.windows, ids=lambda one: one.id)
def test_each_day_of_three_years_has_the_limits_that_the_calendar_counted_by_minutes_has(window: Window) -> None:
    minutes = open_minutes(window)
    clocks = ["00:00", "01:59", "02:00", "08:59", "09:00", "13:37", "17:59", "18:00", "22:00", "23:59"]
    causes = [
        datetime.combine(FIRST + timedelta(days=number), time.fromisoformat(clock), TOKYO)
        for number in range((LAST - FIRST).days + 1)
        for clock in clocks
    ]
    assert len(causes) == 1095 * len(clocks)
    for hours in (8.5, 18, 27):
        expected = [
            minutes[bisect_left(minutes, cause.replace(tzinfo=None)) + round(hours * 60) - 1] + MINUTE
            for cause in causes
        ]
        found = [due.astimezone(TOKYO).replace(tzinfo=None) for due in limits(causes, hours, window.id)]
        wrong = [(cause, due, right) for cause, due, right in zip(causes, found, expected, strict=True) if due != right]
        assert wrong == [], (hours, wrong[:5])


@pytest.mark.parametrize("window", [None, *(one.id for one in DELIVERY.windows)])
def test_a_limit_never_ends_before_so_many_hours_and_a_later_cause_never_has_an_earlier_one(window: str | None) -> None:
    start = jst("2026-04-27 00:00")
    causes = [start + timedelta(minutes=7 * number) for number in range(3_000)]  # two weeks
    first, second = limits(causes, 48, window), limits(causes, 72, window)
    assert all(due >= cause + timedelta(hours=48) for cause, due in zip(causes, first, strict=True))
    assert first == sorted(first)
    assert all(later - earlier >= timedelta(hours=24) for earlier, later in zip(first, second, strict=True))


def test_without_a_window_every_hour_counts_whatever_day_it_is() -> None:
    assert limit("2026-12-30 17:45", 48, None) == "2027-01-01 17:45"
    assert limit("2025-05-03 09:00", 72, None) == "2025-05-06 09:00"


@pytest.mark.parametrize(
    ("cause", "due"),
    [
        ("2025-05-02 17:00", "2025-05-08 17:00"),  # Friday; the 6th is the substitute of Sunday the 4th
        ("2025-05-04 12:00", "2025-05-08 18:00"),
        ("2026-05-01 17:00", "2026-05-07 17:00"),  # the company is open on Saturday the 2nd
        ("2026-05-05 12:00", "2026-05-08 18:00"),  # the 6th is the substitute of Sunday the 3rd
        ("2027-04-28 17:00", "2027-05-06 17:00"),
        ("2027-04-30 17:00", "2027-05-07 17:00"),
        ("2026-12-28 10:00", "2027-01-05 10:00"),  # closed from the 29th, and the 3rd is a Sunday
        ("2025-12-29 10:00", "2026-01-06 18:00"),  # closed days give no hours, though the cause is a weekday's
        ("2027-12-28 17:59", "2028-01-05 17:59"),
        ("2025-02-21 12:00", "2025-02-26 12:00"),  # Monday the 24th is the substitute of Sunday
        ("2025-11-21 12:00", "2025-11-26 12:00"),
        ("2027-03-19 12:00", "2027-03-24 12:00"),
        ("2026-09-18 12:00", "2026-09-25 12:00"),  # the 22nd lies between two holidays, so it is one
        ("2027-02-10 12:00", "2027-02-12 12:00"),  # open on the holiday of the 11th
        ("2026-08-12 12:00", "2026-08-18 12:00"),  # the company's own summer days
        ("2026-04-04 03:00", "2026-04-07 18:00"),  # Saturday
        ("2026-04-05 23:59", "2026-04-07 18:00"),  # Sunday
        ("2026-04-06 08:59", "2026-04-07 18:00"),  # before the window
        ("2026-04-06 09:00", "2026-04-07 18:00"),  # with it
        ("2026-04-06 09:01", "2026-04-08 09:01"),
        ("2026-04-06 17:59", "2026-04-08 17:59"),
        ("2026-04-06 18:00", "2026-04-08 18:00"),  # as it closes
        ("2026-04-06 18:01", "2026-04-08 18:00"),  # after it
    ],
)  # fmt: skip
def test_a_limit_of_two_business_days(cause: str, due: str) -> None:
    assert limit(cause, 18) == due


def test_the_second_limit_goes_on_from_the_cause_and_not_from_the_first() -> None:
    assert limit("2026-04-30 16:30", 18) == "2026-05-02 16:30"
    assert limit("2026-04-30 16:30", 27) == "2026-05-07 16:30"


def test_hours_that_a_window_does_not_give_within_two_years_end_after_those_that_it_gives() -> None:
    hour_a_week = Window(id="rare", label="月曜", days=("mon",), opens="09:00", closes="10:00")
    never = Window(id="never", label="なし", days=("mon",), on_holidays=False)
    causes = [jst("2026-04-06 09:00")]
    delivery = Delivery(windows=(hour_a_week, never), closed=(Days(on="01-01", until="12-31"),))
    first, second = (limits(causes, hours, "rare", delivery)[0] for hours in (100, 150))
    assert first == jst("2028-02-28 10:00")
    assert second >= first
    assert limits(causes, 48, "never", delivery) == [jst("2026-04-08 09:00")]
