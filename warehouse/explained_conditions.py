"""Takes conditions apart: which clause holds for a lead, which does not, and what was found instead.

Whether a clause holds is read from the answers that scores and segments were derived from; what is told beside it, by
``explained_findings``, only illustrates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from rules.models import (
    AccountCondition,
    All,
    AnyOf,
    Condition,
    DealCondition,
    EventCondition,
    FieldCondition,
    Leaf,
    Not,
    OccasionCondition,
    RuleSet,
    ScoreCondition,
    SegmentCondition,
    SequenceCondition,
    StageCondition,
    TierCondition,
)
from rules.wording import Wording
from warehouse.explained_findings import Findings
from warehouse.explanation import Clause, Membership, RuleCondition
from warehouse.questions import conditions_of
from warehouse.replay import Replay

_KINDS: Mapping[type[Leaf], str] = {
    FieldCondition: "field",
    EventCondition: "event",
    OccasionCondition: "occasion",
    SequenceCondition: "sequence",
    DealCondition: "deal",
    ScoreCondition: "score",
    TierCondition: "tier",
    StageCondition: "stage",
    SegmentCondition: "segment",
    AccountCondition: "account",
}


class Span(NamedTuple):
    """From when to when something held; ``to_at`` None: it still does, and no instant is known at which it ends."""

    from_at: datetime
    to_at: datetime | None


class Conditions:
    """The answers of one lead, and what they rest on."""

    def __init__(self, replay: Replay, wording: Wording, lead: Mapping[str, Any]) -> None:
        self._replay = replay
        self._wording = wording
        self._as_of = replay.as_of
        self._answers = self._spans(
            "select question, from_at, to_at from lead_answers where lead_id = $lead_id order by from_at"
        )
        self._stays = self._spans(
            """
            select segment, entered_at, coalesce(left_at, timestamptz 'infinity')
            from segment_members where lead_id = $lead_id order by entered_at
            """
        )
        self._findings = Findings(replay, wording, lead)

    def _spans(self, query: str) -> dict[Any, list[Span]]:
        found: dict[Any, list[Span]] = {}
        finite = (
            f"select key, from_at, nullif(to_at, timestamptz 'infinity') from ({query}) as found (key, from_at, to_at)"
        )
        for key, from_at, to_at in self._replay.query(finite).fetchall():
            found.setdefault(key, []).append(Span(from_at, to_at))
        return found

    # -- the tree ----------------------------------------------------------------------------------------------------

    def clause(self, condition: Condition) -> Clause:
        """A condition taken apart."""
        match condition:
            case All(parts=parts):
                clauses = tuple(self.clause(part) for part in parts)
                return Clause("all", "次のすべて", all(clause.holds for clause in clauses), clauses)
            case AnyOf(parts=parts):
                clauses = tuple(self.clause(part) for part in parts)
                return Clause("any", "次のどれか", any(clause.holds for clause in clauses), clauses)
            case Not(part=part):
                clause = self.clause(part)
                return Clause("not", "次に当てはまらない", not clause.holds, (clause,))
            case FieldCondition(is_known=False):
                known = self._leaf(condition.model_copy(update={"is_known": True}))
                return replace(known, text=self._wording.leaf(condition), holds=not known.holds)
            case _:
                return self._leaf(condition)

    def _leaf(self, leaf: Leaf) -> Clause:
        if isinstance(leaf, SegmentCondition):
            spans = self._stays.get(leaf.segment, [])
        else:
            spans = self._answers.get(self._replay.catalogue.questions[leaf], [])
        now = next((span for span in spans if _contains(span, self._as_of)), None)
        past = [span.to_at for span in spans if span.to_at is not None and span.to_at <= self._as_of]
        ahead = [span.from_at for span in spans if span.from_at > self._as_of]
        clause = Clause(
            kind=_KINDS[type(leaf)],
            text=self._wording.leaf(leaf),
            holds=now is not None,
            since=now.from_at if now else max(past, default=None),
            until=now.to_at if now else min(ahead, default=None),
        )
        return replace(clause, **self._findings.of(leaf))

    # -- the rules ---------------------------------------------------------------------------------------------------

    def segments(self, rules: RuleSet) -> tuple[Membership, ...]:
        """Every segment, in the order of the rules."""
        return tuple(
            Membership(
                segment=segment.id,
                label=segment.label,
                is_member=any(_contains(stay, self._as_of) for stay in self._stays.get(segment.id, [])),
                stays=tuple(self._stays.get(segment.id, [])),
                condition=self.clause(segment.where) if segment.where is not None else None,
            )
            for segment in rules.segments
        )

    def others(self, rules: RuleSet) -> tuple[RuleCondition, ...]:
        """Every condition that points or stages hang on."""
        labels = {
            "scoring": {rule.id: rule.label for rule in rules.scoring},
            "stage": {stage.id: stage.label for stage in rules.stages},
            "fall back": {fall.id: fall.label for fall in rules.fall_backs},
        }
        found = []
        for name, condition in conditions_of(rules).items():
            kind, _, rule = name.rpartition(" ")
            if kind in labels:
                found.append(RuleCondition(name, labels[kind][rule], self.clause(condition)))
        return tuple(found)


def _contains(span: Span, instant: datetime) -> bool:
    return span.from_at <= instant and (span.to_at is None or instant < span.to_at)
