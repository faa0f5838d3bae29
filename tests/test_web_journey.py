"""A visitor becomes a lead, in a real browser: reads, fills the form, gets the paper and the mail, clicks, opts out.

The company's site, the web face and the stand-in SendGrid each have a port of the loopback; the flows run in between, as
the schedule or the web face has them run.
"""

from __future__ import annotations

import http.server
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from flows.nurture_cycle import nurture_cycle
from rules.loader import load_rules
from sandbox.sendgrid import EventWebhook, Mail, StandIn
from settings import load_settings
from tests.browser import chromium
from tests.company import SmallCompany
from tests.intake.face import face

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
SCREENSHOTS = os.environ.get("NURTURE_SCREENSHOTS")
"""A folder for a picture of each page, for a person to look at."""
PAGES = {"/": "サンプル商事", "/price": "料金のご案内", "/case/a": "導入事例", "/case-studies/download": "導入事例集"}
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
        title = PAGES.get(self.path.partition("?")[0])
        body = (
            '<!doctype html><html lang="ja"><meta charset="utf-8"><link rel="icon" href="data:,">'
            f'<title>{title}</title><h1>{title}</h1><script src="{self.server.face_url}/t.js" async></script>'
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
    context = browser.new_context(viewport=size, locale=language)
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
