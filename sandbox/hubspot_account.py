"""What a stand-in HubSpot account holds: contacts, tasks and deals, what ties them, and what sales does to them.

Written from the public documentation of the CRM API (v3 objects, v4 associations): unique properties, the rules by
which a batch is refused as a whole or by record, merges that make a third record to which both former ids lead.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.hubspot_rules import PROPERTIES, STAMPS, UNIQUE, Refused, check_value, iso, normal


@dataclass
class Record:
    """One record; stamps are epoch milliseconds."""

    id: str
    created: int
    modified: int
    properties: dict[str, str] = field(default_factory=dict)
    archived: int | None = None


class Account:
    """The records. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.records: dict[str, dict[str, Record]] = {kind: {} for kind in STAMPS}
        self.merged: dict[str, str] = {}
        self.ties: set[tuple[str, str, str, str]] = set()
        self.properties = {kind: set(names) for kind, names in PROPERTIES.items()}
        self.unique = {kind: set(names) for kind, names in UNIQUE.items()}
        self.owners = {"501", "502"}
        self.stamp: int | None = None
        """What every change bears; by default the clock's milliseconds, never the same twice."""
        self.clock: Callable[[], float] = time.time
        self._last_stamp = 0
        self._last_id = 1000

    # what sales does

    def add(self, kind: str, **properties: str) -> str:
        """Makes a record. Returns its id."""
        with self.lock:
            self._last_id += 1
            stamp = self._now()
            record = Record(str(self._last_id), stamp, stamp, dict(properties))
            self.records[kind][record.id] = record
            return record.id

    def change(self, kind: str, id_: str, **properties: str) -> None:
        """Changes fields of a record; the empty text clears one."""
        with self.lock:
            record = self.records[kind][id_]
            record.properties |= properties
            record.modified = self._now()

    def set_owner(self, kind: str, id_: str, owner: str) -> None:
        """Gives a record to a user."""
        self.change(kind, id_, hubspot_owner_id=owner)

    def set_handoff(self, handoff_id: str, status: str, **properties: str) -> None:
        """Notes where a handoff stands, in its property."""
        self.change("tasks", self.one("tasks", nurture_handoff_id=handoff_id).id, nurture_status=status, **properties)

    def tick(self, handoff_id: str) -> None:
        """Completes a handoff's task, and notes nothing else."""
        done = iso(int(self.clock() * 1000))
        id_ = self.one("tasks", nurture_handoff_id=handoff_id).id
        self.change("tasks", id_, hs_task_status="COMPLETED", hs_task_completion_date=done)

    def make_deal(self, contact_id: str | None, name: str, amount: str = "") -> str:
        """Makes an open deal of a person, or of nobody. Returns its id."""
        with self.lock:
            id_ = self.add("deals", dealname=name, amount=amount, dealstage="appointmentscheduled")
            if contact_id is not None:
                self.tie("deals", id_, "contacts", contact_id)
            return id_

    def close_deal(self, id_: str, is_won: bool, **properties: str) -> None:
        """Wins or loses a deal, in a pipeline whose stages bear numbers."""
        won = "true" if is_won else "false"
        self.change("deals", id_, dealstage="4711", hs_is_closed="true", hs_is_closed_won=won, **properties)

    def delete(self, kind: str, id_: str) -> None:
        """Deletes a record; HubSpot lists it as archived."""
        with self.lock:
            self.records[kind][id_].archived = self._now()

    def merge(self, winner: str, loser: str) -> str:
        """Merges two contacts. Returns the id of the third that stands for both."""
        with self.lock:
            first, second = (self.records["contacts"].pop(id_) for id_ in (winner, loser))
            second.properties.pop("nurture_lead_id", None)
            properties = second.properties | first.properties
            others = [second.properties.get("email", ""), second.properties.get("hs_additional_emails", "")]
            properties["hs_additional_emails"] = ";".join(filter(None, others))
            properties["hs_merged_object_ids"] = f"{winner};{loser}"
            id_ = self.add("contacts", **properties)
            self.merged |= {winner: id_, loser: id_} | {
                old: id_ for old, new in self.merged.items() if new in {winner, loser}
            }
            for old in (winner, loser):
                for kind in ("tasks", "deals"):
                    for other in self.tied("contacts", old, kind):
                        self.tie("contacts", id_, kind, other)
                        self.ties -= {("contacts", old, kind, other), (kind, other, "contacts", old)}
            return id_

    def tie(self, kind: str, id_: str, other_kind: str, other_id: str) -> None:
        """Associates two records."""
        with self.lock:
            self.ties |= {(kind, id_, other_kind, other_id), (other_kind, other_id, kind, id_)}

    # what is looked at

    def alive(self, kind: str) -> list[Record]:
        """The records that are not deleted."""
        with self.lock:
            return [record for record in self.records[kind].values() if record.archived is None]

    def one(self, kind: str, **properties: str) -> Record:
        """The only record with these properties."""
        [found] = [record for record in self.alive(kind) if properties.items() <= record.properties.items()]
        return found

    def tied(self, kind: str, id_: str, other_kind: str) -> list[str]:
        """The ids of the associated records of a kind."""
        return sorted(tie[3] for tie in self.ties if tie[:3] == (kind, id_, other_kind))

    def find(self, kind: str, id_: str, id_property: str | None = None) -> Record | None:
        """The record that stands for an id, or for the value of a unique property."""
        if id_property is None:
            record = self.records[kind].get(self.merged.get(id_, id_))
            return record if record is not None and record.archived is None else None
        if id_property not in self.unique[kind]:
            raise Refused(400, "Unable to perform update/upsert by non-unique 0-1 property")
        for record in self.alive(kind):
            values = [record.properties.get(id_property, "")]
            if id_property == "email":
                values = [*values, *record.properties.get("hs_additional_emails", "").split(";")]
            if id_.lower() in (value.lower() for value in values if value):
                return record
        return None

    # what the API writes

    def check(self, kind: str, inputs: Iterable[Mapping[str, Any]]) -> None:
        """Refuses a batch as a whole for what HubSpot refuses it for."""
        seen = set()
        for item in inputs:
            if item["id"] in seen:
                raise Refused(400, f"Duplicate IDs found in batch input: [{item['id']}]")
            seen.add(item["id"])
            own = self.find(kind, item["id"], item.get("idProperty"))
            for name, value in item["properties"].items():
                check_value(name, value, self.properties[kind], self.owners)
                if name in self.unique[kind] and value:
                    other = self.find(kind, value, name)
                    if other is not None and (own is None or own.id != other.id):
                        raise Refused(409, f"Contact already exists. Existing ID: {other.id}", "CONFLICT")

    def write(self, kind: str, item: Mapping[str, Any]) -> tuple[Record, bool] | None:
        """Writes one input. Returns the record and whether it is new; None where there is none to update."""
        record = self.find(kind, item["id"], item.get("idProperty"))
        values = {name: normal(name, value) for name, value in item["properties"].items()}
        if record is not None:
            self.change(kind, record.id, **values)
            return record, False
        if "idProperty" not in item:
            return None
        id_ = self.add(kind, **{item["idProperty"]: item["id"], **values})
        return self.records[kind][id_], True

    def _now(self) -> int:
        if self.stamp is not None:
            return self.stamp
        self._last_stamp = max(self._last_stamp + 1, int(self.clock() * 1000))
        return self._last_stamp
