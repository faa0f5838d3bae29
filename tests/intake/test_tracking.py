"""Beacons: what of a page view is kept, from whom none is, and what a mail's link tells beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from intake import tracking
from intake.tracking import kept_url
from rules.models import RuleSet
from settings import Settings
from tasks.inbox import drain_inbox
from tasks.mail_links import signed_links
from tests.facts import at
from tests.intake.face import Answer, Face
from tests.world import World

VISITOR = "0123456789abcdef0123456789abcdef"
PAGE = "https://www.example.com/price"
PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36"


def beacon(served: Face, url: str = PAGE, visitor: str = VISITOR, token: str | None = None, **headers: str) -> Answer:
    told = {"v": visitor, "u": url} | ({"l": token} if token else {})
    return served.post("/t", told, **({"User_Agent": PERSON} | headers))


def events(world: World, rules: RuleSet) -> list[tuple[object, ...]]:
    drain_inbox(world.settings, rules.fields, at(2))
    return world.warehouse("select event_type, visitor, url, send_id from events order by event_type, url")


def lead_token(settings: Settings, send_id: str) -> str:
    return signed_links("", settings.secret_keys[0]).lead(send_id)


def test_the_script_is_small_and_may_be_included_anywhere(served: Face) -> None:
    answer = served.get("/t.js")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert len(answer.body) < 3000
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (PAGE, PAGE),
        (f"{PAGE}?utm_source=nurture&email=taro@example.com&nl=x#top", f"{PAGE}?utm_source=nurture"),
        ("https://taro:secret@www.example.com:8443/price", "https://www.example.com:8443/price"),
        ("https://shop.example.com/%E6%96%99%E9%87%91", "https://shop.example.com/%E6%96%99%E9%87%91"),
        ("http://example.com", "http://example.com"),
    ],
)
def test_of_an_address_the_page_and_its_campaign_are_kept(
    world: World, served: Face, rules: RuleSet, url: str, kept: str
) -> None:
    assert beacon(served, url).status == 204
    assert events(world, rules) == [("page_view", VISITOR, kept, None)]


@pytest.mark.parametrize(
    ("url", "visitor"),
    [
        (PAGE, "short"),
        (PAGE, "x" * 65),
        (PAGE, "<script>alert(1)</script>"),
        ("", VISITOR),
        ("javascript:alert(1)", VISITOR),
        ("file:///etc/passwd", VISITOR),
        ("https://", VISITOR),
        ("https://[::1", VISITOR),
        ("https://www.example.com:99999999/", VISITOR),
        ("https://www.example.com/a\x00b", VISITOR),
        ("https://www.example.com/" + "x" * 2000, VISITOR),
        ("https://other.test/price", VISITOR),
        ("https://badexample.com/price", VISITOR),
        ("https://www..example.com/price", VISITOR),
        (f"https://{'a' * 64}.example.com/price", VISITOR),
    ],
)
def test_what_is_no_page_of_ours_is_refused(world: World, served: Face, rules: RuleSet, url: str, visitor: str) -> None:
    answer = beacon(served, url, visitor)
    assert (answer.status, events(world, rules)) == (422, [])


def test_a_japanese_host_is_named_as_browsers_name_it() -> None:
    assert kept_url("https://例え.jp/%E6%96%99") == kept_url("https://xn--r8jz45g.jp/%E6%96%99")


def test_the_page_on_tracking_names_all_that_a_site_may_say() -> None:
    script = (Path(tracking.__file__).parent / "pages" / "t.js").read_text(encoding="utf-8")
    page = Path("docs/tracking.md").read_text(encoding="utf-8")
    (calls,) = re.findall(r"window\.nurture = \{ (\w+(?:, \w+)*) \}", script)
    named = {f"data-{name}" for name in re.findall(r"dataset\.(\w+)", script)} | {
        f"nurture.{name}(" for name in calls.split(", ")
    }
    assert len(named) == 4
    assert [name for name in named if f"`{name}" not in page] == []


@pytest.mark.parametrize(
    "header",
    [{"Sec_GPC": "1"}, {"DNT": "1"}, {"User_Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}],
)
def test_who_is_not_to_be_followed_is_not(world: World, served: Face, rules: RuleSet, header: dict[str, str]) -> None:
    assert beacon(served, token=lead_token(world.settings, "S1"), **header).status == 204
    assert events(world, rules) == []


def test_a_mails_link_tells_the_send_beside_the_view(world: World, served: Face, rules: RuleSet) -> None:
    assert beacon(served, token=lead_token(world.settings, "S1")).status == 204
    assert events(world, rules) == [("link_visit", VISITOR, PAGE, "S1"), ("page_view", VISITOR, PAGE, None)]


def test_a_token_of_another_purpose_or_hand_tells_nothing(world: World, served: Face, rules: RuleSet) -> None:
    token = lead_token(world.settings, "S1")
    others = (signed_links("", world.settings.secret_keys[0]).opt_out("S1"), token[:-1], "x" * 900, f"{token}x")
    assert [beacon(served, token=other).status for other in others] == [204] * 4
    assert {kind for kind, *_ in events(world, rules)} == {"page_view"}


def test_views_become_points_once_the_visitor_sends_a_form(world: World, served: Face, rules: RuleSet) -> None:
    assert beacon(served).status == 204
    served.post(
        "/forms/document",
        {"company": "見本", "name": "見本", "email": "taro@example.com"},
        Cookie=f"nv={VISITOR}",
        User_Agent=PERSON,
    )
    drain_inbox(world.settings, rules.fields, at(2))
    world.recompute(rules, at(2))
    assert world.warehouse("select email, score from leads") == [("taro@example.com", 25)]
