"""Double opt-in: nothing is agreed to until the reader of the mail that asks has pressed its button."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import urlsplit

import pytest

from rules.loader import load_rules
from rules.models import RuleSet, Selector
from tasks.inbox import drain_inbox
from tasks.mail_links import signed_links
from tasks.pull import note_sends
from tests.facts import START, add_event, add_lead, at
from tests.intake.face import Face, face
from tests.rules.workbooks import GUIDE
from tests.world import World

TYPED = {"company": "見本", "name": "見本", "email": "taro@example.com", "consent": "yes", "wording": "ja 2026-11"}


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    rules = load_rules(GUIDE)
    document = rules.forms[0]
    assert document.consent is not None
    double = document.model_copy(update={"consent": document.consent.model_copy(update={"is_double": True})})
    thanks = next(step for step in rules.steps if step.step == "document_thank_you")
    welcome = thanks.model_copy(update={"step": "welcome", "trigger": Selector(event="consent_confirmed")})
    steps = (*rules.steps, welcome)
    return rules.model_copy(update={"forms": (double, *rules.forms[1:]), "steps": steps, "active_from": START})


def drain(world: World, rules: RuleSet, when: datetime) -> None:
    note_sends(world.settings, when)
    drain_inbox(world.settings, rules.fields, when)


def confirm_path(world: World) -> str:
    (mail,) = world.stand_in.mailbox.mails
    assert mail.subject == "【ご確認】ご案内メールの配信を始めます"
    (found,) = re.findall(r"/confirm/[\w.-]+", mail.text)
    assert f'href="{world.settings.public_url}{found}"' in mail.html
    return str(found)


def test_mails_begin_once_the_reader_has_confirmed(world: World, served: Face, rules: RuleSet) -> None:
    answer = served.post("/forms/document", TYPED)
    assert answer.status == 200
    assert "確認のメールをお送りします" in answer.text
    drain(world, rules, at(1.01))
    assert world.warehouse("select count(*) from consent_records") == [(0,)]
    assert world.send(rules, at(1.02))["sent"] == 1
    path = confirm_path(world)

    # looking does nothing, and no other link of a mail confirms
    assert served.get(path).status == 200
    (other,) = re.findall(r"/u/([\w.-]+)", world.stand_in.mailbox.mails[0].headers["List-Unsubscribe"])
    assert served.post(f"/confirm/{other}").status == 404
    drain(world, rules, at(1.03))
    assert world.warehouse("select count(*) from consent_records") == [(0,)]

    served.clock.set(at(1.1))
    answer = served.post(path)
    assert (answer.status, "ありがとうございます" in answer.text) == (200, True)
    drain(world, rules, at(1.15))
    served.clock.set(at(1.17))
    assert served.post(path).status == 200  # once is enough
    drain(world, rules, at(1.2))
    ((email, kind, basis, evidence, stamp),) = world.warehouse(
        "select email, mail_kind, basis, evidence, occurred_at from consent_records"
    )
    assert (email, kind, basis, stamp) == ("taro@example.com", "marketing", "opt_in_form", at(1.1))
    assert "wording 2026-11 (ja): サンプル商事株式会社から" in evidence
    assert "confirmed by the link of mail" in evidence
    world.recompute(rules, at(1.3))
    assert world.warehouse("select count(*) from lead_consents") == [(1,)]
    # what the download called for at once was refused for want of consent; what it calls for later is not
    world.send(rules, at(4.02))
    assert [mail.subject for mail in world.stand_in.mailbox.mails][1:] == [
        "資料をダウンロードいただき、ありがとうございます",  # on the event of the confirmation
        "ご覧いただいた資料に関連する導入事例のご案内",
    ]


def test_a_mail_that_was_not_asked_confirms_nothing(world: World, served: Face, rules: RuleSet) -> None:
    token = signed_links("", world.settings.secret_keys[0]).confirm("S-unknown")
    assert served.post(f"/confirm/{token}").status == 200
    drain(world, rules, at(2))
    assert world.warehouse("select count(*) from consent_records") == [(0,)]


def test_who_missed_the_mail_may_ask_again_but_nobody_is_mailed_all_day(
    world: World, served: Face, rules: RuleSet
) -> None:
    for days, mails in ((1, 1), (1.9, 1), (2.1, 2)):
        served.clock.set(at(days))
        assert served.post("/forms/document", TYPED).status == 200
        drain(world, rules, at(days, minutes=1))
        world.send(rules, at(days, minutes=2))
        assert len(world.stand_in.mailbox.mails) == mails, days


def test_what_is_confirmed_is_what_the_mail_was_about(world: World, rules: RuleSet) -> None:
    document, seminar, *others = rules.forms
    assert document.consent is not None
    narrow = document.consent.model_copy(update={"kinds": ("newsletter",), "version": "narrow"})
    wide = document.consent.model_copy(update={"kinds": ("step", "trigger"), "version": "wide"})
    forms = (
        document.model_copy(update={"consent": narrow}), seminar.model_copy(update={"consent": wide}), *others
    )  # fmt: skip
    both = rules.model_copy(update={"forms": forms})
    with face(world.settings, both, at(1)) as served:
        assert served.post("/forms/document", {**TYPED, "wording": "ja narrow"}).status == 200
        drain(world, both, at(1.01))
        world.send(both, at(1.02))
        served.clock.set(at(1.1))  # somebody who knows the address asks for more
        assert served.post("/forms/seminar", {**TYPED, "wording": "ja wide"}).status == 200
        drain(world, both, at(1.11))
        world.send(both, at(1.12))
        served.clock.set(at(1.2))
        assert served.post(confirm_path(world)).status == 200
    drain(world, both, at(1.3))
    ((kind, evidence),) = world.warehouse("select mail_kind, evidence from consent_records")
    assert (kind, "form document, wording narrow (ja)" in evidence) == ("newsletter", True)


def refusal(world: World, rules: RuleSet, when: datetime) -> object:
    drain(world, rules, when)
    world.recompute(rules, when)
    ((reason,),) = world.warehouse("select trigger_refusal from leads")
    return reason


def test_who_left_comes_back_by_confirming_and_by_no_tick_alone(world: World, served: Face, rules: RuleSet) -> None:
    def act(days: float, path: str, told: dict[str, str] | None = None) -> object:
        served.clock.set(at(days))
        assert served.post(path, told).status == 200
        return refusal(world, rules, at(days, minutes=1))

    assert act(1, "/forms/document", TYPED) == "no_consent"
    world.send(rules, at(1, minutes=2))
    leave = urlsplit(world.stand_in.mailbox.mails[0].headers["List-Unsubscribe"].strip("<>")).path
    confirm = confirm_path(world)
    assert act(1.1, confirm) is None
    assert act(1.2, leave) == "opted_out"
    assert act(1.3, confirm) == "opted_out", "an old button"
    assert act(3, "/forms/seminar", TYPED) == "opted_out", "anybody can tick a box"
    assert act(4, "/forms/document", TYPED) == "opted_out"
    world.send(rules, at(4, minutes=2))
    (again,) = re.findall(r"/confirm/[\w.-]+", world.stand_in.mailbox.mails[-1].text)
    assert again != confirm
    assert act(4.1, again) is None


def test_an_event_that_does_not_say_what_was_asked_asks_nothing(world: World, served: Face, rules: RuleSet) -> None:
    world.facts(lambda connection: add_lead(connection, "taro@example.com"))
    world.facts(lambda connection: add_event(connection, "consent_asked", at(1), email="taro@example.com"))
    world.send(rules, at(1, minutes=1))
    served.clock.set(at(1.1))
    assert served.post(confirm_path(world)).status == 200
    assert served.post("/forms/seminar", TYPED).status == 200
    drain(world, rules, at(1.2))
    assert world.warehouse("select evidence from consent_records where evidence not like '%form seminar%'") == []
    assert world.warehouse("select count(*) from consent_records") == [(1,)], "what came in beside it is loaded"
