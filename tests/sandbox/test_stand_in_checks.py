"""The stand-in refuses what SendGrid refuses, and names the field as SendGrid does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.checks import is_address
from sandbox.mailbox import Mailbox
from sandbox.validation import check_mail

Change = Callable[[dict[str, Any]], Any]


def _first(body: dict[str, Any]) -> dict[str, Any]:
    envelope: dict[str, Any] = body["personalizations"][0]
    return envelope


def _fields(now: datetime, body: Any) -> list[str | None]:
    return [problem.field for problem in check_mail(body, now)]


LATE = int(datetime(2026, 4, 4, 2, 0, tzinfo=UTC).timestamp())
REFUSALS: dict[str, tuple[Change, str]] = {
    "no personalizations": (lambda b: b.pop("personalizations"), "personalizations"),
    "empty personalizations": (lambda b: b["personalizations"].clear(), "personalizations"),
    "no recipient": (lambda b: _first(b).pop("to"), "personalizations.0.to"),
    "recipients not an array": (lambda b: _first(b).update(cc="x@a.example"), "personalizations.0.cc"),
    "bad address": (lambda b: _first(b)["to"][0].update(email="sato@"), "personalizations.0.to.0.email"),
    "comma in a name": (lambda b: _first(b)["to"][0].update(name="Sato, Ken"), "personalizations.0.to.0.name"),
    "address twice": (
        lambda b: _first(b).update(bcc=[{"email": "SATO@hayama.example"}]),
        "personalizations.0.bcc.0.email",
    ),
    "empty own subject": (lambda b: _first(b).update(subject=""), "personalizations.0.subject"),
    "number in own custom_args": (
        lambda b: _first(b).update(custom_args={"n": 1}),
        "personalizations.0.custom_args.n",
    ),
    "list in substitutions": (
        lambda b: _first(b).update(substitutions={"-n-": ["x"]}),
        "personalizations.0.substitutions.-n-",
    ),
    "long substitutions": (
        lambda b: _first(b).update(substitutions={"-n-": "x" * 10_001}),
        "personalizations.0.substitutions",
    ),
    "reserved own header": (lambda b: _first(b).update(headers={"To": "x"}), "personalizations.0.headers.To"),
    "own send_at too far": (lambda b: _first(b).update(send_at=LATE), "personalizations.0.send_at"),
    "no from": (lambda b: b.pop("from"), "from.email"),
    "bad from": (lambda b: b.update({"from": {"email": "nobody"}}), "from.email"),
    "both reply_to": (
        lambda b: b.update(reply_to={"email": "a@b.example"}, reply_to_list=[{"email": "a@b.example"}]),
        "reply_to_list",
    ),
    "no subject": (lambda b: b.pop("subject"), "subject"),
    "no content": (lambda b: b.pop("content"), "content"),
    "empty content value": (lambda b: b["content"][1].update(value=""), "content.1.value"),
    "no content type": (lambda b: b["content"][0].pop("type"), "content.0.type"),
    "html before text": (lambda b: b["content"].reverse(), "content.1.type"),
    "number in custom_args": (lambda b: b.update(custom_args={"n": 1}), "custom_args.n"),
    "custom_args a string": (lambda b: b.update(custom_args="{}"), "custom_args"),
    "long custom_args": (lambda b: b.update(custom_args={"n": "x" * 10_000}), "custom_args"),
    "eleven categories": (lambda b: b.update(categories=[str(n) for n in range(11)]), "categories"),
    "category twice": (lambda b: b.update(categories=["a", "a"]), "categories.1"),
    "long category": (lambda b: b.update(categories=["x" * 256]), "categories.0"),
    "reserved header": (lambda b: b.update(headers={"DKIM-Signature": "x"}), "headers.DKIM-Signature"),
    "send_at too far": (lambda b: b.update(send_at=LATE), "send_at"),
}


@pytest.mark.parametrize(("change", "field"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refuses(change: Change, field: str, mail_body: Any, now: datetime) -> None:
    body = mail_body()
    change(body)
    assert _fields(now, body) == [field]


@pytest.mark.parametrize(
    ("attachment", "field"),
    [
        ("text", "attachments.0"),
        ({"content": "aGVsbG8="}, "attachments.0.filename"),
        ({"filename": "a.png", "content": "no base64"}, "attachments.0.content"),
        ({"filename": "a.png"}, "attachments.0.content"),
        ({"filename": "a.png", "content": "aGVsbG8=", "disposition": "beside"}, "attachments.0.disposition"),
        ({"filename": "a.png", "content": "aGVsbG8=", "disposition": "inline"}, "attachments.0.content_id"),
        *(
            ({"filename": "a.png", "content": "aGVsbG8=", "type": kind}, "attachments.0.type")
            for kind in ("", 7, "png", "image/png\r\nX-Other: 1")
        ),
    ],
)
def test_refuses_broken_attachments(attachment: object, field: str, mail_body: Any, now: datetime) -> None:
    assert _fields(now, mail_body(attachments=[attachment])) == [field]
    good = {"filename": "a.png", "content": "aGVsbG8=", "disposition": "inline", "content_id": "a"}
    assert _fields(now, mail_body(attachments=[good, good | {"content_id": "b", "type": "image/png"}])) == []
    assert _fields(now, mail_body(attachments=[good, good])) == ["attachments.1.content_id"]


def test_accepts_what_is_allowed(mail_body: Any, now: datetime) -> None:
    limit = int((now + timedelta(hours=71)).timestamp())
    body = mail_body(
        headers={
            "List-Unsubscribe": "<https://example.com/u/x>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        categories=[str(n) for n in range(10)],
        custom_args={"campaign": "x" * 9_000},
        send_at=limit,
    )
    assert _fields(now, body) == []


def test_subject_may_stand_in_every_personalization(mail_body: Any, now: datetime) -> None:
    body = mail_body("a@one.example", "b@two.example")
    del body["subject"]
    for envelope in body["personalizations"]:
        envelope["subject"] = "Own"
    assert _fields(now, body) == []
    del body["personalizations"][1]["subject"]
    assert _fields(now, body) == ["subject"]


def test_dynamic_template_needs_neither_subject_nor_content(mail_body: Any, now: datetime) -> None:
    body = mail_body(template_id="d-1")
    del body["subject"], body["content"]
    assert _fields(now, body) == []


def test_own_and_shared_custom_args_count_together(mail_body: Any, now: datetime) -> None:
    body = mail_body(custom_args={"a": "x" * 6_000})
    _first(body)["custom_args"] = {"b": "x" * 6_000}
    assert _fields(now, body) == ["personalizations.0.custom_args"]


def test_limits_on_numbers(mail_body: Any, now: datetime) -> None:
    addresses = [f"p{n}@many.example" for n in range(1_001)]
    assert _fields(now, mail_body(*addresses[:1_000])) == []
    assert _fields(now, mail_body(*addresses)) == ["personalizations"]
    crowd = mail_body(addresses[0])
    _first(crowd)["bcc"] = [{"email": address} for address in addresses[1:]]
    assert _fields(now, crowd) == ["personalizations"]


def test_every_problem_is_named_at_once(mail_body: Any, now: datetime) -> None:
    body = mail_body("good@a.example", "bad", "good@b.example", "worse@")
    assert _fields(now, body) == ["personalizations.1.to.0.email", "personalizations.3.to.0.email"]


@pytest.mark.parametrize("address", ["a@b.example", "a.b+c@x-y.example.com", "O'Neil@a.test"])
def test_plausible_addresses(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@b", "a b@c.example", "a..b@c.example", "a@-c.example", "山@c.example", "x" * 65 + "@c.test", None],
)
def test_implausible_addresses(address: object) -> None:
    assert not is_address(address)


def test_answer_has_sendgrids_shape(sender: Any, mail_body: Any) -> None:
    answer = sender.send(mail_body("a@b.example", "nobody"))
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == "personalizations.1.to.0.email"
    assert set(error) == {"message", "field", "help"}
    assert sender.stand_in.mailbox.mails == []


@pytest.mark.parametrize("key", ["", "Basic abc", "Bearer", "Bearer SG.refused"])
def test_key_is_checked(sender: Any, key: str, mail_body: Any) -> None:
    answer = sender.send(mail_body(), headers={"Authorization": key})
    assert answer.status_code == 401
    assert "errors" in answer.json()


def test_body_is_checked_before_its_parts(sender: Any) -> None:
    assert sender.post(content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert sender.post(content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert sender.send([]).status_code == 400


def test_too_large_a_body_is_answered_in_html(sender: Any, mail_body: Any) -> None:
    answer = sender.send(mail_body(attachments=[{"content": "x" * (20 * 1024 * 1024)}]))
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/html")


def test_unknown_addresses_answer_in_error_shape(sender: Any) -> None:
    assert sender.get("/v3/nothing").status_code == 404
    assert sender.get("/v3/nothing").json()["errors"][0]["field"] is None
    assert sender.get("/v3/mail/send").status_code == 405


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("a@b.example"),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["email", "type", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
PLACES = (
    *("personalizations", "from", "subject", "content", "categories", "custom_args", "headers", "send_at", "reply_to"),
    *("template_id", "mail_settings"),
)
OWN_PLACES = ("to", "cc", "bcc", "from", "subject", "substitutions", "custom_args", "headers", "send_at")


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.dictionaries(st.sampled_from(PLACES), JUNK, max_size=3),
    own=st.dictionaries(st.sampled_from(OWN_PLACES), JUNK, max_size=3),
)
def test_junk_is_refused_or_accepted_and_never_breaks_it(
    changes: dict[str, Any], own: dict[str, Any], mail_body: Any, now: datetime, tmp_path: Path
) -> None:
    body = mail_body()
    body["personalizations"][0].update(own)
    body.update(changes)
    if not check_mail(body, now):
        mailbox = Mailbox(tmp_path)
        mailbox.accept(body, now)
        assert all(mail.subject is not None and mail.text is not None for mail in mailbox.mails)
