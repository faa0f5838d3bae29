"""Writes the SQL that turns a source's own columns into ours.

Nothing a user wrote stands in that SQL: columns are told by their positions, and names, constants and translations are
variables and rows of a table. A source's columns are ``c0``, ``c1`` and so on; ours, here, ``t0``, ``t1`` and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warehouse.load_schema import STAGED_COLUMNS, LoadPlan, TargetColumn

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "UHUGEINT", "DECIMAL", "FLOAT", "DOUBLE")  # fmt: skip
_CHECKED_WHOLE = frozenset({"email", "event_type", "occurred_at"})
"""Columns of an event whose values are looked at as a whole, their ends included."""
_EMPTY_MAP = "map {}::map(varchar, varchar)"


@dataclass(frozen=True)
class ColumnMapping:
    """One source's columns, with their types, and what they become."""

    plan: LoadPlan
    names: tuple[str, ...]
    types: tuple[str, ...]
    """DuckDB's types of the source's columns."""

    def cleaned(self) -> str:
        """A query that gives every row in the columns of the staged rows, cleaned, as text."""
        columns = {column.target: f"t{place}" for place, column in self._placed() if not column.is_attribute}
        record_key = columns.get("event_id", "null::varchar")
        if self.plan.into == "events":
            said = f"case when {record_key} is null then coalesce(row_text, {self._joined()}) end"
        else:
            said = f"concat_ws(chr(31), {', '.join(self._said()) or 'null'})"
        staged = [f"{columns.get(name, 'null::varchar')} as {name}" for name in STAGED_COLUMNS]
        return f"""
            with cleaned as (
                select load_read.*, {", ".join(f"{self._clean(*item)} as t{item[0]}" for item in self._placed())}
                from load_read {self._meanings("load_trim")}
            )
            select
                row, file, line, {record_key} as record_key,
                case when fault_reason is not null then row_text else {said} end as row_text,
                fault_column, fault_value, fault_reason,
                {", ".join(staged)},
                {self._map([place for place, column in self._attributes() if column.type == "text"])} as attributes,
                {self._map([place for place, column in self._attributes() if column.type != "text"])}
                    as typed_attributes
            from cleaned
        """

    def plain(self) -> str:
        """A query that gives every row as an event, on the promise that its values need no cleaning.

        ``is_unclean`` tells where the promise does not hold, as far as the columns' edges go.
        """
        placed = {column.target: item for item in self._placed() if not (column := item[1]).is_attribute}
        values = {name: self._plain(*item) for name, item in placed.items()}
        ends = [
            self._text(column)
            for _, column in self._placed()
            if column.constant is None and _is_text(self._type(column)) and column.target not in _CHECKED_WHOLE
        ]
        record_key = values.pop("event_id", "null::varchar")
        values["occurred_at"] = self._stamp(*placed["occurred_at"])
        properties = [(place, self._plain(place, column)) for place, column in self._attributes()]
        columns = ("event_type", "occurred_at", "email", "external_id", "visitor", "url", "asset", "send_id")
        return f"""
            select
                row, {record_key} as record_key,
                case when {record_key} is null then coalesce(row_text, {self._joined()}) end as row_text,
                hash({"row_text" if record_key.startswith("null::") else record_key}) as key_hash,
                fault_reason,
                {_has_space_around_any(ends)} as is_unclean,
                {", ".join(f"{values.get(name, 'null::varchar')} as {name}" for name in columns)},
                {self._map([place for place, _ in properties], dict(properties))} as properties
            from load_read {self._meanings("")}
        """

    def _placed(self) -> list[tuple[int, TargetColumn]]:
        return list(enumerate(self.plan.columns))

    def _attributes(self) -> list[tuple[int, TargetColumn]]:
        return sorted(
            ((place, column) for place, column in self._placed() if column.is_attribute),
            key=lambda item: item[1].target,
        )

    def _type(self, column: TargetColumn) -> str:
        return "VARCHAR" if column.constant is not None else self.types[self.names.index(column.column)]

    def _text(self, column: TargetColumn) -> str:
        position = self.names.index(column.column)
        return _as_text(f"c{position}", self.types[position])

    def _clean(self, place: int, column: TargetColumn) -> str:
        value = f"getvariable('load_constants')[{place + 1}]"
        if column.constant is None:
            is_text = _is_text(self._type(column))
            value = f"load_trim({self._text(column)})" if is_text else self._text(column)
            if column.meanings:
                value = f"coalesce(words_{place}.meaning, {value})"
            if column.is_normalised:
                value = f"load_normal({value})"
            if column.is_lowered:
                value = f"lower({value})"
        return self._spaced(place, column, f"nullif({value}, '')")

    def _plain(self, place: int, column: TargetColumn) -> str:
        if column.constant is not None:
            return self._clean(place, column)
        value = self._text(column)
        if column.meanings:
            value = f"coalesce(words_{place}.meaning, {value})"
        if column.is_lowered:
            value = f"lower({value})"
        if _is_text(self._type(column)):
            value = f"nullif({value}, '')"
        return self._spaced(place, column, value)

    def _spaced(self, place: int, column: TargetColumn, value: str) -> str:
        return value if column.id_space is None else f"getvariable('load_id_spaces')[{place + 1}] || ':' || {value}"

    def _stamp(self, place: int, column: TargetColumn) -> str:
        type_ = self._type(column)
        if column.meanings or not _is_stamp(type_):
            value = f"load_stamp_text({self._plain(place, column)}, getvariable('load_date_format'), "
            value += "getvariable('load_epoch_unit'))"
            return f"load_stamp({value}, getvariable('load_timezone'))"
        position = self.names.index(column.column)
        if "TIME ZONE" in type_:
            return f"c{position}::timestamptz"
        return f"timezone(getvariable('load_timezone'), c{position}::timestamp)"

    def _meanings(self, trim: str) -> str:
        """The joins by which words are translated."""
        joins = [
            f"left join load_words as words_{place} "
            f"on words_{place}.place = {place} and words_{place}.word = {trim}({self._text(column)})"
            for place, column in self._placed()
            if column.meanings and column.constant is None
        ]
        return " ".join(joins)

    def _joined(self) -> str:
        mapped = {column.column for column in self.plan.columns if column.constant is None}
        # a row without an id of its own is known by all its columns; where rows have ids, the others need not be read
        has_ids = any(column.target == "event_id" for column in self.plan.columns)
        texts = [
            f"coalesce({_as_text(f'c{position}', type_)}, chr(0))"
            for position, (name, type_) in enumerate(zip(self.names, self.types, strict=True))
            if name in mapped or not has_ids
        ]
        return f"concat_ws(chr(31), {', '.join(texts)})"

    def _said(self) -> list[str]:
        said = sorted((column.said_as, place) for place, column in self._placed() if column.said_as is not None)
        return [f"getvariable('load_said_as')[{place + 1}] || '=' || t{place}" for _, place in said]

    def _map(self, places: Sequence[int], values: dict[int, str] | None = None) -> str:
        if not places:
            return _EMPTY_MAP
        entries = [
            f"{{'key': getvariable('load_targets')[{place + 1}], 'value': {values[place] if values else f't{place}'}}}"
            for place in places
        ]
        return f"map_from_entries(list_filter([{', '.join(entries)}], lambda entry: entry.value is not null))"


def _has_space_around_any(values: Sequence[str]) -> str:
    """Whether any value begins or ends with white space; the first look, which most pass, is at all of them at once."""
    if not values:
        return "false"
    looks = [f"load_may_have_space_around({value})" for value in values]
    checks = [f"coalesce(load_has_space_around({value}), false)" for value in values]
    return f"coalesce(greatest({', '.join([*looks, 'false'])}), false) and ({' or '.join(checks)})"


def _is_text(type_: str) -> bool:
    """Whether a type's values may have white space around them, or letters in several ways."""
    return not (type_.startswith(_NUMBERS) and not type_.endswith("[]")) and type_ != "BOOLEAN" and not _is_stamp(type_)


def _is_stamp(type_: str) -> bool:
    return type_ == "DATE" or (type_.startswith("TIMESTAMP") and not type_.endswith("[]"))


def _as_text(value: str, type_: str) -> str:
    """A value as text that reads back as the same value."""
    if type_ == "VARCHAR":
        return value
    if type_.endswith("[]"):
        item = type_.removesuffix("[]")
        if item.endswith("]") or item.startswith(("STRUCT", "MAP", "UNION")):
            return f"to_json({value})::varchar"
        texts = f"list_transform({value}, lambda item: {_as_text('item', item)})"
        return f"array_to_string(list_filter({texts}, lambda item: item is not null), ';')"
    if type_.startswith(("STRUCT", "MAP", "UNION")) or type_.endswith("]"):
        return f"to_json({value})::varchar"
    if type_ in {"FLOAT", "DOUBLE"}:
        return f"load_number_shown({value})"
    if type_ == "BLOB":
        return f"coalesce(try(decode({value})), lower(hex({value})))"
    if type_.startswith("TIMESTAMP"):
        return f"{value}::{'timestamptz' if 'TIME ZONE' in type_ else 'timestamp'}::varchar"
    return f"{value}::varchar"
