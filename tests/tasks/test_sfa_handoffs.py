"""What sales notes of a handoff in a SQL SFA is taken as it is meant, and what was said by a link gets there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rules.models import SfaSync, SyncedField
from tasks.clients.sfa.sql import SqlSfa
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import rule_set
from tests.world import World, stand_in

RULES = rule_set(active_from=START, sfa=SfaSync(fields=(SyncedField(field="name", wins="sfa"),)))
MADE = at(1, hours=0.1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world with one handoff, made a while after its cause."""
    with stand_in(tmp_path) as server:
        made = World(tmp_path, server)
        made.facts(lambda connection: add_lead(connection, "a@example.com", name="山田"))
        made.facts(lambda connection: add_event(connection, "consultation_request", at(1), email="a@example.com"))
        made.hand_off(RULES, MADE)
        yield made


def sfa(world: World, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(world.home / "sfa.db")) as connection:
        rows = connection.execute(query, values).fetchall()
        connection.commit()
    return rows


def sales_notes(world: World, when: datetime | None, **values: str | None) -> None:
    stamped = values if when is None else {**values, "updated_at": when.isoformat()}
    sfa(world, f"update handoffs set {', '.join(f'{name} = ?' for name in stamped)}", *stamped.values())


def link_says(world: World, when: datetime, status: str) -> None:
    ((handoff_id,),) = world.ledger("select handoff_id from handoffs")
    said = {"handoff_id": handoff_id, "source": "link", "status": status}
    world.facts(lambda connection: add_event(connection, "sales_follow_up", when, email="a@example.com", **said))


def here(world: World, columns: str) -> tuple[Any, ...]:
    return world.ledger(f"select {columns} from handoffs")[0]


def test_what_a_link_said_gets_there_though_a_rep_saved_the_row_as_it_was(world: World) -> None:
    link_says(world, at(1, hours=4), "contacted")
    sales_notes(world, at(1, hours=5))
    world.hand_off(RULES, at(1, hours=6))
    assert sfa(world, "select status, first_contact_at, updated_at from handoffs") == [
        ("contacted", at(1, hours=4).isoformat(), at(1, hours=5).isoformat())
    ]
    assert here(world, "written_at") == (at(1, hours=6),)


def test_what_sales_notes_between_reading_and_writing_is_kept_and_read_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = SqlSfa.write_handoffs

    def meanwhile(self: SqlSfa, handoffs: Any) -> Any:
        sales_notes(world, at(1, hours=5), status="meeting", outcome="提案中")
        return write(self, handoffs)

    link_says(world, at(1, hours=4), "accepted")
    with monkeypatch.context() as patch:
        patch.setattr(SqlSfa, "write_handoffs", meanwhile)
        world.hand_off(RULES, at(1, hours=4.5))
    for hours in (6, 7):
        world.hand_off(RULES, at(1, hours=hours))
        assert sfa(world, "select status, outcome from handoffs") == [("meeting", "提案中")]
        assert here(world, "status, outcome") == ("meeting", "提案中")


def test_a_link_leaves_what_sales_said_came_of_it(world: World) -> None:
    sales_notes(world, at(1, hours=2), status="contacted", outcome="提案中、予算500万")
    world.hand_off(RULES, at(1, hours=3))
    link_says(world, at(1, hours=4), "meeting")
    world.hand_off(RULES, at(1, hours=5))
    assert here(world, "status, outcome") == ("meeting", "提案中、予算500万")
    assert sfa(world, "select status, outcome from handoffs") == [("meeting", "提案中、予算500万")]
    sales_notes(world, at(1, hours=6), outcome=None)
    world.hand_off(RULES, at(1, hours=7))
    assert here(world, "status, outcome") == ("meeting", None)


def test_an_owner_changed_there_undoes_nothing_that_a_link_said_meanwhile(world: World) -> None:
    link_says(world, at(1, hours=4), "contacted")
    sales_notes(world, at(1, hours=5), owner="suzuki")
    world.hand_off(RULES, at(1, hours=6))
    assert here(world, "status, owner") == ("contacted", "suzuki")
    assert sfa(world, "select status, owner from handoffs") == [("contacted", "suzuki")]


def test_a_clock_that_is_ahead_there_hides_nothing_that_is_said_after(world: World) -> None:
    sales_notes(world, at(1, hours=5), status="contacted", first_contact_at=at(1, hours=5).isoformat())
    world.hand_off(RULES, at(1, hours=2.1))
    assert here(world, "status, first_contact_at") == ("contacted", at(1, hours=2.1))
    link_says(world, at(1, hours=3), "meeting")
    for hours in (3.1, 6, 10):
        world.hand_off(RULES, at(1, hours=hours))
        assert here(world, "status, first_contact_at") == ("meeting", at(1, hours=2.1))
    assert sfa(world, "select status from handoffs") == [("meeting",)]


def test_a_correction_whose_stamp_is_ahead_stands_here_at_once(world: World) -> None:
    sfa(world, "update leads set name = '山田 太郎', updated_at = ?", at(1, hours=8).isoformat())
    world.facts(lambda connection: add_event(connection, "page_view", at(1, hours=1), email="a@example.com"))
    for hours in (2, 2.5, 3, 9):
        world.hand_off(RULES, at(1, hours=hours))
        assert sfa(world, "select name from leads") == [("山田 太郎",)]
    assert world.warehouse("select name from leads") == [("山田 太郎",)]


def test_a_call_noted_without_a_new_stamp_was_made_by_now_and_not_when_the_lead_was_handed_off(world: World) -> None:
    world.hand_off(RULES, at(1, hours=60))
    sales_notes(world, None, status="contacted")
    world.hand_off(RULES, at(1, hours=61))
    assert here(world, "first_contact_at, first_contact_at > due_at") == (at(1, hours=61), True)
    for number, status in enumerate(("accepted", "contacted", "accepted", "contacted")):
        sales_notes(world, None, status=status)
        world.hand_off(RULES, at(1, hours=62 + number))
        assert here(world, "status") == (status,)


def test_a_write_whose_answer_was_lost_does_not_come_back_as_news(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = SqlSfa.write_handoffs

    def dies(self: SqlSfa, handoffs: Any) -> Any:
        write(self, handoffs)
        raise KeyboardInterrupt

    link_says(world, at(1, hours=4), "accepted")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SqlSfa, "write_handoffs", dies)
        world.hand_off(RULES, at(1, hours=4.5))
    link_says(world, at(1, hours=4.6), "meeting")
    for hours in (5, 6):
        world.hand_off(RULES, at(1, hours=hours))
    assert world.ledger("select distinct source from handoff_changes") == [("link",)]
    assert sfa(world, "select status from handoffs") == [("meeting",)]
