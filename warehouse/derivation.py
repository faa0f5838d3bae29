"""Runs the models that derive tables from facts, on as many leads at a time as a run has to.

A model is a query in ``models/``; what it makes is a temporary table of its name, which later models read. Some of
these are then kept: their rows replace those of the same leads in the warehouse. So one set of queries serves a lead, a
part of the leads, and all of them.
"""

from __future__ import annotations

import hashlib
import operator
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from agents import agents_version
from rules.models import RuleSet
from warehouse.questions import Catalogue
from warehouse.rule_tables import legal_forms_pattern, soft_bounce_values

MODELS = Path(__file__).parent / "models"
FACTS = (
    "events", "lead_records", "deal_records", "consent_records", "suppression_records", "send_records",
)  # fmt: skip
"""The append-only tables that everything is derived from."""
LAID_BY_LEAD = frozenset({"lead_behaviours", "lead_score_points", "segment_members"})
"""Kept tables with many rows a lead whose models leave them scattered."""

TOLD_CHANGES: dict[str, tuple[str, str, Sequence[str]]] = {
    "lead_stage_changes": ("lead_id", "null", ()),
    "lead_tier_changes": ("lead_id", "null", ()),
    "segment_members": ("lead_id", "null", ()),
    "lead_aliases": ("lead_id", "null", ()),
    "lead_activity": ("lead_id", "null", ("first_at", "first_source")),
    "lead_starts": ("lead_id", "null", ()),
    "lead_first_records": ("lead_id", "null", ()),
    "deals": ("lead_id", "null", ()),
    "lead_behaviours": ("lead_id", "occurred_at", ()),
    "send_outcomes": ("send_id", "null", ()),
}
"""Kept tables of which ``derived_changes`` tells whose rows differ: who that is, when a row's instant matters, and in
which columns (all, where none is named)."""
_OF_INTEREST = {
    "lead_behaviours": "not is_machine and behaviour in (select cta_behaviour from rule_steps union"
    " select cta_behaviour from rule_variants)"
}
"""Which of their rows: of behaviours those that a mail asks for."""

Progress = Callable[[str], None]
PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


class Derivation:
    """One run of the models for one instant under one rule set, in the caller's transaction."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        rules: RuleSet,
        as_of: datetime,
        *,
        timezone: str,
        own_url: str,
        report: Progress,
    ) -> None:
        self.connection = connection
        self.rules = rules
        self.catalogue = Catalogue(rules)
        self.as_of = as_of
        self.report = report
        self.values: dict[str, object] = {
            "as_of": as_of,
            "timezone": timezone,
            "own_url": own_url,
            # bound, since a pattern out of a table would be compiled anew for every row
            "legal_forms": legal_forms_pattern(rules.accounts),
            **soft_bounce_values(rules),
        }
        self.is_first = True
        """Nothing derived can be used: people, too, are found anew."""
        self.is_full = True
        """What hangs on rules is derived anew for every lead."""
        self.scope_is_all = False
        """Whether the scope is every lead there is, so that nothing has to be looked up in it."""
        self._emptied: set[str] = set()
        self._added: dict[str, int] = {}
        self._database = str(self.value("select current_database()")).replace('"', '""')
        self._temporary: dict[str, str] = {}
        self._present: list[int] | None = None
        self._number: int = self.value("select coalesce(max(number), 0) + 1 from recomputes")
        of_mail = (rules.delivery.soft_bounces, rules.delivery.unsubscribe_groups)
        people_rules = (
            rules.title_levels, rules.accounts, of_mail, timezone, own_url, _models_version(), duckdb.__version__,
            agents_version(),
        )  # fmt: skip
        self.people_version = hashlib.sha256(repr(people_rules).encode()).hexdigest()[:16]
        """Changes when what is known of people has to be found anew."""

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, query: str, values: Mapping[str, object] | None = None) -> duckdb.DuckDBPyConnection:
        """Run a statement, binding those values that it mentions."""
        known = {**self.values, **(values or {})}
        return self.connection.execute(query, {name: known[name] for name in set(PARAMETER.findall(query))})

    def value(self, query: str) -> Any:
        """Return the one value of a query."""
        row = self.connection.execute(query).fetchone()
        return row[0] if row else None

    def has_rows(self, table: str) -> bool:
        """Whether a table has any row."""
        return self.value(f"select 1 from {table} limit 1") is not None

    def main(self, table: str) -> str:
        """The warehouse's own table of a name, even while a temporary one hides it."""
        return f'"{self._database}".main.{table}'

    # -- building ----------------------------------------------------------------------------------------------------

    def build(self, *names: str, values: Mapping[str, object] | None = None) -> None:
        """Make temporary tables of models, each by its query."""
        for name in names:
            self.make(name, model(name), values=values)

    def make(self, name: str, query: str, *, kind: str = "table", values: Mapping[str, object] | None = None) -> None:
        """Make a temporary table (or view) of a query. One of this name that was made before goes first."""
        self.drop(name)
        self.run(f"create temp {kind} {name} as {query}", values)
        self._temporary[name] = kind

    def drop(self, *names: str) -> None:
        """Drop temporary tables, where they are there."""
        for name in names:
            kind = self._temporary.pop(name, None)
            if kind is not None:
                self.connection.execute(f"drop {kind} temp.{name}")

    @property
    def temporary_tables(self) -> frozenset[str]:
        """The temporary tables that are there."""
        return frozenset(self._temporary)

    def drop_all(self, but: Collection[str] = ()) -> None:
        """Drop the temporary tables this run made, but for some."""
        self.drop(*(name for name in list(self._temporary) if name not in but))

    def build_kept(self, name: str, key: str, replaced: str) -> None:
        """Build a model and keep it. Where nothing is kept of it yet, no table stands in between."""
        if name not in self._emptied:
            self.build(name)
            self.keep(name, key, replaced)
        elif self._exists(name):
            self.run(f"insert into {self.main(name)} by name {model(name)}")
        else:
            self.run(f"create table {self.main(name)} as {model(name)}")

    # -- keeping -----------------------------------------------------------------------------------------------------

    def keep(self, name: str, key: str, replaced: str) -> None:
        """Put the rows of a temporary table into the warehouse's own of that name.

        Args:
            name: The table.
            key: Comma-separated columns by which rows are replaced.
            replaced: A table or query with the keys whose rows go.
        """
        table = self.main(name)
        if not self._exists(name):
            self.connection.execute(f"create table {table} as from temp.{name} limit 0")
        elif name not in self._emptied:
            if name in TOLD_CHANGES and not self.is_full:
                self._tell_changes(name, key, replaced)
            self.connection.execute(f"delete from {table} where ({key}) in (select ({key}) from {replaced})")
        # made for all leads at once, a lead's rows are laid together: a few leads are then found among them in a fourth
        # of the time
        order = "order by lead_id" if name in self._emptied and name in LAID_BY_LEAD else ""
        added = self.value(f"insert into {table} by name select * from temp.{name} {order}")
        if name in TOLD_CHANGES and added:
            self._added[name] = self._added.get(name, 0) + added

    def _tell_changes(self, name: str, key: str, replaced: str) -> None:
        """Note whose rows of a kept table are about to differ: those that are not there before and after."""
        who, when, compared = TOLD_CHANGES[name]
        of_interest = _OF_INTEREST.get(name, "true")
        columns = compared or [
            name for name, *_ in self.connection.execute(f"from temp.{name} limit 0").description or ()
        ]
        digest = f"hash({', '.join(columns)})"
        row = f"{who} as id, {when}::timestamptz as happened_at, {digest} as digest"
        self.tell_changed(
            name,
            f"""
            select id, min(happened_at) as earliest_at
            from (
                select id, happened_at
                from (
                    select {row}, 1 as times
                    from {self.main(name)}
                    where {of_interest} and ({key}) in (select ({key}) from {replaced})
                    union all
                    select {row}, -1 as times
                    from temp.{name}
                    where {of_interest}
                )
                where id is not null
                group by id, happened_at, digest
                having sum(times) != 0
            )
            group by id
            """,
        )

    def tell_changed(self, name: str, ids: str) -> None:
        """Note that rows of a table differ from those of the recompute before; whose, a query says."""
        self.make("told_ids", ids)
        self.make(
            "told_before",
            "select id, earliest_at from derived_changes"
            f" where table_name = '{name}' and id in (select told_ids.id from told_ids)",
        )
        self.connection.execute(
            "delete from derived_changes where table_name = $1 and id in (select told_before.id from told_before)",
            [name],
        )
        self.connection.execute(
            "insert into derived_changes"
            " select $1, id, $2, least(told_ids.earliest_at, told_before.earliest_at)"
            " from told_ids left join told_before using (id)",
            [name, self._number],
        )
        self.drop("told_ids", "told_before")

    def load(self, *names: str) -> None:
        """Make temporary tables of what the warehouse keeps of the leads in scope."""
        for name in names:
            self.make_scope(name, self.main(name))

    def make_scope(self, name: str, table: str) -> None:
        """Make a temporary table of the rows of a kept table that are of leads in scope; a view where all are."""
        if self.scope_is_all:
            self.make(name, f"select * from {table}", kind="view")
        else:
            self.make(name, f"select * from {table} where lead_id in (select lead_id from scope_leads)")

    def empty(self, *names: str) -> None:
        """Drop kept tables, so that they are made anew in the shape of their models."""
        for name in names:
            self.connection.execute(f"drop table if exists {self.main(name)}")
        self._emptied.update(names)

    def settle(self, *names: str) -> None:
        """Have rows of tables that were emptied replaced from now on, as those of others are: they hold some."""
        self._emptied.difference_update(names)

    def add(self, name: str, query: str) -> None:
        """Add the rows of a query to a kept table."""
        self.run(f"insert into {self.main(name)} by name {query}")

    def replace(self, name: str, fresh: str, key: str, replaced: str) -> None:
        """Replace rows of a kept table, by one column, with those of another table."""
        if name not in self._emptied:
            self.connection.execute(f"delete from {self.main(name)} where {key} in (select {key} from {replaced})")
        self.add(name, f"select * from {fresh}")

    def _exists(self, name: str) -> bool:
        return (
            self.connection.execute(
                "select 1 from duckdb_tables() where database_name = current_database() and table_name = ?", [name]
            ).fetchone()
            is not None
        )

    # -- what was seen -----------------------------------------------------------------------------------------------

    def last(self) -> tuple[datetime, dict[str, int]] | None:
        """The last run's instant and how many rows of facts it saw; None where nothing derived can be used.

        That is so at first, when the models, the settings or the rules about people are others than they were, and when
        time goes backwards. Where only other rules changed, ``is_full`` stays set.
        """
        row = self.connection.execute(
            f"select as_of, rule_set_version, {', '.join(FACTS)} from derivation where people_version = ?",
            [self.people_version],
        ).fetchone()
        # facts are only appended: where there seem to be fewer than were seen, they were seen before their commit, and
        # bear other numbers now
        if row is None or row[0] > self.as_of or any(map(operator.gt, row[2:], self._present_facts())):
            return None
        self.is_first = False
        self.is_full = row[1] != self.rules.version
        return row[0], dict(zip(FACTS, row[2:], strict=True))

    def _present_facts(self) -> list[int]:
        """The number after that of the last row of each table of facts."""
        if self._present is None:
            self._present = [
                self.value(f"select coalesce(max(rowid), -1) + 1 from {self.main(table)}") for table in FACTS
            ]
        return self._present

    def see(self) -> None:
        """Note what this run has seen, and that it was."""
        self.connection.execute("delete from derivation")
        seen = self._present_facts()
        self.connection.execute(
            f"insert into derivation values ({', '.join('?' * (3 + len(FACTS)))})",
            [self.rules.version, self.people_version, self.as_of, *seen],
        )
        if self.is_full:
            self.connection.execute("delete from recomputes")
            self.connection.execute("delete from derived_changes")
        told = self.value(f"select 1 from derived_changes where number = {self._number} limit 1")
        if self.is_full or told or self._added:
            self.connection.execute(
                "insert into recomputes values (?, ?, ?, ?, ?)",
                [self._number, uuid.uuid4().hex, self.as_of, self.is_full, self._added],
            )


def model(name: str) -> str:
    """The query of a model."""
    return _query(name)


@cache
def _query(name: str) -> str:
    for folder in (MODELS, MODELS / "steps", MODELS.parent / "queries"):
        path = folder / f"{name}.sql"
        if path.exists():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(name)


@cache
def _models_version() -> str:
    """What changes when the models do: tables made by others have to be made anew."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    files: Sequence[Path] = [*sorted(MODELS.glob("*.sql")), *sorted(MODELS.glob("steps/*.sql")), *folder.glob("*.py")]
    for path in sorted(files):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
