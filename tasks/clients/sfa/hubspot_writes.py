"""Writing to HubSpot: what stands is looked up first, so that nothing is made twice and nobody's change is overwritten.

HubSpot has no lock. The stamps of the page's records are read right before they are written; what is changed in the
moment between is overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.clients.sfa import hubspot_records as records
from tasks.clients.sfa.batches import Outcome, check_size, is_changed
from tasks.clients.sfa.hubspot_batches import associate, write
from tasks.clients.sfa.hubspot_calls import BATCH_SIZE, Calls, Row
from tasks.clients.sfa.hubspot_records import FIRST_NAME, HANDOFF_ID, LEAD_ID, LEAD_STAMP
from tasks.clients.sfa.hubspot_stamps import milliseconds, told_stamp
from tasks.clients.sfa.protocol import HandoffWrite, LeadWrite, Written

_NO_CONTACT = "HubSpot has no contact of this lead: the lead is written first; where sales deleted it, restore it"


class Writes:
    """The two writes of the client.

    Args:
        calls: The requests.
        fields: Our field ids to names of contact properties.
    """

    def __init__(self, calls: Calls, fields: Mapping[str, str]) -> None:
        self._calls = calls
        self._fields = fields

    def standing(self, ids: Sequence[str]) -> dict[str, Row]:
        """The contact that stands for each id today: itself, or that into which it was merged."""
        names = (LEAD_ID, LEAD_STAMP, FIRST_NAME, *records.MERGED)
        wanted = [id_ for id_ in dict.fromkeys(ids) if id_.isdecimal()]
        found: dict[str, Row] = {}
        for row in self._calls.read("contacts", wanted, names):
            found |= {id_: row for id_ in (*records.merged_ids(row), row.id) if id_ in wanted}
        return found

    def leads(self, leads: Sequence[LeadWrite]) -> list[Written]:
        """Make or change contacts; one answer each, in their order."""
        check_size(leads, BATCH_SIZE)
        standing = self.standing([lead.sfa_id for lead in leads if lead.sfa_id is not None])
        answers = {number: answer for number, lead in enumerate(leads) if (answer := _kept(lead, standing))}
        updates = {
            number: {
                "id": lead.sfa_id,
                "properties": records.lead_properties(
                    lead, self._fields, has_first_name=standing[lead.sfa_id].get(FIRST_NAME) is not None
                ),
            }
            for number, lead in enumerate(leads)
            if number not in answers and lead.sfa_id is not None
        }
        upserts = {
            number: {
                "id": lead.lead_id,
                "idProperty": LEAD_ID,
                "properties": records.lead_properties(lead, self._fields),
            }
            for number, lead in enumerate(leads)
            if lead.sfa_id is None
        }
        outcomes = zip(
            (*updates, *upserts),
            write(self._calls, "update", "contacts", list(updates.values()))
            + write(self._calls, "upsert", "contacts", list(upserts.values())),
            strict=True,
        )
        answers |= {number: outcome.told(leads[number].lead_id) for number, outcome in outcomes}
        return [answers[number] for number in range(len(leads))]

    def handoffs(self, handoffs: Sequence[HandoffWrite]) -> list[Written]:
        """Make or change tasks and tie them to their contacts; one answer each, in their order."""
        check_size(handoffs, BATCH_SIZE)
        contacts = self._contacts(handoffs)
        ids = list(dict.fromkeys(handoff.handoff_id for handoff in handoffs))
        rows = self._calls.read("tasks", ids, records.HANDOFF_NAMES, HANDOFF_ID)
        known = {row.get(HANDOFF_ID): row for row in rows}
        changed = {
            handoff.handoff_id
            for handoff in handoffs
            if (row := known.get(handoff.handoff_id)) is not None and is_changed(row, records.handoff_of, handoff.seen)
        }
        writable = [
            handoff for handoff in handoffs if handoff.handoff_id in contacts and handoff.handoff_id not in changed
        ]
        inputs = [
            {
                "id": handoff.handoff_id,
                "idProperty": HANDOFF_ID,
                "properties": records.handoff_properties(handoff, is_new=handoff.handoff_id not in known),
            }
            for handoff in writable
        ]
        outcomes = dict(
            zip((one.handoff_id for one in writable), write(self._calls, "upsert", "tasks", inputs), strict=True)
        )
        made = {key: outcome.id for key, outcome in outcomes.items() if outcome.id is not None}
        ties = associate(self._calls, "tasks", "contacts", [(task, contacts[key]) for key, task in made.items()])
        for key, why in zip(made, ties, strict=True):
            if why is not None:
                outcomes[key] = Outcome(message=f"the task is there and could not be tied to its contact: {why}")
        return [
            Written(handoff.handoff_id, "changed", handoff.sfa_id)
            if handoff.handoff_id in changed
            else _handoff_answer(handoff, outcomes.get(handoff.handoff_id))
            for handoff in handoffs
        ]

    def _contacts(self, handoffs: Sequence[HandoffWrite]) -> dict[str, str]:
        """The contact by ``handoff_id``, where there is one."""
        standing = self.standing([handoff.sfa_id for handoff in handoffs if handoff.sfa_id is not None])
        unknown = list(dict.fromkeys(handoff.lead_id for handoff in handoffs if handoff.sfa_id is None))
        by_lead = {row.get(LEAD_ID): row for row in self._calls.read("contacts", unknown, (LEAD_ID,), LEAD_ID)}
        rows = {
            handoff.handoff_id: by_lead.get(handoff.lead_id) if handoff.sfa_id is None else standing.get(handoff.sfa_id)
            for handoff in handoffs
        }
        return {key: row.id for key, row in rows.items() if row is not None}


def _kept(lead: LeadWrite, standing: Mapping[str, Row]) -> Written | None:
    """The answer for a lead whose record may not be written."""
    if lead.sfa_id is None:
        return None
    row = standing.get(lead.sfa_id)
    if row is None:
        return Written(lead.lead_id, "gone", lead.sfa_id)
    if row.id != lead.sfa_id:
        return Written(lead.lead_id, "gone", lead.sfa_id, f"merged into {row.id}")
    if lead.seen_at is not None:
        changed_at = told_stamp(row, "contact", LEAD_STAMP)
        if milliseconds(changed_at) > milliseconds(lead.seen_at):
            return Written(lead.lead_id, "changed", lead.sfa_id)
    return None


def _handoff_answer(handoff: HandoffWrite, outcome: Outcome | None) -> Written:
    if outcome is not None:
        return outcome.told(handoff.handoff_id)
    if handoff.sfa_id is None:
        return Written(handoff.handoff_id, "refused", message=_NO_CONTACT)
    return Written(handoff.handoff_id, "gone", handoff.sfa_id)
