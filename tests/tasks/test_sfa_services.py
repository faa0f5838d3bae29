"""The whole sync, both ways, with HubSpot and Salesforce as their stand-ins answer: what holds of one holds of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr

from flows.hand_off_leads import hand_off_leads
from flows.pull_behavior import pull_behavior
from flows.recompute_leads import recompute_leads
from rules.models import RuleSet, SfaSync, SyncedField
from tasks.clients.sfa import hubspot, salesforce
from tasks.errors import RunError
from tasks.handoff import plan_handoffs
from tasks.sfa_sync import read_sfa, write_sfa
from tests import forking
from tests.company import SmallCompany
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import rule_set
from tests.sfa_sides import HubSpotSide, SalesforceSide, Side
from tests.world import World, stand_in


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
def world(tmp_path: Path, side: Side) -> World:
    return World(tmp_path, stand_in(tmp_path), sfa_url=SecretStr(side.server.url))


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
    counts = read_sfa(world.settings, rules, when)
    plan_handoffs(world.settings, rules, when)
    return counts | write_sfa(world.settings, rules, when)


def told(world: World, when: datetime, email: str = "a@example.com", **values: str) -> None:
    world.facts(lambda connection: add_lead(connection, email, when, **values))


def did(world: World, event: str, when: datetime, email: str = "a@example.com", **values: Any) -> None:
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
    sync(world, side, at(3))
    side.clock(at(4.5))
    corrected = {"name": "山田 次郎", "company": "株式会社山田", "title": "部長"}
    side.edit("a@example.com", **corrected, owner=side.users[1])
    [task] = side.tasks()
    side.edit_task(task["id"], status="meeting", owner=side.users[1])
    side.win(deal, 1_200_000)
    counts = sync(world, side, at(5))
    assert (counts["corrections"], counts["deals"], counts["follow_ups"], counts["conflicts"]) == (3, 1, 1, 0)
    assert side.writes() == 0
    counts = sync(world, side, at(6))
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


def test_where_both_changed_the_rule_decides_and_the_loser_is_kept(world: World, side: Side) -> None:
    fields = ("name", "company", "title")
    ours_at = {"a@example.com": at(2.2), "b@example.com": at(2.8)}
    for email in ours_at:
        told(world, START, email, **dict.fromkeys(fields, "元"))
    sync(world, side, at(1))
    side.clock(at(2.5))
    for email, when in ours_at.items():
        told(world, when, email, **dict.fromkeys(fields, "こちら"))
        side.edit(email, **dict.fromkeys(fields, "あちら"))
    assert sync(world, side, at(3))["conflicts"] == 6
    counts = sync(world, side, at(4))
    assert (counts["conflicts"], side.writes()) == (0, 0)
    for email, newer in zip(ours_at, ("sfa", "ma"), strict=True):
        winners = {"name": newer, "company": "ma", "title": "sfa"}
        stands = {name: "こちら" if winner == "ma" else "あちら" for name, winner in winners.items()}
        person = side.people()[email]
        assert here(world, email) == {name: person[name] for name in fields} == stands
        found = world.ledger(
            "select field, ours, theirs, agreed, winner from sfa_conflicts"
            f" where sfa_id = '{person['id']}' order by field"
        )
        assert found == [(name, "こちら", "あちら", "元", winners[name]) for name in sorted(fields)]


def test_records_that_sales_merges_are_one_lead_here(world: World, side: Side) -> None:
    for name in "ab":
        told(world, START, f"{name}@example.com", name="山田")
        did(world, "consultation_request", at(0.5), f"{name}@example.com")
    sync(world, side, at(1))
    side.clock(at(1.5))
    side.merge("b@example.com", "a@example.com")
    for day in (2, 3):
        sync(world, side, at(day))
    assert world.warehouse("select count(*), max(score) from leads") == [(1, 60)]
    [person] = side.people().values()
    assert float(person["score"]) == 60
    assert [task["who"] for task in side.tasks()] == [[person["id"]]] * 2
    told(world, at(3.5), name="山田太郎")
    for day in (4, 5):
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
    sync(world, side, at(2))

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
    sync(world, side, at(6))
    assert side.writes() == 0
    ((lead_id,),) = world.warehouse("select lead_id from leads")
    [kept] = [person for person in side.people().values() if person["merged_into"] is None]
    [other] = [person for person in side.people().values() if person["merged_into"] is not None]
    assert (kept["lead_id"], kept["name"], other["merged_into"], other["name"]) == (lead_id, "山田三", lead_id, "山田")


def before(patch: pytest.MonkeyPatch, side: Side, method: str, happens: Callable[[], object]) -> None:
    """Let something happen to the service right before the next call of a method of the client."""
    kept = getattr(side.client, method)

    def called(client: Any, *asked: Any) -> Any:
        patch.setattr(side.client, method, kept)
        happens()
        return kept(client, *asked)

    patch.setattr(side.client, method, called)


def three_leads(world: World) -> None:
    for name in "abc":
        told(world, START, f"{name}@example.com", name="山田", company="山田")
    did(world, "consultation_request", at(0.5))


def whole(side: Side) -> bool:
    people = side.people()
    tasks = [task["who"] for task in side.tasks()]
    return len({one["lead_id"] for one in people.values()}) == 3 and tasks == [[people["a@example.com"]["id"]]]


def test_a_refused_record_is_named_and_tried_again_and_the_others_are_written(world: World, side: Side) -> None:
    three_leads(world)
    world.recompute(rules_of(side), at(1))
    ids = dict(world.warehouse("select email, lead_id from leads"))
    refused = ids["b@example.com"]
    for day in (1, 2):
        side.server.refuse(refused)
        with pytest.raises(RunError, match=f"the SFA refuses lead {refused}: ") as error:
            sync(world, side, at(day))
        assert not any(text in str(error.value) for text in ("@", "山田", ids["a@example.com"]))
        assert set(side.people()) == {"a@example.com", "c@example.com"}
    side.server.refuse()
    assert sync(world, side, at(3))["leads_written"] == 1
    assert whole(side)
    told(world, at(3.5), "b@example.com", name="鈴木")
    side.server.refuse(refused, side.people()["b@example.com"]["id"])
    with pytest.raises(RunError, match=f"the SFA refuses lead {refused}: "):
        sync(world, side, at(4))
    side.server.refuse()
    sync(world, side, at(5))
    assert side.people()["b@example.com"]["name"] == "鈴木"


def test_a_rate_limit_and_lost_answers_make_nothing_twice(
    world: World, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_leads(world)
    before(monkeypatch, side, "write_leads", lambda: side.server.rate_limit(2, retry_after="0.1"))
    before(monkeypatch, side, "write_handoffs", lambda: side.server.lose_answers(2))
    counts = sync(world, side, at(1))
    assert (counts["leads_written"], counts["handoffs_written"]) == (3, 1)
    before(monkeypatch, side, "lead_changes", lambda: side.server.rate_limit(2, retry_after="0.1"))
    sync(world, side, at(2))
    assert side.writes() == 0
    assert whole(side)


def test_a_credential_that_expires_in_the_middle_makes_nothing_twice(
    world: World, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_leads(world)
    before(monkeypatch, side, "write_handoffs", side.expire)
    if isinstance(side, HubSpotSide):  # whose token is changed by a person
        with pytest.raises(RunError, match="HubSpot refuses the token"):
            sync(world, side, at(1))
        side.renew()
    sync(world, side, at(1, hours=1))
    assert whole(side)


def test_more_changes_than_a_page_are_all_read(world: World, side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((hubspot, "SEARCH_SIZE"), (salesforce, "READ_SIZE")):
        monkeypatch.setattr(module, name, 10)
    monkeypatch.setattr(side.server.desk, "page", 10, raising=False)
    emails = [f"a{number}@example.com" for number in range(35)]

    def all_told(connection: Any) -> None:
        for email in emails:
            add_lead(connection, email, name="元")

    world.facts(all_told)
    sync(world, side, at(1))
    side.clock(at(1.5))
    for number, email in enumerate(emails):
        if number == 15:
            side.import_at_once()
        side.edit(email, name=f"訂正{number}")
    assert sync(world, side, at(2))["corrections"] == 35
    assert side.writes() == 0
    sync(world, side, at(3))
    assert sorted(world.warehouse("select name from leads")) == sorted((f"訂正{number}",) for number in range(35))


def test_a_person_and_a_deal_of_before_are_taken_up(world: World, side: Side) -> None:
    told(world, START, name="山田")
    side.clock(at(0.5))
    theirs = side.add(name="山田太郎", email="a@example.com", owner=side.users[1])
    side.add(name="他人", email="stranger@example.com")
    side.make_deal("a@example.com", 100)
    side.make_deal("stranger@example.com", 100)
    for day in (1, 2):
        sync(world, side, at(day))
    person = side.people()["a@example.com"]
    assert (person["id"], person["owner"], float(person["score"])) == (theirs, side.users[1], 0)
    assert world.warehouse("select email, amount from leads inner join deals using (lead_id)") == [
        ("a@example.com", 100)
    ]
    assert world.warehouse("select count(*) from leads") == [(1,)]


def test_the_deal_of_somebody_who_becomes_a_lead_later_is_taken_up_then(world: World, side: Side) -> None:
    told(world, START, name="山田")
    side.clock(at(0.5))
    side.add(name="鈴木", email="later@example.com")
    side.add(name="他人", email="stranger@example.com")
    deal = side.make_deal("later@example.com", 100)
    assert sync(world, side, at(1))["deals"] == 0
    side.win(deal, 250)
    side.clock(at(1.5))
    other = side.make_deal("stranger@example.com", 100)  # so that the first is not read again
    sync(world, side, at(2))
    kept = world.ledger("select deal_id, status, amount::double from sfa_waiting_deals order by changed_at")
    assert kept == [(deal, "won", 250), (other, "open", 100)]
    told(world, at(2.5), "later@example.com", name="鈴木")
    assert sync(world, side, at(3))["deals_taken_up"] == 1
    for day in (4, 5):
        assert sync(world, side, at(day))["deals_taken_up"] == 0
    assert world.warehouse("select email, deals.status, amount from leads inner join deals using (lead_id)") == [
        ("later@example.com", "won", 250)
    ]
    assert world.ledger("select deal_id from sfa_waiting_deals") == [(other,)]


def test_who_takes_the_first_handoff_has_the_lead_from_then(world: World, side: Side) -> None:
    told(world, START, name="山田")
    for day in (1, 2):
        sync(world, side, at(day))
    did(world, "consultation_request", at(2.5))
    sync(world, side, at(3))
    assert side.people()["a@example.com"]["owner"] == side.users[0]


# a record of Salesforce's has one address
@pytest.mark.parametrize("running", [HubSpotSide], ids=["hubspot"], indirect=True)
def test_a_contact_found_by_another_of_its_addresses_is_the_leads(world: World, side: HubSpotSide) -> None:
    told(world, START, name="山田")
    side.clock(at(0.5))
    theirs = side.account.add("contacts", email="private@example.com", hs_additional_emails="a@example.com")
    for day in (1, 2, 3):
        sync(world, side, at(day))
    [person] = side.people().values()
    assert (person["id"], person["name"], person["score"]) == (theirs, "山田", "0")
    assert world.warehouse("select count(*) from leads") == [(1,)]


@pytest.mark.parametrize("running", [SalesforceSide], ids=["salesforce"], indirect=True)
def test_what_cannot_be_written_to_a_contact_is_not_tried_again_and_again(world: World, side: SalesforceSide) -> None:
    told(world, START, name="山田", company="株式会社山田")
    side.clock(at(0.5))
    account = side.org.add("Account")
    side.org.add("Contact", LastName="山田", Email="a@example.com", AccountId=account)
    sync(world, side, at(1))
    for day in (2, 3):
        counts = sync(world, side, at(day))
        assert (side.writes(), counts["leads"], counts["conflicts"]) == (0, 0, 0)
    side.clock(at(3.5))
    side.org.change(account, Name="山田製作所")
    side.edit("a@example.com", title="部長")
    for day in (4, 5):
        sync(world, side, at(day))
        assert side.writes() == 0
    assert here(world) == {"name": "山田", "company": "株式会社山田", "title": "部長"}  # ours stands here: wins is ma
    assert world.ledger("select count(*) from sfa_conflicts") == [(0,)]


@pytest.mark.parametrize("running", [SalesforceSide], ids=["salesforce"], indirect=True)
def test_a_converted_leads_company_is_the_accounts(world: World, side: SalesforceSide) -> None:
    told(world, START, name="山田", company="株式会社山田")
    sync(world, side, at(1))
    side.clock(at(1.5))
    side.make_deal("a@example.com", 100)
    told(world, at(1.6), company="改名")
    for day in (2, 3, 4):
        sync(world, side, at(day))
    assert side.writes() == 0
    [account] = side.org.alive("Account")
    assert (account["Name"], here(world)["company"]) == ("株式会社山田", "改名")


def test_what_a_rep_said_by_a_link_does_not_come_back_as_news(world: World, side: Side) -> None:
    three_leads(world)
    sync(world, side, at(1))
    ((handoff_id,),) = world.ledger("select handoff_id from handoffs")
    said = {"handoff_id": handoff_id, "source": "link", "status": "contacted"}
    did(world, "sales_follow_up", at(1.5) + timedelta(microseconds=654_321), **said)
    for day in (2, 3):
        sync(world, side, at(day))
    assert side.writes() == 0
    assert [task["status"] for task in side.tasks()] == ["contacted"]
    assert world.ledger("select source, status from handoff_changes") == [("link", "contacted")]


def test_what_a_rep_said_by_a_link_after_a_write_is_not_undone_when_that_write_is_read(
    world: World, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_leads(world)
    sync(world, side, at(1))
    ((handoff_id,),) = world.ledger("select handoff_id from handoffs")
    said = {"handoff_id": handoff_id, "source": "link"}
    did(world, "sales_follow_up", at(1.5), **said, status="contacted")
    before(monkeypatch, side, "write_handoffs", lambda: side.clock(at(2, minutes=1)))
    sync(world, side, at(2))
    did(world, "sales_follow_up", at(2) + timedelta(seconds=30), **said, status="meeting")
    for day in (3, 4):
        sync(world, side, at(day))
    assert side.writes() == 0
    assert [task["status"] for task in side.tasks()] == ["meeting"]
    assert world.ledger("select source, status from handoff_changes order by changed_at") == [
        ("link", "contacted"), ("link", "meeting"),
    ]  # fmt: skip


def test_what_sales_notes_between_reading_and_writing_is_not_overwritten(
    world: World, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_leads(world)
    sync(world, side, at(1))
    [(handoff_id,)] = world.ledger("select handoff_id from handoffs")
    [task] = side.tasks()
    said = {"handoff_id": handoff_id, "source": "link", "status": "accepted"}
    did(world, "sales_follow_up", at(1.5) + timedelta(microseconds=654_321), **said)
    before(monkeypatch, side, "write_handoffs", lambda: side.edit_task(task["id"], status="meeting"))
    assert sync(world, side, at(2))["handoffs_written"] == 0
    for day in (3, 4):
        sync(world, side, at(day))
        assert [task["status"] for task in side.tasks()] == ["meeting"]
        assert world.ledger("select status from handoffs") == [("meeting",)]
    assert side.writes() == 0


def test_a_person_whose_record_was_deleted_gets_another_when_they_ask_again(world: World, side: Side) -> None:
    told(world, START, name="山田")
    sync(world, side, at(1))
    side.clock(at(1.5))
    side.delete("a@example.com")
    did(world, "consultation_request", at(1.8))
    assert sync(world, side, at(2))["handoffs_written"] == 1
    for day in (3, 4):
        sync(world, side, at(day))
    assert side.writes() == 0
    person = side.people()["a@example.com"]
    assert (person["name"], [task["who"] for task in side.tasks()]) == ("山田", [[person["id"]]])
    side.delete("a@example.com")
    for day in (5, 6):
        sync(world, side, at(day))
    assert side.people() == {}


def test_a_handoff_goes_to_a_record_that_was_never_written(
    world: World, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(world, START, name="山田", company="山田")
    did(world, "consultation_request", at(0.6))
    side.clock(at(0.5))
    theirs = side.add(name="山田太郎", email="a@example.com")
    before(monkeypatch, side, "write_leads", lambda: side.edit("a@example.com", title="部長"))
    counts = sync(world, side, at(1))
    assert (counts["leads_written"], counts["handoffs_written"]) == (0, 1)
    assert [task["who"] for task in side.tasks()] == [[theirs]]


def test_a_handoff_that_is_refused_is_told_once_and_tried_again_when_something_changes(
    world: World, side: Side
) -> None:
    three_leads(world)
    world.recompute(rules_of(side), at(1))
    plan_handoffs(world.settings, rules_of(side), at(1))
    ((handoff_id,),) = world.ledger("select handoff_id from handoffs")
    side.server.refuse(handoff_id)
    assert [sync(world, side, at(1, hours=hours))["handoffs_refused"] for hours in range(3)] == [1, 0, 0]
    assert (side.writes(), side.tasks()) == (0, [])
    [(because,)] = world.ledger("select refused_because from sfa_handoffs")
    assert because
    side.server.refuse()
    told(world, at(1.2), title="部長")
    assert sync(world, side, at(1, hours=6))["handoffs_written"] == 1
    assert whole(side)
    assert world.ledger("select refused_because from sfa_handoffs") == [(None,)]


def test_what_was_set_right_there_without_a_trace_is_found_after_a_day(world: World, side: Side) -> None:
    three_leads(world)
    world.recompute(rules_of(side), at(1))
    plan_handoffs(world.settings, rules_of(side), at(1))
    side.server.refuse(*(handoff_id for (handoff_id,) in world.ledger("select handoff_id from handoffs")))
    sync(world, side, at(1))
    side.server.refuse()
    assert [sync(world, side, at(1, hours=hours))["handoffs_written"] for hours in (23, 24)] == [0, 1]


# a record of Salesforce's has one address
@pytest.mark.parametrize("running", [HubSpotSide], ids=["hubspot"], indirect=True)
def test_a_handoff_goes_to_the_contact_found_by_another_of_its_addresses(world: World, side: HubSpotSide) -> None:
    told(world, START, name="山田")
    did(world, "consultation_request", at(0.5))
    side.clock(at(0.5))
    theirs = side.account.add("contacts", email="private@example.com", hs_additional_emails="a@example.com")
    assert sync(world, side, at(1))["handoffs_written"] == 1
    assert [task["who"] for task in side.tasks()] == [[theirs]]


NOW = START + timedelta(days=1)
LEADS = 250
"""More than one write takes: three batches of HubSpot's, a bulk job of Salesforce's."""


@pytest.fixture(scope="module")
def prepared(running: Side, tmp_path_factory: pytest.TempPathFactory) -> SmallCompany:
    made = SmallCompany(tmp_path_factory.mktemp("services") / "home", active_from=START)
    for number in range(LEADS):
        mail = made.contact(f"lead{number}", START)
        if number % 50 == 0:
            made.event("consultation_request", mail, START + timedelta(hours=20))
    handoff = (made.rules / "handoff.yaml").read_text(encoding="utf-8")
    for owner, user in zip(("sato", "suzuki"), running.users, strict=True):
        handoff = handoff.replace(f"id: {owner},", f"id: {owner}, sfa_user: '{user}',")
    (made.rules / "handoff.yaml").write_text(handoff, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment(None).items():
            patch.setenv(name, value)
        pull_behavior.fn(as_of=NOW)
        recompute_leads.fn(as_of=NOW)
    return made


@pytest.mark.parametrize("writes", [3])
def test_a_killed_sync_makes_nothing_twice(
    writes: int, prepared: SmallCompany, side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepared.copied_to(tmp_path / "home")
    side.clock(NOW)
    variables = made.environment(None) | {"NURTURE_SFA_URL": side.server.url}
    process = forking.start(["handoff", "--as-of", NOW.isoformat()], variables, made.home / "log.txt")
    while side.writes() < writes and process.is_alive():
        time.sleep(0.001)
    process.kill()
    process.join()
    assert side.writes() >= writes, (made.home / "log.txt").read_text()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for number in range(3):
        side.server.requests.clear()
        hand_off_leads.fn(as_of=NOW)
        people, tasks = side.people(), side.tasks()
        assert len({one["lead_id"] for one in people.values()}) == len(people) == LEADS
        assert len({task["handoff_id"] for task in tasks}) == len(tasks) == LEADS // 50
        if number == 0:
            for task in tasks:
                side.edit_task(task["id"], status="meeting")
            # dies while what sales did is read, or taken over
            process = forking.start(["handoff", "--as-of", NOW.isoformat()], variables, made.home / "log.txt")
            while not side.server.requests and process.is_alive():
                time.sleep(0.001)
            time.sleep(0.1 * writes)
            process.kill()
            process.join()
    assert side.writes() == 0
    assert {task["status"] for task in tasks} == {"meeting"}
    with duckdb.connect(str(made.home / "ledger.duckdb"), read_only=True) as ledger:
        assert ledger.execute("select distinct status from handoffs").fetchall() == [("meeting",)]
        assert ledger.execute("select count(*) from handoff_changes").fetchall() == [(LEADS // 50,)]
