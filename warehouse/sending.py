"""The ledger's side of sending: enrol and decide.

Every function runs in the caller's transaction. Where there is much to write, planning commits it part by part and so
needs no more memory for a million mails than for some: whichever parts were committed, the next run does the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from rules.models import RuleSet
from warehouse.ab_tests import run_tests
from warehouse.errors import InstantError, WarehouseError
from warehouse.newsletters import enrol_newsletters
from warehouse.openings import make_openings
from warehouse.scenario_runs import find_leaving, move_runs
from warehouse.statements import bound, insert_mails, parts_of, query

MOST_ROUNDS = 20
"""How many occurrences of a step one run starts for a lead at most; the next run starts the next."""


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


def active_from(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> datetime:
    """From when on this rule set acts: as it says itself, else from the first run that would act on it."""
    if rules.active_from is not None:
        return rules.active_from
    connection.execute("insert into activations values (?, ?) on conflict do nothing", [rules.id, as_of])
    ((found,),) = connection.execute("select active_from from activations where rule_set = ?", [rules.id]).fetchall()
    return found  # type: ignore[no-any-return]


def recomputed_at(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> datetime:
    """The instant the attached warehouse was last recomputed for.

    Raises:
        WarehouseError: It never was, or under other rules.
        InstantError: It was, for an instant after ``as_of``.
    """
    found = connection.execute("select as_of from warehouse.instants where flow = 'recompute'").fetchall()
    if not found:
        raise WarehouseError("nothing has been recomputed here yet; run `nurture recompute` first")
    if connection.execute("select rule_set_version from warehouse.rule_set").fetchall() != [(rules.version,)]:
        raise WarehouseError("the rules have changed since the last recompute; run `nurture recompute` first")
    ((recomputed,),) = found
    if recomputed > as_of:
        raise InstantError(
            f"the warehouse was recomputed as of {recomputed.isoformat()}, later than {as_of.isoformat()}; "
            "replay the past in another home (--home DIR)"
        )
    return recomputed  # type: ignore[no-any-return]


def last_seen(connection: duckdb.DuckDBPyConnection, flow: str) -> datetime:
    """Up to when the facts were known that a flow's run before this one saw."""
    found = connection.execute("select as_of from instants where flow = ?", [f"{flow} saw"]).fetchall()
    return found[0][0] if found else datetime(1970, 1, 1, tzinfo=UTC)


def note_seen(connection: duckdb.DuckDBPyConnection, flow: str, recomputed: datetime) -> None:
    """Note what a flow's run sees, with the last of what it makes of it."""
    connection.execute(
        "insert into instants values (?, ?) on conflict (flow) do update set as_of = excluded.as_of",
        [f"{flow} saw", recomputed],
    )


def plan_sends(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    as_of: datetime,
    timezone: str,
    on_progress: Callable[[str], None] = lambda _: None,
) -> dict[str, int]:
    """Enrol the leads whose triggers have happened, and decide every send that is due.

    Args:
        connection: The ledger, with the warehouse attached.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        timezone: The business time zone.
        on_progress: Told how many mails there are to decide on once all leads are enrolled, and after each part.

    Returns:
        Decisions made, by name.
    """
    recomputed = recomputed_at(connection, rules, as_of)
    values = {
        "as_of": as_of,
        "expires_after": timedelta(hours=rules.expires_after_hours),
        "active_from": active_from(connection, rules, as_of),
        "last_seen": last_seen(connection, "send"),
        "rule_set_version": rules.version,
        "timezone": timezone,
        "time_zone_field": rules.delivery.time_zone_field,
    }
    _enrol(connection, rules, values)
    note_seen(connection, "send", recomputed)
    connection.execute(f"create or replace temp table undecided as {query('undecided')}", {"as_of": as_of})
    mails, longest_waiting = connection.execute("select count(*), min(due_at) from undecided").fetchall()[0]
    if mails:
        on_progress(f"{mails:,} mails to decide on")
    make_openings(connection, rules.delivery, timezone, longest_waiting or as_of, as_of)
    if rules.delivery.holdout_share > 0:
        connection.execute(
            f"insert into holdout by name {query('assign_holdout')}",
            {"as_of": as_of, "share": rules.delivery.holdout_share},
        )
    find_leaving(connection, "from undecided")
    run_tests(connection, rules, values)
    parts = parts_of(mails)
    connection.execute(f"create or replace temp table leads_at_hand as {query('leads_at_hand')}", {"parts": parts})
    connection.execute("create or replace temp table instants_at_hand as select distinct due_at from undecided")
    connection.execute("drop table undecided")
    counts: Counter[str] = Counter()
    for part in range(parts):
        if parts > 1:  # what was dropped stays in memory until then, which is memory that the part lacks
            connection.commit()
            connection.begin()
        counts.update(_decide(connection, {**values, "part": part}))
        if mails:
            on_progress(f"{counts.total():,} of {mails:,} mails decided on")
    return dict(counts)


def _enrol(connection: duckdb.DuckDBPyConnection, rules: RuleSet, values: Mapping[str, object]) -> None:
    """Enrol the leads for the mails that rows of the sheet, newsletters and scenarios have for them."""
    statement, given = bound("enrol", values)
    again = [(step.scenario, step.step) for step in rules.steps if step.re_entry is not None]
    for _ in range(MOST_ROUNDS):
        started = insert_mails(connection, statement, given)
        if not started or not _has_enrolled(connection, again, values["as_of"]):
            break  # else what happened since may start another occurrence
    enrol_newsletters(connection, rules, values)
    move_runs(connection, rules, values)


def _has_enrolled(connection: duckdb.DuckDBPyConnection, steps: Sequence[tuple[str, str]], as_of: object) -> bool:
    """Whether this run has enrolled a lead for one of these steps."""
    if not steps:
        return False
    ((count,),) = connection.execute(
        "select count(*) from enrolments"
        " semi join (select unnest($scenarios) as scenario, unnest($steps) as step) as asked using (scenario, step)"
        " where enrolled_at = $as_of",
        {"scenarios": [one for one, _ in steps], "steps": [one for _, one in steps], "as_of": as_of},
    ).fetchall()
    return bool(count)


def _decide(connection: duckdb.DuckDBPyConnection, values: Mapping[str, object]) -> dict[str, int]:
    """Decide on the mails of a part of the leads at hand and record it. Returns the decisions by name."""
    at_hand, asked = bound("mails_at_hand", values)
    connection.execute(f"create temp table mails_at_hand as {at_hand}", asked)
    statement, given = bound("decide", values)
    connection.execute(f"create temp table decided as {statement}", given)
    recorded = {"as_of": values["as_of"], "version": values["rule_set_version"]}
    connection.execute(
        """
        insert into send_decision_changes
        select send_id, decision, $as_of, is_final
        from decided
        where decision is distinct from earlier_decision
        """,
        {"as_of": values["as_of"]},
    )
    connection.execute(
        """
        insert into send_decisions
        select
            send_number, send_id, lead_id, scenario, step, variant, occurrence, segment, due_at, decision, $as_of,
            is_final, $version
        from decided
        where earlier_decision is null
        order by send_number
        """,
        recorded,
    )
    connection.execute(
        """
        update send_decisions
        set
            variant = decided.variant,
            decision = decided.decision,
            decided_at = $as_of,
            is_final = decided.is_final,
            rule_set_version = $version
        from decided
        where send_decisions.send_number = decided.send_number and decided.decision != decided.earlier_decision
        """,
        recorded,
    )
    connection.execute(
        """
        insert into sends
        select
            send_number, send_id, lead_id, scenario, step, variant, occurrence, segment, category, 'planned', null,
            email, due_at, $as_of, null, null, null, $as_of, $version, expires_at, kind, null
        from decided
        where decision = 'sent'
        order by send_number
        """,
        recorded,
    )
    counts = dict(connection.execute("select decision, count(*) from decided group by decision").fetchall())
    connection.execute("drop table mails_at_hand")
    connection.execute("drop table decided")
    return counts


def apply_evidence(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> tuple[int, int]:
    """Move sends to what their provider told of them; release the unknown whose silence is proof.

    Returns:
        (moved, released).
    """
    since = recomputed_at(connection, rules, as_of)
    moved = count_of(connection.execute(query("record_outcomes"), {"recomputed_at": since, "as_of": as_of}))
    released = count_of(
        connection.execute(
            query("release_unknown"),
            {"as_of": as_of, "release_after": timedelta(hours=rules.unknown_release_after_hours)},
        )
    )
    return moved, released


def note_evidence(connection: duckdb.DuckDBPyConnection, rules: RuleSet, as_of: datetime) -> int:
    """Note what the provider's events tell of sends that have not been counted yet. Returns how many they moved."""
    since = recomputed_at(connection, rules, as_of)
    return count_of(connection.execute(query("record_outcomes"), {"recomputed_at": since, "as_of": as_of}))


def recent_mails(
    connection: duckdb.DuckDBPyConnection, as_of: datetime, timezone: str, within_days: float
) -> RecentMails:
    """What became of the marketing mails of the last days. The warehouse is attached."""
    values = {"as_of": as_of, "timezone": timezone, "within": timedelta(days=within_days)}
    (row,) = connection.execute(query("recent_mails"), values).fetchall()
    return RecentMails(*row)


def count_of(cursor: duckdb.DuckDBPyConnection) -> int:
    """How many rows a statement changed."""
    rows = cursor.fetchall()
    return int(rows[0][0]) if rows else 0
