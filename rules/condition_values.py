"""Checks the keys and the kinds of values of a condition."""

from __future__ import annotations

import math
from typing import Any

from rules.documents import Spot
from rules.hints import did_you_mean, listed, shown

LONGEST_DAYS = 36_525
"""A window is at most a century long."""
LARGEST_COUNT = 1_000_000
LARGEST_SCORE = 1_000_000_000


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
    if is_fine and isinstance(value, float) and not math.isfinite(value):
        is_fine = False
    if not is_fine:
        spot.fault("this is not the kind of value expected", received=shown(value), allowed=expected)
    return is_fine


def is_count(value: Any, least: int, spot: Spot, *, hint: str = "") -> bool:
    """Report what is no number of times; True where it is one, of at least ``least``."""
    if not is_kind(value, int, "a whole number", spot):
        return False
    if not least <= value <= LARGEST_COUNT:
        message = "an event happens at least once" if value < 1 and least == 1 else "there is no such number of times"
        spot.fault(message, received=shown(value), allowed=f"{least} and more, up to {LARGEST_COUNT:,}", hint=hint)
        return False
    return True


def days_of(raw: dict[str, Any], key: str, spot: Spot) -> tuple[float | None, bool]:
    """Return the window under a key, None where there is none, and whether nothing is wrong with it."""
    value = raw.get(key)
    if value is None or not is_days(value, spot.at(key), hint=f"leave {key} out to look at all time"):
        return None, value is None
    return float(value), True


def is_days(value: Any, spot: Spot, *, hint: str = "") -> bool:
    """Report what is no length of a window; True where it is one."""
    if not is_kind(value, (int, float), "a number of days", spot):
        return False
    # shorter than a microsecond is no time to anybody, and to SQL
    if not 1e-9 <= value <= LONGEST_DAYS:
        spot.fault(
            "a window of no length holds no event" if value <= 1e-9 else "a window is at most a century long",
            received=shown(value),
            allowed=f"more than 0, up to {LONGEST_DAYS}",
            hint=hint,
        )
        return False
    return True


def is_score(value: Any, spot: Spot) -> bool:
    """Report what is no score; True where it is one."""
    if not is_kind(value, int, "a whole number", spot):
        return False
    if abs(value) > LARGEST_SCORE:
        spot.fault("no score is as large", received=shown(value), allowed=f"up to {LARGEST_SCORE:,} either way")
        return False
    return True
