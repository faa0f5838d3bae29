"""What the second rule set shows is understood as it is meant, and what is wrong in such rules is said, all at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from rules.errors import Problem
from rules.lead_rules import SOURCE_COLUMNS
from rules.loader import check_rules, load_rules
from rules.models import (
    AccountCondition,
    All,
    AnyOf,
    Condition,
    DealCondition,
    EventCondition,
    FieldCondition,
    Not,
    OccasionCondition,
    PropertyTest,
    RuleSet,
    ScoreCondition,
    SegmentCondition,
    Selector,
    SequenceCondition,
)
from tasks.clients.sources.targets import known_targets

B2B = Path("rules/b2b")
PRICE = Selector(event="page_view", page_group="price")
ANY = Selector(event="any")
WHERE = "where: {field: title_level, equals: 部長職}"
"""A condition that cases replace."""
RULE = "{id: seminar_signup, label: セミナー申込, on: セミナー申込, points: 20, half_life_days: 90}"
PRODUCTS_CAP = "cap: {times: 3, within_days: 1}\n    expires_after_days: 60"
LASTING = "where: {field: has_budget, equals: true}"


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules(B2B)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(B2B, tmp_path / "b2b"))


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str, str], None]:
    def replace(name: str, old: str, new: str) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


def segment(rules: RuleSet, name: str) -> Condition | None:
    return next(one.where for one in rules.segments if one.id == name)


CONDITIONS = {
    "renewal_soon": FieldCondition(field="contract_renewal_on", at_least=date(2026, 4, 1), at_most=date(2027, 3, 31)),
    "interested_in_price": FieldCondition(field="topics", contains="価格"),
    "competitors": FieldCondition(
        field="email_domain", one_of=("rival.example", "rival-group.example", "competitor.example")
    ),
    "manufacturing_department_head_price_page_3_times": All(
        parts=(
            SegmentCondition(segment="manufacturing_department_head"),
            EventCondition(on=PRICE, at_least=3, within_days=30),
        )
    ),
    "evaluators": SequenceCondition(
        steps=(Selector(event="document_download", asset_group="case_studies"), PRICE),
        within_days=7,
        ended_within_days=60,
    ),
    "newcomers": OccasionCondition(on=Selector(event="page_view"), which="first", within_days=14),
    "lapsing": OccasionCondition(on=ANY, which="last", before_days=60, within_days=180),
    "not_reading": All(
        parts=(
            EventCondition(on=Selector(event="mail_sent"), at_least=3, within_days=90),
            Not(part=OccasionCondition(on=Selector(event="mail_open"), which="last", within_days=90)),
        )
    ),
    "light_readers": Not(part=EventCondition(on=Selector(event="mail_open"), at_least=4, within_days=180)),
    "answered_target_scenario": AnyOf(
        parts=(
            EventCondition(on=Selector(event="mail_open", scenario="target_accounts")),
            EventCondition(on=Selector(event="mail_click", scenario="target_accounts")),
        )
    ),
    "in_negotiation": DealCondition(status="open"),
    "large_customers": DealCondition(status="won", within_days=365, amount_at_least=1_000_000),
    "active_teams": AccountCondition(kind="people", people=2, asked=EventCondition(on=ANY, within_days=14)),
    "warm_companies": AccountCondition(kind="score", asked=ScoreCondition(at_least=120)),
    "companies_in_negotiation": AccountCondition(kind="deal", asked=DealCondition(status="open")),
    "companies_on_price": AccountCondition(kind="event", asked=EventCondition(on=PRICE, at_least=5, within_days=30)),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_means_what_it_says(rules: RuleSet, name: str) -> None:
    assert segment(rules, name) == CONDITIONS[name]


def test_points_keep_their_bounds(rules: RuleSet) -> None:
    by_id = {rule.id: rule for rule in rules.scoring}
    assert (rules.minimum_score, rules.maximum_score) == (0, 200)
    assert (by_id["mail_open"].once_per, by_id["mail_open"].group, by_id["mail_open"].half_life_days) == (
        "send",
        "mail",
        30,
    )
    products = by_id["products_page_view"]
    assert products.cap is not None
    assert (products.cap.times, products.cap.points, products.cap.within_days) == (3, None, 1)
    assert by_id["price_list"].once_per == "lead"
    assert by_id["large_inquiry"].on == Selector(
        event="form_submit",
        properties=(
            PropertyTest(property="form", one_of=("contact", "quote")),
            PropertyTest(property="seats", at_least=50),
        ),
    )
    # a segment stands for its meaning where points hang on it
    assert by_id["competitor"].where == CONDITIONS["competitors"]
    assert by_id["mid_size"].where == FieldCondition(field="employees", at_least=50, at_most=299)
    assert {group.id: group.cap.points for group in rules.scoring_groups} == {"mail": 30, "web": 45}


def test_stages_fall_back_only_where_a_rule_says_so(rules: RuleSet) -> None:
    assert [stage.enter_when for stage in rules.stages] == [
        None, None, EventCondition(on=PRICE, at_least=2, within_days=14), DealCondition(status="open"),
    ]  # fmt: skip
    lost, silent = rules.fall_backs
    assert (lost.to, lost.leaving, lost.on) == ("interest", (), Selector(event="deal_lost"))
    assert silent.leaving == ("interest", "consideration")
    assert silent.when == OccasionCondition(on=ANY, which="last", before_days=180)


def test_one_lead_a_company_goes_to_sales(rules: RuleSet) -> None:
    entering = next(action for action in rules.sales_actions if action.on is None)
    assert (entering.segment, entering.once_per_account, entering.kind) == ("ready_teams", True, "handoff")


def test_shared_domains_are_of_no_company(rules: RuleSet) -> None:
    shared = set(rules.accounts.shared_domains)
    assert {"gmail.com", "yahoo.co.jp", "mailinator.com", "group-portal.example"} <= shared
    assert rules.accounts.number_field == "corporate_number"


def test_a_list_that_ships_is_part_of_the_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = check_rules(folder)[0]
    monkeypatch.setattr("rules.lists.disposable_domains", lambda: ("throwaway.example",))
    after = check_rules(folder)[0]
    assert before is not None
    assert after is not None
    assert before.version != after.version


CASES = [
    # what can never hold
    ("segments.yaml", WHERE, "where: {all: [{tier: hot}, {score: {at_most: 40}}]}", "can never hold", "hot", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{tier: hot}, {tier: cold}]}", "can never hold", "cold", "any:"),
    ("segments.yaml", WHERE, "where: {score: {at_least: 201}}", "can never hold", "up to 200", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{stage: 認知}, {stage: 興味}]}", "can never hold", "interest", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{event: 資料DL}, {never: 資料DL}]}", "can never hold", "not", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{event: 資料DL, at_least: 3, within_days: 7}, "
     "{event: 資料DL, at_most: 2, within_days: 30}]}", "can never hold", "document_download", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{event: 価格ページ閲覧}, {never: any}]}", "can never hold", "any", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{event: 資料DL, within_days: 7}, {last: 資料DL, before_days: 10}]}",
     "can never hold", "before_days", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{event: メール開封, within_days: 7}, {never: メール開封, within_days: 30}]}",
     "can never hold", "mail_open", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{first: ページ閲覧, within_days: 14}, {last: ページ閲覧, before_days: 30}]}",
     "can never hold", "before_days", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{last: ページ閲覧, within_days: 10}, {last: ページ閲覧, before_days: 30}]}",
     "can never hold", "before_days", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{field: industry, equals: 製造業}, {field: industry, in: [金融, IT]}]}",
     "can never hold", "industry", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{field: industry, equals: ＩＴ}, {not: {field: industry, equals: it}}]}",
     "can never hold", "industry", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{field: employees, at_least: 300}, {field: employees, at_most: 50}]}",
     "can never hold", "employees", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{field: region, known: false}, {field: region, equals: 東京都}]}",
     "can never hold", "region", "any:"),
    ("segments.yaml", WHERE, "where: {all: [{segment: 競合他社}, {segment: target_accounts}]}", "can never hold",
     "email_domain", "any:"),
    ("segments.yaml", WHERE, "where: {not: {segment: everyone}}", "can never hold", "everyone", ""),
    ("segments.yaml", WHERE, "where: {all: [{deal: open}, {not: {deal: any}}]}", "can never hold", "", ""),
    ("scoring.yaml", LASTING, "where: {all: [{field: has_budget, equals: true}, {field: has_budget, equals: false}]}",
     "can never hold", "has_budget", ""),
    ("stages.yaml", "{deal: open}", "{all: [{event: 資料DL}, {never: 資料DL}]}", "can never hold", "", ""),
    ("tiers.yaml", "minimum_score: 80", "minimum_score: 300", "ever reaches the tier 'hot'", "300", "maximum_score"),
    ("segments.yaml", WHERE, "where: {event: 資料DL, at_least: 4, at_most: 2}", "no number of times", "4", "swap"),
    ("segments.yaml", WHERE, "where: {field: employees, at_least: 300, at_most: 50}", "no value is within", "300", "swap"),
    ("segments.yaml", WHERE, "where: {last: 資料DL, before_days: 30, within_days: 30}", "so long ago and so recent",
     "30", "swap"),
    # windows of no length
    ("segments.yaml", WHERE, "where: {sequence: [資料DL, 価格ページ閲覧], within_days: 0}", "window of no length", "0", ""),
    ("segments.yaml", WHERE, "where: {never: 資料DL, within_days: -1}", "window of no length", "-1", "leave"),
    ("segments.yaml", WHERE, "where: {deal: won, within_days: 0}", "window of no length", "0", ""),
    ("segments.yaml", WHERE, "where: {account: {people: 2, event: any, within_days: 0}}", "window of no length", "0", ""),
    ("segments.yaml", WHERE, "where: {first: 資料DL, within_days: 999999}", "century", "999999", ""),
    ("scoring.yaml", PRODUCTS_CAP, "cap: {times: 3, within_days: 0}", "window of no length", "0", ""),
    ("scoring.yaml", "cap: {points: 45, within_days: 7}", "cap: {points: 45, within_days: 0}", "window of no length", "0", ""),
    ("scoring.yaml", "expires_after_days: 60", "expires_after_days: 0", "window of no length", "0", "last"),
    ("scoring.yaml", RULE, RULE.replace("90", "0"), "window of no length", "0", "last"),
    # points
    ("scoring.yaml", RULE, RULE.replace("half_life_days: 90", "once_per: lead, half_life_days: 90"), "never come back",
     "half_life_days 90 with once_per: lead", "remove half_life_days"),
    ("scoring.yaml", "points: 20, once_per: lead", "points: 20, once_per: lead, cap: {times: 1, within_days: 1}",
     "need no cap", "", "remove"),
    ("scoring.yaml", LASTING, f"{LASTING}, half_life_days: 30", "for points that a behaviour gives", "30", "remove"),
    ("scoring.yaml", LASTING, f"{LASTING}, on: 資料DL", "for a behaviour or for what holds", "both", ""),
    ("scoring.yaml", LASTING, "cap: {times: 1, within_days: 1}", "for a behaviour or for what holds", "neither", ""),
    ("scoring.yaml", LASTING, "where: {score: {at_least: 3}}", "cannot hang on it", "", "behind it"),
    ("scoring.yaml", LASTING, "where: {segment: hot_leads}", "cannot hang on this segment", "hot_leads", "behaviour"),
    ("scoring.yaml", LASTING, "where: {segment: everyone}", "every lead", "everyone", "remove"),
    ("scoring.yaml", "group: mail, half_life_days: 30", "group: mails, half_life_days: 30", "no group", "mails", "mail"),
    ("scoring.yaml", "points: 8, group: mail", "points: -8, group: mail", "give and rules that take", "-8", "split"),
    ("scoring.yaml", PRODUCTS_CAP, "cap: {within_days: 1}", "bounds times, points", "", ""),
    ("scoring.yaml", PRODUCTS_CAP, "cap: {times: 0, within_days: 1}", "lets something", "0", ""),
    ("scoring.yaml", "minimum_score: 0", "minimum_score: 10", "starts at 0", "10", ""),
    ("scoring.yaml", "maximum_score: 200", "maximum_score: 0", "ever have points", "0", ""),
    ("scoring.yaml", "id: opt_out", "id: maximum_score", "names the award", "", "another"),
    # stages
    ("stages.yaml", "to: interest", "to: decision", "earlier stage", "decision", ""),
    ("stages.yaml", "leaving: [interest, consideration]", "leaving: [awareness]", "earlier stage", "awareness", ""),
    ("stages.yaml", "on: {event: deal_lost}", "on: {event: deal_lost}, when: {deal: lost}", "takes leads back", "both", ""),
    ("stages.yaml", "{deal: open}", "{tier: hot}", "cannot hang on it", "hot", ""),
    # fields and values of a wrong type, and those that are not there
    ("segments.yaml", WHERE, "where: {field: contract_renewal_on, at_least: 春}", "not a date", "春", ""),
    ("segments.yaml", WHERE, "where: {field: has_budget, equals: 'yes'}", "not the kind", "yes", ""),
    ("segments.yaml", WHERE, "where: {field: employees, at_least: many}", "not the kind", "many", ""),
    ("segments.yaml", WHERE, "where: {field: budget, equals: 1}", "no field", "budget", "has_budget"),
    ("segments.yaml", WHERE, "where: {field: email, equals: a@example.com}", "keeps this field", "email", "email_domain"),
    ("segments.yaml", WHERE, "where: {field: email_domain, in_list: competitor}", "no list", "competitor", "competitors"),
    ("segments.yaml", WHERE, "where: {field: employees, in_list: competitors}", "does not fit", "competitors", ""),
    ("segments.yaml", WHERE, "where: {deal: wonn}", "no such status", "wonn", "won"),
    ("segments.yaml", WHERE, "where: {account: {people: 2}}", "nothing a company can be asked", "", ""),
    ("segments.yaml", WHERE, "where: {account: {people: 0, event: any}}", "once", "0", ""),
    ("segments.yaml", WHERE, "where: {sequence: [資料DL], within_days: 7}", "two or more", "", "sequence"),
    ("segments.yaml", WHERE, "where: {sequence: [資料DL, 価格ページ閲覧]}", "has a window", "", "within_days"),
    ("segments.yaml", WHERE, "where: {first: 資料DL}", "asks when", "", "within_days"),
    ("segments.yaml", WHERE, "where: {event: any, page_group: price}", "cannot be narrowed", "page_group", ""),
    ("segments.yaml", WHERE, "where: {event: page_view, scenario: target_accounts}", "not about a mail", "", ""),
    ("segments.yaml", WHERE, "where: {event: mail_open, scenario: target_account}", "no scenario", "target_account", "target_accounts"),
    ("segments.yaml", WHERE, "where: {event: mail_open, scenario: manufacturing}", "no step of this scenario",
     "manufacturing", ""),
    ("segments.yaml", WHERE, "where: {event: mail_open, scenario: target_accounts, step: thanks}", "no such step",
     "thanks", ""),
    ("segments.yaml", WHERE, "where: {event: mail_open, step: target_thank_you}", "belongs to a scenario", "", "scenario"),
    ("segments.yaml", WHERE, "where: {event: 価格ページ閲覧, page_group: price}", "already", "price", "remove"),
    ("segments.yaml", WHERE, "where: {event: form_submit, properties: [a]}", "mapping of names", "", "such as"),
    ("segments.yaml", WHERE, "where: {event: form_submit, properties: {seats: {at_least: many}}}", "not the kind", "many", ""),
    ("segments.yaml", WHERE, "where: {event: form_submit, properties: {seats: {at_least: 5, at_most: 2}}}",
     "no number is within", "5", "swap"),
    ("segments.yaml", WHERE, "where: {event: form_submit, properties: {seats: {atleast: 5}}}", "unknown key", "5",
     "at_least"),
    ("segments.yaml", WHERE, "where: {event: 資料DL, at_least: 99999999}", "no such number of times", "99999999", ""),
    ("segments.yaml", "{all: [{segment: manufacturing}, {segment: department_head}]}",
     "{all: [{segment: manufacturing_department_head_price_page_3_times}]}", "in a circle", "→", ""),
    ("fields.yaml", "id: region", "id: external_id", "what a source says of the row itself", "", "another"),
    ("fields.yaml", "id: region", "id: visitor", "what a source says of the row itself", "", "another"),
    ("segments.yaml", WHERE, "where: {field: corporate_number, equals: '8000012050002'}", "check digit", "8000012050002", ""),
    ("segments.yaml", WHERE, "where: {field: email_domain, equals: '@rival.example'}", "not a mail domain", "@rival", ""),
    ("segments.yaml", WHERE, "where: {field: email_domain, in: [rival.example, rival]}", "not a mail domain", "rival", ""),
    ("segments.yaml", WHERE, "where: " + "{not: " * 70 + "{event: any}" + "}" * 70, "nested too deeply", "", "segment"),
    ("segments.yaml", WHERE, "where: {field: [a], equals: x}", "not the kind", "", ""),
    ("segments.yaml", WHERE, "where: {field: email_domain, equals: 'https://rival.example/'}", "not a mail domain", "https", ""),
    ("segments.yaml", WHERE, "where: {field: email_domain, contains: '@rival'}", "not a mail domain", "@rival", ""),
    ("segments.yaml", WHERE, "where: {field: email_domain, in_list: target_industries}", "not a mail domain", "製造業", ""),
    ("segments.yaml", WHERE, "where: {field: corporate_number, in_list: competitors}", "check digit", "rival", ""),
    ("titles.yaml", "[課長, 課長職,", "[課長, 課長・部長,", "cut apart", "課長・部長", "exact"),
    # when mails may go
    ("delivery.yaml", 'opens: "08:00"', 'opens: "8:00"', "no time of day", "8:00", ""),
    ("delivery.yaml", 'closes: "21:00"', 'closes: "08:00"', "never opens", "08:00", ""),
    ("delivery.yaml", "days: [mon, tue, wed, thu, fri]", "days: []", "never opens", "", "such as"),
    ("delivery.yaml", "days: [mon, tue, wed, thu, fri]", "days: [mon, tues]", "", "tues", ""),
    ("delivery.yaml", "id: daytime", "id: any_time", "always exists", "", "another"),
    ("delivery.yaml", "default_window: daytime", "default_window: daytimes", "no window", "daytimes", "daytime"),
    ("delivery.yaml", "holidays: JP", "holidays: Japan", "no holidays of this country", "Japan", ""),
    ("delivery.yaml", "time_zone_field: time_zone", "time_zone_field: employees", "no field of text", "employees", ""),
    ("delivery.yaml", "{on: 12-29, until: 01-03", "{on: 12-32, until: 01-03", "no day", "12-32", ""),
    ("delivery.yaml", "{on: 12-29, until: 01-03", "{on: 2026-12-29, until: 01-03", "no day", "", "both a year"),
    ("delivery.yaml", "{on: 12-29, until: 01-03", "{on: 2026-12-29, until: 2026-01-03", "no day", "", "swap"),
    ("delivery.yaml", "mails: 2, within_days: 1", "mails: 0, within_days: 1", "no such number of mails", "0", "disable"),
    ("delivery.yaml", "mails: 2, within_days: 1", "mails: 2, within_days: 0", "some days", "0", ""),
    ("delivery.yaml", "mails: 2, within_days: 1", "mails: 2, within_days: 1, kind: sms", "", "sms", ""),
    ("delivery.yaml", "complaint_rate_stops: 0.003", "complaint_rate_stops: 3", "no rate", "3", ""),
    ("delivery.yaml", "unusual_times: 10", "unusual_times: 0", "1 or more", "0", ""),
    ("delivery.yaml", "holdout_share: 0.05", "holdout_share: 5", "share of a holdout", "5", "0.05"),
    ("delivery.yaml", "{mails: 3, within_days: 30,", "{mails: 0, within_days: 30,", "no such number of mails", "0", ""),
    ("delivery.yaml", "rest_days: 90", "rest_days: 0", "no such time", "0", ""),
    ("delivery.yaml", "unsubscribe_groups: []", "unsubscribe_groups: [{id: 0, kind: step}]", "number of a group", "0", ""),
    ("delivery.yaml", "unsubscribe_groups: []", "unsubscribe_groups: [{id: 7, kind: sms}]", "", "sms", ""),
    ("delivery.yaml", "unsubscribe_groups: []", "unsubscribe_groups: [{id: 7, kind: step}, {id: 7, kind: step}]",
     "stands twice", "", "one kind"),
    ("delivery.yaml", "[competitors, disposable_mail]", "[competitor]", "", "competitor", "competitors"),
    ("delivery.yaml", "[competitors, disposable_mail]", "[rival_.example]", "no mail domain", "rival_.example", ""),
    ("delivery.yaml", "[competitors, disposable_mail]", "[target_industries]", "no mail domain", "製造業", ""),
    ("trigger_mails.yaml", "window: いつでも", "window: 深夜", "no window", "深夜", ""),
    # lists, companies, handoff
    ("lists.yaml", "id: competitors", "id: free_mail", "ships with the engine", "", "another"),
    ("lists.yaml", "values: [rival.example, rival-group.example, competitor.example]", "values: []", "no values", "", ""),
    ("accounts.yaml", "number_field: corporate_number", "number_field: employees", "no field of type corporate_number", "employees", ""),
    ("accounts.yaml", "[free_mail, disposable_mail]", "[free_mails]", "no list", "free_mails", "free_mail"),
    ("handoff.yaml", "segment: ready_teams", "segment: ready_team", "no segment", "ready_team", "ready_teams"),
    ("handoff.yaml", "segment: ready_teams", "segment: everyone", "every lead", "everyone", ""),
    ("handoff.yaml", "id: ready_team", "id: large_inquiry", "same name", "large_inquiry", "rename"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message", "received", "hint"), CASES)
def test_a_bad_rule(
    folder: Path,
    edit: Callable[[str, str, str], None],
    name: str,
    old: str,
    new: str,
    message: str,
    received: str,
    hint: str,
) -> None:
    edit(name, old, new)
    rule_set, problems = check_rules(folder)
    assert rule_set is None
    assert [one for one in problems if fits(one, name, message, received, hint)], "\n".join(map(str, problems))


def fits(problem: Problem, name: str, message: str, received: str, hint: str) -> bool:
    return (
        problem.file == name
        and problem.place.startswith("line ")
        and message in problem.message
        and received in problem.received
        and hint in problem.hint
    )


def test_all_are_reported_at_once(folder: Path, edit: Callable[[str, str, str], None]) -> None:
    edit("segments.yaml", WHERE, "where: {all: [{event: 資料DL, within_days: 0}, {field: nothing, known: true}]}")
    edit("segments.yaml", "where: {field: topics, contains: 価格}", "where: {segment: interested_in_price}")
    edit("segments.yaml", "{field: lead_source, in: [展示会, セミナー]}", "{field: lead_source, at_least: 3}")
    edit("scoring.yaml", RULE, RULE.replace("half_life_days: 90", "once_per: lead, half_life_days: 90"))
    found = [problem.message for problem in check_rules(folder)[1]]
    for message in ("no length", "no field", "circle", "does not fit", "never come back"):
        assert any(message in one for one in found), message


POSSIBLE = [
    "{all: [{event: mail_click, properties: {link: b}, within_days: 7}, {not: {event: mail_click, within_days: 7}}]}",
    "{all: [{first: {event: mail_click, properties: {link: b}}, within_days: 7}, {not: {event: mail_click, within_days: 7}}]}",
    "{field: email_domain, equals: ' ｒｉｖａｌ.example '}",
    "{any: [{tier: hot}, {tier: cold}]}",
    "{all: [{event: 資料DL}, {never: 資料DL, within_days: 30}]}",
    "{all: [{field: topics, contains: 価格}, {field: topics, contains: 製品A}]}",
    "{all: [{deal: won}, {deal: open}, {not: {deal: won, amount_at_least: 5000}}]}",
    "{all: [{score: {at_least: 80}}, {tier: hot}, {not: {tier: [warm, cold]}}]}",
    "{all: [{event: 価格ページ閲覧, within_days: 30}, {last: 価格ページ閲覧, before_days: 10}]}",
    "{all: [{event: mail_open}, {not: {event: mail_open, scenario: target_accounts}}]}",
    "{all: [{account: {people: 2, event: any}}, {not: {account: {people: 3, event: any}}}]}",
    "{all: [{event: mail_sent}, {never: any}]}",
    "{not: {all: [{tier: hot}, {tier: cold}]}}",
    "{all: [{last: メール開封, within_days: 30}, {not: {event: メール開封, within_days: 90}}]}",
    "{all: [{first: ページ閲覧, before_days: 30}, {last: ページ閲覧, within_days: 10}]}",
]


@pytest.mark.parametrize("condition", POSSIBLE)
def test_what_is_possible_is_allowed(folder: Path, edit: Callable[[str, str, str], None], condition: str) -> None:
    edit("segments.yaml", "where: {field: topics, contains: 価格}", f"where: {condition}")
    rule_set, problems = check_rules(folder)
    assert rule_set is not None, "\n".join(map(str, problems))


def test_no_field_bears_the_name_of_what_a_source_says_beside_the_fields() -> None:
    assert set(known_targets("leads", ())) - {"email"} <= SOURCE_COLUMNS


@pytest.mark.parametrize("name", sorted(path.name for path in B2B.glob("*.*") if path.suffix in {".yaml", ".csv"}))
def test_a_file_that_cannot_be_read_is_no_fault_of_others(folder: Path, name: str) -> None:
    (folder / name).write_text("a: [\n" if name.endswith(".yaml") else "a\nb\n", encoding="utf-8")
    assert {problem.file for problem in check_rules(folder)[1]} == {name}


def test_limits_that_are_wrong_make_no_tier_unreachable(folder: Path, edit: Callable[[str, str, str], None]) -> None:
    edit("scoring.yaml", "minimum_score: 0", "minimum_score: 300")
    edit("scoring.yaml", "maximum_score: 200", "maximum_score: -1")
    assert [problem.message for problem in check_rules(folder)[1]] == [
        "a lead starts at 0",
        "no lead could ever have points",
    ]


def test_fields_that_cannot_be_read_spoil_no_mail(folder: Path, edit: Callable[[str, str, str], None]) -> None:
    edit("fields.yaml", "type: boolean", "type: bool")
    assert {problem.file for problem in check_rules(folder)[1]} == {"fields.yaml"}
