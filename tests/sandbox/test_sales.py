"""The sales team works the handoffs it is given, mostly in time, and always in the same way."""

from __future__ import annotations

import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.company import Company
from sandbox.sales import SalesTeam

START = datetime(2026, 4, 1, tzinfo=UTC)
COLUMNS = (
    "handoff_id text primary key, lead_id text, owner text, cause text, caused_at text, due_at text, handed_off_at text, "
    "brief text, status text, first_contact_at text, outcome text, reject_reason text, updated_at text"
)


def _hand_off(path: Path, count: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"create table if not exists handoffs ({COLUMNS})")
        for number in range(count):
            caused = START + timedelta(hours=number)
            handed = (caused + timedelta(minutes=10)).isoformat()
            row = (f"h{number}", f"lead-{number}", "tanaka", "score", caused.isoformat(), "", handed, "brief", "new")
            connection.execute(
                "insert into handoffs values (?, ?, ?, ?, ?, ?, ?, ?, ?, null, null, null, ?)", (*row, handed)
            )
    connection.close()


def _rows(path: Path, table: str = "handoffs") -> list[dict[str, Any]]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(f"select * from {table} order by 1")]
    finally:
        connection.close()


def test_without_a_table_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert SalesTeam(tmp_path / "sfa.db").advance(START) == 0


def test_most_are_contacted_within_48_hours(tmp_path: Path) -> None:
    _hand_off(tmp_path / "sfa.db", 300)
    SalesTeam(tmp_path / "sfa.db").advance(START + timedelta(days=60))
    rows = _rows(tmp_path / "sfa.db")
    waits = [datetime.fromisoformat(r["first_contact_at"]) - datetime.fromisoformat(r["caused_at"]) for r in rows]
    late = sum(wait > timedelta(hours=48) for wait in waits) / len(waits)
    assert 0.08 < late < 0.22
    assert min(waits) > timedelta(minutes=10)
    counts = Counter(row["status"] for row in rows)
    assert set(counts) == {"contacted", "meeting", "won", "lost", "returned"}
    for row in rows:
        assert row["outcome"] == (None if row["status"] == "contacted" else row["status"])
        assert (row["reject_reason"] is not None) == (row["status"] == "returned")
        assert datetime.fromisoformat(row["updated_at"]).utcoffset() == timedelta(0)
        assert row["owner"] == "tanaka"


def test_a_handoff_goes_on_step_by_step_and_ends_alike(tmp_path: Path) -> None:
    for name, hours in (("short", 6), ("long", 240)):
        path = tmp_path / name
        _hand_off(path, 40)
        team = SalesTeam(f"sqlite:///{path}", seed=3)
        moved = [team.advance(START + timedelta(hours=hour)) for hour in range(0, 1_441, hours)]
        assert sum(moved) >= 40
        assert team.advance(START + timedelta(hours=1_440)) == 0
    assert _rows(tmp_path / "short") == _rows(tmp_path / "long")


def test_nothing_happens_before_its_time(tmp_path: Path) -> None:
    _hand_off(tmp_path / "sfa.db", 50)
    until = START + timedelta(days=2)
    SalesTeam(tmp_path / "sfa.db").advance(until)
    rows = _rows(tmp_path / "sfa.db")
    assert {"new", "contacted"} <= {row["status"] for row in rows}
    touched = [row for row in rows if row["status"] != "new"]
    assert all(row["first_contact_at"] <= row["updated_at"] <= until.isoformat() for row in touched)


def test_deals_reach_the_crm_where_the_contact_is_known(tmp_path: Path) -> None:
    Company(tmp_path, 7, 5, START)
    _hand_off(tmp_path / "sfa.db", 60)
    known = {f"lead-{number}": number for number in range(30)}
    team = SalesTeam(tmp_path / "sfa.db", crm=tmp_path / "crm.db", contact_of=known.get)
    for day in range(60):
        team.advance(START + timedelta(days=day))
    deals = _rows(tmp_path / "crm.db", "deals")
    by_handoff = {row["handoff_id"]: row for row in _rows(tmp_path / "sfa.db")}
    assert {"won", "lost"} <= {deal["status"] for deal in deals}
    for deal in deals:
        handoff = by_handoff[deal["id"].removeprefix("D-")]
        assert deal["status"] == {"meeting": "open"}.get(handoff["status"], handoff["status"])
        assert deal["contact_id"] == known[handoff["lead_id"]]
        assert deal["amount"] > 0
        assert deal["changed_at"] == handoff["updated_at"]
