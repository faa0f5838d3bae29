"""The simulated company: repeatable to the byte, plausible in its numbers, and written as its systems would."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.company import Company
from sandbox.sendgrid import Mailbox

START = datetime(2026, 4, 1, tzinfo=UTC)
CALLS = (
    ("【資料】事例集のご案内", "http://127.0.0.1:8787/d/case-studies?t=abc"),
    ("ウェビナーのご案内", "https://www.example.com/forms/seminar"),
    ("個別相談のご案内", "https://www.example.com/forms/consultation"),
)


@dataclass
class World:
    """A company after some weeks of mails."""

    home: Path
    company: Company
    mailbox: Mailbox

    def sql(self, query: str) -> list[Any]:
        connection = sqlite3.connect(self.home / "world" / "crm.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def page_views(self) -> list[dict[str, str]]:
        files = sorted((self.home / "world" / "web").glob("access_*.csv"))
        return [row for file in files for row in csv.DictReader(io.StringIO(file.read_bytes().decode("cp932")))]

    def files(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.home)): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}


def newsletter(addresses: list[str], number: int) -> dict[str, Any]:
    subject, link = CALLS[number % 3]
    body = (
        f'<a href="{link}">go</a> <a href="https://www.example.com/price">price</a> <a href="https://x.test/u/t">no</a>'
    )
    return {
        "personalizations": [
            {"to": [{"email": address}], "custom_args": {"nurture_send_id": f"{number}-{address}"}}
            for address in addresses
        ],
        "from": {"email": "info@example.com"},
        "subject": subject,
        "content": [{"type": "text/html", "value": body}],
    }


def simulate(home: Path, *, seed: int = 7, leads: int = 400, days: int = 28, step_hours: int = 6) -> World:
    mailbox = Mailbox(home)
    company = Company(home / "world", seed, leads, START, mailbox)
    for hour in range(0, days * 24, step_hours):
        if hour % 72 == 0:
            known = [lead.mail for lead in company.leads if lead.contact_id and lead.mail not in company.opted_out]
            mailbox.accept(newsletter(known, hour // 72), company.now)
        company.advance(START + timedelta(hours=hour + step_hours))
    return World(home, company, mailbox)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return simulate(tmp_path_factory.mktemp("world"))


def test_the_same_seed_and_steps_give_the_same_bytes(tmp_path: Path) -> None:
    one, two, other = (
        simulate(tmp_path / name, seed=seed, leads=80, days=9) for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    )
    assert len(one.files()) > 10
    assert one.files() == two.files()
    assert one.files() != other.files()


def test_longer_steps_tell_the_same_story(tmp_path: Path) -> None:
    short, long = (simulate(tmp_path / str(hours), leads=80, days=6, step_hours=hours) for hours in (6, 72))
    assert short.page_views() == long.page_views()
    assert short.sql("select * from form_posts") == long.sql("select * from form_posts")


def test_nothing_is_told_before_it_happened(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    company = Company(tmp_path / "world", 7, 200, START, mailbox)
    mailbox.accept(newsletter([lead.mail for lead in company.leads if lead.contact_id], 0), START)
    told = len(mailbox.events.rows())
    until = START + timedelta(hours=5)
    company.advance(until)
    events = mailbox.events.rows()[told:]
    assert events
    assert max(event["timestamp"] for event in events) <= until.timestamp()
    world = World(tmp_path, company, mailbox)
    assert max(row["ts"] for row in world.page_views()) <= "2026/04/01 14:00:00"
    assert world.sql("select max(updated_at) from contacts")[0][0] <= until.isoformat()
    with pytest.raises(ValueError, match="cannot go back"):
        company.advance(START)


def test_a_mail_of_the_future_waits(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    company = Company(tmp_path / "world", 7, 100, START, mailbox)
    mailbox.accept(newsletter([lead.mail for lead in company.leads if lead.contact_id], 0), START + timedelta(days=1))
    told = len(mailbox.events.rows())
    company.advance(START + timedelta(hours=12))
    assert len(mailbox.events.rows()) == told
    company.advance(START + timedelta(days=3))
    assert len(mailbox.events.rows()) > told


def test_it_does_not_write_into_another_simulation(tmp_path: Path) -> None:
    Company(tmp_path, 7, 5, START)
    with pytest.raises(FileExistsError, match="empty folder"):
        Company(tmp_path, 7, 5, START)


def test_it_lives_without_mails(tmp_path: Path) -> None:
    company = Company(tmp_path, 7, 50, START)
    company.advance(START + timedelta(days=3))
    assert list((tmp_path / "web").glob("access_202604*.csv"))


def test_reactions_are_about_as_frequent_as_in_life(world: World) -> None:
    events = world.mailbox.events.rows()
    delivered = sum(event["event"] == "delivered" for event in events)
    scanned = {lead.mail for lead in world.company.leads if lead.firm.has_scanner}
    opened = {e["nurture_send_id"] for e in events if e["event"] == "open" and not e["sg_machine_open"]}
    clicked = {e["nurture_send_id"] for e in events if e["event"] == "click" and e["email"] not in scanned}
    count = Counter(event["event"] for event in events)
    assert delivered > 2_000
    assert 0.20 < len(opened) / delivered < 0.30
    assert 0.04 < len(clicked) / delivered < 0.08
    assert 0 < sum(bool(e.get("sg_machine_open")) for e in events) < 0.2 * delivered
    assert 0 < count["unsubscribe"] < 0.01 * delivered
    assert 0 < count["bounce"] < 0.03 * delivered
    assert count["spamreport"] < 0.003 * delivered
    assert len({event["sg_event_id"] for event in events}) == len(events)


def test_opt_outs_are_kept_and_links_that_opt_out_are_never_clicked(world: World) -> None:
    events = world.mailbox.events.rows()
    left = {event["email"] for event in events if event["event"] == "unsubscribe"}
    assert left == set(world.company.opted_out) == {mail for (mail,) in world.sql("select mail from mail_unsubscribe")}
    assert not any("/u/" in event["url"] for event in events if event["event"] == "click")


def test_mails_lead_to_what_they_ask_for(world: World) -> None:
    landed = [row for row in world.page_views() if row["path"] == "/d/case-studies?t=abc"]
    assert landed
    posts = world.sql("select lower(mail), cookie, asset from form_posts where form = 'document_download'")
    cookies = {row["cookie"] for row in landed}
    assert any(cookie in cookies and asset == "case-studies" for _, cookie, asset in posts)


def test_activity_is_skewed_and_keeps_office_hours(world: World) -> None:
    views = [row for row in world.page_views() if row["cookie"].startswith("c")]
    a_cookie = sorted(Counter(row["cookie"] for row in views).values(), reverse=True)
    cookies = sum(len(lead.cookies) for lead in world.company.leads)
    assert sum(a_cookie[: cookies // 10]) > 0.4 * len(views)
    assert len(a_cookie) < 0.7 * cookies
    stamps = [datetime.strptime(row["ts"], "%Y/%m/%d %H:%M:%S") for row in views]
    assert sum(9 <= stamp.hour < 18 for stamp in stamps) > 0.8 * len(stamps)
    assert sum(stamp.weekday() < 5 for stamp in stamps) > 0.75 * len(stamps)


def test_the_access_log_is_what_an_old_server_leaves(world: World) -> None:
    file = world.home / "world" / "web" / "access_20260401.csv"
    assert file.read_bytes().startswith(b"id,ts,cookie,path,user_agent\r\n")
    views = world.page_views()
    assert len({row["id"] for row in views}) == len(views)
    assert [row["ts"] for row in views] == sorted(row["ts"] for row in views)
    assert {row["ts"][:10] for row in views if row["id"] == "w000000001"} == {"2026/04/01"}
    assert any(not row["path"].isascii() for row in views)


def test_the_crm_holds_plausible_people(world: World) -> None:
    contacts = world.sql("select * from contacts")
    at_start = world.sql("select count(*) from contacts where created_at <= '2026-04-01T00:00:00+00:00'")
    assert len(contacts) > 380
    assert at_start == [(200,)]
    assert 0.3 < world.sql("select avg(industry = '製造業') from contacts")[0][0] < 0.5
    assert world.sql("select count(*) from contacts where job_title like '%部長%'")[0][0] > 50
    assert world.sql("select count(*) from contacts where company_name like '%㈱%'")[0][0] > 10
    bases = {basis for (basis,) in world.sql("select distinct consent_basis from contacts")}
    assert bases == {"opt_in_form", "business_card", "existing_dealings", None}
    assert world.sql("select count(*) from contacts where (consent_basis is null) <> (consent_evidence is null)") == [
        (0,)
    ]


def test_no_address_and_no_number_is_real(world: World) -> None:
    for (mail,) in world.sql("select mail from contacts union select mail from form_posts"):
        assert mail.rsplit(".", 1)[1] in ("example", "test"), mail
    assert world.sql("select count(*) from contacts where phone not like '03-0000-____'") == [(0,)]


def test_forms_are_posted_by_contacts(world: World) -> None:
    counts = dict(world.sql("select form, count(*) from form_posts group by 1"))
    assert set(counts) == {"document_download", "seminar_signup", "consultation_request"}
    assert counts["document_download"] > counts["seminar_signup"] > counts["consultation_request"] > 0
    strangers = "select count(*) from form_posts where lower(mail) not in (select mail from contacts)"
    assert world.sql(strangers) == [(0,)]
    assert world.sql("select count(*) from form_posts where asset is null and form <> 'consultation_request'") == [(0,)]


def test_stamps_are_utc_with_an_offset(world: World) -> None:
    for (stamp,) in world.sql("select updated_at from contacts union select posted_at from form_posts"):
        assert datetime.fromisoformat(stamp).utcoffset() == timedelta(0)
