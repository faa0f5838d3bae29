"""On which days a window opens: weekdays, public holidays, the company's own calendar, across months and years."""

from __future__ import annotations

from datetime import date

import pytest

from rules.business_days import NotADayError, days_between, open_days
from rules.models import WEEKDAYS, Days, Delivery, Window

EVERY_DAY = Window(id="w", label="毎日", on_holidays=False)
WEEK = Window(id="w", label="平日", days=WEEKDAYS[:5], on_holidays=False)


def test_weekdays_and_holidays_with_their_substitutes() -> None:
    # 3 May 2026 is a Sunday, so the holidays of 3 to 5 May are followed by a substitute on the 6th
    found = open_days(Delivery(holidays="JP"), WEEK, date(2026, 4, 28), date(2026, 5, 8))
    assert found == [date(2026, 4, 28), date(2026, 4, 30), date(2026, 5, 1), date(2026, 5, 7), date(2026, 5, 8)]


def test_a_window_that_knows_no_holidays() -> None:
    window = WEEK.model_copy(update={"on_holidays": True})
    closed = (Days(on="2026-05-04"),)
    assert open_days(Delivery(holidays="JP", closed=closed), window, date(2026, 5, 3), date(2026, 5, 5)) == [
        date(2026, 5, 4), date(2026, 5, 5),
    ]  # fmt: skip


def test_closed_days_of_every_year_across_its_end_and_days_open_among_them() -> None:
    delivery = Delivery(closed=(Days(on="12-29", until="01-03"),), open=(Days(on="2027-01-02"),))
    found = open_days(delivery, EVERY_DAY, date(2026, 12, 27), date(2027, 1, 5))
    assert found == [
        date(2026, 12, 27), date(2026, 12, 28), date(2027, 1, 2), date(2027, 1, 4), date(2027, 1, 5),
    ]  # fmt: skip


def test_a_weekend_day_that_is_open() -> None:
    saturday = date(2026, 4, 11)
    assert open_days(Delivery(open=(Days(on="2026-04-11"),)), WEEK, saturday, saturday) == [saturday]
    assert open_days(Delivery(), WEEK, saturday, saturday) == []


@pytest.mark.parametrize(("year", "days"), [(2027, []), (2028, [date(2028, 2, 29)])])
def test_leap_days(year: int, days: list[date]) -> None:
    assert days_between(Days(on="02-29"), year) == days
    closed = Delivery(closed=(Days(on="02-29"),))
    march = date(year, 3, 1)
    assert march in open_days(closed, EVERY_DAY, date(year, 2, 28), march)
    assert not set(days) & set(open_days(closed, EVERY_DAY, date(year, 2, 28), march))


def test_a_range_that_begins_or_ends_on_a_leap_day() -> None:
    assert days_between(Days(on="02-27", until="02-29"), 2027) == [date(2027, 2, 27), date(2027, 2, 28)]
    assert days_between(Days(on="02-29", until="03-02"), 2027) == [date(2027, 3, 1), date(2027, 3, 2)]
    assert len(days_between(Days(on="02-27", until="03-01"), 2028)) == 4


def test_month_ends() -> None:
    assert days_between(Days(on="2026-01-30", until="2026-02-01")) == [
        date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1),
    ]  # fmt: skip
    with pytest.raises(NotADayError):
        days_between(Days(on="2026-04-31"))
    with pytest.raises(NotADayError):
        days_between(Days(on="2027-02-29"))
