"""Every kind of bad rule is one problem: file, line, value received, what is allowed, what to do; all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rules.errors import ConfigurationError, Problem
from rules.loader import check_rules, load_rules
from tests.rules.conftest import Edit

Check = Callable[[], list[Problem]]
BODY = "mails/follow_up/body.txt"
HTML = "mails/follow_up/body.html"
IT = "where: {field: industry, in: [IT, 情報通信業, ソフトウェア]}"

CASES = [
    # file, old, new, message, received, hint
    ("ruleset.yaml", "default_sender: marketing", "default_sender: marketting", "no sender of this", "marketting",
     "did you mean 'marketing'?"),
    ("ruleset.yaml", "expires_after_hours: 72", "expires_after_hours: 0", "greater than 0", "0", ""),
    ("ruleset.yaml", "expires_after_hours", "expire_after_hours", "", "", ""),
    ("ruleset.yaml", "default_follow_up: follow_up", "default_follow_up: follow-up", "no mail template", "follow-up",
     "did you mean 'follow_up'?"),
    ("fields.yaml", "id: region", "id: industry", "two fields have the same name", "first on line 18", ""),
    ("fields.yaml", "id: region", "id: 地域id", "not an id for a field", "地域id", ""),
    ("fields.yaml", "id: region", "id: items", "templates keep for themselves", "", "another id"),
    ("fields.yaml", "id: region", "id: title_level", "a column the engine keeps itself", "", "another id"),
    ("fields.yaml", "{id: phone, label: 電話番号}", "{id: fax, label: FAX}", "'phone' is missing", "", "add"),
    ("fields.yaml", "type: choices", "type: choise", "none of the values allowed", "choise", "choice"),
    ("fields.yaml", "    values: [製品A, 製品B, 導入事例, 価格, セミナー]\n", "", "without values", "", "text"),
    ("titles.yaml", "[次長, 副部長,", "[次長, 部長,", "two levels claim one title", "部長", "one level"),
    ("titles.yaml", "[次長, 副部長,", '["", 副部長,', "an empty title matches everybody", "", ""),
    ("vocabulary.yaml", "page_group: price}", "page_group: pricing}", "no page group", "pricing", "did you mean 'price'"),
    ("vocabulary.yaml", "asset_group: case_studies}", "page_group: case_studies}", "has no page_group", "",
     "asset_group"),
    ("vocabulary.yaml", "words: [資料DL,", "words: [事例集DL,", "two terms have the same word", "", "synonyms"),
    ("vocabulary.yaml", 'patterns: ["/seminar*", "/webinar*", "/event*", "/ja/seminar*"]', "patterns: []", "no patterns",
     "", ""),
    ("scoring.yaml", "on: 価格ページ閲覧", "on: 価格ページ訪問", "no behaviour of this name", "価格ページ訪問", "価格ページ閲覧"),
    ("scoring.yaml", "points: 5", "points: 0", "does nothing", "0", "remove"),
    ("scoring.yaml", "points: 5", "points: true", "not the kind of value", "true", ""),
    ("scoring.yaml", "points: 15, once_per: window", "points: 15, once_per: send", "cannot count so", "send", ""),
    ("tiers.yaml", "minimum_score: 30", "minimum_score: 50", "highest first", "50 under 50", "descending"),
    ("tiers.yaml", ", minimum_score: 50", "", "needs a minimum_score", "", ""),
    ("tiers.yaml", "label: コールド}", "label: コールド, minimum_score: 0}", "would have no tier", "0", "remove"),
    ("tiers.yaml", "id: cold", "id: warm", "", "", ""),
    ("stages.yaml", "[事例集DL]", "[]", "no lead ever enters", "", "enter_on"),
    ("stages.yaml", "label: 認知}", "label: 認知, enter_on: [資料DL]}", "starts in the first stage", "", "remove"),
    ("stages.yaml", "[事例集DL]", "[事例集]", "no behaviour", "事例集", "事例"),
    ("segments.yaml", IT, "label2: x", "unknown key 'label2'", "x", "did you mean 'label'?"),
    ("segments.yaml", f"    {IT}\n", "", "would hold every lead", "", "where"),
    ("segments.yaml", IT, "where: {field: score, at_least: 10}", "keeps this field itself", "score", "{score: {at_least"),
    ("segments.yaml", IT, "where: {field: indstry, equals: IT}", "no field", "indstry", "did you mean 'industry'?"),
    ("segments.yaml", IT, "where: {field: 業種, equals: IT}", "no field", "業種", "did you mean 'industry'?"),
    ("segments.yaml", IT, "where: {field: industry}", "exactly one operator", "none", "such as"),
    ("segments.yaml", IT, "where: {field: industry, equals: IT, known: true}", "exactly one operator",
     "equals and known", "all"),
    ("segments.yaml", IT, "where: {field: industry, equal: IT}", "unknown key 'equal'", "IT", "did you mean 'equals'?"),
    ("segments.yaml", IT, "where: {field: industry, at_least: 3}", "does not fit a field of type text", "3", ""),
    ("segments.yaml", IT, "where: {field: employees, at_least: '300'}", "not the kind", "'300'", ""),
    ("segments.yaml", IT, "where: {field: topics, contains: 製品C}", "no such value", "製品C", "製品"),
    ("segments.yaml", IT, "where: {field: title_level, equals: 部長級}", "no title level", "部長級", "部長職"),
    ("segments.yaml", IT, "where: {field: industry, in: []}", "holds a list", "a list of 0", ""),
    ("segments.yaml", IT, "where: {event: page_view, within_days: 0}", "window of no length", "0", "leave"),
    ("segments.yaml", IT, "where: {event: page_view, at_least: 0}", "at least once", "0", "never:"),
    ("segments.yaml", IT, "where: {event: page_view, page_group: prices}", "no page group", "prices", "price"),
    ("segments.yaml", IT, "where: {event: Page Viewed}", "not the name of an event", "Page Viewed", "page view"),
    ("segments.yaml", IT, "where: {tier: hott}", "no tier", "hott", "did you mean 'hot'?"),
    ("segments.yaml", IT, "where: {stage: [認知, 興昧]}", "no stage", "興昧", ""),
    ("segments.yaml", IT, "where: {segment: 製造}", "no segment", "製造", "製造業"),
    ("segments.yaml", IT, "where: {score: {at_least: 40, at_most: 30}}", "no score", "at_least 40, at_most 30", "swap"),
    ("segments.yaml", IT, "where: {score: 30}", "needs bounds", "30", "at_least"),
    ("segments.yaml", IT, "where: {all: []}", "holds a list of conditions", "", "add"),
    ("segments.yaml", IT, "where: {tier: hot, stage: 興味}", "one condition has one", "tier and stage", "all"),
    ("segments.yaml", IT, "where: {teir: hot}", "this is not a condition", "teir", "did you mean 'tier'?"),
    ("segments.yaml", IT, "where: hot", "a condition is a mapping", "hot", ""),
    ("segments.yaml", IT, "where: {segment: information_technology}", "in a circle", "→", "take one"),
    ("segments.yaml", "{id: everyone, label: 全員}", "{id: everyone, label: 全員, where: {tier: hot}}", "holds every lead",
     "", "remove where"),
    ("senders.yaml", "email: marketing@mail.example.com", "email: marketing", "not a mail address", "marketing", ""),
    ("senders.yaml", "company: サンプル商事株式会社", "company: ' '", "'company' is empty", "", "the law"),
    ("senders.yaml", "site_url: https://www.example.com", "site_url: www.example.com/", "address of a website",
     "www.example.com/", ""),
    ("senders.yaml", "contact: https://www.example.com/contact", "contact: お問い合わせ窓口", "complaints cannot reach this",
     "お問い合わせ窓口", "the law"),
    ("senders.yaml", "site_url: https://www.example.com", "site_url: https://www.example.com\n    utm_source: '春 キャンペーン'",
     "would show in links", "春 キャンペーン", "leaves the parameters out"),
    ("handoff.yaml", "second_limit_hours: 72", "second_limit_hours: 24", "second limit", "24", ""),
    ("handoff.yaml", "hot_tier: hot", "hot_tier: hott", "no such tier", "hott", "did you mean 'hot'?"),
    ("handoff.yaml", "sender: marketing", "sender: market", "no sender", "market", "marketing"),
    ("trigger_mails.yaml", "timing: 資料DL直後", "timing: 資料DL直", "not understood", "資料DL直", "資料DL直後"),
    ("trigger_mails.yaml", "cta: 事例集DL", "cta: 事例集", "not in the vocabulary", "事例集", "事例集DL"),
    ("trigger_mails.yaml", "cta: 事例集DL", "segment: 製造", "no segment", "製造", "製造業"),
    ("trigger_mails.yaml", "cta: 事例集DL", "stage: 認識", "no stage", "認識", ""),
    ("trigger_mails.yaml", "cta: 事例集DL", "category: promo", "no such category", "promo", ""),
    ("trigger_mails.yaml", "re_entry: 1日後", "re_entry: ときどき", "re-entry is not understood", "ときどき", ""),
    ("trigger_mails.yaml", "cta: 事例集DL", "template: folow_up", "no mail template", "folow_up", "follow_up"),
    (BODY, "{{ lead.company }}", "{{ lead.compny }}", "'lead' has no such part", "compny", "did you mean 'company'?"),
    (BODY, "{{ lead.company }}", "{{ company }}", "knows no such name", "company", ""),
    (BODY, "{{ lead.company }}", "{{ lead }}", "without the name of a part", "", ""),
    (BODY, "{{ lead.company }}", "{% if lead.company %}x{% endif %}", "can only be shown", "lead.company",
     "mail_default"),
    (BODY, "{{ lead.company }}", "{{ lead.company | upper }}", "can only be shown", "lead.company", "mail_default"),
    (BODY, "{{ lead.company }}", "{{ lead.company", "not a template", "", "braces"),
    (BODY, "{{ lead.company }}", "{{ 'a' | no_filter }}", "", "", ""),
    (BODY, "{{ lead.company }}", "{% include 'x' %}", "stands by itself", "", ""),
    (BODY, "{{ lead.company }}", "{{ step.subject }}", "{{ step.subject }} is empty", "scenarios.csv row 3", "subject.txt"),
    (BODY, "{{ unsubscribe_url }}", "", "let people opt out", "", "unsubscribe_url"),
    (BODY, "{{ unsubscribe_url }}", "{# {{ unsubscribe_url }} #}", "let people opt out", "", "unsubscribe_url"),
    (BODY, "{{ sender.postal_address }}", "", "every mail must show this", "", "sender.postal_address"),
    (BODY, "{{ sender.company }}", "", "every mail must show who sends it", "", "sender.company"),
    (BODY, "お問い合わせ: {{ sender.contact }}", "", "where complaints and questions go", "", "sender.contact"),
    (BODY, "{{ lead.company }}", "{{ lead.score }}", "'lead' has no such part", "score", ""),
    (BODY, "{{ sender.site_url }}/consultation", "{{ sender.site_url }}/x?to={{ lead.email }}",
     "stands in the address of a link", "lead.email", "signed token"),
    (BODY, "次のリンクから配信を停止できます。\n配信停止: {{", "こちらをご覧ください。\n{{", "says that it ends the mails", "",
     "配信停止: {{ unsubscribe_url }}"),
    (HTML, '<a href="{{ unsubscribe_url }}" clicktracking="off" style="color:#0b4f9e;">配信を停止する</a>',
     "<!-- {{ unsubscribe_url }} 配信を停止する -->", "let people opt out", "", "<a href="),
    (HTML, "次のリンクから配信を停止できます。<br><a href=\"{{ unsubscribe_url }}\" clicktracking=\"off\" style=\"color:#0b4f9e;\">配信を停止する",
     '<a href="{{ unsubscribe_url }}">こちら', "says that it ends the mails", "", "配信を停止する</a>"),
    (HTML, "<br>{{ sender.postal_address }}", '<span style="display: none">{{ sender.postal_address }}</span>',
     "where the sender is", "", "sender.postal_address"),
    (HTML, "{{ lead.company }}", '<a href="{{ lead.company }}">x</a>', "stands in the attribute href", "lead.company", ""),
    (HTML, "{{ lead.company }}", "<b title={{ lead.company }}>x</b>", "an attribute without quotes", "lead.company", ""),
    (HTML, "{{ lead.company }}", "<style>{{ lead.company }}</style>", "a style sheet or script", "lead.company", ""),
    ("mails/follow_up/subject.txt", "その後", "一行\n二行", "a subject is one line", "", ""),
    ("mails/follow_up/subject.txt", "その後のご検討状況はいかがでしょうか", "{# 未定 #}", "the subject shows nothing", "",
     "step.subject"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message", "received", "hint"), CASES)
def test_a_bad_rule(
    folder: Path, edit: Edit, errors: Check, name: str, old: str, new: str, message: str, received: str, hint: str
) -> None:
    edit(name, old, new)
    found = errors()
    assert found
    matching = [
        problem
        for problem in found
        if message in problem.message and received in problem.received and hint in problem.hint
    ]
    assert matching, "\n".join(map(str, found))
    assert all(problem.file and problem.message for problem in found)
    if name.endswith(".yaml") and not matching[0].file.startswith("scenarios.csv"):
        assert matching[0].file.startswith(name)
        assert "line" in matching[0].place + matching[0].file


def test_one_mistake_is_one_problem_where_nothing_else_depends_on_it(edit: Edit, errors: Check) -> None:
    edit("vocabulary.yaml", "page_groups:", "page_group:")
    assert {problem.file for problem in errors()} == {"vocabulary.yaml"}


def test_all_are_reported_at_once(folder: Path, edit: Edit) -> None:
    edit("scoring.yaml", "points: 5", "points: five")
    edit("tiers.yaml", "minimum_score: 30", "minimum_score: 60")
    edit("segments.yaml", "where: {tier: hot}", "where: {tier: hott}")
    edit("scenarios.csv", "資料DL直後", "資料DL直")
    edit(BODY, "{{ lead.company }}", "{{ lead.compny }}")
    (folder / "handoff.yaml").unlink()
    (folder / "mails" / "document_thank_you" / "body.html").unlink()
    with pytest.raises(ConfigurationError) as raised:
        load_rules(folder)
    files = {problem.file for problem in raised.value.problems}
    assert files == {
        "scoring.yaml", "tiers.yaml", "segments.yaml", "scenarios.csv", BODY, "handoff.yaml",
        "mails/document_thank_you/body.html",
    }  # fmt: skip
    assert str(raised.value).count("\n") == len(raised.value.problems) - 1


def test_a_circle_of_segments_names_its_members(edit: Edit, errors: Check) -> None:
    edit("segments.yaml", "where: {field: industry, equals: 製造業}", "where: {segment: 製造業・部長職}")
    (problem,) = errors()
    assert "manufacturing" in problem.received
    assert "manufacturing_department_head" in problem.received


def test_a_missing_file_names_the_one_that_may_be_meant(folder: Path, errors: Check) -> None:
    (folder / "segments.yaml").rename(folder / "segment.yaml")
    (problem,) = errors()
    assert (problem.file, problem.message) == ("segments.yaml", "the rule file is missing")
    assert problem.hint == "rename 'segment.yaml' to 'segments.yaml'"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    rule_set, (problem,) = check_rules(tmp_path / "none")
    assert rule_set is None
    assert "no rule set folder" in problem.message


def test_an_unused_template_is_a_warning(folder: Path, edit: Edit, warnings: Check) -> None:
    (folder / "mails" / "follow_up").rename(folder / "mails" / "old")
    edit("ruleset.yaml", "default_follow_up: follow_up", "default_follow_up: document_thank_you")
    (problem,) = warnings()
    assert (problem.file, problem.message, problem.is_warning) == ("mails/old", "no step uses this template", True)


def test_an_event_of_ones_own_is_allowed_and_a_near_miss_is_warned_of(edit: Edit, warnings: Check) -> None:
    edit("segments.yaml", IT, "where: {event: trial_started}")
    assert warnings() == []
    edit("segments.yaml", "trial_started", "page_views")
    (problem,) = warnings()
    assert problem.hint == "did you mean 'page_view'?"
