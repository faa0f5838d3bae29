"""Reads CSV and TSV row by row as text, with the exact line of each; a row of another width is set aside."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from tasks.clients.sources.batches import BATCH_ROWS, RawBatch, Reject, text_array
from tasks.clients.sources.columns import check_columns
from tasks.clients.sources.models import Source
from tasks.clients.sources.text_files import open_text

_LONGEST_FIELD = 1 << 20


def read_csv(source: Source, filesystem: Any, path: str) -> Iterator[RawBatch]:
    """Yield the rows of a file in bounded batches. Lines count from 1, the header included.

    Raises:
        SourceError: The encoding does not fit, or a mapped column is missing.
    """
    delimiter = "\t" if source.format == "tsv" else ","
    with open_text(filesystem, path, source.encoding, source.name) as text:
        for _ in range(source.skip_rows):
            text.readline()
        reader = csv.reader(text, delimiter=delimiter)
        csv.field_size_limit(_LONGEST_FIELD)
        names = list(source.names or ())
        if source.header:
            header = next(reader, None)
            names = names or [name.strip() for name in header or []]
        if not names and source.header:
            return  # an empty file: nothing was written to it yet
        check_columns(source, path, names)
        yield from _rows(source, path, names, reader)


def _rows(source: Source, path: str, names: list[str], reader: Any) -> Iterator[RawBatch]:
    rows: list[list[str]] = []
    lines: list[int] = []
    rejects: list[Reject] = []

    def batch() -> RawBatch:
        values = zip(*rows, strict=True) if rows else ([] for _ in names)
        columns = {name: text_array(list(column)) for name, column in zip(names, values, strict=True)}
        return RawBatch(columns, list(lines), path, None, list(rejects))

    while True:
        line = source.skip_rows + reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            last = source.skip_rows + reader.line_num
            rejects.append(Reject(line, "", f"not CSV up to line {last}: {error}"))
            continue
        if not row:
            continue
        if len(row) == len(names):
            rows.append(row)
            lines.append(line)
        else:
            last = source.skip_rows + reader.line_num
            span = f" (lines {line} to {last}: a quote may be left open)" if last > line else ""
            reason = f"{len(names)} columns expected, {len(row)} found{span}"
            rejects.append(Reject(line, _shown(row), reason))
        if len(rows) + len(rejects) >= BATCH_ROWS:
            yield batch()
            rows, lines, rejects = [], [], []
    if rows or rejects:
        yield batch()


def _shown(row: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(row)
    return buffer.getvalue()
