"""How our fields, states and stamps stand in HubSpot's records.

A name is one text here and two there: it is written whole into ``lastname``, and read as ``lastname firstname``, in the
order in which Japanese names are said. What sales notes of a handoff stands in properties of our own; a rep who only
ticks the task off has told that the call was made.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Literal

from tasks.clients.sfa.faults import FaultError
from tasks.clients.sfa.hubspot_calls import Row
from tasks.clients.sfa.hubspot_stamps import modified_at, stamp_of, text_of
from tasks.clients.sfa.protocol import ENDED, STATUSES, HandoffWrite, LeadWrite, SfaDeal, SfaHandoff, SfaLead
from tasks.errors import RunError

LEAD_ID = "nurture_lead_id"
HANDOFF_ID = "nurture_handoff_id"
OWNER = "hubspot_owner_id"
LEAD_STAMP, STAMP = "lastmodifieddate", "hs_lastmodifieddate"
FIRST_NAME = "firstname"
MERGED = ("hs_merged_object_ids", "hs_calculated_merged_vids")
FIELDS: Mapping[str, str] = {
    "email": "email",
    "name": "lastname",
    "company": "company",
    "title": "jobtitle",
    "phone": "phone",
    "industry": "industry",
    "employees": "nurture_employees",  # HubSpot's own numemployees takes only its own bands
    "region": "state",
    "revenue": "annualrevenue",
    "topics": "nurture_topics",
    "score": "nurture_score",
    "tier": "nurture_tier",
    "stage": "nurture_stage",
    "last_action_at": "nurture_last_action_at",
    "top_reasons": "nurture_top_reasons",
}
"""The property of each of our standard fields, unless the rules name another."""
HANDOFF_NAMES = (
    HANDOFF_ID,
    OWNER,
    STAMP,
    "hs_task_status",
    "hs_task_completion_date",
    "nurture_status",
    "nurture_first_contact_at",
    "nurture_outcome",
    "nurture_reject_reason",
)
DEAL_NAMES = (STAMP, "dealname", "amount", "dealstage", "hs_is_closed", "hs_is_closed_won", OWNER)
_TICKED = {"COMPLETED": "contacted", "IN_PROGRESS": "accepted"}


def lead_names(fields: Mapping[str, str]) -> tuple[str, ...]:
    """The properties to ask for of a contact."""
    return tuple(dict.fromkeys((LEAD_ID, OWNER, LEAD_STAMP, FIRST_NAME, *MERGED, *fields.values())))


def lead_of(row: Row, fields: Mapping[str, str]) -> SfaLead:
    """A contact as the engine takes it.

    Raises:
        FaultError: It has no stamp.
    """
    values = {field: row.get(name) for field, name in fields.items()}
    if fields.get("name") == FIELDS["name"]:
        parts = [part for part in (row.get(FIELDS["name"]), row.get(FIRST_NAME)) if part]
        values["name"] = " ".join(parts) or None
    return SfaLead(
        sfa_id=row.id,
        modified_at=modified_at(row, "contact", LEAD_STAMP),
        lead_id=row.get(LEAD_ID),
        email=row.get(fields["email"]),
        owner=row.get(OWNER),
        values=values,
    )


def merged_ids(row: Row) -> list[str]:
    """The ids of the records that this one took the place of."""
    listed = (row.get(MERGED[0]) or "").split(";")
    stamped = [entry.partition(":")[0] for entry in (row.get(MERGED[1]) or "").split(";")]
    return [id_ for id_ in dict.fromkeys(id_.strip() for id_ in (*listed, *stamped)) if id_ and id_ != row.id]


def lead_properties(lead: LeadWrite, fields: Mapping[str, str], has_first_name: bool = False) -> dict[str, str]:
    """What to write into a contact.

    Raises:
        RunError: A field that no property is named for.
    """
    found = {LEAD_ID: lead.lead_id}
    for field, value in lead.values.items():
        if field not in fields:
            raise RunError(
                f"no HubSpot property is named for the field {field}: name one; known are {', '.join(fields)}"
            )
        found[fields[field]] = "" if value is None else str(value)
    if has_first_name and "name" in lead.values and fields["name"] == FIELDS["name"]:
        found.setdefault(FIRST_NAME, "")  # or the name would be read back with it behind
    if lead.owner is not None and lead.owner.isdecimal():  # else HubSpot would refuse all of it
        found[OWNER] = lead.owner
    if lead.merged_into is not None:
        found["nurture_merged_into"] = lead.merged_into
    return found


def handoff_of(row: Row) -> SfaHandoff:
    """A task of ours as the engine takes it.

    Raises:
        FaultError: A state or a stamp that cannot be read.
    """
    task = f"task {row.id}"
    status = row.get("nurture_status") or "new"
    if status not in STATUSES:
        raise FaultError(f"{task}: nurture_status is none of {', '.join(STATUSES)}; choose one of them in HubSpot")
    first_contact_at = stamp_of(row, task, "nurture_first_contact_at")
    if status == "new":
        status = _TICKED.get(row.get("hs_task_status") or "", status)
        if status == "contacted":
            first_contact_at = first_contact_at or stamp_of(row, task, "hs_task_completion_date")
    return SfaHandoff(
        handoff_id=row.get(HANDOFF_ID) or "",
        changed_at=modified_at(row, "task", STAMP),
        status=status,
        owner=row.get(OWNER),
        first_contact_at=first_contact_at,
        outcome=row.get("nurture_outcome"),
        reject_reason=row.get("nurture_reject_reason"),
    )


def handoff_properties(handoff: HandoffWrite, is_new: bool) -> dict[str, str]:
    """What to write into a task.

    Of one that is there, what sales noted is left alone, unless ``changed_at`` says that it comes from elsewhere.
    """
    has_owner = handoff.owner.isdecimal()
    brief = handoff.brief if has_owner else f"{handoff.brief}\n担当: {handoff.owner}"
    found = {
        HANDOFF_ID: handoff.handoff_id,
        "hs_task_subject": handoff.subject,
        "hs_task_body": html.escape(brief, quote=False).replace("\n", "<br>"),
        "hs_timestamp": text_of(handoff.due_at),
        "nurture_due_at": text_of(handoff.due_at),
        "nurture_caused_at": text_of(handoff.caused_at),
    }
    if has_owner:
        found[OWNER] = handoff.owner
    if is_new or handoff.changed_at is not None:
        found |= {
            "hs_task_status": _task_status(handoff.status),
            "nurture_status": handoff.status,
            "nurture_first_contact_at": text_of(handoff.first_contact_at),
            "nurture_outcome": handoff.outcome or "",
            "nurture_reject_reason": handoff.reject_reason or "",
        }
    return found


def deal_of(row: Row, sfa_id: str) -> SfaDeal:
    """A deal as the engine takes it.

    Raises:
        FaultError: An amount or a stamp that cannot be read.
    """
    stage = row.get("dealstage")
    status: Literal["open", "won", "lost"] = "open"
    if row.get("hs_is_closed_won") == "true" or stage == "closedwon":
        status = "won"
    elif row.get("hs_is_closed") == "true" or stage == "closedlost":
        status = "lost"
    text = row.get("amount")
    try:
        amount = None if text is None else Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if amount is not None and not amount.is_finite():
        raise FaultError(f"deal {row.id}: amount is not a number; correct it in HubSpot")
    return SfaDeal(
        deal_id=row.id,
        sfa_id=sfa_id,
        changed_at=modified_at(row, "deal", STAMP),
        status=status,
        amount=amount,
        name=row.get("dealname"),
        owner=row.get(OWNER),
    )


def _task_status(status: str) -> str:
    if status in ENDED:
        return "COMPLETED"
    return "NOT_STARTED" if status == "new" else "IN_PROGRESS"
