"""The links that end mails: a page that is looked at does nothing, a POST does, and the flows hear of it in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from intake.guard import ASKED_A_MINUTE
from rules.models import RuleSet
from settings import Settings
from tasks.inbox import drain_inbox
from tasks.mail_links import signed_links
from tasks.pull import note_sends
from tasks.send import deliver_sends, plan_sends
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.intake.face import Face, face
from tests.rule_sets import DOWNLOAD, rule_set, step
from tests.world import World

THANKS = step("thanks", DOWNLOAD, segment="everyone")
LATER = step("later", DOWNLOAD, segment="everyone", delay=timedelta(days=1))
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def rules(*steps) -> RuleSet:
    return rule_set(steps=steps or (THANKS, LATER), active_from=START)


@pytest.fixture
def served(world: World) -> Iterator[Face]:
    with face(world.settings, rules(), at(1)) as served:
        yield served


def lead(world: World, *names: str) -> None:
    def add(connection):
        for name in names:
            add_lead(connection, f"{name}@example.com")
            add_consent(connection, f"{name}@example.com")
            add_event(connection, "document_download", at(1), email=f"{name}@example.com", asset="guide")

    world.facts(add)


def opt_out_path(world: World, name: str) -> str:
    (mail,) = [mail for mail in world.stand_in.mailbox.mails if mail.to == f"{name}@example.com"]
    return urlsplit(mail.headers["List-Unsubscribe"].strip("<>")).path


def drain(world: World, when) -> int:
    note_sends(world.settings, when)  # what a pull does first, so that it is known whom a send went to
    return drain_inbox(world.settings, rules().fields, when).rows_loaded


def test_one_click_ends_the_mails_of_its_reader_and_of_nobody_else(world: World, served: Face) -> None:
    lead(world, "leaves", "stays")
    world.send(rules(), at(1))
    answer = served.post(opt_out_path(world, "leaves"), ONE_CLICK)
    assert (answer.status, answer.headers.get("location"), answer.headers.get("set-cookie")) == (200, None, None)
    assert "配信を停止しました" in answer.text
    assert drain(world, at(2)) == 1
    assert drain(world, at(2)) == 0
    assert world.send(rules(), at(2, hours=1)) == {"sent": 1, "opted_out": 1}
    assert [mail["to"] for mail in world.accepted()][2:] == ["stays@example.com"]
    assert world.warehouse(
        "select event_type, source, properties['way'], occurred_at from events where event_type = 'mail_unsubscribe'"
    ) == [("mail_unsubscribe", "inbox", "one_click", at(1))]


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "text/plain", ""])
def test_a_post_acts_whatever_it_brings(world: World, served: Face, content_type: str) -> None:
    path = f"/u/{signed_links('', 'secret of the tests').opt_out('S1')}"
    body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    assert served.ask("POST", path, body, {"Content-Type": content_type}).status == 200
    assert drain(world, at(2)) == 1


def test_what_is_only_looked_at_does_nothing(world: World, served: Face) -> None:
    token = signed_links("", "secret of the tests").opt_out("S1")
    for path in (f"/u/{token}", f"/preferences/{token}"):
        shown = served.get(path)
        assert shown.status == 200
        assert '<form method="post">' in shown.text
        assert served.ask("HEAD", path).status == 200
    assert "Unsubscribe" in served.get(f"/u/{token}", accept_language="en-GB,en;q=0.9,ja;q=0.1").text
    assert drain(world, at(2)) == 0
    assert not world.settings.warehouse.exists() or world.warehouse("from events") == []


def test_a_link_that_nobody_signed_is_refused_and_names_nobody(world: World, served: Face) -> None:
    links = signed_links("", "secret of the tests")
    token = links.opt_out("S1")
    stranger = signed_links("", "another secret").opt_out("S1")
    for wrong in (stranger, links.lead("S1"), token[:-1], token + "x", "x", "a" * 5_000, "%00", "%ff%fe"):
        for path in (f"/u/{wrong}", f"/preferences/{wrong}"):
            for answer in (served.get(path), served.post(path, ONE_CLICK)):
                assert answer.status == 404
                assert "このリンクは使えません" in answer.text
    assert drain(world, at(2)) == 0


def test_an_older_key_still_opens_the_links_it_signed(world: World) -> None:
    path = f"/u/{signed_links('', 'the first key').opt_out('S1')}"
    values = world.settings.model_dump() | {
        "secret_key": "the third key",
        "old_secret_keys": "the second, the first key",
    }
    with face(Settings.model_validate(values), rules(), at(1)) as served:
        assert served.post(path, ONE_CLICK).status == 200
        assert served.post(f"/u/{signed_links('', 'the third key').opt_out('S1')}").status == 200
        assert served.post(f"/u/{signed_links('', 'the fourth').opt_out('S1')}").status == 404


def test_preferences_change_what_was_chosen_and_leave_the_rest(world: World, served: Face) -> None:
    lead(world, "chooses")
    world.send(rules(), at(1))
    path = opt_out_path(world, "chooses").replace("/u/", "/preferences/")
    assert "変更はありませんでした" in served.post(path, {"newsletter": "keep"}).text
    assert drain(world, at(1, hours=1)) == 0
    assert served.post(path, {"step": "stop", "trigger": "keep"}).status == 200
    drain(world, at(1, hours=1))
    world.recompute(rules(), at(1, hours=2))
    refusals = "select newsletter_refusal, step_refusal, trigger_refusal from leads"
    assert world.warehouse(refusals) == [(None, "opted_out", None)]
    served.clock.set(at(1, hours=3))
    assert served.post(path, {"step": "resume"}).status == 200
    drain(world, at(1, hours=4))
    world.recompute(rules(), at(1, hours=4))
    assert world.warehouse(refusals) == [(None, None, None)]
    assert served.post(path, {"step": "perhaps"}).status == 422


def test_a_pause_ends_by_itself_and_lifts_no_opt_out(world: World, served: Face) -> None:
    lead(world, "rests", "leaves")
    world.send(rules(), at(1))
    for name in ("rests", "leaves"):
        path = opt_out_path(world, name)
        assert served.post(path.replace("/u/", "/preferences/"), {"pause_days": "30"}).status == 200
    served.clock.set(at(2))
    assert served.post(path, ONE_CLICK).status == 200
    drain(world, at(2))
    refused = "select count(*) from leads where newsletter_refusal = 'opted_out' and step_refusal = 'opted_out'"
    for day, count in ((2, 2), (30.9, 2), (31.1, 1)):
        world.recompute(rules(), at(day))
        assert world.warehouse(refused) == [(count,)], day
    assert served.post(path.replace("/u/", "/preferences/"), {"pause_days": "31"}).status == 422


def test_what_one_corrects_of_oneself_is_known_of_that_lead(world: World, served: Face) -> None:
    lead(world, "moved", "stays")
    world.send(rules(), at(1))
    path = opt_out_path(world, "moved").replace("/u/", "/preferences/")
    assert served.post(path, {"lead.company": " 株式会社ｱﾀﾗｼｲ ", "lead.email": "other@example.com"}).status == 200
    drain(world, at(2))
    world.recompute(rules(), at(2))
    assert world.warehouse("select email, company from leads order by all") == [
        ("moved@example.com", "株式会社アタラシイ"), ("stays@example.com", None),
    ]  # fmt: skip
    for wrong in ("a" * 201, "a\x00b", "a\nb"):
        assert served.post(path, {"lead.company": wrong}).status == 422
    assert drain(world, at(3)) == 0


def test_an_opt_out_that_comes_in_while_mails_leave_is_honoured(world: World, served: Face) -> None:
    lead(world, "first", "second")
    world.recompute(rules(THANKS), at(1))
    assert plan_sends(world.settings, rules(THANKS), at(1)) == {"sent": 2}
    ((send_id,),) = world.ledger("select send_id from sends where email = 'second@example.com'")
    assert served.post(f"/u/{signed_links('', 'secret of the tests').opt_out(send_id)}", ONE_CLICK).status == 200
    deliver_sends(world.settings, rules(THANKS), at(1))
    assert [mail["to"] for mail in world.accepted()] == ["first@example.com"]
    assert world.ledger("select email, state, state_reason from sends where state = 'cancelled'") == [
        ("second@example.com", "cancelled", "opted_out")
    ]


def test_what_comes_in_after_a_runs_instant_waits_for_a_later_run(world: World, served: Face) -> None:
    links = signed_links("", "secret of the tests")
    for hours, send_id in ((0, "S1"), (2, "S2"), (1, "S3")):
        served.clock.set(at(1, hours=hours))
        assert served.post(f"/u/{links.opt_out(send_id)}").status == 200
    assert drain(world, at(1, hours=1)) == 1
    assert drain(world, at(1, hours=2)) == 2
    assert world.warehouse("select count(*), count(distinct send_id) from events") == [(3, 3)]


def test_pages_carry_the_headers_that_keep_browsers_safe(served: Face) -> None:
    answer = served.get("/u/none")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "script" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text


def test_too_much_and_too_often_are_refused_and_nothing_else_is(world: World, served: Face) -> None:
    path = f"/u/{signed_links('', 'secret of the tests').opt_out('S1')}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert served.ask("POST", path, b"a" * 20_000, form).status == 413
    chunked = served.ask("POST", path, iter([b"a" * 9_000, b"b" * 9_000]), form)
    assert chunked.status == 413
    statuses = [served.post(path).status for _ in range(ASKED_A_MINUTE["u"])]
    assert statuses.count(200) == ASKED_A_MINUTE["u"] - 2
    last = served.post(path)
    assert (last.status, last.headers["retry-after"]) == (429, "60")
    assert served.get(path).status == 200
    metrics = served.get("/metrics").text
    assert 'nurture_intake_requests_total{method="POST",route="u",status="429"} 3.0' in metrics
    assert path.rsplit("/", 1)[1] not in metrics
    assert served.get("/healthz").text == "ok\n"
    assert served.ask("PUT", path).status == 405
    assert served.get("/nothing").status == 404


def test_a_provider_may_post_many_readers_opt_outs(served: Face) -> None:
    links = signed_links("", "secret of the tests")
    paths = [f"/u/{links.opt_out(f'S{number}')}" for number in range(ASKED_A_MINUTE["u"] + 5)]
    assert {served.post(path, ONE_CLICK).status for path in paths} == {200}


def test_english_pages_name_the_fields_in_english(served: Face) -> None:
    path = f"/preferences/{signed_links('', 'secret of the tests').opt_out('S1')}"
    assert "Company" in served.get(path, Accept_Language="en").text
    assert "会社名" in served.get(path, Accept_Language="ja").text
