"""Forms: what is typed is checked, kept with what was agreed to, answered with the paper, and becomes a lead once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import quote_from_bytes, urlencode

import pytest
from lxml import html

from intake.guard import ASKED_A_MINUTE
from rules.loader import load_rules
from rules.models import RuleSet
from tasks.inbox import drain_inbox
from tests.facts import at
from tests.intake.face import Face, face
from tests.rules.workbooks import GUIDE
from tests.world import World

TYPED = {
    "company": "株式会社見本",
    "name": "見本 太郎",
    "email": "Taro@Example.com",
    "title": "ﾌﾞﾁｮｳ",
    "phone": "０３-1234-5678",
}
CONSENT = {"consent": "yes", "wording": "ja 2026-11"}
VISITOR = "v" * 22
URLENCODED = "application/x-www-form-urlencoded"


def loaded(world: World, rules: RuleSet, days: float = 1.1) -> int:
    return drain_inbox(world.settings, rules.fields, at(days)).rows_loaded


def inbox_is_empty(world: World, rules: RuleSet) -> bool:
    return loaded(world, rules) == 0


def test_every_control_has_a_label_and_the_page_speaks_the_readers_language(served: Face) -> None:
    for language, title, label in (
        ("ja", "資料ダウンロード", "会社名"),
        ("en", "Download our service guide", "Company"),
    ):
        answer = served.get("/forms/document", Accept_Language=language)
        page = html.fromstring(answer.body)
        assert (answer.status, page.get("lang"), page.findtext(".//h1")) == (200, language, title)
        for control in page.xpath("//input[not(@type='hidden')] | //select | //textarea"):
            assert page.xpath(f"//label[@for='{control.get('id')}']") or control.xpath("ancestor::label")
        assert label in page.xpath("//label[@for='f-company']")[0].text_content()
        assert page.xpath("//input[@name='consent']/@checked") == []
    assert "script" not in answer.headers["content-security-policy"]


def test_what_was_typed_becomes_a_lead_its_event_and_its_consent(world: World, served: Face, rules: RuleSet) -> None:
    answer = served.post("/forms/document", {**TYPED, **CONSENT}, Cookie=f"nv={VISITOR}")
    assert answer.status == 200
    assert "Taro" not in answer.text
    assert loaded(world, rules) == 3
    assert loaded(world, rules) == 0
    assert world.warehouse("select event_type, email, visitor, asset, occurred_at, properties['form'] from events") == [
        ("document_download", "taro@example.com", VISITOR, "service_guide", at(1), "document")
    ]
    assert world.warehouse("select email, attributes::json->>'name', attributes::json->>'phone' from lead_records") == [
        ("taro@example.com", "見本 太郎", "03-1234-5678")
    ]
    ((email, kind, is_granted, basis, evidence, stamp),) = world.warehouse(
        "select email, mail_kind, is_granted, basis, evidence, occurred_at from consent_records"
    )
    assert (email, kind, is_granted, basis, stamp) == ("taro@example.com", "marketing", True, "opt_in_form", at(1))
    consent = rules.forms[0].consent
    assert consent is not None
    assert evidence == f"form document, wording 2026-11 (ja): {consent.text}"
    world.recompute(rules, at(2))
    assert world.warehouse("select score, title from leads") == [(10, "ブチョウ")]


def test_without_the_tick_nobody_has_agreed(world: World, served: Face, rules: RuleSet) -> None:
    assert served.post("/forms/document", TYPED).status == 200
    assert loaded(world, rules) == 2
    assert world.warehouse("select count(*) from consent_records") == [(0,)]


def test_questions_of_the_form_stay_with_the_event(world: World, served: Face, rules: RuleSet) -> None:
    told = {**TYPED, "timing": "半年以内", "message": "一行目\r\n二行目"}
    assert served.post("/forms/consultation", told).status == 200
    loaded(world, rules)
    assert world.warehouse("select event_type, properties['timing'], properties['message'] from events") == [
        ("consultation_request", "半年以内", "一行目\n二行目")
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("email", "", "ご記入ください"),
        ("email", "taro", "メールアドレスの形"),
        ("email", "a..b@example.com", "メールアドレスの形"),
        ("email", "taro@example.com\nBcc: x@example.com", "使えない文字"),
        ("email", "a" * 65 + "@example.com", "メールアドレスの形"),
        ("email", "a@" + "b" * 64 + ".example.com", "メールアドレスの形"),
        ("email", "a@example.c", "メールアドレスの形"),
        ("email", "a@example.co-", "メールアドレスの形"),
        ("email", "a" * 300 + "@example.com", "長すぎます"),
        ("name", "a\x00b", "使えない文字"),
        ("name", "\u202eoruat", "使えない文字"),
        ("company", "x" * 201, "長すぎます"),
        ("phone", "call me", "電話番号"),
        ("timing", "今すぐ", "選択肢"),
        ("message", "x" * 4001, "長すぎます"),
    ],
)
def test_what_cannot_be_used_is_told_beside_its_field(
    world: World, served: Face, rules: RuleSet, name: str, value: str, message: str
) -> None:
    told = {**TYPED, "message": "相談", **CONSENT, name: value}
    answer = served.post("/forms/consultation", told)
    page = html.fromstring(answer.body)
    assert answer.status == 422
    control = page.get_element_by_id(f"f-{name}")
    assert control.get("aria-invalid") == "true"
    assert message in page.get_element_by_id(control.get("aria-describedby")).text_content()
    assert [link.get("href") for link in page.xpath("//div[@role='alert']//a")] == [f"#f-{name}"]
    assert page.xpath("//input[@name='consent']/@checked") == ["checked"]
    assert page.get_element_by_id("f-company").get("value") == told["company"][:5000]
    assert inbox_is_empty(world, rules)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (urlencode(TYPED).encode(), "multipart/form-data; boundary=x", 415),
        (b'{"email": "taro@example.com"}', "application/json", 415),
        (b"", "", 415),
        (b"&".join(b"a=1" for _ in range(200)), URLENCODED, 400),
        (b"message=" + b"x" * 1_000_000, URLENCODED, 413),
    ],
)
def test_what_is_no_form_is_refused(
    world: World, served: Face, rules: RuleSet, body: bytes, content_type: str, status: int
) -> None:
    answer = served.ask("POST", "/forms/document", body, {"Content-Type": content_type})
    assert answer.status == status
    assert "受け付けられませんでした" in answer.text
    assert inbox_is_empty(world, rules)


@pytest.mark.parametrize("encoding", ["cp932", "euc-jp", "utf-16"])
@pytest.mark.parametrize("is_escaped", [True, False])
def test_a_page_in_another_encoding_loses_only_what_cannot_be_read(
    world: World, served: Face, rules: RuleSet, encoding: str, is_escaped: bool
) -> None:
    name = "太郎".encode(encoding)
    told = quote_from_bytes(name).encode() if is_escaped else name
    body = b"email=taro%40example.com&company=Mihon&name=" + told
    answer = served.ask("POST", "/forms/document", body, {"Content-Type": URLENCODED})
    page = html.fromstring(answer.body)
    assert answer.status == 422
    assert "使えない文字" in page.get_element_by_id("f-name-fault").text_content()
    shown = [page.get_element_by_id(f"f-{field}").get("value") for field in ("email", "company", "name")]
    assert shown == ["taro@example.com", "Mihon", ""]
    assert inbox_is_empty(world, rules)


def test_spaces_of_japanese_texts_are_text_and_choices_are_as_the_rules_write_them(
    world: World, served: Face, rules: RuleSet
) -> None:
    consultation = rules.forms[2]
    fields = [
        field.model_copy(update={"values": ("３か月以内", "㈱")}) if field.id == "timing" else field
        for field in consultation.fields
    ]
    wide = rules.model_copy(update={"forms": (consultation.model_copy(update={"fields": tuple(fields)}),)})
    told = {**TYPED, "name": "見本\u3000太郎", "timing": "３か月以内", "message": "\u3000一行目\n\u3000二\u00a0行目"}
    with face(world.settings, wide, at(1)) as served_wide:
        assert served_wide.post("/forms/consultation", told).status == 200
    loaded(world, rules)
    assert world.warehouse("select properties['timing'], properties['message'] from events") == [
        ("３か月以内", "一行目\n\u3000二\u00a0行目")
    ]
    assert world.warehouse("select attributes::json->>'name' from lead_records") == [("見本 太郎",)]


def test_fields_of_every_type_are_checked_and_loaded(world: World, tmp_path: Path) -> None:
    folder = shutil.copytree(GUIDE.parent / "b2b", tmp_path / "b2b")
    asked = ("employees", "topics", "lead_source", "corporate_number", "contract_renewal_on", "has_budget")
    written = (folder / "forms.yaml").read_text(encoding="utf-8")
    more = "".join(f"      - {{field: {name}}}\n" for name in asked)
    (folder / "forms.yaml").write_text(
        written.replace("      - {field: title}\n", "      - {field: title}\n" + more, 1), encoding="utf-8"
    )
    wide = load_rules(folder)
    told = {
        **TYPED, "employees": "１,２３４", "topics": "製品A", "lead_source": "展示会", "corporate_number": "Ｔ1010001000006",
        "contract_renewal_on": "2026-04-01", "has_budget": "true",
    }  # fmt: skip
    bad = {
        "employees": "many", "lead_source": "elsewhere", "corporate_number": "1010001000007",
        "contract_renewal_on": "2026-02-30", "has_budget": "perhaps",
    }  # fmt: skip
    with face(world.settings, wide, at(1)) as served:
        for name, value in bad.items():
            answer = served.post("/forms/document", {**told, name: value})
            faults = html.fromstring(answer.body).xpath("//p[@class='fault']/@id")
            assert (answer.status, faults) == (422, [f"f-{name}-fault"])
        assert served.post("/forms/document", told).status == 200
    loaded(world, wide)
    ((known,),) = world.warehouse("select attributes::json::varchar from lead_records")
    assert {name: json.loads(known).get(name) for name in asked} == {
        "topics": "製品A", "employees": "1234", "lead_source": "展示会", "corporate_number": "1010001000006",
        "contract_renewal_on": "2026-04-01", "has_budget": "true",
    }  # fmt: skip


def hidden(served: Face, **headers: str) -> dict[str, str]:
    """What the page of the form sends besides what somebody types."""
    page = html.fromstring(served.get("/forms/document", **headers).body)
    return {str(one.get("name")): str(one.get("value")) for one in page.xpath("//input[@type='hidden']")}


def test_a_page_that_is_sent_twice_is_one_submission(world: World, served: Face, rules: RuleSet) -> None:
    told = {**TYPED, **hidden(served), "consent": "yes"}
    links = {served.post("/forms/document", told).text for _ in range(3)}
    assert len(links) == 1
    assert loaded(world, rules) == 3
    served.post("/forms/document", {**told, "phone": "03-9999-9999"})
    served.post("/forms/document", {**TYPED, **hidden(served)})
    assert world.warehouse("select count(*) from events") == [(1,)]
    loaded(world, rules)
    assert world.warehouse("select count(*) from events") == [(3,)]


def test_nobody_agrees_to_words_that_were_not_shown(world: World, served: Face, rules: RuleSet) -> None:
    for wording in ("", "ja", "ja 2026-10", "fr 2026-11"):
        answer = served.post("/forms/document", {**TYPED, "consent": "yes", "wording": wording})
        page = html.fromstring(answer.body)
        box = page.get_element_by_id("f-consent")
        assert (answer.status, box.get("checked"), box.get("aria-invalid")) == (422, None, "true")
        assert page.xpath("//div[@role='alert']//a/@href") == ["#f-consent"]
        assert page.get_element_by_id("f-company").get("value") == TYPED["company"]
    assert inbox_is_empty(world, rules)
    # without the tick the words do not matter
    assert served.post("/forms/document", {**TYPED, "wording": "ja 2026-10"}).status == 200
    told = {**TYPED, **hidden(served, Accept_Language="en"), "consent": "yes"}
    assert served.post("/forms/document", told).status == 200
    loaded(world, rules)
    ((evidence,),) = world.warehouse("select evidence from consent_records")
    assert "wording 2026-11 (en): I agree to receive" in evidence


def test_a_program_that_fills_every_field_is_thanked_and_forgotten(world: World, served: Face, rules: RuleSet) -> None:
    answer = served.post("/forms/document", {**TYPED, "website": "https://spam.example"})
    assert answer.status == 200
    assert "ありがとうございます" in answer.text
    assert "/d/" not in answer.text
    assert inbox_is_empty(world, rules)


def test_too_many_forms_from_one_place_have_to_wait(served: Face) -> None:
    statuses = [served.post("/forms/document", {}).status for _ in range(ASKED_A_MINUTE["forms"] + 1)]
    assert statuses == [422] * ASKED_A_MINUTE["forms"] + [429]


def test_script_in_what_was_typed_is_only_text(served: Face) -> None:
    bad = '"><script>alert(1)</script>{{ 7 * 7 }}'
    answer = served.post("/forms/document", {**TYPED, "company": bad, "email": "none"})
    page = html.fromstring(answer.body)
    assert page.get_element_by_id("f-company").get("value") == bad
    assert page.xpath("//script") == []


def test_an_unknown_form_is_none(served: Face) -> None:
    assert served.get("/forms/other").status == 404
    assert served.post("/forms/other", TYPED).status == 404
    assert served.get("/forms/other/embed").status == 404


def test_an_embedded_form_posts_to_the_web_face_and_brings_its_visitor(
    world: World, served: Face, rules: RuleSet
) -> None:
    snippet = html.fromstring(served.get("/forms/seminar/embed").text)
    (form,) = snippet.xpath("//form")
    # what no person is to see is hidden by itself: the page it stands in has its own style and policy
    assert snippet.xpath("//*[@hidden]//input/@name") == ["website"]
    assert snippet.xpath("//style | //script | //@style") == []
    assert (form.get("action"), form.get("method")) == ("http://127.0.0.1:8787/forms/seminar", "post")
    assert {*form.fields} >= {"company", "name", "email", "question", "consent", "website", "visitor", "wording"}
    assert served.post("/forms/seminar", {**TYPED, "visitor": VISITOR}).status == 200
    assert served.post("/forms/seminar", {**TYPED, "visitor": "<bad>"}).status == 200
    assert served.post("/forms/seminar", {**TYPED, "visitor": VISITOR}, Sec_GPC="1").status == 200
    loaded(world, rules)
    assert world.warehouse("select visitor, properties['seminar'] from events order by visitor nulls last") == [
        (VISITOR, "introduction"), (None, "introduction"), (None, "introduction"),
    ]  # fmt: skip


def test_a_fault_keeps_the_visitor_that_an_embedded_form_brought(served: Face) -> None:
    for visitor, kept in ((VISITOR, VISITOR), ('"><b>', "")):
        page = html.fromstring(served.post("/forms/document", {**TYPED, "email": "none", "visitor": visitor}).body)
        assert page.xpath("//input[@name='visitor']/@value") == [kept]
