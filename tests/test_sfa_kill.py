"""A sync with the SFA dies at any instant: no lead or handoff stands there twice, and no change of either side is lost.

Both sides have changed before it. What an undisturbed run comes to, a killed one comes to as well, once it is run again.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from flows.hand_off_leads import hand_off_leads
from flows.pull_behavior import pull_behavior
from flows.recompute_leads import recompute_leads
from sandbox.sendgrid import Clock, StandIn
from tests import forking
from tests.company import SmallCompany
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]  # fixtures

ROUNDS = max(3, int(os.environ.get("NURTURE_KILL_ROUNDS", "20")) // 7)
START = datetime(2026, 4, 6, 0, 0, tzinfo=UTC)
BEFORE, NOW = START + timedelta(days=1), START + timedelta(days=2)
LEADS = 1_200
"""More than two pages of writes."""
STANDS = {
    "sfa leads": "select lead_id, email, name, company, title, score, tier, stage, owner, merged_into from leads",
    "sfa handoffs": "select handoff_id, lead_id, owner, cause, status, first_contact_at, due_at, brief from handoffs",
    "handoffs": "select handoff_id, owner, status, first_contact_at, reject_reason, written_at is null from handoffs",
    "changes": "select change_id, status, changed_at from handoff_changes",
    "conflicts": "select conflict_id, field, ours, theirs, winner from sfa_conflicts",
    "agreed": "select sfa_id, lead_id, agreed, state from sfa_leads",
    "notices": "select notice_id from notices",
    "leads": "select lead_id, email, name, company, title from leads",
    "deals": "select deal_id, lead_id, status, amount from deals",
}


@dataclass(frozen=True)
class Prepared:
    """A home in which both sides have changed since the last sync, and what an undisturbed run makes of it."""

    company: SmallCompany
    ends: dict[str, list[tuple[Any, ...]]]
    seconds: float


def sfa(url: str, statement: str, **values: object) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def stands(made: SmallCompany, url: str) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    for name, query in STANDS.items():
        if name.startswith("sfa"):
            rows = sfa(url, query)
        else:
            file = "warehouse" if name in {"leads", "deals"} else "ledger"
            with duckdb.connect(str(made.home / f"{file}.duckdb"), read_only=True) as connection:
                rows = connection.execute(query).fetchall()
        found[name] = sorted(rows, key=str)
    return found


def settled(made: SmallCompany, server: StandIn, url: str) -> None:
    """Run to the end, with what was taken over recomputed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (made.environment(server) | {"NURTURE_SFA_URL": url}).items():
            patch.setenv(name, value)
        for minutes in (0, 10, 20):
            server.clock.set(NOW + timedelta(minutes=minutes))
            if minutes:
                recompute_leads.fn(as_of=NOW + timedelta(minutes=minutes))
            hand_off_leads.fn(as_of=NOW + timedelta(minutes=minutes))


def change_both_sides(made: SmallCompany, url: str) -> None:
    chance = random.Random(7)
    ids = dict(sfa(url, "select email, lead_id from leads"))
    at = (NOW - timedelta(hours=2)).isoformat()
    for number in range(0, LEADS, 3):
        made.contact(f"lead{number}", NOW - timedelta(hours=chance.choice((1, 3))), full_name=f"改名{number}")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for number in range(0, LEADS, 5):
            column = chance.choice(("name", "title", "company"))
            connection.execute(
                sa.text(f"update leads set {column} = :value, updated_at = :at where lead_id = :lead_id"),
                {"value": f"営業訂正{number}", "at": at, "lead_id": ids[f"lead{number}@example.com"]},
            )
        for place, (handoff_id, lead_id) in enumerate(
            connection.execute(sa.text("select handoff_id, lead_id from handoffs order by 1")).fetchall()
        ):
            status = ("contacted", "meeting", "returned")[place % 3]
            connection.execute(
                sa.text("update handoffs set status = :status, updated_at = :at where handoff_id = :handoff_id"),
                {"status": status, "at": at, "handoff_id": handoff_id},
            )
            connection.execute(
                sa.text(
                    "insert into deals (deal_id, lead_id, status, amount, updated_at) values (:d, :l, 'open', 5, :at)"
                ),
                {"d": f"D{place}", "l": lead_id, "at": at},
            )
    engine.dispose()
    for number in range(1, LEADS, 50):
        made.event("consultation_request", f"lead{number}@example.com", NOW - timedelta(hours=1))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("sfa")
    made = SmallCompany(folder / "home", active_from=START)
    for number in range(LEADS):
        mail = made.contact(f"lead{number}", START)
        if number % 100 == 0:
            made.event("consultation_request", mail, START + timedelta(hours=20))
    url = f"sqlite:///{made.home / 'sfa.db'}"
    with StandIn(made.home, clock=Clock(BEFORE)) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment(server).items():
            patch.setenv(name, value)
        pull_behavior.fn(as_of=BEFORE)
        recompute_leads.fn(as_of=BEFORE)
        hand_off_leads.fn(as_of=BEFORE)
        change_both_sides(made, url)
        server.clock.set(NOW)
        pull_behavior.fn(as_of=NOW)
        recompute_leads.fn(as_of=NOW)
    seconds = 0.0
    for name in ("warm", "undisturbed"):  # what comes first of all starts the forking process, too
        other = made.copied_to(folder / name)
        with StandIn(other.home, clock=Clock(NOW)) as server:
            begun = time.monotonic()
            process = forking.start(
                ["handoff", "--as-of", NOW.isoformat()], other.environment(server), other.home / "log.txt"
            )
            process.join()
            seconds = time.monotonic() - begun
            assert process.exitcode == 0, (other.home / "log.txt").read_text()
            there = f"sqlite:///{other.home / 'sfa.db'}"
            settled(other, server, there)
    ends = stands(other, there)
    assert len(ends["sfa leads"]) == LEADS
    assert len(ends["conflicts"]) > 10
    assert sum(row[2] == "returned" for row in ends["handoffs"]) > 2
    return Prepared(made, ends, seconds)


def kill_and_settle(prepared: Prepared, made: SmallCompany, url: str, chance: random.Random) -> None:
    with StandIn(made.home, clock=Clock(NOW)) as server:
        for _ in range(chance.choice((1, 1, 2))):
            environment = made.environment(server) | {"NURTURE_SFA_URL": url}
            process = forking.start(["handoff", "--as-of", NOW.isoformat()], environment, made.home / "log.txt")
            time.sleep(chance.uniform(0.1, 1.0) * prepared.seconds)
            assert process.pid is not None
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
            process.join()
        settled(made, server, url)
    ends = stands(made, url)
    for name, rows in prepared.ends.items():
        assert ends[name] == rows, name
    told = [mail.send_id for mail in server.mailbox.mails]
    assert len(told) == len(set(told))
    with duckdb.connect(str(made.home / "ledger.duckdb"), read_only=True) as ledger:
        states = dict(ledger.execute("select notice_id, state from notices where planned_at >= ?", [NOW]).fetchall())
    # one that was cut off before its answer is unknown until SendGrid tells of it, and is not sent again
    assert set(states.values()) <= {"accepted", "cancelled", "unknown"}
    assert {notice_id for notice_id, state in states.items() if state == "accepted"} <= set(told)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_killed_sync_comes_to_what_an_undisturbed_one_does(number: int, prepared: Prepared, tmp_path: Path) -> None:
    made = prepared.company.copied_to(tmp_path / "home")
    kill_and_settle(prepared, made, f"sqlite:///{made.home / 'sfa.db'}", random.Random(number))


@pytest.mark.parametrize("number", range(max(1, ROUNDS // 3)))
def test_on_postgresql_too(number: int, prepared: Prepared, tmp_path: Path, postgres_url: str) -> None:
    made = prepared.company.copied_to(tmp_path / "home")
    copied = sa.create_engine(f"sqlite:///{made.home / 'sfa.db'}")
    target = sa.create_engine(postgres_url)
    tables = sa.MetaData()
    tables.reflect(copied)
    tables.create_all(target)
    with copied.connect() as source, target.begin() as connection:
        for table in tables.sorted_tables:
            rows = [dict(row) for row in source.execute(sa.select(table)).mappings()]
            if rows:
                connection.execute(table.insert(), rows)
    copied.dispose()
    target.dispose()
    shutil.move(made.home / "sfa.db", made.home / "unused.db")
    kill_and_settle(prepared, made, postgres_url, random.Random(1_000 + number))
