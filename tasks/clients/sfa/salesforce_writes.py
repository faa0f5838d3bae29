"""Writing to Salesforce: what stands is looked up first, so that nothing is made twice and no change is overwritten.

Salesforce has no lock for many records. The stamps of the page's records are read right before they are written; what
is changed in between is overwritten. A lead that sales converted is followed to its contact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Any

from tasks.clients.sfa import salesforce_records as records
from tasks.clients.sfa.batches import Outcome, check_size, is_changed
from tasks.clients.sfa.protocol import HandoffWrite, LeadWrite, Written
from tasks.clients.sfa.salesforce_batches import write
from tasks.clients.sfa.salesforce_calls import Calls, Row
from tasks.clients.sfa.salesforce_records import CONTACT, LEAD, LEAD_ID, kind_of, successor
from tasks.clients.sfa.salesforce_stamps import second, told_stamp
from tasks.clients.sfa.salesforce_work import HANDOFF_ID, HANDOFF_NAMES, TASK, TaskStatuses, handoff_of, handoff_record

PAGE_SIZE = 10_000
_MOST_STEPS = 10
_NO_RECORD = "Salesforce has no record of this lead: the lead is written first; where sales deleted it, restore it"


class Writes:
    """The two writes of the client.

    Args:
        calls: The requests.
        fields: Our field ids to names of the lead's fields.
        zone: Where the day of a task is told.
    """

    def __init__(self, calls: Calls, fields: Mapping[str, str], zone: tzinfo) -> None:
        self._calls = calls
        self._fields = fields
        self._zone = zone
        self._statuses: TaskStatuses | None = None

    def leads(self, leads: Sequence[LeadWrite]) -> list[Written]:
        """Make or change leads and contacts; one answer each, in their order."""
        check_size(leads, PAGE_SIZE)
        rows = self._rows([lead.sfa_id for lead in leads if lead.sfa_id is not None])
        by_lead = self._by_lead([lead.lead_id for lead in leads if lead.sfa_id is None], rows)
        answers: dict[int, Written] = {}
        batches: dict[tuple[str, bool], dict[int, dict[str, Any]]] = {}
        for number, lead in enumerate(leads):
            row = _last(rows, lead.sfa_id) if lead.sfa_id is not None else by_lead.get(lead.lead_id)
            answer = _kept(lead, row, rows)
            if answer is not None:
                answers[number] = answer
                continue
            kind = LEAD if row is None else row.kind
            record = records.lead_record(lead, self._fields, kind, row)
            batches.setdefault((kind, row is None), {})[number] = record if row is None else {"Id": row.id, **record}
        for (kind, is_new), batch in batches.items():
            outcomes = write(self._calls, "upsert" if is_new else "update", kind, LEAD_ID, list(batch.values()))
            for (number, record), outcome in zip(batch.items(), outcomes, strict=True):
                lead = leads[number]
                nothing = dict.fromkeys(set(records.read_only(kind, self._fields)) & lead.values.keys())
                answers[number] = replace(_answer(lead.lead_id, outcome, record.get("Id")), kept=nothing)
        return [answers[number] for number in range(len(leads))]

    def handoffs(self, handoffs: Sequence[HandoffWrite]) -> list[Written]:
        """Make or change tasks of people; one answer each, in their order."""
        check_size(handoffs, PAGE_SIZE)
        if not handoffs:
            return []
        rows = self._rows([handoff.sfa_id for handoff in handoffs if handoff.sfa_id is not None])
        by_lead = self._by_lead([handoff.lead_id for handoff in handoffs if handoff.sfa_id is None], rows)
        ids = [handoff.handoff_id for handoff in handoffs]
        asked = f"SELECT {', '.join(HANDOFF_NAMES)} FROM {TASK} WHERE IsDeleted = false AND"
        known = {row.get(HANDOFF_ID): row for row in self._calls.find(asked, HANDOFF_ID, ids)}
        answers: dict[int, Written] = {}
        batch: dict[int, dict[str, Any]] = {}
        for number, handoff in enumerate(handoffs):
            row = _last(rows, handoff.sfa_id) if handoff.sfa_id is not None else by_lead.get(handoff.lead_id)
            if row is None:
                is_unknown = handoff.sfa_id is None
                answers[number] = Written(
                    handoff.handoff_id,
                    "refused" if is_unknown else "gone",
                    handoff.sfa_id,
                    _NO_RECORD if is_unknown else None,
                )
                continue
            task = known.get(handoff.handoff_id)
            if task is not None and is_changed(task, handoff_of, handoff.seen):
                answers[number] = Written(handoff.handoff_id, "changed", handoff.sfa_id)
                continue
            batch[number] = handoff_record(handoff, row.id, task is None, self._task_statuses(), self._zone)
        outcomes = write(self._calls, "upsert", TASK, HANDOFF_ID, list(batch.values()))
        for number, outcome in zip(batch, outcomes, strict=True):
            answers[number] = _answer(handoffs[number].handoff_id, outcome)
        return [answers[number] for number in range(len(handoffs))]

    def _task_statuses(self) -> TaskStatuses:
        if self._statuses is None:
            asked = "SELECT ApiName, IsDefault, IsClosed FROM TaskStatus ORDER BY SortOrder"
            self._statuses = TaskStatuses.from_rows(self._calls.query(asked))
        return self._statuses

    def _rows(self, ids: Iterable[str], known: Mapping[str, Row] | None = None) -> dict[str, Row]:
        """The records of ids, and of those that took their place."""
        found = dict(known or {})
        wanted = {id_ for id_ in ids if kind_of(id_) is not None}
        for _ in range(_MOST_STEPS):
            wanted -= set(found)
            if not wanted:
                break
            rows = []
            for kind in (LEAD, CONTACT):
                some = sorted(id_ for id_ in wanted if kind_of(id_) == kind)
                rows += self._calls.find(_standing(kind), "Id", some)
            found |= {row.id: row for row in rows}
            wanted = {after for row in rows if (after := successor(row)) is not None}
        return found

    def _by_lead(self, lead_ids: Sequence[str], rows: dict[str, Row]) -> dict[str, Row]:
        """The record that stands for each of our ids: of a contact and a lead the contact. Adds to ``rows``."""
        if not lead_ids:
            return {}
        bearing: list[Row] = []
        for kind in (CONTACT, LEAD):
            bearing += self._calls.find(_standing(kind), LEAD_ID, lead_ids)
        rows |= {row.id: row for row in bearing}
        rows |= self._rows([after for row in bearing if (after := successor(row)) is not None], rows)
        found: dict[str, Row] = {}
        for row in bearing:
            lead_id, last = row.get(LEAD_ID), _last(rows, row.id)
            if lead_id is not None and last is not None:
                found.setdefault(lead_id, last)
        return found


def _standing(kind: str) -> str:
    return f"SELECT {', '.join(records.standing_names(kind))} FROM {kind} WHERE"


def _last(rows: Mapping[str, Row], id_: str) -> Row | None:
    """The record that stands for an id today; None where it was deleted or never was."""
    for _ in range(_MOST_STEPS):
        row = rows.get(id_)
        if row is None:
            return None
        after = successor(row)
        if after is None:
            return None if row.is_set("IsDeleted") else row
        id_ = after
    return None


def _kept(lead: LeadWrite, row: Row | None, rows: Mapping[str, Row]) -> Written | None:
    """The answer for a lead whose record may not be written."""
    if row is None:
        return None if lead.sfa_id is None else Written(lead.lead_id, "gone", lead.sfa_id)
    if lead.sfa_id is not None and rows[lead.sfa_id].get("MasterRecordId") is not None:
        return Written(lead.lead_id, "gone", lead.sfa_id, f"merged into {row.id}")
    if row.id != lead.sfa_id and row.get(LEAD_ID) not in {None, lead.lead_id}:
        return Written(lead.lead_id, "gone", lead.sfa_id, f"converted into {row.id}, which is another lead's")
    if lead.seen_at is not None and second(told_stamp(row)) > second(lead.seen_at):
        return Written(lead.lead_id, "changed", lead.sfa_id)
    return None


def _answer(key: str, outcome: Outcome, id_: str | None = None) -> Written:
    # what was to be made anew cannot be gone
    return (outcome if id_ is not None else replace(outcome, is_gone=False)).told(key, id_)
