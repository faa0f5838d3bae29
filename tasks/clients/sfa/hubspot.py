"""HubSpot as an SFA: leads are contacts, handoffs are tasks, and deals are deals.

Changes are read by the search, each page a query of its own from the last stamp on. Pages counted by an offset would
pass over a record whenever one before it is changed meanwhile, and HubSpot ends them at the 10,000th.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from tasks.clients.sfa import hubspot_records as records
from tasks.clients.sfa.faults import readable
from tasks.clients.sfa.hubspot_calls import BATCH_SIZE, Calls, Row
from tasks.clients.sfa.hubspot_records import HANDOFF_ID, LEAD_ID, LEAD_STAMP, STAMP
from tasks.clients.sfa.hubspot_stamps import milliseconds, told_stamp
from tasks.clients.sfa.hubspot_writes import Writes
from tasks.clients.sfa.protocol import HandoffWrite, LeadWrite, Page, SfaDeal, SfaHandoff, SfaLead, Written

SEARCH_SIZE = 200
"""Records of one page of a search; HubSpot gives no more."""


class HubSpot:
    """One account, by the access token of a private app.

    Args:
        url: ``hubspot://:TOKEN@api.hubapi.com``. May not be logged.
        fields: Our field ids to names of contact properties, beside or instead of those in ``hubspot_records.FIELDS``.
        timeout_seconds: For every wait on HubSpot.
    """

    page_size = BATCH_SIZE

    def __init__(self, url: str, fields: Mapping[str, str], timeout_seconds: float = 30) -> None:
        self._calls = Calls(url, timeout_seconds)
        self._fields = {**records.FIELDS, **fields}
        self._writes = Writes(self._calls, self._fields)
        self._search_size = SEARCH_SIZE
        self.is_local = self._calls.is_local

    def lead_changes(self, since: datetime | None) -> Iterator[Page[SfaLead]]:
        """People changed at or after an instant, oldest change first, deleted and merged ones among them."""
        away = self._away(since)
        for page in self._changed("contacts", LEAD_STAMP, since, records.lead_names(self._fields)):
            rows, faults = readable(page, lambda row: records.lead_of(row, self._fields))
            by_id = {lead.sfa_id: lead for lead in rows}
            for row in page:
                if row.id in by_id:
                    stamp = by_id[row.id].modified_at
                    rows += [SfaLead(id_, stamp, merged_into=row.id) for id_ in records.merged_ids(row)]
            while away and rows and away[0].modified_at <= max(lead.modified_at for lead in rows):
                rows.append(away.pop(0))
            yield Page(sorted(rows, key=lambda lead: lead.modified_at), faults)
        if away:
            yield Page(away)

    def handoff_changes(self, since: datetime | None) -> Iterator[Page[SfaHandoff]]:
        """Handoffs of ours changed at or after an instant, by sales or by us: HubSpot keeps one stamp for both."""
        ours = [{"propertyName": HANDOFF_ID, "operator": "HAS_PROPERTY"}]
        for page in self._changed("tasks", STAMP, since, records.HANDOFF_NAMES, ours):
            rows, faults = readable(page, records.handoff_of)
            yield Page(rows, faults)

    def deal_changes(self, since: datetime | None) -> Iterator[Page[SfaDeal]]:
        """Deals changed at or after an instant; those of nobody are passed over."""
        for page in self._changed("deals", STAMP, since, records.DEAL_NAMES):
            people = self._calls.associated("deals", "contacts", [row.id for row in page])
            of_people = [row for row in page if row.id in people]
            rows, faults = readable(of_people, lambda row: records.deal_of(row, people[row.id]))  # noqa: B023
            yield Page(rows, faults)

    def find_leads(self, emails: Sequence[str]) -> Mapping[str, str]:
        """The contact's id by address, of those that bear no id of ours yet."""
        asked = list(dict.fromkeys(email.strip().lower() for email in emails))
        by_address: dict[str, str] = {}
        for row in self._calls.read("contacts", asked, (LEAD_ID, "email", "hs_additional_emails"), "email"):
            if row.get(LEAD_ID) is None:
                # a contact is found by its other addresses too
                addresses = [row.get("email") or "", *(row.get("hs_additional_emails") or "").split(";")]
                by_address |= {address.strip().lower(): row.id for address in addresses}
        return {email: by_address[key] for email in emails if (key := email.strip().lower()) in by_address}

    def write_leads(self, leads: Sequence[LeadWrite]) -> list[Written]:
        """Make or change contacts, at most ``page_size``; one answer each, in their order."""
        return self._writes.leads(leads)

    def write_handoffs(self, handoffs: Sequence[HandoffWrite]) -> list[Written]:
        """Make or change tasks, at most ``page_size``; one answer each, in their order."""
        return self._writes.handoffs(handoffs)

    def close(self) -> None:
        """Let go of connections."""
        self._calls.close()

    def _away(self, since: datetime | None) -> list[SfaLead]:
        """Contacts deleted at or after an instant, oldest first; a merged one is told as such."""
        rows = [row for row in self._calls.archived("contacts", (LEAD_ID,)) if since is None or _is_since(row, since)]
        alive = self._writes.standing([row.id for row in rows])
        found = []
        for row in rows:
            winner = alive.get(row.id)
            if winner is None or winner.id != row.id:  # else it was restored meanwhile
                stamp = row.archived_at or datetime.fromtimestamp(0, UTC)
                merged_into = None if winner is None else winner.id
                found.append(
                    SfaLead(row.id, stamp, row.get(LEAD_ID), is_deleted=winner is None, merged_into=merged_into)
                )
        return sorted(found, key=lambda lead: lead.modified_at)

    def _changed(
        self,
        kind: str,
        stamp_name: str,
        since: datetime | None,
        names: Sequence[str],
        more: Sequence[Mapping[str, str]] = (),
    ) -> Iterator[list[Row]]:
        """Records changed at or after an instant, oldest change first, each once unless it is changed again."""

        def page(sort: str, *filters: tuple[str, str, int]) -> list[Row]:
            asked = [
                {"propertyName": name, "operator": operator, "value": str(value)} for name, operator, value in filters
            ]
            return self._calls.search(kind, [*asked, *more], sort, names, self._search_size)

        low = 0 if since is None else milliseconds(since)
        told: set[tuple[str, int]] = set()
        while True:
            rows = page(stamp_name, (stamp_name, "GTE", low))
            stamps = [_stamp_of(row, kind, stamp_name) for row in rows]
            if fresh := [row for row, stamp in zip(rows, stamps, strict=True) if (row.id, stamp) not in told]:
                yield fresh
            if len(rows) < self._search_size:
                return
            told = {(row.id, stamp) for row, stamp in zip(rows, stamps, strict=True) if stamp == stamps[-1]}
            if stamps[-1] > low:
                low = stamps[-1]
                continue
            # more records bear this one stamp than a page takes: these are gone through by their ids
            last = 0
            while rows := page("hs_object_id", (stamp_name, "EQ", low), ("hs_object_id", "GT", last)):
                if fresh := [row for row in rows if (row.id, low) not in told]:
                    yield fresh
                last = int(rows[-1].id)
            low, told = low + 1, set()


def _stamp_of(row: Row, kind: str, name: str) -> int:
    """A row's stamp as the search compares it; a search by a stamp finds none without it."""
    return milliseconds(told_stamp(row, kind, name))


def _is_since(row: Row, since: datetime) -> bool:
    return row.archived_at is not None and row.archived_at >= since
