"""The sheet is read as marketers keep it, and every cell that is not understood is named."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from rules.errors import Problem
from rules.loader import load_rules
from rules.models import RuleSet, Step
from tests.rules.conftest import Edit
from tests.rules.workbooks import GUIDE, write_workbook

Check = Callable[[], list[Problem]]
TARGET = "manufacturing_department_head"
SHEET = (GUIDE / "scenarios.csv").read_text(encoding="utf-8")


def rewrite(folder: Path, change: Callable[[list[list[str]]], None]) -> None:
    """Rewrite the sheet's cells; the first list is the header."""
    table = list(csv.reader(io.StringIO(SHEET)))
    change(table)
    with (folder / "scenarios.csv").open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows(table)


def set_cell(folder: Path, row: int, column: int, text: str) -> None:
    """Set one cell, both counted from 1 as a spreadsheet does."""

    def change(table: list[list[str]]) -> None:
        table[row - 1][column - 1] = text

    rewrite(folder, change)


def add_column(folder: Path, heading: str, cells: list[str]) -> None:
    """Add a column after the last; rows without a cell get an empty one."""

    def change(table: list[list[str]]) -> None:
        for number, row in enumerate(table):
            row.append(heading if number == 0 else cells[number - 1] if number <= len(cells) else "")

    rewrite(folder, change)


def sheet_steps(rule_set: RuleSet) -> list[Step]:
    return [step for step in rule_set.steps if step.kind == "step" and step.trigger is not None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_encoding_of_a_csv_reads_the_same(folder: Path, encoding: str, line_end: str) -> None:
    # CP932 has a dash of its own for the one in the sheet.
    text = SHEET.replace("—", "―") if encoding == "cp932" else SHEET
    (folder / "scenarios.csv").write_bytes(text.replace("\n", line_end).encode(encoding))
    assert load_rules(folder).steps == load_rules(GUIDE).steps


def test_a_workbook_reads_the_same(folder: Path, edit: Edit) -> None:
    write_workbook(GUIDE / "scenarios.csv", folder / "scenarios.xlsx")
    edit("ruleset.yaml", "sheet: scenarios.csv", "sheet: scenarios.xlsx")
    expected = [step.model_dump(exclude={"source"}) for step in load_rules(GUIDE).steps]
    read = load_rules(folder)
    assert [step.model_dump(exclude={"source"}) for step in read.steps] == expected
    assert read.steps[0].source == "scenarios.xlsx row 2"


def test_several_sheets_are_read_in_order(folder: Path, edit: Edit) -> None:
    edit("ruleset.yaml", "sheet: scenarios.csv", "sheet: [scenarios.csv, warm.csv]")
    header = SHEET.splitlines()[0]
    row = "ウォームリード,認知,資料DL後5日,ご案内,要約,なし,なし"
    (folder / "warm.csv").write_text(f"{header},テンプレート\n{row},document_thank_you\n", encoding="utf-8")
    steps = sheet_steps(load_rules(folder))
    assert [step.source for step in steps][4] == "warm.csv row 2"
    assert (steps[4].scenario, steps[4].step) == ("warm_leads", "warm_leads-awareness-document_download")


@pytest.mark.parametrize(
    ("row", "column", "text", "message", "in_hint"),
    [
        (2, 1, "製造・部長職", "there is no segment of this name", "製造業・部長職"),
        (2, 1, "", "the segment is empty", ""),
        (3, 2, "興昧", "there is no stage of this name", ""),
        (3, 3, "事例集DR後3日", "this timing is not understood", "事例集DL後3日"),
        (4, 4, "", "the subject is empty", ""),
        (4, 4, "一行\n二行", "a subject is one line", ""),
        (4, 4, "{{ lead.company }}様", "a subject in the sheet is plain text", "subject.txt"),
        (4, 6, "個別相談の申込", "this call to action is not in the vocabulary", "個別相談申込"),
        (4, 7, "営業へ通", "this next action is not understood", "営業へ通知"),
        (5, 7, "3日後フォローメール", "a follow-up mail follows the CTA", "CTA"),
    ],
)
def test_a_cell_that_is_not_understood(
    folder: Path, errors: Check, row: int, column: int, text: str, message: str, in_hint: str
) -> None:
    set_cell(folder, row, column, text)
    (problem,) = errors()
    heading = SHEET.splitlines()[0].split(",")[column - 1]
    assert (problem.file, problem.place) == ("scenarios.csv", f"row {row}, column {heading}")
    assert message in problem.message
    assert in_hint in problem.hint
    if text and "\n" not in text:
        assert text in problem.received


def test_headings_are_checked(folder: Path, errors: Check) -> None:
    set_cell(folder, 1, 3, "配信タイミイグ")
    found = {problem.place: problem for problem in errors()}
    assert found["row 1, column 3"].hint == "did you mean '配信タイミング'?"
    assert "配信タイミング is missing" in found["row 1"].message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the sheet is empty"),
        (SHEET.replace("CTA", "配信タイミング", 1), "a column stands twice"),
        (SHEET.replace("導入事例集の", "導入,事例集の", 1), "a cell under no heading"),
        (SHEET.replace(",認知", ',"認知', 1), "this is not CSV"),
    ],
)
def test_a_table_that_is_not_sound(folder: Path, errors: Check, content: str, message: str) -> None:
    (folder / "scenarios.csv").write_text(content, encoding="utf-8")
    assert any(message in problem.message for problem in errors())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("scenarios.csv", b"\x81\xff\xfe\xfd,\n", "the encoding is not known"),
        ("broken.xlsx", b"no workbook", "this is not an Excel workbook"),
        ("old.xls", b"old", "this kind of file is not read"),
        ("none.csv", None, "the file is missing"),
        ("../outside.csv", b"", "the sheet is in another folder"),
    ],
)
def test_a_file_that_is_no_sheet(
    folder: Path, edit: Edit, errors: Check, name: str, content: bytes | None, message: str
) -> None:
    edit("ruleset.yaml", "sheet: scenarios.csv", f"sheet: {name}")
    if content is not None:
        (folder / name).write_bytes(content)
    (problem,) = errors()
    assert message in problem.message


def test_rows_of_one_key_clash_and_a_step_id_mends_it(folder: Path, errors: Check) -> None:
    def twice(table: list[list[str]]) -> None:
        table.append([*table[1][:2], "資料DL後5日", "二通目", *table[1][4:]])

    rewrite(folder, twice)
    (problem,) = errors()
    assert problem.place == "row 6, column 配信タイミング"
    assert "row 2" in problem.message
    assert "ステップID" in problem.hint

    def with_id(table: list[list[str]]) -> None:
        twice(table)
        for row in table:
            row += ["", ""]
        table[0][-2:] = ["ステップID", "テンプレート"]
        table[-1][-2:] = ["second_thank_you", "document_thank_you"]

    rewrite(folder, with_id)
    step = next(step for step in load_rules(folder).steps if step.source == "scenarios.csv row 6")
    assert (step.step, step.template) == ("second_thank_you", "document_thank_you")


def test_an_edit_of_subject_or_delay_keeps_the_key(folder: Path) -> None:
    before = [step.step for step in load_rules(folder).steps]
    set_cell(folder, 4, 3, "価格ページ閲覧後2日")
    assert [step.step for step in load_rules(folder).steps] == before
    set_cell(folder, 4, 4, "新しい件名")
    assert [step.step for step in load_rules(folder).steps] == before


def test_optional_columns(folder: Path, errors: Check) -> None:
    add_column(folder, "有効", ["無効", "○", "", "はい"])
    assert [step.is_enabled for step in sheet_steps(load_rules(folder))] == [False, True, True, True, True]
    add_column(folder, "区分", ["", "", "", "マーケティング"])
    # Its mail answers a request and offers no opt-out, so it cannot go as marketing.
    assert [problem.file.rpartition("/")[2] for problem in errors()] == ["body.txt", "body.html"]
    add_column(folder, "区分", ["広報"])
    (problem,) = errors()
    assert problem.message == "there is no such category"
    add_column(folder, "有効", ["たぶん"])
    (problem,) = errors()
    assert problem.message == "neither on nor off"
    add_column(folder, "ステップID", ["Ü"])
    (problem,) = errors()
    assert problem.message == "this is not a step id"


def test_what_ends_a_row_when_it_comes_again_and_what_it_tests(folder: Path, errors: Check) -> None:
    add_column(folder, "終了条件", ["目標達成、商談化", "ホット化", "", "なし"])
    steps = sheet_steps(load_rules(folder))
    assert [[one.kind for one in step.exits] for step in steps[:4]] == [["goal", "deal"], ["hot"], [], []]
    assert steps[0].exits[0].on == steps[0].cta
    add_column(folder, "再エントリー", ["30日後", "毎回", "なし", ""])
    assert [step.re_entry for step in sheet_steps(load_rules(folder))[:4]] == [
        timedelta(days=30),
        timedelta(0),
        None,
        None,
    ]
    for column, message in (
        ("ABテスト", "there is no A/B test of this name"),
        ("終了条件", "'x' is no reason to leave"),
        ("再エントリー", "this re-entry is not understood"),
    ):
        add_column(folder, column, ["x"])
        problem = errors()[0]
        assert (problem.place, problem.message) == (f"row 2, column {column}", message)
    add_column(folder, "終了条件", ["", "", "", "目標達成"])
    (problem,) = errors()
    assert problem.message == "a row's goal is its CTA, and this row has none"


def test_a_switched_off_row_tells_sales_nothing_and_is_not_replaced(folder: Path) -> None:
    add_column(folder, "有効", ["", "無効", "", "無効"])
    rule_set = load_rules(folder)
    assert not any(action.id.endswith("-handoff") for action in rule_set.sales_actions)
    assert not any(step.step == f"{TARGET}-interest-case_studies_download-follow_up" for step in rule_set.steps)


def test_a_follow_up_that_no_row_is_comes_from_the_set_or_is_warned_of(
    folder: Path, edit: Edit, warnings: Check
) -> None:
    set_cell(folder, 2, 7, "5日後フォローメール")
    made = [step for step in load_rules(folder).steps if step.template == "follow_up"]
    # The CTA moves the lead on to 興味, where the follow-up has to find it.
    assert [(step.stage, step.delay) for step in made] == [
        ("interest", timedelta(days=5)),
        ("interest", timedelta(days=7)),
    ]
    edit("ruleset.yaml", "default_follow_up: follow_up", "")
    messages = [problem.message for problem in warnings()]
    assert messages.count("no row is this follow-up mail, so none is sent") == 2


def test_a_row_that_can_never_mail_anyone_is_warned_of(folder: Path, warnings: Check) -> None:
    rewrite(folder, lambda table: table[4].__setitem__(1, "認知"))
    add = (folder / "scenarios.csv").read_text(encoding="utf-8").splitlines()
    add[0] += ",テンプレート"
    add[4] += f",{TARGET}-decision-consultation_request"
    (folder / "scenarios.csv").write_text("\n".join(add), encoding="utf-8")
    (problem,) = warnings()
    assert problem.place == "row 5, column 購買ステージ"
    assert problem.hint == "did you mean '決定'?"
