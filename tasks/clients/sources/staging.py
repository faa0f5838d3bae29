"""Says how a source's own columns become ours, and brings batches of its rows into the form that is spooled."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from tasks.clients.sources.batches import RawBatch
from tasks.clients.sources.models import Source
from tasks.clients.sources.targets import STAGE_NAMES, attribute_name
from warehouse.load_schema import PLACE_FIELDS, LoadPlan, TargetColumn

_NORMALISED = {
    "email", "event_type", "status", "blocks", "basis", "consent_basis", "mail_kind", "consent_mail_kind", "is_granted",
    "amount", "occurred_at", "created_at",
}  # fmt: skip
"""Columns whose full-width letters and digits mean the same as plain ones."""
_LOWER = {"email", "status", "blocks", "mail_kind", "consent_mail_kind", "is_granted"}
_SEPARATOR = "\x1f"
_NAME = b"name"


def target_columns(source: Source) -> tuple[TargetColumn, ...]:
    """Return what becomes of each mapped column and constant."""
    columns = dict(source.columns)
    if source.cursor:
        columns.setdefault("occurred_at", source.cursor)
    columns = {target: column for target, column in columns.items() if target not in source.constants}
    return tuple(_target_column(source, target, columns.get(target)) for target in (*source.constants, *columns))


def _target_column(source: Source, target: str, column: str | None) -> TargetColumn:
    attribute = attribute_name(target, source.into)
    fields = {field.id: field for field in source.fields}
    field = fields.get(target) if source.into == "leads" and attribute is not None else None
    is_typed = field is not None and field.type != "text"
    is_consent = column is None and target.startswith("consent_")
    return TargetColumn(
        target=attribute or STAGE_NAMES.get(target, target),
        column=column or "constants",
        type=field.type if field else "text",
        allowed=tuple(unicode_normal(value) for value in field.values) if field else (),
        is_attribute=attribute is not None,
        # what the row says to us: a column nobody maps may change without making the row another
        said_as=None if source.into == "events" or is_consent else target,
        constant=source.constants[target] if column is None else None,
        meanings=source.values.get(target, {}),
        is_normalised=is_typed or (attribute is None and target in _NORMALISED),
        is_lowered=attribute is None and target in _LOWER,
        id_space=(source.id_space or None) if target == "external_id" and attribute is None else None,
    )


def unicode_normal(text: str) -> str:
    """Return text in NFKC, as choices are compared."""
    return str(pc.utf8_normalize(pa.scalar(text, pa.string()), "NFKC").as_py())


def spooled(raw: RawBatch, source: Source) -> Iterator[pa.RecordBatch]:
    """Yield a batch as it is spooled, and another of its rejected rows."""
    names = needed_columns(source, list(raw.columns))
    row_text = _row_text(raw, source, is_whole=len(names) == len(raw.columns))
    types = [raw.columns[name].type for name in names]
    if raw.lines:
        yield spool_batch(names, [raw.columns[name] for name in names], raw.lines, raw.file, row_text)
    if raw.rejects:
        count = len(raw.rejects)
        shown = pa.array([reject.text for reject in raw.rejects], pa.string())
        columns = [pa.nulls(count, type_) for type_ in types]
        faults = [
            pa.array([reject.column for reject in raw.rejects], pa.string()),
            shown,
            pa.array([reject.reason for reject in raw.rejects], pa.string()),
        ]
        yield spool_batch(names, columns, [reject.line for reject in raw.rejects], raw.file, shown, faults)


def needed_columns(source: Source, names: list[str]) -> list[str]:
    """Return the columns that have to be spooled: those mapped, or all where a row is known by all of them."""
    if source.into == "events" and "event_id" not in source.columns and source.kind == "sql":
        return names
    mapped = {*source.columns.values(), *filter(None, [source.cursor])}
    return [name for name in names if name in mapped]


def spool_batch(
    names: list[str],
    columns: list[pa.Array],
    lines: list[int] | range | pa.Array,
    file: str | None = None,
    row_text: pa.Array | None = None,
    faults: list[pa.Array] | None = None,
) -> pa.RecordBatch:
    """Return a batch in ``PLACE_FIELDS`` and the source's columns, whose names stand in the schema."""
    count = len(lines)
    nothing = pa.nulls(count, pa.string())
    places = [
        pa.array([file] * count, pa.string()) if file is not None else nothing,
        pa.array(lines, pa.int64()) if not isinstance(lines, pa.Array) else lines,
        nothing if row_text is None else row_text,
        *(faults or [nothing] * 3),
    ]
    fields = [
        pa.field(f"c{position}", column.type, metadata={_NAME: name.encode()})
        for position, (name, column) in enumerate(zip(names, columns, strict=True))
    ]
    return pa.RecordBatch.from_arrays([*places, *columns], schema=pa.schema([*PLACE_FIELDS, *fields]))


def column_names(schema: pa.Schema) -> tuple[str, ...]:
    """Return the source's names of the columns of spooled batches."""
    return tuple(field.metadata[_NAME].decode() for field in list(schema)[len(PLACE_FIELDS) :])


def _row_text(raw: RawBatch, source: Source, *, is_whole: bool) -> pa.Array | None:
    """Return each row as it stood there, where it has no id of its own and the spooled columns do not say it all."""
    is_told_by_columns = raw.row_text is None and (is_whole or source.kind == "sql")
    if source.into != "events" or is_told_by_columns or not raw.lines:
        return None
    text = raw.row_text
    if text is None:
        text = pc.binary_join_element_wise(
            *raw.columns.values(), _SEPARATOR, null_handling="replace", null_replacement="\x00"
        )
    if "event_id" not in source.columns:
        return text
    key = pc.utf8_trim_whitespace(raw.columns[source.columns["event_id"]])
    return pc.if_else(pc.not_equal(pc.fill_null(key, ""), ""), pa.scalar(None, pa.string()), text)


def load_plan(source: Source, timezone: str) -> LoadPlan:
    """How a source's rows are to be loaded."""
    return LoadPlan(
        source=source.name,
        into=source.into,
        timezone=timezone,
        columns=target_columns(source),
        # one event reaches us by several ways, under one id of SendGrid's
        key_space="sendgrid" if source.format == "sendgrid_events" else source.name,
        is_stamped=source.stamp_column is not None or "occurred_at" in source.constants,
        date_format=source.date_format,
    )
