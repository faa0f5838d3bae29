"""What the engine asks of an SFA, whichever it is.

Reading is incremental and may repeat: whoever asks for changes since an instant gets every record changed at or after
it, some of them perhaps again. Writing is idempotent: the same write twice leaves what it left once, since records bear
our ids. A record that is refused is told beside those that were taken; only what concerns all of them is raised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Generic, Literal, Protocol, TypeVar

STATUSES = ("new", "accepted", "contacted", "meeting", "won", "lost", "returned")
"""Where the follow-up of a handoff can stand."""
ENDED = ("won", "lost", "returned")
"""Those after which sales owes no call."""

Row = TypeVar("Row")


@dataclass(frozen=True)
class SfaLead:
    """One person as the SFA has it."""

    sfa_id: str
    """The SFA's own id of the record."""
    modified_at: datetime
    lead_id: str | None = None
    """Our id, where the record bears one."""
    email: str | None = None
    owner: str | None = None
    """The SFA's own id of the user who owns it."""
    values: Mapping[str, str | None] = field(default_factory=dict)
    """By our field ids; what is empty there is None. Only fields that are synced."""
    read_only: Collection[str] = ()
    """Our ids of fields that stand elsewhere than at the record, and cannot be written to it."""
    is_deleted: bool = False
    merged_into: str | None = None
    """The ``sfa_id`` of the record that took its place."""


@dataclass(frozen=True)
class SfaHandoff:
    """One handoff as the SFA has it: what sales noted."""

    handoff_id: str
    changed_at: datetime
    """When sales last touched it."""
    status: str
    owner: str | None = None
    first_contact_at: datetime | None = None
    outcome: str | None = None
    reject_reason: str | None = None


@dataclass(frozen=True)
class SfaDeal:
    """One deal as the SFA has it."""

    deal_id: str
    sfa_id: str
    """The record of the person it belongs to."""
    changed_at: datetime
    status: Literal["open", "won", "lost"]
    amount: Decimal | None = None
    name: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some of the changed records, and what is wrong with those beside them that cannot be read."""

    rows: Sequence[Row]
    faults: Sequence[str] = ()
    """A line each: the record's id, the value, what is allowed, what to do. No address, no secret."""


@dataclass(frozen=True)
class LeadWrite:
    """What one person's record is to hold."""

    lead_id: str
    sfa_id: str | None
    """The record to write; None makes one, or finds that which bears our ``lead_id``."""
    values: Mapping[str, str | int | None]
    """By our field ids; of a known record only what changes. ``email`` is among those of a new one."""
    owner: str | None = None
    """The SFA's own id of the user who is to own it; None leaves that as it is."""
    seen_at: datetime | None = None
    """The ``modified_at`` on which this rests: a record changed since is left alone where the SFA can tell."""
    merged_into: str | None = None
    """Our id of the lead that this one turned out to be."""


@dataclass(frozen=True)
class HandoffWrite:
    """What one handoff is to hold."""

    handoff_id: str
    lead_id: str
    sfa_id: str | None
    """The person's record."""
    owner: str
    """The SFA's own id of the user, or where it has none, ours."""
    cause: str
    """What called for sales, in words."""
    caused_at: datetime
    due_at: datetime
    handed_off_at: datetime
    subject: str
    brief: str
    """Who, why now, until when: several lines of Japanese."""
    status: str = "new"
    first_contact_at: datetime | None = None
    outcome: str | None = None
    reject_reason: str | None = None
    changed_at: datetime | None = None
    """When what sales did was last said here; where nothing is ``seen``, a newer record of the SFA is left alone."""
    seen: Sequence[Mapping[str, str | None]] = ()
    """What :func:`noted` told of the record before, and of a write whose answer was lost. A record that holds anything
    else was changed by sales since and is left alone; where nothing is known, nothing is compared."""


def noted(handoff: SfaHandoff | HandoffWrite) -> dict[str, str | None]:
    """What sales can change of a handoff, by name, so that two are alike where no SFA tells them apart.

    A first contact is told to the second: some SFAs keep no more.
    """
    contact = handoff.first_contact_at
    return {
        "status": handoff.status,
        "owner": handoff.owner or None,
        "first_contact_at": contact.astimezone(UTC).replace(microsecond=0).isoformat() if contact else None,
        "outcome": handoff.outcome or None,
        "reject_reason": handoff.reject_reason or None,
    }


def changed_since(handoff: SfaHandoff, seen: Sequence[Mapping[str, str | None]]) -> set[str]:
    """What of a record is nothing that was seen there before."""
    return {name for name, value in noted(handoff).items() if all(value != one.get(name) for one in seen)}


Verdict = Literal["written", "changed", "gone", "refused"]
"""``changed``: someone changed it since it was seen, and nothing was written. ``gone``: there is no such record."""


@dataclass(frozen=True)
class Written:
    """What became of one write."""

    key: str
    """``lead_id`` or ``handoff_id``."""
    verdict: Verdict
    sfa_id: str | None = None
    message: str | None = None
    """Why it was refused; no address, no secret."""
    kept: Mapping[str, str | None] = field(default_factory=dict)
    """By our field ids, what stands there in place of what was given: a text cut to its width, or None for nothing of
    it."""


class Sfa(Protocol):
    """One SFA. Every method raises ``tasks.errors.RunError`` where it cannot be used at all."""

    is_local: bool
    """Whether it stands on this machine, so that nothing written to it reaches anyone."""
    page_size: int
    """How many records one call of a write takes."""

    def lead_changes(self, since: datetime | None) -> Iterator[Page[SfaLead]]:
        """People changed at or after an instant, oldest change first, deleted and merged ones among them."""
        ...

    def handoff_changes(self, since: datetime | None) -> Iterator[Page[SfaHandoff]]:
        """Handoffs of ours that sales changed at or after an instant."""
        ...

    def deal_changes(self, since: datetime | None) -> Iterator[Page[SfaDeal]]:
        """Deals changed at or after an instant, of people it has."""
        ...

    def find_leads(self, emails: Sequence[str]) -> Mapping[str, str]:
        """``sfa_id`` by address of the people there that bear no id of ours yet."""
        ...

    def write_leads(self, leads: Sequence[LeadWrite]) -> list[Written]:
        """Make or change people, at most ``page_size``; one answer each, in their order."""
        ...

    def write_handoffs(self, handoffs: Sequence[HandoffWrite]) -> list[Written]:
        """Make or change handoffs, at most ``page_size``; one answer each, in their order."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
