"""Builds the published tables, or renews what has changed of them since the publication before.

The result of a renewal is that of a build, row by row. Large tables have the rows replaced that differ, or those of the
leads who changed (:mod:`warehouse.changed_rows`); to the days is added what these add to them
(:mod:`warehouse.kpi_days`); the rest is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.ab_results import tell_effects
from warehouse.changed_rows import ChangedRows
from warehouse.comments import comment_tables
from warehouse.derivation import MODELS, Progress
from warehouse.kpi_days import COUNTED, OF_JOURNEYS, Day, write_days
from warehouse.published_queries import CREDITABLE, part_query, published_query, put_rows, run

if TYPE_CHECKING:
    from settings import Settings

PUBLISHED_TABLES = (
    "leads", "lead_score_points", "segment_members", "lead_stage_changes", "lead_tier_changes", "deals",
    "accounts", "lead_accounts", "lead_mail_kinds",
    "segments", "stages", "tiers", "steps",
    "send_decisions", "sends", "handoffs", "handoff_decisions", "handoff_changes", "notices", "sfa_conflicts",
    "lead_journeys", "deal_mails",
    "kpi_mail_daily", "kpi_funnel_daily", "kpi_segment_daily", "kpi_handoff_daily", "kpi_attribution_daily",
    "kpi_move_times", "kpi_stage_times", "kpi_cohort_times", "kpi_cohorts",
    "kpi_ab_tests", "kpi_reviews",
)  # fmt: skip
"""In the order in which they are built."""

_RENEWED = (
    "leads", "lead_score_points", "segment_members", "lead_stage_changes", "lead_tier_changes",
    "send_decisions", "sends", "handoffs", "lead_journeys", "deal_mails",
)  # fmt: skip
"""Those of which rows are replaced."""
_OF_RULES = ("segments", "stages", "tiers", "steps")
"""Those that a renewal leaves alone: with other rules all is built anew."""
_NOT_COUNTED = ("leads", "lead_score_points", "accounts", "lead_accounts", "lead_mail_kinds")
"""Large ones that no figure is counted from: they come last."""
_LAST = ("kpi_stage_times", "kpi_handoff_daily", "kpi_attribution_daily", "kpi_ab_tests")
"""Those that are made anew, of others that are renewed."""


class Publication:
    """One publication, into the database ``fresh`` that is in use; the one before is ``before``."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        as_of: datetime,
        *,
        has_before: bool,
        report: Progress = lambda _: None,
    ) -> None:
        self.connection = connection
        self.values: dict[str, Any] = {"as_of": as_of, "timezone": settings.timezone, "made_by": _made_by()}
        self.report = report
        self._has_before = has_before

    def can_renew(self) -> bool:
        """Whether the one before can be brought up to date: by the same code and rules, from facts that still stand."""
        if not self._has_before:
            return False
        try:
            row = self.connection.execute(
                """
                select publication.as_of, recomputes.number
                from before.main.publication
                inner join warehouse.recomputes on publication.recompute_id = recomputes.recompute_id
                cross join warehouse.derivation  -- nothing derived stands where facts were erased
                where
                    made_by = $made_by and timezone = $timezone and publication.as_of <= $as_of
                    and not exists (
                        select 1 from warehouse.recomputes as later
                        where later.number > recomputes.number and later.rows_added is null
                    )
                """,
                {name: self.values[name] for name in ("made_by", "timezone", "as_of")},
            ).fetchone()
        except duckdb.Error:  # one that an earlier version made
            return False
        if row is None:
            return False
        self.values |= {"since": row[0], "number": row[1]}
        return True

    def build(self) -> None:
        """Make every table anew."""
        for name, source in (
            ("scope_sends", "ledger.sends"),
            ("scope_handoffs", "ledger.handoffs"),
            ("scope_outcomes", "warehouse.send_outcomes"),
            ("scope_aliases", "warehouse.lead_aliases"),
            ("scope_leads", "warehouse.leads"),
            ("scope_activity", "warehouse.lead_activity"),
            ("scope_first_records", "warehouse.lead_first_records"),
        ):
            self._run(f"create temp view {name} as from {source}")
        self._run(f"create temp view mail_outcomes as {part_query('mail_outcomes')}")
        self._run("create temp view credited_acts as from warehouse.lead_behaviours")
        self._run(
            f"create temp view creditable_mails as {CREDITABLE} from mail_outcomes where delivered_at is not null"
        )
        self.report("what is credited to mails")
        for part in ("asked_acts", "conversions"):
            self._run(f"create temp table {part} as {part_query(part)}")
        for name in (*(name for name in PUBLISHED_TABLES if name not in _NOT_COUNTED), *_NOT_COUNTED):
            if name == _NOT_COUNTED[0]:
                self._write_out()
            self.report(name)
            if name in COUNTED:
                day = Day(self.connection, name, self.values)
                day.count("new")
                day.sum_up(is_renewed=False)
            self._write(name, is_renewed=False)
        self._finish()

    def renew(self) -> bool:
        """Bring the tables of a copy of the one before up to date. Whether they agree with the ledger then."""
        self.connection.begin()  # all that figures are counted from and the figures, or nothing
        self._run("delete from publication")  # a file that is not finished is never renewed
        others = (*_RENEWED, *COUNTED, *_LAST, *_NOT_COUNTED, *_OF_RULES)
        self._write_all(name for name in PUBLISHED_TABLES if name not in others)
        rows = ChangedRows(self.connection, self.values, self.report)
        rows.find()
        days = [Day(self.connection, name, self.values) for name in COUNTED if name not in OF_JOURNEYS]
        cohorts = [Day(self.connection, name, self.values) for name in OF_JOURNEYS]
        for kind in ("old", "new"):
            self.report(f"what the {kind} rows add to the days")
            with rows.shown(kind):
                for day in days:
                    day.count(kind)
        rows.replace()
        rows.replace_journeys()
        for kind in ("old", "new"):
            with rows.shown_journeys(kind):
                for cohort in cohorts:
                    cohort.count(kind)
        rows.replace_deal_mails()
        for day in (*days, *cohorts):
            day.sum_up(is_renewed=True)
        self._write_all((*COUNTED, *_LAST))
        if not self._agrees():
            return False
        self.connection.commit()
        self._write_out()
        self.connection.begin()
        rows.replace_leads()
        self._write_all(name for name in _NOT_COUNTED if name not in _RENEWED)
        self._finish()
        self.report("writing the rest")
        self.connection.commit()
        return True

    def _write_out(self) -> None:
        self.report("writing the KPI tables")
        # by quick means: the room of deleted rows is looked after at the end
        for setting, value in (("max_vacuum_tasks", "0"), ("disabled_compression_methods", "'dict_fsst'")):
            self._run(f"set {setting} = {value}")
        self._run("checkpoint fresh")
        for setting in ("max_vacuum_tasks", "disabled_compression_methods"):
            self._run(f"reset {setting}")

    def _write_all(self, names: Iterable[str]) -> None:
        for name in names:
            self.report(name)
            self._write(name, is_renewed=True)

    def _write(self, name: str, *, is_renewed: bool) -> None:
        if name.endswith("_daily"):
            write_days(self.connection, name, self.values, is_renewed=is_renewed, has_before=self._has_before)
        else:
            is_renewed = is_renewed and name != "kpi_ab_tests"  # which gets more columns in the end
            put_rows(self.connection, name, published_query(name), self.values, is_renewed=is_renewed)

    def _agrees(self) -> bool:
        """Whether each state has as many mails as in the ledger, and the days count all: none changed unseen."""
        self.report("whether it agrees with the ledger")
        row = self.connection.execute(
            """
            with published as materialized (select state, count(*) as mails from sends group by state),
            present as materialized (select state, count(*) as mails from ledger.sends group by state)

            select
                not exists (
                    select 1
                    from published
                    full join present using (state)
                    where published.mails is distinct from present.mails
                )
                and (select count(*) from send_decisions) = (select count(*) from ledger.send_decisions)
                and (select count(*) from ledger.send_decisions where is_final) = coalesce(sum(targeted), 0)
                and (
                    select coalesce(sum(mails), 0)
                    from present
                    where state in ('accepted', 'delivered', 'bounced', 'dropped')
                ) = coalesce(sum(sent), 0)
            from kpi_mail_daily
            """
        ).fetchone()
        return row == (True,)

    def _finish(self) -> None:
        self.report("effects and comments")
        tell_effects(self.connection)
        self._run(
            """
            create or replace table publication as
            select
                $as_of::timestamptz as as_of,
                $timezone::varchar as timezone,
                (select arg_max(recompute_id, number) from warehouse.recomputes) as recompute_id,
                $made_by::varchar as made_by,
            """
        )
        comment_tables(self.connection)

    def _run(self, query: str) -> None:
        run(self.connection, query, self.values)


@cache
def _made_by() -> str:
    """What changes when the code or DuckDB does: what others made is not taken over."""
    digest = hashlib.sha256(duckdb.__version__.encode())
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("*.py"), *folder.glob("*.yaml"), *(MODELS / "published").rglob("*.sql")]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
