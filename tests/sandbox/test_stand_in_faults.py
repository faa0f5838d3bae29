"""Faults on demand: what the sender sees, and what was accepted all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.sendgrid import Clock, Fault, RateLimit, StandIn


def _accepted(stand_in: StandIn) -> int:
    return len(stand_in.mailbox.accepted.rows())


def test_status_is_answered_as_often_as_asked(sender: Any, mail_body: Any) -> None:
    fault = {"kind": "status", "status": 503, "times": 2, "headers": {"X-Reason": "test"}}
    assert sender.put("/sandbox/faults", fault).status_code == 204
    answers = [sender.send(mail_body()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 202]
    assert answers[0].headers["X-Reason"] == "test"
    assert answers[0].json()["errors"]
    assert _accepted(sender.stand_in) == 1


@pytest.mark.parametrize(("kind", "accepted"), [("reset_before", 0), ("reset_after", 1)])
def test_reset_before_and_after_the_acceptance(sender: Any, kind: str, accepted: int, mail_body: Any) -> None:
    sender.put("/sandbox/faults", {"kind": kind})
    with pytest.raises(httpx.ReadError):
        sender.send(mail_body())
    assert _accepted(sender.stand_in) == accepted
    assert sender.send(mail_body()).status_code == 202


def test_hang_lets_the_sender_time_out_and_accepts_later(sender: Any, mail_body: Any) -> None:
    sender.stand_in.faults.set([Fault("hang", seconds=0.3)])
    with pytest.raises(httpx.ReadTimeout):
        sender.send(mail_body(), timeout=0.1)
    deadline = time.monotonic() + 5
    while _accepted(sender.stand_in) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _accepted(sender.stand_in) == 1


def test_a_hanging_request_does_not_hold_up_the_stop(tmp_path: Path, mail_body: Any, connect: Any) -> None:
    with StandIn(tmp_path) as stand_in:
        stand_in.faults.set([Fault("hang", seconds=60)])
        sender = connect(stand_in)
        with pytest.raises(httpx.ReadTimeout):
            sender.send(mail_body(), timeout=0.1)
        sender.close()
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_faults_play_in_order_and_an_empty_list_ends_them(sender: Any, mail_body: Any) -> None:
    sender.put("/sandbox/faults", [{"kind": "status", "status": 500}, {"kind": "status", "status": 502, "times": 9}])
    assert [sender.send(mail_body()).status_code for _ in range(2)] == [500, 502]
    sender.put("/sandbox/faults", [])
    assert sender.send(mail_body()).status_code == 202


@pytest.mark.parametrize(
    "fault", [{"kind": "flood"}, {"kind": "status", "often": 2}, {"kind": "hang", "times": "2"}, 3]
)
def test_an_unknown_fault_is_refused(sender: Any, fault: Any) -> None:
    answer = sender.put("/sandbox/faults", fault)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


@pytest.fixture
def limited(tmp_path: Path, now: datetime, connect: Any) -> Iterator[Any]:
    with StandIn(tmp_path, clock=Clock(now), rate_limit=RateLimit(requests=2, seconds=0.5)) as stand_in:
        sender = connect(stand_in)
        yield sender
        sender.close()


def test_rate_limit_answers_429_until_the_window_ends(limited: Any, mail_body: Any) -> None:
    answers = [limited.send(mail_body()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].headers["X-RateLimit-Limit"] == "2"
    assert 0 <= int(answers[2].headers["X-RateLimit-Reset"]) - time.time() < 2
    time.sleep(0.6)
    assert limited.send(mail_body()).status_code == 202
    assert _accepted(limited.stand_in) == 3
