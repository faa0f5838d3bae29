"""Turns a source's own columns into ours, still as text: mapped, trimmed, normalised, a whole batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.clients.sources.batches import RawBatch
from tasks.clients.sources.models import Source
from tasks.clients.sources.targets import STAGE_NAMES, attribute_name
from warehouse.load_schema import STAGE_SCHEMA, TargetColumn

_FREE_TEXT = {"text"}
_NORMALISED = {
    "email", "event_type", "status", "blocks", "basis", "consent_basis", "is_granted", "amount", "occurred_at",
    "created_at",
}  # fmt: skip
"""Columns whose full-width letters and digits mean the same as plain ones."""
_LOWER = {"email", "status", "blocks", "is_granted"}
_SEPARATOR = "\x1f"


def target_columns(source: Source) -> tuple[TargetColumn, ...]:
    """Return what the warehouse has to know of each mapped column: its name in the source, its type."""
    fields = {field.id: field for field in source.fields}
    result = []
    for target, column in {**dict.fromkeys(source.constants, "constants"), **source.columns}.items():
        field = fields.get(target) if source.into == "leads" and attribute_name(target, "leads") else None
        allowed = tuple(unicode_normal(value) for value in field.values) if field else ()
        name = STAGE_NAMES.get(target, target)
        result.append(TargetColumn(name, column, field.type if field else "text", allowed))
    if source.cursor and "occurred_at" not in source.columns:
        result.append(TargetColumn("occurred_at", source.cursor))
    return tuple(result)


def unicode_normal(text: str) -> str:
    """Return text in NFKC, as choices are compared."""
    return str(pc.utf8_normalize(pa.scalar(text, pa.string()), "NFKC").as_py())


def staged(raw: RawBatch, source: Source) -> Iterator[pa.RecordBatch]:
    """Yield a batch in ``STAGE_SCHEMA``, and another of its rejected rows."""
    if raw.lines:
        yield _staged_rows(raw, source)
    if raw.rejects:
        rejects = {
            "file": pa.array([raw.file] * len(raw.rejects), pa.string()),
            "line": pa.array([reject.line for reject in raw.rejects], pa.int64()),
            "row_text": pa.array([reject.text for reject in raw.rejects], pa.string()),
            "fault_column": pa.array([reject.column for reject in raw.rejects], pa.string()),
            "fault_value": pa.array([reject.text for reject in raw.rejects], pa.string()),
            "fault_reason": pa.array([reject.reason for reject in raw.rejects], pa.string()),
        }
        yield _batch(rejects, len(raw.rejects))


def _staged_rows(raw: RawBatch, source: Source) -> pa.RecordBatch:
    count = len(raw.lines)
    mapped = {target: _cleaned(raw.columns[column], target, source) for target, column in source.columns.items()}
    for target, value in source.constants.items():
        mapped[target] = pa.array([value] * count, pa.string())
    if source.cursor and "occurred_at" not in mapped:
        mapped["occurred_at"] = _cleaned(raw.columns[source.cursor], "occurred_at", source)
    if "external_id" in mapped:
        mapped["external_id"] = pc.binary_join_element_wise(source.id_space, mapped["external_id"], ":")
    columns: dict[str, pa.Array] = {
        "file": pa.array([raw.file] * count, pa.string()),
        "line": pa.array(raw.lines, pa.int64()),
    }
    if source.into == "events":
        columns["record_key"] = mapped.pop("event_id", pa.nulls(count, pa.string()))
        text = raw.row_text if raw.row_text is not None else _joined(list(raw.columns.values()))
        columns["row_text"] = pc.if_else(pc.is_valid(columns["record_key"]), pa.scalar(None, pa.string()), text)
    else:
        # what the row says to us: a column nobody maps may change without making the row another
        named = [
            pc.binary_join_element_wise(target, mapped[target], "=")
            for target in sorted(mapped)
            if target not in source.constants or not target.startswith("consent_")
        ]
        columns["row_text"] = pc.binary_join_element_wise(*named, _SEPARATOR, null_handling="skip")
    types = {column.target: column.type for column in target_columns(source)}
    free: dict[str, pa.Array] = {}
    typed: dict[str, pa.Array] = {}
    for target in sorted(mapped):
        name = attribute_name(target, source.into)
        if name is None:
            columns[STAGE_NAMES.get(target, target)] = mapped[target]
        elif types[target] in _FREE_TEXT:
            free[name] = mapped[target]
        else:
            typed[name] = mapped[target]
    columns["attributes"] = _map(free, count)
    columns["typed_attributes"] = _map(typed, count)
    return _batch(columns, count)


def _cleaned(values: pa.Array, target: str, source: Source) -> pa.Array:
    """Trim, translate by ``values``, normalise what is not free text; empty becomes null."""
    values = pc.utf8_trim_whitespace(values)
    field = next((field for field in source.fields if field.id == target), None)
    is_typed = source.into == "leads" and field is not None and field.type not in _FREE_TEXT
    if target in source.values:
        translation = source.values[target]
        encoded = values.dictionary_encode()
        words = [translation.get(word, word) for word in encoded.dictionary.to_pylist()]
        values = pa.array(words, pa.string()).take(encoded.indices)
    is_ours = attribute_name(target, source.into) is None
    if (target in _NORMALISED and is_ours) or is_typed:
        values = pc.utf8_trim_whitespace(pc.utf8_normalize(values, "NFKC"))
    if target in _LOWER and is_ours:
        values = pc.utf8_lower(values)
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


def _joined(columns: list[pa.Array]) -> pa.Array:
    return pc.binary_join_element_wise(*columns, _SEPARATOR, null_handling="replace", null_replacement="\x00")


def _map(columns: dict[str, pa.Array], count: int) -> pa.Array:
    """Return one map a row, of the columns that have a value there, in the columns' order."""
    if not columns:
        offsets = np.zeros(count + 1, dtype=np.int32)
        return pa.MapArray.from_arrays(offsets, pa.array([], pa.string()), pa.array([], pa.string()))
    is_valid = np.column_stack([pc.is_valid(column).to_numpy(zero_copy_only=False) for column in columns.values()])
    offsets = np.concatenate(([0], np.cumsum(is_valid.sum(axis=1)))).astype(np.int32)
    rows, positions = np.nonzero(is_valid)
    values = pa.concat_arrays(list(columns.values())).take(pa.array(positions * count + rows))
    keys = pa.array(list(columns), pa.string()).take(pa.array(positions))
    return pa.MapArray.from_arrays(offsets, keys, values)


def _batch(columns: dict[str, pa.Array], count: int) -> pa.RecordBatch:
    arrays = [columns[name] if name in columns else pa.nulls(count, type_) for name, type_ in _STAGE_TYPES]
    return pa.RecordBatch.from_arrays(arrays, schema=STAGE_SCHEMA)


_STAGE_TYPES = [(field.name, field.type) for field in STAGE_SCHEMA]
