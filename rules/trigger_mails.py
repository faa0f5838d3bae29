"""What ``trigger_mails.yaml`` means: one behaviour, one mail, and word to sales where asked for."""

from __future__ import annotations

from dataclasses import dataclass

from rules.ab_tests import AbTests
from rules.delivery import window_of
from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import TriggerMailEntry, TriggerMailsFile
from rules.hints import shown
from rules.models import Delivery, SalesAction, Step, Term
from rules.names import Names, check_ids
from rules.scenario_rows import CATEGORIES
from rules.scenario_words import parse_re_entry, understood
from rules.timing import NotUnderstoodError, parse_cta, parse_timing
from rules.vocabulary import Vocabulary, normalised

SCENARIO = "trigger_mails"
"""The scenario that all trigger mails belong to."""


@dataclass(frozen=True)
class TriggerMailContext:
    """What trigger mails refer to. Names that could not be read are None: not checked."""

    vocabulary: Vocabulary
    segments: Names | None
    stages: Names | None
    senders: Names | None
    default_sender: str
    delivery: Delivery
    windows: Names | None
    tests: AbTests


def check_trigger_mails(
    document: Document[TriggerMailsFile], context: TriggerMailContext, first_priority: int, problems: list[Problem]
) -> tuple[list[Step], list[SalesAction]]:
    """Return the trigger mails in order of priority and their notices to sales, after reporting what is wrong."""
    spot = document.spot(problems, "trigger_mails")
    entries = document.value.trigger_mails
    check_ids(entries, spot, "trigger mail")
    steps: list[Step] = []
    actions: list[SalesAction] = []
    for position, entry in enumerate(entries):
        step = _step(entry, context, first_priority + position, spot.at(position))
        if step is None:
            continue
        steps.append(step)
        if entry.notify_sales and entry.is_enabled:
            actions.append(
                SalesAction(
                    kind="notify",
                    id=f"{entry.id}-notify",
                    label=entry.label,
                    on=step.trigger,
                    on_count=step.trigger_count,
                    segment=step.segment,
                    stage=step.stage,
                    source=step.source,
                )
            )
    return steps, actions


def _step(entry: TriggerMailEntry, context: TriggerMailContext, priority: int, spot: Spot) -> Step | None:
    segment: str | None = entry.segment
    stage, sender = entry.stage, entry.sender or context.default_sender
    if context.segments is not None:
        segment = context.segments.resolve(entry.segment, spot.at("segment"))
    if entry.stage is not None and context.stages is not None:
        stage = context.stages.resolve(entry.stage, spot.at("stage"))
    if entry.sender is not None and context.senders is not None:
        sender = context.senders.resolve(entry.sender, spot.at("sender")) or ""
    category = CATEGORIES.get(normalised(entry.category))
    if category is None:
        spot.at("category").fault(
            "there is no such category", received=shown(entry.category), allowed="marketing, transactional"
        )
    window = None
    if entry.window is not None and context.windows is not None:
        window = context.windows.resolve(entry.window, spot.at("window"))
    timing = None
    cta: Term | None = None
    try:
        timing = parse_timing(entry.timing, context.vocabulary)
    except NotUnderstoodError as problem:
        _report(problem, entry.timing, spot.at("timing"))
    try:
        cta = parse_cta(entry.cta, context.vocabulary)
    except NotUnderstoodError as problem:
        _report(problem, entry.cta, spot.at("cta"))
    re_entry = understood(parse_re_entry, entry.re_entry, spot.at("re_entry"))
    if segment is None or category is None or timing is None:
        return None
    step = Step(
        scenario=SCENARIO,
        step=entry.id,
        label=entry.label,
        kind="trigger",
        priority=priority,
        segment=segment,
        stage=stage,
        trigger=timing.selector,
        trigger_count=timing.count,
        delay=timing.delay,
        re_entry=re_entry,
        category=category,
        window=window_of(window, category, context.delivery),
        subject=entry.subject,
        template=entry.template or entry.id,
        sender=sender,
        cta=cta.selector if cta else None,
        cta_label=entry.cta if cta else "",
        is_enabled=entry.is_enabled,
        source=f"{spot.file} line {spot.line()}",
    )
    return context.tests.named(entry.test, step, spot.at("test"))


def _report(problem: NotUnderstoodError, text: str, spot: Spot) -> None:
    spot.fault(problem.message, received=shown(text), allowed=problem.allowed, hint=problem.hint)
