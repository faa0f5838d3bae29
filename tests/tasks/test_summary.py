"""What a run prints for people is what the published tables say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tasks.summary import read_figures
from tests.facts import add_event, at
from tests.tasks.test_notices import ask, rules_of, run
from tests.world import World, stand_in
from warehouse.publish import publish


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def test_handoffs_are_the_first_owners_and_who_gave_a_lead_back_in_time_has_answered(world: World) -> None:
    rules = rules_of(second_limit_hours=72, reassigns=True)
    ask(world, "a", "b")
    run(world, rules, at(1))
    owners = dict(world.ledger("select owner, handoff_id from handoffs"))

    def give_back(connection) -> None:
        add_event(
            connection, "sales_follow_up", at(2), handoff_id=owners["sato"], status="returned", reason="not_a_target"
        )

    world.facts(give_back)
    for day in (3.1, 4.1):
        run(world, rules, at(day))
    assert world.ledger("select first_owner, owner, status from handoffs order by first_owner") == [
        ("sato", "sato", "returned"), ("suzuki", "sato", "new"),
    ]  # fmt: skip
    published = publish(world.settings, at(5))
    (handoffs,) = [found for found in read_figures(published) if found.key == "handoffs"]
    query = """
        select owner, sum(handed_off), sum(contacted_within_limit), sum(breached), sum(meetings), sum(won), sum(lost),
            sum(returned)
        from kpi_handoff_daily group by owner order by owner
    """
    with duckdb.connect(str(published), read_only=True) as connection:
        told = connection.execute(query).fetchall()
    assert [(*row[:4], *row[5:]) for row in handoffs.rows] == told
    assert [row[3] for row in handoffs.rows] == [0, 1]
