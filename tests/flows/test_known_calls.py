"""What sales did is read before anything is decided: nobody is reminded of a call that was made, or may have been."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from flows.hand_off_leads import hand_off_leads
from flows.pull_behavior import pull_behavior
from flows.recompute_leads import recompute_leads
from sandbox.sendgrid import Clock, StandIn
from tasks.errors import RunError
from tests.company import SmallCompany

ASKED = datetime(2026, 4, 8, 3, 0, tzinfo=UTC)
AFTER_THE_LIMIT = ASKED + timedelta(hours=49)


class Day:
    """A company whose first handoff was made, and what is run there."""

    def __init__(self, company: SmallCompany, stand_in: StandIn) -> None:
        self.company, self.stand_in = company, stand_in
        company.event("consultation_request", company.contact("ichiro", ASKED - timedelta(hours=2)), ASKED)
        pull_behavior.fn(as_of=ASKED)
        self.run(ASKED)

    def run(self, as_of: datetime) -> dict[str, int]:
        self.stand_in.clock.set(as_of)
        recompute_leads.fn(as_of=as_of)
        return hand_off_leads.fn(as_of=as_of)

    def sales_calls(self, when: datetime) -> None:
        with closing(sqlite3.connect(self.company.home / "sfa.db")) as connection:
            connection.execute("update handoffs set status = 'contacted', updated_at = ?", [when.isoformat()])
            connection.commit()

    def notices(self) -> list[str]:
        with duckdb.connect(str(self.company.home / "ledger.duckdb"), read_only=True) as ledger:
            return [
                kind
                for (kind,) in ledger.execute("select kind from notices where kind != 'notify' order by all").fetchall()
            ]


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    company = SmallCompany(tmp_path / "home", active_from=ASKED - timedelta(days=1))
    with StandIn(company.home, clock=Clock(ASKED)) as stand_in:
        for name, value in company.environment(stand_in).items():
            monkeypatch.setenv(name, value)
        yield Day(company, stand_in)


def test_a_call_noted_right_before_the_limit_is_known_when_the_limit_is_over(day: Day) -> None:
    day.sales_calls(ASKED + timedelta(hours=47.9))
    assert day.run(AFTER_THE_LIMIT)["follow_ups"] == 1
    assert day.notices() == ["handoff"]


def test_while_the_sfa_cannot_be_read_new_leads_go_to_sales_and_nobody_is_reminded(day: Day) -> None:
    day.sales_calls(ASKED + timedelta(hours=40))
    there, aside = day.company.home / "sfa.db", day.company.home / "aside.db"
    there.rename(aside)
    there.write_text("no database, " * 100, encoding="utf-8")
    day.company.event("consultation_request", day.company.contact("jiro", ASKED), AFTER_THE_LIMIT - timedelta(hours=1))
    pull_behavior.fn(as_of=AFTER_THE_LIMIT)
    with pytest.raises(RunError, match="the SFA database"):
        day.run(AFTER_THE_LIMIT)
    assert day.notices() == ["handoff", "handoff"]
    aside.rename(there)
    day.run(AFTER_THE_LIMIT + timedelta(minutes=10))
    assert day.notices() == ["handoff", "handoff"]


def test_what_is_still_due_when_the_sfa_can_be_read_again_is_said_then(day: Day) -> None:
    there, aside = day.company.home / "sfa.db", day.company.home / "aside.db"
    there.rename(aside)
    there.write_text("no database, " * 100, encoding="utf-8")
    with pytest.raises(RunError, match="the SFA database"):
        day.run(AFTER_THE_LIMIT)
    assert day.notices() == ["handoff"]
    there.unlink()
    aside.rename(there)
    day.run(AFTER_THE_LIMIT + timedelta(minutes=10))
    assert day.notices() == ["escalation", "handoff"]
