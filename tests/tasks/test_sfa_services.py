"""The whole sync, both ways, against HubSpot and Salesforce as their stand-ins answer over HTTP: what holds of one holds
of both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rules.models import RuleSet, SfaSync, SyncedField
from sandbox import salesforce_org
from sandbox.hubspot import TOKEN, HubSpotStandIn
from sandbox.salesforce import SalesforceStandIn
from tasks.clients.sfa import hubspot, salesforce
from tasks.errors import RunError
from tasks.handoff import plan_handoffs
from tasks.sfa_sync import sync_sfa
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import rule_set
from tests.world import World, stand_in


class HubSpotSide:
    """What stands in HubSpot, by the names that both services share, and what sales does there."""

    users = ("501", "502")
    client: Any = hubspot.HubSpot
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


class SalesforceSide:
    """What stands in Salesforce, by the same names."""

    users = salesforce_org.USERS
    client: Any = salesforce.Salesforce
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
        pass


Side = HubSpotSide | SalesforceSide


@pytest.fixture(scope="module", params=[HubSpotSide, SalesforceSide], ids=["hubspot", "salesforce"])
def running(request: pytest.FixtureRequest) -> Iterator[Side]:
    side: Side = request.param()
    with side.server:
        yield side


@pytest.fixture
def side(running: Side) -> Side:
    running.reset()
    return running


@pytest.fixture
def world(tmp_path: Path, side: Side) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server, sfa_url=SecretStr(side.server.url))


def rules_of(side: Side) -> RuleSet:
    wins = (("name", "newer"), ("company", "ma"), ("title", "sfa"))
    plain = rule_set().handoff
    owners = [owner.model_copy(update={"sfa_user": u}) for owner, u in zip(plain.owners, side.users, strict=False)]
    return rule_set(
        active_from=START,
        sfa=SfaSync(fields=tuple(SyncedField(field=name, wins=win) for name, win in wins)),
        handoff=plain.model_copy(update={"owners": tuple(owners)}),
    )


def sync(world: World, side: Side, when: datetime) -> dict[str, int]:
    rules = rules_of(side)
    side.clock(when)
    side.server.requests.clear()
    world.recompute(rules, when)
    plan_handoffs(world.settings, rules, when)
    return sync_sfa(world.settings, rules, when)


def told(world: World, when: datetime, email: str = "a@example.com", **values: str) -> None:
    world.facts(lambda connection: add_lead(connection, email, when, **values))


def did(world: World, event: str, when: datetime, email: str = "a@example.com", **values: str) -> None:
    world.facts(lambda connection: add_event(connection, event, when, email=email, **values))


def here(world: World, email: str = "a@example.com") -> dict[str, Any]:
    [row] = world.warehouse(f"select name, company, title from leads where email = '{email}'")
    return dict(zip(("name", "company", "title"), row, strict=True))


def test_leads_and_handoffs_go_there_once(world: World, side: Side) -> None:
    told(world, START, name="山田太郎", company="株式会社山田", title="部長")
    told(world, START, "b@example.com", name="鈴木花子")
    did(world, "page_view", at(1), url="/price")
    did(world, "consultation_request", at(1, hours=1))
    counts = sync(world, side, at(2))
    assert (counts["leads_written"], counts["handoffs_written"]) == (2, 1)
    a, b = (side.people()[f"{name}@example.com"] for name in "ab")
    shown = [a[name] for name in ("name", "company", "title", "tier", "stage", "reasons", "owner")]
    assert shown == [
        "山田太郎", "株式会社山田", "部長", "warm", "decision", "個別相談(+30)、価格ページ(+15)", side.users[0],
    ]  # fmt: skip
    assert (float(a["score"]), float(b["score"])) == (45, 0)
    [task] = side.tasks()
    assert (task["who"], task["owner"], task["status"]) == ([a["id"]], side.users[0], "new")
    for day in (3, 4):
        sync(world, side, at(day))
        assert side.writes() == 0


def test_what_sales_changes_comes_here_and_is_not_written_back(world: World, side: Side) -> None:
    told(world, START, name="山田太郎", company="山田", title="課長")
    did(world, "consultation_request", at(1))
    sync(world, side, at(2))
    side.clock(at(2.5))
    deal = side.make_deal("a@example.com", 100)
    for day in (3, 4):
        sync(world, side, at(day))
    side.clock(at(4.5))
    corrected = {"name": "山田 次郎", "company": "株式会社山田", "title": "部長"}
    side.edit("a@example.com", **corrected, owner=side.users[1])
    [task] = side.tasks()
    side.edit_task(task["id"], status="meeting", owner=side.users[1])
    side.win(deal, 1_200_000)
    counts = sync(world, side, at(5))
    assert (counts["corrections"], counts["deals"], counts["follow_ups"], counts["conflicts"]) == (3, 1, 1, 0)
    assert side.writes() == 0
    for day in (6, 7):
        counts = sync(world, side, at(day))
        assert (side.writes(), counts["corrections"], counts["follow_ups"]) == (0, 0, 0)
    assert here(world) == corrected
    assert world.ledger("select owner, state from sfa_leads where state = 'known'") == [(side.users[1], "known")]
    assert world.ledger("select status, owner from handoffs") == [("meeting", "suzuki")]
    assert world.warehouse("select status, amount from deals") == [("won", 1_200_000)]
    assert world.warehouse("select count(*) from leads") == [(1,)]
    # whoever has the lead there takes the next
    did(world, "consultation_request", at(40))
    sync(world, side, at(41))
    assert [task["owner"] for task in side.tasks()] == [side.users[1]] * 2


@pytest.mark.parametrize("is_ours_later", [False, True])
def test_where_both_changed_the_rule_decides_and_the_loser_is_kept(
    world: World, side: Side, is_ours_later: bool
) -> None:
    fields = ("name", "company", "title")
    told(world, START, **dict.fromkeys(fields, "元"))
    for day in (1, 2):
        sync(world, side, at(day))
    told(world, at(2.8 if is_ours_later else 2.2), **dict.fromkeys(fields, "こちら"))
    side.clock(at(2.5))
    side.edit("a@example.com", **dict.fromkeys(fields, "あちら"))
    assert sync(world, side, at(3))["conflicts"] == 3
    winners = {"name": "ma" if is_ours_later else "sfa", "company": "ma", "title": "sfa"}
    stands = {name: "こちら" if winner == "ma" else "あちら" for name, winner in winners.items()}
    for day in (4, 5):
        counts = sync(world, side, at(day))
        assert (counts["conflicts"], side.writes(), here(world)) == (0, 0, stands)
        assert {name: side.people()["a@example.com"][name] for name in fields} == stands
    found = world.ledger("select field, ours, theirs, agreed, winner from sfa_conflicts order by field")
    assert found == [(name, "こちら", "あちら", "元", winners[name]) for name in sorted(fields)]


def test_records_that_sales_merges_are_one_lead_here(world: World, side: Side) -> None:
    for name in "ab":
        told(world, START, f"{name}@example.com", name="山田")
        did(world, "consultation_request", at(0.5), f"{name}@example.com")
    sync(world, side, at(1))
    side.clock(at(1.5))
    side.merge("b@example.com", "a@example.com")
    for day in (2, 3, 4):
        sync(world, side, at(day))
    assert world.warehouse("select count(*), max(score) from leads") == [(1, 60)]
    assert side.writes() == 0
    [person] = side.people().values()
    assert float(person["score"]) == 60
    assert [task["who"] for task in side.tasks()] == [[person["id"]]] * 2
    told(world, at(4.5), name="山田太郎")
    for day in (5, 6):
        sync(world, side, at(day))
    [person] = side.people().values()
    assert person["name"] == "山田太郎"
    assert side.writes() == 0


def test_what_sales_deletes_is_not_made_again(world: World, side: Side) -> None:
    for name in "ab":
        told(world, START, f"{name}@example.com", name="元")
    sync(world, side, at(1))
    side.clock(at(1.5))
    side.delete("a@example.com")
    for name in "ab":
        told(world, at(1.6), f"{name}@example.com", name="新しい名")
    assert sync(world, side, at(2))["leads_written"] == 1
    sync(world, side, at(3))
    assert side.writes() == 0
    assert {email: person["name"] for email, person in side.people().items()} == {"b@example.com": "新しい名"}


def test_leads_that_turn_out_to_be_one_here_are_one_there(world: World, side: Side) -> None:
    for number, name in enumerate("ab"):
        told(world, at(number), f"{name}@example.com", name="山田")
    for day in (2, 3):
        sync(world, side, at(day))

    def tie(connection: Any) -> None:
        for email in ("a@example.com", "b@example.com"):
            connection.execute(
                "insert into lead_records values (?, 'crm', 'crm:1', ?, null, ?, ?, map {}, null)",
                [f"tie {email}", email, at(3.5), at(3.5)],
            )

    world.facts(tie)
    sync(world, side, at(4))
    told(world, at(4.5), "b@example.com", name="山田三")
    sync(world, side, at(5))
    for day in (6, 7):
        sync(world, side, at(day))
        assert side.writes() == 0
    ((lead_id,),) = world.warehouse("select lead_id from leads")
    [kept] = [person for person in side.people().values() if person["merged_into"] is None]
    [other] = [person for person in side.people().values() if person["merged_into"] is not None]
    assert (kept["lead_id"], kept["name"], other["merged_into"], other["name"]) == (lead_id, "山田三", lead_id, "山田")
