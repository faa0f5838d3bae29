"""The shape in which rows of any source reach the warehouse, and what has to be known to load them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Into = Literal["leads", "events", "deals", "consents", "suppressions"]

STAGED_COLUMNS = (
    "event_type",
    "email",
    "external_id",
    "visitor",
    "occurred_at",
    "created_at",
    "url",
    "asset",
    "send_id",
    "deal_id",
    "status",
    "amount",
    "basis",
    "evidence",
    "mail_kind",
    "is_granted",
    "blocks",
    "reason",
)
"""Every column of any fact, as text; empty is null. E-mail is normalised, external_id bears its space."""

PLACE_FIELDS = (
    pa.field("file", pa.string()),
    pa.field("line", pa.int64()),
    pa.field("row_text", pa.string()),  # the row itself, where its columns do not say it all
    pa.field("fault_column", pa.string()),
    pa.field("fault_value", pa.string()),
    pa.field("fault_reason", pa.string()),
)
"""What stands before the source's own columns in a table of rows; those are called ``c0``, ``c1`` and so on."""


@dataclass(frozen=True)
class TargetColumn:
    """One of our columns that a source fills, and how its values become ours.

    A value is trimmed, translated by ``meanings``, normalised and lowered where that applies; empty becomes null.
    """

    target: str
    """A column of the staged rows, or the name of an attribute or property."""
    column: str
    """What the source calls it."""
    type: str = "text"
    allowed: tuple[str, ...] = ()
    is_attribute: bool = False
    said_as: str | None = None
    """Under which name it counts to what the row says; None: it says nothing of the row."""
    constant: str | None = None
    meanings: Mapping[str, str] = field(default_factory=dict)
    is_normalised: bool = False
    """Whether full-width letters and digits mean the same as plain ones."""
    is_lowered: bool = False
    id_space: str | None = None
    """Put before the value, with a colon."""


@dataclass(frozen=True)
class LoadPlan:
    """How the rows of one source are to be read."""

    source: str
    into: Into
    timezone: str
    columns: tuple[TargetColumn, ...]
    key_space: str
    """Where the source's own ids are unique."""
    is_stamped: bool
    """Whether its rows say when they happened; else the pull's instant has to do."""
    date_format: str | None = None


@dataclass(frozen=True)
class SourceRows:
    """Rows as the source has them, under its own columns' names, each value in the type it has there."""

    names: tuple[str, ...]
    table: pa.Table | None = None
    """``PLACE_FIELDS`` and one column for each name; or, where None,"""
    parquet: tuple[str, ...] = ()
    """local Parquet files that hold exactly these columns in this order, which DuckDB reads by itself."""


@dataclass(frozen=True)
class LoadCounts:
    """What became of the rows: read is loaded, known before, and quarantined together."""

    rows_read: int = 0
    rows_loaded: int = 0
    rows_known: int = 0
    rows_quarantined: int = 0
    values_quarantined: int = 0
    files: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of each file, the rows without a fault and the rows with one."""

    def __add__(self, other: LoadCounts) -> LoadCounts:
        return LoadCounts(
            self.rows_read + other.rows_read,
            self.rows_loaded + other.rows_loaded,
            self.rows_known + other.rows_known,
            self.rows_quarantined + other.rows_quarantined,
            self.values_quarantined + other.values_quarantined,
            {**self.files, **other.files},
        )
