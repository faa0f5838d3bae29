"""Reads one YAML file into one frozen model, and says everything that is wrong with it at once, with lines.

Rules, sources and whatever else people write in YAML come in by this one door, so that every mistake in any of them is
reported in the same shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from rules.errors import Problem
from rules.hints import shown
from rules.validation_problems import faults_of
from rules.yaml_nodes import Location, Tree, parse_yaml

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Document(Generic[M]):
    """A file that was read: its value, its bytes, and where in the file everything stands."""

    file: str
    value: M
    content: bytes
    tree: Tree

    def line(self, *location: str | int) -> int:
        """Return the line of the value at ``location``, or of the nearest thing above it that the file holds."""
        return line_of(self.tree, location)

    def spot(self, problems: list[Problem], *location: str | int) -> Spot:
        """Return where problems with the value at ``location`` are reported."""
        return Spot(problems, self.file, self.tree, location)


@dataclass(frozen=True)
class Spot:
    """A place in a file, to which problems are pinned."""

    problems: list[Problem]
    file: str
    tree: Tree
    location: Location

    def at(self, *parts: str | int) -> Spot:
        """Return the spot further down."""
        return replace(self, location=(*self.location, *parts))

    def line(self) -> int:
        """Return the line, counted from 1."""
        return line_of(self.tree, self.location)

    def fault(
        self, message: str, *, received: str = "", allowed: str = "", hint: str = "", is_warning: bool = False
    ) -> None:
        """Record a problem at this spot's line."""
        place = f"line {self.line()}"
        self.problems.append(Problem(self.file, place, message, received, allowed, hint, is_warning))


def line_of(tree: Tree, location: Location) -> int:
    """Return the line of a location: of its key where it has one, else of its value, else of what holds it."""
    while location:
        line = tree.key_lines.get(location) or tree.value_lines.get(location)
        if line is not None:
            return line
        location = location[:-1]
    return tree.value_lines.get((), 1)


def read_document(path: Path, model: type[M], problems: list[Problem], *, shown_as: str | None = None) -> M | None:
    """Read a YAML file into ``model``.

    Args:
        path: The file.
        model: A frozen pydantic model that forbids unknown keys.
        problems: One problem a fault is appended here; nothing is raised for what stands in the file.
        shown_as: The file's name in problems; its own name by default.

    Returns:
        The value, or None where the file had a fault.
    """
    document = load_document(path, model, problems, shown_as=shown_as)
    return document.value if document is not None else None


def load_document(
    path: Path, model: type[M], problems: list[Problem], *, shown_as: str | None = None
) -> Document[M] | None:
    """Like ``read_document``, but keeps the lines, for checks that look across files."""
    file = shown_as or path.name
    content = read_bytes(path, problems, file)
    if content is None:
        return None
    text = _decoded(content, file, problems)
    if text is None:
        return None
    if not text.strip():
        problems.append(
            Problem(file, "", "the file is empty", hint="write its keys, or restore it from version control")
        )
        return None
    tree = parse_yaml(text)
    if tree.faults:
        problems.extend(
            Problem(file, f"line {fault.line}", fault.message, fault.received, hint=fault.hint) for fault in tree.faults
        )
        return None
    if not isinstance(tree.data, dict):
        what = "holds only comments" if tree.data is None else "is not a mapping of keys to values"
        problems.append(
            Problem(
                file,
                f"line {tree.value_lines.get((), 1)}",
                f"the file {what}",
                shown(tree.data),
                hint="write 'key: value' lines at the left margin",
            )
        )
        return None
    try:
        # JSON's strict mode takes lists for tuples and text for dates, but neither "3" nor true for a number.
        value = model.model_validate_json(json.dumps(tree.data), strict=True)
    except ValidationError as error:
        problems.extend(
            Problem(
                file, f"line {line_of(tree, fault.location)}", fault.message, fault.received, fault.allowed, fault.hint
            )
            for fault in faults_of(error, model, tree.data)
        )
        return None
    return Document(file, value, content, tree)


def read_bytes(path: Path, problems: list[Problem], file: str) -> bytes | None:
    """Return a file's bytes, or None and a problem."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problems.append(
            Problem(file, "", "the file is missing", hint=f"create it in {path.parent.name}/, or restore it")
        )
    except IsADirectoryError:
        problems.append(Problem(file, "", "a folder stands where a file is expected", hint="remove or rename it"))
    except OSError as error:
        problems.append(
            Problem(file, "", f"the file cannot be read: {error.strerror}", hint="check its permissions and its path")
        )
    return None


def _decoded(content: bytes, file: str, problems: list[Problem]) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(
            Problem(
                file,
                f"line {line}",
                "the file is not UTF-8",
                received=f"byte 0x{content[error.start]:02x}",
                hint="save it as UTF-8 (文字コードを UTF-8 にして保存してください)",
            )
        )
        return None
