"""Salesforce as an SFA: people are leads, and contacts once converted; handoffs are tasks, deals are opportunities.

Changes are read by their stamp from all records, deleted ones among them, so that deletions, merges and conversions are
told like any other change.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from tasks.clients.sfa import salesforce_records as records
from tasks.clients.sfa.faults import readable
from tasks.clients.sfa.protocol import HandoffWrite, LeadWrite, Page, SfaDeal, SfaHandoff, SfaLead, Written
from tasks.clients.sfa.salesforce_calls import Calls, Row
from tasks.clients.sfa.salesforce_records import CONTACT, LEAD, LEAD_ID, STAMP
from tasks.clients.sfa.salesforce_work import (
    DEAL,
    DEAL_NAMES,
    DEAL_PERSON,
    HANDOFF_ID,
    HANDOFF_NAMES,
    TASK,
    deal_of,
    handoff_of,
    person_of_deal,
)
from tasks.clients.sfa.salesforce_writes import PAGE_SIZE, Writes

READ_SIZE = 2_000
"""Records of one page told; Salesforce gives as many a request."""


class Salesforce:
    """One org, by the client credentials of an app.

    Args:
        url: ``salesforce://CLIENT_ID:CLIENT_SECRET@mydomain.my.salesforce.com``. May not be logged.
        fields: Our field ids to names of lead fields, beside or instead of those in ``salesforce_records.FIELDS``.
        timeout_seconds: For every wait on Salesforce.
        timezone: Where the day of a limit is told.
    """

    page_size = PAGE_SIZE

    def __init__(
        self, url: str, fields: Mapping[str, str], timeout_seconds: float = 30, timezone: str = "Asia/Tokyo"
    ) -> None:
        self._calls = Calls(url, timeout_seconds)
        self._fields = records.all_fields(fields)
        self._writes = Writes(self._calls, self._fields, ZoneInfo(timezone))
        self.is_local = self._calls.is_local

    def lead_changes(self, since: datetime | None) -> Iterator[Page[SfaLead]]:
        """People changed at or after an instant, oldest change first, deleted, merged and converted ones among them."""
        streams = [
            self._changed(kind, records.lead_names(kind, self._fields), self._since(since)) for kind in (LEAD, CONTACT)
        ]
        for page in _pages(heapq.merge(*streams, key=lambda row: row.get(STAMP) or "")):
            rows, faults = readable(page, lambda row: records.lead_of(row, self._fields, self._calls.user_id))
            yield Page(rows, faults)

    def handoff_changes(self, since: datetime | None) -> Iterator[Page[SfaHandoff]]:
        """Handoffs of ours changed at or after an instant, by sales or by us: Salesforce keeps one stamp for both."""
        ours = [f"{HANDOFF_ID} != null", "IsDeleted = false", *self._since(since)]
        for page in _pages(self._changed(TASK, HANDOFF_NAMES, ours)):
            rows, faults = readable(page, handoff_of)
            yield Page(rows, faults)

    def deal_changes(self, since: datetime | None) -> Iterator[Page[SfaDeal]]:
        """Deals changed at or after an instant, or tied to someone since; those of nobody are passed over."""
        names, alive = (*DEAL_NAMES, DEAL_PERSON), "IsDeleted = false"
        if since is not None:
            # who is tied later leaves the deal's own stamp as it was
            tied = f"Id IN (SELECT OpportunityId FROM OpportunityContactRole WHERE {self._since(since)[0]})"
            earlier = f"{STAMP} < {self._calls.quoted(since)}"
            yield from self._deals(self._changed(DEAL, names, [tied, alive, earlier]))
        yield from self._deals(self._changed(DEAL, names, [alive, *self._since(since)]))

    def find_leads(self, emails: Sequence[str]) -> Mapping[str, str]:
        """The record's id by address, of those that bear no id of ours yet; of a lead and a contact the contact."""
        asked = list(dict.fromkeys(email.strip().lower() for email in emails if email.strip()))
        address = self._fields["email"]
        queries = [
            f"SELECT Id, {address} FROM {LEAD} WHERE {LEAD_ID} = null AND IsConverted = false AND",
            f"SELECT Id, {address} FROM {CONTACT} WHERE {LEAD_ID} = null AND",
        ]
        rows = self._calls.find_unseen(queries, address, asked)
        found = {(row.get(address) or "").lower(): row.id for row in sorted(rows, key=lambda row: row.kind != LEAD)}
        return {email: found[key] for email in emails if (key := email.strip().lower()) in found}

    def write_leads(self, leads: Sequence[LeadWrite]) -> list[Written]:
        """Make or change leads and contacts, at most ``page_size``; one answer each, in their order."""
        return self._writes.leads(leads)

    def write_handoffs(self, handoffs: Sequence[HandoffWrite]) -> list[Written]:
        """Make or change tasks, at most ``page_size``; one answer each, in their order."""
        return self._writes.handoffs(handoffs)

    def close(self) -> None:
        """Let go of connections."""
        self._calls.close()

    def _since(self, since: datetime | None) -> list[str]:
        return [] if since is None else [f"{STAMP} >= {self._calls.quoted(since)}"]

    def _changed(self, kind: str, names: Sequence[str], conditions: Sequence[str]) -> Iterator[Row]:
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return self._calls.query(f"SELECT {', '.join(names)} FROM {kind}{where} ORDER BY {STAMP}, Id")

    def _deals(self, rows: Iterator[Row]) -> Iterator[Page[SfaDeal]]:
        for page in _pages(rows):
            found, faults = readable([row for row in page if person_of_deal(row) is not None], deal_of)
            yield Page(found, faults)


def _pages(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The rows, some at once."""
    while page := list(islice(rows, READ_SIZE)):
        yield page
