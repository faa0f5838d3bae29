"""What a mail is made of, and what the law asks it to show, as readers see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rules.errors import Problem
from rules.loader import load_rules
from rules.mail_law import misplaced_values, missing_parts
from rules.markdown import from_markdown
from rules.models import Template
from tests.rules.conftest import Edit

Check = Callable[[], list[Problem]]
SENDER = "{{ sender.company }} {{ sender.postal_address }} {{ sender.contact }}"
MARKDOWN = "# {{ lead.company }}\n\n{{ lead.name }} 様\n\n[相談する]({{ sender.site_url }}/consultation)\n"


def missing(
    text: str = f"{SENDER} 配信停止: {{{{ unsubscribe_url }}}}", html: str | None = None
) -> list[tuple[str, str]]:
    html = html or f'<p>{SENDER}</p><a href="{{{{ unsubscribe_url }}}}">配信を停止する</a>'
    template = Template(id="t", subject="s", text=text, html=html)
    return list(missing_parts(template, ("name",), is_marketing=True))


@pytest.mark.parametrize(
    "words",
    ["配信停止", "メルマガの解除", "Unsubscribe", "opt out", "opt-out", "OPTOUT", "no longer receive these", "受信拒否",
     "オプトアウト", "Stop receiving"],
)  # fmt: skip
def test_words_that_say_so(words: str) -> None:
    link = "{{ unsubscribe_url }}"
    assert missing(text=f"{SENDER}\n{words}: {link}") == []
    assert missing(html=f'<p>{SENDER}</p><a href="{link}">{words}</a>') == []
    assert missing(html=f'<p>{SENDER}</p><p>{words}: <a href="{link}">click here</a></p>') == []


def test_words_far_from_the_link_or_only_in_its_address_do_not_say_so() -> None:
    link = "{{ unsubscribe_url }}"
    assert missing(text=f"{SENDER}\n配信停止\n{'あ' * 80}\n{link}") == [("text", "words")]
    assert missing(html=f'<p>{SENDER}</p><a href="{link}?unsubscribe" title="unsubscribe">here</a>') == [
        ("html", "words")
    ]


@pytest.mark.parametrize(
    "hidden",
    [f"<!-- {SENDER} -->", f"<title>{SENDER}</title>", f'<p style="display:none">{SENDER}</p>', f"<p hidden>{SENDER}</p>",
     f'<div style="font-size:0">{SENDER}</div>', f"<style>{SENDER}</style>"],
)  # fmt: skip
def test_what_nobody_sees_is_not_shown(hidden: str) -> None:
    html = f'<html><head></head><body>{hidden}<a href="{{{{ unsubscribe_url }}}}">配信を停止する</a></body></html>'
    assert missing(html=html) == [
        ("html", "sender.company"),
        ("html", "sender.postal_address"),
        ("html", "sender.contact"),
    ]


def test_a_contact_may_be_a_link_and_an_unclosed_paragraph_hides_nothing() -> None:
    html = (
        '<p>{{ sender.company }}<p>{{ sender.postal_address }}<br><a href="{{ sender.contact }}">お問い合わせ</a>'
        '<p><a href="{{ unsubscribe_url }}">配信を停止する</a>'
    )
    assert missing(html=html) == []


def test_a_name_beside_a_link_is_not_in_it() -> None:
    text = "https://www.example.com/xをご覧の{{ lead.name }} 様 {{ sender.site_url }}/y {{ lead.name }} <https://x.test/>{{ lead.name }}"
    assert list(misplaced_values(Template(id="t", subject="s", text=text, html="<p>x</p>"), ("name",))) == []


def to_markdown(folder: Path, source: str = MARKDOWN) -> None:
    here = folder / "mails" / "follow_up"
    for part in ("body.txt", "body.html"):
        (here / part).unlink()
    (here / "body.md").write_text(source, encoding="utf-8")


def test_a_mail_in_markdown_is_a_mail_like_any_other(folder: Path) -> None:
    before = load_rules(folder).version
    to_markdown(folder)
    rules = load_rules(folder)
    template = next(template for template in rules.templates if template.id == "follow_up")
    assert "{{ lead.name }} 様" in template.text
    assert 'href="{{ sender.site_url }}/consultation"' in template.html
    assert list(missing_parts(template, ("name", "company"), is_marketing=True)) == []
    assert rules.version != before
    (folder / "mails" / "follow_up" / "body.md").write_text(MARKDOWN + "もう一行\n", encoding="utf-8")
    assert load_rules(folder).version != rules.version


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ("一行目\n\n{{ lead.compny }}\n", "'lead' has no such part", "line 3"),
        ("一行目\n\n{% if step.subject %}x{% endif %}\n", "Markdown has no conditions", "line 3"),
        ("{{ lead.name \n", "not a template", "line 1"),
        ("&#123;&#123; lead.name | upper }}\n", "can only be shown", ""),
        ("[x]({{ sender.site_url }}/?m={{ lead.email }})\n", "a lead's value stands in", ""),
    ],
)
def test_what_is_wrong_in_markdown_is_told_where_it_stands(
    folder: Path, errors: Check, source: str, message: str, place: str
) -> None:
    to_markdown(folder, source)
    found = errors()
    assert any(message in one.message and place in one.place for one in found), "\n".join(map(str, found))
    assert {one.file for one in found} == {"mails/follow_up/body.md"}


def test_markdown_beside_the_parts_it_makes_is_told(folder: Path, errors: Check) -> None:
    (folder / "mails" / "follow_up" / "body.md").write_text(MARKDOWN, encoding="utf-8")
    assert {one.file for one in errors()} == {"mails/follow_up/body.txt", "mails/follow_up/body.html"}


def test_markdown_holds_no_html_and_no_link_that_acts() -> None:
    text, html = from_markdown('<img src=x onerror="alert(1)"> [x](javascript:alert(1)) `{{ lead.name }}`')
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert "<code>{{ lead.name }}</code>" in html
    assert "{{ lead.name }}" in text


def test_the_text_of_lists_tables_and_quotes_reads_like_text() -> None:
    text, _ = from_markdown(
        "3. 三\n4. 四\n   - 中\n\n> 引用\n> 二行\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n\n![図](https://x.test/a.png)\n"
    )
    assert text.startswith(
        "3. 三\n4. 四\n   ・中\n\n> 引用\n> 二行\n\na | b\n1 | 2\n\n--------------------\n\n図\n\n--\n"
    )


@pytest.mark.parametrize(
    "contact",
    ["info@example.com", "https://www.example.com/contact", "03-1234-5678", "電話 0120-000-000 (平日9時から17時)",
     "03(1234)5678", "+81 3 1234 5678"],
)  # fmt: skip
def test_where_complaints_may_go(edit: Edit, errors: Check, contact: str) -> None:
    edit("senders.yaml", "contact: https://www.example.com/contact", f"contact: '{contact}'")
    assert errors() == []
