"""What readers hand on: a bounded batch of rows as text, and the rows that could not be read as rows at all."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

BATCH_ROWS = 20_000
"""How many rows a reader holds at most."""


@dataclass(frozen=True)
class Reject:
    """A row that is none: where it stands, what stands there, and why it cannot be read."""

    line: int
    text: str
    reason: str
    column: str | None = None


@dataclass
class RawBatch:
    """Rows of a source, column by column, as text under the source's own names."""

    columns: dict[str, pa.Array]
    lines: Sequence[int] | range
    file: str | None = None
    row_text: pa.Array | None = None
    """The row as it stood there; None: its columns say it all."""
    rejects: list[Reject] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        """Rows read, the rejected ones included."""
        return len(self.lines) + len(self.rejects)


def text_array(values: Sequence[object]) -> pa.Array:
    """Return values as an Arrow array of text."""
    return pa.array([value if value is None or type(value) is str else as_text(value) for value in values], pa.string())


def as_text(value: Any) -> str | None:
    """Return a value of a database, a sheet or a JSON document as text that reads back as the same value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return _stamp_text(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        content = bytes(value)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return content.hex()
    if isinstance(value, (list, tuple)) and all(not isinstance(item, (list, tuple, dict)) for item in value):
        return ";".join(text for text in map(as_text, value) if text is not None)
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=as_text)
    return str(value)


def _stamp_text(stamp: datetime) -> str:
    """Return a stamp as DuckDB writes it: a row that is read in bulk one time and not another stays the same row."""
    is_aware = stamp.tzinfo is not None
    text = (stamp.astimezone(UTC) if is_aware else stamp).replace(tzinfo=None).isoformat(sep=" ")
    return (text.rstrip("0") if "." in text else text) + ("+00" if is_aware else "")
