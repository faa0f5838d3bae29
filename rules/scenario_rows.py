"""What a row of the scenario design sheet means: a step, what it asks for, and what sales gets out of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from rules import sheet
from rules.hints import did_you_mean, shown
from rules.models import SalesAction, Selector, Stage, Step, Term
from rules.names import Names
from rules.sheet import Row
from rules.timing import (
    FollowUpMail,
    NextAction,
    NotifySales,
    NotUnderstood,
    SalesFollowUp,
    Timing,
    parse_cta,
    parse_next_actions,
    parse_timing,
)
from rules.vocabulary import Vocabulary, normalised

OWN_REQUESTS = frozenset({"consultation_request"})
"""Events by which a person asks us something: the answer is transactional."""

Category = Literal["marketing", "transactional"]
CATEGORIES: dict[str, Category] = {
    "マーケティング": "marketing", "広告": "marketing", "marketing": "marketing",
    "トランザクション": "transactional", "取引": "transactional", "回答": "transactional",
    "transactional": "transactional",
}  # fmt: skip
_YES_NO = {"有効": True, "はい": True, "○": True, "◯": True, "〇": True, "true": True, "yes": True, "1": True,
           "無効": False, "いいえ": False, "×": False, "停止": False, "false": False, "no": False, "0": False}  # fmt: skip
_STEP_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


@dataclass(frozen=True)
class SheetContext:
    """What rows refer to, and what holds where a row does not say."""

    vocabulary: Vocabulary
    segments: Names
    stages: tuple[Stage, ...]
    default_sender: str
    default_follow_up: str | None


@dataclass(frozen=True)
class ReadRow:
    """A row whose cells were all understood."""

    row: Row
    segment: str
    stage: str
    timing: Timing
    cta: Term | None
    next_actions: tuple[NextAction, ...]
    step: str
    template: str
    category: Category
    is_enabled: bool


def read_row(row: Row, context: SheetContext) -> ReadRow | None:
    """Return what a row says, or None after reporting every cell that is not understood."""
    faults_before = sum(not problem.is_warning for problem in row.problems)
    _refuse_columns_not_served(row)
    segment = _named(row, sheet.SEGMENT, context.segments)
    stage = _named(row, sheet.STAGE, Names("stage", [(stage.id, stage.label) for stage in context.stages]))
    timing: Timing | None = None
    cta: Term | None = None
    next_actions: tuple[NextAction, ...] = ()
    try:
        timing = parse_timing(row.text(sheet.TIMING), context.vocabulary)
    except NotUnderstood as problem:
        _report(row, sheet.TIMING, problem)
    try:
        cta = parse_cta(row.text(sheet.CTA), context.vocabulary)
    except NotUnderstood as problem:
        _report(row, sheet.CTA, problem)
    try:
        next_actions = parse_next_actions(row.text(sheet.NEXT_ACTION))
    except NotUnderstood as problem:
        _report(row, sheet.NEXT_ACTION, problem)
    _check_subject(row)
    category = _category(row, timing)
    is_enabled = _is_enabled(row)
    own_id = row.text(sheet.STEP_ID)
    if own_id and _STEP_ID.fullmatch(own_id) is None:
        allowed = "small letters a to z, digits, _ and -, at most 100"
        row.cell(sheet.STEP_ID).fault("this is not a step id", received=shown(own_id), allowed=allowed)
    is_faulty = sum(not problem.is_warning for problem in row.problems) > faults_before
    if is_faulty or segment is None or stage is None or timing is None:
        return None
    step = own_id or step_key(segment, stage, timing)
    template = row.text(sheet.TEMPLATE) or step
    return ReadRow(row, segment, stage, timing, cta, next_actions, step, template, category, is_enabled)


def step_key(segment: str, stage: str, timing: Timing) -> str:
    """Return a step's key: segment, stage and trigger, never the delay, so that an edit of it mails nobody again."""
    trigger = timing.term.id if timing.count == 1 else f"{timing.term.id}_{timing.count}_times"
    return f"{segment}-{stage}-{trigger}"


def steps_of_sheet(rows: Sequence[Row], context: SheetContext) -> tuple[list[Step], list[SalesAction]]:
    """Return the steps of a sheet in order of priority, and what sales gets.

    Rows that were not understood are reported and left out.
    """
    read = [found for row in rows if (found := read_row(row, context)) is not None]
    by_key: dict[str, ReadRow] = {}
    steps: list[Step] = []
    for found in read:
        first = by_key.setdefault(found.step, found)
        if first is not found:
            found.row.cell(sheet.TIMING).fault(
                f"this row has the same key as row {first.row.number} of {first.row.file}",
                received=shown(found.step),
                hint="a key is segment, stage and trigger without its delay: give both rows a ステップID of their own",
            )
            continue
        _warn_of_unreachable_stage(found, context.stages)
        steps.append(_step(found, priority=len(steps) + 1, sender=context.default_sender))
    steps.extend(_follow_ups(read, len(steps), context))
    return steps, [action for found in read if found.is_enabled for action in _sales_actions(found)]


def _step(found: ReadRow, priority: int, sender: str) -> Step:
    row = found.row
    return Step(
        scenario=found.segment,
        step=found.step,
        label=f"{row.text(sheet.STAGE)} {row.text(sheet.TIMING)}",
        kind="step",
        priority=priority,
        segment=found.segment,
        stage=found.stage,
        trigger=found.timing.selector,
        trigger_count=found.timing.count,
        delay=found.timing.delay,
        category=found.category,
        subject=row.text(sheet.SUBJECT),
        summary=row.text(sheet.SUMMARY),
        template=found.template,
        sender=sender,
        cta=found.cta.selector if found.cta else None,
        cta_label=row.text(sheet.CTA) if found.cta else "",
        is_enabled=found.is_enabled,
        source=row.source,
    )


def _follow_ups(read: Sequence[ReadRow], priority: int, context: SheetContext) -> list[Step]:
    """Return the default follow-up mails of rows that ask for one which no other row of their segment is."""
    made: dict[str, tuple[Step, ReadRow]] = {}
    for found in read:
        cell = found.row.cell(sheet.NEXT_ACTION)
        received = shown(found.row.text(sheet.NEXT_ACTION))
        for action in found.next_actions:
            if not isinstance(action, FollowUpMail):
                continue
            if found.cta is None:
                hint = "name the CTA, or write the mail as a row of its own"
                cell.fault("a follow-up mail follows the CTA, and this row has none", received=received, hint=hint)
                continue
            # A row that is switched off counts too: its author wants that mail not sent, and no other in its place.
            if any(_is_follow_up(other, found.segment, found.cta.selector, action.delay) for other in read):
                continue
            if context.default_follow_up is None:
                cell.fault(
                    "no row is this follow-up mail, so none is sent",
                    received=received,
                    hint="add the row, or set default_follow_up in ruleset.yaml",
                    is_warning=True,
                )
                continue
            step = _default_follow_up(found, found.cta, action.delay, priority + len(made) + 1, context)
            first = made.setdefault(step.step, (step, found))
            if first[0].delay != step.delay:
                cell.fault(
                    f"row {first[1].row.number} asks for this follow-up mail after another delay",
                    received=received,
                    hint="write one of them as a row of its own",
                )
    return [step for step, _ in made.values()]


def _is_follow_up(row: ReadRow, segment: str, cta: Selector, delay: timedelta) -> bool:
    timing = row.timing
    return row.segment == segment and timing.selector == cta and timing.count == 1 and timing.delay == delay


def _default_follow_up(found: ReadRow, cta: Term, delay: timedelta, priority: int, context: SheetContext) -> Step:
    stage = _stage_after(found.stage, cta.selector, context.stages)
    return Step(
        scenario=found.segment,
        step=f"{found.segment}-{stage}-{cta.id}-follow_up",
        label=f"{found.row.text(sheet.CTA)}後のフォローメール",
        kind="step",
        priority=priority,
        segment=found.segment,
        stage=stage,
        trigger=cta.selector,
        delay=delay,
        category="marketing",
        subject=None,
        summary="既定のフォローメール",
        template=str(context.default_follow_up),
        sender=context.default_sender,
        is_enabled=found.is_enabled,
        source=f"{found.row.source}, {sheet.NEXT_ACTION}",
    )


def _stage_after(stage: str, event: Selector, stages: Sequence[Stage]) -> str:
    """Return the stage of a lead of ``stage`` once ``event`` has counted: stages only move forward."""
    ids = [known.id for known in stages]
    entered = [position for position, known in enumerate(stages) if any(_implies(event, on) for on in known.enter_on)]
    return ids[max([ids.index(stage), *entered])]


def _implies(event: Selector, wanted: Selector) -> bool:
    """Return whether every event that ``event`` means is one that ``wanted`` means."""
    return (
        event.event == wanted.event
        and wanted.page_group in {None, event.page_group}
        and wanted.asset_group in {None, event.asset_group}
    )


def _warn_of_unreachable_stage(found: ReadRow, stages: Sequence[Stage]) -> None:
    after = _stage_after(found.stage, found.timing.selector, stages)
    if after != found.stage:
        label = next(stage.label for stage in stages if stage.id == after)
        found.row.cell(sheet.STAGE).fault(
            "this row can never mail anyone: its trigger moves the lead on to a later stage",
            received=f"{shown(found.row.text(sheet.STAGE))} with {shown(found.row.text(sheet.TIMING))}",
            hint=f"did you mean '{label}'?",
            is_warning=True,
        )


def _sales_actions(found: ReadRow) -> list[SalesAction]:
    actions = []
    for action in found.next_actions:
        kind: Literal["handoff", "notify"]
        if isinstance(action, NotifySales):
            kind = "notify"
        elif isinstance(action, SalesFollowUp):
            kind = "handoff"
        else:
            continue
        # Without a CTA the trigger itself is what sales acts on.
        actions.append(
            SalesAction(
                kind=kind,
                id=f"{found.step}-{kind}",
                label=found.row.text(sheet.NEXT_ACTION),
                on=found.cta.selector if found.cta else found.timing.selector,
                on_count=1 if found.cta else found.timing.count,
                segment=found.segment,
                stage=None,
                source=f"{found.row.source}, {sheet.NEXT_ACTION}",
            )
        )
    return actions


def _named(row: Row, column: str, names: Names) -> str | None:
    text = row.text(column)
    if not text:
        allowed = ", ".join(label for _, label in names.pairs())
        row.cell(column).fault(f"the {names.what} is empty", allowed=allowed, hint="name one")
        return None
    return names.resolve(text, row.cell(column))


def _report(row: Row, column: str, problem: NotUnderstood) -> None:
    hint = f"did you mean {' / '.join(f'「{form}」' for form in problem.nearest)}?" if problem.nearest else ""
    row.cell(column).fault(problem.message, received=shown(row.text(column)), allowed=problem.allowed, hint=hint)


def _check_subject(row: Row) -> None:
    subject = row.text(sheet.SUBJECT)
    cell = row.cell(sheet.SUBJECT)
    if not subject:
        cell.fault("the subject is empty", hint="a mail without a subject is not sent: write one")
    elif "\n" in subject or "\r" in subject:
        cell.fault("a subject is one line", received=shown(subject), hint="take the line break out of the cell")
    elif "{{" in subject or "{%" in subject:
        hint = "write this subject into the template's subject.txt, where {{ lead.company }} is filled in"
        cell.fault("a subject in the sheet is plain text", received=shown(subject), hint=hint)


def _refuse_columns_not_served(row: Row) -> None:
    for column in sheet.COLUMNS_NOT_SERVED:
        if row.text(column):
            row.cell(column).fault(
                "this column is not served yet", received=shown(row.text(column)), hint="leave its cells empty"
            )


def _category(row: Row, timing: Timing | None) -> Category:
    text = row.text(sheet.CATEGORY)
    if text:
        category = CATEGORIES.get(normalised(text))
        if category is not None:
            return category
        row.cell(sheet.CATEGORY).fault(
            "there is no such category",
            received=shown(text),
            allowed=", ".join(CATEGORIES),
            hint=did_you_mean(text, CATEGORIES),
        )
    is_own_request = timing is not None and timing.selector.event in OWN_REQUESTS
    return "transactional" if is_own_request else "marketing"


def _is_enabled(row: Row) -> bool:
    text = row.text(sheet.ENABLED)
    if not text:
        return True
    found = _YES_NO.get(normalised(text))
    if found is None:
        row.cell(sheet.ENABLED).fault(
            "neither on nor off", received=shown(text), allowed="有効, 無効 (or ○, ×); empty is 有効"
        )
    return found is not False
