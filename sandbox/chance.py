"""Chance that can be repeated: every draw hangs on the seed and on what is being decided, and on nothing else.

Each decision has a generator of its own, named by its parts. So one more mail to one lead changes what that lead
does, and not what everybody does after it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sandbox.clock import JST

Choice = TypeVar("Choice")
_DAY = timedelta(days=1)


def generator(seed: int, *parts: object) -> random.Random:
    """Returns the generator of one decision; a string seed does not hang on Python's hash of the day."""
    return random.Random(":".join(map(str, (seed, *parts))))


def pick(rng: random.Random, weighted: Sequence[tuple[Choice, float]]) -> Choice:
    """Draws one of some choices, each given with its weight."""
    at = rng.random() * sum(weight for _, weight in weighted)
    for choice, weight in weighted:
        at -= weight
        if at < 0:
            return choice
    return weighted[-1][0]


def at_work(rng: random.Random, near: int, after: int) -> int:
    """Finds an instant at which a person at work sits at the computer.

    Args:
        rng: The generator.
        near: Unix seconds of about when; the JST day is kept where possible.
        after: Unix seconds that the result must be later than.

    Returns:
        Unix seconds: mostly 9:00 to 18:00 JST from Monday to Friday, now and then an evening or a weekend.
    """
    day = datetime.fromtimestamp(near, JST).replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        is_weekend = day.weekday() >= 5
        if is_weekend and rng.random() < 0.7:
            day += _DAY
            continue
        is_office_hours = rng.random() < 0.94
        first, last = (9, 18) if is_office_hours else (7, 23)
        at = int(day.timestamp()) + rng.randrange(first * 3600, last * 3600)
        if at > after:
            return at
        day += _DAY


def awake(rng: random.Random, at: int) -> int:
    """Moves an instant of the night to the next morning; the rest of the day stays."""
    local = datetime.fromtimestamp(at, JST)
    if 7 <= local.hour < 23:
        return at
    morning = local.replace(hour=7, minute=0, second=0) + (_DAY if local.hour >= 23 else timedelta())
    return int(morning.timestamp()) + rng.randrange(3 * 3600)
