"""The whole protocol against a stand-in HubSpot over HTTP, and each fault that it can show."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox.hubspot import TOKEN, HubSpotStandIn
from sandbox.hubspot_account import Account, Record
from tasks.clients.sfa import hubspot_calls
from tasks.clients.sfa.hubspot import HubSpot
from tasks.clients.sfa.hubspot_stamps import milliseconds
from tasks.clients.sfa.protocol import HandoffWrite, LeadWrite, Sfa, SfaDeal, SfaHandoff, SfaLead, Written
from tasks.errors import RunError
from tests.tasks.clients.raw_server import Peer, RawServer

DUE = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[HubSpotStandIn]:
    with HubSpotStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def hubspot(running: HubSpotStandIn) -> HubSpotStandIn:
    running.reset()
    return running


@pytest.fixture
def account(hubspot: HubSpotStandIn) -> Account:
    return hubspot.account


@pytest.fixture
def client(hubspot: HubSpotStandIn) -> Iterator[HubSpot]:
    client = HubSpot(hubspot.url, {}, timeout_seconds=5)
    yield client
    client.close()


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(hubspot_calls, "time", SimpleNamespace(sleep=found.append))
    return found


def lead(number: int = 1, sfa_id: str | None = None, **changes: object) -> LeadWrite:
    values = {"email": f"taro{number}@example.co.jp", "name": "山田太郎", "score": 70}
    return LeadWrite(f"lead-{number}", sfa_id, **({"values": values} | changes))  # type: ignore[arg-type]


def handoff(number: int = 1, sfa_id: str | None = None, **changes: object) -> HandoffWrite:
    values: dict[str, object] = {
        "owner": "501",
        "cause": "資料請求",
        "caused_at": DUE - timedelta(days=1),
        "due_at": DUE,
        "handed_off_at": DUE - timedelta(hours=20),
        "subject": "山田太郎様へ連絡",
        "brief": "誰: 山田太郎 <部長>\n期限: 11/27",
    }
    return HandoffWrite(f"handoff-{number}", f"lead-{number}", sfa_id, **(values | changes))  # type: ignore[arg-type]


def leads_of(client: HubSpot, since: datetime | None = None) -> list[SfaLead]:
    return [row for page in client.lead_changes(since) for row in page.rows]


def handoffs_of(client: HubSpot, since: datetime | None = None) -> list[SfaHandoff]:
    return [row for page in client.handoff_changes(since) for row in page.rows]


def deals_of(client: HubSpot, since: datetime | None = None) -> list[SfaDeal]:
    return [row for page in client.deal_changes(since) for row in page.rows]


def paths(hubspot: HubSpotStandIn) -> list[str]:
    return [path.removeprefix("/crm/v3/objects/") for path, _ in hubspot.requests]


def test_it_fulfils_the_protocol_and_is_local_on_the_loopback(client: HubSpot) -> None:
    sfa: Sfa = client
    assert sfa.is_local
    assert sfa.page_size == 100
    there = HubSpot("hubspot://:pat-x@api.hubapi.com", {})
    assert not there.is_local


@pytest.mark.parametrize(
    "url",
    [
        "hubspot://api.hubapi.com",
        "hubspot://:pat@",
        "https://:pat-secret@api.hubapi.com",
        "hubspot://:a%0Ab@x",
        "hubspot://:a@x:pat-secret",
    ],
)
def test_a_url_without_what_it_needs_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(RunError, match="must be hubspot://:TOKEN@api") as error:
        HubSpot(url, {})
    assert "pat-secret" not in str(error.value)


def test_the_proxy_of_the_environment_is_used_for_hubspot_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@127.0.0.1:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    pools = HubSpot("hubspot://:pat-x@api.hubapi.com", {})._calls._batch.api_client.rest_client.pool_manager
    assert (pools.proxy.host, pools.proxy.port, pools.proxy.auth) == ("127.0.0.1", 3128, None)
    assert pools.proxy_headers == {"proxy-authorization": "Basic dXNlcjpzZWNyZXQ="}
    local = HubSpot("hubspot://:pat-x@127.0.0.1:1", {})._calls._batch.api_client.rest_client.pool_manager
    assert local.proxy is None


def test_a_missing_library_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(hubspot_calls, "import_module", missing)
    with pytest.raises(RunError, match=r"pip install 'nurture\[hubspot\]'"):
        HubSpot("hubspot://:pat-x@api.hubapi.com", {})


# leads


def test_a_new_lead_becomes_a_contact_once_however_often_it_is_written(client: HubSpot, account: Account) -> None:
    first = client.write_leads([lead(owner="501")])
    contact = account.one("contacts", nurture_lead_id="lead-1")
    assert first == [Written("lead-1", "written", contact.id)]
    assert client.write_leads([lead(owner="501")]) == first
    assert len(account.alive("contacts")) == 1
    expected = {
        "email": "taro1@example.co.jp",
        "lastname": "山田太郎",
        "nurture_score": "70",
        "hubspot_owner_id": "501",
        "nurture_lead_id": "lead-1",
    }
    assert contact.properties == expected


def test_what_is_written_is_read_back(client: HubSpot) -> None:
    [written] = client.write_leads([lead(owner="502")])
    [read] = leads_of(client)
    assert (read.sfa_id, read.lead_id, read.owner) == (written.sfa_id, "lead-1", "502")
    assert read.email == "taro1@example.co.jp"
    assert read.values["name"] == "山田太郎"
    assert read.values["score"] == "70"
    assert read.values["company"] is None
    assert not read.is_deleted


def test_fields_name_other_properties_and_new_ones(hubspot: HubSpotStandIn, account: Account) -> None:
    account.properties["contacts"] |= {"kaisha", "shiten"}
    client = HubSpot(hubspot.url, {"company": "kaisha", "branch": "shiten"})
    client.write_leads([lead(values={"company": "株式会社例", "branch": "大阪"})])
    contact = account.one("contacts", nurture_lead_id="lead-1")
    assert (contact.properties["kaisha"], contact.properties["shiten"]) == ("株式会社例", "大阪")
    [read] = leads_of(client)
    assert (read.values["company"], read.values["branch"]) == ("株式会社例", "大阪")
    with pytest.raises(RunError, match="no HubSpot property is named for the field colour"):
        client.write_leads([lead(values={"colour": "red"})])


def test_a_japanese_name_is_read_last_name_first_and_written_whole(client: HubSpot, account: Account) -> None:
    id_ = account.add("contacts", lastname="山田", firstname="太郎", nurture_lead_id="lead-1")
    [read] = leads_of(client)
    assert read.values["name"] == "山田 太郎"
    client.write_leads([lead(sfa_id=id_, values={"name": "山田花子"})])
    [read] = leads_of(client)
    assert read.values["name"] == "山田花子"


def test_a_name_in_a_property_of_its_own_is_all_of_it(hubspot: HubSpotStandIn, account: Account) -> None:
    account.properties["contacts"].add("shimei")
    client = HubSpot(hubspot.url, {"name": "shimei"})
    id_ = account.add("contacts", lastname="山田", firstname="太郎", shimei="山田太郎")
    assert [row.values["name"] for row in leads_of(client)] == ["山田太郎"]
    client.write_leads([lead(sfa_id=id_, values={"name": "山田花子"})])
    properties = account.records["contacts"][id_].properties
    assert (properties["shimei"], properties["firstname"]) == ("山田花子", "太郎")


def test_nothing_clears_a_property_and_what_is_not_named_stays(client: HubSpot, account: Account) -> None:
    id_ = account.add("contacts", company="株式会社例", phone="03-0000-0000")
    assert client.write_leads([lead(sfa_id=id_, values={"phone": None})]) == [Written("lead-1", "written", id_)]
    properties = account.records["contacts"][id_].properties
    assert (properties["company"], properties["phone"]) == ("株式会社例", "")
    assert properties["nurture_lead_id"] == "lead-1"


def test_our_merge_is_told(client: HubSpot, account: Account) -> None:
    client.write_leads([lead(merged_into="lead-9")])
    assert account.one("contacts", nurture_lead_id="lead-1").properties["nurture_merged_into"] == "lead-9"


def test_a_record_changed_since_it_was_seen_is_left_alone(client: HubSpot, account: Account) -> None:
    id_ = account.add("contacts", company="旧")
    [seen] = leads_of(client)
    change = lead(sfa_id=id_, values={"company": "新"}, seen_at=seen.modified_at)
    account.change("contacts", id_, company="営業が直した")
    assert client.write_leads([change]) == [Written("lead-1", "changed", id_)]
    assert account.records["contacts"][id_].properties["company"] == "営業が直した"
    [seen] = leads_of(client)
    assert client.write_leads([lead(sfa_id=id_, values={"company": "新"}, seen_at=seen.modified_at)]) == [
        Written("lead-1", "written", id_)
    ]
    assert account.records["contacts"][id_].properties["company"] == "新"


def test_deleted_unknown_and_merged_records_are_gone(client: HubSpot, account: Account) -> None:
    deleted, one, two = (account.add("contacts", email=f"{name}@example.com") for name in "abc")
    account.delete("contacts", deleted)
    winner = account.merge(one, two)
    writes = [lead(1, deleted), lead(2, "999999"), lead(3, two), lead(4, "not-an-id")]
    written = client.write_leads(writes)
    assert [answer.verdict for answer in written] == ["gone"] * 4
    assert written[2].message == f"merged into {winner}"
    assert all("nurture_lead_id" not in record.properties for record in account.alive("contacts"))


def test_one_answer_each_in_their_order_with_refusals_beside(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account
) -> None:
    known = account.add("contacts", email="known@example.com")
    hubspot.refuse("lead-2")
    written = client.write_leads([lead(1), lead(2), lead(3, known, values={"score": 5}), lead(4)])
    assert [(answer.key, answer.verdict) for answer in written] == [
        ("lead-1", "written"),
        ("lead-2", "refused"),
        ("lead-3", "written"),
        ("lead-4", "written"),
    ]
    assert written[1].message == "<address> is refused by a rule of the account"
    assert written[2].sfa_id == known
    assert len(account.alive("contacts")) == 4 - 1


def test_answers_without_marks_are_found_by_writing_the_rest_alone(hubspot: HubSpotStandIn, client: HubSpot) -> None:
    hubspot.refuse("lead-2")
    hubspot.answer_writes(is_unmarked=True)
    written = client.write_leads([lead(1), lead(2), lead(3)])
    assert [answer.verdict for answer in written] == ["written", "refused", "written"]
    assert written[1].message is not None
    assert "@" not in written[1].message


def test_a_batch_refused_as_a_whole_is_halved_to_the_record_at_fault(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account
) -> None:
    bad = lead(5, values={"email": "no-address", "score": 1})
    written = client.write_leads(
        [*(lead(number) for number in range(5)), bad, *(lead(number) for number in range(6, 30))]
    )
    assert [answer.key for answer in written if answer.verdict != "written"] == ["lead-5"]
    assert "is invalid" in (written[5].message or "")
    assert len(account.alive("contacts")) == 29
    assert paths(hubspot).count("contacts/batch/upsert") < 12


def test_invalid_values_may_be_told_beside_the_others(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account
) -> None:
    hubspot.answer_writes(checks_by_record=True)
    account.add("contacts", email="taro3@example.co.jp")
    written = client.write_leads([lead(1), lead(2, owner="999"), lead(3)])
    assert [answer.verdict for answer in written] == ["written", "refused", "refused"]
    assert "Owner 999 does not exist" in (written[1].message or "")
    assert "already exists" in (written[2].message or "")
    assert paths(hubspot) == ["contacts/batch/upsert"]
    account.properties["contacts"].remove("nurture_score")
    with pytest.raises(RunError, match="HubSpot has no property nurture_score"):
        client.write_leads([lead(1), lead(2)])


def test_a_record_deleted_while_it_is_written_is_gone(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = account.add("contacts"), account.add("contacts")
    read = client._calls.read

    def read_and_then_deleted(*asked: object) -> list[hubspot_calls.Row]:
        rows = read(*asked)  # type: ignore[arg-type]
        account.delete("contacts", first)
        return rows

    monkeypatch.setattr(client._calls, "read", read_and_then_deleted)
    written = client.write_leads([lead(1, first), lead(2, second)])
    assert [answer.verdict for answer in written] == ["gone", "written"]


@pytest.mark.parametrize("checks_by_record", [False, True])
def test_a_refusal_repeats_no_value_that_was_written(
    hubspot: HubSpotStandIn, client: HubSpot, checks_by_record: bool
) -> None:
    hubspot.answer_writes(checks_by_record=checks_by_record)
    bad = lead(1, values={"name": "山田太郎", "employees": "山田太郎の携帯 090-0000-0000", "score": "70"})
    written = client.write_leads([bad, lead(2)])
    assert [answer.verdict for answer in written] == ["refused", "written"]
    message = written[0].message or ""
    assert '"message":"<value> was not a valid number.' in message
    assert "nurture_employees" in message
    assert "山田" not in message
    assert "090" not in message


def test_a_contact_of_the_same_address_is_a_conflict_until_it_is_found(client: HubSpot, account: Account) -> None:
    there = account.add("contacts", email="taro1@example.co.jp")
    [written] = client.write_leads([lead(1)])
    assert (written.verdict, written.message) == ("refused", f"Contact already exists. Existing ID: {there}")
    found = client.find_leads(["Taro1@Example.co.jp", "nobody@example.com"])
    assert found == {"Taro1@Example.co.jp": there}
    assert client.find_leads([]) == {}
    assert client.write_leads([lead(1, there)]) == [Written("lead-1", "written", there)]
    assert client.find_leads(["taro1@example.co.jp"]) == {}
    assert len(account.alive("contacts")) == 1


def test_leads_are_found_by_their_other_addresses_and_in_batches(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account
) -> None:
    there = account.add("contacts", email="new@example.com", hs_additional_emails="old@example.com;older@example.com")
    emails = [f"a{number}@example.com" for number in range(150)]
    assert client.find_leads([*emails, "old@example.com"]) == {"old@example.com": there}
    assert len(hubspot.requests) == 2


def test_more_than_a_page_is_an_error_of_the_caller(client: HubSpot) -> None:
    with pytest.raises(ValueError, match="101 records in one write; at most 100"):
        client.write_leads([lead(number) for number in range(101)])
    assert client.write_leads([]) == []


# changes of leads


def test_changes_come_oldest_first_and_only_since_the_instant(client: HubSpot, account: Account) -> None:
    for number in range(5):
        account.add("contacts", nurture_lead_id=f"lead-{number}")
    rows = leads_of(client)
    assert [row.lead_id for row in rows] == [f"lead-{number}" for number in range(5)]
    since = rows[3].modified_at
    assert [row.lead_id for row in leads_of(client, since)] == ["lead-3", "lead-4"]
    account.change("contacts", rows[0].sfa_id, company="新")
    assert [row.lead_id for row in leads_of(client, since)] == ["lead-3", "lead-4", "lead-0"]
    assert leads_of(client, since + timedelta(days=1)) == []


def test_pages_reach_beyond_the_limit_of_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clients.sfa.hubspot.SEARCH_SIZE", 10)
    with HubSpotStandIn(search_limit=20, search_page=10) as hubspot:
        for number in range(75):
            hubspot.account.add("contacts", nurture_lead_id=f"lead-{number}")
        client = HubSpot(hubspot.url, {})
        pages = list(client.lead_changes(None))
        assert [row.lead_id for page in pages for row in page.rows] == [f"lead-{number}" for number in range(75)]
        assert max(len(page.rows) for page in pages) <= 10


@pytest.mark.parametrize("before, same", [(0, 35), (7, 35), (10, 10), (9, 21), (3, 20)])
def test_records_with_one_stamp_are_each_told_once(monkeypatch: pytest.MonkeyPatch, before: int, same: int) -> None:
    monkeypatch.setattr("tasks.clients.sfa.hubspot.SEARCH_SIZE", 10)
    with HubSpotStandIn(search_limit=20, search_page=10) as hubspot:
        account = hubspot.account
        base = 1_790_000_000_000
        for number in range(before + same + 4):
            account.stamp = base + min(number, before) + max(0, number - before - same + 1)
            account.add("contacts", nurture_lead_id=f"{number:03}")
        rows = leads_of(HubSpot(hubspot.url, {}), LONG_AGO)
        assert [row.lead_id for row in rows] == [f"{number:03}" for number in range(before + same + 4)]
        assert len(hubspot.requests) < 20


def test_a_change_while_the_pages_are_read_hides_no_other_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clients.sfa.hubspot.SEARCH_SIZE", 10)
    with HubSpotStandIn() as hubspot:
        ids = [hubspot.account.add("contacts", nurture_lead_id=f"lead-{number}") for number in range(40)]
        told = set()
        for number, page in enumerate(HubSpot(hubspot.url, {}).lead_changes(None)):
            told |= {row.lead_id for row in page.rows}
            if number == 0:
                for id_ in ids[:5]:
                    hubspot.account.change("contacts", id_, company="新")
        assert told == {f"lead-{number}" for number in range(40)}


def test_deleted_records_are_told_in_their_place() -> None:
    with HubSpotStandIn(list_page=2) as hubspot:
        account = hubspot.account
        ids = [account.add("contacts", nurture_lead_id=f"lead-{number}") for number in range(8)]
        for id_ in ids[:5]:
            account.delete("contacts", id_)
        account.change("contacts", ids[6], company="新")
        client = HubSpot(hubspot.url, {})
        rows = leads_of(client)
        assert [row.sfa_id for row in rows] == [ids[5], ids[7], *ids[:5], ids[6]]
        assert [row.is_deleted for row in rows] == [False] * 2 + [True] * 5 + [False]
        assert rows[2].lead_id == "lead-0"
        assert [row.modified_at for row in rows] == sorted(row.modified_at for row in rows)
        since = rows[6].modified_at
        assert [row.sfa_id for row in leads_of(client, since)] == [ids[4], ids[6]]


def test_a_deletion_alone_is_told(client: HubSpot, account: Account) -> None:
    id_ = account.add("contacts", nurture_lead_id="lead-1")
    account.delete("contacts", id_)
    [row] = leads_of(client, LONG_AGO)
    assert (row.sfa_id, row.lead_id, row.is_deleted, row.merged_into) == (id_, "lead-1", True, None)


def test_merged_records_name_the_one_that_took_their_place(client: HubSpot, account: Account) -> None:
    one = account.add("contacts", nurture_lead_id="lead-1", email="one@example.com")
    two = account.add("contacts", nurture_lead_id="lead-2", email="two@example.com")
    account.make_deal(two, "案件")
    winner = account.merge(one, two)
    rows = {row.sfa_id: row for row in leads_of(client)}
    assert [deal.sfa_id for deal in deals_of(client)] == [winner]
    assert set(rows) == {one, two, winner}
    assert rows[winner].lead_id == "lead-1"
    assert (rows[one].merged_into, rows[two].merged_into, rows[winner].merged_into) == (winner, winner, None)
    assert not rows[two].is_deleted
    assert client.find_leads(["two@example.com"]) == {}


def test_merges_of_the_older_kind_are_told_too(client: HubSpot, account: Account) -> None:
    winner = account.add("contacts", hs_calculated_merged_vids="77:1690000000000;78:1690000000001")
    rows = {row.sfa_id: row.merged_into for row in leads_of(client)}
    assert rows == {winner: None, "77": winner, "78": winner}


def test_a_merged_record_that_is_listed_as_deleted_is_merged(client: HubSpot, account: Account) -> None:
    one, two = account.add("contacts", nurture_lead_id="lead-1"), account.add("contacts")
    winner = account.merge(one, two)
    ghost = Record(two, 1, 1, archived=account.records["contacts"][winner].modified)
    account.records["contacts"][two] = ghost
    told = [row for row in leads_of(client) if row.sfa_id == two]
    assert told
    assert all((row.merged_into, row.is_deleted) == (winner, False) for row in told)


def test_a_record_that_was_restored_meanwhile_is_not_deleted(
    client: HubSpot, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = account.add("contacts")
    listed = [hubspot_calls.Row(id_, archived_at=datetime.now(UTC))]
    monkeypatch.setattr(client._calls, "archived", lambda *_: iter(listed))
    assert [(row.sfa_id, row.is_deleted) for row in leads_of(client)] == [(id_, False)]


@pytest.mark.parametrize("stamp", [1_790_000_000_001, 1_790_000_000_999, 1_790_000_000_123])
def test_stamps_are_asked_for_to_the_millisecond(client: HubSpot, account: Account, stamp: int) -> None:
    account.stamp = stamp
    account.add("contacts")
    [row] = leads_of(client)
    assert [found.modified_at for found in leads_of(client, row.modified_at)] == [row.modified_at]
    assert leads_of(client, row.modified_at + timedelta(milliseconds=1)) == []
    assert milliseconds(row.modified_at) == stamp


# handoffs


def test_a_handoff_becomes_a_task_of_the_contact_once(client: HubSpot, account: Account) -> None:
    [written] = client.write_leads([lead()])
    first = client.write_handoffs([handoff(sfa_id=written.sfa_id)])
    task = account.one("tasks", nurture_handoff_id="handoff-1")
    assert first == [Written("handoff-1", "written", task.id)]
    assert client.write_handoffs([handoff(sfa_id=written.sfa_id)]) == first
    assert len(account.alive("tasks")) == 1
    assert account.tied("tasks", task.id, "contacts") == [written.sfa_id]
    assert task.properties == {
        "nurture_handoff_id": "handoff-1",
        "hs_task_subject": "山田太郎様へ連絡",
        "hs_task_body": "誰: 山田太郎 &lt;部長&gt;<br>期限: 11/27",
        "hs_timestamp": "2026-11-27T03:00:00.000Z",
        "nurture_due_at": "2026-11-27T03:00:00.000Z",
        "nurture_caused_at": "2026-11-26T03:00:00.000Z",
        "hubspot_owner_id": "501",
        "hs_task_status": "NOT_STARTED",
        "nurture_status": "new",
        "nurture_first_contact_at": "",
        "nurture_outcome": "",
        "nurture_reject_reason": "",
    }


def test_a_second_write_leaves_what_sales_noted(client: HubSpot, account: Account) -> None:
    client.write_leads([lead()])
    client.write_handoffs([handoff()])
    account.set_handoff("handoff-1", "meeting", nurture_outcome="商談化")
    client.write_handoffs([handoff()])
    assert account.one("tasks", nurture_handoff_id="handoff-1").properties["nurture_status"] == "meeting"
    later = handoff(status="won", outcome="受注", first_contact_at=DUE, changed_at=DUE)
    client.write_handoffs([later])
    properties = account.one("tasks", nurture_handoff_id="handoff-1").properties
    assert (properties["nurture_status"], properties["hs_task_status"]) == ("won", "COMPLETED")
    assert properties["nurture_first_contact_at"] == "2026-11-27T03:00:00.000Z"


def test_a_task_that_could_not_be_tied_is_tied_by_the_retry(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account
) -> None:
    contacts = [answer.sfa_id or "" for answer in client.write_leads([lead(1), lead(2)])]
    hubspot.refuse(contacts[1])
    writes = [handoff(1, contacts[0]), handoff(2, contacts[1])]
    written = client.write_handoffs(writes)
    assert [answer.verdict for answer in written] == ["written", "refused"]
    assert "could not be tied" in (written[1].message or "")
    hubspot.refuse()
    assert [answer.verdict for answer in client.write_handoffs(writes)] == ["written", "written"]
    assert len(account.alive("tasks")) == 2
    assert account.tied("contacts", contacts[1], "tasks") == [account.one("tasks", nurture_handoff_id="handoff-2").id]


def test_handoffs_of_nobody_make_no_task(client: HubSpot, account: Account) -> None:
    gone, one, two = (account.add("contacts") for _ in range(3))
    account.delete("contacts", gone)
    winner = account.merge(one, two)
    written = client.write_handoffs([handoff(1, gone), handoff(2), handoff(3, two)])
    assert [answer.verdict for answer in written] == ["gone", "refused", "written"]
    assert "the lead is written first" in (written[1].message or "")
    [task] = account.alive("tasks")
    assert account.tied("tasks", task.id, "contacts") == [winner]


def test_an_owner_that_hubspot_has_not_is_named_in_the_task(client: HubSpot, account: Account) -> None:
    assert client.write_leads([lead(owner="sato")])[0].verdict == "written"
    assert "hubspot_owner_id" not in account.one("contacts").properties
    client.write_handoffs([handoff(owner="sato")])
    properties = account.one("tasks", nurture_handoff_id="handoff-1").properties
    assert "hubspot_owner_id" not in properties
    assert properties["hs_task_body"].endswith("<br>担当: sato")


def test_what_sales_noted_is_read(client: HubSpot, account: Account) -> None:
    client.write_leads([lead(number) for number in range(4)])
    client.write_handoffs([handoff(number) for number in range(4)])
    account.add("tasks", hs_task_subject="営業自身のタスク", hs_task_status="COMPLETED")
    since = max(row.changed_at for row in handoffs_of(client)) + timedelta(milliseconds=1)
    account.set_handoff("handoff-0", "contacted", nurture_first_contact_at="2026-11-27T01:00:00.000Z")
    account.set_handoff("handoff-1", "returned", nurture_reject_reason="予算なし", hubspot_owner_id="502")
    account.tick("handoff-2")
    rows = {row.handoff_id: row for row in handoffs_of(client, since)}
    assert set(rows) == {"handoff-0", "handoff-1", "handoff-2"}
    assert rows["handoff-0"].status == "contacted"
    assert rows["handoff-0"].first_contact_at == datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
    assert (rows["handoff-1"].status, rows["handoff-1"].reject_reason) == ("returned", "予算なし")
    assert rows["handoff-1"].owner == "502"
    assert (rows["handoff-2"].status, rows["handoff-2"].outcome) == ("contacted", None)
    assert rows["handoff-2"].first_contact_at is not None


def test_what_sales_chose_stands_above_the_tick(client: HubSpot, account: Account) -> None:
    client.write_leads([lead()])
    client.write_handoffs([handoff()])
    account.set_handoff("handoff-1", "meeting")
    account.tick("handoff-1")
    [row] = handoffs_of(client)
    assert (row.status, row.first_contact_at) == ("meeting", None)


def test_a_state_that_none_knows_is_a_fault_beside_the_others(client: HubSpot, account: Account) -> None:
    client.write_leads([lead(1), lead(2)])
    client.write_handoffs([handoff(1), handoff(2)])
    account.set_handoff("handoff-1", "taro@example.com")
    [page] = client.handoff_changes(None)
    assert [row.handoff_id for row in page.rows] == ["handoff-2"]
    [fault] = page.faults
    id_ = account.one("tasks", nurture_handoff_id="handoff-1").id
    assert fault.startswith(f"task {id_}: nurture_status is none of new, accepted, contacted")
    assert "@" not in fault


def test_a_date_that_is_none_is_a_fault(client: HubSpot, account: Account) -> None:
    client.write_leads([lead()])
    client.write_handoffs([handoff()])
    account.set_handoff("handoff-1", "contacted", nurture_first_contact_at="昨日")
    [page] = client.handoff_changes(None)
    assert page.rows == []
    assert "nurture_first_contact_at is not a date and time" in page.faults[0]


# deals


def test_deals_of_people_are_read_and_those_of_nobody_passed_over(client: HubSpot, account: Account) -> None:
    person = account.add("contacts")
    open_, won, lost = (account.make_deal(person, name, "1200000.50") for name in ("一", "二", "三"))
    account.make_deal(None, "誰のものでもない")
    account.close_deal(won, is_won=True, hubspot_owner_id="501")
    account.close_deal(lost, is_won=False)
    rows = {row.deal_id: row for row in deals_of(client)}
    assert {id_: row.status for id_, row in rows.items()} == {open_: "open", won: "won", lost: "lost"}
    assert {row.sfa_id for row in rows.values()} == {person}
    assert (rows[won].amount, rows[won].name, rows[won].owner) == (Decimal("1200000.50"), "二", "501")
    assert {row.deal_id for row in deals_of(client, rows[won].changed_at)} == {won, lost}


def test_the_default_stages_tell_an_end_too_and_an_amount_may_be_wrong_or_missing(
    client: HubSpot, account: Account
) -> None:
    person = account.add("contacts")
    won, lost, bad = (account.make_deal(person, "案件") for _ in range(3))
    account.change("deals", won, dealstage="closedwon")
    account.change("deals", lost, dealstage="closedlost")
    account.change("deals", bad, amount="百万円")
    [page] = client.deal_changes(None)
    assert {row.deal_id: (row.status, row.amount) for row in page.rows} == {won: ("won", None), lost: ("lost", None)}
    assert page.faults == [f"deal {bad}: amount is not a number; correct it in HubSpot"]


def test_deals_of_many_people_are_tied_in_batches(hubspot: HubSpotStandIn, client: HubSpot, account: Account) -> None:
    people = [account.add("contacts") for _ in range(120)]
    deals = {account.make_deal(person, "案件"): person for person in people}
    assert {row.deal_id: row.sfa_id for row in deals_of(client)} == deals
    assert len(hubspot.requests) == 3


# faults


def test_a_rate_limit_is_waited_for_as_told(hubspot: HubSpotStandIn, client: HubSpot, sleeps: list[float]) -> None:
    hubspot.rate_limit(1, retry_after="7")
    hubspot.rate_limit(1, "SECONDLY")
    assert client.write_leads([lead()])[0].verdict == "written"
    assert sleeps == [7.0, 0.1]


def test_a_rate_limit_that_stays_ends_the_run(hubspot: HubSpotStandIn, client: HubSpot, sleeps: list[float]) -> None:
    hubspot.rate_limit(10, retry_after="25")
    with pytest.raises(RunError, match="does not lift within a minute"):
        list(client.lead_changes(None))
    assert sleeps == [25.0, 25.0]


def test_the_limit_of_the_day_is_not_waited_for(hubspot: HubSpotStandIn, client: HubSpot, sleeps: list[float]) -> None:
    hubspot.rate_limit(1, "DAILY", retry_after="5")
    with pytest.raises(RunError, match="requests of the day are used up"):
        list(client.deal_changes(None))
    assert sleeps == []


@pytest.mark.parametrize("status", [500, 502, 503])
def test_reads_and_writes_are_tried_three_times(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account, sleeps: list[float], status: int
) -> None:
    hubspot.fail(2, status)
    assert client.write_leads([lead()])[0].verdict == "written"
    hubspot.fail(2, status)
    assert len(leads_of(client)) == 1
    hubspot.fail(3, status)
    with pytest.raises(RunError, match=f"HubSpot answered {status}: internal error; run again later"):
        leads_of(client)
    assert len(account.alive("contacts")) == 1


def test_a_lost_answer_makes_nothing_twice(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account, sleeps: list[float]
) -> None:
    hubspot.lose_answers(1)
    [written] = client.write_leads([lead()])
    assert written.verdict == "written"
    for lost in range(1, 6):
        hubspot.lose_answers(lost % 3)
        assert client.write_handoffs([handoff(sfa_id=written.sfa_id)])[0].verdict == "written"
    assert len(account.alive("contacts")) == len(account.alive("tasks")) == 1
    hubspot.lose_answers(3)
    with pytest.raises(RunError, match="HubSpot answered 502"):
        client.write_leads([lead(2)])
    assert client.write_leads([lead(2)])[0].verdict == "written"
    assert len(account.alive("contacts")) == 2


@pytest.mark.parametrize(
    "status, message",
    [
        (200, "NURTURE_SFA_URL leads to something else, not to HubSpot's API"),
        (302, "a redirect .302., which is not followed"),
        (404, "NURTURE_SFA_URL leads to a page that is not there, not to HubSpot's API"),
    ],
)
def test_another_server_is_not_taken_for_an_empty_account(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account, status: int, message: str
) -> None:
    id_ = account.add("contacts", nurture_lead_id="lead-1")
    for ask in (
        lambda: list(client.lead_changes(None)),
        lambda: client.find_leads(["a@example.com"]),
        lambda: client.write_leads([lead(sfa_id=id_)]),
        lambda: client.write_leads([lead()]),
    ):
        hubspot.fail(1, status)
        with pytest.raises(RunError, match=message):
            ask()


def test_a_search_that_is_refused_ends_the_run(client: HubSpot, account: Account) -> None:
    account.properties["tasks"].remove("nurture_handoff_id")
    with pytest.raises(RunError, match="HubSpot refuses to read tasks: There was a problem with the request"):
        handoffs_of(client)


def test_a_request_that_hangs_is_made_again(hubspot: HubSpotStandIn, account: Account) -> None:
    client = HubSpot(hubspot.url, {}, timeout_seconds=0.3)
    hubspot.hang(1, 2)
    assert client.write_leads([lead()])[0].verdict == "written"
    assert len(account.alive("contacts")) == 1
    hubspot.hang(3, 2)
    with pytest.raises(RunError, match=r"no answer after 3 tries \(ReadTimeoutError\)"):
        client.find_leads(["a@example.com"])


def test_nobody_listens(sleeps: list[float]) -> None:
    with HubSpotStandIn() as hubspot:
        url = hubspot.url
    with pytest.raises(RunError, match="HubSpot gives no answer after 3 tries"):
        HubSpot(url, {}, 1).find_leads(["a@example.com"])
    assert len(sleeps) == 2


def test_a_certificate_nobody_vouches_for_is_refused(own_certificate: Path, sleeps: list[float]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate)
    reads: list[bytes] = []

    def act(peer: Peer) -> None:
        with context.wrap_socket(peer.connection, server_side=True) as connection:
            reads.append(connection.recv(1_000))

    with RawServer(*[act] * 3) as server:
        client = HubSpot("hubspot://:pat-x@api.hubapi.com", {}, timeout_seconds=5)
        client._calls._batch.api_client.configuration.host = server.url.replace("http://", "https://")
        with pytest.raises(RunError, match=r"gives no answer after 3 tries \(TLS\)"):
            client.find_leads(["a@example.com"])
    assert reads == []


def test_a_read_that_fails_for_one_record_is_not_taken_for_its_absence(
    client: HubSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"category": "INTERNAL", "message": "taro@example.com could not be read", "context": {"ids": ["7"]}}
    monkeypatch.setattr(client._calls, "_asked", lambda *_, **__: {"results": [], "errors": [error]})
    with pytest.raises(RunError, match="HubSpot cannot read some contacts: <address> could not be read"):
        client.write_leads([lead(sfa_id="7")])


def test_a_refused_token_names_the_variable_and_is_not_shown(hubspot: HubSpotStandIn, client: HubSpot) -> None:
    hubspot.expire_token()
    with pytest.raises(RunError, match="look at NURTURE_SFA_URL") as error:
        client.write_leads([lead()])
    assert TOKEN not in str(error.value)
    assert len(hubspot.requests) == 1


def test_missing_scopes_are_named(hubspot: HubSpotStandIn, client: HubSpot) -> None:
    hubspot.lack_scopes(1, "crm.objects.contacts.write")
    with pytest.raises(RunError, match=r"lacks scopes: crm\.objects\.contacts\.write; add them"):
        client.write_leads([lead()])
    hubspot.lack_scopes(1)
    with pytest.raises(RunError, match=r"crm\.objects\.deals"):
        deals_of(client)


def test_a_property_that_is_not_there_is_named_after_one_request(
    hubspot: HubSpotStandIn, client: HubSpot, account: Account
) -> None:
    account.properties["contacts"].remove("nurture_score")
    with pytest.raises(RunError, match="HubSpot has no property nurture_score: create it"):
        client.write_leads([lead(number) for number in range(100)])
    assert len(hubspot.requests) == 1


def test_a_property_that_is_not_unique_is_named(client: HubSpot, account: Account) -> None:
    account.unique["contacts"].remove("nurture_lead_id")
    with pytest.raises(RunError, match=r"nurture_lead_id .* must require unique values"):
        client.write_leads([lead()])


def test_no_address_and_no_token_reaches_a_log(
    hubspot: HubSpotStandIn, client: HubSpot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hubspot.refuse("lead-1")
    client.write_leads([lead()])
    leads_of(client)
    hubspot.rate_limit(1, "DAILY")
    with pytest.raises(RunError):
        client.find_leads(["taro1@example.co.jp"])
    told = "".join(record.getMessage() for record in caplog.records)
    assert TOKEN not in told
    assert "example.co.jp" not in told
