"""Every mistake in ``handoff.yaml`` and ``sfa.yaml`` is told: the line, the value received, what is allowed or to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rules.errors import Problem
from rules.loader import load_rules
from tests.rules.conftest import Edit

Check = Callable[[], list[Problem]]
SATO = "{id: sato, name: 佐藤 花子, email: hanako.sato@example.com}"
SUZUKI = "{id: suzuki, name: 鈴木 一郎, email: ichiro.suzuki@example.com}"
MANAGERS = "managers:\n  - {id: north, name: 北 太郎, email: north@example.com}\n"
WINDOWS = "windows:\n  - {id: business_hours, label: 営業時間, opens: '09:00', closes: '18:00'}\n"
ROUTE = "routes:\n  - {id: factory, label: 製造業, segment: manufacturing, owners: [sato]}\n"
REFUSAL = "not_when:\n  - {id: finance, label: 金融, segment: finance}\n"
ROOM = "channels:\n  - {id: room, label: 部屋, url: NURTURE_CHANNEL_ROOM}\n"
POINT = "talking_points:\n  - {on: 資料DL, say: 資料の感想}\n"
REASONS = "return_reasons:\n  - {id: early, label: 時期尚早}\n"
DID = "when_did:\n  - {id: papers, label: 資料3件, on: 資料DL, count: 3}\n"
IN = "when_in:\n  - {id: big, label: 大企業, segment: large_companies}\n"
BASE = f"""\
limit_hours: 48
second_limit_hours: 72
again_after_days: 30
hot_tier: hot
sender: marketing
always_on:
  - {{id: consultation_request, label: 個別相談の申込, on: 個別相談申込}}
owners:
  - {SATO}
  - {SUZUKI}
"""
GOOD = BASE + MANAGERS + ROUTE + REFUSAL + ROOM + POINT + REASONS + DID + IN + "limit_window: business_hours\n"

# what is wrong in rules that are right but for it: old, new, message, received, what is allowed or to do
BAD_HANDOFF = [
    # how long sales has
    ("limit_hours: 48", "limit_hours: 0", "greater than 0", "0", ""),
    ("limit_hours: 48", "limit_hours: -1", "greater than 0", "-1", ""),
    ("limit_hours: 48", "limit_hours: .nan", "", "nan", ""),
    ("limit_hours: 48", "limit_hours: two days", "not the kind of value", "two days", ""),
    ("second_limit_hours: 72", "second_limit_hours: 48", "comes after the first", "48", "more than 48"),
    ("second_limit_hours: 72", "second_limit_hours: 5000", "so long is no limit", "5000", "up to 2000"),
    ("second_limit_hours: 72", "second_limit_hours: .inf", "not the kind of value", "inf", "a number"),
    *(
        ("limit_hours: 48", f"limit_hours: 48\ndigest_at: {time}", "no time of day", time.strip('"'), "23:59")
        for time in ('"7:00"', '"24:00"', "mornings")
    ),
    ("limit_hours: 48", "limit_hours: 48\nremind_before_hours: 48", "within the limit", "48", "less than 48"),
    ("limit_hours: 48", "limit_hours: 48\nremind_before_hours: 0", "greater than 0", "0", ""),
    ("limit_window: business_hours", "limit_window: bussiness_hours", "no window", "bussiness_hours", "business_hours"),
    # who is not handed over, and who again
    ("again_after_days: 30", "again_after_days: 0", "greater than 0", "0", ""),
    ("again_after_days: 30", "again_after_days: 3651", "no wait", "3651", "up to 3650"),
    ("again_after_days: 30", "again_after_days: 100000000", "no wait", "100000000", "up to 3650"),
    ("hot_tier: hot", "hot_tier: hot\nagain_after_points: 0", "greater than or equal to 1", "0", ""),
    ("hot_tier: hot", "hot_tier: hot\nagain_after_points: 1.5", "", "1.5", ""),
    ("hot_tier: hot", "hot_tier: hot\nagain_after_points: 99999999999999999999", "less than or equal", "9999", ""),
    ("hot_tier: hot", "hot_tier: hot\ncools_below: -99999999999999999999", "greater than or equal", "-9999", ""),
    ("hot_tier: hot", "hot_tier: hot\ncools_below: 51", "below its tier", "51", "up to 50"),
    ("hot_tier: hot", "hot_tier: hot\nkeeps_holdout_back: perhaps", "", "perhaps", ""),
    ("id: finance, label: 金融, s", "id: finance, label: 金融, S", "unknown key 'Segment'", "", "segment"),
    ("segment: finance", "segment: finanse", "no segment", "finanse", "did you mean 'finance'?"),
    ("segment: finance", "segment: everyone", "no lead would go to sales", "everyone", ""),
    ("id: finance", "id: holdout", "gives this reason itself", "holdout", "another id"),
    ("id: finance", "id: not_cooled", "gives this reason itself", "not_cooled", "another id"),
    ("id: finance", "id: 金融", "not an id for a rule", "金融", "small letters"),
    (REFUSAL, REFUSAL + "  - {id: finance, label: 保険, segment: finance}\n", "two rules", "finance", "rename"),
    # what hands over
    ("on: 資料DL, count: 3", "on: 資料請求書, count: 3", "no behaviour", "資料請求書", ""),
    ("on: 資料DL, count: 3", "on: {event: Paper Read}, count: 3", "not the name of an event", "Paper Read", ""),
    ("on: 資料DL, count: 3", "on: 資料DL, count: 0", "greater than or equal to 1", "0", ""),
    ("on: 資料DL, count: 3", "on: 資料DL, count: 1001", "less than or equal to 1000", "1001", ""),
    ("on: 資料DL, count: 3", "on: 資料DL, counts: 3", "unknown key 'counts'", "3", "count"),
    ("id: papers", "id: hot", "names a cause so itself", "hot", "another id"),
    ("id: papers", "id: hot_again", "names a cause so itself", "hot_again", "another id"),
    ("id: papers", "id: consultation_request", "same name", "consultation_request", "rename"),
    ("id: big", "id: papers", "same name", "papers", "rename"),
    ("segment: large_companies", "segment: large_company", "no segment", "large_company", "large_companies"),
    # who
    (f"  - {SATO}\n  - {SUZUKI}\n", "  []\n", "", "", ""),
    ("id: suzuki", "id: sato", "two owners have the same name", "sato", "rename"),
    ("id: suzuki", "id: 鈴木", "not an id for a owner", "鈴木", "small letters"),
    ("ichiro.suzuki@example.com", "ichiro.suzuki", "not a mail address", "ichiro.suzuki", "name@example.com"),
    ("north@example.com", "north", "not a mail address", "north", "name@example.com"),
    (SUZUKI, SUZUKI[:-1] + ", manager: nord}", "no manager", "nord", "north"),
    (SUZUKI, SUZUKI[:-1] + ", weight: 0}", "no weight", "0", "more than 0"),
    (SUZUKI, SUZUKI[:-1] + ", weight: -1}", "no weight", "-1", "more than 0"),
    (SUZUKI, SUZUKI[:-1] + ", weight: 101}", "no weight", "101", "up to 100"),
    (SUZUKI, SUZUKI[:-1] + ", weight: often}", "not the kind of value", "often", "a number"),
    (SUZUKI, SUZUKI[:-1] + ", capacity: -1}", "no capacity", "-1", "1 to 100000"),
    (SUZUKI, SUZUKI[:-1] + ", capacity: 0}", "no capacity", "0", "1 to 100000"),
    (SUZUKI, SUZUKI[:-1] + ", capacity: 2.5}", "", "2.5", ""),
    (SUZUKI, SUZUKI[:-1] + ", capacity: 3000000000}", "no capacity", "3000000000", "leave it out"),
    (SUZUKI, SUZUKI[:-1] + ", absent: [{on: 4/29}]}", "no day", "4/29", "2026-12-29"),
    (SUZUKI, SUZUKI[:-1] + ", absent: [{on: 2026-04-31}]}", "no day", "2026-04-31", "2026-12-29"),
    (SUZUKI, SUZUKI[:-1] + ", absent: [{on: 2026-05-02, until: 2026-05-01}]}", "no day", "2026-05-02", "swap"),
    (SUZUKI, SUZUKI[:-1] + ", absent: [{on: 2026-12-29, until: 01-03}]}", "no day", "12-29", "give both a year"),
    (SUZUKI, SUZUKI[:-1] + ", absent: [{form: 12-29}]}", "unknown key 'form'", "12-29", ""),
    (SUZUKI, SUZUKI[:-1] + ", sfa_user: sato}", "same user of the SFA", "sato", "sfa_user"),
    ("id: north", "id: sato", "two people have one id", "sato", "same address"),
    (MANAGERS, MANAGERS + "  - {id: north, name: 北 次郎, email: n@example.com}\n", "two managers", "north", "rename"),
    (f"  - {SUZUKI}\n", "reassigns: true\n", "nobody else", "1 owner", "add owners"),
    # routes
    ("owners: [sato]", "owners: [satou]", "no owner", "satou", "did you mean 'sato'?"),
    ("owners: [sato]", "owners: []", "leads nowhere", "", "name who"),
    ("segment: manufacturing, o", "segment: manufacture, o", "no segment", "manufacture", "manufacturing"),
    (ROUTE, ROUTE + "  - {id: factory, label: 工場, segment: finance, owners: [sato]}\n", "two routes", "factory", ""),
    # what sales is told, and where
    ("say: 資料の感想", "say: ' '", "'say' is empty", "", "write"),
    ("on: 資料DL, say", "on: 資料ダウソ, say", "no behaviour", "資料ダウソ", ""),
    (REASONS, REASONS + "  - {id: early, label: 早い}\n", "two reasons", "early", "rename"),
    ("url: NURTURE_CHANNEL_ROOM", "url: CHANNEL_ROOM", "not the name of a variable", "hidden", "NURTURE_"),
    ("url: NURTURE_CHANNEL_ROOM", "url: 'slack://T1/B2/s3cr3t'", "not the name of a variable", "hidden", "a secret"),
    ("url: NURTURE_CHANNEL_ROOM", "url: NURTURE_CHANNEL_ROOM, tells: [hand_off]", "none of the values", "hand_off",
     "handoff"),
    (ROOM, ROOM + "  - {id: room, label: 別の部屋, url: NURTURE_OTHER}\n", "two channels", "room", "rename"),
    ("label: 部屋", "lable: 部屋", "unknown key 'lable'", "部屋", "label"),
]  # fmt: skip
SFA = "segment: manufacturing\nfields:\n  - {field: name, wins: sfa}\n  - {field: company, name: Account, wins: ma}\n"
BAD_SFA = [
    ("field: name", "field: nane", "no field of this name", "nane", "did you mean 'name'?"),
    ("field: name", "field: zip", "no field of this name", "zip", "fields.yaml"),
    ("field: name", "field: score", "syncs this itself", "score", "remove"),
    ("field: name", "field: email", "syncs this itself", "email", "remove"),
    ("field: name", "field: company", "two entries are one field", "company", "entry 1"),
    ("name: Account", "name: NAME", "two entries are one field", "NAME", "entry 1"),
    ("name: Account", "name: 会社", "no SFA has a field of such a name", "会社", "letters, digits"),
    ("name: Account", "name: 'a; drop table leads'", "no SFA has a field of such a name", "drop table", "letters"),
    ("name: Account", "name: ''", "no SFA has a field of such a name", "", "letters"),
    ("wins: sfa", "wins: sales", "none of the values allowed", "sales", "sfa"),
    ("wins: sfa", "win: sfa", "unknown key 'win'", "sfa", "wins"),
    ("segment: manufacturing", "segment: manufacture", "no segment", "manufacture", "manufacturing"),
    ("segment: manufacturing", "segments: manufacturing", "unknown key 'segments'", "manufacturing", "segment"),
    ("field: name, ", "", "missing", "", ""),
]


@pytest.fixture
def good(folder: Path) -> Path:
    """Rules with every key of handoff.yaml and sfa.yaml."""
    (folder / "delivery.yaml").write_text(WINDOWS, encoding="utf-8")
    (folder / "sfa.yaml").write_text(SFA, encoding="utf-8")
    path = folder / "handoff.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return folder


def check(file: str, found: list[Problem], message: str, received: str, remedy: str) -> None:
    matching = [
        one
        for one in found
        if message in one.message and received in one.received and remedy in f"{one.allowed} {one.hint}"
    ]
    assert matching, "\n".join(map(str, found)) or "nothing is wrong"
    assert matching[0].file == file
    assert "line" in matching[0].place
    assert "s3cr3t" not in "\n".join(map(str, found))


@pytest.mark.parametrize(("old", "new", "message", "received", "remedy"), BAD_HANDOFF)
def test_a_mistake_in_the_rules_of_handoff(
    good: Path, edit: Edit, errors: Check, old: str, new: str, message: str, received: str, remedy: str
) -> None:
    edit("handoff.yaml", old, new)
    check("handoff.yaml", errors(), message, received, remedy)


@pytest.mark.parametrize(("old", "new", "message", "received", "remedy"), BAD_SFA)
def test_a_mistake_in_what_is_synced(
    good: Path, edit: Edit, errors: Check, old: str, new: str, message: str, received: str, remedy: str
) -> None:
    edit("sfa.yaml", old, new)
    check("sfa.yaml", errors(), message, received, remedy)


def test_the_rules_are_right_but_for_the_mistakes(good: Path) -> None:
    rules = load_rules(good)
    handoff = rules.handoff
    assert (handoff.limit_window, handoff.routes[0].owners, handoff.not_when[0].segment) == (
        "business_hours", ("sato",), "finance",
    )  # fmt: skip
    assert [(one.id, one.on_count, one.is_request) for one in rules.sales_actions if one.id in {"papers", "big"}] == [
        ("papers", 3, False), ("big", 1, False),
    ]  # fmt: skip
    assert [(one.field, one.name, one.wins) for one in rules.sfa.fields] == [
        ("name", None, "sfa"), ("company", "Account", "ma"),
    ]  # fmt: skip


def test_names_may_stand_as_labels_and_a_rep_who_manages_stands_twice(good: Path, edit: Edit) -> None:
    edit("handoff.yaml", "owners: [sato]", "owners: [佐藤 花子, sato]")
    edit("handoff.yaml", "segment: finance", "segment: 金融")
    edit("handoff.yaml", "limit_window: business_hours", "limit_window: 営業時間")
    edit("handoff.yaml", "id: north, name: 北 太郎, email: north@example.com", SATO[1:-1])
    handoff = load_rules(good).handoff
    assert handoff.routes[0].owners == ("sato",)
    assert (handoff.not_when[0].segment, handoff.limit_window) == ("finance", "business_hours")
    assert handoff.managers[0].id == "sato"


def test_all_mistakes_of_both_files_are_told_at_once(good: Path, edit: Edit, errors: Check) -> None:
    edit("handoff.yaml", "owners: [sato]", "owners: [satou]")
    edit("handoff.yaml", "segment: finance", "segment: finanse")
    edit("handoff.yaml", "hot_tier: hot", "hot_tier: hott")
    edit("sfa.yaml", "field: name", "field: nane")
    assert sorted((one.file, one.received) for one in errors()) == [
        ("handoff.yaml", "'finanse'"), ("handoff.yaml", "'hott'"), ("handoff.yaml", "'satou'"), ("sfa.yaml", "'nane'"),
    ]  # fmt: skip
