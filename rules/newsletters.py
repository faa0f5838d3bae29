"""What ``newsletters.yaml`` means: when each issue goes to whom, and its mail as a step like any other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from rules.calendars import parse_calendar
from rules.delivery import window_of
from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import IssueEntry, NewsletterEntry, NewslettersFile
from rules.hints import shown
from rules.models import EVERYONE, Issue, Newsletter, Step
from rules.names import check_ids
from rules.scenario_words import understood
from rules.timing import parse_cta
from rules.trigger_mails import TriggerMailContext

_AT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]((?:[01]?\d|2[0-3]):[0-5]\d)")


def check_newsletters(
    document: Document[NewslettersFile] | None,
    context: TriggerMailContext,
    first_priority: int,
    taken: Sequence[str],
    problems: list[Problem],
) -> tuple[tuple[Newsletter, ...], list[Step]]:
    """Return the newsletters and the mails of their issues, after reporting what is wrong.

    Args:
        document: The file; None where there is none.
        context: What mails refer to.
        first_priority: That of the first issue.
        taken: Names that scenarios bear.
        problems: Faults are appended here.
    """
    if document is None:
        return (), []
    spot = document.spot(problems, "newsletters")
    check_ids(document.value.newsletters, spot, "newsletter")
    newsletters: list[Newsletter] = []
    steps: list[Step] = []
    for position, entry in enumerate(document.value.newsletters):
        here = spot.at(position)
        if entry.id in taken:
            here.at("id").fault("a scenario bears this name", received=shown(entry.id), hint="choose another id")
            continue
        before = sum(not problem.is_warning for problem in problems)
        newsletter, mails = _newsletter(entry, context, first_priority + len(steps), here)
        if sum(not problem.is_warning for problem in problems) == before:
            newsletters.append(newsletter)
            steps += mails
    return tuple(newsletters), steps


def _newsletter(
    entry: NewsletterEntry, context: TriggerMailContext, first_priority: int, spot: Spot
) -> tuple[Newsletter, list[Step]]:
    segment = entry.segment
    if context.segments is not None:
        segment = context.segments.resolve(entry.segment, spot.at("segment")) or EVERYONE
    calendar = None
    if entry.every is not None:
        calendar = understood(parse_calendar, entry.every, spot.at("every"))
    check_ids(entry.issues, spot.at("issues"), "issue")
    issues: list[Issue] = []
    steps: list[Step] = []
    for position, issue in enumerate(entry.issues):
        here = spot.at("issues", position)
        at = _instant(issue.at, here.at("at")) if issue.at is not None else None
        if issue.at is None and entry.every is None:
            here.fault(
                "nothing says when this issue goes", hint="give it at: 2026-12-08 10:00, or the newsletter every:"
            )
        issues.append(Issue(id=issue.id, at=at))
        steps.append(_step(entry, issue, segment, context, first_priority + position, here))
    if entry.repeats and all(issue.at is not None for issue in entry.issues):
        spot.at("repeats").fault("issues with dates of their own do not repeat", hint="leave out at:, and give every:")
    newsletter = Newsletter(
        id=entry.id,
        label=entry.label,
        segment=segment,
        calendar=calendar,
        starts_on=entry.starts_on,
        repeats=entry.repeats,
        issues=tuple(issues),
        is_enabled=entry.is_enabled,
        source=f"{spot.file} line {spot.line()}",
    )
    return newsletter, steps


def _step(
    entry: NewsletterEntry, issue: IssueEntry, segment: str, context: TriggerMailContext, priority: int, spot: Spot
) -> Step:
    sender, window = issue.sender or entry.sender, issue.window or entry.window
    if sender is not None and context.senders is not None:
        sender = context.senders.resolve(sender, spot.at("sender")) or ""
    if window is not None and context.windows is not None:
        window = context.windows.resolve(window, spot.at("window"))
    cta = understood(lambda text: parse_cta(text, context.vocabulary), issue.cta, spot.at("cta"))
    step = Step(
        scenario=entry.id,
        step=issue.id,
        label=issue.label or issue.id,
        kind="newsletter",
        priority=priority,
        segment=segment,
        stage=None,
        trigger=None,
        category="marketing",
        window=window_of(window, "marketing", context.delivery),
        subject=issue.subject,
        template=issue.template or issue.id,
        sender=sender or context.default_sender,
        cta=cta.selector if cta else None,
        cta_label=issue.cta if cta else "",
        is_enabled=entry.is_enabled and issue.is_enabled,
        source=f"{spot.file} line {spot.line()}",
    )
    return context.tests.named(issue.test, step, spot.at("test"))


def _instant(text: str, spot: Spot) -> datetime | None:
    match = _AT.fullmatch(text.strip())
    if match is not None:
        with suppress(ValueError):
            return datetime.strptime(f"{match[1]} {match[2]}", "%Y-%m-%d %H:%M")  # noqa: DTZ007
    spot.fault("this is no day with a time", received=shown(text), allowed="2026-12-08 10:00, by the business clock")
    return None
