"""What a stand-in Salesforce knows of its objects and fields, and which values it refuses, and how.

Some values make it refuse a whole request, since its body cannot be read; others only the record that holds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

PREFIXES = {
    "Lead": "00Q",
    "Contact": "003",
    "Account": "001",
    "Task": "00T",
    "Opportunity": "006",
    "OpportunityContactRole": "00K",
    "TaskStatus": "01p",
}
_SYSTEM = {"Id": "id", "IsDeleted": "bool", "SystemModstamp": "stamp", "CreatedDate": "stamp", "OwnerId": "owner"}
_PERSON = {
    "FirstName": "text",
    "LastName": "text",
    "Title": "text",
    "Phone": "text",
    "Email": "email",
    "MasterRecordId": "id",
    "Nurture_Lead_Id__c": "text",
    "Nurture_Score__c": "number",
    "Nurture_Tier__c": "text",
    "Nurture_Stage__c": "text",
    "Nurture_Last_Action_At__c": "datetime",
    "Nurture_Top_Reasons__c": "text",
    "Nurture_Topics__c": "text",
    "Nurture_Merged_Into__c": "text",
}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "Lead": _SYSTEM
    | _PERSON
    | {
        "Company": "text",
        "Industry": "text",
        "NumberOfEmployees": "number",
        "State": "text",
        "AnnualRevenue": "number",
        "IsConverted": "bool",
        "ConvertedContactId": "id",
    },
    "Contact": _SYSTEM | _PERSON | {"AccountId": "id", "MailingState": "text"},
    "Account": _SYSTEM | {"Name": "text", "Industry": "text", "NumberOfEmployees": "number", "AnnualRevenue": "number"},
    "Task": _SYSTEM
    | {
        "WhoId": "id",
        "Subject": "text",
        "Description": "text",
        "ActivityDate": "date",
        "Status": "text",
        "IsClosed": "bool",
        "CompletedDateTime": "datetime",
        "Nurture_Handoff_Id__c": "text",
        "Nurture_Status__c": "text",
        "Nurture_First_Contact_At__c": "datetime",
        "Nurture_Outcome__c": "text",
        "Nurture_Reject_Reason__c": "text",
        "Nurture_Due_At__c": "datetime",
        "Nurture_Caused_At__c": "datetime",
    },
    "Opportunity": _SYSTEM | {"Name": "text", "Amount": "number", "IsClosed": "bool", "IsWon": "bool"},
    "OpportunityContactRole": _SYSTEM | {"OpportunityId": "id", "ContactId": "id", "IsPrimary": "bool"},
    "TaskStatus": _SYSTEM | {"ApiName": "text", "IsDefault": "bool", "IsClosed": "bool", "SortOrder": "number"},
}
EXTERNAL_IDS = {"Lead": {"Nurture_Lead_Id__c"}, "Contact": {"Nurture_Lead_Id__c"}, "Task": {"Nurture_Handoff_Id__c"}}
REQUIRED = {"Lead": ("LastName", "Company"), "Contact": ("LastName",)}
READ_ONLY = frozenset({"id", "bool", "stamp"})
WRITABLE = frozenset({"WhoId"})
_MOST_CHARACTERS = 255
_LONG = frozenset({"Description", "Nurture_Top_Reasons__c"})


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request that is refused as a whole."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = [{"errorCode": code, "message": message}]


class BadRecord(Exception):  # noqa: N818 - an answer, not a failure
    """A record that is refused beside others."""

    def __init__(self, code: str, message: str, *fields: str) -> None:
        super().__init__(message)
        self.error = {"statusCode": code, "message": message, "fields": list(fields)}


def decode(type_: str, value: Any) -> Any:
    """A value as the org keeps it.

    Raises:
        Refused: It is of another type, by which the body cannot be read.
    """
    if value is None or value == "":
        return None
    try:
        if type_ == "number":
            return float(value)
        if type_ == "datetime":
            found = datetime.fromisoformat(str(value))
            return wire(found if found.tzinfo else found.replace(tzinfo=UTC))
        if type_ == "date":
            return datetime.strptime(str(value), "%Y-%m-%d").date().isoformat()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        message = f"Cannot deserialize instance of {type_} from VALUE_STRING value {value} or request may be missing a"
        raise Refused(400, "JSON_PARSER_ERROR", f"{message} required field at [line:1, column:22]") from None
    return str(value)


def check(name: str, type_: str, value: Any, users: frozenset[str]) -> None:
    """Refuses what a record may not hold, as Salesforce does: with the value in the message."""
    if value is None:
        return
    if type_ == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise BadRecord("INVALID_EMAIL_ADDRESS", f"{name}: invalid email address: {value}", name)
    if type_ == "owner" and value not in users:
        raise BadRecord("INVALID_CROSS_REFERENCE_KEY", "Owner ID: invalid cross reference id", name)
    if type_ == "text" and name not in _LONG and len(value) > _MOST_CHARACTERS:
        message = f"{name}: data value too large: {value} (max length={_MOST_CHARACTERS})"
        raise BadRecord("STRING_TOO_LONG", message, name)


def wire(stamp: datetime) -> str:
    """A stamp as Salesforce writes it: to the second, with three zeros."""
    return stamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
