"""Each lead gets one variant of a tested mail and keeps it; the others get what won, or the first where none did."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from rules.loader import check_rules, load_rules
from rules.models import Delivery, RuleSet
from tests.facts import add_consent, add_event, add_lead
from tests.tasks.test_scenarios import ACTIVE, DAY, START, rules
from tests.world import World, stand_in
from warehouse.ab_tests import Arm, verdict
from warehouse.connection import open_ledger
from warehouse.publish import publish

TUESDAY = datetime(2026, 4, 7, 10, tzinfo=ZoneInfo("Asia/Tokyo"))
TESTS = """
ab_tests:
  - id: subjects
    label: 件名テスト
    metric: 開封
    sample_size: 60
    measure_hours: 24
    variants:
      - {id: a, label: 案A}
      - {id: b, label: 案B, subject: 別の件名, share: 2}
"""
ONE = """
scenarios:
  - id: cases
    label: 事例シナリオ
    on: 資料DL
    steps:
      - {mail: first, template: plain, subject: 元の件名, test: 件名テスト}
"""
NEWS = """
newsletters:
  - id: news
    label: メルマガ
    every: 毎週火曜10:00
    issues:
      - {id: first, template: plain, subject: 元の件名, test: subjects}
"""
OF_NEWS = TESTS.replace("sample_size: 60\n    measure_hours: 24", "sample_share: 0.3\n    days: 1")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def leads(world: World, *numbers: int, when: datetime = START) -> None:
    def add(connection):
        for number in numbers:
            email = f"lead{number}@example.com"
            add_lead(connection, email, ACTIVE - 30 * DAY, title="課長", industry="小売業")
            add_consent(connection, email, ACTIVE - 30 * DAY)
            add_event(connection, "document_download", when, email=email, asset="guide")

    world.facts(add)


def opened_by(world: World, when: datetime, share: dict[str, float]) -> None:
    """The mails were delivered, and of each variant's this share was opened."""
    mails = world.ledger("select send_id, variant, email from sends where sent_at is not null order by send_id")
    seen: Counter[str] = Counter()

    def add(connection):
        for send_id, variant, email in mails:
            add_event(connection, "mail_delivered", when, email=email, send_id=send_id)
            seen[variant] += 1
            if seen[variant] * share[variant] % 1 < share[variant]:
                add_event(connection, "mail_open", when + timedelta(minutes=1), email=email, send_id=send_id)

    world.facts(add)


def variants(world: World) -> dict[str, str]:
    return dict(world.ledger("select email, variant from sends"))


def one(world: World) -> RuleSet:
    return rules(world, ONE, ab_tests=TESTS)


def test_shares_hold_the_variant_is_kept_and_the_winner_goes_to_the_others(world: World) -> None:
    asked = one(world)
    leads(world, *range(90))
    assert world.send(asked, START) == {"sent": 90}
    first = variants(world)
    counts = Counter(first.values())
    assert set(counts) == {"a", "b"}
    assert 45 <= counts["b"] <= 75  # two of three
    subjects = {mail["to"]: mail["subject"] for mail in world.accepted()}
    assert {subjects[email] for email, variant in first.items() if variant == "a"} == {"元の件名"}
    assert {subjects[email] for email, variant in first.items() if variant == "b"} == {"別の件名"}
    opened_by(world, START + timedelta(hours=1), {"a": 0.2, "b": 0.7})
    leads(world, 100, 101, when=START + timedelta(hours=2))
    world.send(asked, START + timedelta(hours=3))  # the sample is full, and is measured
    assert world.ledger("select ended_at from ab_tests") == [(None,)]
    leads(world, *range(200, 210), when=START + timedelta(hours=28))
    assert world.send(asked, START + timedelta(hours=29)) == {"sent": 10}
    assert world.ledger("select winner from ab_tests") == [("b",)]
    told = variants(world)
    assert {told[f"lead{number}@example.com"] for number in range(200, 210)} == {"b"}
    assert {email: told[email] for email in first} == first
    assert world.ledger("select is_sample, count(*) from variant_assignments group by 1 order by 1") == [
        (False, 10), (True, 92),
    ]  # fmt: skip


def published(world: World, when: datetime, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(publish(world.settings, when)), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_the_published_figures_are_those_of_the_mails_and_say_what_they_are_worth(world: World) -> None:
    asked = one(world)
    leads(world, *range(90))
    world.send(asked, START)
    counts = Counter(variants(world).values())
    opened_by(world, START + timedelta(hours=1), {"a": 0.2, "b": 0.7})
    world.send(asked, START + timedelta(hours=3))
    when = START + timedelta(hours=4)
    query = "select label, metric, variant, is_first, share, assigned, measured, reached, verdict from kpi_ab_tests"
    (first, other) = published(world, when, query)
    assert first[:6] == ("件名テスト", "opened", "a", True, pytest.approx(1 / 3), counts["a"])
    assert other[2:6] == ("b", False, pytest.approx(2 / 3), counts["b"])
    assert first[-1] == other[-1] == "running"
    told = published(
        world, when, "select variant, sum(delivered), sum(opened) from kpi_mail_daily group by 1 order by 1"
    )
    assert told == [(row[2], row[6], row[7]) for row in (first, other)]
    ((rate, effect, low, high, p_value, anytime),) = published(
        world, when, "select rate, effect, low, high, p_value, anytime_p_value from kpi_ab_tests where not is_first"
    )
    assert rate == other[7] / other[6]
    assert effect == pytest.approx(rate - first[7] / first[6])
    assert 0 < low < effect < high
    assert p_value < anytime < 0.05  # who may look at any time pays for it
    world.send(asked, START + timedelta(hours=29))
    query = "select distinct verdict, winner, sample_ratio_p_value > 0.001 from kpi_ab_tests"
    assert published(world, START + timedelta(hours=30), query) == [("winner", "b", True)]


def test_the_holdout_is_compared_with_those_who_are_nurtured(world: World) -> None:
    asked = one(world).model_copy(update={"delivery": Delivery(holdout_share=0.4)})
    leads(world, *range(60))
    world.send(asked, START)
    held = dict(world.ledger("select lead_id, is_held_out from holdout"))
    emails = world.warehouse("select email, lead_id from leads order by email")

    def deals(connection):
        for email in [email for email, lead in emails if not held[lead]][:9]:
            connection.execute(
                "insert into deal_records values (?, 'crm', ?, null, ?, 'won', 100, ?, ?, map {})",
                [email, email, email, START + DAY, START + DAY],
            )

    world.facts(deals)
    world.recompute(asked, START + 2 * DAY)
    query = "select variant, measured, reached, effect, low < effect from kpi_ab_tests where test = 'holdout: won'"
    nurtured = list(held.values()).count(False)
    assert published(world, START + 2 * DAY, query) == [
        ("held_out", 60 - nurtured, 0, None, None),
        ("nurtured", nurtured, 9, pytest.approx(9 / nurtured), True),
    ]


def test_lots_that_fell_as_no_share_explains_are_told_and_those_of_an_unknown_share_are_not_judged(
    world: World,
) -> None:
    asked = one(world).model_copy(update={"delivery": Delivery(holdout_share=0.4)})
    leads(world, *range(90))
    world.send(asked, START)
    query = "select distinct verdict, sample_ratio_p_value < 0.001 from kpi_ab_tests where test like 'holdout%'"
    shares = "select variant, share, assigned from kpi_ab_tests where test = 'holdout: won'"
    assert published(world, START + timedelta(hours=1), query) == [("running", False)]
    (held, nurtured) = published(world, START + timedelta(hours=1), shares)
    assert (held[:2], nurtured[:2]) == (("held_out", pytest.approx(0.4)), ("nurtured", pytest.approx(0.6)))
    assert held[2] + nurtured[2] == 90
    with open_ledger(world.settings) as ledger:  # most of the held out were lost on the way
        ledger.execute(
            "delete from holdout where lead_id in (select lead_id from holdout where is_held_out order by 1 limit 30)"
        )
    assert published(world, START + timedelta(hours=2), query) == [("unsound", True)]
    with open_ledger(world.settings) as ledger:  # as an earlier version left it
        ledger.execute("update holdout set share = null where lead_id = (select min(lead_id) from holdout)")
    assert published(world, START + timedelta(hours=3), query) == [("running", None)]


def test_who_was_mailed_before_the_lot_was_drawn_is_compared_with_nobody(world: World) -> None:
    """Those are nurtured whatever the lot says; beside new leads alone they would be an effect of their own."""
    asked = one(world)
    leads(world, *range(40))
    world.send(asked, START)
    leads(world, *range(100, 150), when=START + timedelta(hours=1))
    world.send(asked.model_copy(update={"delivery": Delivery(holdout_share=0.4)}), START + timedelta(hours=2))
    assert world.ledger("select count(*), count(*) filter (is_held_out) >= 10 from holdout") == [(90, True)]
    held = dict(world.ledger("select is_held_out, count(*) from holdout group by 1"))
    query = "select variant, assigned, measured from kpi_ab_tests where test = 'holdout: won'"
    assert published(world, START + DAY, query) == [
        ("held_out", held[True], held[True]),
        ("nurtured", held[False] - 40, held[False] - 40),
    ]


def test_what_comes_after_the_end_leaves_the_figures_as_the_verdict_saw_them(world: World) -> None:
    asked = one(world)
    leads(world, *range(90))
    world.send(asked, START)
    opened_by(world, START + timedelta(hours=1), {"a": 0.2, "b": 0.7})
    for hours in (3, 29):
        world.send(asked, START + timedelta(hours=hours))
    query = "select variant, measured, reached, p_value from kpi_ab_tests order by all"
    before = published(world, START + timedelta(hours=30), query)
    assert before[0][2] < before[0][1]
    opened_by(world, START + timedelta(hours=40), {"a": 1, "b": 0})
    world.recompute(asked, START + timedelta(hours=50))
    assert published(world, START + timedelta(hours=50), query) == before


def test_a_test_that_is_over_stays_when_its_rules_are_gone(world: World) -> None:
    asked, without = one(world), rules(world, ONE.replace(", test: 件名テスト", ""))
    leads(world, *range(90))
    world.send(asked, START)
    opened_by(world, START + timedelta(hours=1), {"a": 0.2, "b": 0.7})
    query = "select test, variant, share, assigned, measured, reached, p_value, verdict, winner from kpi_ab_tests"
    world.recompute(without, START + timedelta(hours=2))
    assert published(world, START + timedelta(hours=2), query) == [], "nobody waits for what it would have shown"
    for hours in (3, 29):
        world.send(asked, START + timedelta(hours=hours))
    over = published(world, START + timedelta(hours=30), query)
    assert [row[-2:] for row in over] == [("winner", "b")] * 2
    leads(world, *range(200, 210), when=START + timedelta(hours=31))
    assert world.send(without, START + timedelta(hours=32)) == {"sent": 10}
    assert published(world, START + timedelta(hours=33), query) == over
    changed = rules(world, ONE, ab_tests=TESTS.replace("share: 2", "share: 5"))
    renamed = rules(world, ONE, ab_tests=TESTS.replace("{id: a,", "{id: new,"))
    for hours, later in ((34, changed), (36, renamed)):
        world.send(later, START + timedelta(hours=hours))
        as_before = published(world, START + timedelta(hours=hours + 1), query)
        assert as_before == over, "as the rules had it up to its end"


def test_leads_that_fell_on_the_variants_as_no_share_explains_choose_no_winner(world: World) -> None:
    asked = one(world)
    leads(world, *range(90))
    world.send(asked, START)
    opened_by(world, START + timedelta(hours=1), {"a": 0.2, "b": 0.7})
    world.send(asked, START + timedelta(hours=3))
    with open_ledger(world.settings) as ledger:  # half of those who got b were lost on the way
        ledger.execute(
            "delete from variant_assignments where lead_id in ("
            "select lead_id from variant_assignments where variant = 'b' order by lead_id limit 40)"
        )
    world.send(asked, START + timedelta(hours=29))
    query = "select distinct verdict, winner, sample_ratio_p_value < 0.001 from kpi_ab_tests"
    assert published(world, START + timedelta(hours=30), query) == [("unsound", None, True)]


def test_a_winner_stays_one_when_shares_are_changed_afterwards(world: World) -> None:
    leads(world, *range(90))
    world.send(one(world), START)
    opened_by(world, START + timedelta(hours=1), {"a": 0.2, "b": 0.7})
    for hours in (3, 29):
        world.send(one(world), START + timedelta(hours=hours))
    world.send(rules(world, ONE, ab_tests=TESTS.replace("share: 2", "share: 200")), START + timedelta(hours=30))
    query = "select distinct verdict, winner from kpi_ab_tests"
    assert published(world, START + timedelta(hours=31), query) == [("winner", "b")]


def test_a_conversion_counts_for_the_mail_tested_whatever_other_mail_asked_for_the_same_since(world: World) -> None:
    asks = ONE.replace("test: 件名テスト}", "test: 件名テスト, cta: 価格ページ閲覧}") + (
        "      - wait: 1日\n      - {mail: second, template: plain, subject: 続き, cta: 価格ページ閲覧}\n"
    )
    tests = TESTS.replace("metric: 開封", "metric: converted").replace("sample_size: 60", "sample_size: 20")
    asked = rules(world, asks, ab_tests=tests.replace("measure_hours: 24", "measure_hours: 48"))
    leads(world, *range(20))
    world.send(asked, START)
    opened_by(world, START + timedelta(hours=1), {"a": 0, "b": 0})
    world.send(asked, START + timedelta(hours=25))
    opened_by(world, START + timedelta(hours=26), {"a": 0, "b": 0, "default": 0})
    got = world.ledger("select count(distinct email), count(*) from sends where sent_at is not null")

    def act(connection):
        for number in range(20):
            email = f"lead{number}@example.com"
            add_event(
                connection, "page_view", START + timedelta(hours=30), email=email, url="https://example.com/price"
            )

    world.facts(act)
    assert got == [(20, 40)]
    for hours in (31, 80):
        world.send(asked, START + timedelta(hours=hours))
    query = "select variant, measured, reached from kpi_ab_tests where scenario = 'cases' order by all"
    found = published(world, START + timedelta(hours=81), query)
    assert all(measured == reached > 0 for _, measured, reached in found), found
    told = "select step, sum(converted) from kpi_mail_daily group by 1 order by 1"
    assert published(world, START + timedelta(hours=81), told) == [("first", 0), ("second", 20)]


def test_conversions_of_a_mail_are_counted_where_a_variant_alone_asks_for_something(world: World) -> None:
    tests = TESTS.replace("subject: 別の件名, share: 2", "subject: 別の件名, share: 2, cta: 価格ページ閲覧")
    asked = rules(world, ONE, ab_tests=tests)
    leads(world, *range(20))
    world.send(asked, START)
    opened_by(world, START + timedelta(hours=1), {"a": 0, "b": 0})

    def act(connection):
        for number in range(20):
            email = f"lead{number}@example.com"
            add_event(connection, "page_view", START + timedelta(hours=2), email=email, url="https://example.com/price")

    world.facts(act)
    world.send(asked, START + timedelta(hours=3))
    counts = Counter(variants(world).values())
    query = "select variant, delivered, converted from kpi_mail_daily where scenario = 'cases' order by all"
    assert published(world, START + timedelta(hours=4), query) == [
        ("a", counts["a"], 0),
        ("b", counts["b"], counts["b"]),
    ]


def test_without_a_difference_there_is_no_winner_and_the_first_goes_on(world: World) -> None:
    asked = one(world)
    leads(world, *range(90))
    world.send(asked, START)
    opened_by(world, START + timedelta(hours=1), {"a": 0.5, "b": 0.5})
    world.send(asked, START + timedelta(hours=2))
    leads(world, 200, 201, 202, when=START + timedelta(hours=27))
    world.send(asked, START + timedelta(hours=28))
    assert world.ledger("select winner, ended_at is not null from ab_tests") == [(None, True)]
    assert {variants(world)[f"lead{number}@example.com"] for number in (200, 201, 202)} == {"a"}


def test_the_readers_of_a_newsletter_beyond_the_sample_wait_for_the_winner(world: World) -> None:
    asked = rules(world, "scenarios: []\n", newsletters=NEWS, ab_tests=OF_NEWS)
    leads(world, *range(150), when=START - DAY)
    world.send(asked, START)
    decisions = world.send(asked, TUESDAY)
    assert decisions["sent"] + decisions["awaiting_winner"] == 150
    assert 25 <= decisions["sent"] <= 65
    assert world.ledger("select distinct is_final from send_decisions where decision = 'awaiting_winner'") == [(False,)]
    opened_by(world, TUESDAY + timedelta(hours=1), {"a": 0.1, "b": 0.9})
    waiting = decisions["awaiting_winner"]
    assert world.send(asked, TUESDAY + timedelta(hours=23)) == {"awaiting_winner": waiting}
    assert world.send(asked, TUESDAY + timedelta(hours=24)) == {"sent": waiting}
    assert len(world.accepted()) == 150
    others = world.ledger(
        "select distinct sends.variant from sends inner join variant_assignments using (lead_id) where not is_sample"
    )
    assert others == [("b",)]


def test_of_two_leads_that_become_one_the_first_variant_holds_and_the_figures_leave_it(world: World) -> None:
    asked = rules(world, ONE.replace("    on: 資料DL\n", "    on: 資料DL\n    re_entry: 毎回\n"), ab_tests=TESTS)
    leads(world, *range(12))
    world.send(asked, START)
    told = variants(world)
    one_of = {variant: next(email for email, given in told.items() if given == variant) for variant in ("a", "b")}

    def merge(connection):
        for name, email in one_of.items():
            connection.execute(
                "insert into lead_records values (?, 'crm', 'crm:1', ?, null, ?, ?, map {}, null)",
                [f"merge {name}", email, START + timedelta(hours=1), START + timedelta(hours=1)],
            )
        add_event(connection, "document_download", START + 2 * DAY, email=one_of["b"], asset="other")

    world.facts(merge)
    world.send(asked, START + timedelta(hours=2))
    world.send(asked, START + 2 * DAY)
    ((lead_id,),) = world.warehouse(f"select lead_id from leads where email in ('{one_of['a']}', '{one_of['b']}')")
    names = world.warehouse(f"select alias_lead_id from lead_aliases where lead_id = '{lead_id}'")
    assert len(names) >= 2
    first = world.ledger("select variant from variant_assignments order by assigned_at, lead_id")
    assert len(first) == 12
    ((again,),) = world.ledger("select variant from sends where occurrence = 2")
    mine = dict(world.ledger("select lead_id, variant from variant_assignments"))
    assert again == mine[min(name for (name,) in names if name in mine)]


def test_the_verdict_needs_more_than_chance() -> None:
    assert verdict([Arm("a", 1000, 1000, 200), Arm("b", 1000, 1000, 260)]) == "b"
    assert verdict([Arm("a", 1000, 1000, 200), Arm("b", 1000, 1000, 220)]) is None
    assert verdict([Arm("a", 100, 100, 0), Arm("b", 100, 100, 0)]) is None
    assert verdict([Arm("a", 100, 0, 0), Arm("b", 100, 100, 90)]) is None
    # 4.2 % of chance are enough for two variants, and not for one of three
    two = [Arm("a", 1000, 1000, 200), Arm("b", 1000, 1000, 238)]
    assert verdict(two) == "b"
    assert verdict([*two, Arm("c", 1000, 1000, 150)]) is None
    # two that beat the first and not one another: to go on with the first would be the worst of all
    assert verdict([two[0], Arm("b", 1000, 1000, 300), Arm("c", 1000, 1000, 305)]) == "c"
    # the first is the best, and has to beat all others
    assert verdict([Arm("a", 1000, 1000, 300), Arm("b", 1000, 1000, 290), Arm("c", 1000, 1000, 200)]) is None
    assert verdict([Arm("a", 1000, 1000, 300), Arm("b", 1000, 1000, 200), Arm("c", 1000, 1000, 210)]) == "a"


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("metric: 開封", "metric: 売上", ["there is no such metric", "opened, clicked, converted"]),
        ("    sample_size: 60\n", "", ["a test that nothing ends never has a winner"]),
        (", subject: 別の件名", "", ["two variants are the same mail"]),
        ("id: b", "id: a", ["two variants have the same name"]),
        ("share: 2", "share: 0", ["share"]),
        ("sample_size: 60", "sample_share: 0.2\n    days: 3", ["sample_share is for newsletters"]),
        ("metric: 開封", "metric: converted", ["the mail asks for nothing, so nobody converts"]),
        ("subject: 別の件名", "template: nowhere", ["there is no mail template of this name"]),
    ],
)
def test_what_a_test_cannot_be_is_told(world: World, old: str, new: str, told: list[str]) -> None:
    one(world)
    folder = world.home / "rules"
    assert load_rules(folder).steps[-1].test is not None
    (folder / "ab_tests.yaml").write_text(TESTS.replace(old, new), encoding="utf-8")
    problems = "\n".join(str(problem) for problem in check_rules(folder)[1] if not problem.is_warning)
    assert re.search("(ab_tests|scenarios).yaml", problems)
    for part in told:
        assert part in problems


def test_a_mail_that_names_an_unknown_test_and_a_test_that_nobody_names_are_told(world: World) -> None:
    one(world)
    folder = world.home / "rules"
    (folder / "scenarios.yaml").write_text(ONE.replace("test: 件名テスト", "test: 件名"), encoding="utf-8")
    problems = [str(problem) for problem in check_rules(folder)[1]]
    assert any("there is no A/B test of this name" in problem for problem in problems)
    (folder / "scenarios.yaml").write_text(ONE.replace(", test: 件名テスト", ""), encoding="utf-8")
    problems = [str(problem) for problem in check_rules(folder)[1]]
    assert any("no mail names this test" in problem for problem in problems)
