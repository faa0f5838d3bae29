"""One lead's way from its first visit to the deal that is won, by the real flows, with the SFA in PostgreSQL.

The flows run on a Prefect server, mails go to the stand-in SendGrid, sales works in the SFA and by the link of a notice.
In the end every table, here and there, and every mail tell the same story.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.daily_handoff_and_kpi import daily_handoff_and_kpi
from flows.nurture_cycle import nurture_cycle
from rules.loader import load_rules
from sandbox.sendgrid import Clock, StandIn
from settings import load_settings
from tasks.explain.text import to_text
from tests.company import SmallCompany
from tests.intake.face import face
from tests.postgres import postgres_server, postgres_url
from tests.prefect_server import PrefectServer, prefect_server
from warehouse.explain import explain

__all__ = ["postgres_server", "postgres_url", "prefect_server"]  # fixtures

NOON = datetime(2026, 4, 8, 3, 0, tzinfo=UTC)
"""A Wednesday's noon in Tokyo."""
HOT = NOON - timedelta(minutes=20)
"""When the third look at the price page makes the score."""
DUE = HOT + timedelta(hours=48)
CALLED = DUE + timedelta(hours=3)
MET = CALLED + timedelta(days=1)
OFFERED = MET + timedelta(days=1)
WON = OFFERED + timedelta(days=5)
LEAD, REP, OTHER, MANAGER = (
    "hot@example.com",
    "ichiro.suzuki@example.com",
    "hanako.sato@example.com",
    "ken.takahashi@example.com",
)
ROUTES = """
routes:
  - {id: heads, label: 製造業の部長職, segment: 製造業・部長職, owners: [suzuki]}
"""


class Loop:
    """The company, its sales, and the flows between them."""

    def __init__(self, company: SmallCompany, stand_in: StandIn, sfa_url: str) -> None:
        self.company, self.stand_in = company, stand_in
        self._sfa = sa.create_engine(sfa_url, poolclass=sa.NullPool)

    def cycle(self, at: datetime) -> dict[str, Any]:
        self.stand_in.clock.set(at)
        return dict(nurture_cycle(as_of=at)["handoff"])

    def daily(self, at: datetime) -> None:
        self.stand_in.clock.set(at)
        daily_handoff_and_kpi(as_of=at)

    def sfa(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        with self._sfa.begin() as connection:
            answer = connection.execute(sa.text(statement), values)
            return [tuple(row) for row in answer] if answer.returns_rows else []

    def ledger(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.company.home / "ledger.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def published(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.company.home / "kpi.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def told(self) -> list[tuple[str, str]]:
        """What sales was mailed: to whom, and the word in front of the subject."""
        return [
            (address, mail.subject.partition("】")[0].strip("【"))
            for mail in self.stand_in.mailbox.mails
            for address in (REP, OTHER, MANAGER)
            if mail in self.stand_in.mailbox.to(address)
        ]

    def explained(self, at: datetime) -> str:
        settings = load_settings()
        rules = load_rules(settings.rules)
        explanation = explain(settings, rules, LEAD, at)
        assert explanation is not None
        return "\n".join(to_text(explanation, rules, settings.zone))


@pytest.fixture
def loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: PrefectServer, postgres_url: str
) -> Iterator[Loop]:
    company = SmallCompany(tmp_path / "home", active_from=NOON - timedelta(days=1))
    with (company.rules / "handoff.yaml").open("a", encoding="utf-8") as file:
        file.write(ROUTES)
    monkeypatch.chdir(tmp_path)
    with (
        StandIn(company.home, clock=Clock(NOON)) as stand_in,
        temporary_settings({PREFECT_API_URL: prefect_server.api_url}),
    ):
        for name, value in {**company.environment(stand_in), "NURTURE_SFA_URL": postgres_url}.items():
            monkeypatch.setenv(name, value)
        yield Loop(company, stand_in, postgres_url)


def test_from_the_first_visit_to_the_deal_that_is_won_every_table_tells_one_story(loop: Loop) -> None:
    # two leads behave; one becomes hot
    company = loop.company
    company.contact("hot", NOON - timedelta(days=1), full_name="山田太郎")
    company.contact("cool", NOON - timedelta(days=1))
    company.event("document_download", LEAD, HOT - timedelta(hours=5), asset="service-guide")
    company.event("document_download", "cool@example.com", HOT - timedelta(hours=5), asset="service-guide")
    for hours in (2, 1, 0):
        company.event("page_view", LEAD, HOT - timedelta(hours=hours), path="/price")

    # it is handed to the rep whose leads these are, who is told once
    counts = loop.cycle(NOON)
    assert (counts["handoffs"], counts["notices_sent"]) == (1, 1)
    assert loop.told() == [(REP, "引き継ぎ")]
    ((handoff_id, lead_id, owner, status, brief),) = loop.sfa(
        "select handoff_id, lead_id, owner, status, brief from handoffs"
    )
    assert (owner, status) == ("suzuki", "new")
    assert "山田太郎" in brief and "価格ページ 3回" in brief
    assert loop.sfa("select email, owner, tier, score from leads order by score desc") == [
        (LEAD, "suzuki", "hot", 55), ("cool@example.com", None, "cold", 10),
    ]  # fmt: skip
    again = loop.cycle(NOON + timedelta(minutes=15))
    assert (again["handoffs"], again["notices_sent"], again["leads_written"]) == (0, 0, 0)

    # the next morning's list goes to those whom it concerns, once
    for _ in range(2):
        loop.daily(NOON + timedelta(hours=21))
    assert sorted(loop.told()[1:]) == [(REP, "本日の対応"), (MANAGER, "本日の対応")]

    # nobody calls: the rep is reminded once, then the manager is told once
    for hours in (-9, -7, -1):
        loop.cycle(DUE + timedelta(hours=hours))
    assert loop.told()[3:] == [(REP, "期限が近づいています")]
    for hours in (1, 2):
        loop.cycle(DUE + timedelta(hours=hours))
    assert loop.told()[4:] == [(MANAGER, "期限超過")]

    # the rep calls, too late, and notes it in the SFA
    loop.sfa(
        "update handoffs set status = 'contacted', first_contact_at = :at, updated_at = :at", at=CALLED.isoformat()
    )
    loop.cycle(CALLED + timedelta(minutes=10))
    assert loop.ledger("select status, first_contact_at > due_at from handoffs") == [("contacted", True)]

    # a meeting comes of it: noted by the link of the notice, and the SFA learns it
    settings = load_settings()
    with face(settings, load_rules(settings.rules), MET) as web:
        found = re.search(r"/h/[\w.~-]+", loop.stand_in.mailbox.to(REP)[0].text)
        assert found is not None
        assert "山田太郎" in web.get(found[0]).text
        assert web.post(found[0], {"status": "meeting"}).status == 200
    loop.cycle(MET + timedelta(minutes=10))
    assert loop.sfa("select status, first_contact_at from handoffs") == [("meeting", CALLED.isoformat())]

    # an offer, then the deal is won
    loop.sfa(
        "insert into deals (deal_id, lead_id, name, owner, status, amount, updated_at)"
        " values ('D1', :lead, '基幹システム更新', 'suzuki', 'open', 1200000, :at)",
        lead=lead_id, at=OFFERED.isoformat(),
    )  # fmt: skip
    loop.cycle(OFFERED + timedelta(minutes=10))
    loop.sfa("update deals set status = 'won', amount = 1000000, updated_at = :at", at=WON.isoformat())
    loop.sfa("update handoffs set status = 'won', outcome = '受注', updated_at = :at", at=WON.isoformat())
    loop.cycle(WON + timedelta(minutes=10))
    end = WON + timedelta(hours=1)
    loop.daily(end)

    # every table tells it
    assert loop.told()[5:] == [(MANAGER, "本日の対応")], "nothing is open: the figures are the manager's alone"
    assert loop.sfa("select handoff_id, owner, status, first_contact_at, outcome from handoffs") == [
        (handoff_id, "suzuki", "won", CALLED.isoformat(), "受注")
    ]
    stand = "select handoff_id, owner, status, due_at, first_contact_at, outcome from handoffs"
    assert loop.ledger(stand) == loop.published(stand) == [(handoff_id, "suzuki", "won", DUE, CALLED, "受注")]
    assert loop.published("select route, assigned_because, first_owner, current_lead_id from handoffs") == [
        ("heads", "route", "suzuki", lead_id)
    ]
    assert loop.published("select source, status, changed_at from handoff_changes order by changed_at") == [
        ("sfa", "contacted", CALLED), ("link", "meeting", MET), ("sfa", "won", WON),
    ]  # fmt: skip
    about = "select kind, recipient, state from notices where handoff_id is not null order by planned_at"
    assert loop.ledger(about) == loop.published(about) == [
        ("handoff", "suzuki", "accepted"), ("reminder", "suzuki", "accepted"), ("escalation", "takahashi", "accepted"),
    ]  # fmt: skip
    assert loop.published("select * exclude (restated_at) from kpi_handoff_daily") == [
        (NOON.date(), "suzuki", 1, 0, 1, 1, 1, 0, 51.0, 0, 0, 0, 1, 0, 0)
    ]
    assert loop.published(
        "select date, sum(handoffs), sum(meetings), sum(deals_won), sum(amount)::int from kpi_funnel_daily"
        " group by date having sum(handoffs) + sum(meetings) + sum(deals_won) > 0 order by date"
    ) == [(NOON.date(), 1, 0, 0, 0), (MET.date(), 0, 1, 0, 0), (WON.date(), 0, 0, 1, 1_000_000)]
    assert loop.published("select lead_id, status, amount::int, won_at from deals") == [
        (lead_id, "won", 1_000_000, WON)
    ]
    stays = "select segment, entered_at, left_at from segment_members where segment in ('in_negotiation', 'customers')"
    assert sorted(loop.published(stays)) == [("customers", WON, None), ("in_negotiation", OFFERED, WON)]
    assert loop.published("select count(*) from sfa_conflicts") == [(0,)]

    # and explain tells it as of any instant
    assert "引き継ぎ「ホット(スコア到達)」 担当 鈴木 一郎(担当の分け方): 連絡待ち" in loop.explained(DUE)
    assert ": 商談、初回連絡の期限 " in loop.explained(OFFERED)
    story = loop.explained(end)
    for line in (
        "引き継ぎの通知「ホット(スコア到達)」 鈴木 一郎へ: 送信済み",
        "期限前の通知「ホット(スコア到達)」 鈴木 一郎へ: 送信済み",
        "期限超過の通知「ホット(スコア到達)」 高橋 健へ: 送信済み",
        "営業の対応「ホット(スコア到達)」: 商談(通知のリンク)",
        "営業の対応「ホット(スコア到達)」: 受注、受注(SFA)",
    ):
        assert line in story, story
