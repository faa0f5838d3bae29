"""Excel, Parquet, access logs, SendGrid's events: what each brings, and what it sets aside."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from tests.tasks.pulling import Pulling

LINE = (
    '192.0.2.7 - - [01/Apr/2026:09:00:00 +0900] "GET /price?x=1 HTTP/1.1" 200 512'
    ' "https://www.example.com/" "Browser/1.0"'
)


def test_excel(pulling: Pulling) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["名簿 2026"])
    sheet.append(["mail", "氏名", "従業員数", "更新", "顧客"])
    sheet.append(["taro@example.com", " 山田 太郎 ", 120, datetime(2026, 4, 1, 9, 0), True])
    sheet.append([None, None, None, None, None])
    sheet.append(["hanako@example.com", "鈴木 花子", "多数", datetime(2026, 4, 1, 9, 0), None])
    sheet.append(["x@example.com", "a", 1, datetime(2026, 4, 1, 9, 0), None, "stray"])
    workbook.create_sheet("other")
    path = pulling.folder / "a.xlsx"
    workbook.save(path)
    columns = {"email": "mail", "name": "氏名", "employees": "従業員数", "occurred_at": "更新", "is_customer": "顧客"}
    pulling.sources(pulling.file_source(path, "leads", columns=columns, skip_rows=1))
    counts = pulling.counts()
    assert (counts.rows_loaded, counts.rows_quarantined, counts.values_quarantined) == (2, 1, 1)
    assert pulling.rows("select email, attributes from lead_records order by email") == [
        ("hanako@example.com", {"name": "鈴木 花子"}),
        ("taro@example.com", {"name": "山田 太郎", "employees": "120", "is_customer": "true"}),
    ]
    assert [row[:4] for row in pulling.quarantine()] == [
        ("a.xlsx", 5, "従業員数", "多数"),
        ("a.xlsx", 6, None, "x@example.com\ta\t1\t2026-04-01 09:00:00\t\tstray"),
    ]


def test_a_sheet_by_name_and_a_file_that_is_no_workbook(pulling: Pulling) -> None:
    workbook = openpyxl.Workbook()
    workbook.create_sheet("opt-outs").append(["mail"])
    path = pulling.folder / "a.xlsx"
    workbook.save(path)
    source = pulling.file_source(path, "suppressions", columns={"email": "mail"})
    pulling.sources({**source, "sheet": "opt-outs"})
    assert pulling.pull_one().error is None
    pulling.sources({**source, "sheet": "optouts"})
    assert "no sheet 'optouts' (it has: Sheet, opt-outs)" in str(pulling.pull_one(1).error)
    pulling.sources({**source, "path": str(pulling.file("b.xlsx", "mail\n"))})
    assert "not an .xlsx workbook" in str(pulling.pull_one(2).error)


def test_parquet_types(pulling: Pulling) -> None:
    stamp = datetime(2026, 4, 1, 0, 0, 0, 500000, tzinfo=UTC)
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "at": pa.array([stamp] * 3, pa.timestamp("us", "UTC")),
            "visitor": pa.array(["a", "b", "c"]).dictionary_encode(),
            "amount": pa.array([Decimal("1.50"), None, Decimal("2.00")]),
            "size": pa.array([1.0, 2.5, None]),
            "ok": pa.array([True, False, None]),
            "tags": pa.array([["x", "y"], [], None]),
            "day": pa.array([date(2026, 4, 1)] * 3),
        }
    )
    path = pulling.folder / "a.parquet"
    pq.write_table(table, path)
    columns = {"event_id": "id", "occurred_at": "at", "visitor": "visitor"}
    columns |= {f"properties.{name}": name for name in ("amount", "size", "ok", "tags", "day")}
    pulling.sources(pulling.file_source(path, columns=columns))
    assert pulling.counts().rows_loaded == 3
    assert pulling.rows("select properties from events order by visitor") == [
        ({"amount": "1.50", "day": "2026-04-01", "ok": "true", "size": "1", "tags": "x;y"},),
        ({"day": "2026-04-01", "ok": "false", "size": "2.5"},),
        ({"amount": "2.00", "day": "2026-04-01"},),
    ]
    assert pulling.rows("select distinct occurred_at from events") == [(stamp,)]
    path.write_bytes(path.read_bytes()[:200])
    assert "not a whole Parquet file" in str(pulling.pull_one(1).error)


def test_access_log(pulling: Pulling) -> None:
    common = LINE.split(' "https')[0]
    lines = [
        LINE,
        LINE,
        common.replace("/price?x=1", "/common"),
        LINE.replace("Browser/1.0", r"say \"hi\"").replace("/price?x=1", "/escaped") + ' "extra" 0.01',
        LINE[:-20],
        LINE.replace("01/Apr", "31/Feb"),
        LINE.replace('"GET /price?x=1 HTTP/1.1"', '"-"'),
    ]
    path = pulling.file(
        "access.log", "\n".join(lines).encode() + b"\n" + LINE.replace("/price", "/\\xff").encode() + b"\n"
    )
    pulling.sources(pulling.file_source(path, constants={}))
    counts = pulling.counts()
    assert (counts.rows_read, counts.rows_loaded, counts.rows_quarantined) == (8, 6, 2)
    rows = pulling.rows("select url, event_type, visitor, properties, occurred_at from events where url like '/price%'")
    assert rows[0] == rows[1]
    assert rows[0][:2] == ("/price?x=1", "page_view")
    assert len(rows[0][2]) == 16
    assert rows[0][3] == {
        "method": "GET", "status": "200", "referrer": "https://www.example.com/", "user_agent": "Browser/1.0",
    }  # fmt: skip
    assert rows[0][4] == datetime(2026, 4, 1, tzinfo=UTC)
    assert pulling.rows("select properties['user_agent'] from events where url = '/escaped'") == [(r"say \"hi\"",)]
    everything = str(pulling.rows("select * from events")) + str(pulling.rows("select * from quarantine"))
    assert "192.0.2.7" not in everything
    assert [(line, reason) for _, line, _, _, reason in pulling.quarantine()] == [
        (5, "not a line of the common or combined log format"),
        (6, "not a line of the common or combined log format"),
    ]


def test_sendgrid_events(pulling: Pulling) -> None:
    def event(name: str, number: int, **more: object) -> dict[str, object]:
        return {
            "email": "Taro@Example.com", "timestamp": 1775001600, "event": name, "sg_event_id": f"e{number}",
            "sg_message_id": "m.1", "smtp-id": "<1@example.com>", "ip": "192.0.2.7", "nurture_send_id": "s1", **more,
        }  # fmt: skip

    names = (
        "processed", "delivered", "open", "click", "bounce", "dropped", "deferred", "spamreport", "unsubscribe",
        "group_unsubscribe", "group_resubscribe",
    )  # fmt: skip
    events = [event(name, number) for number, name in enumerate(names)]
    events[2]["sg_machine_open"] = True
    events[4] |= {"type": "blocked", "reason": "450 later"}
    lines = [
        json.dumps(events[:5]),
        *map(json.dumps, events[5:]),
        json.dumps(events[2]),
        json.dumps(event("odd", 99)),
        "{",
    ]
    pulling.file("a.jsonl", "\n".join(lines))
    pulling.file("b.jsonl", json.dumps([event("open", 50)], indent=2))
    source = pulling.file_source(pulling.folder / "*.jsonl", format="sendgrid_events")
    del source["constants"]
    pulling.sources(source)
    counts = pulling.counts()
    assert (counts.rows_loaded, counts.rows_known, counts.rows_quarantined) == (12, 1, 2)
    assert pulling.rows("select event_type, count(*) from events group by all order by all") == [
        ("mail_bounce", 1), ("mail_click", 1), ("mail_deferred", 1), ("mail_delivered", 1), ("mail_dropped", 1),
        ("mail_open", 2), ("mail_processed", 1), ("mail_resubscribe", 1), ("mail_spam_report", 1),
        ("mail_unsubscribe", 2),
    ]  # fmt: skip
    assert pulling.rows("select distinct email, send_id, occurred_at from events") == [
        ("taro@example.com", "s1", datetime(2026, 4, 1, tzinfo=UTC))
    ]
    assert pulling.rows(
        "select properties['type'], properties['reason'] from events where event_type = 'mail_bounce'"
    ) == [("blocked", "450 later")]
    assert pulling.rows("select count(*) from events where properties['sg_machine_open'] = 'true'") == [(1,)]
    assert "192.0.2.7" not in str(pulling.rows("select * from events")) + str(pulling.quarantine())


def test_sendgrid_events_are_one_whatever_source_brings_them(pulling: Pulling) -> None:
    content = json.dumps({"email": "a@example.com", "timestamp": 1775001600, "event": "open", "sg_event_id": "e"})
    path = pulling.file("a.jsonl", content)
    one = {"name": "one", "kind": "file", "path": str(path), "into": "events", "format": "sendgrid_events"}
    pulling.sources(one, {**one, "name": "two"})
    assert [report.counts.rows_loaded for report in pulling.pull().sources] == [1, 0]
