"""Derives one person's tables anew, beside the warehouse, and keeps what a run throws away.

The models are those of every recompute, run on copied facts as of any instant. So what is explained cannot be other
than what the tables hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb

from rules.models import RuleSet
from settings import Settings
from warehouse.connection import open_replay
from warehouse.derivation import PARAMETER, Derivation, model
from warehouse.errors import WarehouseError
from warehouse.person_facts import copy_facts
from warehouse.recompute import derive
from warehouse.rule_tables import write_rules

_STEPS = frozenset(
    {
        "award_candidates",
        "rule_capped_awards",
        "behaviour_awards",
        "award_steps",
        "lead_answers",
        "scope_deals",
        "sequence_ends",
        "account_people",
        "account_acts",
        "account_scores",
    }
)
"""Temporary tables that tell why: kept until the replay ends."""


class _KeepingSteps(Derivation):
    """A run that puts some temporary tables aside instead of dropping them."""

    def drop(self, *names: str) -> None:
        """Drop temporary tables, after a copy of those that tell why."""
        for name in names:
            if name in _STEPS and name in self.temporary_tables:
                self.connection.execute(f"create or replace table steps.{name} as from temp.{name}")
        super().drop(*names)


class Replay:
    """One lead's derived tables at one instant, with the steps that led to them, in memory."""

    def __init__(self, run: Derivation, lead_id: str) -> None:
        self.connection = run.connection
        self.catalogue = run.catalogue
        self.lead_id = lead_id
        self.as_of = run.as_of
        self._values: dict[str, object] = {"lead_id": lead_id, "as_of": run.as_of}

    def query(self, statement: str, **values: object) -> duckdb.DuckDBPyConnection:
        """Run a statement, binding ``lead_id``, ``as_of`` and the values given, where it mentions them."""
        known = {**self._values, **values}
        return self.connection.execute(statement, {name: known[name] for name in set(PARAMETER.findall(statement))})

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a query of ``queries/``, by column."""
        cursor = self.query(model(name))
        columns = [column[0] for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def has_step(self, name: str) -> bool:
        """Whether the rules needed a step."""
        found = self.connection.execute(
            "select 1 from duckdb_tables() where schema_name = 'steps' and table_name = ?", [name]
        )
        return found.fetchone() is not None


@contextmanager
def open_person(settings: Settings, rules: RuleSet, email: str, as_of: datetime | None) -> Iterator[Replay | None]:
    """Replay the person of an address.

    Args:
        settings: Where the warehouse is.
        rules: The rule set.
        email: The address, normalised.
        as_of: The instant; None for that of the last recompute.

    Yields:
        The replay, or None where nobody had the address at that instant.

    Raises:
        WarehouseError: Nothing has been recomputed here yet, or not under these settings.
    """
    with open_replay(settings) as connection:
        instant = as_of or _recomputed_at(connection)
        run = _KeepingSteps(
            connection, rules, instant, timezone=settings.timezone, own_url=settings.public_url, report=lambda _: None
        )
        write_rules(connection, rules, run.catalogue)
        copy_facts(run, email)
        connection.execute("create schema steps")
        derive(run)
        run.drop_all(but=("visible_events",))
        connection.execute("set search_path = 'main,steps'")
        found = connection.execute(
            "select lead_id from lead_identities where kind = 'email' and value = ?", [email]
        ).fetchone()
        yield Replay(run, found[0]) if found else None


def _recomputed_at(connection: duckdb.DuckDBPyConnection) -> datetime:
    row = connection.execute("select as_of from warehouse.derivation").fetchone()
    if row is None:
        raise WarehouseError("nothing has been recomputed here yet; run `nurture recompute` first")
    return row[0]  # type: ignore[no-any-return]
