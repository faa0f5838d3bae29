"""A mail goes when its window is open where the lead is, and no oftener than the caps say; until then it waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rules.models import Days, Delivery, Field, MailCap, RuleSet, Window
from tasks.send import deliver_sends, plan_sends, waiting_sends
from tests.facts import add_consent, add_event, add_lead
from tests.rule_sets import CASE_STUDY, CONSULTATION, DOWNLOAD, rule_set, step
from tests.world import World, stand_in

TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
EMAIL = "a@example.com"
BUSINESS = Window(
    id="business", label="営業時間", days=("mon", "tue", "wed", "thu", "fri"), opens="09:00", closes="18:00",
    on_holidays=False,
)  # fmt: skip
THANKS = step("thanks", DOWNLOAD, window="business")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def rules(*steps, **delivery) -> RuleSet:
    values = {"windows": (BUSINESS,), "holidays": "JP", "time_zone_field": "time_zone", **delivery}
    fields = (*rule_set().fields, Field(id="time_zone", label="タイムゾーン"))
    return rule_set(
        steps=steps,
        active_from=datetime(2026, 1, 1, tzinfo=UTC),
        fields=fields,
        delivery=Delivery.model_validate(values),
    )


def lead(world: World, when: datetime, **fields: str) -> None:
    def add(connection):
        long_ago = when - timedelta(days=30)
        add_lead(connection, EMAIL, long_ago, title="営業部長", industry="製造業", **fields)
        add_consent(connection, EMAIL, long_ago)

    world.facts(add)


def download(world: World, when: datetime, asset: str = "guide") -> None:
    world.facts(lambda connection: add_event(connection, "document_download", when, email=EMAIL, asset=asset))


def test_a_mail_waits_over_holidays_until_the_window_opens_and_says_why(world: World) -> None:
    sunday = datetime(2026, 5, 3, 12, tzinfo=TOKYO)  # and Monday to Wednesday are holidays
    lead(world, sunday)
    download(world, sunday)
    asked = rules(THANKS)
    assert world.send(asked, sunday) == {"holiday": 1}
    assert world.send(asked, datetime(2026, 5, 4, 10, tzinfo=TOKYO)) == {"holiday": 1}
    assert world.send(asked, datetime(2026, 5, 6, 10, tzinfo=TOKYO)) == {"holiday": 1}
    thursday = datetime(2026, 5, 7, tzinfo=TOKYO)
    assert world.send(asked, thursday + timedelta(hours=8, minutes=59, seconds=59)) == {"quiet_hours": 1}
    assert world.accepted() == []
    assert world.ledger("select decision, is_final from send_decisions") == [("quiet_hours", False)]
    assert world.send(asked, thursday + timedelta(hours=9)) == {"sent": 1}
    assert [mail["to"] for mail in world.accepted()] == [EMAIL]
    assert world.ledger("select decision, is_final from send_decision_changes order by decided_at") == [
        ("holiday", False), ("quiet_hours", False), ("sent", True),
    ]  # fmt: skip


def test_a_holiday_monday_moves_the_mail_to_tuesday(world: World) -> None:
    saturday = datetime(2026, 7, 18, 12, tzinfo=TOKYO)
    lead(world, saturday)
    download(world, saturday)
    assert world.send(rules(THANKS), datetime(2026, 7, 20, 9, tzinfo=TOKYO)) == {"holiday": 1}  # 海の日
    assert world.send(rules(THANKS), datetime(2026, 7, 21, 9, tzinfo=TOKYO)) == {"sent": 1}


def test_a_mail_that_nobody_sent_while_the_window_was_open_is_too_late_in_the_end(world: World) -> None:
    friday = datetime(2026, 4, 10, 20, tzinfo=TOKYO)
    lead(world, friday)
    download(world, friday)
    monday = datetime(2026, 4, 13, 9, tzinfo=TOKYO)
    assert world.send(rules(THANKS), friday) == {"quiet_hours": 1}
    assert world.send(rules(THANKS), monday + timedelta(hours=72, seconds=1)) == {"expired": 1}


def test_the_clock_is_the_leads_across_the_end_of_summer_time(world: World) -> None:
    saturday = datetime(2026, 10, 31, 12, tzinfo=NEW_YORK)
    lead(world, saturday, time_zone="America/New_York")
    download(world, saturday)
    asked = rules(THANKS)
    assert world.send(asked, datetime(2026, 11, 2, 9, tzinfo=TOKYO)) == {"holiday": 1}  # Sunday evening there
    monday = datetime(2026, 11, 2, 13, tzinfo=UTC)  # nine o'clock until Saturday, eight from Sunday on
    assert world.send(asked, monday) == {"quiet_hours": 1}
    assert world.send(asked, monday + timedelta(hours=1)) == {"sent": 1}


def test_an_hour_that_the_clock_skips_opens_when_the_clock_has_passed_it(world: World) -> None:
    night = Window(id="night", label="夜", opens="02:30", closes="05:00")
    sunday = datetime(2027, 3, 14, 6, tzinfo=UTC)  # one o'clock in New York; at two it becomes three
    lead(world, sunday, time_zone="America/New_York")
    download(world, sunday)
    asked = rules(step("thanks", DOWNLOAD, window="night"), windows=(night,))
    assert world.send(asked, sunday) == {"quiet_hours": 1}
    assert world.send(asked, sunday + timedelta(minutes=59)) == {"quiet_hours": 1}
    assert world.send(asked, sunday + timedelta(hours=1, minutes=30)) == {"sent": 1}


def test_a_place_nobody_knows_is_where_the_business_is(world: World) -> None:
    friday = datetime(2026, 4, 10, 10, tzinfo=TOKYO)
    lead(world, friday, time_zone="Mars/Olympus")
    download(world, friday)
    assert world.send(rules(THANKS), friday) == {"sent": 1}


def test_a_window_past_midnight(world: World) -> None:
    evening = Window(id="business", label="夜間", opens="22:00", closes="02:00")
    day = datetime(2026, 4, 10, 12, tzinfo=TOKYO)
    lead(world, day)
    download(world, day)
    assert world.send(rules(THANKS, windows=(evening,)), day) == {"quiet_hours": 1}
    assert world.send(rules(THANKS, windows=(evening,)), day + timedelta(hours=13, minutes=59)) == {"sent": 1}


def test_the_companys_own_calendar(world: World) -> None:
    thursday = datetime(2026, 12, 31, 10, tzinfo=TOKYO)
    lead(world, thursday)
    download(world, thursday)
    closed = Days(on="12-29", until="01-03")
    assert world.send(rules(THANKS, closed=(closed,)), thursday) == {"holiday": 1}
    saturday = datetime(2027, 1, 2, 10, tzinfo=TOKYO)
    assert world.send(rules(THANKS, closed=(closed,)), saturday) == {"holiday": 1}
    assert world.send(rules(THANKS, closed=(closed,), open=(Days(on="2027-01-02"),)), saturday) == {"sent": 1}


def test_a_mail_decided_before_closing_waits_for_the_next_opening(world: World) -> None:
    friday = datetime(2026, 4, 10, 17, 59, tzinfo=TOKYO)
    lead(world, friday)
    download(world, friday)
    asked = rules(THANKS)
    world.clock(friday)
    world.recompute(asked, friday)
    assert plan_sends(world.settings, asked, friday) == {"sent": 1}
    world.clock(friday + timedelta(minutes=1))
    assert deliver_sends(world.settings, asked, friday + timedelta(minutes=1)) == {}
    assert waiting_sends(world.settings) == 1
    assert world.send(asked, datetime(2026, 4, 13, 9, tzinfo=TOKYO)) == {}
    assert [mail["to"] for mail in world.accepted()] == [EMAIL]


def test_an_answer_to_ones_own_request_waits_for_nothing(world: World) -> None:
    sunday = datetime(2026, 5, 3, 23, tzinfo=TOKYO)
    lead(world, sunday)
    download(world, sunday)
    world.facts(lambda connection: add_event(connection, "consultation_request", sunday, email=EMAIL))
    answer = step("answer", CONSULTATION, category="transactional")
    caps = (MailCap(id="a_day", label="1日1通", mails=1, within_days=1),)
    thanks = step("thanks", DOWNLOAD)
    assert world.send(rules(thanks, answer, caps=caps), sunday) == {"sent": 2}


def test_no_more_mails_than_the_caps_and_the_others_later_in_order(world: World) -> None:
    friday = datetime(2026, 4, 10, 10, tzinfo=TOKYO)
    lead(world, friday)
    download(world, friday - timedelta(minutes=2))
    download(world, friday - timedelta(minutes=1), asset="case-1")
    steps = (step("thanks", DOWNLOAD, priority=2), step("cases", CASE_STUDY, priority=1))
    asked = rules(*steps, caps=(MailCap(id="a_day", label="1日1通", mails=1, within_days=1),))
    assert world.send(asked, friday) == {"sent": 1, "frequency_cap": 1}
    assert world.ledger("select step, decision from send_decisions order by step") == [
        ("cases", "sent"), ("thanks", "frequency_cap"),
    ]  # fmt: skip
    assert world.send(asked, friday + timedelta(days=1) - timedelta(seconds=1)) == {"frequency_cap": 1}
    assert world.send(asked, friday + timedelta(days=1)) == {"sent": 1}


def test_a_mail_over_the_cap_of_its_kind_keeps_no_other_kind_waiting(world: World) -> None:
    friday = datetime(2026, 4, 10, 10, tzinfo=TOKYO)
    lead(world, friday)
    steps = (
        step("first", DOWNLOAD, scenario="trigger_mails", kind="trigger", priority=0),
        step("second", CONSULTATION, scenario="trigger_mails", kind="trigger", priority=1),
        step("cases", CASE_STUDY, priority=2, delay=timedelta(hours=1)),
    )
    caps = (
        MailCap(id="triggers", label="トリガーは週1通", mails=1, within_days=7, kind="trigger"),
        MailCap(id="a_day", label="1日1通", mails=1, within_days=1),
    )
    download(world, friday, asset="case-1")
    asked = rules(*steps, caps=caps)
    assert world.send(asked, friday) == {"sent": 1}
    next_day = friday + timedelta(days=1)
    world.facts(lambda connection: add_event(connection, "consultation_request", next_day, email=EMAIL))
    assert world.send(asked, next_day) == {"frequency_cap": 1, "sent": 1}
    assert world.ledger("select step from sends order by planned_at, step") == [("first",), ("cases",)]


def test_a_mail_due_right_before_a_long_closure_is_not_too_late_after_it(world: World) -> None:
    friday = datetime(2026, 5, 1, 17, 59, tzinfo=TOKYO)
    lead(world, friday)
    download(world, friday)
    assert world.send(rules(THANKS), friday + timedelta(minutes=6)) == {"quiet_hours": 1}
    assert world.send(rules(THANKS), datetime(2026, 5, 7, 9, tzinfo=TOKYO)) == {"sent": 1}
    assert len(world.accepted()) == 1


def test_a_mail_decided_right_before_a_long_closure_goes_after_it(world: World) -> None:
    friday = datetime(2026, 5, 1, 17, 59, tzinfo=TOKYO)
    lead(world, friday)
    download(world, friday)
    asked = rules(THANKS)
    world.clock(friday)
    world.recompute(asked, friday)
    assert plan_sends(world.settings, asked, friday) == {"sent": 1}
    assert deliver_sends(world.settings, asked, friday + timedelta(minutes=2)) == {}
    assert world.send(asked, datetime(2026, 5, 7, 9, tzinfo=TOKYO)) == {}
    assert len(world.accepted()) == 1


def test_a_mail_may_wait_for_a_cap_for_as_long_as_the_cap(world: World) -> None:
    friday = datetime(2026, 4, 10, 10, tzinfo=TOKYO)
    lead(world, friday)
    download(world, friday - timedelta(minutes=1), asset="case-1")
    steps = (step("thanks", DOWNLOAD, priority=2, delay=timedelta(minutes=1)), step("cases", CASE_STUDY, priority=1))
    asked = rules(*steps, caps=(MailCap(id="a_week", label="週1通", mails=1, within_days=7),))
    assert world.send(asked, friday) == {"sent": 1, "frequency_cap": 1}
    assert world.send(asked, friday + timedelta(days=5)) == {"frequency_cap": 1}
    assert world.send(asked, friday + timedelta(days=7)) == {"sent": 1}


def test_a_mail_that_still_has_to_go_counts_as_one_of_today(world: World) -> None:
    friday = datetime(2026, 4, 10, 17, 59, tzinfo=TOKYO)
    lead(world, friday)
    download(world, friday)
    caps = (MailCap(id="a_day", label="1日1通", mails=1, within_days=1),)
    asked = rules(THANKS, step("cases", CASE_STUDY, window="business", priority=1), caps=caps)
    world.clock(friday)
    world.recompute(asked, friday)
    assert plan_sends(world.settings, asked, friday) == {"sent": 1}
    monday = datetime(2026, 4, 13, 9, tzinfo=TOKYO)
    download(world, monday - timedelta(minutes=1), asset="case-1")
    assert world.send(asked, monday) == {"frequency_cap": 1}
    assert len(world.accepted()) == 1


def test_a_waiting_mail_silences_no_answer_to_the_same_event(world: World) -> None:
    sunday = datetime(2026, 5, 3, 12, tzinfo=TOKYO)
    lead(world, sunday)
    download(world, sunday)
    answer = step("answer", DOWNLOAD, category="transactional", priority=1)
    assert world.send(rules(THANKS, answer), sunday) == {"sent": 1, "superseded": 1}
    assert world.ledger("select step from sends") == [("answer",)]


def test_a_cap_on_marketing_silences_no_answer_to_the_same_event(world: World) -> None:
    friday = datetime(2026, 4, 10, 10, tzinfo=TOKYO)
    lead(world, friday)
    download(world, friday)
    caps = (MailCap(id="a_day", label="1日1通", mails=1, within_days=1),)
    offer = step("offer", CONSULTATION, priority=1)
    answer = step("answer", CONSULTATION, category="transactional", priority=2)
    asked = rules(THANKS, offer, answer, caps=caps)
    assert world.send(asked, friday) == {"sent": 1}
    later = friday + timedelta(hours=1)
    world.facts(lambda connection: add_event(connection, "consultation_request", later, email=EMAIL))
    assert world.send(asked, later) == {"frequency_cap": 1, "sent": 1}
    assert world.ledger("select step from sends order by planned_at") == [("thanks",), ("answer",)]
