"""Reviews find what was planted, and next to nothing where nothing was; every edit they propose does what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rules.loader import load_rules
from rules.models import RuleSet
from settings import Settings
from tasks.review.findings import find
from tasks.review.report import edits_of, patch_name
from tasks.review.run import find_in_period, keep_review, write_down
from tasks.review.scoring import _useless
from tests.browser import chromium
from tests.company import REPOSITORY
from tests.facts import at
from tests.review_history import AS_OF, END, STEPS, Truth, made_history
from warehouse.connection import open_ledger, open_warehouse
from warehouse.publish import publish
from warehouse.recompute import recompute
from warehouse.review_counts import BANDS, LANDMARKS, MOST_RAISED, ReviewCounts
from warehouse.review_period import WEEKS, last_period
from warehouse.review_statistics import Lift
from warehouse.reviews import Finding, Review, review_of

GUIDE = REPOSITORY / "rules" / "guide"
ALL_TRUE = Truth(lift=3, idle_calls=200, tiring=0.12, leak=0.04, returned=0.7, opens_last_week=0.13)
EDITED = {
    "useless_points/document_download": "scoring.yaml",
    "threshold/hot": "tiers.yaml",
    "tiring_segment/finance": "delivery.yaml",
    "leaky_step/warm_nurturing/warm_seminar": "scenarios.yaml",
    "return_reasons/not_a_target/information_technology": "handoff.yaml",
}


def by_name(findings: tuple[Finding, ...] | list[Finding]) -> Mapping[str, Finding]:
    return {f"{one.finding}/{one.subject}": one for one in findings}


@pytest.fixture(scope="module")
def truths(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return made_history(tmp_path_factory.mktemp("truths") / "home", ALL_TRUE)


@pytest.fixture(scope="module")
def review(truths: Settings) -> Review:
    rules = load_rules(truths.rules)
    keep_review(truths, rules, "week", find_in_period(truths, rules, "week", AS_OF), AS_OF)
    with open_ledger(truths, read_only=True) as ledger:
        found = review_of(ledger, "week", date(2026, 5, 25))
    assert found is not None
    return found


def test_what_was_planted_is_found_and_the_rest_is_left_alone(review: Review) -> None:
    found = by_name(review.findings)
    beyond = {name for name, one in found.items() if one.is_noise is False}
    unused = {
        f"useless_points/{rule}" for rule in ("mail_open", "mail_click", "seminar_signup", "consultation_request")
    }
    told = {"metric_change/open_rate", "rule_lift/price_page_view", *EDITED}
    # everybody's opens fall with finance's
    assert told <= beyond <= told | unused | {"tiring_segment/everyone", "metric_change/unsubscribe_rate"}
    lift = found["rule_lift/price_page_view"]
    assert lift.low is not None
    assert lift.high is not None
    assert lift.low < 3 < lift.high * 1.1
    assert found["rule_lift/document_download"].is_noise is True
    assert "65点に上げても" in found["threshold/hot"].told
    assert found["metric_change/open_rate"].change == pytest.approx(-0.17, abs=0.05)


@pytest.mark.parametrize(("name", "file"), EDITED.items())
def test_each_edit_applies_and_the_rules_it_leaves_are_those_it_speaks_of(
    name: str, file: str, review: Review, truths: Settings, tmp_path: Path
) -> None:
    finding = by_name(review.findings)[name]
    assert finding.rule_file == file
    assert finding.rule_edit is not None
    assert finding.expected_effect
    page = write_down(truths, load_rules(truths.rules), "week", AS_OF)
    patch = page.parent / patch_name(review, edits_of(review).index(finding) + 1)
    assert patch.read_text(encoding="utf-8") == finding.rule_edit
    folder = tmp_path / "rules"
    shutil.copytree(truths.rules, folder)
    before = load_rules(folder)
    done = subprocess.run(["git", "apply", "-p0", str(patch)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        changed(before, load_rules(folder))
        == {
            "scoring.yaml": {"scoring": {"document_download"}},
            "tiers.yaml": {"hot": 65},
            "delivery.yaml": {"caps": [(1, 14.0)]},
            "scenarios.yaml": {"off": {"warm_seminar"}},
            "handoff.yaml": {"not_when": {"information_technology"}},
        }[file]
    )


def changed(before: RuleSet, after: RuleSet) -> dict[str, Any]:
    """What two rule sets differ in, of all that a review may edit."""
    off = {step.step for step in after.steps if not step.is_enabled} - {
        step.step for step in before.steps if not step.is_enabled
    }
    found = {
        "scoring": {rule.id for rule in before.scoring} ^ {rule.id for rule in after.scoring},
        "hot": after.tiers[0].minimum_score if after.tiers[0] != before.tiers[0] else None,
        "caps": [(cap.mails, cap.within_days) for cap in after.delivery.caps if cap not in before.delivery.caps],
        "off": off,
        "not_when": {one.segment for one in after.handoff.not_when} - {one.segment for one in before.handoff.not_when},
    }
    return {name: value for name, value in found.items() if value}


def test_what_points_took_off_would_cool_is_counted(review: Review, truths: Settings) -> None:
    """Leads with both habits have 60 points; without their downloads none of them is hot."""
    import duckdb

    with duckdb.connect(str(truths.published), read_only=True) as connection:
        ((hot,),) = connection.execute(
            "select count(distinct lead_id) from leads inner join lead_score_points using (lead_id)"
            " where rule = 'document_download' and score >= 50"
        ).fetchall()
    told = by_name(review.findings)["useless_points/document_download"].expected_effect
    assert told is not None
    assert f"今ホットの{hot:,}人" in told
    assert f"うち{hot:,}人がホットでなくなります" in told


def test_a_quiet_past_gives_no_edit_and_says_so(tmp_path: Path) -> None:
    settings = made_history(tmp_path / "home", Truth(), seed=7)
    rules = load_rules(settings.rules)
    found = find_in_period(settings, rules, "month", AS_OF)
    findings = by_name(found)
    edits = {name for name, one in findings.items() if one.rule_edit is not None}
    # in it neither price pages nor downloads foretell anything, and four rules give nobody points
    assert all(name.startswith("useless_points/") for name in edits)
    beyond = {name for name, one in findings.items() if one.is_noise is False}
    assert beyond == edits
    for kind in ("tiring_segment", "leaky_step"):
        assert findings[f"{kind}/all"].what_to_do == "変更は不要です。"
    assert findings["threshold/hot"].what_to_do == "変更は不要です。"
    # May has a day more than April
    calls = findings["metric_change/handoffs"]
    assert calls.this_period is not None
    assert calls.last_period is not None
    assert calls.change == pytest.approx(calls.this_period - calls.last_period * 31 / 30)
    keep_review(settings, rules, "month", found, AS_OF)
    page = write_down(settings, rules, "month", AS_OF)
    for text in (page.read_text(encoding="utf-8"), page.with_suffix(".md").read_text(encoding="utf-8")):
        assert "件数の差は、前の月の件数をこの月の日数にそろえたものです。" in text


def test_where_there_is_nothing_yet_it_says_too_few_and_proposes_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, rules=GUIDE)
    rules = load_rules(GUIDE)
    with open_warehouse(settings) as connection:
        recompute(connection, rules, AS_OF, settings.public_url)
    publish(settings, AS_OF)
    findings = find_in_period(settings, rules, "week", AS_OF)
    assert {one.finding for one in findings} == {
        "metric_change", "rule_lift", "useless_points", "threshold", "tiring_segment", "leaky_step", "return_reasons",
    }  # fmt: skip
    for one in findings:
        assert one.rule_edit is None
        assert one.is_noise is not False
        if one.finding in {"metric_change", "rule_lift", "threshold"}:
            assert one.is_noise is None
            assert "足り" in one.told or "必要です" in one.told


def test_a_rule_set_with_decay_conditions_and_losses_is_reviewed_too(tmp_path: Path) -> None:
    """Of its proposals each applies by itself, and the set it leaves differs in nothing else."""
    settings = made_history(tmp_path / "home", ALL_TRUE, rule_set="b2b")
    rules = load_rules(settings.rules)
    findings = find_in_period(settings, rules, "week", AS_OF)
    assert {one.subject for one in findings if one.finding == "rule_lift"} == {rule.id for rule in rules.scoring}
    edits = {f"{one.finding}/{one.subject}": one for one in findings if one.rule_edit is not None}
    assert "useless_points/document_download" in edits
    for name, one in edits.items():
        folder, patch = tmp_path / "copy", tmp_path / "edit.patch"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(settings.rules, folder)
        patch.write_text(one.rule_edit or "", encoding="utf-8", newline="")
        done = subprocess.run(["git", "apply", "-p0", str(patch)], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, (name, done.stderr)
        assert changed(rules, load_rules(folder)), name


def test_points_taken_off_for_nothing_are_worth_nothing_either() -> None:
    """Whoever opts out buys as often as others: then there is nothing to take off for; those who buy less lose points."""
    rules = load_rules(REPOSITORY / "rules" / "b2b")
    counts = noise(np.random.default_rng(4), rules)
    found = by_name(find(counts, rules, REPOSITORY / "rules" / "b2b"))
    useless = found["useless_points/opt_out"]
    assert useless.rule_edit is not None
    assert "-20点" in useless.told
    rarely = [{**row, "deals": 1} if row["rule"] == "opt_out" else row for row in counts.rules]
    found = by_name(find(replace(counts, rules=rarely), rules, REPOSITORY / "rules" / "b2b"))
    assert "useless_points/opt_out" not in found
    assert "見分けるのに役立っています" in found["rule_lift/opt_out"].told


@pytest.mark.parametrize(("high", "bound"), [(1.7, "2"), (1.4, "1.5")])
def test_of_a_single_point_no_more_is_said_than_its_interval_says(high: float, bound: str) -> None:
    rules = load_rules(GUIDE)
    rule = rules.scoring[0].model_copy(update={"points": 1})
    lift = Lift(900, 30, rate=0.033, rate_alike=0.03, lift=1.1, low=0.8, high=high, p_value=0.5)
    told = _useless(rule, lift, {"hot": 5, "cooled_without": 1, "cooled_by_half": 1}, "案件化", GUIDE).tell(False)
    assert told is not None
    assert told.edit is not None
    assert "この点数を外す" in told.what_to_do
    assert f"{bound}倍以上の差があるとは考えにくい" in told.told


@pytest.mark.parametrize(("mails", "wanted"), [(3, 8), (1, 2)])
def test_a_cap_of_several_weeks_is_lowered_by_what_a_week_has(mails: int, wanted: int, tmp_path: Path) -> None:
    """Two mails a week are eight in four weeks, and where there was one a week, one every other week is two."""
    folder = tmp_path / "rules"
    shutil.copytree(REPOSITORY / "rules" / "b2b", folder)
    file = folder / "delivery.yaml"
    text = file.read_text(encoding="utf-8")
    cap = "{id: a_week, label: 1週間に4通まで, mails: 4, within_days: 7}"
    assert cap in text
    text = text.replace(cap, "{id: four_weeks, label: 4週間に12通まで, mails: 12, within_days: 28}")
    file.write_text(text, encoding="utf-8")
    rules = load_rules(folder)
    segment = rules.segments[0].id
    weeks = [
        {"segment": segment, "number": week, "delivered": 1000, "opened": 200 + 20 * week, "left_us": 3}
        for week in range(WEEKS)
    ]
    counts = replace(
        noise(np.random.default_rng(1), rules),
        segments=weeks,
        mail_load=[{"segment": segment, "mails": mails, "times": 1000}],
    )
    edit = by_name(find(counts, rules, folder))[f"tiring_segment/{segment}"].rule_edit
    assert edit is not None
    assert f"+  - {{id: four_weeks, label: 4週間に{wanted}通まで, mails: {wanted}, within_days: 28}}" in edit


REVIEWS = 200


def test_of_reviews_of_pure_noise_at_most_one_in_twenty_says_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts as chance makes them; each review has some forty comparisons."""
    monkeypatch.setattr("tasks.review.scoring.propose", lambda *_: None)  # it is no part of what is judged, and slow
    rules, chance = load_rules(GUIDE), np.random.default_rng(5)
    wrong = [name for _ in range(REVIEWS) if (name := first_difference(find(noise(chance, rules), rules, GUIDE)))]
    # 0.05, and what chance adds to it in so many reviews, at 99 %
    assert len(wrong) / REVIEWS <= 0.05 + 2.4 * (0.05 * 0.95 / REVIEWS) ** 0.5, wrong


def first_difference(findings: list[Finding]) -> str | None:
    """That a rule surely foretells little is true of noise, and no error."""
    return next(
        (
            f"{one.finding}/{one.subject}"
            for one in findings
            if one.is_noise is False and one.finding != "useless_points"
        ),
        None,
    )


def noise(chance: np.random.Generator, rules: RuleSet) -> ReviewCounts:
    def drawn(trials: int, rate: float) -> int:
        return int(chance.binomial(trials, rate))

    metrics = []
    for metric, mails, rate in (
        ("open_rate", 900, 0.25), ("click_rate", 900, 0.05), ("conversion_rate", 900, 0.01), ("bounce_rate", 900, 0.01),
        ("unsubscribe_rate", 900, 0.003), ("complaint_rate", 900, 0.0005), ("contacted_in_time_rate", 20, 0.8),
    ):  # fmt: skip
        metrics += [{"metric": metric, "number": one, "hits": drawn(mails, rate), "trials": mails} for one in range(9)]
    for metric, mean in (("hot_leads", 12), ("handoffs", 15), ("meetings", 6), ("deals", 5), ("deals_won", 2)):
        metrics += [
            {"metric": metric, "number": one, "hits": int(chance.poisson(mean)), "trials": None} for one in range(9)
        ]
    strata = [
        {"rule": rule.id, "leads": 150, "deals": drawn(150, 0.03), "won": 0, "others": 250,
         "deals_of_others": drawn(250, 0.03), "won_of_others": 0}
        for rule in rules.scoring for _ in range(LANDMARKS) for _ in BANDS[:2]
    ]  # fmt: skip
    points = [
        {"rule": rule.id, "lately": 300, "leads": 300, "hot": 50, "cooled_by_half": 5, "cooled_without": 9}
        for rule in rules.scoring
    ]
    calls, deals = 300, drawn(300, 0.2)
    thresholds = []
    left, kept = calls, deals
    for number in range(MOST_RAISED + 1):
        thresholds.append({"threshold": 50 + 5 * number, "calls": left, "kept": kept, "deals": deals, "calls_now": calls, "first_at": END - timedelta(days=150)})  # fmt: skip
        dropped = drawn(left, 0.08)
        lost = int(chance.hypergeometric(kept, left - kept, dropped)) if dropped else 0
        left, kept = left - dropped, kept - lost
    segments = [
        {"segment": segment.id, "number": week, "delivered": 300, "opened": drawn(300, 0.25), "left_us": drawn(300, 0.004)}
        for segment in rules.segments[:10] for week in range(WEEKS)
    ]  # fmt: skip
    steps = [
        {"scenario": "warm_nurturing", "step": step, "scenario_label": "s", "label": step, "delivered": 500,
         "opened": drawn(500, 0.25), "left_us": drawn(500, 0.004), "targeted": 600, "exited": drawn(600, 0.1)}
        for step in STEPS
    ]  # fmt: skip
    returns = [
        {"reason": reason.id, "number": number, "returns": int(chance.poisson(3)), "handoffs": 15}
        for reason in rules.handoff.return_reasons for number in range(2)
    ]  # fmt: skip
    return ReviewCounts(
        period=last_period("week", AS_OF, "Asia/Tokyo"), published_at=AS_OF, history_days=300, hot_tier="hot",
        hot_score=50, metrics=metrics, rules=strata, points=points, thresholds=thresholds, segments=segments,
        mail_load=[], steps=steps, returns=returns, return_segments=[],
    )  # fmt: skip


def test_the_last_whole_week_and_month_are_those_of_tokyo() -> None:
    sunday_night = datetime(2026, 5, 31, 14, 59, tzinfo=UTC)
    assert last_period("week", sunday_night, "Asia/Tokyo").first == date(2026, 5, 18)
    assert last_period("week", sunday_night + timedelta(minutes=1), "Asia/Tokyo").first == date(2026, 5, 25)
    assert last_period("month", sunday_night, "Asia/Tokyo").first == date(2026, 4, 1)
    period = last_period("month", sunday_night + timedelta(minutes=1), "Asia/Tokyo")
    assert (period.first, period.end, period.ended_at) == (date(2026, 5, 1), date(2026, 6, 1), END)
    assert [span.days for span in period.spans()[:4]] == [31, 30, 31, 28]
    assert period.weeks()[0].ended_at == END
    assert at(0) < END


@pytest.fixture(scope="module")
def page(review: Review, truths: Settings) -> Iterator[Any]:
    path = write_down(truths, load_rules(truths.rules), "week", AS_OF)
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 390, "height": 800})
        opened.goto(path.as_uri())
        yield opened


def test_the_page_is_read_on_a_phone_and_by_a_screen_reader(page: Any, review: Review) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.lang") == "ja"
    edits = [one for one in review.findings if one.rule_edit is not None]
    assert page.locator(".proposal").count() == len(edits) > 4
    levels = page.eval_on_selector_all("h1,h2,h3", "all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in page.locator("table").all():
        assert table.locator("caption").count() == 1
        assert table.locator("tbody th[scope=row]").count() == table.locator("tbody tr").count() > 0
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0, "it needs nothing beside it"


def test_page_and_markdown_tell_every_finding_and_name_nobody(review: Review, truths: Settings) -> None:
    page = write_down(truths, load_rules(truths.rules), "week", AS_OF)
    html, markdown = page.read_text(encoding="utf-8"), page.with_suffix(".md").read_text(encoding="utf-8")
    for text in (html, markdown):
        assert not re.search(r"[\w.]+@[\w.]+", text)
        for one in review.findings:
            if one.finding not in {"metric_change", "rule_lift"} or one.is_noise is False:
                assert one.told.split("(")[0].split("、")[0] in text
    assert sorted(path.name for path in page.parent.iterdir() if path.name.startswith(".")) == []
