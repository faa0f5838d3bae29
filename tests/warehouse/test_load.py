"""What rows become: leads, deals, consents, suppressions; which values are set aside, and what a re-read changes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tasks.pulling import START, Pulling

LEADS = {
    "email": "mail", "external_id": "id", "name": "氏名", "industry": "業種", "employees": "従業員", "joined": "入会",
    "is_customer": "顧客", "topics": "興味", "occurred_at": "更新", "created_at": "作成",
}  # fmt: skip
HEADER = "mail,id,氏名,業種,従業員,入会,顧客,興味,更新,作成\n"


@pytest.fixture
def pulling(tmp_path: Path) -> Pulling:
    return Pulling(tmp_path)


def leads(pulling: Pulling, rows: str, **options: object) -> dict[str, object]:
    path = pulling.file("leads.csv", HEADER + rows)
    return pulling.file_source(path, "leads", name="crm", columns=LEADS, **options)


def test_values_are_normalised(pulling: Pulling) -> None:
    row = (
        '　ＴＡＲＯ＠Ｅxample.com ,7, 山田　太郎 ,ＩＴ,"1,200",2026/4/1,はい,価格；導入事例,'
        "2026-04-01 09:00,2026-03-01 09:00\n"
    )
    pulling.sources(leads(pulling, row))
    assert pulling.counts().values_quarantined == 0
    assert pulling.rows("select email, external_id, attributes, occurred_at, created_at from lead_records") == [
        (
            "taro@example.com",
            "crm:7",
            {
                "name": "山田　太郎",
                "employees": "1200",
                "industry": "IT",
                "is_customer": "true",
                "joined": "2026-04-01",
                "topics": "価格;導入事例",
            },
            datetime(2026, 4, 1, tzinfo=UTC),
            datetime(2026, 3, 1, tzinfo=UTC),
        )
    ]


def test_empty_values_never_become_attributes(pulling: Pulling) -> None:
    pulling.sources(leads(pulling, "a@example.com,,, ,　,,,,2026-04-01 09:00,\n"))
    pulling.counts()
    assert pulling.rows("select email, external_id, attributes from lead_records") == [("a@example.com", None, {})]


def test_a_value_that_does_not_fit_is_set_aside_and_the_row_stays(pulling: Pulling) -> None:
    row = "a@example.com,7,山田,農業,多数,いつか,たぶん,価格;宇宙,2026-04-01 09:00,昔\n"
    pulling.sources(leads(pulling, row))
    counts = pulling.counts()
    assert (counts.rows_loaded, counts.rows_quarantined, counts.values_quarantined) == (1, 0, 6)
    assert pulling.rows("select attributes from lead_records") == [({"name": "山田", "topics": "価格"},)]
    assert {row[1:4] for row in pulling.quarantine()} == {
        (2, "業種", "農業"), (2, "従業員", "多数"), (2, "入会", "いつか"), (2, "顧客", "たぶん"), (2, "興味", "宇宙"),
        (2, "作成", "昔"),
    }  # fmt: skip


def test_a_corporate_number_is_kept_in_its_digits_or_set_aside(pulling: Pulling) -> None:
    rows = "number,mail,at\nＴ7000-0120-50002,a@example.com,2026-04-01\n8000012050002,b@example.com,2026-04-01\n"
    columns = {"corporate_number": "number", "email": "mail", "occurred_at": "at"}
    pulling.sources(pulling.file_source(pulling.file("leads.csv", rows), "leads", columns=columns))
    assert pulling.counts().rows_loaded == 2
    assert pulling.rows("select email, attributes from lead_records order by email") == [
        ("a@example.com", {"corporate_number": "7000012050002"}),
        ("b@example.com", {}),
    ]
    assert [row[1:4] for row in pulling.quarantine()] == [(3, "number", "8000012050002")]


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (",,山田,,,,,,2026-04-01 09:00,", None, "name=山田\x1foccurred_at=2026-04-01 09:00"),
        ("taro at example.com,7,,,,,,,2026-04-01 09:00,", "mail", "taro at example.com"),
        ("taro@example,7,,,,,,,2026-04-01 09:00,", "mail", "taro@example"),
        ("a@example.com b@example.com,7,,,,,,,2026-04-01 09:00,", "mail", "a@example.com b@example.com"),
        ("a@example.com,7,,,,,,,2026-02-30 09:00,", "更新", "2026-02-30 09:00"),
        ("a@example.com,7,,,,,,,infinity,", "更新", "infinity"),
        ("a@example.com,7,,,,,,,,", "更新", None),
    ],
)
def test_rows_that_cannot_be_used(pulling: Pulling, row: str, column: str | None, value: str | None) -> None:
    pulling.sources(leads(pulling, row + "\nok@example.com,8,,,,,,,2026-04-01 09:00,\n"))
    counts = pulling.counts()
    assert (counts.rows_loaded, counts.rows_quarantined) == (1, 1)
    assert [fault[1:4] for fault in pulling.quarantine()] == [(2, column, value)]


@pytest.mark.parametrize(
    "address", ["a.b+c@example.co.jp", "o'hara@example.com", "a..b@example.ne.jp", "taro@例え.example", "_@x-y.example"]
)
def test_addresses_that_exist_are_taken(pulling: Pulling, address: str) -> None:
    pulling.sources(leads(pulling, f"{address},,,,,,,,2026-04-01 09:00,\n"))
    assert pulling.counts().rows_loaded == 1


def test_two_sources_may_share_ids(pulling: Pulling) -> None:
    first = leads(pulling, "a@example.com,7,,,,,,,2026-04-01 09:00,\n", id_space="shared")
    deals = pulling.file("deals.csv", 'deal,id,state,amount,at\nD1,7,closed_won,"1,000",2026-04-02 09:00\n')
    columns = {"deal_id": "deal", "external_id": "id", "status": "state", "amount": "amount", "occurred_at": "at"}
    second = pulling.file_source(
        deals, "deals", name="sfa", columns=columns, id_space="shared", values={"status": {"closed_won": "won"}}
    )
    pulling.sources(first, second)
    assert pulling.pull().failed == ()
    assert pulling.rows("select deal_id, external_id, status, amount from deal_records") == [
        ("D1", "shared:7", "won", Decimal("1000.00"))
    ]
    assert pulling.rows("select external_id from lead_records") == [("shared:7",)]


def test_a_deal_is_an_event_once_a_state_and_stamp(pulling: Pulling) -> None:
    columns = {"deal_id": "deal", "email": "mail", "status": "state", "amount": "amount", "occurred_at": "at"}
    header = "deal,mail,state,amount,at\n"
    opened = "D1,a@example.com,Open,,2026-04-01 09:00\n"
    won = "D1,a@example.com,won,10,2026-04-02 09:00\n"
    edited = "D1,a@example.com,won,20,2026-04-03 09:00\n"
    path = pulling.file("deals.csv", header + opened)
    pulling.sources(pulling.file_source(path, "deals", name="sfa", columns=columns))
    pulling.counts()
    pulling.file("deals.csv", header + opened + won + "D2,a@example.com,paid,10,2026-04-02 09:00\n")
    assert pulling.counts(1).rows_quarantined == 1
    pulling.file("deals.csv", header + won + edited + "D3,a@example.com,lost,x,2026-04-02 09:00\n")
    assert pulling.counts(2).values_quarantined == 1
    assert pulling.rows("select count(*) from deal_records") == [(4,)]
    assert pulling.rows("select event_type, properties['deal_id'] from events order by all") == [
        ("deal_created", "D1"), ("deal_lost", "D3"), ("deal_won", "D1"), ("deal_won", "D1"),
    ]  # fmt: skip


def test_events_without_anybody_or_with_an_unusable_type(pulling: Pulling) -> None:
    rows = ("page_view,,", "page_view,,s1", "Page View,v,", ",v,")
    content = "kind,visitor,send,at\n" + "".join(f"{row},2026-04-01\n" for row in rows)
    columns = {"event_type": "kind", "visitor": "visitor", "send_id": "send", "occurred_at": "at"}
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), columns=columns))
    assert pulling.counts().rows_loaded == 1
    assert [(line, column) for _, line, column, _, _ in pulling.quarantine()] == [(2, None), (4, "kind"), (5, "kind")]


def test_an_own_id_counts_once_even_within_a_file(pulling: Pulling) -> None:
    content = "id,visitor,at\n1,a,2026-04-01\n1,b,2026-04-02\n,c,2026-04-01\n,c,2026-04-01\n"
    columns = {"event_id": "id", "visitor": "visitor", "occurred_at": "at"}
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), columns=columns))
    counts = pulling.counts()
    assert (counts.rows_loaded, counts.rows_known) == (3, 1)
    assert pulling.rows("select visitor from events order by all") == [("a",), ("c",), ("c",)]


class TestConsent:
    def test_a_constant_grants_it_to_all(self, pulling: Pulling) -> None:
        consent = {"consent": {"basis": "business_card", "evidence": "展示会 2026-03"}}
        source = leads(pulling, "a@example.com,7,,,,,,,2026-04-01 09:00,\n", constants=consent)
        pulling.sources(source)
        pulling.counts()
        assert pulling.rows("select email, mail_kind, is_granted, basis, evidence from consent_records") == [
            ("a@example.com", "marketing", True, "business_card", "展示会 2026-03")
        ]
        pulling.file("leads.csv", HEADER + "a@example.com,7,山田,,,,,,2026-04-02 09:00,\n")
        assert pulling.counts(1).rows_loaded == 1
        assert pulling.rows("select count(*) from consent_records") == [(1,)]

    def test_a_column_grants_it_where_it_has_a_basis(self, pulling: Pulling) -> None:
        rows = ("a@example.com,opt_in_form,form 7", "b@example.com,,", "c@example.com,guess,")
        content = "mail,basis,proof,at\n" + "".join(f"{row},2026-04-01\n" for row in rows)
        columns = {"email": "mail", "consent_basis": "basis", "consent_evidence": "proof", "occurred_at": "at"}
        pulling.sources(pulling.file_source(pulling.file("a.csv", content), "leads", columns=columns))
        counts = pulling.counts()
        assert (counts.rows_loaded, counts.values_quarantined) == (3, 1)
        assert pulling.rows("select email, basis, evidence from consent_records") == [
            ("a@example.com", "opt_in_form", "form 7")
        ]
        assert [row[1:4] for row in pulling.quarantine()] == [(4, "basis", "guess")]

    def test_without_either_nobody_may_be_mailed(self, pulling: Pulling) -> None:
        pulling.sources(leads(pulling, "a@example.com,7,,,,,,,2026-04-01 09:00,\n"))
        pulling.counts()
        assert pulling.rows("select count(*) from consent_records") == [(0,)]

    def test_grants_and_withdrawals(self, pulling: Pulling) -> None:
        content = (
            "mail,granted,basis,at\na@example.com,yes,opt_in_form,2026-04-01\na@example.com,no,,2026-04-02\n"
            "b@example.com,yes,,2026-04-01\nc@example.com,perhaps,opt_in_form,2026-04-01\n"
        )
        columns = {"email": "mail", "is_granted": "granted", "basis": "basis", "occurred_at": "at"}
        pulling.sources(pulling.file_source(pulling.file("a.csv", content), "consents", columns=columns))
        assert pulling.pull_one().feeds_consent
        assert pulling.rows("select is_granted, basis from consent_records order by occurred_at") == [
            (True, "opt_in_form"),
            (False, None),
        ]
        assert [row[1:3] for row in pulling.quarantine()] == [(4, "basis"), (5, "granted")]


def test_a_consent_names_a_kind_of_mail_and_an_unknown_one_is_refused(pulling: Pulling) -> None:
    content = (
        "mail,granted,basis,kind,at\n"
        "a@example.com,yes,opt_in_form,Newsletter,2026-04-01\n"
        "b@example.com,yes,opt_in_form,,2026-04-01\n"
        "c@example.com,yes,opt_in_form,sms,2026-04-01\n"
        "d@example.com,yes,he said so,step,2026-04-01\n"
        "a..b@example.com,yes,business_card,step,2026-04-01\n"
        "日本@example.com,yes,business_card,step,2026-04-01\n"
        ",yes,business_card,step,2026-04-01\n"
    )
    columns = {"email": "mail", "is_granted": "granted", "basis": "basis", "mail_kind": "kind", "occurred_at": "at"}
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), "consents", columns=columns))
    assert pulling.counts().rows_loaded == 2
    assert pulling.rows("select email, mail_kind from consent_records order by email") == [
        ("a@example.com", "newsletter"),
        ("b@example.com", "marketing"),
    ]
    assert [row[1:] for row in pulling.quarantine()] == [
        (4, "kind", "sms", "not a kind of mail: newsletter, step, trigger, or marketing for all three"),
        (5, "basis", "he said so", "not a basis of consent: opt_in_form, business_card, existing_dealings, published_address"),
        (6, "mail", "a..b@example.com", "an address that SendGrid does not take"),
        (7, "mail", "日本@example.com", "an address that SendGrid does not take"),
        (8, None, pulling.quarantine()[-1][3], "nobody it could belong to: no email, no other id"),
    ]  # fmt: skip


def test_a_withdrawal_is_kept_however_badly_it_is_written(pulling: Pulling) -> None:
    content = (
        "mail,granted,basis,kind,at\na@example.com,no,he said so,step,2026-04-01\n"
        "b@example.com,no,,sms,someday\nc..d@example.com,no,,trigger,\n"
    )
    columns = {"email": "mail", "is_granted": "granted", "basis": "basis", "mail_kind": "kind", "occurred_at": "at"}
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), "consents", columns=columns))
    counts = pulling.counts()
    assert (counts.rows_loaded, counts.rows_quarantined, counts.values_quarantined) == (3, 0, 4)
    assert pulling.rows("select email, mail_kind, basis, occurred_at from consent_records order by email") == [
        ("a@example.com", "step", None, datetime(2026, 3, 31, 15, tzinfo=UTC)),
        ("b@example.com", "marketing", None, START),
        ("c..d@example.com", "trigger", None, START),
    ]
    assert [row[1:4] for row in pulling.quarantine()] == [
        (2, "basis", "he said so"),
        (3, "at", "someday"),
        (3, "kind", "sms"),
        (4, "mail", "c..d@example.com"),
    ]


def test_a_row_about_a_person_may_carry_consent_to_a_kind(pulling: Pulling) -> None:
    columns = {"email": "mail", "consent_basis": "basis", "consent_mail_kind": "kind"}
    content = "mail,basis,kind\na@example.com,opt_in_form,trigger\nb@example.com,opt_in_form,sms\n"
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), "leads", columns=columns))
    assert pulling.counts().rows_loaded == 2
    assert pulling.rows("select email, mail_kind from consent_records") == [("a@example.com", "trigger")]
    assert [row[1:4] for row in pulling.quarantine()] == [(3, "kind", "sms")]


def test_a_suppression_blocks_a_kind_all_marketing_or_all(pulling: Pulling) -> None:
    content = "mail,what\na@example.com,NEWSLETTER\nb@example.com,marketing\nc@example.com,all\nd..e@example.com,step\n"
    columns = {"email": "mail", "blocks": "what"}
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), "suppressions", columns=columns))
    assert pulling.counts().rows_loaded == 4
    assert [blocks for (blocks,) in pulling.rows("select blocks from suppression_records order by email")] == [
        "newsletter", "marketing", "all", "step",
    ]  # fmt: skip
    assert [row[1:] for row in pulling.quarantine()] == [
        (5, "mail", "d..e@example.com", "an address that SendGrid does not take; the block is kept")
    ]


def test_an_opt_out_is_kept_however_badly_it_is_written(pulling: Pulling) -> None:
    content = "mail,what,at\na@example.com,,\nb@example.com,everything,someday\nc@example.com,marketing,2026-03-01\n"
    columns = {"email": "mail", "blocks": "what", "occurred_at": "at"}
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), "suppressions", columns=columns))
    counts = pulling.counts()
    assert (counts.rows_loaded, counts.values_quarantined) == (3, 2)
    assert pulling.rows("select email, blocks, reason, occurred_at from suppression_records order by email") == [
        ("a@example.com", "marketing", "opt_out", START),
        ("b@example.com", "all", "opt_out", START),
        ("c@example.com", "marketing", "opt_out", datetime(2026, 2, 28, 15, tzinfo=UTC)),
    ]
    pulling.file("a.csv", content + "d@example.com,,\n")
    assert pulling.counts(1).rows_loaded == 1


class TestListsWithoutStamps:
    COLUMNS = {"email": "mail", "company": "company"}

    def pull(self, pulling: Pulling, hours: int, *rows: str) -> int:
        path = pulling.file("list.csv", "mail,company\n" + "".join(f"{row}\n" for row in rows))
        pulling.sources(pulling.file_source(path, "leads", columns=self.COLUMNS))
        return pulling.counts(hours).rows_loaded

    def test_one_who_moves_and_moves_back_has_moved_twice(self, pulling: Pulling) -> None:
        assert self.pull(pulling, 0, "a@example.com,A", "b@example.com,B") == 2
        assert self.pull(pulling, 1, "a@example.com,X", "b@example.com,B") == 1
        assert self.pull(pulling, 2, "a@example.com,A", "b@example.com,B") == 1
        told = pulling.rows("select attributes['company'] from lead_records where email[1] = 'a' order by occurred_at")
        assert told == [("A",), ("X",), ("A",)]

    def test_a_list_that_says_two_things_at_once_settles(self, pulling: Pulling) -> None:
        assert self.pull(pulling, 0, "a@example.com,A", "a@example.com,B") == 2
        assert self.pull(pulling, 1, "a@example.com,A", "a@example.com,B", "c@example.com,C") == 1
        assert self.pull(pulling, 2, "a@example.com,A", "a@example.com,B", "c@example.com,C") == 0

    def test_what_it_says_holds_from_the_pull_on(self, pulling: Pulling) -> None:
        self.pull(pulling, 0, "a@example.com,A")
        assert pulling.rows("select occurred_at, received_at from lead_records") == [(START, START)]


class TestParquetInPlace:
    """DuckDB reads Parquet itself, and most rows go straight to the facts; nothing else may differ by that."""

    COLUMNS = {
        "event_type": "kind", "occurred_at": "at", "visitor": "cookie", "email": "mail", "url": "path",
        "properties.note": "note",
    }  # fmt: skip
    ROWS = (
        ("1", "page_view", "2026-04-01 09:00:00", "v1", "", "/a", ""),
        ("2", "page_view", "2026-04-01 08:00:00+00:00", "v2", "a@example.com", "/b", "x"),
        ("3", " page_view", "2026-04-01 09:00:01", "\u3000v3 ", " Ａ@Example.com", "/c ", "　y　z\t"),
        ("4", "", "2026-04-01 09:00:00", "v4", "", "", ""),
        ("5", "Page View", "2026-04-01 09:00:00", "v5", "", "", ""),
        ("6", "page_view", "2026-02-30 09:00:00", "v6", "", "", ""),
        ("7", "page_view", "", "v7", "", "", ""),
        ("8", "page_view", "2026-04-01 09:00:00", "", "", "/a", ""),
        ("9", "page_view", "2026-04-01 09:00:00", "v9", "nobody at example.com", "", ""),
        ("10", "seminar", "２０２６-04-01 09:00:00", "v10", "B@EXAMPLE.COM", "", ""),
        ("1", "page_view", "2026-04-01 10:00:00", "later", "", "", ""),
        (" 2", "page_view", "2026-04-01 10:00:00", "later", "", "", ""),
        ("6", "page_view", "2026-04-01 09:00:00", "good", "", "", ""),
        ("", "page_view", "2026-04-01 09:00:00", "without", "", "", ""),
        ("", "page_view", "2026-04-01 09:00:00", "without", "", "", ""),
        ("", "page_view", "2026-04-01 09:00:00", "alone", "", "", ""),
    )
    NAMES = ("id", "kind", "at", "cookie", "mail", "path", "note")

    def pulled(self, folder: Path, kind: str, *, has_ids: bool) -> list[object]:
        folder.mkdir()
        pulling = Pulling(folder)
        path = folder / f"a.{kind}"
        if kind == "parquet":
            pq.write_table(pa.table(dict(zip(self.NAMES, zip(*self.ROWS, strict=True), strict=True))), path)
        else:
            path.write_text("\n".join(",".join(row) for row in (self.NAMES, *self.ROWS)) + "\n", encoding="utf-8")
        columns = {**self.COLUMNS, **({"event_id": "id"} if has_ids else {})}
        values = {"event_type": {"seminar": "seminar_signup"}}
        pulling.sources(pulling.file_source(path, columns=columns, values=values))
        counts = pulling.counts()
        assert counts.rows_read == counts.rows_loaded + counts.rows_known + counts.rows_quarantined == len(self.ROWS)
        # a header is a line, and Parquet has none
        quarantined = [(line - (kind == "csv"), *rest) for _, line, *rest in pulling.quarantine()]
        files = pulling.rows("select rows_loaded, rows_quarantined from files_read")
        return [counts.rows_loaded, pulling.rows("select * from events order by event_id"), quarantined, files]

    @pytest.mark.parametrize("has_ids", [True, False])
    def test_it_loads_what_a_csv_of_the_same_rows_loads(self, pulling: Pulling, has_ids: bool) -> None:
        parquet = self.pulled(pulling.folder / "parquet", "parquet", has_ids=has_ids)
        assert parquet == self.pulled(pulling.folder / "csv", "csv", has_ids=has_ids)
        assert [row[0] for row in parquet[2]] == [4, 5, 6, 7, 8, 9]

    def test_files_of_several_shapes_and_odd_names_load_together(self, pulling: Pulling) -> None:
        odd = pulling.folder / "day=[1]'s"
        odd.mkdir()
        stamps = [datetime(2026, 4, 1, hour, tzinfo=UTC) for hour in (1, 0)]
        plain = pa.table({"id": [1, 2], "cookie": ["a", "b"], "at": pa.array(stamps, pa.timestamp("us", "UTC"))})
        naive = pa.table(
            {"filename": ["x"], "at": pa.array([datetime(2026, 4, 1, 9)]), "cookie": ["c"], "id": ["1.50"]}
        )
        pq.write_table(plain, odd / "1.parquet")
        pq.write_table(plain.slice(1), odd / "2.parquet")
        pq.write_table(naive, odd / "3.parquet")
        columns = {"event_id": "id", "visitor": "cookie", "occurred_at": "at"}
        pulling.sources(pulling.file_source(f"{pulling.folder}/day=*/*.parquet", columns=columns))
        counts = pulling.counts()
        assert (counts.rows_loaded, counts.rows_known) == (3, 1)
        assert pulling.rows("select visitor, occurred_at from events order by visitor") == [
            ("a", stamps[0]), ("b", stamps[1]), ("c", stamps[1]),
        ]  # fmt: skip
        assert pulling.rows("select parse_filename(path), rows_loaded from files_read order by all") == [
            ("1.parquet", 2), ("2.parquet", 1), ("3.parquet", 1),
        ]  # fmt: skip
        assert pulling.counts(1).rows_read == 0

    def test_a_stamp_beyond_all_calendars_goes_to_quarantine(self, pulling: Pulling) -> None:
        stamps = pa.array([2**62, 1_775_000_000_000_000], pa.timestamp("us", "UTC"))
        path = pulling.folder / "a.parquet"
        pq.write_table(pa.table({"cookie": ["a", "b"], "at": stamps}), path)
        pulling.sources(pulling.file_source(path, columns={"visitor": "cookie", "occurred_at": "at"}))
        counts = pulling.counts()
        assert (counts.rows_loaded, counts.rows_quarantined) == (1, 1)
        assert [row[:3] for row in pulling.quarantine()] == [("a.parquet", 1, "at")]

    def test_a_file_that_is_damaged_within_loads_nothing(self, pulling: Pulling) -> None:
        path = pulling.folder / "a.parquet"
        cookies = [f"visitor {number}" for number in range(5000)]
        table = pa.table({"cookie": cookies, "at": ["2026-04-01"] * 5000})
        pq.write_table(table, path, compression="zstd", use_dictionary=False)
        content = bytearray(path.read_bytes())
        content[100:2000] = b"\x00" * 1900
        path.write_bytes(content)
        pulling.sources(pulling.file_source(path, columns={"visitor": "cookie", "occurred_at": "at"}))
        assert "a.parquet cannot be read to the end" in str(pulling.pull_one().error)
        assert pulling.rows("select count(*) from events") == [(0,)]
        assert pulling.rows("select count(*) from files_read") == [(0,)]
