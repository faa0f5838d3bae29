"""Rooms are told what their channel asks for, each message once: what may have been posted is never posted again."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from rules.models import Channel, Handoff, Manager, Owner, RuleSet
from tasks.errors import RunError
from tasks.handoff import plan_handoffs
from tasks.notices import plan_digests, send_notices
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import rule_set
from tests.tasks.clients.raw_server import Peer, RawServer
from tests.world import World, stand_in

VARIABLE = "NURTURE_CHANNEL_SALES"
SECRET = "s3cr3t-t0ken"


class RoomServer(RawServer):
    """Reads a post and answers as told, the last answer for all that follow; keeps what was posted."""

    def __init__(self, *answers: str | Callable[[Peer], object]) -> None:
        self.posted: list[dict[str, str]] = []
        super().__init__(*(self._act(answer) for answer in answers))

    def _act(self, answer: str | Callable[[Peer], object]) -> Callable[[Peer], None]:
        def play(peer: Peer) -> None:
            self.posted.append(json.loads(peer.read_request()[1]))
            if callable(answer):
                answer(peer)
            else:
                peer.answer(answer)

        return play

    @property
    def address(self) -> str:
        return f"json://{self.url.removeprefix('http://')}/{SECRET}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def rules_of(**channel: object) -> RuleSet:
    values = {"id": "room", "label": "営業の部屋", "url": VARIABLE} | channel
    return rule_set(
        active_from=START,
        handoff=Handoff(
            owners=(Owner(id="sato", name="佐藤", email="sato@example.com"),),
            managers=(Manager(id="north", name="北", email="north@example.com"),),
            channels=(Channel.model_validate(values),),
            sender="marketing",
        ),
    )


def ask(world: World, name: str = "a", when: datetime = at(1)) -> None:
    def add(connection) -> None:
        add_lead(connection, f"{name}@lead.example", company="株式会社山田", name="山田太郎")
        add_event(connection, "consultation_request", when, email=f"{name}@lead.example")

    world.facts(add)


@pytest.mark.parametrize(
    ("company", "name", "shown"),
    [
        ("[toall] [To:1]さん", "[info]急ぎ[/info]", "［toall］ ［To:1］さん ［info］急ぎ［/info］"),
        ("<!channel>", "<https://evil.example|社内>", "＜!channel＞ ＜https：//evil.example|社内＞"),
        (
            "<at>全員</at> @channel @here",
            "[開く](http://evil.example)",
            "＜at＞全員＜/at＞ ＠channel ＠here ［開く］(http：//evil.example)",
        ),
        ("R&D_ラボ(東京)・*星*", "O'Brien-佐藤 #1 Jr.", "R&D_ラボ(東京)・*星* O'Brien-佐藤 #1 Jr."),
    ],
)
def test_what_a_lead_typed_is_no_markup_in_a_room_and_an_ordinary_name_stays_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch, company: str, name: str, shown: str
) -> None:
    rules = rules_of(tells=("handoff",))

    def add(connection) -> None:
        add_lead(connection, "a@lead.example", company=company, name=name)
        add_event(connection, "consultation_request", at(1), email="a@lead.example")

    world.facts(add)
    with RoomServer("200 OK") as server:
        monkeypatch.setenv(VARIABLE, server.address)
        decide(world, rules, at(1))
        send_notices(world.settings, rules, at(1))
        (posted,) = server.posted
    assert posted["title"] == f"【引き継ぎ】{shown} 様(個別相談)"
    assert posted["message"].split("\n")[0] == f"{shown} 様 / 個別相談"


def decide(world: World, rules: RuleSet, as_of: datetime) -> None:
    world.clock(as_of)
    world.recompute(rules, as_of)
    plan_handoffs(world.settings, rules, as_of)


def states(world: World) -> list[tuple]:
    return world.ledger("select kind, state from notices where way = 'channel' order by planned_at, kind")


def test_a_room_is_told_of_what_its_channel_asks_for_once_and_the_owner_by_mail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rules_of(tells=("handoff", "digest"))
    ask(world)
    with RoomServer("200 OK") as server:
        monkeypatch.setenv(VARIABLE, server.address)
        for as_of in (at(1), at(1.1)):
            decide(world, rules, as_of)
            send_notices(world.settings, rules, as_of)
        decide(world, rules, at(3.1))  # the limit is over, of which this room is not told
        for _ in range(2):
            plan_digests(world.settings, rules, at(3.1))
            send_notices(world.settings, rules, at(3.1))
        first, second = server.posted
    assert "引き継ぎ" in first["title"]
    assert first["message"].split("\n")[:2] == ["株式会社山田 山田太郎 様 / 個別相談", "担当: 佐藤"]
    assert "4月4日(土)" in first["message"]
    assert "本日の対応" in second["title"]
    assert states(world) == [("handoff", "accepted"), ("digest", "accepted")]
    kinds = [kind for (kind,) in world.ledger("select kind from notices where way = 'mail' order by kind")]
    assert kinds == ["digest", "digest", "escalation", "handoff"]


@pytest.mark.parametrize("status", ["404 Not Found", "429 Too Many Requests"])
def test_what_a_room_refuses_is_posted_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    rules = rules_of()
    ask(world)
    with RoomServer(status, "200 OK") as server:
        monkeypatch.setenv(VARIABLE, server.address)
        decide(world, rules, at(1))
        with pytest.raises(RunError, match=rf"'room'.*HTTP {status[:3]}.*waits for the next run") as raised:
            send_notices(world.settings, rules, at(1))
        assert SECRET not in str(raised.value)
        assert states(world) == [("handoff", "planned")]
        assert len(world.accepted()) == 1  # the owner has got it all the same
        for as_of in (at(1.1), at(1.2)):
            decide(world, rules, as_of)
            send_notices(world.settings, rules, as_of)
        assert len(server.posted) == 2
    assert states(world) == [("handoff", "accepted")]
    assert len(world.accepted()) == 1


def test_what_could_not_reach_a_room_is_posted_once_it_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_of()
    ask(world)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv(VARIABLE, f"json://127.0.0.1:{port}/{SECRET}")
    decide(world, rules, at(1))
    with pytest.raises(RunError, match=r"cannot be reached; check NURTURE_CHANNEL_SALES; the notice waits") as raised:
        send_notices(world.settings, rules, at(1))
    assert SECRET not in str(raised.value)
    with RoomServer("204 No Content") as server:
        monkeypatch.setenv(VARIABLE, server.address)
        assert send_notices(world.settings, rules, at(1.1)) == 1
        assert len(server.posted) == 1
    assert states(world) == [("handoff", "accepted")]


@pytest.mark.parametrize("answer", ["500 Oh", "503 Later", Peer.reset], ids=["500", "503", "reset"])
def test_what_may_have_been_posted_is_never_posted_again(
    world: World, monkeypatch: pytest.MonkeyPatch, answer: str | Callable[[Peer], object]
) -> None:
    rules = rules_of(tells=("handoff",))
    ask(world)
    with RoomServer(answer, "200 OK") as server:
        monkeypatch.setenv(VARIABLE, server.address)
        decide(world, rules, at(1))
        with pytest.raises(RunError, match="is not repeated") as raised:
            send_notices(world.settings, rules, at(1))
        assert SECRET not in str(raised.value)
        for as_of in (at(1.1), at(3), at(30)):
            world.pull_provider_events(as_of)  # by which unknown mails are released
            decide(world, rules, as_of)
            send_notices(world.settings, rules, as_of)
        assert len(server.posted) == 1
    assert states(world) == [("handoff", "unknown")]


def test_a_room_that_fails_keeps_its_other_notices_and_no_mail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_of()
    ask(world, "a")
    ask(world, "b")
    with RoomServer("503 Later", "200 OK") as server:
        monkeypatch.setenv(VARIABLE, server.address)
        decide(world, rules, at(1))
        with pytest.raises(RunError, match="is not repeated"):
            send_notices(world.settings, rules, at(1))
        assert sorted(state for _, state in states(world)) == ["planned", "unknown"]
        assert len(world.accepted()) == 2
        send_notices(world.settings, rules, at(1.1))
        assert sorted(state for _, state in states(world)) == ["accepted", "unknown"]
        assert len(server.posted) == 2


@pytest.mark.parametrize(
    ("address", "why"), [("", "is not set"), (f"nothing {SECRET}", "is no address of a service that Apprise knows")]
)
def test_a_channel_without_an_address_says_which_variable_lacks_it(
    world: World, monkeypatch: pytest.MonkeyPatch, address: str, why: str
) -> None:
    rules = rules_of()
    monkeypatch.setenv(VARIABLE, address)
    ask(world)
    decide(world, rules, at(1))
    with pytest.raises(RunError, match=f"'room' gets no notices: {VARIABLE} {why}") as raised:
        send_notices(world.settings, rules, at(1))
    assert SECRET not in str(raised.value)
    assert states(world) == [("handoff", "planned")]
    assert len(world.accepted()) == 1


def test_a_room_elsewhere_gets_nothing_while_delivery_is_not_live(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rules_of()
    monkeypatch.setenv(VARIABLE, f"jsons://rooms.test/{SECRET}?stand_in=1")
    ask(world)
    decide(world, rules, at(1))
    assert send_notices(world.settings, rules, at(1)) == 1  # the mail
    assert states(world) == [("handoff", "planned")]
