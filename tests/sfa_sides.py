"""HubSpot and Salesforce as tests see them: what stands there, by names that both share, and what sales does there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sandbox.hubspot import TOKEN, HubSpotStandIn
from sandbox.salesforce import SalesforceStandIn
from sandbox.salesforce_org import USERS
from tasks.clients.sfa.hubspot import HubSpot
from tasks.clients.sfa.salesforce import Salesforce
from tests.facts import START


class HubSpotSide:
    """One account of HubSpot."""

    users = ("501", "502")
    client: Any = HubSpot
    names = {
        "name": "lastname", "company": "company", "title": "jobtitle", "owner": "hubspot_owner_id", "email": "email",
        "lead_id": "nurture_lead_id", "score": "nurture_score", "tier": "nurture_tier", "stage": "nurture_stage",
        "reasons": "nurture_top_reasons", "merged_into": "nurture_merged_into",
    }  # fmt: skip
    task_names = {"handoff_id": "nurture_handoff_id", "owner": "hubspot_owner_id", "status": "nurture_status"}

    def __init__(self) -> None:
        self.server = HubSpotStandIn()

    def reset(self) -> None:
        self.server.reset()
        self.account = self.server.account

    def clock(self, when: datetime) -> None:
        self.account.clock = when.timestamp

    def writes(self) -> int:
        kinds = ("batch/update", "batch/upsert", "associate/default")
        return sum(path.endswith(kinds) for path, _ in self.server.requests)

    def people(self) -> dict[str, dict[str, Any]]:
        return {
            row.properties["email"]: {"id": row.id} | {ours: row.properties.get(n) for ours, n in self.names.items()}
            for row in self.account.alive("contacts")
        }

    def tasks(self) -> list[dict[str, Any]]:
        return [
            {ours: row.properties.get(name) for ours, name in self.task_names.items()}
            | {"id": row.id, "who": self.account.tied("tasks", row.id, "contacts")}
            for row in self.account.alive("tasks")
        ]

    def add(self, **values: str) -> str:
        return self.account.add("contacts", **{self.names[name]: value for name, value in values.items()})

    def edit(self, email: str, **values: str) -> None:
        id_ = self.people()[email]["id"]
        self.account.change("contacts", id_, **{self.names[name]: value for name, value in values.items()})

    def edit_task(self, id_: str, **values: str) -> None:
        self.account.change("tasks", id_, **{self.task_names[name]: value for name, value in values.items()})

    def make_deal(self, email: str, amount: int) -> str:
        return self.account.make_deal(self.people()[email]["id"], "商談", str(amount))

    def win(self, deal: str, amount: int) -> None:
        self.account.close_deal(deal, is_won=True, amount=str(amount))

    def delete(self, email: str) -> None:
        self.account.delete("contacts", self.people()[email]["id"])

    def merge(self, winner: str, loser: str) -> None:
        people = self.people()
        self.account.merge(people[winner]["id"], people[loser]["id"])

    def expire(self) -> None:
        self.server.expire_token()

    def renew(self) -> None:
        self.server._token = TOKEN

    def import_at_once(self) -> None:
        self.account.stamp = self.account._last_stamp + 1


class SalesforceSide:
    """One org of Salesforce."""

    users = USERS
    client: Any = Salesforce
    names = {
        "name": "LastName", "company": "Company", "title": "Title", "owner": "OwnerId", "email": "Email",
        "lead_id": "Nurture_Lead_Id__c", "score": "Nurture_Score__c", "tier": "Nurture_Tier__c",
        "stage": "Nurture_Stage__c", "reasons": "Nurture_Top_Reasons__c", "merged_into": "Nurture_Merged_Into__c",
    }  # fmt: skip
    task_names = {"handoff_id": "Nurture_Handoff_Id__c", "owner": "OwnerId", "status": "Nurture_Status__c"}

    def __init__(self) -> None:
        self.server = SalesforceStandIn()

    def reset(self) -> None:
        self.server.reset()
        self.org = self.server.org
        self.clock(START)

    def clock(self, when: datetime) -> None:
        self.org.now = when

    def writes(self) -> int:
        return sum(
            method in {"PATCH", "PUT"} or (method == "POST" and url.endswith("ingest"))
            for method, url, _ in self.server.requests
        )

    def people(self) -> dict[str, dict[str, Any]]:
        rows = [row for row in self.org.alive("Lead") if not row["IsConverted"]] + self.org.alive("Contact")
        return {
            row["Email"]: {"id": row["Id"]} | {ours: row.get(name) for ours, name in self.names.items()} for row in rows
        }

    def tasks(self) -> list[dict[str, Any]]:
        return [
            {ours: row[name] for ours, name in self.task_names.items()} | {"id": row["Id"], "who": [row["WhoId"]]}
            for row in self.org.alive("Task")
        ]

    def add(self, **values: str) -> str:
        return self.org.add("Contact", **{self.names[name]: value for name, value in values.items()})

    def edit(self, email: str, **values: str) -> None:
        id_ = self.people()[email]["id"]
        if "company" in values and id_.startswith("003"):
            self.org.change(self.org.record(id_)["AccountId"], Name=values.pop("company"))
        self.org.change(id_, **{self.names[name]: value for name, value in values.items()})

    def edit_task(self, id_: str, **values: str) -> None:
        self.org.change(id_, **{self.task_names[name]: value for name, value in values.items()})

    def make_deal(self, email: str, amount: int) -> str:
        id_ = self.people()[email]["id"]
        return self.org.make_deal(id_ if id_.startswith("003") else self.org.convert(id_), "商談", amount)

    def win(self, deal: str, amount: int) -> None:
        self.org.change(deal, Amount=amount)
        self.org.close_deal(deal, is_won=True)

    def delete(self, email: str) -> None:
        self.org.delete(self.people()[email]["id"])

    def merge(self, winner: str, loser: str) -> None:
        people = self.people()
        self.org.merge(people[winner]["id"], people[loser]["id"])

    def expire(self) -> None:
        self.server.expire_session()

    def renew(self) -> None:
        """Sessions are renewed by the client."""

    def import_at_once(self) -> None:
        self.org.step = timedelta(0)


Side = HubSpotSide | SalesforceSide
