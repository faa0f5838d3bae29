"""What stands in each rule file, key by key, before anything is looked up in another file."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
from pydantic import AwareDatetime

from rules.models import Field, Frozen, Group, Owner, Selector, Sender, Tier, TitleLevel

Positive = Annotated[float, pydantic.Field(gt=0)]
SelectorText = Selector | str
"""An event with its group, or a word of the vocabulary."""


class RulesetFile(Frozen):
    """``ruleset.yaml``: the set as a whole."""

    id: str
    title: str
    active_from: AwareDatetime | None = None
    expires_after_hours: Positive
    conversion_window_days: Positive
    page_view_window_minutes: Positive
    unknown_release_after_hours: Positive
    default_sender: str
    default_follow_up: str | None = None
    sheet: str | tuple[str, ...]


class FieldsFile(Frozen):
    """``fields.yaml``: what is known of a lead."""

    fields: tuple[Field, ...]


class TitlesFile(Frozen):
    """``titles.yaml``: levels of job titles."""

    title_levels: tuple[TitleLevel, ...]


class TermEntry(Frozen):
    """A behaviour and its words."""

    id: str
    words: Annotated[tuple[str, ...], pydantic.Field(min_length=1)]
    on: Selector


class VocabularyFile(Frozen):
    """``vocabulary.yaml``: page groups, asset groups, and the words for behaviours."""

    page_groups: tuple[Group, ...]
    asset_groups: tuple[Group, ...]
    synonyms: tuple[tuple[str, ...], ...] = ()
    terms: tuple[TermEntry, ...]


class ScoringEntry(Frozen):
    """Points for a behaviour."""

    id: str
    label: str
    on: SelectorText
    points: int
    once_per: str | None = None


class ScoringFile(Frozen):
    """``scoring.yaml``: points by behaviour."""

    scoring: tuple[ScoringEntry, ...]


class TiersFile(Frozen):
    """``tiers.yaml``: bands of scores, highest first."""

    tiers: tuple[Tier, ...]


class StageEntry(Frozen):
    """A purchase stage."""

    id: str
    label: str
    enter_on: tuple[SelectorText, ...] = ()


class StagesFile(Frozen):
    """``stages.yaml``: purchase stages in order."""

    stages: Annotated[tuple[StageEntry, ...], pydantic.Field(min_length=1)]


class SegmentEntry(Frozen):
    """A named set of leads; ``where`` is read by ``rules.conditions``."""

    id: str
    label: str
    where: Any = None


class SegmentsFile(Frozen):
    """``segments.yaml``."""

    segments: tuple[SegmentEntry, ...]


class SendersFile(Frozen):
    """``senders.yaml``: whom mails come from."""

    senders: Annotated[tuple[Sender, ...], pydantic.Field(min_length=1)]


class AlwaysHandOff(Frozen):
    """A behaviour that hands any lead to sales."""

    id: str
    label: str
    on: SelectorText


class HandoffFile(Frozen):
    """``handoff.yaml``: when leads go to sales, to whom, and how long sales has."""

    limit_hours: Positive
    second_limit_hours: Positive
    again_after_days: Positive
    hot_tier: str = "hot"
    sender: str
    owners: Annotated[tuple[Owner, ...], pydantic.Field(min_length=1)]
    always_on: tuple[AlwaysHandOff, ...] = ()


class TriggerMailEntry(Frozen):
    """One behaviour, one mail."""

    id: str
    label: str
    timing: str
    segment: str = "everyone"
    stage: str | None = None
    template: str | None = None
    sender: str | None = None
    subject: str | None = None
    category: str = "marketing"
    cta: str = ""
    notify_sales: bool = False
    is_enabled: bool = True


class TriggerMailsFile(Frozen):
    """``trigger_mails.yaml``."""

    trigger_mails: tuple[TriggerMailEntry, ...]
