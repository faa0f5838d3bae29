"""Tells from the ledger which mails a lead got, which it did not and why, and how it came to sales."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rules.handoff import KEPT_CAUSE_LABELS
from rules.models import RuleSet, Selector, Step
from rules.wording import Wording
from warehouse.explanation import Mail, Membership, NoMail, SalesContact, ScenarioRun
from warehouse.replay import Replay


def explain_mails(replay: Replay, wording: Wording) -> tuple[Mail, ...]:
    """Every mail the lead was in line for, in order of what triggered it."""
    return tuple(
        Mail(
            label=wording.step(row["scenario"], row["step"]),
            **{name: value for name, value in row.items() if name != "lead_id"},
        )
        for row in replay.rows("explain_mails")
    )


def explain_runs(replay: Replay, wording: Wording) -> tuple[ScenarioRun, ...]:
    """Every run through a scenario with waits and branches, in order of time."""
    return tuple(ScenarioRun(label=wording.scenario(row["scenario"]), **row) for row in replay.rows("explain_runs"))


def explain_sales(replay: Replay, wording: Wording) -> tuple[SalesContact, ...]:
    """Every handoff, follow-up, notice and refusal of the lead, in order of time."""
    return tuple(SalesContact(label=_cause(row["cause"], wording), **row) for row in replay.rows("explain_sales"))


def _cause(cause: str, wording: Wording) -> str:
    return KEPT_CAUSE_LABELS.get(cause) or wording.label("action", cause)


def acts_since(replay: Replay, rules: RuleSet, has_ledger: bool) -> datetime | None:
    """From when on the rule set acts; None where it has not begun to."""
    if rules.active_from is not None or not has_ledger:
        return rules.active_from
    row = replay.connection.execute(
        "select active_from from ledger.activations where rule_set = ? and active_from <= ?", [rules.id, replay.as_of]
    ).fetchone()
    return row[0] if row else None


class _Triggers:
    """When a lead did what triggers mails, and where it stood then."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.stages: list[tuple[datetime, str]] = replay.query(
            "select changed_at, to_stage from lead_stage_changes where lead_id = $lead_id order by changed_at"
        ).fetchall()

    def of(self, trigger: Selector) -> list[datetime]:
        return [
            instant
            for (instant,) in self._replay.query(
                """
                select occurred_at from lead_behaviours
                where lead_id = $lead_id and behaviour = $behaviour and is_counted order by occurred_at, event_id
                """,
                behaviour=self._replay.catalogue.behaviours[trigger],
            ).fetchall()
        ]

    def stage_at(self, instant: datetime) -> str | None:
        return next((stage for changed_at, stage in reversed(self.stages) if changed_at <= instant), None)


def explain_no_mails(
    replay: Replay,
    rules: RuleSet,
    wording: Wording,
    mails: tuple[Mail, ...],
    runs: tuple[ScenarioRun, ...],
    segments: tuple[Membership, ...],
    active_from: datetime | None,
) -> tuple[NoMail, ...]:
    """Every mail of the rules that the lead was never in line for, with the first thing that was missing.

    The order of the questions is that of ``enrol.sql``.
    """
    enrolled = {(mail.scenario, mail.step) for mail in mails}
    triggers = _Triggers(replay)
    stays = {membership.segment: membership.stays for membership in segments}
    return tuple(
        NoMail(
            step.scenario,
            step.step,
            wording.step(step.scenario, step.step),
            **(_why(step, triggers, stays, active_from) if step.trigger is not None else _why_of_scenario(step, runs)),
        )
        for step in rules.steps
        if (step.scenario, step.step) not in enrolled
    )


def _why_of_scenario(step: Step, runs: tuple[ScenarioRun, ...]) -> dict[str, Any]:
    found = {"done": 0, "asked": 0}
    if not step.is_enabled:
        return {"why": "disabled", **found}
    if step.kind == "newsletter":
        return {"why": "no_issue", **found}
    return {"why": "not_reached" if any(run.scenario == step.scenario for run in runs) else "no_run", **found}


def _why(
    step: Step,
    triggers: _Triggers,
    stays: dict[str, tuple[tuple[datetime, datetime | None], ...]],
    active_from: datetime | None,
) -> dict[str, Any]:
    assert step.trigger is not None
    acts = triggers.of(step.trigger)
    found: dict[str, Any] = {"done": len(acts), "asked": step.trigger_count}
    if not step.is_enabled:
        return {"why": "disabled", **found}
    starts = acts if step.trigger_count == 1 else acts[step.trigger_count - 1 : step.trigger_count]
    if not starts:
        return {"why": "no_trigger", **found}
    if active_from is None:
        return {"why": "not_acting", "triggered_at": starts[-1], **found}
    since = [instant for instant in starts if instant >= active_from]
    if not since:
        return {"why": "before_start", "triggered_at": starts[-1], **found}
    in_stage = [instant for instant in since if step.stage in (None, triggers.stage_at(instant))]
    if not in_stage:
        return {"why": "other_stage", "triggered_at": since[-1], "stage": triggers.stage_at(since[-1]), **found}
    in_segment = [
        instant
        for instant in in_stage
        if any(left_at is None or left_at > instant for _, left_at in stays.get(step.segment, ()))
    ]
    if not in_segment:
        return {"why": "not_in_segment", "triggered_at": in_stage[-1], **found}
    return {"why": "not_yet", "triggered_at": in_segment[-1], **found}
