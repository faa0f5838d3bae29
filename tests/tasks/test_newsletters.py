"""A newsletter's issue goes once to those who were in its segment when it was due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rules.loader import check_rules, load_rules
from tests.facts import add_consent, add_event, add_lead
from tests.tasks.test_scenarios import DAY, rules
from tests.world import World, stand_in

TOKYO = ZoneInfo("Asia/Tokyo")
MONDAY = datetime(2026, 4, 6, 9, tzinfo=TOKYO)
TUESDAY = datetime(2026, 4, 7, 10, tzinfo=TOKYO)
NEWS = """
newsletters:
  - id: news
    label: メルマガ
    segment: cold_leads
    every: 毎週火曜10:00
    issues:
      - {id: first, template: plain, subject: 第一号}
      - {id: second, template: plain, subject: 第二号}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def lead(world: World, name: str, since: datetime, downloads: int = 0) -> None:
    def add(connection):
        add_lead(connection, f"{name}@example.com", since, title="課長", industry="小売業")
        add_consent(connection, f"{name}@example.com", since)
        for number in range(downloads):
            add_event(connection, "document_download", since, email=f"{name}@example.com", asset=f"a{number}")

    world.facts(add)


def test_an_issue_goes_once_to_those_in_the_segment_then(world: World) -> None:
    lead(world, "cold", MONDAY - DAY)
    lead(world, "warm", MONDAY - DAY, downloads=3)
    asked = rules(world, "scenarios: []\n", newsletters=NEWS)
    assert world.send(asked, MONDAY) == {}
    assert world.send(asked, TUESDAY - timedelta(seconds=1)) == {}
    lead(world, "late", TUESDAY + timedelta(minutes=1))
    assert world.send(asked, TUESDAY + timedelta(minutes=5)) == {"sent": 1}
    assert world.send(asked, TUESDAY + timedelta(hours=1)) == {}
    assert [(mail["to"], mail["subject"]) for mail in world.accepted()] == [("cold@example.com", "第一号")]
    assert world.ledger("select scenario, step, kind, due_at from sends") == [("news", "first", "newsletter", TUESDAY)]
    assert world.send(asked, TUESDAY + 7 * DAY) == {"sent": 2}
    assert world.send(asked, TUESDAY + 14 * DAY) == {}  # there are no more issues
    assert {mail["subject"] for mail in world.accepted()[1:]} == {"第二号"}


def test_a_newsletter_that_was_prepared_switched_off_begins_with_its_first_issue(world: World) -> None:
    lead(world, "cold", MONDAY - DAY)
    off = rules(world, "scenarios: []\n", newsletters=NEWS + "    is_enabled: false\n")
    world.send(off, MONDAY)
    assert world.send(off, TUESDAY + timedelta(hours=1)) == {}
    on = rules(world, "scenarios: []\n", newsletters=NEWS)
    world.send(on, TUESDAY + DAY)
    assert world.send(on, TUESDAY + 7 * DAY) == {"sent": 1}
    assert [mail["subject"] for mail in world.accepted()] == ["第一号"]


def test_an_issue_that_nobody_sent_for_days_is_recorded_as_too_late(world: World) -> None:
    lead(world, "cold", MONDAY - DAY)
    asked = rules(world, "scenarios: []\n", newsletters=NEWS)
    world.send(asked, MONDAY)
    assert world.send(asked, TUESDAY + 4 * DAY) == {"expired": 1}
    assert world.ledger("select step, decision from send_decisions") == [("first", "expired")]


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("every: 毎週火曜10:00", "every: 毎週", ["this calendar is not understood", "毎月第2火曜10:00"]),
        ("    every: 毎週火曜10:00\n", "", ["nothing says when this issue goes"]),
        ("id: first,", "id: first, at: 4月7日,", ["this is no day with a time", "2026-12-08 10:00"]),
        ("segment: cold_leads", "segment: 冷たい", ["there is no segment of this name"]),
        ("id: second", "id: first", ["two issues have the same name"]),
        ("id: news", "id: trigger_mails", ["a scenario bears this name"]),
        ("template: plain, subject: 第一号", "template: none", ["there is no mail template of this name"]),
    ],
)
def test_what_a_newsletter_cannot_mean_is_told(world: World, old: str, new: str, told: list[str]) -> None:
    rules(world, "scenarios: []\n", newsletters=NEWS)
    folder = world.home / "rules"
    assert load_rules(folder).newsletters[0].segment == "cold_leads"
    (folder / "newsletters.yaml").write_text(NEWS.replace(old, new), encoding="utf-8")
    problems = "\n".join(str(problem) for problem in check_rules(folder)[1] if not problem.is_warning)
    assert "newsletters.yaml" in problems
    for part in told:
        assert part in problems
