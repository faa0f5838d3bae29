"""Finds the rows of published tables that differ from those of the publication before, and replaces them.

Recomputes tell whose rows they changed, the ledger when a run last changed a mail. Of the large tables these rows alone
are read: by their position, or by when they were planned or delivered, so that most of a table is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from warehouse.derivation import Progress
from warehouse.published_queries import CREDITABLE, part_query, published_query, run

_OF_STAYS = ("segment_members", "lead_stage_changes", "lead_tier_changes")
"""The tables that days are counted from: all rows are replaced of a lead that has changed in any of them."""
_JOURNEYS_FROM = {
    "leads": "lead_id", "segment_members": "lead_id", "lead_tier_changes": "lead_id", "sends": "current_lead_id",
    "handoffs": "current_lead_id", "deals": "lead_id",
}  # fmt: skip
"""What journeys are made of, and the column that says whose a row is."""
_LARGE_PART = 0.3
"""Where more of a table's rows are to be replaced than this, it is made anew, which is faster then."""
_WHOSE = "where lead_id in (select changed_leads.lead_id from changed_leads)"


class ChangedRows:
    """The changed rows, as they were (``old``) and as they are (``new``)."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, values: dict[str, Any], report: Progress) -> None:
        self.connection = connection
        self.values = values
        self.report = report

    def find(self) -> None:
        """Find them; nothing is replaced yet."""
        self._run("create temp table told_changes as from warehouse.derived_changes where number > $number")
        self._find_mails()
        self._find_stays()

    def _find_mails(self) -> None:
        self.report("which mails have changed")
        self._make("told_sends", "old_mails")
        self._run(
            "create temp table scope_sends as select sends.* from ledger.sends inner join told_sends"
            " on sends.send_id = told_sends.send_id and sends.planned_at = told_sends.planned_at"
        )
        self.values["latest_outcomes"] = self._value(
            "select max(rowid) - 2 * (select count(*) from told_sends) from warehouse.send_outcomes"
        )
        self._make("told_outcomes")
        self._run(
            "create temp view scope_outcomes as from warehouse.send_outcomes"
            " where rowid in (select told_outcomes.position from told_outcomes)"
        )
        self._run(
            "create temp view scope_aliases as from warehouse.lead_aliases"
            " where alias_lead_id in (select scope_sends.lead_id from scope_sends)"
        )
        self._make("mail_outcomes")
        self.report("what is credited to mails")
        self._make("credited_leads")
        self._run(
            "create temp view credited_acts as select acts.* from warehouse.lead_behaviours as acts"
            " inner join credited_leads on acts.lead_id = credited_leads.lead_id"
            " where acts.occurred_at >= credited_leads.earliest_at"
        )
        self._make("asked_acts")
        self.values["acted_since"] = self._value("select min(earliest_at) from credited_leads")
        self.values["conversion_window"] = self._value("select conversion_window from warehouse.rule_set")
        self._make("kept_mails")
        self._run(
            f"create temp view creditable_mails as {CREDITABLE} from mail_outcomes where delivered_at is not null"
            f" union all {CREDITABLE} from kept_mails"
        )
        self._run(f"create temp table credited_since as {part_query('conversions')}")
        self._make("kept_conversions")
        self._run(
            "create temp view conversions as select send_id, min(converted_at) as converted_at"
            " from (from credited_since union all from kept_conversions) group by send_id"
        )
        self._run(
            "create temp table recredited as select kept_mails.*, conversions.converted_at as new_converted_at"
            " from kept_mails left join conversions using (send_id)"
            " where kept_mails.converted_at is distinct from conversions.converted_at"
        )
        self._run(f"create temp table new_mails as {published_query('sends')}")
        of_late = "where decided_at >= $since"
        self._run(f"create temp table old_decisions as from fresh.main.send_decisions {of_late}")
        self._run(f"create temp table new_decisions as from ({published_query('send_decisions')}) {of_late}")

    def _find_stays(self) -> None:
        self.report("which leads have changed")
        self._run("create temp view old_handoffs as from before.main.handoffs")
        self._make("changed_leads")
        for name in _OF_STAYS:
            self._run(f"create temp table old_{name} as select *, rowid as position from fresh.main.{name} {_WHOSE}")
            self._run(f"create temp table new_{name} as from ({published_query(name)}) {_WHOSE}")

    @contextmanager
    def shown(self, kind: str) -> Iterator[None]:
        """Let queries see the changed rows, old or new, in place of the tables."""
        is_old = kind == "old"
        mails = (
            "select * exclude (position) from old_mails"
            " union all by name select * exclude (position, new_converted_at) from recredited"
            if is_old
            else "from new_mails union all by name"
            " select * exclude (position, new_converted_at) replace (new_converted_at as converted_at) from recredited"
        )
        database = "before" if is_old else "fresh"
        views = {
            "sends": mails,
            "send_decisions": f"from {kind}_decisions",
            **{name: f"from {kind}_{name}" for name in _OF_STAYS},
            "handoffs": f"from {database}.main.handoffs where current_lead_id in (from changed_leads)",
            "deals": f"from {database}.main.deals {_WHOSE}",
        }
        for name, query in views.items():
            self._run(f"create temp view {name} as {query}")
        yield
        for name in views:
            self._run(f"drop view temp.{name}")

    def replace(self) -> None:
        """Replace them in the tables."""
        self.report("sends")
        self._run(
            "update sends set converted_at = recredited.new_converted_at from recredited"
            " where sends.rowid = recredited.position"
        )
        self._run("delete from sends where rowid in (select old_mails.position from old_mails)")
        self._run("insert into sends from new_mails")
        self.report("send_decisions")
        self._run("delete from send_decisions where decided_at >= $since")
        self._run(
            "delete from send_decisions"
            " where not is_final and send_id in (select new_decisions.send_id from new_decisions)"
        )
        self._run("insert into send_decisions from new_decisions")
        for name in _OF_STAYS:
            self.report(name)
            self._run(f"delete from {name} where rowid in (select old_{name}.position from old_{name})")
            self._run(f"insert into {name} from new_{name}")

        self._replace_leads("leads")

    def replace_journeys(self) -> None:
        """Make the journeys of those of whom anything differs anew; after all that they are made of."""
        self.report("lead_journeys")
        self._make("changed_journeys")
        whose = "in (select changed_journeys.lead_id from changed_journeys)"
        self._run(
            "create temp table old_lead_journeys as select *, rowid as position from lead_journeys"
            f" where lead_id {whose}"
        )
        for name, column in _JOURNEYS_FROM.items():
            self._run(f"create temp view {name} as from fresh.main.{name} where {column} {whose}")
        self._run(f"create temp table new_lead_journeys as {published_query('lead_journeys')}")
        for name in _JOURNEYS_FROM:
            self._run(f"drop view temp.{name}")
        self._run("delete from lead_journeys where rowid in (select position from old_lead_journeys)")
        self._run("insert into lead_journeys from new_lead_journeys")

    @contextmanager
    def shown_journeys(self, kind: str) -> Iterator[None]:
        """Let queries see the journeys that changed, old or new, in place of all."""
        self._run(f"create temp view lead_journeys as from {kind}_lead_journeys")
        yield
        self._run("drop view temp.lead_journeys")

    def replace_points(self) -> None:
        """Replace the points of leads, which no figure is counted from."""
        self._replace_leads("lead_score_points")

    def _replace_leads(self, name: str) -> None:
        self.report(name)
        whose = "where lead_id in (select id from told_changes where table_name = 'leads')"
        rows, going = (self._value(f"select count(*) from {name} {which}") for which in ("", whose))
        if going > rows * _LARGE_PART:
            self._run(f"create or replace table {name} as {published_query(name)}")
        else:
            self._run(f"delete from {name} {whose}")
            self._run(f"insert into {name} from ({published_query(name)}) {whose}")

    def _make(self, *names: str) -> None:
        for name in names:
            self._run(f"create temp table {name} as {part_query(name)}")

    def _run(self, query: str) -> None:
        run(self.connection, query, self.values)

    def _value(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()
        return row[0] if row else None
