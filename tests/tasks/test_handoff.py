"""Hot leads and requests reach sales once, with 48 hours from the cause, and sales' answers come back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rules.models import (
    AccountCondition,
    EventCondition,
    Field,
    RuleSet,
    SalesAction,
    ScoringRule,
    Segment,
    Selector,
)
from sandbox.sendgrid import Fault
from tasks.errors import RunError
from tasks.sfa_sync import sync_sfa
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import CONSULTATION, PRICE_VIEW, rule_set
from tests.world import World, stand_in

RULES = rule_set(active_from=START)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def lead(world: World, email: str) -> None:
    world.facts(
        lambda connection: add_lead(connection, email, name="山田太郎", company="株式会社山田", title="営業部長")
    )


def event(world: World, event_type: str, when, email: str, **values: str) -> None:
    world.facts(lambda connection: add_event(connection, event_type, when, email=email, **values))


def make_hot(world: World, email: str, first_view) -> None:
    for hour in range(4):  # 4 x 15 points: hot with the fourth
        event(world, "page_view", first_view + timedelta(hours=hour), email, url="/price")


def sfa(world: World, query: str, *values: object) -> list[tuple]:
    with sqlite3.connect(world.home / "sfa.db") as connection:
        rows = connection.execute(query, values).fetchall()
        connection.commit()
    return rows


def test_a_score_that_reaches_fifty_is_handed_off_with_48_hours_from_that_instant(world: World) -> None:
    lead(world, "a@example.com")
    make_hot(world, "a@example.com", at(1))
    world.hand_off(RULES, at(2))
    reached = at(1, hours=3)
    assert world.ledger("select cause, caused_at, due_at, handed_off_at, status, owner from handoffs") == [
        ("hot", reached, reached + timedelta(hours=48), at(2), "new", "sato")
    ]
    (accepted,) = world.accepted()
    assert accepted["to"] == "sato@example.com"
    (mail,) = world.stand_in.mailbox.mails
    assert "株式会社山田 山田太郎 様" in mail.subject
    assert "60点" in mail.text
    assert "初回連絡の期限: 4月4日(土) 12:00" in mail.text
    ((brief,),) = sfa(world, "select brief from handoffs")
    assert "価格ページ(+15点)" in brief
    assert sfa(world, "select name, score, tier from leads") == [("山田太郎", 60, "hot")]


def test_running_again_hands_off_and_tells_nobody_again(world: World) -> None:
    lead(world, "a@example.com")
    make_hot(world, "a@example.com", at(1))
    for _ in range(3):
        world.hand_off(RULES, at(2))
    world.hand_off(RULES, at(3))
    assert len(world.accepted()) == 1
    assert len(sfa(world, "select * from handoffs")) == 1


def test_a_request_is_handed_off_always_even_after_an_opt_out_and_a_handoff(world: World) -> None:
    lead(world, "a@example.com")
    make_hot(world, "a@example.com", at(1))
    world.facts(lambda connection: add_suppression(connection, "a@example.com", at(1)))
    world.hand_off(RULES, at(2))
    event(world, "consultation_request", at(2.5), "a@example.com")
    world.hand_off(RULES, at(3))
    assert world.ledger("select cause, caused_at from handoffs order by caused_at") == [
        ("hot", at(1, hours=3)),
        ("consultation", at(2.5)),
    ]
    assert len(world.accepted()) == 2


def test_one_event_that_is_both_a_request_and_the_fiftieth_point_makes_one_handoff(world: World) -> None:
    lead(world, "a@example.com")
    for hour in range(2):
        event(world, "page_view", at(1, hours=hour), "a@example.com", url="/price")
    event(world, "consultation_request", at(1, hours=5), "a@example.com")
    world.hand_off(RULES, at(2))
    assert world.ledger("select cause from handoffs") == [("consultation",)]
    assert world.ledger("select count(*) from handoff_decisions") == [(0,)]


def test_a_score_soon_after_a_handoff_is_refused_with_its_reason(world: World) -> None:
    lead(world, "a@example.com")
    event(world, "consultation_request", at(1), "a@example.com")
    make_hot(world, "a@example.com", at(2))
    world.hand_off(RULES, at(3))
    assert world.ledger("select cause from handoffs") == [("consultation",)]
    assert world.ledger("select cause, decision from handoff_decisions") == [("hot", "already_handed_off")]


def test_a_notice_without_handoff_is_told_once_and_owners_take_turns(world: World) -> None:
    action = SalesAction(kind="notify", id="third", label="価格ページ3回閲覧", on=PRICE_VIEW, on_count=3, source="test")
    rules = rule_set(active_from=START, sales_actions=(action,))
    for name in ("a", "b"):
        lead(world, f"{name}@example.com")
        for hour in range(3):
            event(world, "page_view", at(1, hours=hour), f"{name}@example.com", url="/price")
    world.hand_off(rules, at(2))
    world.hand_off(rules, at(2))
    assert world.ledger("select count(*) from handoffs") == [(0,)]
    assert sorted(mail["to"] for mail in world.accepted()) == ["sato@example.com", "suzuki@example.com"]


def test_what_was_past_when_the_rules_were_switched_on_calls_nobody(world: World) -> None:
    lead(world, "a@example.com")
    make_hot(world, "a@example.com", at(-200))
    event(world, "consultation_request", at(-100), "a@example.com")
    world.hand_off(rule_set(), at(1))
    assert world.ledger("select count(*) from handoffs") == [(0,)]
    assert world.accepted() == []


def test_sales_answers_come_back_and_the_limit_does_not_move(world: World) -> None:
    lead(world, "a@example.com")
    event(world, "consultation_request", at(1), "a@example.com")
    world.hand_off(RULES, at(1.1))
    called = at(4).isoformat()
    sfa(world, "update handoffs set status = 'contacted', first_contact_at = ?", called)
    world.hand_off(RULES, at(4.1))
    sfa(world, "update handoffs set status = 'returned', outcome = 'returned', reject_reason = '時期尚早'")
    world.hand_off(RULES, at(5))
    assert world.ledger("select status, first_contact_at, due_at, reject_reason from handoffs") == [
        ("returned", at(4), at(3), "時期尚早")
    ]


def test_a_notice_whose_answer_was_lost_is_not_repeated_once_events_tell(world: World) -> None:
    lead(world, "a@example.com")
    event(world, "consultation_request", at(1), "a@example.com")
    world.stand_in.faults.set([Fault("reset_after")])
    world.hand_off(RULES, at(1))
    assert world.ledger("select state from notices") == [("unknown",)]
    world.pull_provider_events(at(1.1))
    world.hand_off(RULES, at(1.1))
    assert world.ledger("select state from notices") == [("accepted",)]
    assert len(world.accepted()) == 1
    assert world.ledger("select count(*) from handoffs") == [(1,)]


def test_a_provider_event_about_a_sales_rep_makes_no_lead(world: World) -> None:
    lead(world, "a@example.com")
    event(world, "consultation_request", at(1), "a@example.com")
    world.hand_off(RULES, at(1))
    world.pull_provider_events(at(1.1))
    world.recompute(RULES, at(1.2))
    from warehouse.connection import open_warehouse

    with open_warehouse(world.settings) as connection:
        assert connection.execute("select email from leads").fetchall() == [("a@example.com",)]


def test_an_sfa_that_is_down_loses_nothing(world: World) -> None:
    lead(world, "a@example.com")
    event(world, "consultation_request", at(1), "a@example.com")
    good = world.settings
    world.settings = good.model_copy(
        update={"sfa_url": type(good.secret_key)("postgresql+psycopg://nobody:hunter2@127.0.0.1:1/none")}
    )
    with pytest.raises(RunError, match="SFA database") as raised:
        world.hand_off(RULES, at(1))
    assert "hunter2" not in str(raised.value)
    world.settings = good
    world.hand_off(RULES, at(1))
    assert len(sfa(world, "select * from handoffs")) == 1


def test_consent_is_not_asked_for_a_handoff(world: World) -> None:
    lead(world, "a@example.com")
    world.facts(lambda connection: add_consent(connection, "other@example.com"))
    event(world, "consultation_request", at(1), "a@example.com")
    world.hand_off(rule_set(active_from=START, sales_actions=(
        SalesAction(kind="handoff", id="consultation", label="個別相談", on=CONSULTATION, source="test"),
    )), at(1))  # fmt: skip
    assert world.ledger("select count(*) from handoffs") == [(1,)]


def test_a_late_event_that_moves_the_fiftieth_point_hands_off_nobody_twice(world: World) -> None:
    lead(world, "a@example.com")
    make_hot(world, "a@example.com", at(2))
    world.hand_off(RULES, at(3))
    world.facts(
        lambda connection: add_event(
            connection, "page_view", at(1), email="a@example.com", url="/price", received_at=at(3.5)
        )
    )
    world.hand_off(RULES, at(4))
    assert world.ledger("select count(*) from handoffs") == [(1,)]
    assert len(world.accepted()) == 1
    assert world.ledger("select decision from handoff_decisions") == [("already_handed_off",)]


def test_a_late_event_that_makes_another_view_the_third_is_told_of_once(world: World) -> None:
    action = SalesAction(kind="notify", id="third", label="3回閲覧", on=PRICE_VIEW, on_count=3, source="test")
    rules = rule_set(active_from=START, sales_actions=(action,))
    lead(world, "a@example.com")
    for hour in range(3):
        event(world, "page_view", at(2, hours=hour), "a@example.com", url="/price")
    world.hand_off(rules, at(3))
    world.facts(
        lambda connection: add_event(
            connection, "page_view", at(1), email="a@example.com", url="/price", received_at=at(3.5)
        )
    )
    world.hand_off(rules, at(4))
    assert world.ledger("select count(*) from notices where kind = 'notify'") == [(1,)]


def test_a_request_and_the_fiftieth_point_at_one_instant_make_one_handoff(world: World) -> None:
    lead(world, "a@example.com")
    event(world, "consultation_request", at(1), "a@example.com")
    event(world, "seminar_signup", at(1), "a@example.com")
    world.hand_off(RULES, at(2))
    assert world.ledger("select cause from handoffs") == [("consultation",)]
    assert len(world.accepted()) == 1


def test_a_notice_on_the_way_to_fifty_does_not_stand_for_the_handoff(world: World) -> None:
    action = SalesAction(kind="notify", id="view", label="価格ページ", on=PRICE_VIEW, on_count=4, source="test")
    lead(world, "a@example.com")
    make_hot(world, "a@example.com", at(1))
    world.hand_off(rule_set(active_from=START, sales_actions=(action,)), at(2))
    assert world.ledger("select kind, state, state_reason from notices order by kind") == [
        ("handoff", "accepted", None),
        ("notify", "cancelled", "handed_off"),
    ]
    assert len(world.accepted()) == 1


def test_many_runs_or_one_come_to_the_same_handoffs(tmp_path: Path) -> None:
    back = ScoringRule(id="back", label="戻り", on=Selector(event="cooled"), points=-40)
    rules = rule_set(active_from=START, scoring=(*RULES.scoring, back))
    found = []
    for runs in ([at(50)], [at(2), at(21), at(41), at(50)]):
        home = tmp_path / str(len(runs))
        with stand_in(home) as server:
            world = World(home, server)
            lead(world, "a@example.com")
            make_hot(world, "a@example.com", at(1))
            for day in (20, 40):
                event(world, "cooled", at(day - 1), "a@example.com")
                for hour in range(3):
                    event(world, "page_view", at(day, hours=hour), "a@example.com", url="/price")
            for as_of in runs:
                world.hand_off(rules, as_of)
            found.append(world.ledger("select caused_at from handoffs order by 1"))
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_a_stamp_in_the_sfa_that_is_none_keeps_nobody_else_from_sales(world: World) -> None:
    for name in ("a", "b"):
        lead(world, f"{name}@example.com")
        event(world, "consultation_request", at(1), f"{name}@example.com")
    world.hand_off(RULES, at(1))
    sfa(world, "update handoffs set first_contact_at = '4/3 10:00' where rowid = 1")
    sfa(world, "update handoffs set first_contact_at = ? where rowid = 2", at(1.5).isoformat())
    with pytest.raises(RunError, match=r"4/3 10:00.*ISO 8601"):
        sync_sfa(world.settings, RULES, at(2))
    assert world.ledger("select first_contact_at from handoffs order by 1 nulls last") == [(at(1.5),), (None,)]


def test_a_value_too_long_for_the_sfa_is_cut(world: World) -> None:
    world.facts(lambda connection: add_lead(connection, "a@example.com", name="長" * 300))
    event(world, "consultation_request", at(1), "a@example.com")
    world.hand_off(RULES, at(1))
    assert sfa(world, "select length(name) from leads") == [(200,)]


def test_a_field_that_bears_a_name_of_ours_changes_no_handoff(world: World) -> None:
    rules = rule_set(
        active_from=START, fields=(*RULES.fields, Field(id="owner", label="担当"), Field(id="id", label="番号"))
    )
    world.facts(lambda connection: add_lead(connection, "a@example.com", owner="ZZZ", id="ZZZ"))
    event(world, "consultation_request", at(1), "a@example.com")
    for _ in range(2):
        world.hand_off(rules, at(1))
    assert sfa(world, "select owner from handoffs") == [("sato",)]
    assert len(world.accepted()) == 1


def test_a_merge_or_a_late_event_tells_nothing_that_a_handoff_has_told(world: World) -> None:
    action = SalesAction(kind="notify", id="third", label="3回閲覧", on=PRICE_VIEW, on_count=3, source="test")
    rules = rule_set(active_from=START, sales_actions=(action,))
    lead(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    for hour in range(3):
        event(world, "page_view", at(2, hours=hour), "a@example.com", url="/price")
    world.hand_off(rules, at(3))
    assert world.ledger("select cause from handoffs") == [("hot",)]

    def later(connection):
        connection.execute(
            "insert into lead_records values ('m', 'crm', 'crm:1', 'a@example.com', null, ?, ?, map {}, null)",
            [at(-10), at(3.5)],
        )
        add_event(connection, "page_view", at(1.5), email="a@example.com", url="/price", received_at=at(3.5))

    world.facts(later)
    world.hand_off(rules, at(4))
    assert len(world.accepted()) == 1


def test_a_rule_added_later_tells_nothing_of_what_was_past(world: World) -> None:
    lead(world, "a@example.com")
    for hour in range(3):
        event(world, "page_view", at(1, hours=hour), "a@example.com", url="/price")
    world.hand_off(rule_set(active_from=START, sales_actions=()), at(2))
    world.hand_off(rule_set(active_from=START, sales_actions=()), at(30))
    action = SalesAction(kind="notify", id="view", label="閲覧", on=PRICE_VIEW, source="test")
    world.hand_off(rule_set(active_from=START, sales_actions=(action,)), at(31))
    assert world.ledger("select count(*) from notices") == [(0,)]


def team_rules(**changes: object) -> RuleSet:
    """Sales gets who enters the segment of teams: two people of a company active within 14 days."""
    active = EventCondition(on=Selector(event="any"), within_days=14)
    action = {"kind": "handoff", "id": "team", "label": "複数名が行動", "on": None, "segment": "teams", "source": "x"}
    return rule_set(
        active_from=START,
        segments=(
            Segment(id="everyone", label="全員"),
            Segment(id="teams", label="2名以上", where=AccountCondition(kind="people", people=2, asked=active)),
        ),
        sales_actions=(SalesAction.model_validate(action | changes),),
    )


def colleagues(world: World) -> None:
    for name in "abc":
        lead(world, f"{name}@one.example")
    lead(world, "z@two.example")
    event(world, "document_download", at(1), "a@one.example", asset="guide")
    event(world, "document_download", at(2), "b@one.example", asset="guide")
    event(world, "seminar_signup", at(2, hours=1), "b@one.example")


def handed_off(world: World) -> list[tuple]:
    names = dict(world.warehouse("select lead_id, email from leads"))
    return [
        (names[lead_id], cause, caused_at)
        for lead_id, cause, caused_at in world.ledger(
            "select lead_id, cause, caused_at from handoffs order by caused_at, lead_id"
        )
    ]


def test_entering_a_segment_calls_for_sales_from_that_instant(world: World) -> None:
    colleagues(world)
    world.hand_off(team_rules(), at(3))
    assert sorted(handed_off(world)) == [(f"{name}@one.example", "team", at(2)) for name in "abc"]
    assert world.ledger("select distinct due_at from handoffs") == [(at(4),)]
    world.hand_off(team_rules(), at(4))
    assert len(handed_off(world)) == 3
    assert any("複数名が行動" in mail.subject for mail in world.stand_in.mailbox.mails)


def test_of_colleagues_who_enter_together_the_one_with_the_highest_score_goes(world: World) -> None:
    rules = team_rules(once_per_account=True)
    colleagues(world)
    world.hand_off(rules, at(3))
    assert handed_off(world) == [("b@one.example", "team", at(2))]
    assert world.ledger("select distinct decision from handoff_decisions") == [("account_handed_off",)]
    # a colleague who comes later does not go either, while the handoff is recent; a month later somebody does
    lead(world, "d@one.example")
    event(world, "document_download", at(5), "d@one.example", asset="guide")
    world.hand_off(rules, at(6))
    assert len(handed_off(world)) == 1
    event(world, "document_download", at(40), "a@one.example", asset="guide")
    event(world, "document_download", at(41), "c@one.example", asset="guide")
    world.hand_off(rules, at(42))
    assert [cause for _, cause, _ in handed_off(world)] == ["team", "team"]


def test_who_was_handed_off_is_not_handed_off_again_for_a_segment(world: World) -> None:
    rules = team_rules()
    rules = rules.model_copy(
        update={
            "sales_actions": (
                *rules.sales_actions,
                SalesAction(kind="handoff", id="consultation", label="個別相談", on=CONSULTATION, source="x"),
            )
        }
    )
    colleagues(world)
    event(world, "consultation_request", at(1, hours=1), "a@one.example")
    world.hand_off(rules, at(3))
    assert ("a@one.example", "consultation", at(1, hours=1)) in handed_off(world)
    assert len(handed_off(world)) == 3
    assert world.ledger("select decision from handoff_decisions") == [("already_handed_off",)]


def test_a_rule_that_is_added_does_not_reach_back_to_old_members(world: World) -> None:
    colleagues(world)
    world.hand_off(rule_set(active_from=START, sales_actions=()), at(10))
    world.hand_off(team_rules(), at(12))
    assert handed_off(world) == []
