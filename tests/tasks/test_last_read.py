"""An opt-out that is committed before a request's last read is honoured in that request; one that lands later is not.

Where the last read is (``tasks/delivery.py``): the mails of a run are claimed ``PAGE_SIZE`` at a time, in the order in
which they were planned, and the claim is the read; the requests of a page follow without another look, unless the
provider made them wait, for then what is left is claimed once more. So an opt-out that comes while a request is under
way stops whoever stands on a later page, and is too late for those of the same one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rules.models import RuleSet
from sandbox.sendgrid import Fault
from tasks.clients.sources.config import load_sources
from tasks.pull import pull_source
from tasks.send import deliver_sends, plan_sends
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.prefect_server import wait_for
from tests.rule_sets import DOWNLOAD, rule_set, step
from tests.world import World, stand_in

PAGE = 9
WAIT_SECONDS = 4
STEPS = 4
LEADS = [
    f"{kind}{number}" for number in range(STEPS) for kind in ("stays", "listed", "leaves", "complains", "withdraws")
]
SOURCES = """\
sources:
  - name: opt_outs
    kind: file
    path: {home}/opt_outs.csv
    into: suppressions
    constants: {{blocks: marketing, reason: opt_out}}
    columns: {{email: mail, occurred_at: at}}
  - name: consents
    kind: file
    path: {home}/consents.csv
    into: consents
    constants: {{basis: opt_in_form}}
    columns: {{email: mail, is_granted: granted, occurred_at: at}}
  - name: mail_events
    kind: file
    path: {home}/mail_events.jsonl
    format: sendgrid_events
    into: events
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "sources.yaml").write_text(SOURCES.format(home=tmp_path), encoding="utf-8")
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server, sources=tmp_path / "sources.yaml", sendgrid_timeout_seconds=20)


def asked() -> RuleSet:
    """Each lead gets one of the mails, and each mail is a request of its own."""
    steps = [
        step(
            f"s{number}", DOWNLOAD.model_copy(update={"asset": f"paper-{number}"}), segment="everyone", priority=number
        )
        for number in range(STEPS)
    ]
    return rule_set(steps=steps, active_from=START)


def prepare(world: World, rules: RuleSet) -> None:
    """Everybody has done something and is to get a mail, and consents to it."""

    def add(connection):
        for lead in LEADS:
            email = f"{lead}@example.com"
            add_lead(connection, email)
            add_consent(connection, email)
            add_event(connection, "document_download", at(1), email=email, asset=f"paper-{lead[-1]}")

    world.facts(add)
    world.clock(at(1))
    world.recompute(rules, at(1))
    assert plan_sends(world.settings, rules, at(1)) == {"sent": len(LEADS)}


def opt_out(world: World, rules: RuleSet) -> None:
    """Some of every mail's leads will have no more, each kind by a way of its own, and a pull takes it up."""
    now = at(1).isoformat()
    mails = {kind: [f"{kind}{number}@example.com" for number in range(STEPS)] for kind in ("listed", "withdraws")}
    (world.home / "opt_outs.csv").write_text("mail,at\n" + "".join(f"{mail},{now}\n" for mail in mails["listed"]))
    rows = "".join(f"{mail},false,{now}\n" for mail in mails["withdraws"])
    (world.home / "consents.csv").write_text("mail,granted,at\n" + rows)
    events = [
        {"event": event, "email": f"{kind}{number}@example.com", "timestamp": int(at(1).timestamp()),
         "sg_event_id": f"{event}-{number}"}
        for kind, event in (("leaves", "unsubscribe"), ("complains", "spamreport")) for number in range(STEPS)
    ]  # fmt: skip
    (world.home / "mail_events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    sources = load_sources(world.settings.sources, rules.fields)
    reports = [pull_source(world.settings, source, at(1)) for source in sources]
    assert [(report.error, report.counts.rows_loaded) for report in reports] == [
        (None, STEPS), (None, STEPS), (None, 2 * STEPS),
    ]  # fmt: skip


def deliver_meanwhile(world: World, rules: RuleSet, fault: Fault, do: Callable[[], object]) -> None:
    """Deliver, and do something while the first request hangs, or while it is waited after it."""
    world.stand_in.faults.set([fault])
    with ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(deliver_sends, world.settings, rules, at(1))
        wait_for(lambda: not world.stand_in.faults._waiting or None, 30, "the first request", world.home)
        do()
        assert world.accepted() == [], "it was not waited for long enough"
        assert not delivery.done()
        delivery.result()


def assert_only_these_went(world: World, went: set[str]) -> None:
    """Theirs went, and every other's was cancelled for its reason."""
    assert sorted(mail["to"] for mail in world.accepted()) == sorted(f"{lead}@example.com" for lead in went)
    found = world.ledger("select split_part(email, '@', 1), state, state_reason from sends")
    assert {lead: (state, reason) for lead, state, reason in found} == {
        lead: ("accepted", None)
        if lead in went
        else ("cancelled", "suppressed" if lead.startswith("complains") else "opted_out")
        for lead in LEADS
    }


def test_an_opt_out_before_the_last_read_cancels_and_one_after_it_is_too_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request hangs while opt-outs come in: too late for its page, and in time for the pages after it."""
    monkeypatch.setattr("tasks.delivery.PAGE_SIZE", PAGE)
    rules = asked()
    prepare(world, rules)
    first = world.ledger(f"select split_part(email, '@', 1) from sends order by rowid limit {PAGE}")
    deliver_meanwhile(world, rules, Fault("hang", seconds=WAIT_SECONDS), lambda: opt_out(world, rules))

    assert_only_these_went(world, {lead for (lead,) in first} | {lead for lead in LEADS if lead.startswith("stays")})
    assert world.ledger("select distinct decision, is_final from send_decisions") == [("sent", True)]


def test_after_a_wait_what_is_left_is_read_once_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request is not taken for too many requests: nothing has gone, so everybody's opt-out is honoured."""
    monkeypatch.setattr("tasks.delivery.PAGE_SIZE", PAGE)
    rules = asked()
    prepare(world, rules)
    too_many = Fault("status", status=429, headers={"X-RateLimit-Reset": str(WAIT_SECONDS)})
    deliver_meanwhile(world, rules, too_many, lambda: opt_out(world, rules))

    assert_only_these_went(world, {lead for lead in LEADS if lead.startswith("stays")})
