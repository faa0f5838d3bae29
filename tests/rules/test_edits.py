"""Edits of rule files: one place changes, the rest stays, ``git apply`` and ``patch`` take them, and the rules still stand."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rules.edits import (
    Change,
    RuleEdit,
    add_entry,
    in_order,
    new_file,
    propose,
    remove_entry,
    set_value,
    switch_off_at,
    switch_off_row,
)
from rules.loader import load_rules
from rules.models import RuleSet

RULES = Path(__file__).resolve().parents[2] / "rules"
CAP = "caps:\n  - {id: mails_a_lead, label: 2週間に1通まで, mails: 1, within_days: 14}\n"


def points(rules: RuleSet) -> dict[str, int]:
    return {rule.id: rule.points for rule in rules.scoring}


def hot(rules: RuleSet) -> int | None:
    return rules.tiers[0].minimum_score


def is_on(name: str) -> Callable[[RuleSet], bool]:
    return lambda rules: all(step.is_enabled for step in rules.steps if step.step == name)


def refusals(rules: RuleSet) -> list[str]:
    return [one.segment for one in rules.handoff.not_when]


MADE: list[tuple[str, str, Change, Callable[[RuleSet], object], object]] = [
    ("guide", "scoring.yaml", set_value("scoring", "mail_open", "points", to=2), lambda r: points(r)["mail_open"], 2),
    ("b2b", "scoring.yaml", set_value("scoring", "document_download", "points", to=5), lambda r: points(r)["document_download"], 5),
    ("guide", "scoring.yaml", remove_entry("scoring", "mail_open"), lambda r: "mail_open" in points(r), False),
    ("b2b", "scoring.yaml", remove_entry("scoring", "target_scenario_click"), lambda r: "target_scenario_click" in points(r), False),
    ("guide", "tiers.yaml", set_value("tiers", "hot", "minimum_score", to=60), hot, 60),
    ("b2b", "tiers.yaml", set_value("tiers", "hot", "minimum_score", to=90), hot, 90),
    ("guide", "delivery.yaml", new_file(CAP), lambda r: [cap.mails for cap in r.delivery.caps], [1]),
    ("b2b", "delivery.yaml", in_order(set_value("caps", "a_week", "mails", to=3), set_value("caps", "a_week", "label", to="1週間に3通まで")),
     lambda r: [(cap.mails, cap.label) for cap in r.delivery.caps][1], (3, "1週間に3通まで")),
    ("guide", "handoff.yaml", add_entry("not_when", entry="{id: finance, label: 金融, segment: finance}"), lambda r: refusals(r)[-1], "finance"),
    ("b2b", "handoff.yaml", add_entry("not_when", entry="{id: west, label: 西日本, segment: west_japan}"), lambda r: refusals(r)[-1], "west_japan"),
    ("guide", "trigger_mails.yaml", switch_off_at(18), is_on("related_case_studies"), False),
    ("guide", "scenarios.yaml", switch_off_at(33), is_on("warm_seminar"), False),
    ("guide", "newsletters.yaml", switch_off_at(17), is_on("newsletter_tips"), False),
    ("guide", "scenarios.csv", switch_off_row(3), is_on("manufacturing_department_head-interest-case_studies_download"), False),
    ("b2b", "scenarios.csv", switch_off_row(3), is_on("target_comparison"), False),
]  # fmt: skip


def copied(rule_set: str, tmp_path: Path) -> Path:
    shutil.copytree(RULES / rule_set, tmp_path / "copy")
    return tmp_path / "copy"


def apply(folder: Path, edit: RuleEdit, tool: str) -> None:
    patch = folder.parent / "edit.patch"
    patch.write_text(edit.diff, encoding="utf-8", newline="")
    if tool == "git":
        command = ["git", "apply", "-p0", str(patch)]
    else:
        command = ["patch", "-p0", "--binary", "--fuzz=0", "-i", str(patch)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tool", ["git", "patch"])
@pytest.mark.parametrize(("rule_set", "file", "change", "look", "wanted"), MADE, ids=[f"{one[0]}/{one[1]} {at}" for at, one in enumerate(MADE)])  # fmt: skip
def test_an_edit_applies_and_does_what_it_says_and_no_more(
    tool: str,
    rule_set: str,
    file: str,
    change: Change,
    look: Callable[[RuleSet], object],
    wanted: object,
    tmp_path: Path,
) -> None:
    folder = copied(rule_set, tmp_path)
    before = (folder / file).read_text(encoding="utf-8") if (folder / file).exists() else ""
    assert look(load_rules(folder)) != wanted
    edit = propose(folder, file, change)
    assert edit is not None
    assert edit.file == file
    assert (folder / file).exists() == bool(before), "a proposal touches nothing"
    apply(folder, edit, tool)
    assert look(load_rules(folder)) == wanted
    after = (folder / file).read_text(encoding="utf-8")
    for line in before.splitlines():
        assert not line.lstrip().startswith("#") or line in after, "comments stay"


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("has_last", [True, False])
def test_line_ends_stay_and_a_last_line_may_lack_its_own(ending: str, has_last: bool, tmp_path: Path) -> None:
    folder = copied("guide", tmp_path)
    text = (folder / "tiers.yaml").read_text(encoding="utf-8").rstrip("\n") + ("\n" if has_last else "")
    (folder / "tiers.yaml").write_text(text.replace("\n", ending), encoding="utf-8", newline="")
    edit = propose(folder, "tiers.yaml", set_value("tiers", "hot", "minimum_score", to=65))
    assert edit is not None
    apply(folder, edit, "git")
    assert hot(load_rules(folder)) == 65
    changed = (folder / "tiers.yaml").read_bytes().decode()
    assert changed == text.replace("\n", ending).replace("minimum_score: 50", "minimum_score: 65")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("tiers.yaml", set_value("tiers", "hot", "minimum_score", to=20)),  # below warm
        ("scoring.yaml", set_value("scoring", "mail_open", "points", to=0)),  # a rule that does nothing
        ("scoring.yaml", set_value("scoring", "nobody", "points", to=1)),
        ("scoring.yaml", set_value("scoring", "mail_open", to=1)),  # no plain value
        ("handoff.yaml", add_entry("not_when", entry="{id: x, label: x, segment: nobody}")),
        ("tiers.yaml", new_file("tiers: []\n")),
        ("scenarios.xlsx", switch_off_row(3)),
        ("scenarios.csv", switch_off_row(9)),
        ("trigger_mails.yaml", switch_off_at(1)),
    ],
)
def test_what_cannot_be_edited_or_would_not_stand_is_not_proposed(file: str, change: Change) -> None:
    assert propose(RULES / "guide", file, change) is None


def test_a_file_that_is_not_utf_8_is_left_to_its_author(tmp_path: Path) -> None:
    folder = copied("guide", tmp_path)
    sheet = folder / "scenarios.csv"
    sheet.write_bytes(sheet.read_text(encoding="utf-8").replace("—", "-").encode("cp932"))
    assert propose(folder, "scenarios.csv", switch_off_row(3)) is None


def test_a_row_that_ends_before_its_last_columns_is_switched_off_in_the_right_one(tmp_path: Path) -> None:
    folder = copied("guide", tmp_path)
    sheet = folder / "scenarios.csv"
    whole = ",資料DLのお礼+関連導入事例の紹介,事例集DL,3日後フォローメール"
    text = sheet.read_text(encoding="utf-8")
    assert whole in text
    sheet.write_text(text.replace(whole, ""), encoding="utf-8")
    edit = propose(folder, "scenarios.csv", switch_off_row(2))
    assert edit is not None
    before = load_rules(folder).steps
    apply(folder, edit, "git")
    off = [(step.scenario, step.step) for step in load_rules(folder).steps if not step.is_enabled]
    assert off == [(before[0].scenario, before[0].step)]


def test_a_row_with_a_line_break_in_a_cell_is_left_to_its_author(tmp_path: Path) -> None:
    folder = copied("guide", tmp_path)
    sheet = folder / "scenarios.csv"
    sheet.write_text(sheet.read_text(encoding="utf-8").replace("資料DLのお礼+", '"資料DLの\nお礼"+'), encoding="utf-8")
    assert propose(folder, "scenarios.csv", switch_off_row(3)) is None


@pytest.mark.parametrize("value", ["週1通まで #全員", "a: b", "true", "12", "[x", "週1通まで", 3, 'a "b"'])
def test_a_value_that_is_set_is_read_back_as_it_was_meant(value: object) -> None:
    text = "caps:\n  - {id: weekly, label: 週2通まで, mails: 2}  # of all kinds\n"
    changed = set_value("caps", "weekly", "label", to=value)(text)
    assert changed is not None
    assert yaml.safe_load(changed) == {"caps": [{"id": "weekly", "label": value, "mails": 2}]}
    assert changed.endswith("mails: 2}  # of all kinds\n")
