"""How lines, columns and instants look on a page of plain text, where Japanese letters are two columns wide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from rich.cells import cell_len, set_cell_size

HEADING = "■ "
"""What a heading begins with."""


class Page:
    """Lines of text, with instants in one time zone."""

    def __init__(self, zone: tzinfo) -> None:
        self.lines: list[str] = []
        self._zone = zone

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.lines += ["", f"{HEADING}{text}"]

    def line(self, text: str, depth: int = 1) -> None:
        """Add a line, so many steps to the right."""
        self.lines.append("  " * depth + text)

    def columns(self, rows: Iterable[Sequence[str]], depth: int = 1) -> None:
        """Add rows whose cells stand below each other."""
        for text in aligned(list(rows)):
            self.line(text, depth)

    def stamp(self, at: datetime) -> str:
        """An instant to the minute."""
        return f"{at.astimezone(self._zone):%Y/%m/%d %H:%M}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of as many cells each, as lines in which the cells stand below each other."""
    if not rows:
        return []
    widths = [max(map(cell_len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    return [
        "  ".join([*(set_cell_size(cell, width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]])
        for row in rows
    ]
