"""Who takes a handoff: who had the lead, the route that fits, whose turn it is; who is away or full is passed over."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rules.models import Days, FieldCondition, Handoff, Owner, Route, RuleSet, Segment
from tasks.handoff import plan_handoffs
from tasks.sfa_sync import sync_sfa
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import rule_set
from tests.world import World, stand_in


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def owner(name: str, **values: object) -> Owner:
    return Owner.model_validate({"id": name, "name": name, "email": f"{name}@example.com"} | values)


def rules_of(*owners: Owner, **handoff: object) -> RuleSet:
    """Rules with two segments by industry, and these reps."""
    industries = {"makers": "製造業", "software": "IT"}
    return rule_set(
        active_from=START,
        segments=(
            Segment(id="everyone", label="全員"),
            *(
                Segment(id=name, label=name, where=FieldCondition(field="industry", equals=industry))
                for name, industry in industries.items()
            ),
            Segment(id="named", label="名指し", where=FieldCondition(field="company", equals="山田製作所")),
        ),
        handoff=Handoff.model_validate({"owners": owners, "sender": "marketing"} | handoff),
    )


MAKERS = Route(id="factory", label="製造業", segment="makers", owners=("sato", "suzuki"))


def ask(world: World, names: list[str], when: datetime, **attributes: str) -> None:
    """Each asks for a consultation, a minute after the one before."""

    def add(connection) -> None:
        for number, name in enumerate(names):
            add_lead(connection, f"{name}@lead.example", **attributes)
            asked = when + timedelta(minutes=number)
            add_event(connection, "consultation_request", asked, email=f"{name}@lead.example")

    world.facts(add)


def decide(world: World, rules: RuleSet, as_of: datetime) -> None:
    world.recompute(rules, as_of)
    plan_handoffs(world.settings, rules, as_of)


def takers(world: World) -> list[str]:
    """Who takes the handoffs, in the order of their causes."""
    return [name for (name,) in world.ledger("select owner from handoffs order by caused_at, handoff_id")]


def because(world: World) -> list[tuple]:
    return world.ledger("select owner, assigned_because, route from handoffs order by caused_at, handoff_id")


def follow_up(world: World, when: datetime, status: str, of: str) -> None:
    """Sales says of all handoffs of an owner where they stand."""
    for (handoff_id,) in world.ledger(f"select handoff_id from handoffs where owner = '{of}'"):

        def add(connection, handoff_id=handoff_id) -> None:
            add_event(connection, "sales_follow_up", when, handoff_id=handoff_id, status=status)

        world.facts(add)


def names(count: int, letter: str = "l") -> list[str]:
    return [f"{letter}{number:02}" for number in range(count)]


@pytest.mark.parametrize(("count", "runs"), [(40, 1), (40, 8), (12, 12)])
def test_three_of_four_go_to_whom_has_three_times_the_weight_in_one_run_or_in_many(
    world: World, count: int, runs: int
) -> None:
    rules = rules_of(owner("sato", weight=3), owner("suzuki"))
    for run in range(runs):
        ask(world, names(count // runs, f"r{run}l"), at(1 + run))
        decide(world, rules, at(1.5 + run))
    found = takers(world)
    assert Counter(found) == {"sato": count * 3 // 4, "suzuki": count // 4}
    assert all(found[start : start + 4].count("sato") == 3 for start in range(0, count, 4))
    assert {reason for _, reason, _ in because(world)} == {"turn"}


def test_who_is_full_is_passed_over_until_something_has_ended_and_gets_more_only_when_all_are(world: World) -> None:
    rules = rules_of(owner("sato", capacity=2), owner("suzuki", capacity=3))
    ask(world, names(5), at(1))
    decide(world, rules, at(2))
    assert Counter(takers(world)) == {"sato": 2, "suzuki": 3}
    ask(world, ["more"], at(3))
    decide(world, rules, at(4))
    assert because(world)[5][1] == "over_capacity"
    ended = because(world)[5][0]
    other = "sato" if ended == "suzuki" else "suzuki"
    follow_up(world, at(4.5), "lost", other)
    ask(world, ["next"], at(5))
    decide(world, rules, at(6))
    assert because(world)[6] == (other, "turn", None)


def test_who_is_absent_gets_nothing_new_that_day_and_does_not_catch_up_afterwards(world: World) -> None:
    # at(1) is the morning of 2 April in Tokyo
    rules = rules_of(owner("sato", absent=(Days(on="2026-04-02", until="2026-04-03"),)), owner("suzuki"))
    ask(world, names(3, "a"), at(1))
    decide(world, rules, at(1.2))
    ask(world, names(3, "b"), at(2))
    decide(world, rules, at(2.2))
    assert takers(world) == ["suzuki"] * 6
    ask(world, names(5, "c"), at(3))
    decide(world, rules, at(3.2))
    assert Counter(takers(world)[6:]) == {"sato": 3, "suzuki": 2}


def test_absent_days_without_a_year_hold_across_its_end(world: World) -> None:
    rules = rules_of(owner("sato", absent=(Days(on="12-29", until="01-03"),)), owner("suzuki"))
    for day, letter in ((272, "a"), (276, "b"), (278, "c")):  # 29 December, 2 January and 4 January
        ask(world, names(3, letter), at(day))
        decide(world, rules, at(day + 0.1))
    assert takers(world)[:6] == ["suzuki"] * 6
    assert Counter(takers(world)[6:]) == {"sato": 2, "suzuki": 1}


def test_who_is_new_takes_turns_with_the_others_from_then_on(world: World) -> None:
    ask(world, names(10, "a"), at(1))
    decide(world, rules_of(owner("sato"), owner("suzuki")), at(2))
    ask(world, names(9, "b"), at(3))
    decide(world, rules_of(owner("sato"), owner("suzuki"), owner("tanaka")), at(4))
    assert Counter(takers(world)[10:]) == {"sato": 3, "suzuki": 3, "tanaka": 3}


def test_of_several_routes_the_first_that_fits_says_who(world: World) -> None:
    routes = (
        Route(id="named", label="山田製作所", segment="named", owners=("tanaka",)),
        MAKERS,
        Route(id="rest", label="ほか", segment="everyone", owners=("kato",)),
    )
    rules = rules_of(*map(owner, ("sato", "suzuki", "tanaka", "kato")), routes=routes)
    ask(world, ["a"], at(1), industry="製造業", company="山田製作所")
    ask(world, ["b"], at(1.1), industry="製造業")
    ask(world, ["c"], at(1.2), industry="製造業")
    ask(world, ["d"], at(1.3), industry="IT")
    decide(world, rules, at(2))
    found = because(world)
    assert [found[0], found[3]] == [("tanaka", "route", "named"), ("kato", "route", "rest")]
    assert sorted(found[1:3]) == [("sato", "route", "factory"), ("suzuki", "route", "factory")]


def test_whom_no_route_fits_goes_to_whose_turn_it_is_of_all(world: World) -> None:
    rules = rules_of(owner("sato"), owner("suzuki"), owner("tanaka"), routes=(MAKERS,))
    ask(world, names(3), at(1), industry="IT")
    decide(world, rules, at(2))
    assert sorted(because(world)) == [(name, "turn", None) for name in ("sato", "suzuki", "tanaka")]


def test_when_all_of_a_route_are_away_or_full_somebody_else_covers(world: World) -> None:
    away = (Days(on="2026-04-02"),)
    rules = rules_of(
        owner("sato", absent=away), owner("suzuki", capacity=1), owner("tanaka", capacity=1), routes=(MAKERS,)
    )
    ask(world, names(3), at(1), industry="製造業")
    decide(world, rules, at(1.2))
    assert because(world) == [
        ("suzuki", "route", "factory"),
        ("tanaka", "cover", "factory"),
        ("suzuki", "over_capacity", "factory"),
    ]


def test_when_everybody_is_away_it_still_goes_to_somebody(world: World) -> None:
    away = (Days(on="2026-04-02"),)
    rules = rules_of(owner("sato", absent=away), owner("suzuki", absent=away), routes=(MAKERS,))
    ask(world, ["a"], at(1), industry="製造業")
    decide(world, rules, at(1.2))
    assert because(world) == [("sato", "cover", "factory")]


def test_whoever_had_the_lead_gets_it_again_unless_away(world: World) -> None:
    rules = rules_of(owner("sato"), owner("suzuki", absent=(Days(on="2026-04-11"),)))
    ask(world, ["a", "b"], at(1))
    decide(world, rules, at(1.2))
    assert takers(world) == ["sato", "suzuki"]
    ask(world, ["b"], at(5))
    decide(world, rules, at(5.2))
    assert because(world)[2] == ("suzuki", "same_owner", None)
    ask(world, ["b"], at(10))
    decide(world, rules, at(10.2))
    assert because(world)[3] == ("sato", "turn", None)


@pytest.mark.parametrize("is_one_run", [True, False])
def test_after_leads_that_came_back_to_a_rep_it_is_the_others_turn_in_one_run_or_in_many(
    world: World, is_one_run: bool
) -> None:
    rules = rules_of(owner("sato"), owner("suzuki"))
    ask(world, names(4, "a"), at(1))
    decide(world, rules, at(2))
    for number, name in enumerate(("a00", "a02")):  # both sato's
        ask(world, [name], at(3 + number))
        if not is_one_run:
            decide(world, rules, at(3.5 + number))
    decide(world, rules, at(5))
    ask(world, names(4, "b"), at(6))
    decide(world, rules, at(7))
    assert takers(world) == ["sato", "suzuki"] * 2 + ["sato"] * 2 + ["suzuki", "sato"] * 2


def test_the_owner_that_the_sfa_names_gets_the_lead_before_whoever_had_it(world: World) -> None:
    rules = rules_of(owner("sato"), owner("suzuki"), owner("tanaka", sfa_user="005U7"))
    ask(world, ["a"], at(1))
    decide(world, rules, at(1.1))
    sync_sfa(world.settings, rules, at(1.1))
    assert takers(world) == ["sato"]
    with closing(sqlite3.connect(world.home / "sfa.db")) as connection:
        connection.execute("update leads set owner = '005U7', updated_at = ?", [at(1.5).isoformat()])
        connection.commit()
    sync_sfa(world.settings, rules, at(2))
    ask(world, ["a"], at(3))
    decide(world, rules, at(3.1))
    assert because(world)[1] == ("tanaka", "same_owner", None)


def test_a_rep_of_low_weight_is_not_passed_over_for_ever_beside_leads_that_come_back_to_another(world: World) -> None:
    rules = rules_of(owner("sato", weight=4), owner("suzuki"))
    ask(world, ["a"], at(1))
    decide(world, rules, at(1.5))
    for day in range(2, 6):
        ask(world, ["a"], at(day))  # sato's lead
        decide(world, rules, at(day + 0.5))
    ask(world, ["b"], at(7))
    decide(world, rules, at(7.5))
    assert takers(world) == ["sato"] * 5 + ["suzuki"]


@pytest.mark.parametrize("is_one_run", [True, False])
def test_one_person_has_one_rep_in_one_run_or_in_many(world: World, is_one_run: bool) -> None:
    rules = rules_of(owner("sato"), owner("suzuki"))
    for day in (1, 2, 3):
        ask(world, ["a"], at(day))
        if not is_one_run:
            decide(world, rules, at(day + 0.1))
    ask(world, ["b"], at(4))
    decide(world, rules, at(5))
    reasons = ["turn", "same_owner", "same_owner", "turn"]
    assert because(world) == [(name, why, None) for name, why in zip(["sato"] * 3 + ["suzuki"], reasons, strict=True)]
