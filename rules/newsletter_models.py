"""Newsletters: issues that go to a segment on a calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from rules.condition_models import Frozen


class Calendar(Frozen):
    """On which days, and at what time of the business time zone, issues go."""

    at: timedelta
    """Since midnight."""
    weekday: int | None = None
    """1 is Monday, as ISO 8601 counts. With ``nth`` the n-th of the month, else every ``every_weeks`` weeks."""
    nth: int | None = None
    every_weeks: int = 1
    day_of_month: int | None = None
    """A month that is shorter has its last day for it."""


class Issue(Frozen):
    """One issue: its mail is a step of the rule set that bears its id. ``at``: when, where the calendar does not say;
    in the business time zone.
    """

    id: str
    at: datetime | None = None


class Newsletter(Frozen):
    """A newsletter of ``newsletters.yaml``."""

    id: str
    label: str
    segment: str
    calendar: Calendar | None = None
    starts_on: date | None = None
    """The first day of the calendar; None: the day of the first run that knows the newsletter."""
    repeats: bool = False
    """After the last issue the first goes again, as another occurrence."""
    issues: tuple[Issue, ...]
    is_enabled: bool = True
    source: str
