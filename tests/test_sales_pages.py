"""Sales' pages in a real browser, on a phone and at a desk: from the list to what is noted, and back to set it right."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Locator, Page, expect

from intake.cards import Card, put_cards
from intake.inbox import connect_inbox
from rules.loader import load_rules
from settings import Settings
from tests.browser import chromium
from tests.intake.face import Face, face
from tests.rules.workbooks import GUIDE
from tokens import FOLLOW_UP_SALT, HANDOFFS_SALT, TextSigner

NOW = datetime(2026, 4, 8, 3, 0, tzinfo=UTC)
"""A Wednesday's noon in Tokyo."""
SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}
SCREENSHOTS = os.environ.get("NURTURE_SCREENSHOTS")
"""A folder for a picture of each page, for a person to look at."""
SECRET = "secret of the tests"
LEAST_HEIGHT = 44
"""Of what a finger presses, in CSS pixels."""
LONG = "株式会社" + "とても長い名前の製造" * 6 + " Wolfeschlegelsteinhausenbergerdorff" * 2


def card(number: int, who: str, hours: float, status: str = "new", owner: str = "suzuki", **changes: object) -> Card:
    """A handoff whose limit is so many hours away."""
    due_at = NOW + timedelta(hours=hours)
    values: dict[str, object] = {
        "handoff_id": f"H{number}",
        "owner": owner,
        "owner_name": {"suzuki": "鈴木 一郎", "sato": "佐藤 花子"}[owner],
        "who": who,
        "cause": "個別相談の申込" if number % 2 else "ホット(スコア到達)",
        "due_at": due_at,
        "status": status,
        "is_called": status not in {"new", "accepted"},
        "status_changed_at": NOW - timedelta(hours=20),
        "facts": (
            ("お名前", "見本 太郎"),
            ("会社名", "株式会社見本製作所"),
            ("役職", "製造部長"),
            ("電話番号", "03-0000-0000"),
            ("メール", "taro.mihon@example.com"),
            ("スコア", "65点 / 購買ステージ: 決定"),
            ("きっかけ", "個別相談の申込"),
            ("初回連絡の期限", "4月10日(金) 11:40"),
        ),
        "sections": (
            ("最近の行動", ("4月8日(水) 11:40 個別相談申込(+30点)", "4月8日(水) 11:02 価格ページ閲覧(+15点)")),
            ("見たページ・資料", ("価格ページ 3回(最後は4月8日(水) 11:02)",)),
            ("お話しするなら", ("ご相談の内容をうかがい、その場で打ち合わせの日程をご提案ください。",)),
        ),
        "phone": "03-0000-0000",
        "email": "taro.mihon@example.com",
    }
    return Card(**values | changes)  # type: ignore[arg-type]


CARDS = (
    card(1, "株式会社見本製作所 見本 太郎", -3),
    card(2, "例示工業株式会社 山田 花子", 6, "accepted"),
    card(
        3, LONG, 30, email="wolfeschlegelsteinhausenbergerdorff.the.elder.of.the.long.names@a-long-domain.example.com"
    ),
    card(4, "サンプル商事 高橋 次郎", -30, "contacted"),
    card(5, "テスト電機 佐々木 三郎", -90, "returned", reject_reason="no_budget"),
    card(6, "架空物産 伊藤 四郎", -1, owner="sato", phone=None),
)


class Sales:
    """A rep with a browser, and what the inbox heard."""

    def __init__(self, served: Face, settings: Settings) -> None:
        self.url = served.url
        self._settings = settings

    def list_of(self, owner: str) -> str:
        return f"{self.url}/handoffs/{TextSigner(SECRET, HANDOFFS_SALT)(f'{owner} 2026-04-22')}"

    def handoff(self, number: int) -> str:
        return f"{self.url}/h/{TextSigner(SECRET, FOLLOW_UP_SALT)(f'H{number}')}"

    def noted(self) -> list[tuple[str, str | None]]:
        """Status and reason of each fact that waits."""
        engine = connect_inbox(self._settings.inbox)
        with engine.connect() as connection:
            bodies = [orjson.loads(body) for body in connection.scalars(sa.text("select body from inbox"))]
        engine.dispose()
        events = [event for body in bodies for event in body["events"]]
        return [(event["properties.status"], event.get("properties.reject_reason")) for event in events]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def sales(tmp_path: Path) -> Iterator[Sales]:
    settings = Settings(home=tmp_path, secret_key=SECRET)
    engine = connect_inbox(settings.inbox)
    put_cards(engine, CARDS)
    engine.dispose()
    with face(settings, load_rules(GUIDE), NOW) as served:
        yield Sales(served, settings)


@contextmanager
def opened(browser: Browser, size: str, language: str = "ja-JP") -> Iterator[Page]:
    """A browser's page without script, on which nothing but what a rep left out (422) is a fault."""
    context = browser.new_context(viewport=SIZES[size], locale=language, java_script_enabled=False)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"{message.text} {message.location['url']}"))
    page.on("requestfailed", lambda request: faults.append(f"failed {request.url}"))
    try:
        yield page
    finally:
        context.close()
    # browsers ask for an icon unbidden
    assert [one for one in faults if "status of 422" not in one and not one.endswith("/favicon.ico")] == []


def seen(page: Page, name: str) -> None:
    """The page is as wide as the window, what is pressed is high enough, and its picture is kept if one is wanted."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"sales_{name}_{width}.png", full_page=True)
    box = page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert box[0] <= box[1] == width, f"{name} is {box[0]} wide"
    pressed: list[Locator] = page.locator("a.button, button, select, .choices label, .cards li").all()
    for one in pressed:
        found = one.bounding_box()
        assert found is None or found["height"] >= LEAST_HEIGHT, one.inner_text()


@pytest.mark.parametrize("size", SIZES)
def test_from_the_list_to_what_is_noted_and_back(sales: Sales, browser: Browser, size: str) -> None:
    with opened(browser, size) as page:
        page.goto(sales.list_of("suzuki"))
        expect(page.get_by_role("heading", level=2)).to_contain_text(
            ["期限を過ぎて未連絡", "今日が期限", "明日以降が期限", "連絡済み・商談中"]
        )
        expect(page.locator(".figures strong")).to_have_text(["1", "1", "1", "1"])
        expect(page.get_by_text("伊藤 四郎")).to_have_count(0)
        seen(page, "list")

        page.locator(".cards li").first.click(position={"x": 200, "y": 50})
        expect(page.get_by_role("heading", level=1)).to_have_text("株式会社見本製作所 見本 太郎")
        call, mail = page.get_by_role("link").all()
        assert call.get_attribute("href") == "tel:0300000000"
        assert mail.get_attribute("href") == "mailto:taro.mihon@example.com"
        box = call.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 400, "at the top, without scrolling"
        expect(page.get_by_label("差し戻しの理由")).to_be_hidden()
        seen(page, "handoff")

        page.get_by_label("マーケティングへ差し戻す").check()
        expect(page.get_by_label("差し戻しの理由")).to_be_visible()
        page.get_by_role("button", name="記録する").click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("まだ記録できていません")
        expect(page.get_by_label("マーケティングへ差し戻す")).to_be_checked()
        reason = page.get_by_label("差し戻しの理由")
        expect(reason).to_have_attribute("aria-invalid", "true")
        expect(reason).to_have_accessible_description(
            re.compile("選んだときだけ必要です。 差し戻しの理由を選んでください。")
        )
        seen(page, "handoff_fault")
        alert.get_by_role("link").click()
        expect(reason).to_be_focused()
        assert sales.noted() == []

        reason.select_option(label="予算なし")
        page.get_by_role("button", name="記録する").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("記録しました")
        expect(page.locator("main")).to_contain_text("予算なし")
        seen(page, "done")
        assert sales.noted() == [("returned", "no_budget")]

        page.get_by_role("link").click()
        expect(page.get_by_label("マーケティングへ差し戻す")).to_be_checked()
        page.get_by_label("連絡した").check()
        page.get_by_role("button", name="記録する").click()
        expect(page.locator("main")).to_contain_text("連絡した")
        assert sales.noted() == [("returned", "no_budget"), ("contacted", None)]


@pytest.mark.parametrize("size", SIZES)
def test_pages_stay_in_their_frame_whatever_they_show(sales: Sales, browser: Browser, size: str) -> None:
    with opened(browser, size) as page:
        for number, name in ((3, "handoff_long"), (5, "handoff_ended"), (6, "handoff_without_phone")):
            page.goto(sales.handoff(number))
            seen(page, name)
        page.goto(sales.list_of("*"))
        expect(page.locator(".figures strong")).to_have_text(["2", "1", "1", "1"])
        seen(page, "list_of_all")
        page.goto(sales.list_of("nobody"))
        seen(page, "list_empty")
        page.goto(f"{sales.handoff(1)}?to=returned")
        page.get_by_role("button", name="記録する").click()
        page.get_by_label("商談になった").check()
        page.get_by_role("button", name="記録する").click()
        assert sales.noted() == [("meeting", None)], "a reason is not asked for any more"


def test_a_button_that_is_pressed_twice_notes_one_fact(sales: Sales, browser: Browser) -> None:
    with opened(browser, "phone") as page:
        page.goto(sales.handoff(2))
        page.get_by_label("連絡した").check()
        page.get_by_role("button", name="記録する").dblclick()
        expect(page.get_by_role("heading", level=1)).to_have_text("記録しました")
        page.reload()  # which sends it once more
        assert sales.noted() == [("contacted", None)]


def test_english_pages_say_the_same(sales: Sales, browser: Browser) -> None:
    with opened(browser, "phone", "en-US") as page:
        page.goto(sales.list_of("suzuki"))
        seen(page, "list_en")
        page.goto(sales.handoff(1))
        seen(page, "handoff_en")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("Please choose what came of it.")
        seen(page, "handoff_fault_en")
        page.get_by_role("alert").get_by_role("link").click()
        expect(page.get_by_role("radiogroup")).to_be_focused()
