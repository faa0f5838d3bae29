"""The shape in which rows of any source reach the warehouse, and what has to be known to load them."""

from __future__ import annotations

from dataclasses import dataclass
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

_TEXT_MAP = pa.map_(pa.string(), pa.string())

STAGE_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("record_key", pa.string()),  # the source's own id of the row
        ("row_text", pa.string()),  # the row itself, where it has no id
        ("fault_column", pa.string()),
        ("fault_value", pa.string()),
        ("fault_reason", pa.string()),
        *((name, pa.string()) for name in STAGED_COLUMNS),
        ("attributes", _TEXT_MAP),  # text as it is
        ("typed_attributes", _TEXT_MAP),  # values that have to fit their field's type
    ]
)


@dataclass(frozen=True)
class TargetColumn:
    """One of our columns that a source fills: what the source calls it and, for a lead's field, what it may hold."""

    target: str
    column: str
    type: str = "text"
    allowed: tuple[str, ...] = ()


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
class LoadCounts:
    """What became of the rows: read is loaded, known before, and quarantined together."""

    rows_read: int = 0
    rows_loaded: int = 0
    rows_known: int = 0
    rows_quarantined: int = 0
    values_quarantined: int = 0
