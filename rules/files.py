"""What stands in each rule file, key by key, before anything is looked up in another file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AwareDatetime

from rules.models import (
    Cap,
    Channel,
    Field,
    Frozen,
    Group,
    MailKind,
    Manager,
    Owner,
    Person,
    Refusal,
    ReturnReason,
    Route,
    Sender,
    Tier,
    TitleLevel,
)

Positive = Annotated[float, pydantic.Field(gt=0)]
Points = Annotated[int, pydantic.Field(ge=-1_000_000, le=1_000_000)]
SelectorText = Any
"""A word of the vocabulary, or an event with what narrows it; ``rules.selectors`` reads it."""
ConditionText = Any
"""A condition; ``rules.conditions`` reads it."""


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
    on: SelectorText


class VocabularyFile(Frozen):
    """``vocabulary.yaml``: page groups, asset groups, and the words for behaviours."""

    page_groups: tuple[Group, ...]
    asset_groups: tuple[Group, ...]
    synonyms: tuple[tuple[str, ...], ...] = ()
    terms: tuple[TermEntry, ...]


class ScoringEntry(Frozen):
    """Points for a behaviour (``on``), or for as long as a condition holds (``where``)."""

    id: str
    label: str
    on: SelectorText = None
    where: ConditionText = None
    points: Points
    once_per: str | None = None
    group: str | None = None
    cap: Cap | None = None
    expires_after_days: float | None = None
    half_life_days: float | None = None


class ScoringGroupEntry(Frozen):
    """Rules that share a cap."""

    id: str
    label: str
    cap: Cap


class ScoringFile(Frozen):
    """``scoring.yaml``: points by behaviour and by what is known, and what bounds them."""

    minimum_score: Points | None = None
    maximum_score: Points | None = None
    groups: tuple[ScoringGroupEntry, ...] = ()
    scoring: tuple[ScoringEntry, ...]


class TiersFile(Frozen):
    """``tiers.yaml``: bands of scores, highest first."""

    tiers: tuple[Tier, ...]


class StageEntry(Frozen):
    """A purchase stage."""

    id: str
    label: str
    enter_on: tuple[SelectorText, ...] = ()
    enter_when: ConditionText = None


class FallBackEntry(Frozen):
    """What takes leads back to an earlier stage."""

    id: str
    label: str
    to: str
    leaving: tuple[str, ...] = ()
    on: SelectorText = None
    when: ConditionText = None


class StagesFile(Frozen):
    """``stages.yaml``: purchase stages in order, and what takes leads back."""

    stages: Annotated[tuple[StageEntry, ...], pydantic.Field(min_length=1)]
    fall_back: tuple[FallBackEntry, ...] = ()


class ListEntry(Frozen):
    """A named list of values."""

    id: str
    label: str
    values: tuple[str, ...]


class ListsFile(Frozen):
    """``lists.yaml``: lists of values that conditions name. It may be left out."""

    lists: tuple[ListEntry, ...]


class AccountsFile(Frozen):
    """``accounts.yaml``: how leads are gathered into companies. It may be left out."""

    name_field: str = "company"
    number_field: str | None = None
    legal_forms: tuple[str, ...] = ()
    shared_domains: tuple[str, ...] = ()
    shared_lists: tuple[str, ...] = ("free_mail", "disposable_mail")


class SegmentEntry(Frozen):
    """A named set of leads."""

    id: str
    label: str
    where: ConditionText = None


class SegmentsFile(Frozen):
    """``segments.yaml``."""

    segments: tuple[SegmentEntry, ...]


class SendersFile(Frozen):
    """``senders.yaml``: whom mails come from."""

    senders: Annotated[tuple[Sender, ...], pydantic.Field(min_length=1)]


class AlwaysHandOff(Frozen):
    """A behaviour that hands any lead to sales: its own request."""

    id: str
    label: str
    on: SelectorText


class HandOffAfter(Frozen):
    """A behaviour that hands a lead to sales, unless something speaks against it."""

    id: str
    label: str
    on: SelectorText
    count: Annotated[int, pydantic.Field(ge=1, le=1_000)] = 1


class HandOffIn(Frozen):
    """A segment whose members go to sales as they enter it."""

    id: str
    label: str
    segment: str
    once_per_account: bool = False


class SayWhen(Frozen):
    """What to speak of with a lead that did something."""

    on: SelectorText
    say: str


class HandoffFile(Frozen):
    """``handoff.yaml``: when leads go to sales, to whom, with what, and how long sales has."""

    limit_hours: Positive
    second_limit_hours: Positive
    limit_window: str | None = None
    remind_before_hours: Positive | None = None
    again_after_days: Positive
    cools_below: Points | None = None
    again_after_points: Annotated[int, pydantic.Field(ge=1, le=1_000_000)] | None = None
    hot_tier: str = "hot"
    sender: str
    owners: Annotated[tuple[Owner, ...], pydantic.Field(min_length=1)]
    managers: tuple[Manager, ...] = ()
    reviewers: tuple[Person, ...] = ()
    always_on: tuple[AlwaysHandOff, ...] = ()
    when_did: tuple[HandOffAfter, ...] = ()
    when_in: tuple[HandOffIn, ...] = ()
    not_when: tuple[Refusal, ...] = ()
    keeps_holdout_back: bool = False
    routes: tuple[Route, ...] = ()
    reassigns: bool = False
    return_reasons: tuple[ReturnReason, ...] = ()
    talking_points: tuple[SayWhen, ...] = ()
    channels: tuple[Channel, ...] = ()
    digest_at: str = "07:00"


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
    window: str | None = None
    cta: str = ""
    re_entry: str = "never"
    test: str | None = None
    notify_sales: bool = False
    is_enabled: bool = True


class TriggerMailsFile(Frozen):
    """``trigger_mails.yaml``."""

    trigger_mails: tuple[TriggerMailEntry, ...]


class BranchQuestion(Frozen):
    """What a branch asks of a lead: one of ``segment``, ``did``, ``opened`` and ``clicked``."""

    segment: str | None = None
    did: SelectorText = None
    times: Annotated[int, pydantic.Field(ge=1, le=100)] = 1
    opened: str | None = None
    """A mail of the scenario; likewise ``clicked``."""
    clicked: str | None = None


class ScenarioArm(Frozen):
    """One way out of a branch; without ``when`` it is taken by all the others."""

    when: BranchQuestion | None = None
    steps: tuple[ScenarioPart, ...] = ()


class ScenarioPart(Frozen):
    """One part of a scenario: a ``mail``, a ``wait``, a ``branch``, or the ``end``."""

    mail: str | None = None
    wait: str | None = None
    branch: tuple[ScenarioArm, ...] | None = None
    end: bool | None = None
    label: str | None = None
    subject: str | None = None
    template: str | None = None
    sender: str | None = None
    window: str | None = None
    cta: str = ""
    test: str | None = None
    is_enabled: bool = True


class ScenarioEntry(Frozen):
    """A scenario with waits and branches."""

    id: str
    label: str
    on: str | None = None
    segment: str = "everyone"
    with_members: bool = False
    re_entry: str = "never"
    goal: str = ""
    exit_when: tuple[str, ...] | None = None
    priority: int = 200
    sender: str | None = None
    window: str | None = None
    steps: Annotated[tuple[ScenarioPart, ...], pydantic.Field(min_length=1)]
    is_enabled: bool = True


class ScenariosFile(Frozen):
    """``scenarios.yaml``: scenarios with waits and branches. It may be left out."""

    scenarios: tuple[ScenarioEntry, ...]


class IssueEntry(Frozen):
    """One issue of a newsletter."""

    id: str
    label: str | None = None
    at: str | None = None
    subject: str | None = None
    template: str | None = None
    sender: str | None = None
    window: str | None = None
    cta: str = ""
    test: str | None = None
    is_enabled: bool = True


class NewsletterEntry(Frozen):
    """A newsletter: to whom, when, and what."""

    id: str
    label: str
    segment: str = "everyone"
    every: str | None = None
    starts_on: Annotated[date, pydantic.Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))] | None = None
    repeats: bool = False
    sender: str | None = None
    window: str | None = None
    issues: Annotated[tuple[IssueEntry, ...], pydantic.Field(min_length=1)]
    is_enabled: bool = True


class NewslettersFile(Frozen):
    """``newsletters.yaml``: issues that go to a segment on a calendar. It may be left out."""

    newsletters: tuple[NewsletterEntry, ...]


class VariantEntry(Frozen):
    """One version of a tested mail."""

    id: str
    label: str = ""
    share: Positive = 1
    subject: str | None = None
    template: str | None = None
    window: str | None = None
    cta: str | None = None


class AbTestEntry(Frozen):
    """A test of one mail."""

    id: str
    label: str
    metric: str
    sample_size: Annotated[int, pydantic.Field(ge=1, le=100_000_000)] | None = None
    sample_share: Annotated[float, pydantic.Field(gt=0, lt=1)] | None = None
    days: Annotated[float, pydantic.Field(gt=0, le=365)] | None = None
    smallest_effect: Annotated[float, pydantic.Field(gt=0, lt=1)] | None = None
    measure_hours: Annotated[float, pydantic.Field(gt=0, le=8_760)] = 48
    variants: Annotated[tuple[VariantEntry, ...], pydantic.Field(min_length=2, max_length=10)]


class AbTestsFile(Frozen):
    """``ab_tests.yaml``: versions of mails. It may be left out."""

    ab_tests: tuple[AbTestEntry, ...]


class AssetEntry(Frozen):
    """A paper to give."""

    id: str
    title: str
    title_en: str = ""
    file: str
    gated: bool = True


class FormFieldEntry(Frozen):
    """A lead's field that is asked for (``field``), or a question of the form's own (``id``)."""

    field: str | None = None
    id: str | None = None
    label: str = ""
    label_en: str = ""
    type: Literal["text", "textarea", "choice"] = "text"
    values: tuple[str, ...] = ()
    required: bool = False


class FormConsentEntry(Frozen):
    """The box that may be ticked."""

    version: str
    text: str
    text_en: str = ""
    kinds: Annotated[tuple[MailKind | Literal["marketing"], ...], pydantic.Field(min_length=1)] = ("marketing",)
    double_opt_in: bool = False


class FormEntry(Frozen):
    """A form."""

    id: str
    title: str
    title_en: str = ""
    text: str = ""
    text_en: str = ""
    event: str
    asset: str | None = None
    properties: dict[str, str] = pydantic.Field(default_factory=dict)
    fields: Annotated[tuple[FormFieldEntry, ...], pydantic.Field(min_length=1)]
    consent: FormConsentEntry | None = None


class FormsFile(Frozen):
    """``forms.yaml``: forms of the web face, and the papers they give."""

    assets: tuple[AssetEntry, ...] = ()
    forms: tuple[FormEntry, ...] = ()
