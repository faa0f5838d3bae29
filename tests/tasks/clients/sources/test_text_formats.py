"""CSV, TSV and JSON lines: encodings, headers, exact lines, and rows that are none."""

from __future__ import annotations

import gzip

import pytest

from tests.tasks.pulling import Pulling

HEADER = "id,cookie,ts,path\n"
COLUMNS = {"event_id": "id", "visitor": "cookie", "occurred_at": "ts", "url": "path"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16"])
def test_csv_in_each_encoding(pulling: Pulling, encoding: str) -> None:
    path = pulling.file("a.csv", HEADER + "1,v1,2026-04-01 09:00:00,/料金\n", encoding)
    given = "utf-8" if encoding == "utf-8-sig" else encoding
    pulling.sources(pulling.file_source(path, columns=COLUMNS, encoding=given))
    assert pulling.counts().rows_loaded == 1
    assert pulling.rows(
        "select visitor, url, strftime(occurred_at, '%Y-%m-%dT%H:%M:%S'), event_type, properties from events"
    ) == [("v1", "/料金", "2026-04-01T00:00:00", "page_view", {})]


def test_a_wrong_encoding_is_told_with_its_place_and_what_would_do(pulling: Pulling) -> None:
    path = pulling.file("a.csv", HEADER + "1,v1,2026-04-01 09:00:00,/a\n2,v2,2026-04-01 09:00:00,/料金\n", "cp932")
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    error = pulling.pull_one().error
    assert error is not None
    offset = len(HEADER) + len("1,v1,2026-04-01 09:00:00,/a\n") + len("2,v2,2026-04-01 09:00:00,/")
    assert f"a.csv is not utf-8: the byte at offset {offset} (line 3) does not fit" in error
    assert "set 'encoding: cp932'" in error
    assert pulling.rows("select count(*) from events") == [(0,)]


def test_utf8_is_not_read_as_cp932(pulling: Pulling) -> None:
    path = pulling.file("a.csv", HEADER + "1,v1,2026-04-01 09:00:00,/事例\n")
    pulling.sources(pulling.file_source(path, columns=COLUMNS, encoding="cp932"))
    assert "is UTF-8, not the encoding given" in str(pulling.pull_one().error)


def test_the_place_is_right_far_into_a_file(pulling: Pulling) -> None:
    rows = "".join(f"{number},v,2026-04-01 09:00:00,/料金\n" for number in range(60_000))
    good = (HEADER + rows).encode()
    path = pulling.file("a.csv", good + b"x,v,2026-04-01 09:00:00,/\xff\n")
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    error = str(pulling.pull_one().error)
    assert f"offset {len(good) + len('x,v,2026-04-01 09:00:00,/')} (line 60002)" in error
    assert "mixes encodings or is damaged" in error


def test_rows_of_another_width_go_to_quarantine_with_their_line(pulling: Pulling) -> None:
    content = (
        HEADER
        + '1,v,2026-04-01 09:00:00,"/a\n/b"\n2,v,2026-04-01 09:00:00\n\n3,v,2026-04-01 09:00:00,/c,x\n4,v,bad,/d\n'
    )
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), columns=COLUMNS))
    counts = pulling.counts()
    assert (counts.rows_read, counts.rows_loaded, counts.rows_quarantined) == (4, 1, 3)
    assert pulling.quarantine() == [
        ("a.csv", 4, None, "2,v,2026-04-01 09:00:00", "4 columns expected, 3 found"),
        ("a.csv", 6, None, "3,v,2026-04-01 09:00:00,/c,x", "4 columns expected, 5 found"),
        ("a.csv", 7, "ts", "bad", "not a stamp; is date_format right?"),
    ]
    assert pulling.rows("select url from events") == [("/a\n/b",)]


def test_a_quote_left_open_is_told_with_the_lines_it_swallowed(pulling: Pulling) -> None:
    content = HEADER + '1,v,2026-04-01 09:00:00,"/a\n2,v,2026-04-01 09:00:00,/b\n'
    pulling.sources(pulling.file_source(pulling.file("a.csv", content), columns={**COLUMNS, "url": "ts"}))
    pulling.counts()
    content = HEADER + '1,"v,2026-04-01 09:00:00,/a\n2,v,2026-04-01 09:00:00,/b\n'
    path = pulling.file("b.csv", content)
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    pulling.counts(1)
    ((_, line, _, _, reason),) = [row for row in pulling.quarantine() if row[0] == "b.csv"]
    assert (line, reason) == (2, "4 columns expected, 2 found (lines 2 to 3: a quote may be left open)")


def test_headers_names_and_skipped_lines(pulling: Pulling) -> None:
    pulling.file("a.tsv", "exported today\nvisitor\twhen\tpage\nv1\t2026/4/1 9:05\t/a\n")
    pulling.file("b.tsv", "v2\t2026/4/1 9:06\t/b\n")
    columns = {"visitor": "visitor", "occurred_at": "when", "url": "page"}
    pulling.sources(
        pulling.file_source(pulling.folder / "a.tsv", columns=columns, skip_rows=1),
        pulling.file_source(pulling.folder / "b.tsv", columns=columns, name="b", names=["visitor", "when", "page"]),
    )
    assert pulling.pull().failed == ()
    assert pulling.rows("select visitor, url, strftime(occurred_at, '%H:%M') from events order by visitor") == [
        ("v1", "/a", "00:05"),
        ("v2", "/b", "00:06"),
    ]


def test_a_missing_column_is_told_with_the_nearest(pulling: Pulling) -> None:
    path = pulling.file("a.csv", "id,cookies,ts,path\n")
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    error = str(pulling.pull_one().error)
    assert "no column 'cookie' (it has: id, cookies, ts, path); did you mean 'cookies'?" in error


def test_json_lines(pulling: Pulling) -> None:
    content = (
        '{"id": 7, "who": {"cookie": "v1"}, "at": "2026-04-01T00:00:00Z", "tags": ["a", "b"], "ok": true}\n'
        "\n[1]\n{broken\n"
        '{"id": 8, "at": "2026-04-01T00:00:00Z"}\n'
    )
    columns = {
        "event_id": "id", "visitor": "who.cookie", "occurred_at": "at",
        "properties.tags": "tags", "properties.ok": "ok",
    }  # fmt: skip
    pulling.sources(pulling.file_source(pulling.file("a.jsonl", content), columns=columns))
    assert pulling.counts().rows_quarantined == 3
    assert pulling.rows("select visitor, properties['ok'], properties['tags'] from events") == [("v1", "true", "a;b")]
    assert [(line, value) for _, line, _, value, _ in pulling.quarantine()] == [
        (3, "[1]"),
        (4, "{broken"),
        (5, None),
    ]


def test_packed_files_are_unpacked(pulling: Pulling) -> None:
    path = pulling.file("a.csv.gz", gzip.compress((HEADER + "1,v1,2026-04-01 09:00:00,/a\n").encode()))
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    assert pulling.counts().rows_loaded == 1


@pytest.mark.parametrize(
    ("date_format", "given"),
    [
        ("%d/%m/%Y %H:%M", "01/04/2026 09:00"),
        ("%Y年%m月%d日 %H時%M分", "2026年04月01日 09時00分"),
        ("%d/%b/%Y:%H:%M:%S %z", "01/Apr/2026:02:00:00 +0200"),
        ("epoch", "1775001600"),
        ("epoch_ms", "1775001600000"),
        (None, "2026-04-01T09:00:00+09:00"),
        (None, "2026-04-01 09:00:00 +0900"),
        (None, "2026-04-01T00:00Z"),
        (None, "２０２６-04-01 09:00"),
    ],
)
def test_stamps(pulling: Pulling, date_format: str | None, given: str) -> None:
    path = pulling.file("a.csv", HEADER + f"1,v,{given},/a\n")
    options = {"date_format": date_format} if date_format else {}
    pulling.sources(pulling.file_source(path, columns=COLUMNS, **options))
    pulling.counts()
    assert pulling.rows("select strftime(occurred_at, '%Y-%m-%d %H:%M:%S') from events") == [("2026-04-01 00:00:00",)]
