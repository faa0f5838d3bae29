"""Checks the keys and the kinds of values of a condition."""

from __future__ import annotations

from typing import Any

from rules.documents import Spot
from rules.hints import did_you_mean, listed, shown


def only(raw: dict[str, Any], keys: tuple[str, ...], spot: Spot) -> bool:
    """Report keys that are not among ``keys``; True where there are none."""
    unknown = [key for key in raw if key not in keys]
    for key in unknown:
        spot.at(key).fault(
            f"unknown key '{key}'", received=shown(raw[key], key), allowed=listed(keys), hint=did_you_mean(key, keys)
        )
    return not unknown


def is_kind(value: Any, kind: type | tuple[type, ...], expected: str, spot: Spot) -> bool:
    """Report a value of another kind than expected; True where it fits."""
    # A bool is an int to Python, and never a number to the person who wrote it.
    is_fine = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not is_fine:
        spot.fault("this is not the kind of value expected", received=shown(value), allowed=expected)
    return is_fine
