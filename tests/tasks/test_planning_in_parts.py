"""Planning writes many mails part by part: whatever parts were committed when a run died, the next does the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rules.models import RuleSet
from tasks.send import plan_sends
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import DOWNLOAD, SEMINAR, rule_set, step
from tests.tasks.test_newsletters import MONDAY, NEWS, TUESDAY
from tests.tasks.test_newsletters import lead as cold_lead
from tests.tasks.test_scenarios import DAY
from tests.tasks.test_scenarios import rules as scenario_rules
from tests.world import World, stand_in
from warehouse import newsletters, sending, statements

LEADS = 9


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for most in ("MOST_ROWS", "MOST_MAILS"):
        monkeypatch.setattr(statements, most, 4)


def rules() -> RuleSet:
    steps = (
        step("thanks", DOWNLOAD, segment="everyone"),
        step("also", DOWNLOAD, segment="everyone"),
        step("seminar", SEMINAR, segment="everyone"),
    )
    return rule_set(steps=steps, active_from=START)


def facts(world: World) -> None:
    def add(connection: Any) -> None:
        for number in range(LEADS):
            add_lead(connection, f"lead{number}@example.com")
            if number % 3:
                add_consent(connection, f"lead{number}@example.com")
            add_event(connection, "document_download", at(1), email=f"lead{number}@example.com", asset="guide")
            add_event(connection, "seminar_signup", at(1), email=f"lead{number}@example.com")

    world.facts(add)
    world.recompute(rules(), at(1))


def decisions(world: World) -> list[tuple[Any, ...]]:
    return world.ledger(
        "select lead_id, scenario, step, decision, is_final, decided_at, changes.decisions, sends.state"
        " from send_decisions left join sends using (send_id, lead_id, scenario, step) left join"
        " (select send_id, list(decision) as decisions from send_decision_changes group by send_id) as changes"
        " using (send_id) order by all"
    )


def test_in_parts_is_decided_what_is_decided_at_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts(world)
    expected = {"no_consent": 9, "sent": 12, "superseded": 6}
    assert plan_sends(world.settings, rules(), at(1)) == expected
    whole = decisions(world)
    assert len(whole) == 3 * LEADS
    with stand_in(tmp_path / "other") as server:
        other = World(tmp_path / "other", server)
        facts(other)
        for most in ("MOST_ROWS", "MOST_MAILS"):
            monkeypatch.setattr(statements, most, 4)
        assert plan_sends(other.settings, rules(), at(1)) == expected
        assert decisions(other) == whole


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("part", [0, 1, 4])
def test_what_a_run_that_died_had_decided_stays_and_the_next_decides_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    facts(world)
    decide = sending._decide

    def die(connection: Any, values: Any) -> dict[str, int]:
        if values["part"] == part:
            raise KeyboardInterrupt
        return decide(connection, values)

    with monkeypatch.context() as dying:
        dying.setattr(sending, "_decide", die)
        with pytest.raises(KeyboardInterrupt):
            plan_sends(world.settings, rules(), at(1))
    before = decisions(world)
    assert bool(before) == (part > 0)
    left = plan_sends(world.settings, rules(), at(1, minutes=5))
    assert sum(left.values()) == 3 * LEADS - len(before) > 0
    after = decisions(world)
    assert [row for row in after if row in before] == before
    assert len(after) == 3 * LEADS
    assert all(len(row[6]) == 1 for row in after)
    assert sorted(row[3] for row in after) == ["no_consent"] * 9 + ["sent"] * 12 + ["superseded"] * 6


@pytest.mark.usefixtures("small_parts")
def test_an_issue_whose_readers_were_enrolled_in_part_reaches_all_of_them_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(LEADS):
        cold_lead(world, f"cold{number}", MONDAY - DAY)
    asked = scenario_rules(world, "scenarios: []\n", newsletters=NEWS)
    assert world.send(asked, MONDAY) == {}

    def die(*given: Any) -> int:
        statements.insert_mails(*given)
        raise KeyboardInterrupt

    world.recompute(asked, TUESDAY)
    with monkeypatch.context() as dying:
        dying.setattr(newsletters, "insert_mails", die)
        with pytest.raises(KeyboardInterrupt):
            plan_sends(world.settings, asked, TUESDAY)
    ((enrolled,),) = world.ledger("select count(*) from enrolments")
    assert 0 < enrolled < LEADS
    assert world.ledger("from newsletter_issues") == []
    assert world.send(asked, TUESDAY + timedelta(minutes=5)) == {"sent": LEADS}
    assert sorted(mail["to"] for mail in world.accepted()) == [f"cold{number}@example.com" for number in range(LEADS)]
    assert world.send(asked, TUESDAY + timedelta(minutes=10)) == {}
