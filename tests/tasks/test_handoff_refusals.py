"""What speaks against a handoff, and what does not: segments, the holdout, an earlier handoff, a score that never cooled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from rules.models import (
    Delivery,
    EventCondition,
    FieldCondition,
    Handoff,
    Refusal,
    RuleSet,
    SalesAction,
    ScoringRule,
    Segment,
    Selector,
)
from tasks.handoff import plan_handoffs
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import CONSULTATION, DOWNLOAD, rule_set, step
from tests.world import World, stand_in

PLAIN = rule_set()
COOLED = ScoringRule(id="cooled", label="戻り", on=Selector(event="cooled"), points=-30)
FAR = ScoringRule(id="far", label="大きく戻り", on=Selector(event="far_cooled"), points=-45)
REFUSALS = (
    Refusal(id="open_deal", label="商談中", segment="in_a_deal"),
    Refusal(id="competitor", label="競合", segment="competitors"),
)
REQUEST = SalesAction(kind="handoff", id="consultation", label="個別相談", on=CONSULTATION, source="x")
DOWNLOADED = SalesAction(
    kind="handoff", id="third_paper", label="資料3件", on=DOWNLOAD, on_count=3, is_request=False, source="x"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def rules_of(*, delivery: Delivery | None = None, **handoff: object) -> RuleSet:
    return rule_set(
        active_from=START,
        scoring=(*PLAIN.scoring, COOLED, FAR),
        segments=(
            *PLAIN.segments,
            Segment(
                id="in_a_deal", label="商談中", where=EventCondition(on=Selector(event="deal_talk"), within_days=5)
            ),
            Segment(id="competitors", label="競合", where=FieldCondition(field="industry", equals="競合")),
        ),
        steps=(step("letter", DOWNLOAD, segment="everyone"),),
        delivery=delivery or Delivery(),
        sales_actions=(REQUEST, DOWNLOADED),
        handoff=Handoff.model_validate(PLAIN.handoff.model_dump() | handoff),
    )  # fmt: skip


def lead(world: World, email: str = "a@example.com", **attributes: str) -> None:
    world.facts(lambda connection: add_lead(connection, email, **attributes))


def event(world: World, event_type: str, when: datetime, email: str = "a@example.com", **values: str) -> None:
    world.facts(lambda connection: add_event(connection, event_type, when, email=email, **values))


def views(world: World, first: datetime, count: int = 4, email: str = "a@example.com") -> None:
    for hour in range(count):
        event(world, "page_view", first + timedelta(hours=hour), email, url="/price")


def decide(world: World, rules: RuleSet, as_of: datetime) -> None:
    world.recompute(rules, as_of)
    plan_handoffs(world.settings, rules, as_of)


def causes(world: World) -> list[str]:
    return [cause for (cause,) in world.ledger("select cause from handoffs order by caused_at, cause")]


def decisions(world: World) -> list[tuple]:
    return world.ledger("select cause, decision from handoff_decisions order by caused_at, cause")


def give_back(world: World, when: datetime) -> None:
    """Sales gives back every handoff there is."""
    for (handoff_id,) in world.ledger("select handoff_id from handoffs"):

        def add(connection, handoff_id=handoff_id) -> None:
            add_event(connection, "sales_follow_up", when, handoff_id=handoff_id, status="returned")

        world.facts(add)


def test_a_segment_that_held_the_lead_when_it_happened_refuses_a_score_for_good(world: World) -> None:
    rules = rules_of(not_when=REFUSALS)
    lead(world)
    event(world, "deal_talk", at(0.9))
    views(world, at(1))
    decide(world, rules, at(1.5))
    assert (causes(world), decisions(world)) == ([], [("hot", "open_deal")])
    decide(world, rules, at(30))
    assert causes(world) == []


def test_a_segment_that_the_lead_entered_meanwhile_refuses_too_and_one_that_it_had_left_does_not(world: World) -> None:
    rules = rules_of(not_when=REFUSALS)
    for name in ("later", "before"):
        lead(world, f"{name}@example.com")
    event(world, "deal_talk", at(0.1), "before@example.com")
    for name in ("later", "before"):
        views(world, at(10), email=f"{name}@example.com")
    event(world, "deal_talk", at(10.5), "later@example.com")
    decide(world, rules, at(11))
    names = dict(world.warehouse("select lead_id, email from leads"))
    assert [names[one] for (one,) in world.ledger("select lead_id from handoffs")] == ["before@example.com"]
    assert [
        (names[one], why) for one, why in world.ledger("select lead_id, decision from handoff_decisions")
    ] == [("later@example.com", "open_deal")]  # fmt: skip


def test_a_behaviour_that_is_no_request_is_refused_and_of_two_reasons_the_first_is_given(world: World) -> None:
    rules = rules_of(not_when=REFUSALS)
    lead(world, industry="競合")
    event(world, "deal_talk", at(0.9))
    for hour in range(3):
        event(world, "document_download", at(1, hours=hour), asset="guide")
    decide(world, rules, at(1.5))
    assert (causes(world), decisions(world)) == ([], [("third_paper", "open_deal")])


def test_the_leads_own_request_goes_to_sales_whatever_speaks_against_it(world: World) -> None:
    rules = rules_of(not_when=REFUSALS, keeps_holdout_back=True, cools_below=30)
    lead(world, industry="競合")
    event(world, "deal_talk", at(0.9))
    event(world, "consultation_request", at(1))
    event(world, "consultation_request", at(1.1))
    decide(world, rules, at(1.5))
    assert causes(world) == ["consultation"] * 2


def test_a_behaviour_counts_up_to_its_number_and_hands_over_once(world: World) -> None:
    lead(world)
    for hour in range(2):
        event(world, "document_download", at(1, hours=hour), asset="guide")
    decide(world, rules_of(), at(1.5))
    assert causes(world) == []
    for hour in range(3):
        event(world, "document_download", at(2, hours=hour), asset="guide")
    decide(world, rules_of(), at(3))
    assert causes(world) == ["third_paper"]


@pytest.mark.parametrize(("keeps", "found"), [(True, ([], [("hot", "holdout")])), (False, (["hot"], []))])
def test_the_holdout_is_kept_from_sales_where_the_rules_say_so(
    world: World, keeps: bool, found: tuple[list, list]
) -> None:
    rules = rules_of(delivery=Delivery(holdout_share=1), keeps_holdout_back=keeps)
    lead(world)
    world.facts(lambda connection: add_consent(connection, "a@example.com"))
    event(world, "document_download", at(1), asset="guide")
    world.send(rules, at(1.5))
    assert world.accepted() == []
    views(world, at(2), count=3)
    decide(world, rules, at(3))
    assert (causes(world), decisions(world)) == found
    event(world, "consultation_request", at(3.5))
    decide(world, rules, at(4))
    assert "consultation" in causes(world)


def test_a_score_that_swings_about_the_limit_calls_once_until_it_has_cooled(world: World) -> None:
    rules = rules_of(again_after_days=1, cools_below=25)
    lead(world)
    views(world, at(1))  # 60
    event(world, "cooled", at(5))  # 30: below hot, and not below 25
    views(world, at(6), count=2)  # 60 again
    decide(world, rules, at(7))
    assert (causes(world), decisions(world)) == (["hot"], [("hot", "not_cooled")])
    event(world, "far_cooled", at(8))  # 15
    views(world, at(9), count=3)
    decide(world, rules, at(10))
    assert causes(world) == ["hot", "hot"]


def test_without_such_a_rule_passing_the_tier_again_is_enough_once_the_days_are_over(world: World) -> None:
    rules = rules_of(again_after_days=4)
    lead(world)
    views(world, at(1))
    for day in (2, 8):
        event(world, "cooled", at(day))
        views(world, at(day + 1), count=2)
    decide(world, rules, at(12))
    assert (causes(world), decisions(world)) == (["hot", "hot"], [("hot", "already_handed_off")])


@pytest.mark.parametrize("is_one_run", [True, False])
def test_a_lead_that_was_given_back_goes_again_once_it_has_earned_enough_and_is_hot(
    world: World, is_one_run: bool
) -> None:
    rules = rules_of(again_after_days=90, again_after_points=40)
    lead(world)
    views(world, at(1))
    decide(world, rules, at(2))
    give_back(world, at(3))
    if not is_one_run:
        decide(world, rules, at(3.5))
    views(world, at(4), count=2)  # 30 more
    decide(world, rules, at(4.5))
    assert causes(world) == ["hot"]
    views(world, at(5), count=2)  # 45 with the first
    decide(world, rules, at(6))
    assert world.ledger("select cause, caused_at from handoffs order by caused_at") == [
        ("hot", at(1, hours=3)), ("hot_again", at(5)),
    ]  # fmt: skip
    views(world, at(7), count=4)
    decide(world, rules, at(8))
    assert len(causes(world)) == 2  # the second is open
    give_back(world, at(9))
    views(world, at(10), count=3)
    decide(world, rules, at(11))
    assert causes(world) == ["hot", "hot_again", "hot_again"]


def test_points_that_are_earned_while_the_score_is_not_hot_wait_until_it_is(world: World) -> None:
    rules = rules_of(again_after_days=90, again_after_points=30)
    lead(world)
    views(world, at(1))  # 60
    decide(world, rules, at(2))
    give_back(world, at(3))
    event(world, "far_cooled", at(3.5))  # 15
    views(world, at(4), count=2)  # 45: points enough, not hot
    decide(world, rules, at(5))
    assert causes(world) == ["hot"]
    views(world, at(6), count=1)  # 60
    decide(world, rules, at(7))
    assert world.ledger("select cause, caused_at from handoffs where cause = 'hot_again'") == [("hot_again", at(6))]


def test_what_was_given_back_without_such_a_rule_stays_back_for_the_days(world: World) -> None:
    rules = rules_of(again_after_days=90)
    lead(world)
    views(world, at(1))
    decide(world, rules, at(2))
    give_back(world, at(3))
    event(world, "cooled", at(4))
    views(world, at(5), count=8)
    decide(world, rules, at(6))
    assert (causes(world), decisions(world)) == (["hot"], [("hot", "already_handed_off")])


def test_a_return_does_not_override_what_speaks_against_a_handoff(world: World) -> None:
    rules = rules_of(again_after_points=30, not_when=REFUSALS)
    lead(world)
    views(world, at(1))
    decide(world, rules, at(2))
    give_back(world, at(3))
    event(world, "deal_talk", at(3.5))
    views(world, at(4), count=3)
    decide(world, rules, at(5))
    assert (causes(world), decisions(world)) == (["hot"], [("hot_again", "open_deal")])


@pytest.mark.parametrize("is_one_run", [True, False])
def test_what_speaks_against_a_return_holds_no_longer_than_it_lasts(world: World, is_one_run: bool) -> None:
    rules = rules_of(again_after_days=90, again_after_points=30, not_when=REFUSALS)
    lead(world)
    views(world, at(1))
    decide(world, rules, at(2))
    give_back(world, at(3))
    event(world, "deal_talk", at(3.5))  # the deal is over at 8.5
    views(world, at(4), count=3)  # 45
    if not is_one_run:
        decide(world, rules, at(5))
        assert (causes(world), decisions(world)) == (["hot"], [("hot_again", "open_deal")])
    views(world, at(20), count=1)  # 60: as many once more
    decide(world, rules, at(21))
    assert world.ledger("select cause, caused_at from handoffs order by caused_at") == [
        ("hot", at(1, hours=3)), ("hot_again", at(20)),
    ]  # fmt: skip
    assert decisions(world) == [("hot_again", "open_deal")]
    views(world, at(22), count=4)
    decide(world, rules, at(23))
    assert causes(world) == ["hot", "hot_again"]


def test_a_returned_lead_that_asks_for_sales_itself_goes_once(world: World) -> None:
    rules = rules_of(again_after_points=30)
    lead(world)
    views(world, at(1))
    decide(world, rules, at(2))
    give_back(world, at(3))
    decide(world, rules, at(3.1))
    event(world, "consultation_request", at(10))  # 30 points with it
    for as_of in (at(10.1), at(10.2)):
        decide(world, rules, as_of)
    assert (causes(world), decisions(world)) == (["hot", "consultation"], [("hot_again", "already_handed_off")])


@pytest.mark.parametrize("number", range(3))
def test_a_returned_lead_that_is_hot_twice_over_goes_once_whatever_its_events_are_called(
    world: World, number: int
) -> None:
    rules = rules_of(again_after_points=30, cools_below=40)
    lead(world)
    views(world, at(1))  # 60
    decide(world, rules, at(2))
    give_back(world, at(3))
    event(world, "far_cooled", at(5))  # 15
    decide(world, rules, at(5.1))
    for hour in range(3):  # 60: hot with the third, and 45 points since
        event_id = UUID(int=2**127 + (number * 3 + hour) * 0x9E3779B97F4A7C15 % 2**127)
        world.facts(
            lambda connection, when=at(40, hours=hour), event_id=event_id: add_event(
                connection, "page_view", when, email="a@example.com", url="/price", event_id=event_id
            )
        )
    decide(world, rules, at(40.5))
    assert (causes(world), decisions(world)) == (["hot", "hot"], [("hot_again", "already_handed_off")])
