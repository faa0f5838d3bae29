"""Compiles segments to SQL that tells, for every lead, from when to when it was a member.

Each condition of the closed vocabulary becomes a list of instants at which it begins or ceases to hold. The instants of
a segment's conditions are laid on one line a lead, carried forward, judged by the segment's and/or/not, and cut into
stays. So membership is exact to the instant of the fact that caused it, whenever it is computed.

Values are bound, never formatted in: what is formatted here are atom numbers and fixed fragments.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rules.models import (
    All,
    AnyOf,
    Condition,
    EventCondition,
    Field,
    FieldCondition,
    Not,
    ScoreCondition,
    Segment,
    SegmentCondition,
    StageCondition,
    TierCondition,
)

_EVERYONE = """
select $segment as segment, lead_id, created_at as entered_at, null::timestamptz as left_at
from lead_starts
"""


def compile_segment(segment: Segment, fields: Mapping[str, Field]) -> tuple[str, dict[str, object]]:
    """The query for one segment's stays, and its bound values (but for ``as_of``, which the runner binds)."""
    if segment.where is None:
        return _EVERYONE, {"segment": segment.id}
    compiler = _Compiler(fields)
    verdict = compiler.expression(segment.where)
    atoms = range(len(compiler.atoms))
    points = "\n    union all\n    ".join(compiler.atoms)
    pivot = ",\n        ".join(f"arg_max(holds, rank) filter (where atom = {n}) as atom_{n}" for n in atoms)
    carried = ",\n        ".join(
        f"coalesce(last_value(atom_{n} ignore nulls) over by_time, false) as atom_{n}" for n in atoms
    )
    query = f"""
with points as (
    {points}
    union all
    select lead_id, created_at as instant, -1 as atom, 0 as rank, null as holds from lead_starts
),

instants as (
    select
        lead_id,
        instant,
        {pivot},
    from points
    where instant <= $as_of
    group by lead_id, instant
),

carried as (
    select
        lead_id,
        instant,
        {carried},
    from instants
    window by_time as (partition by lead_id order by instant)
),

judged as (
    select lead_id, instant, {verdict} as holds
    from carried
),

changes as (
    select lead_id, instant, holds
    from judged
    qualify holds is distinct from coalesce(lag(holds) over (partition by lead_id order by instant), false)
),

stays as (
    select lead_id, instant as entered_at, lead(instant) over (partition by lead_id order by instant) as left_at, holds
    from changes
)

select $segment as segment, lead_id, entered_at, left_at
from stays
where holds
"""
    return query, {**compiler.values, "segment": segment.id}


def compared_fields(segments: tuple[Segment, ...]) -> list[str]:
    """The fields whose values segments compare as text."""
    return sorted(
        {
            condition.field
            for segment in segments
            for condition in _leaves(segment.where)
            if isinstance(condition, FieldCondition)
        }
    )


def _leaves(condition: Condition | None) -> Iterator[Condition]:
    match condition:
        case None:
            return
        case All(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from _leaves(part)
        case Not(part=part):
            yield from _leaves(part)
        case _:
            yield condition


@dataclass
class _Compiler:
    """Collects a segment's atoms: queries that give (lead_id, instant, atom, rank, holds)."""

    fields: Mapping[str, Field]
    atoms: list[str] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict)

    def expression(self, condition: Condition) -> str:
        """The condition as an expression over the atoms' columns."""
        match condition:
            case All(parts=parts):
                return "(" + " and ".join(self.expression(part) for part in parts) + ")"
            case AnyOf(parts=parts):
                return "(" + " or ".join(self.expression(part) for part in parts) + ")"
            case Not(part=part):
                return f"(not {self.expression(part)})"
            case FieldCondition():
                return self._atom(self._field_points(condition))
            case EventCondition():
                return self._atom(self._event_points(condition))
            case ScoreCondition():
                return self._atom(self._score_points(condition))
            case TierCondition(one_of=tiers):
                return self._atom(
                    "select lead_id, changed_at as instant, {atom} as atom, 1 as rank,"
                    f" to_tier in (select unnest({self._bind(list(tiers))})) as holds from lead_tier_changes"
                )
            case StageCondition(one_of=stages):
                return self._atom(
                    "select lead_id, changed_at as instant, {atom} as atom, 1 as rank,"
                    f" to_stage in (select unnest({self._bind(list(stages))})) as holds from lead_stage_changes"
                )
            case SegmentCondition(segment=other):
                name = self._bind(other)
                return self._atom(
                    f"select lead_id, entered_at as instant, {{atom}} as atom, 1 as rank, true as holds"
                    f" from segment_members where segment = {name}"
                    f" union all select lead_id, left_at as instant, {{atom}} as atom, 1 as rank, false as holds"
                    f" from segment_members where segment = {name} and left_at is not null"
                )

    def _atom(self, query: str) -> str:
        number = len(self.atoms)
        self.atoms.append(query.replace("{atom}", str(number)))
        return f"atom_{number}"

    def _bind(self, value: object) -> str:
        name = f"value_{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def _field_points(self, condition: FieldCondition) -> str:
        if condition.is_known is not None:
            holds = "value is not null" if condition.is_known else "value is null"
            seed = "false" if condition.is_known else "true"
        else:
            holds, seed = self._field_test(condition), "false"
        return (
            f"select lead_id, created_at as instant, {{atom}} as atom, 0 as rank, {seed} as holds from lead_starts"
            " union all select lead_id, valid_from as instant, {atom} as atom, 1 as rank,"
            f" coalesce({holds}, false) as holds"
            " from lead_attribute_history left join attribute_forms using (value)"
            f" where field = {self._bind(condition.field)}"
        )

    def _field_test(self, condition: FieldCondition) -> str:
        declared = self.fields.get(condition.field)
        kind = declared.type if declared else "text"
        if condition.at_least is not None or condition.at_most is not None:
            tests = []
            if condition.at_least is not None:
                tests.append(f"try_cast(value as double) >= {self._bind(condition.at_least)}")
            if condition.at_most is not None:
                tests.append(f"try_cast(value as double) <= {self._bind(condition.at_most)}")
            return "(" + " and ".join(tests) + ")"
        if condition.contains is not None:
            return f"contains(normal_form, {self._bind(_normal_form(condition.contains))})"
        if kind == "number" and condition.equals is not None:
            return f"try_cast(value as double) = {self._bind(condition.equals)}"
        wanted = condition.one_of if condition.one_of is not None else (condition.equals,)
        forms = self._bind([_normal_form(item) for item in wanted])
        if kind == "choices":
            return f"list_has_any(string_split(normal_form, ';'), {forms})"
        return f"normal_form in (select unnest({forms}))"

    def _event_points(self, condition: EventCondition) -> str:
        on = condition.on
        tests = ["is_counted", f"event_type = {self._bind(on.event)}"]
        if on.page_group is not None:
            tests.append(f"page_group = {self._bind(on.page_group)}")
        if on.asset_group is not None:
            tests.append(f"asset_group = {self._bind(on.asset_group)}")
        wanted = " and ".join(tests)
        steps = f"select lead_id, occurred_at as instant, 1 as step from lead_events where {wanted}"
        if condition.within_days is not None:
            days = self._bind(condition.within_days)
            steps += (
                f" union all select lead_id, occurred_at + to_seconds({days} * 86400) as instant, -1 as step"
                f" from lead_events where {wanted}"
            )
        at_least = self._bind(condition.at_least)
        return (
            "select lead_id, instant, {atom} as atom, 1 as rank,"
            f" sum(sum(step)) over (partition by lead_id order by instant) >= {at_least} as holds"
            f" from ({steps}) as steps group by lead_id, instant"
        )

    def _score_points(self, condition: ScoreCondition) -> str:
        tests = []
        if condition.at_least is not None:
            tests.append(f"score >= {self._bind(condition.at_least)}")
        if condition.at_most is not None:
            tests.append(f"score <= {self._bind(condition.at_most)}")
        holds = " and ".join(tests)
        return (
            f"select lead_id, instant, {{atom}} as atom, rank, {holds} as holds from ("
            "select lead_id, created_at as instant, 0 as rank, 0 as score from lead_starts"
            " union all select lead_id, changed_at as instant, 1 as rank, score from lead_score_changes) as scores"
        )


def _normal_form(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return unicodedata.normalize("NFKC", str(value)).lower()
