"""The links by which sales says where a handoff stands: what is looked at notes nothing, what is pressed notes one fact."""

from __future__ import annotations

import html
import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from intake.cards import Card, put_cards, read_card
from intake.inbox import connect_inbox
from intake.texts import TEXTS
from rules.models import ReturnReason, RuleSet
from settings import Settings
from tasks.cards import show_handoffs
from tasks.inbox import drain_inbox
from tasks.mail_links import signed_links
from tasks.sfa_sync import sync_sfa
from tests.facts import START, add_event, add_lead, at
from tests.intake.face import Answer, Face, face
from tests.rule_sets import rule_set
from tests.world import World
from tokens import FOLLOW_UP_SALT, HANDOFFS_SALT, TextSigner

SECRET = "secret of the tests"
ONCE = "0123456789abcdef" * 2
REASONS = (ReturnReason(id="too_early", label="時期尚早"), ReturnReason(id="no_budget", label="予算なし"))
FREE = rule_set(active_from=START)
RULES = FREE.model_copy(update={"handoff": FREE.handoff.model_copy(update={"return_reasons": REASONS})})
NOTHING: list[dict[str, str]] = []


def card(handoff_id: str = "H1", **changes: Any) -> Card:
    values: dict[str, Any] = {
        "handoff_id": handoff_id,
        "owner": "sato",
        "owner_name": "佐藤 花子",
        "who": "株式会社山田 山田太郎",
        "cause": "個別相談",
        "due_at": at(3),
        "status": "new",
        "is_called": False,
        "status_changed_at": at(1),
        "facts": (("役職", "営業部長"),),
        "sections": (("最近の行動", ("価格ページ(+15点)",)),),
        "phone": "03-0000-0000",
        "email": "taro.yamada@example.com",
    }
    return Card(**values | changes)


def show(world: World, *cards: Card) -> None:
    """Put cards where the pages read them, as the flows do."""
    engine = connect_inbox(world.settings.inbox)
    put_cards(engine, cards)
    engine.dispose()


def link(handoff_id: str = "H1", key: str = SECRET) -> str:
    return f"/h/{TextSigner(key, FOLLOW_UP_SALT)(handoff_id)}"


def list_link(owner: str, until: str = "2026-04-15") -> str:
    return f"/handoffs/{TextSigner(SECRET, HANDOFFS_SALT)(f'{owner} {until}')}"


def noted(world: World) -> list[dict[str, str]]:
    """The facts that wait in the inbox, without what differs each time."""
    engine = connect_inbox(world.settings.inbox)
    with engine.connect() as connection:
        bodies = [
            orjson.loads(body) for body in connection.scalars(sa.text("select body from inbox order by entry_id"))
        ]
    engine.dispose()
    return [event for body in bodies for event in body["events"]]


def stands(world: World) -> list[str]:
    return [event["properties.status"] for event in noted(world)]


def once_of(answer: Answer) -> str:
    (once,) = re.findall(r'name="once" value="([0-9a-f]{32})"', answer.text)
    return str(once)


def alert_of(answer: Answer) -> str:
    (told,) = re.findall(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)
    return html.unescape(str(told))


@pytest.fixture
def served(world: World) -> Iterator[Face]:
    show(world, card())
    with face(world.settings, RULES, at(1, hours=2)) as served:
        yield served


def test_what_is_only_looked_at_notes_nothing(world: World, served: Face) -> None:
    for path in (link(), f"{link()}?to=won", list_link("sato")):
        assert served.get(path).status == 200
        assert served.ask("HEAD", path).status == 200
    assert 'value="won" checked' in served.get(f"{link()}?to=won").text
    assert " checked" not in served.get(f"{link()}?to=perhaps").text
    assert noted(world) == NOTHING


def test_a_press_notes_one_fact_and_says_which(world: World, served: Face) -> None:
    once = once_of(served.get(link()))
    told = served.post(link(), {"status": "contacted", "once": once})
    assert told.status == 200
    assert all(text in told.text for text in ("記録しました", "株式会社山田 山田太郎", "連絡した"))
    (event,) = noted(world)
    assert re.fullmatch(r"[0-9a-f]{32}", event.pop("event_id"))
    assert event == {
        "event_type": "sales_follow_up",
        "occurred_at": at(1, hours=2).isoformat(),
        "properties.handoff_id": "H1",
        "properties.source": "link",
        "properties.status": "contacted",
    }
    links = [html.unescape(one) for one in re.findall(r'<a [^>]*href="([^"]+)"', told.text)]
    assert links == [f"{link()}?to=contacted"], "back, to set it right, and to nothing else"
    assert 'value="contacted" checked' in served.get(links[0]).text


def test_what_is_pressed_twice_or_tried_again_is_one_fact(world: World, served: Face) -> None:
    once = once_of(served.get(link()))
    for minutes in (0, 0, 5):
        served.clock.set(at(1, hours=2, minutes=minutes))
        assert served.post(link(), {"status": "contacted", "once": once}).status == 200
    (first,) = noted(world)
    assert first["occurred_at"] == at(1, hours=2).isoformat()
    # the browser's way back shows the page as it was: another choice there is meant
    served.post(link(), {"status": "returned", "reason": "no_budget", "once": once})
    served.post(link(), {"status": "returned", "reason": "too_early", "once": once})
    assert stands(world) == ["contacted", "returned", "returned"]
    # and the page asked for again is another
    served.post(link(), {"status": "contacted", "once": once_of(served.get(link()))})
    assert len({event["event_id"] for event in noted(world)}) == len(noted(world)) == 4


@pytest.mark.parametrize("once", [None, "", "x", "0123456789ABCDEF" * 2, ONCE + "0", f"{ONCE}\n", "<script>"])
def test_a_mark_that_is_none_of_ours_is_left_aside(world: World, served: Face, once: str | None) -> None:
    for _ in range(2):
        told = served.post(link(), {"status": "meeting", **({} if once is None else {"once": once})})
        assert told.status == 200
    first, second = noted(world)
    assert first["event_id"] != second["event_id"]
    assert once_of(served.post(link(), {"status": "", **({} if once is None else {"once": once})})) != once


def test_one_mark_on_two_handoffs_makes_two_facts(world: World, served: Face) -> None:
    show(world, card("H1"), card("H2"))
    for handoff_id in ("H1", "H2"):
        served.post(link(handoff_id), {"status": "accepted", "once": ONCE})
    assert [event["properties.handoff_id"] for event in noted(world)] == ["H1", "H2"]


def test_a_link_that_nobody_signed_opens_nothing(world: World, served: Face) -> None:
    token = link().removeprefix("/h/")
    foreign = signed_links("", SECRET).opt_out("H1")
    another = TextSigner(SECRET, HANDOFFS_SALT)("H1")
    gone = link("H9").removeprefix("/h/")
    for wrong in (token[:-1], token + "x", "x", "%00", "a" * 5_000, foreign, another, gone, link(key="k")[3:]):
        for answer in (served.get(f"/h/{wrong}"), served.post(f"/h/{wrong}", {"status": "won"})):
            assert answer.status == 404
            assert "この引き継ぎは開けません" in answer.text
            assert "山田" not in answer.text
    for wrong in (token, foreign, TextSigner("k", HANDOFFS_SALT)("sato 2026-04-15"), "x"):
        assert served.get(f"/handoffs/{wrong}").status == 404
    assert noted(world) == NOTHING


def test_an_older_key_opens_its_links_until_it_is_given_up(world: World) -> None:
    show(world, card())
    values = world.settings.model_dump() | {"secret_key": "new", "old_secret_keys": SECRET}
    with face(Settings.model_validate(values), RULES, at(1)) as served:
        assert (served.get(link()).status, served.get(link(key="new")).status) == (200, 200)
    with face(Settings.model_validate(values | {"old_secret_keys": ""}), RULES, at(1)) as served:
        assert served.get(link()).status == 404


FAULTS: dict[str, tuple[RuleSet, dict[str, str], str, str]] = {
    "no status": (RULES, {"reason": "too_early"}, "status", "status_missing"),
    "an unknown status": (RULES, {"status": "sold"}, "status", "status_missing"),
    "new is nothing to say": (RULES, {"status": "new"}, "status", "status_missing"),
    "given back without reason": (RULES, {"status": "returned", "reason": " "}, "reason", "reason_not_chosen"),
    "not in the list": (RULES, {"status": "returned", "reason": "<script>alert(1)"}, "reason", "reason_unknown"),
    "long and not in the list": (RULES, {"status": "returned", "reason": "長" * 201}, "reason", "reason_unknown"),
    "without words": (FREE, {"status": "returned"}, "reason", "reason_missing"),
    "too many words": (FREE, {"status": "returned", "reason": "長" * 201}, "reason", "reason_too_long"),
    "no words": (FREE, {"status": "returned", "reason": "a\x00b"}, "reason", "fault_unreadable"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_fault_is_told_beside_its_field_and_keeps_what_was_chosen(world: World, name: str, language: str) -> None:
    rules, given, field, message = FAULTS[name]
    show(world, card())
    with face(world.settings, rules, at(1, hours=2)) as served:
        told = served.post(link(), {**given, "once": ONCE}, accept_language=language)
        text = TEXTS["ja" if language == "ja" else "en"][message]
        assert told.status == 422
        assert f'<a href="#{field}">{text}</a>' in alert_of(told)
        assert f'<p class="fault" id="{field}-fault">{text}</p>' in told.text
        assert re.search(rf'id="{field}"[^>]* aria-invalid="true"[^>]*aria-describedby="[^"]*{field}-fault"', told.text)
        assert told.text.count('aria-invalid="true"') == 1
        assert ('value="returned" checked' in told.text) == (given.get("status") == "returned")
        assert "<script>" not in told.text
        if given.get("reason") == "too_early":
            assert 'value="too_early" selected' in told.text
        if rules is FREE and given.get("reason", "").startswith("長"):
            assert f'value="{given["reason"]}"' in told.text
        assert noted(world) == NOTHING
        # no dead end: the page that says so is the page that takes it
        assert "山田太郎" in told.text
        mended = {"status": "returned", "reason": "too_early", "once": once_of(told)}
        assert served.post(link(), mended).status == 200
        assert stands(world) == ["returned"]


def test_what_is_no_utf_8_is_a_fault_like_any_other(world: World, served: Face) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    told = served.ask("POST", link(), b"status=returned&reason=%ff%fe", form)
    assert (told.status, "reason-fault" in told.text) == (422, True)
    assert served.ask("POST", link(), b"status=won", {"Content-Type": "text/plain"}).status == 415
    assert noted(world) == NOTHING


def test_a_reason_is_taken_as_the_list_names_it_and_shown_as_it_says(world: World, served: Face) -> None:
    told = served.post(link(), {"status": "returned", "reason": "no_budget"})
    assert "予算なし" in told.text
    assert [event["properties.reject_reason"] for event in noted(world)] == ["no_budget"]


@pytest.mark.parametrize("reason", ["too_early", "unheard of", "長" * 300, "a\x00b"])
def test_a_reason_is_left_aside_unless_the_lead_is_given_back(world: World, served: Face, reason: str) -> None:
    assert served.post(link(), {"status": "contacted", "reason": reason}).status == 200
    (event,) = noted(world)
    assert "properties.reject_reason" not in event


def test_the_page_says_how_it_stands_since_when_and_until_when_it_can_be_set_right(world: World, served: Face) -> None:
    shown = served.get(link()).text
    assert "連絡待ち" in shown
    assert "4/2(木) 09:00 から" in shown
    assert "4/4(土) 09:00" in shown, "the limit"
    assert "訂正できます" not in shown
    served.clock.set(at(4))
    assert "期限を過ぎています" in served.get(link()).text
    show(world, card(status="returned", is_called=True, status_changed_at=at(2), reject_reason="no_budget"))
    shown = served.get(link()).text
    assert "終了から30日間 (5/3(日) 09:00 まで) は、このページで訂正できます" in shown
    assert "<dd>予算なし</dd>" in shown
    assert 'value="no_budget" selected' in shown
    assert "初回連絡の期限" not in shown
    assert "Given back" in served.get(link(), accept_language="en").text


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("03-0000-0000", "0300000000"),
        ("０３（００００）００００", "0300000000"),
        ("+81 (0)3-0000-0000", "+81300000000"),
        ("TEL: 090 0000 0000", "09000000000"),
        ("03-0000-0000 (内線 12)", "0300000000"),
        ("03ー0000−0000", "0300000000"),
        ("03-0000-0000 / 090-1111-1111", "0300000000"),
        ("javascript:alert(1)", None),
        ("なし", None),
        ("12", None),
        ("0" * 30, None),
        ("", None),
        (None, None),
    ],
)
def test_a_number_that_can_be_dialled_has_a_button(phone: str | None, number: str | None) -> None:
    assert card(phone=phone).call_link == (number and f"tel:{number}")


def test_the_lead_can_be_called_and_written_to_where_it_is_known_how(world: World, served: Face) -> None:
    shown = served.get(link()).text
    assert 'href="tel:0300000000"' in shown
    assert 'href="mailto:taro.yamada@example.com"' in shown
    show(world, card(phone=None, email="a b@example.com"))
    assert "tel:" not in (shown := served.get(link()).text)
    assert "mailto:" not in shown
    show(world, card(email='x?bcc=other@example.com"><script>'))
    shown = served.get(link()).text
    assert 'href="mailto:x%3Fbcc%3Dother@example.com%22%3E%3Cscript%3E"' in shown
    assert "<script" not in shown


def test_what_a_lead_wrote_is_text_wherever_it_is_shown(world: World, served: Face) -> None:
    bad = "<script>alert(1)</script>{{ 7 * 7 }}\"'"
    show(
        world,
        card(who=bad, owner_name=bad, cause=bad, phone=f"03-0000-0000 {bad}", reject_reason=bad, status="returned",
             facts=((bad, bad),), sections=((bad, (bad,)),)),
        card("H2", who=bad, cause=bad, owner_name=bad),
    )  # fmt: skip
    told = [served.get(link()), served.get(list_link("*")), served.post(link(), {"status": "won"})]
    told += [served.post(link(), {"status": bad, "reason": bad, "once": bad})]
    assert [answer.status for answer in told] == [200, 200, 200, 422]
    for answer in told:
        assert "<script" not in answer.text
        assert "{{ 7 * 7 }}" in answer.text
        assert "&lt;script&gt;" in answer.text


def test_a_list_shows_what_is_open_of_one_owner_the_late_first(world: World, served: Face) -> None:
    show(
        world,
        card("H1", who="連絡済みの人", status="contacted", is_called=True, status_changed_at=at(1, hours=1)),
        card("H2", who="明日の人", due_at=at(1, hours=15)),
        card("H3", who="今日の人", due_at=at(1, hours=15) - timedelta(microseconds=1)),
        card("H4", who="遅れた人", due_at=at(1, hours=2)),
        card("H5", who="終わった人", status="lost", is_called=True),
        card("H6", who="他の担当の人", owner="suzuki", owner_name="鈴木 一郎"),
    )
    shown = served.get(list_link("sato")).text
    places = [shown.index(who) for who in ("遅れた人", "今日の人", "明日の人", "連絡済みの人")]
    assert places == sorted(places)
    assert re.findall(r"<strong>(\d+)</strong>", shown) == ["1", "1", "1", "1"]
    assert "終わった人" not in shown
    assert "他の担当の人" not in shown
    assert "最終更新 4/2(木) 10:00" in shown
    assert "佐藤 花子" not in shown, "one's own name on each line tells nothing"
    everybody = served.get(list_link("*")).text
    assert "他の担当の人" in everybody
    assert "鈴木 一郎" in everybody
    assert re.findall(r"<strong>(\d+)</strong>", everybody) == ["1", "1", "2", "1"]
    for path in re.findall(r'href="(/h/[^"]+)"', everybody):
        assert served.get(path).status == 200


def test_a_list_without_handoffs_says_so(world: World, served: Face) -> None:
    shown = served.get(list_link("suzuki")).text
    assert "対応中の引き継ぎはありません" in shown
    assert re.findall(r"<strong>(\d+)</strong>", shown) == ["0", "0", "0", "0"]


def test_the_link_of_a_list_ends_with_its_day_in_tokyo(served: Face) -> None:
    path = list_link("sato", "2026-04-02")
    served.clock.set(at(1, hours=14, minutes=59))
    assert served.get(path).status == 200
    served.clock.set(at(1, hours=15))
    ended = served.get(path)
    assert (ended.status, "このリンクは期限切れです" in ended.text) == (404, True)


@pytest.mark.parametrize("left_out", [("phone", "email"), ("phone", "email", "status_changed_at", "reject_reason")])
def test_cards_of_other_versions_can_be_read(world: World, served: Face, left_out: tuple[str, ...]) -> None:
    show(world, card(status="contacted", is_called=True))
    engine = connect_inbox(world.settings.inbox)
    with engine.begin() as connection:
        told = orjson.loads(connection.scalar(sa.text("select card from handoff_cards")) or "")
        kept = {name: value for name, value in told.items() if name not in left_out} | {"of_a_later_version": 1}
        connection.execute(sa.text("update handoff_cards set card = :card"), {"card": orjson.dumps(kept).decode()})
    found = read_card(engine, "H1")
    engine.dispose()
    assert found is not None
    assert (found.phone, found.email, found.who) == (None, None, "株式会社山田 山田太郎")
    assert served.get(link()).status == 200
    assert "山田太郎" in served.get(list_link("sato")).text


def test_both_languages_say_everything() -> None:
    assert TEXTS["ja"].keys() == TEXTS["en"].keys()


def handed_off(world: World) -> str:
    """A handoff that was made at one day, by the flows; returns its id."""

    def add(connection: Any) -> None:
        add_lead(connection, "a@example.com", name="山田太郎", company="株式会社山田")
        add_event(connection, "consultation_request", at(1), email="a@example.com")

    world.facts(add)
    world.hand_off(RULES, at(1))
    ((handoff_id,),) = world.ledger("select handoff_id from handoffs")
    return str(handoff_id)


def press(world: World, served: Face, handoff_id: str, when: datetime, status: str, reason: str = "") -> None:
    """Say it by the link, and let the flows take it over and tell the SFA."""
    served.clock.set(when)
    assert served.post(link(handoff_id), {"status": status, "reason": reason}).status == 200
    drain_inbox(world.settings, RULES.fields, when)
    sync_sfa(world.settings, RULES, when)


def test_what_is_pressed_reaches_the_flows_and_comes_back_to_the_page(world: World, served: Face) -> None:
    handoff_id = handed_off(world)
    shown = served.get(link(handoff_id)).text
    assert 'href="mailto:a@example.com"' in shown
    assert "株式会社山田 山田太郎" in shown
    press(world, served, handoff_id, at(1.5), "contacted")
    show_handoffs(world.settings, RULES, at(1.5))
    assert "連絡済み" in (shown := served.get(link(handoff_id)).text)
    assert "4/2(木) 21:00 から" in shown


def test_what_is_said_again_changes_nothing_but_the_reason(world: World, served: Face) -> None:
    handoff_id = handed_off(world)
    stand = "select status, status_changed_at, first_contact_at, reject_reason from handoffs"
    press(world, served, handoff_id, at(1.25), "contacted")
    press(world, served, handoff_id, at(1.5), "contacted")
    assert world.ledger(stand) == [("contacted", at(1.25), at(1.25), None)]
    press(world, served, handoff_id, at(2), "meeting")
    press(world, served, handoff_id, at(2.25), "contacted")
    press(world, served, handoff_id, at(2.5), "contacted")
    assert world.ledger(stand) == [("contacted", at(2.25), at(1.25), None)], "it stands so again since the second time"
    press(world, served, handoff_id, at(3), "returned", "too_early")
    with sqlite3.connect(world.home / "sfa.db") as sfa:
        sfa.execute("update handoffs set outcome = 'later', updated_at = ?", [at(3.5).isoformat()])
    press(world, served, handoff_id, at(4), "returned", "no_budget")
    assert world.ledger(stand) == [("returned", at(3), at(1.25), "no_budget")]
    with sqlite3.connect(world.home / "sfa.db") as sfa:
        assert sfa.execute("select status, reject_reason, updated_at from handoffs").fetchall() == [
            ("returned", "予算なし", at(4).isoformat())
        ], "though the SFA's record is newer than the status"
