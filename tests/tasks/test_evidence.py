"""What SendGrid knows and its events have not told: pulled over HTTP before anybody is mailed."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.daily_handoff_and_kpi import daily_handoff_and_kpi
from flows.nurture_cycle import nurture_cycle
from flows.send_scenarios import send_scenarios
from rules.models import RuleSet, UnsubscribeGroup
from sandbox.sendgrid import Fault, RateLimit
from settings import Settings
from tasks import evidence
from tasks.clients import sendgrid_records
from tasks.clients.sendgrid_records import RecordsError, SendGridRecords
from tasks.clients.transport import Transport
from tasks.errors import RunError
from tasks.evidence import Evidence, pull_evidence
from tasks.pull import pull_sources
from tasks.send import deliver_sends, plan_sends
from tests.company import SmallCompany
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import DOWNLOAD, rule_set, step
from tests.tasks.clients.raw_server import Peer, RawServer
from tests.world import World, stand_in
from warehouse.connection import open_ledger
from warehouse.log_lookups import Taken, unknown_sends

THANKS = step("thanks", DOWNLOAD, segment="everyone")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def rules(*steps: Any) -> RuleSet:
    return rule_set(steps=steps or (THANKS,), active_from=START)


def lead(world: World, name: str, when: datetime) -> str:
    """Someone who may be mailed and has just downloaded something."""
    email = f"{name}@example.com"

    def add(connection):
        add_lead(connection, email)
        add_consent(connection, email)
        add_event(connection, "document_download", when, email=email, asset="guide")

    world.facts(add)
    return email


def ask(world: World, when: datetime, tell: Any = None) -> Evidence:
    world.clock(when)
    return pull_evidence(world.settings, rules(), when, tell)


def decide(world: World, when: datetime) -> None:
    """What a run does with evidence before it decides; the last recompute is good enough for that."""
    plan_sends(world.settings, rules(), when)


def states(world: World) -> list[tuple[Any, ...]]:
    return world.ledger("select email, state from sends order by all")


def test_every_page_is_read_once_and_a_second_run_adds_nothing(world: World) -> None:
    told = world.stand_in.mailbox.told
    told.add("bounces", [f"gone{number}@example.com" for number in range(1_203)], at(1))
    told.add("spam_reports", ["angry@example.com"], at(2))
    told.add("invalid_emails", ["nowhere@example.com", "no address"], at(3))
    told.add("unsubscribes", ["Leaver@Example.com"], at(4))
    told.add("blocks", ["busy@example.com"], at(4))
    told.add_to_group(7, ["leaver@example.com", "grouped@example.com"], at(4, hours=1))
    assert ask(world, at(5)) == Evidence(suppressions_read=1_209, suppressions_new=1_208)
    assert world.warehouse(
        "select blocks, reason, count(*), min(occurred_at), count(distinct received_at) from suppression_records"
        " where source = 'sendgrid' group by all order by all"
    ) == [
        ("all", "hard_bounce", 1_203, at(1), 1),
        ("all", "invalid_address", 1, at(3), 1),
        ("all", "spam_report", 1, at(2), 1),
        ("marketing", "opt_out", 3, at(4), 1),
    ]
    assert world.warehouse(
        "select email from suppression_records where email like 'leaver%' or email like 'busy%'"
    ) == [
        ("leaver@example.com",),
        ("leaver@example.com",),
    ]
    assert ask(world, at(5)).suppressions_new == 0
    told.add("bounces", ["late@example.com"], at(1) - timedelta(hours=20))
    told.add("bounces", ["too-late@example.com"], at(1) - timedelta(days=3))
    again = ask(world, at(6))
    assert again.suppressions_new == 1
    assert world.warehouse("select count(*) from suppression_records where email = 'late@example.com'") == [(1,)]
    assert world.warehouse("select count(*) from quarantine where source = 'sendgrid'") == [(1,)]


def test_what_is_kept_of_an_erased_person_as_a_hash_brings_no_address_back(world: World) -> None:
    told = world.stand_in.mailbox.told
    told.add_to_group(7, ["Erased@example.com", "partly@example.com", "other@example.com"], at(1))
    told.add("spam_reports", ["erased@example.com"], at(1))

    def erase(connection: Any) -> None:
        for email, blocks in (("erased", ("newsletter", "step", "trigger", "all")), ("partly", ("newsletter",))):
            for word in blocks:
                connection.execute(
                    "insert into suppression_records values (md5($1 || $2), 'erasure', null, null, $2, 'opt_out', $3, $4,"
                    " address_hash($1))",
                    [f"{email}@example.com", word, at(1), at(2)],
                )

    world.facts(erase)
    pulled = "select email, blocks from suppression_records where source = 'sendgrid' order by all"
    assert ask(world, at(3)).suppressions_new == 2
    assert world.warehouse(pulled) == [("other@example.com", "marketing"), ("partly@example.com", "marketing")]
    told.add("bounces", ["erased@example.com"], at(3))
    assert ask(world, at(4)).suppressions_new == 1, "it came about after the erasure"
    assert world.warehouse(pulled)[0] == ("erased@example.com", "all")


def test_a_run_that_dies_between_the_lists_has_taken_none_and_the_next_takes_all(world: World) -> None:
    world.stand_in.mailbox.told.add("bounces", ["gone@example.com"], at(1))
    world.stand_in.mailbox.told.add("unsubscribes", ["leaver@example.com"], at(1))
    world.stand_in.faults.set([Fault("status", status=400, path="/v3/suppression/unsubscribes")])
    with pytest.raises(RecordsError, match="suppression/unsubscribes were read: it does not understand"):
        ask(world, at(2))
    assert world.warehouse("select count(*) from suppression_records") == [(0,)]
    assert ask(world, at(2)).suppressions_new == 2


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("path", "permission"), [("/v3/suppression", "suppression.read"), ("/v3/asm", "asm.groups.read")]
)
def test_a_key_that_may_not_read_them_is_refused_with_the_permission_it_lacks(
    world: World, status: int, path: str, permission: str
) -> None:
    world.stand_in.faults.set([Fault("status", status=status, path=path)])
    with pytest.raises(RecordsError, match=f"answered {status}.*{permission}") as failure:
        ask(world, at(1))
    assert failure.value.is_refused
    assert "SG.test" not in str(failure.value)


def test_what_passes_is_waited_for_and_what_does_not_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.stand_in.mailbox.told.add("bounces", ["gone@example.com"], at(1))
    world.stand_in.faults.set(
        [
            Fault("status", status=429, headers={"X-RateLimit-Reset": "0.1"}, times=2, path="/v3/suppression/bounces"),
            Fault("status", status=503, path="/v3/suppression/spam_reports"),
            Fault("reset_before", path="/v3/suppression/unsubscribes"),
            Fault("reset_after", path="/v3/asm"),
        ]
    )
    assert ask(world, at(2)).suppressions_new == 1
    world.stand_in.faults.set([Fault("status", status=500, times=3, path="/v3/suppression")])
    with pytest.raises(RecordsError, match="answered 500"):
        ask(world, at(2))
    world.stand_in.faults.set([Fault("hang", seconds=30, times=3, path="/v3/suppression")])
    slow = world.settings.model_copy(update={"sendgrid_timeout_seconds": 0.1})
    with pytest.raises(RecordsError, match="could not be reached"):
        pull_evidence(slow, rules(), at(2))
    world.stand_in.faults.set([])
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(RecordsError, match="could not be reached"):
        SendGridRecords(f"http://127.0.0.1:{port}", "SG.test", 1).suppressions("bounces", None)


def test_pages_that_are_all_alike_are_an_error_and_no_endless_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = SendGridRecords(world.stand_in.url, "SG.test", 5)
    page = [{"email": f"a{number}@example.com", "created": 1} for number in range(sendgrid_records.PAGE_SIZE)]
    monkeypatch.setattr(client, "_ask", lambda *_, **__: page)
    with pytest.raises(RecordsError, match="alike"):
        client.suppressions("bounces", None)
    monkeypatch.setattr(client, "_ask", lambda *_, **__: {"result": "a proxy's"})
    with pytest.raises(RecordsError, match="something else"):
        client.suppressions("bounces", None)


@pytest.mark.parametrize("key", ["SG.line\n", "SG.鍵"])
def test_a_key_that_no_header_can_hold_is_not_shown(world: World, key: str) -> None:
    with pytest.raises(RecordsError, match="check the API key") as failure:
        SendGridRecords(world.stand_in.url, key, 5).suppressions("bounces", None)
    assert "SG." not in str(failure.value)
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


def test_a_key_is_without_the_spaces_around_it(world: World) -> None:
    values = {"home": world.home, "sendgrid_host": world.stand_in.url}
    key = Settings(**values, sendgrid_api_key=" SG.test\n").sendgrid_api_key
    assert key is not None
    assert key.get_secret_value() == "SG.test"
    assert Settings(**values, sendgrid_api_key="\n").sendgrid_api_key is None


def test_a_redirect_hands_the_key_to_nobody_and_is_no_empty_list(caplog: pytest.LogCaptureFixture) -> None:
    def redirect(peer: Peer) -> None:
        peer.read_head()
        peer.answer("302 Found", Location=f"{other.url}/v3/suppression/bounces")

    def know_nobody(peer: Peer) -> None:
        peer.read_head()
        peer.answer("200 OK", b"[]")

    with RawServer(know_nobody) as other, RawServer(redirect) as server:
        client = SendGridRecords(server.url, "SG.test", 5)
        for name in ("", "python_http_client"):
            caplog.set_level(logging.DEBUG, logger=name)
        with pytest.raises(RecordsError, match=r"answered 302.*not followed"):
            client.suppressions("bounces", None)
        assert other.connections == 0
    assert "SG.test" not in caplog.text


def test_nothing_is_asked_where_nobody_could_be_mailed(world: World) -> None:
    world.stand_in.faults.set([Fault("status", status=403, times=50, path="/v3/")])
    far = world.settings.model_copy(update={"sendgrid_host": "https://api.sendgrid.com"})
    assert far.effective_delivery == "off"
    assert pull_evidence(far, rules(), at(1)) == Evidence()
    live = far.model_copy(update={"delivery": "live"})
    assert pull_evidence(live, rules(), at(1)) == Evidence(), "an instant long past: nobody is mailed for it"
    no_key = live.model_copy(update={"sendgrid_api_key": None})
    assert pull_evidence(no_key, rules(), datetime.now(UTC)) == Evidence()


def test_a_suppression_pulled_right_before_delivery_cancels_in_that_run(world: World) -> None:
    for name in ("stays", "leaves", "bounced"):
        lead(world, name, at(1))
    world.clock(at(1))
    world.recompute(rules(), at(1))
    assert plan_sends(world.settings, rules(), at(1)) == {"sent": 3}
    world.stand_in.mailbox.told.add_to_group(3, ["leaves@example.com"], at(1))
    world.stand_in.mailbox.told.add("bounces", ["BOUNCED@example.com"], at(0.5))
    assert ask(world, at(1)).suppressions_new == 2
    deliver_sends(world.settings, rules(), at(1))
    assert [mail["to"] for mail in world.accepted()] == ["stays@example.com"]
    assert world.ledger("select email, state, state_reason from sends where state = 'cancelled' order by all") == [
        ("bounced@example.com", "cancelled", "suppressed"),
        ("leaves@example.com", "cancelled", "opted_out"),
    ]
    world.recompute(rules(), at(1.5))
    assert world.warehouse("select distinct reason from lead_suppressions order by all") == [
        ("hard_bounce",),
        ("opt_out",),
    ]


def test_a_group_that_was_left_stops_the_kind_of_mail_that_the_rules_say_it_is(world: World) -> None:
    told = world.stand_in.mailbox.told
    told.add_to_group(7, ["leaver@example.com"], at(1))
    told.add_to_group(8, ["other@example.com"], at(1))
    asked = rules()
    groups = (UnsubscribeGroup(id=7, kind="newsletter"),)
    named = asked.model_copy(update={"delivery": asked.delivery.model_copy(update={"unsubscribe_groups": groups})})
    world.clock(at(2))
    assert pull_evidence(world.settings, named, at(2)).suppressions_new == 2
    assert world.warehouse("select email, blocks from suppression_records order by all") == [
        ("leaver@example.com", "newsletter"), ("other@example.com", "marketing"),
    ]  # fmt: skip


def test_an_unknown_send_is_resolved_by_the_logs_and_never_goes_again(world: World) -> None:
    for name in ("a", "bounce-b", "drop-c"):
        lead(world, name, at(1))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(1))
    assert {state for _, state in states(world)} == {"unknown"}
    told: list[str] = []
    asked = ask(world, at(1, hours=1), told.append)
    assert (asked.sends_asked, asked.sends_found) == (3, 3)
    assert told == [
        "SendGrid's suppressions: 2 new",
        "SendGrid's logs: 3 of 3 unknown mails found",
    ]
    # even before the next recompute
    decide(world, at(1, hours=1))
    assert states(world) == [
        ("a@example.com", "delivered"),
        ("bounce-b@example.com", "bounced"),
        ("drop-c@example.com", "dropped"),
    ]
    world.send(rules(), at(3))
    assert len(world.accepted()) == 3
    assert ask(world, at(3)).sends_asked == 0


def test_the_logs_and_the_webhook_tell_one_event(world: World) -> None:
    lead(world, "a", at(1))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(1))
    ask(world, at(1, hours=1))
    archive = world.home / "archive.yaml"
    archive.write_text(
        f"sources: [{{name: archive, kind: file, path: {world.home}/sandbox/events.jsonl, format: sendgrid_events, "
        "into: events}]\n"
    )
    pulling = world.settings.model_copy(update={"sources": archive})
    (report,) = pull_sources(pulling, at(2), fields=rules().fields).sources
    assert (report.error, report.counts.rows_loaded, report.counts.rows_known) == (None, 0, 2)
    ((send_id,),) = world.ledger("select send_id from sends")
    assert world.warehouse(
        "select event_type, source, send_id, email from events where source != 'web' and source != 'ledger' order by all"
    ) == [
        ("mail_delivered", "sendgrid_logs", send_id, "a@example.com"),
        ("mail_processed", "sendgrid_logs", send_id, "a@example.com"),
    ]


def test_logs_that_know_a_mail_without_its_events_are_evidence_enough(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead(world, "a", at(1))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(1))
    shown = SendGridRecords.message

    def bare(self: SendGridRecords, sg_message_id: str) -> dict[str, Any] | None:
        return {
            **(shown(self, sg_message_id) or {}),
            "events": [{"event": "received", "sg_event_id": "x", "timestamp": 1}],
        }

    monkeypatch.setattr(SendGridRecords, "message", bare)
    ask(world, at(1, hours=1))
    decide(world, at(1, hours=1))
    assert states(world) == [("a@example.com", "accepted")]
    assert world.ledger("select sent_at from sends") == [(at(1),)]


def silent_world(world: World, *, with_witnesses: bool = True) -> None:
    """One mail was never taken; others were, before it and two days after."""
    world.stand_in.faults.set([])
    if with_witnesses:
        lead(world, "before", at(0.5))
        world.send(rules(), at(0.5))
    lead(world, "lost", at(1))
    world.stand_in.faults.set([Fault("reset_before")])
    world.send(rules(), at(1))
    assert ("lost@example.com", "unknown") in states(world)


def test_logs_that_do_not_know_a_send_release_it_only_after_its_grace_and_once_they_prove_themselves(
    world: World,
) -> None:
    silent_world(world)
    assert ask(world, at(1, hours=1)).sends_asked == 1
    assert ask(world, at(1, hours=1.5)).sends_asked == 0, "left alone for an hour"
    ask(world, at(2))
    decide(world, at(2))
    assert ("lost@example.com", "unknown") in states(world), "its grace period is not over"
    ask(world, at(2.2))
    decide(world, at(2.2))
    assert ("lost@example.com", "unknown") in states(world), "they know no mail from after its grace period"
    lead(world, "after", at(2.3))
    world.send(rules(), at(2.3))
    assert world.warehouse("select count(*) from send_outcomes") == [(0,)], "no webhook at all"
    world.stand_in.logs.lag = timedelta(hours=12)
    ask(world, at(2.4))
    decide(world, at(2.4))
    assert ("lost@example.com", "unknown") in states(world), "they lag behind"
    world.stand_in.logs.lag = timedelta()
    ask(world, at(2.5))
    world.send(rules(), at(2.5))
    assert ("lost@example.com", "accepted") in states(world)
    assert [mail["to"] for mail in world.accepted()].count("lost@example.com") == 1


def test_the_witnesses_are_the_last_mail_before_a_send_and_the_first_after_its_grace_period(world: World) -> None:
    with open_ledger(world.settings) as ledger:
        for hours in (1, 2, 5, 31, 30, 3):
            ledger.execute(
                """
                insert into sends by name
                select
                    send_number($id, 'guide', 'thanks', 1) as send_number, $id as send_id, $id as lead_id,
                    'guide' as scenario, 'thanks' as step, 'default' as variant, 1 as occurrence, '' as segment, 'marketing' as category, if($id = '3', 'unknown', 'accepted') as state,
                    $id || '@example.com' as email, $at as due_at, $at as planned_at, if($id != '3', 'm' || $id, null) as message_id,
                    if($id != '3', $at, null) as sent_at, $at as state_changed_at, 'v' as rule_set_version
                """,
                {"id": str(hours), "at": at(0, hours=hours)},
            )
        (found,) = unknown_sends(ledger, at(2), timedelta(hours=25), 9)
        (early,) = unknown_sends(ledger, at(1), timedelta(hours=25), 9)
    assert found.is_past_grace
    assert found.witness_before == Taken("2@example.com", "m2", at(0, hours=2))
    assert found.witness_after == Taken("30@example.com", "m30", at(0, hours=30))
    assert (early.is_past_grace, early.witness_before, early.witness_after) == (False, None, None)


def test_logs_of_another_account_prove_nothing(world: World, tmp_path: Path) -> None:
    silent_world(world)
    with stand_in(tmp_path / "other") as other:
        changed = World(world.home, other)
        lead(changed, "after", at(2.3))
        changed.send(rules(), at(2.3))
        assert ("after@example.com", "accepted") in states(world)
        other.clock.set(at(2.4))
        assert pull_evidence(changed.settings, rules(), at(2.4)).sends_asked == 1
    decide(world, at(2.4))
    assert ("lost@example.com", "unknown") in states(world)


def test_a_send_that_the_logs_find_late_is_not_released_by_an_earlier_silence(world: World) -> None:
    lead(world, "taken", at(1))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(1))
    world.stand_in.logs.lag = timedelta(hours=2)
    assert ask(world, at(1, hours=1)) == Evidence(sends_asked=1)
    assert ask(world, at(2.4)).sends_found == 1
    decide(world, at(2.4))
    assert states(world) == [("taken@example.com", "delivered")]
    assert len(world.accepted()) == 1


def test_what_the_logs_told_is_no_sign_that_events_come_in_by_themselves(world: World) -> None:
    silent_world(world, with_witnesses=False)
    lead(world, "found", at(2.5))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(2.5))
    ask(world, at(2.6))
    world.send(rules(), at(2.7))
    assert states(world) == [("found@example.com", "delivered"), ("lost@example.com", "unknown")]


def test_logs_that_cannot_be_read_are_told_and_stop_nobody(world: World) -> None:
    silent_world(world)
    world.stand_in.faults.set([Fault("status", status=403, path="/v3/logs")])
    told: list[str] = []
    assert ask(world, at(1, hours=1), told.append) == Evidence()
    assert len(told) == 1
    assert "email_activity.read" in told[0]
    assert world.ledger("select count(*) from log_lookups") == [(0,)]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=429, headers={"X-RateLimit-Reset": "60"}, times=9, path="/v3/logs"),
        Fault("status", status=503, times=9, path="/v3/logs"),
    ],
    ids=["rate limit", "outage"],
)
def test_logs_are_waited_for_no_longer_than_lookups_may_take(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    silent_world(world, with_witnesses=False)
    monkeypatch.setattr(evidence, "LOOKUP_SECONDS", 0.3)
    monkeypatch.setattr(sendgrid_records, "MAX_TRIES", 9)
    world.stand_in.faults.set([fault])
    told: list[str] = []
    began = time.monotonic()
    assert ask(world, at(1, hours=1), told.append) == Evidence()
    assert time.monotonic() - began < 5
    assert f"answered {fault.status}" in told[0]
    assert ("lost@example.com", "unknown") in states(world)


def test_what_a_run_that_died_left_behind_is_asked_for_by_the_next(world: World) -> None:
    lead(world, "a", at(1))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(1))
    with open_ledger(world.settings) as ledger:
        ledger.execute("update sends set state = 'sending'")
        ledger.execute("update attempts set outcome = 'sending'")
    assert ask(world, at(1, hours=1)) == Evidence(sends_asked=1, sends_found=1)


def test_no_address_stands_in_a_url(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    urls: list[str] = []
    requested = Transport.request

    def note(self: Transport, method: str, url: str, *args: Any) -> Any:
        urls.append(url)
        return requested(self, method, url, *args)

    monkeypatch.setattr(Transport, "request", note)
    lead(world, "a", at(1))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(1))
    ask(world, at(1, hours=1))
    paths = {url.removeprefix(world.stand_in.url).partition("?")[0] for url in urls}
    assert {"/v3/suppression/bounces", "/v3/asm/suppressions", "/v3/logs"} <= paths
    assert not any("@" in url or "%40" in url or "example.com" in url for url in urls)


def test_many_unknown_sends_are_looked_for_a_part_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_LOOKUPS", 2)
    for name in ("a", "b", "c"):
        lead(world, name, at(1))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(1))
    assert [ask(world, at(1, hours=1)).sends_found for _ in range(3)] == [2, 1, 0]


def test_events_that_are_silent_release_nothing_the_logs_were_not_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("taken", "taken-too"):
        lead(world, name, at(1))
    world.stand_in.faults.set([Fault("reset_after")])
    world.send(rules(), at(1))
    later = lead(world, "later", at(2.5))
    world.send(rules(), at(2.5))
    # the webhook lost what became of the first two, and tells of mails sent after their grace period
    ((send_id,),) = world.ledger(f"select send_id from sends where email = '{later}'")
    world.facts(lambda connection: add_event(connection, "mail_processed", at(2.5), email=later, send_id=send_id))
    world.recompute(rules(), at(2.6))
    monkeypatch.setattr(evidence, "MOST_LOOKUPS", 1)
    for when in (at(2.6), at(2.7)):
        assert ask(world, when).sends_found == 1
        decide(world, when)
        assert {state for _, state in states(world)} <= {"delivered", "accepted", "unknown"}, "none is released"
    assert [state for _, state in states(world)] == ["accepted", "delivered", "delivered"]


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SmallCompany, Any]]:
    """A company with one lead to be mailed, and its provider."""
    made = SmallCompany(tmp_path / "home", active_from=START)
    mail = made.contact("ichiro", START)
    made.event("consultation_request", mail, at(1, hours=2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    with stand_in(made.home) as server:
        server.clock.set(at(1, hours=3))
        for name, value in made.environment(server).items():
            monkeypatch.setenv(name, value)
        yield made, server


def test_the_flows_mail_nobody_while_suppressions_are_silent_and_do_the_rest(company: Any) -> None:
    made, server = company
    server.faults.set([Fault("status", status=403, times=9, path="/v3/suppression")])
    with pytest.raises(RunError, match=r"suppression\.read"):
        nurture_cycle.fn(as_of=at(1, hours=3))
    assert (made.home / "sfa.db").exists(), "sales hears of its leads all the same"
    with pytest.raises(RunError, match=r"suppression\.read"):
        send_scenarios.fn(as_of=at(1, hours=3))
    with pytest.raises(RunError, match=r"suppression\.read"):
        daily_handoff_and_kpi.fn(as_of=at(1, hours=3))
    assert (made.home / "kpi.duckdb").exists(), "the figures are published all the same"
    assert [mail for mail in server.mailbox.mails if mail.to == "ichiro@example.com"] == []
    server.mailbox.told.add("bounces", ["ichiro@example.com"], at(1))
    server.faults.set([])
    result = nurture_cycle.fn(as_of=at(1, hours=4))
    assert result["decisions"] == {"suppressed": 1}


def test_the_rate_limit_of_reading_is_obeyed(tmp_path: Path) -> None:
    with stand_in(tmp_path, rate_limit=RateLimit(requests=1, seconds=0.6)) as server:
        world = World(tmp_path, server)
        server.mailbox.told.add("bounces", [f"gone{number}@example.com" for number in range(501)], at(1))
        assert ask(world, at(2)).suppressions_new == 501
