"""A visitor becomes a lead, in a real browser: reads, fills the form, gets the paper and the mail, clicks, opts out.

The company's site, the web face and the stand-in SendGrid each have a port of the loopback; the flows run in between, as
the schedule or the web face has them run.
"""

from __future__ import annotations

import http.server
import os
import re
import socket
import sqlite3
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from flows.nurture_cycle import nurture_cycle
from rules.loader import load_rules
from sandbox.events import make_event
from sandbox.sendgrid import EventWebhook, Mail, StandIn
from settings import load_settings
from tests.browser import chromium
from tests.company import SmallCompany
from tests.intake.face import face

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
SCREENSHOTS = os.environ.get("NURTURE_SCREENSHOTS")
"""A folder for a picture of each page, for a person to look at."""
PAGES = {
    "/": "サンプル商事",
    "/price": "料金のご案内",
    "/case/a": "導入事例",
    "/case-studies/download": "導入事例集",
    "/embedded": "セミナー",
}
HOSTILE = '"><script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">{{ 7 * 7 }}'


class Site(http.server.ThreadingHTTPServer):
    """The company's own pages, each with the tracking script."""

    daemon_threads = True

    def __init__(self, face_url: str) -> None:
        super().__init__(("127.0.0.1", 0), SitePage)
        self.face_url = face_url
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class SitePage(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        title = PAGES.get(path)
        more = ""
        if path == "/embedded":
            with urllib.request.urlopen(f"{self.server.face_url}/forms/seminar/embed") as answer:
                more = answer.read().decode()
        asks = 'data-consent="required"' if "consent=required" in query else ""
        body = (
            '<!doctype html><html lang="ja"><meta charset="utf-8"><link rel="icon" href="data:,"><title>'
            f'{title}</title><h1>{title}</h1>{more}<script src="{self.server.face_url}/t.js" async {asks}></script>'
        ).encode()
        self.send_response(200 if title else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Journey:
    """The company, its site and web face, a browser, and rounds of the flows."""

    def __init__(self, company: SmallCompany, site: str, web: str, stand_in: StandIn, webhook: EventWebhook) -> None:
        self.company = company
        self.site = site
        self.web = web
        self.stand_in = stand_in
        self.webhook = webhook

    def round(self) -> list[Mail]:
        """One round of the flows. Returns the mails to leads that left in it; what became of them is posted, signed."""
        before = len(self.stand_in.mailbox.mails)
        nurture_cycle.fn()
        mails = self.stand_in.mailbox.mails[before:]
        told = [
            event for event in self.stand_in.mailbox.events.rows() if event["timestamp"] <= datetime.now().timestamp()
        ]
        assert set(self.webhook.post(told)) <= {200}
        return [mail for mail in mails if "sales_notice" not in mail.categories]

    def rows(self, query: str, *values: object, file: str = "warehouse") -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.company.home / f"{file}.duckdb"), read_only=True) as connection:
            return connection.execute(query, list(values)).fetchall()

    def read(self, page: Page, path: str) -> None:
        """Open a page of the site, and wait until its view is taken."""
        with page.expect_response(f"{self.web}/t") as answer:
            page.goto(f"{self.site}{path}")
        assert answer.value.status == 204


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def journey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journey]:
    listening = socket.create_server(("127.0.0.1", 0))
    web = f"http://127.0.0.1:{listening.getsockname()[1]}"
    company = SmallCompany(tmp_path / "home", active_from=datetime.now(UTC) - timedelta(days=1))
    (company.home / "sources.yaml").write_text("sources: []\n")
    with StandIn(company.home) as stand_in, site_of(company, web) as site:
        webhook = EventWebhook(f"{web}/webhooks/sendgrid")
        changes = {"NURTURE_PUBLIC_URL": web, "NURTURE_SENDGRID_WEBHOOK_KEY": webhook.public_key}
        for name, value in (company.environment(stand_in) | changes).items():
            monkeypatch.setenv(name, value)
        settings = load_settings(company.home)
        with face(settings, load_rules(settings.rules), None, listening):
            yield Journey(company, site, web, stand_in, webhook)


@contextmanager
def site_of(company: SmallCompany, web: str) -> Iterator[str]:
    """Serve the company's site, to which its mails link."""
    site = Site(web)
    senders = company.rules / "senders.yaml"
    senders.write_text(senders.read_text("utf-8").replace("https://www.example.com\n", f"{site.url}\n"), "utf-8")
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    try:
        yield site.url
    finally:
        site.shutdown()
        site.server_close()
        thread.join(10)


def visitor(browser: Browser, size: dict[str, int], language: str = "ja-JP") -> BrowserContext:
    # a browser without a window says so, and what it reads would not count
    context = browser.new_context(viewport=size, locale=language, user_agent=AGENT)
    context.set_default_timeout(10_000)
    return context


def show(page: Page, name: str) -> None:
    """Keep a picture, where somebody wants to look."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.locator(f'[name="{name}"]').fill(value)


def link_of(mail: Mail, part: str) -> str:
    """The link of a mail's text that holds a part."""
    (found,) = [one for one in re.findall(r"https?://[^\s<>\"]+", mail.text) if part in one]
    return found


def test_a_visitor_becomes_a_lead_gets_the_mail_and_leaves(journey: Journey, browser: Browser) -> None:
    context = visitor(browser, PHONE)
    page = context.new_page()

    # reads: nobody knows who
    journey.read(page, "/price")
    journey.read(page, "/case/a")
    assert journey.round() == []
    assert journey.rows("select count(*) from leads") == [(0,)]

    # a form that is not filled in well says so, and loses nothing
    page.goto(f"{journey.web}/forms/document")
    show(page, "form")
    fill(page, company="株式会社見本製作所", name="見本 太郎", email="taro.mihon", title="製造部長")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="送信する").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("メールアドレス")
    show(page, "form_faults")
    alert.get_by_role("link").click()
    expect(page.locator("#f-email")).to_be_focused()
    fill(page, email="taro.mihon@example.com")
    expect(page.get_by_role("checkbox")).to_be_checked()
    page.get_by_role("button", name="送信する").click()
    expect(page.get_by_role("heading")).to_have_text("お申し込みありがとうございます")
    show(page, "form_thanks")

    # the paper
    with page.expect_download() as download:
        page.get_by_role("link", name="サービス紹介資料").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")

    # the mail, with what was read before: 10 for the download, 15 for the price page
    (mail,) = journey.round()
    assert (mail.to, mail.subject) == ("taro.mihon@example.com", "資料をダウンロードいただき、ありがとうございます")
    assert journey.rows("select score, tier, stage from leads") == [(25, "cold", "consideration")]

    # a click on the mail's link, on another device: it is known whose it is, and the token leaves the address bar
    other = visitor(browser, DESK)
    reading = other.new_page()
    with reading.expect_response(f"{journey.web}/t") as answer:
        reading.goto(link_of(mail, f"{journey.site}/"))
    assert answer.value.status == 204
    reading.wait_for_function("!location.search.includes('nl=')")
    assert "utm_source=nurture" in reading.url
    journey.read(reading, "/price")
    journey.stand_in.mailbox.events.append([clicked(mail)])
    assert journey.round() == []  # takes what was read; posts the click
    assert journey.round() == []
    points = "select rule, sum(points)::int from lead_score_points group by rule order by rule"
    # a price page that is seen again within half an hour counts once
    assert journey.rows(points) == [("document_download", 10), ("mail_click", 10), ("price_page_view", 15)]
    views = (
        "select url from events where event_type = 'page_view' and visitor in (select visitor from visitor_bindings)"
    )
    assert len(journey.rows(views)) == 4, "two on each device"
    assert journey.rows("select score, tier from leads") == [(35, "warm")]

    # asks for somebody to call
    reading.goto(f"{journey.web}/forms/consultation")
    show(reading, "consultation")
    fill(reading, company="株式会社見本製作所", name="見本 太郎", email="taro.mihon@example.com", phone="03-0000-0000")
    fill(reading, message="導入の進め方について")
    reading.get_by_role("button", name="送信する").click()
    journey.round()
    assert journey.rows("select score, tier, stage from leads") == [(65, "hot", "decision")]
    assert journey.rows("select cause from handoffs", file="ledger") == [("consultation_request",)]

    # leaves: the link shows a page, the button does it
    page.goto(link_of(mail, "/u/"))
    show(page, "opt_out")
    assert journey.rows("select count(*) from events where event_type = 'mail_unsubscribe'") == [(0,)]
    page.get_by_role("button", name="配信を停止する").click()
    expect(page.get_by_role("heading")).to_have_text("配信を停止しました")
    show(page, "opt_out_done")
    journey.round()
    blocked = [("newsletter", "opt_out"), ("step", "opt_out"), ("trigger", "opt_out")]
    assert journey.rows("select blocks, reason from lead_suppressions order by blocks") == blocked
    page.get_by_role("link", name="配信設定").click()
    show(page, "preferences")
    for one in (context, other):
        one.close()


def clicked(mail: Mail) -> dict[str, Any]:
    """A click as SendGrid tells it, a while after the mail came."""
    return make_event(
        mail,
        "click",
        datetime.now(UTC),
        url="https://www.example.com/case-studies",
        useragent="Mozilla/5.0 Chrome/156.0",
    )


def test_script_in_every_field_is_text_wherever_it_is_shown(journey: Journey, browser: Browser) -> None:
    context = visitor(browser, DESK, "en-US")
    page = context.new_page()
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    typed = {
        "company": HOSTILE,
        "name": HOSTILE,
        "title": HOSTILE,
        "email": "mallory@example.com",
        "phone": "03-0000-0000",
    }
    for form, more in (("document", {}), ("consultation", {"message": HOSTILE})):
        page.goto(f"{journey.web}/forms/{form}")
        fill(page, **typed, **more)
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("heading")).to_have_text("Thank you")
    mails = journey.round()
    assert [mail.to for mail in mails] == ["mallory@example.com"]
    notices = [mail for mail in journey.stand_in.mailbox.mails if "sales_notice" in mail.categories]
    assert len(notices) == 1
    for mail in [*mails, *notices]:
        assert "\n" not in mail.subject
        assert "{{ 7 * 7 }}" in mail.text
        page.set_content(mail.html)
        assert page.locator("script, img[onerror]").count() == 0
        assert page.title() != "owned"
    assert HOSTILE in page.inner_text("body").replace("\n", "")
    assert journey.rows("select name from leads") == [(HOSTILE,)]
    with sqlite3.connect(journey.company.home / "sfa.db") as sfa:
        assert HOSTILE in "".join(sfa.iterdump()).replace("''", "'"), "the SFA has it as it was typed, and as a value"
    context.close()


def test_who_asks_not_to_be_followed_is_not_and_consent_is_waited_for(journey: Journey, browser: Browser) -> None:
    context = visitor(browser, DESK)
    context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    page = context.new_page()
    page.goto(f"{journey.site}/price?nl=token")
    page.wait_for_function("window.nurture && !location.search.includes('nl=')")
    page.evaluate("window.nurture.page()")
    assert context.cookies() == []
    context.close()

    context = visitor(browser, DESK)
    page = context.new_page()
    page.goto(f"{journey.site}/case/a?consent=required")
    page.wait_for_function("window.nurture")
    assert context.cookies() == []
    with page.expect_response(f"{journey.web}/t"):
        page.evaluate("window.nurture.consent(true)")
    assert [cookie["name"] for cookie in context.cookies()] == ["nv"]
    journey.round()
    assert journey.rows("select count(*) from events where event_type = 'page_view'") == [(1,)]
    page.evaluate("window.nurture.consent(false)")
    assert context.cookies() == []
    context.close()


def test_an_embedded_form_brings_its_visitor(journey: Journey, browser: Browser) -> None:
    context = visitor(browser, PHONE)
    page = context.new_page()
    journey.read(page, "/price")
    journey.read(page, "/embedded")
    visitor_id = context.cookies()[0]["value"]
    expect(page.locator('[name="visitor"]')).to_have_value(visitor_id)
    fill(page, company="見本", name="見本", email="hanako@example.com")
    page.get_by_role("button", name="送信する").click()
    expect(page.get_by_role("heading")).to_have_text("お申し込みありがとうございます")
    journey.round()
    assert journey.rows("select email, score from leads") == [("hanako@example.com", 35)]
    context.close()
