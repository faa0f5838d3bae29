"""Compiles a condition to SQL that tells, for every lead in scope, from when to when it holds.

Each question a condition asks has its answers as spans of time. A condition of one question holds in these; one put
together of several is judged wherever an answer begins or ends: there the answers that are yes are bits of a number,
and the condition is an expression over the bits. So it is exact to the instant of the fact that caused it, whenever it
is computed.

No value of a rule is in the text: it holds bit and question numbers; segments are bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.models import All, AnyOf, Condition, FieldCondition, Leaf, Not, SegmentCondition, leaves
from warehouse.questions import Catalogue

_BITS = 60
"""How many answers one number holds; there are as many numbers as it takes."""

_EVERYONE = "select lead_id, created_at as from_at, timestamptz 'infinity' as to_at from lead_starts"


def spans_query(condition: Condition | None, catalogue: Catalogue) -> tuple[str, dict[str, object]]:
    """The query for (lead_id, from_at, to_at) of a condition, up to ``$as_of``, and its bound values but that one.

    A condition of None holds for every lead from its start.
    """
    if condition is None:
        return _EVERYONE, {}
    compiler = _Compiler(catalogue)
    verdict = compiler.expression(condition)
    if verdict == "bit_0":
        return f"{compiler.sources[0]} where from_at <= $as_of", compiler.values
    nothing = {leaf: isinstance(leaf, FieldCondition) and leaf.is_known is False for leaf in leaves(condition)}
    return compiler.query(verdict, holds(condition, nothing)), compiler.values


@dataclass
class _Compiler:
    """Collects the answers a condition needs: a query a bit."""

    catalogue: Catalogue
    bits: dict[Leaf, int] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict)

    def expression(self, condition: Condition) -> str:
        """The condition over the columns bit_0, bit_1, …"""
        match condition:
            case All(parts=parts):
                return "(" + " and ".join(self.expression(part) for part in parts) + ")"
            case AnyOf(parts=parts):
                return "(" + " or ".join(self.expression(part) for part in parts) + ")"
            case Not(part=part):
                return f"(not {self.expression(part)})"
            case FieldCondition(field=name, is_known=False):
                return f"(not {self._bit(FieldCondition(field=name, is_known=True))})"
            case _:
                return self._bit(condition)

    def query(self, verdict: str, is_held_by_nothing: bool) -> str:
        """The query that judges ``verdict`` wherever one of its answers changes.

        Args:
            verdict: The condition over the bits.
            is_held_by_nothing: Whether it holds for a lead of which every question is answered with no.
        """
        columns = range((len(self.sources) - 1) // _BITS + 1)
        marks = []
        for bit, source in enumerate(self.sources):
            changes = ", ".join(
                f"{1 << bit % _BITS if column == bit // _BITS else 0}::bigint as change_{column}" for column in columns
            )
            undone = ", ".join(
                f"{-(1 << bit % _BITS) if column == bit // _BITS else 0}::bigint as change_{column}"
                for column in columns
            )
            marks += [
                f"select lead_id, from_at as instant, {changes} from ({source})",
                f"select lead_id, to_at as instant, {undone} from ({source})",
            ]
        nothing = ", ".join(f"0::bigint as change_{column}" for column in columns)
        if is_held_by_nothing:
            marks.append(f"select lead_id, created_at as instant, {nothing} from lead_starts")
        sums = ", ".join(f"sum(change_{column})::bigint as change_{column}" for column in columns)
        states = ", ".join(f"(sum(change_{column}) over by_time)::bigint as state_{column}" for column in columns)
        bits = ", ".join(
            f"(state_{bit // _BITS} & {1 << bit % _BITS}) != 0 as bit_{bit}" for bit in range(len(self.sources))
        )
        union = "\n    union all\n    ".join(marks)
        return f"""
with marks as (
    {union}
),

changes as (
    select lead_id, instant, {sums}
    from marks
    where instant <= $as_of
    group by lead_id, instant
),

states as (
    select lead_id, instant, {states}
    from changes
    window by_time as (partition by lead_id order by instant)
),

judged as (
    select lead_id, instant, {verdict} as holds
    from (select lead_id, instant, {bits} from states)
),

turns as (
    select lead_id, instant, holds
    from judged
    qualify holds is distinct from coalesce(lag(holds) over (partition by lead_id order by instant), false)
),

spans as (
    select
        lead_id,
        instant as from_at,
        coalesce(lead(instant) over (partition by lead_id order by instant), timestamptz 'infinity') as to_at,
        holds,
    from turns
)

select lead_id, from_at, to_at
from spans
where holds
"""

    def _bit(self, leaf: Leaf) -> str:
        if leaf not in self.bits:
            self.bits[leaf] = len(self.sources)
            self.sources.append(self._source(leaf))
        return f"bit_{self.bits[leaf]}"

    def _source(self, leaf: Leaf) -> str:
        if isinstance(leaf, SegmentCondition):
            name = f"segment_{len(self.sources)}"
            self.values[name] = leaf.segment
            return (
                "select lead_id, entered_at as from_at, coalesce(left_at, timestamptz 'infinity') as to_at"
                f" from (from segment_members where segment = ${name})"
            )
        number = self.catalogue.questions[leaf]
        return f"select lead_id, from_at, to_at from (from lead_answers where question = {number})"


def holds(condition: Condition, answers: Mapping[Leaf, bool]) -> bool:
    """Judge a condition over answers given for each of its leaves."""
    match condition:
        case All(parts=parts):
            return all(holds(part, answers) for part in parts)
        case AnyOf(parts=parts):
            return any(holds(part, answers) for part in parts)
        case Not(part=part):
            return not holds(part, answers)
        case _:
            return answers[condition]
