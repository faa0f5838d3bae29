"""Suppressions and logs as SendGrid documents them: what follows from what happened, pages, limits, refusals."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.events import make_event
from sandbox.sendgrid import Clock, Fault, RateLimit, StandIn

LATER = "2026-04-01T02:00:00+00:00"


def _emails(sender: Any, name: str, **parameters: Any) -> list[str]:
    answer = sender.get(f"/v3/suppression/{name}", params=parameters)
    assert answer.status_code == 200
    return [entry["email"] for entry in answer.json()]


def test_what_is_suppressed_follows_from_what_happened(sender: Any, mail_body: Any, now: datetime) -> None:
    people = [f"{name}@one.example" for name in ("good", "bounce", "drop", "angry", "leaver", "grouped", "busy")]
    sender.send(mail_body(*people))
    mails = {mail.to: mail for mail in sender.stand_in.mailbox.mails}
    told = [("angry", "spamreport", {}), ("leaver", "unsubscribe", {}), ("grouped", "group_unsubscribe", {"asm_group_id": 5}),
            ("busy", "bounce", {"type": "blocked", "reason": "421 try later", "status": "4.2.1"})]  # fmt: skip
    sender.stand_in.mailbox.events.append(
        make_event(mails[f"{name}@one.example"], kind, now + timedelta(minutes=9), **more) for name, kind, more in told
    )
    assert _emails(sender, "bounces") == ["drop@one.example"], "the bounce comes some seconds later"
    sender.put("/sandbox/clock", {"now": LATER})
    assert _emails(sender, "bounces") == ["bounce@one.example", "drop@one.example"]
    assert _emails(sender, "blocks") == ["busy@one.example"]
    assert _emails(sender, "spam_reports") == ["angry@one.example"]
    assert _emails(sender, "unsubscribes") == ["leaver@one.example"]
    assert _emails(sender, "invalid_emails") == []
    assert sender.get("/v3/suppression/nobody").status_code == 404
    bounce = sender.get("/v3/suppression/bounces").json()[0]
    assert bounce.keys() == {"created", "email", "reason", "status"}
    assert sender.get("/v3/suppression/spam_reports").json()[0].keys() == {"created", "email", "ip"}
    assert sender.get("/v3/suppression/unsubscribes").json()[0].keys() == {"created", "email"}
    at = int((now + timedelta(minutes=9)).timestamp())
    entry = {"email": "grouped@one.example", "group_id": 5, "group_name": "Group 5", "created_at": at}
    assert sender.get("/v3/asm/suppressions").json() == [entry]
    assert sender.get("/v3/asm/groups/5/suppressions").json() == ["grouped@one.example"]
    assert sender.get("/v3/asm/groups/6/suppressions").json() == []


def test_suppressions_outlive_a_restart(tmp_path: Path, mail_body: Any, connect: Any, now: datetime) -> None:
    for is_first in (True, False):
        with StandIn(tmp_path, clock=Clock(now)) as stand_in:
            sender = connect(stand_in)
            if is_first:
                sender.send(mail_body("drop@one.example"))
            assert _emails(sender, "bounces") == ["drop@one.example"]
            sender.close()


def test_lists_are_paged_and_bounded_in_time(sender: Any, now: datetime) -> None:
    for minute in range(3):
        emails = [f"a{minute}-{number}@one.example" for number in range(300)]
        at = (now - timedelta(minutes=minute)).isoformat()
        assert sender.put("/sandbox/suppressions", {"list": "bounces", "emails": emails, "at": at}).status_code == 204
    pages = [_emails(sender, "bounces", limit=500, offset=offset) for offset in (0, 500, 1000)]
    assert [len(page) for page in pages] == [500, 400, 0]
    assert len(set(pages[0] + pages[1])) == 900
    stamp = int(now.timestamp())
    assert len(_emails(sender, "bounces", start_time=stamp - 60, end_time=stamp - 60)) == 300
    assert len(_emails(sender, "bounces", limit=1, start_time=stamp)) == 1
    assert _emails(sender, "bounces", start_time=stamp + 1) == []
    for faulty in ({"limit": 501}, {"limit": 0}, {"limit": "x"}, {"offset": -1}, {"start_time": "yesterday"}):
        answer = sender.get("/v3/suppression/bounces", params=faulty)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, next(iter(faulty)))
    assert sender.put("/sandbox/suppressions", {"group": 2, "emails": ["g@one.example"]}).status_code == 204
    assert sender.get("/v3/asm/groups/2/suppressions").json() == ["g@one.example"]
    for faulty in ({}, {"list": "friends", "emails": ["a@one.example"]}, {"list": "bounces"}):
        assert sender.put("/sandbox/suppressions", faulty).status_code == 400


def test_logs_are_searched_by_conditions_in_the_body(sender: Any, mail_body: Any, now: datetime) -> None:
    sender.send(mail_body("a@one.example", "bounce@two.example"))
    sender.put("/sandbox/clock", {"now": LATER})
    sender.send(mail_body("a@one.example", "drop@three.example", categories=["other", "step"]))

    def found(query: str, **more: Any) -> list[str]:
        answer = sender.post_logs({"query": query, **more})
        assert answer.status_code == 200, answer.text
        return [message["to_email"] for message in answer.json()["messages"]]

    assert found('to_email = "a@one.example"') == ["a@one.example"] * 2
    assert found("to_email='a@one.example' AND sg_message_id_created_at > TIMESTAMP \"2026-04-01T01:30:00Z\"") == [
        "a@one.example"
    ]
    assert found("status IN ('bounced', 'dropped')") == ["drop@three.example", "bounce@two.example"]
    assert found("categories IN ('step')") == ["drop@three.example", "a@one.example"]
    assert found('subject = "Hello Reader 1" AND status IN ("bounced")') == ["bounce@two.example"]
    assert found("", limit=3) == ["drop@three.example", "a@one.example", "bounce@two.example"]
    for faulty in (
        {"query": "to_email > 3"},
        {"query": 'to_email = "a" OR status IN ("x")'},
        {"query": 3},
        {"limit": 0},
        {"limit": 1001},
        [],
    ):
        assert sender.post_logs(faulty).status_code == 400


def test_one_message_is_shown_with_its_custom_arguments_and_events(sender: Any, mail_body: Any) -> None:
    sender.send(mail_body("bounce@two.example"))
    (message,) = sender.post_logs({"query": 'to_email = "bounce@two.example"'}).json()["messages"]
    assert message["status"] == "processed"
    sender.put("/sandbox/clock", {"now": LATER})
    shown = sender.get(f"/v3/logs/{message['sg_message_id']}").json()
    assert shown["custom_args"] == {"nurture_send_id": "send-0"}
    assert shown["status"] == "bounced"
    assert [event["event"] for event in shown["events"]] == ["processed", "bounce"]
    assert all(event["custom_args"] == {"nurture_send_id": "send-0"} for event in shown["events"])
    assert all("nurture_send_id" not in event for event in shown["events"])
    assert sender.get("/v3/logs/nothing").status_code == 404


def test_logs_lag_behind_and_end_after_thirty_days(sender: Any, mail_body: Any, now: datetime) -> None:
    assert sender.put("/sandbox/logs", {"lag_seconds": 600}).status_code == 204
    assert sender.put("/sandbox/logs", {"lag": 600}).status_code == 400
    sender.send(mail_body())
    counts = []
    for minutes in (5, 10, 30 * 24 * 60, 30 * 24 * 60 + 1):
        sender.put("/sandbox/clock", {"now": (now + timedelta(minutes=minutes)).isoformat()})
        counts.append(len(sender.post_logs({"query": ""}).json()["messages"]))
    assert counts == [0, 1, 1, 0]


@pytest.mark.parametrize("path", ["/v3/suppression/bounces", "/v3/asm/suppressions", "/v3/logs/x"])
def test_every_address_checks_the_key(sender: Any, path: str) -> None:
    assert sender.get(path, headers={"Authorization": "Bearer SG.refused"}).status_code == 401


def test_a_fault_is_for_mail_send_unless_it_names_another_address(sender: Any, mail_body: Any) -> None:
    sender.put(
        "/sandbox/faults",
        [{"kind": "status", "status": 503}, {"kind": "status", "status": 403, "path": "/v3/suppression"}],
    )
    assert sender.get("/v3/asm/suppressions").status_code == 200
    assert sender.get("/v3/suppression/blocks").status_code == 403
    assert sender.get("/v3/suppression/blocks").status_code == 200
    assert [sender.send(mail_body()).status_code for _ in range(2)] == [503, 202]
    sender.stand_in.faults.set([Fault("reset_after", path="/v3/"), Fault("hang", seconds=5, path="/v3/asm")])
    with pytest.raises(httpx.ReadError):
        sender.get("/v3/suppression/blocks")
    with pytest.raises(httpx.ReadTimeout):
        sender.get("/v3/asm/suppressions", timeout=0.1)


def test_a_mail_may_be_accepted_and_dropped_later(sender: Any, mail_body: Any) -> None:
    sender.put("/sandbox/faults", {"kind": "accept_then_drop"})
    assert sender.send(mail_body("good@one.example")).status_code == 202
    assert len(sender.stand_in.mailbox.accepted.rows()) == 1
    (event,) = sender.stand_in.mailbox.events.rows()
    assert (event["event"], event["reason"]) == ("dropped", "Recipient List over Package Quota")
    sender.put("/sandbox/clock", {"now": LATER})
    assert _emails(sender, "bounces") == [], "the address is not to blame"
    assert sender.send(mail_body("good@one.example")).status_code == 202
    assert [event["event"] for event in sender.stand_in.mailbox.events.rows()[1:]] == ["processed", "delivered"]


def test_each_address_has_a_rate_limit_of_its_own(tmp_path: Path, connect: Any, mail_body: Any, now: datetime) -> None:
    with StandIn(tmp_path, clock=Clock(now), rate_limit=RateLimit(requests=1, seconds=30)) as stand_in:
        sender = connect(stand_in)
        assert [sender.get("/v3/suppression/bounces").status_code for _ in range(2)] == [200, 429]
        assert sender.get("/v3/suppression/blocks").status_code == 200
        answer = sender.send(mail_body())
        assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (202, "0")
        sender.close()
