"""The ledger's side of reviews: what was said of a period stays said, and is mailed once.

Every function runs in the caller's one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime

import duckdb
import pyarrow as pa

from rules.models import RuleSet
from warehouse.review_period import ReviewPeriod


@dataclass(frozen=True)
class Finding:
    """One finding as it was told: a row of ``kpi_reviews``, but for the period and its stamps.

    Attributes:
        finding: metric_change, rule_lift, useless_points, threshold, tiring_segment, leaky_step or return_reasons.
        subject: What it is about: a metric, a rule, a tier, a segment, scenario/step or a reason; ``all`` where there
            is nothing to say of any.
        metric: What was measured.
        this_period: Its value in the period.
        last_period: Its value in the period before, or what it is compared with.
        change: The difference of the two; of a lift the ratio.
        low: Lower end of the 95 % interval of the change.
        high: Its upper end; None also where there is none.
        p_value: Adjusted for all comparisons of the review; None where nothing was compared.
        is_noise: Whether chance explains it; None where there is too little to say.
        told: What was found, in Japanese.
        what_to_do: What to do about it, in Japanese.
        rule_file: The file of the rule set that the edit is of.
        rule_edit: The edit, a unified diff.
        expected_effect: What the edit would do, in Japanese.
    """

    finding: str
    subject: str
    metric: str | None
    this_period: float | None
    last_period: float | None
    change: float | None
    low: float | None
    high: float | None
    p_value: float | None
    is_noise: bool | None
    told: str
    what_to_do: str
    rule_file: str | None = None
    rule_edit: str | None = None
    expected_effect: str | None = None


@dataclass(frozen=True)
class Review:
    """A review as the ledger has it."""

    period: str
    period_start: date
    period_end: date
    reviewed_at: datetime
    findings: tuple[Finding, ...]


_COLUMNS = tuple(one.name for one in fields(Finding))
_SCHEMA = pa.schema(
    [
        ("position", pa.int32()),
        *((name, pa.float64()) for name in ("this_period", "last_period", "change", "low", "high", "p_value")),
        ("is_noise", pa.bool_()),
        *(
            (name, pa.string())
            for name in (
                "finding", "subject", "metric", "told", "what_to_do", "rule_file", "rule_edit", "expected_effect",
            )
        ),
    ]
)  # fmt: skip


def note_review(
    connection: duckdb.DuckDBPyConnection,
    period: ReviewPeriod,
    findings: Sequence[Finding],
    rules: RuleSet,
    as_of: datetime,
) -> bool:
    """Keep what a review found, unless the period has been reviewed. Whether it had not been."""
    if review_of(connection, period.kind, period.first) is not None:
        return False
    rows = [{**asdict(one), "position": at} for at, one in enumerate(findings, start=1)]
    connection.register("found", pa.Table.from_pylist(rows, schema=_SCHEMA))
    connection.execute(
        """
        insert into review_findings by name
        select
            $period as period,
            $first as period_start,
            $end as period_end,
            found.*,
            $as_of::timestamptz as reviewed_at,
            $version as rule_set_version,
        from found
        """,
        {
            "period": period.kind,
            "first": period.first,
            "end": period.end,
            "as_of": as_of,
            "version": rules.version,
        },
    )
    connection.unregister("found")
    return True


def plan_review_notices(
    connection: duckdb.DuckDBPyConnection, rules: RuleSet, period: ReviewPeriod, as_of: datetime
) -> int:
    """Plan that the reviewers, or else the managers, are told of a review, and the channels that want it.

    Returns:
        How many messages were added; a review has one for each.
    """
    people = [one.id for one in rules.handoff.reviewers or rules.handoff.managers]
    channels = [channel.id for channel in rules.handoff.channels if "review" in channel.tells]
    ((added,),) = connection.execute(
        """
        insert into notices by name
        with recipients as (
            select 'mail' as way, unnest($people::varchar[]) as recipient
            union
            select 'channel' as way, unnest($channels::varchar[]) as recipient
        ),

        named as (
            select
                'N' || substr(md5(concat_ws(chr(31), 'review', $period, $first::date, way, recipient)), 1, 24)
                    as notice_id,
                *,
            from recipients
        )

        select
            notice_id,
            'review' as kind,
            way,
            recipient,
            $period as cause,
            $first::date as on_date,
            'planned' as state,
            $as_of::timestamptz as planned_at,
            $as_of::timestamptz as state_changed_at,
        from named
        where notice_id not in (select notice_id from notices)
        """,
        {"people": people, "channels": channels, "period": period.kind, "first": period.first, "as_of": as_of},
    ).fetchall()
    return int(added)


def review_of(connection: duckdb.DuckDBPyConnection, period: str, first: date) -> Review | None:
    """What was said of a period; None where it has not been reviewed."""
    columns = ", ".join(_COLUMNS)
    rows = connection.execute(
        f"select period_end, reviewed_at, {columns} from review_findings"
        " where period = ? and period_start = ? order by position",
        [period, first],
    ).fetchall()
    if not rows:
        return None
    findings = tuple(Finding(**dict(zip(_COLUMNS, row[2:], strict=True))) for row in rows)
    return Review(period, first, rows[0][0], rows[0][1], findings)
