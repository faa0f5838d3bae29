"""Stamps as Salesforce writes and compares them: in UTC and to the second."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.clients.sfa.faults import FaultError
from tasks.clients.sfa.salesforce_calls import Row
from tasks.errors import RunError


def modified_at(row: Row) -> datetime:
    """When a record was last changed, by anyone or anything.

    Raises:
        FaultError: It does not say.
    """
    found = stamp_of(row, "SystemModstamp")
    if found is None:
        raise FaultError(f"{row.kind} {row.id}: SystemModstamp is empty; let the run-as user read it")
    return found


def told_stamp(row: Row) -> datetime:
    """When a record was last changed, where nothing can be done without it.

    Raises:
        RunError: It does not say.
    """
    try:
        return modified_at(row)
    except FaultError as fault:
        raise RunError(f"Salesforce: {fault}") from None


def stamp_of(row: Row, name: str) -> datetime | None:
    """A field's instant, or None.

    Raises:
        FaultError: It is none.
    """
    text = row.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise FaultError(
            f"{row.kind} {row.id}: {name} is not a date and time; make the field one, or correct the value"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def text_of(stamp: datetime | None) -> str | None:
    """A stamp as Salesforce takes it."""
    if stamp is None:
        return None
    return stamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sent_stamp(text: str) -> str:
    """A stamp of ours as Salesforce takes it; what is none is left for it to refuse."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text_of(found if found.tzinfo else found.replace(tzinfo=UTC)) or text


def second(stamp: datetime) -> datetime:
    """A stamp as Salesforce's are told: what is within one second is one instant."""
    return stamp.replace(microsecond=0)
