"""The signed event webhook: what it posts verifies, and is as unreliable as asked, the same for the same seed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import orjson
import pytest
from sendgrid.helpers.eventwebhook import EventWebhook as Verifier
from sendgrid.helpers.eventwebhook import EventWebhookHeader

from sandbox.sendgrid import Clock, EventWebhook, Habits

NOW = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)
KINDS = ("processed", "delivered", "bounce", "spamreport")
EVENTS = [
    {
        "nurture_send_id": f"send-{number}",
        "email": f"a{number}@example.com",
        "timestamp": 1_775_000_000 + number,
        "event": KINDS[number % 4],
        "sg_event_id": f"event-{number}",
        "sg_message_id": f"message-{number}.recvd",
        "smtp-id": f"<message-{number}@smtp.sandbox.test>",
        "category": ["日本語"],
    }
    for number in range(400)
]


class Receiver:
    """Keeps what was posted, and answers as told: 200 after the statuses that wait."""

    def __init__(self) -> None:
        posts = self.posts = []
        statuses = self.statuses = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append((dict(self.headers), body))
                self.send_response(statuses.pop(0) if statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/sendgrid"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def events(self) -> list[dict[str, Any]]:
        return [event for _, body in self.posts for event in orjson.loads(body)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def test_each_post_verifies_by_the_providers_own_helper_and_only_as_it_was_posted(receiver: Receiver) -> None:
    webhook = EventWebhook(receiver.url, clock=Clock(NOW))
    assert webhook.post(EVENTS[:150]) == [200, 200]
    assert receiver.events() == EVENTS[:150]
    verifier = Verifier(webhook.public_key)
    for headers, body in receiver.posts:
        stamp, signature = headers[EventWebhookHeader.TIMESTAMP.title()], headers[EventWebhookHeader.SIGNATURE.title()]
        assert stamp == str(int(NOW.timestamp()))
        assert verifier.verify_signature(body.decode(), signature, stamp)
        assert not verifier.verify_signature(orjson.dumps(orjson.loads(body)).decode(), signature, stamp)
        assert not verifier.verify_signature(body.decode(), signature, str(int(stamp) + 1))
    other = Verifier(EventWebhook(receiver.url, seed=2).public_key)
    assert not other.verify_signature(body.decode(), signature, stamp)


def test_what_was_posted_is_not_posted_again_and_a_refused_post_is_tried_three_times(receiver: Receiver) -> None:
    webhook = EventWebhook(receiver.url)
    receiver.statuses[:] = [500, 503]
    assert webhook.post(EVENTS[:3]) == [200]
    assert len(receiver.posts) == 3
    assert webhook.post(EVENTS[:3]) == []
    receiver.statuses[:] = [500] * 3
    assert webhook.post(EVENTS[:4]) == [500]
    assert EventWebhook("http://127.0.0.1:9/").post(EVENTS[:1]) == [0]
    with pytest.raises(ValueError, match="http"):
        EventWebhook("file:///etc/hosts")


def test_it_is_as_unreliable_as_asked_and_the_same_for_the_same_seed(receiver: Receiver) -> None:
    habits = Habits(duplicates=0.3, late=0.2, bare=0.5, is_shuffled=True, batch=50)

    def run(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        receiver.posts.clear()
        webhook = EventWebhook(receiver.url, habits, seed=seed)
        webhook.post(EVENTS)
        at_once = receiver.events()
        webhook.flush()
        return at_once, receiver.events()[len(at_once) :]

    at_once, late = run(7)
    assert (at_once, late) == run(7)
    assert at_once != run(8)[0]
    times = Counter(event["sg_event_id"] for event in at_once + late)
    assert set(times) == {event["sg_event_id"] for event in EVENTS}
    assert set(times.values()) == {1, 2}
    assert 80 < sum(count == 2 for count in times.values()) < 160
    first_told_late = {event["sg_event_id"] for event in late} - {event["sg_event_id"] for event in at_once}
    assert 40 < len(first_told_late) < 120
    bare = [event for event in at_once + late if "sg_message_id" not in event]
    assert {event["event"] for event in bare} == {"bounce", "spamreport"}
    assert all("nurture_send_id" not in event and event["smtp-id"] and event["email"] for event in bare)
    assert [event["timestamp"] for event in at_once] != sorted(event["timestamp"] for event in at_once)


def test_a_stand_in_that_is_told_where_posts_what_happened_once(
    sender: Any, receiver: Receiver, mail_body: Any, now: datetime
) -> None:
    assert sender.request("POST", "/sandbox/webhook").status_code == 409
    settings = {"url": receiver.url, "seed": 3, "duplicates": 1, "late": 0.5, "is_shuffled": True}
    key = sender.put("/sandbox/webhook", settings).json()["public_key"]
    assert key == EventWebhook(receiver.url, seed=3).public_key
    sender.send(mail_body("a@one.example", "bounce@two.example"))
    assert sender.request("POST", "/sandbox/webhook?flush=1").json() == {"statuses": [200, 200]}
    assert {event["event"] for event in receiver.events()} == {"processed"}, "the rest has not happened yet"
    sender.put("/sandbox/clock", {"now": "2026-04-01T02:00:00+00:00"})
    sender.request("POST", "/sandbox/webhook?flush=1")
    assert Counter(event["event"] for event in receiver.events()) == {"processed": 4, "delivered": 2, "bounce": 2}
    for faulty in (
        {},
        {"url": "ftp://x.example"},
        {"url": receiver.url, "late": "1"},
        {"url": receiver.url, "lost": 1},
    ):
        assert sender.put("/sandbox/webhook", faulty).status_code == 400
