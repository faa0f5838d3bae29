"""The closed vocabulary of conditions: which behaviours are meant, and what may be asked of a lead."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

ANY_EVENT = "any"
"""Stands for everything a person does by themselves: no delivery, no bounce, no deal."""


class Frozen(BaseModel):
    """Immutable, and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PropertyTest(Frozen):
    """What a property of an event has to be. Exactly one test is given; bounds may be a pair."""

    property: str
    one_of: tuple[str, ...] | None = None
    """Texts in any width and case; numbers by their value."""
    contains: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    is_known: bool | None = None


class Selector(Frozen):
    """Which events are meant: a type, narrowed by everything that is given."""

    event: str
    page_group: str | None = None
    asset_group: str | None = None
    asset: str | None = None
    """A glob over the asset's name."""
    scenario: str | None = None
    """Of the mail the event is about."""
    step: str | None = None
    properties: tuple[PropertyTest, ...] = ()


class FieldCondition(Frozen):
    """A lead's field, its ``title_level`` or its ``email_domain``. One operator is given; bounds may be a pair."""

    field: str
    equals: str | float | bool | date | None = None
    one_of: tuple[str, ...] | None = None
    contains: str | None = None
    at_least: float | date | None = None
    at_most: float | date | None = None
    is_known: bool | None = None


class EventCondition(Frozen):
    """A behaviour done at least so often, ever or within the last days (exact to the second)."""

    on: Selector
    at_least: int = 1
    within_days: float | None = None


class OccasionCondition(Frozen):
    """The first or the last time of a behaviour lies at least ``before_days`` and less than ``within_days`` back."""

    on: Selector
    which: Literal["first", "last"]
    before_days: float | None = None
    within_days: float | None = None


class SequenceCondition(Frozen):
    """Behaviours one after the other, each later than the one before it by at most ``within_days``."""

    steps: tuple[Selector, ...]
    within_days: float
    ended_within_days: float | None = None
    """The last of them happened within these days; None: whenever."""


class DealCondition(Frozen):
    """A deal of the lead is in this state (None: in any), since less than ``within_days``, over at least so much."""

    status: Literal["open", "won", "lost"] | None
    within_days: float | None = None
    amount_at_least: float | None = None


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


class AccountCondition(Frozen):
    """What the lead's company does as a whole.

    ``people``: so many of its leads did ``asked`` (an event with its count and window); ``event``: its leads together
    did; ``deal``: one of its leads has such a deal; ``score``: the sum of its leads' scores is within bounds.
    """

    kind: Literal["people", "event", "deal", "score"]
    people: int = 1
    asked: EventCondition | DealCondition | ScoreCondition


class All(Frozen):
    """Every part holds."""

    parts: tuple[Condition, ...]


class AnyOf(Frozen):
    """At least one part holds."""

    parts: tuple[Condition, ...]


class Not(Frozen):
    """The part does not hold."""

    part: Condition


Leaf = (
    FieldCondition
    | EventCondition
    | OccasionCondition
    | SequenceCondition
    | DealCondition
    | ScoreCondition
    | TierCondition
    | StageCondition
    | SegmentCondition
    | AccountCondition
)
Condition = Leaf | All | AnyOf | Not

All.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()


def leaves(condition: Condition | None) -> list[Leaf]:
    """Return the conditions that a condition is put together from, in the order in which they stand."""
    match condition:
        case None:
            return []
        case All(parts=parts) | AnyOf(parts=parts):
            return [leaf for part in parts for leaf in leaves(part)]
        case Not(part=part):
            return leaves(part)
        case _:
            return [condition]


def selectors_of(leaf: Leaf) -> tuple[Selector, ...]:
    """Return the behaviours a condition looks at."""
    match leaf:
        case EventCondition(on=on) | OccasionCondition(on=on):
            return (on,)
        case SequenceCondition(steps=steps):
            return steps
        case AccountCondition(asked=EventCondition(on=on)):
            return (on,)
        case _:
            return ()
