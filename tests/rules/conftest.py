"""A copy of the guide's rule set that a test may spoil, and words for what comes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rules.errors import Problem
from rules.loader import check_rules
from tests.rules.workbooks import GUIDE

Edit = Callable[[str, str, str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the guide's rule set."""
    return Path(shutil.copytree(GUIDE, tmp_path / "guide"))


@pytest.fixture
def edit(folder: Path) -> Edit:
    """Replaces text in a file of the copy; the text must be there."""

    def replace(name: str, old: str, new: str) -> None:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


@pytest.fixture
def errors(folder: Path) -> Callable[[], list[Problem]]:
    """Checks the copy and returns its errors."""

    def check() -> list[Problem]:
        rule_set, problems = check_rules(folder)
        found = [problem for problem in problems if not problem.is_warning]
        assert (rule_set is None) == bool(found)
        return found

    return check


@pytest.fixture
def warnings(folder: Path) -> Callable[[], list[Problem]]:
    """Checks the copy, which must load, and returns its warnings."""

    def check() -> list[Problem]:
        rule_set, problems = check_rules(folder)
        assert rule_set is not None, "\n".join(map(str, problems))
        return problems

    return check
