"""What a lead is and how it is ranked: fields, titles, points, tiers, stages, segments, accounts."""

from __future__ import annotations

from typing import Literal

from rules.condition_models import Condition, Frozen, Selector

FieldType = Literal["text", "number", "date", "boolean", "choice", "choices", "corporate_number"]


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
    """A level of job titles. The longest of its words that fits a title tells the level; levels are highest first."""

    id: str
    label: str
    endings: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()


class Cap(Frozen):
    """How often, or for how many points, awards count within any ``within_days`` days."""

    times: int | None = None
    points: int | None = None
    within_days: float


class ScoringRule(Frozen):
    """Points for a behaviour (``on``), or for as long as a condition holds (``where``).

    ``once_per`` says what counts once: every ``event``, every ``send`` (opens and clicks), every ``window`` of
    ``RuleSet.page_view_window_minutes`` of one page group, or each ``lead``: the first time only.
    """

    id: str
    label: str
    on: Selector | None = None
    where: Condition | None = None
    points: int
    once_per: Literal["event", "send", "window", "lead"] = "event"
    cap: Cap | None = None
    group: str | None = None
    expires_after_days: float | None = None
    """The points of an award end so long after its event."""
    half_life_days: float | None = None
    """Points halve every so many days, in steps at local midnight, rounded half up to whole points."""


class ScoringGroup(Frozen):
    """Rules whose awards share a cap."""

    id: str
    label: str
    cap: Cap


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
    enter_when: Condition | None = None
    """The lead moves on to the stage at the instant this begins to hold."""


class FallBack(Frozen):
    """What takes a lead back to an earlier stage: a behaviour, or the instant a condition begins to hold."""

    id: str
    label: str
    to: str
    leaving: tuple[str, ...] = ()
    """The stages it takes leads out of; none: all later ones."""
    on: Selector | None = None
    when: Condition | None = None


class Segment(Frozen):
    """A named set of leads. ``RuleSet.segments`` lists a segment after those it refers to."""

    id: str
    label: str
    where: Condition | None = None
    """None holds for every lead."""


class Accounts(Frozen):
    """How leads are gathered into companies."""

    name_field: str = "company"
    number_field: str | None = None
    """The field that holds the company's 法人番号; None: there is none."""
    legal_forms: tuple[str, ...] = ()
    """What a company's name may begin or end with and is no part of it, in NFKC and lower case."""
    shared_domains: tuple[str, ...] = ()
    """Mail domains that belong to no company: free and disposable mail."""
