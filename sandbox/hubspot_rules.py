"""What a stand-in HubSpot knows of its properties, and which values it refuses."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

STAMPS = {"contacts": "lastmodifieddate", "tasks": "hs_lastmodifieddate", "deals": "hs_lastmodifieddate"}
UNIQUE = {"contacts": {"nurture_lead_id", "email"}, "tasks": {"nurture_handoff_id"}, "deals": set()}
PROPERTIES = {
    "contacts": {
        "email",
        "firstname",
        "lastname",
        "company",
        "jobtitle",
        "phone",
        "industry",
        "state",
        "annualrevenue",
        "hubspot_owner_id",
        "nurture_lead_id",
        "nurture_employees",
        "nurture_topics",
        "nurture_score",
        "nurture_tier",
        "nurture_stage",
        "nurture_last_action_at",
        "nurture_top_reasons",
        "nurture_merged_into",
        "hs_additional_emails",
        "hs_merged_object_ids",
    },
    "tasks": {
        "hs_task_subject",
        "hs_task_body",
        "hs_timestamp",
        "hs_task_status",
        "hs_task_completion_date",
        "hubspot_owner_id",
        "nurture_handoff_id",
        "nurture_status",
        "nurture_first_contact_at",
        "nurture_outcome",
        "nurture_reject_reason",
        "nurture_due_at",
        "nurture_caused_at",
    },
    "deals": {"dealname", "amount", "dealstage", "hs_is_closed", "hs_is_closed_won", "hubspot_owner_id"},
}
_DATES = {"hs_timestamp", "nurture_due_at", "nurture_caused_at", "nurture_first_contact_at", "nurture_last_action_at"}
_NUMBERS = {"nurture_score", "nurture_employees", "amount"}


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request that is refused as a whole."""

    def __init__(self, status: int, message: str, category: str = "VALIDATION_ERROR", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"status": "error", "message": message, "category": category, "correlationId": "c", **more}


def check_value(name: str, value: str, known: Collection[str], owners: Collection[str]) -> None:
    """Refuses what no property of that name takes, as HubSpot does: with the value in the message."""

    def refuse(message: str, code: str) -> None:
        inner = f'[{{"isValid":false,"message":"{message}","error":"{code}","name":"{name}"}}]'
        raise Refused(400, f"Property values were not valid: {inner}")

    if name not in known:
        refuse(f'Property \\"{name}\\" does not exist', "PROPERTY_DOESNT_EXIST")
    if name == "email" and value and "@" not in value:
        refuse(f"Email address {value} is invalid", "INVALID_EMAIL")
    if name == "hubspot_owner_id" and value and value not in owners:
        refuse(f"Owner {value} does not exist", "INVALID_OWNER_ID")
    if name in _DATES and value:
        try:
            normal(name, value)
        except ValueError:
            refuse(f"{value} was not a valid long.", "INVALID_LONG")
    if name in _NUMBERS and value and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        refuse(f"{value} was not a valid number.", "INVALID_DOUBLE")


def iso(stamp: int) -> str:
    """Epoch milliseconds as HubSpot writes them."""
    return datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def normal(name: str, value: str) -> str:
    """A value as HubSpot gives it back."""
    if name not in _DATES or not value:
        return value
    if value.isdecimal():
        return iso(int(value))
    return iso(round(datetime.fromisoformat(value).timestamp() * 1000))
