"""What the headers of SendGrid's answers say of its rate limit."""

from __future__ import annotations

import time
from collections.abc import Mapping

MAX_WAIT_SECONDS = 60.0
_DEFAULT_SECONDS = 5.0
_AN_EPOCH = 1_000_000_000


def reset_seconds(headers: Mapping[str, str]) -> float:
    """Seconds until the rate limit is lifted; the header holds an epoch second, sometimes a number of seconds."""
    reset = number(headers.get("X-RateLimit-Reset"))
    if reset is None:
        return _DEFAULT_SECONDS
    seconds = reset - time.time() if reset > _AN_EPOCH else reset
    return min(max(seconds, 0.1), MAX_WAIT_SECONDS)


def number(text: str | None) -> float | None:
    """A header as a number; None where it is absent or none."""
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if abs(found) < 1e12 else None  # not a number is neither
