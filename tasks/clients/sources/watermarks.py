"""How far a source has been read: the greatest cursor value seen, and where to read from next time.

A cursor may be a stamp, a date, a number, or a stamp kept as text, as SQLite does. It is stored as ``kind:value`` and
bound again in the kind, and for text in the very notation, in which the source gave it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Literal

Cursor = datetime | date | int | float | Decimal | str
Kind = Literal["stamp", "date", "number", "text"]

_TEXT_STAMP = re.compile(
    r"(?P<date>\d{4}(?P<dash>[-/])\d{2}[-/]\d{2})"
    r"(?:(?P<gap>[ T])(?P<minutes>\d{2}:\d{2})(?P<seconds>:\d{2})?(?P<fraction>\.\d{1,6})?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)


@dataclass(frozen=True)
class Watermark:
    """A cursor value with its kind."""

    kind: Kind
    value: str

    @classmethod
    def of(cls, value: object) -> Watermark | None:
        """Return the watermark of a cursor value as a database driver gives it; None where it orders nothing."""
        if isinstance(value, datetime):
            return cls("stamp", value.isoformat())
        if isinstance(value, date):
            return cls("date", value.isoformat())
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return cls("number", str(value))
        return cls("text", value) if isinstance(value, str) and value else None

    @classmethod
    def parse(cls, stored: str) -> Watermark:
        """Read back what ``str`` wrote."""
        kind, _, value = stored.partition(":")
        return cls(kind, value)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    def cursor(self) -> Cursor:
        """Return the value to compare and to bind."""
        if self.kind == "stamp":
            return datetime.fromisoformat(self.value)
        if self.kind == "date":
            return date.fromisoformat(self.value)
        if self.kind == "number":
            number = Decimal(self.value)
            return int(number) if number == number.to_integral_value() else number
        return self.value

    def is_after(self, other: Watermark | None) -> bool:
        """Whether this lies further on. A cursor of another kind starts anew."""
        if other is None or other.kind != self.kind:
            return True
        mine, theirs = self.cursor(), other.cursor()
        if (
            isinstance(mine, datetime)
            and isinstance(theirs, datetime)
            and (mine.tzinfo is None) != (theirs.tzinfo is None)
        ):
            return True
        return mine > theirs  # type: ignore[operator]

    def capped(self, as_of: datetime, zone: tzinfo) -> Watermark:
        """Return this, or the pull's instant where this lies beyond it: one row dated 2999 must not end all reading."""
        cursor = self.cursor()
        if isinstance(cursor, datetime):
            local = as_of.astimezone(cursor.tzinfo or zone)
            limit = local if cursor.tzinfo else local.replace(tzinfo=None)
            return self if cursor <= limit else Watermark("stamp", limit.isoformat())
        if isinstance(cursor, date):
            return (
                self
                if cursor <= as_of.astimezone(zone).date()
                else Watermark("date", f"{as_of.astimezone(zone):%Y-%m-%d}")
            )
        stamp = _parse_text(cursor, zone) if isinstance(cursor, str) else None
        if isinstance(cursor, str) and stamp is not None and stamp > as_of:
            return Watermark("text", _like(cursor, as_of.astimezone(stamp.tzinfo)))
        return self

    def moved_back(self, lookback: timedelta | int, zone: tzinfo) -> Cursor | None:
        """Return the value to read from, ``lookback`` before this; None where it cannot be reckoned."""
        cursor = self.cursor()
        if isinstance(lookback, int):
            return cursor - lookback if isinstance(cursor, (int, Decimal)) else None
        if isinstance(cursor, datetime):
            return cursor - lookback
        if isinstance(cursor, date):
            # a span of less than a day looks back over the whole day before
            return cursor - max(lookback, timedelta(days=1))
        if isinstance(cursor, str):
            stamp = _parse_text(cursor, zone)
            return None if stamp is None else _like(cursor, stamp - lookback)
        return None


def _parse_text(text: str, zone: tzinfo) -> datetime | None:
    if _TEXT_STAMP.fullmatch(text) is None:
        return None
    try:
        stamp = datetime.fromisoformat(text.replace("/", "-").replace(" ", "T", 1).replace(" ", ""))
    except ValueError:
        return None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=_fixed(stamp, zone))


def _fixed(stamp: datetime, zone: tzinfo) -> timezone:
    """Return the zone's offset at a stamp, so that arithmetic is on the clock's face as in the text."""
    return timezone(stamp.replace(tzinfo=zone).utcoffset() or timedelta())


def _like(text: str, stamp: datetime) -> str:
    """Return a stamp in the notation of ``text``, so that the two compare as text."""
    match = _TEXT_STAMP.fullmatch(text)
    assert match is not None
    dash = match["dash"]
    result = f"{stamp:%Y{dash}%m{dash}%d}"
    if match["gap"]:
        result += f"{match['gap']}{stamp:%H:%M}"
        if match["seconds"]:
            result += f"{stamp:%S}".join((":", ""))
        if match["fraction"]:
            result += "." + f"{stamp:%f}"[: len(match["fraction"]) - 1]
        result += match["zone"] or ""
    return result
