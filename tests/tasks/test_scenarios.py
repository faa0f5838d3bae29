"""Leads go through scenarios with waits and branches: each mail once a run, in order, and not after what ends it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rules.loader import check_rules, load_rules
from rules.models import RuleSet
from tasks.explain.text import to_text
from tasks.send import plan_sends
from tests.company import REPOSITORY
from tests.facts import add_consent, add_event, add_lead
from tests.world import World, stand_in
from warehouse.connection import open_ledger, open_warehouse
from warehouse.explain import explain
from warehouse.send_facts import load_sends, read_known_sends, read_new_sends

TOKYO = ZoneInfo("Asia/Tokyo")
EMAIL = "a@example.com"
START = datetime(2026, 4, 6, 9, tzinfo=TOKYO)  # a Monday
ACTIVE = START - timedelta(days=1)
DAY = timedelta(days=1)

ONE = """
scenarios:
  - id: cases
    label: 事例シナリオ
    on: 資料DL
    {head}
    steps:
      - {{mail: first, template: plain, subject: 一通目}}
      - {{wait: {wait}}}
      - {{mail: second, template: plain, subject: 二通目}}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def rules(world: World, scenarios: str, **files: str) -> RuleSet:
    """The guide's rule set without its other mails for everyone, and these scenarios."""
    folder = world.home / "rules"
    if not folder.exists():
        shutil.copytree(REPOSITORY / "rules" / "guide", folder)
        with (folder / "ruleset.yaml").open("a", encoding="utf-8") as file:
            file.write(f"\nactive_from: {ACTIVE.isoformat()}\n")
        (folder / "newsletters.yaml").unlink(missing_ok=True)
        shutil.copytree(folder / "mails" / "follow_up", folder / "mails" / "plain")
        (folder / "mails" / "plain" / "subject.txt").write_text("{{ step.subject }}\n", encoding="utf-8")
    (folder / "trigger_mails.yaml").write_text("trigger_mails: []\n", encoding="utf-8")
    (folder / "scenarios.yaml").write_text(scenarios, encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_rules(folder)


def one(world: World, wait: str = "3日", head: str = "re_entry: never") -> RuleSet:
    return rules(world, ONE.format(wait=wait, head=head))


def lead(world: World, email: str = EMAIL, when: datetime = START, **fields: str) -> None:
    def add(connection):
        add_lead(connection, email, when - 30 * DAY, title="課長", industry="小売業", **fields)
        add_consent(connection, email, when - 30 * DAY)

    world.facts(add)


def did(world: World, event: str, when: datetime, email: str = EMAIL, **details: str) -> None:
    world.facts(lambda connection: add_event(connection, event, when, email=email, **details))


def note_sends(world: World, when: datetime) -> None:
    """What left becomes facts, as a pull makes it."""
    with open_warehouse(world.settings, read_only=True) as warehouse:
        known = read_known_sends(warehouse)
    with open_ledger(world.settings, read_only=True) as ledger:
        new = read_new_sends(ledger, known)
    world.facts(lambda connection: load_sends(connection, new, when))


def sent(world: World) -> list[tuple]:
    return world.ledger(
        "select scenario || '.' || step || '.' || occurrence from sends where state = 'accepted' order by planned_at, step"
    )


def names(world: World) -> list[str]:
    return [name.removeprefix("cases.") for (name,) in sent(world)]


def runs(world: World) -> list[tuple]:
    return world.ledger("select occurrence, node, state, end_reason from scenario_runs order by lead_id, occurrence")


def test_a_run_waits_from_the_mail_before_and_ends(world: World) -> None:
    lead(world)
    did(world, "document_download", START, asset="guide")
    asked = one(world)
    assert world.send(asked, START) == {"sent": 1}
    assert names(world) == ["first.1"]
    assert world.send(asked, START + timedelta(minutes=5)) == {}  # the run goes on to its wait
    assert runs(world) == [(1, "first+1", "active", None)]
    assert world.send(asked, START + 3 * DAY - timedelta(seconds=1)) == {}
    assert world.send(asked, START + 3 * DAY) == {"sent": 1}
    world.send(asked, START + 3 * DAY + timedelta(minutes=5))
    assert names(world) == ["first.1", "second.1"]
    assert runs(world) == [(1, None, "ended", "finished")]
    assert world.ledger("select node from scenario_run_moves order by moved_at, reached_at") == [
        ("first",), ("first+1",), ("second",), (None,),
    ]  # fmt: skip
    assert [mail["subject"] for mail in world.accepted()] == ["一通目", "二通目"]
    world.send(asked, START + 30 * DAY)
    assert len(names(world)) == 2


WAITS = {
    "2時間": START + timedelta(hours=2),
    "3営業日": datetime(2026, 4, 9, 9, tzinfo=TOKYO),
    "5 business days": datetime(2026, 4, 13, 9, tzinfo=TOKYO),
    "水曜10:00": datetime(2026, 4, 8, 10, tzinfo=TOKYO),
    "月曜8:30": datetime(2026, 4, 13, 8, 30, tzinfo=TOKYO),
    "18:00": datetime(2026, 4, 6, 18, tzinfo=TOKYO),
    "次の8時00分": datetime(2026, 4, 7, 8, tzinfo=TOKYO),
    "tuesday": datetime(2026, 4, 7, tzinfo=TOKYO),
}


def test_waits_end_when_they_say(world: World) -> None:
    one_each = "".join(
        ONE.format(wait=f'"{wait}"', head="re_entry: never")
        .replace("\nscenarios:", "")
        .replace("id: cases", f"id: wait_{number}")
        .replace("事例シナリオ", f"待ち{number}")
        for number, wait in enumerate([*WAITS, "月曜9:00", "月曜"])
    )
    asked = rules(world, "scenarios:" + one_each)
    lead(world)
    did(world, "document_download", START, asset="guide")
    world.send(asked, START)
    world.send(asked, START)
    waits = dict(world.ledger("select scenario, waits_until from scenario_runs where node = 'first+1'"))
    assert waits == {f"wait_{number}": until for number, until in enumerate(WAITS.values())}
    # what is until now is over at once
    over = world.ledger("select scenario from sends where step = 'second' order by 1")
    assert over == [(f"wait_{len(WAITS)}",), (f"wait_{len(WAITS) + 1}",)]
    first, second = WAITS["2時間"], WAITS["18:00"]
    assert world.send(asked, first - timedelta(seconds=1)) == {}
    assert world.send(asked, first) == {"sent": 1}
    assert world.send(asked, second) == {"sent": 1}


def test_business_days_pass_over_golden_week_and_the_clock_is_the_leads(world: World) -> None:
    delivery = "holidays: JP\ntime_zone_field: time_zone\n"
    fields = (REPOSITORY / "rules" / "guide" / "fields.yaml").read_text(encoding="utf-8")
    fields += "  - {id: time_zone, label: タイムゾーン}\n"
    friday = datetime(2026, 5, 1, 17, tzinfo=TOKYO)
    lead(world)
    lead(world, "b@example.com", time_zone="America/New_York")
    for email in (EMAIL, "b@example.com"):
        did(world, "document_download", friday, email=email, asset="guide")
    rules(world, ONE.format(wait="1営業日", head="re_entry: never"), delivery=delivery, fields=fields)
    asked = load_rules(world.home / "rules")
    world.send(asked, friday)
    world.send(asked, friday)
    # the fourth to the sixth are holidays; in New York it is Friday four o'clock in the morning
    assert world.ledger("select distinct waits_until from scenario_runs") == [(datetime(2026, 5, 7, 17, tzinfo=TOKYO),)]


def test_branches_take_the_first_arm_that_holds(world: World) -> None:
    asked = rules(
        world,
        """
scenarios:
  - id: cases
    label: 分岐
    on: 資料DL
    steps:
      - {mail: first, template: plain, subject: 一通目}
      - wait: 1日
      - branch:
          - when: {did: 事例集DL}
            steps: [{mail: did_it, template: plain, subject: した}]
          - when: {clicked: first}
            steps:
              - {mail: clicked, template: plain, subject: 押した}
              - wait: 1日
          - when: {segment: 製造業}
            steps: [end: true]
      - {mail: last, template: plain, subject: 最後}
""",
    )
    people = {"did": "小売業", "clicked": "小売業", "none": "小売業", "maker": "製造業"}
    for name, industry in people.items():
        email = f"{name}@example.com"

        def add(connection, email=email, industry=industry):
            add_lead(connection, email, START - 30 * DAY, title="課長", industry=industry)
            add_consent(connection, email, START - 30 * DAY)

        world.facts(add)
        did(world, "document_download", START, email=email, asset="guide")
    world.send(asked, START)
    note_sends(world, START)
    ((send_id,),) = world.ledger("select send_id from sends where email = 'clicked@example.com'")
    did(world, "document_download", START + timedelta(hours=3), email="did@example.com", asset="case-study-1")
    did(world, "mail_click", START + timedelta(hours=3), email="clicked@example.com", send_id=send_id)
    for hours in (1, 24, 25, 48, 49):
        world.send(asked, START + timedelta(hours=hours))
    got = world.ledger(
        "select split_part(email, '@', 1), list(step order by planned_at) from sends where scenario = 'cases'"
        " group by email order by 1"
    )
    assert got == [
        ("clicked", ["first", "clicked", "last"]),
        ("did", ["first", "did_it", "last"]),
        ("maker", ["first"]),
        ("none", ["first", "last"]),
    ]
    assert {reason for *_, reason in runs(world)} == {"finished"}


@pytest.mark.parametrize("what", ["goal", "deal", "hot", "consent"])
def test_a_run_ends_early_and_its_mail_stays_behind(world: World, what: str) -> None:
    asked = one(world, head="goal: 個別相談申込\n    exit_when: [目標達成, 商談化、ホット化, 同意終了]")
    lead(world)
    did(world, "document_download", START, asset="guide")
    world.send(asked, START)
    world.send(asked, START + timedelta(hours=1))
    later = START + DAY

    def change(connection):
        if what == "goal":
            add_event(connection, "consultation_request", later, email=EMAIL)
        elif what == "deal":
            connection.execute(
                "insert into deal_records values ('d', 's', 'd', null, ?, 'open', null, ?, ?, map {})",
                [EMAIL, later, later],
            )
        elif what == "hot":
            for hours in range(4):
                add_event(connection, "seminar_signup", later + timedelta(hours=hours), email=EMAIL)
        else:
            add_event(connection, "mail_unsubscribe", later, email=EMAIL)

    world.facts(change)
    world.send(asked, START + 3 * DAY)
    assert "second.1" not in names(world)
    assert runs(world) == [(1, "first+1", "ended", what)]


def test_what_ends_a_run_also_keeps_the_mail_it_has_come_to(world: World) -> None:
    """The mail is due and waits for its window; meanwhile the goal is reached."""
    delivery = "windows:\n  - {id: noon, label: 昼, opens: '12:00', closes: '13:00'}\ndefault_window: noon\n"
    asked = rules(world, ONE.format(wait="1日", head="goal: 個別相談申込"), delivery=delivery)
    lead(world)
    did(world, "document_download", START, asset="guide")
    assert world.send(asked, START) == {"quiet_hours": 1}
    did(world, "consultation_request", START + timedelta(hours=1), email=EMAIL)
    assert world.send(asked, START + timedelta(hours=3, minutes=30)) == {"exited": 1}
    assert names(world) == []


def test_a_lead_enters_again_after_so_long_as_another_occurrence(world: World) -> None:
    asked = one(world, wait="1日", head="re_entry: 10日後")
    lead(world)
    for days in (0, 5, 12, 40):
        did(world, "document_download", START + days * DAY, asset=f"guide-{days}")
    for days in (0, 0.1, 1, 1.1, 5, 12, 12.1, 13, 13.1, 40, 40.1, 41, 41.1):
        world.send(asked, START + days * DAY)
    assert names(world) == ["first.1", "second.1", "first.2", "second.2", "first.3", "second.3"]
    assert [(occurrence, state) for occurrence, _, state, _ in runs(world)] == [
        (1, "ended"), (2, "ended"), (3, "ended"),
    ]  # fmt: skip


def test_entering_a_segment_begins_a_scenario_and_leaving_it_ends_the_run(world: World) -> None:
    text = """
scenarios:
  - id: cases
    label: ウォーム
    segment: warm_leads
    with_members: {members}
    steps:
      - {{mail: first, template: plain, subject: 一通目}}
      - {{wait: 1日}}
      - {{mail: second, template: plain, subject: 二通目}}
"""
    lead(world)
    lead(world, "old@example.com")
    for email, when in ((EMAIL, START), ("old@example.com", START - 20 * DAY)):
        for number in range(3):
            did(world, "document_download", when + timedelta(minutes=number), email=email, asset=f"a{number}")
    asked = rules(world, text.format(members="false"))
    world.send(asked, START + timedelta(hours=1))
    assert [mail["to"] for mail in world.accepted()] == [EMAIL]  # the other came into it before this began
    asked = rules(world, text.format(members="true"))
    world.send(asked, START + timedelta(hours=2))
    assert [mail["to"] for mail in world.accepted()] == [EMAIL, "old@example.com"]
    for number in range(3):
        did(world, "consultation_request", START + timedelta(hours=4 + number), email=EMAIL)
    world.send(asked, START + 2 * DAY)
    world.send(asked, START + 3 * DAY)
    assert world.ledger("select email, step from sends order by planned_at") == [
        (EMAIL, "first"), ("old@example.com", "first"), ("old@example.com", "second"),
    ]  # fmt: skip
    assert sorted(reason for *_, reason in runs(world)) == ["finished", "segment"]


def test_an_edit_of_the_rules_mails_nobody_again_and_takes_the_run_from_where_it_stands(world: World) -> None:
    asked = one(world, wait="3日")
    lead(world)
    did(world, "document_download", START, asset="guide")
    world.send(asked, START)
    world.send(asked, START + timedelta(hours=1))
    text = ONE.format(wait="1日", head="re_entry: never").replace("一通目", "書き直し")
    asked = rules(world, text + "      - {wait: 1日}\n      - {mail: third, template: plain, subject: 三通目}\n")
    assert world.send(asked, START + 2 * DAY) == {}  # a wait under way ends when it was going to
    world.send(asked, START + 3 * DAY)
    world.send(asked, START + 3 * DAY + timedelta(hours=1))
    world.send(asked, START + 5 * DAY)
    assert names(world) == ["first.1", "second.1", "third.1"]
    without = text.replace("      - {wait: 1日}\n", "")
    lead(world, "b@example.com")
    did(world, "document_download", START + 6 * DAY, email="b@example.com", asset="guide")
    world.send(asked, START + 6 * DAY)
    world.send(asked, START + 6 * DAY + timedelta(hours=1))
    world.send(rules(world, without), START + 8 * DAY)
    assert ("first+1", "ended", "step_removed") in [row[1:] for row in runs(world)]


def test_the_sheet_serves_re_entry_and_what_keeps_a_mail_back(world: World) -> None:
    asked = rules(world, "scenarios: []\n")
    folder = world.home / "rules"
    (folder / "scenarios.csv").write_text(
        "セグメント,購買ステージ,配信タイミング,メール件名,メール内容,CTA,次のアクション,ステップID,テンプレート,終了条件,再エントリー\n"
        "全員,認知,資料DL後1日,お礼,お礼,事例集DL,—,again,plain,目標達成・商談化,5日後\n".replace("・", "、"),
        encoding="utf-8",
    )
    asked = load_rules(folder)
    lead(world)
    for days in (0, 2, 6, 20):
        did(world, "document_download", START + days * DAY, asset=f"guide-{days}")
    did(world, "document_download", START + 20 * DAY + timedelta(hours=1), asset="case-study")
    for days in (1, 3, 7, 21):
        world.send(asked, START + days * DAY + timedelta(minutes=1))
    assert world.ledger("select occurrence, decision from send_decisions where step = 'again' order by 1") == [
        (1, "sent"), (2, "sent"), (3, "exited"),
    ]  # fmt: skip


def test_a_merge_ends_the_later_of_two_runs(world: World) -> None:
    asked = one(world, wait="1日")
    for name in ("a", "b"):
        lead(world, f"{name}@example.com")
        did(world, "document_download", START, email=f"{name}@example.com", asset="guide")
    world.send(asked, START)
    world.send(asked, START + timedelta(hours=1))

    def merge(connection):
        for name in ("a", "b"):
            connection.execute(
                "insert into lead_records values (?, 'crm', 'crm:1', ?, null, ?, ?, map {}, null)",
                [f"merge {name}", f"{name}@example.com", START + timedelta(hours=2), START + timedelta(hours=2)],
            )

    world.facts(merge)
    for hours in (24, 25):
        world.send(asked, START + timedelta(hours=hours))
    assert sorted(reason for *_, reason in runs(world)) == ["finished", "merged"]
    assert [step for (step,) in world.ledger("select step from sends order by step")] == ["first", "first", "second"]


def bad(world: World, scenarios: str) -> list[str]:
    one(world)
    (world.home / "rules" / "scenarios.yaml").write_text(scenarios, encoding="utf-8")
    return [str(problem) for problem in check_rules(world.home / "rules")[1] if not problem.is_warning]


@pytest.mark.parametrize(
    "text, told",
    [
        (ONE.format(wait="いつか", head="re_entry: never"), ["this wait is not understood", "いつか", "3営業日"]),
        (ONE.format(wait="1日", head="re_entry: たまに"), ["this re-entry is not understood", "なし, 毎回, 30日後"]),
        (ONE.format(wait="1日", head="exit_when: [目標達成]"), ["leaving at the goal needs one"]),
        (ONE.format(wait="1日", head="exit_when: [飽きた]"), ["'飽きた' is no reason to leave"]),
        (ONE.format(wait="1日", head="re_entry: never").replace("mail: second", "mail: first"),
         ["a scenario sends a mail once", "also on line"]),
        (ONE.format(wait="1日", head="re_entry: never").replace("on: 資料DL", "label2: x"), ["unknown key 'label2'"]),
        (ONE.format(wait="1日", head="re_entry: never").replace("on: 資料DL", "re_entry: never", 1).replace(
            "    re_entry: never\n    steps", "    steps"), ["nothing begins this scenario"]),
        (ONE.format(wait="1日", head="re_entry: never").replace("{wait: 1日}", "{wait: 1日, mail: x}"),
         ["a part of a scenario is exactly one of these"]),
        (ONE.format(wait="1日", head="re_entry: never").replace("{wait: 1日}",
         "branch: [{when: {opened: frist}, steps: [{wait: 1日}]}]"), ["this scenario sends no such mail", "first"]),
        (ONE.format(wait="1日", head="re_entry: never").replace("id: cases", "id: manufacturing"),
         ["a segment or another kind of mail bears this name"]),
        (ONE.format(wait="1日", head="segment: どこか"), ["there is no segment of this name"]),
        (ONE.format(wait="99営業日", head="re_entry: never"), ["99 business days are out of bounds"]),
    ],
)  # fmt: skip
def test_what_a_scenario_cannot_mean_is_told_with_its_line(world: World, text: str, told: list[str]) -> None:
    problems = "\n".join(bad(world, text))
    assert "scenarios.yaml" in problems and "line" in problems
    for part in told:
        assert part in problems


def test_nothing_is_lost_when_nobody_ran_for_long(world: World) -> None:
    """A run that nobody moved for a week says so of its mails, and goes on."""
    asked = one(world, wait="1日")
    lead(world)
    did(world, "document_download", START, asset="guide")
    world.send(asked, START)
    world.send(asked, START + timedelta(hours=1))
    world.send(asked, START + 9 * DAY)
    assert world.ledger("select step, decision from send_decisions order by due_at") == [
        ("first", "sent"), ("second", "expired"),
    ]  # fmt: skip
    assert START.astimezone(UTC) < world.ledger("select max(enrolled_at) from scenario_runs")[0][0] + DAY


def test_explain_tells_where_a_lead_stands_and_why_a_mail_of_a_scenario_did_not_come(world: World) -> None:
    asked = one(world, wait="3日", head="goal: 個別相談申込")
    lead(world)
    lead(world, "b@example.com")
    did(world, "document_download", START, asset="guide")
    world.send(asked, START)
    world.send(asked, START + timedelta(hours=1))

    def told(email: str, as_of: datetime | None = None) -> str:
        found = explain(world.settings, asked, email, as_of)
        assert found is not None
        return "\n".join(to_text(found, asked, TOKYO))

    assert "シナリオ「事例シナリオ」: いま「first」の後、2026/04/09 09:00 まで待つ" in told(EMAIL)
    assert "シナリオがこのメールまで進んでいない" in told(EMAIL)
    assert "このシナリオにまだ入っていない" in told("b@example.com")
    did(world, "consultation_request", START + DAY)
    world.send(asked, START + 2 * DAY)
    assert "に終了(目標を達成した)" in told(EMAIL)
    assert "シナリオ「事例シナリオ」: いま「first」の後" in told(EMAIL, START + timedelta(hours=2))


def test_who_stays_in_a_segment_does_not_come_into_it_again(world: World) -> None:
    text = """
scenarios:
  - id: cases
    label: ウォーム
    segment: warm_leads
    with_members: true
    re_entry: 毎回
    steps: [{mail: first, template: plain, subject: 一通目}]
"""
    lead(world, when=START - 10 * DAY)
    for number in range(3):
        did(world, "document_download", START - 20 * DAY + timedelta(minutes=number), asset=f"a{number}")
    asked = rules(world, text)
    assert world.send(asked, ACTIVE - timedelta(hours=1)) == {}  # before the rule set acts
    for hours in (0, 1, 2, 3):
        world.send(asked, START + timedelta(hours=hours))
    assert names(world) == ["first.1"]
    assert len(runs(world)) == 1


def test_a_lead_without_consent_is_told_so(world: World) -> None:
    asked = one(world, wait="1日")
    world.facts(lambda connection: add_lead(connection, EMAIL, START - DAY, title="課長", industry="小売業"))
    lead(world, "b@example.com")
    for email in (EMAIL, "b@example.com"):
        did(world, "document_download", START, email=email, asset="guide")
    assert world.send(asked, START) == {"sent": 1, "no_consent": 1}
    world.send(asked, START + timedelta(hours=1))
    assert sorted(str(reason) for *_, reason in runs(world)) == ["None", "consent"]


def test_a_scenario_that_is_switched_off_stands_still_and_goes_on(world: World) -> None:
    lead(world)
    did(world, "document_download", START, asset="guide")
    delivery = "windows:\n  - {id: noon, label: 昼, opens: '12:00', closes: '13:00'}\ndefault_window: noon\n"
    waiting = rules(world, ONE.format(wait="1日", head="re_entry: never"), delivery=delivery)
    assert world.send(waiting, START) == {"quiet_hours": 1}
    off = one(world, wait="1日", head="re_entry: never\n    is_enabled: false")
    assert world.send(off, START + timedelta(hours=3)) == {"paused": 1}
    assert world.send(one(world, wait="1日"), START + timedelta(hours=3, minutes=30)) == {"sent": 1}
    assert names(world) == ["first.1"]


def test_the_wait_begins_when_the_mail_has_gone(world: World) -> None:
    asked = one(world, wait="2日")
    lead(world)
    did(world, "document_download", START, asset="guide")
    world.clock(START)
    for days in (0, 1):  # nobody delivers
        world.recompute(asked, START + days * DAY)
        plan_sends(world.settings, asked, START + days * DAY)
    assert runs(world) == [(1, "first", "active", None)]
    world.send(asked, START + 2 * DAY)
    world.send(asked, START + 3 * DAY)
    assert world.ledger("select waits_until from scenario_runs") == [(START + 4 * DAY,)]


def test_a_branch_is_judged_as_of_when_the_wait_was_over(world: World) -> None:
    asked = rules(
        world,
        ONE.format(wait="1日", head="re_entry: never").replace(
            "      - {mail: second, template: plain, subject: 二通目}",
            "      - branch:\n"
            "          - {when: {did: 事例集DL}, steps: [{mail: did_it, template: plain, subject: した}]}\n"
            "          - {steps: [{mail: other, template: plain, subject: 他}]}",
        ),
    )
    lead(world)
    did(world, "document_download", START, asset="guide")
    world.send(asked, START)
    world.send(asked, START + timedelta(hours=1))
    did(world, "document_download", START + 1.5 * DAY, asset="case-study")
    world.send(asked, START + 1.6 * DAY)
    assert names(world) == ["first.1", "other.1"]


def test_business_days_pass_over_a_long_closure(world: World) -> None:
    delivery = "closed: [{on: '2026-04-07', until: '2026-05-20'}]\n"
    asked = rules(world, ONE.format(wait="1営業日", head="re_entry: never"), delivery=delivery)
    lead(world)
    did(world, "document_download", START, asset="guide")
    world.send(asked, START)
    world.send(asked, START + timedelta(hours=1))
    assert world.ledger("select waits_until from scenario_runs") == [(datetime(2026, 5, 21, 9, tzinfo=TOKYO),)]


def test_a_capped_mail_keeps_its_longer_deadline_through_the_night(world: World) -> None:
    delivery = (
        "windows:\n  - {id: day, label: 昼, opens: '09:00', closes: '18:00'}\ndefault_window: day\n"
        "caps:\n  - {id: week, label: 週1通, mails: 1, within_days: 7}\n"
    )
    asked = rules(world, ONE.format(wait="1日", head="re_entry: never"), delivery=delivery)
    lead(world)
    did(world, "document_download", START, asset="guide")
    assert world.send(asked, START) == {"sent": 1}
    world.send(asked, START + timedelta(hours=1))
    assert world.send(asked, START + 1.1 * DAY) == {"frequency_cap": 1}
    assert world.send(asked, START + 1.6 * DAY) == {"quiet_hours": 1}
    assert world.send(asked, START + 6.2 * DAY) == {"frequency_cap": 1}
    assert world.send(asked, START + 7.1 * DAY) == {"sent": 1}
