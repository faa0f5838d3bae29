"""Stamps as HubSpot writes and compares them.

HubSpot keeps milliseconds: ours are cut to them before they are compared, or a record would seem changed by a write of
our own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tasks.clients.sfa.faults import FaultError
from tasks.clients.sfa.hubspot_calls import Row
from tasks.errors import RunError

_EPOCH = datetime.fromtimestamp(0, UTC)


def modified_at(row: Row, kind: str, name: str) -> datetime:
    """When a record was last changed.

    Raises:
        FaultError: It does not say.
    """
    found = stamp_of(row, f"{kind} {row.id}", name)
    if found is None:
        raise FaultError(f"{kind} {row.id}: {name} is empty; let the private app read that property")
    return found


def told_stamp(row: Row, kind: str, name: str) -> datetime:
    """When a record was last changed, where nothing can be done without it.

    Raises:
        RunError: It does not say.
    """
    try:
        return modified_at(row, kind, name)
    except FaultError as fault:
        raise RunError(f"HubSpot: {fault}") from None


def text_of(stamp: datetime | None) -> str:
    """A stamp as HubSpot takes it, to the millisecond; the empty text clears one."""
    if stamp is None:
        return ""
    return stamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(stamp: datetime) -> int:
    """A stamp as HubSpot's searches compare it."""
    return (stamp - _EPOCH) // timedelta(milliseconds=1)


def stamp_of(row: Row, record: str, name: str) -> datetime | None:
    """A property's instant, or None; ``record`` names the record in the fault.

    Raises:
        FaultError: It is none.
    """
    text = row.get(name)
    if text is None:
        return None
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise FaultError(
            f"{record}: {name} is not a date and time; make the property one, or correct the value"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
