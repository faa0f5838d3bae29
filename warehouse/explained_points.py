"""Tells of every event which points it gave, which of them count now, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rules.models import RuleSet
from rules.wording import Wording
from warehouse.explanation import Award, Change, Event, Loss
from warehouse.replay import Replay

_LIMITS = ("maximum_score", "minimum_score")


def explain_events(replay: Replay, wording: Wording) -> tuple[Event, ...]:
    """Every visible event of the lead, in order of time, with its awards."""
    awards: dict[str, list[Award]] = {}
    for row in replay.rows("explain_awards"):
        awards.setdefault(str(row["event_id"]), []).append(_award(row, wording))
    return tuple(
        Event(
            event_id=str(row["event_id"]),
            event_type=row["event_type"],
            label=wording.event(row["event_type"]),
            occurred_at=row["occurred_at"],
            received_at=row["received_at"],
            source=row["source"],
            known_by=row["known_by"],
            url=row["url"],
            page_group=row["page_group"],
            asset=row["asset"],
            send_id=row["send_id"],
            properties=dict(row["properties"] or {}),
            awards=tuple(awards.get(str(row["event_id"]), ())),
        )
        for row in replay.rows("explain_owned_events")
    )


def _award(row: dict[str, Any], wording: Wording) -> Award:
    return Award(
        rule=row["rule"],
        label=wording.label("rule", row["rule"]),
        rule_points=row["rule_points"],
        points=row["points_now"] or 0,
        losses=tuple(loss for loss in _losses(row) if loss.points),
        from_at=row["occurred_at"],
        next_change_at=row["next_change_at"],
    )


def _losses(row: dict[str, Any]) -> Iterator[Loss]:
    """What became of the rule's points on their way to those that count now."""
    asked, within_cap = row["asked_points"], row["points_within_cap"] or 0
    given, now = row["points_given"] or 0, row["points_now"] or 0
    if asked is None:
        yield Loss(_why_no_award(row), row["rule_points"])
        return
    yield Loss("rule_cap", asked - within_cap)
    yield Loss("group_cap", within_cap - given)
    is_expired = now == 0 and row["is_expired"]
    yield Loss("expired" if is_expired else "decayed", given - now, row["expires_at"] if is_expired else None)


def _why_no_award(row: dict[str, Any]) -> str:
    if row["is_machine"]:
        return "machine"
    if row["is_opt_out_click"]:
        return "opt_out_click"
    return "once_per_lead" if row["once_per"] == "lead" else "repeated"


def explain_condition_awards(replay: Replay, wording: Wording, rules: RuleSet) -> tuple[Award, ...]:
    """The points for as long as a condition holds, one award a span of time."""
    points = {rule.id: rule.points for rule in rules.scoring}
    return tuple(
        Award(
            rule=row["rule"],
            label=wording.label("rule", row["rule"]),
            rule_points=points[row["rule"]],
            points=row["points"],
            losses=(Loss("ended", row["points_given"], row["ended_at"]),) if row["ended_at"] else (),
            from_at=row["occurred_at"],
            to_at=row["ended_at"],
            next_change_at=row["ends_at"],
        )
        for row in replay.rows("explain_condition_awards")
    )


def limit_points(replay: Replay, rules: RuleSet) -> int:
    """What the limits of the score take from the points, or add to them."""
    own = {rule.id for rule in rules.scoring}
    found = replay.query(
        "select rule, points from lead_score_points where lead_id = $lead_id and event_id is null"
    ).fetchall()
    return sum(points for rule, points in found if rule in _LIMITS and rule not in own)


def explain_tiers(replay: Replay, wording: Wording) -> tuple[Change, ...]:
    """Every change of the tier, with what changed the score."""
    changes = replay.query(
        """
        select changed_at, from_tier, to_tier, score, cause, cause_event_id
        from lead_tier_changes where lead_id = $lead_id order by changed_at
        """
    ).fetchall()
    return tuple(
        Change(
            changed_at=at,
            from_label=wording.label("tier", before) if before else None,
            to_label=wording.label("tier", after),
            score=score,
            cause=cause,
            reason=_score_reason(cause, wording),
            event_id=str(event_id) if event_id else None,
        )
        for at, before, after, score, cause, event_id in changes
    )


_WHAT = {"given": "", "decayed": "の点数が時間の経過で減少", "expired": "の点数が期限切れ", "ended": "の条件から外れた"}


def _score_reason(cause: str, wording: Wording) -> str:
    what, _, rule = cause.partition(":")
    return f"{wording.label('rule', rule)}{_WHAT.get(what, '')}" if rule else "登録"


def explain_stages(replay: Replay, wording: Wording, rules: RuleSet) -> tuple[Change, ...]:
    """Every change of the stage, with the behaviour or the condition that caused it."""
    changes = replay.query(
        """
        select changed_at, from_stage, to_stage, cause, cause_event_id
        from lead_stage_changes where lead_id = $lead_id order by changed_at
        """
    ).fetchall()
    return tuple(
        Change(
            changed_at=at,
            from_label=wording.label("stage", before) if before else None,
            to_label=wording.label("stage", after),
            score=None,
            cause=cause,
            reason=_stage_reason(cause, after, wording, rules),
            event_id=str(event_id) if event_id else None,
        )
        for at, before, after, cause, event_id in changes
    )


def _stage_reason(cause: str, stage: str, wording: Wording, rules: RuleSet) -> str:
    if cause == "start":
        return "登録"
    if cause == "enter_when":
        return wording.condition(next(found.enter_when for found in rules.stages if found.id == stage))
    if any(fall.id == cause for fall in rules.fall_backs):
        return wording.label("fall_back", cause)
    word = next((term.words[0] for term in rules.terms if term.id == cause), None)
    return word or wording.event(cause)
