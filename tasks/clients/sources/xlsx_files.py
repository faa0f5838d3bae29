"""Reads one sheet of an Excel workbook row by row, cell values as text; a row's line is its number in the sheet."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from rules.hints import listed
from tasks.clients.sources.batches import BATCH_ROWS, RawBatch, Reject, as_text, text_array
from tasks.clients.sources.columns import check_columns
from tasks.clients.sources.errors import SourceError
from tasks.clients.sources.models import Source
from tasks.clients.sources.text_files import open_binary


def read_xlsx(source: Source, filesystem: Any, path: str) -> Iterator[RawBatch]:
    """Yield the rows of a sheet (the first, or ``sheet``) in bounded batches; empty rows are passed over.

    Raises:
        SourceError: The file is no workbook, the sheet is not in it, or a mapped column is missing.
    """
    with open_binary(filesystem, path) as binary:
        try:
            workbook = openpyxl.load_workbook(binary, read_only=True, data_only=True)
        except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError) as error:
            what = f"{path} is not an .xlsx workbook (or is protected by a password)"
            raise SourceError(source.name, what, "save it anew as Excel workbook (.xlsx)") from error
        try:
            yield from _rows(source, path, _sheet(source, path, workbook))
        finally:
            workbook.close()


def _sheet(source: Source, path: str, workbook: Any) -> Any:
    if source.sheet is None:
        return workbook.worksheets[0]
    if source.sheet not in workbook.sheetnames:
        what = f"{path} has no sheet '{source.sheet}' (it has: {listed(workbook.sheetnames)})"
        raise SourceError(source.name, what, "change 'sheet'")
    return workbook[source.sheet]


def _rows(source: Source, path: str, sheet: Any) -> Iterator[RawBatch]:
    sheet.reset_dimensions()  # what a file says of its own size is often wrong
    names = list(source.names or ())
    is_header_due = source.header
    rows: list[Sequence[object]] = []
    lines: list[int] = []
    rejects: list[Reject] = []

    def batch() -> RawBatch:
        columns = {name: text_array([row[place] for row in rows]) for place, name in enumerate(names) if name}
        return RawBatch(columns, list(lines), path, None, list(rejects))

    for line, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if line <= source.skip_rows:
            continue
        if is_header_due:
            names = names or [(as_text(cell) or "").strip() for cell in row]
            is_header_due = False
            check_columns(source, path, names)
            continue
        width = max((place for place, cell in enumerate(row, 1) if cell is not None), default=0)
        if width == 0:
            continue
        if width > len(names):
            shown = "\t".join(as_text(cell) or "" for cell in row[:width])
            rejects.append(Reject(line, shown, f"{len(names)} columns expected, {width} found"))
        else:
            rows.append((*row[: len(names)], *[None] * (len(names) - len(row))))
            lines.append(line)
        if len(rows) + len(rejects) >= BATCH_ROWS:
            yield batch()
            rows, lines, rejects = [], [], []
    if rows or rejects:
        yield batch()
