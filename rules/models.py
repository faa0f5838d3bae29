"""What a rule set is, once it has been read and checked.

Everything marketing may change arrives here as frozen data. The rest of the system sees only these types: it never
opens a rule file and never meets a value that has not been checked.
"""

from __future__ import annotations

from datetime import datetime

from rules.ab_test_models import AbTest, Variant
from rules.condition_models import (
    ANY_EVENT,
    AccountCondition,
    All,
    AnyOf,
    Condition,
    DealCondition,
    EventCondition,
    FieldCondition,
    Frozen,
    Leaf,
    Not,
    OccasionCondition,
    PropertyTest,
    ScoreCondition,
    SegmentCondition,
    Selector,
    SequenceCondition,
    StageCondition,
    TierCondition,
    leaves,
    selectors_of,
)
from rules.delivery_models import (
    MAIL_KINDS,
    WEEKDAYS,
    Brakes,
    Days,
    Delivery,
    MailCap,
    MailKind,
    SoftBounces,
    UnsubscribeGroup,
    Window,
)
from rules.form_models import Asset, Form, FormConsent, FormField, InputKind
from rules.lead_models import (
    Accounts,
    Cap,
    FallBack,
    Field,
    FieldType,
    Group,
    ScoringGroup,
    ScoringRule,
    Segment,
    Stage,
    Term,
    Tier,
    TitleLevel,
)
from rules.mail_models import DEFAULT_VARIANT, EVERYONE, Sender, Step, Template
from rules.newsletter_models import Calendar, Issue, Newsletter
from rules.sales_models import (
    NOTICE_KINDS,
    Channel,
    Handoff,
    Manager,
    NoticeKind,
    Owner,
    Person,
    Refusal,
    ReturnReason,
    Route,
    SalesAction,
    SfaSync,
    SyncedField,
    TalkingPoint,
)
from rules.scenario_models import Arm, Exit, Node, Scenario, Wait

__all__ = [
    "ANY_EVENT",
    "DEFAULT_VARIANT",
    "EVERYONE",
    "MAIL_KINDS",
    "NOTICE_KINDS",
    "WEEKDAYS",
    "AbTest",
    "AccountCondition",
    "Accounts",
    "All",
    "AnyOf",
    "Arm",
    "Asset",
    "Brakes",
    "Calendar",
    "Cap",
    "Channel",
    "Condition",
    "Days",
    "DealCondition",
    "Delivery",
    "EventCondition",
    "Exit",
    "FallBack",
    "Field",
    "FieldCondition",
    "FieldType",
    "Form",
    "FormConsent",
    "FormField",
    "Frozen",
    "Group",
    "Handoff",
    "InputKind",
    "Issue",
    "Leaf",
    "MailCap",
    "MailKind",
    "Manager",
    "Newsletter",
    "Node",
    "Not",
    "NoticeKind",
    "OccasionCondition",
    "Owner",
    "Person",
    "PropertyTest",
    "Refusal",
    "ReturnReason",
    "Route",
    "RuleSet",
    "SalesAction",
    "Scenario",
    "ScoreCondition",
    "ScoringGroup",
    "ScoringRule",
    "Segment",
    "SegmentCondition",
    "Selector",
    "Sender",
    "SequenceCondition",
    "SfaSync",
    "SoftBounces",
    "Stage",
    "StageCondition",
    "Step",
    "SyncedField",
    "TalkingPoint",
    "Template",
    "Term",
    "Tier",
    "TierCondition",
    "TitleLevel",
    "UnsubscribeGroup",
    "Variant",
    "Wait",
    "Window",
    "leaves",
    "selectors_of",
]


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
    accounts: Accounts = Accounts()
    page_groups: tuple[Group, ...]
    asset_groups: tuple[Group, ...]
    terms: tuple[Term, ...]
    scoring: tuple[ScoringRule, ...]
    scoring_groups: tuple[ScoringGroup, ...] = ()
    minimum_score: int | None = None
    maximum_score: int | None = None
    tiers: tuple[Tier, ...]
    """Highest first."""
    stages: tuple[Stage, ...]
    fall_backs: tuple[FallBack, ...] = ()
    segments: tuple[Segment, ...]
    senders: tuple[Sender, ...]
    templates: tuple[Template, ...]
    steps: tuple[Step, ...]
    scenarios: tuple[Scenario, ...] = ()
    """Those of ``scenarios.yaml``."""
    newsletters: tuple[Newsletter, ...] = ()
    sales_actions: tuple[SalesAction, ...]
    handoff: Handoff
    sfa: SfaSync = SfaSync()
    delivery: Delivery = Delivery()
    forms: tuple[Form, ...] = ()
    assets: tuple[Asset, ...] = ()
