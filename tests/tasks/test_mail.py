"""What leaves for each recipient: escaped for its place, one line where it must be, with links that name no person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import BadSignature, URLSafeSerializer

from rules.addresses import is_deliverable
from rules.mail_law import Seen
from rules.markdown import from_markdown
from rules.models import Field, Sender, Template
from settings import Settings
from tasks.mail import (
    MAX_SUBSTITUTION_BYTES,
    MAX_VALUE_LETTERS,
    build_payload,
    fill,
    harmless,
    shown_fields,
    values_by_tag,
)
from tasks.mail_links import LEAD_SALT, OPT_OUT_SALT, signed_links, void_links
from tasks.send import deliver_sends, plan_sends
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import DOWNLOAD, rule_set, step
from tests.world import World, stand_in
from warehouse.claims import Recipients
from warehouse.connection import connect, open_ledger

SECRET = "a secret of tests"
LINKS = signed_links("https://mail.example.com", SECRET)
FIELDS = rule_set().fields
SENDER = Sender(
    id="marketing",
    name="マーケティング部",
    email="marketing@example.com",
    company="A & B <商事>",
    postal_address="東京都千代田区1-1-1",
    contact="contact@example.com",
    site_url="https://www.example.com",
)
STEP = step("welcome", DOWNLOAD, scenario="guide_scenario")


def to(send_id: str, lead: dict[str, Any] | None = None) -> Recipients:
    """One recipient, whose lead has some fields."""
    return Recipients([send_id], ["a@example.com"], {field: [value] for field, value in (lead or {}).items()})


def made(
    text: str = "{{ lead.name }}\n{{ unsubscribe_url }}",
    html: str = "<p>{{ lead.name }}</p><a href='{{ unsubscribe_url }}'>配信停止</a>",
    subject: str = "{{ lead.name }}様",
    sender: Sender = SENDER,
    **lead: Any,
) -> dict[str, Any]:
    """The payload for one recipient, with subject, text and HTML filled in."""
    template = Template(id="t", subject=subject, text=text, html=html)
    shown = shown_fields([template], FIELDS)
    values = {field.id: lead.get(field.id) for field in shown}
    payload, refused = build_payload(STEP, template, sender, shown, to("send-1", values), LINKS)
    assert refused == {}
    values = values_by_tag(payload)
    text, html = (fill(part["value"], values) for part in payload["content"])
    return {**payload, "subject": fill(payload["subject"], values), "text": text, "html": html}


def opt_out_token(url: str) -> str:
    return url.removeprefix("https://mail.example.com/u/")


def test_values_are_escaped_for_their_place_and_hold_no_tag_and_no_line_break() -> None:
    nasty = "<b>&\"'\r\nBcc: x@example.com\x85\u2028{{ 7*7 }} [t-000000000000-name]\u202eend"
    mail = made(name=nasty)
    assert "\n" not in mail["subject"]
    assert len(mail["subject"].splitlines()) == 1
    assert "\u202e" not in mail["subject"]
    assert "{{ 7*7 }} [t-000000000000-name]" in mail["text"], "a value that looks like a tag or a template stays"
    assert mail["text"].startswith("<b>&\"' Bcc: x@example.com")
    assert "&lt;b&gt;&amp;&quot;&#x27; Bcc" in mail["html"]
    assert "<b>" not in mail["html"]


@settings(max_examples=150, deadline=None)
@given(value=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=80))
def test_whatever_a_lead_is_called_it_stays_in_its_place(value: str) -> None:
    mail = made(
        text="A{{ lead.name }}B{{ unsubscribe_url }}", html='<b title="{{ lead.name }}">{{ lead.name }}</b>', name=value
    )
    shown = harmless(value) or "ご担当者"
    assert len(mail["subject"].splitlines()) == 1
    assert mail["text"].startswith(f"A{shown}Bhttps://mail.example.com/u/")
    assert Seen(mail["html"]).text == shown, "one element, whose text is the value"
    assert started(mail["html"]) == [("b", {"title": shown})]


def test_what_somebody_wrote_into_a_form_brings_no_link_and_no_mail_of_its_own() -> None:
    mail = made(name="HTTPS://evil.example/x をご覧ください WWW.evil.example", company="あ" * 5_000)
    for part in (mail["subject"], mail["text"], mail["html"]):
        assert "HTTPS evil.example/x をご覧ください  evil.example" in part
    assert "://" not in mail["subject"] + mail["html"].partition("<a")[0]
    long = made(subject="{{ lead.company }}", company="あ" * 5_000)
    assert long["subject"] == "あ" * MAX_VALUE_LETTERS
    assert made(name="://")["subject"] == "ご担当者様", "as if there were no name"


def started(body: str) -> list[tuple[str, dict[str, str | None]]]:
    """The tags of an HTML mail with their attributes."""
    found: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(body)
    return found


def test_a_tag_cannot_be_guessed() -> None:
    first, second = (values_by_tag(made(name="a")) for _ in range(2))
    assert not set(first) & set(second)


def test_what_the_sender_is_called_is_escaped_in_html_only() -> None:
    mail = made(text="{{ sender.company }} {{ unsubscribe_url }}", html="{{ sender.company }}")
    assert mail["text"].startswith("A & B <商事>")
    assert mail["html"] == "A &amp; B &lt;商事&gt;"


def test_links_to_the_own_site_say_which_mail_and_whose_click_and_no_other_link_does() -> None:
    html = (
        '<a href="{{ sender.site_url }}/x?a=1&amp;utm_source=mine#top">1</a>'
        "<A class=b HREF='https://www.example.com/y'>2</A>"
        '<a href="https://elsewhere.example/z">3</a><a href="mailto:a@example.com">4</a><a href="tel:+81312345678">5</a>'
        '<a href="#top">6</a><a href="https://www.example.com.evil.example/">7</a>'
        '<a href="{{ unsubscribe_url }}">配信停止</a><a clicktracking="off" href="{{ preferences_url }}">設定</a>'
    )
    text = "詳しくは{{ sender.site_url }}/x?a=1をご覧ください(https://www.example.com/y)。\nhttps://elsewhere.example/z.\n{{ unsubscribe_url }}"
    mail = made(text=text, html=html)
    utm = "utm_medium=email&utm_campaign=guide_scenario&utm_content=welcome"
    token = LINKS.lead("send-1")
    escaped = utm.replace("&", "&amp;")
    assert f'href="https://www.example.com/x?a=1&amp;utm_source=mine&amp;{escaped}&amp;nl={token}#top"' in mail["html"]
    assert f'href="https://www.example.com/y?utm_source=nurture&amp;{escaped}&amp;nl={token}"' in mail["html"].replace(
        "HREF", "href"
    )
    for untouched in (
        'href="https://elsewhere.example/z"', 'href="mailto:a@example.com"', 'href="tel:+81312345678"', 'href="#top"',
        'href="https://www.example.com.evil.example/"',
    ):  # fmt: skip
        assert untouched in mail["html"]
    opt_out = LINKS.opt_out("send-1")
    assert f'<a href="https://mail.example.com/u/{opt_out}" clicktracking="off">' in mail["html"]
    assert f'<a clicktracking="off" href="https://mail.example.com/preferences/{opt_out}">' in mail["html"]
    assert f"https://www.example.com/x?a=1&utm_source=nurture&{utm}&nl={token}をご覧" in mail["text"]
    assert f"(https://www.example.com/y?utm_source=nurture&{utm}&nl={token})。" in mail["text"]
    assert "https://elsewhere.example/z.\n" in mail["text"]
    assert mail["text"].endswith(f"https://mail.example.com/u/{opt_out}")
    assert mail["tracking_settings"]["click_tracking"]["enable_text"] is False


def test_a_link_stays_what_it_was_but_for_what_is_added() -> None:
    own = "https://www.example.com/x"
    mail = made(
        html=f"""<a title="a href='{own}/decoy' clicktracking=" data-href="{own}" href="{own}?a=1&section=2&copy;=&#51;">1</a>"""
        f"""<a title="clicktracking='on'" href='{{{{ unsubscribe_url }}}}'>2</a><a href={own}/ class=b>3</a><a href>4</a>"""
        f"""<a href="{own}?q='a'">5</a>"""
    )
    tags = started(mail["html"])
    assert tags[0][1]["title"] == f"a href='{own}/decoy' clicktracking="
    assert tags[0][1]["data-href"] == own
    assert str(tags[0][1]["href"]).startswith(f"{own}?a=1&section=2©=3&utm_source=nurture&")
    assert "?a=1&amp;section=2" in mail["html"]
    assert tags[1][1]["clicktracking"] == "off"
    assert str(tags[2][1]["href"]).startswith(f"{own}/?utm_source=")
    assert tags[2][1]["class"] == "b"
    assert tags[3] == ("a", {"href": None})
    assert str(tags[4][1]["href"]).startswith(f"{own}?q='a'&utm_source=")


def test_a_sender_may_leave_out_the_parameters_and_the_token() -> None:
    plain = SENDER.model_copy(update={"utm_source": "", "names_lead_in_links": False})
    mail = made(html='<a href="https://www.example.com/y">x</a>', sender=plain)
    assert mail["html"] == '<a href="https://www.example.com/y">x</a>'
    named = made(
        html='<a href="https://www.example.com/y">x</a>', sender=plain.model_copy(update={"utm_source": "ours"})
    )
    assert "utm_source=ours" in named["html"]
    assert "nl=" not in named["html"]


def test_a_paper_of_ours_knows_its_reader() -> None:
    template = Template(id="t", subject="s", text="x", html='<a href="https://nurture.example.com/d/guide">x</a>')
    links = signed_links("https://nurture.example.com", SECRET)
    payload, _ = build_payload(STEP, template, SENDER, [], to("send-1"), links)
    assert "https://nurture.example.com/d/guide?utm_source=" in payload["content"][1]["value"]
    assert "&amp;nl=[v-" in payload["content"][1]["value"]


def test_a_link_that_no_person_sees_stands_at_the_end_where_the_sender_wants_it() -> None:
    plain, trapping = SENDER, SENDER.model_copy(update={"trap_link": True})
    for html in ("<html><body><p>x</p></BODY></html>", "<p>x</p>"):
        assert "/trap/" not in made(html=html, sender=plain)["html"]
        tags = started(made(html=html, sender=trapping)["html"])
        (link,) = [attributes for name, attributes in tags if name == "a"]
        assert str(link["href"]).endswith("/trap/mail")
        assert (link["aria-hidden"], link["tabindex"]) == ("true", "-1")
        assert "display:none" in str(link["style"])


def test_links_on_the_own_site_that_end_the_mails_are_left_alone_too() -> None:
    template = Template(
        id="t", subject="s", text="{{ unsubscribe_url }}", html='<a href="{{ unsubscribe_url }}">停止</a>'
    )
    links = signed_links("https://www.example.com", SECRET)
    payload, _ = build_payload(STEP, template, SENDER, [], to("send-1"), links)
    assert "utm_" not in payload["content"][0]["value"] + payload["content"][1]["value"]


def test_tokens_are_signed_name_the_send_and_are_good_for_one_purpose() -> None:
    opt_out, lead = LINKS.opt_out("send-1"), LINKS.lead("send-1")
    assert URLSafeSerializer(SECRET, salt=OPT_OUT_SALT).loads(opt_out) == "send-1"
    assert URLSafeSerializer(SECRET, salt=LEAD_SALT).loads(lead) == "send-1"
    for secret, salt, token in ((SECRET, LEAD_SALT, opt_out), (SECRET, OPT_OUT_SALT, lead), ("other", LEAD_SALT, lead)):
        with pytest.raises(BadSignature):
            URLSafeSerializer(secret, salt=salt).loads(token)
    void = void_links("https://mail.example.com")
    with pytest.raises(BadSignature):
        URLSafeSerializer(SECRET, salt=OPT_OUT_SALT).loads(void.opt_out("send-1"))


@pytest.mark.parametrize("category", ["marketing", "transactional"])
def test_every_mail_can_be_unsubscribed_in_one_click(category: str) -> None:
    template = Template(id="t", subject="s", text="t", html="h")
    payload, _ = build_payload(STEP.model_copy(update={"category": category}), template, SENDER, [], to("s"), LINKS)
    assert payload["personalizations"][0]["headers"] == {
        "List-Unsubscribe": f"<https://mail.example.com/u/{LINKS.opt_out('s')}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("a@example.com", True), ("a.b+c@mail.example.co.jp", True), ("o'neil@example.com", True),
        ("", False), (None, False), ("山田@example.com", False), ("a@localhost", False), ("a@例え.example", False),
        ("a..b@example.com", False), (".a@example.com", False), ("a@-x.example", False), ("a b@example.com", False),
        ("a@example.com\nBcc: b@example.com", False), ("a;b@example.com", False), ("a,b@example.com", False),
        (f"{'a' * 64}@example.com", True), (f"{'a' * 65}@example.com", False), (f"a@{'b' * 64}.example", False),
        (f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example", True),
        (f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 63}.example1", False),
    ],
)  # fmt: skip
def test_addresses_the_provider_would_refuse_are_known(address: str | None, is_good: bool) -> None:
    assert is_deliverable(address) is is_good
    # decided on and looked at again by the same measure
    with connect(Path(":memory:"), Settings()) as connection:
        ((in_sql,),) = connection.execute("select is_deliverable(?::varchar)", [address]).fetchall()
    assert bool(in_sql) is is_good


def test_a_markdown_mail_has_both_parts_and_its_link_alone_is_a_button() -> None:
    text, html = from_markdown(
        "# {{ lead.company }}の皆様\n\n{{ lead.name }} 様\n**大切な** [比較表]({{ sender.site_url }}/comparison)です。\n\n"
        "* 一つ\n* 二つ\n\n[相談する]({{ sender.site_url }}/consultation)\n\n<script>alert(1)</script> {{ sender.site_url }}\n"
    )
    mail = made(text=text, html=html, name="*山_田*", company="<会社>")
    assert "■ <会社>の皆様\n\n*山_田* 様\n大切な 比較表 <https://www.example.com/comparison?utm_source=" in mail["text"]
    assert "\n・一つ\n・二つ\n\n▼ 相談する\nhttps://www.example.com/consultation?utm_" in mail["text"]
    assert ">&lt;会社&gt;の皆様</h1>" in mail["html"]
    assert "*山_田* 様<br />" in mail["html"], "a value is no Markdown"
    assert "<script>" not in mail["html"]
    assert mail["html"].count("display:inline-block") == 1
    assert "配信を停止する" in mail["html"]
    assert "配信停止 (Unsubscribe): https://mail.example.com/u/" in mail["text"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def test_a_mail_that_cannot_ride_keeps_no_other_from_going_and_says_why(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 bytes of substitutions go, 10,001 do not; nor does an address the provider would refuse."""
    monkeypatch.setattr("tasks.mail.MAX_VALUE_LETTERS", MAX_SUBSTITUTION_BYTES)  # one field fills them by itself
    noted = Field(id="note", label="メモ")
    base = rule_set()
    template = base.templates[0].model_copy(update={"text": "{{ lead.note }} {{ unsubscribe_url }}"})
    thanks = step("thanks", DOWNLOAD, segment="everyone")
    rules = rule_set(steps=(thanks,), active_from=START, fields=(*base.fields, noted), templates=(template,))
    links = signed_links(world.settings.public_url, "secret of the tests")

    def bytes_of(note: str) -> int:
        fields = shown_fields(rules.templates, rules.fields)
        recipient = to("x" * 32, {"note": note, "name": "N", "company": "C"})
        payload, refused = build_payload(thanks, template, rules.senders[0], fields, recipient, links)
        return 0 if refused else len(orjson.dumps(values_by_tag(payload)))

    length = MAX_SUBSTITUTION_BYTES - bytes_of("")
    assert bytes_of("a" * length) == MAX_SUBSTITUTION_BYTES
    assert bytes_of("a" * (length + 1)) == 0

    def add(connection: Any) -> None:
        for name, note in (
            ("a", "x"),
            ("fits", "a" * (length - 40)),
            ("long", "a" * MAX_SUBSTITUTION_BYTES),
            ("z;y,x", "x"),
        ):
            local = name if name != "z;y,x" else "z"
            add_lead(connection, f"{local}@example.com", name=name, company="C", note=note)
            add_consent(connection, f"{local}@example.com")
            add_event(connection, "document_download", at(1), email=f"{local}@example.com", asset="guide")

    world.facts(add)
    world.recompute(rules, at(1))
    world.clock(at(1))
    assert plan_sends(world.settings, rules, at(1)) == {"sent": 4}
    with open_ledger(world.settings) as ledger:
        ledger.execute("update sends set email = '山田@example.com' where email = 'a@example.com'")
    assert deliver_sends(world.settings, rules, at(1)) == {"accepted": 2, "cancelled": 2}
    assert sorted(world.ledger("select split_part(email, '@', 1), state, state_reason from sends")) == [
        ("fits", "accepted", None),
        ("long", "cancelled", "substitutions_too_long"),
        ("z", "accepted", None),
        ("山田", "cancelled", "bad_address"),
    ]
    assert sorted(mail["to"] for mail in world.accepted()) == ["fits@example.com", "z@example.com"]
    assert deliver_sends(world.settings, rules, at(1) + timedelta(minutes=1)) == {}
