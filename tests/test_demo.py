"""The demo: the same seed gives the same figures, and every table tells the same story."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import duckdb
import pytest

from demo import CYCLE_HOURS, run_demo
from tasks.summary import read_figures, to_markdown


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    homes = [tmp_path_factory.mktemp("demos") / name for name in ("one", "other")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.CYCLE_HOURS", CYCLE_HOURS[:1])  # one round a day: each takes seconds
        for home in homes:
            run_demo(home, weeks=1, leads=60, seed=5)
    return homes


def test_the_same_seed_gives_the_same_figures(demos: list[Path]) -> None:
    one, other = (read_figures(home / "kpi.duckdb") for home in demos)
    assert one == other
    figures = {table.key: table for table in one}
    assert sum(row[1] for row in figures["tiers"].rows) == sum(row[1] for row in figures["stages"].rows) > 30
    assert figures["mails"].rows
    assert "開封率" in to_markdown(figures["mails"])


def test_what_the_stand_in_took_is_what_the_ledger_says(demos: list[Path]) -> None:
    home = demos[0]
    taken = [json.loads(line) for line in (home / "sandbox" / "accepted.jsonl").read_text().splitlines()]
    with duckdb.connect(str(home / "ledger.duckdb"), read_only=True) as ledger:
        gone = ledger.execute(
            "select send_id from sends where state in ('accepted', 'delivered', 'bounced', 'dropped')"
            " union all select notice_id from notices where state = 'accepted'"
        ).fetchall()
        left = ledger.execute("select count(*) from sends where state in ('planned', 'sending', 'unknown')").fetchall()
        handed_off = ledger.execute("select handoff_id from handoffs order by 1").fetchall()
    assert sorted(mail["send_id"] for mail in taken) == sorted(key for (key,) in gone)
    assert left == [(0,)]
    with sqlite3.connect(home / "sfa.db") as sfa:
        assert sfa.execute("select handoff_id from handoffs order by 1").fetchall() == handed_off


def test_nobody_who_opted_out_was_mailed_after_it_was_known(demos: list[Path]) -> None:
    home = demos[0]
    with duckdb.connect(str(home / "kpi.duckdb"), read_only=True) as published:
        published.execute(f"attach '{home / 'warehouse.duckdb'}' as warehouse (read_only)")
        assert (
            published.execute(
                """
            select sends.send_id
            from sends
            inner join warehouse.lead_identities as identities on sends.current_lead_id = identities.lead_id
            inner join warehouse.events on identities.identity = 'email:' || events.email
            where
                events.event_type = 'mail_unsubscribe' and sends.category = 'marketing'
                and sends.sent_at > events.received_at
            """
            ).fetchall()
            == []
        )
        assert published.execute(
            "select count(*) from sends inner join leads on sends.current_lead_id = leads.lead_id"
            " where sends.category = 'marketing' and sends.sent_at is not null and leads.consent_state = 'none'"
        ).fetchall() == [(0,)]
