"""The ledger's side of sending: enrol, decide, claim, record. Every function runs in the caller's one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb

from rules.models import RuleSet
from warehouse.errors import InstantError, WarehouseError
from warehouse.openings import make_openings
from warehouse.rule_tables import soft_bounce_values

QUERIES = Path(__file__).parent / "queries"
Outcome = Literal["accepted", "rejected", "not_sent", "unknown"]


_STATES: dict[Outcome, str] = {
    "accepted": "accepted", "unknown": "unknown", "rejected": "planned", "not_sent": "planned",
}  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """What became of a request.

    ``outcome``: ``accepted``: all its sends; ``rejected``: those in ``rejected``, the others go back to planned;
    ``not_sent``: all go back to planned; ``unknown``: all may have gone. ``message`` is what the provider said, without
    addresses; ``message_id`` its id of the request.
    """

    attempt_id: str
    outcome: Outcome
    http_status: int | None = None
    message: str | None = None
    message_id: str | None = None
    rejected: Sequence[str] = ()


@dataclass(frozen=True)
class RecentMails:
    """Marketing mails sent of late: how many, what became of them, and how many the busiest of the last 28 days had."""

    mails: int
    delivered: int
    complained: int
    bounced: int
    today: int
    most_a_day: int
    """Of the days before today."""


@dataclass(frozen=True)
class Claim:
    """One send whose request is about to leave: its id, its address, and the lead's fields for the mail."""

    send_id: str
    email: str
    lead: dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Sends of one step that ride in one request."""

    scenario: str
    step: str
    claims: tuple[Claim, ...]

    @property
    def ids(self) -> list[str]:
        """Their send ids, in order."""
        return [claim.send_id for claim in self.claims]

    def only(self, claims: Sequence[Claim]) -> Batch:
        """The same with fewer sends."""
        return Batch(self.scenario, self.step, tuple(claims))


def query(name: str) -> str:
    """A statement of ``warehouse/queries``."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def active_from(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> datetime:
    """From when on this rule set acts: as it says itself, else from the first run that would act on it."""
    if rules.active_from is not None:
        return rules.active_from
    connection.execute("insert into activations values (?, ?) on conflict do nothing", [rules.id, as_of])
    row = connection.execute("select active_from from activations where rule_set = ?", [rules.id]).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def recomputed_at(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> datetime:
    """The instant the attached warehouse was last recomputed for.

    Raises:
        WarehouseError: It never was, or under other rules.
        InstantError: It was, for an instant after ``as_of``.
    """
    row = connection.execute("select as_of from warehouse.instants where flow = 'recompute'").fetchone()
    if row is None:
        raise WarehouseError("nothing has been recomputed here yet; run `nurture recompute` first")
    if connection.execute("select rule_set_version from warehouse.rule_set").fetchone() != (rules.version,):
        raise WarehouseError("the rules have changed since the last recompute; run `nurture recompute` first")
    if row[0] > as_of:
        raise InstantError(
            f"the warehouse was recomputed as of {row[0].isoformat()}, later than {as_of.isoformat()}; "
            "replay the past in another home (--home DIR)"
        )
    return row[0]  # type: ignore[no-any-return]


def last_seen(connection: duckdb.DuckDBPyConnection, flow: str, recomputed: datetime) -> datetime:
    """Up to when the facts were known that a flow's run before this one saw; and note what this one sees."""
    name = f"{flow} saw"
    row = connection.execute("select as_of from instants where flow = ?", [name]).fetchone()
    connection.execute(
        "insert into instants values (?, ?) on conflict (flow) do update set as_of = excluded.as_of", [name, recomputed]
    )
    return row[0] if row else datetime(1970, 1, 1, tzinfo=UTC)


def is_paused(connection: duckdb.DuckDBPyConnection, scenario: str) -> bool:
    """Whether a scenario, or all sending, is paused."""
    row = connection.execute("select 1 from pauses where scenario in ('*', ?) limit 1", [scenario]).fetchone()
    return row is not None


def plan_sends(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime, timezone: str) -> dict[str, int]:
    """Enrol the leads whose triggers have happened, and decide every send that is due.

    Args:
        connection: The ledger, with the warehouse attached.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        timezone: The business time zone.

    Returns:
        Decisions made, by name.
    """
    values = {
        "as_of": as_of,
        "expires_after": timedelta(hours=rules.expires_after_hours),
        "active_from": active_from(connection, rules, as_of),
        "last_seen": last_seen(connection, "send", recomputed_at(connection, rules, as_of)),
        "rule_set_version": rules.version,
        "timezone": timezone,
        "time_zone_field": rules.delivery.time_zone_field,
    }

    def selected(name: str) -> tuple[str, dict[str, object]]:
        statement = query(name)
        return statement, {key: value for key, value in values.items() if f"${key}" in statement}

    statement, bound = selected("enrol")
    connection.execute(f"insert into enrolments by name {statement}", bound)
    if rules.delivery.holdout_share > 0:
        connection.execute(
            f"insert into holdout by name {query('assign_holdout')}",
            {"as_of": as_of, "share": rules.delivery.holdout_share},
        )
    make_openings(connection, rules.delivery, timezone, _longest_waiting(connection, as_of), as_of)
    statement, bound = selected("decide")
    connection.execute(f"create or replace temp table decided as {statement}", bound)
    connection.execute(
        """
        insert into send_decision_changes
        select send_id, decision, $as_of, is_final
        from decided
        where decision is distinct from earlier_decision
        """,
        {"as_of": as_of},
    )
    connection.execute(
        """
        insert into send_decisions
        select
            send_id, lead_id, scenario, step, variant, occurrence, segment, due_at, decision, $as_of, is_final, $version
        from decided
        where decision is distinct from earlier_decision
        on conflict (send_id) do update
        set
            decision = excluded.decision,
            decided_at = excluded.decided_at,
            is_final = excluded.is_final,
            rule_set_version = excluded.rule_set_version
        """,
        {"as_of": as_of, "version": rules.version},
    )
    connection.execute(
        """
        insert into sends
        select
            send_id, lead_id, scenario, step, variant, occurrence, segment, category, 'planned', null, email, due_at,
            $as_of, null, null, null, $as_of, $version, expires_at, kind
        from decided
        where decision = 'sent'
        """,
        {"as_of": as_of, "version": rules.version},
    )
    return dict(connection.execute("select decision, count(*) from decided group by decision").fetchall())


def recover(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> int:
    """After a run that died: what it had handed to a request may have left, so its state is unknown.

    Only while no other run delivers. Returns how many sends became unknown.
    """
    connection.execute(
        "update attempts set outcome = 'unknown', finished_at = ?, message = 'the run ended before the answer'"
        " where outcome = 'sending'",
        [as_of],
    )
    return _count(
        connection.execute(
            "update sends set state = 'unknown', state_reason = 'the run ended before the answer', state_changed_at = ?"
            " where state in ('claimed', 'sending')",
            [as_of],
        )
    )


def apply_evidence(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> tuple[int, int]:
    """Move sends to what their provider told of them; release the unknown whose silence is proof.

    Returns:
        (moved, released).
    """
    moved = _count(connection.execute(query("record_outcomes")))
    released = _count(
        connection.execute(
            query("release_unknown"),
            {"as_of": as_of, "release_after": timedelta(hours=rules.unknown_release_after_hours)},
        )
    )
    return moved, released


def _longest_waiting(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> datetime:
    """When the mail was due that has been waiting for longest."""
    ((due_at,),) = connection.execute(
        "select min(due_at) from enrolments where due_at <= $1 and not exists (select 1 from send_decisions as final"
        " where final.is_final and final.lead_id = enrolments.lead_id and final.scenario = enrolments.scenario"
        " and final.step = enrolments.step and final.occurrence = enrolments.occurrence)",
        [as_of],
    ).fetchall()
    return as_of if due_at is None else due_at


def planned_batches(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    as_of: datetime,
    timezone: str,
    allowlist: Sequence[str] | None,
    size: int,
) -> list[tuple[str, str, list[str]]]:
    """Planned sends that may go now as (scenario, step, send ids), at most ``size`` a batch, each address once a batch.

    Args:
        connection: The ledger, with the warehouse attached.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        timezone: The business time zone.
        allowlist: Addresses and ``@domains`` that may be mailed; None for everyone.
        size: Largest batch.
    """
    make_openings(connection, rules.delivery, timezone, as_of, as_of)
    values = {"as_of": as_of, "timezone": timezone, "time_zone_field": rules.delivery.time_zone_field}
    connection.execute(f"create or replace temp table held_sends as {query('held_sends')}", values)
    rows = connection.execute(
        """
        with allowed as (
            select
                *,
                row_number() over (partition by scenario, step, variant, email order by send_id) as same_address,
            from sends
            where
                state = 'planned'
                and ($allowlist is null or email in (select unnest($allowlist))
                    or '@' || split_part(email, '@', -1) in (select unnest($allowlist)))
                and not exists (select 1 from pauses where pauses.scenario in ('*', sends.scenario))
                and send_id not in (select send_id from held_sends)
        ),

        numbered as (
            select
                *,
                (row_number() over (partition by scenario, step, variant, same_address order by send_id) - 1) // $size
                    as batch,
            from allowed
        )

        select scenario, step, list(send_id order by send_id)
        from numbered
        group by scenario, step, variant, same_address, batch
        order by min(planned_at), scenario, step, same_address, batch
        """,
        {"allowlist": list(allowlist) if allowlist is not None else None, "size": size},
    ).fetchall()
    return [(scenario, step, ids) for scenario, step, ids in rows]


def cancel_expired(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> int:
    """Give up planned sends for which it is too late. Returns how many."""
    return _count(
        connection.execute(
            "update sends set state = 'cancelled', state_reason = 'expired', state_changed_at = $as_of"
            " where state = 'planned' and coalesce(expires_at, due_at + $expires_after) < $as_of",
            {"as_of": as_of, "expires_after": timedelta(hours=rules.expires_after_hours)},
        )
    )


def recent_mails(
    connection: duckdb.DuckDBPyConnection, as_of: datetime, timezone: str, within_days: float
) -> RecentMails:
    """What became of the marketing mails of the last days. The warehouse is attached."""
    values = {"as_of": as_of, "timezone": timezone, "within": timedelta(days=within_days)}
    (row,) = connection.execute(query("recent_mails"), values).fetchall()
    return RecentMails(*row)


def claim(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    batches: Sequence[tuple[str, str, Sequence[str]]],
    as_of: datetime,
    fields: Sequence[str],
) -> list[Batch]:
    """Look once more at batches of planned sends: those that may no longer go are cancelled.

    Args:
        connection: The ledger, with the warehouse attached.
        rules: The rule set the warehouse was recomputed with.
        batches: Scenario, step and send ids of each.
        as_of: The instant of the run.
        fields: The lead's fields that mails show; ids of the rule set.

    Returns:
        What may go, batch by batch, in the given order; batches of which nothing may are left out.
    """
    batch_of = {send_id: number for number, (_, _, ids) in enumerate(batches) for send_id in ids}
    shown = ", ".join(f"'{field}': leads.{field}" for field in fields)  # ids are plain names, as rules are checked
    recomputed = recomputed_at(connection, rules, as_of)
    connection.execute(
        f"create or replace temp table fresh_blocks as {query('fresh_blocks')}",
        {"send_ids": list(batch_of), "as_of": as_of, "recomputed_at": recomputed, **soft_bounce_values(rules)},
    )
    statement = query("claim").replace("leads as lead", f"{{{shown}}} as lead" if shown else "null as lead")
    rows = connection.execute(
        statement,
        {
            "send_ids": list(batch_of),
            "as_of": as_of,
            "expires_after": timedelta(hours=rules.expires_after_hours),
        },
    ).fetchall()
    stopped: dict[str, list[str]] = {}
    claims: list[list[Claim]] = [[] for _ in batches]
    for send_id, email, reason, lead in rows:
        if reason is None:
            claims[batch_of[send_id]].append(Claim(send_id, email, lead or {}))
        else:
            stopped.setdefault(reason, []).append(send_id)
    for reason, ids in stopped.items():
        _set_state(connection, ids, "cancelled", reason, as_of)
    return [
        Batch(scenario, step, tuple(found)) for (scenario, step, _), found in zip(batches, claims, strict=True) if found
    ]


def cancel(connection: duckdb.DuckDBPyConnection, send_ids: Sequence[str], reason: str, as_of: datetime) -> None:
    """Give up planned sends."""
    _set_state(connection, send_ids, "cancelled", reason, as_of)


def start_attempts(
    connection: duckdb.DuckDBPyConnection, attempts: Sequence[tuple[str, Sequence[str], str]], as_of: datetime
) -> None:
    """Note requests before they leave, each as (attempt id, send ids, payload hash)."""
    for attempt_id, send_ids, payload_hash in attempts:
        connection.execute(
            "insert into attempts values (?, ?, null, ?, ?, 'sending', null, null)",
            [attempt_id, as_of, len(send_ids), payload_hash],
        )
        connection.execute("insert into attempt_sends select ?, unnest(?)", [attempt_id, list(send_ids)])
    connection.execute(
        "update sends set state = 'sending', state_reason = null, attempt_id = riding.attempt_id, state_changed_at = $1"
        " from attempt_sends as riding"
        " where riding.send_id = sends.send_id and riding.attempt_id in (select unnest($2))",
        [as_of, [attempt_id for attempt_id, *_ in attempts]],
    )


def finish_attempts(connection: duckdb.DuckDBPyConnection, finished: Sequence[Finished], as_of: datetime) -> None:
    """Record what became of requests."""
    for one in finished:
        connection.execute(
            "update attempts set outcome = ?, finished_at = ?, http_status = ?, message = ? where attempt_id = ?",
            [one.outcome, as_of, one.http_status, one.message, one.attempt_id],
        )
        if one.rejected:
            _set_state(connection, one.rejected, "rejected", one.message, as_of)
    connection.execute(
        """
        update sends
        set
            state = told.state,
            sent_at = case when told.state = 'accepted' then $as_of end,
            message_id = told.message_id,
            state_reason = told.message,
            state_changed_at = $as_of
        from (
            select
                unnest($attempts) as attempt_id, unnest($states) as state, unnest($message_ids) as message_id,
                unnest($messages) as message
        ) as told
        where sends.attempt_id = told.attempt_id and sends.state = 'sending'
        """,
        {
            "as_of": as_of,
            "attempts": [one.attempt_id for one in finished],
            "states": [_STATES[one.outcome] for one in finished],
            "message_ids": [one.message_id for one in finished],
            "messages": [one.message for one in finished],
        },
    )


def _set_state(
    connection: duckdb.DuckDBPyConnection, send_ids: Sequence[str], state: str, reason: str | None, as_of: datetime
) -> None:
    connection.execute(
        "update sends set state = ?, state_reason = ?, state_changed_at = ? where send_id in (select unnest(?))",
        [state, reason, as_of, list(send_ids)],
    )


def _count(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
