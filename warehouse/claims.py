"""What may leave now: planned sends are looked at once more, page by page, and claimed in the same transaction."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from rules.models import RuleSet
from warehouse.openings import make_openings
from warehouse.rule_tables import soft_bounce_values
from warehouse.scenario_runs import find_leaving
from warehouse.sending import count_of, recomputed_at
from warehouse.statements import query

_ASKED = """
select
    page.send_id, page.lead_id, page.scenario, page.step, page.occurrence,
    coalesce(enrolments.entered_at, enrolments.triggered_at) as since_at
from page
inner join enrolments on page.send_id = enrolments.send_id
"""
"""The mails of a page, with since when what ends their runs early counts."""


class Claim(NamedTuple):
    """One send whose request is about to leave: its id, its address, and the lead's fields for the mail."""

    send_id: str
    email: str
    lead: dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Sends of one variant of a step that ride in one request, each address once; ``attempt_id`` names it."""

    attempt_id: str
    scenario: str
    step: str
    variant: str
    claims: tuple[Claim, ...]
    claimed_for: str | None = None
    """The request its sends were claimed for before, if any."""

    @property
    def ids(self) -> list[str]:
        """Their send ids, in order."""
        return [claim.send_id for claim in self.claims]

    def again(self, claims: Sequence[Claim]) -> Batch:
        """Some of its sends, for another request."""
        return replace(self, attempt_id=uuid.uuid4().hex, claims=tuple(claims), claimed_for=self.attempt_id)


@dataclass(frozen=True)
class Page:
    """What a look claimed, and how many it gave up; ``after``: where the next page begins, if there may be one."""

    batches: list[Batch]
    cancelled: int
    after: int | None


@dataclass(frozen=True)
class Claims:
    """How to look.

    Args:
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        timezone: The business time zone.
        allowlist: Addresses and ``@domains`` that may be mailed; None for everyone.
        fields: The lead's fields that mails show; ids of the rule set.
        batch_size: Sends a request holds at most.
        page_size: Sends looked at together: the look costs more than each of them.

    Each method takes the ledger, with the warehouse attached, in the caller's transaction.
    """

    rules: RuleSet
    as_of: datetime
    timezone: str
    allowlist: Sequence[str] | None
    fields: Sequence[str]
    batch_size: int
    page_size: int

    def waiting(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """How many sends may go now, by category."""
        statement, values = self._sendable(connection, None)
        return dict(
            connection.execute(f"select category, count(*) from ({statement}) group by category", values).fetchall()
        )

    def next_page(
        self, connection: duckdb.DuckDBPyConnection, after: int | None = None, category: str | None = None
    ) -> Page:
        """Claim the next sends that may go, in the order in which they were planned.

        Args:
            connection: The ledger.
            after: As the page before told.
            category: Only those of this one.
        """
        ((last, count),) = connection.execute(
            "select max(position), count(*) from (select rowid as position from sends where state = 'planned'"
            " and position > $1 order by position limit $2)",
            [-1 if after is None else after, self.page_size],
        ).fetchall()
        if last is None:
            return Page([], 0, None)
        statement, values = self._sendable(connection, category)
        connection.execute(
            f"create or replace temp table page as select *, null::integer as batch from ({statement})"
            " where position > $after and position <= $last",
            {**values, "after": -1 if after is None else after, "last": last},
        )
        return self._look(connection, last if count == self.page_size else None)

    def look_again(self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Sequence[str]]) -> Page:
        """Claim those of these batches of planned sends that still may go, as the same batches."""
        rows = [(send_id, number) for number, ids in enumerate(batches) for send_id in ids]
        given = pa.table({"send_id": [row[0] for row in rows], "batch": [row[1] for row in rows]})
        connection.register("given_rows", given)
        connection.execute(
            "create or replace temp table page as select sends.rowid as position, sends.*, given_rows.batch"
            " from sends inner join given_rows on sends.send_id = given_rows.send_id where sends.state = 'planned'"
        )
        connection.unregister("given_rows")
        return self._look(connection, None)

    def _sendable(self, connection: duckdb.DuckDBPyConnection, category: str | None) -> tuple[str, dict[str, object]]:
        """The statement that selects what may go, and its values."""
        make_openings(connection, self.rules.delivery, self.timezone, self.as_of, self.as_of)
        values = {
            "as_of": self.as_of,
            "timezone": self.timezone,
            "time_zone_field": self.rules.delivery.time_zone_field,
        }
        connection.execute(f"create or replace temp table held_sends as {query('held_sends')}", values)
        allowlist = None if self.allowlist is None else list(self.allowlist)
        return query("sendable"), {"category": category, "allowlist": allowlist}

    def _look(self, connection: duckdb.DuckDBPyConnection, after: int | None) -> Page:
        """Claim or cancel every send of the table ``page``."""
        recomputed = recomputed_at(connection, self.rules, self.as_of)
        find_leaving(connection, _ASKED)
        connection.execute(
            f"create or replace temp table fresh_blocks as {query('fresh_blocks')}",
            {"as_of": self.as_of, "recomputed_at": recomputed, **soft_bounce_values(self.rules)},
        )
        shown = ", ".join(f"leads.{field}" for field in self.fields) or "null"  # plain names, as rules are checked
        connection.execute(
            f"create or replace temp table looked as {query('claim').replace('leads as lead', shown)}",
            {
                "as_of": self.as_of,
                "expires_after": timedelta(hours=self.rules.expires_after_hours),
            },
        )
        cancelled = count_of(
            connection.execute(
                """
                update sends
                set state = 'cancelled', state_reason = looked.stop_reason, state_changed_at = $as_of
                from looked
                where sends.rowid = looked.position and looked.stop_reason is not null
                """,
                {"as_of": self.as_of},
            )
        )
        rows = connection.execute(
            "select position, batch, scenario, step, variant, send_id, email, * exclude (position, batch, scenario,"
            " step, variant, send_id, email, stop_reason) from looked where stop_reason is null order by position"
        ).fetchall()
        batches, positions = self._packed(rows)
        self._claim(connection, batches, positions)
        return Page(batches, cancelled, after)

    def _claim(
        self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch], positions: Sequence[Sequence[int]]
    ) -> None:
        """Write to each send for which request it is claimed."""
        claimed = pa.table(
            {
                "position": pa.array([position for of_one in positions for position in of_one], pa.int64()),
                "attempt_id": pa.array([batch.attempt_id for batch in batches for _ in batch.claims], pa.string()),
            }
        )
        connection.register("given_rows", claimed)
        connection.execute(
            """
            update sends
            set
                state = 'claimed',
                state_reason = null,
                attempt_id = given_rows.attempt_id,
                state_changed_at = $as_of
            from given_rows
            where sends.rowid = given_rows.position
            """,
            {"as_of": self.as_of},
        )
        connection.unregister("given_rows")

    def _packed(self, rows: Sequence[tuple[Any, ...]]) -> tuple[list[Batch], list[list[int]]]:
        """Put sends into requests: those of a variant together, each address once. Returns their rows, too."""
        made: list[tuple[tuple[str, str, str], dict[str, Claim], list[int]]] = []  # claims by address
        open_ones: dict[tuple[Any, ...], list[tuple[dict[str, Claim], list[int]]]] = {}
        for position, batch, scenario, step, variant, send_id, email, *values in rows:
            fitting = open_ones.setdefault((batch, scenario, step, variant), [])
            for one in fitting:
                if email not in one[0]:
                    break
            else:
                one = ({}, [])
                fitting.append(one)
                made.append(((scenario, step, variant), *one))
            claims, positions = one
            claims[email] = Claim(send_id, email, dict(zip(self.fields, values, strict=False)))
            positions.append(position)
            if len(claims) == self.batch_size:
                fitting.remove(one)
        batches = [Batch(uuid.uuid4().hex, *key, tuple(claims.values())) for key, claims, _ in made]
        return batches, [positions for *_, positions in made]


def cancel_expired(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> int:
    """Give up planned sends for which it is too late. Returns how many."""
    return count_of(
        connection.execute(
            "update sends set state = 'cancelled', state_reason = 'expired', state_changed_at = $as_of"
            " where state = 'planned' and coalesce(expires_at, due_at + $expires_after) < $as_of",
            {"as_of": as_of, "expires_after": timedelta(hours=rules.expires_after_hours)},
        )
    )


def cancel_claimed(connection: duckdb.DuckDBPyConnection, reasons: Mapping[str, str], as_of: datetime) -> None:
    """Give up claimed sends that cannot ride, each for its reason, before their request is noted."""
    if reasons:
        connection.execute(
            """
            update sends
            set state = 'cancelled', state_reason = told.reason, attempt_id = null, state_changed_at = $as_of
            from (select unnest($ids) as send_id, unnest($reasons) as reason) as told
            where sends.send_id = told.send_id and sends.state = 'claimed'
            """,
            {"as_of": as_of, "ids": list(reasons), "reasons": list(reasons.values())},
        )


def paused_scenarios(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The scenarios that do not send; ``*`` is all."""
    return {scenario for (scenario,) in connection.execute("select scenario from pauses").fetchall()}
