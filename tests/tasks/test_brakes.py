"""Marketing mails stop where complaints, bounces or their sheer number say that something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rules.models import Brakes, Delivery, RuleSet
from tasks.brakes import judge
from tasks.errors import RunError
from tasks.send import deliver_sends
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import CONSULTATION, DOWNLOAD, rule_set, step
from tests.world import World, stand_in
from warehouse.connection import open_ledger
from warehouse.sending import RecentMails, recent_mails

THANKS = step("thanks", DOWNLOAD)
ANSWER = step("answer", CONSULTATION, category="transactional")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def rules(**brakes: float) -> RuleSet:
    delivery = Delivery(brakes=Brakes.model_validate(brakes))
    return rule_set(steps=(THANKS, ANSWER), active_from=START, delivery=delivery)


def leads(world: World, *names: str) -> None:
    def add(connection):
        for name in names:
            add_lead(connection, f"{name}@example.com", title="営業部長", industry="製造業")
            add_consent(connection, f"{name}@example.com")

    world.facts(add)


def events(world: World, event_type: str, when, *names: str) -> None:
    def add(connection):
        for name in names:
            add_event(connection, event_type, when, email=f"{name}@example.com", asset="guide")

    world.facts(add)


def told(world: World, event_type: str, when, number: int) -> None:
    """The provider tells something of so many of the mails."""
    sent = world.ledger("select send_id, email from sends order by send_id")[:number]

    def add(connection):
        for send_id, email in sent:
            add_event(connection, event_type, when, email=email, send_id=send_id)

    world.facts(add)


def test_complaints_stop_marketing_and_not_the_answers_to_requests(world: World) -> None:
    asked = rules(from_mails=4, complaint_rate_stops=0.3, complaint_rate_warns=0.2)
    leads(world, "a", "b", "c", "d", "e", "f")
    events(world, "document_download", at(1), "a", "b", "c", "d")
    assert world.send(asked, at(1)) == {"sent": 4}
    told(world, "mail_delivered", at(1, minutes=5), 4)
    told(world, "mail_spam_report", at(1, minutes=9), 2)
    events(world, "document_download", at(2), "e")
    events(world, "consultation_request", at(2), "f")
    with pytest.raises(
        RunError, match=r"2 of 4 mails .* reported as spam \(50.00%\).*1 marketing mails stay planned.*--confirm"
    ):
        world.send(asked, at(2))
    assert world.ledger("select step, state from sends where email in ('e@example.com', 'f@example.com') order by 1") == [
        ("answer", "accepted"), ("thanks", "planned"),
    ]  # fmt: skip
    assert deliver_sends(world.settings, asked, at(2), is_confirmed=True)["accepted"] == 1
    # in time they are no longer of late
    events(world, "document_download", at(12), "f")
    assert world.send(asked, at(12)) == {"sent": 1}


def test_bounces_stop_and_few_mails_say_nothing(world: World) -> None:
    leads(world, "a", "b", "c")
    events(world, "document_download", at(1), "a", "b")
    assert world.send(rules(from_mails=2), at(1)) == {"sent": 2}
    told(world, "mail_bounce", at(1, minutes=5), 1)
    events(world, "document_download", at(2), "c")
    with pytest.raises(RunError, match=r"1 of 2 mails .* bounced \(50.00%\), more than 5%"):
        world.send(rules(from_mails=2), at(2))
    assert world.send(rules(from_mails=3), at(2)) == {}
    assert len(world.accepted()) == 3


def test_what_names_no_send_counts_for_the_last_mail_to_its_address_and_once(world: World) -> None:
    asked = rules(from_mails=4, complaint_rate_stops=0.6, bounce_rate_stops=0.9)
    leads(world, "a", "b", "c", "d", "e")
    events(world, "document_download", at(1), "a", "b", "c", "d")
    assert world.send(asked, at(1)) == {"sent": 4}
    told(world, "mail_delivered", at(1, minutes=5), 4)
    told(world, "mail_spam_report", at(1, minutes=9), 1)
    ((known,),) = world.ledger("select email from sends order by send_id limit 1")
    bare, listed, early, kept = [*sorted({f"{name}@example.com" for name in "abcd"} - {known}), known]

    def add(connection):
        add_event(connection, "mail_spam_report", at(1, minutes=9), email=bare)
        add_event(connection, "mail_bounce", at(1, minutes=9), email=bare, type="blocked")
        add_event(connection, "mail_spam_report", at(0.9), email=early)
        for number, (email, reason) in enumerate(
            [(bare, "spam_report"), (listed, "hard_bounce"), (listed, "spam_report"), (kept, "spam_report")]
        ):
            connection.execute(
                "insert into suppression_records values (?, 'sendgrid', null, ?, 'all', ?, ?, ?, null)",
                [f"told{number}", email, reason, at(1, minutes=10), at(1.5)],
            )

    world.facts(add)
    world.recompute(asked, at(2))
    with open_ledger(world.settings, with_warehouse=True) as ledger:
        assert recent_mails(ledger, at(2), "Asia/Tokyo", 7) == RecentMails(4, 4, 3, 2, 0, 4)
    events(world, "document_download", at(2), "e")
    with pytest.raises(RunError, match=r"3 of 4 mails .* reported as spam \(75.00%\)"):
        world.send(asked, at(2))


def test_a_run_far_larger_than_any_before_asks(world: World) -> None:
    asked = rules(unusual_from_mails=2, unusual_times=2)
    leads(world, *"abcdefghi")
    events(world, "document_download", at(1), "a", "b")
    assert world.send(asked, at(1)) == {"sent": 2}
    events(world, "document_download", at(2), "c", "d", "e", "f", "g")
    with pytest.raises(RunError, match="5 marketing mails would go at once, and the busiest of the last 28 days had 2"):
        world.send(asked, at(2))
    assert len(world.accepted()) == 2
    assert world.send(asked, at(2, minutes=1), is_confirmed=True) == {}
    assert len(world.accepted()) == 7
    events(world, "document_download", at(3), "h", "i")
    assert world.send(asked, at(3)) == {"sent": 2}


def test_the_mails_of_today_are_not_what_is_usual(world: World) -> None:
    asked = rules(unusual_from_mails=2, unusual_times=2)
    leads(world, *"abcdef")
    events(world, "document_download", at(1), "a", "b")
    assert world.send(asked, at(1)) == {"sent": 2}
    events(world, "document_download", at(1, minutes=10), "c")
    with pytest.raises(RunError, match="1 marketing mails would go at once after 2 today"):
        world.send(asked, at(1, minutes=10))


def test_mails_for_which_it_is_too_late_hold_no_others_back(world: World) -> None:
    asked = rules(unusual_from_mails=2, unusual_times=2)
    leads(world, *"abcdef")
    events(world, "document_download", at(1), "a", "b", "c", "d", "e")
    with pytest.raises(RunError, match="5 marketing mails"):
        world.send(asked, at(1))
    events(world, "document_download", at(10), "f")
    assert world.send(asked, at(10)) == {"sent": 1}
    assert [mail["to"] for mail in world.accepted()] == ["f@example.com"]
    assert world.ledger("select state_reason, count(*) from sends where state = 'cancelled' group by all") == [
        ("expired", 5)
    ]  # fmt: skip


def test_rates_at_their_limits() -> None:
    brakes = Brakes()
    calm = RecentMails(mails=10_000, delivered=10_000, complained=10, bounced=500, today=0, most_a_day=600)
    assert judge(calm, 6_000, brakes) == judge(calm, 0, brakes)
    assert judge(calm, 6_000, brakes).stops == judge(calm, 6_000, brakes).warnings == ()
    warned = judge(RecentMails(10_000, 10_000, 11, 500, 0, 600), 0, brakes)
    assert (len(warned.warnings), warned.stops) == (1, ())
    assert len(judge(RecentMails(10_000, 10_000, 31, 501, 1, 600), 6_000, brakes).stops) == 3


def test_a_holdout_gets_no_marketing_and_stays_so(world: World) -> None:
    names = [f"lead{number}" for number in range(60)]
    leads(world, *names)
    events(world, "document_download", at(1), *names)

    def asked(share: float) -> RuleSet:
        return rule_set(steps=(THANKS, ANSWER), active_from=START, delivery=Delivery(holdout_share=share))

    decided = world.send(asked(0.3), at(1))
    assert decided["sent"] + decided["holdout"] == 60
    assert 6 <= decided["holdout"] <= 30
    held = {lead for (lead,) in world.ledger("select lead_id from holdout where is_held_out")}
    assert held == {lead for (lead,) in world.ledger("select lead_id from send_decisions where decision = 'holdout'")}
    assert not held & {lead for (lead,) in world.ledger("select lead_id from sends")}
    # another share changes nothing for those who were told, and their own requests are answered
    events(world, "consultation_request", at(2), *names)
    assert world.send(asked(0.5), at(2)) == {"sent": 60}
    assert held == {lead for (lead,) in world.ledger("select lead_id from holdout where is_held_out")}


def test_of_two_leads_that_become_one_what_was_told_first_holds(world: World) -> None:
    names = [f"lead{number}" for number in range(40)]
    leads(world, *names)
    asked = rule_set(
        steps=(THANKS, step("again", DOWNLOAD, priority=1, delay=timedelta(days=5))),
        active_from=START,
        delivery=Delivery(holdout_share=0.5),
    )
    events(world, "document_download", at(1), *names[:20])
    world.send(asked, at(1))
    events(world, "document_download", at(2), *names[20:])
    world.send(asked, at(2))
    emails = dict(world.warehouse("select lead_id, email from leads"))
    arms = {emails[lead]: held for lead, held in world.ledger("select lead_id, is_held_out from holdout")}
    first = next(name for name in names[:20] if arms[f"{name}@example.com"])
    second = next(name for name in names[20:] if not arms[f"{name}@example.com"])

    merged = [f"{first}@example.com", f"{second}@example.com"]

    def merge(connection):
        for email in merged:
            connection.execute(
                "insert into lead_records by name select 'merged ' || $email as record_id, 'crm' as source,"
                " 'crm:1' as external_id, $email as email, $at as occurred_at, $at as received_at,"
                " map {}::map(varchar, varchar) as attributes",
                {"email": email, "at": at(3)},
            )

    world.facts(merge)
    world.send(asked, at(8))
    ids = ", ".join(f"'{lead}'" for lead, email in emails.items() if email in merged)
    assert world.warehouse(f"select count(distinct lead_id) from lead_aliases where alias_lead_id in ({ids})") == [(1,)]
    decisions = {
        decision
        for (decision,) in world.ledger(
            f"select decision from send_decisions where step = 'again' and lead_id in ({ids})"
        )
    }
    assert "holdout" in decisions
    assert "sent" not in decisions


def test_a_holdout_keeps_no_answer_to_a_request_back(world: World) -> None:
    names = [f"lead{number}" for number in range(30)]
    leads(world, *names)
    events(world, "document_download", at(1), *names)
    answer = step("answer", DOWNLOAD, category="transactional", priority=1)
    asked = rule_set(steps=(THANKS, answer), active_from=START, delivery=Delivery(holdout_share=0.5))
    decided = world.send(asked, at(1))
    assert decided["sent"] == 30
    assert decided["holdout"] + decided["superseded"] == 30
    assert decided["holdout"] > 5


def test_who_has_had_mails_is_not_held_out_afterwards(world: World) -> None:
    names = [f"lead{number}" for number in range(20)]
    leads(world, *names)
    events(world, "document_download", at(1), *names)
    again = step("again", DOWNLOAD, priority=1, delay=timedelta(days=1))
    assert world.send(rule_set(steps=(THANKS, again), active_from=START), at(1)) == {"sent": 20}
    held = rule_set(steps=(THANKS, again), active_from=START, delivery=Delivery(holdout_share=0.5))
    assert world.send(held, at(2)) == {"sent": 20}
    assert world.ledger("select is_held_out, count(*) from holdout group by all") == [(False, 20)]
