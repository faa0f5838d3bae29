"""What the stand-in does with a mail it accepts: the witness, the mailbox, the events, the clock."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from sandbox.mailbox import substitute
from sandbox.sendgrid import Clock, StandIn


def _lines(home: Path, name: str) -> list[dict[str, Any]]:
    path = home / "sandbox" / name
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def test_acceptance_is_recorded_for_each_recipient(sender: Any, tmp_path: Path, mail_body: Any) -> None:
    body = mail_body("a@one.example", "b@two.example")
    body["personalizations"][1]["cc"] = [{"email": "c@two.example"}]
    answer = sender.send(body)
    assert (answer.status_code, answer.content) == (202, b"")
    message_id = answer.headers["X-Message-Id"]
    at = "2026-04-01T01:00:00+00:00"
    assert _lines(tmp_path, "accepted.jsonl") == [
        {"send_id": send_id, "to": to, "message_id": message_id, "accepted_at": at, "subject": subject}
        for send_id, to, subject in [
            ("send-0", "a@one.example", "Hello Reader 0"),
            ("send-1", "b@two.example", "Hello Reader 1"),
            ("send-1", "c@two.example", "Hello Reader 1"),
        ]
    ]


def test_a_mail_without_a_send_id_is_recorded_too(sender: Any, tmp_path: Path, mail_body: Any) -> None:
    body = mail_body()
    del body["personalizations"][0]["custom_args"]
    sender.send(body)
    assert _lines(tmp_path, "accepted.jsonl")[0]["send_id"] is None


def test_the_witness_is_written_before_the_answer(sender: Any, monkeypatch: pytest.MonkeyPatch, mail_body: Any) -> None:
    """The file is held back: as long as it is not written, no answer may come."""
    mailbox = sender.stand_in.mailbox
    write, may_write = mailbox.accepted.append, threading.Event()

    def held_back(rows: Any) -> None:
        assert may_write.wait(10)
        write(rows)

    monkeypatch.setattr(mailbox.accepted, "append", held_back)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(sender.send(mail_body()).status_code))
    thread.start()
    time.sleep(0.2)
    assert answers == []
    may_write.set()
    thread.join(10)
    assert answers == [202]


def test_the_witness_is_on_the_disk(sender: Any, monkeypatch: pytest.MonkeyPatch, mail_body: Any) -> None:
    synced: list[int] = []
    monkeypatch.setattr("sandbox.journal.os.fsync", synced.append)
    sender.send(mail_body())
    assert len(synced) == 1


def test_witness_and_ids_go_on_after_a_restart(tmp_path: Path, mail_body: Any, now: datetime, connect: Any) -> None:
    ids = set()
    for _ in range(2):
        with StandIn(tmp_path, clock=Clock(now)) as stand_in:
            sender = connect(stand_in)
            ids.add(sender.send(mail_body()).headers["X-Message-Id"])
            sender.close()
    assert len(_lines(tmp_path, "accepted.jsonl")) == 2
    assert len(ids) == 2
    assert len({event["sg_event_id"] for event in _lines(tmp_path, "events.jsonl")}) == 4


def test_mailbox_shows_the_mail_as_its_reader_sees_it(sender: Any, mail_body: Any) -> None:
    sender.send(mail_body("a@one.example", "b@two.example"))
    mail = sender.stand_in.mailbox.mails[1]
    assert (mail.to, mail.send_id, mail.categories) == ("b@two.example", "send-1", ("newsletter",))
    assert mail.subject == "Hello Reader 1"
    assert mail.text.startswith("Dear Reader 1,")
    assert "<p>Dear Reader 1</p>" in mail.html
    (shown,) = sender.get("/sandbox/mails", params={"to": "B@two.example"}).json()
    assert (shown["subject"], shown["html"]) == (mail.subject, mail.html)
    assert len(sender.get("/sandbox/mails").json()) == 2
    assert sender.get("/sandbox/health").json()["mails"] == 2


def test_substitution_does_not_read_its_own_output() -> None:
    assert substitute("-a- -ab-", {"-a-": "-ab-", "-ab-": "x"}) == "-ab- x"


def test_sandbox_mode_accepts_nothing(sender: Any, tmp_path: Path, mail_body: Any) -> None:
    answer = sender.send(mail_body(mail_settings={"sandbox_mode": {"enable": True}}))
    assert (answer.status_code, answer.content) == (200, b"")
    assert _lines(tmp_path, "accepted.jsonl") == _lines(tmp_path, "events.jsonl") == []


def test_events_follow_an_acceptance(sender: Any, tmp_path: Path, mail_body: Any, now: datetime) -> None:
    answer = sender.send(mail_body("a@one.example", "bounce.b@one.example", "drop.c@one.example"))
    events = _lines(tmp_path, "events.jsonl")
    assert [(event["nurture_send_id"], event["event"]) for event in events] == [
        ("send-0", "processed"),
        ("send-0", "delivered"),
        ("send-1", "processed"),
        ("send-1", "bounce"),
        ("send-2", "dropped"),
    ]
    processed, delivered, _, bounce, dropped = events
    assert processed["timestamp"] == int(now.timestamp()) < delivered["timestamp"] < processed["timestamp"] + 60
    assert processed["email"] == "a@one.example"
    assert processed["category"] == ["newsletter"]
    assert processed["smtp-id"] == delivered["smtp-id"] != bounce["smtp-id"]
    assert all(event["sg_message_id"].startswith(answer.headers["X-Message-Id"] + ".") for event in events)
    assert len({event["sg_event_id"] for event in events}) == 5
    assert (bounce["type"], bounce["status"]) == ("bounce", "5.1.1")
    assert bounce["reason"] and dropped["reason"]


def test_clock_is_set_over_http(sender: Any, mail_body: Any) -> None:
    answer = sender.put("/sandbox/clock", {"now": "2026-05-01T09:00:00+09:00"})
    assert answer.json() == {"now": "2026-05-01T00:00:00+00:00"}
    sender.send(mail_body())
    assert sender.stand_in.mailbox.mails[0].accepted_at.isoformat() == "2026-05-01T00:00:00+00:00"
    assert sender.put("/sandbox/clock", {"now": "2026-05-01T09:00:00"}).status_code == 400
    assert sender.put("/sandbox/clock", {}).status_code == 400
    assert sender.put("/sandbox/clock", {"now": None}).status_code == 200
    assert abs(sender.stand_in.clock.now().timestamp() - time.time()) < 5


def test_a_thousand_mails_take_a_moment(sender: Any, mail_body: Any) -> None:
    body = mail_body(*[f"p{n}@many.example" for n in range(1_000)])
    raw = orjson.dumps(body)
    began = time.perf_counter()
    answer = sender.post(content=raw, headers={"Content-Type": "application/json"})
    seconds = time.perf_counter() - began
    assert answer.status_code == 202
    assert seconds < 1, f"{seconds:.3f} s; some 0.05 s are usual"


def test_stopping_frees_the_port(tmp_path: Path) -> None:
    with StandIn(tmp_path) as stand_in:
        url = stand_in.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/sandbox/health")
