"""How a mail is read: its links, and the action that it asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.reactions import asked_action, links_of
from sandbox.sendgrid import Mail, Mailbox


def _mail(home: Path, kind: str, value: str) -> Mail:
    mailbox = Mailbox(home)
    envelope = {"to": [{"email": "a@b.example"}], "substitutions": {"-token-": "t&1"}}
    mailbox.accept({"personalizations": [envelope], "content": [{"type": kind, "value": value}]}, datetime.now(UTC))
    return mailbox.mails[0]


def test_links_stand_once_and_without_opt_outs(tmp_path: Path) -> None:
    body = (
        "<a href=\"https://x.test/a?b=1&amp;c=-token-\">a</a><a href='https://x.test/u/abc'>stop</a>"
        '<a href="https://x.test/preferences/abc">p</a><a href="https://x.test/a?b=1&amp;c=-token-">again</a>'
        '<a href="mailto:info@example.com">m</a><A HREF="https://x.test/z">z</A>'
    )
    assert links_of(_mail(tmp_path, "text/html", body)) == ["https://x.test/a?b=1&c=t&1", "https://x.test/z"]


def test_links_of_a_text_mail(tmp_path: Path) -> None:
    body = "資料(https://x.test/d/guide )です。\nhttps://x.test/unsubscribe?x\n「https://x.test/price」"
    assert links_of(_mail(tmp_path, "text/plain", body)) == ["https://x.test/d/guide", "https://x.test/price"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("/d/product-guide", "document_download"),
        ("導入事例集のご案内", "document_download"),
        ("/forms/seminar", "seminar_signup"),
        ("ウェビナーへのご招待", "seminar_signup"),
        ("/forms/consultation?x=1", "consultation_request"),
        ("%E5%80%8B%E5%88%A5%E7%9B%B8%E8%AB%87", "consultation_request"),
        ("/price", None),
        ("/price?utm_source=nurture&utm_content=consultation_offer&nl=x.download", None),
        ("/d/guide?utm_campaign=seminar_series", "document_download"),
    ],
)
def test_the_asked_action(text: str, form: str | None) -> None:
    assert asked_action(text) == form
