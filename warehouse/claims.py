"""What may leave now: planned sends are looked at once more, page by page, and claimed in the same transaction."""

from __future__ import annotations

import uuid
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

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


@dataclass(frozen=True)
class Recipients:
    """Whom a request goes to: their sends, addresses, and the leads' fields that the mail shows, by id.

    All are columns of one length: an object for each of a million mails is what delivering would spend its time on.
    """

    send_ids: Sequence[str]
    emails: Sequence[str]
    shown: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        """How many they are."""
        return len(self.send_ids)

    def at(self, places: Sequence[int]) -> Recipients:
        """Those at some places."""

        def kept(column: Sequence[Any]) -> list[Any]:
            return [column[place] for place in places]

        shown = {field: kept(values) for field, values in self.shown.items()}
        return Recipients(kept(self.send_ids), kept(self.emails), shown)


@dataclass(frozen=True)
class Batch:
    """Sends of one variant of a step that ride in one request, each address once; ``attempt_id`` names it."""

    attempt_id: str
    scenario: str
    step: str
    variant: str
    recipients: Recipients
    claimed_for: str | None = None
    """The request its sends were claimed for before, if any."""

    @property
    def ids(self) -> Sequence[str]:
        """Their send ids, in order."""
        return self.recipients.send_ids

    def without(self, refused: Container[str]) -> Batch:
        """It, less some of its sends."""
        return replace(self, recipients=self.recipients.at([n for n, one in enumerate(self.ids) if one not in refused]))

    def again(self, places: Sequence[int]) -> Batch:
        """Its sends at some places, for another request."""
        recipients = self.recipients.at(places)
        return replace(self, attempt_id=uuid.uuid4().hex, recipients=recipients, claimed_for=self.attempt_id)


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
        # plain names, as rules are checked
        shown = ", ".join(f"leads.{field} as shown_{field}" for field in self.fields) or "null as shown_nothing"
        connection.execute(
            f"create or replace temp table looked as {query('claim').replace('leads as shown_lead', shown)}",
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
        return Page(self._claim(connection), cancelled, after)

    def _claim(self, connection: duckdb.DuckDBPyConnection) -> list[Batch]:
        """Put what was looked at and may go into requests, and write to each send which it is claimed for."""
        connection.execute(
            f"create or replace temp table requests as {query('requests')}", {"batch_size": self.batch_size}
        )
        connection.execute(
            """
            update sends
            set state = 'claimed', state_reason = null, attempt_id = riding.attempt_id, state_changed_at = $as_of
            from (select attempt_id, unnest(positions) as position from requests) as riding
            where sends.rowid = riding.position
            """,
            {"as_of": self.as_of},
        )
        rows = connection.execute("select * exclude (positions) from requests order by positions[1]").fetchall()
        return [
            Batch(
                attempt_id,
                scenario,
                step,
                variant,
                Recipients(send_ids, emails, dict(zip(self.fields, shown, strict=False))),
            )
            for attempt_id, scenario, step, variant, send_ids, emails, *shown in rows
        ]


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
