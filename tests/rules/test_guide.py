"""The shipped rule set says what the guide says."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from rules.loader import check_rules, load_rules
from rules.models import RuleSet, Selector
from rules.sheet import read_sheet
from tests.rules.workbooks import GUIDE

SHEET = """\
セグメント,購買ステージ,配信タイミング,メール件名,メール内容,CTA,次のアクション
製造業・部長職,認知,資料DL直後,【資料DLありがとうございます】導入事例集のご案内,資料DLのお礼+関連導入事例の紹介,事例集DL,3日後フォローメール
製造業・部長職,興味,事例集DL後3日,【導入効果3倍】○○社の成功事例を詳しく解説,具体的な導入効果と実施プロセスを解説,ウェビナー申込,7日後フォローメール
製造業・部長職,比較検討,価格ページ閲覧後1日,【比較検討中の方へ】他社との違いを5分で理解,競合比較表と選定ポイントの解説,個別相談申込,営業へ通知
製造業・部長職,決定,個別相談申込後,【ご相談ありがとうございます】担当者よりご連絡します,営業担当から48時間以内に連絡する旨を通知,—,営業フォロー
"""
TARGET = "manufacturing_department_head"
DOWNLOAD = Selector(event="document_download")
CASES = Selector(event="document_download", asset_group="case_studies")
PRICE = Selector(event="page_view", page_group="price")
SEMINAR = Selector(event="seminar_signup")
CONSULTATION = Selector(event="consultation_request")


@pytest.fixture(scope="module")
def guide() -> RuleSet:
    return load_rules(GUIDE)


def test_it_has_no_problem_at_all() -> None:
    assert check_rules(GUIDE)[1] == []


def test_the_sheet_stands_unchanged() -> None:
    assert (GUIDE / "scenarios.csv").read_bytes() == SHEET.encode()


def test_the_workbook_holds_the_same_cells() -> None:
    sheets = [read_sheet(GUIDE / name, [], name) for name in ("scenarios.csv", "scenarios.xlsx")]
    rows = [[row.cells for row in sheet[0]] for sheet in sheets if sheet is not None]
    assert len(rows) == 2
    assert rows[0] == rows[1]


def test_the_four_rows_and_the_follow_up_they_need(guide: RuleSet) -> None:
    steps = [step for step in guide.steps if step.kind == "step" and step.trigger is not None]
    assert [(s.step, s.stage, s.trigger, s.delay, s.cta, s.category) for s in steps] == [
        (f"{TARGET}-awareness-document_download", "awareness", DOWNLOAD, timedelta(0), CASES, "marketing"),
        (f"{TARGET}-interest-case_studies_download", "interest", CASES, timedelta(days=3), SEMINAR, "marketing"),
        (
            f"{TARGET}-consideration-price_page_view",
            "consideration",
            PRICE,
            timedelta(days=1),
            CONSULTATION,
            "marketing",
        ),
        (f"{TARGET}-decision-consultation_request", "decision", CONSULTATION, timedelta(0), None, "transactional"),
        (f"{TARGET}-interest-seminar_signup-follow_up", "interest", SEMINAR, timedelta(days=7), None, "marketing"),
    ]
    assert {step.scenario for step in steps} == {step.segment for step in steps} == {TARGET}
    assert [step.subject for step in steps[:4]] == [line.split(",")[3] for line in SHEET.splitlines()[1:]]
    assert steps[4].template == "follow_up"
    assert [step.source for step in steps[:2]] == ["scenarios.csv row 2", "scenarios.csv row 3"]


def test_warm_leads_have_a_step_scenario_and_cold_ones_a_newsletter(guide: RuleSet) -> None:
    (warm,) = guide.scenarios
    assert (warm.segment, warm.entry, warm.re_entry) == ("warm_leads", None, timedelta(days=180))
    assert {one.kind for one in warm.exits} == {"goal", "deal", "hot", "consent"}
    assert [node.kind for node in warm.nodes] == ["mail", "wait", "branch", "mail", "mail", "wait", "mail"]
    (cold,) = guide.newsletters
    assert (cold.segment, cold.repeats, len(cold.issues)) == ("cold_leads", True, 3)
    assert cold.calendar is not None
    assert (cold.calendar.weekday, cold.calendar.every_weeks) == (2, 2)
    assert {step.kind for step in guide.steps if step.scenario == cold.id} == {"newsletter"}


def test_trigger_mails_come_after_the_sheet(guide: RuleSet) -> None:
    mails = [step for step in guide.steps if step.kind == "trigger"]
    assert [(mail.trigger, mail.trigger_count, mail.delay) for mail in mails] == [
        (DOWNLOAD, 1, timedelta(0)),
        (DOWNLOAD, 1, timedelta(days=3)),
        (PRICE, 3, timedelta(0)),
        (Selector(event="consent_asked"), 1, timedelta(0)),
    ]
    assert [step.priority for step in guide.steps] == list(range(1, len(guide.steps) + 1))


def test_what_sales_gets(guide: RuleSet) -> None:
    assert {(a.kind, a.on, a.on_count, a.segment, a.stage) for a in guide.sales_actions} == {
        ("notify", CONSULTATION, 1, TARGET, None),
        ("handoff", CONSULTATION, 1, TARGET, None),
        ("handoff", CONSULTATION, 1, "everyone", None),
        ("notify", PRICE, 3, "everyone", None),
    }
    assert (guide.handoff.limit_hours, guide.handoff.second_limit_hours, guide.handoff.reassigns) == (48, 72, True)


def test_the_figures_of_the_guide(guide: RuleSet) -> None:
    assert {rule.id: (rule.points, rule.once_per) for rule in guide.scoring} == {
        "mail_open": (5, "send"),
        "mail_click": (10, "send"),
        "document_download": (10, "event"),
        "price_page_view": (15, "window"),
        "seminar_signup": (20, "event"),
        "consultation_request": (30, "event"),
    }
    assert [(tier.id, tier.minimum_score) for tier in guide.tiers] == [("hot", 50), ("warm", 30), ("cold", None)]
    assert [stage.label for stage in guide.stages] == ["認知", "興味", "比較検討", "決定"]
    assert (guide.active_from, guide.expires_after_hours, guide.conversion_window_days) == (None, 72, 30)


def test_every_address_is_an_example_and_every_mail_can_be_sent_as_it_is(guide: RuleSet) -> None:
    for path in sorted(GUIDE.rglob("*")):
        if path.suffix not in {".yaml", ".txt", ".html", ".csv"}:
            continue
        text = path.read_text(encoding="utf-8")
        for address in re.findall(r"[\w.]+@([\w.-]+)", text):
            assert address.endswith((".example.com", "example.com")), path
        if path.parent.parent.name == "mails":
            assert not re.search(r"○○|◯◯|〇〇|XX|TODO", text), path
    for template in guide.templates:
        assert '<html lang="ja">' in template.html
        assert "<table" not in template.html
    transactional = next(t for t in guide.templates if t.id.endswith("consultation_request"))
    assert "unsubscribe_url" not in transactional.text + transactional.html
    assert "48時間以内" in transactional.text


def test_segments_stand_after_those_they_refer_to(guide: RuleSet) -> None:
    ids = [segment.id for segment in guide.segments]
    assert ids[0] == "everyone"
    three_times = f"{TARGET}_price_page_3_times"
    assert ids.index("manufacturing") < ids.index(TARGET) < ids.index(three_times)


def test_the_version_changes_with_content_only(folder: Path, guide: RuleSet) -> None:
    assert load_rules(folder).version == guide.version
    (folder / "scenarios.xlsx").unlink()
    (folder / "notes.md").write_text("not read")
    assert load_rules(folder).version == guide.version
    body = folder / "mails" / "follow_up" / "body.txt"
    body.write_text(body.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert load_rules(folder).version != guide.version
