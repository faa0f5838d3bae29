"""Edits of rule files as people would make them: one place is changed, everything else stays as it was written.

An edit is offered only if the rule set still passes its check with it, which is tried on a copy of the folder.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from rules.loader import check_rules
from rules.sheet import ENABLED

Change = Callable[[str], str | None]
"""Makes the new text of a file out of the present one; None where it cannot."""
_FORMATTED = (yaml.MappingNode, yaml.SequenceNode)


@dataclass(frozen=True)
class RuleEdit:
    """An edit of one file of a rule set: a unified diff that ``git apply -p0`` or ``patch -p0`` takes in its folder."""

    file: str
    diff: str


def propose(folder: Path, file: str, change: Change) -> RuleEdit | None:
    """The edit that a change makes; None where it makes none or the rule set would not stand with it."""
    path = folder / file
    if path.suffix not in {".yaml", ".csv"}:
        return None
    try:
        with path.open(encoding="utf-8", newline="") as given:
            before = given.read()
    except FileNotFoundError:
        before = ""
    except (OSError, UnicodeDecodeError):
        return None
    try:
        after = change(before)
    except (yaml.YAMLError, LookupError, csv.Error):
        return None
    if after is None or after == before or not _still_stands(folder, file, after):
        return None
    return RuleEdit(file, _diff(file, before, after))


def _still_stands(folder: Path, file: str, text: str) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / folder.name
        shutil.copytree(folder, copy)
        with (copy / file).open("w", encoding="utf-8", newline="") as changed:
            changed.write(text)
        return check_rules(copy)[0] is not None


def _diff(file: str, before: str, after: str) -> str:
    origin = file if before else "/dev/null"
    # a line around a change places it; more would show what stands near, and keep edits of neighbours from each other
    lines = difflib.unified_diff(_lines(before), _lines(after), origin, file, n=1)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines as diffs count them: ended by a line feed alone."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def new_file(content: str) -> Change:
    """Write a file that is not there yet."""
    return lambda before: content if not before else None


def in_order(*changes: Change) -> Change:
    """Several changes, one after the other; none where one of them cannot be made."""

    def change(text: str) -> str | None:
        made: str | None = text
        for one in changes:
            made = one(made) if made is not None else None
        return made

    return change


def set_value(*location: str | int, to: object) -> Change:
    """Change one plain value; ``location`` leads there by keys and, in lists, by ``id`` or place."""

    def change(text: str) -> str | None:
        node = _find(_root(text), location)
        if not isinstance(node, yaml.ScalarNode):
            return None
        return text[: node.start_mark.index] + _scalar(to) + text[node.end_mark.index :]

    return change


def _scalar(value: object) -> str:
    """A value as it stands in a line of YAML, in quotes where it would be read as another."""
    text = str(value)
    try:
        is_plain = yaml.safe_load(f"[{text}]") == [value]
    except yaml.YAMLError:
        is_plain = False
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def remove_entry(*location: str | int) -> Change:
    """Take an entry out of a list, by its lines; not the last one, nor one that shares a line with another."""

    def change(text: str) -> str | None:
        entries = _find(_root(text), location[:-1])
        entry = _find(entries, location[-1:])
        if not isinstance(entries, yaml.SequenceNode) or entries.flow_style or len(entries.value) < 2:
            return None
        lines = text.splitlines(keepends=True)
        del lines[entry.start_mark.line : _last_line(entry) + 1]
        return "".join(lines)

    return change


def add_entry(*location: str, entry: str) -> Change:
    """Add an entry, in one line, to the end of a list; the list is begun where there is none."""

    def change(text: str) -> str | None:
        root = _root(text)
        end = "\r\n" if "\r\n" in text else "\n"
        try:
            entries = _find(root, location)
        except LookupError:
            if len(location) != 1:
                return None
            return text + ("" if not text or text.endswith("\n") else end) + f"{location[0]}:{end}  - {entry}{end}"
        if not isinstance(entries, yaml.SequenceNode):
            return None
        if entries.flow_style:
            if entries.value:
                return None
            return text[: entries.start_mark.index] + f"{end}  - {entry}" + text[entries.end_mark.index :]
        lines = text.splitlines(keepends=True)
        last = _last_line(entries.value[-1])
        if not lines[last].endswith("\n"):
            lines[last] += end
        lines.insert(last + 1, " " * entries.start_mark.column + f"- {entry}{end}")
        return "".join(lines)

    return change


def switch_off_at(line: int) -> Change:
    """Give the entry whose text begins on a line, counted from 1, ``is_enabled: false``."""

    def change(text: str) -> str | None:
        entry = _mapping_at(_root(text), line - 1)
        if entry is None:
            return None
        for key, value in entry.value:
            if key.value == "is_enabled":
                return text[: value.start_mark.index] + "false" + text[value.end_mark.index :]
        if entry.flow_style:
            brace = entry.end_mark.index - 1
            inner = text[:brace].rstrip()
            return inner + ", is_enabled: false" + text[len(inner) :]
        end = "\r\n" if "\r\n" in text else "\n"
        lines = text.splitlines(keepends=True)
        first = entry.value[0][1]
        lines.insert(_last_line(first) + 1, " " * entry.start_mark.column + f"is_enabled: false{end}")
        return "".join(lines)

    return change


def switch_off_row(row: int) -> Change:
    """Switch a row of the scenario sheet off, counted from 1, the header's; the column 有効 is added where missing."""

    def change(text: str) -> str | None:
        bom = "\ufeff" if text.startswith("\ufeff") else ""
        rows = list(csv.reader(io.StringIO(text.removeprefix(bom), newline="")))
        lines = text.removeprefix(bom).splitlines(keepends=True)
        if len(rows) != len(lines) or not 1 < row <= len(rows):  # a cell with line breaks: left to its author
            return None
        end = "\r\n" if lines[0].endswith("\r\n") else "\n"
        has_column = ENABLED in rows[0]
        if not has_column:
            # a row may end before its last columns
            commas = ["," * (1 + max(0, len(rows[0]) - len(cells))) if any(cells) else "" for cells in rows]
            lines = [
                line.rstrip("\r\n") + commas[at] + (ENABLED if at == 0 else "") + end for at, line in enumerate(lines)
            ]
        if has_column:
            cells = rows[row - 1] + [""] * (len(rows[0]) - len(rows[row - 1]))
            cells[rows[0].index(ENABLED)] = "無効"
            written = io.StringIO()
            csv.writer(written, lineterminator=end).writerow(cells)
            lines[row - 1] = written.getvalue()
        else:
            lines[row - 1] = lines[row - 1].rstrip("\r\n") + "無効" + end
        return bom + "".join(lines)

    return change


def _root(text: str) -> yaml.Node:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        raise LookupError("the file is empty")
    return root


def _find(node: yaml.Node, location: Sequence[str | int]) -> yaml.Node:
    for part in location:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)  # type: ignore[assignment]
        elif isinstance(node, yaml.SequenceNode):
            node = node.value[part] if isinstance(part, int) else _entry(node, part)
        else:
            raise LookupError(part)
        if node is None:
            raise LookupError(part)
    return node


def _entry(entries: yaml.SequenceNode, name: str) -> yaml.Node:
    for entry in entries.value:
        if isinstance(entry, yaml.MappingNode):
            for key, value in entry.value:
                if key.value == "id" and value.value == name:
                    return entry
    raise LookupError(name)


def _mapping_at(node: yaml.Node, line: int) -> yaml.MappingNode | None:
    """The innermost mapping of a list that begins on a line."""
    found: yaml.MappingNode | None = None
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            if isinstance(entry, yaml.MappingNode) and entry.start_mark.line == line:
                found = entry
            found = _mapping_at(entry, line) or found
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            found = _mapping_at(value, line) or found
    return found


def _last_line(node: yaml.Node) -> int:
    """The last line on which something of a node stands; the marks of PyYAML run on over comments and empty lines."""
    if isinstance(node, _FORMATTED) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    line = int(node.end_mark.line)
    # a text in several lines ends at the beginning of the next
    return line - 1 if node.end_mark.column == 0 and line > node.start_mark.line else line
