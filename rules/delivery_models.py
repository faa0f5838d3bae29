"""When mails may go, and how many."""

from __future__ import annotations

from typing import Literal

from rules.condition_models import Frozen

MailKind = Literal["step", "trigger", "newsletter"]
MAIL_KINDS: tuple[MailKind, ...] = ("newsletter", "step", "trigger")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Window(Frozen):
    """Hours of days in which a mail may go, by the clock where the lead is."""

    id: str
    label: str
    days: tuple[Weekday, ...] = WEEKDAYS
    opens: str = "00:00"
    closes: str = "24:00"
    """At or before ``opens``: on the day after."""
    on_holidays: bool = True
    """Whether holidays and the company's closed days are days like others."""


class Days(Frozen):
    """A day, or the days from one to another: ``2026-12-29``, or ``12-29`` for that day of every year."""

    on: str
    until: str | None = None
    label: str = ""


class MailCap(Frozen):
    """The most marketing mails a lead gets within any so many days, of one kind or of all."""

    id: str
    label: str
    mails: int
    within_days: float
    kind: MailKind | None = None


class Brakes(Frozen):
    """When marketing mails stop until somebody has looked; the figures are those of the mails of ``within_days``."""

    within_days: float = 7
    from_mails: int = 1_000
    """A rate of fewer mails than these says nothing."""
    complaint_rate_warns: float = 0.001
    complaint_rate_stops: float = 0.003
    """Complaints of mails delivered; mailbox providers act beyond it."""
    bounce_rate_stops: float = 0.05
    """Bounces of mails sent."""
    unusual_from_mails: int = 5_000
    unusual_times: float = 10
    """A run of so many mails, and of so many times those of the busiest of the last 28 days, has to be confirmed."""


class SoftBounces(Frozen):
    """When an address that refuses mail after mail for the time being gets none for a while."""

    mails: int = 3
    """So many in a row, none delivered in between,"""
    within_days: float = 30
    """within so many days,"""
    rest_days: float = 90
    """keep all mail from it for so long after the last of them, or until mail is delivered to it again."""


class UnsubscribeGroup(Frozen):
    """A group of SendGrid's that people leave, and the kind of mail that it is."""

    id: int
    kind: MailKind


class Delivery(Frozen):
    """``delivery.yaml``. Without it mails go at any time."""

    windows: tuple[Window, ...] = ()
    default_window: str | None = None
    """The window of marketing mails whose step names none."""
    time_zone_field: str | None = None
    """The field that holds a lead's IANA time zone; the business time zone holds where it is empty or none."""
    holidays: str | None = None
    """The country, such as JP, whose public holidays are no business days."""
    closed: tuple[Days, ...] = ()
    """Days on which the company is closed."""
    open: tuple[Days, ...] = ()
    """Days on which it is open although they are holidays or of a weekend."""
    caps: tuple[MailCap, ...] = ()
    brakes: Brakes = Brakes()
    soft_bounces: SoftBounces = SoftBounces()
    unsubscribe_groups: tuple[UnsubscribeGroup, ...] = ()
    """Whoever leaves another group opts out of all marketing mail."""
    block_domains: tuple[str, ...] = ()
    """Mail domains, also those below them, that get no marketing mail; in the file also names of lists."""
    holdout_share: float = 0
    """The share of leads that get no marketing mail, so that what nurturing does can be measured."""
