"""Tells what was found of a lead where a rule asks something: values, counts, instants, deals, colleagues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, assert_never

from rules.models import (
    ANY_EVENT,
    AccountCondition,
    DealCondition,
    EventCondition,
    FieldCondition,
    Leaf,
    OccasionCondition,
    ScoreCondition,
    SegmentCondition,
    Selector,
    SequenceCondition,
    StageCondition,
    TierCondition,
)
from rules.wording import Wording
from warehouse.replay import Replay

Finding = dict[str, Any]
"""Fields of a :class:`warehouse.explanation.Clause`: ``value``, ``shown``, ``instants``, ``names``."""


class _Act(NamedTuple):
    occurred_at: datetime
    is_counted: bool


class Findings:
    """What one lead did, is and has, as of an instant."""

    def __init__(self, replay: Replay, wording: Wording, lead: Mapping[str, Any]) -> None:
        self._replay = replay
        self._wording = wording
        self._lead = lead
        self._as_of = replay.as_of
        self._acts: dict[int, list[_Act]] = {}
        for behaviour, occurred_at, is_counted in replay.query(
            """
            select behaviour, occurred_at, is_counted from lead_behaviours
            where lead_id = $lead_id and not is_machine and not is_opt_out_click
            order by occurred_at, event_id
            """
        ).fetchall():
            self._acts.setdefault(behaviour, []).append(_Act(occurred_at, is_counted))
        self._fields: dict[str, str] = dict(
            replay.query(
                """
                select field, value from lead_attribute_history
                where lead_id = $lead_id and valid_to = timestamptz 'infinity' and value is not null
                """
            ).fetchall()
        )

    def of(self, leaf: Leaf) -> Finding:
        """What is told beside a clause."""
        match leaf:
            case FieldCondition(field=name):
                value = self._fields.get(name)
                return {"value": value, "shown": self._wording.value(name, value)}
            case EventCondition(on=on, within_days=within_days):
                counted = self._within(self._counted(on), within_days)
                return {"value": len(counted), "shown": f"{len(counted)}回", "instants": tuple(reversed(counted))}
            case OccasionCondition(on=on, which=which):
                acts = [act.occurred_at for act in self._acts_of(on)]
                if not acts:
                    return {"shown": "なし"}
                return {"instants": (acts[0] if which == "first" else acts[-1],)}
            case SequenceCondition():
                return self._sequence(leaf)
            case DealCondition():
                return self._deals()
            case ScoreCondition():
                return {"value": self._lead["score"], "shown": f"{self._lead['score']}点"}
            case TierCondition():
                return {"value": self._lead["tier"], "shown": self._wording.label("tier", self._lead["tier"])}
            case StageCondition():
                return {"value": self._lead["stage"], "shown": self._wording.label("stage", self._lead["stage"])}
            case SegmentCondition():
                return {}
            case AccountCondition():
                return self._account(leaf)
            case _:
                assert_never(leaf)

    def _acts_of(self, on: Selector) -> list[_Act]:
        return self._acts.get(self._replay.catalogue.behaviours[on], [])

    def _counted(self, on: Selector) -> list[datetime]:
        """When a behaviour was done, as often as it counts; what only repeats another counts for anything at all."""
        return [act.occurred_at for act in self._acts_of(on) if act.is_counted or on.event == ANY_EVENT]

    def _within(self, instants: Iterable[datetime], within_days: float | None) -> list[datetime]:
        if within_days is None:
            return list(instants)
        since = self._as_of - timedelta(microseconds=round(within_days * 86_400_000_000))
        return [instant for instant in instants if instant > since]

    def _sequence(self, leaf: SequenceCondition) -> Finding:
        """The latest way in which the steps followed each other, as far as it came."""
        within = timedelta(microseconds=round(leaf.within_days * 86_400_000_000))
        reached: list[list[tuple[datetime, ...]]] = [[(act.occurred_at,) for act in self._acts_of(leaf.steps[0])]]
        for step in leaf.steps[1:]:
            before = reached[-1]
            following: list[tuple[datetime, ...]] = []
            position = 0
            for act in self._acts_of(step):
                while position < len(before) and before[position][-1] < act.occurred_at:
                    position += 1
                if position and act.occurred_at - before[position - 1][-1] <= within:
                    following.append((*before[position - 1], act.occurred_at))
            reached.append(following)
        chain = next((ways[-1] for ways in reversed(reached) if ways), ())
        steps = [self._wording.behaviour(step) for step in leaf.steps[: len(chain)]]
        shown = f"{len(leaf.steps)}段階のうち{len(chain)}段階まで"
        return {"value": len(chain), "shown": shown, "names": tuple(steps), "instants": chain}

    def _deals(self) -> Finding:
        if not self._replay.has_step("scope_deals"):
            return {"shown": "なし"}
        deals = self._replay.query(
            """
            select deal, status, amount from scope_deals
            where lead_id = $lead_id and from_at <= $as_of and to_at > $as_of order by status_since desc, deal
            """
        ).fetchall()
        return {
            "value": len(deals),
            "shown": f"商談{len(deals)}件" if deals else "商談なし",
            "names": tuple(self._wording.deal(deal, status, amount) for deal, status, amount in deals),
        }

    def _account(self, leaf: AccountCondition) -> Finding:
        if self._lead["account_id"] is None:
            return {"shown": "会社が分からない"}
        question = self._replay.catalogue.questions[leaf]
        table = {"event": "account_acts", "score": "account_scores"}.get(leaf.kind, "account_people")
        row = self._replay.query(
            f"""
            select coalesce(sum(change), 0) from {table}
            where question = $question and account_id = $account_id and instant <= $as_of
            """,
            question=question,
            account_id=self._lead["account_id"],
        ).fetchone()
        value = int(row[0]) if row else 0
        unit = {"event": "回", "score": "点"}.get(leaf.kind, "人")
        return {"value": value, "shown": f"{value}{unit}", "names": self._colleagues(leaf)}

    def _colleagues(self, leaf: AccountCondition) -> tuple[str, ...]:
        if leaf.kind not in {"people", "deal"}:
            return ()
        found = self._replay.query(
            """
            select leads.email
            from member_answers
            inner join lead_accounts using (lead_id)
            inner join leads using (lead_id)
            where
                member_answers.question = $question
                and member_answers.from_at <= $as_of and member_answers.to_at > $as_of
                and lead_accounts.account_id = $account_id and lead_accounts.valid_to = timestamptz 'infinity'
                and leads.email is not null
            order by leads.email
            """,
            question=self._replay.catalogue.questions[leaf.asked],
            account_id=self._lead["account_id"],
        ).fetchall()
        return tuple(email for (email,) in found)
