"""What sales gets: when a lead is handed over, to whom, with what, and how long sales has."""

from __future__ import annotations

from typing import Literal

from rules.condition_models import Frozen, Selector
from rules.delivery_models import Days
from rules.mail_models import EVERYONE

NoticeKind = Literal["handoff", "notify", "reminder", "escalation", "reassigned", "digest", "review"]
NOTICE_KINDS: tuple[NoticeKind, ...] = ("handoff", "notify", "reminder", "escalation", "reassigned", "digest", "review")
Winner = Literal["ma", "sfa", "newer"]


class SalesAction(Frozen):
    """A handoff to sales, or a notice to sales, when an event happens to a lead of a segment, or when it enters it."""

    kind: Literal["handoff", "notify"]
    id: str
    label: str
    on: Selector | None
    """None: entering the segment is what calls for sales."""
    on_count: int = 1
    segment: str = EVERYONE
    stage: str | None = None
    once_per_account: bool = False
    """Of the leads of one company that enter together, only the one with the highest score goes to sales."""
    is_request: bool = True
    """Whether the lead asked for sales itself, so that nothing keeps it from there."""
    source: str


class Person(Frozen):
    """Someone of sales who is told."""

    id: str
    name: str
    email: str


class Owner(Person):
    """A sales rep who takes handoffs."""

    manager: str | None = None
    """Who is told when the limit is over."""
    weight: float = 1
    """How often it is this rep's turn, beside the others."""
    capacity: int | None = None
    """The most open handoffs; whoever has as many gets more only where everybody has."""
    absent: tuple[Days, ...] = ()
    """Days on which new handoffs go to others."""
    sfa_user: str | None = None
    """The SFA's own id of the rep; None: as here."""


class Manager(Person):
    """Who is told of handoffs that wait too long, and sees all of them."""


class Channel(Frozen):
    """A chat room, or another place, where sales is told as well."""

    id: str
    label: str
    url: str
    """The name of the variable that holds its address, which is a secret."""
    tells: tuple[NoticeKind, ...] = ("handoff", "notify", "reminder", "escalation", "reassigned")


class Route(Frozen):
    """Who takes the leads of a segment; of several routes the first that fits."""

    id: str
    label: str
    segment: str
    owners: tuple[str, ...]


class Refusal(Frozen):
    """A segment whose leads are not handed to sales for a score or a segment."""

    id: str
    label: str
    segment: str


class ReturnReason(Frozen):
    """Why sales may give a lead back."""

    id: str
    label: str


class TalkingPoint(Frozen):
    """What to speak of with a lead that did something."""

    on: Selector
    say: str


class Handoff(Frozen):
    """When leads go to sales, to whom, and how long sales has."""

    limit_hours: float = 48
    second_limit_hours: float = 72
    limit_window: str | None = None
    """The window of delivery.yaml whose hours count; None: every hour does."""
    remind_before_hours: float | None = None
    """So long before the limit the owner is reminded; None: never."""
    again_after_days: float = 30
    """A lead that was handed off because of its score is not handed off again for it within these days."""
    cools_below: int | None = None
    """Nor before its score has been below this since; None: passing the tier again is enough."""
    again_after_points: int | None = None
    """A lead that sales gave back is handed off again once it has earned so many points since; None: as any other."""
    hot_tier: Literal["hot", "warm", "cold"] = "hot"
    not_when: tuple[Refusal, ...] = ()
    keeps_holdout_back: bool = False
    """Whether the leads that get no marketing mail are kept from sales, too, unless they ask for it."""
    owners: tuple[Owner, ...]
    managers: tuple[Manager, ...] = ()
    reviewers: tuple[Person, ...] = ()
    """Who gets the weekly and monthly review; none: the managers."""
    routes: tuple[Route, ...] = ()
    reassigns: bool = False
    """Whether a handoff goes to another rep when the second limit is over."""
    return_reasons: tuple[ReturnReason, ...] = ()
    """Empty: any words."""
    talking_points: tuple[TalkingPoint, ...] = ()
    channels: tuple[Channel, ...] = ()
    digest_at: str = "07:00"
    """From which local time on the day's list of open handoffs goes out."""
    sender: str


class SyncedField(Frozen):
    """A field that stands here and in the SFA."""

    field: str
    name: str | None = None
    """What the SFA calls it; None: as its client does by default."""
    wins: Winner = "newer"
    """Whose value stands where both sides changed it."""


class SfaSync(Frozen):
    """``sfa.yaml``: what is written to the SFA and read from it."""

    segment: str = EVERYONE
    """Whose members the SFA has; whoever was handed off stands there in any case."""
    fields: tuple[SyncedField, ...] = tuple(SyncedField(field=name) for name in ("name", "company", "title", "phone"))
