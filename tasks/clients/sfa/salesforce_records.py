"""How our people stand in Salesforce's leads and contacts.

A lead that sales converts becomes a contact, whose company, industry and size are those of its account: they are read
there and never written, since an account is many people's. What a lead may not lack is filled where we do not know it,
and read as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.clients.sfa.protocol import LeadWrite, SfaLead
from tasks.clients.sfa.salesforce_calls import Row
from tasks.clients.sfa.salesforce_stamps import modified_at, sent_stamp
from tasks.errors import RunError

LEAD, CONTACT = "Lead", "Contact"
LEAD_ID = "Nurture_Lead_Id__c"
STAMP = "SystemModstamp"
UNKNOWN = "(未登録)"
"""Stands where Salesforce wants a text that we have not."""
FIELDS: Mapping[str, str] = {
    "email": "Email",
    "name": "LastName",
    "company": "Company",
    "title": "Title",
    "phone": "Phone",
    "industry": "Industry",
    "employees": "NumberOfEmployees",
    "region": "State",
    "revenue": "AnnualRevenue",
    "topics": "Nurture_Topics__c",
    "score": "Nurture_Score__c",
    "tier": "Nurture_Tier__c",
    "stage": "Nurture_Stage__c",
    "last_action_at": "Nurture_Last_Action_At__c",
    "top_reasons": "Nurture_Top_Reasons__c",
}
"""The lead's field of each of our standard fields, unless the rules name another."""
_OF_CONTACTS = {
    "Company": "Account.Name",
    "Industry": "Account.Industry",
    "NumberOfEmployees": "Account.NumberOfEmployees",
    "AnnualRevenue": "Account.AnnualRevenue",
    "State": "MailingState",
}
_NUMBERS = frozenset({"NumberOfEmployees", "AnnualRevenue", "Nurture_Score__c"})
_REQUIRED = {LEAD: ("LastName", "Company"), CONTACT: ("LastName",)}
STANDING = ("Id", STAMP, "IsDeleted", "MasterRecordId", "FirstName", LEAD_ID)
"""What tells whether a record stands, and on which its write depends."""
_FIELD_NAME = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*", re.ASCII)
_CONVERTED = ("IsConverted", "ConvertedContactId")
_OWNER = re.compile(r"(?:005|00G)[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?")


def all_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """The lead's field of each of ours.

    Raises:
        RunError: A name that no field has.
    """
    for field, name in fields.items():
        if not _FIELD_NAME.fullmatch(name):
            raise RunError(
                f"{name!r} is no API name of a Salesforce field, such as Phone or Branch__c: see field {field}"
            )
    return {**FIELDS, **fields}


def kind_of(id_: str) -> str | None:
    """The object that an id belongs to, where it is one of people."""
    return {"00Q": LEAD, "003": CONTACT}.get(id_[:3]) if len(id_) in {15, 18} and id_.isalnum() else None


def is_owner(text: str) -> bool:
    """Whether a text is the id of a user or a queue."""
    return _OWNER.fullmatch(text) is not None


def standing_names(kind: str) -> tuple[str, ...]:
    """The fields to ask for of a record that is to be written."""
    return (*STANDING, *_CONVERTED) if kind == LEAD else STANDING


def lead_names(kind: str, fields: Mapping[str, str]) -> tuple[str, ...]:
    """The fields to ask for of a person."""
    mapped = [_name(kind, name) for name in fields.values()]
    return tuple(dict.fromkeys((*standing_names(kind), "OwnerId", *mapped)))


def successor(row: Row) -> str | None:
    """The id of the record that took this one's place, by a merge or a conversion."""
    return row.get("MasterRecordId") or (row.get("ConvertedContactId") if row.is_set("IsConverted") else None)


def lead_of(row: Row, fields: Mapping[str, str], nobody: str | None = None) -> SfaLead:
    """A lead or a contact as the engine takes it.

    Args:
        row: The record.
        fields: The lead's field of each of ours.
        nobody: The user whose records are nobody's: ours, who has whatever we made until it is given to someone.

    Raises:
        FaultError: It has no stamp.
    """
    values = {field: row.get(_name(row.kind, name)) for field, name in fields.items()}
    values = {field: None if value == UNKNOWN else value for field, value in values.items()}
    if fields["name"] == FIELDS["name"]:
        values["name"] = " ".join(filter(None, (values["name"], row.get("FirstName")))) or None
    merged_into, owner = successor(row), row.get("OwnerId")
    return SfaLead(
        sfa_id=row.id,
        modified_at=modified_at(row),
        lead_id=row.get(LEAD_ID),
        email=values.get("email"),
        owner=None if owner and nobody and owner[:15] == nobody[:15] else owner,
        values=values,
        read_only=read_only(row.kind, fields),
        is_deleted=row.is_set("IsDeleted") and merged_into is None,
        merged_into=merged_into,
    )


def read_only(kind: str, fields: Mapping[str, str]) -> list[str]:
    """Our ids of the fields that are those of another object, such as a contact's account."""
    return [field for field, name in fields.items() if "." in _name(kind, name)]


def lead_record(lead: LeadWrite, fields: Mapping[str, str], kind: str, row: Row | None) -> dict[str, Any]:
    """What to write into a lead or a contact: into that which stands, or into a new one.

    Raises:
        RunError: A field that none is named for.
    """
    found: dict[str, Any] = {LEAD_ID: lead.lead_id}
    for field, value in lead.values.items():
        if field not in fields:
            raise RunError(
                f"no Salesforce field is named for the field {field}: name one; known are {', '.join(fields)}"
            )
        name = _name(kind, fields[field])
        if "." not in name:  # else it is the account's
            found[name] = _sent(name, field, value)
    for name in _REQUIRED[kind]:
        if (row is None or name in found) and found.get(name) is None:
            found[name] = UNKNOWN
    if row is not None and row.get("FirstName") is not None and "LastName" in found:
        found.setdefault("FirstName", None)  # or the name would be read back with it behind
    if lead.owner is not None and is_owner(lead.owner):  # else Salesforce would refuse all of it
        found["OwnerId"] = lead.owner
    if lead.merged_into is not None:
        found["Nurture_Merged_Into__c"] = lead.merged_into
    return found


def _name(kind: str, name: str) -> str:
    return _OF_CONTACTS.get(name, name) if kind == CONTACT else name


def _sent(name: str, field: str, value: str | int | None) -> str | int | float | None:
    if value is None or value == "":
        return None
    if field == "last_action_at":
        return sent_stamp(str(value))
    if name in _NUMBERS and isinstance(value, str):
        try:
            return int(value) if value.isdecimal() else float(value)
        except ValueError:
            return value  # which Salesforce refuses, and says so
    return value
