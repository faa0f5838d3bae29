"""How long SendGrid asks to wait, by the headers of its answers."""

from __future__ import annotations

import time
from collections.abc import Mapping

_DEFAULT_SECONDS = 5.0
_MOST_SECONDS = 60.0
_AN_EPOCH = 1_000_000_000


def reset_seconds(headers: Mapping[str, str]) -> float:
    """Seconds until the rate limit is lifted; the header holds an epoch second, sometimes a number of seconds."""
    try:
        reset = float(headers.get("X-RateLimit-Reset", ""))
    except ValueError:
        return _DEFAULT_SECONDS
    seconds = reset - time.time() if reset > _AN_EPOCH else reset
    return min(max(seconds, 0.1), _MOST_SECONDS)
