"""The process dies at any instant: nothing is lost, nothing goes twice, and the derived tables are the same.

A few rounds run with every test; ``make soak`` runs many.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox.sendgrid import Clock, Fault, StandIn
from tests.company import SmallCompany

ROUNDS = int(os.environ.get("NURTURE_KILL_ROUNDS", "3"))
START = datetime(2026, 4, 6, 0, 0, tzinfo=UTC)
NOW = START + timedelta(days=1)
LEADS = 40
DERIVED = ("leads", "lead_identities", "lead_behaviours", "lead_score_points", "lead_tier_changes", "lead_stage_changes",
           "segment_members", "lead_suppressions", "quarantine")  # fmt: skip


def company(home: Path) -> SmallCompany:
    made = SmallCompany(home, active_from=START)
    for number in range(LEADS):
        mail = made.contact(f"lead{number}", START, basis="" if number % 7 == 0 else "opt_in_form")
        made.event(
            "document_download", mail, START + timedelta(hours=20), asset="case-studies" if number % 2 else "guide"
        )
        if number % 5 == 0:
            made.event("consultation_request", mail, START + timedelta(hours=21))
        if number % 11 == 0:
            made.opt_out(mail, START + timedelta(hours=22))
    return made


def cycle_at(made: SmallCompany, server: StandIn, instant: datetime) -> None:
    server.clock.set(instant)
    code, out, error = made.run("cycle", "--as-of", instant.isoformat(), stand_in=server)
    assert code == 0, out + error


def derived(made: SmallCompany) -> dict[str, list[str]]:
    """The derived tables, but for what the provider told: that depends on which mails had left by then."""
    with duckdb.connect(str(made.home / "warehouse.duckdb"), read_only=True) as connection:
        found = {table: connection.execute(f"from {table}").fetchall() for table in DERIVED}
        found["lead_behaviours"] = connection.execute(
            "from lead_behaviours where not starts_with(event_type, 'mail_')"
        ).fetchall()
    return {table: sorted(map(repr, rows)) for table, rows in found.items()}


def ledger(made: SmallCompany, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(made.home / "ledger.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def accepted(made: SmallCompany) -> list[str]:
    path = made.home / "sandbox" / "accepted.jsonl"
    return [json.loads(line)["send_id"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run that nobody kills comes to, and how long it takes."""
    home = tmp_path_factory.mktemp("undisturbed")
    with StandIn(home, clock=Clock(NOW)) as server:
        made = company(home)
        started = time.monotonic()
        cycle_at(made, server, NOW)
        seconds = time.monotonic() - started
    return {
        "derived": derived(made),
        "sends": ledger(made, "select send_id from sends order by all"),
        "handoffs": ledger(made, "select handoff_id, owner from handoffs order by all"),
        "seconds": seconds,
    }


@pytest.mark.timeout(ROUNDS * 120)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_cycle_killed_anywhere_ends_as_one_that_was_not(
    seed: int, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    chance = random.Random(seed)
    with StandIn(tmp_path, clock=Clock(NOW)) as server:
        made = company(tmp_path)
        if seed % 2:
            server.faults.set([Fault("reset_after"), Fault("reset_before")])
        for _ in range(3):
            process = made.command("cycle", "--as-of", NOW.isoformat(), stand_in=server)
            time.sleep(chance.uniform(0.2, 1.1) * undisturbed["seconds"])
            process.send_signal(signal.SIGKILL)
            process.communicate()
        server.faults.set([])
        cycle_at(made, server, NOW)
        assert derived(made) == undisturbed["derived"]

        later = NOW + timedelta(hours=1)
        made.event("document_download", made.contact("witness", NOW), NOW, asset="guide")
        for instant in (later, NOW + timedelta(hours=2), NOW + timedelta(hours=30)):
            made.event("document_download", made.contact(f"after{instant.hour}", NOW), instant, asset="guide")
            cycle_at(made, server, instant)
        # the provider has told of mails sent since, so its silence about the lost ones means something
        cycle_at(made, server, NOW + timedelta(hours=31))
        cycle_at(made, server, NOW + timedelta(hours=32))

    taken = accepted(made)
    sends = ledger(made, "select send_id, state from sends")
    notices = ledger(made, "select notice_id, state from notices where state_reason is distinct from 'handed_off'")
    assert len(taken) == len(set(taken)), "a mail went twice"
    assert set(taken) == {key for key, state in [*sends, *notices] if state in ("accepted", "delivered", "bounced")}
    assert [state for _, state in [*sends, *notices] if state not in ("accepted", "delivered")] == []
    assert {row[0] for row in undisturbed["sends"]} <= set(taken), "a mail was lost"
    assert (
        ledger(made, "select handoff_id, owner from handoffs where caused_at < '2026-04-07' order by all")
        == (undisturbed["handoffs"])
    )
    with sqlite3.connect(made.home / "sfa.db") as sfa:
        assert sorted(sfa.execute("select handoff_id from handoffs").fetchall()) == ledger(
            made, "select handoff_id from handoffs order by 1"
        )
