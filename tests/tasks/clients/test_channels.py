"""Rooms over the loopback: what is posted, and that only what cannot have been posted is said to be so."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest

from tasks.clients import channels
from tasks.clients.channels import Posted, Room
from tests.tasks.clients.raw_server import Peer, RawServer

VARIABLE = "NURTURE_CHANNEL_TEST"
SECRET = "s3cr3t-t0ken"
ADDRESSES = {
    "json": f"json://user:{SECRET}@127.0.0.1:{{port}}/hooks/{SECRET}",
    "chatwork": f"chatwork://{SECRET}/4711?stand_in={{port}}",
    "lineworks": f"lineworks://127.0.0.1:{{port}}/message/{SECRET}",
}
REFUSALS = ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "429 Too Many Requests"]
SERVICES = sorted(ADDRESSES)
SetRoom = Callable[[str, int], Room]


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> SetRoom:
    """A room of a service on this machine, whose address stands in its variable."""

    def at(service: str, port: int) -> Room:
        monkeypatch.setenv(VARIABLE, ADDRESSES[service].format(port=port))
        return Room(VARIABLE)

    return at


@contextmanager
def answering(*answers: str | Callable[[Peer], object]) -> Iterator[tuple[int, list[tuple[dict[str, str], bytes]]]]:
    """A server that reads a request and answers so; yields its port and what it has read."""
    read: list[tuple[dict[str, str], bytes]] = []

    def act(answer: str | Callable[[Peer], object]) -> Callable[[Peer], None]:
        def play(peer: Peer) -> None:
            read.append(peer.read_request())
            if callable(answer):
                answer(peer)
            else:
                peer.answer(answer, b"{}", Content_Type="application/json")

        return play

    with RawServer(*(act(answer) for answer in answers)) as server:
        yield int(server.url.rpartition(":")[2]), read


def test_a_webhook_gets_title_and_text_as_json(room: SetRoom) -> None:
    with answering("200 OK") as (port, read):
        assert room("json", port).post("【引き継ぎ】山田様", "期限: 4月4日\n担当: 佐藤") == Posted("accepted")
    ((head, body),) = read
    assert head[""].startswith(f"POST /hooks/{SECRET}")
    posted = json.loads(body)
    assert (posted["title"], posted["message"]) == ("【引き継ぎ】山田様", "期限: 4月4日\n担当: 佐藤")


def test_chatwork_gets_its_token_in_a_header_and_one_text(room: SetRoom) -> None:
    with answering("200 OK") as (port, read):
        assert room("chatwork", port).post("【引き継ぎ】山田様", "担当: 佐藤") == Posted("accepted")
    ((head, body),) = read
    assert head[""].startswith("POST /v2/rooms/4711/messages ")
    assert head["x-chatworktoken"] == SECRET
    (text,) = parse_qs(body.decode())["body"]
    assert text.split("\n") == ["【引き継ぎ】山田様", "担当: 佐藤"] or text.split("\r\n") == [
        "【引き継ぎ】山田様", "担当: 佐藤",
    ]  # fmt: skip


def test_line_works_gets_title_and_text(room: SetRoom) -> None:
    with answering("200 OK") as (port, read):
        assert room("lineworks", port).post("【引き継ぎ】山田様", "担当: 佐藤") == Posted("accepted")
    ((head, body),) = read
    assert head[""].startswith(f"POST /message/{SECRET} ")
    assert json.loads(body) == {"title": "【引き継ぎ】山田様", "body": {"text": "担当: 佐藤"}}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("status", REFUSALS)
def test_what_the_service_refuses_was_not_posted(room: SetRoom, service: str, status: str) -> None:
    with answering(status) as (port, read):
        found = room(service, port).post("件名", "本文")
        assert len(read) == 1
    assert found.verdict == "not_sent"
    assert found.message
    assert f"HTTP {status[:3]}" in found.message
    assert VARIABLE in found.message


@pytest.mark.parametrize("service", SERVICES)
def test_where_nobody_listens_nothing_was_posted(room: SetRoom, service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert room(service, port).post("件名", "本文") == Posted("not_sent", f"it cannot be reached; check {VARIABLE}")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"])
def test_what_the_service_failed_at_may_have_been_posted(room: SetRoom, service: str, status: str) -> None:
    with answering(status) as (port, read):
        assert room(service, port).post("件名", "本文").verdict == "unknown"
        assert len(read) == 1


@pytest.mark.parametrize("first", ["200 OK", "500 Oh", Peer.reset])
def test_what_one_of_several_rooms_may_have_got_is_not_posted_again_for_the_others(
    monkeypatch: pytest.MonkeyPatch, first: str | Callable[[Peer], object]
) -> None:
    with answering(first, "404 Not Found") as (port, read):
        monkeypatch.setenv(VARIABLE, f"mmost://127.0.0.1:{port}/tokenoftheroom?channels=one,two")
        assert Room(VARIABLE).post("件名", "本文").verdict == "unknown"
        assert len(read) == 2


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("text", ["本文", "error=404", "Connection refused", "NewConnectionError error=400"])
def test_an_answer_that_is_lost_may_have_been_posted_whatever_the_message_says(
    room: SetRoom, service: str, text: str
) -> None:
    with answering(Peer.reset) as (port, read):
        assert room(service, port).post(text, text).verdict == "unknown"
        assert len(read) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_whoever_is_too_slow_to_answer_may_have_posted_it(
    room: SetRoom, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_TIMEOUT_SECONDS", 0.2)
    with answering(lambda peer: peer.connection.recv(1)) as (port, read):
        assert room(service, port).post("件名", "本文").verdict == "unknown"
        assert len(read) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_no_address_or_token_is_logged_or_told(
    room: SetRoom, service: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with answering("200 OK", "404 Not Found", "500 Oh", Peer.reset) as (port, _):
        found = [room(service, port).post("件名", "本文") for _ in range(4)]
    found.append(room(service, port).post("件名", "本文"))
    assert [one.verdict for one in found] == ["accepted", "not_sent", "unknown", "unknown", "not_sent"]
    said = " ".join([caplog.text, *capfd.readouterr(), *(one.message or "" for one in found)])
    assert SECRET not in said
    assert str(port) not in "".join(one.message or "" for one in found)


@pytest.mark.parametrize(
    ("address", "is_set"),
    [
        ("", False),
        ("  ", False),
        ("nothing", True),
        ("json://127.0.0.1/a, json://127.0.0.1/b", True),
        ("chatwork://token/room", True),
        ("lineworks://host", True),
    ],
)
def test_what_is_no_address_is_not_readable_and_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str, is_set: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(VARIABLE, address)
    room = Room(VARIABLE)
    assert (room.is_set, room.is_readable) == (is_set, False)
    assert not address.strip() or address not in caplog.text


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("json://127.0.0.1:8080/x", True),
        ("json://user:word@localhost/x", True),
        ("json://[::1]:8080/x", True),
        ("chatwork://token/1?stand_in=8080", True),
        ("json://127.0.0.1.example.com/x", False),
        ("json://hooks.example.com/127.0.0.1", False),
        ("jsons://hooks.example.com/x?stand_in=8080", False),
        ("json://127.0.0.1:word@hooks.example.com/x", False),
        ("chatwork://token/1", False),
        ("chatwork://token/1?stand_in=x", False),
        ("slack://TokenA/TokenB/TokenC/", False),
    ],
)
def test_only_what_stands_on_this_machine_is_local(
    monkeypatch: pytest.MonkeyPatch, address: str, is_local: bool
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    assert Room(VARIABLE).is_local is is_local
