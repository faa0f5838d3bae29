"""Finds the rows of published tables that differ from those of the publication before, and replaces them.

Recomputes tell whose rows they changed, the ledger when a run last changed a mail. Of the large tables these rows alone
are read: by their position, or by when they were planned or delivered, so that most of a table is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb

from warehouse.derivation import Progress
from warehouse.published_queries import CREDITABLE, part_query, published_query, run

_IS_COUNTED_WITH = "lead_id in (select turned_leads.lead_id from turned_leads)"
_OF_STAYS = {
    "segment_members": ("changed_leads", f"sum(times) != 0 or {_IS_COUNTED_WITH}"),
    "lead_stage_changes": ("turned_leads", "true"),
    "lead_tier_changes": ("changed_leads", "true"),
}
"""The tables that days are counted from: whose rows are looked at, and which of these: those that differ, and with
them what they are counted with."""
_JOURNEY_PARTS = {
    "scope_leads": "journey_leads", "scope_first_records": "journey_sources", "sends": "journey_mails",
    "segment_members": "journey_stays", "lead_tier_changes": "journey_tiers",
}  # fmt: skip
"""What stands for a large table where journeys are made anew."""
_OF_JOURNEYS = "(select changed_journeys.lead_id from changed_journeys)"
_LARGE_PART = 0.3
"""Where more of a table's rows are to be replaced than this, it is made anew, which is faster then."""


class ChangedRows:
    """The changed rows, as they were (``old``) and as they are (``new``)."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, values: dict[str, Any], report: Progress) -> None:
        self.connection = connection
        self.values = values
        self.report = report

    def find(self) -> None:
        """Find them; but for handoffs, nothing is replaced yet."""
        self._run(
            "create temp table told_changes as from warehouse.derived_changes"
            " where number > $number and table_name != 'leads'"
        )
        self.report("which mails have changed")
        self.values["latest_planned"] = self._value("select max(planned_at) from sends")
        self._make("leads_in_full", "buying_leads", "places_in_full", "mails_in_full", "told_sends", "old_mails")
        self._make("told_handoffs")
        self._run(f"create temp view scope_sends as {part_query('scope_sends')}")
        self._run(
            "create temp table scope_handoffs as from ledger.handoffs"
            " where handoff_id in (select told_handoffs.handoff_id from told_handoffs)"
        )
        self._run(
            "create temp table scope_aliases as from warehouse.lead_aliases where alias_lead_id in"
            " (select told_sends.lead_id from told_sends union all select old_mails.lead_id from old_mails"
            " union all select scope_handoffs.lead_id from scope_handoffs)"
        )
        self._find_mails()
        self._replace_handoffs()
        self._find_stays()

    def _find_mails(self) -> None:
        self.values["first_told_outcome"] = self._first_added("send_outcomes")
        self._make("scope_outcomes", "mail_outcomes")
        self.report("what is credited to mails")
        self._make("credited_leads")
        self._run(f"create temp view credited_acts as {part_query('credited_acts')}")
        self._make("asked_acts")
        self.values["acted_since"] = self._value(
            "select min(earliest_at) from credited_leads"
            " where lead_id not in (select leads_in_full.lead_id from leads_in_full)"
        )
        self.values["conversion_window"] = self._value("select conversion_window from warehouse.rule_set")
        self._make("acting_leads", "kept_mails")
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

    def _replace_handoffs(self) -> None:
        self.report("handoffs")
        self._run(
            "create temp table old_handoffs as select *, rowid as position from handoffs"
            " where handoff_id in (select told_handoffs.handoff_id from told_handoffs)"
        )
        self._run(f"create temp table new_handoffs as {published_query('handoffs')}")
        self._put("handoffs", "old_handoffs", "from new_handoffs")

    def _find_stays(self) -> None:
        self.report("which leads have changed")
        self._make("turned_leads", "changed_leads")
        for name, (leads, which) in _OF_STAYS.items():
            self.values["first_added"] = self._first_added(name)
            columns = ", ".join(self._columns(name))
            told = f"(select id from told_changes where table_name = '{name}')"
            # of those whose rows have not changed, the rows before are those now
            self._run(
                f"create temp table changed_{name} as"
                f" select {columns}, max(position) as position, sum(times)::integer as times"
                f" from (select *, rowid as position, if(lead_id in {told}, -1, 0) as times from fresh.main.{name}"
                f" where lead_id in (select {leads}.lead_id from {leads})"
                f" union all by name select {columns}, 1 as times from warehouse.{name}"
                f" where rowid >= $first_added and lead_id in {told})"
                f" group by {columns} having {which}"
            )

    def _first_added(self, name: str) -> int:
        """The position from which a derived table has all that recomputes put into it since the publication before.

        What they put there stands at the end, in order; when room is made of what was deleted, it only moves forward.
        """
        rows = self._value(f"select count(*) from warehouse.{name}")
        # the end is looked for behind as many rows as there are
        end = self._value(f"select coalesce(max(rowid), 0) + 1 from warehouse.{name} where rowid >= {rows} - 1")
        added = self._value(f"select sum(rows_added['{name}']) from warehouse.recomputes where number > $number")
        first: int = end - (added or 0)
        return first

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
        database, times = ("before", "<= 0") if is_old else ("fresh", ">= 0")
        whose = "(select changed_leads.lead_id from changed_leads)"
        views = {
            "sends": mails,
            "send_decisions": f"from {kind}_decisions",
            **{name: f"from changed_{name} where times {times}" for name in _OF_STAYS},
            "handoffs": f"from {database}.main.handoffs where current_lead_id in {whose}",
            "deals": f"from {database}.main.deals where lead_id in {whose}",
        }
        with self._seen(views):
            yield

    def replace(self) -> None:
        """Replace them in the tables."""
        self.report("sends")
        self._run(
            "update sends set converted_at = recredited.new_converted_at from recredited"
            " where sends.rowid = recredited.position"
        )
        self._put("sends", "old_mails", "from new_mails")
        self.report("send_decisions")
        self._run("delete from send_decisions where decided_at >= $since")
        self._run(
            "delete from send_decisions"
            " where not is_final and send_id in (select new_decisions.send_id from new_decisions)"
        )
        self._run("insert into send_decisions from new_decisions")
        for name in _OF_STAYS:
            self.report(name)
            changed = f"changed_{name}"
            self._put(
                name,
                f"(from {changed} where times < 0)",
                f"select * exclude (position, times) from {changed} where times > 0",
            )

    def replace_journeys(self) -> None:
        """Make the journeys of those of whom anything differs anew; after all that they are made of."""
        self.report("lead_journeys")
        self._make("journeys_at_hand", "receding_leads", "changed_journeys")
        self._run(
            "create temp table old_lead_journeys as select *, rowid as position from lead_journeys where rowid in"
            f" (select journeys_at_hand.position from journeys_at_hand where lead_id in {_OF_JOURNEYS})"
        )
        self._make("newly_known_leads")
        views = {
            **{name: part_query(part) for name, part in _JOURNEY_PARTS.items()},
            "scope_activity": "from warehouse.lead_activity"
            " where lead_id in (select newly_known_leads.lead_id from newly_known_leads)",
            "handoffs": f"from fresh.main.handoffs where current_lead_id in {_OF_JOURNEYS}",
            "deals": f"from fresh.main.deals where lead_id in {_OF_JOURNEYS}",
        }
        with self._seen(views):
            self._run(f"create temp table new_lead_journeys as {published_query('lead_journeys')}")
        self._put("lead_journeys", "old_lead_journeys", "from new_lead_journeys")

    @contextmanager
    def shown_journeys(self, kind: str) -> Iterator[None]:
        """Let queries see the journeys that changed, old or new, in place of all."""
        with self._seen({"lead_journeys": f"from {kind}_lead_journeys"}):
            yield

    def replace_deal_mails(self) -> None:
        """Give the deals of those leads anew to mails whose deals, or whose mails before them, differ."""
        self.report("deal_mails")
        self._make("credited_deals")
        if not self._value("select count(*) from credited_deals"):
            return
        whose = "(select credited_deals.lead_id from credited_deals)"
        self._run(
            "delete from deal_mails where (source, deal_id) in"
            f" (select (source, deal_id) from before.main.deals where lead_id in {whose})"
        )
        views = {
            "deals": f"from fresh.main.deals where lead_id in {whose}",
            "sends": part_query("credited_mails"),
        }
        with self._seen(views):
            self._run(f"create temp table new_deal_mails as {published_query('deal_mails')}")
        self._run("insert into deal_mails from new_deal_mails")

    def replace_leads(self) -> None:
        """Replace the fields and points of leads, which no figure is counted from."""
        for name in ("leads", "lead_score_points"):
            self._replace_leads(name)

    def _replace_leads(self, name: str) -> None:
        self.report(name)
        told = "select id from warehouse.derived_changes where number > $number and table_name = 'leads'"
        whose = f"where lead_id in ({told})"
        rows, going = (self._value(f"select count(*) from {name} {which}") for which in ("", whose))
        if going > rows * _LARGE_PART:
            self._run(f"create or replace table {name} as {published_query(name)}")
        else:
            self._run(f"delete from {name} {whose}")
            self._run(f"insert into {name} from ({published_query(name)}) {whose}")

    def _put(self, name: str, old: str, new: str) -> None:
        """Replace rows of a table: the old by their positions."""
        self._run(f"delete from {name} where rowid in (select position from {old})")
        self._run(f"insert into {name} {new}")

    @contextmanager
    def _seen(self, views: Mapping[str, str]) -> Iterator[None]:
        """Let queries see these in place of the tables of their names."""
        for name, query in views.items():
            self._run(f"create temp view {name} as {query}")
        yield
        for name in views:
            self._run(f"drop view temp.{name}")

    def _columns(self, name: str) -> list[str]:
        return [column for column, *_ in self.connection.execute(f"from fresh.main.{name} limit 0").description or ()]

    def _make(self, *names: str) -> None:
        for name in names:
            self._run(f"create temp table {name} as {part_query(name)}")

    def _run(self, query: str) -> None:
        run(self.connection, query, self.values)

    def _value(self, query: str) -> Any:
        row = run(self.connection, query, self.values).fetchone()
        return row[0] if row else None
