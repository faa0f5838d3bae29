"""What one row of the scenario design sheet says, cell by cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from rules import sheet
from rules.ab_tests import AbTests
from rules.delivery import window_of
from rules.hints import did_you_mean, shown
from rules.models import Delivery, Exit, Stage, Term
from rules.names import Names
from rules.scenario_words import parse_exits, parse_re_entry
from rules.sheet import Row
from rules.timing import (
    NextAction,
    NotUnderstoodError,
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
_YES_NO = dict.fromkeys(("有効", "はい", "○", "◯", "〇", "true", "yes", "1"), True) | dict.fromkeys(
    ("無効", "いいえ", "×", "停止", "false", "no", "0"), False
)
_STEP_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


@dataclass(frozen=True)
class SheetContext:
    """What rows refer to, and what holds where a row does not say."""

    vocabulary: Vocabulary
    segments: Names | None
    """None where the segments could not be read; their names are then not checked."""
    stages: tuple[Stage, ...]
    default_sender: str
    default_follow_up: str | None
    delivery: Delivery
    windows: Names | None
    tests: AbTests


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
    window: str | None
    exits: tuple[Exit, ...]
    re_entry: timedelta | None
    is_enabled: bool


def read_row(row: Row, context: SheetContext) -> ReadRow | None:
    """Return what a row says, or None after reporting every cell that is not understood."""
    faults_before = sum(not problem.is_warning for problem in row.problems)
    segment = _named(row, sheet.SEGMENT, context.segments)
    stages = Names("stage", [(stage.id, stage.label) for stage in context.stages]) if context.stages else None
    stage = _named(row, sheet.STAGE, stages)
    timing: Timing | None = None
    cta: Term | None = None
    next_actions: tuple[NextAction, ...] = ()
    try:
        timing = parse_timing(row.text(sheet.TIMING), context.vocabulary)
    except NotUnderstoodError as problem:
        _report(row, sheet.TIMING, problem)
    try:
        cta = parse_cta(row.text(sheet.CTA), context.vocabulary)
    except NotUnderstoodError as problem:
        _report(row, sheet.CTA, problem)
    try:
        next_actions = parse_next_actions(row.text(sheet.NEXT_ACTION))
    except NotUnderstoodError as problem:
        _report(row, sheet.NEXT_ACTION, problem)
    exits = _exits(row, cta)
    re_entry = None
    try:
        re_entry = parse_re_entry(row.text(sheet.RE_ENTRY))
    except NotUnderstoodError as problem:
        _report(row, sheet.RE_ENTRY, problem)
    _check_subject(row)
    category = _category(row, timing)
    named = _named(row, sheet.WINDOW, context.windows) if row.text(sheet.WINDOW) else None
    window = window_of(named, category, context.delivery)
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
    return ReadRow(
        row, segment, stage, timing, cta, next_actions, step, template, category, window, exits, re_entry, is_enabled
    )


def step_key(segment: str, stage: str, timing: Timing) -> str:
    """Return a step's key: segment, stage and trigger, never the delay, so that an edit of it mails nobody again."""
    trigger = timing.term.id if timing.count == 1 else f"{timing.term.id}_{timing.count}_times"
    return f"{segment}-{stage}-{trigger}"


def _exits(row: Row, cta: Term | None) -> tuple[Exit, ...]:
    """What keeps a row's mail back. That consent and the segment end does always."""
    try:
        kinds = parse_exits(row.text(sheet.EXIT))
    except NotUnderstoodError as problem:
        _report(row, sheet.EXIT, problem)
        return ()
    if "goal" in kinds and cta is None:
        hint = "name the CTA, or leave the goal out"
        row.cell(sheet.EXIT).fault(
            "a row's goal is its CTA, and this row has none", received=shown(row.text(sheet.EXIT)), hint=hint
        )
        return ()
    return tuple(
        Exit(kind=kind, on=cta.selector if cta and kind == "goal" else None)
        for kind in kinds
        if kind not in {"consent", "segment"}
    )


def _named(row: Row, column: str, names: Names | None) -> str | None:
    if names is None:
        return None
    text = row.text(column)
    if not text:
        allowed = ", ".join(label for _, label in names.pairs())
        row.cell(column).fault(f"the {names.what} is empty", allowed=allowed, hint="name one")
        return None
    return names.resolve(text, row.cell(column))


def _report(row: Row, column: str, problem: NotUnderstoodError) -> None:
    row.cell(column).fault(
        problem.message, received=shown(row.text(column)), allowed=problem.allowed, hint=problem.hint
    )


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
