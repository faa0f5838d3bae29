"""What a stand-in Salesforce org holds, and what sales does to it: leads, contacts, tasks, opportunities.

Written from the public documentation of the REST and Bulk APIs: deleted records stay and say so, a merged one names its
master, a converted lead names its contact and takes its tasks along, stamps are told to the second.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.salesforce_rules import (
    EXTERNAL_IDS,
    FIELDS,
    PREFIXES,
    READ_ONLY,
    REQUIRED,
    WRITABLE,
    BadRecord,
    Refused,
    check,
    decode,
    wire,
)

USERS = ("005000000000501AAA", "005000000000502AAA")
RUN_AS = "005000000000500AAA"
"""The user whom the app acts as: what it makes is this user's, unless it names another."""
Record = dict[str, Any]


class Org:
    """The records. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.records: dict[str, dict[str, Record]] = {kind: {} for kind in PREFIXES}
        self.fields = {kind: dict(types) for kind, types in FIELDS.items()}
        self.hidden: set[str] = set()
        """Fields that the run-as user may read, not write."""
        self.external_ids = {kind: set(names) for kind, names in EXTERNAL_IDS.items()}
        self.refused: set[str] = set()
        """Ids, and values of external ids, of records that a rule of the org refuses."""
        self.locked: dict[str, int] = {}
        """How many more writes find a record held by someone else, by the value of its external id."""
        self.now = datetime(2026, 11, 27, tzinfo=UTC)
        self.step = timedelta(seconds=1)
        """What passes between two changes."""
        self._last_id = 1000
        for place, (name, is_default, is_closed) in enumerate(
            [("Not Started", True, False), ("In Progress", False, False), ("Completed", False, True)]
        ):
            self.add("TaskStatus", ApiName=name, IsDefault=is_default, IsClosed=is_closed, SortOrder=place)

    # what sales does

    def add(self, kind: str, **values: Any) -> str:
        """Makes a record. Returns its id."""
        with self.lock:
            self._last_id += 1
            id_ = f"{PREFIXES[kind]}{self._last_id:012}AAA"
            record: Record = dict.fromkeys(self.fields[kind])
            record |= {name: False for name, type_ in self.fields[kind].items() if type_ == "bool"}
            stamp = self._tick()
            record |= {"Id": id_, "SystemModstamp": stamp, "CreatedDate": stamp, "OwnerId": RUN_AS, **values}
            self.records[kind][id_] = record
            return id_

    def change(self, id_: str, **values: Any) -> None:
        """Changes fields of a record."""
        with self.lock:
            self.record(id_).update(values, SystemModstamp=self._tick())

    def set_owner(self, id_: str, owner: str) -> None:
        """Gives a record to a user."""
        self.change(id_, OwnerId=owner)

    def set_handoff(self, handoff_id: str, status: str, **values: Any) -> None:
        """Notes where a handoff stands, in its field."""
        id_ = self.one("Task", Nurture_Handoff_Id__c=handoff_id)["Id"]
        self.change(id_, Nurture_Status__c=status, **values)

    def set_task_status(self, handoff_id: str, status: str) -> None:
        """Says how far a handoff's task is, and notes nothing else."""
        task = self.one("Task", Nurture_Handoff_Id__c=handoff_id)
        self.change(task["Id"], **self._with_closed(task, {"Status": status}))

    def make_deal(self, contact_id: str | None, name: str, amount: float | None = None) -> str:
        """Makes an open opportunity of a contact, or of nobody. Returns its id."""
        id_ = self.add("Opportunity", Name=name, Amount=amount)
        if contact_id is not None:
            self.tie(id_, contact_id)
        return id_

    def tie(self, deal_id: str, contact_id: str, is_primary: bool = True) -> None:
        """Gives a contact a role in an opportunity, whose own stamp stays."""
        self.add("OpportunityContactRole", OpportunityId=deal_id, ContactId=contact_id, IsPrimary=is_primary)

    def close_deal(self, id_: str, is_won: bool) -> None:
        """Wins or loses an opportunity."""
        self.change(id_, IsClosed=True, IsWon=is_won)

    def delete(self, id_: str) -> None:
        """Moves a record to the recycle bin."""
        self.change(id_, IsDeleted=True)

    def merge(self, winner: str, loser: str) -> None:
        """Merges two leads or two contacts; what hangs on the other goes to the one that stays."""
        with self.lock:
            self.change(loser, IsDeleted=True, MasterRecordId=winner)
            self.change(winner)
            self._hand_on(loser, winner)

    def convert(self, lead_id: str, is_mapped: bool = True, into: str | None = None) -> str:
        """Converts a lead into a contact, a new one unless one is named, with the fields of ours mapped or not.

        Returns:
            The contact's id.
        """
        with self.lock:
            lead = self.record(lead_id)
            contact_id = into
            if contact_id is None:
                account = self.add("Account", Name=lead["Company"], Industry=lead["Industry"])
                names = ["FirstName", "LastName", "Title", "Phone", "Email", "OwnerId"]
                names += [name for name in self.fields["Contact"] if name.startswith("Nurture_") and is_mapped]
                contact_id = self.add("Contact", AccountId=account, **{name: lead[name] for name in names})
            self.change(lead_id, IsConverted=True, ConvertedContactId=contact_id)
            self._hand_on(lead_id, contact_id)
            return contact_id

    # what is looked at

    def record(self, id_: str) -> Record:
        """The record of an id."""
        return next(records[id_] for records in self.records.values() if id_ in records)

    def alive(self, kind: str) -> list[Record]:
        """The records that are not deleted."""
        with self.lock:
            return [record for record in self.records[kind].values() if not record["IsDeleted"]]

    def one(self, kind: str, **values: Any) -> Record:
        """The only record with these values."""
        [found] = [record for record in self.alive(kind) if values.items() <= record.items()]
        return found

    # what the API writes

    def decoded(self, kind: str, values: Mapping[str, Any]) -> Record:
        """Values as the org keeps them.

        Raises:
            Refused: The body cannot be read.
        """
        for name in values:
            if name not in self.fields[kind]:
                raise Refused(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind}")
        return {name: decode(self.fields[kind][name], value) for name, value in values.items()}

    def write(self, kind: str, values: Record, id_: str | None, key: str | None) -> tuple[str, bool]:
        """Writes one record, by its id or by an external id. Returns its id, and whether it is new.

        Raises:
            BadRecord: It is refused.
        """
        own = values.get(key) if key is not None else None
        ours = [str(one) for one in (id_, own, *(values.get(name) for name in self.external_ids.get(kind, ()))) if one]
        for name in ours:
            if self.locked.get(name, 0) > 0:
                self.locked[name] -= 1
                raise BadRecord("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
            if name in self.refused:
                told = values.get("Email") or values.get("Subject") or name
                raise BadRecord("FIELD_CUSTOM_VALIDATION_EXCEPTION", f"{told} は入力規則に反します")
        old = self._standing(kind, id_, key, own)
        self._check(kind, values, old)
        values = self._with_closed(old or {}, values) if kind == "Task" else values
        if old is not None:
            self.change(old["Id"], **values)
            return str(old["Id"]), False
        status = self.one("TaskStatus", IsDefault=True)["ApiName"]
        return self.add(kind, **({"Status": status} if kind == "Task" else {}) | values), True

    def _standing(self, kind: str, id_: str | None, key: str | None, own: Any) -> Record | None:
        """The record to be written; None where it is to be made."""
        if id_ is None:
            found = [record for record in self.alive(kind) if record[str(key)] == own]
            return found[0] if found else None
        if id_ not in self.records[kind]:
            raise BadRecord("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if self.records[kind][id_]["IsDeleted"]:
            raise BadRecord("ENTITY_IS_DELETED", "entity is deleted")
        return self.records[kind][id_]

    def _check(self, kind: str, values: Record, old: Record | None) -> None:
        hidden = sorted(self.hidden & set(values))
        if hidden:
            message = f"Unable to create/update fields: {', '.join(hidden)}. Please check the security settings"
            raise BadRecord("INVALID_FIELD_FOR_INSERT_UPDATE", message, *hidden)
        if old is not None and old.get("IsConverted"):
            raise BadRecord("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        for name, value in values.items():
            type_ = self.fields[kind][name]
            if type_ in READ_ONLY and name not in WRITABLE:
                raise BadRecord("INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {name}", name)
            check(name, type_, value, frozenset({*USERS, RUN_AS}))
            if name in self.external_ids.get(kind, ()) and value is not None:
                others = [record for record in self.alive(kind) if record[name] == value and record is not old]
                if others:
                    message = f"duplicate value found: {name} duplicates value on record with id: {others[0]['Id']}"
                    raise BadRecord("DUPLICATE_VALUE", message)
        after = {**(old or {}), **values}
        missing = [name for name in REQUIRED.get(kind, ()) if not after.get(name)]
        if missing:
            raise BadRecord("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing)

    def _with_closed(self, old: Record, values: Record) -> Record:
        if "Status" not in values:
            return values
        is_closed = any(row["IsClosed"] for row in self.alive("TaskStatus") if row["ApiName"] == values["Status"])
        completed = (old.get("CompletedDateTime") or wire(self.now)) if is_closed else None
        return {**values, "IsClosed": is_closed, "CompletedDateTime": completed}

    def _hand_on(self, old: str, new: str) -> None:
        for task in self.records["Task"].values():
            if task["WhoId"] == old:
                task["WhoId"] = new
        for role in self.records["OpportunityContactRole"].values():
            if role["ContactId"] == old:
                role["ContactId"] = new

    def _tick(self) -> datetime:
        self.now += self.step
        return self.now.replace(microsecond=0)
