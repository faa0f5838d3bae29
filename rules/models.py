"""What a rule set is, once it has been read and checked.

Everything marketing may change arrives here as frozen data. The rest of the system sees only these types: it never
opens a rule file and never meets a value that has not been checked.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

EVERYONE = "everyone"
"""The id of the segment that holds every lead; it always exists."""


class Frozen(BaseModel):
    """Immutable, and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Selector(Frozen):
    """Which events are meant: a type, narrowed to a page group or an asset group where given."""

    event: str
    page_group: str | None = None
    asset_group: str | None = None


class Group(Frozen):
    """Pages (or assets) that mean the same. Patterns are globs over the URL's path (or the asset's name)."""

    id: str
    label: str
    patterns: tuple[str, ...]


class Term(Frozen):
    """Words marketers use for a selector; the first is the one shown back to them."""

    words: tuple[str, ...]
    selector: Selector
    id: str = ""
    """Names the selector in the keys of steps."""


FieldType = Literal["text", "number", "date", "boolean", "choice", "choices"]


class Field(Frozen):
    """One field of a lead. ``system`` fields are kept by the engine and cannot be imported."""

    id: str
    label: str
    type: FieldType = "text"
    values: tuple[str, ...] = ()
    system: bool = False
    mail_default: str = ""
    """What a mail shows where the lead has no value."""


class TitleLevel(Frozen):
    """A level of job titles. The first level that matches a title is its level."""

    id: str
    label: str
    endings: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()


class ScoringRule(Frozen):
    """Points for a behaviour.

    ``once_per`` says what counts once: every ``event``, every ``send`` (opens and clicks), or every ``window`` of
    ``RuleSet.page_view_window_minutes`` of one page group.
    """

    id: str
    label: str
    on: Selector
    points: int
    once_per: Literal["event", "send", "window"] = "event"


class Tier(Frozen):
    """A band of scores, from ``minimum_score`` up to the next band."""

    id: Literal["hot", "warm", "cold"]
    label: str
    minimum_score: int | None = None
    """None for the lowest tier, which has no floor."""


class Stage(Frozen):
    """A purchase stage. Stages stand in order; a lead starts in the first and moves forward."""

    id: str
    label: str
    enter_on: tuple[Selector, ...] = ()


# -- conditions of segments -------------------------------------------------------------------------------------------


class FieldCondition(Frozen):
    """A lead's field, or its ``title_level``. Exactly one operator is given."""

    field: str
    equals: str | float | bool | None = None
    one_of: tuple[str, ...] | None = None
    contains: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    is_known: bool | None = None


class EventCondition(Frozen):
    """A behaviour done at least so often, ever or within the last days (exact to the second)."""

    on: Selector
    at_least: int = 1
    within_days: float | None = None


class ScoreCondition(Frozen):
    """The score within bounds, both inclusive."""

    at_least: int | None = None
    at_most: int | None = None


class TierCondition(Frozen):
    """The lead's tier is one of these."""

    one_of: tuple[str, ...]


class StageCondition(Frozen):
    """The lead's stage is one of these."""

    one_of: tuple[str, ...]


class SegmentCondition(Frozen):
    """The lead is a member of another segment."""

    segment: str


class All(Frozen):
    """Every part holds."""

    parts: tuple[Condition, ...]


class AnyOf(Frozen):
    """At least one part holds."""

    parts: tuple[Condition, ...]


class Not(Frozen):
    """The part does not hold."""

    part: Condition


Condition = (
    FieldCondition
    | EventCondition
    | ScoreCondition
    | TierCondition
    | StageCondition
    | SegmentCondition
    | All
    | AnyOf
    | Not
)


class Segment(Frozen):
    """A named set of leads. ``RuleSet.segments`` lists a segment after those it refers to."""

    id: str
    label: str
    where: Condition | None = None
    """None holds for every lead."""


# -- mails ------------------------------------------------------------------------------------------------------------


class Sender(Frozen):
    """Who mails come from, and what the law asks a mail to show."""

    id: str
    name: str
    email: str
    company: str
    postal_address: str
    contact: str
    """Where complaints and questions go: a mail address, a URL or a telephone number."""
    site_url: str = ""
    """The website that links in mails point to, without a slash at its end."""


class Template(Frozen):
    """The three files of a mail, as text."""

    id: str
    subject: str
    text: str
    html: str


class Step(Frozen):
    """One mail of one scenario: whom it serves, what triggers it, when it is due, what it asks for.

    The send key is (lead, scenario, step, occurrence). ``priority`` orders steps that answer the same trigger event
    after the same delay: the lowest wins, the others are superseded.
    """

    scenario: str
    step: str
    label: str
    kind: Literal["step", "trigger", "newsletter"]
    priority: int
    segment: str
    stage: str | None
    """None serves every stage."""
    trigger: Selector
    trigger_count: int = 1
    """The trigger is the n-th such event of the lead."""
    delay: timedelta
    category: Literal["marketing", "transactional"]
    subject: str | None
    """The sheet's subject; None where the template has its own."""
    summary: str = ""
    template: str
    sender: str
    cta: Selector | None = None
    cta_label: str = ""
    is_enabled: bool = True
    source: str
    """Where it was declared, for people: ``scenarios.csv row 2``."""


class SalesAction(Frozen):
    """A handoff to sales, or a notice to sales, when an event happens to a lead of a segment."""

    kind: Literal["handoff", "notify"]
    id: str
    label: str
    on: Selector
    on_count: int = 1
    segment: str = EVERYONE
    stage: str | None = None
    source: str


class Owner(Frozen):
    """A sales rep who takes handoffs."""

    id: str
    name: str
    email: str


class Handoff(Frozen):
    """When leads go to sales, to whom, and how long sales has."""

    limit_hours: float = 48
    second_limit_hours: float = 72
    again_after_days: float = 30
    """A lead that was handed off because of its score is not handed off again for it within these days."""
    hot_tier: Literal["hot", "warm", "cold"] = "hot"
    owners: tuple[Owner, ...]
    sender: str


class RuleSet(Frozen):
    """A whole rule set, read, checked and cross-referenced. ``version`` is a hash of its files' content."""

    id: str
    title: str
    version: str
    active_from: datetime | None
    """None: the first run that acts records its instant, and nothing before that is acted on."""
    expires_after_hours: float
    conversion_window_days: float
    page_view_window_minutes: float
    unknown_release_after_hours: float
    """A send whose request may have left is tried again only after this, and only while events come back."""
    fields: tuple[Field, ...]
    title_levels: tuple[TitleLevel, ...]
    page_groups: tuple[Group, ...]
    asset_groups: tuple[Group, ...]
    terms: tuple[Term, ...]
    scoring: tuple[ScoringRule, ...]
    tiers: tuple[Tier, ...]
    """Highest first."""
    stages: tuple[Stage, ...]
    segments: tuple[Segment, ...]
    senders: tuple[Sender, ...]
    templates: tuple[Template, ...]
    steps: tuple[Step, ...]
    sales_actions: tuple[SalesAction, ...]
    handoff: Handoff


All.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()
