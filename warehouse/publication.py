"""Builds the published tables, or renews what has changed of them since the publication before.

Recomputes tell which leads' rows they changed, the ledger's rows when a run last changed them. Tables with a row for
each mail, award or stay have the rows of these replaced; tables by day have what these added taken off and added again
(:mod:`warehouse.kpi_days`); the small rest is made anew. The result is that of a build, row by row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.ab_results import tell_effects
from warehouse.comments import comment_tables
from warehouse.derivation import MODELS, Progress
from warehouse.kpi_days import COUNTED, Day, write_days
from warehouse.published_queries import part_query, published_query, run

if TYPE_CHECKING:
    from settings import Settings

PUBLISHED_TABLES = (
    "leads", "lead_score_points", "segment_members", "lead_stage_changes", "lead_tier_changes", "deals",
    "accounts", "lead_accounts", "lead_mail_kinds",
    "segments", "stages", "tiers", "steps",
    "send_decisions", "sends", "handoffs", "handoff_decisions", "handoff_changes", "notices", "sfa_conflicts",
    "kpi_mail_daily", "kpi_funnel_daily", "kpi_segment_daily", "kpi_handoff_daily",
    "kpi_ab_tests", "kpi_reviews",
)  # fmt: skip
"""In the order in which they are built."""

_RENEWED = {
    "leads": ("lead_id", "select id from told_changes where table_name = 'leads'"),
    "lead_score_points": ("lead_id", "select id from told_changes where table_name = 'leads'"),
    "segment_members": ("lead_id", "select id from told_changes where table_name = 'segment_members'"),
    "lead_stage_changes": ("lead_id", "select id from told_changes where table_name = 'lead_stage_changes'"),
    "lead_tier_changes": ("lead_id", "select id from told_changes where table_name = 'lead_tier_changes'"),
    "send_decisions": ("send_id", "select send_id from changed_decisions"),
    "sends": ("send_id", "select send_id from changed_sends"),
}
"""The tables of which rows are replaced: by which column, and whose."""
_LAST = ("kpi_handoff_daily", "kpi_ab_tests")
"""The small tables that are made of others that are renewed."""
_LARGE_PART = 0.3
"""Where more of a table's rows are to be replaced than this, it is made anew, which is faster then."""


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
        self.values: dict[str, Any] = {"as_of": as_of, "timezone": settings.timezone}
        self.report = report
        self._as_of = as_of
        self._timezone = settings.timezone
        self._has_before = has_before
        self._since: datetime | None = None

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
                where made_by = $made_by and timezone = $timezone and publication.as_of <= $as_of
                """,
                {"made_by": _made_by(), "timezone": self._timezone, "as_of": self._as_of},
            ).fetchone()
        except duckdb.Error:  # one that an earlier version made
            return False
        # facts were erased where nothing derived stands
        if row is None or not self._value("select count(*) from warehouse.derivation"):
            return False
        self._since, number = row
        self.values |= {"since": self._since, "number": number}
        return True

    def build(self) -> None:
        """Make every table anew."""
        self._run("create temp view scope_sends as from ledger.sends")
        self._run("create temp view credited_acts as from warehouse.lead_behaviours")
        self._make("asked_acts")
        for name in PUBLISHED_TABLES:
            if name in COUNTED:
                self.report(name)
                day = Day(self.connection, name, self.values)
                day.count("fresh")
                day.sum_up(is_renewed=False)
            self._write(name)
        self._finish()

    def renew(self) -> bool:
        """Bring the tables of a copy of the one before up to date. Whether they agree with the ledger then."""
        self._run("create temp table told_changes as from warehouse.derived_changes where number > $number")
        for name in ("handoffs", "handoff_changes", "deals"):
            self._run(f"create temp table old_{name} as from fresh.main.{name}")
        for name in PUBLISHED_TABLES:
            if name not in _RENEWED and name not in COUNTED and name not in _LAST:
                self._write(name)
        self.report("what has changed")
        self._find_changes()
        days = [Day(self.connection, name, self.values) for name in COUNTED]
        self._count(days, "stale", "old_")
        for name, (key, changed) in _RENEWED.items():
            self._replace(name, key, changed)
        self._count(days, "fresh", "")
        for day in days:
            day.sum_up(is_renewed=True)
        for name in (*COUNTED, *_LAST):
            self._write(name)
        self.report("whether it agrees with the ledger")
        if not self._agrees():
            return False
        self._finish()
        return True

    def _write(self, name: str) -> None:
        self.report(name)
        if name.endswith("_daily"):
            write_days(self.connection, name, self.values, has_before=self._has_before)
        else:
            self._run(f"create or replace table {name} as {published_query(name)}")

    def _find_changes(self) -> None:
        self._make("told_sends", "credited_leads")
        self._run(
            "create temp view credited_acts as from warehouse.lead_behaviours"
            " where lead_id in (select credited_leads.lead_id from credited_leads)"
        )
        self._make("asked_acts", "changed_sends", "changed_leads")
        self._run(
            "create temp table changed_decisions as"
            " select send_id from ledger.send_decisions where decided_at >= $since"
        )
        self._run("create temp table changed_mails as from changed_sends union from changed_decisions")
        self._run(
            "create temp table scope_sends as from ledger.sends"
            " where send_id in (select changed_sends.send_id from changed_sends)"
        )

    def _count(self, days: Sequence[Day], kind: str, prefix: str) -> None:
        """Count what the changed mails and leads add to their days, by the tables as they stand now."""
        self.report(f"their days, {kind}")
        shown = {
            "send_decisions": "send_id in (select changed_mails.send_id from changed_mails)",
            "sends": "send_id in (select changed_mails.send_id from changed_mails)",
            "lead_stage_changes": "lead_id in (select changed_leads.lead_id from changed_leads)",
            "lead_tier_changes": "lead_id in (select changed_leads.lead_id from changed_leads)",
            "segment_members": "lead_id in (select changed_leads.lead_id from changed_leads)",
        }
        small = {
            "handoffs": "current_lead_id in (select changed_leads.lead_id from changed_leads)",
            "deals": "lead_id in (select changed_leads.lead_id from changed_leads)",
            "handoff_changes": "true",
        }
        for name, condition in shown.items():
            self._run(f"create temp table {name} as from fresh.main.{name} where {condition}")
        for name, condition in small.items():
            source = f"temp.{prefix}{name}" if prefix else f"fresh.main.{name}"
            self._run(f"create temp table {name} as from {source} where {condition}")
        for day in days:
            day.count(kind)
        for name in (*shown, *small):
            self._run(f"drop table temp.{name}")

    def _replace(self, name: str, key: str, changed: str) -> None:
        """Replace the rows of a table that changed, or all where that is faster."""
        self.report(name)
        self._run(f"create temp table replaced as {changed}")
        rows = self._value(f"select count(*) from {name}")
        going = self._value(f"select count(*) from {name} where {key} in (from replaced)")
        # the query of sends makes but those in scope
        if going > rows * _LARGE_PART and name != "sends":
            self._run(f"create or replace table {name} as {published_query(name)}")
        else:
            self._run(f"delete from {name} where {key} in (from replaced)")
            self._run(f"insert into {name} from ({published_query(name)}) where {key} in (from replaced)")
        self._run("drop table replaced")

    def _agrees(self) -> bool:
        """Whether there is no mail and no decision that a run changed unseen."""
        counts = {"sends": "state", "send_decisions": "decision, is_final"}
        return all(
            not self.connection.execute(
                f"(select {columns}, count(*) from ledger.{name} group by all)"
                f" except (select {columns}, count(*) from fresh.main.{name} group by all)"
            ).fetchall()
            for name, columns in counts.items()
        )

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
            """,
            {"made_by": _made_by()},
        )
        comment_tables(self.connection)

    def _make(self, *names: str) -> None:
        for name in names:
            self._run(f"create temp table {name} as {part_query(name)}")

    def _run(self, query: str, more: dict[str, Any] | None = None) -> None:
        run(self.connection, query, self.values | (more or {}))

    def _value(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()
        return row[0] if row else None


@cache
def _made_by() -> str:
    """What changes when the code or DuckDB does: what others made is not taken over."""
    digest = hashlib.sha256(duckdb.__version__.encode())
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("*.py"), *folder.glob("*.yaml"), *(MODELS / "published").rglob("*.sql")]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
