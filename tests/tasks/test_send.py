"""Each mail once, to the right lead, at the right time; and the reason for each that is not sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from rules.errors import ConfigurationError
from rules.models import RuleSet
from sandbox.sendgrid import Fault
from tasks.errors import RunError
from tasks.send import deliver_sends, plan_sends, waiting_sends
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import CASE_STUDY, CONSULTATION, DOWNLOAD, PRICE_VIEW, rule_set, step
from tests.world import World, stand_in
from warehouse.claims import Claims
from warehouse.connection import open_ledger
from warehouse.statements import query


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def head(world: World, email: str, *, consent: bool = True) -> None:
    def add(connection):
        add_lead(connection, email, name="山田太郎", company="株式会社山田", title="営業部長", industry="製造業")
        if consent:
            add_consent(connection, email)

    world.facts(add)


def event(world: World, event_type: str, when, email: str, **values: str) -> None:
    world.facts(lambda connection: add_event(connection, event_type, when, email=email, **values))


def make_one(world: World, *names: tuple[str, datetime], told_at: datetime) -> None:
    """The CRM tells that leads of these names, each true from an instant on, are one person."""

    def tell(connection):
        for name, since in names:
            connection.execute(
                "insert into lead_records values (?, 'crm', 'crm:1', ?, null, ?, ?, map {}, null)",
                [name, f"{name}@example.com", since, told_at],
            )

    world.facts(tell)


def rules(*steps, **changes) -> RuleSet:
    return rule_set(steps=steps, active_from=START, **changes)


THANKS = step("thanks", DOWNLOAD, stage="awareness", priority=0)
CASES = step("cases", CASE_STUDY, stage="interest", delay=timedelta(days=3), priority=1)


def test_a_mail_goes_once_when_due_and_shows_the_lead(world: World) -> None:
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    assert world.send(rules(THANKS), at(1, minutes=5)) == {"sent": 1}
    assert world.send(rules(THANKS), at(1, minutes=5)) == {}
    event(world, "document_download", at(2), "a@example.com", asset="guide")
    assert world.send(rules(THANKS), at(2, minutes=5)) == {}
    (accepted,) = world.accepted()
    assert world.ledger("select send_id, state from sends") == [(accepted["send_id"], "accepted")]
    (mail,) = world.stand_in.mailbox.mails
    assert mail.subject == "件名 thanks"
    assert "株式会社山田 山田太郎 様" in mail.text
    assert "http://127.0.0.1:8787/u/" in mail.text
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize("table", ["enrolments", "send_decisions", "sends"])
def test_the_ledger_itself_takes_each_mail_once(world: World, table: str) -> None:
    """Whatever a statement gets wrong: the number that stands for a send_id is unique, and ends with its digits."""
    head(world, "taro@example.com")
    event(world, "document_download", at(1), "taro@example.com", asset="guide")
    world.recompute(rules(THANKS), at(1))
    plan_sends(world.settings, rules(THANKS), at(1))
    ((send_id, number),) = world.ledger(f"select send_id, send_number from {table}")
    assert (len(send_id), int(send_id[1:], 16)) == (25, number % 2**96)
    with pytest.raises(duckdb.ConstraintException, match="primary key"), open_ledger(world.settings) as ledger:
        ledger.execute(f"insert into {table} from {table}")


def test_no_two_send_ids_have_the_same_number_and_those_of_an_occasion_stand_together(world: World) -> None:
    digits = "1" * 24
    texts = ["", "S", "S1", "S01", "T1", "s1", f"S{digits}", f"T{digits}", f"S{digits}0", f"S{digits[1:]}z", digits]
    texts += [f"S{'a' * 24}", f"S{'A' * 24}", f"S1_{digits[2:]}", f"S{digits[1:]}"]
    with open_ledger(world.settings) as ledger:

        def number(text: str, occurrence: int = 1) -> int:
            ((found,),) = ledger.execute("select send_number($1, 'guide', 'thanks', $2)", [text, occurrence]).fetchall()
            return int(found)

        assert len({number(text) for text in texts}) == len(texts)
        first, other, again = number(f"S{digits}"), number(f"S{digits[1:]}2"), number(f"S{digits}", 2)
    assert (first % 2**96, first >> 96) == (int(digits, 16), other >> 96)
    assert (again % 2**96, again >> 96 == first >> 96) == (first % 2**96, False)


def test_a_delayed_mail_waits_and_a_later_stage_gets_no_mail_of_an_earlier_one(world: World) -> None:
    for name in ("a", "b"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="case-1")
    event(world, "page_view", at(2), "b@example.com", url="/price")
    assert world.send(rules(THANKS, CASES), at(3)) == {}
    assert world.send(rules(THANKS, CASES), at(4)) == {"sent": 1, "exited": 1}
    assert [mail["to"] for mail in world.accepted()] == ["a@example.com"]


def test_every_refusal_has_its_reason(world: World) -> None:
    for name in ("ok", "none", "out", "dead"):
        head(world, f"{name}@example.com", consent=name != "none")
    world.facts(lambda connection: add_suppression(connection, "out@example.com", at(0.5)))
    world.facts(
        lambda connection: add_suppression(connection, "dead@example.com", at(0.5), blocks="all", reason="hard_bounce")
    )
    for name in ("ok", "none", "out", "dead"):
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    assert world.send(rules(THANKS), at(1)) == {"sent": 1, "no_consent": 1, "opted_out": 1, "suppressed": 1}
    assert [mail["to"] for mail in world.accepted()] == ["ok@example.com"]
    event(world, "document_download", at(6), "ok@example.com", asset="case-2")
    assert world.send(rules(THANKS, CASES), at(20)) == {"expired": 1}


def test_a_thousand_leads_ride_in_one_request_and_each_sees_its_own_values(world: World) -> None:
    def add(connection):
        connection.execute(
            """
            insert into lead_records
            select 'r' || i, 'crm', null, 'lead' || i || '@example.com', null, $start, $start,
                map {'name': '名前<' || i || '>', 'company': '会社' || i, 'title': '部長', 'industry': '製造業'}, null
            from range(1001) as leads(i)
            """,
            {"start": START},
        )
        connection.execute(
            """
            insert into consent_records
            select 'c' || i, 'crm', null, 'lead' || i || '@example.com', 'marketing', true, 'opt_in_form', '', $start,
                $start, null
            from range(1001) as leads(i)
            """,
            {"start": START},
        )
        connection.execute(
            """
            insert into events
            select md5('e' || i)::uuid, 'web', 'document_download', $at, $at, 'lead' || i || '@example.com', null, null, null,
                'guide', null, map {}
            from range(1001) as leads(i)
            """,
            {"at": at(1)},
        )

    world.facts(add)
    assert world.send(rules(THANKS), at(1)) == {"sent": 1001}
    assert world.ledger("select mails, outcome from attempts order by 1") == [(1, "accepted"), (1000, "accepted")]
    assert len({mail["to"] for mail in world.accepted()}) == 1001
    for mail in world.stand_in.mailbox.mails[::250]:
        number = mail.to.removeprefix("lead").removesuffix("@example.com")
        assert f"会社{number} 名前<{number}> 様" in mail.text
        assert f"名前&lt;{number}&gt; 様" in mail.html
        assert "-name]" not in mail.text + mail.subject + mail.html


def test_an_answer_to_ones_own_request_needs_no_consent(world: World) -> None:
    head(world, "a@example.com", consent=False)
    world.facts(lambda connection: add_suppression(connection, "a@example.com", at(0.5)))
    event(world, "consultation_request", at(1), "a@example.com")
    answer = step("answer", CONSULTATION, category="transactional")
    assert world.send(rules(answer), at(1)) == {"sent": 1}
    assert world.stand_in.mailbox.mails[0].headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_sheet_supersedes_the_general_mail_for_the_same_trigger_and_delay(world: World) -> None:
    general = step("general", DOWNLOAD, scenario="trigger_mails", kind="trigger", segment="everyone", priority=10)
    later = step("later", DOWNLOAD, scenario="trigger_mails", segment="everyone", priority=11, delay=timedelta(days=3))
    head(world, "a@example.com")
    world.facts(lambda connection: (add_lead(connection, "b@example.com"), add_consent(connection, "b@example.com")))
    for name in ("a", "b"):
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    assert world.send(rules(THANKS, general, later), at(1)) == {"sent": 2, "superseded": 1}
    assert world.send(rules(THANKS, general, later), at(4)) == {"sent": 2}


def test_the_third_view_triggers_and_only_the_third(world: World) -> None:
    offer = step("offer", PRICE_VIEW, segment="everyone", trigger_count=3)
    head(world, "a@example.com")
    for day, expected in ((1, {}), (2, {}), (3, {"sent": 1}), (4, {})):
        event(world, "page_view", at(day), "a@example.com", url="/price")
        assert world.send(rules(offer), at(day)) == expected


def test_nothing_past_is_mailed_when_rules_are_switched_on_or_steps_added(world: World) -> None:
    head(world, "a@example.com")
    event(world, "document_download", at(-300), "a@example.com", asset="guide")
    event(world, "document_download", at(0.9), "a@example.com", asset="guide")
    assert world.send(rule_set(steps=(THANKS,)), at(1)) == {}
    event(world, "document_download", at(2), "a@example.com", asset="guide")
    assert world.send(rule_set(steps=(THANKS,)), at(2)) == {"sent": 1}
    assert world.send(rule_set(steps=(THANKS,)), at(8)) == {}
    new = step("new", DOWNLOAD, segment="everyone")
    assert world.send(rule_set(steps=(THANKS, new)), at(9)) == {}


def test_an_opt_out_that_came_in_after_the_decision_cancels(world: World) -> None:
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.recompute(rules(THANKS), at(1))
    assert plan_sends(world.settings, rules(THANKS), at(1)) == {"sent": 1}
    world.facts(lambda connection: add_suppression(connection, "a@example.com", at(1)))
    deliver_sends(world.settings, rules(THANKS), at(1))
    assert world.accepted() == []
    assert world.ledger("select state, state_reason from sends") == [("cancelled", "opted_out")]


def test_an_opt_out_of_any_identity_that_came_in_after_the_decision_cancels(world: World) -> None:
    for name in ("a", "b", "c"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")

    def tie(connection):
        for email in ("a@example.com", "other@example.com"):
            connection.execute(
                "insert into lead_records values (?, 'crm', 'crm:1', ?, null, ?, ?, map {}, null)",
                [email, email, START, START],
            )
        connection.execute(
            "insert into lead_records values ('b', 'crm', 'crm:2', 'b@example.com', null, ?, ?, map {}, null)",
            [START, START],
        )

    world.facts(tie)
    world.recompute(rules(THANKS), at(1))
    assert plan_sends(world.settings, rules(THANKS), at(1)) == {"sent": 3}

    def opt_out(connection):
        add_suppression(connection, "other@example.com", at(1))
        connection.execute(
            "insert into suppression_records values ('x', 'list', 'crm:2', null, 'all', 'manual', ?, ?, null)",
            [at(1), at(1)],
        )
        add_event(connection, "mail_bounce", at(1), email="c@example.com")

    world.facts(opt_out)
    deliver_sends(world.settings, rules(THANKS), at(1))
    assert world.accepted() == []
    assert world.ledger("select distinct state from sends") == [("cancelled",)]


def test_two_who_turn_out_to_be_one_while_their_mails_wait_get_one(world: World) -> None:
    for name in ("a", "b"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    world.recompute(rules(THANKS), at(1))
    assert plan_sends(world.settings, rules(THANKS), at(1)) == {"sent": 2}

    make_one(world, ("a", START), ("b", START), told_at=at(1.1))
    world.send(rules(THANKS), at(1.2))
    world.send(rules(THANKS), at(1.3))
    assert len(world.accepted()) == 1
    assert ("cancelled", "duplicate_address") in world.ledger("select state, state_reason from sends")


def test_who_has_left_the_segment_by_then_gets_no_mail(world: World) -> None:
    weekly = step("weekly", DOWNLOAD, segment="manufacturing_heads", delay=timedelta(days=2))
    for name in ("leaves", "stays"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    assert world.send(rules(weekly), at(1)) == {}
    world.facts(
        lambda connection: connection.execute(
            "insert into lead_records values ('new post', 'crm', null, 'leaves@example.com', null, $1, $1,"
            " map {'title': '課長'}, null)",
            [at(2)],
        )
    )
    assert world.send(rules(weekly), at(3)) == {"exited": 1, "sent": 1}
    assert [mail["to"] for mail in world.accepted()] == ["stays@example.com"]


def test_two_that_turn_out_to_be_one_while_their_mails_wait_are_decided_on_as_one(world: World) -> None:
    for name in ("a", "b"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    with open_ledger(world.settings) as ledger:
        ledger.execute("insert into pauses values ('guide', ?)", [at(1)])
    assert world.send(rules(THANKS), at(1)) == {"paused": 2}

    make_one(world, ("a", START), ("b", START), told_at=at(1.1))
    with open_ledger(world.settings) as ledger:
        ledger.execute("delete from pauses")
    assert world.send(rules(THANKS), at(1.2)) == {"sent": 1, "duplicate_address": 1}
    assert len(world.accepted()) == 1


def test_what_went_in_answer_to_an_act_keeps_a_step_that_is_added_from_answering_it_too(world: World) -> None:
    first = step("first", DOWNLOAD, segment="everyone", priority=0)
    added = step("added", DOWNLOAD, segment="everyone", priority=1)
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    assert world.send(rules(first), at(1)) == {"sent": 1}
    assert world.send(rules(first, added), at(1, hours=1)) == {"superseded": 1}


def test_who_had_a_mail_under_another_name_and_address_at_another_time_is_not_mailed_again(world: World) -> None:
    thanks = step("thanks", DOWNLOAD, segment="everyone")
    for name, when in (("b", at(1)), ("a", at(1.5))):
        head(world, f"{name}@example.com")
        event(world, "document_download", when, f"{name}@example.com", asset="guide")
        if name == "b":
            assert world.send(rules(thanks), when) == {"sent": 1}
    with open_ledger(world.settings) as ledger:
        ledger.execute("insert into pauses values ('guide', ?)", [at(1.5)])
    assert world.send(rules(thanks), at(1.5)) == {"paused": 1}

    make_one(world, ("b", at(1.6)), ("a", at(1.7)), told_at=at(1.7))
    with open_ledger(world.settings) as ledger:
        ledger.execute("delete from pauses")
        # that the address is another is what is asked here
        ledger.execute("update sends set email = 'former@example.com'")
    assert world.send(rules(thanks), at(1.8)) == {"duplicate_address": 1}
    assert len(world.accepted()) == 1


def test_two_planned_mails_of_a_step_to_one_address_become_one_whoever_they_are_to(world: World) -> None:
    for name in ("a", "b", "c"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    world.recompute(rules(THANKS), at(1))
    assert plan_sends(world.settings, rules(THANKS), at(1)) == {"sent": 3}
    with open_ledger(world.settings) as ledger:
        ledger.execute("update sends set email = 'a@example.com' where email = 'b@example.com'")
    deliver_sends(world.settings, rules(THANKS), at(1))
    assert sorted(mail["to"] for mail in world.accepted()) == ["a@example.com", "c@example.com"]
    assert world.ledger("select state_reason from sends where state = 'cancelled'") == [("duplicate_address",)]


def test_planning_tells_how_far_it_is(world: World) -> None:
    for name in ("a", "b"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    world.recompute(rules(THANKS), at(1))
    told: list[str] = []
    plan_sends(world.settings, rules(THANKS), at(1), told.append)
    assert told == ["2 mails to decide on", "2 of 2 mails decided on"]
    plan_sends(world.settings, rules(THANKS), at(1), told.append)
    assert len(told) == 2


def test_an_address_the_provider_would_refuse_is_no_twin_and_is_told_when_decided(world: World) -> None:
    for name in ("a", "b"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    head(world, "c@localhost")
    event(world, "document_download", at(1), "c@localhost", asset="guide")
    world.recompute(rules(THANKS), at(1))
    assert plan_sends(world.settings, rules(THANKS), at(1)) == {"sent": 2, "bad_address": 1}

    make_one(world, ("a", START), ("b", START), told_at=at(1.1))
    with open_ledger(world.settings) as ledger:  # of an earlier version, which decided so
        ledger.execute("update sends set email = 'first@localhost' where send_id = (select min(send_id) from sends)")
    world.send(rules(THANKS), at(1.2))
    assert world.ledger("select state, state_reason from sends order by send_id") == [
        ("cancelled", "bad_address"),
        ("accepted", None),
    ]


def test_an_opt_out_that_names_only_the_send_is_honoured_before_and_after_a_recompute(world: World) -> None:
    later = step("later", DOWNLOAD, segment="everyone", delay=timedelta(days=1))
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.send(rules(THANKS, later), at(1))
    ((send_id,),) = world.ledger("select send_id from sends")
    world.facts(lambda connection: add_event(connection, "mail_unsubscribe", at(1.5), send_id=send_id))
    assert world.send(rules(THANKS, later), at(2)) == {"sent": 1}
    assert len(world.accepted()) == 1
    assert ("cancelled", "opted_out") in world.ledger("select state, state_reason from sends")


def test_a_provider_that_only_fails_is_not_fed_every_mail(world: World) -> None:
    many = [step(f"s{number}", DOWNLOAD, segment="everyone", delay=timedelta(hours=number)) for number in range(6)]
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.stand_in.faults.set([Fault("status", status=503, times=20)])
    with pytest.raises(RunError, match="does not answer"):
        world.send(rules(*many), at(1.5))
    assert world.ledger("select state, count(*) from sends group by all order by all") == [
        ("planned", 3),
        ("unknown", 3),
    ]


def test_what_waited_is_looked_at_again_before_it_goes(world: World) -> None:
    for name in ("moved", "stays"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    world.recompute(rules(THANKS), at(1))
    assert plan_sends(world.settings, rules(THANKS), at(1)) == {"sent": 2}
    event(world, "consultation_request", at(1, hours=2), "moved@example.com")
    with open_ledger(world.settings) as ledger:
        ledger.execute("insert into pauses values ('guide', ?)", [at(1)])
    world.send(rules(THANKS), at(1, hours=3))
    assert world.accepted() == []
    with open_ledger(world.settings) as ledger:
        ledger.execute("delete from pauses")
    world.send(rules(THANKS), at(1, hours=4))
    assert [mail["to"] for mail in world.accepted()] == ["stays@example.com"]
    assert ("cancelled", "exited") in world.ledger("select state, state_reason from sends")


def test_a_row_that_sends_nothing_supersedes_nothing(world: World) -> None:
    general = step("general", DOWNLOAD, scenario="trigger_mails", kind="trigger", segment="everyone", priority=10)
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    event(world, "page_view", at(1, hours=1), "a@example.com", url="/price")
    assert world.send(rules(THANKS, general), at(1, hours=2)) == {"exited": 1, "sent": 1}
    assert world.stand_in.mailbox.mails[0].subject == "件名 general"


def test_a_refused_mail_is_named_and_the_others_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # the provider may refuse what we let through
    monkeypatch.setattr("tasks.mail.is_deliverable", lambda address: True)
    monkeypatch.setattr(
        "warehouse.claims.query", lambda name: query(name).replace("not is_deliverable(present.email)", "false")
    )
    for name in ("a", "b", "c"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    world.stand_in.faults.set([])
    world.recompute(rules(THANKS), at(1))
    plan_sends(world.settings, rules(THANKS), at(1))
    with open_ledger(world.settings) as ledger:
        ledger.execute("update sends set email = 'no address' where email = 'b@example.com'")
    deliver_sends(world.settings, rules(THANKS), at(1))
    assert sorted(world.ledger("select email, state from sends")) == [
        ("a@example.com", "accepted"),
        ("c@example.com", "accepted"),
        ("no address", "rejected"),
    ]


def test_a_batch_refused_without_a_name_is_halved_until_the_mail_at_fault_stands_alone(world: World) -> None:
    for name in ("a", "b", "c", "d"):
        head(world, f"{name}@example.com")
        event(world, "document_download", at(1), f"{name}@example.com", asset="guide")
    world.stand_in.faults.set([Fault("status", status=413), Fault("status", status=400), Fault("status", status=400)])
    world.send(rules(THANKS), at(1))
    assert world.ledger("select state, count(*) from sends group by all order by all") == [
        ("accepted", 3),
        ("rejected", 1),
    ]
    assert len(world.accepted()) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_and_the_mails_stay_planned(world: World, status: int) -> None:
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.stand_in.faults.set([Fault("status", status=status)])
    with pytest.raises(RunError, match=f"refused with {status}"):
        world.send(rules(THANKS), at(1))
    assert waiting_sends(world.settings) == 1
    assert world.accepted() == []
    deliver_sends(world.settings, rules(THANKS), at(1))
    assert len(world.accepted()) == 1


def test_a_rate_limit_is_waited_for(world: World) -> None:
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.stand_in.faults.set([Fault("status", status=429, headers={"X-RateLimit-Reset": "0.1"}, times=2)])
    world.send(rules(THANKS), at(1))
    assert len(world.accepted()) == 1
    assert world.ledger("select outcome from attempts order by outcome") == [
        ("accepted",),
        ("not_sent",),
        ("not_sent",),
    ]


def test_a_request_that_vanished_after_it_was_taken_is_unknown_until_events_tell(world: World) -> None:
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(THANKS), at(1))
    assert world.ledger("select state from sends") == [("unknown",)]
    world.send(rules(THANKS), at(1, hours=1))
    assert len(world.accepted()) == 1
    world.pull_provider_events(at(1, hours=2))
    world.send(rules(THANKS), at(1, hours=2))
    assert world.ledger("select state, sent_at is not null from sends") == [("delivered", True)]
    assert len(world.accepted()) == 1


def test_a_request_that_was_never_taken_is_released_once_silence_means_something(world: World) -> None:
    head(world, "a@example.com")
    head(world, "b@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.stand_in.faults.set([Fault("reset_before")])
    world.send(rules(THANKS), at(1))
    assert world.ledger("select state from sends") == [("unknown",)]
    world.send(rules(THANKS), at(2.5))
    assert world.accepted() == [], "no sign that events come back at all: not released"
    event(world, "document_download", at(2.6), "b@example.com", asset="guide")
    world.send(rules(THANKS), at(2.6))
    world.pull_provider_events(at(2.7))
    world.send(rules(THANKS), at(2.7))
    assert sorted(mail["to"] for mail in world.accepted()) == ["a@example.com", "b@example.com"]


def test_a_mail_that_was_given_up_after_its_release_is_what_its_late_events_say(world: World) -> None:
    head(world, "a@example.com")
    head(world, "b@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(THANKS), at(1))
    ((lost,),) = world.ledger("select send_id from sends")
    event(world, "document_download", at(2.6), "b@example.com", asset="guide")
    world.send(rules(THANKS), at(2.6))
    ((seen,),) = world.ledger(f"select send_id from sends where send_id != '{lost}'")
    event(world, "mail_processed", at(2.6), "b@example.com", send_id=seen)
    world.recompute(rules(THANKS), at(4.5))
    plan_sends(world.settings, rules(THANKS), at(4.5))
    deliver_sends(world.settings, rules(THANKS), at(4.5))
    gone = f"select state, state_reason from sends where send_id = '{lost}'"
    assert world.ledger(gone) == [("cancelled", "expired")]
    event(world, "mail_delivered", at(1, minutes=1), "a@example.com", send_id=lost)
    plan_sends(world.settings, rules(THANKS), at(4.6))
    assert world.ledger(gone) == [("delivered", None)]
    assert len(world.accepted()) == 2


def test_an_unreachable_provider_loses_and_doubles_nothing(tmp_path: Path) -> None:
    server = stand_in(tmp_path)
    with server:
        world = World(tmp_path, server)
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.recompute(rules(THANKS), at(1))
    plan_sends(world.settings, rules(THANKS), at(1))
    with pytest.raises(RunError, match="could not be reached"):
        deliver_sends(world.settings, rules(THANKS), at(1))
    assert world.ledger("select state from sends") == [("planned",)]


def test_delivery_is_off_unless_set_and_needs_its_secrets(world: World) -> None:
    head(world, "a@example.com")
    event(world, "document_download", at(1), "a@example.com", asset="guide")
    world.recompute(rules(THANKS), at(1))
    far = world.settings.model_copy(update={"sendgrid_host": "https://api.sendgrid.com"})
    assert plan_sends(far, rules(THANKS), at(1)) == {"sent": 1}
    assert deliver_sends(far, rules(THANKS), at(1)) == {}
    assert waiting_sends(far) == 1
    live = far.model_copy(update={"delivery": "live"})
    with pytest.raises(ConfigurationError, match=r"NURTURE_PUBLIC_URL: (.|\n)*senders.yaml: .*made-up company"):
        deliver_sends(live, rules(THANKS), at(1))
    on_this_machine = live.model_copy(update={"public_url": "https://localhost"})
    with pytest.raises(ConfigurationError, match="NURTURE_PUBLIC_URL: nobody could opt out"):
        deliver_sends(on_this_machine, rules(THANKS), at(1))
    real = rules(THANKS, senders=(rules().senders[0].model_copy(update={"email": "us@ours.jp"}),))
    live = live.model_copy(update={"public_url": "https://mail.ours.jp"})
    with pytest.raises(ConfigurationError, match="more than an hour from the clock"):
        deliver_sends(live, real, at(1))
    with pytest.raises(ConfigurationError, match="NURTURE_SENDGRID_API_KEY"):
        deliver_sends(live.model_copy(update={"sendgrid_api_key": None}), rules(THANKS), at(1))


def test_an_allowlist_lets_only_its_addresses_out(world: World) -> None:
    for name in ("a@example.com", "b@other.example"):
        head(world, name)
        event(world, "document_download", at(1), name, asset="guide")
    world.recompute(rules(THANKS), at(1))
    plan_sends(world.settings, rules(THANKS), at(1))
    claims = Claims(rules(THANKS), at(1), "Asia/Tokyo", ["@other.example"], [], 1_000, 1_000)
    with open_ledger(world.settings, with_warehouse=True) as ledger:
        assert claims.waiting(ledger) == {"marketing": 1}
        assert [batch.recipients.emails for batch in claims.next_page(ledger).batches] == [["b@other.example"]]
    listed = world.settings.model_copy(update={"delivery": "allowlist", "allowlist": "@other.example"})
    assert listed.effective_delivery == "live", "a loopback host counts as live"
