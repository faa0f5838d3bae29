"""The time of the outside world, so that weeks can be simulated in seconds and a test can stand still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

JST = timezone(timedelta(hours=9), "JST")
"""Japan has no summer time: a fixed offset is exact."""


class Clock:
    """A clock that shows the wall's time until it is set.

    Args:
        now: The instant to show, with an offset; None follows the wall clock.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._now: datetime | None = None
        self.set(now)

    def now(self) -> datetime:
        """Returns the instant, in UTC."""
        return self._now or datetime.now(UTC)

    def set(self, now: datetime | None) -> None:
        """Stops the clock at an instant, or lets it follow the wall again.

        Args:
            now: The instant, with an offset; None for the wall clock.

        Raises:
            ValueError: The instant has no offset.
        """
        if now is not None and now.tzinfo is None:
            raise ValueError(f"the clock needs an instant with an offset, got {now.isoformat()}; add +09:00 or Z")
        self._now = None if now is None else now.astimezone(UTC)


def iso(instant: datetime) -> str:
    """Writes an instant as UTC ISO 8601 with its offset, as every stamp of the sandbox is written."""
    return instant.astimezone(UTC).isoformat()


def from_epoch(seconds: int) -> datetime:
    """Turns Unix seconds into an instant in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
