"""A review, step by step: is the file there, what is found, is it kept, is it written down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rules.models import RuleSet
from settings import Settings
from tasks.acts import only_one
from tasks.errors import RunError
from tasks.review.findings import find
from tasks.review.report import to_markdown, write_report
from warehouse.connection import open_ledger
from warehouse.review_counts import count_for_review, published_as_of
from warehouse.review_period import PeriodKind, ReviewPeriod, last_period
from warehouse.reviews import Finding, Review, note_review, plan_review_notices, review_of


def period_of(settings: Settings, kind: PeriodKind, as_of: datetime) -> ReviewPeriod:
    """The period that a run reviews."""
    return last_period(kind, as_of, settings.timezone)


def has_to_publish(settings: Settings, kind: PeriodKind, as_of: datetime) -> bool:
    """Whether the published file does not show the whole period yet."""
    published_at = published_as_of(settings)
    return published_at is None or published_at < period_of(settings, kind, as_of).ended_at


def may_publish_again(settings: Settings, as_of: datetime) -> bool:
    """Whether the file may be brought to a run's instant: a review of the past leaves the present figures alone."""
    published_at = published_as_of(settings)
    return published_at is None or published_at <= as_of


def find_in_period(settings: Settings, rules: RuleSet, kind: PeriodKind, as_of: datetime) -> list[Finding]:
    """What a period's review finds; nothing where the period has been reviewed. Nothing is written."""
    period = period_of(settings, kind, as_of)
    with open_ledger(settings) as ledger:  # which an upgrade may have to migrate
        if review_of(ledger, period.kind, period.first) is not None:
            return []
    return find(count_for_review(settings, rules, period), rules, settings.rules)


def keep_review(
    settings: Settings, rules: RuleSet, kind: PeriodKind, findings: Sequence[Finding], as_of: datetime
) -> dict[str, Any]:
    """Keep the findings and plan who is told, in one transaction: of a period once, whoever comes later.

    Returns:
        ``period``, ``is_new``, ``findings``, ``beyond_noise``, ``edits`` and ``notices``, the messages planned.
    """
    period = period_of(settings, kind, as_of)
    with only_one(settings, "handoff"), open_ledger(settings) as ledger:
        is_new = note_review(ledger, period, findings, rules, as_of)
        notices = plan_review_notices(ledger, rules, period, as_of) if is_new else 0
        said = review_of(ledger, period.kind, period.first)
    assert said is not None, "a review always says something of each metric"
    return {
        "period": f"{kind} {period.first.isoformat()}",
        "is_new": is_new,
        "findings": len(said.findings),
        "beyond_noise": sum(one.is_noise is False for one in said.findings),
        "edits": sum(one.rule_edit is not None for one in said.findings),
        "notices": notices,
    }


def write_down(settings: Settings, rules: RuleSet, kind: PeriodKind, as_of: datetime) -> Path:
    """Write the report of a period, as it was told. Returns the page."""
    return write_report(settings.home / "reviews", _said(settings, kind, as_of), rules, settings.zone)


def markdown_of(settings: Settings, rules: RuleSet, kind: PeriodKind, as_of: datetime) -> str:
    """The same in Markdown."""
    return to_markdown(_said(settings, kind, as_of), rules, settings.zone)


def _said(settings: Settings, kind: PeriodKind, as_of: datetime) -> Review:
    period = period_of(settings, kind, as_of)
    with open_ledger(settings, read_only=True) as ledger:
        said = review_of(ledger, period.kind, period.first)
    if said is None:
        raise RunError(f"the {kind} of {period.first} has not been reviewed; run `nurture review --period {kind}`")
    return said
