"""How far back the next reading goes, in the notation of the source."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tasks.clients.sources.watermarks import Watermark

TOKYO = ZoneInfo("Asia/Tokyo")
TEN_MINUTES = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-04-01 00:05:00", "2026-03-31 23:55:00"),
        ("2026-04-01T00:05", "2026-03-31T23:55"),
        ("2026/04/01 00:05:00.250", "2026/03/31 23:55:00.250"),
        ("2026-04-01T00:05:00Z", "2026-03-31T23:55:00Z"),
        ("2026-04-01 00:05:00+0900", "2026-03-31 23:55:00+0900"),
        ("2026-04-01", "2026-03-31"),
        ("v42", None),
        (datetime(2026, 4, 1, 0, 5), datetime(2026, 3, 31, 23, 55)),
        (datetime(2026, 4, 1, 0, 5, tzinfo=UTC), datetime(2026, 3, 31, 23, 55, tzinfo=UTC)),
        (date(2026, 4, 1), date(2026, 3, 31)),
    ],
)
def test_moved_back(given: object, expected: object) -> None:
    watermark = Watermark.of(given)
    assert watermark is not None
    assert Watermark.parse(str(watermark)).moved_back(TEN_MINUTES, TOKYO) == expected


def test_numbers_move_back_by_numbers() -> None:
    assert Watermark("number", "40").moved_back(5, TOKYO) == 35
    assert Watermark("number", "40.5").moved_back(5, TOKYO) == Decimal("35.5")
    assert Watermark("number", "40").moved_back(TEN_MINUTES, TOKYO) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2999-01-01 00:00:00", "2026-04-01 09:00:00"),
        ("2999-01-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("2026-04-01 08:59:59", "2026-04-01 08:59:59"),
        (datetime(2999, 1, 1), "2026-04-01T09:00:00"),
        (datetime(2999, 1, 1, tzinfo=timezone(timedelta(hours=9))), "2026-04-01T09:00:00+09:00"),
        (date(2999, 1, 1), "2026-04-01"),
        (7, "7"),
    ],
)
def test_never_beyond_the_pull(given: object, expected: str) -> None:
    watermark = Watermark.of(given)
    assert watermark is not None
    assert watermark.capped(datetime(2026, 4, 1, tzinfo=UTC), TOKYO).value == expected


def test_only_forward() -> None:
    assert Watermark("number", "10").is_after(Watermark("number", "9"))
    assert not Watermark("number", "9").is_after(Watermark("number", "9"))
    assert Watermark("text", "a").is_after(Watermark("number", "9"))
    assert Watermark.of(None) is None
    assert Watermark.of("") is None
    assert Watermark.of(True) is None
