"""What the rows of the scenario sheet come to: steps in order of priority, follow-up mails, and what sales gets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from rules import sheet
from rules.delivery import window_of
from rules.hints import shown
from rules.implications import includes
from rules.models import SalesAction, Selector, Stage, Step, Term
from rules.scenario_rows import ReadRow, SheetContext, read_row
from rules.sheet import Row
from rules.timing import FollowUpMail, NotifySales, SalesFollowUp


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
        step = _step(found, priority=len(steps) + 1, sender=context.default_sender)
        steps.append(context.tests.named(found.row.text(sheet.TEST), step, found.row.cell(sheet.TEST)))
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
        re_entry=found.re_entry,
        exits=found.exits,
        category=found.category,
        window=found.window,
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
        window=window_of(None, "marketing", context.delivery),
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
    entered = [position for position, known in enumerate(stages) if any(includes(on, event) for on in known.enter_on)]
    return ids[max([ids.index(stage), *entered])]


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
