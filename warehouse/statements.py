"""Reads the statements of ``warehouse/queries``, and picks for each what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

QUERIES = Path(__file__).parent / "queries"


def query(name: str) -> str:
    """A statement of ``warehouse/queries``."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def bound(name: str, values: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """A statement and those of the values that it asks for."""
    statement = query(name)
    return statement, {key: value for key, value in values.items() if f"${key}" in statement}
