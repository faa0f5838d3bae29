"""Writes the scenario sheet as a workbook. ``python -m tests.rules.workbooks`` renews ``rules/guide/scenarios.xlsx``."""

from __future__ import annotations

import csv
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]

GUIDE = Path(__file__).parents[2] / "rules" / "guide"


def write_workbook(csv_path: Path, workbook_path: Path) -> None:
    """Write the cells of a CSV file into the first worksheet of a new workbook."""
    workbook = openpyxl.Workbook()
    worksheet = workbook.worksheets[0]
    worksheet.title = "シナリオ設計シート"
    with csv_path.open(encoding="utf-8-sig", newline="") as lines:
        for cells in csv.reader(lines):
            worksheet.append(cells)
    for column, width in zip("ABCDEFG", (20, 12, 24, 56, 44, 20, 22), strict=True):
        worksheet.column_dimensions[column].width = width
    worksheet.freeze_panes = "A2"
    workbook.save(workbook_path)


if __name__ == "__main__":
    write_workbook(GUIDE / "scenarios.csv", GUIDE / "scenarios.xlsx")
