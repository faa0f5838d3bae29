"""What is wrong with configuration, said so that its author can mend it.

Reading never stops at the first fault: problems are collected and shown at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault: where it is, what was found, what is allowed, what to do."""

    file: str
    place: str
    """``line 12``, ``row 3, column 配信タイミング``, or empty for the whole file."""
    message: str
    received: str = ""
    allowed: str = ""
    hint: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}, {self.place}" if self.place else self.file
        parts = [f"{where}: {self.message}"]
        if self.received:
            parts.append(f"received: {self.received}")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.hint:
            parts.append(self.hint)
        return "; ".join(parts)


class ConfigurationError(Exception):
    """Settings, sources or rules cannot be used as they are. The command line exits with 2."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
