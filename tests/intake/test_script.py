"""The tracking script in Chromium: what it keeps, tells and leaves, on pages that are made up for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.browser import chromium

SCRIPT = (Path(__file__).parents[2] / "intake" / "pages" / "t.js").read_text(encoding="utf-8")
SITE = "https://www.example.com"
FORM = '<form action="{}/forms/document"><input type="hidden" name="visitor"></form>'
FIELDS = "[...document.querySelectorAll('[name=visitor]')].map((input) => input.value)"


class Web:
    """A site whose pages include the script, and where the beacons go."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.tag = '<script src="https://web.example.com/t.js"></script>'
        self.told: list[dict[str, str]] = []
        context.route("**/*", self._answer)
        self.page = context.new_page()

    def _answer(self, route: Route) -> None:
        url = route.request.url
        if url == "https://web.example.com/t.js":
            route.fulfill(body=SCRIPT, content_type="text/javascript")
        elif url == "https://web.example.com/t":
            assert route.request.headers["content-type"].startswith("application/x-www-form-urlencoded")
            self.told.append({name: value for name, (value,) in parse_qs(route.request.post_data or "").items()})
            route.fulfill(status=204)
        else:
            forms = FORM.format("https://web.example.com") + FORM.format("https://other.test")
            route.fulfill(body=f"<!doctype html>{self.tag}{forms}", content_type="text/html")

    def open(self, path: str = "/", tag: str = "", site: str = SITE) -> Page:
        """Open a page whose script's tag holds some attributes, and let beacons leave."""
        self.tag = f'<script src="https://web.example.com/t.js" {tag}></script>'
        self.page.goto(f"{site}{path}")
        return self.settled()

    def run(self, script: str) -> Page:
        self.page.evaluate(script)
        return self.settled()

    def settled(self) -> Page:
        # a request of the page's own leaves after the beacons before it
        self.page.evaluate("fetch('/settled')")
        return self.page

    def cookies(self) -> dict[str, str]:
        return {cookie["name"]: cookie["value"] for cookie in self.context.cookies()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def web(browser: Browser) -> Iterator[Web]:
    context = browser.new_context()
    context.set_default_timeout(10_000)
    yield Web(context)
    context.close()


def test_a_visitor_keeps_the_same_id_for_thirteen_months_and_tells_each_page(web: Web) -> None:
    web.open("/price")
    web.open("/case/a")
    (cookie,) = web.context.cookies()
    assert [told["u"] for told in web.told] == [f"{SITE}/price", f"{SITE}/case/a"]
    assert {told["v"] for told in web.told} == {cookie["value"]}
    assert len(cookie["value"]) == 32
    assert (cookie["sameSite"], cookie["secure"], cookie["domain"]) == ("Lax", True, "www.example.com")
    month = 60 * 60 * 24 * 30.5
    assert 12.9 < (cookie["expires"] - web.page.evaluate("Date.now()") / 1000) / month < 13.1


def test_two_browsers_are_two_visitors(browser: Browser, web: Web) -> None:
    web.open()
    other = Web(browser.new_context())
    other.open()
    assert web.told[0]["v"] != other.told[0]["v"]
    other.context.close()


def test_the_pages_of_a_domain_know_one_visitor_where_the_tag_names_it(web: Web) -> None:
    web.open(tag='data-domain="example.com"')
    web.open(tag='data-domain="example.com"', site="https://forms.example.com")
    assert len(web.cookies()) == 1
    assert web.told[0]["v"] == web.told[1]["v"]


def test_nothing_of_an_address_is_told_but_the_page_and_its_campaign(web: Web) -> None:
    page = web.open("/price?email=taro@example.com&utm_source=nurture&q=a#taro")
    assert web.told[0]["u"] == f"{SITE}/price?utm_source=nurture"
    assert page.url == f"{SITE}/price?email=taro@example.com&utm_source=nurture&q=a#taro"


def test_a_mails_token_is_told_once_and_leaves_the_address(web: Web) -> None:
    page = web.open("/price?nl=token&q=a#top")
    assert page.url == f"{SITE}/price?q=a#top"
    web.run("nurture.page()")
    assert [told.get("l") for told in web.told] == ["token", None]
    assert page.evaluate("history.length") == 2, "the address with the token is no step to go back to"


@pytest.mark.parametrize("wish", ["globalPrivacyControl', {value: true}", "doNotTrack', {value: '1'}"])
def test_who_asks_not_to_be_followed_is_not(web: Web, wish: str) -> None:
    web.context.add_init_script(f"Object.defineProperty(navigator, '{wish})")
    page = web.open("/price?nl=token")
    web.run("nurture.page(); nurture.consent(true)")
    assert (web.told, web.cookies(), page.url) == ([], {}, f"{SITE}/price")


def test_consent_is_waited_for_remembered_and_withdrawn(web: Web) -> None:
    asks = 'data-consent="required"'
    web.open("/price?nl=token", asks)
    web.run("nurture.page()")
    assert (web.told, web.cookies()) == ([], {})
    web.run("nurture.consent(true)")
    assert [(told["u"], told.get("l")) for told in web.told] == [(f"{SITE}/price", "token")]
    web.open("/case/a", asks)
    assert len(web.told) == 2
    web.run("nurture.consent(false); nurture.page()")
    web.open("/case/a", asks)
    assert (len(web.told), web.cookies()) == (2, {})


def test_a_no_is_remembered_where_nobody_asks_first(web: Web) -> None:
    web.open()
    web.run("nurture.consent(false); nurture.page()")
    web.open("/price")
    assert (len(web.told), web.cookies()) == (1, {"nv": "no"})
    web.run("nurture.consent(true)")
    assert [told["u"] for told in web.told] == [f"{SITE}/", f"{SITE}/price"]
    assert web.cookies() == {"nv": web.told[1]["v"]}


def test_a_no_reaches_a_cookie_from_before_the_domain_was_named(web: Web) -> None:
    asks = 'data-consent="required"'
    web.open(tag=asks)
    web.run("nurture.consent(true)")
    web.open(tag=f'{asks} data-domain="example.com"')
    assert len(web.context.cookies()) == 2
    web.run("nurture.consent(false)")
    assert web.cookies() == {}


def test_only_our_forms_are_told_the_visitor(web: Web) -> None:
    page = web.open()
    assert page.evaluate(FIELDS) == [web.told[0]["v"], ""]
    web.run("nurture.consent(false)")
    assert page.evaluate(FIELDS) == ["", ""]


def test_a_page_of_a_single_page_site_is_told_when_it_says_so(web: Web) -> None:
    web.open()
    web.run("history.pushState(null, '', '/price'); nurture.page()")
    assert [told["u"] for told in web.told] == [f"{SITE}/", f"{SITE}/price"]


def test_a_script_that_is_included_twice_tells_once(web: Web) -> None:
    web.open(tag='></script><script src="https://web.example.com/t.js"')
    assert len(web.told) == 1


def test_a_browser_that_keeps_no_cookie_is_not_followed(web: Web) -> None:
    web.context.add_init_script("Object.defineProperty(document, 'cookie', {get: () => '', set() {}})")
    web.open()
    assert web.told == []


def test_a_page_that_is_made_ahead_is_told_once_it_is_seen(web: Web) -> None:
    web.context.add_init_script("Object.defineProperty(document, 'prerendering', {value: true})")
    web.open()
    assert web.told == []
    web.run("document.dispatchEvent(new Event('prerenderingchange'))")
    assert len(web.told) == 1
