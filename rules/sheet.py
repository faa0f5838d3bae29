"""Reads the scenario design sheet as marketers keep it: a CSV from Excel in whatever encoding, or the workbook itself.

Only the table is read here: columns, rows and cells. What a row means is ``rules.scenario_rows``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rules.documents import read_bytes
from rules.errors import Problem
from rules.hints import did_you_mean, listed, shown
from rules.sheet_tables import table_of_text, table_of_workbook
from rules.vocabulary import normalised

SEGMENT, STAGE, TIMING, SUBJECT = "セグメント", "購買ステージ", "配信タイミング", "メール件名"
SUMMARY, CTA, NEXT_ACTION = "メール内容", "CTA", "次のアクション"
STEP_ID, TEMPLATE, ENABLED, CATEGORY, WINDOW = "ステップID", "テンプレート", "有効", "区分", "送信時間帯"
EXIT, RE_ENTRY, TEST = "終了条件", "再エントリー", "ABテスト"

REQUIRED_COLUMNS = (SEGMENT, STAGE, TIMING, SUBJECT, SUMMARY, CTA, NEXT_ACTION)
OPTIONAL_COLUMNS = (STEP_ID, TEMPLATE, ENABLED, CATEGORY, WINDOW, EXIT, RE_ENTRY, TEST)
_COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)


@dataclass(frozen=True)
class Row:
    """One row of the sheet. ``number`` is the row's number as a spreadsheet shows it."""

    file: str
    number: int
    cells: dict[str, str]
    problems: list[Problem]

    def text(self, column: str) -> str:
        """Return the cell's text without spaces around it; empty where the sheet has no such column."""
        return self.cells.get(column, "").strip()

    @property
    def source(self) -> str:
        """Where the row stands, for people."""
        return f"{self.file} row {self.number}"

    def cell(self, column: str) -> Cell:
        """Return where problems with a cell are reported."""
        return Cell(self, column)


@dataclass(frozen=True)
class Cell:
    """A cell of the sheet, to which problems are pinned."""

    row: Row
    column: str

    def fault(
        self, message: str, *, received: str = "", allowed: str = "", hint: str = "", is_warning: bool = False
    ) -> None:
        """Record a problem at this cell."""
        place = f"row {self.row.number}, column {self.column}"
        self.row.problems.append(Problem(self.row.file, place, message, received, allowed, hint, is_warning))


def read_sheet(path: Path, problems: list[Problem], file: str) -> tuple[list[Row], bytes] | None:
    """Read the sheet's rows.

    Args:
        path: A .csv (UTF-8 with or without BOM, UTF-16 with BOM, or CP932) or an .xlsx, whose first worksheet is read.
        problems: Faults are appended here.
        file: The sheet's name in problems.

    Returns:
        The rows that are not empty, and the file's bytes; None where the sheet cannot be read.
    """
    content = read_bytes(path, problems, file)
    if content is None:
        return None
    if path.suffix.lower() == ".xlsx":
        table = table_of_workbook(content, problems, file)
    elif path.suffix.lower() in {".csv", ".tsv", ".txt"}:
        table = table_of_text(content, problems, file)
    else:
        problems.append(
            Problem(
                file, "", "this kind of file is not read", shown(path.suffix), ".csv, .xlsx", "save it as one of them"
            )
        )
        return None
    if table is None:
        return None
    filled = [(number, cells) for number, cells in enumerate(table, start=1) if any(cell.strip() for cell in cells)]
    if not filled:
        problems.append(
            Problem(file, "", "the sheet is empty", allowed=listed(REQUIRED_COLUMNS), hint="start with these columns")
        )
        return None
    (header_number, header), *body = filled
    columns = _columns(header, header_number, problems, file)
    if columns is None:
        return None
    rows = [_row(number, cells, columns, problems, file) for number, cells in body]
    if not rows:
        problems.append(Problem(file, "", "the sheet has no rows: it mails nobody", is_warning=True))
    return [row for row in rows if row is not None], content


def _columns(header: Sequence[str], number: int, problems: list[Problem], file: str) -> list[str | None] | None:
    """Return the column each position holds, None for a position without a heading."""
    known = {normalised(column): column for column in _COLUMNS}
    columns: list[str | None] = []
    is_fine = True
    for position, heading in enumerate(header, start=1):
        column = known.get(normalised(heading))
        place = f"row {number}, column {position}"
        if not heading.strip():
            columns.append(None)
        elif column is None:
            hint = did_you_mean(heading.strip(), _COLUMNS) or "remove the column, or keep notes in メール内容"
            problems.append(
                Problem(file, place, "there is no column of this name", shown(heading), listed(_COLUMNS), hint)
            )
            is_fine = False
        elif column in columns:
            problems.append(Problem(file, place, "a column stands twice", shown(heading), hint="remove one of them"))
            is_fine = False
        else:
            columns.append(column)
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    for column in missing:
        problems.append(
            Problem(file, f"row {number}", f"the column {column} is missing", listed(header), listed(REQUIRED_COLUMNS))
        )
    return columns if is_fine and not missing else None


def _row(
    number: int, cells: Sequence[str], columns: Sequence[str | None], problems: list[Problem], file: str
) -> Row | None:
    named: dict[str, str] = {}
    for position, cell in enumerate(cells):
        column = columns[position] if position < len(columns) else None
        if column is not None:
            named[column] = cell
        elif cell.strip():
            problems.append(
                Problem(
                    file,
                    f"row {number}, column {position + 1}",
                    "a cell under no heading",
                    shown(cell),
                    hint="put a cell that holds a comma in double quotes, or give the column its heading",
                )
            )
            return None
    return Row(file, number, named, problems)
