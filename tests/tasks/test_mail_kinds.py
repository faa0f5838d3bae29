"""Consent and opt-outs by kind of mail, when mails are decided and once more right before they leave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rules.models import Delivery, RuleSet, SoftBounces
from tasks.send import deliver_sends, plan_sends
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import DOWNLOAD, rule_set, step
from tests.world import World, stand_in

NEWS = step("news", DOWNLOAD, kind="newsletter", segment="everyone")
STEP = step("step", DOWNLOAD, segment="everyone", delay=timedelta(hours=1))
TRIGGER = step("trigger", DOWNLOAD, kind="trigger", segment="everyone", delay=timedelta(hours=2))
ANSWER = step("answer", DOWNLOAD, category="transactional", segment="everyone", delay=timedelta(hours=3))
LATE = at(1, hours=4)
DELIVERY = Delivery(soft_bounces=SoftBounces(mails=3), block_domains=("rival.example",))


def rules(*steps) -> RuleSet:
    return rule_set(steps=steps, active_from=START, delivery=DELIVERY)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def lead(connection, email: str, *kinds: str) -> None:
    add_lead(connection, email)
    for kind in kinds:
        add_consent(connection, email, mail_kind=kind)
    add_event(connection, "document_download", at(1), email=email, asset="guide")


def test_each_kind_is_decided_by_its_own_consent(world: World) -> None:
    def add(connection):
        lead(connection, "all@example.com", "marketing")
        lead(connection, "news@example.com", "newsletter")
        lead(connection, "out@example.com", "marketing")
        lead(connection, "dead@example.com", "marketing")
        lead(connection, "a@mail.rival.example", "marketing")
        add_event(connection, "mail_unsubscribe", at(1), email="out@example.com", mail_kind="step")
        add_event(connection, "mail_dropped", at(1), email="dead@example.com", reason="Bounced Address")

    world.facts(add)
    world.send(rules(NEWS, STEP, TRIGGER, ANSWER), LATE)
    by_lead = {
        email: dict(world.ledger(f"select step, decision from send_decisions where lead_id = '{lead_id}'"))
        for lead_id, email in world.warehouse("select lead_id, email from leads")
    }
    everything = {"news": "sent", "step": "sent", "trigger": "sent", "answer": "sent"}
    assert by_lead == {
        "all@example.com": everything,
        "news@example.com": everything | {"step": "no_consent", "trigger": "no_consent"},
        "out@example.com": everything | {"step": "opted_out"},
        "dead@example.com": dict.fromkeys(everything, "suppressed"),
        "a@mail.rival.example": dict.fromkeys(everything, "blocked_domain") | {"answer": "sent"},
    }
    assert world.ledger("select count(*) from send_decisions where decision = 'sent'") == [(len(world.accepted()),)]


def test_what_comes_in_after_the_decision_stops_the_kinds_it_names(world: World) -> None:
    names = ("event", "consent", "list", "soft", "once", "back", "erased", "dropped")
    steps = (NEWS, STEP, ANSWER)

    def add(connection):
        for name in names:
            lead(connection, f"{name}@example.com", "marketing")
        for day in (0.1, 0.2):
            for name in ("soft", "back"):
                add_event(
                    connection,
                    "mail_bounce",
                    at(day),
                    email=f"{name}@example.com",
                    send_id=f"{name}{day}",
                    type="blocked",
                )

    world.facts(add)
    world.recompute(rules(*steps), LATE)
    assert plan_sends(world.settings, rules(*steps), LATE) == {"sent": 3 * len(names)}

    def stop(connection):
        add_event(connection, "mail_unsubscribe", LATE, email="event@example.com", mail_kind="newsletter")
        add_consent(connection, "consent@example.com", LATE, "step", is_granted=False)
        add_suppression(connection, "list@example.com", LATE)
        add_event(connection, "mail_delivered", LATE, email="back@example.com", send_id="back-delivered")
        for name in ("soft", "once", "back"):
            add_event(connection, "mail_bounce", LATE, email=f"{name}@example.com", send_id=f"{name}-n", type="blocked")
        add_event(connection, "mail_dropped", LATE, email="dropped@example.com", reason="Spam Reporting Address")
        connection.execute(
            "insert into suppression_records values"
            " ('x', 'erasure', null, null, 'newsletter', 'opt_out', ?, ?, address_hash('erased@example.com'))",
            [LATE, LATE],
        )

    world.facts(stop)
    world.clock(LATE)
    deliver_sends(world.settings, rules(*steps), LATE)
    stopped = world.ledger("select email, step, state_reason from sends where state = 'cancelled' order by all")
    assert stopped == [
        ("consent@example.com", "step", "opted_out"),
        *(("dropped@example.com", name, "suppressed") for name in ("answer", "news", "step")),
        ("erased@example.com", "news", "opted_out"),
        ("event@example.com", "news", "opted_out"),
        ("list@example.com", "news", "opted_out"),
        ("list@example.com", "step", "opted_out"),
        *(("soft@example.com", name, "suppressed") for name in ("answer", "news", "step")),
    ]
    assert len(world.accepted()) == 3 * len(names) - len(stopped)
    # the next recompute sees the same
    world.recompute(rules(*steps), at(2))
    refused = world.warehouse(
        "select email, newsletter_refusal, step_refusal from leads"
        " where coalesce(newsletter_refusal, step_refusal) is not null order by email"
    )
    assert refused == [
        ("consent@example.com", None, "opted_out"),
        ("dropped@example.com", "suppressed", "suppressed"),
        ("erased@example.com", "opted_out", None),
        ("event@example.com", "opted_out", None),
        ("list@example.com", "opted_out", "opted_out"),
        ("soft@example.com", "suppressed", "suppressed"),
    ]


def test_a_slow_pull_that_ends_after_the_recompute_is_read_whatever_instant_it_bears(world: World) -> None:
    names = ("event", "consent", "list", "stays")
    world.facts(lambda connection: [lead(connection, f"{name}@example.com", "marketing") for name in names])
    world.recompute(rules(STEP), LATE)
    assert plan_sends(world.settings, rules(STEP), LATE) == {"sent": 4}
    began = at(1, hours=2)

    def end(connection):
        add_event(connection, "mail_unsubscribe", began, email="event@example.com")
        add_consent(connection, "consent@example.com", began, is_granted=False)
        add_suppression(connection, "list@example.com", began)

    world.facts(end)
    world.clock(LATE)
    deliver_sends(world.settings, rules(STEP), LATE)
    assert [mail["to"] for mail in world.accepted()] == ["stays@example.com"]
    ((send_id,),) = world.ledger("select send_id from sends where state = 'accepted'")
    world.facts(lambda connection: add_event(connection, "mail_delivered", began, send_id=send_id))
    plan_sends(world.settings, rules(STEP), LATE)
    assert world.ledger("select distinct state, state_reason from sends order by all") == [
        ("cancelled", "opted_out"),
        ("delivered", None),
    ]


def test_a_mail_of_another_category_or_kind_by_now_asks_for_the_consent_of_both(world: World) -> None:
    names = ("consents", "none", "out", "leaves")
    news = NEWS.model_copy(update={"step": "step"})

    def add(connection):
        for name in names:
            lead(connection, f"{name}@example.com", *(() if name == "none" else ("marketing",)))
        add_event(connection, "mail_unsubscribe", at(1), email="out@example.com", mail_kind="trigger")

    world.facts(add)
    world.recompute(rules(ANSWER, news), LATE)
    assert plan_sends(world.settings, rules(ANSWER, news), LATE) == {"sent": 7, "no_consent": 1}
    changed = rules(ANSWER.model_copy(update={"category": "marketing"}), TRIGGER.model_copy(update={"step": "step"}))
    world.recompute(changed, LATE)
    world.facts(
        lambda connection: add_event(
            connection, "mail_unsubscribe", LATE, email="leaves@example.com", mail_kind="trigger"
        )
    )
    world.clock(LATE)
    deliver_sends(world.settings, changed, LATE)
    assert world.ledger("select step, email, state_reason from sends where state = 'cancelled' order by all") == [
        ("answer", "none@example.com", "no_consent"),
        ("step", "leaves@example.com", "opted_out"),
        ("step", "out@example.com", "opted_out"),
    ]
    assert len(world.accepted()) == 4


def test_two_leads_of_one_address_get_one_mail(world: World) -> None:
    world.facts(lambda connection: [lead(connection, f"{name}@example.com", "marketing") for name in "ab"])
    assert world.send(rules(TRIGGER), at(1, hours=1)) == {}

    def tell(connection):
        for name in "ab":
            connection.execute(
                "insert into lead_records values (?, 'crm', 'crm:1', ?, null, ?, ?, map {}, null)",
                [name, f"{name}@example.com", START, at(1, hours=1.5)],
            )

    world.facts(tell)
    assert world.send(rules(TRIGGER), LATE) == {"sent": 1, "duplicate_address": 1}
    assert len(world.accepted()) == 1
