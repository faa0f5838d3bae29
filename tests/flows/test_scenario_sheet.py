"""The guide's sheet, run by the real flows from files to the stand-in: the right mail, to the right lead, when due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.daily_handoff_and_kpi import daily_handoff_and_kpi
from flows.nurture_cycle import nurture_cycle
from flows.pull_behavior import pull_behavior
from sandbox.sendgrid import Clock, StandIn
from tests.company import SmallCompany

START = datetime(2026, 4, 6, 0, 0, tzinfo=UTC)


def after(days: float = 0, hours: float = 0) -> datetime:
    return START + timedelta(days=days, hours=hours)


class Stage:
    """A small company, its stand-in, and cycles as of given instants."""

    def __init__(self, company: SmallCompany, server: StandIn) -> None:
        self.company = company
        self.server = server

    def cycle(self, as_of: datetime) -> list[tuple[str, str]]:
        """Run one cycle. Returns the mails to leads it sent, as (address, subject)."""
        before = len(self.server.mailbox.mails)
        self.server.clock.set(as_of)
        nurture_cycle.fn(as_of=as_of)
        new = self.server.mailbox.mails[before:]
        return sorted((mail.to, mail.subject) for mail in new if "sales_notice" not in mail.categories)

    def notices(self) -> list[str]:
        return [mail.subject for mail in self.server.mailbox.mails if "sales_notice" in mail.categories]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with StandIn(tmp_path, clock=Clock(START)) as server:
        company = SmallCompany(tmp_path, active_from=START)
        for name, value in company.environment(server).items():
            monkeypatch.setenv(name, value)
        yield Stage(company, server)


def test_each_row_sends_its_mail_when_it_is_due(stage: Stage) -> None:
    company = stage.company
    mail = company.contact("yamada", START, title="営業部長", industry="製造業")
    assert stage.cycle(after(0.1)) == []

    # row 1: 認知, 資料DL直後
    company.event("document_download", mail, after(1), asset="product-guide.pdf")
    assert stage.cycle(after(1, hours=1)) == [(mail, "【資料DLありがとうございます】導入事例集のご案内")]

    # row 2: 興味, 事例集DL後3日
    company.event("document_download", mail, after(2), asset="case-studies")
    assert stage.cycle(after(2, hours=1)) == []
    # the general mail three days after the first download; for the case study the sheet's row stands instead
    assert stage.cycle(after(4, hours=23)) == [(mail, "ご覧いただいた資料に関連する導入事例のご案内")]
    assert stage.cycle(after(5)) == [(mail, "【導入効果3倍】○○社の成功事例を詳しく解説")]

    # row 3: 比較検討, 価格ページ閲覧後1日
    company.event("page_view", mail, after(6), path="/price")
    assert stage.cycle(after(6, hours=23)) == []
    assert stage.cycle(after(7)) == [(mail, "【比較検討中の方へ】他社との違いを5分で理解")]

    # row 4: 決定, 個別相談申込後; and its handoff and notice
    company.event("consultation_request", mail, after(8))
    assert stage.cycle(after(8, hours=1)) == [(mail, "【ご相談ありがとうございます】担当者よりご連絡します")]
    assert stage.notices() == ["【引き継ぎ】株式会社yamada 山田yamada 様(個別相談の申込)"]
    assert stage.cycle(after(8, hours=2)) == []


def test_rows_serve_their_segment_and_others_get_the_general_mails(stage: Stage) -> None:
    company = stage.company
    deputy = company.contact("fuku", START, title="副部長", industry="製造業")
    other = company.contact("it", START, title="部長", industry="IT")
    head = company.contact("head", START, title="部長", industry="製造業")
    for mail in (deputy, other, head):
        company.event("document_download", mail, after(1), asset="guide")
    sent = dict(stage.cycle(after(1, hours=1)))
    assert sent[head] == "【資料DLありがとうございます】導入事例集のご案内"
    assert sent[deputy] == sent[other] == "資料をダウンロードいただき、ありがとうございます"
    assert len(sent) == 3


def test_the_follow_up_that_no_row_stands_for_goes_seven_days_after_the_seminar_signup(stage: Stage) -> None:
    company = stage.company
    mail = company.contact("yamada", START, title="部長", industry="製造業")
    company.event("document_download", mail, after(1), asset="case-studies")
    stage.cycle(after(1, hours=1))
    stage.cycle(after(4, hours=1))
    company.event("seminar_signup", mail, after(5))
    assert stage.cycle(after(11, hours=23)) == []
    assert [to for to, _ in stage.cycle(after(12))] == [mail]


def test_three_years_of_history_mail_nobody_when_the_rules_are_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StandIn(tmp_path, clock=Clock(START)) as server:
        company = SmallCompany(tmp_path, active_from=None)
        for name, value in company.environment(server).items():
            monkeypatch.setenv(name, value)
        for number in range(30):
            mail = company.contact(f"lead{number}", after(-1100))
            for days in range(-1095, 0, 60):
                company.event("document_download", mail, after(days), asset="case-studies")
                company.event("page_view", mail, after(days, hours=1), path="/price")
            company.event("consultation_request", mail, after(-0.01))
        stage = Stage(company, server)
        assert stage.cycle(START) == []
        assert stage.cycle(after(0.5)) == []
        assert stage.notices() == []
        company.event("consultation_request", "lead1@example.com", after(1))
        assert len(stage.cycle(after(1, hours=1))) == 1
        assert len(stage.notices()) == 1


def test_every_flow_run_twice_at_one_instant_changes_nothing(stage: Stage) -> None:
    import duckdb

    company = stage.company
    for number in range(5):
        mail = company.contact(f"lead{number}", START)
        company.event("document_download", mail, after(1), asset="guide")
    company.event("consultation_request", mail, after(1))

    def state() -> dict[str, list[str]]:
        found = {}
        for file in ("warehouse", "ledger", "kpi"):
            with duckdb.connect(str(company.home / f"{file}.duckdb"), read_only=True) as connection:
                tables = connection.execute("select table_name from duckdb_tables() where not temporary").fetchall()
                for (table,) in tables:
                    found[f"{file}.{table}"] = sorted(map(repr, connection.execute(f"from {table}").fetchall()))
        return found

    def round_at(as_of: datetime) -> None:
        stage.cycle(as_of)
        daily_handoff_and_kpi.fn(as_of=as_of)

    round_at(after(1, hours=1))
    round_at(after(2))
    round_at(after(2))  # takes in what the provider told of the rounds before, the morning's list included
    before = state()
    pull_behavior.fn(as_of=after(2))
    round_at(after(2))
    assert state() == before
