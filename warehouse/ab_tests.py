"""Runs A/B tests: begins them, tells each lead its variant, and ends them with a winner or none.

Which variant a lead gets is told once and stays, whatever becomes of shares and of the test. The verdict here is the
plain comparison of two rates, made once, when the test is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from statistics import NormalDist
from typing import Any

import duckdb
import pyarrow as pa

from rules.models import AbTest, RuleSet, Step
from warehouse.ab_statistics import MISMATCH, sample_ratio_p_value
from warehouse.rule_tables import test_key
from warehouse.statements import bound

SIGNIFICANCE = 0.05
"""How often a variant may win that is no better than another."""
_LONGEST = timedelta(days=30)
"""How long a mail waits for the verdict of a test that has no end of its own."""
_TESTS_NOW = pa.schema(
    {
        "test": pa.string(),
        "scenario": pa.string(),
        "step": pa.string(),
        "is_over": pa.bool_(),
        "goes_on": pa.string(),
        "sample_share": pa.float64(),
        "longest_us": pa.int64(),
    }
)


@dataclass(frozen=True)
class Arm:
    """What a variant's mails of the sample came to."""

    variant: str
    sent: int
    delivered: int
    reached: int
    """Those that did what the test measures."""


def run_tests(connection: duckdb.DuckDBPyConnection, rules: RuleSet, values: Mapping[str, object]) -> None:
    """Make the temporary tables ``tests_now`` and ``lead_variants``, which decisions join.

    Args:
        connection: The ledger, with the warehouse attached and ``undecided`` made.
        rules: The rule set the warehouse was recomputed with.
        values: What the statements ask for.
    """
    as_of = values["as_of"]
    assert isinstance(as_of, datetime)
    tested = [(step, step.test) for step in rules.steps if step.test is not None]
    rows = []
    if tested:
        figures = connection.execute(*bound("sample_figures", values)).fetchall()
        rows = [_row(connection, step, test, figures, as_of) for step, test in tested]
    connection.register("given_tests", pa.Table.from_pylist([row for row in rows if row], schema=_TESTS_NOW))
    connection.execute("create or replace temp table tests_now as select * from given_tests")
    connection.unregister("given_tests")
    if tested:
        statement, given = bound("assign_variants", values)
        connection.execute(f"insert into variant_assignments by name {statement}", given)
    connection.execute(
        """
        create or replace temp table lead_variants as
        select
            aliases.lead_id, tests_now.scenario, tests_now.step,
            arg_min(assigned.variant, (assigned.assigned_at, assigned.lead_id)) as variant
        from tests_now
        inner join variant_assignments as assigned on tests_now.test = assigned.test
        inner join warehouse.lead_aliases as aliases on assigned.lead_id = aliases.alias_lead_id
        group by all
        """
    )


def verdict(arms: Sequence[Arm]) -> str | None:
    """The best variant, where its rate is above the first's by more than chance would have it; None where it is not.

    Where the first is the best it has to be above every other. Two that are both better than the first need not differ
    from one another: either is better than going on with the first. Two proportions are compared by the pooled z-test,
    two-sided, at ``SIGNIFICANCE`` shared by the comparisons.
    """
    if len(arms) < 2 or any(arm.delivered == 0 for arm in arms):
        return None
    best = max(arms, key=lambda arm: arm.reached / arm.delivered)
    level = SIGNIFICANCE / (len(arms) - 1)
    rivals = arms[1:] if best is arms[0] else arms[:1]
    return best.variant if all(_p_value(best, arm) < level for arm in rivals) else None


def _p_value(one: Arm, other: Arm) -> float:
    pooled = (one.reached + other.reached) / (one.delivered + other.delivered)
    spread = sqrt(pooled * (1 - pooled) * (1 / one.delivered + 1 / other.delivered))
    if spread == 0:
        return 1.0
    distance = abs(one.reached / one.delivered - other.reached / other.delivered) / spread
    return 2 * (1 - NormalDist().cdf(distance))


def _row(
    connection: duckdb.DuckDBPyConnection,
    step: Step,
    test: AbTest,
    figures: Sequence[tuple[Any, ...]],
    as_of: datetime,
) -> dict[str, object] | None:
    """How a test stands, after beginning or ending it where that is due; None before its first mail is due."""
    key = test_key(step)
    ((due,),) = connection.execute(
        "select count(*) from undecided where scenario = ? and step = ?", [step.scenario, step.step]
    ).fetchall()
    share = test.sample_share
    if share is None and step.kind == "newsletter" and test.sample_size is not None and due:
        share = min(1.0, test.sample_size / due)
    if due:
        connection.execute(
            "insert into ab_tests (test, scenario, step, started_at, sample_share) values (?, ?, ?, ?, ?)"
            " on conflict do nothing",
            [key, step.scenario, step.step, as_of, share],
        )
    plan = [test.label, test.metric, test.smallest_effect]
    connection.execute(
        "update ab_tests set label = $1, metric = $2, smallest_effect = $3"
        " where test = $4 and (label, metric, smallest_effect) is distinct from ($1, $2, $3)",
        [*plan, key],
    )
    found = connection.execute(
        "select sample_share, full_at, ended_at, winner from ab_tests where test = ?", [key]
    ).fetchall()
    if not found:
        return None
    share, full_at, ended_at, winner = found[0]
    _keep_variants(connection, key, is_over=ended_at is not None)
    longest = timedelta(days=test.days) if test.days is not None else _LONGEST
    if ended_at is None:
        arms = _arms(test, [row for row in figures if row[0] == key])
        begun_at = min((row[7] for row in figures if row[0] == key), default=None)
        is_full = test.sample_size is not None and sum(arm.sent for arm in arms) >= test.sample_size
        if full_at is None and (is_full or (share is not None and _is_sample_done(connection, key))):
            full_at = as_of
            connection.execute("update ab_tests set full_at = ? where test = ?", [as_of, key])
        is_measured = full_at is not None and full_at + timedelta(hours=test.measure_hours) <= as_of
        is_over = test.days is not None and begun_at is not None and begun_at + longest <= as_of
        # where days are declared, a sample that is complete before goes on being looked at
        if is_over or (is_measured and (test.days is None or is_full)):
            ended_at, winner = as_of, verdict(arms) if _is_sound(connection, test, key) else None
            connection.execute("update ab_tests set ended_at = ?, winner = ? where test = ?", [as_of, winner, key])
    return {
        "test": key,
        "scenario": step.scenario,
        "step": step.step,
        "is_over": ended_at is not None,
        "goes_on": winner if winner in step.versions() else test.variants[0].id,
        "sample_share": share,
        "longest_us": longest // timedelta(microseconds=1),
    }


def _keep_variants(connection: duckdb.DuckDBPyConnection, key: str, *, is_over: bool) -> None:
    """Keep what the rules say of a test's variants; once it is over, what they said."""
    known = connection.execute("select count(*) from ab_variants where test = ?", [key]).fetchall()
    if is_over and known != [(0,)]:  # one that was over before variants were kept has none yet
        return
    connection.execute(
        """
        insert into ab_variants by name
        select test, variant, row_number() over (order by low) as place, high - low as share, cta_behaviour
        from warehouse.rule_variants
        where test = $test
        on conflict (test, variant) do update
        set place = excluded.place, share = excluded.share, cta_behaviour = excluded.cta_behaviour
        """,
        {"test": key},
    )
    connection.execute(
        "delete from ab_variants where test = $test"
        " and variant not in (select variant from warehouse.rule_variants where test = $test)",
        {"test": key},
    )


def _is_sound(connection: duckdb.DuckDBPyConnection, test: AbTest, key: str) -> bool:
    """Whether leads fell on the variants as the shares say; where they did not, no figure of the test says anything."""
    told = dict(
        connection.execute(
            """
            select variant, count(distinct lead_id)
            from (
                select aliases.lead_id, min(assigned.variant) as variant
                from variant_assignments as assigned
                inner join warehouse.lead_aliases as aliases on assigned.lead_id = aliases.alias_lead_id
                where assigned.test = ?
                group by aliases.lead_id
                having count(distinct assigned.variant) = 1 and bool_and(assigned.is_sample)
            )
            group by variant
            """,
            [key],
        ).fetchall()
    )
    whole = sum(variant.share for variant in test.variants)
    found = sample_ratio_p_value(
        [told.get(variant.id, 0) for variant in test.variants], [variant.share / whole for variant in test.variants]
    )
    return found is None or found >= MISMATCH


def _is_sample_done(connection: duckdb.DuckDBPyConnection, key: str) -> bool:
    """Whether all of a newsletter's sample were decided on and have gone: who was refused makes it no larger."""
    ((assigned, under_way),) = connection.execute(
        """
        with sample as (
            select names.alias_lead_id as lead_id, ab_tests.scenario, ab_tests.step
            from variant_assignments as assigned
            inner join ab_tests on assigned.test = ab_tests.test
            inner join warehouse.lead_aliases as mine on assigned.lead_id = mine.alias_lead_id
            inner join warehouse.lead_aliases as names on mine.lead_id = names.lead_id
            where assigned.test = $test and assigned.is_sample
        )

        select
            (select count(*) from sample),
            (select count(*) from sample semi join undecided using (lead_id, scenario, step))
            + (
                select count(*)
                from sample
                inner join sends using (lead_id, scenario, step)
                where sends.state in ('planned', 'claimed', 'sending')
            )
        """,
        {"test": key},
    ).fetchall()
    return bool(assigned) and not under_way


def _arms(test: AbTest, figures: Sequence[tuple[Any, ...]]) -> list[Arm]:
    """The figures of a test's variants, those without a mail as nought."""
    place = {"opened": 4, "clicked": 5, "converted": 6}[test.metric]
    told = {row[1]: row for row in figures}
    return [
        Arm(variant.id, *(told[variant.id][at] for at in (2, 3, place)))
        if variant.id in told
        else Arm(variant.id, 0, 0, 0)
        for variant in test.variants
    ]
