"""Turns the bytes of a CSV or of a workbook into rows of text, whatever Excel made of them."""

from __future__ import annotations

import csv
import io
import zipfile

from rules.errors import Problem


def table_of_text(content: bytes, problems: list[Problem], file: str) -> list[list[str]] | None:
    """Return the cells of a CSV (or of tab-separated text) in any encoding Excel writes, or None and a problem."""
    text = _decoded(content)
    if text is None:
        problems.append(
            Problem(
                file,
                "",
                "the encoding is not known",
                allowed="UTF-8, UTF-8 with BOM, CP932 (Shift_JIS)",
                hint="in Excel: 名前を付けて保存 → CSV UTF-8 (コンマ区切り)",
            )
        )
        return None
    first_line = text.lstrip().partition("\n")[0]
    delimiter = "\t" if "\t" in first_line and "," not in first_line else ","
    table: list[list[str]] = []
    try:
        table.extend(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        hint = "check the double quotes: one before the cell, one after it, and two for one inside"
        problems.append(Problem(file, f"row {len(table) + 1}", f"this is not CSV: {error}", hint=hint))
        return None
    return table


def _decoded(content: bytes) -> str | None:
    encodings = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "cp932"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    return None


def table_of_workbook(content: bytes, problems: list[Problem], file: str) -> list[list[str]] | None:
    """Return the cells of a workbook's first worksheet as text, or None and a problem."""
    # Imported here: openpyxl takes longer to import than a rule set takes to read.
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        workbook = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
        worksheet = workbook.worksheets[0]
        return [[_cell_text(value) for value in row] for row in worksheet.iter_rows(values_only=True)]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, IndexError, SyntaxError) as error:
        problems.append(
            Problem(
                file,
                "",
                f"this is not an Excel workbook: {type(error).__name__}",
                hint="open it in Excel and save it as .xlsx, without a password",
            )
        )
        return None


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
