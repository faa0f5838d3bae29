"""Mails whose evidence comes late, whose leads turn out to be one, or that stand behind one that waits: each goes once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rules.models import Delivery, MailCap, Window
from sandbox.sendgrid import Fault
from tasks import delivery
from tasks.send import deliver_sends, plan_sends
from tests.facts import at
from tests.rule_sets import CASE_STUDY, DOWNLOAD, step
from tests.tasks import test_scenarios as scenarios
from tests.tasks.test_send import THANKS, event, head, rules, world
from tests.world import World

__all__ = ["world"]  # a fixture


def lost_one(world: World) -> str:
    """A mail whose answer was lost, with evidence that SendGrid tells of others."""
    for name in ("a", "b"):
        head(world, f"{name}@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(THANKS), at(1))
    ((lost,),) = world.ledger("select send_id from sends")
    event(world, "document_download", at(2.6), "b@example.com", asset="guide")
    world.send(rules(THANKS), at(2.6))
    ((seen,),) = world.ledger(f"select send_id from sends where send_id != '{lost}'")
    event(world, "mail_processed", at(2.6), "b@example.com", send_id=seen)
    world.clock(at(2.7))
    world.recompute(rules(THANKS), at(2.7))
    plan_sends(world.settings, rules(THANKS), at(2.7))
    assert world.ledger(f"select state from sends where send_id = '{lost}'") == [("planned",)]
    return lost


def test_evidence_that_comes_between_planning_and_delivery_counts(world: World) -> None:
    lost = lost_one(world)
    event(world, "mail_delivered", at(1, minutes=1), "a@example.com", send_id=lost, received_at=at(2.7))
    deliver_sends(world.settings, rules(THANKS), at(2.7))
    assert [mail["to"] for mail in world.accepted()].count("a@example.com") == 1
    assert world.ledger(f"select state from sends where send_id = '{lost}'") == [("delivered",)]


def test_evidence_of_a_mail_that_was_given_up_meanwhile_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = lost_one(world)

    def die(self: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(delivery.Delivery, "_start", die)
        with pytest.raises(RuntimeError, match="killed"):
            deliver_sends(world.settings, rules(THANKS), at(2.7))
    world.send(rules(THANKS), at(4.5))
    assert world.ledger(f"select state from sends where send_id = '{lost}'") == [("cancelled",)]
    event(world, "mail_delivered", at(1, minutes=1), "a@example.com", send_id=lost, received_at=at(4.55))
    world.recompute(rules(THANKS), at(4.6))
    plan_sends(world.settings, rules(THANKS), at(4.6))
    assert world.ledger(f"select state from sends where send_id = '{lost}'") == [("delivered",)]


def test_of_several_answers_behind_a_capped_mail_one_goes_and_only_when_it_may(world: World) -> None:
    guide = DOWNLOAD.model_copy(update={"asset": "guide"})
    answer = {"segment": "everyone", "category": "transactional"}
    asked = rules(
        step("first", CASE_STUDY, segment="everyone", priority=0),
        step("capped", guide, segment="everyone", priority=1),
        step("answer", guide, priority=2, **answer),
        step("other_answer", guide, priority=3, window="night", **answer),
        delivery=Delivery(
            caps=(MailCap(id="week", label="週1通", mails=1, within_days=7),),
            windows=(Window(id="night", label="夜", opens="20:00", closes="21:00"),),
        ),
    )
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="case-1")
    world.send(asked, at(1))
    event(world, "document_download", at(2), "a@example.com", asset="guide")
    for hours in (0, 1, 11.5):
        world.send(asked, at(2, hours=hours))
    assert sorted(world.ledger("select step from sends where state = 'accepted'")) == [("answer",), ("first",)]
    assert world.ledger("select decision from send_decisions where step = 'other_answer'") == [("superseded",)]


def test_a_mail_that_was_refused_is_no_duplicate_of_one_to_the_same_person(world: World) -> None:
    asked = rules(step("later", DOWNLOAD, segment="everyone", delay=timedelta(days=1)))
    for hours, name in ((0, "atypo"), (3, "right")):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1, hours=hours), f"{name}@example.com", asset="guide")
    world.stand_in.faults.set([Fault("status", status=400)])
    world.send(asked, at(2))
    assert world.ledger("select state from sends") == [("rejected",)]
    tie(world, ["atypo", "right"], at(2, minutes=1), "crm:1")
    world.send(asked, at(2, hours=3))
    assert [mail["to"] for mail in world.accepted()] == ["right@example.com"]


def tie(world: World, names: list[str], when, key: str) -> None:
    def add(connection) -> None:
        for place, name in enumerate(names):
            connection.execute(
                "insert into lead_records values (?, 'crm', ?, ?, null, ?, ?, map {}, null)",
                [
                    f"tie {name}",
                    key,
                    f"{name}@example.com",
                    when + timedelta(minutes=place),
                    when + timedelta(minutes=place),
                ],
            )

    world.facts(add)


@pytest.mark.parametrize("is_planned", [True, False])
def test_of_two_runs_that_turn_out_to_be_of_one_person_that_which_goes_on_mails(world: World, is_planned: bool) -> None:
    asked = scenarios.one(world, wait="1日" if is_planned else "月曜9時")
    for number in range(6):
        for name, minutes in (("a", number), ("b", 10 - number)):
            email = f"{name}{number}@example.com"
            scenarios.lead(world, email)
            when = scenarios.START + timedelta(minutes=minutes)
            scenarios.did(world, "document_download", when, email=email, asset="guide")
    until = scenarios.START + timedelta(minutes=20)
    if is_planned:
        world.clock(until)
        world.recompute(asked, until)
        plan_sends(world.settings, asked, until)
    else:
        from warehouse.connection import open_ledger

        world.send(asked, until)
        world.send(asked, until + timedelta(minutes=10))
        with open_ledger(world.settings) as ledger:
            ledger.execute("insert into pauses values ('*', ?)", [scenarios.START])
        until = scenarios.START + timedelta(days=7, minutes=5)
        world.send(asked, until)
        with open_ledger(world.settings) as ledger:
            ledger.execute("delete from pauses")
    for number in range(6):
        tie(world, [f"a{number}", f"b{number}"], until, f"crm:{number}")
    world.send(asked, until + timedelta(hours=2))
    mails = [mail["to"][1] for mail in world.accepted()]
    assert sorted(mails if is_planned else mails[12:]) == [str(number) for number in range(6)]
