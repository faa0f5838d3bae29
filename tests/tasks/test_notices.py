"""Sales is reminded, its managers are told, and what nobody called goes to someone else: each once, and not in vain."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr

from rules.models import Days, Handoff, Manager, Owner, Route, RuleSet, SalesAction
from sandbox.mailbox import Mail
from sandbox.sendgrid import Fault
from tasks.dashboard import write_dashboard
from tasks.errors import RunError
from tasks.handoff import plan_handoffs
from tasks.notices import plan_digests, send_notices
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import CONSULTATION, SEMINAR, rule_set
from tests.world import World, stand_in
from warehouse.connection import open_ledger
from warehouse.publish import publish

SATO = Owner(id="sato", name="佐藤", email="sato@example.com", manager="north")
SUZUKI = Owner(id="suzuki", name="鈴木", email="suzuki@example.com")
MANAGERS = (
    Manager(id="south", name="南", email="south@example.com"),
    Manager(id="north", name="北", email="north@example.com"),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def owner(name: str) -> Owner:
    return Owner(id=name, name=name, email=f"{name}@example.com")


def rules_of(*owners: Owner, **handoff: object) -> RuleSet:
    """Limits of 48 and 72 hours, a reminder 6 hours before the first."""
    values = {"owners": owners or (SATO, SUZUKI), "managers": MANAGERS, "remind_before_hours": 6, "sender": "marketing"}
    return rule_set(active_from=START, handoff=Handoff.model_validate(values | handoff))


def ask(world: World, *names: str, when: datetime = at(1)) -> None:
    def add(connection) -> None:
        for name in names:
            add_lead(connection, f"{name}@lead.example", company="株式会社山田", name=name)
            add_event(connection, "consultation_request", when, email=f"{name}@lead.example")

    world.facts(add)


def run(world: World, rules: RuleSet, as_of: datetime) -> None:
    """Recompute, decide and tell, without an SFA."""
    world.clock(as_of)
    world.recompute(rules, as_of)
    plan_handoffs(world.settings, rules, as_of)
    send_notices(world.settings, rules, as_of)


def follow_up(world: World, when: datetime, status: str) -> None:
    for (handoff_id,) in world.ledger("select handoff_id from handoffs"):

        def add(connection, handoff_id=handoff_id) -> None:
            add_event(connection, "sales_follow_up", when, handoff_id=handoff_id, status=status)

        world.facts(add)


def told(world: World) -> list[tuple]:
    """What was told to whom, in order."""
    return world.ledger(
        "select kind, recipient from notices where state = 'accepted' order by sent_at, kind, recipient"
    )


def addressees(world: World) -> Counter[str]:
    return Counter(mail["to"] for mail in world.accepted())


def test_the_owner_is_reminded_before_the_limit_once_and_the_manager_is_told_once_when_it_is_over(world: World) -> None:
    rules = rules_of()
    ask(world, "a")
    run(world, rules, at(1))
    run(world, rules, at(1, hours=41.9))
    assert told(world) == [("handoff", "sato")]
    for hours in (42, 43, 47.9):
        run(world, rules, at(1, hours=hours))
    assert told(world) == [("handoff", "sato"), ("reminder", "sato")]
    for hours in (48, 49, 72, 73, 96):
        run(world, rules, at(1, hours=hours))
    assert told(world) == [("handoff", "sato"), ("reminder", "sato"), ("escalation", "north")]
    assert addressees(world) == {"sato@example.com": 2, "north@example.com": 1}
    subjects = [mail.subject for mail in world.stand_in.mailbox.mails]
    assert "期限が近づいています" in subjects[1]
    assert "期限超過" in subjects[2]
    assert "株式会社山田" in subjects[2]


@pytest.mark.parametrize("status", ["contacted", "meeting", "won", "lost", "returned"])
def test_nobody_is_reminded_of_a_handoff_that_sales_worked(world: World, status: str) -> None:
    rules = rules_of(reassigns=True)
    ask(world, "a")
    run(world, rules, at(1))
    follow_up(world, at(1.5), status)
    for hours in (42, 48, 72):
        run(world, rules, at(1, hours=hours))
    assert told(world) == [("handoff", "sato")]


def test_to_accept_is_not_to_call(world: World) -> None:
    rules = rules_of()
    ask(world, "a")
    run(world, rules, at(1))
    follow_up(world, at(1.5), "accepted")
    run(world, rules, at(1, hours=42))
    assert told(world) == [("handoff", "sato"), ("reminder", "sato")]


def test_a_reminder_that_waits_for_the_provider_is_given_up_once_sales_has_called(world: World) -> None:
    rules = rules_of()
    ask(world, "a")
    run(world, rules, at(1))
    world.stand_in.faults.set([Fault("status", status=429)])
    with pytest.raises(RunError, match="wait for the next run"):
        run(world, rules, at(1, hours=42))
    world.stand_in.faults.set([])
    follow_up(world, at(1, hours=42.5), "contacted")
    run(world, rules, at(1, hours=43))
    assert told(world) == [("handoff", "sato")]
    assert world.ledger("select state, state_reason from notices where kind = 'reminder'") == [
        ("cancelled", "contacted")
    ]


def test_whoever_is_reminded_too_late_is_told_that_the_limit_is_over_instead(world: World) -> None:
    rules = rules_of()
    ask(world, "a")
    run(world, rules, at(1))
    run(world, rules, at(1, hours=50))
    assert told(world) == [("handoff", "sato"), ("escalation", "north")]


def test_an_owner_without_a_manager_has_the_first_and_where_there_is_none_is_told_again(world: World) -> None:
    ask(world, "a")
    rules = rules_of(SUZUKI)
    run(world, rules, at(1))
    run(world, rules, at(1, hours=48))
    assert told(world)[1] == ("escalation", "south")
    ask(world, "b", when=at(10))
    rules = rules_of(SUZUKI, managers=())
    run(world, rules, at(10))
    run(world, rules, at(10, hours=48))
    assert told(world)[3] == ("escalation", "suzuki")


def test_after_the_second_limit_someone_else_gets_it_once(world: World) -> None:
    rules = rules_of(reassigns=True, remind_before_hours=None)
    ask(world, "a")
    for hours in (0, 48, 71.9):
        run(world, rules, at(1, hours=hours))
    assert told(world) == [("handoff", "sato"), ("escalation", "north")]
    for hours in (72, 72, 73, 100, 140):
        run(world, rules, at(1, hours=hours))
    assert told(world)[2:] == [("reassigned", "suzuki")]
    assert world.ledger("select owner, reassigned_at, due_at, assigned_because from handoffs") == [
        ("suzuki", at(1, hours=72), at(3), "turn")
    ]
    assert world.ledger("select source, owner from handoff_changes") == [("engine", "suzuki")]


def test_without_such_a_rule_it_stays_where_it_is(world: World) -> None:
    rules = rules_of(remind_before_hours=None)
    ask(world, "a")
    for hours in (0, 72):
        run(world, rules, at(1, hours=hours))
    assert world.ledger("select owner, reassigned_at from handoffs") == [("sato", None)]


def test_while_everybody_else_is_away_it_waits_with_its_owner_for_somebody_to_come_back(world: World) -> None:
    # the second limit is over on 5 April, 09:00 in Tokyo
    away = SUZUKI.model_copy(update={"absent": (Days(on="2026-04-01", until="2026-04-05"),)})
    rules = rules_of(SATO, away, reassigns=True, remind_before_hours=None)
    ask(world, "a")
    run(world, rules, at(1))
    before = world.ledger("select owner, turn, assigned_because from handoffs")
    for hours in (72, 73):
        run(world, rules, at(1, hours=hours))
    assert world.ledger("select owner, turn, assigned_because from handoffs") == before
    run(world, rules, at(1, hours=96))
    assert world.ledger("select owner, reassigned_at from handoffs") == [("suzuki", at(5))]
    assert told(world)[-1] == ("reassigned", "suzuki")


def test_each_morning_has_one_list_for_each_who_has_open_handoffs_and_for_the_managers(world: World) -> None:
    rules = rules_of(remind_before_hours=None)
    ask(world, "a", "b")
    assert plan_digests(world.settings, rules, at(0.9)) == 0
    run(world, rules, at(1))
    # 00:36 and 06:59 in Tokyo are too early; 07:00 and 20:00 of the same day; then the next
    days = (at(1.65), at(1, hours=21) + timedelta(minutes=59), at(1, hours=22), at(1.96), at(2.4))
    assert [plan_digests(world.settings, rules, as_of) for as_of in days] == [0, 0, 4, 0, 0]
    send_notices(world.settings, rules, at(2.4))
    assert plan_digests(world.settings, rules, at(2.95)) == 4
    send_notices(world.settings, rules, at(2.95))
    send_notices(world.settings, rules, at(2.95))
    everybody = {f"{name}@example.com" for name in ("sato", "suzuki", "north", "south")}
    mails = [mail for mail in world.stand_in.mailbox.mails if "本日の対応" in mail.subject]
    assert Counter(mail.to for mail in mails) == dict.fromkeys(everybody, 2)
    of_sato = next(mail for mail in mails if mail.to == "sato@example.com")
    of_north = next(mail for mail in mails if mail.to == "north@example.com")
    assert "対応中 1件" in of_sato.subject
    assert "対応中 2件" in of_north.subject
    follow_up(world, at(3), "won")
    run(world, rules, at(3.5))
    # the managers' holds the figures as well
    assert plan_digests(world.settings, rules, at(3.95)) == len(MANAGERS)
    send_notices(world.settings, rules, at(3.95))
    last = world.stand_in.mailbox.mails[-1]
    assert last.subject == "【本日の対応】対応中のリードはありません"
    assert "営業に引き継いで対応中のリードは、いまありません。" in last.text


def test_whoever_has_none_left_is_not_told_that_nobody_has(world: World) -> None:
    rules = rules_of(remind_before_hours=None)
    ask(world, "a", "b")
    run(world, rules, at(1))
    assert plan_digests(world.settings, rules, at(1.95)) == 4
    # the list waits for the provider, and meanwhile one of two is answered
    ((of_sato,),) = world.ledger("select handoff_id from handoffs where owner = 'sato'")
    world.facts(lambda connection: add_event(connection, "sales_follow_up", at(1.96), handoff_id=of_sato, status="won"))
    run(world, rules, at(2))
    lists = {mail.to: mail.text for mail in world.stand_in.mailbox.mails if "本日の対応" in mail.subject}
    assert "あなたが対応中のリードは、いまありません。" in lists["sato@example.com"]
    assert "引き継いだリードの一覧です。" in lists["suzuki@example.com"]


def test_a_manager_who_is_an_owner_too_gets_the_list_of_all(world: World) -> None:
    rules = rules_of(
        managers=(Manager(id="suzuki", name="鈴木", email="suzuki@example.com"),), remind_before_hours=None
    )
    ask(world, "a")
    run(world, rules, at(1))
    assert world.ledger("select owner from handoffs") == [("sato",)]
    assert plan_digests(world.settings, rules, at(1.95)) == 2
    send_notices(world.settings, rules, at(1.95))
    lists = {mail.to: mail for mail in world.stand_in.mailbox.mails if "本日の対応" in mail.subject}
    assert "対応中 1件" in lists["suzuki@example.com"].subject
    assert "担当 佐藤" in lists["suzuki@example.com"].text


def test_lists_go_out_from_the_time_of_day_that_the_rules_name(world: World) -> None:
    rules = rules_of(digest_at="18:30")
    ask(world, "a")
    run(world, rules, at(1))
    half_past_six = at(1, hours=9) + timedelta(minutes=30)
    times = (half_past_six - timedelta(minutes=1), half_past_six, half_past_six + timedelta(hours=5))
    assert [plan_digests(world.settings, rules, as_of) for as_of in times] == [0, 3, 0]
    # what could not be sent is given up when its day is over, before the next one's time has come
    assert plan_digests(world.settings, rules, at(1.7)) == 0
    assert set(world.ledger("select state, state_reason from notices where kind = 'digest'")) == {
        ("cancelled", "superseded")
    }


def test_the_managers_morning_mail_shows_the_main_chart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_of(remind_before_hours=None)
    ask(world, "a")
    run(world, rules, at(1))
    publish(world.settings, at(1))
    with duckdb.connect(str(world.settings.published)) as connection:
        connection.execute(
            "insert into kpi_mail_daily by name select date '2026-04-01' as date, 'guide' as scenario, 'thanks' as step,"
            " 'default' as variant, 'everyone' as segment, 40 as targeted, 40 as sent, 40 as delivered, 10 as opened,"
            " 2 as clicked"
        )
    write_dashboard(world.settings)

    def mails_of(day: float) -> dict[str, Mail]:
        world.clock(at(day))
        plan_digests(world.settings, rules, at(day))
        before = len(world.stand_in.mailbox.mails)
        send_notices(world.settings, rules, at(day))
        return {mail.to: mail for mail in world.stand_in.mailbox.mails[before:]}

    mails = mails_of(1.95)
    words = "直近28日の開封率 25.0% (10/40)、クリック率 5.0% (2/40)"
    for name in ("north", "south"):
        mail = mails[f"{name}@example.com"]
        (picture,) = mail.attachments
        assert (picture["type"], picture["disposition"], picture["content_id"]) == ("image/png", "inline", "main-chart")
        assert base64.b64decode(picture["content"]).startswith(b"\x89PNG")
        assert words in mail.text
        assert f'<img src="cid:main-chart" alt="{words}"' in mail.content["text/html"]
        assert f"{world.settings.public_url}/dashboard/" in mail.text
    of_rep = next(mail for to, mail in mails.items() if to.startswith(("sato", "suzuki")))
    assert of_rep.attachments == ()
    assert "開封率" not in of_rep.text
    # the library fails: the words are there
    monkeypatch.setattr("tasks.main_chart.main_chart_png", lambda _: (_ for _ in ()).throw(ValueError("no picture")))
    mail = mails_of(2.95)["north@example.com"]
    assert mail.attachments == ()
    assert words in mail.text
    assert "cid:" not in mail.content["text/html"]
    # nothing that can be read
    world.settings.published.write_bytes(b"nothing")
    mail = mails_of(3.95)["north@example.com"]
    assert "開封率" not in mail.text
    assert "対応中 1件" in mail.subject


def test_two_runs_at_the_same_time_tell_each_once(world: World) -> None:
    rules = rules_of(reassigns=True)
    ask(world, "a", "b", "c")
    world.clock(at(1))
    for as_of in (at(1), at(1, hours=42), at(1, hours=48), at(1, hours=72)):
        world.clock(as_of)
        world.recompute(rules, as_of)

        def once(_: int, as_of: datetime = as_of) -> None:
            plan_handoffs(world.settings, rules, as_of)
            plan_digests(world.settings, rules, as_of)
            send_notices(world.settings, rules, as_of)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(once, range(2)))
    kinds = Counter(world.ledger("select kind, state from notices"))
    for kind in ("handoff", "reminder", "escalation", "reassigned"):
        assert kinds[kind, "accepted"] == 3, kind
    assert {state for _, state in kinds} == {"accepted"}
    assert len(world.accepted()) == sum(kinds.values())


@pytest.mark.parametrize("has_managers", [True, False])
def test_what_a_rep_has_who_left_the_rules_is_the_first_managers_and_never_another_reps(
    world: World, has_managers: bool
) -> None:
    ask(world, "a")
    managers = MANAGERS if has_managers else ()
    run(world, rules_of(SUZUKI, managers=managers), at(1))
    rules = rules_of(owner("tanaka"), managers=managers)
    if has_managers:
        for hours in (42, 48):
            run(world, rules, at(1, hours=hours))
        assert told(world) == [("handoff", "suzuki"), ("reminder", "south"), ("escalation", "south")]
        assert "担当はsuzukiさんですが、担当者の一覧にいません。" in world.stand_in.mailbox.mails[1].text
        assert plan_digests(world.settings, rules, at(4)) == len(managers)
    else:
        with pytest.raises(RunError, match=r"what 'suzuki' has.*add managers"):
            run(world, rules, at(1, hours=42))
        assert told(world) == [("handoff", "suzuki")]
        assert world.ledger("select state_reason from notices where state = 'cancelled'") == [("recipient_left",)]
    assert "tanaka@example.com" not in addressees(world)


def test_what_was_planned_for_a_rep_who_left_meanwhile_goes_to_the_first_manager(world: World) -> None:
    ask(world, "a")
    world.stand_in.faults.set([Fault("status", status=429)])
    with pytest.raises(RunError, match="wait for the next run"):
        run(world, rules_of(SUZUKI), at(1))
    world.stand_in.faults.set([])
    run(world, rules_of(owner("tanaka")), at(1.1))
    assert addressees(world) == {"south@example.com": 1}


@pytest.mark.parametrize("hours", [44, 80, 130])
def test_what_is_seen_late_is_late_for_the_manager_and_not_yet_for_the_rep(world: World, hours: float) -> None:
    rules = rules_of(reassigns=True)
    world.facts(lambda connection: add_lead(connection, "a@lead.example", company="株式会社山田"))
    seen = at(1, hours=hours)
    world.facts(
        lambda connection: add_event(
            connection, "consultation_request", at(1), email="a@lead.example", received_at=seen
        )
    )
    is_late = hours > 48
    run(world, rules, seen)
    assert told(world) == [*([("escalation", "north")] if is_late else []), ("handoff", "sato")]
    run(world, rules, at(1, hours=hours + 1))  # nor is the rep reminded afterwards
    assert len(told(world)) == 1 + is_late
    if is_late:
        (mail,) = (mail for mail in world.stand_in.mailbox.mails if "期限超過" in mail.subject)
        assert "記録が届いたのが期限のあとだったため" in mail.text
    second = hours + 24 if is_late else 72
    run(world, rules, at(1, hours=second - 0.1))
    assert told(world)[-1] == (("handoff", "sato") if is_late else ("escalation", "north"))
    run(world, rules, at(1, hours=second))
    assert told(world)[-1] == ("reassigned", "suzuki")
    assert world.ledger("select due_at, reassigned_at from handoffs") == [(at(3), at(1, hours=second))]


def test_a_notice_that_the_provider_refuses_ends_the_run_with_an_error_once_all_others_were_sent(world: World) -> None:
    rules = rules_of()
    ask(world, "a", "b", "c")
    world.stand_in.faults.set([Fault("status", status=400, times=2)])
    with pytest.raises(RunError, match="refused 2 notices for good: ") as raised:
        run(world, rules, at(1))
    assert "@" not in str(raised.value)
    assert Counter(world.ledger("select state from notices")) == {("accepted",): 1, ("rejected",): 2}
    run(world, rules, at(1.1))
    assert len(world.accepted()) == 1


def test_lists_of_days_on_which_the_provider_was_down_are_not_sent_afterwards(world: World) -> None:
    rules = rules_of(remind_before_hours=None, managers=())
    ask(world, "a")
    run(world, rules, at(1))
    world.stand_in.faults.set([Fault("status", status=429, times=2)])
    for day in (2, 3):
        assert plan_digests(world.settings, rules, at(day)) == 1
        with pytest.raises(RunError, match="wait for the next run"):
            send_notices(world.settings, rules, at(day))
    world.stand_in.faults.set([])
    # 00:36 in Tokyo: a cycle comes before any list of this day is planned
    assert send_notices(world.settings, rules, at(3.65)) == 0
    plan_digests(world.settings, rules, at(4))
    send_notices(world.settings, rules, at(4))
    assert world.ledger(
        "select on_date::varchar, state, state_reason from notices where kind = 'digest' order by on_date"
    ) == [
        ("2026-04-03", "cancelled", "superseded"), ("2026-04-04", "cancelled", "superseded"),
        ("2026-04-05", "accepted", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sfa_url", "link"),
    [
        ("salesforce://id:hunter2@mydomain.my.salesforce.com", "https://mydomain.my.salesforce.com/00Q1"),
        ("salesforce://login.salesforce.com", None),  # what is wrong with it is the sync's to tell
        ("hubspot://:hunter2@api.hubapi.com", None),
        (None, None),
    ],
)
def test_a_notice_leads_to_the_record_in_the_sfa_where_its_address_is_known(
    world: World, sfa_url: str | None, link: str | None
) -> None:
    rules = rules_of()
    ask(world, "a")
    world.clock(at(1))
    world.recompute(rules, at(1))
    plan_handoffs(world.settings, rules, at(1))
    with open_ledger(world.settings) as ledger:
        ledger.execute(
            "insert into sfa_leads by name select '00Q1' as sfa_id, lead_id, map {} as theirs, map {} as agreed,"
            " 'known' as state, false as is_new_there from handoffs"
        )
    world.settings = world.settings.model_copy(update={"sfa_url": sfa_url and SecretStr(sfa_url)})
    send_notices(world.settings, rules, at(1))
    (mail,) = world.stand_in.mailbox.mails
    assert (f"SFAで開く: {link}\n" in mail.text) == (link is not None)
    assert ("SFAで開く" in mail.html) == (link is not None)
    assert "hunter2" not in mail.text + mail.html


SIGNED_UP = SalesAction(kind="notify", id="signed_up", label="セミナー申込", on=SEMINAR, is_request=False, source="x")
REQUEST = SalesAction(kind="handoff", id="consultation", label="個別相談", on=CONSULTATION, source="x")


def sign_up(world: World, name: str, when: datetime) -> None:
    def add(connection) -> None:
        add_lead(connection, f"{name}@lead.example", company="株式会社山田", name=name)
        add_event(connection, "seminar_signup", when, email=f"{name}@lead.example")

    world.facts(add)


def notified(world: World) -> list[str]:
    """Who was told of what is no handoff, in order."""
    return [who for (who,) in world.ledger("select recipient from notices where kind = 'notify' order by planned_at")]


def test_what_is_no_handoff_is_told_to_reps_in_turns_of_its_own_from_run_to_run(world: World) -> None:
    rules = rules_of(SATO.model_copy(update={"weight": 2}), SUZUKI)
    rules = rules.model_copy(update={"sales_actions": (SIGNED_UP, REQUEST)})
    for day in range(1, 7):
        sign_up(world, f"n{day}", at(day))
        ask(world, f"h{day}", when=at(day))
        run(world, rules, at(day + 0.1))
    assert Counter(notified(world)) == {"sato": 4, "suzuki": 2}
    assert Counter(world.ledger("select owner from handoffs")) == {("sato",): 4, ("suzuki",): 2}


def test_what_is_no_handoff_goes_by_route_and_absence_and_to_whoever_has_the_lead(world: World) -> None:
    # at(1) is the morning of 2 April in Tokyo
    away = SATO.model_copy(update={"absent": (Days(on="2026-04-02"),)})
    tanaka = Owner(id="tanaka", name="田中", email="tanaka@example.com")
    everyone = Route(id="all", label="全部", segment="everyone", owners=("sato", "suzuki"))
    rules = rules_of(away, SUZUKI, tanaka, routes=(everyone,))
    rules = rules.model_copy(update={"sales_actions": (SIGNED_UP, REQUEST)})
    sign_up(world, "a", at(1))
    run(world, rules, at(1.1))
    sign_up(world, "a", at(3))  # the same lead, the same rep
    run(world, rules, at(3.1))
    ask(world, "b", when=at(4))
    run(world, rules, at(4.1))
    (owner,) = world.ledger("select owner from handoffs")
    sign_up(world, "b", at(5))
    run(world, rules, at(5.1))
    assert notified(world) == ["suzuki", "suzuki", *owner]


def test_of_several_events_of_one_lead_in_one_run_one_rep_is_told(world: World) -> None:
    rules = rules_of().model_copy(update={"sales_actions": (SIGNED_UP, REQUEST)})
    sign_up(world, "a", at(1))
    sign_up(world, "a", at(1, hours=1))
    run(world, rules, at(1.1))
    assert notified(world) == ["sato", "sato"]
