"""How handoffs stand in Salesforce's tasks, and deals in its opportunities.

What sales notes of a handoff stands in fields of our own; a rep who only completes the task has told that the call was
made. Which statuses a task may have is the org's affair, and asked for: Japanese orgs call them otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from tasks.clients.sfa.faults import FaultError
from tasks.clients.sfa.protocol import ENDED, STATUSES, HandoffWrite, SfaDeal, SfaHandoff
from tasks.clients.sfa.salesforce_calls import Row
from tasks.clients.sfa.salesforce_records import is_owner
from tasks.clients.sfa.salesforce_stamps import modified_at, stamp_of, text_of

TASK, DEAL = "Task", "Opportunity"
HANDOFF_ID = "Nurture_Handoff_Id__c"
HANDOFF_NAMES = (
    "Id",
    "SystemModstamp",
    "IsDeleted",
    "OwnerId",
    "Status",
    "IsClosed",
    "CompletedDateTime",
    HANDOFF_ID,
    "Nurture_Status__c",
    "Nurture_First_Contact_At__c",
    "Nurture_Outcome__c",
    "Nurture_Reject_Reason__c",
)
DEAL_NAMES = ("Id", "SystemModstamp", "IsDeleted", "IsClosed", "IsWon", "Amount", "Name", "OwnerId")
_ROLES = "OpportunityContactRoles"
DEAL_PERSON = f"(SELECT ContactId FROM {_ROLES} ORDER BY IsPrimary DESC, CreatedDate LIMIT 1)"
_IN_PROGRESS = ("In Progress", "進行中")
_MOST_SUBJECT = 255


@dataclass(frozen=True)
class TaskStatuses:
    """The org's values for where a task stands; None leaves it to the org."""

    new: str | None = None
    in_progress: str | None = None
    closed: str | None = None

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> TaskStatuses:
        """What the org's list of them says, in its order."""
        listed = list(rows)
        names = [row.get("ApiName") for row in listed]
        return cls(
            new=next((row.get("ApiName") for row in listed if row.is_set("IsDefault")), None),
            in_progress=next((name for name in _IN_PROGRESS if name in names), None),
            closed=next((row.get("ApiName") for row in listed if row.is_set("IsClosed")), None),
        )

    def of(self, status: str) -> str | None:
        """The task's status for one of our states."""
        if status in ENDED:
            return self.closed
        return self.new if status == "new" else self.in_progress


def handoff_of(row: Row) -> SfaHandoff:
    """A task of ours as the engine takes it.

    Raises:
        FaultError: A state or a stamp that cannot be read.
    """
    status = row.get("Nurture_Status__c") or "new"
    if status not in STATUSES:
        raise FaultError(
            f"{TASK} {row.id}: Nurture_Status__c is none of {', '.join(STATUSES)}; choose one of them in Salesforce"
        )
    first_contact_at = stamp_of(row, "Nurture_First_Contact_At__c")
    if status == "new" and row.is_set("IsClosed"):
        status = "contacted"
        first_contact_at = first_contact_at or stamp_of(row, "CompletedDateTime")
    elif status == "new" and row.get("Status") in _IN_PROGRESS:
        status = "accepted"
    return SfaHandoff(
        handoff_id=row.get(HANDOFF_ID) or "",
        changed_at=modified_at(row),
        status=status,
        owner=row.get("OwnerId"),
        first_contact_at=first_contact_at,
        outcome=row.get("Nurture_Outcome__c"),
        reject_reason=row.get("Nurture_Reject_Reason__c"),
    )


def handoff_record(
    handoff: HandoffWrite, who: str, is_new: bool, statuses: TaskStatuses, zone: tzinfo
) -> dict[str, Any]:
    """What to write into a task.

    Of one that is there, what sales noted is left alone, unless ``changed_at`` says that it comes from elsewhere. Whom
    it is tied to is left alone as well: a merge or a conversion takes it along.
    """
    has_owner = is_owner(handoff.owner)
    found: dict[str, Any] = {
        HANDOFF_ID: handoff.handoff_id,
        "Subject": handoff.subject[:_MOST_SUBJECT],
        "Description": handoff.brief if has_owner else f"{handoff.brief}\n担当: {handoff.owner}",
        "ActivityDate": handoff.due_at.astimezone(zone).date().isoformat(),
        "Nurture_Due_At__c": text_of(handoff.due_at),
        "Nurture_Caused_At__c": text_of(handoff.caused_at),
    }
    if has_owner:
        found["OwnerId"] = handoff.owner
    if is_new:
        found["WhoId"] = who
    if is_new or handoff.changed_at is not None:
        found |= {
            "Nurture_Status__c": handoff.status,
            "Nurture_First_Contact_At__c": text_of(handoff.first_contact_at),
            "Nurture_Outcome__c": handoff.outcome,
            "Nurture_Reject_Reason__c": handoff.reject_reason,
        }
        if (status := statuses.of(handoff.status)) is not None:
            found["Status"] = status
    return found


def person_of_deal(row: Row) -> str | None:
    """The contact that an opportunity belongs to."""
    roles = row.values.get(_ROLES)
    listed = roles.get("records") if isinstance(roles, Mapping) else None
    return str(listed[0]["ContactId"]) if listed else None


def deal_of(row: Row) -> SfaDeal:
    """An opportunity as the engine takes it.

    Raises:
        FaultError: An amount or a stamp that cannot be read.
    """
    status: Literal["open", "won", "lost"] = "open"
    if row.is_set("IsClosed"):
        status = "won" if row.is_set("IsWon") else "lost"
    text = row.get("Amount")
    try:
        amount = None if text is None else Decimal(text)
    except InvalidOperation:
        raise FaultError(f"{DEAL} {row.id}: Amount is not a number; correct it in Salesforce") from None
    return SfaDeal(
        deal_id=row.id,
        sfa_id=person_of_deal(row) or "",
        changed_at=modified_at(row),
        status=status,
        amount=amount,
        name=row.get("Name"),
        owner=row.get("OwnerId"),
    )
