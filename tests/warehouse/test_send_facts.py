"""Mails that left become facts, once each, whatever ends a pull, and rules can ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import tasks.pull
from rules.models import EventCondition, Segment, Selector
from tasks.pull import note_sends, pull_sources
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import DOWNLOAD, rule_set, step
from tests.world import World, stand_in
from warehouse.connection import open_ledger, open_warehouse

THANKS = step("thanks", DOWNLOAD)
THANKED = Selector(event="mail_sent", scenario="guide", step="thanks")
RULES = rule_set(
    steps=(THANKS,),
    active_from=START,
    segments=(
        *rule_set().segments,
        Segment(id="thanked", label="お礼送信済み", where=EventCondition(on=THANKED)),
        Segment(
            id="followed",
            label="別メール送信済み",
            where=EventCondition(on=Selector(event="mail_sent", scenario="guide", step="cases")),
        ),
    ),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def thank(world: World, when: datetime, *names: str) -> None:
    """A download of each, and the mail it starts."""

    def add(connection):
        for name in names:
            email = f"{name}@example.com"
            add_lead(connection, email, name="山田太郎", company="株式会社山田", title="営業部長", industry="製造業")
            add_consent(connection, email)
            add_event(connection, "document_download", when, email=email, asset="guide")

    world.facts(add)
    assert world.send(RULES, when) == {"sent": len(names)}


def facts(world: World, query: str) -> list[tuple]:
    with open_warehouse(world.settings, read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_a_mail_that_left_is_noted_once_with_its_event(world: World) -> None:
    assert note_sends(world.settings, at(0)) == 0  # there is no ledger yet
    thank(world, at(1), "a", "b")
    assert note_sends(world.settings, at(1, 1)) == 2
    assert note_sends(world.settings, at(1, 1)) == 0
    thank(world, at(2), "c")
    assert note_sends(world.settings, at(2, 1)) == 1
    ledger = world.ledger("select send_id, email, scenario, step, variant, occurrence, sent_at from sends order by all")
    assert len(ledger) == 3
    assert facts(world, "select * exclude (received_at) from send_records order by all") == ledger
    assert facts(
        world,
        "select send_id, email, properties['scenario'], properties['step'], occurred_at from events"
        " where event_type = 'mail_sent' and source = 'ledger' order by all",
    ) == [(send_id, email, scenario, step, sent_at) for send_id, email, scenario, step, _, _, sent_at in ledger]
    assert facts(world, "select distinct event_id = md5('ledger' || chr(31) || 'id' || chr(31) || send_id)::uuid"
                 " from events where event_type = 'mail_sent'") == [(True,)]  # fmt: skip
    assert facts(world, "select received_at, count(*) from send_records group by all order by all") == [
        (at(1, 1), 2),
        (at(2, 1), 1),
    ]


def test_a_pull_notes_them(world: World) -> None:
    settings = world.settings.model_copy(update={"sources": world.home / "sources.yaml"})
    settings.sources.write_text("sources: []\n", encoding="utf-8")
    thank(world, at(1), "a")
    assert pull_sources(settings, at(1, 1), fields=()).mails_noted == 1
    assert pull_sources(settings, at(1, 2), fields=()).mails_noted == 0


def test_a_mail_of_which_nobody_knows_is_noted_once_it_is_known(world: World) -> None:
    thank(world, at(1), "a", "b")
    with open_ledger(world.settings) as connection:
        connection.execute("update sends set sent_at = null, state = 'unknown' where email = 'a@example.com'")
    assert note_sends(world.settings, at(2)) == 1
    with open_ledger(world.settings) as connection:
        connection.execute("update sends set sent_at = ? where sent_at is null", [at(1)])
    assert note_sends(world.settings, at(3)) == 1
    assert facts(world, "select email, occurred_at, received_at from send_records order by all") == [
        ("a@example.com", at(1), at(3)),
        ("b@example.com", at(1), at(2)),
    ]


@pytest.mark.parametrize("name", ["read_known_sends", "read_new_sends", "load_sends"])
def test_whatever_ends_it_nothing_is_lost_or_doubled(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    thank(world, at(1), "a")
    function = getattr(tasks.pull, name)

    def crash(*arguments):
        function(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tasks.pull, name, crash)
        with pytest.raises(KeyboardInterrupt):
            note_sends(world.settings, at(2))
    assert facts(world, "select count(*) from send_records") == [(0,)]
    assert facts(world, "select count(*) from events where event_type = 'mail_sent'") == [(0,)]
    assert note_sends(world.settings, at(3)) == 1
    assert facts(world, "select count(*) from events where event_type = 'mail_sent'") == [(1,)]


def test_rules_ask_for_them_and_they_are_no_act_of_the_lead(world: World) -> None:
    thank(world, at(1), "a")
    world.recompute(RULES, at(1) + timedelta(hours=1))
    members = "select segment from segment_members where left_at is null and segment in ('thanked', 'followed')"
    assert facts(world, members) == []
    before = facts(world, "select last_action_at from leads")
    note_sends(world.settings, at(1, 2))
    world.recompute(RULES, at(1, 3))
    assert facts(world, members) == [("thanked",)]
    assert facts(world, "select last_action_at from leads") == before
