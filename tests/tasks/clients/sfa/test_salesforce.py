"""The whole protocol against a stand-in Salesforce over HTTP, and each fault that it can show."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
import requests

from sandbox.salesforce import CLIENT_SECRET, SalesforceStandIn
from sandbox.salesforce_org import RUN_AS, USERS, Org
from tasks.clients.sfa import salesforce, salesforce_batches, salesforce_calls, salesforce_session
from tasks.clients.sfa.connect import connect_sfa
from tasks.clients.sfa.protocol import HandoffWrite, LeadWrite, Sfa, SfaDeal, SfaHandoff, SfaLead, Written
from tasks.clients.sfa.salesforce import Salesforce
from tasks.errors import RunError

DUE = datetime(2026, 11, 27, 16, 30, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OWNER, OTHER = USERS


@pytest.fixture(scope="module")
def running() -> Iterator[SalesforceStandIn]:
    with SalesforceStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(running: SalesforceStandIn) -> SalesforceStandIn:
    running.desk.page = 2_000
    running._is_open = True
    running.reset()
    return running


@pytest.fixture
def org(stand_in: SalesforceStandIn) -> Org:
    return stand_in.org


@pytest.fixture
def client(stand_in: SalesforceStandIn) -> Iterator[Salesforce]:
    client = Salesforce(stand_in.url, {}, timeout_seconds=5)
    yield client
    client.close()


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    for module in (salesforce_session, salesforce_batches):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=found.append))
    return found


@pytest.fixture
def quick_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_calls, "BULK_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(salesforce_batches, "COLLECTION_SIZE", 3)


def lead(number: int = 1, sfa_id: str | None = None, **changes: object) -> LeadWrite:
    values = {"email": f"taro{number}@example.co.jp", "name": "山田太郎", "company": "株式会社例", "score": 70}
    return LeadWrite(f"lead-{number}", sfa_id, **({"values": values} | changes))  # type: ignore[arg-type]


def handoff(number: int = 1, sfa_id: str | None = None, **changes: object) -> HandoffWrite:
    values: dict[str, object] = {
        "owner": OWNER,
        "cause": "資料請求",
        "caused_at": DUE - timedelta(days=1),
        "due_at": DUE,
        "handed_off_at": DUE - timedelta(hours=20),
        "subject": "山田太郎様へ連絡",
        "brief": "誰: 山田太郎 <部長>\n期限: 11/28",
    }
    return HandoffWrite(f"handoff-{number}", f"lead-{number}", sfa_id, **(values | changes))  # type: ignore[arg-type]


def person(org: Org, number: int = 1, **values: object) -> str:
    return org.add(
        "Lead", **({"LastName": "山田太郎", "Company": "株式会社例", "Nurture_Lead_Id__c": f"lead-{number}"} | values)
    )


def leads_of(client: Salesforce, since: datetime | None = None) -> list[SfaLead]:
    return [row for page in client.lead_changes(since) for row in page.rows]


def handoffs_of(client: Salesforce, since: datetime | None = None) -> list[SfaHandoff]:
    return [row for page in client.handoff_changes(since) for row in page.rows]


def deals_of(client: Salesforce, since: datetime | None = None) -> list[SfaDeal]:
    return [row for page in client.deal_changes(since) for row in page.rows]


def urls(stand_in: SalesforceStandIn) -> list[str]:
    return [url.partition("/v62.0/")[2] for _, url, _ in stand_in.requests if "/v62.0/" in url]


def test_it_fulfils_the_protocol_and_is_local_on_the_loopback(client: Salesforce) -> None:
    sfa: Sfa = client
    assert sfa.is_local
    assert sfa.page_size == 10_000
    there = Salesforce("salesforce://id:secret@mydomain.my.salesforce.com?version=64.0", {})
    assert not there.is_local
    assert there._calls._library.base_url == "https://mydomain.my.salesforce.com/services/data/v64.0/"


@pytest.mark.parametrize(
    "url",
    [
        "salesforce://mydomain.my.salesforce.com",
        "salesforce://id@mydomain.my.salesforce.com",
        "salesforce://id:hunter2@",
        "https://id:hunter2@mydomain.my.salesforce.com",
        "salesforce://id:hunter2@mydomain.my.salesforce.com:hunter2",
        "salesforce://id:hunter2@mydomain.my.salesforce.com/hunter2",
        "salesforce://id:hunter2@mydomain.my.salesforce.com?token=hunter2",
        "salesforce://id:hunter2@mydomain.my.salesforce.com?hunter2",
    ],
)
def test_a_url_without_what_it_needs_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(RunError, match="must be salesforce://CLIENT_ID:CLIENT_SECRET@mydomain") as error:
        Salesforce(url, {})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "url, message",
    [
        ("salesforce://id:hunter2@login.salesforce.com", "org's own host"),
        ("salesforce://id:hunter2@test.salesforce.com", "org's own host"),
        ("salesforce://id:hunter2@mydomain.lightning.force.com", "org's own host"),
        ("salesforce://id:hunter2@mydomain.my.salesforce.com?version=latest", "version must be one such as 62.0"),
        ("salesforce://id:hunter2@mydomain.my.salesforce.com?version=45.0", "46.0 at least"),
    ],
)
def test_a_host_or_a_version_that_does_not_serve_is_named(url: str, message: str) -> None:
    with pytest.raises(RunError, match=message) as error:
        Salesforce(url, {})
    assert "hunter2" not in str(error.value)


def test_a_credential_may_hold_any_character(stand_in: SalesforceStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.salesforce.CLIENT_SECRET", "a/b@c:d%")
    client = Salesforce(stand_in.url.replace(CLIENT_SECRET, "a%2Fb%40c%3Ad%25"), {})
    assert leads_of(client) == []


def test_a_missing_library_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(salesforce_calls, "import_module", missing)
    with pytest.raises(RunError, match=r"pip install 'nurture\[salesforce\]'"):
        Salesforce("salesforce://id:secret@mydomain.my.salesforce.com", {})


def test_a_name_that_no_field_has_is_refused(stand_in: SalesforceStandIn) -> None:
    with pytest.raises(RunError, match=r"'電話' is no API name of a Salesforce field.*see field phone"):
        Salesforce(stand_in.url, {"phone": "電話"})


def test_the_settings_name_it(stand_in: SalesforceStandIn) -> None:
    settings = SimpleNamespace(sfa=stand_in.url, timezone="UTC")
    fields = [SimpleNamespace(field="phone", name="MobilePhone"), SimpleNamespace(field="name", name=None)]
    client = connect_sfa(settings, SimpleNamespace(sfa=SimpleNamespace(fields=fields)))  # type: ignore[arg-type]
    assert isinstance(client, Salesforce)
    assert (client._fields["phone"], client._fields["name"]) == ("MobilePhone", "LastName")


def test_a_netrc_does_not_take_the_sessions_place(
    client: Salesforce, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(client._calls._session, "trust_env", True)
    monkeypatch.setattr("requests.sessions.get_netrc_auth", lambda _: ("somebody", "else"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert leads_of(client) == []


# leads


def test_a_new_lead_is_made_once_however_often_it_is_written(client: Salesforce, org: Org) -> None:
    first = client.write_leads([lead(owner=OTHER)])
    record = org.one("Lead", Nurture_Lead_Id__c="lead-1")
    assert first == [Written("lead-1", "written", record["Id"])]
    assert client.write_leads([lead(owner=OTHER)]) == first
    assert len(org.alive("Lead")) == 1
    expected = {
        "Email": "taro1@example.co.jp",
        "LastName": "山田太郎",
        "Company": "株式会社例",
        "Nurture_Score__c": 70.0,
        "OwnerId": OTHER,
    }
    assert expected.items() <= record.items()


def test_what_is_written_is_read_back(client: Salesforce) -> None:
    values = {
        "email": "taro@example.co.jp",
        "name": "山田太郎",
        "employees": "120",
        "revenue": "1500000.5",
        "score": 70,
        "last_action_at": "2026-11-20T03:00:00+00:00",
        "top_reasons": "資料請求(+10)、\n料金ページ(+5)",
    }
    [written] = client.write_leads([lead(values=values, owner=OTHER)])
    [read] = leads_of(client)
    assert (read.sfa_id, read.lead_id, read.owner) == (written.sfa_id, "lead-1", OTHER)
    assert read.email == "taro@example.co.jp"
    assert {name: read.values[name] for name in ("name", "employees", "revenue", "score", "top_reasons")} == {
        "name": "山田太郎",
        "employees": "120",
        "revenue": "1500000.5",
        "score": "70",
        "top_reasons": "資料請求(+10)、\n料金ページ(+5)",
    }
    assert read.values["last_action_at"] == "2026-11-20T03:00:00.000+0000"
    assert read.values["title"] is None
    assert not read.is_deleted


def test_what_the_run_as_user_has_is_nobodys(client: Salesforce, org: Org) -> None:
    client.write_leads([lead()])
    assert [read.owner for read in leads_of(client)] == [None]
    org.set_owner(org.one("Lead")["Id"], OTHER)
    assert [read.owner for read in leads_of(client)] == [OTHER]


def test_what_salesforce_wants_and_we_have_not_is_filled_and_read_as_nothing(client: Salesforce, org: Org) -> None:
    [written] = client.write_leads([lead(values={"email": "taro@example.co.jp"})])
    record = org.one("Lead", Nurture_Lead_Id__c="lead-1")
    assert (record["LastName"], record["Company"]) == ("(未登録)", "(未登録)")
    [read] = leads_of(client)
    assert (read.values["name"], read.values["company"]) == (None, None)
    org.change(record["Id"], LastName="山田", FirstName="太郎", Company="株式会社例")
    client.write_leads([lead(sfa_id=written.sfa_id, values={"phone": "03-0000-0000"})])
    client.write_leads([lead(values={"title": "部長"})])
    assert (record["LastName"], record["Company"], record["Title"]) == ("山田", "株式会社例", "部長")
    assert client.write_leads([lead(sfa_id=written.sfa_id, values={"company": None})])[0].verdict == "written"
    assert record["Company"] == "(未登録)"


def test_fields_name_other_fields_and_new_ones(stand_in: SalesforceStandIn, org: Org) -> None:
    for kind in ("Lead", "Contact"):
        org.fields[kind] |= {"Shiten__c": "text", "Kaisha__c": "text"}
    client = Salesforce(stand_in.url, {"company": "Kaisha__c", "branch": "Shiten__c"})
    client.write_leads([lead(values={"name": "山田", "company": "株式会社例", "branch": "大阪"})])
    record = org.one("Lead", Nurture_Lead_Id__c="lead-1")
    assert (record["Kaisha__c"], record["Shiten__c"], record["Company"]) == ("株式会社例", "大阪", "(未登録)")
    [read] = leads_of(client)
    assert (read.values["company"], read.values["branch"]) == ("株式会社例", "大阪")
    with pytest.raises(RunError, match="no Salesforce field is named for the field colour"):
        client.write_leads([lead(values={"colour": "red"})])


def test_a_japanese_name_is_read_last_name_first_and_written_whole(client: Salesforce, org: Org) -> None:
    id_ = person(org, LastName="山田", FirstName="太郎")
    assert [row.values["name"] for row in leads_of(client)] == ["山田 太郎"]
    client.write_leads([lead(sfa_id=id_, values={"phone": "03"})])
    assert org.record(id_)["FirstName"] == "太郎"
    client.write_leads([lead(sfa_id=id_, values={"name": "山田花子"})])
    assert [row.values["name"] for row in leads_of(client)] == ["山田花子"]


def test_nothing_clears_a_field_and_what_is_not_named_stays(client: Salesforce, org: Org) -> None:
    id_ = person(org, Title="部長", Phone="03-0000-0000")
    assert client.write_leads([lead(sfa_id=id_, values={"phone": None})]) == [Written("lead-1", "written", id_)]
    assert (org.record(id_)["Title"], org.record(id_)["Phone"]) == ("部長", None)


def test_a_record_of_sales_is_ours_once_it_is_written(client: Salesforce, org: Org) -> None:
    id_ = person(org, Nurture_Lead_Id__c=None, Email="Taro1@example.co.jp")
    contact = org.add("Contact", LastName="鈴木", Email="suzuki@example.com")
    person(org, 2, Email="ours@example.com")
    found = client.find_leads(["taro1@Example.co.jp", "suzuki@example.com", "ours@example.com", "o'neil@example.com"])
    assert found == {"taro1@Example.co.jp": id_, "suzuki@example.com": contact}
    assert client.find_leads([]) == {}
    assert client.write_leads([lead(1, id_)]) == [Written("lead-1", "written", id_)]
    assert client.find_leads(["taro1@example.co.jp"]) == {}
    assert len(org.alive("Lead")) == 2


def test_many_addresses_are_looked_for_in_few_requests(stand_in: SalesforceStandIn, org: Org) -> None:
    stand_in.desk.page = 100
    emails = [f"somebody.with-a-long-address.{number}@department.example.co.jp" for number in range(1000)]
    ids = {email: person(org, Nurture_Lead_Id__c=None, Email=email) for email in emails}
    assert Salesforce(stand_in.url, {}).find_leads(emails) == ids
    assert urls(stand_in).count("composite") < 8
    assert not any("example.co.jp" in url for url in urls(stand_in))


def test_our_merge_is_told(client: Salesforce, org: Org) -> None:
    client.write_leads([lead(merged_into="lead-9")])
    assert org.one("Lead", Nurture_Lead_Id__c="lead-1")["Nurture_Merged_Into__c"] == "lead-9"


def test_a_record_changed_since_it_was_seen_is_left_alone(client: Salesforce, org: Org) -> None:
    id_ = person(org)
    [seen] = leads_of(client)
    change = lead(sfa_id=id_, values={"phone": "03"}, seen_at=seen.modified_at)
    org.change(id_, Phone="090")
    assert client.write_leads([change]) == [Written("lead-1", "changed", id_)]
    assert org.record(id_)["Phone"] == "090"
    [seen] = leads_of(client)
    change = lead(sfa_id=id_, values={"phone": "03"}, seen_at=seen.modified_at + timedelta(milliseconds=3))
    assert client.write_leads([change]) == [Written("lead-1", "written", id_)]
    assert org.record(id_)["Phone"] == "03"


def test_deleted_unknown_and_merged_records_are_gone(client: Salesforce, org: Org) -> None:
    deleted, winner, loser = person(org, 1), person(org, 8), person(org, 3)
    org.delete(deleted)
    org.merge(winner, loser)
    writes = [lead(1, deleted), lead(2, "00Q000000999999AAA"), lead(3, loser), lead(4, "no-id'"), lead(5, OWNER)]
    written = client.write_leads(writes)
    assert [answer.verdict for answer in written] == ["gone"] * 5
    assert written[2].message == f"merged into {winner}"
    assert {record["Nurture_Lead_Id__c"] for record in org.alive("Lead")} == {"lead-8"}


def test_a_lead_that_was_deleted_is_made_anew_where_no_record_is_named(client: Salesforce, org: Org) -> None:
    org.delete(person(org))
    [written] = client.write_leads([lead()])
    assert written.verdict == "written"
    assert [record["Id"] for record in org.alive("Lead")] == [written.sfa_id]


def test_one_answer_each_in_their_order_with_refusals_beside(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org
) -> None:
    known = person(org, 3)
    stand_in.refuse("lead-2")
    written = client.write_leads([lead(1), lead(2), lead(3, known, values={"score": 5}), lead(4)])
    assert [(answer.key, answer.verdict) for answer in written] == [
        ("lead-1", "written"),
        ("lead-2", "refused"),
        ("lead-3", "written"),
        ("lead-4", "written"),
    ]
    assert written[1].message == "FIELD_CUSTOM_VALIDATION_EXCEPTION: <address> は入力規則に反します"
    assert written[2].sfa_id == known
    assert len(org.alive("Lead")) == 3


@pytest.mark.parametrize(
    "values, owner, message",
    [
        ({"email": "nobody"}, None, "INVALID_EMAIL_ADDRESS: Email: invalid email address: <value>"),
        ({"title": "部" * 256}, None, "STRING_TOO_LONG: Title: data value too large: <value> .max length=255."),
        ({}, "005000000000999AAA", "INVALID_CROSS_REFERENCE_KEY: Owner ID: invalid cross reference id"),
        ({"employees": "山田の携帯 090"}, None, "JSON_PARSER_ERROR: .* VALUE_STRING value <value> or request"),
        ({"last_action_at": "昨日の夜"}, None, "JSON_PARSER_ERROR: .* VALUE_STRING value <value> or request"),
    ],
)
def test_a_refusal_repeats_no_value_that_was_written(
    client: Salesforce, org: Org, values: dict[str, str], owner: str | None, message: str
) -> None:
    known = person(org, 3)
    bad = lead(2, values={"name": "鈴木"} | values, owner=owner)
    written = client.write_leads([lead(1), bad, lead(3, known), lead(4), lead(5)])
    assert [answer.verdict for answer in written] == ["written", "refused", "written", "written", "written"]
    assert len(org.alive("Lead")) == 4
    assert re.search(message, written[1].message or "")


def test_records_that_someone_holds_are_written_again(client: Salesforce, org: Org, sleeps: list[float]) -> None:
    org.locked = {"lead-1": 2, "lead-2": 3}
    written = client.write_leads([lead(1), lead(2), lead(3)])
    assert [answer.verdict for answer in written] == ["written", "refused", "written"]
    assert "UNABLE_TO_LOCK_ROW" in (written[1].message or "")
    assert sleeps == [1.0, 2.0]


def test_a_record_deleted_while_it_is_written_is_gone(
    client: Salesforce, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = person(org, 1), person(org, 2)
    save = client._calls.save

    def deleted_and_then_saved(*asked: object) -> list[dict[str, object]]:
        org.delete(first)
        return save(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(client._calls, "save", deleted_and_then_saved)
    written = client.write_leads([lead(1, first), lead(2, second)])
    assert [(answer.verdict, answer.sfa_id) for answer in written] == [("gone", first), ("written", second)]


def test_more_than_a_page_is_an_error_of_the_caller(client: Salesforce) -> None:
    with pytest.raises(ValueError, match="10001 records in one write; at most 10000"):
        client.write_leads([lead(number) for number in range(10_001)])
    assert client.write_leads([]) == []
    assert client.write_handoffs([]) == []


def test_assignment_rules_give_no_lead_away(stand_in: SalesforceStandIn, client: Salesforce) -> None:
    client.write_leads([lead()])
    assert {headers["sforce-auto-assign"] for _, _, headers in stand_in.requests} == {"FALSE"}


# leads in bulk


def test_many_leads_are_written_by_bulk_jobs(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org, quick_bulk: None
) -> None:
    known = {number: person(org, number, Title="部長", Phone="03") for number in range(10, 15)}
    stand_in.refuse("lead-2", known[11])
    org.locked = {"lead-3": 1}
    news = [lead(number, values={"name": '山田 "太郎", Jr.', "top_reasons": "一\n二\u2028三"}) for number in range(5)]
    olds = [lead(number, id_, values={"phone": None}) for number, id_ in known.items()]
    written = client.write_leads([*news, *olds])
    assert [answer.key for answer in written] == [f"lead-{number}" for number in [*range(5), *range(10, 15)]]
    assert {answer.key for answer in written if answer.verdict != "written"} == {"lead-2", "lead-11"}
    assert written[2].message == "FIELD_CUSTOM_VALIDATION_EXCEPTION: lead-2 は入力規則に反します"
    record = org.one("Lead", Nurture_Lead_Id__c="lead-1")
    assert (record["LastName"], record["Company"]) == ('山田 "太郎", Jr.', "(未登録)")
    assert record["Nurture_Top_Reasons__c"] == "一\n二\u2028三"
    assert (org.record(known[10])["Phone"], org.record(known[10])["Title"]) == (None, "部長")
    assert urls(stand_in).count("jobs/ingest") == 2
    assert client.write_leads([*news, *olds])[0] == written[0]


def test_a_bulk_job_tells_values_of_the_wrong_kind_by_record(client: Salesforce, quick_bulk: None) -> None:
    written = client.write_leads([lead(number) for number in range(4)] + [lead(4, values={"employees": "百人ほど"})])
    assert [answer.verdict for answer in written] == ["written"] * 4 + ["refused"]
    assert "百人" not in (written[4].message or "")


def test_a_bulk_job_that_fails_ends_the_run(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org, quick_bulk: None
) -> None:
    leads = [lead(number) for number in range(5)]
    del org.fields["Lead"]["Nurture_Score__c"]
    with pytest.raises(RunError, match="Field name not found : Nurture_Score__c; correct what it names"):
        client.write_leads(leads)
    org.fields["Lead"]["Nurture_Score__c"] = "number"
    stand_in.desk.bulk_error = "InternalServerError : taro@example.com"
    with pytest.raises(RunError, match=r"ended a bulk job of Lead: .*<address>"):
        client.write_leads(leads)
    stand_in.desk.bulk_error = None
    stand_in.expire_session()
    assert {answer.verdict for answer in client.write_leads(leads)} == {"written"}


def test_a_bulk_job_that_is_not_carried_out_is_given_up(
    stand_in: SalesforceStandIn, client: Salesforce, quick_bulk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salesforce_calls, "_BULK_MOST_SECONDS", 0.1)
    monkeypatch.setattr(stand_in.desk, "end_job", lambda id_, state: stand_in.desk.job(id_) | {"state": state})
    with pytest.raises(RunError, match="Job timeout"):
        client.write_leads([lead(number) for number in range(5)])
    assert stand_in.requests[-1][0] == "PATCH"


# leads that sales converted


def test_a_converted_lead_is_told_as_its_contact(client: Salesforce, org: Org) -> None:
    id_ = person(
        org, LastName="山田", FirstName="太郎", Industry="製造業", Email="taro@example.com", Nurture_Score__c=5.0
    )
    contact = org.convert(id_)
    org.change(contact, Title="部長", MailingState="東京都")
    rows = {row.sfa_id: row for row in leads_of(client)}
    assert (rows[id_].merged_into, rows[id_].is_deleted) == (contact, False)
    told = rows[contact]
    assert (told.lead_id, told.email, told.merged_into) == ("lead-1", "taro@example.com", None)
    expected = {"name": "山田 太郎", "company": "株式会社例", "industry": "製造業", "title": "部長", "region": "東京都"}
    assert expected.items() <= dict(told.values).items()
    assert (told.values["score"], told.values["employees"]) == ("5", None)
    assert set(told.read_only) == {"company", "industry", "employees", "revenue"}


@pytest.mark.parametrize("is_mapped", [True, False])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_converted_lead_is_written_to_its_contact(
    client: Salesforce, org: Org, is_mapped: bool, is_known: bool
) -> None:
    id_ = person(org)
    contact = org.convert(id_, is_mapped)
    values = {"title": "部長", "company": "別の会社", "region": "大阪府", "score": 9}
    write = lead(sfa_id=id_ if is_known else None, values=values)
    assert client.write_leads([write]) == [Written("lead-1", "written", contact, kept={"company": None})]
    record = org.record(contact)
    assert (record["Title"], record["MailingState"], record["Nurture_Score__c"]) == ("部長", "大阪府", 9.0)
    assert record["Nurture_Lead_Id__c"] == "lead-1"
    assert org.record(record["AccountId"])["Name"] == "株式会社例"
    assert len(org.alive("Lead")) == 1


def test_a_contact_that_is_another_leads_is_left_to_it(client: Salesforce, org: Org) -> None:
    contact = org.add("Contact", LastName="鈴木", Nurture_Lead_Id__c="lead-2")
    id_ = person(org, 1)
    org.convert(id_, into=contact)
    [told] = [row for row in leads_of(client) if row.sfa_id == id_]
    assert told.merged_into == contact
    written = client.write_leads([lead(1, id_), lead(2, contact, values={"title": "部長"})])
    assert [answer.verdict for answer in written] == ["gone", "written"]
    assert "another lead's" in (written[0].message or "")


def test_a_conversion_since_it_was_seen_is_a_change(client: Salesforce, org: Org) -> None:
    id_ = person(org)
    [seen] = leads_of(client)
    contact = org.convert(id_)
    assert client.write_leads([lead(sfa_id=id_, seen_at=seen.modified_at)]) == [Written("lead-1", "changed", id_)]
    org.delete(contact)
    assert client.write_leads([lead(sfa_id=id_)]) == [Written("lead-1", "gone", id_)]


# changes of leads


def test_changes_come_oldest_first_and_only_since_the_instant(client: Salesforce, org: Org) -> None:
    for number in range(5):
        if number % 2:
            org.add("Contact", LastName="鈴木", Nurture_Lead_Id__c=f"lead-{number}")
        else:
            person(org, number)
    rows = leads_of(client)
    assert [row.lead_id for row in rows] == [f"lead-{number}" for number in range(5)]
    since = rows[3].modified_at + timedelta(milliseconds=700)
    assert [row.lead_id for row in leads_of(client, since)] == ["lead-3", "lead-4"]
    org.change(rows[0].sfa_id, Phone="03")
    assert [row.lead_id for row in leads_of(client, since)] == ["lead-3", "lead-4", "lead-0"]
    assert leads_of(client, since + timedelta(days=1)) == []


@pytest.mark.parametrize("step", [timedelta(0), timedelta(milliseconds=100), timedelta(seconds=1)])
def test_every_page_is_read(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org, monkeypatch: pytest.MonkeyPatch, step: timedelta
) -> None:
    monkeypatch.setattr(salesforce, "READ_SIZE", 10)
    stand_in.desk.page = 7
    org.step = step
    ids = [person(org, number) for number in range(40)]
    ids += [org.add("Contact", LastName="鈴木") for _ in range(15)]
    pages = list(client.lead_changes(LONG_AGO))
    assert sorted(row.sfa_id for page in pages for row in page.rows) == sorted(ids)
    assert max(len(page.rows) for page in pages) == 10


def test_deleted_and_merged_records_are_told_in_their_place(client: Salesforce, org: Org) -> None:
    deleted, winner, loser, other = (person(org, number) for number in range(4))
    org.delete(deleted)
    org.change(other, Phone="03")
    org.merge(winner, loser)
    rows = leads_of(client)
    assert [row.sfa_id for row in rows] == [deleted, other, loser, winner]
    assert [row.is_deleted for row in rows] == [True, False, False, False]
    assert [row.merged_into for row in rows] == [None, None, winner, None]
    assert rows[0].lead_id == "lead-0"
    assert [row.sfa_id for row in leads_of(client, rows[2].modified_at)] == [loser, winner]


def test_a_list_that_is_forgotten_ends_the_run(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salesforce, "READ_SIZE", 2)
    stand_in.desk.page = 2
    for number in range(6):
        person(org, number)
    pages = client.lead_changes(None)
    assert len(next(pages).rows) == 2
    stand_in.desk.forget_cursors()
    with pytest.raises(RunError, match="has forgotten how far a list was read"):
        list(pages)


# handoffs


def test_a_handoff_becomes_a_task_of_the_person_once(client: Salesforce, org: Org) -> None:
    [written] = client.write_leads([lead()])
    first = client.write_handoffs([handoff(sfa_id=written.sfa_id)])
    task = org.one("Task", Nurture_Handoff_Id__c="handoff-1")
    assert first == [Written("handoff-1", "written", task["Id"])]
    assert client.write_handoffs([handoff(sfa_id=written.sfa_id)]) == first
    assert len(org.alive("Task")) == 1
    expected = {
        "WhoId": written.sfa_id,
        "OwnerId": OWNER,
        "Subject": "山田太郎様へ連絡",
        "Description": "誰: 山田太郎 <部長>\n期限: 11/28",
        "ActivityDate": "2026-11-28",
        "Status": "Not Started",
        "IsClosed": False,
        "Nurture_Status__c": "new",
        "Nurture_First_Contact_At__c": None,
        "Nurture_Due_At__c": "2026-11-27T16:30:00.000+0000",
        "Nurture_Caused_At__c": "2026-11-26T16:30:00.000+0000",
    }
    assert expected.items() <= task.items()


def test_the_day_of_a_task_is_told_in_the_zone(stand_in: SalesforceStandIn, org: Org) -> None:
    client = Salesforce(stand_in.url, {}, timezone="UTC")
    client.write_leads([lead()])
    client.write_handoffs([handoff()])
    assert org.one("Task", Nurture_Handoff_Id__c="handoff-1")["ActivityDate"] == "2026-11-27"


def test_a_second_write_leaves_what_sales_noted(client: Salesforce, org: Org) -> None:
    client.write_leads([lead()])
    client.write_handoffs([handoff()])
    task = org.one("Task", Nurture_Handoff_Id__c="handoff-1")
    org.set_handoff("handoff-1", "meeting", Nurture_Outcome__c="商談化")
    org.change(task["Id"], WhoId="003000000000777AAA")
    client.write_handoffs([handoff(owner=OTHER)])
    assert (task["Nurture_Status__c"], task["OwnerId"], task["WhoId"]) == ("meeting", OTHER, "003000000000777AAA")
    client.write_handoffs([handoff(status="won", outcome="受注", first_contact_at=DUE, changed_at=DUE)])
    assert (task["Nurture_Status__c"], task["Status"], task["IsClosed"]) == ("won", "Completed", True)
    assert task["Nurture_First_Contact_At__c"] == "2026-11-27T16:30:00.000+0000"
    assert task["Nurture_Outcome__c"] == "受注"


def test_a_task_follows_its_person(client: Salesforce, org: Org) -> None:
    winner, loser, converted, gone = (person(org, number) for number in range(1, 5))
    org.merge(winner, loser)
    contact = org.convert(converted)
    org.delete(gone)
    writes = [handoff(2, loser), handoff(3, converted), handoff(4, gone), handoff(5), handoff(1), handoff(6, "no-id")]
    written = client.write_handoffs(writes)
    assert [answer.verdict for answer in written] == ["written", "written", "gone", "refused", "written", "gone"]
    assert "the lead is written first" in (written[3].message or "")
    who = {record["Nurture_Handoff_Id__c"]: record["WhoId"] for record in org.alive("Task")}
    assert who == {"handoff-2": winner, "handoff-3": contact, "handoff-1": winner}


def test_an_owner_that_salesforce_has_not_is_named_in_the_task(client: Salesforce, org: Org) -> None:
    assert client.write_leads([lead(owner="sato")])[0].verdict == "written"
    client.write_handoffs([handoff(owner="sato")])
    assert org.one("Lead")["OwnerId"] == RUN_AS
    task = org.one("Task", Nurture_Handoff_Id__c="handoff-1")
    assert task["OwnerId"] == RUN_AS
    assert task["Description"].endswith("\n担当: sato")


def test_a_refused_handoff_is_told_beside_the_others(
    stand_in: SalesforceStandIn, client: Salesforce, quick_bulk: None
) -> None:
    client.write_leads([lead(number) for number in range(5)])
    stand_in.refuse("handoff-1")
    for size in (2, 5):
        written = client.write_handoffs([handoff(number) for number in range(size)])
        assert [answer.key for answer in written if answer.verdict == "refused"] == ["handoff-1"]
        assert written[1].message == "FIELD_CUSTOM_VALIDATION_EXCEPTION: <value> は入力規則に反します"


def test_the_statuses_are_the_orgs_own(client: Salesforce, org: Org) -> None:
    for record, name in zip(org.alive("TaskStatus"), ["未着手", "進行中", "完了"], strict=True):
        org.change(record["Id"], ApiName=name)
    client.write_leads([lead(number) for number in range(3)])
    states = ["new", "accepted", "returned"]
    client.write_handoffs([handoff(number, status=state) for number, state in enumerate(states)])
    assert [record["Status"] for record in org.alive("Task")] == ["未着手", "進行中", "完了"]
    assert [row.status for row in handoffs_of(client)] == states
    org.set_task_status("handoff-0", "進行中")
    assert handoffs_of(client)[-1].status == "accepted"


def test_what_sales_noted_is_read(client: Salesforce, org: Org) -> None:
    client.write_leads([lead(number) for number in range(5)])
    client.write_handoffs([handoff(number) for number in range(5)])
    org.add("Task", Subject="営業自身のタスク", IsClosed=True)
    since = max(row.changed_at for row in handoffs_of(client)) + timedelta(seconds=1)
    org.set_handoff("handoff-0", "contacted", Nurture_First_Contact_At__c="2026-11-27T01:00:00.000+0000")
    org.set_handoff("handoff-1", "returned", Nurture_Reject_Reason__c="予算なし", OwnerId=OTHER)
    org.set_task_status("handoff-2", "Completed")
    org.delete(org.one("Task", Nurture_Handoff_Id__c="handoff-4")["Id"])
    rows = {row.handoff_id: row for row in handoffs_of(client, since)}
    assert set(rows) == {"handoff-0", "handoff-1", "handoff-2"}
    assert rows["handoff-0"].status == "contacted"
    assert rows["handoff-0"].first_contact_at == datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
    assert (rows["handoff-1"].status, rows["handoff-1"].reject_reason) == ("returned", "予算なし")
    assert rows["handoff-1"].owner == OTHER
    assert (rows["handoff-2"].status, rows["handoff-2"].outcome) == ("contacted", None)
    assert rows["handoff-2"].first_contact_at is not None


def test_what_sales_chose_stands_above_the_completion(client: Salesforce, org: Org) -> None:
    client.write_leads([lead()])
    client.write_handoffs([handoff()])
    org.set_handoff("handoff-1", "meeting")
    org.set_task_status("handoff-1", "Completed")
    [row] = handoffs_of(client)
    assert (row.status, row.first_contact_at) == ("meeting", None)


def test_what_cannot_be_read_is_a_fault_beside_the_others(client: Salesforce, org: Org) -> None:
    client.write_leads([lead(number) for number in range(3)])
    client.write_handoffs([handoff(number) for number in range(3)])
    org.set_handoff("handoff-0", "taro@example.com")
    org.set_handoff("handoff-1", "contacted", Nurture_First_Contact_At__c="昨日")
    [page] = client.handoff_changes(None)
    assert [row.handoff_id for row in page.rows] == ["handoff-2"]
    id_ = org.one("Task", Nurture_Handoff_Id__c="handoff-0")["Id"]
    assert page.faults[0].startswith(f"Task {id_}: Nurture_Status__c is none of new, accepted, contacted")
    assert "Nurture_First_Contact_At__c is not a date and time" in page.faults[1]
    assert "@" not in page.faults[0]


# deals


def test_deals_of_people_are_read_and_those_of_nobody_passed_over(client: Salesforce, org: Org) -> None:
    contact = org.convert(person(org))
    open_, won, lost = (org.make_deal(contact, name, 1_200_000.5) for name in ("一", "二", "三"))
    nobodys = org.make_deal(None, "誰のものでもない")
    org.delete(org.make_deal(contact, "消えた"))
    org.close_deal(won, is_won=True)
    org.set_owner(won, OTHER)
    org.close_deal(lost, is_won=False)
    rows = {row.deal_id: row for row in deals_of(client)}
    assert {id_: row.status for id_, row in rows.items()} == {open_: "open", won: "won", lost: "lost"}
    assert {row.sfa_id for row in rows.values()} == {contact}
    assert (rows[won].amount, rows[won].name, rows[won].owner) == (Decimal("1200000.5"), "二", OTHER)
    since = rows[won].changed_at
    assert {row.deal_id for row in deals_of(client, since)} == {won, lost}
    second = org.add("Contact", LastName="鈴木")
    org.tie(nobodys, second, is_primary=False)
    org.tie(nobodys, contact)
    late = [(row.deal_id, row.sfa_id, row.amount) for row in deals_of(client, since)]
    assert late == [
        (nobodys, contact, None),
        (won, contact, Decimal("1200000.5")),
        (lost, contact, Decimal("1200000.5")),
    ]


# faults


@pytest.mark.parametrize("status", [429, 403])
def test_too_many_at_once_are_waited_for_as_told(
    stand_in: SalesforceStandIn, client: Salesforce, sleeps: list[float], status: int
) -> None:
    stand_in.rate_limit(1, status, retry_after="7")
    stand_in.rate_limit(1, status)
    assert client.write_leads([lead()])[0].verdict == "written"
    assert sleeps == [7.0, 2.0]


def test_a_rate_limit_that_stays_ends_the_run(
    stand_in: SalesforceStandIn, client: Salesforce, sleeps: list[float]
) -> None:
    stand_in.rate_limit(10, retry_after="25")
    with pytest.raises(RunError, match="does not lift within a minute"):
        list(client.lead_changes(None))
    assert sleeps == [25.0, 25.0]


def test_the_limit_of_the_day_is_not_waited_for(
    stand_in: SalesforceStandIn, client: Salesforce, sleeps: list[float]
) -> None:
    stand_in.use_up_requests(1)
    with pytest.raises(RunError, match=r"requests are used up.*last 24 hours: run again in a few hours"):
        list(client.deal_changes(None))
    assert sleeps == []


@pytest.mark.parametrize("status", [500, 502, 503])
def test_reads_and_writes_are_tried_three_times(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org, sleeps: list[float], status: int
) -> None:
    stand_in.fail(2, status)
    assert client.write_leads([lead()])[0].verdict == "written"
    stand_in.fail(2, status)
    assert len(leads_of(client)) == 1
    stand_in.fail(3, status)
    with pytest.raises(RunError, match=f"Salesforce answered {status}: SERVER_UNAVAILABLE: busy; run again later"):
        leads_of(client)
    assert len(org.alive("Lead")) == 1


def test_a_lost_answer_makes_nothing_twice(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org, sleeps: list[float]
) -> None:
    stand_in.pass_over(2)
    stand_in.lose_answers(1)
    [written] = client.write_leads([lead()])
    assert written.verdict == "written"
    for lost in range(1, 6):
        stand_in.lose_answers(lost % 3)
        assert client.write_handoffs([handoff(sfa_id=written.sfa_id)])[0].verdict == "written"
    assert len(org.alive("Lead")) == len(org.alive("Task")) == 1
    stand_in.pass_over(2)
    stand_in.lose_answers(3)
    with pytest.raises(RunError, match="Salesforce answered 502"):
        client.write_leads([lead(2)])
    assert client.write_leads([lead(2)])[0].verdict == "written"
    assert len(org.alive("Lead")) == 2


def test_an_expired_session_is_renewed_once_a_request(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org
) -> None:
    id_ = person(org)
    assert len(leads_of(client)) == 1
    for _ in range(3):
        stand_in.expire_session()
        assert client.write_leads([lead(sfa_id=id_)])[0].verdict == "written"
    opened = [url for _, url, _ in stand_in.requests if url.endswith("token")]
    assert len(opened) == 4
    stand_in.close_sessions()
    with pytest.raises(RunError, match="refuses the session it has just opened"):
        leads_of(client)


@pytest.mark.parametrize(
    "error, description",
    [("invalid_client", "invalid client credentials"), ("invalid_grant", "no client credentials user enabled")],
)
def test_a_refused_login_names_the_variable_and_shows_no_secret(
    stand_in: SalesforceStandIn, client: Salesforce, error: str, description: str
) -> None:
    stand_in.refuse_login(error, description)
    with pytest.raises(RunError, match=rf"{error}: {description}\): look at NURTURE_SFA_URL") as raised:
        client.write_leads([lead()])
    assert CLIENT_SECRET not in str(raised.value)
    assert len(stand_in.requests) == 1


def test_a_wrong_secret_is_refused(stand_in: SalesforceStandIn) -> None:
    with pytest.raises(RunError, match="invalid client credentials") as raised:
        leads_of(Salesforce(stand_in.url.replace(CLIENT_SECRET, "hunter2"), {}))
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "status, message",
    [
        (200, "NURTURE_SFA_URL leads to something else, not to Salesforce's API"),
        (302, "a redirect .302., which is not followed"),
        (404, "NURTURE_SFA_URL leads to a page that is not there, not to Salesforce's API"),
    ],
)
def test_another_server_is_not_taken_for_an_empty_org(
    stand_in: SalesforceStandIn, client: Salesforce, org: Org, status: int, message: str
) -> None:
    id_ = person(org)
    for ask in (
        lambda: list(client.lead_changes(None)),
        lambda: client.find_leads(["a@example.com"]),
        lambda: client.write_leads([lead(sfa_id=id_)]),
        lambda: client.write_leads([lead()]),
    ):
        stand_in.show_page(1, status)
        with pytest.raises(RunError, match=message):
            ask()


@pytest.mark.parametrize("body", [[], {}, {"records": [{}]}, {"records": None}, "text", 7])
def test_answers_that_are_none_of_salesforces_end_the_run(
    client: Salesforce, monkeypatch: pytest.MonkeyPatch, stand_in: SalesforceStandIn, body: object
) -> None:
    monkeypatch.setattr(stand_in.desk, "query", lambda *_: body)
    monkeypatch.setattr(stand_in.desk, "collection", lambda *_: body)
    with pytest.raises(RunError, match="not to Salesforce's API"):
        leads_of(client)
    monkeypatch.setattr(stand_in.desk, "composite", lambda *_: body)
    with pytest.raises(RunError, match="not to Salesforce's API"):
        client.find_leads(["a@example.com"])
    with pytest.raises(RunError, match="not to Salesforce's API"):
        client._calls.save("update", "Lead", "Nurture_Lead_Id__c", [{"Id": "1"}])


def test_a_field_that_is_not_there_is_named(client: Salesforce, org: Org) -> None:
    del org.fields["Lead"]["Nurture_Score__c"]
    with pytest.raises(RunError, match="no field or object Nurture_Score__c, or hides it"):
        client.write_leads([lead(number) for number in range(100)])
    with pytest.raises(RunError, match="no field or object Nurture_Score__c, or hides it"):
        leads_of(client)
    del org.fields["Contact"]["Nurture_Lead_Id__c"]
    with pytest.raises(RunError, match="no field or object Nurture_Lead_Id__c, or hides it"):
        client.find_leads(["taro@example.com"])


def test_a_field_that_may_not_be_written_and_an_object_that_may_not_be_read_are_named(
    client: Salesforce, org: Org
) -> None:
    org.hidden = {"Nurture_Score__c"}
    with pytest.raises(RunError, match="no field or object Nurture_Score__c, or hides it from the run-as user"):
        client.write_leads([lead()])
    del org.records["Opportunity"]
    with pytest.raises(RunError, match="no field or object Opportunity, or hides it"):
        deals_of(client)


def test_a_field_that_is_no_external_id_is_named(client: Salesforce, org: Org) -> None:
    org.external_ids["Lead"].clear()
    with pytest.raises(RunError, match="must be marked External ID"):
        client.write_leads([lead()])


def test_a_missing_permission_is_told(stand_in: SalesforceStandIn, client: Salesforce) -> None:
    stand_in.fail(1, 403, "API_DISABLED_FOR_ORG", "API is not enabled for taro@example.com")
    with pytest.raises(RunError, match="lacks a permission: API_DISABLED_FOR_ORG: API is not enabled for <address>"):
        leads_of(client)


def test_a_query_that_is_refused_ends_the_run(stand_in: SalesforceStandIn, client: Salesforce) -> None:
    stand_in.fail(1, 400, "MALFORMED_QUERY", "unexpected token: Email IN ('taro@example.com')")
    with pytest.raises(RunError, match="Salesforce refuses to read: MALFORMED_QUERY") as raised:
        leads_of(client)
    assert "taro" not in str(raised.value)


def test_a_request_that_hangs_is_made_again(stand_in: SalesforceStandIn, org: Org) -> None:
    client = Salesforce(stand_in.url, {}, timeout_seconds=0.3)
    stand_in.pass_over(2)
    stand_in.hang(1, 2)
    assert client.write_leads([lead()])[0].verdict == "written"
    assert len(org.alive("Lead")) == 1
    stand_in.hang(3, 2)
    with pytest.raises(RunError, match=r"no answer after 3 tries \(ReadTimeout\)"):
        client.find_leads(["a@example.com"])


def test_nobody_listens(sleeps: list[float]) -> None:
    with SalesforceStandIn() as stand_in:
        url = stand_in.url
    with pytest.raises(RunError, match=r"gives no answer after 3 tries \(ConnectionError\)"):
        Salesforce(url, {}, 1).find_leads(["a@example.com"])
    assert sleeps == [0.5, 1.0]


def test_a_certificate_nobody_vouches_for_is_refused(
    client: Salesforce, sleeps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise requests.exceptions.SSLError("hostname taro@example.com")

    monkeypatch.setattr(requests.Session, "request", refused)
    with pytest.raises(RunError, match=r"gives no answer after 3 tries \(TLS\)"):
        leads_of(client)


def test_values_are_escaped(client: Salesforce, org: Org) -> None:
    id_ = "x') OR Email != null OR Email IN ('\\"
    [written] = client.write_leads([LeadWrite(id_, None, {"name": "山田"})])
    assert org.one("Lead", Nurture_Lead_Id__c=id_)["Id"] == written.sfa_id
    assert client.write_leads([LeadWrite(id_, None, {"name": "山田"})]) == [written]


def test_no_address_and_no_secret_reaches_a_log(
    stand_in: SalesforceStandIn, client: Salesforce, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # another library quietens it
    stand_in.refuse("lead-1")
    client.write_leads([lead()])
    leads_of(client)
    client.find_leads(["taro1@example.co.jp"])
    stand_in.use_up_requests(1)
    with pytest.raises(RunError):
        client.find_leads(["taro1@example.co.jp"])
    told = "".join(record.getMessage() for record in caplog.records)
    assert "queryAll" in told
    assert CLIENT_SECRET not in told
    assert "session-1" not in told
    assert "example.co.jp" not in told
