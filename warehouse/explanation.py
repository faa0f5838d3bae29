"""What an explanation consists of: why a lead has its score, tier, stage, segments, mails and handoffs.

Plain data, for whoever shows it. Instants are UTC; texts are those of the rule set, in Japanese.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

Value = str | float | int | bool | None


@dataclass(frozen=True)
class Loss:
    """Points of an award that do not count, and why.

    ``why``: ``machine`` (opened by a program, no person), ``opt_out_click``, ``repeated`` (the same within the window
    or of the same mail), ``once_per_lead``, ``rule_cap``, ``group_cap``, ``decayed``, ``expired``, ``ended`` (the
    condition holds no longer).
    """

    why: str
    points: int
    at: datetime | None = None
    """Since when, where it came with time."""


@dataclass(frozen=True)
class Award:
    """What a rule gives for an event, or for a span of time in which its condition held."""

    rule: str
    label: str
    rule_points: int
    points: int
    """What counts now: over all awards they add up to the score."""
    losses: tuple[Loss, ...]
    from_at: datetime
    to_at: datetime | None = None
    """When the condition ceased to hold."""
    next_change_at: datetime | None = None
    """When it is worth less, without a new fact."""


@dataclass(frozen=True)
class Event:
    """One thing the person did, or that happened to them, with every scoring rule it falls under."""

    event_id: str
    event_type: str
    label: str
    occurred_at: datetime
    received_at: datetime
    source: str
    known_by: str
    """What tells whose it is: ``email``, ``external_id``, ``send`` or ``visitor``."""
    url: str | None
    page_group: str | None
    asset: str | None
    send_id: str | None
    properties: Mapping[str, str]
    awards: tuple[Award, ...]


@dataclass(frozen=True)
class Change:
    """A change of tier or stage, the first from nothing, with its cause."""

    changed_at: datetime
    from_label: str | None
    to_label: str
    score: int | None
    cause: str
    """As the tables have it."""
    reason: str
    """In words."""
    event_id: str | None


@dataclass(frozen=True)
class Clause:
    """A condition, or a part of one, with whether it holds and what was found.

    ``kind``: ``all``, ``any``, ``not``, or what a leaf asks: ``field``, ``event``, ``occasion``, ``sequence``,
    ``deal``, ``score``, ``tier``, ``stage``, ``segment``, ``account``.
    """

    kind: str
    text: str
    holds: bool
    parts: tuple[Clause, ...] = ()
    value: Value = None
    """What a field, score, tier or stage is, or how often something was done."""
    shown: str | None = None
    """``value`` in words."""
    instants: tuple[datetime, ...] = ()
    """When what is asked for was done, as far as it counts now, latest first."""
    names: tuple[str, ...] = ()
    """The deals, or the addresses of the colleagues, that answer; the steps of a sequence that were reached."""
    since: datetime | None = None
    """Since when it holds, or has ceased to."""
    until: datetime | None = None
    """When that ends by itself, without a new fact."""


@dataclass(frozen=True)
class Membership:
    """A segment, whether the lead is in it and has been, and its condition taken apart."""

    segment: str
    label: str
    is_member: bool
    stays: tuple[tuple[datetime, datetime | None], ...]
    condition: Clause | None
    """None: it holds every lead."""


@dataclass(frozen=True)
class RuleCondition:
    """A condition of another rule, of points or of stages, taken apart."""

    name: str
    label: str
    condition: Clause


@dataclass(frozen=True)
class Mail:
    """A mail the lead was in line for: what was decided, and what became of it."""

    scenario: str
    step: str
    label: str
    occurrence: int
    trigger_event_id: str
    triggered_at: datetime
    due_at: datetime
    send_id: str | None
    decision: str | None
    """``sent``, the reason why not, or None: not decided yet."""
    decided_at: datetime | None
    is_final: bool
    state: str | None
    state_reason: str | None
    sent_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    bounced_at: datetime | None
    unsubscribed_at: datetime | None
    complained_at: datetime | None
    rule_set_version: str


@dataclass(frozen=True)
class ScenarioRun:
    """A run of the lead through a scenario with waits and branches, and where it stood."""

    scenario: str
    label: str
    occurrence: int
    entered_at: datetime
    node: str | None
    """A mail, or a wait or a branch behind one; None before the first and at the end."""
    reached_at: datetime | None
    waits_until: datetime | None
    end_reason: str | None
    """``finished``, what ended it early, or None: it is under way."""
    ended_at: datetime | None


@dataclass(frozen=True)
class NoMail:
    """A mail the lead was never in line for, and why.

    ``why``: ``disabled``, ``no_trigger`` (done ``done`` of ``asked`` times), ``not_acting`` (the rule set has not begun
    to), ``before_start`` (the trigger lies before it began to), ``other_stage``, ``not_in_segment``, ``not_yet`` (the
    next run takes it up, unless it lies too far back); of a scenario with waits and branches ``no_run`` and
    ``not_reached``, of a newsletter ``no_issue``.
    """

    scenario: str
    step: str
    label: str
    why: str
    done: int
    asked: int
    triggered_at: datetime | None = None
    stage: str | None = None
    """The stage the lead was in at the trigger."""


@dataclass(frozen=True)
class SalesContact:
    """A handoff, what sales did with it (``follow_up``), a ``notice``, or no handoff (``refused``)."""

    kind: str
    cause: str
    label: str
    caused_at: datetime | None
    decided_at: datetime
    state: str
    owner: str | None
    due_at: datetime | None
    first_contact_at: datetime | None
    outcome: str | None
    reason: str | None
    """Of a handoff, why it went to this owner; of a follow-up, where it was said: ``sfa``, ``link`` or ``engine``."""
    notice_kind: str | None
    recipient: str | None
    """Who is told by a notice: a rep, a manager or a channel."""
    rule_set_version: str | None


@dataclass(frozen=True)
class Browser:
    """A browser, and from when to when what is done with it is the lead's; None: always, or still."""

    visitor: str
    from_at: datetime | None
    to_at: datetime | None
    is_by_link: bool
    """Nobody is known by it, and a link of the lead's mail was opened with it."""


@dataclass(frozen=True)
class Account:
    """The lead's company."""

    account_id: str
    name: str | None
    leads: int
    score: int


@dataclass(frozen=True)
class MailKindState:
    """Whether the lead gets marketing mail of a kind, and the latest consent to it."""

    kind: str
    refusal: str | None
    """``suppressed``, ``opted_out``, ``no_consent``, ``blocked_domain``; None: it does."""
    basis: str | None
    source: str | None
    evidence: str | None
    since_at: datetime | None
    """Since when the consent holds."""


@dataclass(frozen=True)
class Block:
    """A reason not to mail the lead: ``all`` mail, or marketing mail of some kinds."""

    blocks: tuple[str, ...]
    reason: str
    since_at: datetime
    until_at: datetime | None
    """When it ends by itself."""


@dataclass(frozen=True)
class Explanation:
    """Everything about one lead at one instant under one rule set."""

    email: str
    lead_id: str
    as_of: datetime
    rule_set: str
    rule_set_version: str
    identities: tuple[str, ...]
    browsers: tuple[Browser, ...]
    fields: Mapping[str, Value]
    """Those that have a value."""
    created_at: datetime
    last_action_at: datetime | None
    consent_state: str
    consent_basis: str | None
    suppression_reason: str | None
    mail_kinds: tuple[MailKindState, ...]
    blocks: tuple[Block, ...]
    account: Account | None
    """None also where no rule asks about companies."""
    score: int
    tier: str
    tier_label: str
    stage: str
    stage_label: str
    points_to_next_tier: int | None
    next_tier_label: str | None
    events: tuple[Event, ...]
    condition_awards: tuple[Award, ...]
    limit_points: int
    """What a maximum takes from the points, or a minimum adds to them."""
    tier_changes: tuple[Change, ...]
    stage_changes: tuple[Change, ...]
    segments: tuple[Membership, ...]
    conditions: tuple[RuleCondition, ...]
    mails: tuple[Mail, ...]
    runs: tuple[ScenarioRun, ...]
    no_mails: tuple[NoMail, ...]
    sales: tuple[SalesContact, ...]
    notes: tuple[str, ...]
    """How this differs from what the tables hold, if it does: ``later_instant``, ``earlier_instant``, ``other_rules``,
    ``new_facts``."""
