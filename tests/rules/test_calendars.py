"""When newsletters go: each calendar's days, over month ends, leap days and changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rules.calendars import Gone, issues_between, parse_calendar
from rules.models import Issue, Newsletter
from rules.timing import NotUnderstoodError

TOKYO = ZoneInfo("Asia/Tokyo")


def newsletter(every: str, *issues: str, **changes: object) -> Newsletter:
    values = {
        "id": "news", "label": "ニュース", "segment": "everyone", "calendar": parse_calendar(every),
        "starts_on": date(2027, 12, 1), "issues": tuple(Issue(id=name) for name in issues or ("a",)), "source": "",
        "repeats": True,
    }  # fmt: skip
    return Newsletter(**(values | changes))


def due(asked: Newsletter, days: int = 130, zone: ZoneInfo = TOKYO, **instants: datetime) -> list[datetime]:
    since = instants.get("known_since", datetime(2027, 11, 1, tzinfo=zone))
    found = issues_between(asked, since, [], since, datetime(2027, 12, 1, tzinfo=zone) + timedelta(days=days), zone)
    return [one.due_at for one in found]


def told(asked: Newsletter, since: datetime, until: datetime, gone: tuple[Gone, ...] = ()) -> list[tuple[str, int]]:
    return [(one.issue, one.occurrence) for one in issues_between(asked, since, gone, since, until, TOKYO)]


@pytest.mark.parametrize(
    "every, days",
    [
        ("毎週火曜10:00", ["12-07", "12-14", "12-21", "12-28", "01-04"]),
        ("隔週火曜日の10:00", ["12-07", "12-21", "01-04", "01-18", "02-01"]),
        ("every 2 weeks tuesday 10:00", ["12-07", "12-21", "01-04", "01-18", "02-01"]),
        ("4週ごと水曜10時", ["12-01", "12-29", "01-26", "02-23", "03-22"]),
        ("毎月第2火曜10:00", ["12-14", "01-11", "02-08", "03-14"]),
        ("monthly 2nd tuesday 10:00", ["12-14", "01-11", "02-08", "03-14"]),
        ("毎月第5水曜10:00", ["12-29", "03-29"]),
        ("毎月30日10:00", ["12-30", "01-30", "02-29", "03-30"]),
        ("毎月末日10時00分", ["12-31", "01-31", "02-29", "03-31"]),
        ("monthly 15th 10:00", ["12-15", "01-15", "02-15", "03-15"]),
    ],
)
def test_a_calendar_has_its_days(every: str, days: list[str]) -> None:
    found = due(newsletter(every))
    assert [f"{when:%m-%d}" for when in found][: len(days)] == days
    assert {f"{when:%H:%M}" for when in found} == {"10:00"}


def test_the_clock_is_the_business_clock_across_a_change_of_it() -> None:
    new_york = ZoneInfo("America/New_York")
    found = due(newsletter("毎週日曜10:00"), zone=new_york)
    assert [when.astimezone(UTC).hour for when in found if when.month == 3] == [15, 14, 14, 14]


def test_issues_go_in_turn_and_again_where_they_repeat() -> None:
    since, until = datetime(2027, 11, 1, tzinfo=TOKYO), datetime(2028, 1, 5, tzinfo=TOKYO)
    asked = newsletter("毎週火曜10:00", "a", "b")
    assert told(asked, since, until) == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)]
    once = asked.model_copy(update={"repeats": False})
    assert told(once, since, until) == [("a", 1), ("b", 1)]


def test_what_was_due_before_anybody_knew_it_does_not_go() -> None:
    asked = newsletter("毎週火曜10:00", "a", "b")
    known = datetime(2027, 12, 7, 12, tzinfo=TOKYO)
    week = known + timedelta(days=8)
    assert told(asked, known, week) == [("a", 1)]
    assert told(asked.model_copy(update={"starts_on": None}), known, week) == [("a", 1)]
    dated = newsletter("毎週火曜10:00", issues=(Issue(id="x", at=datetime(2027, 12, 7, 11)),))
    assert told(dated, known, week) == []
    assert told(dated, known - timedelta(days=1), week) == [("x", 1)]


def test_an_edit_of_the_issues_or_the_calendar_skips_none() -> None:
    def day(number: int) -> datetime:
        return datetime(2027, 12, number, 10, tzinfo=TOKYO)

    gone = (Gone("a", 1, day(7)), Gone("b", 1, day(14)))
    now, next_week = day(14) + timedelta(hours=1), day(21) + timedelta(hours=1)
    assert told(newsletter("毎週火曜10:00", "b", "c", repeats=False), now, next_week, gone) == [("c", 1)]
    assert told(newsletter("毎週火曜10:00", "x", "a", "b"), now, next_week, gone) == [("x", 1)]
    assert told(newsletter("毎週火曜10:00", "a", "b", repeats=False), now, next_week, gone) == []
    fortnight = newsletter("隔週火曜10:00", "a", "b", "c", starts_on=None)
    assert told(fortnight, now, day(28) + timedelta(hours=1), gone) == [("c", 1)]


@pytest.mark.parametrize(
    "text", ["", "毎週", "毎週火曜", "毎月32日10:00", "毎月0日10:00", "99週ごと火曜10:00", "every day"]
)
def test_what_is_no_calendar_is_told_with_what_is(text: str) -> None:
    with pytest.raises(NotUnderstoodError) as told:
        parse_calendar(text)
    assert told.value.allowed
